"""Latent correlations and their asymptotic covariance against lavaan."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from scipy.stats import multivariate_normal

from qa_lib.errors import EmptyCategoryWarning, InadmissibleWarning, ResponseError
from qa_lib.sufficient.bivariate import bivariate_cdf, cell_derivatives, cell_probabilities, threshold_derivatives
from qa_lib.sufficient.moments import moments
from qa_lib.sufficient.ordinal import ordinal_moments, polychoric, polyserial
from qa_lib.sufficient.rectangle import Rectangles
from qa_lib.sufficient.twostep import solve_score

TEN = [f"{scale}{k}" for scale in "AN" for k in range(1, 6)]


@pytest.fixture(scope="module")
def bfi(shared_data):
    return pd.read_csv(shared_data("psych_bfi/bfi.csv")).iloc[:, :25]


@pytest.fixture(scope="module")
def lavaan(reference):
    return reference("ordinal")


@pytest.mark.parametrize("rho", [-0.999, -0.95, -0.6, 0, 0.3, 0.92, 0.93, 0.99])
def test_bivariate_cdf(rho):
    grid = np.array([-2.3, -0.4, 0.0, 0.05, 1.7])
    h, k = np.meshgrid(grid, grid)
    expected = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(np.stack([h, k], axis=-1))
    np.testing.assert_allclose(bivariate_cdf(h, k, np.array(rho)), expected, atol=2e-8)


def test_derivatives_of_cells_against_finite_differences():
    first, second, rho = np.array([[-1.0, 0.2, 0.9]]), np.array([[-0.5, 0.8, 1.1]]), np.array([0.4])
    step = 1e-5
    by_rho, curvature = cell_derivatives(first, second, rho)
    up, at, down = (cell_probabilities(first, second, rho + s) for s in (step, 0, -step))
    np.testing.assert_allclose(by_rho, (up - down) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(curvature, (up - 2 * at + down) / step**2, atol=1e-4)
    move = np.array([[0, step, 0]])
    change = cell_probabilities(first + move, second, rho) - cell_probabilities(first - move, second, rho)
    np.testing.assert_allclose(threshold_derivatives(first, second, rho)[:, 1], change[:, 1] / (2 * step), atol=1e-9)


def test_polychoric_of_complete_bfi(bfi, lavaan):
    found = polychoric(bfi, missing="listwise")
    assert found.n == lavaan["complete"]["n"]
    assert_close_to_reference(found.correlation, lavaan["complete"]["cor"], 1e-5, "polychoric")
    assert_close_to_reference(found.thresholds, lavaan["complete"]["th"], 1e-8, "thresholds")


def test_polychoric_of_bfi_with_missing_answers(bfi, lavaan):
    found = polychoric(bfi)
    assert_close_to_reference(found.correlation, lavaan["pairwise"]["cor"], 1e-5, "pairwise polychoric")


def test_asymptotic_covariance_of_ten_items(bfi, lavaan):
    expected = lavaan["ten"]
    found = ordinal_moments(bfi.dropna()[TEN])
    assert list(found.acov.index) == expected["names"]
    assert_close_to_reference(found.acov, expected["gamma"], 1e-4, "gamma")
    tables_only = polychoric(bfi.dropna()[TEN])
    np.testing.assert_allclose(tables_only.std_errors, found.std_errors, rtol=1e-6)


def test_asymptotic_variances_of_all_items(bfi, lavaan):
    found = ordinal_moments(bfi)
    assert list(found.acov.index) == lavaan["all"]["names"]
    assert_close_to_reference(np.diag(found.acov), lavaan["all"]["gamma_diagonal"], 1e-4, "diagonal of gamma")


def test_mixed_items(lavaan):
    expected = lavaan["mixed"]
    found = ordinal_moments(pd.DataFrame(expected["data"]), ordered=["x2", "x4", "x5"])
    assert_close_to_reference(found.cov, expected["cov"], 1e-5, "mixed covariances")
    assert_close_to_reference(found.thresholds, expected["th"], 1e-8, "thresholds")
    assert list(found.acov.index) == expected["names"]
    assert_close_to_reference(found.acov, expected["gamma"], 1e-4, "mixed gamma")


def test_weighted_items(bfi, lavaan):
    expected = lavaan["weighted"]
    found = ordinal_moments(bfi.dropna()[[f"N{k}" for k in range(1, 6)]], weights=expected["weights"])
    assert_close_to_reference(found.thresholds, expected["th"], 1e-8, "weighted thresholds")
    assert_close_to_reference(found.correlation, expected["cov"], 1e-5, "weighted polychoric")
    assert_close_to_reference(found.acov, expected["gamma"], 1e-4, "weighted gamma")


def test_polyserial_is_the_mixed_matrix(lavaan):
    data = pd.DataFrame(lavaan["mixed"]["data"])
    found = polyserial(data[["x1", "x3"]], data[["x2", "x4"]])
    mixed = ordinal_moments(data, ordered=["x2", "x4", "x5"])
    pd.testing.assert_frame_equal(found.correlation, mixed.correlation.loc[found.items, found.items])


def test_moments_give_what_data_give(bfi):
    pd.testing.assert_frame_equal(polychoric(moments(bfi)).correlation, polychoric(bfi).correlation)


def test_an_empty_cell_of_two_by_two_is_said(lavaan):
    table = pd.DataFrame({"a": np.repeat([0, 0, 1, 1], [20, 0, 11, 9]), "b": np.repeat([0, 1, 0, 1], [20, 0, 11, 9])})
    with pytest.warns(EmptyCategoryWarning, match="2 × 2"):
        found = polychoric(table)
    assert_close_to_reference(found.correlation.loc["a", "b"], lavaan["empty_cell"]["cor"], 1e-5, "empty cell")


def test_an_unused_category_is_said_and_changes_nothing():
    rng = np.random.default_rng(4)
    x = np.digitize(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 400), [-0.5, 0.6])
    plain = pd.DataFrame(x, columns=["a", "b"])
    gapped = plain.replace({2: 4})
    with pytest.warns(EmptyCategoryWarning, match="nobody chose"):
        found = polychoric(gapped)
    np.testing.assert_allclose(found.correlation, polychoric(plain).correlation, atol=1e-9)
    with pytest.warns(EmptyCategoryWarning, match=r"\[2, 3\]"):
        ordinal_moments(gapped)


def test_a_repeated_item_is_at_the_bound():
    x = np.tile([1, 2, 3, 4], 50)
    with pytest.warns(InadmissibleWarning, match="bound"):
        found = polychoric(pd.DataFrame({"a": x, "b": x}))
    assert not found.converged
    assert found.correlation.loc["a", "b"] > 0.99


def test_items_without_thresholds_are_refused():
    good = np.tile([1, 2], 20)
    with pytest.raises(ResponseError, match="constant"):
        polychoric(pd.DataFrame({"a": np.ones(40, dtype=int), "b": good}))
    with pytest.raises(ResponseError, match="not ordinal"):
        polychoric(pd.DataFrame({"a": np.linspace(0, 1, 40), "b": good}))


def test_recovery_of_known_correlations():
    rho = np.array([[1, 0.7, -0.3], [0.7, 1, 0.1], [-0.3, 0.1, 1]])
    latent = np.random.default_rng(8).multivariate_normal(np.zeros(3), rho, 20_000)
    frame = pd.DataFrame(
        {"a": np.digitize(latent[:, 0], [-1, 0, 1]), "b": np.digitize(latent[:, 1], [0.5]), "c": latent[:, 2]}
    )
    found = ordinal_moments(frame, ordered=["a", "b"])
    rows = np.triu_indices(3, 1)
    z = (found.correlation.to_numpy() - rho)[rows] / found.std_errors.to_numpy()[rows]
    assert np.abs(z).max() < 3.5
    assert found.tidy().conf_low.le(found.tidy().estimate).all()


def test_rectangles_followed_from_one_correlation_to_the_next_are_those_of_each():
    rng = np.random.default_rng(1)
    lower, upper = np.sort(rng.normal(scale=1.6, size=(2, 2, 500)), axis=0)
    lower, upper = np.where(rng.random((2, 2, 500)) < 0.2, [[[-30]], [[30]]], [lower, upper])
    followed = Rectangles(upper[0], lower[0], upper[1], lower[1])
    for rho in (0.4, 0.43, 0.4301, 0.4301 + 1e-8, 0.8, 0.9249, 0.93, 0.9, -0.3, -0.92, -0.99, -0.91, 0.0):
        corners = [(upper, upper, 1), (lower, upper, -1), (upper, lower, -1), (lower, lower, 1)]
        wanted = sum(sign * bivariate_cdf(h[0], k[1], np.array(rho)) for h, k, sign in corners)
        np.testing.assert_allclose(followed.at(rho)[0], np.maximum(wanted, 0), atol=1e-15, err_msg=str(rho))
        if abs(rho) < 0.9:
            ahead, behind = (Rectangles(upper[0], lower[0], upper[1], lower[1]).at(rho + h) for h in (1e-6, -1e-6))
            for k in (0, 1):
                np.testing.assert_allclose(followed.at(rho)[k + 1], (ahead[k] - behind[k]) / 2e-6, atol=1e-8)


def test_a_root_met_exactly_is_where_the_search_ends():
    calls = []

    def score(rho, _which):
        calls.append(rho[0])
        return 0.25 - rho, np.array([-1.0])

    rho, converged = solve_score(score, np.array([0.5]))
    assert (rho, converged, len(calls)) == (0.25, True, 2)
