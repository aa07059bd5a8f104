"""The start page says where every group stands, in each language, from the manifests alone."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from small_books import make_project

import qa_lib as qa
from qa_lib.report import site
from qa_lib.report.text import Text

LABELS = {"North": {"en": "Northern branch", "zh": "北区"}}


@pytest.fixture
def study(tmp_path):
    folder = make_project(tmp_path, {"North": 8, "South": 6})
    spec = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    segment = {"id": "branch", "name": {"en": "Branch", "zh": "网点"}, "labels": LABELS}
    spec |= {"segments": [segment], "languages": ["zh", "en"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), encoding="utf-8")
    return qa.read_study(folder)


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports"


HEAD = {"study_folder": "../../data/raw/small", "versions": {}, "library": "", "inputs": {}, "inputs_digest": ""}


def page_entry(segment: str, lang: str, stem: str, error: str = "") -> dict[str, object]:
    made = {"made_from": {}, "html": "", "seconds": 1.0, "warnings": []}
    return {"segment": segment, "lang": lang, "notebook": f"{stem}.ipynb", "error": error} | made


def figures(index: float, n: int = 40) -> dict[str, object]:
    row = {"estimate": index, "conf_low": index - 2, "conf_high": index + 2}
    share = {"estimate": 0.5, "conf_low": 0.4, "conf_high": 0.6}
    return {"now": {"n": n, "rater_index": row, "csat": share}}


def write_manifest(reports, period, shown, errors=(), langs=("en", "zh")):
    pages = {}
    for segment in shown:
        folder = f"{segment.replace('=', '-')}/" if segment else ""
        for stem in ("3_drivers", "4_report"):
            for lang in langs:
                error = dict(errors).get((segment, lang, stem), "")
                pages[f"{folder}{stem}.{lang}.html"] = page_entry(segment, lang, stem, error)
    (reports / period).mkdir(parents=True, exist_ok=True)
    content = HEAD | {"figures": shown, "pages": pages}
    (reports / period / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def index_of(reports, study, lang):
    site.update_index(study, reports, frozenset())
    return (reports / f"index.{lang}.html").read_text(encoding="utf-8")


class _Fetched(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.sources, self.hrefs = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "link", "iframe") or "src" in given:
            self.sources.append(tag)
        if tag == "a":
            self.hrefs.append(given["href"])


def test_newest_period_first_with_figures_intervals_and_their_line(study, reports):
    write_manifest(reports, "2026-08", {"": figures(60.0)})
    write_manifest(reports, "2026-09", {"": figures(62.5)})
    write_manifest(reports, "2026-10", {"": figures(70.0, 14)})
    html = index_of(reports, study, "en")
    places = [html.index(f'<h2 id="p2026-{month}">') for month in ("10", "09", "08")]
    assert places == sorted(places)
    assert "<td>70.0 <small>68.0 to 72.0</small></td>" in html
    assert "<td>50% <small>40% to 60%</small></td>" in html
    assert 'aria-label="Service index: from 60.0 in Aug 2026 to 70.0 in Oct 2026."' in html
    line = re.search(r'<polyline points="([^"]+)"', html)[1].split()
    heights = [float(point.partition(",")[2]) for point in line]
    assert len(heights) == 3
    assert heights == sorted(heights, reverse=True)  # it rose
    assert not _Fetched(html).sources
    assert (reports / "index.html").read_bytes() == (reports / "index.zh.html").read_bytes()  # the study's first


def test_a_change_within_chance_stays_a_flat_line(study, reports):
    write_manifest(reports, "2026-09", {"": figures(68.0)})
    write_manifest(reports, "2026-10", {"": figures(68.1)})
    html = index_of(reports, study, "en")
    first, last = (float(p.partition(",")[2]) for p in re.search(r'<polyline points="([^"]+)"', html)[1].split())
    assert abs(first - last) < 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_groups_by_their_labels_each_linked_to_its_manager_page(study, reports, lang):
    write_manifest(
        reports, "2026-10", {"": figures(70.0), "branch=North": figures(71.0), "branch=South": figures(65.0)}
    )
    html = index_of(reports, study, lang)
    assert f'<a href="2026-10/branch-North/4_report.{lang}.html">{LABELS["North"][lang]}</a>' in html
    assert ">South</a>" in html  # no label in study.yaml
    assert "branch=North" not in html
    assert f'<th scope="col" class="text">{"Branch" if lang == "en" else "网点"}</th>' in html
    other = "zh" if lang == "en" else "en"
    assert f'href="index.{other}.html"' in html
    assert not [href for href in _Fetched(html).hrefs if href.endswith(f".{other}.html") and "/" in href]


def test_failed_pages_in_plain_words_of_their_language(study, reports):
    errors = {
        ("", "zh", "3_drivers"): "a cell ran longer than 600 s and was stopped",
        ("branch=North", "zh", "4_report"): "cell 4: ZeroDivisionError: <division> by zero",
    }
    write_manifest(reports, "2026-10", {"": figures(70.0), "branch=North": figures(71.0)}, errors)
    failed = reports / "2026-10" / "branch-North" / "4_report.zh.failed.ipynb"
    failed.parent.mkdir()
    failed.write_text("{}")
    html, text = index_of(reports, study, "zh"), Text("zh")
    for page, where, reason in (
        ("page_3_drivers", text("everyone"), "failed_slow"),
        ("page_4_report", "北区", "failed_error"),
    ):
        assert text("page_failed", page=text(page), where=where, reason=text(reason)) in html
    assert "&lt;division&gt; by zero" in html
    assert html.index(text("original_message")) < html.index("&lt;division&gt; by zero")  # shown on demand
    hrefs = _Fetched(html).hrefs
    assert "2026-10/branch-North/4_report.zh.failed.ipynb" in hrefs
    assert "2026-10/3_drivers.zh.failed.ipynb" not in hrefs  # there is none
    assert "2026-10/branch-North/3_drivers.zh.html" in hrefs  # the group's first page that is there
    english = (reports / "index.en.html").read_text(encoding="utf-8")
    assert "The page “Service quality (中文)” of Northern branch is missing" in english


def test_a_period_without_pages_in_a_language_links_to_those_it_has(study, reports):
    write_manifest(reports, "2026-09", {"": figures(70.0)})
    write_manifest(reports, "2026-10", {"": figures(70.0)}, langs=("zh",))
    hrefs = _Fetched(index_of(reports, study, "en")).hrefs
    assert "2026-10/4_report.zh.html" in hrefs
    assert "2026-09/4_report.en.html" in hrefs
    assert "2026-09/4_report.zh.html" not in hrefs


def test_the_start_page_is_in_a_language_that_has_pages(study, reports):
    write_manifest(reports, "2026-10", {"": figures(70.0)}, langs=("en",))
    index_of(reports, study, "en")
    assert (reports / "index.html").read_bytes() == (reports / "index.en.html").read_bytes()
    assert not (reports / "index.zh.html").exists()


def test_a_restated_index_shows_what_was_reported(study, reports):
    shown = figures(68.0) | {"restated_from": figures(69.5)["now"]}
    write_manifest(reports, "2026-10", {"": shown})
    assert Text("en")("restated", value="69.5") in index_of(reports, study, "en")
    assert Text("zh")("restated", value="69.5") in (reports / "index.zh.html").read_text(encoding="utf-8")


def test_exported_files_are_linked_and_a_current_index_is_kept(study, reports):
    write_manifest(reports, "2026-10", {"": figures(70.0)})
    assert "tables.en.xlsx" not in index_of(reports, study, "en")
    before = (reports / "index.html").stat().st_mtime_ns
    index_of(reports, study, "en")
    assert (reports / "index.html").stat().st_mtime_ns == before
    (reports / "2026-10" / "tables.en.xlsx").write_bytes(b"")
    assert 'href="2026-10/tables.en.xlsx"' in index_of(reports, study, "en")
