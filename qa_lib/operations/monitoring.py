"""The monitoring report of a day, week or month: what was monitored, agents, the items to work on, notes' effects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from qa_lib.errors import ResponseError
from qa_lib.operations.kpi.kpi_estimates import wilson
from qa_lib.operations.scorecards import Scorecards, once_per_contact
from qa_lib.study.dates import parse_dates
from qa_lib.sufficient.values import check_columns

MODES = {"side_by_side": 2, "remote": 7, "recording": 1}


def monitored(scored: Scorecards, planned: Mapping[str, float] | None = None, conf_level: float = 0.95) -> pd.DataFrame:
    """How many contacts were monitored, by mode, type of contact, branch and monitor, as far as the records say.

    Columns ``dimension`` (mode, contact_type, branch, monitor), ``term, n, estimate`` (share of the contacts) with
    Wilson's interval, and for modes ``planned``, the share the plan gives them (2 : 7 : 1 unless told).

    >>> from qa_lib.operations.scorecards import score_contacts
    >>> records = pd.DataFrame({"agent": ["ann", "bo"], "mode": ["remote", "recording"], "a": [10, 5]})
    >>> rubric = {"id": "r", "groups": [{"id": "g", "weight": 1, "items": [{"id": "a", "levels": [10, 5, 0]}]}]}
    >>> monitored(score_contacts(records, rubric))[["term", "n", "planned"]].values.tolist()
    [['remote', 1, 0.7], ['recording', 1, 0.1], ['side_by_side', 0, 0.2]]
    """
    planned = MODES if planned is None else planned
    contacts, rows = scored.contacts.assign(unit=scored.unit), []
    for dimension in ("mode", "contact_type", "branch", "monitor"):
        if dimension not in contacts:
            continue
        counts = contacts.drop_duplicates(["unit", dimension])[dimension].value_counts()
        counts = counts[counts.index != ""]
        of = len(np.unique(scored.unit))
        if dimension == "mode":
            counts = counts.reindex(
                [*counts.index, *(mode for mode in planned if mode not in counts.index)], fill_value=0
            )
        for term, n in counts.items():
            low, high = wilson(n, of, conf_level)
            row = {"dimension": dimension, "term": term, "n": int(n), "estimate": n / of, "conf_low": low}
            share = planned.get(term, 0) / sum(planned.values()) if dimension == "mode" else np.nan
            rows.append(row | {"conf_high": high, "planned": share})
    return pd.DataFrame(rows)


def agent_reviews(scored: Scorecards, before: Scorecards | None = None, conf_level: float = 0.95) -> pd.DataFrame:
    """Every agent's score with what a comment on it says: change, weakest and strongest item, what to train.

    Columns of ``scored.agents`` (``agent`` for its term), ``change`` from ``before`` with Welch's interval and
    ``change_verdict`` (improved, worse, or open while the interval holds zero or there is nothing to compare),
    ``weakest`` and ``strongest`` item with their means on 0–100, ``needs`` (items below standard, proven ones first).
    """
    table = scored.agents.rename(columns={"term": "agent"})
    names, items = _contact_agents(scored), once_per_contact(100 * scored.item_scores, scored.unit)
    means = items.groupby(names).mean().reindex(table["agent"])
    known = means.notna().any(axis=1)
    for name, which in (("weakest", "idxmin"), ("strongest", "idxmax")):
        table[name] = getattr(means[known], which)(axis=1).reindex(table["agent"]).to_numpy()
    table["weakest_estimate"], table["strongest_estimate"] = means.min(axis=1).to_numpy(), means.max(axis=1).to_numpy()
    needs = (
        scored.training.sort_values(["need", "estimate"], ascending=[False, True]).groupby("agent")["item"].agg(list)
    )
    table["needs"] = [needs.get(agent, []) for agent in table["agent"]]
    now, then = _contact_scores(scored), _contact_scores(before) if before is not None else {}
    empty = np.array([])
    changes = [_change(then.get(a, empty), now.get(a, empty), conf_level) for a in table["agent"]]
    return table.join(pd.DataFrame(changes, index=table.index))


def item_focus(scored: Scorecards, before: Scorecards | None = None, conf_level: float = 0.95) -> pd.DataFrame:
    """Where points are lost, most first: the direction of improvement and its focus.

    Columns of ``scored.items`` (``item`` for its term), ``lost`` (points of the 100 of a contact that the item cost on
    average) and ``share`` of all lost points, ``verdict`` against the rubric's standard (met, not_met, undecided),
    ``change`` from ``before`` with Welch's interval and ``change_verdict``.
    """
    table = scored.items.rename(columns={"term": "item"})
    table["lost"] = scored.rubric.weights() * (100 - table["estimate"])
    table["share"] = table["lost"] / table["lost"].sum() if table["lost"].sum() > 0 else 0.0
    standard = 100 * scored.rubric.standard
    table["verdict"] = np.select(
        [table["conf_low"] >= standard, table["conf_high"] < standard], ["met", "not_met"], "undecided"
    )
    now = once_per_contact(100 * scored.item_scores, scored.unit)
    then = once_per_contact(100 * before.item_scores, before.unit) if before is not None else pd.DataFrame()
    empty = pd.Series(dtype=float)
    changes = [
        _change(then.get(item, empty).dropna().to_numpy(), now[item].dropna().to_numpy(), conf_level)
        for item in table["item"]
    ]
    return table.join(pd.DataFrame(changes, index=table.index)).sort_values("lost", ascending=False, ignore_index=True)


def follow_up(scored: Scorecards, notes: pd.DataFrame, conf_level: float = 0.95) -> pd.DataFrame:
    """Effect of improvement notes: ``notes`` has a row per note with ``agent, date`` and ``item`` (blank: the score).

    Per note: the note's own columns, n and mean (0–100) ``before`` and from the date on (``after``), their difference
    ``estimate`` with Welch's interval, verdict ``improved``, ``worse``, or ``open`` while the interval holds zero.
    Raises ``ResponseError`` for an item the rubric does not have.
    """
    when = parse_dates(scored.contacts[scored.date]).groupby(scored.unit).first()
    agents = _contact_agents(scored)
    values = once_per_contact((100 * scored.item_scores).assign(score=scored.contacts["score"]), scored.unit)
    rows = []
    check_columns(notes, "agent", "date", what="notes")
    for note, noted in zip(notes.to_dict("records"), parse_dates(notes["date"]), strict=True):
        item = note.get("item")
        whole = item is None or pd.isna(item) or item == ""
        if not whole and item not in scored.item_scores:
            raise ResponseError(f"follow_up: the rubric has no item {item!r}.")
        mine = values["score" if whole else item][(agents == note["agent"]).to_numpy()].dropna()
        later = when[mine.index] >= noted
        before, after = mine[~later].to_numpy(), mine[later].to_numpy()
        row = note | {"item": None if whole else item, "n_before": len(before), "n_after": len(after)}
        row |= {"before": before.mean() if len(before) else np.nan, "after": after.mean() if len(after) else np.nan}
        found = _change(before, after, conf_level)
        row |= dict(zip(("estimate", "conf_low", "conf_high", "verdict"), found.values(), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _contact_agents(scored: Scorecards) -> pd.Series:
    return scored.contacts[scored.agent].groupby(scored.unit, sort=True).first()


def _contact_scores(scored: Scorecards) -> dict[object, np.ndarray]:
    """Scores of an agent's contacts, by agent."""
    scores = once_per_contact(scored.contacts[["score"]], scored.unit)["score"].dropna()
    return {agent: part.to_numpy() for agent, part in scores.groupby(_contact_agents(scored)[scores.index])}


def _change(before: np.ndarray, after: np.ndarray, conf_level: float) -> dict[str, object]:
    """Difference of two means with Welch's interval (1947, doi:10.1093/biomet/34.1-2.28)."""
    change = after.mean() - before.mean() if len(before) and len(after) else np.nan
    low = high = np.nan
    if min(len(before), len(after)) > 1 and before.var() + after.var() > 1e-12:
        both = CompareMeans(DescrStatsW(after), DescrStatsW(before))
        low, high = both.tconfint_diff(1 - conf_level, usevar="unequal")
    verdict = "improved" if low > 0 else "worse" if high < 0 else "open"
    return {"change": change, "change_low": low, "change_high": high, "change_verdict": verdict}
