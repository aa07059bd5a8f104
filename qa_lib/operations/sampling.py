"""Who is monitored when, how and by whom: a plan drawn from the roster, or the reason why none is possible."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from qa_lib.errors import ResponseError, StudyError
from qa_lib.operations.scorecards import CERTIFIED
from qa_lib.operations.workbook import write_workbook
from qa_lib.results import Provenance, Result
from qa_lib.study.dates import parse_dates, span
from qa_lib.study.schema import Record, load_yaml, validate
from qa_lib.sufficient.values import check_columns

_COLUMNS = ["agent", "role", "since"]
_MONITORS = ("quality_assurer", "senior_supervisor")


class PlanSpec(Record):
    """``modes``: shares of every month's plan (2 : 7 : 1). Contacts per agent and day on duty: ``daily`` at least,
    ``new`` for those within ``new_days`` of their start, ``changed`` for branches whose process changes, and by the
    roster's ``risk`` grade (grades not named here get the daily number); the largest counts. Loads: a quality
    assurer's contacts a day, a senior supervisor's a week."""

    first: str
    last: str
    modes: dict[Literal["side_by_side", "remote", "recording"], float] = {
        "side_by_side": 2, "remote": 7, "recording": 1,
    }  # fmt: skip
    daily: int = Field(default=1, ge=1)
    new: int = Field(default=3, ge=0)
    new_days: int = Field(default=30, ge=0)
    changed: int = Field(default=2, ge=0)
    changed_branches: list[str] = []
    risk: dict[str, int] = {"high": 2}
    assurer_per_day: int = Field(default=20, ge=0)
    supervisor_per_week: int = Field(default=20, ge=0)
    opens: str = Field(default="09:00", pattern=r"^\d{2}:\d{2}$")
    closes: str = Field(default="18:00", pattern=r"^\d{2}:\d{2}$")
    weekmask: str = Field(default="1111100", pattern="^[01]{7}$")
    holidays: list[str] = []

    @model_validator(mode="after")
    def _in_order(self) -> PlanSpec:
        for name in ("first", "last"):
            if pd.isna(pd.to_datetime(getattr(self, name), errors="coerce")):
                raise ValueError(f"{name} is no date: {getattr(self, name)!r}")
        days = pd.to_datetime(pd.Series(self.holidays, dtype=object), errors="coerce", format="ISO8601")
        if days.isna().any():
            raise ValueError(f"holidays: {self.holidays[int(days.isna().argmax())]!r} is no date; write 2026-10-01")
        if not sum(self.modes.values()) > 0 or min(self.modes.values()) < 0:
            raise ValueError("modes are shares of zero or more, one of them positive")
        if max(self.opens[:2], self.closes[:2]) > "24" or max(self.opens[3:], self.closes[3:]) > "59":
            raise ValueError(f"opens and closes are times of a day, 00:00 to 24:00: {self.opens!r}, {self.closes!r}")
        if not self.opens < self.closes:
            raise ValueError("opens must be before closes")
        return self


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

    def write(self, path: str | Path) -> Path:
        """The plan and the monitors' loads as an xlsx workbook, whole or not at all; text is never a formula."""
        return write_workbook(path, {"plan": self.table, "load": self.load()})


def monitoring_plan(
    roster: pd.DataFrame, spec: PlanSpec | Mapping, seed: int = 1, retrain: Collection[str] = ()
) -> MonitoringPlan:
    """Draw a monitoring plan; the same seed gives the same plan.

    ``roster``: ``agent, role`` (agent, team_leader, quality_assurer, senior_supervisor), ``since``; optional ``until,
    branch, risk, certified`` (yes/no, of monitors) and ``weekmask`` (working days of a person, Monday first). Every
    agent and team leader on duty is monitored at least once a day, by certified monitors only, within their loads; who
    must ``retrain``, as calibration says, is not certified until it is done;
    senior supervisors first take what the assurers of a day cannot, then spread the rest of their week evenly.

    Raises ResponseError for a roster without its columns or with people twice; StudyError for a spec that breaks its
    schema, and for a plan that is not feasible, with the day or week, what it needs and what there is.

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
    certified = roster.get("certified", pd.Series("", index=roster.index)).astype(str).str.lower().isin(CERTIFIED)
    monitors = roster[roster["role"].isin(_MONITORS) & certified & ~roster["agent"].isin(retrain)]
    if monitors.empty:
        left_out = f" ({', '.join(retrain)} must be retrained first)" if retrain else ""
        raise StudyError(f"monitoring plan: nobody on the roster is a certified monitor{left_out}; certify one first.")
    rows: list[dict] = []
    for _, week in days.to_series().groupby(days.strftime("%G-W%V")):
        wanted = {
            day: [c for person in _on_duty(staff, day).to_dict("records") for c in _contacts(person, day, spec)]
            for day in week
        }
        loads = weekly_loads({day: len(contacts) for day, contacts in wanted.items()}, monitors, spec)
        for day, contacts in wanted.items():
            rows += _assign(contacts, loads[day], day, spec, rng)
    if not rows:
        raise StudyError(f"monitoring plan: no agent or team leader is on duty from {spec.first} to {spec.last}.")
    table = pd.DataFrame(rows)
    for _, part in table.groupby(table["date"].str[:7], sort=True):
        table.loc[part.index, "mode"] = rng.permutation(quotas(len(part), spec.modes))
    table = table[["date", "time", "agent", "branch", "role", "reason", "mode", "monitor"]]
    table = table.sort_values(["date", "time", "agent"], kind="stable", ignore_index=True)
    settings = {"seed": seed, "retrain": sorted(retrain), **spec.model_dump()}
    return MonitoringPlan(table, Provenance("monitoring_plan", len(table), settings))


def plan_file(study: str | Path, period: str | int) -> PlanSpec:
    """The spec of a period's plan: its first and last day, and what the study's monitoring/plan.yaml changes."""
    path = Path(study) / "monitoring" / "plan.yaml"
    content = load_yaml(path, StudyError) if path.is_file() else {}
    first, last = (str(moment.date()) for moment in span(str(period)))
    return validate(PlanSpec, {**content, "first": first, "last": last}, path, StudyError)


def weekly_loads(
    needed: Mapping[pd.Timestamp, int], monitors: pd.DataFrame, spec: PlanSpec
) -> dict[pd.Timestamp, dict[str, int]]:
    """How many contacts each monitor takes on each day of a week.

    Assurers take up to their daily load. What exceeds it is given to the senior supervisors by a maximum flow from
    their weeks through the days they are on duty, so that a plan is refused only when none exists; what then remains
    of their weeks relieves the assurers, most loaded day first. Raises ``StudyError`` when a day cannot be covered.
    """
    duty = {day: _on_duty(monitors, day) for day in needed}
    assurers = {day: people["agent"][people["role"] == "quality_assurer"].tolist() for day, people in duty.items()}
    seniors = {day: people["agent"][people["role"] == "senior_supervisor"].tolist() for day, people in duty.items()}
    excess = {day: max(n - spec.assurer_per_day * len(assurers[day]), 0) for day, n in needed.items()}
    taken = _cover(excess, seniors, spec.supervisor_per_week)
    for day, n in excess.items():
        if short := n - sum(taken[day].values()):
            raise StudyError(
                f"monitoring plan: {day.date()} needs {needed[day]} contacts; {len(assurers[day])} certified quality "
                f"assurers have room for {needed[day] - n} and senior supervisors' weeks of {spec.supervisor_per_week} "
                f"for {n - short} more. Certify more monitors, raise their loads or lower the numbers."
            )
    spare = {name: spec.supervisor_per_week for people in seniors.values() for name in people}
    for loads in taken.values():
        for name, n in loads.items():
            spare[name] -= n
    left = {day: n - excess[day] for day, n in needed.items()}  # of the assurers
    while options := [(left[day] / (len(assurers[day]) + 1), day, name) for day in needed for name in seniors[day]
                      if spare[name] > 0 and left[day] > 0]:  # fmt: skip
        _, day, name = max(options, key=lambda option: (option[0], spare[option[2]]))
        taken[day][name] = taken[day].get(name, 0) + 1
        spare[name] -= 1
        left[day] -= 1
    for day, n in left.items():
        for place, name in enumerate(assurers[day]):
            taken[day][name] = n // len(assurers[day]) + (place < n % len(assurers[day]))
    return taken


def _cover(excess: Mapping, seniors: Mapping, per_week: int) -> dict[object, dict[str, int]]:
    """Contacts of each day that each senior supervisor takes, as many as can be."""
    days, names = list(excess), sorted({name for people in seniors.values() for name in people})
    size = 2 + len(names) + len(days)
    room = np.zeros((size, size), dtype=np.int32)
    for place, name in enumerate(names, start=1):
        room[0, place] = per_week
        for column, day in enumerate(days, start=1 + len(names)):
            room[place, column] = per_week if name in seniors[day] else 0
    room[1 + len(names) : -1, -1] = [excess[day] for day in days]
    flow = maximum_flow(csr_array(room), 0, size - 1).flow.toarray()
    return {
        day: {name: int(flow[place, column]) for place, name in enumerate(names, start=1) if flow[place, column] > 0}
        for column, day in enumerate(days, start=1 + len(names))
    }


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
    check_columns(roster, "agent", "role", what="roster")
    if (twice := roster["agent"][roster["agent"].duplicated()]).size:
        raise ResponseError(f"roster: {twice.iloc[0]!r} stands twice. Keep one row per person.")
    known = {"agent", "team_leader", *_MONITORS}
    if strange := sorted(set(roster["role"]) - known):
        raise ResponseError(f"roster: role {strange[0]!r} is not one of {', '.join(sorted(known))}.")
    for column in ("since", "until"):
        given = roster.get(column, pd.Series("", index=roster.index)).replace("", None).dropna()
        unread = given[parse_dates(given).isna()]
        if len(unread):
            raise ResponseError(f"roster: {column} {unread.iloc[0]!r} is no date; write 2026-10-01.")
    masks = _masks(roster)
    wrong = masks[~masks.str.fullmatch("[01]{7}")]
    if len(wrong):
        raise ResponseError(
            f"roster: weekmask {wrong.iloc[0]!r} is not seven digits 0 or 1, Monday first; keep the column as text."
        )


def _masks(people: pd.DataFrame) -> pd.Series:
    """Working days of every person; who has none written works whenever there is work."""
    blank = pd.Series("", index=people.index)
    return people.get("weekmask", blank).fillna("").astype(str).str.strip().replace("", "1111111")


def _on_duty(people: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    since = parse_dates(people["since"])
    here = since <= day
    if "until" in people:
        until = parse_dates(people["until"].replace("", None))
        here &= until.isna() | (until >= day)
    return people[here & (_masks(people).str[day.weekday()] == "1")]


def _contacts(person: Mapping, day: pd.Timestamp, spec: PlanSpec) -> list[dict]:
    """The contacts of one person on one day, with the reason for their number."""
    options = {"daily": spec.daily}
    if person.get("risk") in spec.risk:
        options[f"{person['risk']}_risk"] = spec.risk[person["risk"]]
    if person.get("branch") in spec.changed_branches:
        options["changed_process"] = spec.changed
    if (day - pd.Timestamp(person["since"])).days < spec.new_days:
        options["new"] = spec.new
    reason = max(options, key=lambda key: (options[key], key == "daily"))
    row = {"agent": person["agent"], "branch": person.get("branch", ""), "role": person["role"], "reason": reason}
    return [dict(row) for _ in range(options[reason])]


def _assign(wanted: list[dict], loads: Mapping[str, int], day: pd.Timestamp, spec: PlanSpec, rng) -> list[dict]:
    """Give each contact a monitor within the loads, each monitor at times of its own."""
    order = rng.permutation(np.repeat(list(loads), list(loads.values())))
    opens, closes = (int(text[:2]) * 60 + int(text[3:]) for text in (spec.opens, spec.closes))
    minutes = {
        name: rng.permutation(opens + np.floor((np.arange(n) + rng.random(n)) * (closes - opens) / n).astype(int))
        for name, n in loads.items()
        if n
    }
    used, rows = dict.fromkeys(loads, 0), []
    for contact, monitor in zip(wanted, order, strict=True):
        minute = int(minutes[monitor][used[monitor]])
        used[monitor] += 1
        time = f"{minute // 60:02d}:{minute % 60:02d}"
        rows.append(contact | {"date": str(day.date()), "time": time, "monitor": str(monitor)})
    return rows
