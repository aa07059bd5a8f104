"""The page of comments: small groups stay hidden, also from who subtracts; what people type is only text."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from study_folders import csv, rows, small_study
from test_redaction import SECRETS

from qa_lib.report import display
from qa_lib.report.pages import comments, front, open_page
from qa_lib.report.pages.voices import Voices, shown_terms
from qa_lib.report.plan import plan_pages
from qa_lib.study.study import read_study
from qa_lib.voice.checks import check_themes
from qa_lib.voice.dictionary import themes_of

MINIMUM = 10
THEMES = """
themes:
  - {id: queue, name: {en: Queue, zh: 排队}, dimension: speed, words: {en: [queue], zh: [排队]}}
  - {id: late, name: {en: Late, zh: 迟到}, dimension: speed, words: {en: [late]}}
  - {id: rude, name: {en: "Rude <b>staff</b>", zh: 粗鲁}, dimension: manner, words: {en: [rude]}}
  - {id: price, name: {en: "=1+1", zh: 价格}, dimension: manner, words: {en: [price]}}
"""
WORDS = ["queue", "late", "rude", "price"]


def study_of(tmp_path, said, branch=None, months=None, **spec):
    """A study whose respondents say these things, satisfied and not in turn."""
    n = len(said)
    table = rows(n).assign(comment=said, branch=branch or ["north"] * n, sat=[1 + i % 5 for i in range(n)])
    if months:
        table["date"] = [f"{month}-15" for month in months]
    outcome = {"id": "sat", "scale": "five", "role": "outcome", "outcome": "satisfaction", "wording": {"en": "All"}}
    spec = {"comments": ["comment"], "segments": [{"id": "branch"}], "minimum_cell": MINIMUM} | spec
    from study_folders import INSTRUMENT

    path = small_study(tmp_path, {"a.csv": csv(table)}, spec, items=[*INSTRUMENT["items"], outcome])
    (path / "themes.yaml").write_text(THEMES, encoding="utf-8")
    return path


@pytest.fixture
def shown(monkeypatch):
    found = {"paragraphs": [], "tables": [], "captions": [], "headings": []}
    monkeypatch.setattr(display, "paragraph", lambda text, kind="": found["paragraphs"].append(text))
    monkeypatch.setattr(display, "bullets", lambda texts: found["paragraphs"].extend(texts))
    monkeypatch.setattr(display, "heading", lambda title, *_: found["headings"].append(title))
    monkeypatch.setattr(display, "figure", lambda *_: None)

    def table(frame, caption, *_, **__):
        found["tables"].append(frame)
        found["captions"].append(caption)

    monkeypatch.setattr(display, "table", table)
    return found


def show(page):
    heard = comments.listen(page)
    for part in (comments.overview, comments.themes, comments.other_topics, comments.in_their_words):
        part(page, heard)
    return heard


SAID = ["the queue was long today"] * 30 + ["my parcel was late again"] * 12 + ["staff rude to me"] * 4 + ["price"] * 3
SAID += ["a fine day to all of you"] * 25


def test_small_themes_are_hidden_and_so_is_what_gives_them_away(tmp_path, shown):
    heard = show(open_page(study_of(tmp_path, SAID), lang="en"))
    assert set(heard[0].terms) == {"queue", "late", "speed"}  # manner is 7, and any theme less speed is 7
    themes = shown["tables"][0]
    assert themes["Theme"].tolist() == ["Queue", "Late"]
    assert themes["Comments"].tolist() == ["30", "12"]
    said = " ".join(shown["paragraphs"])
    assert "Hidden themes: 2," in said
    assert "of their comments name" not in said, "the coverage would give the two hidden themes' 7 comments away"


def test_a_theme_all_but_few_mention_is_hidden(tmp_path):
    page = open_page(study_of(tmp_path, ["queue"] * 40 + ["fine weather"] * 4), lang="en")
    assert comments.listen(page)[0].terms == []


def test_shares_among_the_satisfied_hide_small_cells(tmp_path, shown):
    show(open_page(study_of(tmp_path, SAID), lang="en"))
    satisfaction = shown["tables"][1].set_index("Theme")
    assert satisfaction.loc["Queue", "Mentioned by the satisfied"] != "–"  # 12 of 30
    assert satisfaction.loc["Late", "Mentioned by the satisfied"] == "–"  # 4 or 5 of 12
    assert satisfaction.loc["Late", "Mentioned by the others"] == "–"


@pytest.mark.parametrize("seed", range(3))
def test_no_hidden_count_of_a_branch_follows_from_the_others(tmp_path, seed):
    """What every page shows of a theme, however subtracted, fixes no hidden count and no group below the minimum."""
    rng = np.random.default_rng(seed)
    branch = rng.choice(["a", "b", "c", "d"], 170, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    said = [" ".join(["well", *(word for word in WORDS if rng.random() < share)])
            for share in rng.choice([0.05, 0.3, 0.6], 170)]  # fmt: skip
    study = read_study(study_of(tmp_path, said, branch))
    data, themes = study.responses().data, themes_of(study.path)
    for word in WORDS:
        truth = data["comment"].str.contains(word).groupby(data["branch"]).agg(["sum", "size"])
        pages = {name: _terms(study, f"branch={name}", themes) for name in sorted(set(branch))}
        everyone = word in _terms(study, "", themes)
        hidden = [name for name, terms in pages.items() if word not in terms]
        for name in set(pages) - set(hidden):
            assert truth.loc[name, "sum"] >= MINIMUM
            assert truth.loc[name, "size"] - truth.loc[name, "sum"] >= MINIMUM
        if everyone and hidden:
            assert len(hidden) > 1, "one hidden branch is the total less the others"
            assert truth.loc[hidden, "sum"].sum() >= MINIMUM


def _terms(study, segment, themes):
    from qa_lib.errors import ResponseError

    try:
        page = open_page(study.path, "2026-10", segment)
    except ResponseError:
        return []
    heard = comments.listen(page)
    return heard[0].terms if heard else []


def test_a_quarter_does_not_give_a_month_away(tmp_path):
    """8 of a month hidden, 12 and 15 of the others shown: the quarter less these would be the 8."""
    said, months = [], []
    for month, n in (("2026-07", 8), ("2026-08", 12), ("2026-09", 15)):
        said += ["queue"] * n + ["fine weather"] * 30
        months += [month] * (n + 30)
    study = study_of(tmp_path, said, months=months)
    themes = themes_of(study)
    for period, expected in (("2026-07", False), ("2026-08", True), ("2026-09", True), ("2026-Q3", False)):
        page = open_page(study, period)
        assert ("queue" in shown_terms(page, Voices.of(page, "comment", themes, period))) is expected, period


def test_a_change_needs_both_periods(tmp_path, shown):
    said = (
        ["queue"] * 8 + ["late"] * 12 + ["fine weather"] * 20 + ["queue"] * 15 + ["late"] * 15 + ["fine weather"] * 20
    )
    months = ["2026-09"] * 40 + ["2026-10"] * 50
    show(open_page(study_of(tmp_path, said, months=months), "2026-10", lang="en"))
    change = shown["tables"][0].set_index("Theme")["Change, points (95% interval)"]
    assert change["Queue"] == "–"
    assert change["Late"].startswith("0 (")


def test_too_few_comments_show_nothing(tmp_path, shown):
    page = open_page(study_of(tmp_path, ["queue"] * 9 + [None] * 30), lang="en")
    assert show(page) == []
    assert shown["tables"] == []
    assert "Too few comments" in shown["paragraphs"][0]
    front.in_their_words(page)
    assert shown["headings"] == []


@pytest.mark.parametrize(("quotes", "segment", "expected"), [(True, "", 2), (False, "", 0), (True, "branch=north", 0)])
def test_quotes_only_where_the_study_allows_and_of_no_group(tmp_path, shown, quotes, segment, expected):
    show(open_page(study_of(tmp_path, SAID, quotes=quotes), segment=segment, lang="en"))
    found = [table for table in shown["tables"] if "Quote" in table]
    assert sum(len(table) for table in found) == expected
    assert not any("rude" in str(table) for table in found)


def test_without_satisfaction_or_themes_the_page_stands(tmp_path, shown):
    path = small_study(tmp_path, {"a.csv": csv(rows(40).assign(comment=SAID[:40]))}, {"comments": ["comment"]})
    heard = show(open_page(path, lang="en"))
    assert heard[0].result.themes.themes == []
    assert shown["headings"] == ["What no theme covers"]
    assert not any("Satisfaction" in column for table in shown["tables"] for column in table)


@pytest.mark.parametrize(("spec", "planned"), [({}, True), ({"comments": []}, False)])
def test_the_page_is_planned_only_where_comments_are_declared(tmp_path, spec, planned):
    study = read_study(study_of(tmp_path, SAID, **spec))
    pages = plan_pages(study, "2026-10", study.responses().data, tmp_path / "2026-10", [], ["en"])
    names = [page.notebook.stem for page in pages]
    assert ("4_comments" in names) is planned
    if planned:
        assert names.index("4_comments") == names.index("3_drivers") + 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_front_page_says_it_in_two_sentences(lang, shown):
    front.in_their_words(open_page(ROOT / "data" / "raw" / "demo", "2026-10", lang=lang))
    assert 1 <= len(shown["paragraphs"]) <= 2
    assert len(shown["headings"]) == 1


def test_the_check_names_mistakes_of_the_themes(tmp_path):
    path = study_of(tmp_path, SAID)
    found = check_themes(read_study(path))
    assert found["where"].tolist() == ["theme rude", "theme price"]  # of a dimension manner, which there is not
    (path / "themes.yaml").write_text("themes: [{id: a}]", encoding="utf-8")
    assert check_themes(read_study(path))["severity"].tolist() == ["error"]
    assert check_themes(read_study(ROOT / "data" / "raw" / "demo")).empty


# from end to end

HOSTILE = ["<script>alert(1)</script> the queue", "=HYPERLINK(1) queue today", "queue \u202e\u2066hidden\u200b text"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with personal data and hostile text in its comments, and everything it stored and showed."""
    root = tmp_path_factory.mktemp("project")
    said = [f"queue {text}" for text in SECRETS.values()] + HOSTILE * 4 + ["staff rude to me, a lot"] * 12
    said += [f"nothing of this {text}" for text in SECRETS.values()]
    study = study_of(root / "data", said, quotes=True)
    run = [sys.executable, "-W", "ignore", "-c"]
    script = (
        "import qa_lib as qa, sys; from qa_lib.report import render\n"
        "plan = render.plan_pages\n"
        "render.plan_pages = lambda *a: [p for p in plan(*a) if p.notebook.stem == '4_comments']\n"
        f"print(qa.render({str(study)!r}, '2026-10', jobs=1, xlsx=True).pages.to_string())"
    )
    result = subprocess.run([*run, script], capture_output=True, text=True, check=False, cwd=root,
                            env={**__import__("os").environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    stored = [file for place in ("data/processed", "reports") for file in (root / place).rglob("*") if file.is_file()]
    return result, stored


def test_planted_personal_data_stand_nowhere(project):
    result, stored = project
    assert result.returncode == 0, result.stderr
    assert "failed" not in result.stdout, result.stdout
    assert {".parquet", ".html", ".json", ".xlsx"} <= {file.suffix for file in stored}
    for file in stored:
        said = pd.read_parquet(file).to_csv() if file.suffix == ".parquet" else ""
        said += file.read_bytes().decode("utf-8", "replace") if file.suffix != ".xlsx" else _cells(file)
        words = re.sub(r"base64,[\w+/=]*", "", said)
        for secret in SECRETS:
            if secret.isascii() and len(secret) < 5:
                assert not re.search(rf"\b{secret}\b", words), f"{secret} stands in {file.name}"
            else:
                assert secret not in words, f"{secret} stands in {file.name}"


def test_hostile_comments_and_theme_names_are_only_text(project):
    _, stored = project
    for page in (file for file in stored if file.name.startswith("4_comments") and file.suffix == ".html"):
        said = page.read_text(encoding="utf-8")
        assert "<script" not in said
        assert "<b>staff" not in said
        assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069]", said)
    workbook = next(file for file in stored if file.name == "tables.en.xlsx")
    import openpyxl

    for sheet in openpyxl.load_workbook(workbook):
        assert not any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row)


def _cells(file):
    import openpyxl

    return "\n".join(
        str(cell) for sheet in openpyxl.load_workbook(file) for row in sheet.iter_rows(values_only=True) for cell in row
    )
