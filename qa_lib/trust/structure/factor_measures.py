"""How well factors fit, how simple they are, how much they explain, and the weights that score them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.models.indices import rmsea_interval
from qa_lib.trust.structure.extraction import LOWEST_UNIQUENESS
from qa_lib.trust.structure.rotation import explained

ScoreMethod = Literal["regression", "bartlett", "ten_berge"]


def degrees_of_freedom(p: int, k: int) -> int:
    """Correlations less free loadings, ((p - k)² - p - k) / 2 (Lawley and Maxwell 1971, p. 35)."""
    return ((p - k) ** 2 - p - k) // 2


def fit_measures(corr: np.ndarray, common: np.ndarray, n: float, k: int) -> dict[str, float]:
    """RMSR, chi-square with Bartlett's (1950) correction, TLI, RMSEA with its 90 % interval and BIC, as psych's fa.

    common : ΛΦΛ' (p, p); the model's diagonal is one. RMSEA is √max(χ²/(df·n) - 1/(n - 1), 0), with n where its
    interval (Browne and Cudeck 1992) has n - 1, as in psych. TLI: Tucker and Lewis (1973, eq. 16).
    """
    p = len(corr)
    residual = (corr - common)[np.triu_indices(p, 1)]
    implied = common + np.diag(np.maximum(1 - np.diag(common), LOWEST_UNIQUENESS))
    ratio = np.linalg.solve(implied, corr)
    df, correction = degrees_of_freedom(p, k), n - 1 - (2 * p + 5) / 6 - 2 * k / 3
    chisq = max(correction * (np.trace(ratio) - np.linalg.slogdet(ratio)[1] - p), 0.0)
    measures = {"rmsr": float(np.sqrt((residual**2).mean())), "chisq": float(chisq), "df": df}
    if df == 0:
        return measures | dict.fromkeys(["p_value", "tli", "rmsea", "rmsea_low", "rmsea_high", "bic"], np.nan)
    null_ratio = -correction * np.linalg.slogdet(corr)[1] / (p * (p - 1) / 2)
    low, high = rmsea_interval(chisq, df, n - 1)
    return measures | {
        "p_value": float(chi2.sf(chisq, df)),
        "tli": float((null_ratio - chisq / df) / (null_ratio - 1)),
        "rmsea": float(np.sqrt(max(chisq / (df * n) - 1 / (n - 1), 0))),
        "rmsea_low": low,
        "rmsea_high": high,
        "bic": float(chisq - df * np.log(n)),
    }


def complexity(loadings: np.ndarray) -> np.ndarray:
    """How many factors each item needs (…, p), from loadings (…, p, k): (Σλ²)² / Σλ⁴.

    Hofmann (1978), doi:10.1207/s15327906mbr1302_9.

    >>> complexity(np.array([[.7, 0], [.5, .5]]))
    array([1., 2.])
    """
    squares = loadings**2
    with np.errstate(invalid="ignore"):
        return squares.sum(-1) ** 2 / (squares**2).sum(-1)


def variance_explained(loadings: pd.DataFrame, phi: pd.DataFrame) -> pd.DataFrame:
    """Rows ss_loadings, proportion, cumulative (of items' variance), share, cumulative_share (of what is common)."""
    sums = explained(loadings.to_numpy(), phi.to_numpy())
    proportion, share = sums / len(loadings), sums / sums.sum()
    rows = {"ss_loadings": sums, "proportion": proportion, "cumulative": proportion.cumsum()}
    rows |= {"share": share, "cumulative_share": share.cumsum()}
    return pd.DataFrame(rows, index=loadings.columns).T


def score_weights(corr: np.ndarray, loadings: np.ndarray, phi: np.ndarray, method: ScoreMethod) -> np.ndarray:
    """Weights (p, k) that turn standardised items into factor scores.

    regression: R⁻¹ΛΦ (Thurstone 1935; largest correlation with the factor); bartlett: Ψ⁻¹Λ(Λ'Ψ⁻¹Λ)⁻¹ (Bartlett 1937;
    unbiased); ten_berge: ten Berge, Krijnen, Wansbeek and Shapiro (1999, eq. 8; scores correlate as the factors do).
    """
    if method == "regression":
        return np.linalg.solve(corr, loadings @ phi)
    if method == "bartlett":
        uniqueness = 1 - np.einsum("ij,jk,ik->i", loadings, phi, loadings)
        scaled = loadings / np.maximum(uniqueness, LOWEST_UNIQUENESS)[:, None]
        return np.linalg.solve(loadings.T @ scaled, scaled.T).T
    root_phi, half = _power(phi, 0.5), _power(corr, -0.5)
    common = half @ loadings @ root_phi
    return half @ common @ _power(common.T @ common, -0.5) @ root_phi


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * values**exponent @ vectors.T
