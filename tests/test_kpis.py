"""KPIs against R's survfit, Wilson's interval, hand counts; records that contradict themselves."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError, StudyError
from qa_lib.operations.kpi import kpi_estimates as numbers


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


@pytest.mark.parametrize("case", ["random", "tied", "flat", "flat_to_the_end"])
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


COMPLAINTS = pd.DataFrame(
    {
        "complaint_id": [1, 2, 3, 4],
        "received": ["2026-10-01 00:00", "2026-10-02 00:00", "2026-10-03 00:00", "2026-10-20 00:00"],
        "classified": ["2026-10-01 01:00", "2026-10-02 01:00", "2026-10-03 02:00", None],
        "assigned": ["2026-10-01 06:00", "2026-10-03 12:00", "2026-10-03 06:00", None],
        "handled": ["2026-10-02 00:00", "2026-10-08 00:00", None, None],
        "answered": ["2026-10-02 06:00", "2026-10-08 06:00", None, None],
        "archived": ["2026-10-04 06:00", None, None, None],
        "followed_up": ["2026-10-05 06:00", None, None, None],
        "satisfaction": [5, 2, None, None],
    }
)


def test_stages_of_complaints_by_hand():
    result = qa.kpis({"complaints": COMPLAINTS})
    assert row(result, "complaint_response")[["n", "n_open", "estimate"]].tolist() == [4, 1, 16.0]
    assert row(result, "complaint_handling")[["estimate", "maximum"]].tolist() == [84.0, 144.0]
    overdue = row(result, "complaint_overdue")  # handled late, open too long; the last is not yet due
    assert overdue[["n", "estimate"]].tolist() == [3, pytest.approx(2 / 3)]
    followed = row(result, "complaint_follow_up")  # of those answered
    assert followed[["n", "estimate"]].tolist() == [2, 0.5]
    assert row(result, "complaint_satisfaction")["estimate"] == 0.5
    assert row(result, "complaint_archive")[["n", "n_open", "estimate"]].tolist() == [2, 1, 2.0]


def test_errors_by_kind_are_shares_of_all_records():
    data = tickets(error=["information", "", "misleading", "result", None])
    result = qa.kpis({"tickets": data}, period=None)
    found = {term: row(result, term, "all")["estimate"] for term in ("error_rate", "error_information", "error_result")}
    assert found == {"error_rate": 0.6, "error_information": 0.4, "error_result": 0.2}
    assert row(result, "misleading_rate", "all")["estimate"] == 0.2
    assert row(result, "error_execution", "all")[["n", "estimate"]].tolist() == [5, 0]


def outage_tables():
    outages = pd.DataFrame(
        {
            "outage_id": [1, 2, 3],
            "began": ["2026-09-30 23:00", "2026-10-10 08:00", "2026-10-31 23:30"],
            "ended": ["2026-10-01 01:00", "2026-10-10 08:30", None],
        }
    )
    months = ["2026-09-01", "2026-10-01", "2026-11-01"]
    facilities = pd.DataFrame({"month": months, "systems": 2, "devices": 10, "intact": [9, 8, 10]})
    return {"outages": outages, "facilities": facilities}


def test_outages_are_cut_at_the_ends_of_periods():
    result = qa.kpis(outage_tables())
    minutes = result.tidy().query("term == 'outage_minutes'").set_index("period")["estimate"]
    assert minutes["2026-09"] == pytest.approx(60)
    assert minutes["2026-10"] == pytest.approx(60 + 30 + 30)  # the open one runs to the end of what is known
    kept = row(result, "availability")
    assert kept["estimate"] == pytest.approx(1 - 120 / (2 * 31 * 1440), rel=1e-6)
    assert kept["conf_low"] < kept["estimate"] < kept["conf_high"]
    assert row(result, "failure_rate")[["n", "total", "estimate"]].tolist() == [2, 2, 1.0]
    assert row(result, "facilities_intact")["estimate"] == 0.8
    assert set(minutes.index) == {"2026-09", "2026-10", "2026-11"}


def test_failures_and_minutes_have_the_published_intervals(r):
    for case in r["poisson"]:
        found = numbers.events_per(case["x"], case["base"], 0.95)
        assert_close_to_reference([found["conf_low"], found["conf_high"]], case["ci"], 1e-8)
    one_size = numbers.total_of(np.full(7, 20.0), 20.0, 0.95)  # equal sizes: 20 × the exact interval of a count of 7
    exact = numbers.events_per(7, 1, 0.95)
    assert one_size["conf_low"] == pytest.approx(20 * exact["conf_low"])
    assert one_size["conf_high"] == pytest.approx(20 * exact["conf_high"])
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(1500):  # minutes of Poisson many outages of exponential length: mean 6 × 30
        sizes = rng.exponential(30, rng.poisson(6))
        found = numbers.total_of(sizes, 150.0, 0.95)
        hits.append(found["conf_low"] <= 180 <= found["conf_high"])
    assert np.mean(hits) > 0.94


def test_share_between_units_has_the_interval_of_psych(r):
    case = r["icc"]
    values, unit = np.array(case["value"], float), np.array(case["unit"])
    found = numbers.between_share(values, unit, 0.95)
    assert_close_to_reference([found["estimate"], found["conf_low"], found["conf_high"]], case["icc1"], 1e-7)


@pytest.mark.parametrize(
    ("period", "n"), [("2026-10-01", 2), ("2026-W40", 3), ("2026-10", 4), ("2026-Q4", 5), ("2026", 5), (2026, 5)]
)
def test_one_period_of_any_length(period, n):
    result = qa.kpis({"tickets": tickets()}, period=period)
    assert result.tidy()["period"].unique().tolist() == [str(period)]
    assert row(result, "resolution_rate", str(period))["n"] == n


def test_guardrails_of_one_period_look_at_the_one_before():
    rng = np.random.default_rng(1)
    start = pd.Series(pd.date_range("2026-09-01", periods=1400, freq="h"))
    wrong = np.where((start >= "2026-10-01") & (rng.random(1400) < 0.3), "result", "")
    data = pd.DataFrame({"ticket_id": range(1400), "submitted": start, "first_response": start, "resolved": start,
                         "promised": start, "error": wrong})  # fmt: skip
    alone = qa.kpis({"tickets": data}, period="2026-10")
    assert row(alone, "response_time")["guardrail_verdict"] == "worse"
    together = qa.kpis({"tickets": data}, period="M").tidy().query("period == '2026-10'").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.tidy(), together)


def test_weeks_take_the_base_of_their_month_and_quarters_that_of_their_start():
    customers = pd.DataFrame({"month": ["2026-07-01", "2026-08-01", "2026-09-01"], "customers_start": [100, 110, 120],
                              "new": [20, 20, 5], "lost": [10, 10, 5]})  # fmt: skip
    complaints = COMPLAINTS.assign(
        customer_id=list("abcd"), received=["2026-07-01", "2026-08-12", "2026-08-12", "2026-09-30"], handled=None
    )
    tables = {"customers": customers, "complaints": complaints.drop(columns=["classified", "assigned", "archived"])}
    spec = {
        "tables": {
            "complaints": {"id": "complaint_id", "at": "received"},
            "customers": {"at": "month", "each": "M"},
        },
        "kpis": [
            {"id": "complaint_rate", "table": "complaints", "kind": "ratio", "distinct": "customer_id",
             "base_table": "customers", "base": "customers_start", "unit": "share"},
            *({"id": name, "table": "customers", "kind": "rate", "column": "lost", "base": "customers_start",
               "joined": "new", "unit": "share", **more}
              for name, more in {"churn": {}, "of_all": {"base_at": "all"}, "monthly": {"base_at": "each"},
                                 "kept": {"complement": True}}.items()),
        ],
    }  # fmt: skip
    week = qa.kpis(tables, spec, period="2026-W33").tidy()
    assert week[["term", "n", "estimate"]].to_numpy().tolist() == [["complaint_rate", 110, 2 / 110]]
    quarter = qa.kpis(tables, spec, period="2026-Q3").tidy().set_index("term")["estimate"]
    assert quarter.to_dict() == {
        "complaint_rate": 0.04, "churn": 0.25, "of_all": 25 / 145, "monthly": 25 / 330, "kept": 0.75,
    }  # fmt: skip


def test_a_case_that_ends_before_it_starts_counts_nowhere():
    data = tickets(resolved=["2026-09-01 10:00", "2026-10-04 10:00", None, None, "2026-11-01 15:00"])
    with pytest.warns(DataWarning, match="before they start"):
        result = qa.kpis({"tickets": data})
    assert row(result, "on_time_rate")["n"] == 2
    assert row(result, "same_day_closure")["n"] == 3
    assert len(result.ledger) == 1


def test_cases_behind_a_kpi():
    cases = qa.kpi_cases({"tickets": tickets()}, None, "response_time")
    assert cases["value"].tolist()[:3] == [1.0, 6.0, 2.0]
    assert np.isnan(cases["value"].iloc[3])
    assert cases["met"].tolist() == [1, 0, 1, 0, 1]
    assert cases["period"].tolist() == ["2026-10"] * 4 + ["2026-11"]
    with pytest.raises(ResponseError, match="no KPI of single cases"):
        qa.kpi_cases({"tickets": tickets()}, None, "throughput")


def test_causes_are_ranked_without_the_blank_ones():
    found = qa.pareto(pd.DataFrame({"cause": ["a", "", "b", "a", None]}), "cause")
    assert found[["cause", "count"]].to_numpy().tolist() == [["a", 2], ["b", 1]]
    assert found["cumulative"].iloc[-1] == 1


def test_a_few_promoters_leave_doubt_about_the_net_promoter_score():
    found = numbers.net_promoter(np.array([10.0, 9.0, 10.0]), 0.95)
    tracked = qa.nps([10, 9, 10]).tidy().iloc[0]
    assert [found[k] for k in ("estimate", "std_error", "conf_low", "conf_high")] == pytest.approx(
        tracked[["estimate", "std_error", "conf_low", "conf_high"]].tolist()
    )
    assert found["conf_low"] < 0


SCORES = {
    "tables": {"tickets": {"at": "submitted", "times": ["resolved"]}},
    "kpis": [
        {"id": "score", "table": "tickets", "kind": "mean", "column": "x"},
        {"id": "nps", "table": "tickets", "kind": "nps", "column": "x"},
    ],
}


def scored(answers, **columns):
    moments = {"submitted": "2026-10-01 09:00", "resolved": "2026-10-01 10:00"}
    return pd.DataFrame({"x": answers} | moments | columns)


def test_what_is_no_number_or_off_the_scale_is_in_the_ledger():
    with pytest.warns(DataWarning, match="1 not_a_number, 1 off_the_scale"):
        found = qa.kpis({"tickets": scored(["9", "10", "n/a", "55", None])}, SCORES)
    assert row(found, "nps")["n"] == 2
    assert row(found, "score")["n"] == 3
    assert found.ledger["row"].tolist() == [3, 4]


def test_a_period_without_records_gives_no_rows_and_an_unknown_segment_an_error():
    tables = {"tickets": scored([9, 10])}
    assert qa.kpis(tables, SCORES, period="2025-01").tidy().empty
    with pytest.raises(ResponseError, match="no table has a column 'brnch'"):
        qa.kpis(tables, SCORES, by="brnch")
    with pytest.raises(ResponseError, match="conf_level is 95"):
        qa.kpis(tables, SCORES, conf_level=95)


def test_single_cases_are_censored_where_the_table_is():
    spec = SCORES | {"as_of": "2026-10-03", "kpis": [
        {"id": "time", "table": "tickets", "kind": "duration", "start": "submitted", "end": "resolved", "limit": 4}
    ]}  # fmt: skip
    tables = {"tickets": scored([1, 1], resolved=["2026-10-01 10:00", None])}
    assert qa.kpi_cases(tables, spec, "time")["met"].tolist() == [1, 0]
    assert row(qa.kpis(tables, spec), "time")["attainment"] == 0.5
    with pytest.raises(StudyError, match="as_of is 'soon'"):
        qa.kpis(tables, spec | {"as_of": "soon"})


def test_one_answer_lies_within_its_own_interval():
    found = numbers.net_promoter(np.array([10.0]), 0.95)
    assert found["conf_high"] == found["estimate"] == qa.nps([10]).tidy()["conf_high"].iloc[0] == 100


def test_a_few_values_all_alike_meet_no_target():
    spec = {"tables": SCORES["tables"], "kpis": [SCORES["kpis"][0] | {"target": 4.5}]}
    assert row(qa.kpis({"tickets": scored([5, 5])}, spec), "score")["verdict"] == "undecided"
    assert row(qa.kpis({"tickets": scored([5] * 6)}, spec), "score")["verdict"] == "met"
