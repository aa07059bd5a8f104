"""Where moments read from: pieces of a DataFrame, of parquet or CSV files, or of a Dask DataFrame.

A piece is small to send to another process and yields batches of bounded size where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from qa_lib.errors import ResponseError
from qa_lib.sufficient.values import check_columns, check_size

BATCH_ROWS = 262_144


@dataclass(frozen=True, slots=True)
class Batch:
    """Values x (items × respondents), their weights (respondents,) or None, and their groups (respondents,) or None."""

    items: list[str]
    x: np.ndarray
    weights: np.ndarray | None = None
    groups: pd.Series | None = None

    def by_group(self) -> Iterator[tuple[Any, Batch]]:
        if self.groups is None:
            yield None, self
            return
        for key, rows in self.groups.reset_index(drop=True).groupby(self.groups.to_numpy()).indices.items():
            weights = None if self.weights is None else self.weights[rows]
            yield key, Batch(self.items, self.x[:, rows], weights)


class Piece(Protocol):
    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read, and what for."""

    items: list[str]
    weights: str | None
    by: str | None

    @property
    def all(self) -> list[str]:
        return [*self.items, *(name for name in (self.weights, self.by) if name is not None and name not in self.items)]

    def batch(self, frame: pd.DataFrame, weights: np.ndarray | None = None) -> Batch:
        values = _numeric(frame, self.items)
        if self.weights is not None:
            weights = _numeric(frame, [self.weights])[0].astype(float)
        if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ResponseError("Weights must be finite and not negative for every respondent.")
        return Batch(self.items, values, weights, None if self.by is None else frame[self.by])


def _numeric(frame: pd.DataFrame, items: Sequence[str]) -> np.ndarray:
    """Columns as an array (items × respondents): integer where every column is, otherwise float with NaN."""
    check_columns(frame, *items)
    dtypes = [frame[item].dtype for item in items]
    wrong = [
        item
        for item, dtype in zip(items, dtypes, strict=True)
        if not pd.api.types.is_numeric_dtype(dtype) or dtype.kind == "c"
    ]
    if wrong:
        raise ResponseError(
            f"Columns {wrong} are not numeric ({frame[wrong[0]].dtype}). Code the answers as numbers first "
            "(qa.read_responses does), or leave these columns out."
        )
    chosen = frame if list(frame.columns) == list(items) else frame[list(items)]
    integer = all(isinstance(dtype, np.dtype) and dtype.kind in "iu" for dtype in chosen.dtypes)
    values = chosen.to_numpy() if integer else chosen.to_numpy(dtype=float, na_value=np.nan)
    if values.dtype.kind == "f":
        check_size(values, pd.Index(items))
    return values.T


@dataclass(frozen=True, slots=True)
class FramePiece:
    frame: pd.DataFrame
    columns: Columns
    weights: np.ndarray | None

    def __iter__(self) -> Iterator[Batch]:
        yield self.columns.batch(self.frame, self.weights)


@dataclass(frozen=True, slots=True)
class ParquetPiece:
    path: str
    row_group: int
    columns: Columns

    def __iter__(self) -> Iterator[Batch]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[self.row_group], columns=self.columns.all):
                yield self.columns.batch(batch.to_pandas()[self.columns.all])


@dataclass(frozen=True, slots=True)
class CsvPiece:
    path: str
    columns: Columns

    def __iter__(self) -> Iterator[Batch]:
        options = pa.csv.ConvertOptions(include_columns=self.columns.all)
        with pa.csv.open_csv(self.path, convert_options=options) as reader:
            for batch in reader:
                yield self.columns.batch(batch.to_pandas())


@dataclass(frozen=True, slots=True)
class DaskPiece:
    partition: Any
    columns: Columns

    def __iter__(self) -> Iterator[Batch]:
        frame = self.partition.compute(scheduler="synchronous")
        for start in range(0, len(frame), BATCH_ROWS):
            yield self.columns.batch(frame.iloc[start : start + BATCH_ROWS])


def split(data: Any, items: Sequence[str] | None, weights: Any, by: str | None) -> Iterable[Piece]:
    """Pieces of the data that can be read one by one, or by different processes."""
    if isinstance(data, pd.DataFrame):
        return _frame_pieces(data, items, weights, by)
    if weights is not None and not isinstance(weights, str):
        raise ResponseError("For files and Dask DataFrames, weights must be the name of a column.")
    if hasattr(data, "to_delayed"):
        columns = _choose(data.dtypes.to_dict(), items, weights, by)
        return [DaskPiece(partition, columns) for partition in data[columns.all].to_delayed()]
    paths = [data] if isinstance(data, str | Path) else data
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(path, str | Path) for path in paths):
        raise ResponseError(
            "Moments are taken from a DataFrame, paths of parquet or CSV files, or a Dask DataFrame; "
            f"found {type(data).__name__}."
        )
    return [piece for path in paths for piece in _file_pieces(Path(path), items, weights, by)]


def _frame_pieces(
    data: pd.DataFrame, items: Sequence[str] | None, weights: Any, by: str | None
) -> Iterator[FramePiece]:
    named = isinstance(weights, str)
    columns = _choose(data.dtypes.to_dict(), items, weights if named else None, by)
    values = None if named or weights is None else np.asarray(weights, dtype=float)
    if values is not None and values.shape != (len(data),):
        raise ResponseError(f"There are {values.shape} weights for {len(data)} respondents; one each is needed.")
    chosen = data if list(data.columns) == columns.all else data[columns.all]
    for start in range(0, len(chosen), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        yield FramePiece(chosen.iloc[part], columns, None if values is None else values[part])


def _file_pieces(path: Path, items: Sequence[str] | None, weights: str | None, by: str | None) -> list[Piece]:
    if not path.exists():
        raise ResponseError(f"There is no file {path}.")
    if path.suffix.lower() in (".parquet", ".pq"):
        with pq.ParquetFile(path) as file:
            dtypes = {name: field.dtype for name, field in file.schema_arrow.empty_table().to_pandas().items()}
            groups = range(file.num_row_groups)
        columns = _choose(dtypes, items, weights, by)
        return [ParquetPiece(str(path), group, columns) for group in groups]
    if path.suffix.lower() == ".csv":
        with pa.csv.open_csv(path) as reader:
            dtypes = {name: column.dtype for name, column in reader.schema.empty_table().to_pandas().items()}
        return [CsvPiece(str(path), _choose(dtypes, items, weights, by))]
    raise ResponseError(f"{path}: only .parquet and .csv files are read here. Use qa.read_responses for other exports.")


def _choose(dtypes: dict[str, Any], items: Sequence[str] | None, weights: str | None, by: str | None) -> Columns:
    if items is None:
        items = [n for n, dtype in dtypes.items() if pd.api.types.is_numeric_dtype(dtype) and n not in (weights, by)]
    columns = Columns([*items], weights, by)
    absent = [name for name in columns.all if name not in dtypes]
    if absent:
        raise ResponseError(f"Columns {absent} are not in the data, which has {list(dtypes)}.")
    if not columns.items:
        raise ResponseError("The data hold no numeric columns to take moments of.")
    if len(set(columns.items)) < len(columns.items):
        raise ResponseError(f"Items are named twice: {columns.items}.")
    return columns
