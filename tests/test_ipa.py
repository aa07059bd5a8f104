"""Importance–performance analysis: where items lie, and when a place may be named."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import qa_lib as qa
from qa_lib.errors import ModelError, ResponseError

ITEMS = ["wait", "staff", "place", "app"]


def survey(n, seed=3):
    """wait: important and poor; staff: important and good; place: neither; app: unimportant and good."""
    rng = np.random.default_rng(seed)
    performance = pd.DataFrame(rng.normal([2.6, 4.2, 2.8, 4.0], 0.8, (n, 4)), columns=ITEMS)
    importance = pd.DataFrame(rng.normal([4.5, 4.3, 3.0, 3.2], 0.7, (n, 4)), columns=ITEMS)
    outcome = performance @ [0.6, 0.1, 0.1, 0.6] + rng.normal(0, 0.5, n)
    return importance, performance, outcome


@pytest.fixture(scope="module")
def large():
    importance, performance, outcome = survey(800)
    return qa.ipa(importance, performance, outcome=outcome, expectation=performance * 0 + importance, n_boot=500)


def test_quadrants_are_the_simulated_ones(large):
    assert large.places["quadrant"].to_dict() == {
        "wait": "concentrate_here",
        "staff": "keep_up",
        "place": "low_priority",
        "app": "possible_overkill",
    }
    assert large.places.loc["wait", "rank"] == 1
    assert large.places.loc[["wait", "app"], "line"].tolist() == ["above", "below"]


def test_a_point_whose_region_crosses_a_line_is_undecided():
    importance, performance, _ = survey(8)
    result = qa.ipa(importance, performance, n_boot=500)
    errors = np.sqrt(result.ellipses[:, [0, 1], [0, 1]]) * np.sqrt(stats.chi2.ppf(0.95, 2))
    distance = np.abs(result.places[["performance", "importance"]].to_numpy() - np.array(result.cross))
    crosses = (distance < errors).any(axis=1)
    assert crosses.any()
    assert (result.places["quadrant"] == "undecided").tolist() == crosses.tolist()
    without = qa.ipa(importance, performance, n_boot=0)
    assert set(without.places["quadrant"]) == {"undecided"}


def test_estimates_and_errors_are_those_of_means(large):
    importance, performance, _ = survey(800)
    table = large.tidy().set_index(["term", "item"])
    np.testing.assert_allclose(table.loc["performance", "estimate"], performance.mean())
    np.testing.assert_allclose(table.loc["importance", "estimate"], importance.mean())
    np.testing.assert_allclose(table.loc["performance", "std_error"], performance.std() / np.sqrt(800), rtol=0.12)
    np.testing.assert_allclose(large.cross, [performance.mean().mean(), importance.mean().mean()])


def test_items_on_the_iso_priority_line_have_equal_priority():
    _, performance, _ = survey(300)
    known = performance.mean() * 2 + 1
    result = qa.ipa(known, performance, n_boot=50)
    np.testing.assert_allclose(result.places["priority"], 0, atol=1e-12)
    assert result.slope == pytest.approx(2)
    apart = qa.ipa(known, performance, iso="difference", n_boot=50)
    np.testing.assert_allclose(apart.places["priority"], known - performance.mean())
    assert apart.slope == 1


@pytest.mark.parametrize("method", ["general_dominance", "relative_weight", "zero_order_r"])
def test_derived_importance_follows_the_outcome(method):
    _, performance, outcome = survey(800)
    result = qa.ipa(method, performance, outcome=outcome, n_boot=200)
    derived = result.places["importance"]
    assert set(derived.nlargest(2).index) == {"wait", "app"}
    expected = performance.corrwith(outcome) if method == "zero_order_r" else None
    if expected is not None:
        np.testing.assert_allclose(derived, expected)
    else:
        assert derived.sum() == pytest.approx(1)
    assert result.places.loc["wait", "quadrant"] == "concentrate_here"


def test_three_factor_view_holds_stated_against_derived_importance(large):
    assert large.three_factor["factor"].to_dict() == {
        "wait": "performance",
        "staff": "basic",
        "place": "performance",
        "app": "motivation",
    }
    importance, performance, outcome = survey(12)
    small = qa.ipa(importance, performance, outcome=outcome, n_boot=200).three_factor
    assert "undecided" in set(small["factor"])
    assert qa.ipa(importance, performance, n_boot=20).three_factor is None


def test_gap_weighted_priority_is_servquals(large):
    importance, performance, _ = survey(800)
    table = large.tidy().set_index(["term", "item"])["estimate"]
    weight = 100 * importance.mean() / importance.mean().sum()
    gap = performance.mean() - importance.mean()
    assert table["weight"].sum() == pytest.approx(100)
    np.testing.assert_allclose(table["weight"], weight)
    np.testing.assert_allclose(table["gap"], gap)
    weighted = table["weighted_gap"]
    np.testing.assert_allclose(weighted.iloc[:4], weight * gap / 100)
    assert weighted.iloc[4] == pytest.approx(weighted.iloc[:4].sum())


def test_servqual_gaps_of_the_airport_size_table_have_intervals(large):
    table = large.tidy()
    assert table[["estimate", "std_error", "conf_low", "conf_high"]].notna().all(axis=None)
    assert ((table["conf_low"] <= table["estimate"]) & (table["estimate"] <= table["conf_high"])).all()


def test_regions_hold_the_truth_as_often_as_they_say():
    truth = np.array([2.6, 4.2, 2.8, 4.0]) - np.mean([2.6, 4.2, 2.8, 4.0])
    stated = np.array([4.5, 4.3, 3.0, 3.2]) - np.mean([4.5, 4.3, 3.0, 3.2])
    hits = []
    for seed in range(100):
        importance, performance, _ = survey(150, seed)
        result = qa.ipa(importance, performance, n_boot=200)
        error = (
            result.places[["performance", "importance"]].to_numpy()
            - np.array(result.cross)
            - np.column_stack([truth, stated])
        )
        distance = np.einsum("mi,mij,mj->m", error, np.linalg.inv(result.ellipses), error)
        hits.append(distance < result.radius**2)
    assert 0.91 < np.mean(hits) < 0.98


def test_real_bank_data_give_a_map_whose_undecided_points_are_said(shared_data):
    data = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))
    dimensions = pd.DataFrame(
        {d: data.filter(regex=f"^{d}[0-9]$").mean(axis=1) for d in ("imag", "expe", "qual", "val")}
    )
    outcome = data.filter(regex="^sat[0-9]$").mean(axis=1)
    result = qa.ipa(None, dimensions, outcome=outcome, n_boot=500)
    assert result.places["importance"].idxmax() == "val"
    assert result.places.loc["val", "quadrant"] == "concentrate_here"
    assert result.glance().loc[0, "undecided"] == (result.places["quadrant"] == "undecided").sum()


def test_weights_move_the_point_and_missing_rows_are_counted():
    importance, performance, _ = survey(200)
    weights = np.where(performance["wait"] > 2.6, 3.0, 1.0)
    weighted = qa.ipa(importance, performance, weights=weights, n_boot=50)
    assert weighted.places.loc["wait", "performance"] == pytest.approx(np.average(performance["wait"], weights=weights))
    assert weighted.n < 200
    performance.iloc[:5, 0] = np.nan
    assert qa.ipa(importance, performance, n_boot=50).provenance.settings["n_dropped"] == 5


def test_bad_input_is_named():
    importance, performance, outcome = survey(50)
    with pytest.raises(ModelError, match="needs outcome"):
        qa.ipa(None, performance)
    with pytest.raises(ModelError, match="importance='lmg'"):
        qa.ipa("lmg", performance, outcome=outcome)
    with pytest.raises(ResponseError, match="same items; differing: \\['app', 'lift'\\]"):
        qa.ipa(importance.rename(columns={"app": "lift"}), performance)
    with pytest.raises(ResponseError, match="rows of importance"):
        qa.ipa(importance.iloc[::-1], performance)
    with pytest.raises(ResponseError, match="one number for each item"):
        qa.ipa(pd.Series({"wait": 1.0}), performance)
    with pytest.raises(ResponseError, match="Constant: performance of wait"):
        qa.ipa(importance, performance.assign(wait=3.0))
    with pytest.raises(ResponseError, match="49 values"):
        qa.ipa(None, performance, outcome=outcome[:49])
    with pytest.raises(ModelError, match="cross='centre'"):
        qa.ipa(importance, performance, cross="centre")
    with pytest.raises(ModelError, match="iso='ratio'"):
        qa.ipa(importance, performance, iso="ratio")
    with pytest.raises(ResponseError, match="at least two"):
        qa.ipa(importance[["wait"]], performance[["wait"]])


def test_picture_draws_ellipses_lines_and_translated_names(large):
    axes = large.plot(labels={"wait": "等待", "performance": "表现", "concentrate_here": "优先改进"})
    assert axes.get_xlabel() == "表现"
    names = [text.get_text() for text in axes.texts]
    assert names[:4] == ["等待", "staff", "place", "app"]
    assert names[4:] == ["优先改进", "Keep up", "Low priority", "Possible overkill"]
    assert [line.get_linestyle() for line in axes.lines].count("--") == 1
    outline = axes.lines[0].get_xydata() - large.places.loc["wait", ["performance", "importance"]].to_numpy(float)
    distance = np.einsum("ni,ij,nj->n", outline, np.linalg.inv(large.ellipses[0]), outline)
    np.testing.assert_allclose(distance, large.radius**2)
