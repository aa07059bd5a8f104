"""Which cases belong to which period and group, and the base a rate of that period is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.operations.kpi.kpi_spec import Kpi
from qa_lib.study.dates import labels, span, unit_of

UNITS = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
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
    """The period of every moment, missing where the moment is."""
    if unit is None:
        return pd.Series("all", index=moments.index)
    code, names = _period_codes(moments, unit)
    return pd.Series(np.append(names, None).astype(object)[code], index=moments.index)


def _period_codes(moments: pd.Series, unit: str | None) -> tuple[np.ndarray, np.ndarray]:
    """A number for the period of every moment (−1 where missing) and the periods' names, in order of time.

    Integer arithmetic on the epoch, since a million labels take seconds to write.
    """
    missing = moments.isna().to_numpy()
    if unit is None:
        return np.where(missing, -1, 0), np.array(["all"], dtype=object)
    steps = moments.to_numpy({"W": "M8[D]", "Q": "M8[M]"}.get(unit, f"M8[{unit}]")).astype(np.int64)
    if unit == "W":
        steps = (steps + 3) // 7  # 1970-01-01 was a Thursday
    elif unit == "Q":
        steps = steps // 3
    lowest = steps[~missing].min(initial=steps.max(initial=0))
    present = np.flatnonzero(np.bincount(steps[~missing] - lowest)) + lowest
    code = np.where(missing, -1, np.searchsorted(present, steps))
    days = {"W": present * 7 - 3, "Q": present * 3}.get(unit, present)
    starts = pd.Series(days.astype({"W": "M8[D]", "Q": "M8[M]"}.get(unit, f"M8[{unit}]")).astype("M8[s]"))
    return code, labels(starts, UNITS[unit]).to_numpy(dtype=object)


def grouped(data: pd.DataFrame, at: str, by: Sequence[str], periods: Periods) -> dict[Key, np.ndarray] | None:
    """Row positions per (period, group…), in order; None when the table lacks a grouping column."""
    if any(column not in data for column in by):
        return None
    code, names = _period_codes(data[at], periods.unit)
    if not len(names):
        return {}
    if periods.wanted is not None:
        code = np.where(np.isin(names, periods.wanted)[code], code, -1)
    levels, known = [names], code >= 0
    for column in by:
        level, values = pd.factorize(data[column], sort=True)
        known &= level >= 0
        code = code * len(values) + level
        levels.append(np.asarray(values, dtype=object))
    places = np.flatnonzero(known)
    if not len(places):
        return {}
    order = places[np.argsort(code[places], kind="stable")]
    found, starts = np.unique(code[order], return_index=True)
    keys = zip(
        *(level[at] for level, at in zip(levels, np.unravel_index(found, [len(v) for v in levels]), strict=True)),
        strict=True,
    )
    return dict(zip(keys, np.split(order, starts[1:]), strict=True))


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
