"""Which KPIs a study has: columns, start and end events, limits, targets, guardrails, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from qa_lib.errors import StudyError
from qa_lib.study.schema import Record, load_yaml, validate

Kind = Literal[
    "duration", "on_time", "same_day", "present", "share", "repeat", "top_box", "nps", "mean", "rate", "ratio",
    "throughput", "consistency",
]  # fmt: skip
NEEDS: dict[str, tuple[str, ...]] = {
    "duration": ("start", "end"),
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
}


class Table(Record):
    """One table of records: its id, the event that puts a case in a period, its columns that hold times."""

    at: str
    id: str | None = None
    times: list[str] = []


class Kpi(Record):
    """One KPI. ``limit`` is the standard a case must meet (in ``unit``), ``target`` what share of cases must meet it
    (without a limit: what the estimate must reach); ``guardrail`` names the KPI that must not worsen meanwhile."""

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
    distinct: str | None = None
    unit_of: str | None = None
    unit: Literal["seconds", "minutes", "hours", "days", "score", "share"] = "hours"
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
        return self

    @property
    def columns(self) -> list[str]:
        """Columns of ``table`` the KPI reads."""
        keys = ("start", "end", "due", "column", "customer", "problem", "agent", "distinct", "unit_of")
        own = [getattr(self, key) for key in keys if getattr(self, key)]
        return own + ([self.base] if self.kind == "rate" else [])


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
        wrong = [f"{k.id}: table {k.table!r} is not described" for k in self.kpis if k.table not in self.tables]
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
