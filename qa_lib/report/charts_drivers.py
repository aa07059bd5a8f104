"""Pictures of the driver page: the results' own plots, in the report's style and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
