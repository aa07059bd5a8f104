"""Model tables as a document in APA form (7th edition, sections 7.8–7.21): numbered, titled in italics, three rules."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from qa_lib.report.text import Text

if TYPE_CHECKING:
    from docx.document import Document as DocumentType
    from docx.table import Table as WordTable
    from docx.table import _Row
    from docx.text.paragraph import Paragraph

    from qa_lib.report.exports import Contents, Table

_FONTS = {"en": "Times New Roman", "zh": "SimSun"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def document_of(contents: Sequence[Contents], text: Text) -> bytes:
    """The tables one below the other; p values without their zero, intervals in brackets, as APA writes them."""
    document = Document()
    properties = document.core_properties
    properties.author, properties.title = "qa_lib", contents[0].title if contents else ""
    properties.created = properties.modified = datetime(1980, 1, 1)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.54)
    style = document.styles["Normal"]
    style.font.name, style.font.size = "Times New Roman", Pt(11)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), _FONTS[text.lang])
    tables = [table for page in contents for table in page.tables]
    for place, table in enumerate(tables, 1):
        _add(document, place, table, text)
    if not tables:
        document.add_paragraph(text("export_no_models"))
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def _add(document: DocumentType, place: int, table: Table, text: Text) -> None:
    number = document.add_paragraph()
    number.add_run(text("export_table", n=place)).bold = True
    title = document.add_paragraph()
    title.add_run(_CONTROL.sub("", table.caption)).italic = True
    for paragraph in (number, title):
        paragraph.paragraph_format.keep_with_next = True
        paragraph.paragraph_format.space_after = Pt(4)
    shown = document.add_table(rows=0, cols=len(table.columns))
    size = Pt(10 if len(table.columns) < 7 else 8)
    heads = [text("export_interval") if name == text("interval_95") else name for name in table.columns]
    bounded = [_is_p(name, text) for name in table.columns]
    for line, values in enumerate([heads, *table.rows]):
        row = shown.add_row()
        _no_break(row)
        for column, value in enumerate(values):
            written = _apa(value, bounded[column], text) if line else value
            paragraph = row.cells[column].paragraphs[0]
            paragraph.add_run(_CONTROL.sub("", written)).font.size = size
            paragraph.paragraph_format.space_after = Pt(2)
            _align(paragraph, column in table.words, last=line == len(table.rows))
    _rules(shown)
    note = document.add_paragraph()
    note.add_run(text("export_note")).italic = True
    note.add_run(" " + _CONTROL.sub("", f"{table.page} · {table.section}"))
    note.paragraph_format.space_after = Pt(18)


def _is_p(name: str, text: Text) -> bool:
    return name == text("p") or name.startswith(("p (", text("p") + "（"))


def _apa(value: str, bounded: bool, text: Text) -> str:
    """An interval in brackets; a p value, which cannot exceed 1, without the zero before its point."""
    number = r"[+−]?[\d,]+(?:\.\d+)?%?"
    if pair := re.fullmatch(rf"({number}) {text('to')} ({number})", value):
        return f"[{pair[1]}, {pair[2]}]"
    return re.sub(r"\b0\.", ".", value) if bounded else value


def _align(paragraph: Paragraph, words: bool, last: bool) -> None:
    paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if words else WD_ALIGN_PARAGRAPH.RIGHT
    paragraph.paragraph_format.keep_with_next = not last


def _no_break(row: _Row) -> None:
    """A row stays on one page, and the first one is repeated on the next."""
    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if row._index == 0:
        properties.append(OxmlElement("w:tblHeader"))


def _rules(table: WordTable) -> None:
    """One rule above the heads, one below them, one below the body; none between columns."""
    last = len(table.rows) - 1
    for line, row in enumerate(table.rows):
        edges = [edge for edge, there in (("top", line == 0), ("bottom", line in (0, last))) if there]
        for cell in row.cells if edges else ():
            borders = OxmlElement("w:tcBorders")
            for edge in edges:
                rule = OxmlElement(f"w:{edge}")
                for name, value in (("val", "single"), ("sz", "8"), ("color", "000000")):
                    rule.set(qn(f"w:{name}"), value)
                borders.append(rule)
            cell._tc.get_or_add_tcPr().append(borders)
