"""Pictures of what the service did: standards, time to resolve, causes, control charts, the customer's path.

Colours as in ``charts``: blue is this period, grey is context, orange calls for attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from qa_lib.report.charts import ATTENTION, CONTEXT, GRID, THIS, WIDTH, styled, untangle

INK = "#1F2328"
_PARTS = [
    "#0B3C5D",
    "#0072B2",
    "#8FBBDD",
    "#5F656E",
    "#B9BEC6",
    "#D3E5F2",
    "#2F6F8F",
]  # no orange


def _figure(height: float) -> tuple[Figure, Axes]:
    fig = Figure(figsize=(WIDTH, height), layout="constrained")
    return fig, fig.subplots()


def _sparse(ax: Axes, labels: Sequence[str], most: int = 7) -> None:
    """Tick labels from the last backwards, no more than fit."""
    x = np.arange(len(labels))
    shown = x[::-1][:: max(1, int(np.ceil(len(x) / most)))][::-1]
    ax.set_xticks(shown, [labels[place] for place in shown])
    ax.grid(axis="x", visible=False)


@styled
def standards(rows: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Share of cases that kept each standard, with interval, and the share wanted as a tick; missed ones in orange.

    Columns ``label, estimate, conf_low, conf_high, target, missed``; ``labels``: ``axis, kept, missed, target``.
    """
    fig, ax = _figure(0.9 + 0.36 * len(rows))
    y = np.arange(len(rows))[::-1]
    missed = rows["missed"].to_numpy(bool)
    for which, colour, word in ((~missed, THIS, labels["kept"]), (missed, ATTENTION, labels["missed"])):
        ax.hlines(y[which], rows["conf_low"][which], rows["conf_high"][which], color=colour, linewidth=3, alpha=0.45)
        ax.scatter(rows["estimate"][which], y[which], s=42, color=colour, zorder=4, label=word)
    ax.scatter(rows["target"], y, marker="|", s=240, color=INK, linewidth=2, zorder=3, label=labels["target"])
    ax.set_yticks(y, rows["label"])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlabel(labels["axis"])
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper right", ncols=3, fontsize=9)
    return fig


@styled
def completion(curves: Mapping[str, pd.DataFrame], limit: float | None, labels: Mapping[str, str]) -> Figure:
    """Share of requests done by each time, now (blue, with its band) and before (grey).

    ``curves`` has ``now`` and perhaps ``before``, each with columns ``time, share, low, high``; ``labels`` the words
    ``now, before, limit, x, y``.
    """
    fig, ax = _figure(2.9)
    if "before" in curves:
        past = curves["before"]
        ax.step(past["time"], past["share"], where="post", color=CONTEXT, linewidth=1.2, label=labels["before"])
    now = curves["now"]
    ax.fill_between(now["time"], now["low"], now["high"], step="post", color=THIS, alpha=0.15, linewidth=0)
    ax.step(now["time"], now["share"], where="post", color=THIS, linewidth=1.8, label=labels["now"])
    if limit is not None:
        ax.axvline(limit, color=ATTENTION, linewidth=1.2, linestyle=(0, (4, 3)), label=labels["limit"])
    ax.set(xlabel=labels["x"], ylabel=labels["y"], ylim=(0, 1.02), xlim=(0, None))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    fig.legend(loc="outside upper right", ncols=3, fontsize=9)
    return fig


@styled
def pareto(rows: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Counts from the commonest cause down, and the share that all so far make up.

    Columns ``label, count, cumulative``; ``labels`` the words ``count, cumulative``.
    """
    fig, ax = _figure(0.9 + 0.4 * len(rows))
    y = np.arange(len(rows))[::-1]
    ax.barh(y, rows["count"], color=THIS, alpha=0.85, height=0.62)
    for place, count, share in zip(y, rows["count"], rows["cumulative"], strict=True):
        ax.annotate(f"{count:,.0f}  ({share:.0%})", (count, place), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(y, rows["label"])
    ax.set_xlabel(labels["axis"])
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.margins(x=0.14)
    ax.grid(axis="y", visible=False)
    return fig


@styled
def control(points: pd.DataFrame, labels: Mapping[str, str], percent: bool) -> Figure:
    """A control chart; points that signal are orange and carry the name of their rule.

    Columns ``label, estimate, center, lower, upper, signal`` (text, empty where none); ``labels`` the words ``axis,
    center, limits``.
    """
    fig, ax = _figure(2.7)
    x = np.arange(len(points))
    ax.fill_between(x, points["lower"], points["upper"], step="mid", color=GRID, alpha=0.8, label=labels["limits"])
    ax.step(x, points["center"], where="mid", color=CONTEXT, linewidth=1.2, label=labels["center"])
    ax.plot(x, points["estimate"], color=THIS, marker="o", markersize=4, linewidth=1.4)
    signal = points["signal"].to_numpy(str) != ""
    ax.scatter(x[signal], points["estimate"][signal], s=60, color=ATTENTION, zorder=4)
    middle = points["center"].mean()
    shown = ""
    for place in x[signal]:
        words = points["signal"].iloc[place]
        if words != shown:
            below = points["estimate"].iloc[place] < middle
            ax.annotate(
                words, (place, points["estimate"].iloc[place]), (0, -9 if below else 9), textcoords="offset points",
                ha="right" if place > 0.6 * len(x) else "left", va="top" if below else "bottom", fontsize=9,
                color=ATTENTION,
            )  # fmt: skip
        shown = words
    _sparse(ax, list(points["label"]))
    ax.margins(y=0.28)
    if percent:
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_ylabel(labels["axis"])
    fig.legend(loc="outside upper right", ncols=2, fontsize=9)
    untangle(ax)
    return fig


@styled
def contributions(parts: pd.DataFrame, totals: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """What every indicator adds to every unit's score, stacked; the whole score with its interval at the end.

    ``parts``: units × indicators (points of 100), labelled as they shall be read, best unit first; ``totals``: the
    same units with ``estimate, conf_low, conf_high``.
    """
    fig, ax = _figure(1.2 + 0.42 * len(parts))
    y = np.arange(len(parts))[::-1]
    left = np.zeros(len(parts))
    for (name, width), colour in zip(parts.items(), _PARTS * 3, strict=False):
        ax.barh(y, width, left=left, height=0.62, color=colour, edgecolor="white", linewidth=0.8, label=name)
        left = left + width.to_numpy()
    ax.hlines(y, totals["conf_low"], totals["conf_high"], color=INK, linewidth=1.4)
    ax.set_yticks(y, parts.index)
    ax.set_xlim(0, 100)
    ax.set_xlabel(labels["axis"])
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper center", ncols=3, fontsize=9)
    return fig


def _apart(values: pd.Series, least: float = 5.0) -> list[float]:
    """Ascending heights, moved up where labels would lie on one another."""
    heights: list[float] = []
    for value in values:
        heights.append(max(value, heights[-1] + least) if heights else value)
    return heights


@styled
def path(rows: pd.DataFrame, touchpoints: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """Along the customer's path: what was done (squares; orange where a standard is missed) and what was felt (dots).

    Columns ``place`` (position on the path), ``estimate``, ``felt`` (bool), ``missed`` (bool), ``label``; ``labels``
    the words ``axis, done, missed, felt``.
    """
    fig, ax = _figure(3.6)
    for felt, shift in ((False, -0.14), (True, 0.14)):
        part = rows[rows["felt"] == felt]
        means = part.groupby("place")["estimate"].mean()
        ax.plot(means.index + shift, means, color=THIS if felt else CONTEXT, alpha=0.6, linewidth=1.2)
        for missed in (False, True):
            those = part[part["missed"] == missed]
            colour = ATTENTION if missed else THIS if felt else CONTEXT
            word = labels["missed" if missed else "felt" if felt else "done"]
            if len(those):
                ax.scatter(
                    those["place"] + shift, those["estimate"], marker="o" if felt else "s", s=34, color=colour,
                    alpha=0.9, zorder=3, label=word,
                )  # fmt: skip
    for place, missed in rows[rows["missed"]].groupby("place"):
        heights = _apart(missed["estimate"].sort_values())
        for row, height in zip(missed.sort_values("estimate").itertuples(), heights, strict=True):
            ax.annotate(
                row.label, (place - 0.19, height), ha="right", va="center", fontsize=9, color=ATTENTION, zorder=5,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
    ax.set_xticks(range(len(touchpoints)), touchpoints)
    ax.set_xlim(-0.95, len(touchpoints) - 0.5)
    ax.set_ylabel(labels["axis"])
    ax.grid(axis="x", visible=False)
    fig.legend(loc="outside upper right", ncols=3, fontsize=9)
    return fig


@styled
def effects(rows: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Effects as shares of what was expected, with intervals; lines at no effect and at the expected one.

    Columns ``label, estimate, conf_low, conf_high, missed``; ``labels`` the words ``axis, none, expected``.
    """
    fig, ax = _figure(1.1 + 0.42 * len(rows))
    y = np.arange(len(rows))[::-1]
    ax.axvline(0, color=CONTEXT, linewidth=1.2, label=labels["none"])
    ax.axvline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=labels["expected"])
    colours = np.where(rows["missed"], ATTENTION, THIS)
    ax.hlines(y, rows["conf_low"], rows["conf_high"], color=colours, linewidth=3, alpha=0.45, zorder=3)
    ax.scatter(rows["estimate"], y, s=42, color=colours, zorder=4)
    ax.set_yticks(y, rows["label"])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlabel(labels["axis"])
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper right", ncols=2, fontsize=9)
    return fig
