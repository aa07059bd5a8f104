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
TOLERANCE = 1e-8
ROUGH_TOLERANCE = 1e-3
MEMORY = 10


@dataclass(frozen=True, slots=True)
class Rotated:
    """Loadings (…, p, k), factor correlations (…, k, k), convergence (…)."""

    loadings: np.ndarray
    phi: np.ndarray
    converged: np.ndarray | bool


def rotate(loadings: np.ndarray, rotation: Rotation = "oblimin", n_starts: int = 10, seed: int = 1) -> Rotated:
    """Rotates (p, k) loadings from the identity and n_starts - 1 random orthogonal starts; the best solution is kept.

    varimax and promax (m = 4) with Kaiser's row normalisation; oblimin (γ = 0, quartimin) and geomin (ε = .01) without,
    as GPArotation (Bernaards and Jennrich 2005). Factors come by falling sum of squares explained, each with a positive
    sum of loadings, and phi with them.

    >>> simple = np.array([[0.8, 0], [0.7, 0], [0, 0.6], [0, 0.5]])
    >>> rotate(simple @ np.array([[0.8, 0.6], [-0.6, 0.8]])).loadings.round(6) + 0
    array([[0.8, 0. ],
           [0.7, 0. ],
           [0. , 0.6],
           [0. , 0.5]])
    """
    k = loadings.shape[1]
    if rotation == "none" or k == 1:
        return _in_order(loadings, np.eye(k), True)
    random = np.linalg.qr(np.random.default_rng(seed).normal(size=(n_starts - 1, k, k)))[0]
    starts = np.concatenate([np.eye(k)[None], random])
    criterion, oblique = CRITERIA[rotation]
    rows, _ = (loadings, None) if oblique else _kaiser(loadings)
    turns, values, _ = gradient_projection(rows, starts, criterion, oblique, ROUGH_TOLERANCE)
    # Starts that near the same minimum differ by less than the rough tolerance: the first of them is followed.
    best = np.flatnonzero(values <= values.min() + ROUGH_TOLERANCE**2)[:1]
    found = rotate_from(loadings, rotation, turns[best])
    return _in_order(found.loadings[0], found.phi[0], bool(found.converged[0]))


def rotate_from(loadings: np.ndarray, rotation: Rotation, starts: np.ndarray) -> Rotated:
    """Rotates loadings, (p, k) or a stack (s, p, k), from given turns (s, k, k); a stack of solutions, as they come."""
    criterion, oblique = CRITERIA[rotation]
    rows, length = (loadings, 1.0) if oblique else _kaiser(loadings)
    turns, _, converged = gradient_projection(rows, starts, criterion, oblique)
    if oblique:
        transposed = np.swapaxes(turns, -2, -1)
        return Rotated(loadings @ np.linalg.inv(transposed), transposed @ turns, converged)
    rows, phi = rows @ turns, np.broadcast_to(np.eye(turns.shape[-1]), turns.shape)
    if rotation == "promax":
        rows, phi = _promax(rows)
    return Rotated(rows * length, phi, converged)


def _kaiser(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loadings with rows of length one (Kaiser 1958), and their lengths."""
    length = np.sqrt((loadings**2).sum(-1, keepdims=True))
    length[length == 0] = 1
    return loadings / length, length


def _in_order(loadings: np.ndarray, phi: np.ndarray, converged: bool) -> Rotated:
    """Loadings and phi reordered and signed together."""
    order = np.argsort(-explained(loadings, phi), kind="stable")
    sign = np.where(loadings.sum(0) < 0, -1.0, 1.0)[order]
    return Rotated(loadings[:, order] * sign, phi[np.ix_(order, order)] * np.outer(sign, sign), converged)


def explained(loadings: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Sum of squares that each factor accounts for (k,), diag(Φ Λ'Λ): they add up to the communalities."""
    return np.diag(phi @ loadings.T @ loadings)


def _inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner product of matrices, for stacks of them."""
    return np.einsum("...ij,...ij->...", a, b)


def _varimax(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2
    deviation = squares - squares.mean(-2, keepdims=True)
    return -_inner(deviation, deviation) / 4, -loadings * deviation


def _quartimin(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2
    others = squares.sum(-1, keepdims=True) - squares
    return _inner(squares, others) / 4, loadings * others


def _geomin(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    squares = loadings**2 + GEOMIN_EPSILON
    product = np.exp(np.log(squares).mean(-1, keepdims=True))
    return product.sum((-2, -1)), 2 / loadings.shape[-1] * loadings / squares * product


def _promax(varimax: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares towards powers of the varimax loadings (Hendrickson and White 1964)."""
    target = varimax * np.abs(varimax) ** (PROMAX_POWER - 1)
    transposed = np.swapaxes(varimax, -2, -1)
    turn = np.linalg.solve(transposed @ varimax, transposed @ target)
    inner = np.linalg.inv(np.swapaxes(turn, -2, -1) @ turn)
    scale = np.sqrt(np.diagonal(inner, axis1=-2, axis2=-1))
    return varimax @ (turn * scale[..., None, :]), inner / (scale[..., :, None] * scale[..., None, :])


CRITERIA: dict[str, tuple[Callable, bool]] = {
    "varimax": (_varimax, False),
    "promax": (_varimax, False),
    "oblimin": (_quartimin, True),
    "geomin": (_geomin, True),
}


def gradient_projection(
    loadings: np.ndarray, turn: np.ndarray, criterion: Callable, oblique: bool, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient projection (Jennrich 2001, 2002) for a stack of starts (s, k, k): turns, criterion values, convergence.

    Loadings are (p, k), or (s, p, k) for a problem of its own at each start. Step lengths are those of Barzilai and
    Borwein (1988), accepted where the criterion falls below the worst of the last ten (Grippo, Lampariello and Lucidi
    1986): some five times fewer steps than with halved ones.
    """
    loadings = np.broadcast_to(loadings, (len(turn), *loadings.shape[-2:]))
    state = _State.at(loadings, turn, criterion, oblique)
    step, recent = np.ones(len(turn)), np.repeat(state.value[:, None], MEMORY, axis=1)
    turns, values, converged = turn.copy(), state.value.copy(), np.zeros(len(turn), dtype=bool)
    live = np.arange(len(turn))
    for iteration in range(MAX_ITERATIONS):
        done = state.size < tolerance**2
        turns[live], values[live], converged[live] = state.turn, state.value, done
        live, state, step, recent = live[~done], state.of(~done), step[~done], recent[~done]
        if not live.size:
            break
        before = state
        state = _search(before, step, recent.max(-1), criterion, oblique)
        step = _next_step(before, state)
        recent[:, iteration % MEMORY] = state.value
    return turns, values, converged


@dataclass(frozen=True, slots=True)
class _State:
    """Where each start is: its loadings, turn, criterion value, projected gradient and that one's squared size."""

    loadings: np.ndarray
    turn: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    size: np.ndarray

    @classmethod
    def at(cls, loadings: np.ndarray, turn: np.ndarray, criterion: Callable, oblique: bool) -> _State:
        inverse = np.linalg.inv(turn) if oblique else np.swapaxes(turn, -2, -1)
        rotated = loadings @ np.swapaxes(inverse, -2, -1)
        value, slope = criterion(rotated)
        gradient = _projected(loadings, turn, inverse, rotated, slope, oblique)
        return cls(loadings, turn, value, gradient, _inner(gradient, gradient))

    def of(self, chosen: np.ndarray) -> _State:
        return self if chosen.all() else _State(*(getattr(self, name)[chosen] for name in self.__slots__))


def _search(before: _State, step: np.ndarray, ceiling: np.ndarray, criterion: Callable, oblique: bool) -> _State:
    step = step.copy()
    fall = 1e-4 * before.size
    for _ in range(30):
        trial = _onto_manifold(before.turn - step[:, None, None] * before.gradient, oblique)
        state = _State.at(before.loadings, trial, criterion, oblique)
        short = ~(state.value <= ceiling - fall * step + 1e-14)
        if not short.any():
            break
        step[short] /= 4
    return state


def _next_step(before: _State, after: _State) -> np.ndarray:
    """<s, s> / <s, y> for the last change s of the turn and y of its gradient, kept within bounds."""
    s, y = after.turn - before.turn, after.gradient - before.gradient
    return np.clip(_inner(s, s) / np.maximum(np.abs(_inner(s, y)), 1e-300), 1e-4, 1e4)


def _projected(
    loadings: np.ndarray, turn: np.ndarray, inverse: np.ndarray, rotated: np.ndarray, slope: np.ndarray, oblique: bool
) -> np.ndarray:
    """The gradient with respect to the turn, projected onto the tangent space of its manifold."""
    if oblique:
        gradient = -np.swapaxes(inverse, -2, -1) @ (np.swapaxes(slope, -2, -1) @ rotated)
        return gradient - turn * np.einsum("...ij,...ij->...j", turn, gradient)[..., None, :]
    gradient = np.swapaxes(loadings, -2, -1) @ slope
    inner = inverse @ gradient
    return gradient - turn @ (inner + np.swapaxes(inner, -2, -1)) / 2


def _onto_manifold(turn: np.ndarray, oblique: bool) -> np.ndarray:
    if oblique:
        return turn / np.sqrt(np.einsum("...ij,...ij->...j", turn, turn))[..., None, :]
    left, _, right = np.linalg.svd(turn)
    return left @ right
