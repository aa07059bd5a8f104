"""SPSS and Stata files, read in a process of their own.

Their parser is C code that a damaged file can end, and with it the process that called it: here only the one that was
made for this file.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from qa_lib.errors import QaError, ResponseError
from qa_lib.study.limits import ADVICE, MAX_MEMORY, check_shape

_ROOT = Path(__file__).parents[3]
_SECONDS = 60  # and one for every megabyte


def whole_file(path: Path) -> tuple[pd.DataFrame, object]:
    """Table and description (pyreadstat's) of an SPSS (.sav, .zsav) or Stata (.dta) file, user-missing values kept.

    Raises ``ResponseError`` when the file is broken, larger than any survey's, or takes too long: the time its parser
    needs grows with the square of the columns (8,000 take six seconds, 50,000 some minutes).
    """
    seconds = _SECONDS + path.stat().st_size // 1_000_000
    folders = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer"
        command = [sys.executable, "-m", __name__, str(path), str(answer)]
        try:
            environment = {**os.environ, "PYTHONPATH": folders}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ResponseError(f"{path} could not be read within {seconds} seconds. {ADVICE}") from None
        if done.returncode or not answer.exists():
            last = done.stderr.strip().rpartition("\n")[2][:200]
            raise ResponseError(_broken(path, last or "its parser broke down"))
        refusal, found = pickle.loads(answer.read_bytes())
    if refusal is not None:
        raise ResponseError(refusal)
    return found


def read(path: Path) -> tuple[pd.DataFrame, object]:
    """What :func:`whole_file` gives, read in this process."""
    import pyreadstat

    parse = pyreadstat.read_dta if path.suffix.lower() == ".dta" else pyreadstat.read_sav
    try:
        _, about = parse(path, metadataonly=True, user_missing=True)
        check_shape(path, 0, about.number_columns)
        _check_promise(path, about.number_rows or 0, about.number_columns)
        widths = [max(8, width) for width in about.variable_storage_width.values()]
        most = MAX_MEMORY // (sum(widths) + 60 * len(widths) + 1)
        table, about = parse(path, row_limit=most + 1, user_missing=True)
    except QaError:
        raise
    except Exception as error:  # a parser of other people's files raises whatever it stumbles over
        raise ResponseError(_broken(path, str(error)[:200] or type(error).__name__)) from None
    if len(table) > most:
        raise ResponseError(f"{path} has more than {most:,} rows of {len(widths):,} columns. {ADVICE}")
    return table, about


def _broken(path: Path, said: str) -> str:
    return f"{path} is not a whole {'Stata' if path.suffix.lower() == '.dta' else 'SPSS'} file: {said}. Save it again."


def _check_promise(path: Path, n_rows: int, n_columns: int) -> None:
    """Room is made for as many rows as the header says: no more than the file can hold, a byte for a cell.

    SPSS's compressed files have zlib's blocks, which unpack to 1032 times their size at most.
    """
    with path.open("rb") as stream:
        packed = stream.read(4) == b"$FL3"
    if n_rows * n_columns > path.stat().st_size * (1032 if packed else 1):
        raise ResponseError(f"{path} says that it has {n_rows:,} rows, and is too small for them. Save it again.")


def _answer(path: Path, answer: Path) -> None:
    try:
        content = (None, read(path))
    except QaError as error:
        content = (str(error), None)
    answer.write_bytes(pickle.dumps(content))


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), Path(sys.argv[2]))
