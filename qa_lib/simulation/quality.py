"""The simulated service's quality records: stages of complaints, outages, facilities, improvement notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

SYSTEMS = ["counter", "telephone", "queue"]
CONTACT_TYPES = ["enquiry", "request", "appointment", "complaint"]
# agent, date, item (blank: all), what was noted, and the chance that a later contact is a level better for it
NOTES = [
    ("airport_lead", "2026-04-01", "greeting", "Give your name when you open.", "开场请报出姓名。", 0.7),
    ("old_town_1", "2026-06-01", "speed", "Say how long it will take.", "请告知客户需等待多久。", 0.6),
    ("harbour_1", "2026-08-01", "information", "Check the price list first.", "请先核对价目表。", 0.0),
    ("riverside_3", "2026-09-14", "speed", "Tell waiting customers where they stand.", "请向等待的客户说明进度。", 0.0),
    ("airport_4", "2026-10-12", "", "Sit with an experienced colleague for a week.", "请跟随资深同事学习一周。", 0.3),
]


def add_stages(complaints: pd.DataFrame, slow: Sequence[Mapping], rng: np.random.Generator) -> pd.DataFrame:
    """Received → classified → assigned → handled → answered → archived, and the follow-up call, up to the last day."""
    n, last = len(complaints), complaints["received"].max()
    handled = complaints["handled"].fillna(last + pd.Timedelta(days=2))
    whole = (handled - complaints["received"]).dt.total_seconds()
    share = rng.uniform([0.02, 0.15], [0.15, 0.40], (n, 2))
    stages = {
        name: complaints["received"] + pd.to_timedelta(np.rint(whole * share[:, place]), unit="s")
        for place, name in enumerate(("classified", "assigned"))
    }
    answered = complaints["answered"]
    stages["archived"] = answered + pd.to_timedelta(rng.integers(24, 120, n), unit="h")
    month = complaints["received"].dt.strftime("%Y-%m")
    neglected = np.zeros(n, dtype=bool)
    for rule in slow:
        neglected |= ((complaints["branch"] == rule["branch"]) & month.between(rule["from"], rule["to"])).to_numpy()
    called = rng.random(n) < np.where(neglected, 0.45, 0.85)
    stages["followed_up"] = (answered + pd.to_timedelta(rng.integers(12, 72, n), unit="h")).where(called)
    known = {name: moment.where(moment <= last) for name, moment in stages.items()}
    order = ["complaint_id", "customer_id", "branch", "received", "classified", "assigned", "handled", "answered",
             "archived", "followed_up", "kind", "satisfaction"]  # fmt: skip
    satisfaction = complaints["satisfaction"].astype("Int64").where(answered.notna())
    return complaints.assign(**known, satisfaction=satisfaction)[order]


def draw_outages(spec: Mapping, months: pd.PeriodIndex, branches: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """A row per outage of a system: when it began and ended; the last may be going on."""
    rows = []
    for month in months:
        for branch in branches:
            for _ in range(rng.poisson(spec["outages_per_month"])):
                began = month.start_time + pd.Timedelta(minutes=int(rng.integers(8 * 60, month.days_in_month * 1440)))
                ended = began + pd.Timedelta(minutes=int(np.rint(rng.lognormal(3.8, 0.8))))
                rows.append({"branch": branch, "system": rng.choice(SYSTEMS), "began": began, "ended": ended})
    table = pd.DataFrame(rows).sort_values("began", ignore_index=True)
    table["ended"] = table["ended"].where(table["ended"] <= months[-1].end_time)
    table.insert(0, "outage_id", [f"O{number:03d}" for number in range(1, len(table) + 1)])
    return table


def draw_facilities(
    spec: Mapping, months: pd.PeriodIndex, branches: list[str], rng: np.random.Generator
) -> pd.DataFrame:
    """The systems watched in every branch and month, and the devices there and in working order."""
    rows = [
        (f"{month}-01", branch, len(SYSTEMS), spec["devices_per_branch"]) for month in months for branch in branches
    ]
    table = pd.DataFrame(rows, columns=["month", "branch", "systems", "devices"])
    return table.assign(intact=rng.binomial(table["devices"], 0.96))


def improvement_notes() -> pd.DataFrame:
    return pd.DataFrame([note[:5] for note in NOTES], columns=["agent", "date", "item", "note_en", "note_zh"])


def heed_notes(monitoring: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Contacts by type; those after a note a level (of 10, 5, 0) better as often as the note was heeded."""
    table = monitoring.copy()
    kinds = dict(
        zip(table["contact_id"].unique(), rng.choice(CONTACT_TYPES, table["contact_id"].nunique()), strict=True)
    )
    table.insert(table.columns.get_loc("mode") + 1, "contact_type", table["contact_id"].map(kinds))
    for agent, date, item, _, _, heeded in NOTES:
        better = (table["agent"] == agent) & (table["date"] >= date) & (rng.random(len(table)) < heeded)
        for column in [item] if item else ["greeting", "listening", "speed", "information"]:
            table.loc[better, column] = table.loc[better, column].map({0: 5, 5: 10, 10: 10})
    return table
