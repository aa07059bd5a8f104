"""What every KPI says of a single case: its value, whether it is finished, whether it met the standard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.operations.kpi import kpi_estimates as numbers
from qa_lib.operations.kpi.kpi_spec import Kpi, KpiSpec
from qa_lib.operations.kpi.kpi_tables import enter

_HOUR = {"seconds": 3600.0, "minutes": 60.0, "hours": 1.0, "days": 1 / 24}


@dataclass(frozen=True, slots=True)
class Cases:
    """Per case of a table: value (NaN unknown), whether it is finished, whether it met the limit (NaN undecided)."""

    value: np.ndarray
    done: np.ndarray | None = None
    met: np.ndarray | None = None
    unit: np.ndarray | None = None


def cases_of(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec) -> tuple[Cases, list[dict]]:
    """The cases of a KPI and the ledger entries of those that contradict themselves, which have no value."""
    wrong: list[dict] = []
    found = _MEASURES[kpi.kind](kpi, data, as_of, spec, wrong)
    if kpi.among is not None:
        found.value[~_filled(data[kpi.among])] = np.nan
    return found, wrong


def _duration(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    start, end = data[kpi.start], data[kpi.end]
    done = end.notna().to_numpy()
    until = end.where(done, as_of)
    if kpi.business_hours:
        c = spec.calendar
        hours = numbers.business_hours(start.to_numpy(), until.to_numpy(), c.opens, c.closes, c.weekmask, c.holidays)
    else:
        hours = ((until - start) / pd.Timedelta(hours=1)).to_numpy(float)
    value = hours * _HOUR.get(kpi.unit, 1.0)
    value[_backwards(kpi, data, kpi.start, kpi.end, wrong)] = np.nan
    value[~done & (value < 0)] = 0.0
    limit = np.nan if kpi.limit is None else kpi.limit
    met = np.where(value > limit, 0.0, np.where(done, 1.0, np.nan))
    return Cases(value, done, np.where(np.isnan(value), np.nan, met))


def _overdue(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """1 past the limit, finished or not; 0 finished within it; NaN while open and not yet there."""
    hours = kpi.model_copy(update={"unit": kpi.unit if kpi.unit in _HOUR else "hours"})
    return Cases(1 - _duration(hours, data, as_of, spec, wrong).met)


def _on_time(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    due, end = data[kpi.due], data[kpi.end]
    hit = np.where(due.isna() | (end.isna() & (due >= as_of)), np.nan, (end <= due).astype(float))
    hit[_backwards(kpi, data, spec.tables[kpi.table].at, kpi.end, wrong)] = np.nan
    return Cases(hit)


def _same_day(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    hit = (data[kpi.end].dt.normalize() == data[kpi.start].dt.normalize()).to_numpy(float)
    hit[_backwards(kpi, data, kpi.start, kpi.end, wrong)] = np.nan
    return Cases(hit)


def _present(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """1 where the column is filled (with one of ``equals``), else 0."""
    column = data[kpi.column]
    if not kpi.equals:
        return Cases(_filled(column).astype(float))
    return Cases(np.nan_to_num(_holds(column, kpi.equals), nan=0.0))


def _share(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    return Cases(_holds(data[kpi.column], kpi.equals or ["1", "true", "yes"]))


def _repeat(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """1 where the same customer raised the same problem within the window before; NaN without a customer."""
    customer, problem = (pd.factorize(data[name].where(_filled(data[name])))[0] for name in (kpi.customer, kpi.problem))
    known = (customer >= 0) & (problem >= 0)
    case = customer.astype(np.int64) * (problem.max() + 1) + problem
    moment = data[spec.tables[kpi.table].at].to_numpy()
    order = np.lexsort((moment, case))
    near = np.diff(moment[order]) <= np.timedelta64(round(kpi.window_days * 86400), "s")
    repeat = np.zeros(len(data))
    repeat[order[1:]] = near & (np.diff(case[order]) == 0)
    return Cases(np.where(known, repeat, np.nan))


def _number(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """The column's numbers; what is written there but is none, or no answer on 0–10, is entered in the ledger."""
    column = data[kpi.column]
    value = pd.to_numeric(column, errors="coerce").to_numpy(float)
    strange = _filled(column) & ~np.isfinite(value)
    off = (value < 0) | (value > 10) if kpi.kind == "nps" else np.zeros(len(value), dtype=bool)
    for rows, reason in ((strange, "not_a_number"), (off & ~strange, "off_the_scale")):
        enter(wrong, kpi.table, data.index[rows], kpi.column, column[rows], None, reason)
    value = np.where(strange | off, np.nan, value)
    if not kpi.unit_of:
        return Cases(value)
    unit = pd.factorize(data[kpi.unit_of])[0]
    return Cases(np.where(unit < 0, np.nan, value), unit=unit)


def _throughput(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """A number for every agent and day, to be counted."""
    agent, _ = pd.factorize(data[kpi.agent])
    day = data[kpi.end].to_numpy("M8[D]")
    known = (agent >= 0) & ~np.isnat(day)
    return Cases(np.where(known, agent * 1e6 + day.astype(np.int64), np.nan))


def _events(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    return Cases(np.zeros(len(data)), unit=data[kpi.distinct].to_numpy() if kpi.distinct else None)


def _span(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> Cases:
    """Start and end as nanoseconds (value, met), for what lasts over the bounds of periods; open to ``as_of``."""
    backwards = _backwards(kpi, data, kpi.start, kpi.end, wrong)
    done = data[kpi.end].notna().to_numpy()
    start = data[kpi.start].to_numpy("M8[ns]").astype(float)
    end = data[kpi.end].fillna(as_of).to_numpy("M8[ns]").astype(float)
    start[backwards | data[kpi.start].isna().to_numpy()] = np.nan
    return Cases(start, done, end)


_MEASURES = {
    "duration": _duration, "overdue": _overdue, "on_time": _on_time, "same_day": _same_day, "present": _present,
    "share": _share, "repeat": _repeat, "top_box": _number, "nps": _number, "mean": _number, "consistency": _number,
    "rate": _number, "throughput": _throughput, "ratio": _events, "downtime": _span, "availability": _span,
}  # fmt: skip


def _backwards(kpi: Kpi, data: pd.DataFrame, start: str, end: str, wrong: list[dict]) -> np.ndarray:
    """Cases that end before they start, entered in the ledger."""
    backwards = (data[end] < data[start]).to_numpy()
    enter(wrong, kpi.table, data.index[backwards], end, data.loc[backwards, end], None, f"before_{start}")
    return backwards


def _filled(column: pd.Series) -> np.ndarray:
    filled = column.notna().to_numpy()
    return filled & (column != "").fillna(False).to_numpy(bool) if column.dtype.kind in "OU" else filled


def _holds(column: pd.Series, wanted: list[str]) -> np.ndarray:
    """1 where the cell is one of the words, 0 where another, NaN where blank; compared once per distinct cell."""
    code, distinct = pd.factorize(column)
    words = [str(value).strip().lower().removesuffix(".0") for value in distinct]
    low = {word.lower() for word in wanted}
    hit = np.array([np.nan if word == "" else float(word in low) for word in words] + [np.nan])
    return hit[code]
