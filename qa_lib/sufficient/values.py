"""How tables handed in are read: columns that are there once, cells that can be compared, numbers that are numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qa_lib.errors import QaError, ResponseError

LARGEST = 1e100
"""No answer is this large. Its square still is a number, and so is that of its inverse."""


def check_columns(
    data: pd.DataFrame,
    *columns: object,
    what: str = "",
    error: type[QaError] = ResponseError,
    ordered: bool = True,
) -> None:
    """Raises ``error`` when the data are no DataFrame, lack one of the columns, hold it twice, or hold in it what
    cannot be put in groups (lists) or, unless ``ordered`` is False, in order (dates beside text).

    >>> check_columns(pd.DataFrame({"a": [1]}), "b", what="x")
    Traceback (most recent call last):
        ...
    qa_lib.errors.ResponseError: x: there is no column 'b' in the data. They have: a.
    """
    where = f"{what}: " if what else ""
    if not isinstance(data, pd.DataFrame):
        raise error(f"{where}the data are a {type(data).__name__}; a DataFrame is needed.")
    for column in columns:
        if column not in data.columns:
            known = ", ".join(map(str, data.columns[:40])) or "none"
            raise error(f"{where}there is no column {column!r} in the data. They have: {known}.")
        cells = data[column]
        if isinstance(cells, pd.DataFrame):
            raise error(f"{where}the data hold the column {column!r} twice; drop one.")
        if cells.dtype == object:
            try:
                pd.factorize(cells, sort=ordered)
            except TypeError:
                kinds = ", ".join(sorted({type(cell).__name__ for cell in cells}))
                raise error(
                    f"{where}column {column!r} holds cells that cannot be compared ({kinds}). Make them all text, or "
                    "numbers."
                ) from None


def real_numbers(values: pd.DataFrame | pd.Series, what: str = "", error: type[QaError] = ResponseError) -> np.ndarray:
    """The cells as floats (rows, columns), NaN where missing; a Series is one column.

    What is smaller than 1e-100 is zero. Raises ``error`` for text, dates, complex and infinite numbers, and for numbers
    beyond ±1e100; the column is named.

    >>> real_numbers(pd.Series([1, None])).tolist()
    [[1.0], [nan]]
    """
    table = values.to_frame() if isinstance(values, pd.Series) else values
    where = f"{what}: " if what else ""
    try:
        found = table.to_numpy(dtype=float, na_value=np.nan) if not _unreal(table) else None
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None:
        bad = [str(name) for name, column in table.items() if not _is_real(column)]
        raise error(f"{where}not numeric: {', '.join(bad)}. Code the answers as numbers first.")
    check_size(found, table.columns, what, error)
    tiny = np.abs(found) < 1 / LARGEST
    return np.where(tiny, 0.0, found) if tiny.any() else found


def check_size(found: np.ndarray, names: pd.Index, what: str = "", error: type[QaError] = ResponseError) -> None:
    """Raises ``error`` naming the columns (n, columns) that hold infinite values or such beyond ±1e100."""
    largest = max(np.fmax.reduce(found, axis=None, initial=0.0), -np.fmin.reduce(found, axis=None, initial=0.0))
    if largest > LARGEST:
        bad = [str(name) for name, column in zip(names, found.T, strict=True) if (np.abs(column) > LARGEST).any()]
        where = f"{what}: " if what else ""
        raise error(
            f"{where}infinite values, or beyond ±{LARGEST:g}, in {', '.join(bad)}. Set them to missing, or remove the "
            "rows."
        )


def _unreal(table: pd.DataFrame) -> bool:
    return any(dtype.kind in "cmM" for dtype in table.dtypes)


def _is_real(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "c"
