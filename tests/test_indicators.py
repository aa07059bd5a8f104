"""RATER index, gap, CSAT, NPS, effort and bands against R on real data, and laws they obey."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from hypothesis import given, settings
from hypothesis import strategies as st

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError
from qa_lib.tracking.indicators import effort, outcome_means

ITEMS = ["Q7ART", "Q7FOOD", "Q7STORE", "Q7SIGN", "Q7WALKWAYS", "Q7SCREENS"]
DIMENSIONS = {"offer": ITEMS[:3], "way": ITEMS[3:]}


def read_sfo(shared_data, year):
    data = pd.read_csv(shared_data(f"sfo_customer_survey/{year}_SFO_Customer_Survey.csv"), low_memory=False)
    data.columns = data.columns.str.strip()
    ratings = data[[*ITEMS, "Q7ALL"]]
    return ratings.where(ratings.isin([1, 2, 3, 4, 5])).assign(WEIGHT=data["WEIGHT"], year=year)


def interval(table, term):
    return table.set_index("term").loc[term, ["estimate", "std_error", "conf_low", "conf_high"]].tolist()


@pytest.mark.parametrize("year", ["2014", "2015", "2016"])
def test_means_agree_with_r(shared_data, reference, year):
    expected = reference("tracking_indicators")
    data = read_sfo(shared_data, year)
    for key, weights in (("means", None), ("weighted", "WEIGHT")):
        wanted = expected[key][year]
        table = outcome_means(data, ["Q7ALL"], weights).tidy()
        assert_close_to_reference(
            interval(table, "Q7ALL"), [wanted[k] for k in ("mean", "se", "low", "high")], 1e-9, key
        )
    assert_close_to_reference(table["n_effective"], [wanted["k"]], 1e-9, "effective n")


def test_index_of_complete_answers_agrees_with_r(shared_data, reference):
    expected = reference("tracking_indicators")
    data = read_sfo(shared_data, 2016)[ITEMS].dropna()
    keys = ("mean", "se", "low", "high")
    equal = qa.rater_index(data, DIMENSIONS).tidy()
    assert_close_to_reference(
        interval(equal, "rater_index"), [expected["index_complete"][k] for k in keys], 1e-9, "index"
    )
    ratio = qa.rater_index(data, DIMENSIONS, {"offer": 7, "way": 3}, mapping="ratio").tidy()
    wanted = [expected["index_unequal_ratio"][k] for k in keys]
    assert_close_to_reference(interval(ratio, "rater_index"), wanted, 1e-9, "weighted index, ratio mapping")


def test_index_with_missing_answers_agrees_with_survey(shared_data, reference):
    expected = reference("tracking_indicators")["index_missing"]
    index = qa.rater_index(read_sfo(shared_data, 2016), DIMENSIONS).tidy()
    estimate, std_error, *_ = interval(index, "rater_index")
    assert_close_to_reference(estimate, expected["mean"], 1e-9, "index")
    # survey corrects by n/(n − 1) of all respondents, we by those who answered each dimension
    assert_close_to_reference(std_error, expected["se"], 5e-4, "its error by linearisation")


def test_csat_nps_and_gap_agree_with_r(shared_data, reference):
    expected = reference("tracking_indicators")
    csat = qa.csat(read_sfo(shared_data, 2016)["Q7ALL"]).tidy()
    wanted = expected["csat"]
    assert_close_to_reference(
        csat[["estimate", "conf_low", "conf_high"]].iloc[0], [wanted[k] for k in ("share", "low", "high")], 1e-9, "csat"
    )
    mobi = pd.read_csv(shared_data("ecsi_mobi/mobi.csv"))
    for what, table in (
        ("gap", qa.gap(mobi, [("CUEX1", "PERQ1")]).tidy().assign(term="gap")),
        ("nps", qa.nps(mobi["CUSL3"]).tidy()),
    ):
        wanted = [expected[what][k] for k in ("estimate", "se", "low", "high")]
        assert_close_to_reference(interval(table, what), wanted, 1e-9, what)
    gap = qa.gap(mobi, [("CUEX1", "PERQ1")]).tidy()
    assert_close_to_reference(
        gap[["statistic", "p_value"]].iloc[0], [expected["gap"]["t"], expected["gap"]["p"]], 1e-9, "t"
    )


answers = st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, np.nan]), min_size=4, max_size=4), min_size=6)


@settings(max_examples=50, deadline=None)
@given(answers, st.integers(0, 1000))
def test_index_does_not_depend_on_order_or_scale_of_weights(rows, seed):
    data = pd.DataFrame([[1.0, 2, 3, 4], [5.0, 4, 3, 2], *rows], columns=list("abcd"))
    w = np.random.default_rng(seed).uniform(0.5, 2, len(data))
    order = np.random.default_rng(seed).permutation(len(data))
    one = qa.rater_index(data, {"A": ["a", "b"], "B": ["c", "d"]}, weights=w).tidy()
    two = qa.rater_index(data.iloc[order], {"A": ["b", "a"], "B": ["d", "c"]}, weights=7 * w[order]).tidy()
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(one[columns], two[columns], rtol=1e-9, atol=1e-9)
    assert (one["std_error"] >= 0).all()


def test_equal_weights_change_nothing():
    rng = np.random.default_rng(4)
    data = pd.DataFrame(rng.integers(1, 6, (60, 4)), columns=list("abcd")).assign(w=2.5)
    plain = qa.rater_index(data, {"A": ["a", "b"], "B": ["c", "d"]}).tidy()
    weighted = qa.rater_index(data, {"A": ["a", "b"], "B": ["c", "d"]}, weights="w").tidy()
    pd.testing.assert_frame_equal(plain, weighted)


def test_interval_of_the_index_holds_the_population_value():
    """Monte Carlo: 95 % intervals cover; ignoring the covariance between dimensions would cover about 83 %."""
    rng = np.random.default_rng(20)
    covered = 0
    for _ in range(400):
        common = rng.normal(size=(60, 1))
        y = np.clip(3 + 0.8 * common + 0.4 * rng.normal(size=(60, 4)), 1, 5)
        y[rng.random(y.shape) < 0.2] = np.nan
        row = qa.rater_index(pd.DataFrame(y, columns=list("abcd")), {d: [d] for d in "abcd"}).tidy().iloc[-1]
        covered += row["conf_low"] <= 50 <= row["conf_high"]
    assert 0.92 <= covered / 400 <= 0.98


def test_gap_by_dimension_is_the_mean_of_its_pairs():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.integers(1, 6, (50, 8)), columns=["X1", "X2", "X3", "X4", "P1", "P2", "P3", "P4"])
    pairs = [(f"X{i}", f"P{i}") for i in range(1, 5)]
    table = qa.gap(data, pairs, {"A": ["P1", "P2"], "B": ["P3", "P4", "unpaired"]}).tidy().set_index("term")
    assert table.loc["A", "estimate"] == pytest.approx(table.loc[["P1", "P2"], "estimate"].mean())
    assert table.loc["gap", "estimate"] == pytest.approx(table.loc[["A", "B"], "estimate"].mean())
    assert (table["experienced"] - table["expected"]).to_numpy() == pytest.approx(table["estimate"].to_numpy())


@pytest.mark.parametrize(
    ("score", "scheme", "key"),
    [
        (100, "satisfaction", "very_satisfied"),
        (90, "satisfaction", "very_satisfied"),
        (89.5, "satisfaction", "satisfied"),
        (50, "satisfaction", "neutral"),
        (49.99, "satisfaction", "dissatisfied"),
        (9, "service_quality", "excellent"),
        (8.9, "service_quality", "good"),
        (4.9, "service_quality", "inadequate"),
        (85, "call_monitoring", "good"),
        (84.9, "call_monitoring", "needs_improvement"),
        (74, "call_monitoring", "inadequate"),
    ],
)
def test_a_score_has_the_band_whose_edge_it_reached(score, scheme, key):
    assert qa.band(score, scheme) == key


def test_bands_of_many_scores_and_of_none():
    assert qa.band(pd.Series([95, np.nan, 10], index=list("xyz"))).to_dict() == {
        "x": "very_satisfied",
        "y": None,
        "z": "dissatisfied",
    }
    assert qa.band(np.nan) is None


def test_bad_input_is_named():
    data = pd.DataFrame({"a": [1, 2, 7], "b": ["x", "y", "z"], "w": [1, 1, -1]})
    for message, call in {
        "no column 'c'": lambda: qa.rater_index(data, {"A": ["c"]}),
        "the answer 7 in row 2": lambda: qa.rater_index(data, {"A": ["a"]}),
        "not numeric": lambda: qa.rater_index(data, {"A": ["b"]}),
        "name each once": lambda: qa.rater_index(data, {"A": ["a"]}, {"B": 1}, scale=(1, 7)),
        "missing, infinite or negative": lambda: qa.rater_index(data, {"A": ["a"]}, weights="w", scale=(1, 7)),
        "'a' twice": lambda: qa.gap(pd.concat([data, data], axis=1), [("a", "w")]),
        "2 dimensions": lambda: qa.nps(data[["a", "w"]]),
        "the data are a ndarray": lambda: qa.rater_index(data.to_numpy(), {"A": ["a"]}),
        "weights: not numeric": lambda: qa.rater_index(data, {"A": ["a"]}, weights="b", scale=(1, 7)),
        "known are 'minmax'": lambda: qa.rater_index(data, {"A": ["a"]}, scale=(1, 7), mapping="linear"),
        "no scheme is called": lambda: qa.band(3, "stars"),
        "outside 0 to 100": lambda: qa.band(101),
        "outside the scale 0 to 10": lambda: qa.nps([11]),
        "leave a box out": lambda: qa.csat([1, 2], top=5),
        "conf_level is 95": lambda: qa.csat([1, 2], conf_level=95),
    }.items():
        with pytest.raises(ResponseError, match=message):
            call()


def test_nobody_answered_is_said():
    data = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})
    with pytest.warns(DataWarning, match="nobody answered B"):
        index = qa.rater_index(data, {"A": ["a"], "B": ["b"]}).tidy().set_index("term")
    assert index.loc[["B", "rater_index"], "estimate"].isna().all()
    assert index.loc["A", "estimate"] == 12.5
    with pytest.warns(DataWarning, match="nobody answered nps"):
        assert qa.nps([np.nan]).tidy()[["estimate", "conf_low"]].isna().all(axis=None)


def test_effort_under_weights():
    table = effort([1, 2, 5, np.nan], weights=[1, 1, 2, 9]).tidy()
    assert table["estimate"].item() == pytest.approx(13 / 4)
    assert table["n_effective"].item() == pytest.approx(16 / 6)


@pytest.mark.parametrize("answer", [5, 4.7])
def test_answers_all_alike_have_a_mean_and_no_interval(answer):
    alike = pd.DataFrame({"month": ["2026-01"] * 6 + ["2026-02"] * 6, "R1": [answer] * 6 + [4.0] * 6})
    found = outcome_means(alike.head(6), ["R1"]).tidy().iloc[0]
    assert found["estimate"] == pytest.approx(answer)
    assert found[["conf_low", "conf_high"]].isna().all()
    index = qa.rater_index(alike.tail(6), {"reliability": ["R1"]}).tidy()
    assert index[["conf_low", "conf_high"]].isna().all(axis=None)
    moved = qa.compare_periods(alike, "month", "R1").tidy().iloc[0]
    assert moved["estimate"] == pytest.approx(4 - answer)
    assert moved[["p_value", "conf_low", "conf_high"]].isna().all()
