"""What a driver model is fitted to: respondents' rows, or moments alone, checked once for every model of this room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.rows import Rows, complete_rows
from qa_lib.errors import ModelError
from qa_lib.sufficient.moments import Moments, as_moments

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
class RowsDesign(Rows):
    """Complete rows whose columns are the predictors and, last, the outcome."""

    @property
    def predictors(self) -> tuple[str, ...]:
        return self.columns[:-1]

    @property
    def outcome(self) -> str:
        return self.columns[-1]

    @property
    def x(self) -> np.ndarray:
        return self.answers[:, :-1]

    @property
    def y(self) -> np.ndarray:
        return self.answers[:, -1]

    @property
    def with_intercept(self) -> np.ndarray:
        return np.column_stack([np.ones(len(self.answers)), self.x])


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


def _rows(
    data: pd.DataFrame, names: list[str], weights: str | ArrayLike | None, cluster: str | ArrayLike | None
) -> RowsDesign:
    rows = complete_rows(data, names, weights, cluster=cluster)
    if len(rows.answers) <= len(names):
        raise ModelError(
            f"{len(rows.answers)} of {len(data)} rows are complete on outcome and {len(names) - 1} predictors; "
            f"more than {len(names)} are needed. Use fewer predictors, or moments of pairwise or FIML estimates."
        )
    if rows.clusters is not None and rows.clusters.max() < 1:
        raise ModelError("cluster: all complete rows lie in one cluster; errors by cluster need at least two.")
    return RowsDesign(*(getattr(rows, field.name) for field in fields(Rows)))


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
    if isinstance(design, MomentsDesign):
        sd = np.sqrt(variance)
        if np.linalg.eigvalsh(design.cov / np.outer(sd, sd))[0] <= 1e-12:
            raise ModelError(
                f"the covariance matrix of {design.outcome!r} and the predictors is not positive definite: no one set "
                "of respondents can have given it. Use listwise or FIML moments, or leave out a variable."
            )


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
