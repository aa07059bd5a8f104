"""Tables as an xlsx workbook that appears whole, and in which no cell is a formula."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from qa_lib.study.limits import without_controls

_RUNS = ("=", "+", "-", "@", "\t", "\r")


def write_workbook(path: str | Path, sheets: Mapping[str, pd.DataFrame]) -> Path:
    """Writes a sheet per table beside the place, then moves the file there.

    Text is written as text: a name that begins with ``=``, ``+``, ``-`` or ``@`` stays what it is;
    control characters, which no workbook may hold, are left out.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".xlsx")
    os.close(handle)
    try:
        with pd.ExcelWriter(name, engine="openpyxl") as book:
            for title, table in sheets.items():
                table.map(_without_controls).to_excel(book, sheet_name=title, index=False)
                _plain_text(book.sheets[title])
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _plain_text(sheet) -> None:
    sheet.freeze_panes = "A2"
    for column in sheet.iter_cols():
        longest = max(len(str(cell.value)) for cell in column if cell.value is not None)
        sheet.column_dimensions[column[0].column_letter].width = min(longest + 2, 60)
        for cell in column:
            if isinstance(cell.value, str):
                cell.data_type = "s"
                cell.quotePrefix = cell.value.startswith(_RUNS)


def _without_controls(value: object) -> object:
    return without_controls(value) if isinstance(value, str) else value
