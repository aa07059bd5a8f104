"""Item analysis: how each item stands to the rest of its dimension, from Moments alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qa_lib.sufficient.moments import Moments
from qa_lib.trust.consistency.coefficients import alpha

ITEM_COLUMNS = [
    "dimension",
    "item",
    "n",
    "mean",
    "sd",
    "item_rest_r",
    "alpha_if_dropped",
    "floor",
    "ceiling",
    "missing",
    "suspect_reversed",
]


def item_rest_correlations(cov: np.ndarray) -> np.ndarray:
    """Correlation of each item with the sum of the others (p,), from their covariances (p, p).

    >>> item_rest_correlations(np.array([[1, .5], [.5, 1]]))
    array([0.5, 0.5])
    """
    variance = np.diag(cov)
    with_rest = cov.sum(0) - variance
    rest = cov.sum() - 2 * cov.sum(0) + variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return with_rest / np.sqrt(variance * rest)


def alpha_if_dropped(cov: np.ndarray) -> np.ndarray:
    """Alpha of the other items (p,); NaN where fewer than two are left, or their sum does not vary."""
    p = len(cov)
    if p < 3:
        return np.full(p, np.nan)
    keep = np.array([[j for j in range(p) if j != i] for i in range(p)])
    with np.errstate(divide="ignore", invalid="ignore"):
        dropped = alpha(cov[keep[:, :, None], keep[:, None, :]])
    return np.where(np.isfinite(dropped), dropped, np.nan)


def item_analysis(dimension: str, moments: Moments, scale: tuple[float, float] | None = None) -> pd.DataFrame:
    """A row per item of one dimension. ``missing`` is a share of all respondents, ``floor`` and ``ceiling`` of those
    who answered; the ends of the scale are the lowest and highest answers to any item of the dimension unless given.

    ``suspect_reversed``: the item goes against the rest of its dimension (item–rest r below zero).
    """
    cov = moments.cov.to_numpy()
    answered = np.diag(moments.pairwise_n)
    rest_r = item_rest_correlations(cov)
    floor, ceiling = _end_shares(moments, scale)
    columns = {
        "dimension": dimension,
        "item": moments.items,
        "n": answered,
        "mean": moments.mean.to_numpy(),
        "sd": np.sqrt(np.diag(cov)),
        "item_rest_r": rest_r,
        "alpha_if_dropped": alpha_if_dropped(cov),
        "floor": floor,
        "ceiling": ceiling,
        "missing": 1 - answered / moments.n,
        "suspect_reversed": rest_r < 0,
    }
    return pd.DataFrame(columns, columns=ITEM_COLUMNS)


def _end_shares(moments: Moments, scale: tuple[float, float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Shares of answers at the lowest and highest point of the scale; NaN for items that are not ordinal."""
    tables = moments.tables
    counts = [
        pd.Series(np.diag(tables.array(i, i)), index=tables.levels(i)) if moments.levels[i] is not None else None
        for i in range(len(moments.items))
    ]
    used = [level for count in counts if count is not None for level in count.index[count > 0]]
    ends = scale or ((min(used), max(used)) if used else (np.nan, np.nan))
    shares = [
        [np.nan if count is None or not count.any() else count.get(end, 0.0) / count.sum() for count in counts]
        for end in ends
    ]
    return np.array(shares[0]), np.array(shares[1])
