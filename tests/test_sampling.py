"""The monitoring plan keeps every rule it states, or says why it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.operations.calibration import retraining
from qa_lib.operations.sampling import plan_file
from qa_lib.operations.workbook import write_workbook

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
    with pytest.raises(StudyError, match=r"2026-11-02 needs 112 contacts; 3 .* room for 60 .* 20 more"):
        qa.monitoring_plan(roster, NOVEMBER | {"daily": 4})
    with pytest.raises(StudyError, match="certified monitor"):
        qa.monitoring_plan(roster.assign(certified="no"), NOVEMBER)
    with pytest.raises(StudyError, match="no agent or team leader"):
        qa.monitoring_plan(roster.assign(since="2030-01-01"), NOVEMBER)
    with pytest.raises(StudyError, match="first is no date"):
        qa.monitoring_plan(roster, NOVEMBER | {"first": "soon"})
    with pytest.raises(StudyError, match="no working day"):
        qa.monitoring_plan(roster, {"first": "2026-11-07", "last": "2026-11-08"})


def small_roster(agents, seniors=1, **columns):
    rows = [{"agent": f"a{k}", "role": "agent", "certified": ""} for k in range(agents)]
    rows += [{"agent": "qa", "role": "quality_assurer", "certified": "yes"}]
    rows += [{"agent": f"s{k}", "role": "senior_supervisor", "certified": "yes"} for k in range(seniors)]
    return pd.DataFrame(rows).assign(since="2020-01-01", **columns)


def test_seniors_keep_their_week_for_the_days_that_need_them():
    week = {"first": "2026-11-02", "last": "2026-11-06"}
    plan = qa.monitoring_plan(small_roster(24), week)  # 4 a day more than the assurer's 20, for five days
    loads = plan.tidy().pivot_table(index="date", columns="monitor", values="time", aggfunc="size")
    assert loads.to_numpy().tolist() == [[20, 4]] * 5
    with pytest.raises(StudyError, match=r"needs 25 contacts; 1 .* room for 20 .* for [0-4] more"):
        qa.monitoring_plan(small_roster(25), week)
    late = small_roster(22, seniors=2)
    late["weekmask"] = ["1111100"] * 23 + ["1100000", "0011100"]  # no senior is there all week
    loads = qa.monitoring_plan(late, week).tidy().groupby("date").size()
    assert loads.eq(22).all()


def test_seniors_monitor_even_where_assurers_would_do(plan):
    assert plan[plan["monitor"] == "mei"].groupby(pd.to_datetime(plan["date"]).dt.strftime("%G-W%V")).size().max() == 20


def test_contacts_follow_the_risk_grade():
    graded = small_roster(3, risk=["low", "middle", "severe", "", ""])
    spec = {"first": "2026-11-02", "last": "2026-11-02", "risk": {"middle": 2, "severe": 5}}
    plan = qa.monitoring_plan(graded, spec).tidy()
    assert plan.groupby(["agent", "reason"]).size().to_dict() == {
        ("a0", "daily"): 1, ("a1", "middle_risk"): 2, ("a2", "severe_risk"): 5,
    }  # fmt: skip


def test_every_month_has_its_modes_and_no_monitor_is_at_two_places(roster):
    quarter = qa.monitoring_plan(roster, {"first": "2026-10-01", "last": "2026-12-31"}).tidy()
    shares = pd.crosstab(quarter["date"].str[:7], quarter["mode"], normalize="index")
    assert np.allclose(shares[["side_by_side", "remote", "recording"]], [0.2, 0.7, 0.1], atol=0.002)
    assert not quarter.duplicated(["date", "time", "monitor"]).any()


def test_workbooks_hold_text_and_appear_whole(tmp_path):
    sly = small_roster(1)
    sly["branch"] = "=HYPERLINK(0)"
    plan = qa.monitoring_plan(sly, {"first": "2026-11-02", "last": "2026-11-02"})
    path = plan.write(tmp_path / "plan.xlsx")
    cell = openpyxl.load_workbook(path)["plan"]["D2"]
    assert (cell.value, cell.data_type) == ("=HYPERLINK(0)", "s")
    before = path.read_bytes()
    aware = pd.DataFrame({"when": [pd.Timestamp("2026-11-02", tz="UTC")]})
    with pytest.raises(ValueError, match="timezones"):
        write_workbook(path, {"fine": pd.DataFrame({"a": [1]}), "not": aware})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.xlsx"]


def test_who_must_be_retrained_monitors_nobody(roster):
    records = qa.read_study(DEMO).monitoring()
    assert retraining(DEMO, records, "2026-11-01", roster) == ["sara"]  # as the page's calibration of October says
    plan = qa.monitoring_plan(roster, NOVEMBER, retrain=["sara"])
    assert "sara" not in set(plan.tidy()["monitor"])
    assert plan.provenance.settings["retrain"] == ["sara"]
    with pytest.raises(StudyError, match=r"\(jonas, lin, mei, sara must be retrained first\)"):
        qa.monitoring_plan(roster, NOVEMBER, retrain=["jonas", "lin", "mei", "sara"])


def test_certification_renewed_after_training_ends_the_ban(roster):
    records = qa.read_study(DEMO).monitoring()
    renewed = roster.assign(certified_on=np.where(roster["agent"] == "sara", "2026-10-31", ""))
    assert retraining(DEMO, records, "2026-11-01", renewed) == []
    assert retraining(DEMO, None, "2026-11-01", roster) == []
    assert retraining(DEMO, records, "2024-01-01", roster) == []


def test_the_command_writes_a_plan(tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("responses", "tickets", "calls"))
    out = tmp_path / "november.xlsx"
    run("plan", str(folder), "--period", "2026-11", "--out", str(out), "--seed", "3")
    roster, spec = qa.read_study(folder).roster(), plan_file(folder, "2026-11")
    expected = qa.monitoring_plan(roster, spec, seed=3, retrain=["sara"]).tidy()
    assert pd.read_excel(out, sheet_name="plan", dtype=str).equals(expected.astype(str))
    (folder / "monitoring" / "plan.yaml").write_text("daily: 9\n")
    assert run("plan", str(folder), "--period", "2026-W45", "--out", str(out), code=2).startswith(
        "error: monitoring plan"
    )
    (folder / "monitoring" / "plan.yaml").write_text("dayly: 9\n")
    assert "Did you mean 'daily'" in run("plan", str(folder), "--period", "2026-11", "--out", str(out), code=2)
    (folder / "roster.csv").unlink()
    assert "roster.csv" in run("plan", str(folder), "--period", "2026-11", "--out", str(out), code=2)


def run(*arguments, code=0):
    """Runs the command line; what it said on stderr."""
    done = subprocess.run([sys.executable, "-m", "qa_lib", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_unusable_rosters_are_refused(roster):
    with pytest.raises(ResponseError, match="no column since"):
        qa.monitoring_plan(roster.drop(columns="since"), NOVEMBER)
    with pytest.raises(ResponseError, match="stands twice"):
        qa.monitoring_plan(pd.concat([roster, roster.iloc[[0]]]), NOVEMBER)
    with pytest.raises(ResponseError, match="role 'boss'"):
        qa.monitoring_plan(roster.assign(role="boss"), NOVEMBER)


@pytest.mark.parametrize(
    ("columns", "words"),
    [({"weekmask": "11111"}, "weekmask '11111'"), ({"since": "long ago"}, "since 'long ago'")],
)
def test_days_on_the_roster_that_cannot_be_read_are_named(columns, words):
    people = pd.DataFrame({"agent": ["ann", "mei"], "since": "2020-01-01", "role": ["agent", "quality_assurer"]})
    with pytest.raises(ResponseError, match=words):
        qa.monitoring_plan(people.assign(certified="yes", **columns), {"first": "2026-11-02", "last": "2026-11-06"})


def test_a_blank_weekmask_means_every_working_day():
    people = pd.DataFrame({"agent": ["ann", "mei"], "since": "2020-01-01", "role": ["agent", "quality_assurer"]})
    people = people.assign(certified="yes", weekmask=["", None])
    assert qa.monitoring_plan(people, {"first": "2026-11-02", "last": "2026-11-06"}).glance().loc[0, "n"] == 5


@pytest.mark.parametrize("wrong", [{"holidays": ["nope"]}, {"opens": "25:00", "closes": "26:00"}])
def test_days_and_times_of_the_spec_that_do_not_exist_are_named(wrong):
    people = pd.DataFrame({"agent": ["ann"], "since": "2020-01-01", "role": ["agent"]})
    with pytest.raises(StudyError, match=next(iter(wrong))):
        qa.monitoring_plan(people, {"first": "2026-11-02", "last": "2026-11-06"} | wrong)
