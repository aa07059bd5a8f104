"""KPIs against R's survfit, Wilson's interval, hand counts; records that contradict themselves."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError, StudyError
from qa_lib.operations import kpi_estimates as numbers


@pytest.fixture(scope="module")
def r(reference):
    return reference("operations_kpis")


def tickets(**columns):
    table = {
        "ticket_id": ["a", "b", "c", "d", "e"],
        "submitted": ["2026-10-01 09:00", "2026-10-01 10:00", "2026-10-02 09:00", "2026-10-20 09:00",
                      "2026-11-01 09:00"],
        "first_response": ["2026-10-01 10:00", "2026-10-01 16:00", "2026-10-02 11:00", None, "2026-11-01 12:00"],
        "resolved": ["2026-10-01 12:00", "2026-10-04 10:00", None, None, "2026-11-01 15:00"],
        "promised": ["2026-10-02 09:00", "2026-10-03 10:00", "2026-10-05 09:00", None, "2026-11-30 09:00"],
        "customer_id": ["u", "u", "v", "u", "u"],
        "problem": ["bill", "bill", "bill", "bill", "other"],
    }  # fmt: skip
    return pd.DataFrame(table | columns)


def row(result, term, period="2026-10"):
    table = result.tidy()
    return table[(table["term"] == term) & (table["period"] == period)].iloc[0]


@pytest.mark.parametrize("case", ["random", "tied", "flat"])
def test_censored_percentiles_equal_survfit(r, case):
    time, done = np.array(r[case]["time"], float), np.array(r[case]["done"])
    for at, p in enumerate((0.5, 0.9)):
        expected = [r[case][key][at] for key in ("estimate", "low", "high")]
        ours = numbers.kaplan_meier(time, done, p, 0.95)
        assert_close_to_reference(ours, [np.nan if x in (None, "NA") else x for x in expected], 1e-8, f"{case} {p}")


def test_wilson_equals_prop_test(r):
    for case in r["wilson"]:
        assert_close_to_reference(numbers.wilson(case["x"], case["n"]), case["ci"], 1e-8)


def test_exact_median_interval_is_conovers_and_covers():
    middle, low, high = numbers.median(np.arange(1.0, 26.0), 0.95)
    assert (middle, low, high) == (13, 8, 18)  # n = 25: ranks 8 and 18, coverage .957
    assert np.isnan(numbers.median(np.arange(5.0), 0.95)[1])
    rng = np.random.default_rng(2)
    bounds = np.array([numbers.median(rng.exponential(size=31), 0.95)[1:] for _ in range(2000)])
    assert np.mean((bounds[:, 0] <= np.log(2)) & (np.log(2) <= bounds[:, 1])) >= 0.945


def test_hand_counted_tickets():
    result = qa.kpis({"tickets": tickets()})
    response = row(result, "response_time")
    assert response[["n", "n_open", "estimate", "maximum", "attainment"]].tolist() == [4, 1, 3.0, 6.0, 0.5]
    assert response["conf_low"] < 3 < response["conf_high"]
    assert row(result, "on_time_rate")[["n", "estimate"]].tolist() == [3, pytest.approx(1 / 3)]
    assert row(result, "on_time_rate", "2026-11")["estimate"] == 1
    assert row(result, "repeat_rate")[["n", "estimate"]].tolist() == [4, 0.5]
    assert row(result, "same_day_closure")["estimate"] == 0.25
    assert row(result, "resolution_rate")["estimate"] == 0.5


def test_verdict_waits_until_the_interval_is_clear():
    few = row(qa.kpis({"tickets": tickets()}), "response_time", "2026-11")
    assert (few["attainment"], few["verdict"], few["alert"]) == (1, "undecided", False)
    start = pd.Series(pd.date_range("2026-10-01", periods=600, freq="h"))
    many = pd.DataFrame({"ticket_id": range(600), "submitted": start, "first_response": start + pd.Timedelta("9h"),
                         "resolved": start + pd.Timedelta("9h"), "promised": start + pd.Timedelta("10h")})  # fmt: skip
    result = qa.kpis({"tickets": many}, period="Y")
    assert row(result, "response_time", "2026")["verdict"] == "not_met"
    assert row(result, "on_time_rate", "2026")["verdict"] == "met"


def test_rates_over_customers_and_guardrails():
    spec = {
        "tables": {
            "complaints": {"id": "complaint_id", "at": "received", "times": ["received"]},
            "customers": {"at": "month"},
        },
        "kpis": [
            {"id": "complaint_rate", "table": "complaints", "kind": "ratio", "distinct": "customer_id",
             "base_table": "customers", "base": "start", "better": "lower", "guardrail": "churn", "unit": "share"},
            {"id": "churn", "table": "customers", "kind": "rate", "column": "lost", "base": "start",
             "better": "lower", "unit": "share"},
        ],
    }  # fmt: skip
    complaints = pd.DataFrame(
        {
            "complaint_id": [1, 2, 3],
            "received": ["2026-09-03", "2026-09-05", "2026-10-01"],
            "customer_id": ["x", "x", "y"],
        }
    )
    customers = pd.DataFrame({"month": ["2026-09-01", "2026-10-01"], "start": [1000, 1000], "lost": [10, 60]})
    result = qa.kpis({"complaints": complaints, "customers": customers}, spec)
    assert row(result, "complaint_rate", "2026-09")["estimate"] == 1 / 1000
    assert row(result, "churn")["estimate"] == 0.06
    assert row(result, "complaint_rate")["guardrail_verdict"] == "worse"
    assert row(result, "complaint_rate", "2026-09")["guardrail_verdict"] == "open"


def test_groups_add_up_and_periods_are_named():
    data = tickets(branch=["n", "s", "n", "s", "n"])
    result = qa.kpis({"tickets": data}, by="branch", period="W")
    rates = result.tidy().query("term == 'resolution_rate'")
    assert rates["n"].sum() == 5
    assert set(rates["period"]) == {"2026-W40", "2026-W43", "2026-W44"}
    assert set(qa.kpis({"tickets": data}, period="Q").tidy()["period"]) == {"2026-Q4"}


def test_contradictions_are_in_the_ledger_and_totals_reconcile():
    data = pd.concat([tickets(), tickets().iloc[[0]]], ignore_index=True).assign(agent="ann")
    data.loc[1, "resolved"] = "2026-09-01 10:00"
    data.loc[2, "submitted"] = "soon"
    roster = pd.DataFrame({"agent": ["bo"]})
    with pytest.warns(DataWarning):
        result = qa.kpis({"tickets": data, "roster": roster})
    reasons = result.ledger["reason"].value_counts()
    assert reasons.to_dict() == {
        "agent_not_in_roster": 4, "before_submitted": 1, "duplicate_id": 1, "not_a_time": 1, "no_start": 1,
    }  # fmt: skip
    table = result.reconciliation.iloc[0]
    assert table["raw"] == 6 == table["put_aside"] + table["used"]
    assert row(result, "resolution_time")["n"] == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tickets().drop(columns="submitted"), "no column 'submitted'"),
        (tickets().iloc[:0], "no rows"),
        (tickets(resolved=["2026-10-01T12:00+08:00", "2026-10-01T12:00", None, None, None]), "time zones are mixed"),
        (tickets(resolved=["2026-10-01T12:00+08:00", "2026-10-01T12:00Z", None, None, None]), "time zones are mixed"),
    ],
)
def test_unusable_tables_are_refused(data, message):
    with pytest.raises(ResponseError, match=message):
        qa.kpis({"tickets": data})


def test_spec_mistakes_are_named():
    base = {"tables": {"tickets": {"at": "submitted"}}}
    with pytest.raises(StudyError, match="needs end"):
        qa.kpis({}, base | {"kpis": [{"id": "x", "table": "tickets", "kind": "duration", "start": "submitted"}]})
    kpi = {"id": "x", "table": "tickets", "kind": "present", "column": "resolved", "guardrail": "y"}
    with pytest.raises(StudyError, match="guardrail 'y' is no KPI"):
        qa.kpis({}, base | {"kpis": [kpi]})


def test_business_hours_skip_nights_weekends_and_holidays():
    start = np.array(["2026-10-30T17:00", "2026-10-30T08:00", "2026-10-31T12:00"], "M8[s]")
    end = np.array(["2026-11-03T10:00", "2026-10-30T20:00", "2026-11-01T12:00"], "M8[s]")
    hours = numbers.business_hours(start, end, "09:00", "18:00", "1111100", ["2026-11-02"])
    assert hours.tolist() == [2.0, 9.0, 0.0]


def test_offsets_are_one_clock_when_a_timezone_is_given():
    spec = {"tables": {"t": {"at": "a", "times": ["a", "b"]}}, "timezone": "Asia/Shanghai",
            "kpis": [{"id": "d", "table": "t", "kind": "duration", "start": "a", "end": "b"}]}  # fmt: skip
    data = pd.DataFrame({"a": ["2026-10-01T09:00+08:00"], "b": ["2026-10-01T03:00Z"]})
    assert qa.kpis({"t": data}, spec).tidy().loc[0, "estimate"] == 2
