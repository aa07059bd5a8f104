"""Reliability of ordinal items, from polychoric correlations: ordinal alpha, and omega of the sum of the answers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

from qa_lib.errors import InadmissibleWarning, NotConvergedWarning
from qa_lib.sufficient.bivariate import bivariate_cdf, bivariate_density, normal_density
from qa_lib.sufficient.latent import TablePairs
from qa_lib.sufficient.moments import Moments
from qa_lib.sufficient.twostep import threshold_influence
from qa_lib.trust.coefficients import Coefficient, alpha

MOST_LEVELS = 11  # a scale from 0 to 10


@dataclass(frozen=True, slots=True)
class Respondents:
    """Answers x (n, p) to ``items``, NaN where missing, and the weight of each respondent (n,)."""

    items: list[str]
    x: np.ndarray
    weights: np.ndarray

    def of(self, moments: Moments) -> Respondents:
        """Those that the moments of some of the items were computed from."""
        x = self.x[:, [self.items.index(item) for item in moments.items]]
        kept = ~np.isnan(x).any(1) if moments.missing == "listwise" else slice(None)
        return Respondents(moments.items, x[kept], self.weights[kept])


@dataclass(frozen=True, slots=True)
class Slopes:
    """Total variance of ordinal scores, and its derivatives by every latent correlation (p, p; each element of the
    matrix by itself) and threshold (p, K - 1)."""

    total: float
    by_correlation: np.ndarray
    by_threshold: np.ndarray


def score_variance(thresholds: np.ndarray, corr: np.ndarray) -> Slopes:
    """Variance of the sum of the category numbers of items cut from normal variables of correlations ``corr``.

    thresholds : (p, K - 1), padded with ``bivariate.TAIL``. An element of ``corr`` that is one on the diagonal stands
    for an item with itself; elsewhere |ρ| < 1. Green and Yang (2009, doi:10.1007/s11336-008-9098-4), eq. 18 and 21.
    """
    itself = np.diag(np.diag(corr) == 1)
    h, k = thresholds[:, None, :, None], thresholds[None, :, None, :]
    rho = np.where(itself, 0.0, corr)[:, :, None, None]
    below = ndtr(thresholds)
    sums = below.sum(1)
    joint = bivariate_cdf(h, k, rho)
    conditional = ndtr((k - rho * h) / np.sqrt(1 - rho**2)).sum(-1)
    if itself.any():
        joint[itself] = ndtr(np.minimum(thresholds[:, :, None], thresholds[:, None]))
        conditional[itself] = (thresholds[:, None] > thresholds[:, :, None]).sum(-1) + 0.5
    total = joint.sum() - sums.sum() ** 2
    density = np.where(itself, 0.0, bivariate_density(h, k, rho).sum((-2, -1)))
    by_threshold = 2 * normal_density(thresholds) * (conditional.sum(1) - sums.sum())
    return Slopes(float(total), density, by_threshold)


def one_factor_dwls(corr: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Loadings (p,) of one factor of variance one by diagonally weighted least squares, as WLSMV estimates them
    (Muthén, du Toit and Spisic 1997): their derivatives by the correlations (p, pairs), and whether it converged.

    variances : (pairs,) of the correlations, in the order of ``np.triu_indices(p, 1)``.
    """
    first, second = np.triu_indices(len(corr), 1)
    rows, root = np.arange(len(first)), 1 / np.sqrt(variances)

    def residual(loadings: np.ndarray) -> np.ndarray:
        return root * (loadings[first] * loadings[second] - corr[first, second])

    def jacobian(loadings: np.ndarray) -> np.ndarray:
        by = np.zeros((len(first), len(corr)))
        by[rows, first], by[rows, second] = root * loadings[second], root * loadings[first]
        return by

    value, vector = (part[..., -1] for part in np.linalg.eigh(corr))
    start = np.clip(vector * np.sign(vector.sum()) * np.sqrt(value), -0.9, 0.9)
    found = least_squares(residual, start, jacobian, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    slope = jacobian(found.x)
    hessian = slope.T @ slope
    hessian[first, second] = hessian[second, first] = hessian[first, second] + root * residual(found.x)
    return found.x, np.linalg.pinv(hessian) @ slope.T * root, bool(found.success)


def not_ordinal(moments: Moments) -> list[str]:
    """Items that cannot be taken as ordinal: not whole numbers, of too many levels, or not counted."""
    return [
        item
        for i, (item, levels) in enumerate(zip(moments.items, moments.levels, strict=True))
        if levels is None or int((np.diag(moments.tables.array(i, i)) > 0).sum()) > MOST_LEVELS
    ]


def ordinal_coefficients(name: str, moments: Moments, respondents: Respondents | None) -> list[Coefficient]:
    """``alpha_ordinal`` and ``omega_ordinal`` of one dimension, without standard errors when there are no respondents.

    The error is that of the delta method on Muthén's (1984) influences of every respondent on thresholds and
    polychoric correlations, so that it assumes nothing but them; the weights of the least squares count as known.
    """
    p = len(moments.items)
    pairs = TablePairs.of(moments)
    rho, converged = pairs.correlations()
    corr = np.eye(p)
    first, second = np.triu_indices(p, 1)
    corr[first, second] = corr[second, first] = rho
    if problem := _matrix_problem(name, corr, converged):
        return [Coefficient("alpha_ordinal", note=problem), Coefficient("omega_ordinal", note=problem)]
    cells = pairs.influences(rho)
    errors = None if respondents is None else _Errors.of(pairs, cells, respondents, moments.effective_n)
    by_rho = np.full(len(rho), 2 * p**2 / (p - 1) / corr.sum() ** 2)
    alpha_error = np.nan if errors is None else errors.of_gradient(by_rho)
    return [Coefficient("alpha_ordinal", float(alpha(corr)), alpha_error), _omega(name, pairs, corr, cells, errors)]


def _omega(name: str, pairs: TablePairs, corr: np.ndarray, cells: np.ndarray, errors: _Errors | None) -> Coefficient:
    """Omega of Green and Yang (2009, eq. 21): variance of the total that the factor explains, over all of it."""
    if len(corr) < 3:
        return Coefficient("omega_ordinal", note="two_items")
    counts = pairs.tables.sum((1, 2))
    variances = (pairs.tables / counts[:, None, None] * cells**2).sum((1, 2)) / counts
    loadings, by_corr, converged = one_factor_dwls(corr, variances)
    if problem := _model_problem(name, pairs.items, loadings, converged):
        return Coefficient("omega_ordinal", note=problem)
    thresholds = np.vstack([pairs.thresholds[0][:1], pairs.thresholds[1][: len(corr) - 1]])
    true, observed = score_variance(thresholds, np.outer(loadings, loadings)), score_variance(thresholds, corr)
    omega = true.total / observed.total
    if errors is None:
        return Coefficient("omega_ordinal", omega)
    by_observed = observed.by_correlation[np.triu_indices(len(corr), 1)]
    by_rho = 2 * (true.by_correlation @ loadings) @ by_corr - 2 * omega * by_observed
    by_threshold = true.by_threshold - omega * observed.by_threshold
    return Coefficient(
        "omega_ordinal", omega, errors.of_gradient(by_rho / observed.total, by_threshold / observed.total)
    )


def _matrix_problem(name: str, corr: np.ndarray, converged: bool) -> str:
    if not converged:
        message = f"{name}: the polychoric correlations did not converge; alpha_ordinal and omega_ordinal are missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=5)
        return "not_converged"
    if np.linalg.eigvalsh(corr)[0] <= 1e-10:
        message = (
            f"{name}: the polychoric correlations are not positive definite; alpha_ordinal and omega_ordinal are "
            "missing."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=5)
        return "singular"
    return ""


def _model_problem(name: str, items: list[str], loadings: np.ndarray, converged: bool) -> str:
    if not converged:
        message = f"{name}: the ordinal one-factor model did not converge; omega_ordinal is missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=5)
        return "not_converged"
    if np.abs(loadings).max() >= 1:
        beyond = ", ".join(item for item, value in zip(items, np.abs(loadings), strict=True) if value >= 1)
        message = (
            f"{name}: the ordinal one-factor model has a negative variance of {beyond} (Heywood case); omega_ordinal "
            "is missing."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=5)
        return "heywood"
    return ""


@dataclass(frozen=True, slots=True)
class _Errors:
    """Standard errors of functions of thresholds and correlations, from the answers' codes (n, p), whether there is an
    answer (n, p), and the influence of each cell of each pair (pairs, K, K)."""

    codes: np.ndarray
    seen: np.ndarray
    weights: np.ndarray
    margins: tuple[np.ndarray, ...]
    cells: np.ndarray
    n: float

    @classmethod
    def of(cls, pairs: TablePairs, cells: np.ndarray, respondents: Respondents, n: float) -> _Errors:
        seen, codes = ~np.isnan(respondents.x), np.zeros(respondents.x.shape, dtype=np.int8)
        for i, margin in enumerate(pairs.margins.values()):
            codes[seen[:, i], i] = np.searchsorted(margin.used, respondents.x[seen[:, i], i])
        moves = tuple(threshold_influence(margin.thresholds) for margin in pairs.margins.values())
        return cls(codes, seen, respondents.weights, moves, cells, n)

    def of_gradient(self, by_rho: np.ndarray, by_threshold: np.ndarray | None = None) -> float:
        """From the gradient by correlations (pairs,) and thresholds (p, K - 1); respondents who did not answer an item
        tell nothing of it, the others so much more."""
        moved = np.zeros(len(self.codes))
        for i, move in enumerate(self.margins if by_threshold is not None else ()):
            moved += self._spread(self.seen[:, i], (move @ by_threshold[i, : move.shape[1]])[self.codes[:, i]])
        for slope, cells, i, j in zip(by_rho, self.cells, *np.triu_indices(self.codes.shape[1], 1), strict=True):
            both = self.seen[:, i] & self.seen[:, j]
            moved += self._spread(both, slope * cells[self.codes[:, i], self.codes[:, j]])
        return float(np.sqrt(self.weights @ moved**2 / self.weights.sum() / self.n))

    def _spread(self, seen: np.ndarray, influence: np.ndarray) -> np.ndarray:
        return np.where(seen, influence, 0.0) * (self.weights.sum() / (self.weights @ seen))
