"""Every page of the demo study as a browser shows it: offline, silent, accessible, within its edges, printable."""

import base64
import io
import os
import re
from pathlib import Path

import pytest
from browser import CHROMIUM, NARROW, WIDE, Visit, reader
from conftest import NOTEBOOKS, ROOT
from fontTools.ttLib import TTFont

from qa_lib.report.fonts import cjk_characters

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
PICTURES = Path(os.environ.get("QA_SCREENSHOTS", ROOT / "reports" / "screenshots"))
PAGES = ["index", "index.en", "index.zh", *(f"{book.stem}.{lang}" for book in NOTEBOOKS for lang in ("en", "zh"))]
RAW = {
    "six decimals": r"\d\.\d{6}",
    "a traceback or warning": r"Traceback|\b\w+(?:Warning|Error)\b",
    "a number that is none": r"\b(?:nan|NaN|inf|None|NaT|<NA>)\b",
    "an unfilled place": r"\{[a-z_]+\}",
}
every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(scope="module")
def chromium():
    with reader() as opened:
        yield opened


@pytest.fixture(scope="module")
def files(rendered, workspace):
    """The demo study's pages by name."""
    assert rendered.ok, rendered.pages.to_string()
    pages = {path.stem: path for path in (workspace / "reports" / "demo" / "2026-10").glob("*.html")}
    return {path.stem: path for path in rendered.index.parent.glob("index*.html")} | pages


@pytest.fixture(scope="module")
def visits(files, chromium):
    """Opens a page when a test first asks for it, and remembers what it did."""
    seen: dict[str, Visit] = {}

    def visit(name: str) -> Visit:
        if name not in seen:
            seen[name] = chromium.visit(files[name], PICTURES)
        return seen[name]

    return visit


@needs_chromium
def test_every_page_is_looked_at(files):
    assert set(files) == set(PAGES)


@needs_chromium
@every_page
def test_a_page_asks_for_nothing_and_says_nothing(visits, name):
    assert visits(name).requests == []
    assert visits(name).console == []


@needs_chromium
@every_page
def test_axe_finds_no_violation(visits, name):
    assert visits(name).violations == {WIDE: [], NARROW: []}
    assert visits(name).unlabelled == []


@needs_chromium
@every_page
def test_no_page_is_wider_than_its_window(visits, name):
    assert visits(name).spilled == {WIDE: [], NARROW: []}


@needs_chromium
@every_page
def test_nothing_is_cut_on_paper(visits, name):
    assert visits(name).cut_on_paper == []
    assert visits(name).pdf.startswith(b"%PDF")


@needs_chromium
@every_page
def test_readers_see_words_and_rounded_numbers(visits, name):
    words = re.sub(r"doi:\S+", "", visits(name).text)
    found = {what: re.findall(f".{{0,40}}(?:{pattern})", words) for what, pattern in RAW.items()}
    assert {what: places for what, places in found.items() if places} == {}


@needs_chromium
@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".zh")])
def test_a_chinese_page_is_chinese(visits, name):
    """Three English words in a row stand only where they are marked as English: references, code."""
    assert visits(name).english == []


@needs_chromium
@every_page
def test_every_picture_has_its_own_finding(visits, name):
    alts = visits(name).alts
    assert len(set(alts)) == len(alts)
    assert [alt for alt in alts if len(alt) < 10] == []


@needs_chromium
@every_page
def test_a_page_carries_its_chinese_glyphs(files, visits, name):
    """A machine without Chinese fonts shows every character all the same."""
    html = files[name].read_text(encoding="utf-8")
    assert len(html) < 3_000_000
    fonts = [TTFont(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"data:font/woff;base64,([^)]+)", html)]
    glyphs = set().union(*(font.getBestCmap() for font in fonts))
    assert {character for character in cjk_characters([visits(name).text]) if ord(character) not in glyphs} == set()


@needs_chromium
def test_a_bad_page_is_found_bad(chromium, tmp_path):
    """The reader sees what it is for: a page with every fault the tests above look for."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><html><head><title></title><link rel="stylesheet" href="other.css"></head><body>'
        '<p style="color: #ccc; width: 2000px">pale and wide</p><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'
        f"<table><tr><th>name</th>{'<td>unbroken</td>' * 60}</tr></table>"
        '<script>console.error("trouble")</script></body></html>'
    )
    seen = chromium.visit(page)
    assert {Path(url).name for url in seen.requests} == {"other.css"}
    assert any("trouble" in message for message in seen.console)
    rules = {line.partition(":")[0] for line in seen.violations[WIDE]}
    assert {"color-contrast", "html-has-lang", "document-title", "image-alt"} <= rules
    assert seen.violations[NARROW]
    assert seen.spilled[NARROW]
    assert seen.spilled[WIDE]
    assert seen.cut_on_paper
    assert seen.english == ["pale and wide"]
    assert len(seen.unlabelled) == 3
