"""What every indicator stands on: means with their joint covariance under weights, shares, and one result for both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse, stats
from statsmodels.stats.proportion import proportion_confint

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import LARGEST, check_columns, real_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Weights = str | ArrayLike | None
_BLOCK = 65_536
_NO_SPREAD = 1e-9  # what rounding leaves of the error of a mean of equal answers


@dataclass(frozen=True, slots=True)
class Estimates(Result):
    """Estimates with intervals: ``table`` has a row per term, as ``tidy()`` returns it."""

    table: pd.DataFrame
    n: int
    n_effective: float
    method: str
    conf_level: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [{"n": self.n, "n_effective": self.n_effective, "method": self.method, "conf_level": self.conf_level}]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Every estimate with its interval, first term on top; ``labels`` translates terms."""
        return plot_intervals(self.table, ax=ax, labels=labels)


class MeanEstimates(NamedTuple):
    """Means of the columns of a matrix (d,), covariance of these means (d, d), answers and effective answers (d,)."""

    mean: np.ndarray
    cov: np.ndarray
    n: np.ndarray
    n_effective: np.ndarray


def mean_estimates(y: np.ndarray, w: np.ndarray) -> MeanEstimates:
    """Weighted means of the columns of ``y`` (n, d), each over its own answers, and their joint covariance.

    Cov(m_d, m_e) = Σ w e_d e_e / √((k_d − 1)(k_e − 1) W_d W_e), where e are deviations from the mean (0 where
    unanswered), W the sum of the weights and k Kish's effective number of answers of a column. For one column this
    is the weighted variance over the effective n (Kish 1965, section 11.7), without weights s²/n. It is never
    indefinite, so that any combination of the means has a variance.

    >>> m = mean_estimates(np.array([[1., 2.], [2., np.nan], [3., 4.]]), np.ones(3))
    >>> m.mean.tolist(), m.n.tolist(), m.cov.round(3).tolist()
    ([2.0, 3.0], [3, 2], [[0.333, 0.577], [0.577, 1.0]])
    """
    answered = ~np.isnan(y) & (w > 0)[:, None]
    share = np.where(answered, w[:, None], 0.0)
    total = share.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(answered, y, 0.0).T @ w / total
        n_effective = np.where(total > 0, total**2 / (share**2).sum(axis=0), 0.0)
        deviation = np.where(answered, y - mean, 0.0)
        scale = np.sqrt(np.where(n_effective > 1, (n_effective - 1) * total, np.nan))
        cov = deviation.T @ (w[:, None] * deviation) / np.outer(scale, scale)
    return MeanEstimates(mean, cov, answered.sum(axis=0), n_effective)


@dataclass(frozen=True, slots=True)
class MeanSums:
    """All that ``mean_estimates`` needs to know of any number of rows; ``a + b`` is that of both.

    ``sums`` holds the rows, those with an answer and, of d columns about ``origin``: answers (d,), their weights (d,),
    squared weights (d,); Σw over rows that answered both columns, Σw y of the first over these, Σw y y (d² each).

    >>> y, w = np.array([[1., 2.], [2., np.nan], [3., 4.], [5., 5.]]), np.ones(4)
    >>> merged = MeanSums.of(y[:1], w[:1]) + MeanSums.of(y[1:], w[1:])
    >>> np.allclose(merged.estimates().cov, mean_estimates(y, w).cov)
    True
    """

    sums: np.ndarray
    d: int
    origin: float = 0.0

    @classmethod
    def of(cls, y: np.ndarray, w: np.ndarray, origin: float = 0.0) -> MeanSums:
        return cls(_mean_features(y - origin, w).sum(axis=0), y.shape[1], origin)

    @classmethod
    def by_group(
        cls, y: np.ndarray, w: np.ndarray, groups: np.ndarray, n_groups: int, origin: float = 0.0
    ) -> list[MeanSums]:
        """The sums of every group, given as whole numbers from 0 (−1: none) per row; in blocks of rows."""
        total = np.zeros((n_groups, 2 + 3 * y.shape[1] * (1 + y.shape[1])))
        for start in range(0, len(y), _BLOCK):
            part = slice(start, start + _BLOCK)
            known = groups[part] >= 0
            features = _mean_features(y[part][known] - origin, w[part][known])
            where = (groups[part][known], np.arange(len(features)))
            total += sparse.csr_array((np.ones(len(features)), where), (n_groups, len(features))) @ features
        return [cls(row, y.shape[1], origin) for row in total]

    def __add__(self, other: MeanSums) -> MeanSums:
        if (self.d, self.origin) != (other.d, other.origin):
            raise ResponseError("Sums of different columns, or about different origins, cannot be merged.")
        return replace(self, sums=self.sums + other.sums)

    @property
    def n_rows(self) -> int:
        return int(self.sums[0])

    @property
    def n_answered(self) -> int:
        """Rows that answered at least one column."""
        return int(self.sums[1])

    def estimates(self) -> MeanEstimates:
        d = self.d
        n, total, squares = self.sums[2 : 2 + 3 * d].reshape(3, d)
        both, first, product = self.sums[2 + 3 * d :].reshape(3, d, d)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.diag(first) / total
            n_effective = np.where(total > 0, total**2 / squares, 0.0)
            m = np.nan_to_num(mean)
            deviations = product - m * first - (m * first).T + np.outer(m, m) * both
            np.fill_diagonal(
                deviations, np.where(np.diag(deviations) > 1e-12 * np.diag(product), np.diag(deviations), 0)
            )
            scale = np.sqrt(np.where(n_effective > 1, (n_effective - 1) * total, np.nan))
            cov = deviations / np.outer(scale, scale)
        return MeanEstimates(mean + self.origin, cov, n.astype(int), n_effective)


def _mean_features(y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A row's part in the sums: (n, 2 + 3d + 3d²)."""
    answered = ~np.isnan(y) & (w > 0)[:, None]
    weight = np.where(answered, w[:, None], 0.0)
    value = np.where(answered, y, 0.0)
    parts = (weight[:, :, None] * answered[:, None, :], (weight * value)[:, :, None] * answered[:, None, :],
             (weight * value)[:, :, None] * value[:, None, :])  # fmt: skip
    return np.hstack(
        [
            np.ones((len(y), 1)),
            answered.any(axis=1)[:, None],
            answered,
            weight,
            weight**2,
            *(part.reshape(len(y), -1) for part in parts),
        ]
    )


def mean_table(terms: Sequence[str], estimates: MeanEstimates, conf_level: float) -> pd.DataFrame:
    """A tidy row per mean, with Student's interval on effective n − 1 degrees of freedom."""
    std_error = np.sqrt(np.diag(estimates.cov))
    df = np.where(estimates.n_effective > 1, estimates.n_effective - 1, np.nan)
    half = half_width(std_error, df, conf_level)
    return pd.DataFrame(
        {
            "term": list(terms),
            "estimate": estimates.mean,
            "std_error": std_error,
            "df": df,
            "conf_low": estimates.mean - half,
            "conf_high": estimates.mean + half,
            "n": estimates.n,
            "n_effective": estimates.n_effective,
        }
    )


def warn_unanswered(names: Sequence[str], means: MeanEstimates) -> None:
    empty = [name for name, n in zip(names, means.n, strict=True) if n == 0]
    if empty:
        warnings.warn(f"nobody answered {', '.join(empty)}: no estimate.", DataWarning, stacklevel=3)


def t_quantile(conf_level: float, df: ArrayLike) -> np.ndarray:
    """The half-width of a two-sided interval in standard errors."""
    if not 0 < conf_level < 1:
        raise ResponseError(f"conf_level is {conf_level!r}; it must lie between 0 and 1, for instance 0.95.")
    return stats.t.ppf((1 + conf_level) / 2, df)


def half_width(std_error: ArrayLike, df: ArrayLike, conf_level: float) -> np.ndarray:
    """Half of Student's interval; NaN where answers all alike leave no error to build one on.

    >>> half_width([0.5, 0.0], 20, .95).round(3).tolist()
    [1.043, nan]
    """
    std_error = np.asarray(std_error, dtype=float)
    return t_quantile(conf_level, df) * np.where(std_error > _NO_SPREAD, std_error, np.nan)


def wilson(share: float, n: float, conf_level: float) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); n may be effective.

    >>> [round(limit, 4) for limit in wilson(.8, 50, .95)]
    [0.6696, 0.8876]
    """
    t_quantile(conf_level, 1)
    if not n > 0:
        return np.nan, np.nan
    return proportion_confint(share * n, n, alpha=1 - conf_level, method="wilson")


def respondent_weights(weights: Weights, data: pd.DataFrame | pd.Series) -> np.ndarray:
    """Weights (n,) from a column's name, an array or a Series; ones when there are none.

    Raises ``ResponseError`` when the column is absent, the length differs or a weight is missing or negative.
    """
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if not isinstance(data, pd.DataFrame) or weights not in data.columns:
            raise ResponseError(f"weights: there is no column {weights!r} in the data.")
        weights = data[weights]
    if isinstance(weights, pd.Series) and len(weights) == len(data) and not weights.index.equals(data.index):
        raise ResponseError("weights: the index of the Series differs from the data's; align them first.")
    try:
        if np.asarray(weights).dtype.kind == "c":
            raise TypeError
        w = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        raise ResponseError("weights: not numeric; every respondent needs a number of zero or more.") from None
    if w.shape != (len(data),):
        raise ResponseError(f"weights: {w.size} weights for {len(data)} respondents.")
    bad = ~np.isfinite(w) | (w < 0) | (w > LARGEST) | ((w > 0) & (w < 1 / LARGEST))
    if bad.any():
        raise ResponseError(
            f"weights: {bad.sum()} of {len(w)} are missing, infinite or negative (first in row {bad.argmax()}), or "
            f"beyond {1 / LARGEST:g} to {LARGEST:g}. Every respondent needs a weight of zero or more."
        )
    if len(w) and not w.any():
        raise ResponseError("weights: all are zero.")
    return w


def item_matrix(data: pd.DataFrame, items: Sequence[str]) -> np.ndarray:
    """Answers (n, items) as floats; missing columns and text are named in a ``ResponseError``."""
    check_columns(data, *items)
    return real_numbers(data[list(items)])


def check_range(y: np.ndarray, names: Sequence[str], scale: tuple[float, float]) -> None:
    """Raise ``ResponseError`` naming the first column with an answer outside ``scale``."""
    low, high = scale
    if not low < high:
        raise ResponseError(f"scale is {scale!r}; give (lowest, highest) answer, for instance (1, 5).")
    outside = (y < low) | (y > high)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ResponseError(
            f"{names[column]}: the answer {y[row, column]:g} in row {row} lies outside the scale {low:g} to {high:g}. "
            "Pass the item's scale, or recode the answer."
        )


def row_means(y: np.ndarray) -> np.ndarray:
    """Each respondent's mean over the items answered; NaN where none was."""
    answered = ~np.isnan(y)
    count = answered.sum(axis=1)
    return np.where(answered, y, 0.0).sum(axis=1) / np.where(count, count, np.nan)


def plot_intervals(
    table: pd.DataFrame, *, ax: Axes | None = None, labels: Mapping[str, str] | None = None, by: str = "term"
) -> Axes:
    """Dots with intervals on a common axis, a row per ``by``."""
    import matplotlib.pyplot as plt

    ax = ax if ax is not None else plt.subplots(figsize=(7, 0.45 * len(table) + 1))[1]
    y = np.arange(len(table))
    if "conf_low" in table:
        ax.hlines(y, table["conf_low"], table["conf_high"], color="0.55", linewidth=2)
    ax.plot(table["estimate"], y, "o", color="C0")
    ax.set_yticks(y, [(labels or {}).get(name, name) for name in table[by].astype(str)])
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    return ax
