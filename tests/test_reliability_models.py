"""Reliability from ordinal models and Schmid-Leiman against semTools and psych (reference/reliability_models.R)."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from reliability_studies import BFI, dimensions_of, read_studies, values

import qa_lib as qa
from qa_lib.errors import ResponseError
from qa_lib.sufficient.bivariate import bivariate_cdf
from qa_lib.trust.consistency import ordinal_reliability as ordinal
from qa_lib.trust.consistency import schmid_leiman as sl
from qa_lib.trust.consistency.coefficients import to_correlation
from qa_lib.trust.consistency.omega import omega_gradient, omega_total, one_factor_ml

STUDIES = ["bfi_complete", "bfi", "bfi_two", "bank", "mobi", "corp", "corp_listwise", "water"]
CUSA = ["CUSA1", "CUSA2", "CUSA3"]


@pytest.fixture(scope="module")
def real(shared_data):
    return read_studies(shared_data)


@pytest.fixture(scope="module")
def expected(reference):
    return reference("reliability_models")["studies"]


def fitted(study, real):
    """The study as R saw it: its first two traits only, or without respondents who left any item out."""
    name = {"bfi_two": "bfi_complete", "corp_listwise": "corp"}.get(study, study)
    dimensions = {"A": BFI["A"], "C": BFI["C"]} if study == "bfi_two" else dimensions_of(name)
    items = [item for items in dimensions.values() for item in items]
    data = real[name][items]
    return qa.reliability(data.dropna() if study == "corp_listwise" else data, dimensions)


@pytest.mark.filterwarnings("ignore::qa_lib.errors.QaWarning")
@pytest.mark.parametrize("study", STUDIES)
def test_ordinal_and_hierarchical_coefficients_agree_with_r(study, real, expected):
    result = fitted(study, real)
    for name, theirs in expected[study]["dimensions"].items():
        ours = values(result, name)["estimate"]
        assert_close_to_reference(ours["alpha_ordinal"], theirs["alpha_ordinal"], 1e-5, f"{study} {name} alpha_ordinal")
        if not theirs["lavaan_is_maximum"]:  # its correlation of imag1 with imag2 is not, see the R script
            assert (study, name) == ("bank", "imag")
            assert ours["omega_ordinal"] == pytest.approx(theirs["omega_ordinal"], abs=0.005)
        elif "omega_ordinal" in theirs:
            assert_close_to_reference(ours["omega_ordinal"], theirs["omega_ordinal"], 1e-4, f"{study} {name}")
        else:
            assert values(result, name).loc["omega_ordinal", "note"] == "two_items"
    whole = values(result, "instrument")
    for term, value in expected[study].get("instrument", {}).items():  # one dimension alone has none
        assert_close_to_reference(whole.loc[term, "estimate"], value, 1e-4, f"{study} {term}")
        assert whole.loc[term, "conf_low"] < whole.loc[term, "estimate"] < whole.loc[term, "conf_high"]
    assert (whole["note"] == ("general_equal" if study == "bfi_two" else "")).all()


def test_ordinal_loadings_are_those_of_the_engine(real):
    data = real["bfi_complete"][BFI["N"]]
    pairs = ordinal.TablePairs.of(qa.moments(data))
    rho, _ = pairs.correlations()
    corr = np.eye(5)
    corr[np.triu_indices(5, 1)] = rho
    corr = np.maximum(corr, corr.T)
    counts = pairs.tables.sum((1, 2))
    variances = (pairs.tables / counts[:, None, None] * pairs.influences(rho) ** 2).sum((1, 2)) / counts
    factor = ordinal.one_factor_dwls(corr, variances)
    engine = qa.cfa("f =~ " + " + ".join(data), data, estimator="WLSMV", std_lv=True).tidy()
    np.testing.assert_allclose(factor.loadings, engine.loc[engine["op"] == "=~", "estimate"], atol=1e-6)
    assert factor.converged
    step = 1e-3 * np.eye(10)[3]
    moved = [np.zeros_like(corr), np.zeros_like(corr)]
    for change, sign in zip(moved, (1, -1), strict=True):
        change[np.triu_indices(5, 1)] = sign * step
    up, down = (ordinal.one_factor_dwls(corr + change + change.T, variances).loadings for change in moved)
    np.testing.assert_allclose((up - down) / 2e-3, factor.by_correlation[:, 3], atol=1e-5)
    up, down = (ordinal.one_factor_dwls(corr, variances * np.exp(sign * step)).loadings for sign in (1, -1))
    np.testing.assert_allclose((up - down) / 2e-3, factor.by_log_variance[:, 3], atol=1e-5)


def test_influence_on_a_correlation_is_that_of_one_more_respondent(real):
    data = real["bfi_complete"][["N1", "N2"]].iloc[:400]
    pairs = ordinal.TablePairs.of(qa.moments(data))
    influence = ordinal.empirical_influence(pairs, pairs.correlations()[0])[0]
    for respondent in (0, 7, 50):
        step = 1e-3 * (np.arange(400) == respondent)
        up, down = (qa.polychoric(data, weights=1 + sign * step).correlation.loc["N1", "N2"] for sign in (1, -1))
        cell = data.iloc[respondent].to_numpy(int) - 1
        assert influence[tuple(cell)] == pytest.approx(400 * (up - down) / 2e-3, abs=1e-5)


def test_score_variance_is_that_of_the_categories_and_its_slopes_are_right():
    thresholds, corr = np.array([[-0.5, 0.7], [0.1, 1.2]]), np.array([[1, 0.6], [0.6, 1]])
    edges = [np.array([-9, *row, 9]) for row in thresholds]
    cdf = bivariate_cdf(edges[0][:, None], edges[1][None], np.array(0.6))
    joint, score = np.diff(np.diff(cdf, axis=0), axis=1), np.add.outer(np.arange(3), np.arange(3))
    found = ordinal.score_variance(thresholds, corr)
    assert found.total == pytest.approx((joint * score**2).sum() - (joint * score).sum() ** 2, abs=1e-10)
    for matrix in (corr, np.array([[0.5, 0.4], [0.4, 0.7]])):
        slopes = ordinal.score_variance(thresholds, matrix)
        change = np.array([[0, 1e-5], [0, 0]])
        up, down = (ordinal.score_variance(thresholds + sign * change, matrix).total for sign in (1, -1))
        assert slopes.by_threshold[0, 1] == pytest.approx((up - down) / 2e-5, abs=1e-6)
        up, down = (ordinal.score_variance(thresholds, matrix + sign * change).total for sign in (1, -1))
        assert slopes.by_correlation[0, 1] == pytest.approx((up - down) / 2e-5, abs=1e-6)


def test_ordinal_errors_are_those_of_resampling():
    """Under the model itself; how far resamples scatter is known to a few per cent."""
    rng = np.random.default_rng(2)
    loadings, thresholds = np.array([0.8, 0.7, 0.6, 0.7]), [-1.2, -0.3, 0.4, 1.3]

    def sample():
        z = rng.normal(size=(400, 1)) * loadings + rng.normal(size=(400, 4)) * np.sqrt(1 - loadings**2)
        return np.digitize(z, thresholds).astype(float)

    def coefficients(x, respondents=None):
        return ordinal.ordinal_coefficients("x", qa.moments(pd.DataFrame(x, columns=list("abcd"))), respondents)

    drawn = [[c.estimate for c in coefficients(sample())] for _ in range(200)]
    x = sample()
    errors = [c.std_error for c in coefficients(x, ordinal.Respondents(list("abcd"), x, np.ones(400)))]
    np.testing.assert_allclose(errors, np.std(drawn, axis=0), rtol=0.2)


def test_weights_of_one_change_nothing_and_repeated_respondents_count(real):
    data = real["mobi"][CUSA]
    plain = values(qa.reliability(data, {"CUSA": CUSA}), "CUSA")
    ones, twice = (values(qa.reliability(data, {"CUSA": CUSA}, weights=np.full(250, w)), "CUSA") for w in (1.0, 2.0))
    columns = ["estimate", "std_error"]
    pd.testing.assert_frame_equal(ones[columns], plain[columns])
    for term in ("alpha_ordinal", "omega_ordinal"):
        np.testing.assert_allclose(twice.loc[term, columns].astype(float), plain.loc[term, columns].astype(float))


def test_gradient_of_omega_total_is_that_of_refitted_models(real):
    data = real["bank"][dimensions_of("bank")["sat"]]
    cov, n = data.cov().to_numpy(), len(data)
    gradient = omega_gradient(one_factor_ml(cov, n)) * (n - 1) / n

    def omega(change):
        fit = one_factor_ml(cov + change, n)
        return omega_total(fit.x[: len(cov)], fit.samples[0].cov)

    for i, j in ((0, 0), (1, 2)):
        change = np.zeros_like(cov)
        change[i, j] = change[j, i] = 1e-4
        slope = (omega(change) - omega(-change)) / 2e-4
        assert (gradient[i, j] + gradient[j, i]) / (1 + (i == j)) == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("k", [2, 3])
def test_gradients_of_schmid_leiman_are_those_of_refitted_models(k, real):
    items = [item for trait in "ACN"[:k] for item in BFI[trait]]
    corr = real["bfi_complete"][items].corr().to_numpy()
    gradient = sl.gradients(sl.schmid_leiman(corr, k), corr)

    def omegas(change):
        moved = to_correlation(corr + change)
        return np.array(sl.omegas(sl.schmid_leiman(moved, k), moved))

    for i, j in ((0, 0), (0, 1), (2, 7)):
        change = np.zeros_like(corr)
        change[i, j] = change[j, i] = 1e-3
        slope = (omegas(change) - omegas(-change)) / 2e-3
        np.testing.assert_allclose((gradient[:, i, j] + gradient[:, j, i]) / (1 + (i == j)), slope, atol=2e-4)


def test_hierarchical_errors_are_those_of_resampling():
    rng = np.random.default_rng(4)
    pattern = np.kron(np.eye(3), np.array([[0.7], [0.6], [0.5], [0.6]]))
    implied = pattern @ (0.4 * np.ones((3, 3)) + 0.6 * np.eye(3)) @ pattern.T
    np.fill_diagonal(implied, 1)
    root = np.linalg.cholesky(implied)

    def sample():
        return np.corrcoef(rng.normal(size=(800, 12)) @ root.T, rowvar=False)

    drawn = [sl.omegas(sl.schmid_leiman(corr, 3), corr) for corr in (sample() for _ in range(100))]
    errors = [sl.delta_error(g, implied, 800) for g in sl.gradients(sl.schmid_leiman(implied, 3), implied)]
    np.testing.assert_allclose(errors, np.std(drawn, axis=0), rtol=0.25)


def test_items_against_the_general_factor_count_reversed():
    rng = np.random.default_rng(3)
    common = rng.normal(size=(500, 1)) + rng.normal(size=(500, 3)) @ np.eye(3)
    data = pd.DataFrame(np.repeat(common, 3, axis=1) + rng.normal(size=(500, 9)), columns=list("abcdefghi"))
    dimensions = {"x": list("abc"), "y": list("def"), "z": list("ghi")}
    whole = values(qa.reliability(data, dimensions), "instrument")["estimate"]
    turned = values(qa.reliability(data.assign(**{c: -data[c] for c in "abc"}), dimensions), "instrument")["estimate"]
    np.testing.assert_allclose(turned, whole, rtol=1e-6)


@pytest.mark.parametrize("change", [lambda x: x + 0.5, lambda x: x.where(x.index > 4, x.index.to_series() + 11)])
def test_ordinal_coefficients_need_few_whole_numbers(change, real):
    data, dimensions = real["mobi"], {"CUSA": CUSA}
    changed = data.assign(CUSA1=change(data["CUSA1"]))
    table = values(qa.reliability(changed, dimensions), "CUSA").loc[["alpha_ordinal", "omega_ordinal"]]
    assert table["estimate"].isna().all()
    assert set(table["note"]) == {"not_ordinal"}
    with pytest.raises(ResponseError, match="CUSA1 cannot be taken as ordinal"):
        qa.reliability(changed, dimensions, ordinal=True)
    with pytest.raises(ResponseError, match="counted from respondents"):
        qa.reliability((data[CUSA].cov(), len(data)), dimensions, ordinal=True)
    assert "alpha_ordinal" not in set(qa.reliability(data, dimensions, ordinal=False).tidy()["term"])
