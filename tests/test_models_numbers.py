"""The numbers of the literature and of lavaan, written out; silent failures seen elsewhere; derivatives; honesty."""

import numpy as np
import pandas as pd
import pytest
from model_cases import BANK, BFI, COVARIATES, DEMOCRACY, HS, SECOND_ORDER, load_model_data

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning, ModelError
from qa_lib.models.discrepancy import Objective
from qa_lib.models.implied import imply, pullback, tangent
from qa_lib.sufficient.moments import moments

HS_ITEMS = [f"x{i}" for i in range(1, 10)]
LOADINGS, SCALAR = ("loadings",), ("loadings", "intercepts")
STRICT = (*SCALAR, "residuals")


@pytest.fixture(scope="module")
def data(shared_data):
    return load_model_data(shared_data)


@pytest.mark.parametrize(
    ("equal", "chisq", "df"),
    [((), 115.8513, 48), (LOADINGS, 124.0435, 54), (SCALAR, 164.1028, 60), (STRICT, 181.5113, 69)],
)
def test_holzinger_swineford_by_school(equal, chisq, df, data):
    glance = qa.cfa(HS, data["hs"], group="school", group_equal=equal).glance().iloc[0]
    assert (glance["chisq"], glance["df"]) == (pytest.approx(chisq, abs=5e-5), df)


def test_holzinger_swineford(data):
    glance = qa.cfa(HS, data["hs"]).glance().iloc[0]
    assert (glance["chisq"], glance["df"]) == (pytest.approx(85.305522, abs=5e-7), 24)


@pytest.mark.parametrize(
    ("options", "measure", "value", "n"),
    [
        ({}, "chisq", 4165.467, 2436),
        ({"estimator": "MLR"}, "chisq_scaled", 3612.178, 2436),
        ({"missing": "fiml"}, "chisq", 4674.263, 2800),
    ],
)
def test_bfi(options, measure, value, n, data):
    glance = qa.cfa(BFI, data["bfi"], **options).glance().iloc[0]
    assert (glance[measure], glance["df"]) == (pytest.approx(value, abs=5e-4), 265)
    assert glance["n"] == n


def test_political_democracy_and_bank_have_their_published_fit(data):
    democracy = DEMOCRACY.replace("a*", "").replace("b*", "").replace("c*", "")
    fit = qa.sem(democracy, data["pd"])
    glance = fit.glance().iloc[0]
    assert (glance["chisq"], glance["df"]) == (pytest.approx(38.125, abs=5e-4), 35)
    tidy = fit.tidy().set_index("term")
    assert tidy.loc["dem65~dem60", ["estimate", "std_error"]].tolist() == pytest.approx([0.837, 0.098], abs=5e-4)
    with pytest.warns(InadmissibleWarning, match="latent variables is not positive definite"):
        bank = qa.cfa(BANK, data["bank"])
    glance = bank.glance().iloc[0]
    assert (glance["chisq"], glance["df"]) == (pytest.approx(1103.703, abs=5e-4), 309)
    assert not glance["admissible"]


def test_metric_model_frees_latent_variances_but_not_the_scale_twice(data):
    """With std_lv, equal loadings identify the variances of later groups; df is that of markers all the same."""
    markers, unit = (
        qa.cfa(HS, data["hs"], group="school", group_equal=LOADINGS, std_lv=std_lv).glance().iloc[0]
        for std_lv in (False, True)
    )
    assert markers["df"] == unit["df"] == 54
    assert markers["chisq"] == pytest.approx(unit["chisq"], abs=1e-6)


def test_fiml_of_complete_data_is_maximum_likelihood_and_of_incomplete_data_is_not(data):
    plain = qa.cfa(HS, data["hs"], meanstructure=True).glance().iloc[0]
    complete = qa.cfa(HS, data["hs"], missing="fiml").glance().iloc[0]
    for measure in ("chisq", "df", "cfi", "tli", "rmsea", "srmr", "aic", "log_likelihood"):
        assert complete[measure] == pytest.approx(plain[measure], abs=1e-8)
    assert complete["cfi_robust"] == pytest.approx(plain["cfi"], abs=1e-6)
    holes = qa.cfa(HS, data["holes"], missing="fiml").glance().iloc[0]
    assert holes["baseline_df"] == 36
    assert holes["chisq"] != pytest.approx(plain["chisq"], abs=1)


def test_one_based_codes_and_integer_columns_are_numbers(data):
    """Codes are used as they are: a constant added to every answer moves intercepts, nothing else."""
    bfi = data["bfi"][[f"A{i}" for i in range(1, 6)]].dropna()
    model = "A =~ A1 + A2 + A3 + A4 + A5"
    one, zero = (qa.cfa(model, table, meanstructure=True).tidy() for table in (bfi.astype("int64"), bfi - 1.0))
    shift = (one["op"] == "~1") & (one["lhs"] != "A")
    np.testing.assert_allclose(one["estimate"] - zero["estimate"], shift.astype(float), atol=1e-7)
    np.testing.assert_allclose(one["std_error"], zero["std_error"], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"missing": "fiml"}, {"estimator": "MLR"}, {"estimator": "GLS"}])
def test_equality_across_groups_is_imposed_and_counted(options, data):
    free = qa.cfa(HS, data["hs"], group="school", **options)
    fit = qa.cfa(HS, data["hs"], group="school", group_equal=SCALAR, **options)
    shared = fit.tidy().query("op == '=~' or (op == '~1' and lhs.str.startswith('x'))").groupby("term")["estimate"]
    assert (shared.max() - shared.min()).max() < 1e-12
    assert free.tidy().query("op == '=~'").groupby("term")["estimate"].std().max() > 0.01
    assert fit.glance().loc[0, "df"] - free.glance().loc[0, "df"] == 12


DERIVATIVES = {
    "ml": (HS, "hs", {}),
    "means": (HS, "hs", {"meanstructure": True}),
    "covariates": (COVARIATES, "hs", {}),
    "structural": (DEMOCRACY, "pd", {}),
    "groups": (HS, "hs", {"group": "school", "group_equal": SCALAR}),
    "fiml": (HS, "holes", {"missing": "fiml"}),
    "fiml groups": (HS, "holes", {"missing": "fiml", "group": "school"}),
    "weights": (HS, "hs", {"weights": "w"}),
    "GLS": (HS, "hs", {"estimator": "GLS", "group": "school"}),
    "ULS": (DEMOCRACY, "pd", {"estimator": "ULS", "meanstructure": True}),
}


def slope_of(function, x: np.ndarray, h: float = 1e-4) -> np.ndarray:
    """Derivatives by central differences of the fourth order: (outputs, inputs)."""
    steps = h * np.eye(len(x))
    parts = [
        (8 * (function(x + s) - function(x - s)) - function(x + 2 * s) + function(x - 2 * s)) / (12 * h) for s in steps
    ]
    return np.stack(parts, axis=-1)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_agree_with_finite_differences(name, data):
    """Gradient and Jacobian of every discrepancy, and the Hessian of likelihoods, away from the optimum."""
    model, source, options = DERIVATIVES[name]
    fit = qa.sem(model, data[source], **options)
    objective: Objective = fit.objective
    x = fit.x * 1.03 + 0.01
    at = objective.evaluate(x)
    slope = slope_of(lambda y: objective.evaluate(y).value, x)
    np.testing.assert_allclose(at.gradient, slope, atol=1e-8 * (1 + np.abs(slope).max()))
    for block, by in zip(objective.blocks, at.tangents, strict=True):
        lower = np.tril_indices(block.n_observed)

        def of_moments(y, block=block, lower=lower):
            implied = imply(block, y)
            return np.concatenate([implied.mean, implied.cov[lower]])

        np.testing.assert_allclose(by.moments(), slope_of(of_moments, x)[:, block.free], atol=1e-7)
    if objective.criterion == "ML":
        bend = slope_of(lambda y: objective.evaluate(y).gradient, x)
        np.testing.assert_allclose(objective.observed(at), bend, atol=1e-7 * (1 + np.abs(bend).max()))


def test_many_parameter_vectors_at_once_give_what_each_gives(data):
    fit = qa.sem(DEMOCRACY, data["pd"], meanstructure=True)
    block = fit.objective.blocks[0]
    many = np.stack([fit.x, fit.x * 1.1])
    together = imply(block, many)
    slopes = tangent(block, together)
    for k, x in enumerate(many):
        alone = imply(block, x)
        np.testing.assert_allclose(together.cov[k], alone.cov)
        np.testing.assert_allclose(slopes.left[k], tangent(block, alone).left)


def test_negative_variances_are_said(data):
    """A Heywood case: two items correlate beyond what one factor of three can hold."""
    r = pd.DataFrame([[1, 0.9, 0.3], [0.9, 1, 0.05], [0.3, 0.05, 1]], list("abc"), list("abc"))
    with pytest.warns(InadmissibleWarning, match="negative variance of a"):
        fit = qa.cfa("f =~ a + b + c", r, nobs=100)
    assert not fit.admissible
    assert fit.converged


def test_singular_information_is_said_and_gives_no_errors(data):
    """A factor without a scale."""
    with pytest.warns(InadmissibleWarning, match="information matrix is singular"):
        fit = qa.cfa("f =~ NA*x1 + x2 + x3 + x4", data["hs"])
    assert not fit.admissible
    assert fit.tidy()["std_error"].isna().all()


def test_moments_of_many_rows_cost_no_more_than_of_few(data):
    """The fit sees the moments alone: their number of rows enters as n and nowhere else."""
    few = moments(data["hs"], HS_ITEMS)
    many = qa.cfa(HS, few.cov, nobs=10_000_000)
    assert many.glance().loc[0, "n"] == 10_000_000
    np.testing.assert_allclose(many.x, qa.cfa(HS, few).x, rtol=1e-2)


def test_an_unknown_weight_is_refused(data):
    with pytest.raises(ModelError, match="weights are negative"):
        qa.cfa(HS, data["hs"], weights=-np.ones(301))
    with pytest.raises(ModelError, match="one each is needed"):
        qa.cfa(HS, data["hs"], weights=np.ones(3))


@pytest.mark.parametrize("model", [HS, SECOND_ORDER, HS + "\nspeed ~ visual + textual"])
def test_the_gradient_without_tangents_is_that_with_them(model, data):
    fit = qa.sem(model, data["hs"], group="school", group_equal="loadings")
    rng = np.random.default_rng(1)
    for block in fit.objective.blocks:
        implied = imply(block, fit.x + 0.1 * rng.normal(size=len(fit.x)))
        by_cov, by_mean = rng.normal(size=(9, 9)), rng.normal(size=9)
        by_cov, by = by_cov + by_cov.T, tangent(block, implied)
        wanted = 2 * np.einsum("pk,pq,qk->k", by.left, by_cov, by.right) + by_mean @ by.mean
        np.testing.assert_allclose(pullback(block, implied, by_cov, by_mean), wanted, atol=1e-10)
        unit = np.eye(len(implied.total))
        np.testing.assert_allclose(implied.total @ (unit - implied.directed), unit, atol=1e-12)
