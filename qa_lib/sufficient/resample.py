"""Bootstrap of sufficient statistics: resampling is a matrix of counts, so means and covariances are one product."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from qa_lib.errors import ResponseError

BLOCK_BYTES = 2**26
LARGE = 20_000
MULTIPLIED = 10_000


def bootstrap_counts(n: int, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n respondents is drawn in each of n_boot resamples with replacement: (n_boot, n)."""
    draws = rng.integers(n, size=(n_boot, n))
    draws += np.arange(n_boot)[:, None] * n
    return np.bincount(draws.ravel(), minlength=n_boot * n).reshape(n_boot, n)


def bootstrap_moments(
    x: ArrayLike, n_boot: int, seed: int | np.random.Generator, weights: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n_boot, p) and covariances (n_boot, p, p) of resamples of the respondents in ``x`` (n, p).

    Missing values (NaN) are treated pairwise. With weights, respondents are drawn with equal chance and carry their
    weights; covariances have the denominator n - 1, n being the weighted number of the resample (as in Moments).

    >>> means, covs = bootstrap_moments([[1, 2], [2, 1], [3, 5]], n_boot=4, seed=1)
    >>> means.shape, covs.shape
    ((4, 2), (4, 2, 2))
    """
    blocks = list(bootstrap_blocks(x, n_boot, seed, weights))
    return np.concatenate([means for means, _ in blocks]), np.concatenate([covs for _, covs in blocks])


def bootstrap_blocks(
    x: ArrayLike, n_boot: int, seed: int | np.random.Generator, weights: ArrayLike | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As :func:`bootstrap_moments`, a block of resamples at a time, for when all at once would not fit in memory.

    Of more than ``LARGE`` respondents nobody is drawn: sums over resamples are normal then, and come from the
    multiplier bootstrap (Chernozhukov, Chetverikov and Kato 2013, doi:10.1214/13-AOS1161) on ``MULTIPLIED`` respondents
    chosen at random, whose variances are everyone's to 1.4 percent; the centre is everyone's.
    """
    values = np.asarray(x, dtype=float)
    if values.ndim != 2 or not values.size:
        raise ResponseError(f"The bootstrap needs a table of respondents × items; found shape {values.shape}.")
    if n_boot < 1:
        raise ResponseError(f"n_boot is {n_boot}; at least one resample is needed.")
    n = len(values)
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != (n,):
        raise ResponseError(f"There are {w.size} weights for {n} respondents; one each is needed.")
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK_BYTES // (8 * n))
    summarise = _complete_sums if not np.isnan(values).any() else _pairwise_sums
    if n > LARGE:
        yield from _multiplied(values, w, n_boot, rng, summarise)
        return
    features, reduce = summarise(values - np.nanmean(values, axis=0), w)
    for start in range(0, n_boot, size):
        counts = bootstrap_counts(n, min(size, n_boot - start), rng).astype(float)
        means, covs = reduce(counts @ features)
        yield means + np.nanmean(values, axis=0), covs


def _multiplied(values: np.ndarray, w: np.ndarray, n_boot: int, rng: np.random.Generator, summarise: Callable):
    center = np.nanmean(values, axis=0)
    whole = np.zeros(1)
    for start in range(0, len(values), MULTIPLIED):
        part = slice(start, start + MULTIPLIED)
        whole = whole + summarise(values[part] - center, w[part])[0].sum(axis=0)
    chosen = np.sort(rng.choice(len(values), MULTIPLIED, replace=False))
    features, reduce = summarise(values[chosen] - center, w[chosen])
    features -= features.mean(axis=0)
    features *= np.sqrt(len(values) / MULTIPLIED)
    size = max(1, BLOCK_BYTES // (8 * MULTIPLIED))
    for start in range(0, n_boot, size):
        multipliers = rng.standard_normal((min(size, n_boot - start), MULTIPLIED))
        means, covs = reduce(whole + multipliers @ features)
        yield means + center, covs


def _complete_sums(y: np.ndarray, w: np.ndarray):
    p = y.shape[1]
    rows, columns = np.tril_indices(p)
    features = np.hstack([np.ones((len(y), 1)), y, y[:, rows] * y[:, columns]]) * w[:, None]

    def reduce(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = sums[:, :1]
        means = sums[:, 1 : 1 + p] / n
        half = (sums[:, 1 + p :] - n * means[:, rows] * means[:, columns]) / (n - 1)
        covs = np.empty((len(sums), p, p))
        covs[:, rows, columns] = covs[:, columns, rows] = half
        return means, covs

    return features, reduce


def _pairwise_sums(y: np.ndarray, w: np.ndarray):
    p = y.shape[1]
    observed = ~np.isnan(y)
    filled = np.where(observed, y, 0.0)
    parts = [a[:, :, None] * b[:, None, :] for a, b in ((observed, observed), (filled, observed), (filled, filled))]
    features = np.stack(parts, axis=1).reshape(len(y), -1) * w[:, None]

    def reduce(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n, total, product = np.moveaxis(sums.reshape(len(sums), 3, p, p), 1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            covs = np.where(n > 1, (product - total * total.transpose(0, 2, 1) / n) / (n - 1), np.nan)
            means = np.diagonal(total, axis1=1, axis2=2) / np.diagonal(n, axis1=1, axis2=2)
        return means, covs

    return features, reduce
