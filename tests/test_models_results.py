"""What follows from a fit against lavaan 0.6-14 (tests/reference/models_results.R, lavaan taken to its optimum).

The model with covariates is the one lavaan could not be taken further with: it is compared to 1e-3, as lavaan stops.
"""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from model_cases import COVARIATES, DEMOCRACY, HS, MEASURES, SECOND_ORDER, aligned, load_model_data

import qa_lib as qa
from qa_lib.errors import DataWarning, ModelError
from qa_lib.models.after.bootstrap import draws_interval, refits, resampled

SCALAR = {"group": "school", "group_equal": ("loadings", "intercepts")}
LABELLED = "visual =~ x1 + b*x2 + a*x3\n textual =~ x4 + c*x5 + x6\n speed =~ x7 + x8 + x9\n"
CURVED = {"square": "a == b^2", "product": "a*b == c", "both": "b == a^2\n a*b == c", "mixed": "a*b == c\n b == 0.9"}
FITS = {
    "hs_ML": (HS, "hs", {}),
    **{f"hs_{estimator}": (HS, "hs", {"estimator": estimator}) for estimator in ("MLR", "MLM", "GLS", "ULS")},
    "weights": (HS, "hs", {"weights": "w"}),
    "pd_ML": (DEMOCRACY, "pd", {}),
    "covariates": (COVARIATES, "hs", {}),
    "school_ML": (HS, "hs", {"group": "school"}),
    "school_scalar_ML": (HS, "hs", SCALAR),
    "school_scalar_MLR": (HS, "hs", SCALAR | {"estimator": "MLR"}),
    "fiml_ML": (HS, "holes", {"missing": "fiml"}),
    "fiml_MLR": (HS, "holes", {"missing": "fiml", "estimator": "MLR"}),
}
SOME = ("hs_ML", "school_scalar_ML", "fiml_ML", "weights", "covariates", "pd_ML")


@pytest.fixture(scope="module")
def data(shared_data):
    return load_model_data(shared_data)


@pytest.fixture(scope="module")
def fits(data):
    return {name: qa.sem(model, data[source], **options) for name, (model, source, options) in FITS.items()}


@pytest.fixture(scope="module")
def expected(reference):
    return reference("models_results")


def each(value):
    return list(value.values()) if isinstance(value, dict) else [value]


def tolerance(name: str) -> float:
    return 1e-3 if name == "covariates" else 1e-5


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("kind", ["bentler", "normalized", "standardized"])
def test_residuals_agree_with_lavaan(name, kind, fits, expected):
    """Compared where residuals differ from zero: lavaan divides smaller ones by one. It has no z under ULS."""
    if name == "hs_ULS" and kind != "bentler":
        with pytest.raises(ModelError, match="not available for ULS"):
            fits[name].residuals(kind)
        return
    theirs = expected["residuals"][name]["cor.bentler" if kind == "bentler" else kind]
    compared = 0
    for ours, raw, wanted in zip(each(fits[name].residuals(kind)), each(fits[name].residuals()), theirs, strict=True):
        wanted = pd.DataFrame(wanted, index=ours.index, columns=ours.columns, dtype=float)
        known = ours.notna() & wanted.notna() & (raw.abs() > 1e-5)
        compared += known.sum().sum()
        assert_close_to_reference(ours.to_numpy()[known], wanted.to_numpy()[known], tolerance(name), f"{name} {kind}")
    assert compared >= 70


@pytest.mark.parametrize("name", FITS)
def test_modification_indices_agree_with_lavaan(name, fits, expected):
    """Everything lavaan lists but paths that would make a covariate an outcome."""
    theirs = pd.DataFrame(expected["mi"][name])
    ours = fits[name].modification_indices()
    number = {label: i + 1 for i, label in enumerate(fits[name].groups)}
    ours["group"] = ours["group"].map(number) if len(number) > 1 else 1
    theirs = theirs[~theirs["lhs"].isin(fits[name].table.exogenous)]
    both = theirs.merge(ours, on=["lhs", "op", "rhs", "group"], how="left", suffixes=("_lavaan", ""))
    for column, wanted in (("mi", "mi_lavaan"), ("epc", "epc_lavaan"), ("epc_std", "sepc.all")):
        assert_close_to_reference(both[column], both[wanted], tolerance(name), f"{name} {column}")


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("method", ["regression", "bartlett"])
def test_factor_scores_agree_with_lavaan(name, method, fits, expected):
    scores = fits[name].scores(method=method)
    parts = [scores.xs(label) for label in fits[name].groups] if len(fits[name].groups) > 1 else [scores]
    for part, wanted in zip(parts, expected["scores"][name][method.replace("b", "B")], strict=True):
        assert_close_to_reference(part.head(10), wanted, tolerance(name), f"{name} {method}")


@pytest.mark.parametrize("name", SOME)
def test_explained_variance_and_implied_moments_agree_with_lavaan(name, fits, expected):
    fit, wanted = fits[name], expected["moments"][name]
    latent = wanted["latent"]
    for g, (r2, cov, mean) in enumerate(
        zip(each(fit.r_squared), each(fit.latent_cov), each(fit.implied_mean), strict=True)
    ):
        r2_wanted, mean_wanted = wanted["r2"][g], wanted["mean"][g]
        assert_close_to_reference(r2[list(r2_wanted)], list(r2_wanted.values()), tolerance(name), "R²")
        assert_close_to_reference(cov.loc[latent, latent], wanted["cov_lv"][g], tolerance(name), "latent covariances")
        if mean_wanted:
            assert_close_to_reference(mean[list(mean_wanted)], list(mean_wanted.values()), 1e-5, "means")


@pytest.mark.parametrize("name", [*CURVED, "square_MLR"])
def test_curved_equality_constraints_agree_with_lavaan(name, data, expected):
    estimator = "MLR" if name.endswith("MLR") else "ML"
    fit = qa.sem(LABELLED + CURVED[name.removesuffix("_MLR")], data["hs"], estimator=estimator)
    wanted = expected["constraints"][name]
    both = aligned(fit, wanted["parameters"])
    assert_close_to_reference(both["estimate"], both["est"], 1e-5, "estimates")
    assert_close_to_reference(both["std_error"].fillna(0), both["se"].fillna(0), 1e-4, "errors")
    glance = fit.glance().iloc[0]
    for measure, value in wanted["fit"].items():
        if measure in MEASURES and value is not None:
            assert_close_to_reference(glance[MEASURES[measure]], value, 1e-5, measure)


@pytest.mark.parametrize("kind", ["hs", "fiml", "square"])
def test_refits_of_resamples_are_what_lavaan_fits_to_the_drawn_rows(kind, data, expected):
    """Respondent i of n is drawn as often as k·j² mod n equals i − 1, for k = 1, 2, 3."""
    model = LABELLED + CURVED["square"] if kind == "square" else HS
    fit = qa.sem(model, data["holes" if kind == "fiml" else "hs"], missing="fiml" if kind == "fiml" else "listwise")
    n = len(data["hs"])
    rows = [np.arange(1, n + 1) ** 2 * k % n for k in (1, 2, 3)]
    counts = np.array([np.bincount(drawn, minlength=n) for drawn in rows])
    for ours, wanted in zip(
        refits(fit, [(sample,) for sample in resampled(fit.samples[0], counts)]),
        expected["resamples"][kind],
        strict=True,
    ):
        assert_close_to_reference(ours, wanted, 1e-5, f"{kind} resample")


def test_bootstrap_intervals_are_lavaans_given_its_draws(fits, expected):
    wanted = expected["bootstrap"]
    draws = pd.DataFrame(wanted["draws"], columns=["g1", "g2", "g3"])
    draws = draws.assign(indirect=draws.g1 * draws.g3, total=draws.g2 + draws.g1 * draws.g3)
    tidy = fits["pd_ML"].tidy().set_index("label")
    for interval in ("percentile", "bias_corrected"):
        table = pd.DataFrame(wanted[interval]).set_index("label")
        for label, row in table.iterrows():
            bounds = draws_interval(draws[label].to_numpy(), row["est"], 0.95, interval)
            assert_close_to_reference(bounds, row[["ci.lower", "ci.upper"]], 1e-5, f"{interval} {label}")
            assert tidy.loc[label, "estimate"] == pytest.approx(row["est"], rel=1e-3)


def test_bootstrap_of_an_indirect_effect_stands_beside_the_delta_method(fits):
    fit = fits["pd_ML"]
    boot = fit.bootstrap(n_boot=200, seed=7)
    delta, ours = (table.tidy().set_index("term").loc["indirect"] for table in (fit, boot))
    assert ours["estimate"] == delta["estimate"]
    assert ours["std_error"] == pytest.approx(delta["std_error"], rel=0.3)
    assert ours["conf_low"] < ours["estimate"] < ours["conf_high"]
    assert boot.glance().loc[0, ["n_boot", "n_converged"]].tolist() == [200, 200]
    assert boot.draws.shape == (200, len(fit.tidy()))
    pd.testing.assert_frame_equal(boot.tidy(), fit.bootstrap(n_boot=200, seed=7).tidy())
    fixed = boot.tidy()[fit.tidy()["std_error"].isna()]
    assert fixed[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)


def test_bootstrap_within_groups_keeps_what_is_equal_equal(fits):
    boot = fits["school_scalar_ML"].bootstrap(n_boot=20, seed=1)
    terms = boot.tidy()["term"].to_numpy()
    for term in ("visual=~x2", "x5~1"):
        one, other = boot.draws[:, terms == term].T
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_bootstrap_is_refused_where_it_would_be_wrong(data):
    hs = data["hs"]
    with pytest.raises(ModelError, match="fitted to moments"):
        qa.cfa(HS, hs[[f"x{i}" for i in range(1, 10)]].cov(), nobs=301).bootstrap(10)
    with pytest.raises(ModelError, match="clustered"):
        qa.cfa(HS, hs, cluster="cl").bootstrap(10)
    with pytest.raises(ModelError, match="interval 'bca' is not known"):
        qa.cfa(HS, hs).bootstrap(10).tidy(interval="bca")


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_respondents_without_covariates_are_left_out_under_fiml(estimator, data, reference):
    """lavaan as it stops: estimates to 5e-5."""
    gaps = data["holes"].copy()
    gaps.loc[gaps.index[3::13], "ageyr"] = np.nan
    with pytest.warns(DataWarning, match="24 respondents lack a covariate"):
        fit = qa.sem(HS + "\nspeed ~ ageyr + grade", gaps, missing="fiml", estimator=estimator)
    wanted = reference("models_covariates")[estimator]
    both = aligned(fit, wanted["parameters"])
    assert_close_to_reference(both["estimate"], both["est"], 5e-5, "estimates")
    assert_close_to_reference(both["std_error"].fillna(0), both["se"], 1e-4, "errors")
    glance = fit.glance().iloc[0]
    for measure, value in wanted["fit"].items():
        if measure in MEASURES and value is not None:
            assert_close_to_reference(glance[MEASURES[measure]], value, 1e-5, measure)


def test_scores_that_do_not_exist_are_refused(fits, data):
    with pytest.raises(ModelError, match="Bartlett scores need items"):
        qa.sem(SECOND_ORDER, data["hs"]).scores(method="bartlett")
