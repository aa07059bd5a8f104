"""Exploratory factor analysis: loadings, factor correlations, how well they fit and how sure they are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Moments, as_moments
from qa_lib.trust.dimensionality import SINGULAR, Basis, Factorability, basis_correlation, factorability
from qa_lib.trust.retention import ParallelAnalysis, parallel_analysis
from qa_lib.trust.structure.extraction import Extraction, Method, extract
from qa_lib.trust.structure.factor_bootstrap import Resampled, resample_factors, resampled_correlations
from qa_lib.trust.structure.factor_measures import (
    ScoreMethod,
    complexity,
    degrees_of_freedom,
    fit_measures,
    score_weights,
    variance_explained,
)
from qa_lib.trust.structure.rotation import Rotation, rotate

__all__ = ["FactorSolution", "Factorability", "ParallelAnalysis", "efa", "factorability", "parallel_analysis"]
FEWEST_RESAMPLES = 0.9


@dataclass(frozen=True, slots=True)
class FactorSolution(Result):
    """Factors by falling sum of squares explained, each signed so that its loadings sum to a positive number.

    loadings : pattern, items × factors. factor_correlations : factors × factors. uniqueness : per item, what the
    factors leave, 1 - communality (below zero only where a Heywood case is warned of). correlation : items × items,
    what was analysed. mean, sd : of the items, for scores. resampled : bootstrap draws, or None.
    """

    loadings: pd.DataFrame
    factor_correlations: pd.DataFrame
    uniqueness: pd.Series
    correlation: pd.DataFrame
    measures: Mapping[str, Any]
    mean: pd.Series
    sd: pd.Series
    resampled: Resampled | None
    conf_level: float
    provenance: Provenance

    @property
    def communality(self) -> pd.Series:
        return 1 - self.uniqueness

    @property
    def complexity(self) -> pd.Series:
        """How many factors each item needs (Hofmann 1978)."""
        return pd.Series(complexity(self.loadings.to_numpy()), self.loadings.index)

    @property
    def structure(self) -> pd.DataFrame:
        """Correlations of items with factors, ΛΦ."""
        return self.loadings @ self.factor_correlations

    @property
    def implied(self) -> pd.DataFrame:
        """The correlations the factors imply, ΛΦΛ' + Ψ: items × items, its diagonal one."""
        return self.structure @ self.loadings.T + np.diag(self.uniqueness)

    @property
    def variance(self) -> pd.DataFrame:
        """Variance explained: ss_loadings, proportion, cumulative, share, cumulative_share × factors."""
        return variance_explained(self.loadings, self.factor_correlations)

    def tidy(self) -> pd.DataFrame:
        """A row per loading, factor correlation, communality and complexity.

        Columns: term, item, factor, lhs, op, rhs, estimate, std_error, conf_low, conf_high. Errors and percentile
        intervals are the bootstrap's (``efa(..., n_boot=…)``); without it they are NaN.
        """
        items, factors = list(self.loadings.index), list(self.loadings.columns)
        pairs = [(i, j) for i in range(len(factors)) for j in range(i)]
        rows = [
            {"term": "loading", "item": item, "factor": factor, "lhs": factor, "op": "=~", "rhs": item}
            for factor in factors
            for item in items
        ]
        rows += [{"term": "factor_correlation", "lhs": factors[j], "op": "~~", "rhs": factors[i]} for i, j in pairs]
        rows += [{"term": name, "item": item} for name in ("communality", "complexity") for item in items]
        table = pd.DataFrame(rows, columns=["term", "item", "factor", "lhs", "op", "rhs"])
        table["estimate"] = _estimates(self.loadings.to_numpy()[None], self.factor_correlations.to_numpy()[None])[0]
        table[["std_error", "conf_low", "conf_high"]] = np.nan
        if self.resampled is not None:
            draws, tail = _estimates(self.resampled.loadings, self.resampled.phi), (1 - self.conf_level) / 2
            table["std_error"] = draws.std(0, ddof=1)
            table["conf_low"], table["conf_high"] = np.quantile(draws, [tail, 1 - tail], axis=0)
        return table

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame([{"n": self.provenance.n, **self.measures}])

    def score_weights(self, method: ScoreMethod = "regression") -> pd.DataFrame:
        """Weights of the standardised items in the scores, items × factors."""
        if method not in get_args(ScoreMethod):
            raise ModelError(f"The score method is {method!r}; allowed are {', '.join(get_args(ScoreMethod))}.")
        corr, loadings, phi = (m.to_numpy() for m in (self.correlation, self.loadings, self.factor_correlations))
        weights = score_weights(corr, loadings, phi, method)
        return pd.DataFrame(weights, index=self.loadings.index, columns=self.loadings.columns)

    @property
    def score_determinacy(self) -> pd.Series:
        """Correlation of the best (regression) scores with the factors they stand for (Grice 2001, eq. 4)."""
        return np.sqrt((self.score_weights() * self.structure).sum())

    def scores(self, data: pd.DataFrame, method: ScoreMethod = "regression") -> pd.DataFrame:
        """Factor scores, respondents × factors; NaN for respondents with a missing item.

        Items are standardised by the mean and sd of the data analysed, so that other respondents' scores compare.
        method : regression (Thurstone), bartlett or ten_berge, see :func:`score_weights`. Raises ResponseError when an
        item is absent, or when the factors came from a covariance matrix, which has no means.
        """
        items = list(self.loadings.index)
        if absent := [item for item in items if item not in data.columns]:
            raise ResponseError(f"Scores need the items {absent}, which the data do not hold.")
        if self.mean.isna().any():
            raise ResponseError("The factors come from a covariance matrix without means: analyse data to score them.")
        z = (data[items] - self.mean) / self.sd
        values = z.to_numpy(dtype=float, na_value=np.nan) @ self.score_weights(method).to_numpy()
        return pd.DataFrame(values, index=data.index, columns=self.loadings.columns)

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Heat map of the loadings. labels : words to show for items and factors."""
        from qa_lib.trust.pictures import heat_map

        return heat_map(self.loadings, ax, labels)


def _estimates(loadings: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """What ``tidy`` tells of each solution (s, p, k), (s, k, k): loadings, correlations, communality, complexity."""
    lower = np.tril_indices(phi.shape[-1], -1)
    communality = ((loadings @ phi) * loadings).sum(-1)
    parts = [np.swapaxes(loadings, 1, 2).reshape(len(loadings), -1), phi[:, *lower], communality]
    return np.hstack([*parts, complexity(loadings)])


def efa(
    data: Any,
    n_factors: int,
    method: Method = "minres",
    rotation: Rotation = "oblimin",
    correlation: Basis = "pearson",
    items: Sequence[str] | None = None,
    weights: Any = None,
    n_starts: int = 10,
    n_boot: int = 0,
    conf_level: float = 0.95,
    seed: int = 1,
) -> FactorSolution:
    """Exploratory factor analysis of a DataFrame, Moments or (covariance, n); missing cells pairwise.

    method : minres, ml or principal_axis. rotation : none, varimax, promax, oblimin or geomin, the best of ``n_starts``
    starts. n_boot : bootstrap resamples for intervals of loadings and factor correlations (of respondents; from
    moments, of normal samples). Both are seeded. Under weights n is the effective sample size.

    Extraction and rotation are brought to their minimum, where psych::fa stops within some 1e-5 of it.

    Warns InadmissibleWarning of Heywood cases and NotConvergedWarning. Raises ModelError for an unknown method or
    rotation, too many factors (so two items have none), factors that explain nothing, or a singular matrix;
    ResponseError for constant items.

    >>> load = np.array([.8, .7, .6, .5])
    >>> corr = pd.DataFrame(np.outer(load, load) + np.diag(1 - load**2), index=list("abcd"), columns=list("abcd"))
    >>> efa((corr, 100), 1).loadings["F1"].round(3).to_list()
    [0.8, 0.7, 0.6, 0.5]
    """
    for name, value, kind in (("method", method, Method), ("rotation", rotation, Rotation)):
        if value not in get_args(kind):
            raise ModelError(f"{name} is {value!r}; allowed are {', '.join(get_args(kind))}.")
    if n_starts < 1 or n_boot < 0:
        raise ModelError(f"n_starts is {n_starts} and n_boot {n_boot}; at least 1 and 0 are needed.")
    moments = as_moments(data, items, weights)
    matrix = basis_correlation(moments, correlation)
    corr = matrix.to_numpy()
    _check(corr, n_factors)
    found = extract(corr, n_factors, method)
    _check_rank(found.loadings)
    rotated = rotate(found.loadings, rotation, n_starts, seed)
    measures = {"method": method, "rotation": rotation, "correlation": correlation, "n_factors": n_factors}
    measures |= _warned(found, bool(rotated.converged), moments)
    measures |= fit_measures(corr, found.loadings @ found.loadings.T, moments.effective_n, n_factors)
    resampled = None
    if n_boot:
        blocks = resampled_correlations(data, moments, corr, correlation == "polychoric", weights, n_boot, seed)
        resampled = resample_factors(blocks, found.loadings, rotated, method, rotation)
        measures["n_boot"] = _enough(len(resampled.loadings), n_boot)
    factors = [f"F{i}" for i in range(1, n_factors + 1)]
    return FactorSolution(
        pd.DataFrame(rotated.loadings, index=moments.items, columns=factors),
        pd.DataFrame(rotated.phi, index=factors, columns=factors),
        pd.Series(found.uniqueness, index=moments.items),
        matrix,
        measures,
        moments.mean,
        moments.sd,
        resampled,
        conf_level,
        Provenance("efa", moments.effective_n, {"seed": seed, "n_starts": n_starts, "n_boot": n_boot}),
    )


def _check(corr: np.ndarray, n_factors: int) -> None:
    p = len(corr)
    if n_factors < 1 or degrees_of_freedom(p, n_factors) < 0:
        raise ModelError(
            f"{n_factors} factors cannot be identified from {p} items: one factor needs three items, two need five."
        )
    if np.linalg.eigvalsh(corr)[0] <= SINGULAR:
        raise ModelError(
            "The correlation matrix is singular or not positive definite: leave out items that others determine, or "
            "that few respondents answered together."
        )


def _check_rank(loadings: np.ndarray) -> None:
    k, real = loadings.shape[1], int(((loadings**2).sum(0) > 1e-8).sum())
    if real < k:
        raise ModelError(
            f"Only {real} of {k} factors explain anything: the items have no more in common. Ask for fewer."
        )


def _warned(found: Extraction, rotation_converged: bool, moments: Moments) -> dict[str, bool]:
    """Whether the solution converged and is admissible, with the warnings that say so."""
    converged = bool(found.converged) and rotation_converged
    if not converged:
        stage = "rotation" if found.converged else "extraction"
        warnings.warn(f"The factor analysis's {stage} did not converge.", NotConvergedWarning, stacklevel=3)
    if found.heywood.any():
        names = ", ".join(np.array(moments.items)[found.heywood])
        warnings.warn(f"Heywood case: no unique variance is left of {names}.", InadmissibleWarning, stacklevel=3)
    return {"converged": converged, "admissible": not bool(found.heywood.any())}


def _enough(used: int, n_boot: int) -> int:
    if used < FEWEST_RESAMPLES * n_boot:
        message = f"Only {used} of {n_boot} resamples could be analysed: the intervals may be too narrow."
        warnings.warn(message, NotConvergedWarning, stacklevel=3)
    return used
