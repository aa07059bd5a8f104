"""Two-step maximum likelihood of a latent correlation, and how each respondent moves it.

Thresholds come from the margins, then each correlation from its pair alone (Olsson 1979, doi:10.1007/BF02296207;
Olsson, Drasgow and Dorans 1982, doi:10.1007/BF02294164). The influence of a respondent on the estimate, in the sense of
Muthén (1984, doi:10.1007/BF02294210), is (score of rho - what the first step's estimates owe to the respondent) ÷
information; the products of influences are the asymptotic covariance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from qa_lib.errors import ResponseError
from qa_lib.sufficient.bivariate import (
    cell_derivatives,
    cell_probabilities,
    normal_density,
    threshold_derivatives,
)

BOUND = 0.9999
TOLERANCE = 1e-10
MAX_ITERATIONS = 60
SMALLEST = np.finfo(float).eps


def solve_score(derivatives: Callable, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots of the scores of rho, all pairs at once: Newton's step, or bisection where it leaves the bracket.

    ``derivatives(rho, which)`` gives score and its slope (negative at a maximum) of the pairs ``which``. Returns rho
    and whether each converged.
    """
    rho = np.clip(start, -0.9, 0.9)
    low, high = np.full(rho.shape, -BOUND), np.full(rho.shape, BOUND)
    active = np.arange(len(rho))
    for _ in range(MAX_ITERATIONS):
        at = rho[active]
        score, slope = derivatives(at, active)
        low[active] = np.where(score > 0, at, low[active])
        high[active] = np.where(score < 0, at, high[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            new = at - score / slope
        inside = (new > low[active]) & (new < high[active]) | (np.abs(new - at) < TOLERANCE)
        inside &= slope < 0
        new = np.where(inside, new, (low[active] + high[active]) / 2)
        rho[active] = new
        active = active[np.abs(new - at) > TOLERANCE]
        if not active.size:
            break
    converged = np.ones(len(rho), dtype=bool)
    converged[active] = False
    return rho, converged & (np.abs(rho) < BOUND - 1e-6)


def polychoric_rho(
    tables: np.ndarray, first: np.ndarray, second: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations (pairs,) from count tables (pairs, K, L) and thresholds; and whether each converged."""

    def derivatives(rho: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, k, counts = first[which], second[which], tables[which]
        p = np.maximum(cell_probabilities(h, k, rho), SMALLEST)
        slope, curvature = (d / p for d in cell_derivatives(h, k, rho))
        return np.sum(counts * slope, axis=(1, 2)), np.sum(counts * (curvature - slope**2), axis=(1, 2))

    return solve_score(derivatives, start)


def threshold_influence(thresholds: np.ndarray) -> np.ndarray:
    """How one more answer of each category moves the thresholds (times n): K × (K - 1).

    From τ = Φ⁻¹(cumulative share): influence of category a on τ_k is (1[a ≤ k] - Φ(τ_k)) / φ(τ_k).
    """
    below = np.arange(len(thresholds) + 1)[:, None] <= np.arange(len(thresholds))[None, :]
    return (below - ndtr(thresholds)) / normal_density(thresholds)


def polychoric_influence(
    tables: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    rho: np.ndarray,
    moves: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """How one more respondent in each cell moves rho (times n): pairs × K × L.

    ``moves``: the threshold influences of the first and second items, (pairs, K, K - 1) and (pairs, L, L - 1).
    """
    n = tables.sum(axis=(1, 2), keepdims=True)
    p = np.maximum(cell_probabilities(first, second, rho), SMALLEST)
    score = cell_derivatives(first, second, rho)[0] / p
    score[tables == 0] = 0
    share = tables / n
    information = np.sum(share * score**2, axis=(1, 2), keepdims=True)
    weighted = share * score / p
    by_first = np.sum(threshold_derivatives(first, second, rho) * -np.diff(weighted, axis=1), axis=2)
    turned = weighted.transpose(0, 2, 1)
    by_second = np.sum(threshold_derivatives(second, first, rho) * -np.diff(turned, axis=1), axis=2)
    owed = np.einsum("pak,pk->pa", moves[0], by_first)[:, :, None]
    owed = owed + np.einsum("pbk,pk->pb", moves[1], by_second)[:, None, :]
    return (score - owed) / information


def _cuts(z: np.ndarray, codes: np.ndarray, thresholds: np.ndarray, rho: float) -> tuple[np.ndarray, ...]:
    """Upper and lower threshold of each answer given z, standardised: u, φ(u), du/dρ (2 × n); and P(answer | z)."""
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    tau = np.stack([edges[codes + 1], edges[codes]])
    finite = np.isfinite(tau)
    rest = np.sqrt(1 - rho * rho)
    u = (tau - rho * z) / rest
    density = np.where(finite, normal_density(np.where(finite, u, 0)), 0.0)
    turn = np.where(finite, (np.where(finite, tau, 0) * rho - z) / rest**3, 0.0)
    return u, density, turn, np.maximum(ndtr(u[0]) - ndtr(u[1]), SMALLEST)


def polyserial_rho(z: np.ndarray, codes: np.ndarray, thresholds: np.ndarray, weights: np.ndarray) -> tuple[float, bool]:
    """Correlation of a standardised continuous variable z (n,) with the variable behind ordinal codes (n,)."""

    def derivatives(rho: np.ndarray, _which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, density, turn, p = _cuts(z, codes, thresholds, rho[0])
        score = (density[0] * turn[0] - density[1] * turn[1]) / p
        return np.array([weights @ score]), np.array([-(weights @ score**2)])

    rho, converged = solve_score(derivatives, np.atleast_1d(np.corrcoef(z, codes)[0, 1]))
    return float(rho[0]), bool(converged[0])


def polyserial_influence(
    z: np.ndarray,
    sd: float,
    codes: np.ndarray,
    thresholds: np.ndarray,
    rho: float,
    moves: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
) -> np.ndarray:
    """How one more such respondent moves rho (times n): (n,).

    ``moves``: influences on mean and variance of the continuous variable (n, 2) and on the thresholds (n, K - 1).
    """
    _, density, turn, p = _cuts(z, codes, thresholds, rho)
    rest = np.sqrt(1 - rho * rho)
    share = weights / weights.sum()
    score = (density[0] * turn[0] - density[1] * turn[1]) / p
    by_z = (density[1] - density[0]) / p * rho / rest - z
    by_moments = np.stack([-by_z / sd, -(1 + z * by_z) / (2 * sd**2)], axis=1)
    upper = codes[:, None] == np.arange(len(thresholds))
    lower = codes[:, None] == np.arange(1, len(thresholds) + 1)
    by_thresholds = (upper * density[0][:, None] - lower * density[1][:, None]) / (p[:, None] * rest)
    owed = moves[0] @ (by_moments.T @ (share * score)) + moves[1] @ (by_thresholds.T @ (share * score))
    return (score - owed) / (share @ score**2)


def pearson_influence(
    z: tuple[np.ndarray, np.ndarray],
    sd: tuple[float, float],
    rho: float,
    moves: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
) -> np.ndarray:
    """As :func:`polyserial_influence` for two continuous variables; ``moves`` on mean and variance of each (n, 2)."""
    rest = 1 - rho * rho
    if not rest > 0:
        return np.full(len(weights), np.nan)
    share = weights / weights.sum()
    score = rho / rest + (z[0] * z[1] * (1 + rho * rho) - rho * (z[0] ** 2 + z[1] ** 2)) / rest**2
    owed = np.zeros(len(score))
    for a, b, spread, move in ((z[0], z[1], sd[0], moves[0]), (z[1], z[0], sd[1], moves[1])):
        by_a = -(a - rho * b) / rest
        by_moments = np.stack([-by_a / spread, -(1 + a * by_a) / (2 * spread**2)], axis=1)
        owed += move @ (by_moments.T @ (share * score))
    return (score - owed) / (share @ score**2)


def mean_variance_influence(z: np.ndarray, sd: float, weights: np.ndarray) -> np.ndarray:
    """How one more respondent moves mean and variance (times n), information from products of scores: (n, 2)."""
    scores = np.stack([z / sd, (z**2 - 1) / (2 * sd**2)], axis=1)
    information = (scores * (weights / weights.sum())[:, None]).T @ scores
    if not np.linalg.cond(information) < 1e12:
        raise ResponseError("a continuous item takes two values only: name it among the ordinal ones.")
    return np.linalg.solve(information, scores.T).T
