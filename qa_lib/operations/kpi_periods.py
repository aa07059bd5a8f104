"""Which cases belong to which period and group, and the base a rate of that period is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.operations.kpi_spec import Kpi
from qa_lib.study.dates import labels, span, unit_of

UNITS = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
_FORMATS = {"D": "%Y-%m-%d", "M": "%Y-%m", "Q": "%Y-Q%q", "Y": "%Y"}
Key = tuple  # (period, group values …)


@dataclass(frozen=True, slots=True)
class Periods:
    """``unit``: D, W, M, Q, Y, or None for all time; ``wanted``: the one period asked for and the one before it, which
    guardrails are held against, or None for every period."""

    unit: str | None
    wanted: tuple[str, ...] | None = None

    def shorter_than(self, each: str | None) -> bool:
        """Whether these periods are parts of ``each`` (weeks of months)."""
        order = list(UNITS)
        return each is not None and self.unit is not None and order.index(self.unit) < order.index(each)


def read_period(period: str | int | None) -> Periods:
    """``M``, ``W`` …: every period of that length; ``2026-W44``: that one alone; None: all time as one.

    >>> read_period("2026-10"), read_period("W")
    (Periods(unit='M', wanted=('2026-09', '2026-10')), Periods(unit='W', wanted=None))
    """
    if period is None or period in UNITS:
        return Periods(period)
    period = str(period)
    try:
        name = unit_of(period)
    except ResponseError as error:
        raise ResponseError(f"{error} Or, for every period of a length: {', '.join(UNITS)}.") from None
    before = pd.Series([span(period)[0] - pd.Timedelta(days=1)])
    unit = next(letter for letter, word in UNITS.items() if word == name)
    return Periods(unit, (labels(before, name).iloc[0], period))


def period_labels(moments: pd.Series, unit: str | None) -> pd.Series:
    """The period of every moment; written once per distinct period, for a million moments take their time."""
    if unit is None:
        return pd.Series("all", index=moments.index)
    if unit == "W":
        day = moments.dt.normalize()
        monday, unique = pd.factorize(day - pd.to_timedelta(day.dt.day_of_week, unit="D"))
        return pd.Series(pd.DatetimeIndex(unique).strftime("%G-W%V").to_numpy()[monday], index=moments.index)
    code, unique = pd.factorize(moments.dt.to_period(unit))
    return pd.Series(pd.PeriodIndex(unique).strftime(_FORMATS[unit])[code], index=moments.index)


def grouped(data: pd.DataFrame, at: str, by: Sequence[str], periods: Periods) -> dict[Key, np.ndarray] | None:
    """Row positions per (period, group…), in order; None when the table lacks a grouping column."""
    if any(column not in data for column in by):
        return None
    moments = data[at]
    keys = pd.DataFrame({column: data[column].to_numpy() for column in by}, index=data.index)
    places = np.flatnonzero(moments.notna().to_numpy())
    if periods.wanted is not None:
        first, last = span(periods.wanted[0])[0], span(periods.wanted[-1])[1]
        places = np.flatnonzero(((moments >= first) & (moments <= last)).to_numpy())
    keys = keys.iloc[places]
    keys.insert(0, "period", period_labels(moments.iloc[places], periods.unit).to_numpy())
    found = keys.groupby(list(keys.columns), sort=True).indices
    return {key if isinstance(key, tuple) else (key,): places[rows] for key, rows in found.items()}


@lru_cache(maxsize=4096)
def bounds(label: str) -> tuple[np.datetime64, np.datetime64]:
    """First and last moment of a period; of all time for ``all``."""
    if label == "all":
        return np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns")
    start, end = span(label)
    return start.to_datetime64(), end.to_datetime64()


class Base:
    """What a rate is divided by: rows that stand for whole periods, such as the customers of a month and branch."""

    def __init__(self, data: pd.DataFrame, kpi: Kpi, at: str, each: str | None, by: Sequence[str]) -> None:
        self.kpi = kpi
        self.start = data[at].dt.to_period(each or "M").dt.start_time.to_numpy()
        self.value = pd.to_numeric(data[kpi.base], errors="coerce").to_numpy(float)
        joined = kpi.joined if kpi.base_at == "all" else None
        self.joined = pd.to_numeric(data[joined], errors="coerce").to_numpy(float) if joined else None
        self.rows = {(): np.arange(len(data))}
        if by:
            keys = pd.DataFrame({column: data[column].to_numpy() for column in by})
            found = keys.groupby(list(by), sort=False).indices
            self.rows = {key if isinstance(key, tuple) else (key,): rows for key, rows in found.items()}

    def at(self, key: Key) -> float:
        """The base of one period and group; that of the latest period before it where none begins in it."""
        rows = self.rows.get(key[1:], np.array([], dtype=int))
        first, last = bounds(key[0])
        start = self.start[rows]
        inside = (start >= first) & (start <= last)
        if not inside.any():
            earlier = start[start <= last]
            return float(np.nansum(self.value[rows[start == earlier.max()]])) if len(earlier) else 0.0
        if self.kpi.base_at == "each":
            return float(np.nansum(self.value[rows[inside]]))
        total = np.nansum(self.value[rows[start == start[inside].min()]])
        return float(total + (np.nansum(self.joined[rows[inside]]) if self.joined is not None else 0.0))
