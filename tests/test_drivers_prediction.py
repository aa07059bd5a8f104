"""R² on respondents held out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import qa_lib as qa
from qa_lib.effects.design import build_design
from qa_lib.effects.prediction import fold_numbers, linear_r_squared
from qa_lib.errors import ModelError


@pytest.fixture(scope="module")
def curved():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    data["y"] = data["a"] ** 2 + data["b"] + 0.3 * rng.normal(size=300)
    return data.assign(w=rng.uniform(0.2, 3, 300), branch=rng.integers(20, size=300))


def test_a_tree_shows_what_a_line_misses(curved):
    table = qa.cross_validate(curved, "y", ["a", "b"], folds=5, repeats=1).tidy().set_index("term")
    glance = qa.drivers(curved, "y", ["a", "b"], n_boot=0).glance().loc[0]
    assert table.loc["linear", "fitted"] == pytest.approx(glance["r_squared"], rel=1e-9)
    assert table.loc["linear", "estimate"] < table.loc["linear", "fitted"]
    assert table.loc["forest", "difference_low"] > 0.2
    assert table.loc["ridge", "difference_low"] < 0 < table.loc["ridge", "difference_high"]


def test_held_out_r_squared_is_that_of_refitting_fold_by_fold(curved):
    x, y, w = curved[["a", "b"]].to_numpy(), curved["y"].to_numpy(), curved["w"].to_numpy()
    design = build_design(curved, "y", ["a", "b"], "w")
    loss = benchmark = 0.0
    for fold in fold_numbers(design, 10, 3, seed=0):
        for k in range(10):
            held = fold == k
            model = LinearRegression().fit(x[~held], y[~held], sample_weight=w[~held])
            loss += w[held] @ (y[held] - model.predict(x[held])) ** 2
            benchmark += w[held] @ (y[held] - np.average(y[~held], weights=w[~held])) ** 2
    glance = qa.drivers(curved, "y", ["a", "b"], weights="w", n_boot=0).glance().loc[0]
    assert glance["r_squared_cv"] == pytest.approx(1 - loss / benchmark, rel=1e-9)
    assert glance["r_squared_cv_low"] < glance["r_squared_cv"] < glance["r_squared"]


def test_interval_covers_the_r_squared_of_new_respondents():
    rng = np.random.default_rng(7)
    slopes = np.array([0.5, 0.3, 0.0])
    truth = slopes @ slopes / (slopes @ slopes + 1)
    covered = 0
    for _ in range(100):
        x = rng.normal(size=(250, 3))
        data = pd.DataFrame(x, columns=list("abc")).assign(y=x @ slopes + rng.normal(size=250))
        found = linear_r_squared(build_design(data, "y", list("abc")), 0.95)
        covered += found["conf_low"] <= truth <= found["conf_high"]
    assert covered >= 88


def test_clusters_are_held_out_whole(curved):
    design = build_design(curved, "y", ["a", "b"], cluster="branch")
    folds = pd.Series(fold_numbers(design, 5, 1, seed=0)[0]).groupby(design.clusters).nunique()
    assert (folds == 1).all()
    with pytest.raises(ModelError, match="2 to 20 folds"):
        qa.cross_validate(curved, "y", ["a", "b"], cluster="branch", folds=21)
