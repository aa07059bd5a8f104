"""Descriptives and correlations against pandas, scipy and their definitions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import qa_lib as qa
from qa_lib.errors import ResponseError


@pytest.fixture
def answers():
    rng = np.random.default_rng(4)
    data = pd.DataFrame(
        np.clip(np.round(rng.normal(3, 1.2, (80, 3)) + rng.normal(size=(80, 1))), 1, 5), columns=list("abc")
    )
    data.loc[3, "a"] = np.nan
    return data


def test_descriptives_follow_their_definitions(answers):
    found = qa.describe(answers).tidy().set_index("item").loc["a"]
    a = answers["a"].dropna()
    n = len(a)
    assert found["n"] == n
    assert found["missing"] == pytest.approx(1 / 80)
    assert (found["estimate"], found["sd"], found["median"]) == pytest.approx((a.mean(), a.std(), a.median()))
    shrink = (1 - 1 / n) ** 0.5
    assert found["skew"] == pytest.approx(stats.skew(a) * shrink**3)
    assert found["kurtosis"] == pytest.approx((stats.kurtosis(a) + 3) * shrink**4 - 3)
    low, high = stats.t.interval(0.95, n - 1, a.mean(), a.sem())
    assert (found["conf_low"], found["conf_high"]) == pytest.approx((low, high))


def test_distribution_shares_sum_to_one(answers):
    result = qa.describe(answers)
    assert result.distribution.sum(axis=1).to_numpy() == pytest.approx(1)
    assert result.distribution.loc["b", 3.0] == pytest.approx((answers["b"] == 3).mean())


def test_weights_are_repeats_of_answers_with_less_certainty(answers):
    weights = np.tile([1, 2], 40)
    weighted = qa.describe(answers, weights=weights).tidy()
    repeated = qa.describe(answers.loc[answers.index.repeat(weights)]).tidy()
    for column in ["estimate", "sd", "median", "skew", "kurtosis", "missing"]:
        assert weighted[column].to_numpy() == pytest.approx(repeated[column].to_numpy()), column
    assert (weighted["std_error"] > repeated["std_error"]).all()


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlations_agree_with_pandas(answers, method):
    result = qa.correlations(answers, method=method)
    complete = answers[["b", "c"]]
    theirs = getattr(stats, "pearsonr" if method == "pearson" else "spearmanr")(complete["b"], complete["c"])
    row = result.tidy().set_index(["lhs", "rhs"]).loc[("b", "c")]
    assert row["estimate"] == pytest.approx(theirs.statistic)
    assert row["p_value"] == pytest.approx(theirs.pvalue)
    if method == "pearson":
        assert (row["conf_low"], row["conf_high"]) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
        np.testing.assert_allclose(result.correlation, answers.corr())


def test_heat_map_writes_every_value(answers):
    ax = qa.correlations(answers).plot(labels={"a": "Anfang"})
    assert ax.get_xticklabels()[0].get_text() == "Anfang"
    assert len(ax.texts) == 9


def test_unknown_method_and_absent_items_are_refused(answers):
    with pytest.raises(ResponseError, match="kendall"):
        qa.correlations(answers, method="kendall")
    with pytest.raises(ResponseError, match="z"):
        qa.describe(answers, items=["z"])
    with pytest.raises(ResponseError, match="DataFrame"):
        qa.correlations(qa.moments(answers), method="spearman")


def test_an_item_nobody_answered_has_no_mean():
    row = qa.describe(pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})).tidy().set_index("item").loc["b"]
    assert row["missing"] == 1
    assert np.isnan(row["estimate"])


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_two_respondents_correlate_perfectly_and_say_nothing(method):
    found = qa.correlations(pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 5.0]}), method=method).tidy()
    assert found["estimate"].tolist() == [pytest.approx(1)]
    assert found[["conf_low", "conf_high"]].to_numpy().tolist() == [[-1, 1]]
