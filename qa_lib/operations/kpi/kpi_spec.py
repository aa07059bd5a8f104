"""Which KPIs a study has: columns, start and end events, limits, targets, guardrails, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from qa_lib.errors import StudyError
from qa_lib.study.schema import Record, load_yaml, validate

Kind = Literal[
    "duration", "overdue", "on_time", "same_day", "present", "share", "repeat", "top_box", "nps", "mean", "rate",
    "ratio", "throughput", "consistency", "downtime", "availability",
]  # fmt: skip
Each = Literal["D", "W", "M", "Q", "Y"]
NEEDS: dict[str, tuple[str, ...]] = {
    "duration": ("start", "end"),
    "overdue": ("start", "end", "limit"),
    "on_time": ("due", "end"),
    "same_day": ("start", "end"),
    "present": ("column",),
    "share": ("column",),
    "repeat": ("customer", "problem", "window_days"),
    "top_box": ("column", "limit"),
    "nps": ("column",),
    "mean": ("column",),
    "rate": ("column", "base"),
    "ratio": ("base", "base_table"),
    "throughput": ("agent", "end"),
    "consistency": ("column", "unit_of"),
    "downtime": ("start", "end"),
    "availability": ("start", "end", "base", "base_table"),
}


class Table(Record):
    """One table of records: its id, the event that puts a case in a period, its columns that hold times; ``agent``
    is held against the roster. Where a row stands for a whole period (customers of a month), ``each`` names it: the
    table is then left out of shorter periods, but still the base of rates in them."""

    at: str
    id: str | None = None
    times: list[str] = []
    agent: str = "agent"
    each: Each | None = None


class Kpi(Record):
    """One KPI. ``limit`` is the standard a case must meet (in ``unit``), ``target`` what share of cases must meet it
    (without a limit: what the estimate must reach); ``guardrail`` names the KPI that must not worsen meanwhile.
    ``among`` restricts it to cases in which that column is filled. The base of a rate is its value at the ``start`` of
    the period, that plus all who ``joined`` in it (``all``), or the sum over the period's rows (``each``)."""

    id: str
    table: str
    kind: Kind
    start: str | None = None
    end: str | None = None
    due: str | None = None
    column: str | None = None
    equals: list[str] = []
    customer: str | None = None
    problem: str | None = None
    window_days: float | None = None
    agent: str | None = None
    base: str | None = None
    base_table: str | None = None
    base_at: Literal["start", "all", "each"] = "start"
    joined: str | None = None
    complement: bool = False
    among: str | None = None
    distinct: str | None = None
    unit_of: str | None = None
    unit: Literal["seconds", "minutes", "hours", "days", "score", "share", "count"] = "hours"
    business_hours: bool = False
    limit: float | None = None
    better: Literal["higher", "lower"] = "higher"
    target: float | None = None
    alert: float | None = None
    guardrail: str | None = None
    touchpoint: str | None = None
    element: Literal["hardware", "software", "people"] | None = None
    name: dict[str, str] = {}

    @model_validator(mode="after")
    def _complete(self) -> Kpi:
        if absent := [key for key in NEEDS[self.kind] if getattr(self, key) is None]:
            raise ValueError(f"{self.id}: a KPI of kind {self.kind} needs {', '.join(absent)}")
        if self.base_at == "all" and self.joined is None:
            raise ValueError(f"{self.id}: base_at all needs joined, the column of those who came in the period")
        return self

    @property
    def columns(self) -> list[str]:
        """Columns of ``table`` the KPI reads."""
        keys = ("start", "end", "due", "column", "customer", "problem", "agent", "distinct", "unit_of", "among")
        own = [getattr(self, key) for key in keys if getattr(self, key)]
        return own + (self.base_columns if self.base_table is None else [])

    @property
    def base_columns(self) -> list[str]:
        """Columns of the base's table."""
        joined = [self.joined] if self.joined and self.base_at == "all" else []
        return [self.base, *joined] if self.base else []


class Calendar(Record):
    """Business hours: opening and closing time, working days (Monday first), holidays as dates."""

    opens: str = "09:00"
    closes: str = "18:00"
    weekmask: str = Field(default="1111100", pattern="^[01]{7}$")
    holidays: list[str] = []


class KpiSpec(Record):
    """kpis.yaml of a study."""

    tables: dict[str, Table]
    kpis: list[Kpi]
    calendar: Calendar = Calendar()
    timezone: str | None = None
    as_of: str | None = None

    @model_validator(mode="after")
    def _refer_to_what_exists(self) -> KpiSpec:
        known = {kpi.id for kpi in self.kpis}
        as_of = (
            pd.to_datetime(self.as_of, errors="coerce", format="ISO8601") if self.as_of is not None else pd.Timestamp(0)
        )
        if pd.isna(as_of) or as_of.tz is not None:
            raise ValueError(f"as_of is {self.as_of!r}; write a moment without time zone, as 2026-10-31 18:00")
        wrong = [f"{k.id}: table {k.table!r} is not described" for k in self.kpis if k.table not in self.tables]
        wrong += [
            f"{k.id}: base_table {k.base_table!r} is not described"
            for k in self.kpis
            if k.base_table not in {*self.tables, None}
        ]
        wrong += [
            f"{k.id}: guardrail {k.guardrail!r} is no KPI" for k in self.kpis if k.guardrail not in known | {None}
        ]
        if len(known) < len(self.kpis):
            wrong.append("a KPI's id stands twice")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def read_kpi_spec(spec: KpiSpec | Mapping | str | Path | None) -> KpiSpec:
    """A spec from a YAML file or its content; None gives the one that ships with the library.

    >>> len(read_kpi_spec(None).kpis) > 15
    True
    """
    if isinstance(spec, KpiSpec):
        return spec
    if isinstance(spec, Mapping):
        return validate(KpiSpec, dict(spec), "KPI spec", StudyError)
    path = Path(str(files("qa_lib.operations") / "kpis.yaml")) if spec is None else Path(spec)
    return validate(KpiSpec, load_yaml(path, StudyError), path, StudyError)
