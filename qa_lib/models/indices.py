"""Fit indices: one small function each, with its formula and source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import chndtr
from scipy.stats import ncx2


def cfi(
    chisq: float, df: float, baseline_chisq: float, baseline_df: float, c: float = 1.0, baseline_c: float = 1.0
) -> float:
    """Comparative fit index, Bentler (1990), doi:10.1037/0033-2909.107.2.238.

    With scaling factors ``c``, the robust version of Brosseau-Liard and Savalei (2014),
    doi:10.1080/00273171.2014.933697.

    >>> round(cfi(85.30552, 24, 918.8516, 36), 4)
    0.9306
    """
    misfit = max(chisq - c * df, 0.0)
    worst = max(misfit, baseline_chisq - baseline_c * baseline_df, 0.0)
    return 1.0 if worst == 0 else 1 - misfit / worst


def tli(
    chisq: float, df: float, baseline_chisq: float, baseline_df: float, c: float = 1.0, baseline_c: float = 1.0
) -> float:
    """Tucker–Lewis index, Tucker and Lewis (1973), doi:10.1007/BF02291170; 1 for a model without degrees of freedom.

    >>> round(tli(85.30552, 24, 918.8516, 36), 4)
    0.8958
    """
    if df <= 0 or baseline_df <= 0:
        return 1.0
    worst = baseline_chisq - baseline_c * baseline_df
    return 1 - (chisq - c * df) * baseline_df / (worst * df) if worst else 1.0


def rmsea(chisq: float, df: float, n: float, n_groups: int = 1, c: float = 1.0) -> float:
    """Root mean square error of approximation, Steiger (1990); times √groups, Steiger (1998).

    With a scaling factor ``c``: Brosseau-Liard, Savalei and Li (2012), doi:10.1080/00273171.2012.715252.

    >>> round(rmsea(85.30552, 24, 301), 4)
    0.0921
    """
    return 0.0 if df <= 0 else float(np.sqrt(max((chisq - c * df) / (n * df), 0.0) * n_groups))


def rmsea_interval(
    chisq: float, df: float, n: float, n_groups: int = 1, c: float = 1.0, level: float = 0.90
) -> tuple[float, float]:
    """Interval of the RMSEA from the noncentral chi-square, Browne and Cudeck (1992), doi:10.1177/0049124192021002005.

    >>> [round(bound, 3) for bound in rmsea_interval(85.30552, 24, 301)]
    [0.071, 0.114]
    """
    if df <= 0 or not (np.isfinite(chisq) and c > 0):
        return (0.0, 0.0) if df <= 0 else (np.nan, np.nan)
    statistic, tail = chisq / c, (1 - level) / 2
    noncentralities = (_noncentrality(statistic, df, 1 - tail), _noncentrality(statistic, df, tail))
    low, high = (float(np.sqrt(c * value * n_groups / (n * df))) for value in noncentralities)
    return low, high


def _noncentrality(statistic: float, df: float, probability: float) -> float:
    if statistic <= 0:  # a model that reproduces its moments, to rounding
        return 0.0

    def excess(value: float) -> float:
        return float(chndtr(statistic, df, value)) - probability

    if excess(1e-12) < 0:
        return 0.0
    upper = max(4 * statistic, 10.0)
    return brentq(excess, 1e-12, upper, xtol=1e-9, rtol=1e-13)


def rmsea_close(chisq: float, df: float, n: float, n_groups: int = 1, c: float = 1.0, h0: float = 0.05) -> float:
    """p of the test that the RMSEA is at most ``h0``, Browne and Cudeck (1992); ``c`` as for :func:`rmsea`."""
    if df <= 0:
        return np.nan
    statistic, noncentrality = chisq / c, n * df * h0**2 / (c * n_groups)
    if statistic < noncentrality:  # where the survival function of ncx2 overflows when the statistic is near zero
        return 1 - float(chndtr(statistic, df, noncentrality))
    return float(ncx2.sf(statistic, df, noncentrality))


def srmr(
    covs: Sequence[np.ndarray], implied: Sequence[np.ndarray], means, implied_means, sizes: Sequence[float]
) -> float:
    """Standardised root mean square residual, Bentler (1995): groups averaged by size, means in where given.

    covs, implied : per group (p, p). means, implied_means : per group (p,), or None.
    """
    values = []
    for g, (cov, model) in enumerate(zip(covs, implied, strict=True)):
        scale = np.sqrt(np.diag(cov))
        lower = np.tril_indices(len(cov))
        residuals = ((cov - model) / scale[:, None] / scale)[lower]
        if means is not None:
            residuals = np.concatenate([residuals, (means[g] - implied_means[g]) / scale])
        values.append(np.sqrt(np.mean(residuals**2)))
    return float(np.average(values, weights=sizes))
