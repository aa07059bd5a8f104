"""Reliability coefficients as plain functions on stacks of covariance or correlation matrices (…, p, p)."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import f as f_distribution

EXACT_SPLITS_UP_TO = 16
SAMPLED_SPLITS = 10_000


class Coefficient(NamedTuple):
    """An estimate with its standard error, or the key of what forbids one (``coefficient_table.NOTES``)."""

    term: str
    estimate: float = np.nan
    std_error: float = np.nan
    note: str = ""


def to_correlation(cov: np.ndarray) -> np.ndarray:
    """Correlations of a stack of covariance matrices (…, p, p)."""
    sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    return cov / (sd[..., :, None] * sd[..., None, :])


def alpha(cov: np.ndarray) -> np.ndarray:
    """Coefficient alpha, p/(p-1) · (1 - tr S / 1'S1) (Cronbach 1951, eq. 2); standardised when given correlations.

    >>> float(alpha(np.array([[1, .5], [.5, 1]])).round(4))
    0.6667
    """
    p = cov.shape[-1]
    return p / (p - 1) * (1 - np.trace(cov, axis1=-2, axis2=-1) / cov.sum((-2, -1)))


def mean_r(corr: np.ndarray) -> np.ndarray:
    """Average correlation between different items."""
    p = corr.shape[-1]
    return (corr.sum((-2, -1)) - p) / (p * (p - 1))


def lambda2(corr: np.ndarray) -> np.ndarray:
    """Guttman's (1945, eq. 27) second lower bound."""
    p = corr.shape[-1]
    total = corr.sum((-2, -1))
    off = total - np.trace(corr, axis1=-2, axis2=-1)
    squares = (corr**2).sum((-2, -1)) - (np.diagonal(corr, axis1=-2, axis2=-1) ** 2).sum(-1)
    return (off + np.sqrt(p / (p - 1) * squares)) / total


def lambda6(corr: np.ndarray) -> np.ndarray:
    """Guttman's (1945, eq. 48) sixth lower bound, from the squared multiple correlations of each item with the rest."""
    errors = 1 / np.diagonal(np.linalg.inv(corr), axis1=-2, axis2=-1)
    return 1 - errors.sum(-1) / corr.sum((-2, -1))


def splits(p: int, seed: int = 0) -> np.ndarray:
    """Halves as rows of ±1 (splits, p), as equal in size as can be: all of them up to 16 items, a sample above."""
    half = p // 2
    if p > EXACT_SPLITS_UP_TO:
        rng = np.random.default_rng(seed)
        order = rng.permuted(np.tile(np.arange(p), (SAMPLED_SPLITS, 1)), axis=1)
        return np.where(order < half, 1.0, -1.0)
    first = (
        [(0, *rest) for rest in combinations(range(1, p), half - 1)] if p == 2 * half else combinations(range(p), half)
    )
    chosen = np.array(list(first))
    signs = np.full((len(chosen), p), -1.0)
    np.put_along_axis(signs, chosen, 1.0, axis=1)
    return signs


def split_halves(corr: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Reliability of every split, 4 cov(A, B) / var(A + B) = 1 - s'Rs / 1'R1 (Guttman 1945, λ4): (…, splits)."""
    p = corr.shape[-1]
    outer = (signs[:, :, None] * signs[:, None, :]).reshape(len(signs), p * p)
    difference = corr.reshape(*corr.shape[:-2], p * p) @ outer.T
    return 1 - difference / corr.sum((-2, -1))[..., None]


def feldt_interval(estimate: float, n: float, p: int, conf_level: float = 0.95) -> tuple[float, float]:
    """Interval of alpha: (1-α)/(1-α̂) follows F(n-1, (n-1)(p-1)) (Feldt, Woodruff and Salih 1987, eq. 7).

    >>> [round(x, 3) for x in feldt_interval(.703, 2800, 5)]
    [0.685, 0.72]
    """
    reach = np.array([0.5 + conf_level / 2, 0.5 - conf_level / 2])
    low, high = 1 - (1 - estimate) * f_distribution.ppf(reach, n - 1, (n - 1) * (p - 1))
    return float(low), float(high)


def log_interval(estimate: float, error: float, z: float) -> tuple[float, float]:
    """Interval of a reliability, symmetric for log(1 - estimate), so that it stays below one (Bonett 2002, eq. 7)."""
    if not estimate < 1:
        return np.nan, np.nan
    reach = z * error / (1 - estimate)
    return 1 - (1 - estimate) * np.exp(reach), 1 - (1 - estimate) * np.exp(-reach)


def fisher_interval(estimate: float, error: float, z: float) -> tuple[float, float]:
    """Interval of a correlation, symmetric on Fisher's z scale."""
    if not abs(estimate) < 1:
        return np.nan, np.nan
    reach = z * error / (1 - estimate**2)
    return float(np.tanh(np.arctanh(estimate) - reach)), float(np.tanh(np.arctanh(estimate) + reach))


def difference_reliability(
    var_x: np.ndarray, var_y: np.ndarray, cov_xy: np.ndarray, rel_x: np.ndarray, rel_y: np.ndarray
) -> np.ndarray:
    """Reliability of Y - X from that of its parts, whose errors are uncorrelated (Johns 1981, eq. 1; Lord 1963); NaN
    where Y - X never varies.

    >>> difference_reliability(1, 1, .5, .8, .8).round(3)
    np.float64(0.6)
    """
    variance = np.asarray(var_x + var_y - 2 * cov_xy)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, (var_x * rel_x + var_y * rel_y - 2 * cov_xy) / variance, np.nan)[()]


def delta_error(gradient: np.ndarray, cov: np.ndarray, n: float) -> float:
    """Standard error of a function of the covariances, √(2 tr(GSGS) / (n-1)), when the items are normal.

    gradient : (p, p) symmetric, so that dg = tr(G dS) (Browne 1984, eq. 2.20, in matrix form).
    """
    product = gradient @ cov
    return float(np.sqrt(2 * max((product * product.T).sum(), 0) / (n - 1)))  # rounding may leave less than nothing


def perturbed(cov: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """The matrix with each distinct element raised and lowered: (2, p(p+1)/2, p, p), for numerical gradients."""
    p = len(cov)
    rows, columns = np.tril_indices(p)
    change = np.zeros((len(rows), p, p))
    size = step * np.sqrt(np.diag(cov)[rows] * np.diag(cov)[columns])
    change[np.arange(len(rows)), rows, columns] = size
    change[np.arange(len(rows)), columns, rows] = size
    return np.stack([cov + change, cov - change])


def numerical_gradient(values: np.ndarray, cov: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Symmetric gradient (p, p) from a function's values (2, p(p+1)/2) on the matrices of ``perturbed``."""
    p = len(cov)
    rows, columns = np.tril_indices(p)
    size = step * np.sqrt(np.diag(cov)[rows] * np.diag(cov)[columns])
    slope = (values[0] - values[1]) / (2 * size) * np.where(rows == columns, 1, 0.5)
    gradient = np.zeros((p, p))
    gradient[rows, columns] = gradient[columns, rows] = slope
    return gradient
