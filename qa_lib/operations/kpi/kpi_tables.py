"""Operations records made ready: times parsed, copies put aside, contradictions entered in a ledger, nothing lost."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import pandas as pd

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.kpi.kpi_spec import KpiSpec, Table
from qa_lib.study.dates import iso_moments
from qa_lib.sufficient.values import check_columns

LEDGER_COLUMNS = ["file", "row", "column", "before", "after", "reason", "count"]
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})\s*$"


def ready(
    name: str, records: pd.DataFrame, table: Table, spec: KpiSpec, roster: pd.DataFrame | None, shipped: bool = False
):
    """The table with its times as datetimes and only one row per id, and the ledger of what that took.

    Under the ``shipped`` spec a time the table does not have is left out.

    Raises ResponseError when a needed column is absent, the table is empty, or time zones are mixed.
    """
    check_columns(records, *records.columns, what=name, ordered=False)
    if records.empty:
        raise ResponseError(f"{name}: no rows. Leave the table out, or give one with records.")
    times = [column for column in dict.fromkeys([table.at, *table.times]) if column in records or not shipped]
    needed = [table.at, *times, *([table.id] if table.id else [])]
    if absent := [column for column in dict.fromkeys(needed) if column not in records]:
        raise ResponseError(f"{name}: no column {absent[0]!r}. Columns are {', '.join(map(str, records.columns))}.")
    entries: list[dict] = []
    data = records.copy(deep=False)
    for column in times:
        data[column] = _times(name, data[column], spec.timezone, entries)
    if table.id:
        copies = data[table.id].duplicated().to_numpy()
        enter(entries, name, data.index[copies], table.id, data.loc[copies, table.id], None, "duplicate_id")
        data = data[~copies]
    undated = data[table.at].isna().to_numpy()
    enter(entries, name, data.index[undated], table.at, records.loc[data.index[undated], table.at], None, "no_start")
    data = data[~undated]
    if roster is not None and table.agent in data and "agent" in roster:
        agent = data[table.agent]
        strange = ~agent.isin(roster["agent"]) & agent.notna() & (agent.astype("string") != "")
        enter(entries, name, data.index[strange], table.agent, agent[strange], agent[strange], "agent_not_in_roster")
    if entries:
        reasons = pd.Series([entry["reason"] for entry in entries]).value_counts()
        said = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        warnings.warn(f"{name}: {said}; see the ledger.", DataWarning, stacklevel=3)
    return data, pd.DataFrame(entries, columns=LEDGER_COLUMNS)


def enter(entries: list[dict], file: str, rows, column: str, before, after, reason: str) -> None:
    """One ledger entry per row; ``row`` counts from 1 as in the table handed in."""
    after = [None] * len(rows) if after is None else after
    for row, old, new in zip(rows, before, after, strict=True):
        entries.append(dict(zip(LEDGER_COLUMNS, (file, row + 1, column, old, new, reason, 1), strict=True)))


def _times(name: str, raw: pd.Series, timezone: str | None, entries: list[dict]) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(raw):
        naive = raw.dt.tz_convert(timezone).dt.tz_localize(None) if raw.dt.tz is not None else raw
        return naive.dt.as_unit("us")  # one unit for all columns, else every comparison converts
    text = raw.astype("string").str.strip().replace("", pd.NA)
    offset = text.str.extract(f"({_OFFSET})", expand=False)
    zoned = offset.notna()
    if zoned.any():
        if (text.notna() & ~zoned).any() or (len(offset.dropna().unique()) > 1 and timezone is None):
            found = ", ".join(sorted({str(o).strip() for o in offset[text.notna()].fillna("none").unique()}))
            raise ResponseError(
                f"{name}, column {raw.name}: time zones are mixed ({found}). Give every time one offset, or set "
                "timezone in the KPI spec when each has its own."
            )
        parsed = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
        if timezone is None:
            shift = pd.to_datetime("2000-01-01T00:00:00" + offset.dropna().iloc[0].strip()).utcoffset()
            parsed = parsed.dt.tz_localize(None) + shift
        else:
            parsed = parsed.dt.tz_convert(timezone).dt.tz_localize(None)
    else:
        parsed = iso_moments(text)
    broken = (text.notna() & parsed.isna()).to_numpy()
    enter(entries, name, raw.index[broken], str(raw.name), raw[broken], None, "not_a_time")
    return parsed


def prepare(
    tables: Mapping[str, pd.DataFrame], spec: KpiSpec, shipped: bool = False
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """All tables of the spec that are there, ready, and one ledger."""
    roster = tables.get("roster")
    prepared, ledgers = {}, []
    for name, table in spec.tables.items():
        if tables.get(name) is not None:
            records = tables[name].reset_index(drop=True)
            prepared[name], ledger = ready(name, records, table, spec, roster, shipped)
            ledgers.append(ledger)
    if not prepared:
        raise ResponseError(f"kpis: none of the tables {', '.join(spec.tables)} was given.")
    filled = [ledger for ledger in ledgers if len(ledger)]
    return prepared, pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=LEDGER_COLUMNS)
