"""Extraction of common factors from a correlation matrix: minres, maximum likelihood, principal axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize

Method = Literal["minres", "ml", "principal_axis"]
LOWEST_UNIQUENESS = 0.005


@dataclass(frozen=True, slots=True)
class Extraction:
    """Unrotated loadings (p, k), uniqueness (p,); ``heywood`` marks items whose uniqueness met its lower bound."""

    loadings: np.ndarray
    uniqueness: np.ndarray
    converged: bool

    @property
    def heywood(self) -> np.ndarray:
        return self.uniqueness <= LOWEST_UNIQUENESS + 1e-9


def smc(corr: np.ndarray) -> np.ndarray:
    """Squared multiple correlation of each item with the others, 1 - 1/r^ii (…, p)."""
    return 1 - 1 / np.diagonal(np.linalg.inv(corr), axis1=-2, axis2=-1)


def extract(corr: np.ndarray, k: int, method: Method = "minres", start: np.ndarray | None = None) -> Extraction:
    """k factors of a positive definite correlation matrix (p, p).

    minres: least squares over the off-diagonal (Harman and Jones 1966), solved over the uniquenesses as in Jöreskog
    (1977, eq. 3); ml: Jöreskog (1967, eq. 15); principal_axis: iterated communalities, run to convergence, where it
    meets minres. Uniquenesses stay at or above .005.
    """
    start = np.clip(1 - smc(corr) if start is None else start, 0.01, 0.99)
    if method == "principal_axis":
        return _principal_axis(corr, k, start)
    objective, loadings = (_minres, _minres_loadings) if method == "minres" else (_ml, _ml_loadings)
    bounds = [(LOWEST_UNIQUENESS, 1.0)] * len(corr)
    options = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-6, "maxcor": 20}
    rough = minimize(
        lambda psi: objective(psi, corr, k)[:2], start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    uniqueness, converged = _polish(lambda psi: objective(psi, corr, k), rough.x)
    return Extraction(loadings(uniqueness, corr, k), uniqueness, converged)


def _polish(objective: Callable, psi: np.ndarray) -> tuple[np.ndarray, bool]:
    """Newton steps on the uniquenesses off their bounds, to full precision."""
    for _ in range(50):
        _, gradient, hessian = objective(psi)
        free = ~((psi <= LOWEST_UNIQUENESS) & (gradient > 0) | (psi >= 1) & (gradient < 0))
        if not free.any() or np.abs(gradient[free]).max() < 1e-10:
            return psi, True
        step = np.linalg.lstsq(hessian[np.ix_(free, free)], gradient[free], rcond=1e-12)[0]
        if np.abs(step).max() > 0.5:
            break
        psi = psi.copy()
        psi[free] = np.clip(psi[free] - step, LOWEST_UNIQUENESS, 1.0)
    return psi, bool(np.abs(gradient[free]).max() < 1e-5)


def _minres(psi: np.ndarray, corr: np.ndarray, k: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Half the squared eigenvalues left over by k factors, its gradient and Hessian."""
    values, vectors = np.linalg.eigh(corr - np.diag(psi))
    tail, tail_vectors, head, head_vectors = values[:-k], vectors[:, :-k], values[-k:], vectors[:, -k:]
    projector = tail_vectors @ tail_vectors.T
    hessian = projector**2
    for value, vector in zip(head, head_vectors.T, strict=True):
        hessian += 2 * (tail_vectors * (tail / (tail - value))) @ tail_vectors.T * np.outer(vector, vector)
    return 0.5 * tail @ tail, -(tail_vectors**2) @ tail, hessian


def _minres_loadings(psi: np.ndarray, corr: np.ndarray, k: int) -> np.ndarray:
    values, vectors = np.linalg.eigh(corr - np.diag(psi))
    return (vectors[:, -k:] * np.sqrt(np.maximum(values[-k:], 0)))[:, ::-1]


def _ml(psi: np.ndarray, corr: np.ndarray, k: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Discrepancy left over by k factors, its gradient, and Jöreskog's approximation of its Hessian."""
    root = np.sqrt(psi)
    values, vectors = np.linalg.eigh(corr / np.outer(root, root))
    tail, tail_vectors = np.maximum(values[:-k], 1e-12), vectors[:, :-k]
    gradient = ((tail_vectors**2) @ (1 - tail)) / psi
    return np.sum(tail - np.log(tail) - 1), gradient, (tail_vectors @ tail_vectors.T) ** 2 / np.outer(psi, psi)


def _ml_loadings(psi: np.ndarray, corr: np.ndarray, k: int) -> np.ndarray:
    root = np.sqrt(psi)
    values, vectors = np.linalg.eigh(corr / np.outer(root, root))
    return (root[:, None] * vectors[:, -k:] * np.sqrt(np.maximum(values[-k:] - 1, 0)))[:, ::-1]


def _principal_axis(corr: np.ndarray, k: int, psi: np.ndarray) -> Extraction:
    for _ in range(5000):
        loadings = _minres_loadings(psi, corr, k)
        found = np.clip(1 - (loadings**2).sum(1), LOWEST_UNIQUENESS, 1.0)
        change, psi = np.abs(found - psi).max(), found
        if change < 1e-9:
            return Extraction(_minres_loadings(psi, corr, k), psi, True)
    return Extraction(loadings, psi, False)
