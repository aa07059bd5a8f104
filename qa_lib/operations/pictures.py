"""Pictures of the operations' results: estimates with their intervals, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from qa_lib.models.pictures import intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TARGET = {"color": "0.15", "marker": "|", "s": 160, "zorder": 4}


def standards(table: pd.DataFrame, by: list[str], ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Share of cases that met the standard, of the last period's KPIs with a target, and the target as a mark."""
    words = {"attainment": "Share of cases", "target": "Target"} | dict(labels or {})
    held = table["attainment"].notna() | table["unit"].eq("share")
    rows = table[(table["period"] == table["period"].max()) & table["target"].notna() & held]
    met = rows["attainment"].notna()
    shown = {
        "estimate": rows["attainment"].where(met, rows["estimate"]),
        "conf_low": rows["attainment_low"].where(met, rows["conf_low"]),
        "conf_high": rows["attainment_high"].where(met, rows["conf_high"]),
    }
    series = rows[by].astype(str).agg(" · ".join, axis=1) if by else ""
    drawn = pd.DataFrame(shown).astype(float).assign(name=rows["term"], series=series)
    ax = intervals(drawn, ax, words, words["attainment"])
    _targets(ax, drawn["name"], rows["target"], words["target"])
    return ax


def agents(table: pd.DataFrame, pass_mark: float, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Agents' scores, the lowest first, and the pass mark as a line."""
    words = {"score": "Score (0–100)", "pass_mark": "Pass mark"} | dict(labels or {})
    rows = table.sort_values("estimate").assign(name=lambda t: t["term"], series="")
    ax = intervals(rows, ax, words, words["score"])
    ax.axvline(pass_mark, color="0.4", linewidth=1, linestyle="--", label=words["pass_mark"])
    return ax


def coefficients(table: pd.DataFrame, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Coefficients of agreement; 0 is chance, 1 is perfect."""
    words = {"agreement": "Agreement"} | dict(labels or {})
    ax = intervals(table.assign(name=table["term"], series=""), ax, words, words["agreement"])
    ax.axvline(0, color="0.6", linewidth=0.8)
    return ax


def monitors(table: pd.DataFrame, tolerance: float, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Severity of monitors, a colour per verdict; within the grey band they are certified."""
    words = {"severity": "Difference from the other monitors (points)"} | dict(labels or {})
    ax = intervals(table.assign(name=table["term"], series=table["verdict"]), ax, words, words["severity"])
    ax.axvspan(-tolerance, tolerance, color="0.92", zorder=0)
    ax.axvline(0, color="0.6", linewidth=0.8)
    return ax


def path(table: pd.DataFrame, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Indicators in the order of the customer's path, a colour per source, and their targets as marks."""
    words = {"reached": "Reached (0–100)", "target": "Target"} | dict(labels or {})
    place, term = (table[column].map(lambda name: words.get(name, name)) for column in ("touchpoint", "term"))
    rows = table.assign(name=place + " · " + term, series=table["source"])
    ax = intervals(rows, ax, words, words["reached"])
    _targets(ax, rows["name"], rows["target"], words["target"])
    return ax


def shares(table: pd.DataFrame, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
    """Each factor's share of the variance."""
    words = {"share": "Share of the variance"} | dict(labels or {})
    rows = table.assign(
        name=table["term"],
        series="",
        estimate=table["share"],
        conf_low=table["share_low"],
        conf_high=table["share_high"],
    )
    ax = intervals(rows, ax, words, words["share"])
    ax.set_xlim(0, 1)
    return ax


def _targets(ax: Axes, names: pd.Series, targets: pd.Series, label: str) -> None:
    rows = {name: row for row, name in enumerate(names.unique())}
    known = targets.notna()
    ax.scatter(targets[known], names[known].map(rows), label=label, **TARGET)
    ax.legend(frameon=False)
