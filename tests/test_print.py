"""On paper: a row of a table is never cut by the end of a page, and every page repeats the table's head."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from browser import CHROMIUM, reader

from qa_lib.report import display
from qa_lib.report.html import page_style

PDFTOTEXT = shutil.which("pdftotext")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(PDFTOTEXT is None, reason="no pdftotext (poppler-utils) on this machine"),
]
ROWS, LINES = 90, 5


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    """The words of every sheet of a page with one long table whose rows are several lines high."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, **_: shown.append(data["text/html"]))
        cells = [
            " ".join(f"r{row}w{line} and some words that fill the line" for line in range(LINES)) for row in range(ROWS)
        ]
        display.heading("Long", "long", 2)
        display.table(pd.DataFrame({"headname": cells, "val": [f"v{row}" for row in range(ROWS)]}), "Long", 1)
    folder = tmp_path_factory.mktemp("print")
    page, pdf = folder / "long.html", folder / "long.pdf"
    style = page_style(frozenset())
    page.write_text(
        f'<!DOCTYPE html><html lang="en"><head><title>Long</title><meta charset="utf-8"><style>{style}</style></head>'
        f'<body><div class="layout"><main style="max-width: 30rem">{"".join(shown)}</main></div></body></html>',
        encoding="utf-8",
    )
    with reader() as chromium:
        pdf.write_bytes(chromium.visit(page).pdf)
    text = subprocess.run([PDFTOTEXT, "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    return [sheet for sheet in text.split("\f") if sheet.strip()]


def test_the_table_needs_several_sheets(sheets):
    assert len(sheets) > 3


def test_no_row_is_cut(sheets):
    for row in range(ROWS):
        where = [
            {number for number, sheet in enumerate(sheets) if re.search(rf"\br{row}w{line}\b", sheet)}
            for line in range(LINES)
        ]
        assert len(set.union(*where)) == 1, f"row {row} stands on sheets {where}"


def test_every_sheet_repeats_the_head(sheets):
    assert all("headname" in sheet for sheet in sheets)


def test_a_heading_stays_with_its_table(sheets):
    assert "Long" in sheets[0]
    assert "r0w0" in sheets[0]
