"""Nonparametric bootstrap of a fit: respondents drawn with replacement, the model refitted to the moments they give."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.errors import ModelError, NotConvergedWarning
from qa_lib.models.after.batched import Stack, fit_many
from qa_lib.models.constraints import evaluate_defined
from qa_lib.models.estimate import solve
from qa_lib.models.implied import build_blocks
from qa_lib.models.observed import Sample, unbiased
from qa_lib.models.parameters import ParameterTable
from qa_lib.models.patterns import saturated_moments
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.resample import bootstrap_counts

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit

Interval = Literal["percentile", "bias_corrected"]
BLOCK_SIZE = 2**25


@dataclass(frozen=True, slots=True)
class BootstrapFit(Result):
    """Estimates of resamples. draws : (converged resamples, rows of ``fit.tidy()``), defined parameters included."""

    fit: ModelFit
    draws: np.ndarray
    n_boot: int
    provenance: Provenance = field(repr=False, compare=False)

    def tidy(self, conf_level: float = 0.95, interval: Interval = "percentile") -> pd.DataFrame:
        """A row per parameter: estimate of the fit, std_error the draws' standard deviation, interval from the draws.

        interval : "percentile", or "bias_corrected" (Efron 1987; lavaan's bca.simple).
        """
        table = self.fit.tidy()[["term", "lhs", "op", "rhs", "group", "label", "estimate"]]
        moves = np.ptp(self.draws, axis=0) > 0
        bounds = np.full((len(table), 2), np.nan)
        for k in np.flatnonzero(moves):
            bounds[k] = draws_interval(self.draws[:, k], table["estimate"].iloc[k], conf_level, interval)
        error = np.where(moves, self.draws.std(0, ddof=1), np.nan)
        statistic = table["estimate"] / error
        return table.assign(
            std_error=error,
            statistic=statistic,
            p_value=2 * norm.sf(np.abs(statistic)),
            conf_low=bounds[:, 0],
            conf_high=bounds[:, 1],
        )

    def glance(self) -> pd.DataFrame:
        """One row: n, method, n_boot, n_converged, converged (whether all resamples did)."""
        found = len(self.draws)
        row = {"n": self.fit.n, "method": "nonparametric bootstrap", "n_boot": self.n_boot, "n_converged": found}
        return pd.DataFrame([row | {"converged": found == self.n_boot}])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Estimates with their percentile intervals; a colour per group."""
        from qa_lib.models.pictures import intervals

        words = {"estimate": "Estimate"} | dict(labels or {})
        rows = self.tidy()
        rows = rows[rows["std_error"].notna()]
        rows = rows.assign(name=rows["term"], series=rows["group"].astype(object).fillna("").astype(str))
        return intervals(rows, ax, words, words["estimate"])


def draws_interval(draws: np.ndarray, estimate: float, conf_level: float, interval: Interval) -> tuple[float, float]:
    """Bounds from bootstrap draws of one parameter.

    "percentile", or "bias_corrected" by the share of draws below the estimate (Efron 1987, doi:10.2307/2289144, without
    acceleration); quantiles between draws on the normal scale (Davison and Hinkley 1997, equation 5.8).

    >>> [round(bound, 2) for bound in draws_interval(np.arange(1.0, 100.0), 50.0, 0.90, "percentile")]
    [5.0, 95.0]
    """
    tails = np.array([(1 - conf_level) / 2, (1 + conf_level) / 2])
    if interval == "bias_corrected":
        tails = norm.cdf(2 * norm.ppf((draws < estimate).mean()) + norm.ppf(tails))
    elif interval != "percentile":
        raise ModelError(f"interval {interval!r} is not known. Allowed: percentile, bias_corrected.")
    ordered, count = np.sort(draws), len(draws)
    ranks = np.clip((count + 1) * tails, 1, count)
    below = np.minimum(np.floor(ranks + 1e-9).astype(int), count - 1)
    z, left, right = norm.ppf(ranks / (count + 1)), norm.ppf(below / (count + 1)), norm.ppf((below + 1) / (count + 1))
    low, high = ordered[below - 1] + (z - left) / (right - left) * (ordered[below] - ordered[below - 1])
    return float(low), float(high)


def bootstrap(fit: ModelFit, n_boot: int, seed: int) -> BootstrapFit:
    """Refits of ``n_boot`` resamples within groups, started at the fit's estimates; respondents carry their weights."""
    _require(fit)
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    block = int(np.clip(BLOCK_SIZE // fit.n, 1, 1000))
    for start in range(0, n_boot, block):
        size = min(block, n_boot - start)
        drawn = [resampled(sample, bootstrap_counts(len(sample.rows), size, rng)) for sample in fit.samples]
        found += [x for x in refits(fit, list(zip(*drawn, strict=True))) if x is not None]
    if len(found) < n_boot:
        warnings.warn(
            f"{n_boot - len(found)} of {n_boot} resamples did not converge and are left out of the bootstrap.",
            NotConvergedWarning,
            stacklevel=3,
        )
    if len(found) < 2:
        raise ModelError("fewer than two resamples converged: the model is too large for these data.")
    provenance = Provenance("bootstrap", fit.n, {"n_boot": n_boot, "seed": seed, "model": fit.settings["model"]})
    return BootstrapFit(fit, draws_of_rows(fit.table, np.array(found)), n_boot, provenance)


def _require(fit: ModelFit) -> None:
    if not fit.converged:
        raise ModelError("the bootstrap needs a converged model: mend the model first.")
    if fit.objective.criterion == "DWLS":
        raise ModelError("the bootstrap refits moments of continuous items: not available for ordinal estimators.")
    if any(sample.rows is None for sample in fit.samples):
        raise ModelError("the model was fitted to moments: the bootstrap needs the respondents' rows.")
    if fit.settings["cluster"] is not None:
        raise ModelError("the bootstrap draws single respondents: not valid for clustered ones, use robust errors.")


def draws_of_rows(table: ParameterTable, x: np.ndarray) -> np.ndarray:
    """Values (draws, rows and defined parameters) from free parameters (draws, n_free)."""
    fixed = np.array([row.value for row in table.rows])
    values = np.where(table.free >= 0, x[:, table.free], fixed)
    defined = evaluate_defined(table.defined, {label: values[:, i] for label, i in table.labels().items()})
    return np.hstack([values, np.reshape(defined, (len(table.defined), len(x))).T])


def refits(fit: ModelFit, draws: Sequence[tuple[Sample, ...]]) -> list[np.ndarray | None]:
    """Free parameters of the model fitted to other samples, None without convergence: together where that is possible,
    one by one otherwise."""
    objective, table = fit.objective, fit.table
    together = objective.criterion == "ML" and not table.exogenous and table.specified is None
    if not (together and all(sample.complete for sample in fit.samples)):
        return [refit(fit, samples) for samples in draws]
    total = np.array([sum(sample.n for sample in samples) for samples in draws])
    stacks = [
        Stack(
            np.array([sample.mean for sample in group]),
            np.array([sample.cov for sample in group]),
            np.array([sample.n for sample in group]) / total,
        )
        for group in zip(*draws, strict=True)
    ]
    x, converged = fit_many(objective.blocks, stacks, fit.x, table.mapping, objective.means)
    return [one if fine else refit(fit, samples) for one, fine, samples in zip(x, converged, draws, strict=True)]


def refit(fit: ModelFit, samples: Sequence[Sample]) -> np.ndarray | None:
    """Free parameters of the model fitted to other samples, from the fit's own; None without convergence."""
    table = fit.table.specified or fit.table
    if fit.objective.criterion != "ML":
        samples = [unbiased(sample) for sample in samples]
    objective = replace(fit.objective, samples=samples)
    if table.exogenous:
        samples = [_with_saturated(sample) for sample in samples]
        blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
        objective = replace(objective, samples=samples, blocks=blocks)
    try:
        _, optimum = solve(table, objective, fit.x)
    except np.linalg.LinAlgError:
        return None
    return optimum.evaluation.x if optimum.converged else None


def _with_saturated(sample: Sample) -> Sample:
    if sample.complete:
        return sample
    mean, cov = saturated_moments(sample.mask, sample.pattern_n, sample.pattern_mean, sample.pattern_cov)
    return replace(sample, mean=mean, cov=cov)


def resampled(sample: Sample, counts: np.ndarray) -> list[Sample]:
    """Samples in which respondent i of n occurs ``counts[b, i]`` times (B × n), from one product per pattern."""
    weights = counts.astype(float) if sample.weights is None else counts * sample.weights
    p = len(sample.cov)
    shape = (len(weights), len(sample.mask))
    total, means, covs = np.zeros(shape), np.zeros((*shape, p)), np.zeros((*shape, p, p))
    i, j = np.tril_indices(p)
    for k, mask in enumerate(sample.mask):
        own = sample.pattern_of == k
        y = np.where(mask, sample.rows[own] - sample.mean, 0.0)
        sums = weights[:, own] @ np.hstack([np.ones((len(y), 1)), y, y[:, i] * y[:, j]])
        total[:, k] = sums[:, 0]
        average = sums[:, 1:] / np.maximum(sums[:, :1], 1e-300)
        means[:, k] = average[:, :p]
        covs[:, k, i, j] = covs[:, k, j, i] = average[:, p:] - means[:, k][:, i] * means[:, k][:, j]
        means[:, k] += mask * sample.mean
    first = zip(weights.sum(1), total, means, covs, strict=True)
    return [
        Sample(sample.label, float(n), mean[0], cov[0], sample.mask, pattern_n, mean, cov)
        for n, pattern_n, mean, cov in first
    ]
