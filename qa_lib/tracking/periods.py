"""What changed from one period to the next, and what only the season did."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.tracking.estimates import (
    Estimates,
    Weights,
    check_columns,
    half_width,
    item_matrix,
    mean_estimates,
    mean_table,
    respondent_weights,
    row_means,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Value = str | Sequence[str] | Mapping[str, Sequence[str]] | Callable[[pd.DataFrame], Result]
Correction = Literal["holm", "bonferroni", "fdr_bh"]
_WEIGHT = "__weight__"


@dataclass(frozen=True, slots=True)
class PeriodComparison(Result):
    """Changes between periods (``changes``) and the level of every period (``levels``: period, then tidy columns)."""

    changes: pd.DataFrame
    levels: pd.DataFrame
    method: str
    correction: str
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.changes.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "n": self.provenance.n,
                    "method": self.method,
                    "n_periods": self.levels["period"].nunique(),
                    "n_comparisons": int(self.changes["p_value"].notna().sum()),
                    "correction": self.correction,
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The level of every term over the periods, with intervals."""
        import matplotlib.pyplot as plt

        ax = ax if ax is not None else plt.subplots(figsize=(8, 4))[1]
        for term, level in self.levels.groupby("term", sort=False):
            bars = np.abs(level[["conf_low", "conf_high"]].sub(level["estimate"], axis=0)).T.to_numpy()
            ax.errorbar(
                level["period"].astype(str),
                level["estimate"],
                bars,
                marker="o",
                capsize=2,
                label=(labels or {}).get(term, term),
            )
        ax.legend(frameon=False)
        ax.tick_params(axis="x", rotation=45)
        return ax


def compare_periods(
    data: pd.DataFrame,
    period: str,
    value: Value,
    weights: Weights = None,
    against: Literal["previous", "first"] = "previous",
    correction: Correction = "holm",
    conf_level: float = 0.95,
) -> PeriodComparison:
    """Change of every value from period to period, with interval and Welch's test, corrected for their number.

    ``value`` is a column, several columns, a mapping of dimension → items (a respondent's mean over the items
    answered) or a function from the rows of one period to a result (``lambda rows: qa.rater_index(rows, …)``).
    Periods are compared in sorted order, each with the one before it that has data (``against="previous"``) or with
    the first. Means: Welch's test and interval (Welch 1947, doi:10.1093/biomet/34.1-2.28) on effective n; shares and
    NPS: see ``change``. ``p_adjusted`` corrects over all comparisons of the table (Holm 1979 unless told).

    ``tidy()``: term, period, reference (the period compared with), estimate (change), std_error, df, statistic,
    p_value, conf_low, conf_high, p_adjusted, current, previous, n_effective, n_effective_previous.
    Raises ``ResponseError`` for absent columns and when there is only one period.

    >>> data = pd.DataFrame({"month": ["2026-01"] * 4 + ["2026-02"] * 4, "R1": [3, 4, 3, 4, 4, 5, 5, 4]})
    >>> compare_periods(data, "month", "R1").tidy()[["estimate", "std_error", "p_value"]].round(3).values.tolist()
    [[1.0, 0.408, 0.05]]
    """
    check_columns(data, period, what="period")
    if against not in ("previous", "first"):
        raise ResponseError(f"against is {against!r}; known are 'previous' and 'first'.")
    if callable(value) and weights is not None:
        raise ResponseError("weights: value is a function; give the weights to the indicator it calls.")
    estimate = value if callable(value) else _mean_of(value, conf_level)
    rows_of = _rows_by_period(data, period, weights)
    tables = {name: _one_period(estimate, name, rows) for name, rows in rows_of.items()}
    names = list(tables)
    references = names[:-1] if against == "previous" else [names[0]] * (len(names) - 1)
    changes = [
        _changes(tables[name], tables[reference], conf_level).assign(period=name, reference=reference)
        for name, reference in zip(names[1:], references, strict=True)
    ]
    table = pd.concat(changes, ignore_index=True)
    table["p_adjusted"] = adjust_p(table["p_value"], correction)
    return PeriodComparison(
        _columns_first(table, ["term", "period", "reference"]),
        pd.concat([level.assign(period=name) for name, level in tables.items()], ignore_index=True),
        "difference of independent periods (Welch; MOVER for shares)",
        correction,
        Provenance("compare_periods", len(data), {"against": against, "conf_level": conf_level}),
    )


def change(current: Result, previous: Result, correction: Correction = "holm", conf_level: float = 0.95) -> Estimates:
    """Change of every term between two results of independent respondents (two months, two branches).

    Terms with degrees of freedom (means, RATER index, gap): Welch's interval and test. Others (shares, NPS): the
    interval joins the two given intervals (MOVER, Zou and Donner 2008, doi:10.1002/sim.3095; for Wilson's intervals
    this is Newcombe's hybrid score interval, 1998), the test is Wald's z on the two standard errors.

    >>> import qa_lib as qa
    >>> change(qa.csat([5, 5, 4, 4, 5]), qa.csat([3, 4, 2, 3, 5])).tidy()["estimate"].round(2).tolist()
    [0.6]
    """
    table = _changes(current.tidy(), previous.tidy(), conf_level)
    table["p_adjusted"] = adjust_p(table["p_value"], correction)
    effective = float((table["n_effective"] + table["n_effective_previous"]).max())
    n = current.glance()["n"].item() + previous.glance()["n"].item()
    return Estimates(
        table,
        n=int(n),
        n_effective=effective,
        method="difference of independent results (Welch; MOVER for shares)",
        conf_level=conf_level,
        provenance=Provenance("change", n, {"correction": correction}),
    )


def adjust_p(p_value: pd.Series, correction: Correction) -> pd.Series:
    """p values corrected for how many there are; missing ones stay missing and do not count.

    Holm (1979), Benjamini and Hochberg (1995), or Bonferroni, as R's ``p.adjust``. statsmodels' ``multipletests`` gives
    the same but collects all garbage at every call, 0.2 s each in a notebook's kernel.

    >>> adjust_p(pd.Series([0.01, 0.04, np.nan, 0.03]), "holm").round(3).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    if correction not in ("holm", "bonferroni", "fdr_bh"):
        raise ResponseError(f"correction is {correction!r}; known are 'holm', 'bonferroni' and 'fdr_bh'.")
    p = np.asarray(p_value, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    m, rank = len(order), np.arange(1, len(order) + 1)
    adjusted = np.full(len(p), np.nan)
    if correction == "holm":
        adjusted[order] = np.maximum.accumulate(p[order] * (m - rank + 1))
    elif correction == "fdr_bh":
        adjusted[order] = np.minimum.accumulate((p[order] * m / rank)[::-1])[::-1]
    else:
        adjusted[order] = p[order] * m
    return pd.Series(adjusted.clip(max=1), index=p_value.index)


def _rows_by_period(data: pd.DataFrame, period: str, weights: Weights) -> dict[object, pd.DataFrame]:
    """The rows of every period, in order, carrying their weight as a column of its own."""
    weighted = data.assign(**{_WEIGHT: respondent_weights(weights, data)})
    undated = int(data[period].isna().sum())
    if undated:
        warnings.warn(f"{period}: {undated} responses have none and are left out.", DataWarning, stacklevel=3)
    rows = dict(iter(weighted.groupby(period, sort=True, observed=True)))
    if len(rows) < 2:
        raise ResponseError(f"{period}: only {list(rows)} has responses; a comparison needs two periods.")
    return rows


def _mean_of(value: str | Sequence[str] | Mapping[str, Sequence[str]], conf_level: float):
    """A function from the rows of a period to the means of the columns or dimensions asked for."""
    if isinstance(value, str):
        value = [value]
    dimensions = value if isinstance(value, Mapping) else {column: [column] for column in value}
    if not dimensions:
        raise ResponseError("value names no column; pass a column, several, or dimension → items.")

    def means(rows: pd.DataFrame) -> Estimates:
        y = np.column_stack([row_means(item_matrix(rows, items)) for items in dimensions.values()])
        table = mean_table(list(dimensions), mean_estimates(y, rows[_WEIGHT].to_numpy()), conf_level)
        provenance = Provenance("compare_periods", len(rows))
        return Estimates(table, len(rows), float(table["n_effective"].max()), "mean", conf_level, provenance)

    return means


def _one_period(estimate: Callable[[pd.DataFrame], Result], name: object, rows: pd.DataFrame) -> pd.DataFrame:
    table = estimate(rows).tidy()
    missing = [str(term) for term in table.loc[~(table["std_error"] >= 0), "term"]]
    if missing:
        warnings.warn(
            f"period {name}: too few answers for an interval of {', '.join(missing)}; its changes have no test.",
            DataWarning,
            stacklevel=3,
        )
    return table


def _changes(current: pd.DataFrame, previous: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    """Difference of two tidy tables, matched by term, those of ``current`` in their order."""
    for table in (current, previous):
        if table["term"].duplicated().any():
            raise ResponseError("terms are not unique; two periods can only be matched by unique terms.")
    now = current.set_index("term")
    before = previous.set_index("term").reindex(now.index)
    estimate = now["estimate"] - before["estimate"]
    std_error = np.sqrt(now["std_error"] ** 2 + before["std_error"] ** 2)
    df = _welch_df(now, before)
    welch = np.isfinite(df) if "df" in now.columns else pd.Series(False, index=now.index)
    half = half_width(std_error, df, conf_level)
    low, high = _mover(now, before, estimate)
    statistic = estimate / std_error.where(std_error > 0)
    return pd.DataFrame(
        {
            "term": now.index,
            "estimate": estimate.to_numpy(),
            "std_error": std_error.to_numpy(),
            "df": df,
            "statistic": statistic.to_numpy(),
            "p_value": 2 * stats.t.sf(statistic.abs(), df),
            "conf_low": np.where(welch, estimate - half, low),
            "conf_high": np.where(welch, estimate + half, high),
            "current": now["estimate"].to_numpy(),
            "previous": before["estimate"].to_numpy(),
            "n_effective": now["n_effective"].to_numpy(),
            "n_effective_previous": before["n_effective"].to_numpy(),
        }
    )


def _welch_df(now: pd.DataFrame, before: pd.DataFrame) -> np.ndarray:
    """Welch–Satterthwaite degrees of freedom, infinite for terms that carry none (shares, NPS)."""
    if "df" not in now.columns:
        return np.full(len(now), np.inf)
    a, b = now["std_error"].to_numpy() ** 2, before["std_error"].to_numpy() ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a + b) ** 2 / (a**2 / now["df"].to_numpy() + b**2 / before["df"].to_numpy())


def _mover(now: pd.DataFrame, before: pd.DataFrame, estimate: pd.Series) -> tuple[pd.Series, pd.Series]:
    low = np.hypot(now["estimate"] - now["conf_low"], before["conf_high"] - before["estimate"])
    high = np.hypot(now["conf_high"] - now["estimate"], before["estimate"] - before["conf_low"])
    return estimate - low, estimate + high


def _columns_first(table: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    return table[[*first, *(column for column in table.columns if column not in first)]]
