"""Bootstrap of rotated factors, every resample turned towards the solution of the whole sample."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from qa_lib.errors import EmptyCategoryWarning, ResponseError
from qa_lib.sufficient.moments import Moments, moments
from qa_lib.sufficient.ordinal import polychoric
from qa_lib.sufficient.resample import bootstrap_blocks, bootstrap_counts
from qa_lib.trust.consistency.coefficients import to_correlation
from qa_lib.trust.dimensionality import SINGULAR
from qa_lib.trust.retention import random_correlations
from qa_lib.trust.structure.extraction import Method, extract
from qa_lib.trust.structure.rotation import Rotated, Rotation, rotate_from


@dataclass(frozen=True, slots=True)
class Resampled:
    """Loadings (n, p, k) and factor correlations (n, k, k) of the n resamples that could be analysed."""

    loadings: np.ndarray
    phi: np.ndarray


def resampled_correlations(
    data: Any, found: Moments, corr: np.ndarray, ordinal: bool, weights: Any, n_boot: int, seed: int
) -> Iterator[np.ndarray]:
    """Blocks (b, p, p) of correlation matrices of resampled respondents; of normal samples where only moments are held.

    Normal samples are drawn as Wishart matrices about ``corr``, as psych does from a correlation matrix.
    """
    rng = np.random.default_rng(seed)
    if not isinstance(data, pd.DataFrame):
        if ordinal:
            raise ResponseError("Intervals of polychoric factors need the respondents: pass the data, not moments.")
        yield random_correlations(found.effective_n, len(corr), n_boot, rng, np.linalg.cholesky(corr))
        return
    w = data[weights] if isinstance(weights, str) else weights
    w = None if w is None else np.asarray(w, dtype=float)
    if ordinal:
        yield np.stack([_polychoric_resample(data, found.items, w, rng) for _ in range(n_boot)])
        return
    x = data[found.items].to_numpy(dtype=float, na_value=np.nan)
    for _, covs in bootstrap_blocks(x, n_boot, rng, w):
        yield to_correlation(covs)


def _polychoric_resample(data: pd.DataFrame, items: Sequence[str], w: Any, rng: np.random.Generator) -> np.ndarray:
    counts = bootstrap_counts(len(data), 1, rng)[0].astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptyCategoryWarning)
        return polychoric(moments(data, items, counts if w is None else counts * w)).correlation.to_numpy()


def resample_factors(
    blocks: Iterator[np.ndarray], unrotated: np.ndarray, target: Rotated, method: Method, rotation: Rotation
) -> Resampled:
    """Factors of each matrix, started from and aligned (order and sign) with the whole sample's ``target``.

    Resamples whose matrix is not positive definite, or whose solution does not converge, are left out.
    """
    parts = [_analyse(block, unrotated, target, method, rotation) for block in blocks]
    return Resampled(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("loadings", "phi")))


def _analyse(corr: np.ndarray, unrotated: np.ndarray, target: Rotated, method: Method, rotation: Rotation) -> Resampled:
    corr = corr[np.isfinite(corr).all((1, 2))]
    corr = corr[np.linalg.eigvalsh(corr)[:, 0] > SINGULAR]
    k = unrotated.shape[1]
    found = extract(corr, k, method, 1 - (unrotated**2).sum(1))
    plain = found.loadings[found.converged]
    if k == 1 or rotation == "none":
        return _aligned(plain, np.broadcast_to(np.eye(k), (len(plain), k, k)), target.loadings)
    # Unrotated factors turn freely when their eigenvalues are close: they are laid over the whole sample's first.
    left, _, right = np.linalg.svd(np.swapaxes(plain, 1, 2) @ unrotated)
    inverse_turn = np.linalg.lstsq(unrotated, target.loadings, rcond=None)[0]
    turn = np.linalg.inv(inverse_turn).T
    if rotation in ("varimax", "promax"):
        turn = np.linalg.svd(turn)[0] @ np.linalg.svd(turn)[2]
    turned = rotate_from(plain @ left @ right, rotation, np.broadcast_to(turn, (len(plain), k, k)))
    return _aligned(turned.loadings[turned.converged], turned.phi[turned.converged], target.loadings)


def _aligned(loadings: np.ndarray, phi: np.ndarray, target: np.ndarray) -> Resampled:
    """Factors in the order that agrees best with the target (Tucker's congruence), and with its signs."""
    cosines = np.swapaxes(loadings / np.linalg.norm(loadings, axis=1, keepdims=True), 1, 2) @ target
    cosines = cosines / np.linalg.norm(target, axis=0)
    match = np.array([linear_sum_assignment(-np.abs(one).T)[1] for one in cosines]).reshape(len(loadings), -1)
    sign = np.sign(np.take_along_axis(cosines, match[:, None, :], 1)[:, 0])
    loadings = np.take_along_axis(loadings, match[:, None, :], 2) * sign[:, None, :]
    phi = np.take_along_axis(np.take_along_axis(phi, match[:, :, None], 1), match[:, None, :], 2)
    return Resampled(loadings, phi * sign[:, :, None] * sign[:, None, :])
