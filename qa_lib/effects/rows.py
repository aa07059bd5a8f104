"""Respondents' complete rows and their resampled moments: what every model of this room starts from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qa_lib.errors import ModelError, ResponseError
from qa_lib.sufficient.resample import bootstrap_blocks, bootstrap_moments
from qa_lib.sufficient.values import check_columns, real_numbers
from qa_lib.sufficient.weights import effective_n


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows without missing values.

    Attributes
    ----------
    columns : names of the p columns
    answers : (n, p)
    weights : (n,) respondents' weights scaled to a mean of 1; all 1 when the study has none
    clusters : (n,) integer code of the cluster each respondent belongs to, or None
    index : labels of the rows in the data given
    n_dropped : rows left out because a value, weight or cluster was missing, or the weight was zero
    """

    columns: tuple[str, ...]
    answers: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray | None
    index: pd.Index
    n_dropped: int

    @property
    def n(self) -> float:
        """Number of rows; Kish's effective number under weights."""
        return effective_n(self.weights)

    @property
    def weighted(self) -> bool:
        return bool(np.ptp(self.weights) > 0)

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
        return bootstrap_moments(self.answers, n_boot, seed, weights=self.weights if self.weighted else None)

    def replicates(self, n_boot: int, seed: int) -> Iterator[np.ndarray]:
        """Blocks (b, p, p) of covariances of resampled respondents, or of resampled whole clusters."""
        if self.clusters is None:
            weights = self.weights if self.weighted else None
            yield from (covs for _, covs in bootstrap_blocks(self.answers, n_boot, seed, weights))
        else:
            yield _cluster_replicates(self.answers, self.weights, self.clusters, n_boot, seed)


def complete_rows(
    data: pd.DataFrame,
    columns: Sequence[str],
    weights: str | ArrayLike | None = None,
    missing: str = "listwise",
    cluster: str | ArrayLike | None = None,
) -> Rows:
    """Numeric rows without missing values in the named columns; rows without weight are left out.

    ``missing="mean"`` fills a missing value with its column's mean instead of leaving the row out.

    Raises
    ------
    ResponseError
        columns that are absent, not numeric or infinite; weights that are negative or all zero
    """
    if not isinstance(data, pd.DataFrame):
        raise ResponseError(f"The data are a {type(data).__name__}; a DataFrame of respondents × items is needed.")
    absent = [name for name in columns if name not in data.columns]
    if absent:
        raise ResponseError(
            f"The data have no column {', '.join(map(str, absent))}. Columns: {', '.join(map(str, data.columns))}."
        )
    check_columns(data, *columns)
    text = [name for name in columns if not pd.api.types.is_numeric_dtype(data[name])]
    if text:
        raise ResponseError(f"not numeric: {', '.join(text)}. Code them as numbers, or as 0/1 indicators, first.")
    values = real_numbers(data[list(columns)])
    weight = respondent_weights(data, weights)
    if missing == "mean":
        values = _fill_means(values, weight)
    elif missing != "listwise":
        raise ModelError(f"missing={missing!r} is unknown. Allowed: 'listwise', 'mean'.")
    keep = np.isfinite(values).all(axis=1) & (weight > 0)
    groups = None if cluster is None else column_of(data, cluster, "cluster")
    if groups is not None:
        keep &= groups.notna().to_numpy()
    codes = None if groups is None else pd.factorize(groups[keep])[0]
    scaled = weight[keep] / weight[keep].mean() if keep.any() else weight[keep]
    return Rows(tuple(columns), values[keep], scaled, codes, data.index[keep], int((~keep).sum()))


def varying(rows: Rows) -> Rows:
    """The rows, or a ResponseError when they are fewer than three or a column of them is constant."""
    n, names = len(rows.answers), ", ".join(map(str, rows.columns))
    if n < 3:
        raise ResponseError(f"{n} of {n + rows.n_dropped} rows are complete on {names}; 3 are needed.")
    if rows.n < 2:
        raise ResponseError(f"weights: so unequal that {n} rows count as {rows.n:.1f} respondents; 2 are needed.")
    flat = [name for name, column in zip(rows.columns, rows.answers.T, strict=True) if np.ptp(column) == 0]
    if flat:
        raise ResponseError(f"Constant: {', '.join(flat)}. Everyone answered the same; leave the column out.")
    return rows


def column_of(data: pd.DataFrame, column: str | ArrayLike, what: str) -> pd.Series:
    """A column by name, or values as long as the data."""
    if isinstance(column, str):
        if column not in data.columns:
            columns = ", ".join(map(str, data.columns))
            raise ResponseError(f"{what}: no column is called {column!r}. The data hold: {columns}.")
        check_columns(data, column, what=what)
        return data[column]
    values = np.asarray(column)
    if values.shape != (len(data),):
        raise ResponseError(f"{what}: {values.size} values for {len(data)} rows; one for each row is needed.")
    return pd.Series(values, index=data.index)


def respondent_weights(data: pd.DataFrame, weights: str | ArrayLike | None) -> np.ndarray:
    """One non-negative weight per row (ones when there are none); missing weights count as zero."""
    if weights is None:
        return np.ones(len(data))
    given = column_of(data, weights, "weights")
    values = np.nan_to_num(real_numbers(given.rename("weights")))[:, 0]
    if (values < 0).any():
        raise ResponseError(f"weights: {int((values < 0).sum())} are negative; a respondent's weight is zero or more.")
    if not values.any():
        raise ResponseError("weights: all are zero or missing; at least some respondents must count.")
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


def _cluster_replicates(
    values: np.ndarray, weights: np.ndarray, clusters: np.ndarray, n_boot: int, seed: int
) -> np.ndarray:
    p = values.shape[1]
    upper = np.triu_indices(p)
    centred = values - np.average(values, axis=0, weights=weights)
    products = np.column_stack([np.ones(len(values)), centred, centred[:, upper[0]] * centred[:, upper[1]]])
    sums = np.zeros((clusters.max() + 1, products.shape[1]))
    np.add.at(sums, clusters, weights[:, None] * products)
    counts = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n_boot)
    totals = counts @ sums
    moments = totals[:, 1:] / totals[:, :1]
    cov = np.empty((n_boot, p, p))
    cov[:, upper[0], upper[1]] = cov[:, upper[1], upper[0]] = moments[:, p:]
    return cov - moments[:, :p, None] * moments[:, None, :p]
