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
    heads = translated(table.columns, labels)
    crowded = columns > 8 or sum(len(head) for head in heads) > 40  # names side by side would touch
    turned = {"rotation": 90} if columns > 8 else {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(columns), heads, **(turned if crowded else {}))
    ax.set_yticks(range(rows), translated(table.index, labels))
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        colour = "white" if abs(values[i, j]) > 0.6 else "0.2"
        ax.text(
            j,
            i,
            f"{values[i, j].round(2) + 0:.2f}".replace("0.", "."),
            ha="center",
            va="center",
            fontsize=7,
            color=colour,
        )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


SCREE_WORDS = {
    "number": "Number",
    "eigenvalue": "Eigenvalue",
    "component": "Components",
    "factor": "Common factors",
    "random_component": "Components of random data",
    "random_factor": "Common factors of random data",
}
BASES = {"component": ("#0072B2", "o"), "factor": ("#D55E00", "^")}


def scree(table: pd.DataFrame, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
    """Eigenvalues by number (solid, marked; filled where kept) and the random ones to exceed (dashed), by basis."""
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    words = SCREE_WORDS | dict(labels or {})
    for basis, (colour, marker) in BASES.items():
        rows = table[table["basis"] == basis]
        ax.plot(
            rows["number"], rows["estimate"], color=colour, marker=marker, markerfacecolor="white", label=words[basis]
        )
        kept = rows[rows["kept"]]
        ax.plot(kept["number"], kept["estimate"], color=colour, marker=marker, linestyle="none")
        dashed = {"linestyle": "--", "linewidth": 1, "label": words[f"random_{basis}"]}
        ax.plot(rows["number"], rows["random_quantile"], color=colour, **dashed)
    ax.set(xlabel=words["number"], ylabel=words["eigenvalue"])
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlim(left=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


PARTIALS_WORDS = {
    "number": "Components taken out",
    "average_partial": "Average partial correlation",
    "squared": "Squared (Velicer 1976)",
    "fourth": "Fourth power (Velicer, Eaton and Fava 2000)",
}


def partials(table: pd.DataFrame, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
    """Average partial correlations on a logarithmic scale: rows number, squared, fourth; each minimum filled."""
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    words = PARTIALS_WORDS | dict(labels or {})
    for column, (colour, marker) in zip(("squared", "fourth"), BASES.values(), strict=True):
        ax.plot(
            table["number"], table[column], color=colour, marker=marker, markerfacecolor="white", label=words[column]
        )
        lowest = table.loc[table[column].idxmin()]
        ax.plot(lowest["number"], lowest[column], color=colour, marker=marker)
    ax.set(xlabel=words["number"], ylabel=words["average_partial"], yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax
