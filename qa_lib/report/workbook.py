"""All tables of a report in one workbook: a sheet per table, numbers as numbers, nothing that could run."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.hyperlink import Hyperlink

from qa_lib.report.text import Text
from qa_lib.study.limits import without_controls

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

    from qa_lib.report.exports import Contents, Table

_NUMBER = re.compile(r"([+−-]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?(%?)")
_RUNS = ("=", "+", "-", "@", "\t", "\r")
_HEAD = 4
_RULE = Border(bottom=Side(style="thin"))


def workbook_of(contents: Sequence[Contents], text: Text) -> bytes:
    """The workbook: a list of all tables with links, then a sheet per table, its caption as title."""
    book = Workbook()
    book.properties.creator = "qa_lib"
    book.properties.created = datetime(1980, 1, 1)
    overview = book.active
    overview.title = text("export_contents")
    tables = [table for page in contents for table in page.tables]
    for place, table in enumerate(tables, 1):
        sheet = book.create_sheet(_sheet_name(place, table))
        _fill(sheet, table)
        link = overview.cell(place, 1)
        link.style = "Hyperlink"  # before the text: a style takes the mark of plain text away
        _write(link, table.caption)
        link.hyperlink = Hyperlink(ref=link.coordinate, location=f"{quote_sheetname(sheet.title)}!A1")
        _write(overview.cell(place, 2), table.page)
    overview.column_dimensions["A"].width, overview.column_dimensions["B"].width = 90, 40
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _sheet_name(place: int, table: Table) -> str:
    """Numbered, hence unique; at most 31 characters, without those Excel forbids."""
    name = re.sub(r"[\[\]:*?/\\\s]+", " ", table.section or table.caption)
    return f"{place} {without_controls(name)}"[:31].strip().rstrip("'")


def _fill(sheet: Worksheet, table: Table) -> None:
    _write(sheet.cell(1, 1), table.caption).font = Font(bold=True)
    _write(sheet.cell(2, 1), table.page).font = Font(italic=True)
    for column, name in enumerate(table.columns, 1):
        head = _write(sheet.cell(_HEAD, column), name)
        head.font, head.border = Font(bold=True), _RULE
        side = "left" if column - 1 in table.words else "right"
        head.alignment = Alignment(horizontal=side, wrap_text=True)
        cells = [row[column - 1] for row in table.rows if len(row) >= column]
        longest = max((_width(value) for value in cells), default=0)
        sheet.column_dimensions[get_column_letter(column)].width = min(max(longest, 8) + 2, 60)
    for place, row in enumerate(table.rows, _HEAD + 1):
        for column, value in enumerate(row, 1):
            number = None if column - 1 in table.words else _number(value)
            if number is None:
                cell = _write(sheet.cell(place, column), value)
            else:
                cell = sheet.cell(place, column, number[0])
                cell.number_format = number[1]
            cell.alignment = Alignment(horizontal="left" if column - 1 in table.words else "right")
    sheet.freeze_panes = sheet.cell(_HEAD + 1, 2)


def _width(value: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in value)


def _write(cell: Cell, value: str) -> Cell:
    """Text stays text, whatever it begins with (CWE-1236), also when someone edits the cell."""
    cell.value = without_controls(value)
    cell.data_type = "s"
    if value.startswith(_RUNS):
        cell.quotePrefix = True
    return cell


def _number(value: str) -> tuple[float, str] | None:
    """A number as the page writes it, with the format that shows it so again; None for anything else."""
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    sign, whole, decimals, percent = found.groups()
    number = float(f"{'-' if sign in ('−', '-') else ''}{whole.replace(',', '')}.{decimals or 0}")
    shown = "#,##0" + (f".{'0' * len(decimals)}" if decimals else "") + percent
    if percent:
        number = float(f"{number / 100:.{len(decimals or '') + 2}f}")
    return number, f"+{shown};−{shown};{shown}" if sign == "+" else f"{shown};−{shown}"
