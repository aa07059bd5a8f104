"""Patterns of missing values: the saturated moments, and how the likelihood bends in means and covariances."""

from __future__ import annotations

import numpy as np

from qa_lib.errors import ModelError


def distinct_patterns(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of a boolean matrix, and which of them each row is; rows compared as packed bytes."""
    packed = np.packbits(seen, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, pattern_of = np.unique(keys, return_index=True, return_inverse=True)
    return seen[first], pattern_of


def embedded_inverse(cov: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse (J, p, p) of every pattern's part of ``cov``, zero elsewhere, and its log determinant (J,).

    Raises numpy's LinAlgError when a part is not positive definite.
    """
    if mask.all():
        log_det = 2 * np.log(np.linalg.cholesky(cov).diagonal()).sum()
        return np.repeat(np.linalg.inv(cov)[None], len(mask), 0), np.full(len(mask), log_det)
    both = mask[:, :, None] & mask[:, None]
    masked = np.where(both, cov, np.eye(len(cov)))
    factor = np.linalg.cholesky(masked)
    log_det = 2 * np.log(np.einsum("jpp->jp", factor)).sum(1)
    return np.where(both, np.linalg.inv(masked), 0.0), log_det


def saturated_moments(
    mask: np.ndarray, n: np.ndarray, means: np.ndarray, covs: np.ndarray, tolerance: float = 1e-11
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood mean and covariance under ignorable missing values, by EM over patterns.

    Little and Rubin (2002), Statistical Analysis with Missing Data, section 11.2. Raises ModelError when two items
    were never answered together.
    """
    if (mask.T.astype(float) @ mask == 0).any():
        raise ModelError("two items were never answered by the same respondent: their covariance cannot be estimated.")
    answered = n @ mask
    mean = (n[:, None] * means).sum(0) / answered
    spread = np.einsum("j,jp->p", n, np.einsum("jpp->jp", covs) + np.where(mask, (means - mean) ** 2, 0)) / answered
    cov = np.diag(spread)
    start, trail = np.sqrt(spread), []
    for _ in range(10_000):
        try:
            stepped = _em_step(mask, n, means, covs, mean, cov)
        except np.linalg.LinAlgError:
            break
        shift, turn = stepped[0] - mean, stepped[1] - cov
        change = max(np.abs(turn).max() / np.abs(cov).max(), np.abs(shift).max() / np.sqrt(cov.max()))
        trail.append((mean, cov))
        mean, cov = stepped
        if change < tolerance:
            return mean, cov
        if len(trail) == 2:
            mean, cov = _further(*trail, (mean, cov), start)
            trail = []
        if np.linalg.eigvalsh(cov).min() <= 0:
            cov = cov + 1e-8 * np.trace(cov) * np.eye(len(mean))
    raise ModelError("the saturated model did not converge under the missing values: too little information.")


def _em_step(mask, n, means, covs, mean, cov) -> tuple[np.ndarray, np.ndarray]:
    total = n.sum()
    precision, _ = embedded_inverse(cov, mask)
    regress = cov @ precision
    residual = cov - regress @ cov
    deviation = np.where(mask, means - mean, 0.0)
    expected = np.einsum("jab,jb->ja", regress, deviation)
    second = regress @ (covs + deviation[:, :, None] * deviation[:, None]) @ regress.transpose(0, 2, 1) + residual
    shift = n @ expected / total
    new_cov = np.einsum("j,jab->ab", n, second) / total - np.outer(shift, shift)
    return mean + shift, (new_cov + new_cov.T) / 2


def _further(first, second, third, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where two steps of EM lead to (SQUAREM, step length S3: Varadhan and Roland 2008, doi:10.1111/j.1467-9469.2007.
    00585.x); the second step itself where the extrapolation is no covariance matrix."""
    grid = np.outer(scale, scale)
    points = [np.concatenate([mean / scale, (cov / grid).ravel()]) for mean, cov in (first, second, third)]
    step, bend = points[1] - points[0], points[2] - 2 * points[1] + points[0]
    if (length := np.linalg.norm(bend)) == 0:
        return third
    alpha = -max(1.0, np.linalg.norm(step) / length)
    found = points[0] - 2 * alpha * step + alpha**2 * bend
    mean, cov = found[: len(scale)] * scale, found[len(scale) :].reshape(grid.shape) * grid
    return (mean, cov) if np.linalg.eigvalsh(cov / grid).min() > 1e-6 else third


def moment_information(share: np.ndarray, weight: np.ndarray, bent: np.ndarray, pulled: np.ndarray) -> np.ndarray:
    """Hessian of the discrepancy by the p means and the lower triangle (row by row) of the covariances: (q, q).

    share : (J,) of the respondents; weight W : (J, p, p) inverse covariances; pulled : (J, p) = W d, d observed less
    assumed means; bent : 2 W T W − W, T the observed second moments about the assumed means. The expected Hessian has
    ``bent = weight`` and ``pulled = 0``.
    """
    p = weight.shape[1]
    i, j = np.tril_indices(p)
    half = np.where(i == j, 0.5, 1.0)
    shared = share[:, None, None] * weight
    toward = np.tensordot(shared, pulled, axes=(0, 0))
    out = np.empty((p + len(i), p + len(i)))
    out[:p, :p] = shared.sum(0)
    out[:p, p:] = (toward[:, i, j] + toward[:, j, i]) * half
    out[p:, :p] = out[:p, p:].T
    out[p:, p:] = 0.5 * half[:, None] * half * _pairs(bent, shared)
    return out


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_j tr(A_j (e_i e_k' + e_k e_i') B_j (e_l e_m' + e_m e_l')) for all (i ≥ k), (l ≥ m), of symmetric A and B: one
    product of their lower triangles over the patterns, then two look-ups."""
    p = a.shape[1]
    i, j = np.tril_indices(p)
    place = np.empty((p, p), dtype=np.intp)
    place[i, j] = place[j, i] = np.arange(len(i))
    products = a[:, i, j].T @ b[:, i, j]
    products += products.T.copy()
    return products[place[i[:, None], i], place[j[:, None], j]] + products[place[i[:, None], j], place[j[:, None], i]]
