"""Pictures of the driver page: the results' own plots, in the report's style and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from qa_lib.report.charts import ATTENTION, CONTEXT, THIS, WIDTH, styled, untangle

# blue and orange as everywhere in the report, then colours told apart by colour-blind readers (Okabe and Ito 2008)
PALETTE = [THIS, ATTENTION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", CONTEXT]


class Plottable(Protocol):
    def plot(self, ax: Axes, labels: Mapping[str, str], **options: object) -> Axes: ...


@styled
def drawn(result: Plottable, labels: Mapping[str, str], height: float, percent: str = "", **options: object) -> Figure:
    """``result.plot`` with the page's words; axes named in ``percent`` ("x", "y", "xy") show per cent."""
    with mpl.rc_context({"axes.prop_cycle": cycler(color=PALETTE), "legend.fontsize": 9}):
        fig = Figure(figsize=(WIDTH, height), layout="constrained")
        ax = result.plot(fig.subplots(), labels, **options)
        for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            if name in percent:
                axis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%".replace("-", "−"))
                low, high = axis.get_view_interval()
                axis.set_view_interval(max(low, 0), high, ignore=True)  # shares are not negative
        untangle(ax)
        for line in fig.findobj(Line2D):  # "C1" would else be looked up when the file is written, in another palette
            line.set_color(to_rgba(line.get_color()))
            line.set_markerfacecolor(to_rgba(line.get_markerfacecolor()))
            line.set_markeredgecolor(to_rgba(line.get_markeredgecolor()))
        return fig


@styled
def panels(shares: pd.DataFrame, terms: Sequence[str], groups: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """A panel per driver with a row per group: its share of importance and interval; all groups' mean as a line.

    ``shares`` has columns ``group, term, share, share_low, share_high``.
    """
    across = min(len(terms), 5)
    down = -(-len(terms) // across)
    fig = Figure(figsize=(WIDTH, down * (0.9 + 0.2 * len(groups))), layout="constrained")
    axes = fig.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    y = np.arange(len(groups))[::-1]
    for ax, term in zip(axes.flat, terms, strict=False):
        own = shares[shares["term"] == term].set_index("group").reindex(groups)
        ax.axvline(own["share"].mean(), color=CONTEXT, linewidth=1)
        ax.hlines(y, own["share_low"], own["share_high"], color=THIS, linewidth=2, alpha=0.45)
        ax.scatter(own["share"], y, s=18, color=THIS, zorder=4)
        ax.set_title(labels.get(term, term), fontsize=10)
        ax.grid(axis="y", visible=False)
    for ax in axes.flat[len(terms) :]:
        ax.set_axis_off()
    ax = axes[0, 0]
    ax.set_yticks(y, [labels.get(group, group) for group in groups])
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(3, prune="upper"))
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    fig.supxlabel(labels["share"], fontsize=10)
    return fig
