"""Every estimator of continuous variables on every data set against lavaan 0.6-14 taken to its optimum.

Tolerances of the project: estimates 1e-5, standard errors 1e-4, test statistics and fit indices 1e-5, relative to
max(|lavaan|, 0.05). The numbers are those of tests/reference/models_continuous.R.
"""

import warnings

import pytest
from compare import assert_close_to_reference
from model_cases import BANK, BFI, CORP, CORP_SEM, DEMOCRACY, HS, MEASURES, MOBI, aligned, load_model_data

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning

SCALAR = ("loadings", "intercepts")
SOURCES = {
    "hs": (HS, "hs"),
    "pd": (DEMOCRACY, "pd"),
    "bfi": (BFI, "bfi"),
    "mobi": (MOBI, "mobi"),
    "corp": (CORP, "corp"),
    "corp_sem": (CORP_SEM, "corp"),
    "bank": (BANK, "bank"),
}
GROUPED = {"school": (HS, "hs", "school"), "gender": (BFI, "bfi", "gender"), "type": (CORP, "corp", "servicetype")}
INCOMPLETE = {"hs": (HS, "holes"), "bfi": (BFI, "bfi"), "corp_sem": (CORP_SEM, "corp")}
BY_SCHOOL = {"group": "school", "group_equal": SCALAR}
CASES = {
    **{
        f"{name}_{estimator}": (*source, {"estimator": estimator})
        for estimator in ("ML", "MLR", "MLM", "GLS", "ULS")
        for name, source in SOURCES.items()
    },
    **{
        f"{name}_{step}_{estimator}": (model, source, {"estimator": estimator, "group": group, "group_equal": equal})
        for estimator in ("ML", "MLR", "MLM", "GLS", "ULS")
        for name, (model, source, group) in GROUPED.items()
        for step, equal in (("scalar", SCALAR), ("configural", ()))
        if (name, step) != ("gender", "configural")
    },
    **{
        f"{name}_fiml_{estimator}": (*source, {"missing": "fiml", "estimator": estimator})
        for estimator in ("ML", "MLR")
        for name, source in INCOMPLETE.items()
    },
    **{f"school_fiml_{e}": (HS, "holes", {"missing": "fiml", "estimator": e} | BY_SCHOOL) for e in ("ML", "MLR")},
    **{
        f"type_fiml_{e}": (
            CORP,
            "corp",
            {"missing": "fiml", "estimator": e, "group": "servicetype", "group_equal": "loadings"},
        )
        for e in ("ML", "MLR")
    },
    "school_partial": (HS, "hs", BY_SCHOOL | {"partial": ("x3~1", "x7~1")}),
    "weights": (HS, "hs", {"weights": "w"}),
    "school_weights": (HS, "hs", {"weights": "w"} | BY_SCHOOL),
    "weights_MLR": (HS, "hs", {"weights": "w", "estimator": "MLR"}),
    "cluster": (HS, "hs", {"cluster": "cl"}),
}


@pytest.fixture(scope="module")
def data(shared_data):
    return load_model_data(shared_data)


@pytest.mark.parametrize("name", CASES)
def test_every_estimator_agrees_with_lavaan_at_its_optimum(name, data, reference):
    model, source, options = CASES[name]
    expected = reference("models_continuous")[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InadmissibleWarning)
        fit = qa.sem(model, data[source], **options)
    assert fit.converged
    both = aligned(fit, expected["parameters"])
    assert_close_to_reference(both["estimate"], both["est"], 1e-5, "estimates")
    assert_close_to_reference(both["std_error"].fillna(0), both["se"], 1e-4, "standard errors")
    glance = fit.glance().iloc[0]
    assert set(expected["fit"]) - {"npar"} <= set(MEASURES)
    for measure, value in expected["fit"].items():
        if measure != "npar" and value is not None:
            assert_close_to_reference(glance[MEASURES[measure]], value, 1e-5, measure)
