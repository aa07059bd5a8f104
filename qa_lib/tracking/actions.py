"""The PDCA log: did an action move its indicator, and is it to be adopted, adapted or abandoned?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.errors import ResponseError, StudyError
from qa_lib.results import Provenance, Result
from qa_lib.tracking.estimates import (
    Weights,
    check_columns,
    half_width,
    item_matrix,
    mean_estimates,
    plot_intervals,
    respondent_weights,
    row_means,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Verdict = Literal["adopt", "adapt", "abandon", "too_early"]
REQUIRED = ("action", "indicator", "start")
CARRIED = ("owner", "unit", "start", "end", "cost", "risk", "status")
Better = Literal["higher", "lower"]


class Effect(NamedTuple):
    """A change with its error: estimate, standard error, Welch–Satterthwaite degrees of freedom, pooled deviation."""

    estimate: float
    std_error: float
    df: float
    sd: float


@dataclass(frozen=True, slots=True)
class ActionEffects(Result):
    """``table``: a row per action of the log."""

    table: pd.DataFrame
    window: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        verdicts = self.table["verdict"].value_counts()
        row = {"n": self.provenance.n, "method": "before and after, difference in differences", "window": self.window}
        return pd.DataFrame([row | {v: int(verdicts.get(v, 0)) for v in ("adopt", "adapt", "abandon", "too_early")}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Effects with intervals, the expected effect as a tick."""
        ax = plot_intervals(self.table, ax=ax, labels=labels)
        ax.axvline(0, color="0.4", linewidth=1)
        ax.plot(self.table["expected"].astype(float), np.arange(len(self.table)), "|", color="C3", markersize=12)
        return ax


def action_effects(
    data: pd.DataFrame,
    actions: pd.DataFrame,
    period: str = "period",
    values: Mapping[str, Sequence[str] | pd.Series] | None = None,
    unit: str | None = None,
    weights: Weights = None,
    cases: Mapping[str, pd.DataFrame] | None = None,
    better: Mapping[str, Better] | None = None,
    window: int = 3,
    conf_level: float = 0.95,
) -> ActionEffects:
    """Effect of every action in the log on its target indicator, with a verdict.

    ``actions``: columns ``action``, ``indicator``, ``start`` (date or period) and, where known, ``end``, ``unit``
    (several joined by ``;``; empty: all), ``expected`` (the effect aimed at, signed, in the indicator's unit),
    ``guardrail`` (an indicator that must not worsen), and ``owner``, ``cost``, ``risk``, ``status``, which are carried
    into the table. An indicator is a column of ``data``, a key of ``values``: items (a respondent's mean of those
    answered) or a value per respondent, or a key of ``cases``: a table of its own with ``period``, the ``unit`` column
    and ``value``, as ``qa.kpi_cases`` gives it. ``better`` says of which guardrails low values are good.

    Compared are the last ``window`` periods before the start with the first ``window`` after the end (after the
    start's period where there is no end). An action in some units is held against the others, without those that have
    an action of their own on the same indicator: difference in differences (treated after − before) − (others after −
    before), its variance the sum of the four cells' (that of OLS with HC2 errors, MacKinnon and White 1985); otherwise
    the plain change, which cannot tell the action from anything else that happened then (``design`` says which).
    Respondents are taken as independent; a shock to one branch alone is not told from its action.

    Verdict, with the effect counted in the expected direction (upwards if none is given): ``adopt`` when the interval
    is above zero and reaches the expected effect; ``abandon`` when it lies below zero, or holds zero but not the
    expected effect; ``adapt`` when the effect is proven but smaller than expected, or nothing is decided yet;
    ``too_early`` when a cell has fewer than two answers. An action whose guardrail got worse, its whole interval on
    the bad side, is to ``adapt`` at best. ``reason`` names the case.

    ``tidy()``: term (action), indicator, design, estimate, std_error, df, statistic, p_value, conf_low, conf_high,
    effect_size (Hedges's g), before, after, comparison_before, comparison_after, n, verdict, reason, the log's own
    columns, and guardrail, guardrail_estimate, guardrail_low, guardrail_high, guardrail_verdict (``held``, ``worse``,
    or ``open`` where it cannot be told).

    >>> data = pd.DataFrame({"period": ["2026-01"] * 4 + ["2026-03"] * 4, "x": [3, 2, 3, 2, 4, 4, 5, 5]})
    >>> log = pd.DataFrame({"action": ["training"], "indicator": ["x"], "start": ["2026-02-01"], "expected": [1.0]})
    >>> action_effects(data, log).tidy()[["estimate", "verdict"]].values.tolist()
    [[2.0, 'adopt']]
    """
    _check_log(data, actions, period, unit)
    if window < 1:
        raise ResponseError(f"window is {window}; one period or more must be compared.")
    w = respondent_weights(weights, data)
    known = _Indicators(data, period, unit, values or {}, w, cases or {})
    rows = []
    for place, action in enumerate(actions.to_dict("records")):
        effect = known.cells(action, str(action["indicator"]), actions, window, place)
        row = _row(action, effect, conf_level)
        guardrail = action.get("guardrail")
        if guardrail is not None and not pd.isna(guardrail) and guardrail != "":
            watched = known.cells(action, str(guardrail), actions, window, place)
            row |= _guarded(row, str(guardrail), watched, (better or {}).get(str(guardrail), "higher"), conf_level)
        rows.append(row)
    settings = {"window": window, "conf_level": conf_level}
    table = pd.DataFrame(rows)
    if "guardrail" in actions.columns:
        table = table.reindex(columns=list(dict.fromkeys([*table.columns, *_GUARDED])))
    return ActionEffects(table, window, Provenance("action_effects", len(data), settings))


_GUARDED = ("guardrail", "guardrail_estimate", "guardrail_low", "guardrail_high", "guardrail_verdict")


@dataclass(frozen=True, slots=True)
class _Indicators:
    """Where an indicator's values lie: among the respondents, or in a table of its own."""

    data: pd.DataFrame
    period: str
    unit: str | None
    values: Mapping
    weights: np.ndarray
    tables: Mapping[str, pd.DataFrame]

    def cells(self, action: Mapping, name: str, actions: pd.DataFrame, window: int, place: int) -> list[_Cell]:
        """Treated before and after, then, where there is a comparison, the others before and after."""
        own = self.tables.get(name)
        data = self.data if own is None else own
        period = self.period if own is None else "period"
        needed = ["period", "value", *([self.unit] if self.unit else [])]
        if absent := [column for column in needed if own is not None and column not in own.columns]:
            raise ResponseError(f"cases: the table of {name!r} has no column {absent[0]!r}.")
        y = _indicator(data, self.values, name, place) if own is None else own["value"].to_numpy(dtype=float)
        w = self.weights if own is None else np.ones(len(own))
        periods = data[period].astype(str)
        before, after = _windows(action, sorted(periods[data[period].notna()].unique()), window, place)
        treated, others = _units(data, actions, action, self.unit)
        return [
            _cell(y, w, periods.isin(when).to_numpy() & who)
            for who in (treated, others)
            for when in (before, after)
            if who is not None
        ]


class _Cell(NamedTuple):
    mean: float
    variance: float
    n: int
    n_effective: float


def _cell(y: np.ndarray, w: np.ndarray, chosen: np.ndarray) -> _Cell:
    m = mean_estimates(y[chosen, None], w[chosen])
    return _Cell(float(m.mean[0]), float(m.cov[0, 0]), int(m.n[0]), float(m.n_effective[0]))


def effect_of(cells: Sequence[tuple[float, float, int, float]]) -> Effect:
    """Change (before, after) or difference in differences (treated before, after, others before, after)."""
    mean, variance, _, n = (np.array(column, dtype=float) for column in zip(*cells, strict=True))
    sign = np.array([-1, 1, 1, -1])[: len(cells)]
    freedom = n - 1
    sd = np.sqrt((freedom * variance * n).sum() / freedom.sum())
    df = variance.sum() ** 2 / (variance**2 / freedom).sum() if variance.sum() > 0 else np.nan
    return Effect(float(sign @ mean), float(np.sqrt(variance.sum())), float(df), float(sd))


def judge_effect(low: float, high: float, expected: float | None) -> tuple[Verdict, str]:
    """Verdict and reason from the interval and the expected effect.

    >>> judge_effect(.1, .5, .3), judge_effect(-.2, .1, .3), judge_effect(-.2, .4, .3)
    (('adopt', 'improved_as_expected'), ('abandon', 'expected_effect_ruled_out'), ('adapt', 'undecided'))
    """
    if np.isnan(low) or np.isnan(high):
        return "too_early", "too_few_answers"
    if expected is not None and expected < 0:
        low, high, expected = -high, -low, -expected
    if high < 0:
        return "abandon", "worsened"
    if low > 0:
        reached = expected is None or high >= expected
        return ("adopt", "improved_as_expected") if reached else ("adapt", "improved_less_than_expected")
    if expected is not None and high < expected:
        return "abandon", "expected_effect_ruled_out"
    return "adapt", "undecided"


def _interval(cells: Sequence[_Cell], conf_level: float) -> tuple[Effect, float, float]:
    enough = all(cell.n_effective > 1 for cell in cells)
    effect = effect_of(cells) if enough else Effect(np.nan, np.nan, np.nan, np.nan)
    half = half_width(effect.std_error, effect.df, conf_level)
    return effect, effect.estimate - half, effect.estimate + half


def _guarded(row: Mapping, guardrail: str, cells: Sequence[_Cell], better: Better, conf_level: float) -> dict:
    """What became of the guardrail, and the verdict in its light."""
    effect, low, high = _interval(cells, conf_level)
    worse = high < 0 if better == "higher" else low > 0
    verdict = "open" if np.isnan(low) else "worse" if worse else "held"
    found = dict(zip(_GUARDED, (guardrail, effect.estimate, low, high, verdict), strict=True))
    if worse and row["verdict"] == "adopt":
        found |= {"verdict": "adapt", "reason": "guardrail_worsened"}
    return found


def _row(action: Mapping, cells: Sequence[_Cell], conf_level: float) -> dict:
    design = "difference_in_differences" if len(cells) == 4 else "before_after"
    effect, low, high = _interval(cells, conf_level)
    statistic = effect.estimate / effect.std_error if effect.std_error > 0 else np.nan
    total = sum(cell.n_effective for cell in cells)
    hedges = 1 - 3 / (4 * (total - len(cells)) - 1) if np.isfinite(effect.estimate) else np.nan
    expected = _expected(action.get("expected"), str(action["action"]))
    verdict, reason = judge_effect(low, high, expected)
    means = dict(
        zip(("before", "after", "comparison_before", "comparison_after"), (c.mean for c in cells), strict=False)
    )
    return {
        "term": action["action"],
        "indicator": action["indicator"],
        "design": design,
        "estimate": effect.estimate,
        "std_error": effect.std_error,
        "df": effect.df,
        "statistic": statistic,
        "p_value": 2 * stats.t.sf(abs(statistic), effect.df),
        "conf_low": low,
        "conf_high": high,
        "effect_size": hedges * effect.estimate / effect.sd if effect.sd > 0 else np.nan,
        **{key: means.get(key, np.nan) for key in ("before", "after", "comparison_before", "comparison_after")},
        "n": sum(cell.n for cell in cells),
        "verdict": verdict,
        "reason": reason,
        **{key: action.get(key) for key in CARRIED},
        "expected": expected,
    }


def _expected(value: object, action: str) -> float | None:
    if value is None or pd.isna(value) or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StudyError(f"actions: {action!r} expects {value!r}; it must be a number, or blank.") from None


def _check_log(data: pd.DataFrame, actions: pd.DataFrame, period: str, unit: str | None) -> None:
    absent = [column for column in REQUIRED if column not in actions.columns]
    if absent:
        raise StudyError(f"actions: the column {', '.join(absent)} is missing; needed are {', '.join(REQUIRED)}.")
    for what, column in (("period", period), ("unit", unit)):
        if column is not None:
            check_columns(data, column, what=what)
    if unit is None and "unit" in actions.columns and actions["unit"].notna().any():
        raise StudyError("actions name units, but not which column of the responses holds them; pass unit=….")


def _indicator(data: pd.DataFrame, values: Mapping, name: str, place: int) -> np.ndarray:
    """The target's value of every respondent (n,)."""
    value = values.get(name, [name])
    if isinstance(value, pd.Series):
        return value.reindex(data.index).to_numpy(dtype=float, na_value=np.nan)
    if name not in values and name not in data.columns:
        known = ", ".join(values) or "none"
        raise StudyError(f"actions, row {place + 1}: the indicator {name!r} is no column and no known value ({known}).")
    return row_means(item_matrix(data, [value] if isinstance(value, str) else value))


def _windows(action: Mapping, names: list[str], window: int, place: int) -> tuple[list[str], list[str]]:
    end = action.get("end")
    start = _as_period(action["start"], names, place)
    end = start if end is None or pd.isna(end) or end == "" else _as_period(end, names, place)
    if end < start:
        raise StudyError(f"actions, row {place + 1}: it ends ({action['end']}) before it starts ({action['start']}).")
    return [name for name in names if name < start][-window:], [name for name in names if name > end][:window]


def _as_period(date: object, names: list[str], place: int) -> str:
    """A date written like the data's periods: day, week 2026-W44, month, quarter 2026-Q3 or year."""
    text, like = str(date).strip(), names[0] if names else ""
    if re.sub(r"\d", "0", text) == re.sub(r"\d", "0", like):
        return text
    day = pd.to_datetime(text, errors="coerce")
    if pd.isna(day):
        raise StudyError(f"actions, row {place + 1}: {text!r} is neither a date nor a period like {like!r}.")
    if "W" in like:
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{day.year}-Q{day.quarter}" if "Q" in like else day.strftime("%Y-%m-%d")[: len(like)]


def _units(
    data: pd.DataFrame, actions: pd.DataFrame, action: Mapping, unit: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Who is treated (n,), and who may be compared with them; None when everyone is treated."""
    everyone = np.ones(len(data), dtype=bool)
    own = _named_units(action.get("unit"))
    if unit is None or not own:
        return everyone, None
    of = data[unit].astype(str)
    unknown = sorted(own - set(of))
    if unknown:
        raise StudyError(f"actions: {action['action']!r} names the unit {', '.join(unknown)}, which nobody belongs to.")
    same = actions[actions["indicator"] == action["indicator"]]
    acted = set().union(*(_named_units(value) for value in same["unit"]))
    others = ~of.isin(own | acted).to_numpy() & data[unit].notna().to_numpy()
    return of.isin(own).to_numpy(), others if others.any() else None


def _named_units(value: object) -> set[str]:
    if value is None or pd.isna(value):
        return set()
    return {name.strip() for name in str(value).split(";") if name.strip()}
