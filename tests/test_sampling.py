"""The monitoring plan keeps every rule it states, or says why it cannot."""

from pathlib import Path

import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"
NOVEMBER = {"first": "2026-11-01", "last": "2026-11-30", "changed_branches": ["station"]}


@pytest.fixture(scope="module")
def roster():
    return qa.read_study(DEMO).roster()


@pytest.fixture(scope="module")
def plan(roster):
    return qa.monitoring_plan(roster, NOVEMBER, seed=2).tidy()


def test_modes_are_two_to_seven_to_one(plan):
    counts = plan["mode"].value_counts()
    for mode, share in (("side_by_side", 0.2), ("remote", 0.7), ("recording", 0.1)):
        assert abs(counts[mode] - share * len(plan)) < 1


def test_everyone_on_duty_every_day(plan, roster):
    left = roster["until"].fillna("").ne("")
    staff = roster[roster["role"].isin(["agent", "team_leader"]) & ~left]
    assert plan.groupby("date")["agent"].nunique().eq(len(staff)).all()
    assert set(plan["agent"]) == set(staff["agent"])
    assert plan["date"].nunique() == 21


def test_more_where_risk_or_change_is_higher(plan):
    per_day = plan.groupby(["agent", "date"]).size().groupby("agent").mean()
    assert per_day["riverside_3"] == 2  # high risk
    assert per_day["station_1"] == 2  # changed process
    assert per_day["harbour_1"] == 1


def test_new_agents_are_monitored_most(roster):
    table = qa.monitoring_plan(roster, {"first": "2026-09-01", "last": "2026-09-11"}).tidy()
    assert table[table["agent"] == "airport_1"].groupby("date").size().eq(3).all()


def test_monitors_are_certified_and_within_their_loads(plan, roster):
    certified = roster[roster["certified"] == "yes"].set_index("agent")
    assert set(plan["monitor"]) <= set(certified.index)
    week = pd.to_datetime(plan["date"]).dt.strftime("%G-W%V")
    senior = plan["monitor"].map(certified["role"]) == "senior_supervisor"
    assert plan[senior].groupby([week[senior], "monitor"]).size().max() <= 20
    assert plan[~senior].groupby(["date", "monitor"]).size().max() <= 20


def test_same_seed_same_plan_and_xlsx(roster, tmp_path):
    first, again, other = (qa.monitoring_plan(roster, NOVEMBER, seed=s) for s in (5, 5, 6))
    assert first.tidy().equals(again.tidy())
    assert not first.tidy().equals(other.tidy())
    first.write(tmp_path / "plan.xlsx")
    assert pd.read_excel(tmp_path / "plan.xlsx", sheet_name="plan").shape == first.tidy().shape


def test_infeasible_plans_are_refused_with_the_reason(roster):
    with pytest.raises(StudyError, match=r"2026-11-02 needs \d+ contacts, but the 4 certified monitors .* room for"):
        qa.monitoring_plan(roster, NOVEMBER | {"daily": 4})
    with pytest.raises(StudyError, match="certified monitor"):
        qa.monitoring_plan(roster.assign(certified="no"), NOVEMBER)
    with pytest.raises(StudyError, match="no working day"):
        qa.monitoring_plan(roster, {"first": "2026-11-07", "last": "2026-11-08"})


def test_unusable_rosters_are_refused(roster):
    with pytest.raises(ResponseError, match="no column since"):
        qa.monitoring_plan(roster.drop(columns="since"), NOVEMBER)
    with pytest.raises(ResponseError, match="stands twice"):
        qa.monitoring_plan(pd.concat([roster, roster.iloc[[0]]]), NOVEMBER)
    with pytest.raises(ResponseError, match="role 'boss'"):
        qa.monitoring_plan(roster.assign(role="boss"), NOVEMBER)
