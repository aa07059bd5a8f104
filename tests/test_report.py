"""A month's report, from the demo study to whole pages that fetch nothing."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import NOTEBOOKS, ROOT

import qa_lib as qa
from qa_lib.errors import DataWarning, RenderError, ResponseError, StudyError
from qa_lib.report import display, plan
from qa_lib.report.files import write_whole
from qa_lib.report.pages import front, open_page


class _Page(HTMLParser):
    """What a page would fetch, its headings and whether every picture has words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched, self.alts, self.ids, self.anchors = [], [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"script", "iframe", "object", "embed"} or (tag == "link" and "href" in given):
            self.fetched.append(tag)
        if tag == "img":
            self.alts.append(given.get("alt", ""))
            if not given["src"].startswith("data:"):
                self.fetched.append(given["src"])
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and given.get("href", "").startswith("#"):
            self.anchors.append(given["href"][1:])


def test_every_notebook_becomes_a_whole_page_in_each_language(rendered, workspace):
    assert rendered.ok, rendered.pages.to_string()
    assert len(rendered.pages) == 2 * len(NOTEBOOKS)
    assert set(rendered.pages["status"]) == {"rendered"}
    assert rendered.index == workspace / "reports" / "demo" / "index.html"
    for file in rendered.pages["file"]:
        html = (workspace / file).read_text(encoding="utf-8")
        page = _Page(html)
        assert page.fetched == []
        assert all(page.alts)
        assert set(page.anchors) <= page.ids
        assert len(html) < 3_000_000
        assert "Traceback" not in html
        assert not re.search(
            r"\d\.\d{6,}", re.sub(r"base64,[^\"]+|<style>.*?</style>|doi:\S+", "", html, flags=re.DOTALL)
        )
    front = (workspace / "reports/demo/2026-10/4_report.zh.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in front
    assert "服务质量报告 · 2026年10月" in front


def test_the_drop_of_one_branch_is_on_the_front_page(rendered, workspace):
    """The population lowers responsiveness in Riverside from July on; half a year of history must show it."""
    html = (workspace / "reports/demo/2026-10/4_report.en.html").read_text(encoding="utf-8")
    rows = re.findall(r"<th [^>]*>([A-Z][\w ]+)</th>((?:<td[^>]*>[\d.]+</td>){7})</tr>", html)
    responsiveness = {branch: float(re.findall(r">([\d.]+)<", cells)[5]) for branch, cells in rows}
    branches = {"Airport", "Harbour", "Old Town", "Riverside", "Station", "University"}
    assert branches <= set(responsiveness)
    assert min(branches, key=responsiveness.get) == "Riverside"
    assert re.search(r"<li>Branch Riverside: Responsiveness is [\d.]+ points below", html)


def test_a_second_run_keeps_what_is_unchanged(rendered, workspace):
    again = qa.render(workspace / "data" / "raw" / "demo", jobs=2)
    assert set(again.pages["status"]) == {"kept"}
    manifest = json.loads((workspace / "reports/demo/2026-10/manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["pages"]) == {f"{book.stem}.{lang}.html" for book in NOTEBOOKS for lang in ("en", "zh")}


def test_a_failed_notebook_leaves_its_partial_and_the_others_go_on(workspace, tmp_path, monkeypatch):
    books = tmp_path / "notebooks"
    books.mkdir()
    parameters = nbformat.v4.new_code_cell(
        'study = ""\nperiod = ""\nsegment = ""\nlang = ""', metadata={"tags": ["parameters"]}
    )
    for name, code in (("1_bad", "raise ValueError('no such thing')"), ("2_good", "print(lang)")):
        book = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(code)])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, books / f"{name}.ipynb")
    monkeypatch.setattr(plan, "notebooks_folder", lambda: books)
    result = qa.render(workspace / "data" / "raw" / "demo", "2026-09", lang="en", jobs=2)
    statuses = dict(zip(result.pages["page"], result.pages["status"], strict=True))
    assert statuses == {"1_bad en": "failed", "2_good en": "rendered"}
    assert "ValueError: no such thing" in result.pages["error"].iloc[0]
    folder = workspace / "reports/demo/2026-09"
    partial = nbformat.read(folder / "1_bad.en.failed.ipynb", as_version=4)
    assert "no such thing" in json.dumps(partial)
    assert not (folder / "1_bad.en.html").exists()
    assert (folder / "2_good.en.html").exists()
    assert "no such thing" in result.index.read_text(encoding="utf-8")
    shutil.rmtree(folder)


def test_a_notebook_is_planned_only_where_the_study_has_one_of_its_sources(workspace, tmp_path, monkeypatch):
    for name, sources in (("1_always", None), ("2_has", ["calls", "tickets"]), ("3_lacks", ["none.csv", "nothing"])):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('study = period = segment = lang = ""')])
        book.cells[0].metadata["tags"] = ["parameters"]
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        if sources is not None:
            book.metadata["qa"] = {"sources": sources}
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(plan, "notebooks_folder", lambda: tmp_path)
    result = qa.render(workspace / "data" / "raw" / "demo", "2026-08", lang="en", jobs=2)
    assert list(result.pages["page"]) == ["1_always en", "2_has en"]
    shutil.rmtree(workspace / "reports/demo/2026-08")


def test_names_and_words_from_the_survey_are_escaped(workspace, tmp_path):
    study = tmp_path / "data" / "raw" / "hostile"
    shutil.copytree(workspace / "data" / "raw" / "demo", study)
    spec = yaml.safe_load((study / "study.yaml").read_text(encoding="utf-8"))
    spec["title"] = {"en": "<script>alert(1)</script>"}
    (study / "study.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), encoding="utf-8")
    result = qa.render(study, lang="en", jobs=2)
    pages = [tmp_path.joinpath(file).read_text(encoding="utf-8") for file in [*result.pages["file"], result.index]]
    assert all("<script" not in page for page in pages)
    assert all("&lt;script&gt;" in page for page in pages)


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "page.html"
    write_whole(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "new \ud800")
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_bad_requests_are_named(workspace):
    demo = workspace / "data" / "raw" / "demo"
    with pytest.raises(ResponseError, match="no responses in 2019-01"):
        qa.render(demo, "2019-01")
    with pytest.raises(RenderError, match="segment 'shop' is not declared"):
        qa.render(demo, by="shop")
    with pytest.raises(RenderError, match="'fr' is not known"):
        qa.render(demo, lang="fr")
    with pytest.raises(StudyError, match="there is no study folder"):
        qa.render(workspace / "data" / "raw" / "other")
    with pytest.raises(ResponseError, match="fewer than 10"):
        open_page(demo, "2026-10", "branch=nowhere")


def _qa(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "qa_lib", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_command_line_has_no_traceback_and_honest_exit_codes(workspace, rendered):
    fine = _qa("report", "data/raw/demo", cwd=workspace)
    assert fine.returncode == 0, fine.stderr
    assert fine.stdout.strip() == str(rendered.index)
    missing = _qa("report", "data/raw/none", cwd=workspace)
    assert missing.returncode == 2
    assert "there is no study folder" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert _qa("check", "data/raw/demo", cwd=workspace).returncode == 0


def test_gaps_are_shown_when_expectations_were_asked(tmp_path, monkeypatch):
    """Thirty respondents expect 5 and experience 4, 3, 5 in turn: the gap of every dimension is −1."""
    study = tmp_path / "data" / "raw" / "gaps"
    (study / "responses").mkdir(parents=True)
    template = ROOT / "qa_lib" / "study" / "templates" / "rater_expectations.yaml"
    shutil.copy(template, study / "instrument.yaml")
    spec = {"title": {"en": "Gaps"}, "languages": ["en"], "period": {"column": "date"}}
    (study / "study.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    items = qa.read_instrument(template).items
    answers = {item: [5] * 30 if item.startswith(("X", "W_")) else [4, 3, 5] * 10 for item in items}
    pd.DataFrame({"date": ["2026-10-05"] * 30} | answers).to_csv(study / "responses" / "a.csv", index=False)
    shown = []
    monkeypatch.setattr(display, "table", lambda frame, caption, **_: shown.append(frame))
    with pytest.warns(DataWarning, match="never varies"):
        page = open_page(study)
    front.expected_and_experienced(page)
    assert list(shown[0]["Dimension"]) == [*map(str.capitalize, page.dimensions), "All dimensions"]
    assert set(shown[0]["Expected"]) == {"5.00"}
    assert set(shown[0]["Gap"]) == {"−1.00"}
