"""Workbook, document and pictures hold what the pages show, and nothing that could run."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path

import docx
import openpyxl
import pytest
from small_books import make_project, write_books, write_responses

import qa_lib as qa
from qa_lib.report import plan
from qa_lib.report.exports import export, files_of, read_page, remove_exports
from qa_lib.report.plan import Page
from qa_lib.report.text import Text

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
RUNNING = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "=HYPERLINK('x')"]


def page_html(lang: str, rows: str, words: tuple[int, ...] = (0,)) -> str:
    text = Text(lang)
    heads = [text("dimension"), text("mean"), text("interval_95"), text("p"), text("share")]
    classes = [' class="word"' if place in words else "" for place in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in zip(heads, classes, strict=True))
    figure = f'<figure><img src="data:image/png;base64,{base64.b64encode(PICTURE).decode()}" alt="x"></figure>'
    return (
        f'<html><body><h1 id="top">Title</h1><h2 id="part/one">Part: one?</h2>{figure}<table>'
        f"<caption>Caption &amp; words</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "</body></html>"
    )


def row(*cells: str) -> str:
    first, *others = cells
    return f'<tr><th scope="row" class="text">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


@pytest.fixture(params=["en", "zh"])
def pages(tmp_path, request):
    lang = request.param
    to = Text(lang)("to")
    rows = row("Empathy", "1,234.50", f"−0.8 {to} 2.2", "0.034", "12.5%")
    rows += row("Trust", "−0.30", f"0.10 {to} 0.20", "&lt; 0.001", "+1.0")
    rows += "".join(row(value, value, "–", "1.000", "45%") for value in RUNNING)
    made = [Page(Path(f"{stem}.ipynb"), lang, "", tmp_path) for stem in ("2_instrument", "4_report")]
    for page in made:
        page.html.write_text(page_html(lang, rows), encoding="utf-8")
    return made


def test_numbers_are_the_pages_own_and_text_never_runs(pages):
    export(pages, [], xlsx=True, docx=False)
    workbook, document = files_of(pages[0].folder, pages[0].lang)
    book = openpyxl.load_workbook(workbook)
    assert not document.exists()
    assert len(book.sheetnames) == 1 + len(pages)
    assert len(set(book.sheetnames)) == len(book.sheetnames)
    sheet = book[book.sheetnames[1]]
    assert sheet["A1"].value == "Caption & words"
    assert sheet["A2"].value == "Title"
    assert [sheet.cell(5, column).value for column in (2, 4, 5)] == [1234.5, 0.034, 0.125]
    assert [sheet.cell(5, column).number_format.split(";")[0] for column in (2, 4, 5)] == [
        "#,##0.00",
        "#,##0.000",
        "#,##0.0%",
    ]
    assert [sheet.cell(6, column).value for column in (2, 4, 5)] == [-0.3, "< 0.001", 1.0]
    assert sheet.cell(5, 3).data_type == "s"
    for place, value in enumerate(RUNNING, 7):
        for column in (1, 2):
            cell = sheet.cell(place, column)
            assert cell.data_type == "s"
            assert cell.value == value.strip()
            assert cell.quotePrefix


def test_a_number_in_a_column_of_words_stays_a_word(pages):
    page = pages[0]
    rows = row("=3", "5", "–", "–", "late") + row("007", "1", "–", "–", "12")
    page.html.write_text(page_html(page.lang, rows, words=(0, 4)), "utf-8")
    export([page], [], xlsx=True, docx=False)
    sheet = openpyxl.load_workbook(files_of(page.folder, page.lang)[0]).worksheets[1]
    assert [sheet.cell(6, column).value for column in (1, 2, 5)] == ["007", 1, "12"]
    for place in (4, 5, 6):  # the head and both rows
        assert [sheet.cell(place, column).alignment.horizontal for column in (1, 2, 5)] == ["left", "right", "left"]


def test_contents_link_every_sheet(pages):
    export(pages, [], xlsx=True, docx=False)
    book = openpyxl.load_workbook(files_of(pages[0].folder, pages[0].lang)[0])
    linked = [book.worksheets[0].cell(place, 1).hyperlink.location for place in (1, 2)]
    assert linked == [f"'{name}'!A1" for name in book.sheetnames[1:]]


def test_model_tables_in_apa_form(pages):
    export(pages, [], xlsx=False, docx=True)
    workbook, path = files_of(pages[0].folder, pages[0].lang)
    assert not workbook.exists()
    document = docx.Document(str(path))
    text = Text(pages[0].lang)
    assert len(document.tables) == 1  # only the page of models
    words = [paragraph.text for paragraph in document.paragraphs]
    assert words[:2] == [text("export_table", n=1), "Caption & words"]
    assert document.paragraphs[1].runs[0].italic
    cells = [[cell.text for cell in line.cells] for line in document.tables[0].rows]
    assert cells[0][2] == "95% CI"
    assert cells[1][2:4] == ["[−0.8, 2.2]", ".034"]
    assert cells[2][1:4] == ["−0.30", "[0.10, 0.20]", "< .001"]
    assert cells[3][3] == "1.000"
    edges = document.tables[0]._tbl.xpath(".//w:tcBorders/*")
    assert {edge.tag.rpartition("}")[2] for edge in edges} == {"top", "bottom"}
    assert len(edges) == 3 * len(cells[0])


def test_figures_are_the_pages_own_bytes(pages):
    export(pages, [], xlsx=True, docx=False)
    found = {path.name: path.read_bytes() for path in (pages[0].folder / "figures").iterdir()}
    lang = pages[0].lang
    assert found == {f"{stem}.01-part_one.{lang}.png": PICTURE for stem in ("2_instrument", "4_report")}


def test_files_are_the_same_bytes_on_another_day(pages, monkeypatch):
    export(pages, [], xlsx=True, docx=True)
    first = [path.read_bytes() for path in files_of(pages[0].folder, pages[0].lang)]
    later = time.time() + 90_000
    monkeypatch.setattr(time, "time", lambda: later)
    time.sleep(2.1)  # a zip archive notes every other second
    export(pages, [], xlsx=True, docx=True)
    assert [path.read_bytes() for path in files_of(pages[0].folder, pages[0].lang)] == first


def test_a_file_not_asked_for_goes_when_its_pages_are_new(pages):
    export(pages, pages, xlsx=True, docx=True)
    workbook, document = files_of(pages[0].folder, pages[0].lang)
    export(pages, [], xlsx=False, docx=False)
    assert workbook.exists()
    assert document.exists()
    export(pages, pages[:1], xlsx=True, docx=False)
    assert workbook.exists()
    assert not document.exists()
    export(pages, pages[:1], xlsx=False, docx=False)
    assert not workbook.exists()
    assert not list((pages[0].folder / "figures").iterdir())


def test_exports_of_a_hidden_group_are_removed(pages):
    export(pages, [], xlsx=True, docx=True)
    remove_exports(pages[0].folder)
    assert {path.suffix for path in pages[0].folder.iterdir()} == {".html"}


def test_a_page_without_tables_gives_a_workbook_and_a_document(tmp_path):
    page = Page(Path("2_instrument.ipynb"), "en", "", tmp_path)
    page.html.write_text('<html><body><h1 id="top">Nothing</h1></body></html>', "utf-8")
    assert read_page(page).tables == []
    export([page], [], xlsx=True, docx=True)
    workbook, document = files_of(tmp_path, "en")
    assert openpyxl.load_workbook(workbook).sheetnames == ["Contents"]
    assert docx.Document(io.BytesIO(document.read_bytes())).tables == []


def test_a_rendering_exports_kept_pages_too_and_hides_what_the_pages_hide(tmp_path, monkeypatch):
    shows = "import pandas as pd\ndisplay.table(pd.DataFrame({'a': ['x'], 'b': [f'{len(page.data)}']}), 'Answers')"
    books = write_books(tmp_path / "books", {"4_report": shows})
    monkeypatch.setattr(plan, "notebooks_folder", lambda: books)
    study = make_project(tmp_path, {"North": 8, "South": 6})
    qa.render(study, by="branch", lang="en", jobs=2)
    again = qa.render(study, by="branch", lang="en", xlsx=True)
    assert set(again.pages["status"]) == {"kept"}
    folder = tmp_path / "reports" / "small" / "2026-10"
    books_found = {path.parent.name: openpyxl.load_workbook(path) for path in folder.rglob("*.xlsx")}
    counts = {name: book.worksheets[1].cell(5, 2).value for name, book in books_found.items()}
    assert counts == {"2026-10": 14, "branch-North": 8, "branch-South": 6}
    write_responses(study, {"North": 8, "South": 3})
    qa.render(study, by="branch", lang="en", xlsx=True)
    assert not (folder / "branch-South").exists()
    assert openpyxl.load_workbook(folder / "tables.en.xlsx").worksheets[1].cell(5, 2).value == 11
