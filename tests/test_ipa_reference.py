"""IPA and tests of equal importance against packages survey (linearised covariances) and boot (dominance over subsets).

Estimates agree to rounding. Covariances are bootstrap ones here, so that they differ from linearised ones by the Monte
Carlo error of 20,000 samples: 1 % of a variance, and as much of the difference of two for a covariance.
"""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa

ITEMS = [f"qual{k}" for k in range(1, 6)]
N_BOOT = 20_000


@pytest.fixture(scope="module")
def bank(shared_data):
    return pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))


@pytest.fixture(scope="module")
def satisfaction(bank):
    return bank[[f"sat{k}" for k in range(1, 5)]].mean(axis=1)


def assert_places_agree(result, wanted, monte_carlo):
    places = result.places
    for column in ("importance", "performance", "priority", "rank"):
        assert_close_to_reference(places[column], wanted[column], 1e-9, column)
    assert_close_to_reference(result.cross, wanted["cross"], 1e-9, "cross")
    assert_close_to_reference(result.slope, wanted["slope"], 1e-9, "slope of the iso-priority line")
    assert places["quadrant"].tolist() == wanted["quadrant"]
    assert places["line"].tolist() == wanted["line"]
    expected = np.array(wanted["ellipses"])
    spread = np.sqrt(np.diagonal(expected, axis1=1, axis2=2))
    error = (result.ellipses - expected) / (spread[:, :, None] * spread[:, None, :])
    assert np.abs(error).max() < monte_carlo
    priority = result.tidy().query("term == 'priority'")
    np.testing.assert_allclose(priority["std_error"], wanted["priority_se"], rtol=monte_carlo)


@pytest.mark.parametrize("key", ["stated", "weighted"])
def test_stated_importance_agrees_with_survey(bank, reference, key):
    stated = bank[[f"expe{k}" for k in range(1, 6)]].set_axis(ITEMS, axis=1)
    weights = 0.5 + np.arange(len(bank)) % 4 if key == "weighted" else None
    result = qa.ipa(stated, bank[ITEMS], weights=weights, n_boot=N_BOOT)
    assert_places_agree(result, reference("ipa")[key], 0.05)


def test_derived_importance_agrees_with_boot(bank, satisfaction, reference):
    result = qa.ipa(None, bank[ITEMS], outcome=satisfaction, n_boot=N_BOOT)
    assert_places_agree(result, reference("ipa")["derived"], 0.09)  # boot drew 6,000 samples


def test_pairwise_tests_of_equal_importance_agree_with_boot(bank, satisfaction, reference):
    data = bank[ITEMS].assign(sat=satisfaction)
    pairwise = qa.drivers(data, "sat", ITEMS, n_boot=N_BOOT).importance.pairwise
    table, wanted = pairwise[pairwise["method"] == "general_dominance"], reference("ipa")["pairwise"]
    assert_close_to_reference(table["estimate"], wanted["estimate"], 1e-9, "difference")
    np.testing.assert_allclose(table["std_error"], wanted["std_error"], rtol=0.04)
    np.testing.assert_allclose(table["p_value"], wanted["p_value"], atol=0.03)
    assert ((table["p_adjusted"] < 0.05) == (np.array(wanted["p_adjusted"]) < 0.05)).all()
