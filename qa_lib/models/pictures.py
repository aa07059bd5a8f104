"""Estimates with their intervals, as dots and whiskers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

SERIES = (("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), ("#56B4E9", "v"), ("#E69F00", "P"))


def intervals(table: pd.DataFrame, ax: Any = None, labels: Mapping[str, str] | None = None, xlabel: str = "") -> Any:
    """A row per ``name``, from above, and in it a dot and whisker per ``series``.

    table : columns name, series, estimate, conf_low, conf_high; rows without an estimate stay empty, dots without an
    interval bare. labels : words to show for names and series. Returns the Axes.
    """
    words = dict(labels or {})
    names, series = list(table["name"].unique()), list(table["series"].unique())
    if ax is None:
        height = 1 + 0.2 * len(names) * max(1, 0.6 * len(series))
        _, ax = plt.subplots(figsize=(6.5, height), layout="constrained")
    apart = 0.6 if table["name"].duplicated().any() else 0.0
    for k, label in enumerate(series):
        rows = table[table["series"] == label]
        y = rows["name"].map(names.index) + apart * ((k + 0.5) / len(series) - 0.5)
        reach = np.vstack([rows["estimate"] - rows["conf_low"], rows["conf_high"] - rows["estimate"]])
        colour, marker = SERIES[k % len(SERIES)]
        style = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "elinewidth": 1.2}
        ax.errorbar(rows["estimate"], y, xerr=np.fmax(reach, 0), label=words.get(label, str(label)), **style)
    ax.set_yticks(range(len(names)), [words.get(name, str(name)) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(xlabel)
    ax.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        ax.legend(frameon=False)
    return ax
