"""Moments: weighted n, means, covariances, bivariate tables, from one pass over any amount of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import norm

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient import fourth, grams
from qa_lib.sufficient.sources import Batch, Piece, split

Missing = Literal["pairwise", "listwise"]


class Tables(Mapping):
    """Bivariate count tables by pair of ordinal items, in either order: rows are levels of the first, columns of the
    second; only respondents who answered both are counted. Iteration gives each pair once."""

    __slots__ = ("_gram", "_items", "_levels", "_slices")

    def __init__(self, items: Sequence[str], levels: Sequence[grams.Levels], gram: np.ndarray):
        self._items, self._levels, self._gram = list(items), levels, gram
        self._slices = grams.feature_slices(levels)

    def array(self, first: int, second: int) -> np.ndarray:
        """Counts of two items, given by position, over all integers between their lowest and highest level."""
        return self._gram[self._slices[first], self._slices[second]]

    def levels(self, item: int) -> np.ndarray:
        return np.array(self._levels[item])

    def __getitem__(self, pair: tuple[str, str]) -> pd.DataFrame:
        try:
            first, second = (self._items.index(item) for item in pair)
        except ValueError:
            raise KeyError(pair) from None
        if self._levels[first] is None or self._levels[second] is None:
            raise KeyError(pair)
        counts = pd.DataFrame(
            self.array(first, second),
            index=pd.Index(self.levels(first), name=pair[0]),
            columns=pd.Index(self.levels(second), name=pair[1]),
        )
        used = [np.diag(self.array(i, i)) > 0 for i in (first, second)]
        return counts.loc[used[0], used[1]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        ordinal = [item for item, levels in zip(self._items, self._levels, strict=True) if levels is not None]
        return ((a, b) for k, a in enumerate(ordinal) for b in ordinal[k + 1 :])

    def __len__(self) -> int:
        ordinal = sum(levels is not None for levels in self._levels)
        return ordinal * (ordinal - 1) // 2


@dataclass(frozen=True, slots=True)
class Moments(Result):
    """All that an estimator needs to know of the data. ``a + b`` equals one pass over both, to rounding.

    items : p names. levels : per item the range of its integer levels, None where it is continuous.
    gram : (features × features), see :mod:`qa_lib.sufficient.grams`. shift : (p,) origin of the features.
    n : weighted number of respondents (those without missing values when ``missing`` is listwise).
    n_rows : their unweighted number. sum_squared_weights : for the effective sample size.
    fourth : products of all monomials up to degree two, when asked for, see :mod:`qa_lib.sufficient.fourth`.

    >>> m = moments(pd.DataFrame({"a": [1, 2, 3, 4], "b": [1.5, 0.5, 3.0, None]}))
    >>> m.pairwise_n.loc["a", "b"], m.mean["b"].round(3)
    (np.float64(3.0), np.float64(1.667))
    """

    items: list[str]
    levels: tuple[grams.Levels, ...]
    shift: np.ndarray
    gram: np.ndarray
    n: float
    n_rows: int
    sum_squared_weights: float
    missing: Missing = "pairwise"
    fourth: np.ndarray | None = None
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    def __add__(self, other: Moments) -> Moments:
        if self.items != other.items or self.missing != other.missing:
            raise ResponseError(
                f"Moments of different items or treatment of missing values cannot be merged: {self.items} "
                f"({self.missing}) and {other.items} ({other.missing}). Select the same items first."
            )
        levels = tuple(map(grams.merge_levels, self.levels, other.levels))
        shift = np.where(np.diag(self._products[0]) > 0, self.shift, other.shift)
        pieces = (self, other)
        both = self.fourth is not None and other.fourth is not None
        return replace(
            self,
            levels=levels,
            shift=shift,
            gram=sum(grams.realign(m.gram, (m.levels, m.shift), (levels, shift)) for m in pieces),
            n=self.n + other.n,
            n_rows=self.n_rows + other.n_rows,
            sum_squared_weights=self.sum_squared_weights + other.sum_squared_weights,
            fourth=sum(fourth.recentre(m.fourth, m.shift - shift) for m in pieces) if both else None,
            provenance=None if self.provenance is None else replace(self.provenance, n=self.n + other.n),
        )

    @property
    def _products(self) -> tuple[np.ndarray, ...]:
        """Σw, Σw y_i, Σw y_i², Σw y_i y_j over respondents who answered both i and j; y = x - shift; each p × p."""
        one, value, square = np.moveaxis(grams.feature_values(self.levels, self.shift), 1, 0)
        observed = self.gram @ one
        return one.T @ observed, value.T @ observed, square.T @ observed, value.T @ self.gram @ value

    def _frame(self, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.items, columns=self.items)

    @property
    def pairwise_n(self) -> pd.DataFrame:
        """Weighted number of respondents who answered both items."""
        return self._frame(self._products[0])

    @property
    def mean(self) -> pd.Series:
        """Weighted mean of all who answered the item; NaN when nobody did, or when only a covariance was given."""
        n, total = (np.diag(product) for product in self._products[:2])
        with np.errstate(invalid="ignore"):
            return pd.Series(self.shift + total / n, index=self.items)

    @property
    def cov(self) -> pd.DataFrame:
        """Covariances, about the means of those who answered both items, denominator n - 1 of the pair."""
        n, total, _, product = self._products
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (product - total * total.T / n) / (n - 1)
        return self._frame(np.where(n > 1, values, np.nan))

    @property
    def correlation(self) -> pd.DataFrame:
        """Pearson correlations; variances too are those of the respondents who answered both (as R's cor)."""
        n, total, square, product = self._products
        with np.errstate(invalid="ignore", divide="ignore"):
            centred = product - total * total.T / n
            variance = square - total**2 / n
            variance[variance <= 1e-14 * square] = np.nan
            values = centred / np.sqrt(variance * variance.T)
        np.fill_diagonal(values, np.where(np.isnan(np.diag(values)), np.nan, 1.0))
        return self._frame(values)

    @property
    def sd(self) -> pd.Series:
        return pd.Series(np.sqrt(np.diag(self.cov)), index=self.items)

    @property
    def tables(self) -> Tables:
        """Bivariate count tables: ``m.tables["i1", "i2"]`` is a DataFrame, levels × levels."""
        return Tables(self.items, self.levels, self.gram)

    @property
    def effective_n(self) -> float:
        """Kish's effective sample size, (Σw)² / Σw²."""
        return self.n**2 / self.sum_squared_weights

    @property
    def acov(self) -> pd.DataFrame:
        """Asymptotic covariance (× n) of means and covariances without assuming normality (Browne 1984, eq. 2.2).

        Order: the p means, then the covariances column by column of the lower triangle; denominator n throughout, as
        lavaan's gamma. Needs ``moments(..., fourth_order=True)``.
        """
        if self.fourth is None:
            raise ResponseError("These moments hold no fourth-order terms: compute them with fourth_order=True.")
        rows, columns = fourth.lower_triangle(len(self.items))
        names = [(item, "") for item in self.items] + [
            (self.items[i], self.items[j]) for i, j in zip(rows, columns, strict=True)
        ]
        index = pd.MultiIndex.from_tuples(names)
        return pd.DataFrame(fourth.asymptotic_covariance(self.fourth), index=index, columns=index)

    def select(self, items: Sequence[str]) -> Moments:
        """The same moments of some of the items, in the given order. Listwise n stays that of all items."""
        absent = [item for item in items if item not in self.items]
        if absent:
            raise ResponseError(f"Moments hold no items {absent}; they hold {self.items}.")
        where = [self.items.index(item) for item in items]
        slices = grams.feature_slices(self.levels)
        features = np.concatenate([[], *(np.arange(slices[i].start, slices[i].stop) for i in where)]).astype(int)
        return replace(
            self,
            items=list(items),
            levels=tuple(self.levels[i] for i in where),
            shift=self.shift[where],
            gram=self.gram[np.ix_(features, features)],
            fourth=None if self.fourth is None else fourth.select(self.fourth, where),
        )

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """A row per item: mean as ``estimate`` with error and interval (effective n under weights), sd, n."""
        n = np.diag(self.pairwise_n)
        with np.errstate(invalid="ignore", divide="ignore"):
            std_error = self.sd / np.sqrt(n * self.effective_n / self.n)
        reach = norm.ppf(0.5 + conf_level / 2) * std_error
        columns = {
            "estimate": self.mean,
            "std_error": std_error,
            "conf_low": self.mean - reach,
            "conf_high": self.mean + reach,
        }
        return pd.DataFrame(
            {"term": self.items, **{k: v.to_numpy() for k, v in columns.items()}, "sd": self.sd.to_numpy(), "n": n}
        )

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "n_rows": self.n_rows, "n_effective": self.effective_n, "n_items": len(self.items)}
        return pd.DataFrame([row | {"method": self.missing}])


def moments(
    data: Any,
    items: Sequence[str] | None = None,
    weights: Any = None,
    missing: Missing = "pairwise",
    by: str | None = None,
    fourth_order: bool = False,
    n_jobs: int | None = None,
) -> Moments | dict[Any, Moments]:
    """Moments of a DataFrame, of parquet or CSV files of any size (path or paths), or of a Dask DataFrame.

    items : columns to use; by default all numeric ones except weights and ``by``.
    weights : respondents' weights: a column's name or, for a DataFrame, an array (n,).
    missing : ``pairwise`` keeps every answer, ``listwise`` only respondents who answered all items.
    by : a column; then a dict of Moments by its values (missing values left out), from the same pass.
    fourth_order : also the terms of :attr:`Moments.acov` (needs complete respondents: listwise).
    n_jobs : as in joblib; pieces of the data are read and counted in parallel, also on a cluster within
        ``joblib.parallel_config(backend="dask")``.

    Raises ResponseError for columns that are absent or not numeric, infinite values, and impossible weights.

    >>> frame = pd.DataFrame({"a": [1, 2, 2, 4], "b": [2, 1, 3, 4]})
    >>> m = moments(frame.iloc[:1]) + moments(frame.iloc[1:])
    >>> m.n, float(m.cov.loc["a", "b"])
    (4.0, 1.1666666666666667)
    >>> m.tables["a", "b"].loc[2, 3]
    np.float64(1.0)
    """
    if missing not in ("pairwise", "listwise"):
        raise ResponseError(f"missing is {missing!r}; allowed are 'pairwise' and 'listwise'.")
    if fourth_order and missing != "listwise":
        raise ResponseError("fourth_order needs complete respondents: pass missing='listwise'.")
    if isinstance(data, pd.DataFrame) and len(data) > 1 and data.index.equals(data.columns):
        raise ResponseError("The data are a covariance matrix: pass (covariances, number of respondents).")
    pieces = split(data, items, weights, by)
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_piece_moments)(piece, missing, fourth_order) for piece in pieces
    )
    groups = reduce(_merge_groups, parts, {})
    if not groups:
        raise ResponseError("The data hold no rows.")
    if by is None and not groups[None].n_rows:
        raise ResponseError(f"No respondent answered all {len(groups[None].items)} items; use missing='pairwise'.")
    settings = {"missing": missing, "weighted": weights is not None, "by": by}
    for group, found in groups.items():
        _check_weight_total(found, group)
        groups[group] = replace(found, provenance=Provenance("moments", found.n, settings))
    return groups if by is not None else groups[None]


def as_moments(
    data: Any,
    items: Sequence[str] | None = None,
    weights: Any = None,
    missing: Missing = "pairwise",
) -> Moments:
    """Moments from whatever a user holds: data (see :func:`moments`), Moments, or (covariance DataFrame, n).

    >>> cov = pd.DataFrame([[1, .5], [.5, 2]], index=["a", "b"], columns=["a", "b"])
    >>> as_moments((cov, 100)).cov.loc["a", "b"]
    np.float64(0.5)
    """
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], pd.DataFrame):
        data = _from_covariance(*data)
    if not isinstance(data, Moments):
        return moments(data, items, weights, missing)
    if weights is not None:
        raise ResponseError("Moments are already weighted; pass weights where the moments are computed.")
    return data if items is None or list(items) == data.items else data.select(items)


def _from_covariance(cov: pd.DataFrame, n: float) -> Moments:
    values = cov.to_numpy(dtype=float)
    if list(cov.index) != list(cov.columns) or not np.allclose(values, values.T):
        raise ResponseError("A covariance matrix must be symmetric, with the same names in rows and columns.")
    if not n > 1:
        raise ResponseError(f"A covariance matrix needs the number of respondents it came from; found {n!r}.")
    p = len(cov)
    gram = np.zeros((p, 3, p, 3))
    gram[:, 0, :, 0] = n
    gram[:, 1, :, 1] = values * (n - 1)
    gram[:, 2, :, 0] = np.diag(values)[:, None] * (n - 1)
    gram[:, 0, :, 2] = gram[:, 2, :, 0].T
    return Moments(
        items=[str(name) for name in cov.columns],
        levels=(None,) * p,
        shift=np.full(p, np.nan),
        gram=gram.reshape(3 * p, 3 * p),
        n=float(n),
        n_rows=int(n),
        sum_squared_weights=float(n),
        provenance=Provenance("as_moments", float(n)),
    )


def _piece_moments(piece: Piece, missing: Missing, fourth_order: bool) -> dict[Any, Moments]:
    batches = (group for batch in piece for group in batch.by_group())
    return reduce(_merge_groups, ({key: _batch_moments(b, missing, fourth_order)} for key, b in batches), {})


def _batch_moments(batch: Batch, missing: Missing, fourth_order: bool) -> Moments:
    x, weights = batch.x, batch.weights
    if missing == "listwise" and x.dtype.kind == "f":
        complete = ~np.isnan(x).any(axis=0)
        x, weights = x[:, complete], None if weights is None else weights[complete]
    levels = tuple(grams.find_levels(row) for row in x)
    shift = np.array([_origin(row, item) for row, item in zip(x, levels, strict=True)])
    n_rows = x.shape[1]
    n = float(n_rows if weights is None else weights.sum())
    return Moments(
        items=batch.items,
        levels=levels,
        shift=shift,
        gram=grams.gram(x, levels, shift, weights),
        n=n,
        n_rows=n_rows,
        sum_squared_weights=float(n_rows if weights is None else weights @ weights),
        missing=missing,
        fourth=fourth.products(x, shift, weights) if fourth_order else None,
    )


def _origin(row: np.ndarray, levels: grams.Levels) -> float:
    """A value near the item's mean, so that sums about it lose no digits; whole for ordinal items, so exact."""
    start = row[: grams.BLOCK]
    observed = start[~np.isnan(start)] if row.dtype.kind == "f" else start
    mean = float(observed.mean()) if observed.size else 0.0
    return mean if levels is None else float(np.rint(mean))


def _merge_groups(a: dict[Any, Moments], b: dict[Any, Moments]) -> dict[Any, Moments]:
    return a | {key: add(a[key], found) if key in a else found for key, found in b.items()}


def _check_weight_total(found: Moments, group: Any) -> None:
    if found.n_rows > 1 and found.n <= 1 + 1e-9:
        where = "" if group is None else f" in group {group!r}"
        raise ResponseError(
            f"Weights sum to {found.n:.3g} over {found.n_rows} respondents{where}. Scale respondents' weights to "
            "sum to their number (raking weights do)."
        )
