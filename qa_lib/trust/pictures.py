"""Pictures that several results of this room share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd


def translated(names: Any, labels: Mapping[str, str] | None) -> list[str]:
    return [(labels or {}).get(name, str(name)) for name in names]


def heat_map(table: pd.DataFrame, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
    """A table of values between -1 and 1 as coloured cells with their values written in them."""
    rows, columns = table.shape
    if ax is None:
        _, ax = plt.subplots(figsize=(1.5 + 0.5 * columns, 1 + 0.28 * rows), layout="constrained")
    values = table.to_numpy(dtype=float)
    ax.imshow(values, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    ax.set_xticks(range(columns), translated(table.columns, labels), rotation=90 if columns > 8 else 0)
    ax.set_yticks(range(rows), translated(table.index, labels))
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        colour = "white" if abs(values[i, j]) > 0.6 else "0.2"
        ax.text(j, i, f"{values[i, j]:.2f}".replace("0.", "."), ha="center", va="center", fontsize=7, color=colour)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
