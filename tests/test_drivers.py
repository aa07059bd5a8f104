"""The driver regression against R, and what it says of bad input."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from driver_data import PREDICTORS, load

import qa_lib as qa
from qa_lib.errors import DataWarning, ModelError, ResponseError

BANK = ["imag", "expe", "qual", "val"]


@pytest.fixture(scope="module")
def bank(shared_data):
    return load("bank", shared_data)


@pytest.fixture
def small():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
    return data.assign(y=data["a"] + 0.5 * data["b"] + rng.normal(size=120))


def test_known_regression_of_the_bank_survey(bank):
    result = qa.drivers(bank, "sat", BANK, n_boot=0)
    assert_close_to_reference(result.tidy()["estimate"].round(4), [0.0605, 0.2277, 0.0093, 0.1470, 0.5593], 1e-12)
    assert round(result.glance().loc[0, "r_squared"], 4) == 0.6839


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3"])
def test_regression_agrees_with_lm_and_sandwich(name, cov_type, shared_data, reference):
    outcome, predictors = PREDICTORS[name]
    weights = "weight" if name == "sfo" else None
    expected = reference("drivers")[name]
    result = qa.drivers(load(name, shared_data), outcome, predictors, weights=weights, cov_type=cov_type, n_boot=0)
    table = result.tidy()
    assert result.glance().loc[0, "n_rows"] == expected["n"]
    assert_close_to_reference(table["estimate"], expected["params"], 1e-8, name)
    assert_close_to_reference(table["std_error"], expected[cov_type], 1e-8, f"{name} {cov_type}")
    assert_close_to_reference(result.glance().loc[0, "r_squared"], expected["r_squared"], 1e-8, "R²")
    assert_close_to_reference(result.vif[predictors], expected["vif"], 1e-8, "car::vif")
    if cov_type == "HC3":
        assert_close_to_reference(table["conf_low"], expected["conf_low"], 1e-8, "interval")
        assert_close_to_reference(table["conf_high"], expected["conf_high"], 1e-8, "interval")


@pytest.mark.parametrize("name", ["bank", "mobi", "corp_rep"])
def test_diagnostics_agree_with_lmtest(name, shared_data, reference):
    outcome, predictors = PREDICTORS[name]
    expected = reference("drivers")[name]
    result = qa.drivers(load(name, shared_data), outcome, predictors, cov_type="nonrobust", n_boot=0)
    checks = result.diagnostics.set_index("term")
    for term in ("heteroscedasticity", "linearity"):
        assert_close_to_reference(checks.loc[term, ["statistic", "p_value"]].astype(float), expected[term], 1e-8, term)
    assert_close_to_reference(
        checks.loc["residual_normality", "statistic"], expected["residual_normality"], 1e-8, "Jarque-Bera"
    )
    assert_close_to_reference(
        checks.loc["cooks_distance", "estimate"], expected["cooks_distance"], 1e-8, "cooks.distance"
    )
    assert_close_to_reference(result.tidy()["std_error"], expected["nonrobust"], 1e-8, "nonrobust")


def test_cluster_errors_agree_with_vcovcl(shared_data, reference):
    outcome, predictors = PREDICTORS["corp_rep"]
    result = qa.drivers(load("corp_rep", shared_data), outcome, predictors, cluster="provider", n_boot=0)
    assert_close_to_reference(result.tidy()["std_error"], reference("drivers")["corp_rep"]["cluster"], 1e-8, "vcovCL")
    assert result.glance().loc[0, "df_residual"] == 3


def test_moments_give_the_regression_of_the_rows(bank):
    rows = qa.drivers(bank, "sat", BANK, cov_type="nonrobust", n_boot=0).tidy()
    moments = qa.drivers(qa.moments(bank), "sat", BANK, cov_type="nonrobust", n_boot=0).tidy()
    pd.testing.assert_frame_equal(rows, moments, rtol=1e-10)
    covariance = qa.drivers(bank.cov(), "sat", BANK, cov_type="nonrobust", n_boot=0, nobs=250).tidy()
    pd.testing.assert_frame_equal(rows[1:], covariance[1:], rtol=1e-10)
    assert np.isnan(covariance.loc[0, "estimate"])


def test_robust_errors_from_moments_are_refused_aloud(small):
    with pytest.warns(DataWarning, match="need respondents' rows"):
        result = qa.drivers(qa.moments(small), "y", ["a", "b"], n_boot=50)
    assert result.glance().loc[0, "cov_type"] == "nonrobust"


def test_scale_of_weights_does_not_matter(small):
    w = np.linspace(0.2, 3, len(small))
    first, second = (qa.drivers(small, "y", ["a", "b"], weights=k * w, n_boot=20).tidy() for k in (1, 7))
    pd.testing.assert_frame_equal(first, second, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"c": 1.0}, ModelError, "constant: c"),
        ({"y": 3.0}, ModelError, "one level only: 3"),
        ({"c": lambda d: d["a"] - 2 * d["b"]}, ModelError, "determine exactly: c"),
        ({"c": "text"}, ResponseError, "not numeric"),
        ({"w": 0.0}, ResponseError, "all are zero"),
        ({"w": -1.0}, ResponseError, "negative"),
    ],
)
def test_impossible_input_is_named(small, change, error, words):
    data = small.assign(w=1.0).assign(**change)
    with pytest.raises(error, match=words):
        qa.drivers(data, "y", ["a", "b", "c"], weights="w")


def test_fewer_rows_than_predictors(small):
    with pytest.raises(ModelError, match="4 of 4 rows are complete"):
        qa.drivers(small[:4], "y", ["a", "b", "c"])


def test_rows_left_out_are_counted(small):
    data = small.mask(np.eye(120, 4, dtype=bool))
    assert qa.drivers(data, "y", ["a", "b", "c"], n_boot=0).glance().loc[0, "n_dropped"] == 4
