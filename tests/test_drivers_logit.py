"""Logit and ordinal logit drivers against R's glm and polr."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from driver_data import PREDICTORS, SFO_DRIVERS, load

import qa_lib as qa
from qa_lib.errors import ModelError


def test_top_box_logit_agrees_with_glm(shared_data, reference):
    expected = reference("drivers")["sfo_logit"]
    data = load("sfo", shared_data)
    result = qa.drivers(data, "Q7ALL", SFO_DRIVERS, model="logit", top_box=4, n_boot=0)
    assert_close_to_reference(result.tidy()["estimate"], expected["params"], 1e-6, "coefficients")
    assert_close_to_reference(result.tidy()["std_error"], expected["HC0"], 1e-6, "sandwich")
    plain = qa.drivers(data, "top", SFO_DRIVERS, model="logit", cov_type="nonrobust", n_boot=0)
    effects = plain.marginal_effects.query("level == 1")
    assert_close_to_reference(effects["estimate"], expected["ame"], 1e-6, "AME")
    assert_close_to_reference(effects["std_error"], expected["ame_error"], 1e-6, "AME's error")
    shares = result.importance.tidy().set_index("method")["estimate"]
    assert_close_to_reference(shares["general_dominance_mcfadden"], expected["mcfadden"], 1e-6, "McFadden")
    assert_close_to_reference(shares["general_dominance_tjur"], expected["tjur"], 1e-6, "Tjur")


def test_ordinal_logit_agrees_with_polr(shared_data, reference):
    outcome, predictors = PREDICTORS["corp_rep"]
    expected = reference("drivers")["corp_rep_ordinal"]
    result = qa.drivers(load("corp_rep", shared_data), outcome, predictors, model="ordinal", n_boot=10)
    table = result.tidy()
    assert_close_to_reference(table["estimate"], expected["thresholds"] + expected["params"], 1e-4, "coefficients")
    # polr's Hessian is numerical
    assert_close_to_reference(table["std_error"], expected["HC0"][4:] + expected["HC0"][:4], 1e-3, "sandwich")
    effects = result.marginal_effects["estimate"].to_numpy().reshape(4, -1)
    assert_close_to_reference(effects, expected["ame"], 1e-4, "AME")
    np.testing.assert_allclose(effects.sum(axis=1), 0, atol=1e-12)
    importance = result.importance.tidy()
    shares = importance[importance["method"] == "general_dominance_mcfadden"]
    assert_close_to_reference(shares["estimate"], expected["general"], 1e-4, "dominance")
    assert result.importance.tidy()["conf_low"].notna().all()


def test_cluster_errors_agree_with_vcovcl(shared_data, reference):
    outcome, predictors = PREDICTORS["corp_rep"]
    data = load("corp_rep", shared_data)
    result = qa.drivers(data, outcome, predictors, model="ordinal", cluster="provider", n_boot=20)
    expected = reference("drivers")["corp_rep_ordinal"]["cluster"]
    # polr's Hessian is numerical
    assert_close_to_reference(result.tidy()["std_error"], expected[4:] + expected[:4], 1e-3, "vcovCL")
    assert result.glance().loc[0, "cov_type"] == "cluster"


def test_standardised_coefficients_have_intervals_and_no_unit(shared_data):
    outcome, predictors = PREDICTORS["corp_rep"]
    data = load("corp_rep", shared_data)
    scaled = data.assign(**{predictors[0]: 10 * data[predictors[0]]})
    first, second = (qa.drivers(d, outcome, predictors, model="ordinal", n_boot=30).tidy() for d in (data, scaled))
    np.testing.assert_allclose(first["std_all"], second["std_all"], rtol=1e-6)
    slopes = first.tail(4)
    assert ((slopes["std_low"] < slopes["std_all"]) & (slopes["std_all"] < slopes["std_high"])).all()


def test_a_logit_says_what_outcome_it_needs(shared_data):
    with pytest.raises(ModelError, match="0 and 1"):
        qa.drivers(load("sfo", shared_data), "Q7ALL", SFO_DRIVERS, model="logit")


def test_an_ordinal_logit_refuses_an_outcome_that_is_no_scale():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
    data["sat"] = np.round(data["a"] + rng.normal(size=400), 2)
    with pytest.raises(ModelError, match=r"'sat' has \d+ levels; an ordinal logit takes up to 20"):
        qa.drivers(data, "sat", ["a", "b"], model="ordinal", n_boot=0)
    twenty = data.assign(sat=pd.qcut(data["sat"].rank(method="first"), 20, labels=False))
    assert len(qa.drivers(twenty, "sat", ["a", "b"], model="ordinal", n_boot=0).tidy()) == 19 + 2
