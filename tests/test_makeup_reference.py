"""Drift, raking, standardisation under weights and response rates against base R and package survey."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from test_makeup import AGES, sfo  # noqa: F401

import qa_lib as qa
from qa_lib.tracking.makeup import makeup_drift, standardise

SEXES = {"Female": 0.5, "Male": 0.5}


@pytest.fixture
def expected(reference):
    return reference("tracking_makeup")


@pytest.fixture
def visitors(sfo):  # noqa: F811
    language = np.where(sfo["LANG"] == 1, "first", "other")
    return sfo.assign(third=sfo["PEAK"], language=language)


def test_three_margins_agree_with_survey(visitors, expected):
    margins = {"Q20GENDER": SEXES, "Q19AGE": AGES, "language": {"first": 0.8, "other": 0.2}}
    w, wanted = qa.rake(visitors, margins, weights="WEIGHT").weights, expected["three"]
    assert len(w) == wanted["n"]
    assert_close_to_reference(w.head(50), wanted["head"], 1e-8, "weights")
    summary = [(w**2).sum(), w.min(), w.max()]
    assert_close_to_reference(summary, [wanted[k] for k in ("sum_squares", "low", "high")], 1e-8, "all weights")


def test_raking_by_group_agrees_with_survey_on_each_group(visitors, expected):
    raked = qa.rake(visitors, {"Q20GENDER": SEXES, "Q19AGE": AGES}, weights="WEIGHT", by="third").weights
    for third, wanted in enumerate(expected["apart"], start=1):
        w = raked[visitors["third"] == third]
        assert_close_to_reference([*w.head(10), (w**2).sum()], wanted, 1e-8, f"group {third}")


def test_drift_agrees_with_chisq_test(visitors, expected):
    table = makeup_drift(visitors, "third", ["Q19AGE", "Q20GENDER"]).tidy()
    for column, wanted in expected["drift"].items():
        assert_close_to_reference(table[column], wanted, 1e-10, column)


def test_standardised_mean_under_weights_agrees_with_survey(visitors, expected):
    row = standardise(visitors, "Q7ALL", "Q19AGE", AGES, weights="WEIGHT").tidy().iloc[0]
    for column, wanted in expected["standardised"].items():
        assert_close_to_reference(row[column], wanted, 1e-10, column)


def test_every_aapor_rate_and_its_interval(expected):
    counts = expected["counts"]
    contacts = pd.DataFrame({"disposition": np.repeat(list(counts), list(counts.values()))})
    table = qa.response_rates(contacts).tidy().set_index("term")
    assert set(table.index) == set(expected["rates"])
    for term, wanted in expected["rates"].items():
        assert_close_to_reference(table.loc[term, ["estimate", "conf_low", "conf_high"]], wanted, 1e-12, term)
