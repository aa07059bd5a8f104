"""The manager's page: headline KPIs, what to do, figures that were reported otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from qa_lib.operations.kpis import kpis
from qa_lib.report import display
from qa_lib.report.pages import front, kpi_rows, open_page
from qa_lib.report.pages.front import changed, service, why

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request):
    return open_page(ROOT / "data" / "raw" / "demo", "2026-10", lang=request.param)


@pytest.fixture
def shown(monkeypatch):
    """What the page shows: paragraphs and bullets as text, cards as they are."""
    found = {"paragraphs": [], "bullets": [], "cards": []}
    monkeypatch.setattr(display, "paragraph", lambda text, kind="": found["paragraphs"].append((kind, text)))
    monkeypatch.setattr(display, "bullets", lambda texts: found["bullets"].extend(texts))
    monkeypatch.setattr(display, "cards", lambda items, figures=None: found["cards"].extend(items))
    monkeypatch.setattr(display, "heading", lambda *_: None)
    return found


def test_headline_kpis_are_those_of_the_operations_page(page, shown):
    front.headline_kpis(page)
    spec = kpi_rows.spec_of(page)
    found = kpis(kpi_rows.tables(page, spec), spec, period="M")
    words = kpi_rows.Words(page, found.spec)
    rows = kpi_rows.rows_of(page, found)
    missed = {words.name(kpi) for kpi in rows.index[rows["verdict"] == "not_met"]}
    cards = {card["label"]: card for card in shown["cards"]}
    assert 3 <= len(cards) <= 6
    assert missed <= set(cards)
    assert {label for label, card in cards.items() if card["mood"] == "bad"} == missed
    response = cards[words.name("response_time")]
    assert response["value"] == page.text.percent(rows.loc["response_time", "attainment"])
    assert words.standard("response_time") in response["detail"]
    earlier = kpi_rows.rows_of(page, found, "2026-09")
    moved = 100 * (rows.loc["response_time", "attainment"] - earlier.loc["response_time", "attainment"])
    assert page.text.signed(moved) in response["change"]


def test_a_study_without_records_has_no_kpis(page, shown):
    without = replace(page, study=_NoRecords(page.study))
    front.headline_kpis(without)
    assert shown == {"paragraphs": [], "bullets": [], "cards": []}


class _NoRecords:
    def __init__(self, study):
        self._study = study

    def __getattr__(self, name):
        return getattr(self._study, name)

    def operations(self):
        return {}


def test_chosen_kpis_missed_first_and_made_up_to_three():
    rows = pd.DataFrame(
        {"verdict": ["met", "not_met", None, None], "target": [0.9, 0.8, None, None]}, index=["a", "b", "c", "d"]
    )
    assert service._chosen(rows) == ["a", "b", "c"]
    many = pd.DataFrame({"verdict": ["met"] * 7 + ["not_met"], "target": 0.9}, index=list("abcdefgh"))
    assert service._chosen(many) == ["a", "b", "c", "d", "e", "h"]


def _actions(**changes):
    row = {"term": "New queue", "indicator": "response_time", "start": "2026-08", "end": None, "verdict": "adopt"}
    row |= {"reason": "improved_as_expected", "estimate": -2.5, "conf_low": -3.0, "conf_high": -2.0}
    return row | changes


def test_actions_a_sentence_each_only_those_due(page, shown):
    log = [
        _actions(),
        _actions(term="Long ago", start="2025-01", end="2025-02"),
        _actions(term="Just begun", verdict="too_early", reason="too_few_answers"),
    ]
    why._actions(page, pd.DataFrame(log))
    assert len(shown["bullets"]) == 1
    assert shown["bullets"][0].startswith("New queue")
    assert "−2.50" in shown["bullets"][0]
    assert page.text("reason_improved_as_expected") in shown["bullets"][0]
    assert [text for _, text in shown["paragraphs"]] == [page.text("actions_under_way", actions="Just begun")]


def test_a_restated_figure_is_said_and_an_unchanged_one_is_not(page, shown, tmp_path, monkeypatch):
    monkeypatch.setattr(changed, "reports_folder", lambda study: tmp_path)
    figures = front.headline(page)
    now = {name: before.tidy().set_index("term").loc[name, "estimate"] for name, (_, before) in figures.items()}

    def report_said(**changes):
        said = {name: {"estimate": value + changes.get(name, 0)} for name, value in now.items()}
        made_from = {"study_folder": "demo", "versions": {}, "library": "", "inputs": {}, "inputs_digest": ""}
        content = {**made_from, "figures": {"": {"now": said}}, "pages": {}}
        (tmp_path / "2026-09").mkdir(exist_ok=True)
        (tmp_path / "2026-09" / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
        shown["paragraphs"].clear()
        front.restatement(page, figures)
        return shown["paragraphs"]

    assert not report_said()
    assert not report_said(rater_index=1e-7)
    ((kind, text),) = report_said(rater_index=1.5)
    assert kind == "caution"
    assert page.text.number(now["rater_index"] + 1.5) in text
    assert page.text.number(now["rater_index"]) in text
    assert page.text("nps") not in text


def test_without_an_earlier_report_nothing_is_restated(page, shown, tmp_path, monkeypatch):
    monkeypatch.setattr(changed, "reports_folder", lambda study: tmp_path)
    front.restatement(page, front.headline(page))
    assert not shown["paragraphs"]


@pytest.mark.parametrize(("width", "key"), [(0.001, "work_on"), (0.3, "work_on_likely")])
def test_priorities_are_named_as_surely_as_their_intervals_allow(page, width, key):
    importance, performance = pd.Series([0.5, 0.2, 0.2, 0.1]), pd.Series([50.0, 70.0, 72.0, 74.0])
    positions = pd.DataFrame(
        {
            "label": list("abcd"),
            "importance": importance,
            "importance_low": importance - width,
            "importance_high": importance + width,
            "performance": performance,
            "performance_low": performance - 100 * width,
            "performance_high": performance + 100 * width,
            "rank_low": [1, 2, 2, 4],
        }
    )
    assert why._priorities(page, positions) == page.text(key, dimensions="a")
