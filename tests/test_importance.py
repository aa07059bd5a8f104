"""Importance against R, and the laws it must keep."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from driver_data import PREDICTORS, load
from hypothesis import given, settings
from hypothesis import strategies as st

import qa_lib as qa
from qa_lib.effects.dominance import general_weights, relative_weights, subset_r_squared
from qa_lib.effects.importance import rank_intervals
from qa_lib.errors import DataWarning


@pytest.mark.parametrize("name", PREDICTORS)
def test_importance_agrees_with_r(name, shared_data, reference):
    outcome, predictors = PREDICTORS[name]
    weights = "weight" if name == "sfo" else None
    result = qa.drivers(load(name, shared_data), outcome, predictors, weights=weights, n_boot=0).importance
    expected = reference("drivers")[name]
    table = result.tidy().set_index(["method", "term"])["estimate"]
    for method, key in [
        ("general_dominance", "general"),
        ("relative_weight", "relative_weight"),
        ("beta", "beta"),
        ("zero_order_r", "zero_order_r"),
    ]:
        assert_close_to_reference(table[method], expected[key], 1e-8, f"{name} {method}")
    assert_close_to_reference(result.conditional, expected["conditional"], 1e-8, f"{name} conditional")
    complete = result.complete.pivot_table(index="term", columns="other", values="complete", fill_value=0.5)
    assert_close_to_reference(complete.loc[predictors, predictors], expected["complete"], 1e-8, f"{name} complete")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10**6))
def test_shares_sum_to_r_squared_and_follow_their_predictors(p, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p + 1, p + 3))
    cov = root @ root.T
    order = np.append(rng.permutation(p), p)
    full = np.linalg.solve(cov[:-1, :-1], cov[:-1, -1]) @ cov[:-1, -1] / cov[-1, -1]
    general = subset_r_squared(cov) @ general_weights(p)
    relative = relative_weights(cov[None])[0]
    np.testing.assert_allclose([general.sum(), relative.sum()], full, rtol=1e-8)
    assert (general >= -1e-12).all()
    np.testing.assert_allclose(
        subset_r_squared(cov[np.ix_(order, order)]) @ general_weights(p), general[order[:-1]], atol=1e-9
    )


def test_all_subsets_are_the_regressions_of_statsmodels():
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(3)
    data = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    r_squared = subset_r_squared(np.stack([np.cov(data.T), np.eye(5)]))
    for subset in range(1, 16):
        columns = [k for k in range(4) if subset >> k & 1]
        fitted = OLS(data[:, -1], np.column_stack([np.ones(60), data[:, columns]])).fit()
        np.testing.assert_allclose(r_squared[0, subset], fitted.rsquared, rtol=1e-9)
    assert (r_squared[1] == 0).all()


def test_interval_and_rank_columns_hold_together():
    rng = np.random.default_rng(11)
    data = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    data["y"] = data["a"] + 0.5 * data["b"] + 0.5 * data["c"] + rng.normal(size=400)
    result = qa.drivers(data, "y", ["a", "b", "c"], n_boot=500, seed=2).importance
    table = result.tidy().query("method == 'general_dominance'").set_index("term")
    assert table["rank"]["a"] == table["rank_high"]["a"] == 1
    assert (table.loc[["b", "c"], "rank_low"] == 2).all()
    assert (table.loc[["b", "c"], "rank_high"] == 3).all()
    assert ((table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])).all()
    assert table["p_first"]["a"] == 1
    assert table["p_first"].sum() == pytest.approx(1)
    pair = result.pairwise.query("method == 'general_dominance'").set_index(["term", "other"])["p_adjusted"]
    assert pair["a", "b"] < 1e-6
    assert pair["b", "c"] > 0.05
    assert result.glance().loc[0, "first"] == "a"


def test_same_seed_same_intervals_and_cluster_bootstrap_is_wider():
    rng = np.random.default_rng(8)
    branch = np.repeat(np.arange(20), 15)
    data = pd.DataFrame({"a": rng.normal(size=20)[branch] + 0.3 * rng.normal(size=300), "b": rng.normal(size=300)})
    data["y"] = data["a"] + data["b"] + rng.normal(size=20)[branch] + rng.normal(size=300)
    runs = [qa.drivers(data, "y", ["a", "b"], n_boot=300, seed=4, cluster=c).importance for c in (None, None, branch)]
    pd.testing.assert_frame_equal(runs[0].tidy(), runs[1].tidy())
    widths = [run.tidy().set_index(["method", "term"])["std_error"]["general_dominance", "a"] for run in runs]
    assert widths[2] > 1.5 * widths[0]


def test_rank_intervals_without_information_exclude_nothing():
    low, high = rank_intervals(np.array([3.0, 2, 1]), np.empty((0, 3)), 0.95)
    assert (low == 1).all()
    assert (high == 3).all()


def test_more_than_fifteen_predictors_fall_back_to_relative_weights():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(200, 17)), columns=[*[f"x{k}" for k in range(16)], "y"])
    with pytest.warns(DataWarning, match="15 predictors"):
        result = qa.drivers(data, "y", [f"x{k}" for k in range(16)], n_boot=20).importance
    assert result.method == "relative_weight"
    assert result.conditional is None


@pytest.mark.parametrize("n", [300, 1000])
def test_intervals_cover_the_population_quick(n):
    """60 studies of four drivers each; 1000 are in tests/benchmarks/coverage_dominance.py."""
    from benchmarks.coverage_dominance import simulate

    result = simulate(n, n_studies=60, n_boot=300, seed=7)
    assert 0.90 <= result["interval"][:-1].mean() <= 1
    assert result["rank"].mean() >= 0.93
