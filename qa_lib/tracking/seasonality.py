"""What only the season does: month effects beside the trend, once two years are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import real_numbers
from qa_lib.tracking.estimates import plot_intervals, t_quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Seasonality(Result):
    """``table``: a row per season; ``adjusted`` (t,): the series without its season."""

    table: pd.DataFrame
    adjusted: pd.Series
    trend: float
    f: float
    p_value: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": len(self.adjusted), "method": "linear trend and seasonal means", "trend": self.trend}
        return pd.DataFrame([row | {"f": self.f, "p_value": self.p_value}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The season's effects with intervals."""
        ax = plot_intervals(self.table, ax=ax, labels=labels)
        ax.axvline(0, color="0.4", linewidth=1)
        ax.set_xlabel((labels or {}).get("effect", "Seasonal effect"))
        return ax


def seasonality(series: pd.Series, std_errors: pd.Series | None = None, conf_level: float = 0.95) -> Seasonality:
    """Seasonal effects of a monthly or quarterly series of two years or more, gaps allowed.

    Least squares of the values on a linear trend and the seasons; effects sum to zero over the year. ``std_errors`` of
    the periods' values weight them by their precision. The index holds periods as ``2026-10``, ``2026-Q3`` or a
    pandas PeriodIndex. ``p_value``: F test that there is no season; ``trend`` is per period; ``adjusted`` is the
    series less its seasonal effect. With errors that are correlated over time the intervals are too narrow.

    ``tidy()``: term (season, ``01`` … ``12`` or ``Q1`` … ``Q4``), estimate, std_error, statistic, p_value, conf_low,
    conf_high. Raises ``ResponseError`` when there are fewer than two years, or a season was never observed twice.

    >>> months = pd.period_range("2024-01", periods=24, freq="M")
    >>> values = [70 + 5 * (month.month == 12) + 0.1 * (-1) ** place for place, month in enumerate(months)]
    >>> float(seasonality(pd.Series(values, months)).tidy().set_index("term").loc["12", "estimate"].round(1))
    4.5
    """
    if not isinstance(series, pd.Series):
        raise ResponseError(f"the series is a {type(series).__name__}; a Series with periods as its index is needed.")
    try:
        values = pd.Series(real_numbers(series)[:, 0], series.index).dropna()
    except ResponseError:
        raise ResponseError("the series holds text or infinite values; give numbers, missing ones as NaN.") from None
    when = _period_index(values.index)
    length = 4 if when.freqstr.startswith("Q") else 12
    number = when.quarter if length == 4 else when.month
    order = when.asi8 - when.asi8.min() if len(when) else when.asi8
    counts = np.bincount(number, minlength=length + 1)[1:]
    if len(values) < 2 * length or (counts < 2).any():
        raise ResponseError(
            f"seasonality needs two years: {2 * length} periods, every season twice; there are {len(values)} periods."
        )
    if not values.std() > 1e-13 * values.abs().max():
        raise ResponseError("the series never varies: it has no season.")
    contrast = np.vstack([np.eye(length - 1), -np.ones(length - 1)])
    design = np.column_stack([np.ones(len(values)), order, contrast[number - 1]])
    weights = np.ones(len(values)) if std_errors is None else 1 / _errors_of(std_errors, values) ** 2
    fit = sm.WLS(values.to_numpy(dtype=float), design, weights=weights).fit()
    effect = contrast @ fit.params[2:]
    std_error = np.sqrt(np.diag(contrast @ fit.cov_params()[2:, 2:] @ contrast.T))
    test = fit.f_test(np.eye(length + 1)[2:])
    table = _season_table(length, effect, std_error, fit.df_resid, conf_level)
    return Seasonality(
        table,
        values - effect[number - 1],
        float(fit.params[1]),
        float(test.fvalue),
        float(test.pvalue),
        Provenance("seasonality", len(values), {"season_length": length, "conf_level": conf_level}),
    )


def _season_table(length: int, effect: np.ndarray, std_error: np.ndarray, df: float, conf_level: float) -> pd.DataFrame:
    statistic = effect / std_error
    half = t_quantile(conf_level, df) * std_error
    return pd.DataFrame(
        {
            "term": [f"Q{k}" if length == 4 else f"{k:02d}" for k in range(1, length + 1)],
            "estimate": effect,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": effect - half,
            "conf_high": effect + half,
        }
    )


def _period_index(index: pd.Index) -> pd.PeriodIndex:
    if isinstance(index, pd.PeriodIndex):
        when = index
    else:
        text = index.astype(str).str.replace("-Q", "Q")
        try:
            when = pd.PeriodIndex(text, freq="Q" if text.str.contains("Q").any() else "M")
        except ValueError:
            raise ResponseError("the index must hold months (2026-10) or quarters (2026-Q3).") from None
    if when.freqstr[0] not in "MQ" or when.has_duplicates:
        raise ResponseError("the index must hold each month or quarter once.")
    return when


def _errors_of(std_errors: pd.Series, values: pd.Series) -> np.ndarray:
    errors = std_errors.reindex(values.index).to_numpy(dtype=float, na_value=np.nan)
    if not (errors > 0).all():
        raise ResponseError("std_errors: every period needs a positive standard error.")
    return errors
