"""Respondents' complete rows and their resampled moments: what PLS, importance–performance and asymmetry start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qa_lib.errors import ModelError, ResponseError
from qa_lib.sufficient.resample import bootstrap_moments
from qa_lib.sufficient.weights import effective_n


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows without missing values.

    ``answers`` (n, p) in the order of ``columns``; ``weights`` (n,) with a mean of 1, or None; ``index`` the rows'
    labels in the data given; ``n_dropped`` the rows left out.
    """

    columns: tuple[str, ...]
    answers: np.ndarray
    weights: np.ndarray | None
    index: pd.Index
    n_dropped: int

    @property
    def n(self) -> float:
        """Number of rows; Kish's effective number under weights."""
        return float(len(self.answers)) if self.weights is None else effective_n(self.weights)

    @property
    def mean(self) -> np.ndarray:
        return np.average(self.answers, axis=0, weights=self.weights)

    @property
    def cov(self) -> np.ndarray:
        return np.atleast_2d(np.cov(self.answers, rowvar=False, aweights=self.weights))

    def resample(self, n_boot: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Means (B, p) and covariances (B, p, p) of B samples of respondents, drawn with replacement."""
        p = len(self.columns)
        if n_boot < 0:
            raise ModelError(f"n_boot={n_boot}; 0 (no intervals) or more samples are allowed.")
        if n_boot == 0:
            return np.empty((0, p)), np.empty((0, p, p))
        return bootstrap_moments(self.answers, n_boot, seed, weights=self.weights)


def complete_rows(
    data: pd.DataFrame,
    columns: Sequence[str],
    weights: str | ArrayLike | None = None,
    missing: str = "listwise",
) -> Rows:
    """Numeric rows without missing values in the named columns; rows without weight are left out.

    ``missing="mean"`` fills a missing value with its column's mean instead of leaving the row out.

    Raises
    ------
    ResponseError
        columns that are absent, not numeric, constant or infinite; weights that are negative or all zero;
        fewer than three complete rows
    """
    if not isinstance(data, pd.DataFrame):
        raise ResponseError(f"The data are a {type(data).__name__}; a DataFrame of respondents × items is needed.")
    absent = [name for name in columns if name not in data.columns]
    if absent:
        raise ResponseError(
            f"The data have no column {', '.join(absent)}. Columns: {', '.join(map(str, data.columns))}."
        )
    text = [name for name in columns if not pd.api.types.is_numeric_dtype(data[name])]
    if text:
        raise ResponseError(f"Not numeric: {', '.join(text)}. Code the answers as numbers first.")
    values = data[list(columns)].to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(values).any():
        bad = [name for name, column in zip(columns, values.T, strict=True) if np.isinf(column).any()]
        raise ResponseError(f"Infinite values in {', '.join(bad)}. Set them to missing.")
    weight = respondent_weights(data, weights)
    if missing == "mean":
        values = _fill_means(values, weight)
    elif missing != "listwise":
        raise ModelError(f"missing={missing!r} is unknown. Allowed: 'listwise', 'mean'.")
    keep = np.isfinite(values).all(axis=1) & (weight > 0)
    if keep.sum() < 3:
        raise ResponseError(
            f"{keep.sum()} of {len(data)} rows are complete on {', '.join(map(str, columns))}; 3 are needed."
        )
    values, weight = values[keep], weight[keep]
    flat = [name for name, column in zip(columns, values.T, strict=True) if np.ptp(column) == 0]
    if flat:
        raise ResponseError(f"Constant: {', '.join(flat)}. Everyone answered the same; leave the column out.")
    scaled = None if weights is None else weight / weight.mean()
    return Rows(tuple(columns), values, scaled, data.index[keep], int((~keep).sum()))


def respondent_weights(data: pd.DataFrame, weights: str | ArrayLike | None) -> np.ndarray:
    """One non-negative weight per row (ones when there are none); missing weights count as zero."""
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if weights not in data.columns:
            raise ResponseError(f"weights: the data have no column {weights!r}.")
        weights = data[weights]
    values = np.nan_to_num(np.asarray(weights, dtype=float))
    if values.shape != (len(data),):
        raise ResponseError(f"weights: {values.size} values for {len(data)} rows; one per row is needed.")
    if (values < 0).any() or not values.any():
        raise ResponseError("weights: negative, or all zero. A respondent's weight is zero or more, not all zero.")
    return values


def percentile_interval(draws: np.ndarray, conf_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of bootstrap draws (B, …) over the first axis; NaN without draws."""
    if not 0 < conf_level < 1:
        raise ModelError(f"conf_level={conf_level}; a number between 0 and 1 is needed, usually 0.95.")
    if len(draws) == 0:
        return np.full(draws.shape[1:], np.nan), np.full(draws.shape[1:], np.nan)
    tail = (1 - conf_level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def _fill_means(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    empty = ~known[weight > 0].any(axis=0)
    if empty.any():
        raise ResponseError(f"{int(empty.sum())} columns hold no answer at all; leave them out.")
    mean = (np.where(known, values, 0) * weight[:, None]).sum(axis=0) / (known * weight[:, None]).sum(axis=0)
    return np.where(known, values, mean)
