"""Dominance analysis as arithmetic on arrays: every subset's R², and what each predictor adds to it.

Subsets of p predictors are numbered 0 … 2^p − 1; bit k of the number says whether predictor k belongs to the subset.
All three kinds of dominance are then linear or ordinal functions of the vector of 2^p R².
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

import numpy as np

MAX_PREDICTORS = 15
SUBSETS_AT_ONCE = 2**20
_SINGULAR = 1e-12


def subset_r_squared(cov: np.ndarray) -> np.ndarray:
    """R² of the outcome on every subset of the predictors, from covariance matrices alone.

    One pass of Gaussian elimination serves all subsets: predictor by predictor, the residual covariance of what is
    left is kept twice, without and with that predictor swept out, so that the work is O(2^p) per matrix rather than a
    regression per subset.

    Parameters
    ----------
    cov : (p + 1, p + 1) or (B, p + 1, p + 1); the outcome is the last variable

    Returns
    -------
    (2^p,) or (B, 2^p). A predictor without variance left, given those before it, adds nothing.

    >>> cov = np.array([[1, .5, .6], [.5, 1, .4], [.6, .4, 1]])
    >>> subset_r_squared(cov).round(4)
    array([0.    , 0.36  , 0.16  , 0.3733])
    """
    batch = np.atleast_3d(np.asarray(cov, dtype=float).T).reshape(*np.shape(cov)[-2:], -1)
    scale = np.sqrt(np.einsum("iib->ib", batch))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(batch / (scale[:, None] * scale[None, :]))
    residual = correlation[:, :, None, :]
    while len(residual) > 1:
        pivot, column, rest = residual[0, 0], residual[1:, 0], residual[1:, 1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.where(pivot > _SINGULAR, column / pivot, 0.0)
        residual = np.concatenate([rest, rest - column[:, None] * slope[None, :]], axis=2)
    r_squared = np.where(scale[-1] > 0, 1 - residual[0, 0], np.nan).T
    return r_squared if np.ndim(cov) == 3 else r_squared[0]


@lru_cache(maxsize=32)
def membership(p: int) -> np.ndarray:
    """(2^p, p) booleans: does the subset hold the predictor."""
    return (np.arange(2**p)[:, None] >> np.arange(p) & 1).astype(bool)


@lru_cache(maxsize=32)
def general_weights(p: int) -> np.ndarray:
    """(2^p, p): ``subset_r_squared @ general_weights`` is general dominance.

    The mean over subset sizes of the mean increment in R² within a size: Budescu (1993,
    doi:10.1037/0033-2909.114.3.542);
    the same as LMG (Lindeman, Merenda and Gold 1980, p. 119) and the Shapley value of R². Sums to the full R².

    >>> r_squared = np.array([0, .36, .16, .3733])
    >>> (r_squared @ general_weights(2)).round(4)
    array([0.2866, 0.0866])
    """
    return _conditional(p).sum(axis=2) / p


def conditional_dominance(r_squared: np.ndarray, p: int) -> np.ndarray:
    """Mean increment of each predictor within subsets of 0 … p − 1 others (Azen and Budescu 2003,
    doi:10.1037/1082-989X.8.2.129, eq. 3); (p, p): predictors × size."""
    return np.einsum("s,spk->pk", r_squared, _conditional(p))


def _conditional(p: int) -> np.ndarray:
    inside = membership(p)
    size = inside.sum(axis=1, keepdims=True)
    level = size - inside
    share = np.array([1 / comb(p - 1, k) for k in range(p)])[np.minimum(level, p - 1)]
    weights = np.zeros((2**p, p, p))
    np.put_along_axis(weights, np.minimum(level, p - 1)[..., None], np.where(inside, share, -share)[..., None], axis=2)
    return weights


def complete_dominance(r_squared: np.ndarray, p: int) -> np.ndarray:
    """Does predictor i add at least as much as j to every subset of the others (Azen and Budescu 2003, eq. 1).

    Parameters
    ----------
    r_squared : (B, 2^p)

    Returns
    -------
    (B, p, p): 1 where the row's predictor dominates the column's, 0 where it is dominated, ½ where neither.
    """
    inside = membership(p)
    numbers = np.arange(2**p)
    result = np.full((len(r_squared), p, p), 0.5)
    for i in range(p):
        for j in range(i):
            others = numbers[~inside[:, i] & ~inside[:, j]]
            lead = r_squared[:, others + 2**i] - r_squared[:, others + 2**j]
            result[:, i, j] = (np.where(lead.min(axis=1) >= 0, 1, 0) + np.where(lead.max(axis=1) <= 0, 0, 1)) / 2
            result[:, j, i] = 1 - result[:, i, j]
    return result


def relative_weights(cov: np.ndarray) -> np.ndarray:
    """Johnson's relative weights (2000, doi:10.1207/S15327906MBR3501_1, eqs. 2–8); they sum to R².

    Parameters
    ----------
    cov : (B, p + 1, p + 1); the outcome is the last variable

    Returns
    -------
    (B, p)
    """
    correlation = to_correlation(cov)
    values, vectors = np.linalg.eigh(correlation[:, :-1, :-1])
    root = np.sqrt(np.clip(values, 0, None))
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > np.sqrt(_SINGULAR))
    swapped = vectors.swapaxes(1, 2)
    square_root = (vectors * root[:, None, :]) @ swapped
    slopes = ((vectors * inverse[:, None, :]) @ swapped) @ correlation[:, :-1, -1:]
    return (square_root**2 @ slopes**2)[..., 0]


def importance_shares(covs: np.ndarray, method: str = "general_dominance") -> np.ndarray:
    """(B, p) parts of R² that sum to one, by general dominance or relative weights; zero-order correlations as they
    are. NaN where R² is 0, as in a resample whose outcome is constant.

    Parameters
    ----------
    covs : (B, p + 1, p + 1); the outcome is the last variable
    """
    correlation = to_correlation(covs)
    if method == "zero_order_r":
        return correlation[:, :-1, -1]
    if method == "relative_weight":
        parts = relative_weights(correlation)
    else:
        p = covs.shape[1] - 1
        size = max(1, SUBSETS_AT_ONCE // 2**p)
        blocks = [correlation[start : start + size] for start in range(0, len(covs), size)]
        parts = np.concatenate([np.empty((0, p)), *(subset_r_squared(block) @ general_weights(p) for block in blocks)])
    total = parts.sum(axis=1, keepdims=True)
    return np.divide(parts, total, out=np.full_like(parts, np.nan), where=total > 0)


def standardised_betas(cov: np.ndarray) -> np.ndarray:
    """(B, p) standardised coefficients; the least-norm solution where predictors are collinear."""
    correlation = to_correlation(cov)
    return (np.linalg.pinv(correlation[:, :-1, :-1], hermitian=True) @ correlation[:, :-1, -1:])[..., 0]


def to_correlation(cov: np.ndarray) -> np.ndarray:
    """(B, k, k) correlations; a variable without variance, beside that of its other matrices, correlates 0 with all."""
    variance = np.einsum("bii->bi", cov)
    scale = np.sqrt(np.where(variance > _SINGULAR * variance.max(axis=0, initial=0), variance, np.inf))
    correlation = cov / (scale[:, :, None] * scale[:, None, :])
    diagonal = np.arange(cov.shape[1])
    correlation[:, diagonal, diagonal] = 1.0
    return correlation
