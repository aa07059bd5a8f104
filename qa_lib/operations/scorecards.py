"""Monitored contacts scored by a rubric: agents, items, training needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.kpi.kpi_tables import LEDGER_COLUMNS, enter
from qa_lib.operations.rubric import Rubric, read_rubric
from qa_lib.results import Provenance, Result
from qa_lib.study.dates import labels, parse_dates, unit_of
from qa_lib.sufficient.values import check_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CERTIFIED = ("yes", "true", "1")


@dataclass(frozen=True, slots=True)
class Scorecards(Result):
    """``contacts``: the records with ``score`` (0–100), ``core_failed``, ``passed``, ``band``. ``item_scores``: share
    of points per record and item. ``agents``, ``items``, ``groups``: means with intervals on 0–100. ``training``: a
    row per agent and item below standard, ``need`` proven or likely. ``unit``: which contact a record is of, for a
    contact scored by several monitors counts once, with their mean. ``ledger``: what was wrong with the records."""

    contacts: pd.DataFrame
    item_scores: pd.DataFrame
    agents: pd.DataFrame
    items: pd.DataFrame
    groups: pd.DataFrame
    training: pd.DataFrame
    ledger: pd.DataFrame
    unit: np.ndarray
    rubric: Rubric
    agent: str
    date: str
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        parts = {"agent": self.agents, "group": self.groups, "item": self.items}
        return pd.concat([part.assign(level=level) for level, part in parts.items()], ignore_index=True)

    def glance(self) -> pd.DataFrame:
        means = once_per_contact(self.contacts[["score", "passed", "core_failed"]], self.unit).mean()
        facts = {"n": len(np.unique(self.unit)), "records": len(self.contacts), "rubric": self.rubric.id}
        return pd.DataFrame([facts | means.to_dict()])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Agents' scores with intervals, and the pass mark."""
        from qa_lib.operations.pictures import agents

        return agents(self.agents, self.rubric.pass_mark, ax, labels)


def score_contacts(
    records: pd.DataFrame,
    rubric: Rubric | Mapping | str | Path,
    agent: str = "agent",
    period: str | int | None = None,
    date: str = "date",
    roster: pd.DataFrame | None = None,
    conf_level: float = 0.95,
) -> Scorecards:
    """Score monitored contacts: a row per contact (and monitor), a column per rubric item holding its level.

    The score is the weighted share of points × 100; items left blank do not count, their weight goes to the others.
    A contact passes at the pass mark when every core item reached ``core_pass`` of its points. Intervals are t
    intervals of means over contacts (one scored by several monitors, known by ``contact_id``, counts once); a training
    need is ``proven`` when an agent's whole interval on an item lies below the rubric's standard, ``likely`` when only
    the mean does. ``period`` (day, week, month, quarter, year) keeps the records of that ``date``.

    A record that stands twice (same ``contact_id`` and ``monitor``) counts once; with a ``roster``, agents who are not
    on it and monitors who are not certified are entered in the ``ledger`` and stay: ``DataWarning``.

    Raises ResponseError for absent columns, an empty table or period and a level the rubric does not know; StudyError
    for a rubric that breaks its schema, its weights included.

    >>> import pandas as pd
    >>> records = pd.DataFrame({"agent": ["ann", "bo"], "clean": ["yes", "no"], "signs": ["yes", "yes"],
    ...     "broken": ["no", "no"], "attention": [10, 5], "explains": [10, 10], "farewell": [10, 0]})
    >>> score_contacts(records, "counter_visit").contacts[["score", "passed"]].round(1).values.tolist()
    [[100.0, True], [56.7, False]]
    """
    rubric = read_rubric(rubric)
    records, ledger = _ready(records, rubric, agent, period, date, roster)
    shares = pd.DataFrame({item.id: _points(records[item.id], item.scores) for item in rubric.items})
    records = records.reset_index(drop=True)
    total = weighted_score(shares.to_numpy(), rubric.weights())
    core = [item.id for item in rubric.items if item.core]
    failed = (shares[core] < rubric.core_pass).any(axis=1)
    contacts = records.assign(score=total, core_failed=failed)
    contacts["passed"] = (contacts["score"] >= rubric.pass_mark) & ~contacts["core_failed"]
    contacts["band"] = band_of(total, rubric.bands)
    unit = _contact_of(records)
    parts = once_per_contact(shares, unit)
    groups = pd.DataFrame(
        {g.id: weighted_score(parts[[i.id for i in g.items]].to_numpy(), np.array([i.weight for i in g.items]))
         for g in rubric.groups}
    )  # fmt: skip
    items = _means(100 * parts, conf_level).assign(
        group=[g.id for g in rubric.groups for _ in g.items],
        touchpoint=[item.touchpoint for item in rubric.items],
        element=[item.element for item in rubric.items],
    )
    who = records[agent].groupby(unit, sort=True).first().to_numpy()
    settings = {"rubric": rubric.id, "period": period, "conf_level": conf_level}
    return Scorecards(
        contacts,
        shares,
        _by_agent(contacts, unit, who, rubric, conf_level),
        items,
        _means(groups, conf_level),
        _training(parts, who, rubric.standard, conf_level),
        ledger,
        unit,
        rubric,
        agent,
        date,
        Provenance("score_contacts", len(records), settings),
    )


def _contact_of(records: pd.DataFrame) -> np.ndarray:
    """A number for the contact of every record; a record without ``contact_id`` is a contact of its own."""
    if "contact_id" not in records:
        return np.arange(len(records))
    code, known = pd.factorize(records["contact_id"])
    return pd.factorize(np.where(code < 0, len(known) + np.arange(len(records)), code))[0]


def once_per_contact(values: pd.DataFrame, unit: np.ndarray) -> pd.DataFrame:
    """The mean of each contact over the monitors who scored it (contacts × columns), in the order of ``unit``."""
    return values.astype(float).groupby(unit, sort=True).mean()


def _ready(records: pd.DataFrame, rubric: Rubric, agent: str, period, date: str, roster) -> tuple:
    """The period's records without copies, and the ledger; the index counts rows of the table handed in."""
    check_columns(records, what="score_contacts")
    if records.empty:
        raise ResponseError("score_contacts: no records.")
    needed = [agent, *([date] if period is not None else []), *(item.id for item in rubric.items)]
    if absent := [name for name in needed if name not in records]:
        raise ResponseError(f"score_contacts: no column {', '.join(absent)}. Rubric {rubric.id} needs them.")
    named = [name for name in ("contact_id", "monitor", date) if name in records]
    check_columns(records, *dict.fromkeys([*needed, *named]), what="score_contacts")
    records = records.reset_index(drop=True)
    if period is not None:
        inside = labels(parse_dates(records[date]), unit_of(str(period))) == str(period)
        records = records[inside.fillna(False).astype(bool)]
        if records.empty:
            raise ResponseError(f"score_contacts: no contact was monitored in {period}.")
    entries: list[dict] = []
    if {"contact_id", "monitor"} <= set(records):
        copies = records.duplicated(["contact_id", "monitor"]) & records["contact_id"].notna()
        found = records.loc[copies, "contact_id"]
        enter(entries, "monitoring", found.index, "contact_id", found, None, "duplicate_id")
        records = records[~copies]
    if roster is not None:
        _held_against(roster, records, agent, entries)
    if entries:
        reasons = pd.Series([entry["reason"] for entry in entries]).value_counts()
        said = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        warnings.warn(f"monitoring: {said}; see the ledger.", DataWarning, stacklevel=3)
    return records, pd.DataFrame(entries, columns=LEDGER_COLUMNS)


def _held_against(roster: pd.DataFrame, records: pd.DataFrame, agent: str, entries: list[dict]) -> None:
    check_columns(roster, "agent", what="roster")
    strange = records.loc[~records[agent].astype(str).isin(roster["agent"].astype(str)), agent]
    enter(entries, "monitoring", strange.index, agent, strange, strange, "agent_not_in_roster")
    if "monitor" in records and "certified" in roster:
        certified = roster.loc[roster["certified"].astype(str).str.lower().isin(CERTIFIED), "agent"]
        others = records.loc[~records["monitor"].astype(str).isin(certified.astype(str)), "monitor"]
        enter(entries, "monitoring", others.index, "monitor", others, others, "monitor_not_certified")


def _points(levels: pd.Series, scores: Mapping[str, float]) -> np.ndarray:
    """Share of the item's points per record, NaN where blank."""
    text = levels.astype("string").str.strip().str.lower().str.removesuffix(".0").replace("", pd.NA)
    unknown = text[text.notna() & ~text.isin(list(scores))]
    if len(unknown):
        raise ResponseError(
            f"score_contacts: row {unknown.index[0] + 1}, {levels.name}: {unknown.iloc[0]!r} is not a level. "
            f"Allowed: {', '.join(scores)}."
        )
    return text.map(scores).to_numpy(dtype=float, na_value=np.nan)


def weighted_score(shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """100 · weighted mean of the items that were scored (records × items → records)."""
    known = np.isfinite(shares)
    weight = known @ weights
    return 100 * np.where(known, shares, 0) @ weights / np.where(weight > 0, weight, np.nan)


def band_of(score: np.ndarray, bands: Mapping[str, float]) -> np.ndarray:
    """The band whose lower edge a score has reached."""
    names, edges = zip(*sorted(bands.items(), key=lambda pair: pair[1]), strict=True)
    place = np.searchsorted(edges, score, side="right") - 1
    return np.where(np.isfinite(score) & (place >= 0), np.array(names, dtype=object)[np.maximum(place, 0)], None)


def _interval(n: pd.Series, sd: pd.Series, conf_level: float) -> tuple[pd.Series, pd.Series]:
    error = sd / np.sqrt(n)
    return error, error * t_distribution.ppf((1 + conf_level) / 2, np.maximum(n - 1, 1))


def _means(scores: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    """A row per column: term, n, estimate with its t interval, clipped to 0–100."""
    table = scores.agg(["count", "mean", "std"]).T
    error, half = _interval(table["count"], table["std"], conf_level)
    found = pd.DataFrame({"n": table["count"].astype(int), "estimate": table["mean"], "std_error": error})
    found["conf_low"], found["conf_high"] = (
        (found["estimate"] - half).clip(0),
        (found["estimate"] + half).clip(None, 100),
    )
    return found.rename_axis("term").reset_index()


def _by_agent(contacts: pd.DataFrame, unit: np.ndarray, who: np.ndarray, rubric: Rubric, conf_level: float):
    means = once_per_contact(contacts[["score", "passed", "core_failed"]], unit).assign(term=who)
    grouped = means.groupby("term")
    table = grouped["score"].agg(n="count", estimate="mean", sd="std")
    table["std_error"], half = _interval(table["n"], table["sd"], conf_level)
    table["conf_low"] = (table["estimate"] - half).clip(0)
    table["conf_high"] = (table["estimate"] + half).clip(None, 100)
    table["passed"] = grouped["passed"].mean()
    table["core_failed"] = grouped["core_failed"].agg(lambda part: int((part > 0).sum()))
    table["band"] = band_of(table["estimate"].to_numpy(), rubric.bands)
    return table.drop(columns="sd").reset_index()


def _training(shares: pd.DataFrame, agent: np.ndarray, standard: float, conf_level: float) -> pd.DataFrame:
    long = shares.assign(agent=agent).melt("agent", var_name="item", value_name="share").dropna()
    table = long.groupby(["agent", "item"])["share"].agg(n="count", estimate="mean", sd="std").reset_index()
    error, half = _interval(table["n"], table["sd"], conf_level)
    table = table.assign(std_error=error, conf_low=(table["estimate"] - half).clip(0))
    table["conf_high"] = (table["estimate"] + half).clip(None, 1)
    below = table[table["estimate"] < standard].drop(columns="sd")
    proven = (below["conf_high"] < standard) & (below["std_error"] > 0)
    return below.assign(need=np.where(proven, "proven", "likely")).sort_values("estimate", ignore_index=True)
