"""Effects of actions against OLS in R, verdicts by case, windows and comparison groups, and bad input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.tracking.actions import action_effects, judge_effect

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"
LATENCIES = ("response_time", "resolution_time")


def read_sfo(shared_data, year, area):
    data = pd.read_csv(shared_data(f"sfo_customer_survey/{year}_SFO_Customer_Survey.csv"), low_memory=False)
    data.columns = data.columns.str.strip()
    frame = pd.DataFrame({"year": year, "area": data[area], "y": data["Q7ALL"].where(data["Q7ALL"].between(1, 5))})
    return frame[frame["area"].notna()]


def test_effects_agree_with_r(shared_data, reference):
    expected = reference("tracking_actions")
    data = pd.concat([read_sfo(shared_data, 2014, "AREA"), read_sfo(shared_data, 2016, "BAREA")], ignore_index=True)
    log = pd.DataFrame({"action": ["new seats", "all"], "indicator": "y", "start": "2015", "unit": ["B", None]})
    table = action_effects(data, log, "year", unit="area").tidy()
    did, change = table.iloc[0], table.iloc[1]
    assert did["n"] == expected["n"]
    assert did["design"] == "difference_in_differences"
    wanted = expected["did"]
    # the pooled deviation enters g with the small-sample factor 1 − 3/(4·df − 1)
    g = wanted["estimate"] / wanted["sd"] * (1 - 3 / (4 * (expected["n"] - 4) - 1))
    assert_close_to_reference(
        did[["estimate", "std_error", "effect_size"]].tolist(),
        [wanted["estimate"], wanted["se"], g],
        1e-9,
        "OLS with HC2",
    )
    wanted = expected["change"]
    assert change["design"] == "before_after"
    assert_close_to_reference(
        change[["estimate", "std_error", "df", "p_value", "conf_low", "conf_high"]].tolist(),
        [wanted[k] for k in ("estimate", "se", "df", "p", "low", "high")],
        1e-9,
        "Welch",
    )


@pytest.mark.parametrize(
    ("interval", "expected", "verdict", "reason"),
    [
        ((0.1, 0.5), 0.4, "adopt", "improved_as_expected"),
        ((0.1, 0.5), None, "adopt", "improved_as_expected"),
        ((0.1, 0.3), 0.4, "adapt", "improved_less_than_expected"),
        ((-0.1, 0.5), 0.4, "adapt", "undecided"),
        ((-0.1, 0.3), 0.4, "abandon", "expected_effect_ruled_out"),
        ((-0.5, -0.1), 0.4, "abandon", "worsened"),
        ((-5.0, -1.0), -3, "adopt", "improved_as_expected"),
        ((1.0, 5.0), -3, "abandon", "worsened"),
        ((np.nan, np.nan), 1, "too_early", "too_few_answers"),
    ],
)
def test_verdicts(interval, expected, verdict, reason):
    assert judge_effect(*interval, expected) == (verdict, reason)


@pytest.fixture(scope="module")
def survey():
    """Branches A–D over twelve months; from July A gains .6, while everyone gains .3 from May on."""
    rng = np.random.default_rng(12)
    months = [f"2026-{month:02d}" for month in range(1, 13)]
    grid = pd.MultiIndex.from_product([months, list("ABCD"), range(60)], names=["period", "branch", "k"])
    data = grid.to_frame(index=False)
    gain = 0.3 * (data["period"] >= "2026-05") + 0.6 * ((data["branch"] == "A") & (data["period"] >= "2026-07"))
    data["S1"] = 3.5 + gain + rng.normal(0, 0.8, len(data))
    data["S2"] = 3.5 + gain + rng.normal(0, 0.8, len(data))
    return data


def log(**columns):
    return pd.DataFrame(
        {"action": ["faster desk"], "indicator": ["responsiveness"], "start": ["2026-06-10"], **columns}
    )


def test_a_comparison_group_takes_out_what_happened_everywhere(survey):
    values = {"responsiveness": ["S1", "S2"]}
    plain = action_effects(survey, log(), values=values).tidy().iloc[0]
    compared = action_effects(survey, log(unit="A", expected=0.5), values=values, unit="branch").tidy().iloc[0]
    assert plain["design"] == "before_after"
    assert compared["conf_low"] < 0.6 < compared["conf_high"]
    assert compared["verdict"] == "adopt"
    assert compared["comparison_after"] - compared["comparison_before"] == pytest.approx(0.2, abs=0.1)


def test_units_with_an_action_of_their_own_are_no_comparison(survey):
    two = pd.DataFrame(
        {"action": ["one", "two"], "indicator": "S1", "start": "2026-06", "unit": ["A", "B; C"], "owner": ["Li", "Wu"]}
    )
    table = action_effects(survey, two, unit="branch", window=2).tidy()
    assert table["n"].tolist() == [2 * 2 * 60 * 2, 2 * 2 * 60 * 3]
    only_d = survey[survey["branch"].isin(["A", "D"])]
    alone = action_effects(only_d, two.head(1), unit="branch", window=2).tidy()
    assert alone["estimate"].iloc[0] == pytest.approx(table["estimate"].iloc[0])
    assert table["owner"].tolist() == ["Li", "Wu"]


def test_an_action_without_months_after_it_is_too_early(survey):
    row = action_effects(survey, log(end="2026-12-20"), values={"responsiveness": ["S1"]}).tidy().iloc[0]
    assert row["verdict"] == "too_early"
    assert np.isnan(row["estimate"])


def test_dates_meet_periods_of_any_kind():
    x = [1.0, 2, 1, 2, 4, 5, 4, 5]
    for labels, start in (
        (["2026-Q1", "2026-Q3"], "2026-05-03"),
        (["2026-W01", "2026-W09"], "2026-02-03"),
        ([2024, 2026], "2025-02-03"),
        (["2026-01-05", "2026-01-09"], "2026-01-07"),
    ):
        data = pd.DataFrame({"period": np.repeat(labels, 4), "x": x})
        table = action_effects(data, log(start=[start], indicator="x")).tidy()
        assert table["estimate"].tolist() == [3.0]


def test_bad_input_is_named(survey):
    values = {"responsiveness": ["S1"]}
    for error, message, call in [
        (
            StudyError,
            "column start is missing",
            lambda: action_effects(survey, log().drop(columns="start"), values=values),
        ),
        (ResponseError, "no column 'month'", lambda: action_effects(survey, log(), "month", values=values)),
        (StudyError, "row 1: the indicator 'responsiveness'", lambda: action_effects(survey, log())),
        (StudyError, "pass unit=", lambda: action_effects(survey, log(unit="A"), values=values)),
        (StudyError, "the unit Z", lambda: action_effects(survey, log(unit="Z"), values=values, unit="branch")),
        (StudyError, "ends .2026-01. before", lambda: action_effects(survey, log(end="2026-01"), values=values)),
        (StudyError, "neither a date", lambda: action_effects(survey, log(start=["soon"]), values=values)),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_a_guardrail_that_got_worse_holds_back_an_adoption(survey):
    spoilt = (survey["branch"] == "A") & (survey["period"] >= "2026-07")
    data = survey.assign(R1=survey["S2"] - 1.5 * spoilt, errors=0.2 + 0.5 * spoilt + 0.01 * survey["k"])
    one = log(unit="A", expected=0.5, guardrail="R1")
    one["indicator"] = "S1"
    row = action_effects(data, one, unit="branch").tidy().iloc[0]
    assert (row["verdict"], row["reason"], row["guardrail_verdict"]) == ("adapt", "guardrail_worsened", "worse")
    assert row["guardrail_low"] < row["guardrail_estimate"] < row["guardrail_high"] < 0
    risen = action_effects(data, one.assign(guardrail="errors"), unit="branch").tidy().iloc[0]
    assert (risen["verdict"], risen["guardrail_verdict"]) == ("adopt", "held")
    low_is_good = action_effects(data, one.assign(guardrail="errors"), unit="branch", better={"errors": "lower"})
    assert low_is_good.tidy()["verdict"].tolist() == ["adapt"]
    without = action_effects(data, one.assign(guardrail=""), unit="branch").tidy().iloc[0]
    assert without["verdict"] == "adopt"
    assert pd.isna(without["guardrail_verdict"])


def test_an_indicator_may_have_cases_of_its_own(survey):
    tickets = survey.rename(columns={"S1": "value"})[["period", "branch", "value"]]
    named = log(unit="A")
    theirs = action_effects(survey.drop(columns="S1"), named, unit="branch", cases={"responsiveness": tickets})
    ours = action_effects(survey, named, unit="branch", values={"responsiveness": ["S1"]})
    pd.testing.assert_frame_equal(theirs.tidy(), ours.tidy())
    with pytest.raises(ResponseError, match="no column 'branch'"):
        action_effects(survey, named, unit="branch", cases={"responsiveness": tickets.drop(columns="branch")})


def test_the_demos_log_works_as_it_is_read():
    study = qa.read_study(DEMO)
    log_ = study.actions()
    assert log_["expected"].dtype == float
    waiting = {name: qa.kpi_cases(study.operations(), DEMO / "kpis.yaml", name) for name in LATENCIES}
    values = study.instrument.dimensions
    better = dict.fromkeys(LATENCIES, "lower")
    table = action_effects(
        study.responses().data, log_, values=values, unit="branch", cases=waiting, better=better
    ).tidy()
    assert table["verdict"].tolist() == ["adopt", "adopt", "abandon", "abandon"]
    assert table["guardrail_verdict"].tolist()[-1] == "worse"


def test_a_logs_numbers_must_be_numbers():
    data = pd.DataFrame({"period": ["2026-01", "2026-03"], "responsiveness": [1, 2]})
    with pytest.raises(StudyError, match="expects 'much'"):
        action_effects(data, log(expected="much"))


def test_a_window_of_no_period_is_refused():
    data = pd.DataFrame({"period": ["2026-01", "2026-03"], "x": [3.0, 4.0]})
    log = pd.DataFrame({"action": ["training"], "indicator": ["x"], "start": ["2026-02-01"]})
    with pytest.raises(ResponseError, match="window is 0"):
        qa.action_effects(data, log, window=0)
