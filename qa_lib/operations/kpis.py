"""Every KPI of a service in one table: estimate with interval, attainment of the standard beside it, verdict."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.criteria import Criterion
from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations import kpi_estimates as numbers
from qa_lib.operations.kpi_spec import Kpi, KpiSpec, read_kpi_spec
from qa_lib.operations.kpi_tables import enter, prepare
from qa_lib.results import Provenance, Result

_HOUR = {"seconds": 3600.0, "minutes": 60.0, "hours": 1.0, "days": 1 / 24}
_FREQUENCIES = {"D": "%Y-%m-%d", "W": "%G-W%V", "M": "%Y-%m", "Q": "%Y-Q%q", "Y": "%Y"}
_MEASURES = [
    "n", "n_open", "estimate", "std_error", "conf_low", "conf_high", "median", "median_low", "median_high", "p90",
    "maximum", "total", "limit", "attainment", "attainment_low", "attainment_high", "target", "verdict", "alert",
    "guardrail", "guardrail_verdict",
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


def kpis(
    tables: Mapping[str, pd.DataFrame],
    spec: KpiSpec | Mapping | str | Path | None = None,
    by: str | Sequence[str] | None = None,
    period: str | None = "M",
    conf_level: float = 0.95,
) -> Kpis:
    """KPIs of ``tables`` (tickets, calls, complaints, customers …, by name), per period and group.

    ``spec``: path or content of a study's kpis.yaml; None takes the one that ships, leaving out what the tables have
    no columns for. ``period``: ``D, W, M, Q, Y`` or None for all time. ``by``: columns to split by; a table without
    them is left out. Columns of ``tidy()``:

    - ``term, period``, those of ``by``, ``unit``, ``n`` cases (``n_open`` still open), ``estimate`` (mean of finished
      cases, or share) with Wilson or t interval; ``median`` with exact binomial interval and ``p90``, by
      Kaplan–Meier where cases are open; ``maximum``, ``total``.
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
    if period is not None and period not in _FREQUENCIES:
        raise ResponseError(f"kpis: period is {period!r}; allowed are {', '.join(_FREQUENCIES)} or None.")
    shipped, spec = spec is None, read_kpi_spec(spec)
    by = [by] if isinstance(by, str) else list(by or [])
    prepared, ledger = prepare(tables, spec)
    as_of = pd.Timestamp(spec.as_of) if spec.as_of else _latest(prepared, spec)
    groups = {name: _groups(data, spec.tables[name].at, by, period) for name, data in prepared.items()}
    rows, late = [], []
    for kpi in spec.kpis:
        if kpi.table not in prepared or (kpi.kind == "ratio" and kpi.base_table not in prepared):
            continue
        data = prepared[kpi.table]
        if absent := [column for column in kpi.columns if column not in data]:
            if shipped:
                continue
            raise ResponseError(f"{kpi.id}: {kpi.table} has no column {absent[0]!r}. Mend the spec or the export.")
        if groups[kpi.table] is None:
            continue
        per_case, wrong = _cases(kpi, data, as_of, spec)
        late += wrong
        rows += _rows(kpi, per_case, prepared, groups, conf_level, by)
    table = pd.DataFrame(rows, columns=["term", "period", *by, "unit", *_MEASURES])
    table = _guard(table, spec, by, conf_level)
    if late:
        warnings.warn(f"kpis: {len(late)} cases end before they start; see the ledger.", DataWarning, stacklevel=2)
        ledger = pd.concat([part for part in (ledger, pd.DataFrame(late)) if len(part)], ignore_index=True)
    reconciliation = pd.DataFrame(
        [(name, len(tables[name]), len(tables[name]) - len(data), len(data)) for name, data in prepared.items()],
        columns=["table", "raw", "put_aside", "used"],
    )
    settings = {"by": by, "period": period, "conf_level": conf_level, "as_of": str(as_of)}
    return Kpis(table, ledger, reconciliation, spec, Provenance("kpis", int(reconciliation["used"].sum()), settings))


def pareto(records: pd.DataFrame, column: str) -> pd.DataFrame:
    """Error types or causes ranked: ``cause, count, share, cumulative`` over the rows that name one.

    >>> pareto(pd.DataFrame({"cause": ["a", "b", "a", None]}), "cause")["cumulative"].round(2).tolist()
    [0.67, 1.0]
    """
    if column not in records:
        raise ResponseError(f"pareto: no column {column!r}. Columns are {', '.join(map(str, records.columns))}.")
    counts = records[column].value_counts(sort=True).rename_axis("cause").reset_index(name="count")
    counts["share"] = counts["count"] / counts["count"].sum()
    return counts.assign(cumulative=counts["share"].cumsum())


def _latest(prepared: Mapping[str, pd.DataFrame], spec: KpiSpec) -> pd.Timestamp:
    """The last moment any table knows of: open cases are censored there."""
    return max(prepared[name][t].max() for name in prepared for t in {spec.tables[name].at, *spec.tables[name].times}
               if prepared[name][t].notna().any() and t != "promised")  # fmt: skip


def _groups(data: pd.DataFrame, at: str, by: list[str], period: str | None):
    """Row positions per (period, group…), in order; None when the table lacks a grouping column."""
    if any(column not in data for column in by):
        return None
    keys = pd.DataFrame({column: data[column].to_numpy() for column in by})
    keys.insert(0, "period", _labels(data[at], period).to_numpy())
    grouped = keys.groupby(list(keys.columns), sort=True)
    return {key if isinstance(key, tuple) else (key,): places for key, places in grouped.indices.items()}


def _labels(moments: pd.Series, period: str | None) -> pd.Series:
    if period is None:
        return pd.Series("all", index=moments.index)
    if period == "W":
        day = moments.dt.normalize()
        monday, unique = pd.factorize(day - pd.to_timedelta(day.dt.day_of_week, unit="D"))
        return pd.Series(pd.DatetimeIndex(unique).strftime(_FREQUENCIES["W"]).to_numpy()[monday], index=moments.index)
    code, unique = pd.factorize(moments.dt.to_period(period))
    return pd.Series(pd.PeriodIndex(unique).strftime(_FREQUENCIES[period])[code], index=moments.index)


@dataclass(frozen=True, slots=True)
class _Cases:
    """Per case of a table: value (NaN unknown), whether it is finished, whether it met the limit (NaN undecided)."""

    value: np.ndarray
    done: np.ndarray | None = None
    met: np.ndarray | None = None
    unit: np.ndarray | None = None


def _cases(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec) -> tuple[_Cases, list[dict]]:
    wrong: list[dict] = []
    if kpi.kind == "duration":
        return _durations(kpi, data, as_of, spec, wrong), wrong
    if kpi.kind == "on_time":
        due, end = data[kpi.due], data[kpi.end]
        hit = np.where(due.isna() | (end.isna() & (due >= as_of)), np.nan, (end <= due).astype(float))
        return _Cases(hit), wrong
    if kpi.kind == "same_day":
        return _Cases((data[kpi.end].dt.normalize() == data[kpi.start].dt.normalize()).to_numpy(float)), wrong
    if kpi.kind == "present":
        return _Cases(_filled(data[kpi.column]).astype(float)), wrong
    if kpi.kind == "share":
        return _Cases(_holds(data[kpi.column], kpi.equals or ["1", "true", "yes"])), wrong
    if kpi.kind == "repeat":
        return _Cases(_repeats(data, kpi, spec.tables[kpi.table].at)), wrong
    if kpi.kind in {"top_box", "nps", "mean", "consistency", "rate"}:
        value = pd.to_numeric(data[kpi.column], errors="coerce").to_numpy(float)
        base = data[kpi.unit_of].to_numpy() if kpi.unit_of else None
        if kpi.kind == "rate":
            base = pd.to_numeric(data[kpi.base], errors="coerce").to_numpy(float)
        return _Cases(value, unit=base), wrong
    if kpi.kind == "throughput":
        agent, _ = pd.factorize(data[kpi.agent])
        day = data[kpi.end].to_numpy("M8[D]")
        known = (agent >= 0) & ~np.isnat(day)
        return _Cases(np.where(known, agent * 1e6 + day.astype(np.int64), np.nan)), wrong
    return _Cases(np.zeros(len(data)), unit=data[kpi.distinct].to_numpy() if kpi.distinct else None), wrong


def _durations(kpi: Kpi, data: pd.DataFrame, as_of: pd.Timestamp, spec: KpiSpec, wrong: list[dict]) -> _Cases:
    start, end = data[kpi.start], data[kpi.end]
    done = end.notna().to_numpy()
    until = end.where(done, as_of)
    if kpi.business_hours:
        c = spec.calendar
        hours = numbers.business_hours(start.to_numpy(), until.to_numpy(), c.opens, c.closes, c.weekmask, c.holidays)
    else:
        hours = ((until - start) / pd.Timedelta(hours=1)).to_numpy(float)
    value = hours * _HOUR.get(kpi.unit, 1.0)
    backwards = done & (end < start).to_numpy()
    enter(wrong, kpi.table, data.index[backwards], kpi.end, end[backwards], None, f"before_{kpi.start}")
    value[backwards] = np.nan
    value[~done & (value < 0)] = 0.0
    limit = np.nan if kpi.limit is None else kpi.limit
    met = np.where(value > limit, 0.0, np.where(done, 1.0, np.nan))
    return _Cases(value, done, np.where(np.isnan(value), np.nan, met))


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


def _repeats(data: pd.DataFrame, kpi: Kpi, at: str) -> np.ndarray:
    """1 where the same customer raised the same problem within the window before; NaN without a customer."""
    order = data[[kpi.customer, kpi.problem, at]].reset_index(drop=True).sort_values(at, kind="stable")
    gap = order.groupby([kpi.customer, kpi.problem], sort=False)[at].diff()
    repeat = (gap <= pd.Timedelta(days=kpi.window_days)).astype(float)
    repeat[order[kpi.customer].isna() | order[kpi.problem].isna()] = np.nan
    return repeat.sort_index().to_numpy()


def _rows(kpi: Kpi, cases: _Cases, prepared, groups, conf_level: float, by: list[str]) -> list[dict]:
    own, base = groups[kpi.table], None
    if kpi.kind == "ratio":
        base = groups[kpi.base_table]
        if base is None:
            return []
        customers = pd.to_numeric(prepared[kpi.base_table][kpi.base], errors="coerce").to_numpy(float)
    rows = []
    for key in own if base is None else sorted({*own, *base}):
        places = own.get(key, np.array([], dtype=int))
        if base is not None:
            hit = len(places) if cases.unit is None else len(pd.unique(cases.unit[places]))
            of = float(np.nansum(customers[base[key]])) if key in base else 0.0
            found = numbers.share_of(float(hit), of, conf_level) if of >= hit else {"n": of}
        else:
            found = _estimate(kpi, cases, places, conf_level)
        rows.append({"term": kpi.id, **dict(zip(["period", *by], key, strict=True)), "unit": kpi.unit, **found})
        rows[-1] |= _judgement(kpi, rows[-1])
    return rows


def _estimate(kpi: Kpi, cases: _Cases, places: np.ndarray, conf_level: float) -> dict:
    value = cases.value[places]
    if kpi.kind == "throughput":
        agent_days = np.unique(value[np.isfinite(value)], return_counts=True)[1]
        return numbers.mean(agent_days.astype(float), conf_level)
    known = np.isfinite(value)
    if kpi.kind == "rate":
        both = known & np.isfinite(cases.unit[places])
        return numbers.share_of(value[both].sum(), cases.unit[places][both].sum(), conf_level)
    if kpi.kind == "consistency":
        both = known & ~pd.isna(cases.unit[places])
        estimate, _ = numbers.between_share(value[both], cases.unit[places][both].astype(str))
        return {"n": int(both.sum()), "estimate": estimate}
    value = value[known]
    if kpi.kind == "top_box":
        return numbers.share(value >= kpi.limit, conf_level)
    if kpi.kind == "nps":
        return numbers.net_promoter(value, conf_level)
    if kpi.kind == "mean":
        met = (value <= kpi.limit if kpi.better == "lower" else value >= kpi.limit) if kpi.limit is not None else None
        return numbers.mean(value, conf_level) | _middle(value, None, conf_level) | _attained(kpi, met, conf_level)
    if kpi.kind == "duration":
        done, met = cases.done[places][known], cases.met[places][known]
        found = numbers.mean(value[done], conf_level) | {"n": len(value), "n_open": int((~done).sum())}
        found |= {"total": value.sum()} | _middle(value, done, conf_level)
        return found | _attained(kpi, met[np.isfinite(met)].astype(bool), conf_level)
    return numbers.share(value, conf_level)


def _middle(value: np.ndarray, done: np.ndarray | None, conf_level: float) -> dict:
    if len(value) == 0:
        return {}
    if done is None or done.all():
        middle, p90 = numbers.median(value, conf_level), np.quantile(value, 0.9)
    else:
        middle = numbers.kaplan_meier(value, done, 0.5, conf_level)
        p90 = numbers.kaplan_meier(value, done, 0.9, conf_level)[0]
    return dict(zip(["median", "median_low", "median_high"], middle, strict=True)) | {"p90": p90}


def _attained(kpi: Kpi, met: np.ndarray | None, conf_level: float) -> dict:
    if kpi.limit is None or met is None:
        return {}
    found = numbers.share(met, conf_level)
    names = {"estimate": "attainment", "conf_low": "attainment_low", "conf_high": "attainment_high"}
    return {"limit": kpi.limit} | {new: found[old] for old, new in names.items()}


def _judgement(kpi: Kpi, row: dict) -> dict:
    """Verdict and alert, on attainment (always better higher) where there is one."""
    attained = "attainment" in row
    low, high = ("attainment_low", "attainment_high") if attained else ("conf_low", "conf_high")
    estimate = row.get("attainment" if attained else "estimate", np.nan)
    higher = attained or kpi.better == "higher"
    found: dict = {"target": kpi.target, "guardrail": kpi.guardrail}
    if kpi.target is not None:
        criterion = Criterion(kpi.id, "at_least" if higher else "at_most", kpi.target, "kpis.yaml")
        found["verdict"] = criterion.verdict(estimate, row.get(low, np.nan), row.get(high, np.nan))
    if kpi.alert is not None:
        found["alert"] = bool(estimate < kpi.alert if higher else estimate > kpi.alert)
    return found


def _guard(table: pd.DataFrame, spec: KpiSpec, by: list[str], conf_level: float) -> pd.DataFrame:
    """Whether each guardrail got worse since the period before, in the same group."""
    better = {kpi.id: kpi.better for kpi in spec.kpis}
    ordered = table.sort_values(["term", *by, "period"], kind="stable")
    before = ordered.groupby(["term", *by], sort=False)[["estimate", "std_error"]].shift()
    change = ordered["estimate"] - before["estimate"]
    error = np.sqrt(ordered["std_error"].astype(float) ** 2 + before["std_error"].astype(float) ** 2)
    sign = ordered["term"].map(better).map({"higher": -1.0, "lower": 1.0})
    quantile = numbers.norm.ppf(conf_level)
    verdict = np.where(
        change.isna() | error.isna(), "open", np.where(sign * change > quantile * error, "worse", "held")
    )
    known = ordered[["term", "period", *by]].assign(guardrail_verdict=verdict).rename(columns={"term": "guardrail"})
    return table.drop(columns="guardrail_verdict").merge(known, how="left", on=["guardrail", "period", *by])
