"""How much each driver matters, and how surely: importance with intervals, ranks and pairwise tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.dominance import (
    MAX_PREDICTORS,
    SUBSETS_AT_ONCE,
    complete_dominance,
    conditional_dominance,
    general_weights,
    relative_weights,
    standardised_betas,
    subset_r_squared,
    to_correlation,
)
from qa_lib.effects.rows import percentile_interval
from qa_lib.errors import DataWarning
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

_SHARES_OF_R_SQUARED = ("general_dominance", "relative_weight", "general_dominance_mcfadden", "general_dominance_tjur")


@dataclass(frozen=True, slots=True)
class Importance(Result):
    """Importance of each driver by several measures; the first, general dominance, is the one to rank by.

    General dominance is the default because it alone needs no choice of an order in which predictors enter, is never
    negative, sums to R², and follows from axioms of fairness (it is R²'s Shapley value; Grömping 2007,
    doi:10.1198/000313007X188252). Relative weights approximate it; a standardised beta and a zero-order correlation
    answer other questions (the unique effect; the effect with all that accompanies it) and are shown beside it.

    Attributes
    ----------
    measures : a row per method and term, see ``tidy``
    pairwise : a row per method and pair: difference, its bootstrap error, and the test that the two are equal
    conditional : predictors × number of other predictors in the model: mean increment in R²
    complete : a row per ordered pair of terms: ``complete``, ``conditional`` and ``general`` are 1 where term dominates
        other, 0 where it is dominated, ½ where undecided; ``reproducibility`` is the share of bootstrap samples that
        repeat the verdict on complete dominance (Azen and Budescu 2003)
    r_squared : estimate, low, high
    """

    method: str
    n: float
    n_boot: int
    conf_level: float
    measures: pd.DataFrame
    pairwise: pd.DataFrame
    conditional: pd.DataFrame | None
    complete: pd.DataFrame | None
    r_squared: tuple[float, float, float]
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """Columns ``term, method, estimate, std_error, conf_low, conf_high, share, share_low, share_high, rank,
        rank_low, rank_high, p_first``.

        Intervals are bootstrap percentiles. ``share`` is the part of R² (NaN for beta and r, which do not add up to
        it). Ranks are by size; ``rank_low … rank_high`` holds the true rank with the confidence asked for, from
        simultaneous intervals of all differences (Mogstad, Romano, Shaikh and Wilhelm 2024,
        doi:10.1093/restud/rdad006).
        ``p_first`` is the share of bootstrap samples in which the driver comes first.
        """
        return self.measures.copy()

    def glance(self) -> pd.DataFrame:
        first = self.measures[self.measures["method"] == self.method].sort_values("rank").iloc[0]
        row = {"n": self.n, "method": self.method, "n_boot": self.n_boot, "conf_level": self.conf_level}
        row |= dict(zip(["r_squared", "r_squared_low", "r_squared_high"], self.r_squared, strict=True))
        return pd.DataFrame([{**row, "first": first["term"], "p_first": first["p_first"]}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Shares of R² with their intervals, the most important driver on top."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        table = self.measures[self.measures["method"] == self.method].sort_values("estimate")
        whiskers = np.abs(table[["conf_low", "conf_high"]].to_numpy().T - table["estimate"].to_numpy())
        names = [labels.get(term, term) for term in table["term"]]
        ax.errorbar(table["estimate"], names, xerr=whiskers, fmt="o", capsize=3)
        ax.set_xlim(left=0)
        ax.set_xlabel(labels.get(self.method, self.method.replace("_", " ").capitalize()))
        return ax


def importance(
    predictors: Sequence[str],
    cov: np.ndarray,
    replicates: Iterable[np.ndarray],
    *,
    n: float,
    conf_level: float = 0.95,
    settings: Mapping[str, object] | None = None,
) -> Importance:
    """Importance from the covariance of predictors and, last, the outcome, and bootstrap replicates of it.

    Parameters
    ----------
    cov : (p + 1, p + 1)
    replicates : blocks (b, p + 1, p + 1); none of them, no intervals
    """
    if len(predictors) > MAX_PREDICTORS:
        warn(
            f"dominance is exact up to {MAX_PREDICTORS} predictors; {len(predictors)} are ranked by relative weights.",
            DataWarning,
            stacklevel=3,
        )
    point = _measure(cov[None], with_complete=False)
    blocks = [_measure(part) for block in replicates for part in _parts(block, len(predictors))]
    boot = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]} if blocks else {}
    conditional = complete = None
    if len(predictors) <= MAX_PREDICTORS:
        r_squared = subset_r_squared(cov)
        conditional = conditional_table(predictors, r_squared)
        complete = dominance_table(predictors, r_squared, boot.get("complete"))
    measures = {key: (value[0], boot.get(key)) for key, value in point.items() if key != "r_squared"}
    return assemble(
        predictors,
        measures,
        (point["r_squared"][0], boot.get("r_squared")),
        conditional,
        complete,
        n=n,
        conf_level=conf_level,
        settings=settings,
    )


def assemble(
    predictors: Sequence[str],
    measures: Mapping[str, tuple[np.ndarray, np.ndarray | None]],
    r_squared: tuple[float, np.ndarray | None],
    conditional: pd.DataFrame | None,
    complete: pd.DataFrame | None,
    *,
    n: float,
    conf_level: float,
    settings: Mapping[str, object] | None,
) -> Importance:
    """The result from each method's estimate (p,) and bootstrap replicates (B, p); the first method ranks."""
    point, boot = r_squared
    tables, pairs, n_boot = [], [], 0
    for method, (estimate, draws) in measures.items():
        draws = np.empty((0, len(estimate))) if draws is None else draws[np.isfinite(draws).all(axis=1)]
        n_boot = n_boot or len(draws)
        total = np.abs(estimate).sum() if method in _SHARES_OF_R_SQUARED else np.nan
        tables.append(_measure_table(predictors, method, estimate, draws, total, conf_level))
        pairs.append(_pairwise_table(predictors, method, np.abs(estimate), np.abs(draws), conf_level))
    interval = percentile_interval(np.empty((0, 1)) if boot is None else boot[np.isfinite(boot), None], conf_level)
    return Importance(
        method=next(iter(measures)),
        n=n,
        n_boot=n_boot,
        conf_level=conf_level,
        measures=pd.concat(tables, ignore_index=True),
        pairwise=pd.concat(pairs, ignore_index=True),
        conditional=conditional,
        complete=complete,
        r_squared=(float(point), *(float(bound[0]) for bound in interval)),
        provenance=Provenance("importance", n, dict(settings or {}) | {"conf_level": conf_level}),
    )


def _parts(block: np.ndarray, p: int) -> list[np.ndarray]:
    size = max(1, SUBSETS_AT_ONCE // 2 ** min(p, MAX_PREDICTORS))
    return [block[start : start + size] for start in range(0, len(block), size)]


def _measure(cov: np.ndarray, with_complete: bool = True) -> dict[str, np.ndarray]:
    p = cov.shape[1] - 1
    correlation = to_correlation(cov)
    betas = standardised_betas(correlation)
    measures = {
        "relative_weight": relative_weights(correlation),
        "beta": betas,
        "zero_order_r": correlation[:, :-1, -1],
        "r_squared": np.einsum("bp,bp->b", betas, correlation[:, :-1, -1]),
    }
    if p > MAX_PREDICTORS:
        return measures
    r_squared = subset_r_squared(correlation)
    complete = {"complete": complete_dominance(r_squared, p)} if with_complete else {}
    return {"general_dominance": r_squared @ general_weights(p), **measures, **complete}


def _measure_table(predictors, method, estimate, draws, total, conf_level) -> pd.DataFrame:
    size, draws_size = np.abs(estimate), np.abs(draws)
    low, high = percentile_interval(draws, conf_level)
    summable = np.isfinite(total)
    share_draws = draws_size[draws_size.any(axis=1)] if summable else np.empty((0, len(estimate)))
    share_draws = share_draws / share_draws.sum(axis=1, keepdims=True)
    share_low, share_high = percentile_interval(share_draws, conf_level)
    rank_low, rank_high = rank_intervals(size, draws_size, conf_level)
    first = draws_size == draws_size.max(axis=1, initial=0, keepdims=True)
    return pd.DataFrame(
        {
            "term": list(predictors),
            "method": method,
            "estimate": estimate,
            "std_error": draws.std(axis=0, ddof=1) if len(draws) > 1 else np.nan,
            "conf_low": low,
            "conf_high": high,
            "share": size / total,
            "share_low": share_low,
            "share_high": share_high,
            "rank": stats.rankdata(-size, method="min").astype(int),
            "rank_low": rank_low,
            "rank_high": rank_high,
            "p_first": first.mean(axis=0) if len(draws) else np.nan,
        }
    )


def rank_intervals(size: np.ndarray, draws: np.ndarray, conf_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest rank each driver may truly have, each with at least the confidence asked for.

    A driver ranks below all that are surely larger and above all that are surely smaller, where "surely" is by the
    bootstrap distribution of its largest studentised difference from any other (Mogstad et al. 2024, §3.1).

    Parameters
    ----------
    size : (p,)
    draws : (B, p) bootstrap replicates of size
    """
    p = len(size)
    if len(draws) < 2 or p == 1:
        return np.ones(p, dtype=int), np.full(p, p)
    low, high = np.empty(p, dtype=int), np.empty(p, dtype=int)
    for k in range(p):
        lead = np.delete(size[k] - size, k)
        lead_draws = np.delete(draws[:, [k]] - draws, k, axis=1)
        error = lead_draws.std(axis=0, ddof=1)
        error = np.where(error > 0, error, np.inf)
        critical = np.quantile(np.abs((lead_draws - lead) / error).max(axis=1), conf_level)
        low[k] = 1 + (lead / error < -critical).sum()
        high[k] = p - (lead / error > critical).sum()
    return low, high


def _pairwise_table(predictors, method, size, draws, conf_level) -> pd.DataFrame:
    """Differences of all pairs; z tests with bootstrap errors, p values also adjusted by Holm's method."""
    i, j = np.triu_indices(len(size), k=1)
    difference, difference_draws = size[i] - size[j], draws[:, i] - draws[:, j]
    low, high = percentile_interval(difference_draws, conf_level)
    error = difference_draws.std(axis=0, ddof=1) if len(draws) > 1 else np.full(len(i), np.nan)
    statistic = np.divide(difference, error, out=np.full(len(i), np.nan), where=error > 0)
    p_value = 2 * stats.norm.sf(np.abs(statistic))
    names = np.asarray(predictors, dtype=object)
    return pd.DataFrame(
        {
            "term": names[i],
            "other": names[j],
            "method": method,
            "estimate": difference,
            "std_error": error,
            "statistic": statistic,
            "p_value": p_value,
            "p_adjusted": holm(p_value),
            "conf_low": low,
            "conf_high": high,
        }
    )


def holm(p_value: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment (1979, Scandinavian Journal of Statistics 6, 65–70).

    >>> holm(np.array([.01, .04, .03])).round(3)
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p_value)
    steps = p_value[order] * np.arange(len(p_value), 0, -1)
    adjusted = np.empty_like(p_value)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def conditional_table(predictors: Sequence[str], r_squared: np.ndarray) -> pd.DataFrame:
    p = len(predictors)
    return pd.DataFrame(
        conditional_dominance(r_squared, p), index=pd.Index(predictors, name="term"), columns=pd.RangeIndex(p)
    )


def dominance_table(predictors: Sequence[str], r_squared: np.ndarray, draws: np.ndarray | None) -> pd.DataFrame:
    """The three kinds of dominance for every ordered pair, from R² of all subsets (2^p,) and replicates (B, p, p) of
    complete dominance."""
    p = len(predictors)
    conditional = conditional_dominance(r_squared, p)
    lead = conditional[:, None] - conditional[None]
    by_level = ((lead >= 0).all(axis=2).astype(float) + (lead > 0).any(axis=2)) / 2
    general = np.sign(lead.mean(axis=2)) / 2 + 0.5
    complete = complete_dominance(r_squared[None], p)[0]
    repeated = np.full((p, p), np.nan) if draws is None else (draws == complete).mean(axis=0)
    i, j = np.nonzero(~np.eye(p, dtype=bool))
    names = np.asarray(predictors, dtype=object)
    return pd.DataFrame(
        {
            "term": names[i],
            "other": names[j],
            "complete": complete[i, j],
            "conditional": by_level[i, j],
            "general": general[i, j],
            "reproducibility": repeated[i, j],
        }
    )
