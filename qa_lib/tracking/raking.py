"""Weights under which a sample has the population's known margins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa_lib.errors import NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.weights import effective_n
from qa_lib.tracking.estimates import Weights, check_columns, respondent_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Raking(Result):
    """``weights`` (n,), mean 1, index of the data; ``margins``: a row per category with target and shares."""

    weights: pd.Series
    margins: pd.DataFrame
    iterations: int
    converged: bool
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.margins.copy()

    def glance(self) -> pd.DataFrame:
        effective = effective_n(self.weights)
        return pd.DataFrame(
            [
                {
                    "n": len(self.weights),
                    "n_effective": effective,
                    "design_effect": len(self.weights) / effective,
                    "lowest": self.weights.min(),
                    "highest": self.weights.max(),
                    "method": "iterative proportional fitting",
                    "iterations": self.iterations,
                    "converged": self.converged,
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Shares of the sample as it is (ring) and as raked to the known margins (dot)."""
        import matplotlib.pyplot as plt

        words = {"unweighted": "Sample", "raked": "Raked", "share": "Share"} | dict(labels or {})
        ax = ax if ax is not None else plt.subplots(figsize=(6.5, 1 + 0.3 * len(self.margins)))[1]
        place = ["dimension", "term", *(["group"] if "group" in self.margins else [])]
        names = self.margins[place].map(lambda name: words.get(name, str(name))).agg(" · ".join, axis=1)
        y = np.arange(len(names))
        ax.hlines(y, self.margins["unweighted"], self.margins["estimate"], color="0.7")
        ax.scatter(self.margins["unweighted"], y, facecolor="white", edgecolor="C0", label=words["unweighted"])
        ax.scatter(self.margins["estimate"], y, color="C0", label=words["raked"])
        ax.set_yticks(y, names)
        ax.invert_yaxis()
        ax.set_xlabel(words["share"])
        ax.legend(frameon=False)
        return ax


def rake(
    data: pd.DataFrame,
    margins: Mapping[str, Mapping[object, float]],
    weights: Weights = None,
    by: str | None = None,
    max_iter: int = 1000,
    tolerance: float = 1e-10,
) -> Raking:
    """Weights under which the sample has the known margins (Deming and Stephan 1940, doi:10.1214/aoms/1177731829).

    ``margins`` maps a column to the population's share or count of each category (study.yaml's ``margins``); design
    ``weights`` are the start. ``by`` (the period, say) rakes each of its values for itself, to mean 1; rows without one
    get no weight (NaN).
    ``tidy()``: dimension (column), term (category), target, estimate (raked share), unweighted; with ``by`` also group.
    Twenty lines of our own: the libraries for it bring survey frameworks or loops over rows for one bincount.
    Raises ``ResponseError`` for missing values, categories without target or without respondents (collapse them);
    warns ``NotConvergedWarning`` when the margins cannot be met together.

    >>> data = pd.DataFrame({"sex": list("ffmmm"), "age": ["y", "o", "y", "o", "o"]})
    >>> raked = rake(data, {"sex": {"f": .5, "m": .5}, "age": {"y": .4, "o": .6}})
    >>> raked.weights.groupby(data["sex"]).sum().round(6).tolist()
    [2.5, 2.5]
    """
    if not margins:
        raise ResponseError("no margins were given; pass for instance {'sex': {'f': .52, 'm': .48}}.")
    if by is not None:
        return _raked_apart(data, margins, weights, by, max_iter, tolerance)
    coded = [margin_codes(data, column, target) for column, target in margins.items()]
    start = respondent_weights(weights, data)
    for column, (codes, _) in zip(margins, coded, strict=True):
        if not np.bincount(codes, start).all():
            raise ResponseError(f"{column}: all respondents of a category have weight zero; they cannot be raked.")
    w, worst, iteration = start / start.mean(), np.inf, 0
    while worst > tolerance and iteration < max_iter:
        iteration += 1
        for codes, target in coded:
            w = w * (target * len(w) / np.bincount(codes, w))[codes]
        worst = max(np.abs(np.bincount(codes, w) / len(w) - target).max() for codes, target in coded)
    if worst > tolerance:
        warnings.warn(
            f"raking: after {iteration} rounds a margin is still {worst:.2g} off; the margins contradict each other "
            "or the cells that could meet them are empty.",
            NotConvergedWarning,
            stacklevel=2,
        )
    tables = [
        pd.DataFrame(
            {
                "dimension": column,
                "term": list(margins[column]),
                "target": target,
                "estimate": np.bincount(codes, w) / w.sum(),
                "unweighted": np.bincount(codes) / len(codes),
            }
        )
        for column, (codes, target) in zip(margins, coded, strict=True)
    ]
    return Raking(
        pd.Series(w, index=data.index, name="weight"),
        pd.concat(tables, ignore_index=True),
        iteration,
        bool(worst <= tolerance),
        Provenance("rake", len(data), {"margins": {c: dict(m) for c, m in margins.items()}, "tolerance": tolerance}),
    )


def _raked_apart(data: pd.DataFrame, margins, weights: Weights, by: str, max_iter: int, tolerance: float) -> Raking:
    """Every value of ``by`` raked for itself, in one result."""
    check_columns(data, by, what="by")
    if data[by].isna().all():
        raise ResponseError(f"by: no respondent has a {by}.")
    start = respondent_weights(weights, data)
    w, parts = np.full(len(data), np.nan), {}
    for name, places in data.groupby(by, sort=True).indices.items():
        try:
            parts[name] = rake(data.iloc[places], margins, start[places], None, max_iter, tolerance)
            w[places] = parts[name].weights
        except ResponseError as error:
            raise ResponseError(f"{by} {name}: {error}") from None
    return Raking(
        pd.Series(w, index=data.index, name="weight"),
        pd.concat([part.margins.assign(group=name) for name, part in parts.items()], ignore_index=True),
        max(part.iterations for part in parts.values()),
        all(part.converged for part in parts.values()),
        Provenance("rake", len(data), {"margins": {c: dict(m) for c, m in margins.items()}, "by": by}),
    )


def margin_codes(data: pd.DataFrame, column: str, target: Mapping[object, float]) -> tuple[np.ndarray, np.ndarray]:
    """Category codes of the respondents (n,) and target shares of the categories."""
    check_columns(data, column)
    shares = pd.to_numeric(pd.Series(list(target.values()), dtype=object), errors="coerce").to_numpy(float)
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ResponseError(f"{column}: the targets must be positive: {dict(target)}.")
    codes = pd.Index(list(target)).get_indexer(data[column])
    if (codes < 0).any():
        unknown = data[column][codes < 0].unique().tolist()
        raise ResponseError(f"{column}: {unknown} among respondents has no target; fill or collapse it.")
    empty = [key for key, n in zip(target, np.bincount(codes, minlength=len(target)), strict=True) if n == 0]
    if empty:
        raise ResponseError(f"{column}: nobody in the sample has {empty}; collapse it with another category.")
    return codes, shares / shares.sum()
