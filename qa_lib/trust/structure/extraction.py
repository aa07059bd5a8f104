"""Extraction of common factors from correlation matrices, whole stacks of them at once: minres, ML, principal axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Method = Literal["minres", "ml", "principal_axis"]
LOWEST_UNIQUENESS = 0.005
MAX_STEPS = 200
MAX_PASSES = 5000
TOLERANCE = 1e-9
ACCEPTED_SLOPE = 1e-6  # where rounding ends the descent
NEAR = 1e-3


@dataclass(frozen=True, slots=True)
class Extraction:
    """Unrotated loadings (…, p, k) by falling eigenvalue, uniqueness (…, p) = 1 - communality, convergence (…).

    ``heywood`` (…, p) marks items of which no unique variance is left: their uniqueness met the lower bound of .005.
    """

    loadings: np.ndarray
    uniqueness: np.ndarray
    converged: np.ndarray

    @property
    def heywood(self) -> np.ndarray:
        return self.uniqueness <= LOWEST_UNIQUENESS + 1e-6


def smc(corr: np.ndarray) -> np.ndarray:
    """Squared multiple correlation of each item with the others, 1 - 1/r^ii (…, p)."""
    return 1 - 1 / np.diagonal(np.linalg.inv(corr), axis1=-2, axis2=-1)


def extract(corr: np.ndarray, k: int, method: Method = "minres", start: np.ndarray | None = None) -> Extraction:
    """k factors of each positive definite correlation matrix (…, p, p), from uniquenesses ``start`` (…, p).

    minres: least squares over the off-diagonal (Harman and Jones 1966), solved over the uniquenesses as in Jöreskog
    (1977, eq. 3); ml: Jöreskog (1967, eq. 15), over their logarithms; both by Newton's method with exact second
    derivatives, with uniquenesses kept at or above .005. principal_axis: iterated communalities, run to convergence,
    where it meets minres. Without ``start``, 1 - SMC is taken.
    """
    shape, p = corr.shape[:-2], corr.shape[-1]
    stack = corr.reshape(-1, p, p)
    start = np.clip(1 - smc(stack) if start is None else np.broadcast_to(start, (len(stack), p)), 0.01, 0.99)
    if method == "principal_axis":
        loadings, converged = _principal_axis(stack, k, start)
    elif method == "minres":
        psi, converged = _newton(lambda x, i: _minres(x, stack[i], k), start, LOWEST_UNIQUENESS, 1.0)
        loadings = minres_loadings(psi, stack, k)
    else:
        floor = np.log(LOWEST_UNIQUENESS)
        log_psi, converged = _newton(lambda x, i: _ml(x, stack[i], k), np.log(start), floor, 0.0)
        loadings = _ml_loadings(np.exp(log_psi), stack, k)
    uniqueness = 1 - (loadings**2).sum(-1)
    return Extraction(loadings.reshape(*shape, p, k), uniqueness.reshape(*shape, p), converged.reshape(shape)[()])


def _newton(objective: Callable, x: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimises each of a stack of functions of x (s, p) within bounds: the minima and whether each was reached.

    ``objective(x, i)`` gives values, gradients and Hessians of the functions numbered i. Curvatures enter by their
    absolute values, so that every step descends; steps are halved until the value falls.
    """
    x, converged = x.copy(), np.zeros(len(x), dtype=bool)
    live = np.arange(len(x))
    state = objective(x, live)
    for _ in range(MAX_STEPS):
        inner = _inner_slope(x[live], state[1], low, high)
        converged[live] = inner < ACCEPTED_SLOPE
        rest = inner > TOLERANCE
        live, state = live[rest], tuple(part[rest] for part in state)
        if not live.size:
            break
        direction = _newton_direction(x[live], *state[1:], low, high)
        x[live], state, moved = _line_search(objective, x[live], live, state, direction, low, high)
        live, state = live[moved], tuple(part[moved] for part in state)
    return x, converged


def _inner_slope(x: np.ndarray, gradient: np.ndarray, low: float, high: float) -> np.ndarray:
    """Largest slope (s,) that does not push against a bound."""
    held = (x <= low) & (gradient > 0) | (x >= high) & (gradient < 0)
    return np.abs(np.where(held, 0, gradient)).max(-1)


def _newton_direction(x: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, low: float, high: float) -> np.ndarray:
    """Newton's step in what is free; what is about to meet its bound goes straight there (Bertsekas 1982)."""
    falling, rising = (x <= low + NEAR) & (gradient > 0), (x >= high - NEAR) & (gradient < 0)
    held = falling | rising
    free = ~(held[:, :, None] | held[:, None, :])
    curvature, vectors = np.linalg.eigh(np.where(free, hessian, np.eye(held.shape[1])))
    curvature = np.maximum(np.abs(curvature), 1e-8 * np.abs(curvature).max(-1, keepdims=True))
    along = np.einsum("sij,si->sj", vectors, np.where(held, 0, gradient)) / curvature
    direction = -np.einsum("sij,sj->si", vectors, along)
    direction *= np.minimum(1, 0.7 / np.maximum(np.abs(direction).max(-1, keepdims=True), 1e-300))
    return np.where(held, np.where(falling, low, high) - x, direction)


def _line_search(
    objective: Callable, x: np.ndarray, live: np.ndarray, state: tuple, direction: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, tuple, np.ndarray]:
    """Where each function went, its value, gradient and Hessian there, and whether it moved at all."""
    x, state, moved = x.copy(), tuple(part.copy() for part in state), np.zeros(len(x), dtype=bool)
    for halvings in range(30):
        waiting = np.flatnonzero(~moved)
        trial = np.clip(x[waiting] + 0.5**halvings * direction[waiting], low, high)
        reached = objective(trial, live[waiting])
        value = state[0][waiting]
        better = reached[0] <= value + 1e-15 * np.maximum(1, np.abs(value))
        chosen = waiting[better]
        x[chosen], moved[chosen] = trial[better], True
        for part, new in zip(state, reached, strict=True):
            part[chosen] = new[better]
        if moved.all():
            break
    return x, state, moved


def _minres(psi: np.ndarray, corr: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half the squared eigenvalues of R - Ψ that k factors leave over (all the negative ones), with derivatives."""
    values, vectors = np.linalg.eigh(corr - psi[:, :, None] * np.eye(psi.shape[1]))
    left = _left_over(values, k, 0.0)
    rest = np.where(left, values, 0)
    gradient = -((vectors**2) @ rest[..., None])[..., 0]
    projector = (vectors * left[:, None]) @ np.swapaxes(vectors, 1, 2)
    mixed = _mixed_curvature(values, vectors, left, k, lambda m, n: 2 * m / (m - n))
    return 0.5 * (rest**2).sum(-1), gradient, projector**2 + mixed


def _ml(log_psi: np.ndarray, corr: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Discrepancy left over by k factors, Σ θ - log θ - 1 over the remaining eigenvalues of Ψ^-½ R Ψ^-½."""
    scale = np.exp(-0.5 * log_psi)
    values, vectors = np.linalg.eigh(corr * scale[:, :, None] * scale[:, None, :])
    values = np.maximum(values, 1e-12)
    left = _left_over(values, k, 1.0)
    gradient = ((vectors**2) @ np.where(left, 1 - values, 0)[..., None])[..., 0]
    projector, weighted = (
        (vectors * weight[:, None]) @ np.swapaxes(vectors, 1, 2) for weight in (left, np.where(left, values, 0))
    )
    mixed = _mixed_curvature(values, vectors, left, k, lambda m, n: (1 - m) * (m + n) / (n - m))
    return np.where(left, values - np.log(values) - 1, 0).sum(-1), gradient, projector * weighted + mixed


def _left_over(values: np.ndarray, k: int, lowest: float) -> np.ndarray:
    """Which ascending eigenvalues (s, p) the factors leave: all but the last k, and those no real factor can take."""
    return (np.arange(values.shape[1]) < values.shape[1] - k) | (values < lowest)


def _mixed_curvature(values: np.ndarray, vectors: np.ndarray, left: np.ndarray, k: int, pair: Callable) -> np.ndarray:
    """The Hessian's part from eigenvectors turning between those left over (m) and those taken by factors (n)."""
    total = np.zeros_like(vectors)
    for n in range(values.shape[1] - k, values.shape[1]):
        mixing = left & ~left[:, [n]]
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(mixing, pair(values, values[:, [n]]), 0)
        weight = np.clip(weight, -1e8, 1e8)
        vector = vectors[:, :, n]
        inner = (vectors * weight[:, None]) @ np.swapaxes(vectors, 1, 2)
        total += inner * vector[:, :, None] * vector[:, None, :]
    return total


def minres_loadings(psi: np.ndarray, corr: np.ndarray, k: int) -> np.ndarray:
    """The best k factors (…, p, k) for given uniquenesses, by least squares."""
    values, vectors = np.linalg.eigh(corr - psi[..., :, None] * np.eye(corr.shape[-1]))
    return (vectors[..., -k:] * np.sqrt(np.maximum(values[..., None, -k:], 0)))[..., ::-1]


def _ml_loadings(psi: np.ndarray, corr: np.ndarray, k: int) -> np.ndarray:
    root = np.sqrt(psi)
    values, vectors = np.linalg.eigh(corr / (root[..., :, None] * root[..., None, :]))
    factors = vectors[..., -k:] * np.sqrt(np.maximum(values[..., None, -k:] - 1, 0))
    return (root[..., None] * factors)[..., ::-1]


def _principal_axis(corr: np.ndarray, k: int, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    psi, converged = psi.copy(), np.zeros(len(psi), dtype=bool)
    for _ in range(MAX_PASSES):
        live = np.flatnonzero(~converged)
        if not live.size:
            break
        loadings = minres_loadings(psi[live], corr[live], k)
        found = np.clip(1 - (loadings**2).sum(-1), LOWEST_UNIQUENESS, 1.0)
        converged[live] = np.abs(found - psi[live]).max(-1) < TOLERANCE
        psi[live] = found
    return minres_loadings(psi, corr, k), converged
