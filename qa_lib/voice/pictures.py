"""Themes as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"less_satisfied": "#D55E00", "more_satisfied": "#0072B2", "not_sure": "#8A8F98"}  # Okabe and Ito (2008)
_WORDS = {
    "less_satisfied": "mentioned by less satisfied customers",
    "more_satisfied": "by more satisfied customers",
    "not_sure": "no sure difference",
    "axis": "Share of comments",
}
_SURE = 0.05


def plot_themes(
    table: pd.DataFrame, ax: Axes | None, labels: Mapping[str, str], terms: Sequence[str] | None = None
) -> Axes:
    """Share of comments per theme with its interval, the most mentioned on top; colours by Holm's test at 5 %."""
    import matplotlib.pyplot as plt

    ax = ax or plt.subplots()[1]
    words = _WORDS | dict(labels)
    themes = table[table["level"] == "theme"]
    shares = themes[themes["measure"] == "share"].set_index("term")
    shares = shares.loc[[term for term in shares.index if terms is None or term in terms]]
    shares = shares.sort_values("estimate", ascending=False, kind="stable").iloc[::-1]
    moods = pd.Series(mood_of(table)).reindex(shares.index, fill_value="not_sure")
    y = np.arange(len(shares))
    for mood, colour in _COLOURS.items():
        at = (moods == mood).to_numpy()
        if at.any():
            part = shares[at]
            ax.hlines(y[at], part["conf_low"], part["conf_high"], color=colour, linewidth=3, alpha=0.45)
            ax.scatter(part["estimate"], y[at], s=42, color=colour, label=words[mood], zorder=3)
    ax.set_yticks(y, [words.get(term, term) for term in shares.index])
    ax.set_ylim(-0.6, len(shares) - 0.4)
    ax.set_xlim(left=0)
    ax.set_xlabel(words["axis"])
    ax.grid(axis="y", visible=False)
    if len(shares):
        ax.legend(loc="lower right", fontsize=9)
    return ax


def mood_of(table: pd.DataFrame) -> dict[str, str]:
    """Per theme whether those who mention it are surely less or more satisfied than the others."""
    rows = table[(table["level"] == "theme") & (table["measure"] == "satisfaction_difference")]
    return {
        row.term: "not_sure"
        if not row.p_adjusted < _SURE
        else "less_satisfied"
        if row.estimate < 0
        else "more_satisfied"
        for row in rows.itertuples()
    }
