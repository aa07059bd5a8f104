"""Monitored contacts scored by a rubric: agents, items, training needs, and whether improvement notes helped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution
from scipy.stats import ttest_ind

from qa_lib.errors import ResponseError
from qa_lib.operations.rubric import Rubric, read_rubric
from qa_lib.results import Provenance, Result


@dataclass(frozen=True, slots=True)
class Scorecards(Result):
    """``contacts``: the records with ``score`` (0–100), ``core_failed``, ``passed``, ``band``. ``item_scores``: share
    of points per contact and item. ``agents``, ``items``, ``groups``: means with intervals on 0–100. ``training``: a
    row per agent and item below standard, ``need`` proven or likely."""

    contacts: pd.DataFrame
    item_scores: pd.DataFrame
    agents: pd.DataFrame
    items: pd.DataFrame
    groups: pd.DataFrame
    training: pd.DataFrame
    rubric: Rubric
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        parts = {"agent": self.agents, "group": self.groups, "item": self.items}
        return pd.concat([part.assign(level=level) for level, part in parts.items()], ignore_index=True)

    def glance(self) -> pd.DataFrame:
        score, passed = self.contacts["score"], self.contacts["passed"]
        facts = {"n": len(score), "score": score.mean(), "passed": passed.mean(), "rubric": self.rubric.id}
        return pd.DataFrame([facts | {"core_failed": self.contacts["core_failed"].mean()}])


def score_contacts(
    records: pd.DataFrame,
    rubric: Rubric | Mapping | str | Path,
    agent: str = "agent",
    conf_level: float = 0.95,
) -> Scorecards:
    """Score monitored contacts: a row per contact (and monitor), a column per rubric item holding its level.

    The score is the weighted share of points × 100; items left blank do not count, their weight goes to the others.
    A contact passes at the pass mark when no core item lost all its points. Intervals are t intervals of means over
    contacts; a training need is ``proven`` when an agent's whole interval on an item lies below the rubric's
    standard, ``likely`` when only the mean does.

    Raises ResponseError for absent columns, an empty table and a level the rubric does not know; StudyError for a
    rubric that breaks its schema, its weights included.

    >>> import pandas as pd
    >>> records = pd.DataFrame({"agent": ["ann", "bo"], "clean": ["yes", "no"], "signs": ["yes", "yes"],
    ...     "broken": ["no", "no"], "attention": [10, 5], "explains": [10, 10], "farewell": [10, 0]})
    >>> score_contacts(records, "counter_visit").contacts[["score", "passed"]].round(1).values.tolist()
    [[100.0, True], [56.7, False]]
    """
    rubric = read_rubric(rubric)
    if records.empty:
        raise ResponseError("score_contacts: no records.")
    if absent := [name for name in (agent, *(item.id for item in rubric.items)) if name not in records]:
        raise ResponseError(f"score_contacts: no column {', '.join(absent)}. Rubric {rubric.id} needs them.")
    shares = pd.DataFrame({item.id: _points(records[item.id], item.scores) for item in rubric.items})
    total = weighted_score(shares.to_numpy(), rubric.weights())
    core = [item.id for item in rubric.items if item.core]
    failed = (shares[core] == 0).any(axis=1) if core else pd.Series(False, index=shares.index)
    contacts = records.assign(score=total, core_failed=failed.to_numpy())
    contacts["passed"] = (contacts["score"] >= rubric.pass_mark) & ~contacts["core_failed"]
    contacts["band"] = band_of(total, rubric.bands)
    groups = pd.DataFrame(
        {g.id: weighted_score(shares[[i.id for i in g.items]].to_numpy(), np.array([i.weight for i in g.items]))
         for g in rubric.groups}
    )  # fmt: skip
    agents = _by_agent(contacts, agent, rubric, conf_level)
    items = _means(100 * shares, conf_level).assign(
        group=[g.id for g in rubric.groups for _ in g.items],
        touchpoint=[item.touchpoint for item in rubric.items],
        element=[item.element for item in rubric.items],
    )
    training = _training(shares, records[agent].to_numpy(), rubric.standard, conf_level)
    provenance = Provenance("score_contacts", len(records), {"rubric": rubric.id, "conf_level": conf_level})
    return Scorecards(contacts, shares, agents, items, _means(groups, conf_level), training, rubric, provenance)


def _points(levels: pd.Series, scores: Mapping[str, float]) -> np.ndarray:
    """Share of the item's points per record, NaN where blank."""
    text = levels.astype("string").str.strip().str.lower().str.removesuffix(".0").replace("", pd.NA)
    unknown = text.notna() & ~text.isin(list(scores))
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise ResponseError(
            f"score_contacts: row {row + 1}, {levels.name}: {text.iloc[row]!r} is not a level. "
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


def _by_agent(contacts: pd.DataFrame, agent: str, rubric: Rubric, conf_level: float) -> pd.DataFrame:
    grouped = contacts.groupby(agent)
    table = grouped["score"].agg(n="count", estimate="mean", sd="std")
    table["std_error"], half = _interval(table["n"], table["sd"], conf_level)
    table["conf_low"], table["conf_high"] = (
        (table["estimate"] - half).clip(0),
        (table["estimate"] + half).clip(None, 100),
    )
    table["passed"], table["core_failed"] = grouped["passed"].mean(), grouped["core_failed"].sum()
    table["band"] = band_of(table["estimate"].to_numpy(), rubric.bands)
    return table.drop(columns="sd").rename_axis("term").reset_index()


def _training(shares: pd.DataFrame, agent: np.ndarray, standard: float, conf_level: float) -> pd.DataFrame:
    long = shares.assign(agent=agent).melt("agent", var_name="item", value_name="share").dropna()
    table = long.groupby(["agent", "item"])["share"].agg(n="count", estimate="mean", sd="std").reset_index()
    error, half = _interval(table["n"], table["sd"], conf_level)
    table = table.assign(std_error=error, conf_low=(table["estimate"] - half).clip(0))
    table["conf_high"] = (table["estimate"] + half).clip(None, 1)
    below = table[table["estimate"] < standard].drop(columns="sd")
    proven = (below["conf_high"] < standard) & (below["std_error"] > 0)
    return below.assign(need=np.where(proven, "proven", "likely")).sort_values("estimate", ignore_index=True)


def follow_up(
    scored: Scorecards, notes: pd.DataFrame, date: str = "date", agent: str = "agent", conf_level: float = 0.95
):
    """Effect of improvement notes: ``notes`` has a row per note with ``agent, date`` and ``item`` (blank: the score).

    Per note: n and mean (0–100) before and from the date on, their difference with Welch's interval, verdict
    ``improved``, ``worse``, or ``open`` while the interval holds zero.
    """
    rows = []
    when = pd.to_datetime(scored.contacts[date])
    for note in notes.to_dict("records"):
        item = note.get("item")
        whole = item is None or pd.isna(item) or item == ""
        if not whole and item not in scored.item_scores:
            raise ResponseError(f"follow_up: the rubric has no item {item!r}.")
        values = scored.contacts["score"] if whole else 100 * scored.item_scores[item].set_axis(scored.contacts.index)
        mine = (scored.contacts[agent] == note["agent"]) & values.notna()
        later = when >= pd.Timestamp(note["date"])
        before, after = values[mine & ~later], values[mine & later]
        row = {"agent": note["agent"], "item": None if whole else item, "date": note["date"], "n_before": len(before),
               "n_after": len(after), "before": before.mean(), "after": after.mean()}  # fmt: skip
        row |= {"estimate": row["after"] - row["before"], "conf_low": np.nan, "conf_high": np.nan}
        if min(len(before), len(after)) > 1 and before.var() + after.var() > 0:
            row["conf_low"], row["conf_high"] = ttest_ind(after, before, equal_var=False).confidence_interval(
                conf_level
            )
        row["verdict"] = "improved" if row["conf_low"] > 0 else "worse" if row["conf_high"] < 0 else "open"
        rows.append(row)
    return pd.DataFrame(rows)
