"""Reliability of ordinal items, from polychoric correlations: ordinal alpha, and omega of the sum of the answers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

from qa_lib.errors import InadmissibleWarning, NotConvergedWarning
from qa_lib.sufficient.bivariate import (
    bivariate_cdf,
    bivariate_density,
    cell_derivatives,
    cell_probabilities,
    normal_density,
    threshold_derivatives,
)
from qa_lib.sufficient.latent import TablePairs
from qa_lib.sufficient.moments import Moments
from qa_lib.sufficient.twostep import threshold_influence
from qa_lib.trust.consistency.coefficients import Coefficient, alpha

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


@dataclass(frozen=True, slots=True)
class OrdinalFactor:
    """Loadings (p,), their derivatives by the correlations and by the logarithms of these' variances (p, pairs)."""

    loadings: np.ndarray
    by_correlation: np.ndarray
    by_log_variance: np.ndarray
    converged: bool


def one_factor_dwls(corr: np.ndarray, variances: np.ndarray) -> OrdinalFactor:
    """One factor of variance one by diagonally weighted least squares, as WLSMV estimates it (Muthén, du Toit and
    Spisic 1997).

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
    lever = np.linalg.pinv(hessian) @ slope.T
    return OrdinalFactor(found.x, lever * root, lever * residual(found.x), bool(found.success))


def empirical_influence(pairs: TablePairs, rho: np.ndarray) -> np.ndarray:
    """How one more respondent in each cell moves each correlation (times n): (pairs, K, K).

    As ``pairs.influences``, which takes the curvature of the likelihood as expected under normal variables behind the
    answers; here it is that of the tables at hand (White 1982, doi:10.2307/1912526), so that errors hold where they are
    not normal.
    """
    share = pairs.tables / pairs.tables.sum((1, 2), keepdims=True)
    p = np.maximum(cell_probabilities(*pairs.thresholds, rho), np.finfo(float).eps)
    slope, curve = cell_derivatives(*pairs.thresholds, rho)
    score = np.where(share > 0, slope / p, 0.0)
    information = (share * (score**2 - curve / p)).sum((1, 2), keepdims=True)
    moved = score
    for side in (0, 1):
        own, other = pairs.thresholds[side], pairs.thresholds[1 - side]
        weight, mine = ((part if side == 0 else part.transpose(0, 2, 1)) for part in (share / p, score))
        by_rho = threshold_derivatives(own, other, rho)
        crossed = _threshold_curves(own, other, rho)
        by_threshold = (-np.diff(weight, axis=1) * crossed + np.diff(weight * mine, axis=1) * by_rho).sum(2)
        owed = np.einsum("pak,pk->pa", pairs.moves[side], by_threshold)
        moved = moved + (owed[:, :, None] if side == 0 else owed[:, None, :])
    return moved / information


def _threshold_curves(first: np.ndarray, second: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """∂²P(a = k, b)/∂(threshold k of the first item)∂ρ: pairs × (K - 1) × L."""
    h, k, r = first[:, :, None], second[:, None, :], rho[:, None, None]
    slope = -(h - r * k) / (1 - r * r) * bivariate_density(h, k, r)
    return np.diff(np.pad(slope, ((0, 0), (0, 0), (1, 1))), axis=2)


def not_ordinal(moments: Moments) -> list[str]:
    """Items that cannot be taken as ordinal: not whole numbers, of too many levels, or not counted."""
    return [
        item
        for i, (item, levels) in enumerate(zip(moments.items, moments.levels, strict=True))
        if levels is None or int((np.diag(moments.tables.array(i, i)) > 0).sum()) > MOST_LEVELS
    ]


def ordinal_coefficients(name: str, moments: Moments, respondents: Respondents | None) -> list[Coefficient]:
    """``alpha_ordinal`` and ``omega_ordinal`` of one dimension, without standard errors when there are no respondents.

    The error is that of the delta method on the influence of every respondent on thresholds, polychoric correlations
    and the weights of least squares, so that it holds where the variables behind the answers are not normal.
    """
    p = len(moments.items)
    pairs = TablePairs.of(moments)
    rho, converged = pairs.correlations()
    corr = np.eye(p)
    first, second = np.triu_indices(p, 1)
    corr[first, second] = corr[second, first] = rho
    if problem := _matrix_problem(name, corr, converged):
        return [Coefficient("alpha_ordinal", note=problem), Coefficient("omega_ordinal", note=problem)]
    errors = None if respondents is None else _Errors.of(pairs, respondents, moments.effective_n)
    moves = empirical_influence(pairs, rho)
    slope = 2 * p**2 / (p - 1) / corr.sum() ** 2
    alpha_error = np.nan if errors is None else errors.of_influence(slope * moves)
    return [Coefficient("alpha_ordinal", float(alpha(corr)), alpha_error), _omega(name, pairs, corr, moves, errors)]


def _omega(name: str, pairs: TablePairs, corr: np.ndarray, moves: np.ndarray, errors: _Errors | None) -> Coefficient:
    """Omega of Green and Yang (2009, eq. 21): variance of the total that the factor explains, over all of it.

    Least squares may explain more covariance than the items have where one factor does not fit: omega then nears one,
    as semTools' does, while ``omega_total`` of the answers stays (two clusters of items: .995 and .85). Read beside
    the model's fit.
    """
    if len(corr) < 3:
        return Coefficient("omega_ordinal", note="two_items")
    upper = np.triu_indices(len(corr), 1)
    counts = pairs.tables.sum((1, 2), keepdims=True)
    squares = pairs.influences(corr[upper]) ** 2
    spread = (pairs.tables / counts * squares).sum((1, 2), keepdims=True)
    factor = one_factor_dwls(corr, (spread / counts)[:, 0, 0])
    if problem := _model_problem(name, pairs.items, factor):
        return Coefficient("omega_ordinal", note=problem)
    thresholds = np.vstack([pairs.thresholds[0][:1], pairs.thresholds[1][: len(corr) - 1]])
    observed = score_variance(thresholds, corr)
    true = score_variance(thresholds, np.outer(factor.loadings, factor.loadings))
    omega = true.total / observed.total
    if errors is None:
        return Coefficient("omega_ordinal", omega)
    by_loading = 2 * true.by_correlation @ factor.loadings
    by_rho = by_loading @ factor.by_correlation - 2 * omega * observed.by_correlation[upper]
    by_log_variance = by_loading @ factor.by_log_variance
    on_cells = by_rho[:, None, None] * moves + by_log_variance[:, None, None] * (squares / spread - 1)
    by_threshold = true.by_threshold - omega * observed.by_threshold
    return Coefficient(
        "omega_ordinal", omega, errors.of_influence(on_cells / observed.total, by_threshold / observed.total)
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


def _model_problem(name: str, items: list[str], factor: OrdinalFactor) -> str:
    size = np.abs(factor.loadings)
    if not factor.converged:
        message = f"{name}: the ordinal one-factor model did not converge; omega_ordinal is missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=5)
        return "not_converged"
    if size.max() >= 1:
        beyond = ", ".join(item for item, value in zip(items, size, strict=True) if value >= 1)
        message = (
            f"{name}: the ordinal one-factor model has a negative variance of {beyond} (Heywood case); omega_ordinal "
            "is missing."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=5)
        return "heywood"
    return ""


@dataclass(frozen=True, slots=True)
class _Errors:
    """Standard errors from influences: the answers' codes (n, p), whether there is an answer (n, p), the respondents'
    weights (n,) and effective number, and the influences on each item's thresholds."""

    codes: np.ndarray
    seen: np.ndarray
    weights: np.ndarray
    thresholds: tuple[np.ndarray, ...]
    n: float

    @classmethod
    def of(cls, pairs: TablePairs, respondents: Respondents, n: float) -> _Errors:
        seen, codes = ~np.isnan(respondents.x), np.zeros(respondents.x.shape, dtype=np.int8)
        for i, margin in enumerate(pairs.margins.values()):
            codes[seen[:, i], i] = np.searchsorted(margin.used, respondents.x[seen[:, i], i])
        thresholds = tuple(threshold_influence(margin.thresholds) for margin in pairs.margins.values())
        return cls(codes, seen, respondents.weights, thresholds, n)

    def of_influence(self, on_cells: np.ndarray, by_threshold: np.ndarray | None = None) -> float:
        """Of what respondents move by the cell they are in, of each pair of items (pairs, K, K), and through the
        thresholds (p, K - 1). Those who did not answer an item tell nothing of it, the others so much more."""
        moved = np.zeros(len(self.codes))
        for i, move in enumerate(self.thresholds if by_threshold is not None else ()):
            moved += self._spread(self.seen[:, i], (move @ by_threshold[i, : move.shape[1]])[self.codes[:, i]])
        for cells, i, j in zip(on_cells, *np.triu_indices(self.codes.shape[1], 1), strict=True):
            moved += self._spread(self.seen[:, i] & self.seen[:, j], cells[self.codes[:, i], self.codes[:, j]])
        return float(np.sqrt(self.weights @ moved**2 / self.weights.sum() / self.n))

    def _spread(self, seen: np.ndarray, influence: np.ndarray) -> np.ndarray:
        return np.where(seen, influence, 0.0) * (self.weights.sum() / (self.weights @ seen))
