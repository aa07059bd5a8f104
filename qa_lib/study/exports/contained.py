"""Other people's parsers, contained: a workbook or a parquet file is read whole, or refused in words."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pandas as pd
from openpyxl.reader.excel import ExcelReader

from qa_lib.errors import QaError, ResponseError
from qa_lib.study.limits import ADVICE, MAX_ROWS, check_shape

if TYPE_CHECKING:
    import pyarrow as pa

_UNPACKED = 500_000_000
_PARTS = 5_000
_RATIO = 250  # sheets of real answers shrink to a fifth or a fortieth, never to a hundredth
_RATIO_MATTERS = 20_000_000
_SHEETS = 5
_SHEET_ROWS = 1_048_576  # Excel's own last row
_SHEET_CELLS = 30_000_000


def first_sheet(path: Path) -> pd.DataFrame:
    """The cells of a workbook's first sheet as objects, from its first row to the last that holds anything.

    Raises ``ResponseError`` when it is no whole workbook or larger than any survey's.
    """
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # openpyxl's, on styles and serials of no date
            _check_archive(path, stream)
            reader = _FirstSheets(stream, read_only=True, data_only=True, keep_links=False)
            reader.read()
            if not reader.wb.worksheets:
                raise ResponseError(f"{path} has no worksheet.")
            sheet = reader.wb.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size need not be true
            rows = _bounded(path, sheet.iter_rows(values_only=True))
    except QaError:
        raise
    except Exception as error:  # a parser of other people's files raises whatever it stumbles over
        said = str(error)[:200] or type(error).__name__
        raise ResponseError(f"{path} is not a whole Excel workbook ({said}). Save or download it again.") from None
    return pd.DataFrame(rows, dtype=object)


class _FirstSheets(ExcelReader):
    """Opens the first sheets only: each is read through where it does not say how large it is."""

    def read_worksheets(self) -> None:
        del self.parser.sheets[_SHEETS:]
        super().read_worksheets()


def _check_archive(path: Path, stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as archive:
        parts = archive.infolist()
    packed, unpacked = sum(part.compress_size for part in parts), sum(part.file_size for part in parts)
    if len(parts) > _PARTS:
        raise ResponseError(f"{path} holds {len(parts):,} parts; that is no survey export. {ADVICE}")
    if unpacked > _UNPACKED or (unpacked > _RATIO_MATTERS and unpacked > _RATIO * packed):
        raise ResponseError(
            f"{path} unpacks from {packed / 1e6:,.1f} MB to {unpacked / 1e6:,.0f} MB; that is no survey export. "
            f"{ADVICE}"
        )


def _bounded(path: Path, rows: Iterable[tuple]) -> list[list]:
    """The rows, all as wide as the last cell filled, without the blank rows at their end."""
    found: list[list] = []
    width = 0
    for number, row in enumerate(rows, 1):
        if number > _SHEET_ROWS:
            raise ResponseError(f"{path} has more rows than Excel can: it is broken. Save or download it again.")
        last = len(row)
        while last and row[last - 1] is None:
            last -= 1
        if not last:
            continue
        found += [[]] * (number - 1 - len(found))  # the blank rows above it
        found.append(list(row[:last]))
        width = max(width, last)
        if number * width > _SHEET_CELLS:
            raise ResponseError(f"{path} has a sheet of {number:,} rows and {width:,} columns or more. {ADVICE}")
    return [row + [None] * (width - len(row)) for row in found]


def whole_parquet(path: Path) -> pd.DataFrame:
    """The rows of a parquet file; nested cells as text, and what pandas once wrote about its index left aside.

    Raises ``ResponseError`` when the file is broken or larger than any survey's.
    """
    return next(parquet_blocks(path))


def parquet_blocks(path: Path, rows: int | None = None) -> Iterator[pd.DataFrame]:
    """As :func:`whole_parquet`, in blocks of at most so many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MAX_ROWS:
                raise ResponseError(f"{path} has {file.metadata.num_rows:,} rows; {MAX_ROWS:,} are read. {ADVICE}")
            check_shape(path, rows or file.metadata.num_rows, file.metadata.num_columns)
            if rows is None:
                yield _frame(file.read(use_threads=False))
                return
            for batch in file.iter_batches(rows, use_threads=False):
                yield _frame(pa.Table.from_batches([batch]))
    except QaError:
        raise
    except Exception as error:  # a parser of other people's files raises whatever it stumbles over
        said = str(error)[:200] or type(error).__name__
        raise ResponseError(f"{path} is not a whole parquet file: {said}. Write it again.") from None


def _frame(table: pa.Table) -> pd.DataFrame:
    import pyarrow as pa

    for place, column in enumerate(table.columns):
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            texts = [None if cell is None else str(cell) for cell in column.to_pylist()]
            table = table.set_column(place, table.schema.names[place], pa.array(texts, pa.string()))
    return table.to_pandas(ignore_metadata=True)
