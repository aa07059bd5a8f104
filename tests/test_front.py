"""The manager's page: headline KPIs, what to do, figures that were reported otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import qa_lib as qa
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
    found["alts"], found["brief"], found["tables"] = [], [], []
    monkeypatch.setattr(display, "figure", lambda drawn, alt: found["alts"].append(alt))
    monkeypatch.setattr(display, "brief", lambda rows: found["brief"].extend(rows))
    monkeypatch.setattr(display, "table", lambda frame, *_, **__: found["tables"].append(frame))
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
    assert response["value"] == page.text.percent(rows.loc["response_time", "attainment"], 1)
    assert words.standard("response_time") in response["detail"]
    earlier = kpi_rows.rows_of(page, found, "2026-09")
    moved = 100 * (rows.loc["response_time", "attainment"] - earlier.loc["response_time", "attainment"])
    assert page.text.signed(moved) in response["change"]


def test_a_study_without_records_has_no_kpis(page, shown):
    without = replace(page, study=_NoRecords(page.study))
    front.headline_kpis(without)
    assert not any(shown.values())


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
    assert page.text("unit_hours", value="−2.5") in shown["bullets"][0]
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
            "index_low": 60.0,
        }
    )
    assert why._priorities(page, positions) == [page.text(key, dimensions="a")]
    undecided = positions.assign(rank_low=1)
    weak = [page.text("surely_weak", dimensions=page.text("name_score", name="a", score="50.0"))] if width < 0.1 else []
    assert why._priorities(page, undecided) == [page.text("work_on_undecided"), *weak]


def test_the_page_in_brief_says_what_its_sections_say(page, shown):
    figures = front.headline(page)
    signals = front.find_signals(page)
    front.in_brief(page, figures, signals)
    lead, said = shown["paragraphs"][0][1], {anchor: words for anchor, _, words in shown["brief"]}
    assert page.text("lead_target_missed", target=page.text.number(70)) in lead
    assert list(said) == ["what_changed", "front_kpis", "what_to_do", "may_we_trust_it"]
    only = signals.iloc[0]
    assert page.segment_label(only["segment"], only["unit"]) in said["what_changed"]
    assert page.text.signed(only["estimate"]) in said["what_changed"]
    positions = why.driver_positions(page, page.drivers(silent=True), figures["rater_index"][0])
    weak, _ = why.weak_and_important(positions)
    assert page.text.join(list(weak["label"])) in said["what_to_do"]
    shown["paragraphs"].clear()
    front.may_we_trust_it(page, qa.reliability(page.data, page.dimensions), None)
    assert shown["paragraphs"] == [("", said["may_we_trust_it"])]


def test_alt_texts_say_another_finding_when_the_data_say_another(page, shown):
    figures = front.headline(page)
    front.where_we_stand(page, figures)
    now, before = figures["rater_index"]
    front.where_we_stand(page, {"rater_index": (before, now)})
    positions = pd.DataFrame(
        {
            "label": ["a", "b"], "importance": [0.7, 0.3], "importance_low": [0.6, 0.2], "importance_high": [0.8, 0.4],
            "rank_low": [1, 2], "performance": [50.0, 80.0], "performance_low": 40.0, "performance_high": 90.0,
        }
    )  # fmt: skip
    front.importance(page, positions)
    front.importance(page, positions.assign(performance=[80.0, 50.0]))
    assert len(set(shown["alts"])) == 4
    assert page.text("ops_none") in shown["alts"][3]


def test_a_questionnaire_without_answers_counts_neither_in_a_group_nor_as_careless(page, shown):
    data = page.data.copy()
    data.loc[data.index[:3], page.items] = float("nan")
    empty = replace(page, data=data)
    flags = pd.DataFrame({"flagged": data.index < 4})
    front.may_we_trust_it(empty, None, flags)
    assert shown["paragraphs"][0][1] == page.text("trust_empty", n=3, all=len(data))
    assert page.text.percent(1 / (len(data) - 3), 1) in shown["paragraphs"][1][1]
    front.where_it_differs(empty, pd.DataFrame(columns=["segment", "unit", "term", "estimate"]))
    assert [table[page.text("n_responses")].astype(int).sum() for table in shown["tables"]] == [len(data) - 3] * 3
