"""Who is monitored when, how and by whom: a plan drawn from the roster, or the reason why none is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from qa_lib.errors import ResponseError, StudyError
from qa_lib.results import Provenance, Result
from qa_lib.study.schema import Record, validate

_COLUMNS = ["agent", "role", "since"]
_MONITORS = ("quality_assurer", "senior_supervisor")


class PlanSpec(Record):
    """``modes``: shares of the plan (2 : 7 : 1). Contacts per agent and day on duty: ``daily`` at least, ``new`` for
    those within ``new_days`` of their start, ``changed`` for branches whose process changes, ``high_risk`` for a risk
    grade of high; the largest counts. Loads: a quality assurer's contacts a day, a senior supervisor's a week."""

    first: str
    last: str
    modes: dict[Literal["side_by_side", "remote", "recording"], float] = {
        "side_by_side": 2, "remote": 7, "recording": 1,
    }  # fmt: skip
    daily: int = Field(default=1, ge=1)
    new: int = 3
    new_days: int = 30
    changed: int = 2
    changed_branches: list[str] = []
    high_risk: int = 2
    assurer_per_day: int = 20
    supervisor_per_week: int = 20
    weekmask: str = Field(default="1111100", pattern="^[01]{7}$")
    holidays: list[str] = []


@dataclass(frozen=True, slots=True)
class MonitoringPlan(Result):
    """``table``: a row per planned contact (``date, time, agent, branch, role, reason, mode, monitor``)."""

    table: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        modes = self.table["mode"].value_counts()
        facts = {"n": len(self.table), "days": self.table["date"].nunique(), "agents": self.table["agent"].nunique()}
        return pd.DataFrame([facts | {"monitors": self.table["monitor"].nunique(), **modes.to_dict()}])

    def load(self) -> pd.DataFrame:
        """Contacts per monitor: all, and on the busiest day."""
        per_day = self.table.groupby(["monitor", "date"]).size()
        return per_day.groupby("monitor").agg(contacts="sum", busiest_day="max").reset_index()

    def write(self, path: str | Path) -> None:
        """The plan and the monitors' loads as an xlsx workbook."""
        with pd.ExcelWriter(path, engine="openpyxl") as book:
            self.table.to_excel(book, sheet_name="plan", index=False)
            self.load().to_excel(book, sheet_name="load", index=False)


def monitoring_plan(roster: pd.DataFrame, spec: PlanSpec | Mapping, seed: int = 1) -> MonitoringPlan:
    """Draw a monitoring plan; the same seed gives the same plan.

    ``roster``: ``agent, role`` (agent, team_leader, quality_assurer, senior_supervisor), ``since``; optional ``until,
    branch, risk, certified`` (yes/no, of monitors) and ``weekmask`` (working days of a person, Monday first). Every
    agent and team leader on duty is monitored at least once a day, by certified monitors only, within their loads.

    Raises ResponseError for a roster without its columns or with people twice; StudyError for a spec that breaks its
    schema, and for a plan that is not feasible, with the day, what it needs and what there is.

    >>> people = pd.DataFrame({"agent": ["ann", "bo", "mei"], "since": "2020-01-01",
    ...                        "role": ["agent", "team_leader", "quality_assurer"], "certified": ["", "", "yes"]})
    >>> plan = monitoring_plan(people, {"first": "2026-11-02", "last": "2026-11-06"}, seed=1)
    >>> plan.glance()[["n", "side_by_side", "remote", "recording"]].iloc[0].tolist()
    [10, 2, 7, 1]
    """
    spec = spec if isinstance(spec, PlanSpec) else validate(PlanSpec, dict(spec), "monitoring plan", StudyError)
    _check(roster)
    rng = np.random.default_rng(seed)
    days = pd.bdate_range(
        spec.first, spec.last, freq="C", weekmask=" ".join(_weekdays(spec.weekmask)), holidays=spec.holidays
    )
    if not len(days):
        raise StudyError(f"monitoring plan: no working day from {spec.first} to {spec.last}.")
    staff = roster[roster["role"].isin(["agent", "team_leader"])]
    certified = (
        roster.get("certified", pd.Series("", index=roster.index)).astype(str).str.lower().isin(["yes", "true", "1"])
    )
    monitors = roster[roster["role"].isin(_MONITORS) & certified]
    if monitors.empty:
        raise StudyError("monitoring plan: nobody on the roster is a certified monitor; certify one first.")
    rows, weekly = [], dict.fromkeys(monitors["agent"], 0)
    for day in days:
        if day.weekday() == 0:
            weekly = dict.fromkeys(weekly, 0)
        wanted = [row for person in _on_duty(staff, day).to_dict("records") for row in _contacts(person, day, spec)]
        free = _capacity(_on_duty(monitors, day), weekly, spec)
        rows += _assign(wanted, free, weekly, day, spec, rng)
    table = pd.DataFrame(rows)
    table["mode"] = rng.permutation(quotas(len(table), spec.modes))
    table = table[["date", "time", "agent", "branch", "role", "reason", "mode", "monitor"]]
    table = table.sort_values(["date", "time", "agent"], kind="stable", ignore_index=True)
    return MonitoringPlan(table, Provenance("monitoring_plan", len(table), {"seed": seed, **spec.model_dump()}))


def quotas(n: int, shares: Mapping[str, float]) -> np.ndarray:
    """n labels in the given proportions, by largest remainders.

    >>> quotas(10, {"a": 2, "b": 7, "c": 1}).tolist().count("b")
    7
    """
    share = np.array(list(shares.values()), dtype=float)
    exact = n * share / share.sum()
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return np.repeat(list(shares), counts)


def _weekdays(mask: str) -> list[str]:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return [name for name, works in zip(names, mask, strict=True) if works == "1"]


def _check(roster: pd.DataFrame) -> None:
    if absent := [column for column in _COLUMNS if column not in roster]:
        raise ResponseError(f"roster: no column {', '.join(absent)}. Needed are {', '.join(_COLUMNS)}.")
    if (twice := roster["agent"][roster["agent"].duplicated()]).size:
        raise ResponseError(f"roster: {twice.iloc[0]!r} stands twice. Keep one row per person.")
    known = {"agent", "team_leader", *_MONITORS}
    if strange := sorted(set(roster["role"]) - known):
        raise ResponseError(f"roster: role {strange[0]!r} is not one of {', '.join(sorted(known))}.")


def _on_duty(people: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    since = pd.to_datetime(people["since"])
    here = since <= day
    if "until" in people:
        until = pd.to_datetime(people["until"].replace("", None))
        here &= until.isna() | (until >= day)
    if "weekmask" in people:
        here &= people["weekmask"].astype(str).str[day.weekday()] == "1"
    return people[here]


def _contacts(person: Mapping, day: pd.Timestamp, spec: PlanSpec) -> list[dict]:
    """The contacts of one person on one day, with the reason for their number."""
    options = {"daily": spec.daily}
    if person.get("risk") == "high":
        options["high_risk"] = spec.high_risk
    if person.get("branch") in spec.changed_branches:
        options["changed_process"] = spec.changed
    if (day - pd.Timestamp(person["since"])).days < spec.new_days:
        options["new"] = spec.new
    reason = max(options, key=lambda key: (options[key], key == "daily"))
    row = {"agent": person["agent"], "branch": person.get("branch", ""), "role": person["role"], "reason": reason}
    return [dict(row) for _ in range(options[reason])]


def _capacity(monitors: pd.DataFrame, weekly: Mapping[str, int], spec: PlanSpec) -> dict[str, int]:
    """How many more contacts each monitor may take today."""
    return {
        name: spec.assurer_per_day if role == "quality_assurer" else max(spec.supervisor_per_week - weekly[name], 0)
        for name, role in zip(monitors["agent"], monitors["role"], strict=True)
    }


def _assign(wanted: list[dict], free: dict[str, int], weekly: dict[str, int], day, spec, rng) -> list[dict]:
    """Give each contact the least loaded monitor; refuses a day that needs more than there is."""
    if len(wanted) > sum(free.values()):
        raise StudyError(
            f"monitoring plan: {day.date()} needs {len(wanted)} contacts, but the {len(free)} certified monitors on "
            f"duty have room for {sum(free.values())}. Certify more monitors, raise their loads or lower the numbers."
        )
    taken = dict.fromkeys(free, 0)
    rows = []
    for place in rng.permutation(len(wanted)):
        open_to = [name for name in free if taken[name] < free[name]]
        monitor = min(open_to, key=lambda name: (taken[name] / free[name], name))
        taken[monitor] += 1
        weekly[monitor] += 1
        minute = int(rng.integers(9 * 60, 18 * 60))
        time = f"{minute // 60:02d}:{minute % 60:02d}"
        rows.append(wanted[place] | {"date": str(day.date()), "time": time, "monitor": monitor})
    return rows
