"""What a file may cost: no workbook, table or pipe that somebody sends fills the memory or takes hours.

Every limit lies far beyond a survey's export, and is checked before the parser sees the content where the format says
beforehand what is to come.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from unicodedata import category

from qa_lib.errors import QaError, ResponseError

MAX_BYTES = 1_000_000_000
MAX_ROWS = 100_000_000
MAX_COLUMNS = 100_000
MAX_CELLS = 400_000_000
MAX_MEMORY = 8_000_000_000
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
ADVICE = "Export the survey's own columns only, split the file by month, or save it as parquet."


def regular_file(path: Path, error: type[QaError], absent: str = "") -> int:
    """The size of a file in bytes. Raises ``error`` where there is none, or where it is a folder, a pipe, a device."""
    if not _is_unicode(path.name):
        raise error(f"{str(path)!a}: the file's name is in no known encoding. Rename it.")
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise error(f"{plain(path)} does not exist.{absent}") from None
    except OSError as problem:
        raise error(f"{plain(path)[:200]} cannot be read: {problem.strerror}.") from None
    if not stat.S_ISREG(state.st_mode):
        what = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or a device"
        raise error(f"{path} is {what}, not a file. Put a file there, or take it away.")
    return state.st_size


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def plain(text: object) -> str:
    """A name or a message without characters that a terminal would obey or an encoding refuse: they are spelt out.

    >>> plain("a\\x1b[31mb"), plain("信赖度")
    ('a\\\\x1b[31mb', '信赖度')
    """
    return "".join(
        ascii(character)[1:-1] if category(character)[0] == "C" and character not in "\n\t" else character
        for character in str(text)
    )


def without_controls(text: str) -> str:
    """A text without control characters, which neither YAML nor XML may hold; tabs and line ends stay."""
    return CONTROLS.sub("", text)


def check_shape(path: Path, n_rows: int, n_columns: int) -> None:
    """Raises ``ResponseError`` for a table larger than any survey's."""
    if n_columns > MAX_COLUMNS:
        raise ResponseError(f"{path} has {n_columns:,} columns; {MAX_COLUMNS:,} are allowed. {ADVICE}")
    if n_rows * n_columns > MAX_CELLS:
        raise ResponseError(f"{path} has {n_rows:,} rows of {n_columns:,} columns; that is too large. {ADVICE}")
