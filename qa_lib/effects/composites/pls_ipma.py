"""Importance–performance map analysis of a PLS model, and the satisfaction index it contains, on the 0–100 scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
import pandas as pd

from qa_lib.effects.composites.pls_model import PlsModel
from qa_lib.effects.composites.pls_table import tabulate
from qa_lib.errors import DataWarning, ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qa_lib.effects.pls import PlsResult, Sample

Scale = tuple[float, float] | Mapping[str, tuple[float, float]] | None


@dataclass(frozen=True, slots=True)
class Ipma(Result):
    """Importance and performance of everything that acts on ``target``.

    ``table``: rows as in ``tidy``. Performance is a weighted mean of the items on 0–100 (the index of ACSI and ECSI);
    importance is the change of the target's index per point of the construct's or item's.
    """

    target: str
    table: pd.DataFrame
    n: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per construct or item and ``term``: importance, performance; items have ``item`` set. The target has a
        performance only: its index."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """``index, index_low, index_high``: the target's index, 0–100."""
        own = self.table[(self.table["dimension"] == self.target) & self.table["item"].isna()].iloc[0]
        index = {"index": own["estimate"], "index_low": own["conf_low"], "index_high": own["conf_high"]}
        return pd.DataFrame([{"n": self.n, "method": "IPMA", "target": self.target} | index])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Performance of each construct against its importance, with intervals and lines at the means."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        rows = self.table[self.table["item"].isna() & (self.table["dimension"] != self.target)]
        x, y = (rows[rows["term"] == term].set_index("dimension") for term in ("importance", "performance"))
        bounds = [np.abs(t[["conf_low", "conf_high"]].to_numpy().T - t["estimate"].to_numpy()) for t in (x, y)]
        ax.errorbar(x["estimate"], y["estimate"], xerr=bounds[0], yerr=bounds[1], fmt="o", elinewidth=0.8)
        for name in x.index:
            place = (x.loc[name, "estimate"], y.loc[name, "estimate"])
            ax.annotate(labels.get(name, name), place, xytext=(5, 5), textcoords="offset points")
        ax.axvline(x["estimate"].mean(), color="0.6", linewidth=0.8)
        ax.axhline(y["estimate"].mean(), color="0.6", linewidth=0.8)
        ax.set_xlabel(labels.get("importance", "Importance (total effect)"))
        ax.set_ylabel(labels.get("performance", "Performance (0–100)"))
        return ax


def rescaled(
    sample: Sample, model: PlsModel, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Index (B, k), effects (B, k, k) from row to column, item performance (B, p) and item weights (B, p, k), 0–100.

    Ringle and Sarstedt (2016, doi:10.1108/IMDS-10-2015-0449): weights of unstandardised items, scaled to a sum of 1 per
    construct, make an index of the items' 0–100 means (Fornell et al. 1996, doi:10.1177/002224299606000403);
    effects are total effects in the units of the indices.
    """
    item_means = 100 * (sample.means - low) / (high - low)
    raw = sample.estimates.weights / (100 * sample.sds / (high - low))[:, :, None]
    sums = raw.sum(axis=1)
    weights = raw / sums[:, None, :]
    index = (weights * item_means[:, :, None]).sum(axis=1)
    effects = sample.estimates.total_effects() * sums[:, :, None] / sums[:, None, :]
    return index, effects, item_means, weights


def importance_performance(fit: PlsResult, target: str, scale: Scale) -> Ipma:
    """The map of one target construct; see ``PlsResult.ipma``."""
    model = fit.model
    if target not in model.constructs:
        raise ModelError(f"ipma: {target!r} is not a construct. Constructs: {', '.join(model.constructs)}.")
    goal = model.constructs.index(target)
    if goal not in model.endogenous:
        raise ModelError(f"ipma: no construct acts on {target}. Name one of {_names(model, model.endogenous)}.")
    low, high = _bounds(fit, scale)
    _warn_negative(fit, model)
    actors = np.flatnonzero(np.abs(np.linalg.inv(np.eye(len(model.constructs)) - model.adjacency)[:, goal]) > 0)
    actors = actors[actors != goal]
    labels, point = _quantities(fit.sample, model, goal, actors, low, high)
    _, draws = _quantities(fit.boot, model, goal, actors, low, high)
    table = tabulate(labels, point[0], draws, fit.conf_level).drop(columns=["statistic", "p_value"])
    settings = {"target": target, "scale": scale or "observed range of each item"}
    return Ipma(target, table, fit.n, Provenance("pls.ipma", fit.n, settings))


def _quantities(
    sample: Sample, model: PlsModel, goal: int, actors: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    index, effects, item_means, weights = rescaled(sample, model, low, high)
    names = [model.constructs[k] for k in actors]
    pairs = [(k, i) for k in actors for i in model.block(k)]
    owner, item = map(list, zip(*pairs, strict=True))
    located = [(model.constructs[k], model.items[i]) for k, i in pairs]
    labels = [
        *(("performance", model.constructs[goal], None) for _ in (0,)),
        *(("importance", name, None) for name in names),
        *(("performance", name, None) for name in names),
        *(("importance", *where) for where in located),
        *(("performance", *where) for where in located),
    ]
    on_goal = effects[:, :, goal]
    values = [index[:, [goal]], on_goal[:, actors], index[:, actors]]
    values += [weights[:, item, owner] * on_goal[:, owner], item_means[:, item]]
    return pd.DataFrame(labels, columns=["term", "dimension", "item"]), np.concatenate(values, axis=1)


def _bounds(fit: PlsResult, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest answer (p,) of each item."""
    if scale is None:
        if fit.rows is None:
            raise ModelError("ipma: a model fitted to moments needs scale=(lowest, highest answer).")
        return fit.rows.answers.min(axis=0), fit.rows.answers.max(axis=0)
    each = scale if isinstance(scale, Mapping) else dict.fromkeys(fit.model.items, scale)
    absent = [item for item in fit.model.items if item not in each]
    if absent:
        raise ModelError(f"ipma: scale says nothing of {', '.join(absent)}; every item needs (lowest, highest answer).")
    low, high = np.array([each[item] for item in fit.model.items], dtype=float).T
    if not (low < high).all():
        raise ModelError(f"ipma: scale={scale!r}; the lowest answer must be below the highest.")
    if fit.rows is not None and ((fit.rows.answers < low) | (fit.rows.answers > high)).any():
        found = f"{fit.rows.answers.min():g} to {fit.rows.answers.max():g}"
        raise ModelError(f"ipma: answers run from {found}, beyond scale={scale!r}. Give the questionnaire's scale.")
    return low, high


def _warn_negative(fit: PlsResult, model: PlsModel) -> None:
    negative = (fit.sample.estimates.weights[0] < 0).any(axis=1)
    if negative.any():
        warn(
            f"Negative outer weights: {_names(model, np.flatnonzero(negative), items=True)}. An index of them can "
            "leave 0–100; reverse or drop these items before reading the map.",
            DataWarning,
            stacklevel=4,
        )


def _names(model: PlsModel, which: np.ndarray, items: bool = False) -> str:
    return ", ".join((model.items if items else model.constructs)[k] for k in which)
