"""Raking against package survey, AAPOR's rates by hand, drift and standardisation."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import NotConvergedWarning, ResponseError
from qa_lib.tracking.makeup import makeup, makeup_drift, standardise

AGES = {"18-24": 0.10, "25-34": 0.25, "35-44": 0.20, "45-54": 0.20, "55-64": 0.15, "65-Over": 0.10}


@pytest.fixture
def sfo(shared_data):
    data = pd.read_csv(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv"), low_memory=False)
    data.columns = data.columns.str.strip()
    data = data[data["Q19AGE"].isin(list(AGES)) & data["Q20GENDER"].isin(["Female", "Male"])].reset_index(drop=True)
    return data.assign(Q7ALL=data["Q7ALL"].where(data["Q7ALL"].between(1, 5)))


def test_raking_agrees_with_survey(sfo, reference):
    expected = reference("tracking_planning")["rake"]
    result = qa.rake(sfo, {"Q20GENDER": {"Female": 50, "Male": 50}, "Q19AGE": AGES}, weights="WEIGHT")
    assert len(sfo) == expected["n"]
    assert_close_to_reference(result.weights.head(50), expected["head"], 1e-8, "weights")
    w = result.weights
    assert_close_to_reference(
        [(w**2).sum(), w.min(), w.max()], [expected[k] for k in ("sum_squares", "low", "high")], 1e-8, "all weights"
    )
    assert np.abs(result.tidy()["estimate"] - result.tidy()["target"]).max() < 1e-9
    assert result.glance()["converged"].item()


def test_standardised_mean_agrees_with_r(sfo, reference):
    expected = reference("tracking_planning")["standardised"]
    row = standardise(sfo, "Q7ALL", "Q19AGE", AGES).tidy().iloc[0]
    assert_close_to_reference(row[["estimate", "std_error"]], [expected["mean"], expected["se"]], 1e-9, "standardised")


def test_contradicting_margins_do_not_converge_and_say_so():
    data = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "x", "y"]})
    with pytest.warns(NotConvergedWarning, match="contradict"):
        raked = qa.rake(data, {"a": {1: 0.5, 2: 0.5}, "b": {"x": 0.7, "y": 0.3}}, max_iter=50)
    assert not raked.converged


def test_response_rates_follow_aapor():
    """Hand calculation: I 300, P 50, R 150, NC 200, O 20, UH 100, UO 80, NE 100; e = 720/820."""
    sizes = {
        "complete": 300,
        "partial": 50,
        "refusal": 150,
        "noncontact": 200,
        "other": 20,
        "unknown_household": 100,
        "unknown_other": 80,
        "ineligible": 100,
    }
    contacts = pd.DataFrame({"disposition": np.repeat(list(sizes), list(sizes.values()))})
    rates = qa.response_rates(contacts).tidy().set_index("term")["estimate"]
    e = 720 / 820
    expected = {
        "rr1": 300 / 900,
        "rr2": 350 / 900,
        "rr3": 300 / (720 + e * 180),
        "rr4": 350 / (720 + e * 180),
        "rr5": 300 / 720,
        "rr6": 350 / 720,
        "coop1": 300 / 520,
        "coop3": 300 / 500,
        "coop4": 350 / 500,
        "ref1": 150 / 900,
        "ref3": 150 / 720,
        "con1": 520 / 900,
        "con3": 520 / 720,
    }
    assert rates[list(expected)].to_dict() == pytest.approx(expected)
    assert qa.response_rates(contacts, eligibility=0).tidy().set_index("term").loc["rr3", "estimate"] == pytest.approx(
        rates["rr5"]
    )


def test_response_rates_by_group_and_by_code():
    contacts = pd.DataFrame({"disposition": [1.1, 2.1, "1.2", "3.2", "3.90", "4.1"], "branch": list("AABBBB")})
    table = qa.response_rates(contacts, by="branch").tidy().set_index(["group", "term"])["estimate"]
    assert table["A", "rr1"] == 0.5
    assert table["B", "rr2"] == pytest.approx(1 / 3)


def test_drift_is_found_where_it_is():
    data = pd.DataFrame(
        {
            "month": np.repeat([1, 2, 3], 200),
            "branch": [*["A", "B"] * 100, *["A", "B"] * 100, *["A"] * 150, *["B"] * 50],
            "language": ["en", "zh"] * 300,
        }
    )
    table = makeup_drift(data, "month", ["branch", "language"]).tidy()
    assert table["estimate"].tolist() == [0, 0.25, 0, 0]
    assert makeup_drift(data, "month", ["branch"]).plot().lines  # dots, without intervals
    assert (table["p_adjusted"] < 0.001).tolist() == [False, True, False, False]
    idle = makeup(data, "month", ["branch"], weights=(data["month"] > 1).astype(float)).tidy()
    assert idle["period"].unique().tolist() == [2, 3]  # a month in which nobody counts has no share
    shares = makeup(data, "month", ["branch"]).tidy()
    assert shares["estimate"].tolist() == [0.5, 0.5, 0.5, 0.5, 0.75, 0.25]


def test_a_changed_makeup_cannot_pose_as_a_change_of_service():
    rng = np.random.default_rng(9)
    branch = np.repeat(["A", "B", "A", "B"], [150, 50, 50, 150])
    data = pd.DataFrame({"month": np.repeat([1, 2], 200), "branch": branch})
    data["x"] = np.where(branch == "A", 4.5, 3.0) + rng.normal(0, 0.3, 400)
    table = (
        qa.compare_periods(data, "month", lambda rows: standardise(rows, "x", "branch", {"A": 0.5, "B": 0.5}))
        .tidy()
        .set_index("term")
    )
    assert table.loc["observed", "estimate"] < -0.6
    assert table.loc["standardised", "conf_low"] < 0 < table.loc["standardised", "conf_high"]


def test_bad_input_is_named():
    data = pd.DataFrame({"a": [1, 1, np.nan], "x": [1.0, np.nan, 3.0]})
    for message, call in {
        "no column 'b'": lambda: qa.rake(data, {"b": {1: 1}}),
        "has no target": lambda: qa.rake(data, {"a": {1: 1}}),
        "nobody in the sample": lambda: qa.rake(data.head(2), {"a": {1: 0.5, 2: 0.5}}),
        "weight zero": lambda: qa.rake(data.assign(a=[1, 1, 2]), {"a": {1: 1, 2: 1}}, weights=[1, 1, 0]),
        "must be positive": lambda: qa.rake(data.head(2), {"a": {1: -1}}),
        "unknown dispositions": lambda: qa.response_rates(pd.DataFrame({"disposition": ["gone"]})),
        "between 0 and 1": lambda: qa.response_rates(pd.DataFrame({"disposition": ["complete"]}), eligibility=2),
        "the data are a list": lambda: qa.rake([1, 2], {"a": {1: 1}}),
        "needs two periods": lambda: makeup_drift(data.head(2), "a", ["x"]),
        "no respondent has a p and a a": lambda: makeup(data.assign(p=None), "p", ["a"]),
        "by: no respondent has a p": lambda: qa.rake(data.assign(p=None), {"a": {1: 1}}, by="p"),
        "there is no contact;": lambda: qa.response_rates(pd.DataFrame({"disposition": []})),
        "no contact with a branch": lambda: qa.response_rates(
            pd.DataFrame({"disposition": ["complete"], "branch": [None]}), by="branch"
        ),
    }.items():
        with pytest.raises(ResponseError, match=message):
            call()


def test_each_month_can_be_raked_for_itself():
    rng = np.random.default_rng(9)
    data = pd.DataFrame({"period": np.repeat(["2026-09", "2026-10"], 50), "sex": rng.choice(["f", "m"], 100)})
    raked = qa.rake(data, {"sex": {"f": 0.6, "m": 0.4}}, by="period")
    shares = raked.weights.groupby([data["period"], data["sex"]]).sum() / 50
    assert shares.to_numpy() == pytest.approx([0.6, 0.4] * 2)
    assert raked.tidy()["group"].tolist() == ["2026-09"] * 2 + ["2026-10"] * 2
    lonely = data.assign(sex=np.where(data["period"] == "2026-10", "f", data["sex"]))
    with pytest.raises(ResponseError, match="period 2026-10: sex: nobody"):
        qa.rake(lonely, {"sex": {"f": 0.6, "m": 0.4}}, by="period")


def test_targets_in_words_are_refused_and_no_eligibility_is_not_casro():
    with pytest.raises(ResponseError, match="targets must be positive"):
        qa.rake(pd.DataFrame({"sex": ["f"]}), {"sex": {"f": "half"}})
    contacts = pd.DataFrame({"disposition": ["complete", "unknown_other"]})
    assert qa.response_rates(contacts, eligibility=0.0).provenance.settings["eligibility"] == 0
