"""Omega: reliability from factor models, fitted to stacks of covariance matrices at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_lib.trust.coefficients import to_correlation

MAX_ITERATIONS = 500
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class OneFactor:
    """Loadings and uniquenesses (…, p) of one-factor models; ``converged`` (…)."""

    loadings: np.ndarray
    uniqueness: np.ndarray
    converged: np.ndarray

    @property
    def admissible(self) -> np.ndarray:
        return self.converged & (self.uniqueness > 0).all(-1)


def one_factor_ml(cov: np.ndarray) -> OneFactor:
    """Maximum likelihood fit of one factor to each matrix of a stack (…, p, p), uniquenesses unbounded as in lavaan.

    Fisher scoring on the discrepancy log|Σ| + tr(SΣ⁻¹) (Jöreskog 1969, eq. 4), worked on the correlation scale,
    with steps halved where they do not lower it.
    """
    shape, p = cov.shape[:-2], cov.shape[-1]
    flat = cov.reshape(-1, p, p)
    sd = np.sqrt(np.diagonal(flat, axis1=-2, axis2=-1))
    corr = to_correlation(flat)
    theta = _start(corr)
    value = _discrepancy(theta, corr)
    done = np.zeros(len(corr), dtype=bool)
    for _ in range(MAX_ITERATIONS):
        active = np.flatnonzero(~done & np.isfinite(value))
        if not active.size:
            break
        theta[active], value[active], done[active] = _advance(theta[active], value[active], corr[active])
    loadings, uniqueness = theta[:, :p], theta[:, p:]
    loadings = loadings * np.where(loadings.sum(-1, keepdims=True) < 0, -1, 1)
    return OneFactor((loadings * sd).reshape(*shape, p), (uniqueness * sd**2).reshape(*shape, p), done.reshape(shape))


def _start(corr: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(corr)
    p = corr.shape[-1]
    first = vectors[..., -1] * np.sqrt(np.maximum((values[..., -1:] - 1) * p / (p - 1), 0.1))
    loadings = np.clip(first, -0.9, 0.9)
    return np.concatenate([loadings, 1 - loadings**2], axis=-1)


def _discrepancy(theta: np.ndarray, corr: np.ndarray) -> np.ndarray:
    """log|Σ| + tr(SΣ⁻¹) of each model; infinite where Σ is not positive definite."""
    p = corr.shape[-1]
    implied = _implied(theta, p)
    lowest = np.linalg.eigvalsh(implied)[:, 0]
    value = np.full(len(theta), np.inf)
    proper = lowest > 1e-10
    value[proper] = np.linalg.slogdet(implied[proper])[1] + np.trace(
        np.linalg.solve(implied[proper], corr[proper]), axis1=-2, axis2=-1
    )
    return value


def _implied(theta: np.ndarray, p: int) -> np.ndarray:
    loadings, uniqueness = theta[:, :p], theta[:, p:]
    return loadings[:, :, None] * loadings[:, None, :] + uniqueness[:, :, None] * np.eye(p)


def _advance(theta: np.ndarray, value: np.ndarray, corr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step of Fisher scoring for each model: new parameters, discrepancy, and whether the gradient vanished."""
    p = corr.shape[-1]
    gradient, information = _score(theta, corr)
    step = -np.linalg.solve(information + 1e-12 * np.eye(2 * p), gradient[..., None])[..., 0]
    done = np.abs(gradient).max(-1) < TOLERANCE
    scale = np.where(done, 0.0, 1.0)
    for _ in range(30):
        trial = theta + scale[:, None] * step
        found = _discrepancy(trial, corr)
        worse = ~(found <= value + 1e-13)
        if not worse.any():
            break
        scale = np.where(worse, scale / 2, scale)
    else:
        trial, found = np.where(worse[:, None], theta, trial), np.where(worse, np.nan, found)
    return trial, found, done


def _score(theta: np.ndarray, corr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = corr.shape[-1]
    loadings = theta[:, :p]
    implied = _implied(theta, p)
    inverse = np.linalg.inv(implied)
    weighted = inverse @ (implied - corr) @ inverse
    gradient = np.concatenate(
        [2 * np.einsum("bij,bj->bi", weighted, loadings), np.diagonal(weighted, axis1=-2, axis2=-1)], axis=-1
    )
    b = np.einsum("bij,bj->bi", inverse, loadings)
    c = np.einsum("bi,bi->b", b, loadings)
    information = np.empty((len(theta), 2 * p, 2 * p))
    information[:, :p, :p] = 2 * (inverse * c[:, None, None] + b[:, :, None] * b[:, None, :])
    information[:, :p, p:] = 2 * inverse * b[:, None, :]
    information[:, p:, :p] = np.swapaxes(information[:, :p, p:], 1, 2)
    information[:, p:, p:] = inverse**2
    return gradient, information


def omega_total(cov: np.ndarray, model: OneFactor | None = None) -> np.ndarray:
    """(Σλ)² over the observed variance of the total (McDonald 1999, eq. 6.20b), from the one-factor ML model.

    NaN where the model did not converge, and for two items, whose model is not identified.
    """
    if cov.shape[-1] < 3:
        return np.full(cov.shape[:-2], np.nan)
    model = model or one_factor_ml(cov)
    omega = model.loadings.sum(-1) ** 2 / cov.sum((-2, -1))
    return np.where(model.converged, omega, np.nan)
