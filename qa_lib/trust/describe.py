"""Descriptives of items and correlations between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Moments, as_moments
from qa_lib.sufficient.ordinal import polychoric

Correlation = Literal["pearson", "spearman", "polychoric"]


@dataclass(frozen=True, slots=True)
class Descriptives(Result):
    """A row per item in ``table``; ``distribution`` (items × answers) holds the share of each answer."""

    table: pd.DataFrame
    distribution: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        settings = self.provenance.settings
        row = {"n": self.provenance.n, "n_effective": settings["n_effective"], "n_items": len(self.table)}
        return pd.DataFrame([row | {"method": "weighted" if settings["weighted"] else "unweighted"}])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Means with their intervals."""
        from qa_lib.models.pictures import intervals

        words = {"mean": "Mean"} | dict(labels or {})
        return intervals(self.table.assign(name=self.table["item"], series=""), ax, words, words["mean"])


def describe(
    data: pd.DataFrame,
    items: Sequence[str] | None = None,
    weights: Any = None,
    conf_level: float = 0.95,
) -> Descriptives:
    """Mean with its interval, spread, shape and missing share of each item.

    items : columns; by default all numeric ones. weights : respondents' weights, a column's name or an array (n,).
    Columns of ``tidy()``: term (mean), item, estimate, std_error, conf_low, conf_high, n, missing, sd, median, min,
    max, skew, kurtosis. Skew and excess kurtosis are m₃/s³ and m₄/s⁴ - 3 with s² the sample variance (Joanes and Gill
    1998, b₁ and b₂), as R's psych has them. Under weights the interval uses the effective sample size.
    Raises ResponseError for columns that are absent or not numeric.

    >>> describe(pd.DataFrame({"q1": [1, 2, 2, 5]})).tidy()[["item", "n", "estimate", "median"]].to_dict("list")
    {'item': ['q1'], 'n': [4], 'estimate': [2.5], 'median': [2.0]}
    """
    moments = as_moments(data, items, weights)
    w = _weight_array(data, weights)
    columns = {item: data[item].to_numpy(dtype=float, na_value=np.nan) for item in moments.items}
    deflation = moments.effective_n / moments.n
    table = pd.DataFrame([_item_row(item, x, w, deflation, conf_level) for item, x in columns.items()])
    shares = pd.DataFrame({item: _answer_shares(x, w) for item, x in columns.items()}).T.sort_index(axis=1)
    settings = {"n_effective": moments.effective_n, "weighted": weights is not None, "conf_level": conf_level}
    return Descriptives(table, shares, Provenance("describe", moments.n, settings))


def _weight_array(data: pd.DataFrame, weights: Any) -> np.ndarray:
    if weights is None:
        return np.ones(len(data))
    return np.asarray(data[weights] if isinstance(weights, str) else weights, dtype=float)


def _item_row(item: str, x: np.ndarray, w: np.ndarray, deflation: float, conf_level: float) -> dict[str, Any]:
    answered = ~np.isnan(x)
    x, used, missing = x[answered], w[answered], w[~answered].sum() / w.sum()
    n = used.sum()
    row = {"term": "mean", "item": item, "n": int(answered.sum()), "missing": float(missing)}
    if not x.size:
        return row
    mean = used @ x / n
    deviation = x - mean
    sd = np.sqrt(used @ deviation**2 / (n - 1)) if n > 1 else np.nan
    error = sd / np.sqrt(n * deflation)
    reach = t.ppf(0.5 + conf_level / 2, n * deflation - 1) * error if n * deflation > 1 else np.nan
    standardised = deviation / sd if sd > 0 else np.full(x.size, np.nan)
    return row | {
        "estimate": mean,
        "std_error": error,
        "conf_low": mean - reach,
        "conf_high": mean + reach,
        "sd": sd,
        "median": _weighted_median(x, used),
        "min": x.min(),
        "max": x.max(),
        "skew": used @ standardised**3 / n,
        "kurtosis": used @ standardised**4 / n - 3,
    }


def _weighted_median(x: np.ndarray, w: np.ndarray) -> float:
    """The value that halves the weight; the middle of two when the halves meet exactly between them."""
    order = np.argsort(x)
    cumulative = np.cumsum(w[order]) / w.sum()
    low, high = (x[order][np.searchsorted(cumulative, 0.5 + step)] for step in (-1e-12, 1e-12))
    return float((low + high) / 2)


def _answer_shares(x: np.ndarray, w: np.ndarray) -> pd.Series:
    answered = ~np.isnan(x)
    return pd.Series(w[answered]).groupby(x[answered]).sum() / w[answered].sum()


@dataclass(frozen=True, slots=True)
class Correlations(Result):
    """``correlation`` (items × items) and the number of respondents behind each, ``pairwise_n``."""

    correlation: pd.DataFrame
    pairwise_n: pd.DataFrame
    table: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        off = self.table["estimate"]
        row = {"n": self.provenance.n, "method": self.provenance.settings["method"], "n_items": len(self.correlation)}
        return pd.DataFrame([row | {"mean_r": off.mean(), "min_r": off.min(), "max_r": off.max()}])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Heat map of the correlations; ``labels`` translates item names."""
        from qa_lib.trust.pictures import heat_map

        return heat_map(self.correlation, ax, labels)


def correlations(
    data: Any,
    items: Sequence[str] | None = None,
    method: Correlation = "pearson",
    weights: Any = None,
    conf_level: float = 0.95,
) -> Correlations:
    """Correlations of all pairs of items, on the respondents who answered both.

    data : DataFrame, or Moments or (covariance, n) for Pearson's and, of Moments, polychoric correlations.
    Columns of ``tidy()``: term and lhs, op (``~~``), rhs, estimate, std_error, statistic, p_value, conf_low,
    conf_high, n. Intervals by Fisher's z; Spearman's with the variance (1 + r²/2)/(n - 3) (Bonett and Wright 2000,
    eq. 2); polychoric ones from their asymptotic covariance. Under weights n is the effective sample size.
    Raises ResponseError for an unknown method or columns that are absent or not numeric.

    >>> frame = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 1, 4, 3, 5]})
    >>> float(correlations(frame, method="spearman").correlation.loc["a", "b"].round(3))
    0.8
    """
    if method not in get_args(Correlation):
        raise ResponseError(f"method is {method!r}; allowed are {', '.join(get_args(Correlation))}.")
    if method == "spearman":
        data = _ranks(data, items, weights)
    moments = as_moments(data, items, weights)
    error = None
    if method == "polychoric":
        matrix, error = _polychoric(data, moments, weights)
    else:
        matrix = moments.correlation
    n = moments.pairwise_n * (moments.effective_n / moments.n)
    table = _pair_rows(matrix, n, error, method, conf_level)
    settings = {"method": method, "conf_level": conf_level}
    return Correlations(matrix, moments.pairwise_n, table, Provenance("correlations", moments.n, settings))


def _ranks(data: Any, items: Sequence[str] | None, weights: Any) -> pd.DataFrame:
    if not isinstance(data, pd.DataFrame):
        raise ResponseError("Spearman's correlations need the respondents' answers: pass a DataFrame.")
    chosen = as_moments(data, items, weights).items
    return data.assign(**data[chosen].rank())


def _polychoric(data: Any, moments: Moments, weights: Any) -> tuple[pd.DataFrame, np.ndarray]:
    found = polychoric(data, moments.items, weights)
    upper = np.triu_indices(len(moments.items), 1)
    return found.correlation, found.std_errors.to_numpy()[upper]


def _pair_rows(
    matrix: pd.DataFrame, n: pd.DataFrame, error: np.ndarray | None, method: Correlation, conf_level: float
) -> pd.DataFrame:
    rows, columns = np.triu_indices(len(matrix), 1)
    r, n_pair = matrix.to_numpy()[rows, columns], n.to_numpy()[rows, columns]
    names = matrix.index.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(r)
        if error is None:
            spread = np.sqrt((1 + r**2 / 2 if method == "spearman" else 1) / np.maximum(n_pair - 3, 0))
            statistic = r * np.sqrt((n_pair - 2) / (1 - r**2))
            p_value = 2 * t.sf(np.abs(statistic), np.maximum(n_pair - 2, 0))
            std_error = spread * (1 - r**2)
        else:
            std_error, spread = error, error / (1 - r**2)
            statistic = r / std_error
            p_value = 2 * norm.sf(np.abs(statistic))
        reach = norm.ppf(0.5 + conf_level / 2) * spread
        low, high = (np.where(np.isinf(reach), side, np.tanh(z + side * reach)) for side in (-1, 1))
    return pd.DataFrame(
        {
            "term": [f"{a} ~~ {b}" for a, b in zip(names[rows], names[columns], strict=True)],
            "lhs": names[rows],
            "op": "~~",
            "rhs": names[columns],
            "estimate": r,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": p_value,
            "conf_low": low,
            "conf_high": high,
            "n": n_pair,
        }
    )
