"""What a driver model is fitted to: respondents' rows, or moments alone, checked once for every model of this room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.errors import ModelError, ResponseError
from qa_lib.sufficient.moments import Moments, as_moments
from qa_lib.sufficient.resample import bootstrap_blocks
from qa_lib.sufficient.weights import effective_n

_COLLINEAR = 1e-9
_BLOCK = 2**21


@dataclass(frozen=True, slots=True)
class MomentsDesign:
    """Means (p + 1,) and covariance (p + 1, p + 1), denominator n − 1, of predictors and, last, the outcome.

    Attributes
    ----------
    n : number of respondents, effective (Kish) under weights
    mean : NaN where only a covariance is known; then there is no intercept to report
    """

    predictors: tuple[str, ...]
    outcome: str
    n: float
    mean: np.ndarray
    cov: np.ndarray

    def replicates(self, n_boot: int, seed: int) -> Iterator[np.ndarray]:
        """Blocks (b, p + 1, p + 1) of covariances drawn from the Wishart distribution that normal data would give."""
        rng = np.random.default_rng(seed)
        block = max(1, _BLOCK // self.cov.size)
        for start in range(0, n_boot, block):
            draws = stats.wishart(self.n - 1, self.cov / (self.n - 1)).rvs(min(block, n_boot - start), random_state=rng)
            yield draws.reshape(-1, *self.cov.shape)


@dataclass(frozen=True, slots=True)
class RowsDesign:
    """Complete rows: values (n, p + 1) of predictors and, last, the outcome.

    Attributes
    ----------
    weights : (n,) respondents' weights scaled to a mean of 1; all 1 when the study has none
    clusters : (n,) integer code of the cluster each respondent belongs to, or None
    index : labels of the rows in the data given
    n_dropped : rows left out because a value or weight was missing, or the weight was zero
    """

    predictors: tuple[str, ...]
    outcome: str
    values: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray | None
    index: pd.Index
    n_dropped: int

    @property
    def n(self) -> float:
        return effective_n(self.weights)

    @property
    def weighted(self) -> bool:
        return bool(np.ptp(self.weights) > 0)

    @property
    def x(self) -> np.ndarray:
        return self.values[:, :-1]

    @property
    def y(self) -> np.ndarray:
        return self.values[:, -1]

    @property
    def with_intercept(self) -> np.ndarray:
        return np.column_stack([np.ones(len(self.values)), self.x])

    @property
    def mean(self) -> np.ndarray:
        return np.average(self.values, axis=0, weights=self.weights)

    @property
    def cov(self) -> np.ndarray:
        return np.cov(self.values, rowvar=False, aweights=self.weights)

    def replicates(self, n_boot: int, seed: int) -> Iterator[np.ndarray]:
        """Blocks (b, p + 1, p + 1) of covariances of resampled respondents, or of resampled whole clusters."""
        if self.clusters is None:
            weights = self.weights if self.weighted else None
            yield from (covs for _, covs in bootstrap_blocks(self.values, n_boot, seed, weights))
        else:
            yield from _cluster_replicates(self.values, self.weights, self.clusters, n_boot, seed)


Design = MomentsDesign | RowsDesign


def build_design(
    data: pd.DataFrame | Moments | tuple[pd.DataFrame, float],
    outcome: str,
    predictors: Sequence[str],
    weights: str | ArrayLike | None = None,
    cluster: str | ArrayLike | None = None,
    nobs: float | None = None,
) -> Design:
    """Rows or moments of the named variables, or an error that says why no model can be fitted to them."""
    names = _checked_names(outcome, predictors)
    if isinstance(data, pd.DataFrame) and nobs is None:
        design: Design = _rows(data, names, weights, cluster)
    else:
        if weights is not None or cluster is not None:
            raise ModelError("weights and cluster need respondents' rows; moments hold their weights already.")
        moments = as_moments((data, nobs) if nobs is not None else data, items=names)
        cov = moments.cov.loc[names, names].to_numpy(float)
        mean = moments.mean[names].to_numpy(float)
        design = MomentsDesign(tuple(names[:-1]), outcome, moments.effective_n, mean, cov)
    _check_information(design)
    return design


def _checked_names(outcome: str, predictors: Sequence[str]) -> list[str]:
    if isinstance(predictors, str):
        raise ModelError(f"predictors is the single name {predictors!r}; a list of column names is needed.")
    names = [*predictors, outcome]
    if len(names) < 2:
        raise ModelError("no predictors given; name at least one column.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelError(f"named twice among outcome and predictors: {', '.join(map(str, repeated))}.")
    return names


def _rows(data: pd.DataFrame, names: list[str], weights: str | ArrayLike | None, cluster: str | ArrayLike | None):
    missing = [name for name in names if name not in data.columns]
    if missing:
        raise ResponseError(f"columns not in the data: {missing}. The data hold: {', '.join(map(str, data.columns))}.")
    text = [name for name in names if not pd.api.types.is_numeric_dtype(data[name])]
    if text:
        raise ResponseError(f"columns that are not numeric: {text}. Code them as numbers, or as 0/1 indicators, first.")
    values = data[names].to_numpy(dtype=float, na_value=np.nan)
    w = np.ones(len(data)) if weights is None else column_of(data, weights, "weights").to_numpy(float, na_value=np.nan)
    groups = None if cluster is None else column_of(data, cluster, "cluster")
    if (w < 0).any():
        raise ResponseError(f"weights: {int((w < 0).sum())} are negative; a respondent's weight is zero or more.")
    keep = np.isfinite(values).all(axis=1) & np.isfinite(w) & (w > 0)
    if groups is not None:
        keep &= groups.notna().to_numpy()
    if not (w > 0).any():
        raise ResponseError("weights: all are zero or missing; at least some respondents must count.")
    if keep.sum() <= len(names):
        raise ModelError(
            f"{int(keep.sum())} of {len(data)} rows are complete on outcome and {len(names) - 1} predictors; "
            f"more than {len(names)} are needed. Use fewer predictors, or moments of pairwise or FIML estimates."
        )
    codes = None if groups is None else pd.factorize(groups[keep])[0]
    scaled = w[keep] / w[keep].mean()
    return RowsDesign(tuple(names[:-1]), names[-1], values[keep], scaled, codes, data.index[keep], int((~keep).sum()))


def column_of(data: pd.DataFrame, column: str | ArrayLike, what: str) -> pd.Series:
    """A column by name, or values as long as the data."""
    if isinstance(column, str):
        if column not in data.columns:
            raise ResponseError(f"{what}: no column is called {column!r}. The data hold: {', '.join(data.columns)}.")
        return data[column]
    series = pd.Series(np.asarray(column), index=data.index) if len(column) == len(data) else None
    if series is None:
        raise ResponseError(f"{what}: {len(column)} values for {len(data)} rows; one for each row is needed.")
    return series


def _check_information(design: Design) -> None:
    if design.n <= len(design.predictors) + 2:
        raise ModelError(f"{design.n:g} respondents are too few for {len(design.predictors)} predictors.")
    variance = np.diag(design.cov)
    if not np.isfinite(design.cov).all():
        raise ModelError(
            "the covariance matrix has missing entries; no pair of variables may be without joint answers."
        )
    constant = variance <= np.finfo(float).eps * np.fmax(1, design.mean**2)
    if constant[-1]:
        raise ModelError(
            f"the outcome {design.outcome!r} has one level only: {design.mean[-1]:g}. Nothing can move it."
        )
    if constant.any():
        names = [name for name, flat in zip(design.predictors, constant, strict=False) if flat]
        raise ModelError(f"predictors that are constant: {', '.join(names)}. Leave them out.")
    redundant = _redundant(design.cov[:-1, :-1])
    if redundant:
        names = ", ".join(design.predictors[k] for k in redundant)
        raise ModelError(f"predictors that the others determine exactly: {names}. Leave them out.")


def _redundant(cov: np.ndarray) -> list[int]:
    """Predictors without variance left once those before them are swept out (Gaussian elimination)."""
    scale = np.sqrt(np.diag(cov))
    residual = cov / np.outer(scale, scale)
    redundant = []
    for k in range(len(cov)):
        pivot = residual[k, k]
        if pivot < _COLLINEAR:
            redundant.append(k)
        else:
            residual = residual - np.outer(residual[:, k], residual[k]) / pivot
    return redundant


def _cluster_replicates(values, weights, clusters, n_boot, seed):
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
    yield cov - moments[:, :p, None] * moments[:, None, :p]
