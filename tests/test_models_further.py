"""Models a reviewer tries after the usual ones, against lavaan 0.6-14 (tests/reference/further_models.R).

Tolerances, relative to max(|lavaan|, 0.05): estimates and scores 5e-4, for lavaan stops where its optimiser does
(what it gives at its very optimum is in test_models_continuous); standard errors 1e-4; statistics and indices 1e-5.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from model_cases import HS, MEASURES, aligned, load_model_data

import qa_lib as qa
from qa_lib.errors import DataWarning, InadmissibleWarning, ModelError, NotConvergedWarning
from qa_lib.models.discrepancy import Objective
from qa_lib.models.ordinal.ordinal import OrdinalObjective

PATH = "x4 ~ a*x1 + x2\nx7 ~ b*x4 + x1\nx9 ~ x7 + x4\nindirect := a*b"
COVARIATES = HS + "\nvisual + textual + speed ~ ageyr + grade"
DIRECT = COVARIATES + "\nx3 ~ grade"
CODED = """visual =~ NA*x1 + a*x1 + b*x2 + c*x3
textual =~ NA*x4 + d*x4 + e*x5 + f*x6
a + b + c == 3
d + e + f == 3"""
MEDIATED = f"""{HS}
visual ~ c(a1, a2)*speed
textual ~ c(b1, b2)*visual + c(c1, c2)*speed
first := a1*b1
second := a2*b2
difference := first - second"""
GROWTH = """i =~ 1*x4 + 1*x5 + 1*x6
s =~ 0*x4 + 1*x5 + NA*x6
x4 ~ 0*1; x5 ~ 0*1; x6 ~ 0*1
i ~ 1 + ageyr
s ~ 1 + ageyr
x4 ~~ r*x4; x5 ~~ r*x5; x6 ~~ r*x6"""
BIFACTOR = """g =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
visual =~ x1 + x2 + x3
speed =~ x7 + x8 + x9
g ~~ 0*visual + 0*speed
visual ~~ 0*speed"""
AGREE = ["A1", "A2", "A3", "A4", "A5"]
AGREEABLE = "A =~ A1 + A2 + A3 + A4 + A5"
DRIVEN = AGREEABLE + "\nA ~ age + education"
HELD = "A =~ A2 + A3 + A4 + A5\nA2 | a1*t1 + a2*t2\nA3 | a1*t1 + a2*t2"
CHAIN = AGREEABLE + "\nE1 ~ A\nC1 ~ E1 + A\nN1 ~ C1 + A"
MIXED = AGREEABLE + "\nE1 ~ a*A\nC2 ~ b*E1 + A\nindirect := a*b"
SCALAR = ("loadings", "intercepts")
ORDINAL = {"estimator": "WLSMV", "ordered": AGREE}
WEIGHTED = {"ordered": AGREE, "weights": "w", "group": "gender"}
CASES = {
    "path_MLM": (PATH, "hs", {"estimator": "MLM"}),
    "covariates_MLM": (COVARIATES, "hs", {"estimator": "MLM"}),
    "covariates_school_MLM": (COVARIATES, "hs", {"estimator": "MLM", "group": "school", "group_equal": SCALAR}),
    "direct": (DIRECT, "hs", {}),
    "direct_fiml_MLR": (DIRECT, "holes", {"missing": "fiml", "estimator": "MLR"}),
    "coded": (CODED, "hs", {}),
    "mediated": (MEDIATED, "hs", {"group": "school", "group_equal": "loadings"}),
    "product": (MEDIATED + "\na1*b1 == a2*b2", "hs", {"group": "school", "group_equal": "loadings"}),
    "growth": (GROWTH, "hs", {}),
    "growth_fiml_MLR": (GROWTH, "holes", {"missing": "fiml", "estimator": "MLR"}),
    "bifactor": (BIFACTOR, "hs", {"std_lv": True}),
    "three_groups": (HS, "hs", {"group": "g3", "group_equal": SCALAR}),
    "fiml_groups_even_MLR": (
        HS,
        "holes",
        {"missing": "fiml", "estimator": "MLR", "group": "school", "weights": "even"},
    ),
    "fiml_groups_weights_MLR": (
        HS,
        "holes",
        {"missing": "fiml", "estimator": "MLR", "group": "school", "group_equal": SCALAR, "weights": "w"},
    ),
    "three_groups_weights_MLR": (
        HS,
        "hs",
        {"group": "g3", "group_equal": SCALAR, "estimator": "MLR", "weights": "w"},
    ),
    "groups_weights_WLSMV": (
        AGREEABLE,
        "bfi",
        WEIGHTED | {"estimator": "WLSMV", "group_equal": ("thresholds", "loadings")},
    ),
    "groups_weights_ULSMV": (AGREEABLE, "bfi", WEIGHTED | {"estimator": "ULSMV"}),
    "covariates_weights_WLSMV": (DRIVEN, "bfi", ORDINAL | {"weights": "w"}),
    "covariates_groups_weights_WLSMV": (DRIVEN, "bfi", ORDINAL | {"weights": "w", "group": "gender"}),
    "thresholds_equal": (HELD, "bfi", {"estimator": "WLSMV", "ordered": AGREE[1:]}),
    "ordinal_mediator": (MIXED, "bfi", {"estimator": "WLSMV", "ordered": [*AGREE, "E1"], "parameterization": "theta"}),
    "ordinal_chain": (
        CHAIN,
        "bfi",
        {"estimator": "WLSMV", "ordered": [*AGREE, "E1", "C1", "N1"], "parameterization": "theta"},
    ),
}


@pytest.fixture(scope="module")
def data(shared_data):
    sets = load_model_data(shared_data)
    sets["hs"]["g3"] = np.arange(1, 302) % 3
    place = sets["hs"].groupby("school").cumcount() + 1
    last = place == sets["hs"].groupby("school")["id"].transform("size")
    even = (0.5 + place % 2).mask(last & (place % 2 == 1), 1)
    sets["holes"] = sets["holes"].assign(w=sets["hs"]["w"], even=even)
    sets["bfi"] = sets["bfi"].head(700)
    skewed = np.where(sets["bfi"]["gender"] == 1, 1.6, 0.7)
    sets["bfi"] = sets["bfi"].assign(w=skewed * (0.5 + np.arange(1, 701) % 5 / 3))
    return sets


def fitted(name, data):
    model, source, options = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # one respondent's grade is missing
        return qa.sem(model, data[source], **options)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_lavaan(name, data, reference):
    expected = reference("further_models")[name]
    fit = fitted(name, data)
    assert fit.converged
    assert fit.admissible
    both = aligned(fit, expected["parameters"])
    derived = (both["se"] == 0) & (fit.objective.criterion == "DWLS")  # residual variances and scales that follow
    assert_close_to_reference(both["estimate"], both["est"], 5e-4, "estimates")
    assert_close_to_reference(both["std_error"].fillna(0)[~derived], both["se"][~derived], 1e-4, "standard errors")
    glance = fit.glance().iloc[0]
    for measure, value in expected["fit"].items():
        if measure != "npar" and value is not None:
            assert_close_to_reference(glance[MEASURES[measure]], value, 1e-5, measure)


def test_an_outcome_without_a_free_path_has_its_r_squared(data, reference):
    expected = reference("further_models")["r2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        single = qa.sem(HS + "\nvisual ~ 0*speed\nx9 ~ 0*ageyr", data["hs"]).r_squared
        groups = qa.sem(HS + "\nvisual ~ c(0, NA)*ageyr", data["hs"], group="school").r_squared
    for found, wanted in [(single, expected["zero_path"]), *((groups[g], expected["one_group"][g]) for g in groups)]:
        assert set(found.index) == set(wanted)
        assert_close_to_reference(found[list(wanted)], list(wanted.values()), 1e-4, "R²")


def test_a_negative_residual_variance_explains_nothing_that_can_be_told():
    cov = pd.DataFrame([[1, 0.7, 0.7], [0.7, 1, 0.4], [0.7, 0.4, 1]], list("abc"), list("abc"))
    with pytest.warns(InadmissibleWarning, match="negative variance of a"):
        fit = qa.cfa("f =~ a + b + c", cov, nobs=200)
    assert np.isnan(fit.r_squared["a"])
    assert_close_to_reference(fit.r_squared["b"], 0.4, 1e-6, "R²")


@pytest.mark.parametrize("name", ["ordinal_mediator", "ordinal_chain"])
def test_parameterizations_of_ordinal_mediators_agree(name, data, reference):
    """lavaan 0.6-14 differs from itself here under delta: it forgets what a mediator's residual adds."""
    expected = reference("further_models")[name]
    model, source, options = CASES[name]
    fit = qa.sem(model, data[source], **options | {"parameterization": "delta"})
    wanted = pd.DataFrame(expected["standardized"])
    both = wanted.merge(fit.tidy(), on=["lhs", "op", "rhs"], validate="one_to_one")
    assert_close_to_reference(both["std_all"], both["est.std"], 1e-4, "standardised")
    assert_close_to_reference(both["std_all_error"], both["se"], 1e-4, "their errors")
    for measure in ("chisq", "df", "chisq.scaled", "cfi.scaled", "rmsea.scaled"):
        assert_close_to_reference(fit.glance().iloc[0][MEASURES[measure]], expected["fit"][measure], 1e-5, measure)


@pytest.mark.parametrize("method", ["regression", "Bartlett"])
def test_scores_take_direct_effects_of_covariates_out(method, data, reference):
    expected = reference("further_models")["scores"][method]
    assert_close_to_reference(fitted("direct", data).scores(method=method).head(10), expected, 5e-4, method)


def test_bartlett_scores_leave_out_items_whose_covariate_is_unknown(data):
    fit = fitted("direct", data)
    rows = data["hs"].head(3).astype({"grade": float})
    rows.loc[1, "grade"] = np.nan
    without = rows.assign(x3=rows["x3"].where(rows["grade"].notna()))
    got, wanted = (fit.scores(part, method="Bartlett") for part in (rows, without.fillna({"grade": 7})))
    pd.testing.assert_frame_equal(got, wanted)


@pytest.mark.parametrize("method", ["satorra.2000", "satorra.bentler.2001", "satorra.bentler.2010"])
def test_differences_under_mlm_take_covariates_as_given(method, data, reference):
    expected = reference("further_models")["difference"][method]
    null = qa.sem(HS + "\nvisual + textual + speed ~ 0*ageyr + grade", data["hs"], estimator="MLM")
    found = qa.compare_models(fitted("covariates_MLM", data), null, method)
    assert found.df_diff == expected["df"]
    assert_close_to_reference(found.chisq_diff, expected["chisq"], 1e-5, method)


def test_latent_means_of_both_orders_are_not_identified_and_it_is_said(data):
    with pytest.warns(InadmissibleWarning, match="not identified"):
        fit = qa.sem(HS + "\ng =~ visual + textual + speed", data["hs"], group="school", group_equal=SCALAR)
    assert not fit.admissible
    assert fit.tidy()["std_error"].isna().all()


def test_modification_indices_of_a_single_indicator_have_no_infinite_change(data):
    fit = qa.sem("visual =~ x1 + x2 + x3\nw =~ x4\nvisual ~ w", data["hs"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(fit.modification_indices()["epc"]).all()


@pytest.mark.parametrize("given", [{"weights": "w"}, {"cluster": "cl"}])
@pytest.mark.parametrize("estimator", ["GLS", "ULS"])
def test_least_squares_refuse_what_their_errors_would_ignore(given, estimator, data):
    with pytest.raises(ModelError, match="would ignore it"):
        qa.cfa(HS, data["hs"], estimator=estimator, **given)


def test_a_step_to_negative_variances_under_theta_is_not_the_users_concern(data):
    """Binary items by gender: the first step of the optimiser leaves what is possible."""
    items = [*AGREE, "C1", "C2", "C3", "C4", "C5"]
    binary = (data["bfi"][items] > 4).astype(float).where(data["bfi"][items].notna())
    model = AGREEABLE + "\nC =~ C1 + C2 + C3 + C4 + C5"
    options = {"estimator": "WLSMV", "group": "gender", "group_equal": ("thresholds", "loadings")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theta = qa.cfa(model, binary.assign(gender=data["bfi"]["gender"]), parameterization="theta", **options)
    delta = qa.cfa(model, binary.assign(gender=data["bfi"]["gender"]), **options)
    assert_close_to_reference(theta.test.scaled, delta.test.scaled, 1e-6, "both parameterisations")


def test_one_ordered_item_may_be_given_as_text(data):
    fit = qa.sem(
        "T ~ A1 + A2", data["bfi"].assign(T=data["bfi"]["E1"] > 3).astype({"T": float}), **ORDINAL | {"ordered": "T"}
    )
    assert fit.converged
    assert "T|t1" in set(fit.tidy()["term"])


def test_named_twice_merges_different_modifiers_only():
    one = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    table = pd.DataFrame(one, list("abc"), list("abc"))
    twice = qa.cfa("f =~ NA*a + u*a + b + c; f =~ start(1)*a; f ~~ 1*f", table, nobs=100)
    assert_close_to_reference(twice.tidy()["estimate"][0], np.sqrt(0.5 * 0.99), 1e-6, "loading")
    for model in ("f =~ a + b + c + a", "f =~ 1*a + 2*a + b + c", "f =~ a + u*b + v*b + c"):
        with pytest.raises(ModelError, match="named twice"):
            qa.cfa(model, table, nobs=100)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"k": 1}, {"cluster": "k"}, "fewer than two clusters"),
        ({}, {"nobs": -5}, "two or more"),
        ({"a": [1.0, np.nan, 0.4]}, {"nobs": 100}, "missing values or is not symmetric"),
        ({"a": [1.0, 0.2, 0.4]}, {"nobs": 100}, "missing values or is not symmetric"),
    ],
)
def test_input_that_cannot_be_used_is_refused(change, options, said):
    rows = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), columns=list("abc"))
    table = (rows if "cluster" in options else rows.corr()).assign(**change)
    with pytest.raises(ModelError, match=said):
        qa.cfa("f =~ a + b + c", table, **options)


def test_a_column_named_twice_is_refused(data):
    with pytest.raises(ModelError, match="more than one column x1"):
        qa.cfa(HS, pd.concat([data["hs"], data["hs"][["x1"]]], axis=1))


@pytest.mark.parametrize("estimator", ["ML", "WLSMV"])
def test_parameters_that_run_away_are_given_up_soon(estimator, monkeypatch):
    """Twenty respondents, two factors that hardly hold together: the discrepancy falls for ever, by ever less."""
    rng = np.random.default_rng(8 if estimator == "ML" else 7)
    answers = pd.DataFrame(0.5 * rng.normal(size=(20, 1)) + rng.normal(size=(20, 6)), columns=list("abcdeh"))
    if estimator == "WLSMV":
        answers = (answers > 0).astype(int) + (answers > 1)
    steps = []
    kind = Objective if estimator == "ML" else OrdinalObjective
    evaluate = kind.evaluate
    monkeypatch.setattr(kind, "evaluate", lambda objective, x: steps.append(x) or evaluate(objective, x))
    with pytest.warns(NotConvergedWarning, match="did not converge"):
        fit = qa.cfa("f =~ a + b + c\ng =~ d + e + h", answers, estimator=estimator)
    assert np.isnan(fit.glance()["cfi"]).all()
    assert len(steps) < 1500
