"""Exploratory factor analysis: loadings, factor correlations, and how well they fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import as_moments
from qa_lib.trust.dimensionality import (
    SINGULAR,
    Basis,
    Factorability,
    ParallelAnalysis,
    basis_correlation,
    factorability,
    parallel_analysis,
)
from qa_lib.trust.extraction import Method, extract
from qa_lib.trust.rotation import Rotation, rotate

__all__ = ["FactorSolution", "Factorability", "ParallelAnalysis", "efa", "factorability", "parallel_analysis"]


@dataclass(frozen=True, slots=True)
class FactorSolution(Result):
    """``loadings`` (items × factors), ``factor_correlations`` (factors × factors), ``uniqueness`` (items)."""

    loadings: pd.DataFrame
    factor_correlations: pd.DataFrame
    uniqueness: pd.Series
    correlation: pd.DataFrame
    measures: Mapping[str, Any]
    mean: pd.Series
    sd: pd.Series
    provenance: Provenance

    @property
    def communality(self) -> pd.Series:
        return 1 - self.uniqueness

    def tidy(self) -> pd.DataFrame:
        """A row per item and factor: term (loading), item, factor, estimate."""
        table = self.loadings.rename_axis("item").reset_index().melt("item", var_name="factor", value_name="estimate")
        return table.assign(term="loading")[["term", "item", "factor", "estimate"]]

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame([{"n": self.provenance.n, **self.measures}])

    def scores(self, data: pd.DataFrame) -> pd.DataFrame:
        """Regression scores (Thurstone 1935), respondents × factors; NaN for respondents with a missing item."""
        structure = self.loadings.to_numpy() @ self.factor_correlations.to_numpy()
        weights = np.linalg.solve(self.correlation.to_numpy(), structure)
        z = (data[list(self.loadings.index)] - self.mean) / self.sd
        return pd.DataFrame(z.to_numpy(dtype=float) @ weights, index=data.index, columns=self.loadings.columns)

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Heat map of the loadings."""
        from qa_lib.trust.pictures import heat_map

        return heat_map(self.loadings, ax, labels)


def efa(
    data: Any,
    n_factors: int,
    method: Method = "minres",
    rotation: Rotation = "oblimin",
    correlation: Basis = "pearson",
    items: Sequence[str] | None = None,
    weights: Any = None,
    n_starts: int = 10,
    seed: int = 1,
) -> FactorSolution:
    """Exploratory factor analysis of a DataFrame, Moments or (covariance, n).

    Warns InadmissibleWarning of Heywood cases and NotConvergedWarning. Raises ModelError for an unknown method or
    rotation, too many factors or a singular matrix, ResponseError for constant items.

    >>> load = np.array([.8, .7, .6, .5])
    >>> corr = pd.DataFrame(np.outer(load, load) + np.diag(1 - load**2), index=list("abcd"), columns=list("abcd"))
    >>> efa((corr, 100), 1).loadings["F1"].round(3).to_list()
    [0.8, 0.7, 0.6, 0.5]
    """
    for name, value, kind in (("method", method, Method), ("rotation", rotation, Rotation)):
        if value not in get_args(kind):
            raise ModelError(f"{name} is {value!r}; allowed are {', '.join(get_args(kind))}.")
    moments = as_moments(data, items, weights)
    matrix = basis_correlation(data, moments, correlation, weights)
    corr, p = matrix.to_numpy(), len(matrix)
    df = ((p - n_factors) ** 2 - p - n_factors) // 2
    if n_factors < 1 or df < 0:
        raise ModelError(f"{n_factors} factors cannot be identified from {p} items.")
    if np.linalg.eigvalsh(corr)[0] <= SINGULAR:
        raise ModelError("The correlation matrix is singular: leave out items that others determine.")
    found = extract(corr, n_factors, method)
    rotated = rotate(found.loadings, rotation, n_starts, seed)
    converged = found.converged and rotated.converged
    if not converged:
        warnings.warn("The factor analysis did not converge.", NotConvergedWarning, stacklevel=2)
    if found.heywood.any():
        names = ", ".join(np.array(moments.items)[found.heywood])
        warnings.warn(f"Heywood case: no unique variance is left of {names}.", InadmissibleWarning, stacklevel=2)
    factors = [f"F{i}" for i in range(1, n_factors + 1)]
    measures = {"method": method, "rotation": rotation, "n_factors": n_factors, "converged": converged}
    measures |= {"admissible": not found.heywood.any()}
    measures |= fit_measures(corr, found.loadings @ found.loadings.T, found.uniqueness, moments.effective_n, n_factors)
    return FactorSolution(
        pd.DataFrame(rotated.loadings, index=moments.items, columns=factors),
        pd.DataFrame(rotated.phi, index=factors, columns=factors),
        pd.Series(found.uniqueness, index=moments.items),
        matrix,
        measures,
        moments.mean,
        moments.sd,
        Provenance("efa", moments.effective_n, {"correlation": correlation, "seed": seed, "n_starts": n_starts}),
    )


def fit_measures(corr: np.ndarray, common: np.ndarray, uniqueness: np.ndarray, n: float, k: int) -> dict[str, float]:
    """RMSR, chi-square with Bartlett's (1950) correction, TLI, RMSEA, BIC, as psych's fa has them."""
    p = len(corr)
    implied = common + np.diag(uniqueness)
    residual = (corr - implied)[np.triu_indices(p, 1)]
    discrepancy = np.trace(np.linalg.solve(implied, corr)) - np.linalg.slogdet(np.linalg.solve(implied, corr))[1] - p
    df, null_df = ((p - k) ** 2 - p - k) // 2, p * (p - 1) // 2
    chisq = (n - 1 - (2 * p + 5) / 6 - 2 * k / 3) * discrepancy
    null = -(n - 1 - (2 * p + 5) / 6 - 2 * k / 3) * np.linalg.slogdet(corr)[1]
    return {
        "rmsr": float(np.sqrt((residual**2).mean())),
        "chisq": float(chisq),
        "df": df,
        "p_value": float(chi2.sf(chisq, df)) if df else np.nan,
        "tli": float((null / null_df - chisq / df) / (null / null_df - 1)) if df else np.nan,
        "rmsea": float(np.sqrt(max(chisq - df, 0) / (df * (n - 1)))) if df else np.nan,
        "bic": float(chisq - df * np.log(n)),
    }
