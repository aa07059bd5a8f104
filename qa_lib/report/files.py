"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from qa_lib.errors import RenderError


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes the file completely or not at all.

    Raises ``RenderError`` when the disk is full or the folder may not be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise _refusal(path, error) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise _refusal(path, error) from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Removes what a rendering that was killed left half written."""
    for path in folder.rglob(".*.partial"):
        path.unlink(missing_ok=True)


def _refusal(path: Path, error: OSError) -> RenderError:
    return RenderError(
        f"{path} cannot be written: {error.strerror}. Make room or make the folder writable, then render again."
    )
