"""Differences of nested models against lavaan's lavTestLRT (tests/reference/compare.R)."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ModelError

HS = "visual =~ x1 + x2 + x3\n textual =~ x4 + x5 + x6\n speed =~ x7 + x8 + x9"
TWO = "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
TAU = "A =~ 1*A1 + 1*A2 + 1*A3 + 1*A4 + 1*A5\n C =~ 1*C1 + 1*C2 + 1*C3 + 1*C4 + 1*C5"
DEMOCRACY = """ind60 =~ x1 + x2 + x3
 dem60 =~ y1 + a*y2 + b*y3 + c*y4
 dem65 =~ y5 + {}*y6 + {}*y7 + {}*y8
 dem60 ~ ind60
 dem65 ~ ind60 + dem60
 y1 ~~ y5"""


@pytest.fixture(scope="module")
def data(shared_data):
    bfi = pd.read_csv(shared_data("psych_bfi/bfi.csv"))
    for item in ("A1", "C4", "C5"):
        bfi[item] = 7 - bfi[item]
    hs = pd.read_csv(shared_data("lavaan_classics/HolzingerSwineford1939.csv"))
    return {"hs": hs, "bfi": bfi, "pd": pd.read_csv(shared_data("lavaan_classics/PoliticalDemocracy.csv"))}


def by_school(data, estimator):
    sets = (("loadings",), ("loadings", "intercepts"))
    return [qa.cfa(HS, data["hs"], group="school", group_equal=s, estimator=estimator) for s in sets]


def democracy(data, estimator):
    return [qa.sem(DEMOCRACY.format(*labels), data["pd"], estimator=estimator) for labels in ("def", "abc")]


def ordinal(data, estimator):
    restricted = qa.cfa(TWO + "\nA ~~ 0.3*C", data["bfi"], estimator=estimator, std_lv=True)
    return [qa.cfa(TWO, data["bfi"], estimator=estimator), restricted]


def tau(data, estimator):
    return [qa.cfa(model, data["bfi"], estimator=estimator) for model in (TWO, TAU)]


def by_gender(data, estimator, *sets):
    return [qa.cfa(TWO, data["bfi"], estimator=estimator, group="gender", group_equal=s) for s in sets]


def thresholds(data, estimator):
    return by_gender(data, estimator, (), ("thresholds",))


def scalar(data, estimator):
    return by_gender(data, estimator, ("thresholds",), ("thresholds", "loadings"))


PAIRS = {
    **{f"school_{e}": (by_school, e) for e in ("ML", "MLR", "MLM")},
    **{f"pd_{e}": (democracy, e) for e in ("MLR", "MLM")},
    **{
        f"{name}_{e}": (pair, e)
        for name, pair in {"ordinal": ordinal, "tau": tau, "thresholds": thresholds, "scalar": scalar}.items()
        for e in ("WLSMV", "ULSMV")
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_differences_agree_with_lavaan(name, data, reference):
    pair, estimator = PAIRS[name]
    fits = pair(data, estimator)
    tolerance = 1e-5 if estimator in {"WLSMV", "ULSMV", "ML"} else 3e-5  # lavaan's optimum under MLR and MLM is loose
    for method, expected in reference("compare")[name].items():
        glance = qa.compare_models(*fits, method=method).glance().iloc[0]
        assert_close_to_reference(glance["chisq_diff"], expected["chisq"], tolerance, f"{name} {method}")
        assert_close_to_reference(glance["p_value"], expected["p"], tolerance, f"{name} {method} p")
        assert glance["df_diff"] == expected["df"]


def test_order_of_models_and_items_does_not_matter(data):
    free, restricted = ordinal(data, "WLSMV")
    turned = qa.cfa("C =~ C5 + C4 + C3 + C2 + C1\n A =~ A5 + A4 + A3 + A2 + A1", data["bfi"], estimator="WLSMV")
    expected = qa.compare_models(free, restricted).chisq_diff
    assert_close_to_reference(qa.compare_models(restricted, turned).chisq_diff, expected, 1e-5)


def test_what_cannot_be_compared_is_refused(data):
    ml, mlr, wls = by_school(data, "ML"), by_school(data, "MLR"), ordinal(data, "WLSMV")
    with pytest.raises(ModelError, match="needs a scaled test"):
        qa.compare_models(*ml, method="satorra.2000")
    with pytest.raises(ModelError, match="only satorra"):
        qa.compare_models(*wls, method="satorra.bentler.2001")
    with pytest.raises(ModelError, match="is not known"):
        qa.compare_models(*ml, method="wald")
    with pytest.raises(ModelError, match="use one"):
        qa.compare_models(ml[0], mlr[1])
    with pytest.raises(ModelError, match="same degrees of freedom"):
        qa.compare_models(ml[0], ml[0])
    few = qa.cfa(HS, data["hs"].head(200), estimator="MLR", group="school", group_equal="loadings")
    with pytest.raises(ModelError, match="different respondents"):
        qa.compare_models(few, mlr[1])
    assert np.isfinite(qa.compare_models(*mlr, method="satorra.2000").chisq_diff)
