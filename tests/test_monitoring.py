"""The monitoring report's tables by hand and on the demo: modes, agents' reviews, focus, notes; bad records."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.rubric import read_rubric

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"
RUBRIC = {
    "id": "two",
    "groups": [
        {"id": "g", "weight": 0.75, "items": [{"id": "a", "levels": [10, 5, 0]}]},
        {"id": "h", "weight": 0.25, "items": [{"id": "b", "levels": ["yes", "no"], "core": True}]},
    ],
}


def contacts(**columns):
    table = {
        "contact_id": ["1", "1", "2", "3", "4"], "date": ["2026-10-30"] * 2 + ["2026-10-31"] * 2 + ["2026-11-01"],
        "agent": ["u", "u", "u", "v", "v"], "monitor": ["p", "q", "p", "p", "p"],
        "mode": ["remote", "remote", "recording", "remote", "remote"],
        "a": [10, 0, 5, 10, 5], "b": ["yes", "yes", "yes", "no", "yes"],
    }  # fmt: skip
    return pd.DataFrame(table | columns)


@pytest.fixture(scope="module")
def study():
    return qa.read_study(DEMO)


def test_a_contact_counts_once_however_many_scored_it():
    scored = qa.score_contacts(contacts(), RUBRIC)
    assert scored.glance().loc[0, ["n", "records"]].tolist() == [4, 5]
    agents = scored.agents.set_index("term")
    assert agents["n"].to_dict() == {"u": 2, "v": 2}
    assert agents.loc["u", "estimate"] == np.mean([(100 + 25) / 2, 62.5])
    assert agents["core_failed"].to_dict() == {"u": 0, "v": 1}
    assert scored.items.set_index("term").loc["a", ["n", "estimate"]].tolist() == [4, np.mean([50, 50, 100, 50])]
    modes = qa.monitored(scored).query("dimension == 'mode'").set_index("term")
    assert modes["n"].to_dict() == {"remote": 3, "recording": 1, "side_by_side": 0}
    monitors = qa.monitored(scored).query("dimension == 'monitor'").set_index("term")
    assert monitors["n"].to_dict() == {"p": 4, "q": 1}


@pytest.mark.parametrize(("period", "n"), [("2026-10-30", 1), ("2026-W44", 4), ("2026-10", 3), (2026, 4)])
def test_any_period(period, n):
    assert qa.score_contacts(contacts(), RUBRIC, period=period).glance().loc[0, "n"] == n


def test_a_period_without_contacts_is_refused():
    with pytest.raises(ResponseError, match="no contact was monitored in 2026-12"):
        qa.score_contacts(contacts(), RUBRIC, period="2026-12")


def test_strangers_and_copies_are_in_the_ledger():
    table = pd.concat([contacts(), contacts().iloc[[0]]], ignore_index=True)
    roster = pd.DataFrame({"agent": ["u", "p", "q"], "certified": ["", "yes", "no"]})
    with pytest.warns(DataWarning, match="duplicate_id"):
        scored = qa.score_contacts(table, RUBRIC, roster=roster)
    found = scored.ledger.groupby("reason")["row"].agg(list).to_dict()
    assert found == {"duplicate_id": [6], "agent_not_in_roster": [4, 5], "monitor_not_certified": [2]}
    assert len(scored.contacts) + 1 == len(table)


def test_a_level_not_in_the_rubric_is_named_by_its_row():
    with pytest.raises(ResponseError, match=r"row 4, a: '7' is not a level\. Allowed: 10, 5, 0"):
        qa.score_contacts(contacts(a=[10, 0, 5, 7, 5]), RUBRIC, period="2026-10")


def test_reviews_say_what_a_comment_says():
    rng = np.random.default_rng(2)

    def month(better):
        a = rng.choice([0, 5, 10], 60, p=[0.6, 0.3, 0.1] if not better else [0.1, 0.3, 0.6])
        return qa.score_contacts(pd.DataFrame({"agent": "u", "a": a, "b": "yes"}), RUBRIC)

    before, now = month(False), month(True)
    review = qa.agent_reviews(now, before).iloc[0]
    assert (review["change_verdict"], review["weakest"], review["strongest"]) == ("improved", "a", "b")
    expected = ttest_ind(now.contacts["score"], before.contacts["score"], equal_var=False).confidence_interval()
    assert (review["change_low"], review["change_high"]) == pytest.approx(tuple(expected))
    assert qa.agent_reviews(before, now).iloc[0]["needs"] == ["a"]
    alone = qa.agent_reviews(now).iloc[0]
    assert np.isnan(alone["change"])
    assert alone["change_verdict"] == "open"


def test_lost_points_add_up_to_what_the_score_lacks(study):
    scored = qa.score_contacts(study.monitoring(), DEMO / "monitoring" / "scorecard.yaml", period="2026-10")
    focus = qa.item_focus(scored)
    assert focus["lost"].sum() == pytest.approx(100 - scored.glance().loc[0, "score"])
    assert focus["share"].sum() == pytest.approx(1)
    assert focus["lost"].is_monotonic_decreasing


def test_the_demos_heeded_note_shows_and_the_others_do_not(study):
    scored = qa.score_contacts(study.monitoring(), DEMO / "monitoring" / "scorecard.yaml", roster=study.roster())
    assert scored.ledger.empty
    effects = qa.follow_up(scored, study.notes()).set_index("agent")
    assert effects.loc["old_town_1", "verdict"] == "improved"
    assert effects.loc["harbour_1", "verdict"] == "open"
    assert pd.isna(effects.loc["airport_4", "item"])


def test_core_standards_are_met_in_full_where_the_rubric_says_so():
    rubric = read_rubric("service_standards")
    best = {item.id: len(item.elements) if item.elements else "no" for item in rubric.items}
    table = pd.DataFrame([{"agent": "u", **best}, {"agent": "u", **best, "privacy": 2}])
    scored = qa.score_contacts(table, rubric)
    assert scored.contacts["score"].iloc[0] == 100
    assert scored.contacts["passed"].tolist() == [True, False]
    assert scored.contacts["core_failed"].tolist() == [False, True]
