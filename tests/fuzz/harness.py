"""What all fuzz targets share: a scratch folder, and the invariants that hold for whatever is read.

Whatever the bytes: a ``QaError`` that says something, or a result; nothing else is raised, no warning but the library's
own; no file is written outside the scratch folder, no process started, no address connected, nothing unpickled.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qa_lib.errors import QaError, QaWarning

os.environ.setdefault("QA_HASH_KEY", "the key of the fuzzers alone")
LONGEST_MESSAGE = 20_000
_STARTED = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "pickle.find_class",
}
_memory = Path("/dev/shm")
_folder = tempfile.TemporaryDirectory(prefix="qa-fuzz-", dir=_memory if _memory.is_dir() else None)
SCRATCH = Path(_folder.name)
_watching = False
_seen: list[str] = []


def _audit(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    if event in _STARTED:
        _seen.append(f"{event} {arguments!r:.200}")
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = arguments
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        if writes and not os.fsdecode(path).startswith((str(SCRATCH), "/dev/null", "/proc/")):
            _seen.append(f"written: {path!r:.200}")


sys.addaudithook(_audit)


@contextmanager
def _watched() -> Iterator[None]:
    global _watching
    _seen.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    assert not _seen, _seen


def attempt(action: Callable, *arguments: object, **options: object) -> object:
    """What the action returns, or None where it refused with an error that says why."""
    with _watched(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", QaWarning)
        try:
            return action(*arguments, **options)
        except QaError as error:
            said = str(error)
    assert 10 < len(said) < LONGEST_MESSAGE, f"{said[:300]!r} of {len(said)} characters"
    return None


def file(data: bytes, name: str) -> Path:
    """A file of these bytes in the scratch folder."""
    path = SCRATCH / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
