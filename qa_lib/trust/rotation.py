"""Rotations of factor loadings by gradient projection, all random starts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Rotation = Literal["none", "varimax", "promax", "oblimin", "geomin"]
GEOMIN_EPSILON = 0.01
PROMAX_POWER = 4
MAX_ITERATIONS = 2000
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Rotated:
    """Loadings (p, k), factor correlations (k, k)."""

    loadings: np.ndarray
    phi: np.ndarray
    converged: bool


def rotate(loadings: np.ndarray, rotation: Rotation = "oblimin", n_starts: int = 10, seed: int = 1) -> Rotated:
    """Rotates (p, k) loadings from the identity and n_starts - 1 random orthogonal starts; the best solution is kept.

    varimax and promax (m = 4) with Kaiser's row normalisation; oblimin (γ = 0, quartimin) and geomin (ε = .01) without,
    as GPArotation (Bernaards and Jennrich 2005). Factors come by falling sum of squares, each with a positive sum of
    loadings, and phi with them.
    """
    k = loadings.shape[1]
    if rotation == "none" or k == 1:
        return _in_order(loadings, np.eye(k), True)
    if rotation in ("varimax", "promax"):
        length = np.sqrt((loadings**2).sum(1, keepdims=True))
        length[length == 0] = 1
        turned, phi, converged = _best(loadings / length, _varimax, False, n_starts, seed)
        if rotation == "promax":
            turned, phi = _promax(turned)
        return _in_order(turned * length, phi, converged)
    return _in_order(*_best(loadings, _quartimin if rotation == "oblimin" else _geomin, True, n_starts, seed))


def _in_order(loadings: np.ndarray, phi: np.ndarray, converged: bool) -> Rotated:
    """Loadings and phi reordered and signed together."""
    order = np.argsort(-(loadings**2).sum(0), kind="stable")
    sign = np.where(loadings.sum(0) < 0, -1.0, 1.0)[order]
    return Rotated(loadings[:, order] * sign, phi[np.ix_(order, order)] * np.outer(sign, sign), converged)


def _varimax(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2
    deviation = squares - squares.mean(-2, keepdims=True)
    return -(deviation**2).sum((-2, -1)) / 4, -loadings * deviation


def _quartimin(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2
    others = squares.sum(-1, keepdims=True) - squares
    return (squares * others).sum((-2, -1)) / 4, loadings * others


def _geomin(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2 + GEOMIN_EPSILON
    product = np.exp(np.log(squares).mean(-1, keepdims=True))
    return product.sum((-2, -1)), 2 / loadings.shape[-1] * loadings / squares * product


def _promax(varimax: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares towards powers of the varimax loadings (Hendrickson and White 1964)."""
    target = varimax * np.abs(varimax) ** (PROMAX_POWER - 1)
    turn = np.linalg.lstsq(varimax, target, rcond=None)[0]
    turn = turn * np.sqrt(np.diag(np.linalg.inv(turn.T @ turn)))
    return varimax @ turn, np.linalg.inv(turn.T @ turn)


def _best(
    loadings: np.ndarray, criterion: Callable, oblique: bool, n_starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    k = loadings.shape[1]
    random = np.linalg.qr(np.random.default_rng(seed).normal(size=(n_starts - 1, k, k)))[0]
    starts = np.concatenate([np.eye(k)[None], random])
    turns, values, converged = _gradient_projection(loadings, starts, criterion, oblique)
    best = values.argmin()
    turn = turns[best]
    return _turned(loadings, turn, oblique), turn.T @ turn if oblique else np.eye(k), bool(converged[best])


def _turned(loadings: np.ndarray, turn: np.ndarray, oblique: bool) -> np.ndarray:
    return loadings @ (np.swapaxes(np.linalg.inv(turn), -2, -1) if oblique else turn)


def _gradient_projection(
    loadings: np.ndarray, turn: np.ndarray, criterion: Callable, oblique: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Jennrich's algorithm (2001, 2002) for a stack of starts (s, k, k): turns, criterion values, convergence."""
    step = np.ones(len(turn))
    rotated = _turned(loadings, turn, oblique)
    value, slope = criterion(rotated)
    for _ in range(MAX_ITERATIONS):
        projected = _projected(loadings, turn, rotated, slope, oblique)
        size = (projected**2).sum((-2, -1))
        converged = np.sqrt(size) < TOLERANCE
        if converged.all():
            break
        step = np.minimum(2 * step, 16)
        for _ in range(25):
            trial = _onto_manifold(turn - step[:, None, None] * projected, oblique)
            rotated = _turned(loadings, trial, oblique)
            found, slope = criterion(rotated)
            short = ~converged & (value - found < 0.5 * size * step - 1e-14) & (step > 1e-12)
            if not short.any():
                break
            step[short] /= 2
        turn, value = trial, found
    return turn, value, converged


def _projected(
    loadings: np.ndarray, turn: np.ndarray, rotated: np.ndarray, slope: np.ndarray, oblique: bool
) -> np.ndarray:
    """The gradient with respect to the turn, projected onto the tangent space of its manifold."""
    if oblique:
        gradient = -np.swapaxes(np.swapaxes(rotated, -2, -1) @ slope @ np.linalg.inv(turn), -2, -1)
        return gradient - turn * (turn * gradient).sum(-2, keepdims=True)
    gradient = loadings.T @ slope
    inner = np.swapaxes(turn, -2, -1) @ gradient
    return gradient - turn @ (inner + np.swapaxes(inner, -2, -1)) / 2


def _onto_manifold(turn: np.ndarray, oblique: bool) -> np.ndarray:
    if oblique:
        return turn / np.sqrt((turn**2).sum(-2, keepdims=True))
    left, _, right = np.linalg.svd(turn)
    return left @ right
