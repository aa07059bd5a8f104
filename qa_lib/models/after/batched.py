"""One model fitted to many sets of complete moments at once: maximum likelihood on stacked arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_lib.models.discrepancy import bilinear, of_means
from qa_lib.models.implied import Block, curvature, imply, pullback, tangent

ITERATIONS = 50
NEAR = 1e-2
TOLERANCE = 1e-15
WORTHWHILE = 0.2  # share of the gain that a step with the common curvature may leave; beyond it Newton's take over


@dataclass(frozen=True, slots=True)
class Stack:
    """One group's moments, B times: mean (B, p), cov (B, p, p), share (B,) of the respondents."""

    mean: np.ndarray
    cov: np.ndarray
    share: np.ndarray

    def take(self, keep: np.ndarray) -> Stack:
        return Stack(self.mean[keep], self.cov[keep], self.share[keep])


def fit_many(
    blocks: Sequence[Block],
    stacks: Sequence[Stack],
    start: np.ndarray,
    mapping: np.ndarray,
    means: bool,
    tolerance: float = TOLERANCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Free parameters (B, n_free), all from ``start``, and which of the B fits converged.

    Steps with one common curvature as long as they serve, then Fisher scoring, and Newton's steps where the gain is
    small. A fit has converged when the expected gain of a further step is below ``tolerance``; the default is a
    millionth of a standard error at a few hundred respondents.
    """
    x, gain = _by_chords(blocks, stacks, start, mapping, means, tolerance)
    converged = np.abs(gain) < tolerance
    active = np.flatnonzero(~converged)
    value = np.full(len(x), np.nan)
    value[active] = _values(blocks, [stack.take(active) for stack in stacks], x[active], means)
    for _ in range(ITERATIONS):
        if not len(active):
            break
        own = [stack.take(active) for stack in stacks]
        gradient, information = _slopes(blocks, own, x[active], mapping, means, gain[active] < NEAR)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        gain[active] = np.einsum("bk,bk->b", step, gradient)
        converged[active] = np.abs(gain[active]) < tolerance
        on = ~converged[active]
        active, step = active[on], step[on] @ mapping.T
        uphill = gain[active] < 0
        step[uphill], gain[active[uphill]] = 0, np.inf
        own = [stack.take(active) for stack in stacks]
        x[active], value[active] = _shortened(blocks, own, x[active], value[active], step, gain[active], means)
        active = active[np.isfinite(value[active])]
    return x, converged


def _by_chords(
    blocks: Sequence[Block], stacks: Sequence[Stack], start: np.ndarray, mapping: np.ndarray, means: bool, tolerance
) -> tuple[np.ndarray, np.ndarray]:
    """Where the chord method leads, (B, n_free), and the gains expected there, infinite where it leads nowhere.

    Its steps have the curvature of the average set at the start, and go on as long as each leaves little of the gain.
    """
    x, gain = np.tile(start, (len(stacks[0].share), 1)), np.full(len(stacks[0].share), np.inf)
    average = [Stack(*(part.mean(0)[None] for part in (s.mean, s.cov, s.share))) for s in stacks]
    bend = _slopes(blocks, average, x[:1], mapping, means, np.array([True]))[1][0]
    eigenvalues, vectors = np.linalg.eigh(bend)
    if eigenvalues[0] <= 0:
        return x, gain
    inverse, active = (vectors / eigenvalues) @ vectors.T, np.arange(len(x))
    for _ in range(ITERATIONS):
        gradient = _gradients(blocks, [stack.take(active) for stack in stacks], x[active], means) @ mapping
        step = gradient @ inverse
        reached = np.einsum("bk,bk->b", step, gradient)
        lost = ~(reached < gain[active])
        on = ~lost & (reached > tolerance) & (reached < WORTHWHILE * gain[active])
        x[active[lost]], gain[active] = start, np.where(lost, np.inf, reached)
        active, step = active[on], step[on] @ mapping.T
        x[active] -= step
        if not len(active):
            break
    return x, gain


def _gradients(blocks: Sequence[Block], stacks: Sequence[Stack], x: np.ndarray, means: bool) -> np.ndarray:
    """Gradients (B, n_free), nan where a covariance matrix is not positive definite."""
    gradient = np.zeros(x.shape)
    for block, stack in zip(blocks, stacks, strict=True):
        implied = imply(block, x)
        log_det, weight = _inverse(implied.cov)
        by_cov = 0.5 * (weight - weight @ _second(stack, implied.mean, means) @ weight)
        by_mean = -means * (weight @ (stack.mean - implied.mean)[..., None])[..., 0]
        own = stack.share[:, None] * pullback(block, implied, by_cov, by_mean)
        gradient[:, block.free] = np.where(np.isfinite(log_det)[:, None], own, np.nan)
    return gradient


def _shortened(blocks, stacks: Sequence[Stack], x, value, step, gain, means: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where steps lead, each halved until its fit improves; value nan where it never does."""
    length = np.ones(len(x))
    for _ in range(12):
        moved = x - length[:, None] * step
        reached = _values(blocks, stacks, moved, means)
        worse = np.isfinite(gain) & ~(reached <= value - 1e-4 * length * gain + 1e-13 * np.abs(value))
        if not worse.any():
            return moved, reached
        length[worse] /= 2
    return np.where(worse[:, None], x, moved), np.where(worse, np.nan, reached)


def _values(blocks: Sequence[Block], stacks: Sequence[Stack], x: np.ndarray, means: bool) -> np.ndarray:
    """Discrepancies (B,), infinite where a covariance matrix is not positive definite."""
    total = np.zeros(len(x))
    for block, stack in zip(blocks, stacks, strict=True):
        implied = imply(block, x)
        log_det, inverse = _inverse(implied.cov)
        spread = np.einsum("bij,bij->b", inverse, _second(stack, implied.mean, means))
        total += 0.5 * stack.share * (log_det + spread)
    return total


def _inverse(cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log determinants (B,) and inverses (B, p, p); ∞ and zeros where a matrix is not positive definite."""
    possible = np.ones(len(cov), bool)
    try:
        root = np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        possible = np.linalg.eigvalsh(cov)[:, 0] > 0
        cov = np.where(possible[:, None, None], cov, np.eye(cov.shape[1]))
        root = np.linalg.cholesky(cov)
    log_det = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
    return np.where(possible, log_det, np.inf), np.linalg.inv(cov) * possible[:, None, None]


def _second(stack: Stack, mean: np.ndarray, means: bool) -> np.ndarray:
    """Observed second moments about the implied means."""
    if not means:
        return stack.cov
    deviation = stack.mean - mean
    return stack.cov + deviation[:, :, None] * deviation[:, None]


def _slopes(
    blocks: Sequence[Block], stacks: Sequence[Stack], x: np.ndarray, mapping: np.ndarray, means: bool, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (B, m) and curvatures (B, m, m) by the m unconstrained parameters: observed where ``near``."""
    size = x.shape[1]
    gradient, bend = np.zeros((len(x), size)), np.zeros((len(x), size, size))
    for block, stack in zip(blocks, stacks, strict=True):
        implied = imply(block, x)
        by = tangent(block, implied)
        weight = np.linalg.inv(implied.cov)
        fitted = weight @ _second(stack, implied.mean, means) @ weight
        by_cov = 0.5 * (weight - fitted)
        pulled = means * (weight @ (stack.mean - implied.mean)[..., None])[..., 0]
        bent = np.where(near[:, None, None], 2 * fitted - weight, weight)
        own = 0.5 * bilinear(bent, weight, by) + near[:, None, None] * curvature(block, implied, by_cov, -pulled)
        if means:
            own += of_means(by, weight, near[:, None] * pulled)
        gradient[:, block.free] = stack.share[:, None] * pullback(block, implied, by_cov, -pulled)
        bend[:, block.free[:, None], block.free] = stack.share[:, None, None] * own
    return gradient @ mapping, mapping.T @ bend @ mapping
