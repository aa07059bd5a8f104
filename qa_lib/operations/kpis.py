"""Every KPI of a service in one table: estimate with interval, attainment of the standard beside it, verdict."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa_lib.criteria import Criterion
from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.kpi import kpi_estimates as numbers
from qa_lib.operations.kpi.kpi_cases import Cases, cases_of
from qa_lib.operations.kpi.kpi_periods import Base, Key, Periods, bounds, grouped, period_labels, read_period
from qa_lib.operations.kpi.kpi_spec import Kpi, KpiSpec, read_kpi_spec
from qa_lib.operations.kpi.kpi_tables import prepare
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEASURES = [
    "n", "n_open", "estimate", "std_error", "conf_low", "conf_high", "median", "median_low", "median_high",
    "p90", "p90_low", "p90_high", "maximum", "total", "limit", "attainment", "attainment_low", "attainment_high",
    "target", "verdict", "alert", "guardrail", "guardrail_verdict",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kpis(Result):
    """``table``: a row per KPI, period and group. ``ledger``: what was wrong with the records. ``reconciliation``:
    rows handed in, put aside and used, per table."""

    table: pd.DataFrame
    ledger: pd.DataFrame
    reconciliation: pd.DataFrame
    spec: KpiSpec
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        facts = {"n": int(self.reconciliation["used"].sum()), "put_aside": int(self.reconciliation["put_aside"].sum())}
        return pd.DataFrame([facts | {"kpis": self.table["term"].nunique(), "ledger_rows": len(self.ledger)}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The last period's attainment with intervals, and the targets."""
        from qa_lib.operations.pictures import standards

        return standards(self.table, self.provenance.settings["by"], ax, labels)


def kpis(
    tables: Mapping[str, pd.DataFrame],
    spec: KpiSpec | Mapping | str | Path | None = None,
    by: str | Sequence[str] | None = None,
    period: str | int | None = "M",
    conf_level: float = 0.95,
) -> Kpis:
    """KPIs of ``tables`` (tickets, calls, complaints, customers …, by name), per period and group.

    ``spec``: path or content of a study's kpis.yaml; None takes the one that ships, leaving out what the tables have
    no columns for. ``period``: ``D, W, M, Q, Y`` for every period of that length, one alone (``2026-10-31``,
    ``2026-W44``, ``2026-10``, ``2026-Q3``, ``2026``), or None for all time. ``by``: columns to split by; a table
    without them is left out. Columns of ``tidy()``:

    - ``term, period``, those of ``by``, ``unit``, ``n`` cases (``n_open`` still open), ``estimate`` with interval: the
      mean of finished cases (t), a share (Wilson), events per base (exact Poisson, Garwood 1936), minutes of outage
      in the period and the availability they leave (gamma, Fay and Feuer 1997), the share of variance between units
      (F, Searle 1971); ``median`` and ``p90`` with exact binomial intervals, by Kaplan–Meier where cases are open;
      ``maximum``, ``total``.
    - ``attainment``: share of cases that met the ``limit``, with Wilson interval. An open case past the limit has
      failed it; one not yet there is not counted.
    - ``verdict`` against ``target`` (of attainment where there is a limit, else of the estimate): ``met``,
      ``not_met``, or ``undecided`` while the interval holds the target; ``alert`` beyond the alert threshold.
    - ``guardrail_verdict``: ``held`` or ``worse`` against the previous period (z test at the level), else ``open``.

    Records that contradict themselves are in the ledger; ``reconciliation`` adds up to the raw counts.

    Raises ResponseError for absent columns, empty tables, mixed time zones; StudyError for a spec that breaks its
    schema.

    >>> import pandas as pd
    >>> tickets = pd.DataFrame({
    ...     "ticket_id": ["a", "b", "c"], "submitted": ["2026-10-01 09:00"] * 3,
    ...     "first_response": ["2026-10-01 10:00", "2026-10-01 15:00", None],
    ...     "resolved": [None] * 3, "promised": [None] * 3,
    ... })
    >>> rows = kpis({"tickets": tickets}).tidy().set_index("term")
    >>> rows.loc["response_time", ["n", "n_open", "estimate", "limit"]].tolist()
    [3.0, 1.0, 3.5, 4.0]
    """
    asked = read_period(period)
    if not 0 < conf_level < 1:
        raise ResponseError(f"kpis: conf_level is {conf_level!r}; it must lie between 0 and 1, for instance 0.95.")
    shipped, spec = spec is None, read_kpi_spec(spec)
    by = [by] if isinstance(by, str) else list(by or [])
    prepared, ledger = prepare(tables, spec, shipped)
    if absent := [column for column in by if not any(column in data for data in prepared.values())]:
        raise ResponseError(f"kpis: by: no table has a column {absent[0]!r}.")
    as_of = _as_of(prepared, spec)
    records = _Records(prepared, spec, by, asked, as_of, conf_level)
    rows, wrong = [], []
    for kpi in spec.kpis:
        if _is_there(kpi, records, shipped):
            per_case, late = cases_of(kpi, prepared[kpi.table], as_of, spec)
            wrong += late
            rows += [row | _judgement(kpi, row) for row in _rows(kpi, per_case, records)]
    table = _guard(pd.DataFrame(rows, columns=["term", "period", *by, "unit", *_MEASURES]), spec, by, conf_level)
    if asked.wanted is not None:
        table = table[table["period"] == asked.wanted[-1]].reset_index(drop=True)
    reconciliation = pd.DataFrame(
        [(name, len(tables[name]), len(tables[name]) - len(data), len(data)) for name, data in prepared.items()],
        columns=["table", "raw", "put_aside", "used"],
    )
    settings = {"by": by, "period": period, "conf_level": conf_level, "as_of": str(as_of)}
    return Kpis(
        table,
        _entered(ledger, wrong),
        reconciliation,
        spec,
        Provenance("kpis", int(reconciliation["used"].sum()), settings),
    )


def kpi_cases(
    tables: Mapping[str, pd.DataFrame],
    spec: KpiSpec | Mapping | str | Path | None,
    kpi: str,
    period: str | int | None = "M",
) -> pd.DataFrame:
    """The single cases behind a KPI: its table's columns with ``period``, ``value`` (of open cases NaN) and ``met``.

    What league tables, control charts and the effects of actions are made of. ``value`` is 0 or 1 where the KPI is a
    share; ``met`` is NaN without a limit. Raises ``ResponseError`` for an unknown KPI, one not made of cases
    or one whose table is not given.

    >>> calls = pd.DataFrame({"call_id": [1, 2], "started": ["2026-10-01", "2026-10-02"], "wait_seconds": [20, 40]})
    >>> kpi_cases({"calls": calls}, None, "speed_of_answer")[["period", "value", "met"]].values.tolist()
    [['2026-10', 20.0, 1.0], ['2026-10', 40.0, 0.0]]
    """
    shipped, spec, asked = spec is None, read_kpi_spec(spec), read_period(period)
    chosen = {entry.id: entry for entry in spec.kpis}.get(kpi)
    if chosen is None or chosen.kind in _OF_PERIODS:
        known = ", ".join(entry.id for entry in spec.kpis if entry.kind not in _OF_PERIODS)
        raise ResponseError(f"kpi_cases: {kpi!r} is no KPI of single cases. These are: {known}.")
    if chosen.table not in tables:
        raise ResponseError(f"kpi_cases: {kpi} is measured on the table {chosen.table}, which was not given.")
    if absent := [column for column in chosen.columns if column not in tables[chosen.table]]:
        raise ResponseError(f"kpi_cases: {kpi}: {chosen.table} has no column {absent[0]!r}. Mend the export.")
    prepared, _ = prepare({chosen.table: tables[chosen.table]}, spec, shipped)
    data = prepared[chosen.table]
    found, _ = cases_of(chosen, data, _as_of(prepared, spec), spec)
    value = found.value if found.done is None else np.where(found.done, found.value, np.nan)
    met = found.met if found.met is not None else _within(chosen, value)
    table = data.assign(period=period_labels(data[spec.tables[chosen.table].at], asked.unit), value=value, met=met)
    return table if asked.wanted is None else table[table["period"] == asked.wanted[-1]]


_OF_PERIODS = {"rate", "ratio", "throughput", "downtime", "availability"}


def pareto(records: pd.DataFrame, column: str) -> pd.DataFrame:
    """Error types or causes ranked: ``cause, count, share, cumulative`` over the rows that name one.

    >>> pareto(pd.DataFrame({"cause": ["a", "b", "a", None]}), "cause")["cumulative"].round(2).tolist()
    [0.67, 1.0]
    """
    check_columns(records, column, what="pareto", ordered=False)
    named = records[column].where(records[column].astype("string").str.strip() != "")
    counts = named.value_counts(sort=True).rename_axis("cause").reset_index(name="count")
    counts["share"] = counts["count"] / counts["count"].sum()
    return counts.assign(cumulative=counts["share"].cumsum())


def _as_of(prepared: Mapping[str, pd.DataFrame], spec: KpiSpec) -> pd.Timestamp:
    """Where open cases are censored: as the spec says, else at the last moment any table knows of, promises apart."""
    if spec.as_of is not None:
        return pd.Timestamp(spec.as_of)
    promises = {(kpi.table, kpi.due) for kpi in spec.kpis if kpi.due}
    moments = [
        data[column].max()
        for name, data in prepared.items()
        for column in {spec.tables[name].at, *spec.tables[name].times}
        if (name, column) not in promises and column in data
    ]
    dated = [moment for moment in moments if not pd.isna(moment)]
    if not dated:
        raise ResponseError(
            f"{', '.join(prepared)}: no record has a time that can be read. Write times as 2026-10-31 09:00."
        )
    return max(dated)


class _Records:
    """The prepared tables with their rows by period and group, found once per table and event."""

    def __init__(self, prepared, spec: KpiSpec, by: list[str], periods: Periods, as_of, conf_level: float) -> None:
        self.prepared, self.spec, self.by, self.periods = prepared, spec, by, periods
        self.as_of, self.conf_level = as_of, conf_level
        self._groups: dict[tuple[str, str], dict[Key, np.ndarray] | None] = {}

    def groups(self, table: str, at: str | None = None) -> dict[Key, np.ndarray] | None:
        """Row positions of a table per key; None when it lacks a grouping column or its rows are of longer periods."""
        at = at or self.spec.tables[table].at
        if (table, at) not in self._groups:
            short = self.periods.shorter_than(self.spec.tables[table].each)
            found = None if short else grouped(self.prepared[table], at, self.by, self.periods)
            self._groups[table, at] = found
        return self._groups[table, at]

    def base(self, kpi: Kpi) -> Base:
        table = kpi.base_table or kpi.table
        described = self.spec.tables[table]
        return Base(self.prepared[table], kpi, described.at, described.each, self.by)

    def watched(self, period: str) -> tuple[float, float]:
        """First and last moment of a period (ns), within what the records can know of."""
        first, last = bounds(period)
        if period == "all":
            starts = (data[self.spec.tables[name].at].min() for name, data in self.prepared.items())
            first = min(starts).to_datetime64()
        last = min(last, self.as_of.to_datetime64())
        return tuple(float(moment.astype("M8[ns]").astype(np.int64)) for moment in (first, last))

    def keys(self, kpi: Kpi) -> list[Key]:
        """Every period and group any table knows of, from the first in which this KPI's own tables have a record."""
        own = {*self.groups(kpi.table), *((self.groups(kpi.base_table) or {}) if kpi.base_table else {})}
        first = min((key[0] for key in own), default="")
        everything = set(own).union(*(self.groups(name) or {} for name in self.prepared))
        return sorted(key for key in everything if key[0] >= first)


def _is_there(kpi: Kpi, records: _Records, shipped: bool) -> bool:
    """Whether the tables hold what the KPI needs; a study's own spec must not name columns that are absent."""
    needed = {kpi.table: kpi.columns} | ({kpi.base_table: kpi.base_columns} if kpi.base_table else {})
    if any(table not in records.prepared for table in needed):
        return False
    absent = [(table, c) for table, columns in needed.items() for c in columns if c not in records.prepared[table]]
    if absent and not shipped:
        table, column = absent[0]
        raise ResponseError(f"{kpi.id}: {table} has no column {column!r}. Mend the spec or the export.")
    splits = all(column in records.prepared[table] for table in needed for column in records.by)
    return not absent and splits and records.groups(kpi.table) is not None


def _entered(ledger: pd.DataFrame, wrong: list[dict]) -> pd.DataFrame:
    """The ledger with the cases that contradict themselves or hold what is no number, each once."""
    if not wrong:
        return ledger
    late = pd.DataFrame(wrong).drop_duplicates(["file", "row", "column", "reason"])
    backwards = late["reason"].str.startswith("before_")
    said = [f"{count} {reason}" for reason, count in late["reason"][~backwards].value_counts().items()]
    said = [", ".join(said)] if said else []
    for words in said + ([f"{backwards.sum()} cases end before they start"] if backwards.any() else []):
        warnings.warn(f"kpis: {words}; see the ledger.", DataWarning, stacklevel=3)
    return pd.concat([part for part in (ledger, late) if len(part)], ignore_index=True)


def _rows(kpi: Kpi, cases: Cases, records: _Records) -> list[dict]:
    if kpi.kind in ("downtime", "availability"):
        found = _outages(kpi, cases, records)
    elif kpi.kind == "ratio":
        found = _ratios(kpi, cases, records)
    elif kpi.kind == "rate":
        base, own = records.base(kpi), records.groups(kpi.table)
        found = {key: _rate(kpi, cases.value[places], base.at(key), records.conf_level) for key, places in own.items()}
    else:
        own = records.groups(kpi.table, kpi.end if kpi.kind == "throughput" else None)
        found = {key: _estimate(kpi, cases, places, records.conf_level) for key, places in own.items()}
    names = ["period", *records.by]
    return [
        {"term": kpi.id, **dict(zip(names, key, strict=True)), "unit": kpi.unit, **row} for key, row in found.items()
    ]


def _rate(kpi: Kpi, value: np.ndarray, base: float, conf_level: float) -> dict:
    hits = float(np.nansum(value))
    if not base >= hits:
        return {"n": base}
    return numbers.share_of(base - hits if kpi.complement else hits, base, conf_level)


def _ratios(kpi: Kpi, cases: Cases, records: _Records) -> dict[Key, dict]:
    """Events (or the distinct who had them) per base: shares of it, or counts that may exceed it."""
    own, base, found = records.groups(kpi.table), records.base(kpi), {}
    for key in records.keys(kpi):
        places = own.get(key, np.array([], dtype=int))
        places = places[np.isfinite(cases.value[places])]
        hits = float(len(places) if cases.unit is None else len(pd.unique(cases.unit[places])))
        of = base.at(key)
        if kpi.unit == "count":
            found[key] = numbers.events_per(hits, of, records.conf_level)
        else:
            found[key] = numbers.share_of(hits, of, records.conf_level) if of >= hits else {"n": of}
    return found


def _outages(kpi: Kpi, cases: Cases, records: _Records) -> dict[Key, dict]:
    """Minutes of outage in each period, cut at its ends, or the share of the time without."""
    base = records.base(kpi) if kpi.kind == "availability" else None
    data, found = records.prepared[kpi.table], {}
    rows = {(): np.arange(len(data))}
    if records.by:
        keys = data[records.by].reset_index(drop=True).groupby(records.by, sort=False).indices
        rows = {key if isinstance(key, tuple) else (key,): places for key, places in keys.items()}
    longest = float(np.nanmax(cases.met - cases.value, initial=0)) / 60e9
    for key in records.keys(kpi):
        places = rows.get(key[1:], np.array([], dtype=int))
        first, last = records.watched(key[0])
        minutes = (np.minimum(cases.met[places], last) - np.maximum(cases.value[places], first)) / 60e9
        lasting = minutes > 0
        row = numbers.total_of(minutes[lasting], longest, records.conf_level)
        row["n_open"] = int((~cases.done[places][lasting]).sum())
        if base is not None:
            row = numbers.availability(row, base.at(key) * (last - first) / 60e9)
        elif kpi.unit in ("hours", "days", "seconds"):
            scale = {"hours": 1 / 60, "days": 1 / 1440, "seconds": 60.0}[kpi.unit]
            row |= {name: row[name] * scale for name in row if name not in ("n", "n_open")}
        found[key] = row
    return found


def _estimate(kpi: Kpi, cases: Cases, places: np.ndarray, conf_level: float) -> dict:
    value = cases.value[places]
    known = np.isfinite(value)
    if kpi.kind == "throughput":
        agent_days = np.unique(value[known], return_counts=True)[1]
        return numbers.mean(agent_days.astype(float), conf_level)
    if kpi.kind == "consistency":
        return numbers.between_share(value[known], cases.unit[places][known], conf_level)
    value = value[known]
    if kpi.kind == "top_box":
        return numbers.share(value >= kpi.limit, conf_level)
    if kpi.kind == "nps":
        return numbers.net_promoter(value, conf_level)
    if kpi.kind == "mean":
        met = _within(kpi, value).astype(bool) if kpi.limit is not None else None
        return numbers.mean(value, conf_level) | _quantiles(value, None, conf_level) | _attained(kpi, met, conf_level)
    if kpi.kind == "duration":
        done, met = cases.done[places][known], cases.met[places][known]
        found = numbers.mean(value[done], conf_level) | {"n": len(value), "n_open": int((~done).sum())}
        found |= {"total": value.sum()} | _quantiles(value, done, conf_level)
        return found | _attained(kpi, met[np.isfinite(met)].astype(bool), conf_level)
    return numbers.share(value, conf_level)


def _within(kpi: Kpi, value: np.ndarray) -> np.ndarray:
    """1 where a value keeps the limit, NaN where there is no value or no limit."""
    if kpi.limit is None:
        return np.full(len(value), np.nan)
    kept = value <= kpi.limit if kpi.better == "lower" else value >= kpi.limit
    return np.where(np.isnan(value), np.nan, kept)


def _quantiles(value: np.ndarray, done: np.ndarray | None, conf_level: float) -> dict:
    """Median and 90th percentile with intervals, by Kaplan–Meier where cases are open."""
    if len(value) == 0:
        return {}
    found = {}
    for name, p in (("median", 0.5), ("p90", 0.9)):
        if done is None or done.all():
            bounded = numbers.quantile(value, p, conf_level)
        else:
            bounded = numbers.kaplan_meier(value, done, p, conf_level)
        found |= dict(zip([name, f"{name}_low", f"{name}_high"], bounded, strict=True))
    return found


def _attained(kpi: Kpi, met: np.ndarray | None, conf_level: float) -> dict:
    if kpi.limit is None or met is None:
        return {}
    found = numbers.share(met, conf_level)
    names = {"estimate": "attainment", "conf_low": "attainment_low", "conf_high": "attainment_high"}
    return {"limit": kpi.limit} | {new: found[old] for old, new in names.items()}


def _judgement(kpi: Kpi, row: dict) -> dict:
    """Verdict and alert, on attainment (always better higher) where there is one; no verdict without an interval."""
    attained = "attainment" in row
    low, high = ("attainment_low", "attainment_high") if attained else ("conf_low", "conf_high")
    estimate = row.get("attainment" if attained else "estimate", np.nan)
    higher = attained or kpi.better == "higher"
    found: dict = {"target": kpi.target, "guardrail": kpi.guardrail}
    if kpi.target is not None:
        criterion = Criterion(kpi.id, "at_least" if higher else "at_most", kpi.target, "kpis.yaml")
        bounds = row.get(low, np.nan), row.get(high, np.nan)
        found["verdict"] = "undecided" if np.isnan(bounds).any() else criterion.verdict(estimate, *bounds)
    if kpi.alert is not None:
        found["alert"] = bool(estimate < kpi.alert if higher else estimate > kpi.alert)
    return found


def _guard(table: pd.DataFrame, spec: KpiSpec, by: list[str], conf_level: float) -> pd.DataFrame:
    """Whether each guardrail got worse since the period before, in the same group."""
    if table.empty:
        return table
    better = {kpi.id: kpi.better for kpi in spec.kpis}
    ordered = table.sort_values(["term", *by, "period"], kind="stable")
    before = ordered.groupby(["term", *by], sort=False)[["estimate", "std_error"]].shift()
    change = ordered["estimate"] - before["estimate"]
    error = np.sqrt(ordered["std_error"].astype(float) ** 2 + before["std_error"].astype(float) ** 2)
    sign = ordered["term"].map(better).map({"higher": -1.0, "lower": 1.0})
    quantile = numbers.ndtri(conf_level)
    verdict = np.where(
        change.isna() | error.isna(), "open", np.where(sign * change > quantile * error, "worse", "held")
    )
    known = ordered[["term", "period", *by]].assign(guardrail_verdict=verdict).rename(columns={"term": "guardrail"})
    return table.drop(columns="guardrail_verdict").merge(known, how="left", on=["guardrail", "period", *by])
