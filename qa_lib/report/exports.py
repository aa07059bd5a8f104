"""The tables and figures of rendered pages as files: a workbook, model tables in APA form, pictures.

They are read from the pages themselves, so that a number in a file is the number on the page.
"""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qa_lib.report.files import write_whole
from qa_lib.report.plan import Page
from qa_lib.report.text import Text

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MODEL_NOTEBOOKS = ("2_instrument", "3_drivers")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a page shows it: ``rows`` of strings; the columns at the places ``words`` hold words, not figures."""

    page: str
    section: str
    caption: str
    columns: list[str]
    rows: list[list[str]]
    words: frozenset[int]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a page holds for export: its title, its tables, and its figures by file name."""

    title: str
    tables: list[Table]
    figures: dict[str, bytes]


def export(pages: Iterable[Page], fresh: Iterable[Page], xlsx: bool, docx: bool) -> None:
    """Writes the files asked for beside the pages of every folder and language.

    A file not asked for is removed once a page it was made from has been rendered anew: it would tell an old story.
    """
    fresh = {(page.folder, page.lang) for page in fresh}
    families: dict[tuple[Path, str], list[Page]] = {}
    for page in pages:
        families.setdefault((page.folder, page.lang), []).append(page)
    for (folder, lang), family in families.items():
        read = {page.notebook.stem: read_page(page) for page in family if page.html.exists()} if xlsx or docx else {}
        workbook, models = files_of(folder, lang)
        if xlsx:
            from qa_lib.report.workbook import workbook_of

            write_whole(workbook, steady_archive(workbook_of(list(read.values()), Text(lang))))
        if docx:
            from qa_lib.report.apa import document_of

            chosen = [contents for stem, contents in read.items() if stem in _MODEL_NOTEBOOKS]
            write_whole(models, steady_archive(document_of(chosen, Text(lang))))
        if read:
            _write_figures(folder / "figures", lang, list(read.values()))
        elif (folder, lang) in fresh:
            _write_figures(folder / "figures", lang, [])
        for path, asked in ((workbook, xlsx), (models, docx)):
            if not asked and (folder, lang) in fresh:
                path.unlink(missing_ok=True)


def files_of(folder: Path, lang: str) -> tuple[Path, Path]:
    """Where the workbook and the model tables of a folder of pages lie."""
    return folder / f"tables.{lang}.xlsx", folder / f"models.{lang}.docx"


def remove_exports(folder: Path) -> None:
    """Removes every exported file of a folder whose pages are no longer shown."""
    for path in [*folder.glob("tables.*.xlsx"), *folder.glob("models.*.docx"), *folder.glob("figures/*.png")]:
        path.unlink()
    if (folder / "figures").is_dir() and not any((folder / "figures").iterdir()):
        (folder / "figures").rmdir()


def read_page(page: Page) -> Contents:
    """The tables and figures of a rendered page, in their order."""
    from lxml import html

    root = html.fromstring(page.html.read_text(encoding="utf-8"))
    found = Contents("", [], {})
    title, section, anchor = "", "", "top"
    for element in root.iter("h1", "h2", "h3", "table", "img"):
        if element.tag == "h1":
            title = _words(element)
        elif element.tag in ("h2", "h3"):
            section, anchor = _words(element), element.get("id", anchor)
        elif element.tag == "table":
            found.tables.append(_table(element, title, section))
        else:
            name = f"{page.notebook.stem}.{len(found.figures) + 1:02d}-{_file_name(anchor)}.{page.lang}.png"
            found.figures[name] = base64.b64decode(element.get("src").partition(",")[2])
    return Contents(title, found.tables, found.figures)


def _table(element: HtmlElement, page: str, section: str) -> Table:
    rows = [[_words(cell) for cell in row] for row in element.iter("tr")]
    caption = element.find("caption")
    head = enumerate(next(element.iter("tr")))
    words = frozenset(place for place, cell in head if not {"text", "word"}.isdisjoint(cell.classes))
    return Table(page, section, "" if caption is None else _words(caption), rows[0], rows[1:], words)


def _words(element: HtmlElement) -> str:
    return element.text_content().strip()


def _file_name(anchor: str) -> str:
    return re.sub(r"[^\w-]+", "_", anchor).strip("_")


def _write_figures(folder: Path, lang: str, contents: Sequence[Contents]) -> None:
    figures = {name: picture for page in contents for name, picture in page.figures.items()}
    for path in folder.glob(f"*.{lang}.png"):
        if path.name not in figures:
            path.unlink()
    for name, picture in figures.items():
        write_whole(folder / name, picture)


def steady_archive(content: bytes) -> bytes:
    """A zip archive (xlsx, docx) without the moment it was written: the same content gives the same bytes."""
    steady = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(steady, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", part)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            new.writestr(entry, part)
    return steady.getvalue()
