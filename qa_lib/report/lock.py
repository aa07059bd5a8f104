"""One rendering of a study at a time: a lock that the operating system lifts when its holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qa_lib.errors import RenderError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the lock of a reports folder.

    Raises ``RenderError`` when another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RenderError(f"{folder} cannot be written ({error.strerror}). Make the folder writable.") from None
    try:
        _take(handle, folder)
        yield
    finally:
        os.close(handle)


def _take(handle: int, folder: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RenderError(f"another process is rendering into {folder}. Wait until it has ended.") from None
