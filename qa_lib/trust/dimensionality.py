"""May the items be factored: KMO, Bartlett's test, determinant; and the correlations that factors are sought in."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.criteria import Criteria
from qa_lib.errors import InadmissibleWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Moments, as_moments
from qa_lib.sufficient.ordinal import polychoric

Basis = Literal["pearson", "polychoric"]
SINGULAR = 1e-10


def basis_correlation(moments: Moments, correlation: Basis) -> pd.DataFrame:
    """The correlation matrix factors are sought in; ResponseError for constant items and pairs never observed."""
    if correlation not in ("pearson", "polychoric"):
        raise ResponseError(f"correlation is {correlation!r}; allowed are 'pearson' and 'polychoric'.")
    constant = [item for item, v in zip(moments.items, np.diag(moments.cov), strict=True) if not v > 1e-12]
    if constant:
        raise ResponseError(f"{', '.join(constant)} never varies: leave it out to analyse factors.")
    found = moments if correlation == "pearson" else polychoric(moments)
    matrix = found.correlation
    if matrix.isna().to_numpy().any():
        raise ResponseError("Some pairs of items were never answered by the same respondents.")
    return matrix


def kmo(corr: np.ndarray) -> tuple[float, np.ndarray]:
    """Measure of sampling adequacy, overall and per item (p,) (Kaiser and Rice 1974, eq. 1 and 2).

    >>> kmo(np.array([[1, .5, .5], [.5, 1, .5], [.5, .5, 1]]))[0].round(4)
    np.float64(0.6923)
    """
    inverse = np.linalg.inv(corr)
    scale = np.sqrt(np.diag(inverse))
    partial = inverse / np.outer(scale, scale)
    r2, q2 = (np.where(np.eye(len(corr), dtype=bool), 0, matrix**2) for matrix in (corr, partial))
    return r2.sum() / (r2.sum() + q2.sum()), r2.sum(0) / (r2.sum(0) + q2.sum(0))


def bartlett_sphericity(corr: np.ndarray, n: float) -> tuple[float, int, float]:
    """Chi-square, degrees of freedom and p-value of the test that all correlations are zero (Bartlett 1951, eq. 1)."""
    p = len(corr)
    statistic = -(n - 1 - (2 * p + 5) / 6) * np.linalg.slogdet(corr)[1]
    df = p * (p - 1) // 2
    return float(statistic), df, float(chi2.sf(statistic, df))


@dataclass(frozen=True, slots=True)
class Factorability(Result):
    """``table``: KMO per item; overall KMO, Bartlett's test and the determinant in ``glance()``."""

    table: pd.DataFrame
    kmo: float
    chisq: float
    df: int
    p_value: float
    determinant: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        row = {"n": self.provenance.n, "kmo": self.kmo, "chisq": self.chisq, "df": self.df, "p_value": self.p_value}
        return pd.DataFrame([row | {"determinant": self.determinant, "admissible": bool(np.isfinite(self.kmo))}])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """KMO of every item, the lowest first, and the threshold to be reached."""
        from qa_lib.models.pictures import intervals

        words = {"kmo": "KMO"} | dict(labels or {})
        rows = self.table.sort_values("estimate").assign(series="", conf_low=np.nan, conf_high=np.nan)
        ax = intervals(rows.assign(name=rows["item"]), ax, words, words["kmo"])
        ax.axvline(Criteria.default().by_measure["kmo"].threshold, color="0.4", linewidth=1, linestyle="--")
        return ax


def factorability(
    data: Any, items: Sequence[str] | None = None, correlation: Basis = "pearson", weights: Any = None
) -> Factorability:
    """Whether the correlations allow factors: KMO, Bartlett's test of sphericity, determinant.

    data : DataFrame, Moments or (covariance, n). Under weights n is the effective sample size. With missing cells the
    correlations are pairwise and n counts all respondents.
    A singular matrix has no KMO: it is NaN, with an InadmissibleWarning. Raises ResponseError for constant items.

    >>> corr = pd.DataFrame(.5 * np.eye(3) + .5, index=list("abc"), columns=list("abc"))
    >>> factorability((corr, 100)).glance()[["kmo", "chisq", "df", "determinant"]].round(3).to_dict("records")
    [{'kmo': 0.692, 'chisq': 67.351, 'df': 3, 'determinant': 0.5}]
    """
    moments = as_moments(data, items, weights)
    corr = basis_correlation(moments, correlation).to_numpy()
    p = len(corr)
    overall, per_item, test = np.nan, np.full(p, np.nan), (np.nan, p * (p - 1) // 2, np.nan)
    if np.linalg.eigvalsh(corr)[0] > SINGULAR:
        overall, per_item = kmo(corr)
        test = bartlett_sphericity(corr, moments.effective_n)
    else:
        message = "The correlation matrix is singular or not positive definite: there is no KMO and no Bartlett test."
        warnings.warn(message, InadmissibleWarning, stacklevel=2)
    table = pd.DataFrame({"term": "kmo", "item": moments.items, "estimate": per_item})
    settings = {"correlation": correlation, "n_rows": moments.n_rows}
    determinant = float(np.linalg.det(corr))
    return Factorability(
        table, float(overall), *test, determinant, Provenance("factorability", moments.effective_n, settings)
    )
