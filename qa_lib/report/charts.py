"""The report's pictures. Each function draws tidy rows and returns a Figure; words come in as labels.

One meaning per colour: blue is this period, grey is context (earlier periods, everyone), orange calls for attention.
Blue and orange differ for colour-blind readers and in print (Okabe and Ito 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from qa_lib.report.fonts import FONT_FILE

THIS, CONTEXT, ATTENTION, GRID = "#0072B2", "#8A8F98", "#D55E00", "#E3E6EA"
DIVERGING = ["#B5541C", "#E8A77C", "#D9DCE1", "#8FBBDD", "#2B6CA3"]
WIDTH = 7.6
_MARKER = 3.5  # half a point's marker, in pixels
P = ParamSpec("P")


@cache
def _style() -> dict[str, object]:
    font_manager.fontManager.addfont(FONT_FILE)
    family = font_manager.FontProperties(fname=FONT_FILE).get_name()
    return {
        "font.family": [family, "DejaVu Sans"],
        "font.size": 10,
        "text.parse_math": False,  # a name with two dollar signs is no formula
        "axes.unicode_minus": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.edgecolor": CONTEXT,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "xtick.color": "#3A3F47",
        "ytick.color": "#3A3F47",
        "ytick.left": False,
        "legend.frameon": False,
    }


def warm_up() -> None:
    """Loads fonts and styles, so that kernels forked from this process need not."""
    _style()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draws in the report's style, with glyphs for Chinese, and leaves the caller's matplotlib settings alone."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_style()):
            fig = draw(*args, **kwargs)
            fig.get_layout_engine().execute(fig)
            fig.set_layout_engine("none")  # it is laid out; saving need not do so again
            return fig

    return drawn


def untangle(ax: mpl.axes.Axes) -> None:
    """Moves the labels of points that overlap to the nearest free place: about the point, then further up or down.

    Whiskers of other points are kept clear of where that takes no label further away than a line.
    """
    for label in list(ax.texts):  # of a point that cannot be computed
        if isinstance(label, Annotation) and not np.isfinite(label.xy).all():
            label.remove()
    ax.figure.get_layout_engine().execute(ax.figure)
    labels = [t for t in ax.texts if isinstance(t, Annotation) and t.anncoords == "offset points" and t.get_text()]
    frame = ax.get_window_extent()
    taken = [text.get_window_extent() for text in ax.texts if text not in labels and text.get_text()]
    points = ax.transData.transform([label.xy for label in labels]) if labels else []
    taken += [Bbox.from_extents(*(point - _MARKER), *(point + _MARKER)) for point in points]
    whiskers = _whiskers(ax)
    for label in labels:
        label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # read over a line it must cross
        (x, y), side = label.get_position(), label.get_horizontalalignment()
        height = label.get_window_extent().height * 72 / ax.figure.dpi
        steps = [sign * step * height for step in range(9) for sign in ((1, -1) if step else (1,))]
        places = [(x, y + step, side) for step in steps]
        if side == "left":
            places = [place for step in steps for place in ((x, y + step, "left"), (-x, y + step, "right"))]
        found: list[tuple[int, int, tuple[float, float, str]]] = []
        for across, up, side in places:
            if found and abs(up - y) > max(height, abs(found[0][2][1] - y)):
                break
            label.set(position=(across, up), horizontalalignment=side)
            box = label.get_window_extent()
            inside = frame.containsx(box.x0) and frame.containsx(box.x1) and frame.containsy(box.y0)
            if inside and not any(box.overlaps(other) for other in taken):
                found.append((sum(box.overlaps(line) for line in whiskers), len(found), (across, up, side)))
        if found:
            across, up, side = min(found)[2]
            label.set(position=(across, up), horizontalalignment=side)
        taken.append(label.get_window_extent())


def _whiskers(ax: mpl.axes.Axes) -> list[Bbox]:
    """Where horizontal and vertical intervals are drawn, in pixels."""
    ends = [ax.transData.transform(part) for lines in ax.collections if isinstance(lines, LineCollection)
            for part in lines.get_segments() if len(part) == 2]  # fmt: skip
    return [Bbox.from_extents(*(part.min(axis=0) - 1), *(part.max(axis=0) + 1)) for part in ends]


def _figure(height: float, width: float = WIDTH) -> tuple[Figure, mpl.axes.Axes]:
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots()


@styled
def of_result(plot: Callable[..., object], labels: Mapping[str, str], height: float = 3.8) -> Figure:
    """A result's own ``plot(ax, labels)``, drawn in the report's style and words."""
    fig, ax = _figure(height)
    ax.grid(visible=False)
    plot(ax, labels)
    return fig


@styled
def scores(now: pd.DataFrame, before: pd.DataFrame | None, target: float | None, labels: Mapping[str, str]) -> Figure:
    """Scores 0–100 with intervals, a row each; the period before as a grey ring; the target as a line.

    ``now`` and ``before`` have columns ``label, estimate, conf_low, conf_high``; ``labels`` the words ``now, before,
    target, axis``.
    """
    fig, ax = _figure(0.9 + 0.42 * len(now))
    y = np.arange(len(now))[::-1]
    if target is not None:
        ax.axvline(target, color=ATTENTION, linewidth=1.2, linestyle=(0, (4, 3)), label=labels["target"])
    if before is not None:
        earlier = now[["label"]].merge(before, on="label", how="left")
        ax.scatter(earlier["estimate"], y, s=60, facecolor="white", edgecolor=CONTEXT, label=labels["before"], zorder=3)
    ax.hlines(y, now["conf_low"], now["conf_high"], color=THIS, linewidth=3, alpha=0.45, zorder=3)
    ax.scatter(now["estimate"], y, s=42, color=THIS, label=labels["now"], zorder=4)
    ax.set_yticks(y, now["label"])
    ax.set_ylim(-0.6, len(now) - 0.4)
    ax.set_xlabel(labels["axis"])
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper right", ncols=3, fontsize=9)
    return fig


@styled
def trend(points: pd.DataFrame, target: float | None, labels: Mapping[str, str], breaks: Sequence[int] = ()) -> Figure:
    """A score over the periods with its interval as a band; columns ``label, estimate, conf_low, conf_high``.

    Before the points at ``breaks`` the instrument changed: a dotted line says so.
    """
    fig, ax = _figure(2.5)
    x = np.arange(len(points))
    ax.fill_between(x, points["conf_low"], points["conf_high"], color=THIS, alpha=0.15, linewidth=0)
    ax.plot(x, points["estimate"], color=THIS, marker="o", markersize=4, linewidth=1.6)
    if target is not None:
        ax.axhline(target, color=ATTENTION, linewidth=1.2, linestyle=(0, (4, 3)), label=labels["target"])
    for number, place in enumerate(breaks):
        label = labels["break"] if number == 0 else None
        ax.axvline(place - 0.5, color=CONTEXT, linewidth=1.2, linestyle=":", label=label)
    if target is not None or len(breaks):
        fig.legend(loc="outside upper right", fontsize=9, ncols=2)
    step = max(1, int(np.ceil(len(points) / 7)))
    shown = x[::-1][::step][::-1]
    ax.set_xticks(shown, [points["label"].iloc[i] for i in shown])
    ax.set_ylabel(labels["axis"])
    ax.grid(axis="x", visible=False)
    return fig


@styled
def likert(shares: pd.DataFrame, levels: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """Diverging bars: a row per item, its share of every level, the middle level centred on zero.

    ``shares`` is items × levels (from lowest to highest), rows summing to 1, indexed by the item's label.
    """
    fig, ax = _figure(1.2 + 0.3 * len(shares))
    values = shares.to_numpy()
    below = values.shape[1] // 2
    left_edge = -values[:, :below].sum(axis=1) - (values[:, below] / 2 if values.shape[1] % 2 else 0)
    starts = left_edge[:, None] + np.hstack([np.zeros((len(values), 1)), values.cumsum(axis=1)[:, :-1]])
    colours = mpl.colors.LinearSegmentedColormap.from_list("likert", DIVERGING)(np.linspace(0, 1, values.shape[1]))
    y = np.arange(len(values))[::-1]
    for level, (name, colour) in enumerate(zip(levels, colours, strict=True)):
        ax.barh(y, values[:, level], left=starts[:, level], color=colour, height=0.72, label=name)
    ax.axvline(0, color="white", linewidth=1)
    ax.set_yticks(y, shares.index)
    ax.set_ylim(-0.6, len(values) - 0.4)
    ax.margins(x=0.03)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
    ax.set_xlabel(labels["axis"])
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper center", ncols=len(levels), fontsize=9 if sum(map(len, levels)) < 60 else 8)
    return fig


@styled
def matrix(values: pd.DataFrame, labels: Mapping[str, str], diverging: bool = True, digits: int = 2) -> Figure:
    """A square heat map with its numbers: correlations, or scores of units × dimensions."""
    rows, columns = values.shape
    fig, ax = _figure(0.9 + 0.42 * rows, min(WIDTH, 2.4 + 0.85 * columns))
    limits = {"vmin": -1, "vmax": 1, "cmap": sns.blend_palette([DIVERGING[0], "white", DIVERGING[-1]], as_cmap=True)}
    shades = limits if diverging else {"cmap": sns.light_palette(THIS, as_cmap=True)}
    sns.heatmap(values, ax=ax, annot=True, fmt=f".{digits}f", cbar=False, linewidths=1, annot_kws={"size": 9}, **shades)
    if diverging:  # seaborn's white numbers are too pale on middling blue
        for number, value in zip(ax.texts, values.to_numpy(float).ravel(), strict=True):
            number.set_color("white" if abs(value) > 0.75 else "#1F2328")
    ax.set(xlabel=labels.get("x", ""), ylabel=labels.get("y", ""))
    ax.tick_params(length=0)
    ax.set_yticklabels(ax.get_yticklabels(), rotation=0)
    return fig


@styled
def bars(rows: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Bars of shares with intervals, in the order given; columns ``label, estimate, conf_low, conf_high``."""
    fig, ax = _figure(0.8 + 0.4 * len(rows))
    y = np.arange(len(rows))[::-1]
    ax.barh(y, rows["estimate"], color=THIS, alpha=0.8, height=0.6)
    ax.hlines(y, rows["conf_low"], rows["conf_high"], color="#1F2328", linewidth=1.4)
    ax.set_yticks(y, rows["label"])
    ax.set_xlabel(labels["axis"])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(axis="y", visible=False)
    return fig


@styled
def priorities(rows: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Importance against performance with both intervals; what is weak and matters lies in the upper left.

    Columns ``label, performance, performance_low, performance_high, importance, importance_low, importance_high``.
    """
    fig, ax = _figure(4.2)
    x, y = rows["performance"], rows["importance"]
    ax.axvline(x.mean(), color=CONTEXT, linewidth=1)
    ax.axhline(y.mean(), color=CONTEXT, linewidth=1)
    ax.hlines(y, rows["performance_low"], rows["performance_high"], color=THIS, alpha=0.35, linewidth=2)
    ax.vlines(x, rows["importance_low"], rows["importance_high"], color=THIS, alpha=0.35, linewidth=2)
    weak = (x < x.mean()) & (y > y.mean())
    ax.scatter(x, y, s=70, color=np.where(weak, ATTENTION, THIS), zorder=4)
    for label, across, up in zip(rows["label"], x, y, strict=True):
        ax.annotate(label, (across, up), xytext=(7, 6), textcoords="offset points", zorder=5)
    ax.margins(0.18)
    ax.set(xlabel=labels["performance"], ylabel=labels["importance"])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.text(0.01, 0.99, labels["act"], transform=ax.transAxes, va="top", color=ATTENTION, fontsize=9)
    ax.text(0.99, 0.99, labels["keep"], transform=ax.transAxes, va="top", ha="right", color=CONTEXT, fontsize=9)
    untangle(ax)
    return fig
