"""The driver regression against R, and what it says of bad input."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, ModelError, ResponseError

CONSTRUCTS = {"IMAG": "imag", "EXPE": "expe", "QUAL": "qual", "VAL": "val", "SAT": "sat", "LOY": "loy"}
BANK = ["IMAG", "EXPE", "QUAL", "VAL"]


@pytest.fixture(scope="module")
def bank(shared_data):
    raw = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))
    return pd.DataFrame(
        {name: raw[[c for c in raw if c.startswith(stem)]].mean(axis=1) for name, stem in CONSTRUCTS.items()}
    )


@pytest.fixture
def small():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
    return data.assign(y=data["a"] + 0.5 * data["b"] + rng.normal(size=120))


def test_known_regression_of_the_bank_survey(bank):
    result = qa.drivers(bank, "SAT", BANK, n_boot=0)
    assert_close_to_reference(result.tidy()["estimate"].round(4), [0.0605, 0.2277, 0.0093, 0.1470, 0.5593], 1e-12)
    assert round(result.glance().loc[0, "r_squared"], 4) == 0.6839


def test_moments_give_the_regression_of_the_rows(bank):
    rows = qa.drivers(bank, "SAT", BANK, cov_type="nonrobust", n_boot=0).tidy()
    moments = qa.drivers(qa.moments(bank), "SAT", BANK, cov_type="nonrobust", n_boot=0).tidy()
    pd.testing.assert_frame_equal(rows, moments, rtol=1e-10)
    covariance = qa.drivers(bank.cov(), "SAT", BANK, cov_type="nonrobust", n_boot=0, nobs=250).tidy()
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
