"""Quality of the measurement and structural model of PLS, from correlation matrices; every function takes a batch."""

from __future__ import annotations

import numpy as np

from qa_lib.effects.composites.pls_algorithm import Estimates, inverse
from qa_lib.effects.composites.pls_model import PlsModel


def alpha(correlation: np.ndarray, model: PlsModel) -> np.ndarray:
    """Standardised alpha of each mode A construct, (B, k); 1 for single items, NaN for mode B.

    Cronbach (1951, doi:10.1007/BF02310555): m r̄ ÷ (1 + (m − 1) r̄).
    """
    member = model.membership.astype(float)
    size = member.sum(axis=0)
    total = ((correlation @ member) * member).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = size / (size - 1) * (1 - size / total)
    return _reflective(values, model)


def composite_reliability(loadings: np.ndarray, model: PlsModel) -> np.ndarray:
    """ρ_C of each mode A construct, (B, k): (Σλ)² ÷ ((Σλ)² + Σ(1 − λ²)) (Werts, Linn and Jöreskog 1974,
    doi:10.1177/001316447403400104)."""
    own = loadings * model.membership
    common = own.sum(axis=1) ** 2
    unique = model.membership.sum(axis=0) - (own**2).sum(axis=1)
    return _reflective(common / (common + unique), model)


def average_variance_extracted(loadings: np.ndarray, model: PlsModel) -> np.ndarray:
    """AVE of each mode A construct, (B, k): the mean of λ² (Fornell and Larcker 1981,
    doi:10.1177/002224378101800104)."""
    return _reflective(((loadings * model.membership) ** 2).sum(axis=1) / model.membership.sum(axis=0), model)


def htmt(correlation: np.ndarray, model: PlsModel) -> np.ndarray:
    """Heterotrait–monotrait ratio of mode A constructs, (B, k, k); NaN where one of the two is mode B.

    Henseler, Ringle and Sarstedt (2015, doi:10.1007/s11747-014-0403-8) on absolute correlations; a single item
    has a monotrait correlation of 1.
    """
    member = model.membership.astype(float)
    size = member.sum(axis=0)
    sums = member.T @ np.abs(correlation) @ member
    within = np.diagonal(sums, axis1=1, axis2=2)
    pairs = size * (size - 1)
    monotrait = np.where(pairs > 0, (within - size) / np.maximum(pairs, 1), 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = sums / np.outer(size, size) / np.sqrt(monotrait[:, :, None] * monotrait[:, None, :])
    diagonal = np.arange(len(size))
    ratio[:, diagonal, diagonal] = 1.0
    ratio[:, model.mode_b, :] = np.nan
    ratio[:, :, model.mode_b] = np.nan
    return ratio


def f_squared(estimates: Estimates, model: PlsModel) -> np.ndarray:
    """Effect size of every path, (B, k, k): (R² − R² without it) ÷ (1 − R²) (Cohen 1988, p. 410).

    A predictor's R² contribution is b² ÷ (C⁻¹)_jj, C the correlations of the predictors. NaN where nothing is left
    to explain.
    """
    gain = estimates.paths**2 / inflation(estimates.correlations, model.adjacency)
    unexplained = 1 - estimates.r_squared[:, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(unexplained > 1e-12, gain / unexplained, np.nan)


def inflation(correlations: np.ndarray, together: np.ndarray) -> np.ndarray:
    """Variance inflation factors, the diagonal of the inverse of a correlation matrix, (B, variables, sets).

    Parameters
    ----------
    correlations : (B, variables, variables)
    together : variables × sets, booleans: which variables predict together. NaN for the others, and where singular
    """
    factors = np.full((len(correlations), *together.shape), np.nan)
    for k in np.flatnonzero(together.any(axis=0)):
        where = np.flatnonzero(together[:, k])
        factors[:, where, k] = np.diagonal(inverse(correlations[:, where[:, None], where]), axis1=1, axis2=2)
    return factors


def adjusted_r_squared(r_squared: np.ndarray, model: PlsModel, n: float) -> np.ndarray:
    """1 − (1 − R²)(n − 1) ÷ (n − predecessors − 1), (B, k)."""
    return 1 - (1 - r_squared) * (n - 1) / (n - model.adjacency.sum(axis=0) - 1)


def _reflective(values: np.ndarray, model: PlsModel) -> np.ndarray:
    single = model.membership.sum(axis=0) == 1
    return np.where(single, 1.0, np.where(model.mode_b, np.nan, values))
