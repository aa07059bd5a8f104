"""The ranking over specifications."""

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ModelError

ITEMS = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]}


@pytest.fixture
def survey():
    rng = np.random.default_rng(6)
    factors = rng.normal(size=(400, 2)) @ np.array([[1, 0.4], [0, 0.9]])
    items = {name: factors[:, k] + 0.6 * rng.normal(size=400) for k, d in enumerate(ITEMS) for name in ITEMS[d]}
    outcome = np.digitize(factors @ [1, 0.3] + 0.7 * rng.normal(size=400), [-1.5, -0.5, 0.5, 1.5]) + 1.0
    return pd.DataFrame(items).assign(y=outcome, w=rng.uniform(0.5, 2, 400), flag=rng.uniform(size=400) < 0.1)


def test_every_choice_is_run_and_the_first_is_qa_drivers(survey):
    result = qa.robustness(survey, "y", ITEMS, weights="w", flagged="flag")
    assert result.glance().loc[0, ["n_specifications", "n_failed"]].tolist() == [12, 0]
    assert set(result.specifications["model"]) == {"ols", "ordinal", "latent"}
    scores = pd.DataFrame({k: survey[v].mean(axis=1) for k, v in ITEMS.items()}).assign(y=survey["y"], w=survey["w"])
    drivers = qa.drivers(scores, "y", ["a", "b"], weights="w", n_boot=0).importance.tidy()
    expected = drivers.query("method == 'general_dominance'")["share"]
    reference = result.specifications.query("specification == 0")["share"]
    np.testing.assert_allclose(reference, expected, rtol=1e-10)
    assert (result.tidy()["kept"] == 1).all()


def test_missing_answers_add_pairwise_and_fiml_that_agree_when_few_are_missing(survey):
    rng = np.random.default_rng(1)
    data = survey.assign(a=survey["a1"], b=survey["b1"])
    data.loc[rng.choice(400, 8, replace=False), "a"] = np.nan
    table = qa.robustness(data, "y", ["a", "b"]).specifications
    ols = table.query("model == 'ols' and term == 'a'").set_index("missing")["share"]
    assert set(ols.index) == {"listwise", "pairwise", "fiml"}
    assert np.ptp(ols) < 0.02


def test_a_failed_specification_is_shown_not_counted(survey):
    data = survey.assign(flag=survey["y"] != 3)
    data["a"], data["b"] = data["a1"], data["b1"]
    result = qa.robustness(data, "y", ["a", "b"], flagged="flag")
    assert result.glance().loc[0, "n_failed"] == 2
    failed = result.specifications.query("respondents == 'unflagged'")
    assert failed["share"].isna().all()
    assert (failed["note"] != "").all()


def test_a_table_needs_its_outcome(survey):
    with pytest.raises(ModelError, match="outcome and predictors"):
        qa.robustness(survey)
