"""Scorecards by hand, training needs, notes, and the calibration of monitors with a known severity."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError, StudyError
from qa_lib.operations.rubric import read_rubric
from qa_lib.operations.scorecards import band_of

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"
RUBRIC = {
    "id": "two",
    "groups": [
        {"id": "g", "weight": 0.6, "items": [
            {"id": "a", "levels": [10, 5, 0]},
            {"id": "bad", "levels": ["yes", "no"], "polarity": "negative", "core": True}]},
        {"id": "h", "weight": 0.4, "items": [{"id": "e", "elements": ["x", "y", "z", "w"]}]},
    ],
}  # fmt: skip


def records(**columns):
    table = {"agent": ["u", "u", "v"], "a": [10, 5, 0], "bad": ["no", "no", "yes"], "e": [4, 2, 4]}
    return pd.DataFrame(table | columns)


def test_scores_by_hand():
    scored = qa.score_contacts(records(), RUBRIC)
    assert scored.contacts["score"].tolist() == pytest.approx([100, 65, 40])
    assert scored.contacts["passed"].tolist() == [True, False, False]
    assert scored.contacts["core_failed"].tolist() == [False, False, True]
    agents = scored.agents.set_index("term")
    assert agents.loc["u", "estimate"] == pytest.approx(82.5)
    half = 12.706204736 * np.std([100, 65], ddof=1) / np.sqrt(2)
    assert agents.loc["u", "conf_low"] == max(82.5 - half, 0)
    assert scored.items.set_index("term")["estimate"].to_dict() == pytest.approx(
        {"a": 50, "bad": 200 / 3, "e": 250 / 3}
    )


def test_blank_items_give_their_weight_to_the_others():
    assert qa.score_contacts(records(e=[None, 2, 4]), RUBRIC).contacts["score"].iloc[0] == 100
    only_bad = qa.score_contacts(records(e=[None, 2, 4], a=[None, 5, 0]), RUBRIC).contacts["score"]
    assert only_bad.iloc[0] == 100


def test_bands_begin_at_their_lower_edge():
    bands = read_rubric("service_contact").bands
    assert band_of(np.array([90, 89.99, 85, 75, 74.9, np.nan]), bands).tolist() == [
        "excellent", "good", "good", "improve", "fail", None,
    ]  # fmt: skip


def test_training_needs_are_proven_only_when_the_interval_is_below():
    rng = np.random.default_rng(1)
    poor = rng.choice([0, 5], 40)
    many = pd.DataFrame({"agent": "u", "a": poor, "bad": "no", "e": 4})
    need = qa.score_contacts(many, RUBRIC).training
    assert need[["agent", "item", "need"]].to_numpy().tolist() == [["u", "a", "proven"]]
    assert qa.score_contacts(records(), RUBRIC).training["need"].eq("likely").any()


def test_notes_are_followed_to_their_effect():
    dates = pd.date_range("2026-01-01", periods=40).astype(str)
    levels = np.r_[np.tile([0, 5], 10), np.tile([10, 5], 10)]
    table = pd.DataFrame({"agent": "u", "a": levels, "bad": "no", "e": 4, "date": dates})
    notes = pd.DataFrame({"agent": ["u"], "item": ["a"], "date": ["2026-01-21"]})
    effect = qa.follow_up(qa.score_contacts(table, RUBRIC), notes).iloc[0]
    assert (effect["estimate"], effect["verdict"]) == (50, "improved")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"a": [10, 7, 0]}, "row 2, a: '7' is not a level"), ({"bad": ["no", "maybe", "no"]}, "maybe")],
)
def test_unknown_levels_are_refused(change, message):
    with pytest.raises(ResponseError, match=message):
        qa.score_contacts(records(**change), RUBRIC)


def test_rubric_mistakes_are_named():
    wrong = RUBRIC | {"groups": [RUBRIC["groups"][0] | {"weight": 0.5}, RUBRIC["groups"][1]]}
    with pytest.raises(StudyError, match=r"sum to 0\.9"):
        read_rubric(wrong)
    with pytest.raises(ResponseError, match="no column e"):
        qa.score_contacts(records().drop(columns="e"), RUBRIC)


@pytest.mark.parametrize("name", ["service_contact", "counter_visit", "service_standards"])
def test_shipped_rubrics_are_whole(name):
    assert read_rubric(name).weights().sum() == pytest.approx(1)


def test_the_severe_monitor_of_the_demo_is_found():
    scored = qa.score_contacts(qa.read_study(DEMO).monitoring(), DEMO / "monitoring" / "scorecard.yaml")
    result = qa.calibrate(scored)
    monitors = result.monitors.set_index("term")
    assert monitors["verdict"].to_dict() == {
        "mei": "certified",
        "jonas": "certified",
        "lin": "certified",
        "sara": "retrain",
    }
    assert monitors.loc["sara", "conf_high"] < -5
    assert monitors["estimate"].drop("sara").abs().max() < 1.5  # her severity does not make the others lenient
    assert set(result.items["item"]) == {item.id for item in scored.rubric.items}


def test_a_drifting_monitor_is_retrained():
    rng = np.random.default_rng(4)
    rows = []
    for day in range(120):
        truth = rng.uniform(2, 8)
        for monitor, slope in (("p", 0), ("q", 0), ("r", -0.03)):
            met = int(np.clip(np.rint(truth + slope * day + rng.normal(0, 0.3)), 0, 10))
            date = str((pd.Timestamp("2026-01-01") + pd.Timedelta(days=day)).date())
            rows.append({"contact_id": day, "agent": "u", "monitor": monitor, "date": date, "a": met})
    rubric = {"id": "ten", "groups": [{"id": "g", "weight": 1, "items": [{"id": "a", "elements": list("abcdefghij")}]}]}
    monitors = qa.calibrate(qa.score_contacts(pd.DataFrame(rows), rubric), tolerance=15).monitors.set_index("term")
    assert monitors.loc["r", "verdict"] == "retrain"
    assert monitors.loc["r", "drift"] == pytest.approx(-9, abs=1.5)


def test_of_two_monitors_neither_is_right():
    rng = np.random.default_rng(1)
    met = rng.integers(4, 9, 40)
    rows = pd.DataFrame({"contact_id": range(40), "agent": "u", "date": "2026-10-01"})
    both = pd.concat([rows.assign(monitor="p", a=met), rows.assign(monitor="q", a=met - rng.integers(1, 4, 40))])
    rubric = {"id": "ten", "groups": [{"id": "g", "weight": 1, "items": [{"id": "a", "elements": list("abcdefghij")}]}]}
    monitors = qa.calibrate(qa.score_contacts(both, rubric)).monitors.set_index("term")
    assert monitors["verdict"].to_dict() == {"p": "retrain", "q": "retrain"}
    assert monitors.loc["p", "estimate"] == -monitors.loc["q", "estimate"]


def test_records_without_a_contact_id_are_contacts_of_their_own():
    scored = qa.score_contacts(records(contact_id=["c1", None, None], monitor=["m", "m", "m"]), RUBRIC)
    plain = qa.score_contacts(records(), RUBRIC)
    assert len(scored.contacts) == 3
    assert scored.items["n"].tolist() == plain.items["n"].tolist()


@pytest.mark.parametrize(("n", "verdict"), [(2, "more_contacts"), (5, "more_contacts"), (6, "certified")])
def test_a_few_contacts_scored_alike_certify_nobody(n, verdict):
    rows = [
        {"agent": "u", "contact_id": c, "monitor": m, "date": "2026-10-01", "a": 10, "bad": "no", "e": 4}
        for c in range(n)
        for m in ("kim", "lee")
    ]
    with pytest.warns(DataWarning, match="undefined"):
        found = qa.calibrate(qa.score_contacts(pd.DataFrame(rows), RUBRIC))
    assert found.monitors["verdict"].tolist() == [verdict] * 2


def test_calibration_names_the_column_it_lacks():
    with pytest.raises(ResponseError, match="no column 'contact_id'"):
        qa.calibrate(qa.score_contacts(records(), RUBRIC))
