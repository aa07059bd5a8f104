"""Service consistency: how much of the variation lies between times, staff and places, and how much within them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.linalg.lapack import dpotrf, dtrtrs
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

from qa_lib.errors import NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns, real_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_RATIOS = (-17.0, 8.0)
"""Where log θ is searched for: beyond it a factor is nothing, or everything, and exp leaves the numbers' range."""


@dataclass(frozen=True, slots=True)
class Consistency(Result):
    """``table``: a row per factor and one for the residual; ``mean``: the grand mean."""

    table: pd.DataFrame
    mean: float
    converged: bool
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        facts = {"n": self.provenance.n, "method": "crossed random effects, REML", "mean": self.mean}
        within = self.table["share"].iloc[-1]
        return pd.DataFrame([facts | {"share_within": within, "converged": self.converged}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Shares of the variance with their intervals."""
        from qa_lib.operations.pictures import shares

        return shares(self.table, ax, labels)


class _Crossed:
    """Deviance of y = μ + Σ Z_k u_k + e from cross-products alone, in θ_k = σ_k/σ (Bates et al. 2015, eq. 34, 41)."""

    def __init__(self, y: np.ndarray, codes: Sequence[np.ndarray]) -> None:
        self.n, self.levels = len(y), [int(code.max()) + 1 for code in codes]
        self.sum, self.squares = y.sum(), y @ y
        self.of = np.repeat(np.arange(len(codes)), self.levels)
        starts = np.concatenate([[0], np.cumsum(self.levels)[:-1]])
        columns = [code + start for code, start in zip(codes, starts, strict=True)]
        q = sum(self.levels)
        self.zz = np.zeros((q, q))
        for a in columns:
            for b in columns:
                self.zz += np.bincount(a * q + b, minlength=q * q).reshape(q, q)
        self.zy1 = np.column_stack([sum(np.bincount(column, y, minlength=q) for column in columns), np.diag(self.zz)])

    def parts(self, theta: np.ndarray) -> tuple[float, float, float, float]:
        """log|L|², the fixed effect's precision, μ, and the penalised residual sum of squares."""
        scale = theta[self.of]
        root, _ = dpotrf(scale[:, None] * self.zz * scale + np.eye(len(scale)), lower=True)
        cy, c1 = dtrtrs(root, scale[:, None] * self.zy1, lower=True)[0].T
        precision = self.n - c1 @ c1
        mu = (self.sum - c1 @ cy) / precision
        return 2 * np.log(np.diag(root)).sum(), precision, mu, self.squares - cy @ cy - mu**2 * precision

    def reml(self, theta: np.ndarray) -> float:
        determinant, precision, _, rss = self.parts(theta)
        return determinant + np.log(precision) + (self.n - 1) * np.log(rss)

    def ml(self, theta: np.ndarray) -> float:
        determinant, _, _, rss = self.parts(theta)
        return determinant + self.n * np.log(rss / self.n) + self.n

    def ml_given(self, theta: np.ndarray, place: int, sd: float) -> float:
        """ML deviance where factor ``place`` has the standard deviation ``sd``, so that σ = sd/θ."""
        determinant, _, _, rss = self.parts(theta)
        variance = (sd / theta[place]) ** 2
        return determinant + self.n * np.log(variance) + rss / variance


def consistency(records: pd.DataFrame, value: str, factors: Sequence[str], conf_level: float = 0.95) -> Consistency:
    """Variance components of ``value`` between the levels of every factor (times, staff, places), crossed or nested.

    A service is consistent when little of the variation lies between them. REML estimates of
    y = μ + Σ u_k + e, as R's ``lmer(y ~ 1 + (1 | a) + (1 | b))`` (Bates, Mächler, Bolker and Walker 2015,
    doi:10.18637/jss.v067.i01); intervals by the profile likelihood (ML deviance), as its ``confint``, for standard
    deviations and, in the same way, for shares of the variance. ``qa.kpi_cases`` gives records with their period.

    ``tidy()``: term (factor, then ``residual``), estimate (standard deviation, in the unit of the value), conf_low,
    conf_high, variance, share (of the total variance), share_low, share_high, levels.
    Raises ``ResponseError`` for absent columns, values that are not numbers, and a factor with fewer than two levels.

    >>> records = pd.DataFrame({"agent": list("aabbcc") * 4, "csat": [5, 4, 3, 2, 4, 4] * 4})
    >>> consistency(records, "csat", ["agent"]).tidy()[["term", "levels"]].values.tolist()
    [['agent', 3], ['residual', 24]]
    """
    y, codes = _arrays(records, value, factors)
    mean, unit, k = y.mean(), y.std(), len(factors)
    model = _Crossed((y - mean) / unit, codes)
    theta, converged = _minimum(model.reml, np.full(k, 0.3))
    if not converged:
        warnings.warn(
            "consistency: REML did not converge; its components must not be used.", NotConvergedWarning, stacklevel=2
        )
    _, _, mu, rss = model.parts(theta)
    variance = np.append(theta**2, 1.0) * rss / (model.n - 1)
    best, _ = _minimum(model.ml, np.maximum(theta, 0.05))
    lowest, drop = model.ml(best), chi2.ppf(conf_level, 1)
    sds = [_sd_bounds(model, place, best, lowest + drop) for place in range(k)] + [(np.nan, np.nan)]
    shares = [_share_bounds(model, place, best, lowest + drop) for place in range(k)] + [(np.nan, np.nan)]
    table = pd.DataFrame(
        {
            "term": [*factors, "residual"],
            "estimate": unit * np.sqrt(variance),
            "conf_low": [unit * low for low, _ in sds],
            "conf_high": [unit * high for _, high in sds],
            "variance": unit**2 * variance,
            "share": variance / variance.sum(),
            "share_low": [low for low, _ in shares],
            "share_high": [high for _, high in shares],
            "levels": [*model.levels, model.n],
        }
    )
    settings = {"value": value, "factors": list(factors), "conf_level": conf_level}
    return Consistency(table, float(mean + unit * mu), converged, Provenance("consistency", model.n, settings))


def _arrays(records: pd.DataFrame, value: str, factors: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values (n,) and the codes of every factor (n,), of the records that have all of them."""
    if not factors:
        raise ResponseError("consistency: name a factor, such as the column of agents, branches or periods.")
    check_columns(records, value, *factors, what="consistency")
    y = real_numbers(pd.to_numeric(records[value], errors="coerce"), "consistency")[:, 0]
    if not np.isfinite(y).any():
        raise ResponseError(f"consistency: {value!r} holds no numbers.")
    names = [records[factor].astype("string").replace("", pd.NA) for factor in factors]
    known = np.isfinite(y) & np.all([name.notna() for name in names], axis=0)
    codes = [pd.factorize(name[known], sort=True)[0] for name in names]
    for factor, code in zip(factors, codes, strict=True):
        if len(code) == 0 or not 1 < code.max() + 1 < len(code):
            raise ResponseError(f"consistency: {factor!r} needs two levels or more, and fewer than there are records.")
    if not y[known].std() > 1e-13 * np.abs(y[known]).max():
        raise ResponseError(f"consistency: {value!r} does not vary.")
    return y[known], codes


def _minimum(deviance: Callable[[np.ndarray], float], start: np.ndarray) -> tuple[np.ndarray, bool]:
    """θ ≥ 0 of least deviance: a bounded quasi-Newton search, then a simplex that settles the last digits."""
    bounds = [(0, None)] * len(start)
    first = minimize(deviance, start, method="L-BFGS-B", bounds=bounds)
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 500 * len(start)}
    last = minimize(deviance, first.x, method="Nelder-Mead", bounds=bounds, options=options)
    return last.x, bool(last.success)


def _sd_bounds(model: _Crossed, place: int, best: np.ndarray, level: float) -> tuple[float, float]:
    """Standard deviations of a factor at which the profiled deviance passes ``level``; 0 where it never does."""
    sigma = np.sqrt(model.parts(best)[3] / model.n)

    def above(sd: float) -> float:
        if sd == 0:
            return _without(model, place, best) - level
        start = np.where(np.arange(len(best)) == place, np.log(sd / sigma), np.log(np.maximum(best, 1e-3)))
        found = minimize(
            lambda log: model.ml_given(np.exp(log), place, sd),
            np.clip(start, *LOG_RATIOS),
            method="L-BFGS-B",
            bounds=[LOG_RATIOS] * len(best),
            options={"ftol": 1e-12, "gtol": 1e-5},
        )
        return found.fun - level

    return _crossings(above, best[place] * sigma, sigma, np.inf)


def _share_bounds(model: _Crossed, place: int, best: np.ndarray, level: float) -> tuple[float, float]:
    """Shares of the variance at which the profiled deviance passes ``level``."""
    others = np.delete(best, place)

    def above(share: float) -> float:
        if share == 0:
            return _without(model, place, best) - level

        def deviance(rest: np.ndarray) -> float:
            own = np.sqrt(share / (1 - share) * (1 + rest @ rest))
            return model.ml(np.insert(rest, place, own))

        if not len(others):
            return deviance(others) - level
        found = minimize(deviance, others, method="L-BFGS-B", bounds=[(0, None)] * len(others))
        return found.fun - level

    return _crossings(above, best[place] ** 2 / (1 + best @ best), 0.05, 1 - 1e-9)


def _without(model: _Crossed, place: int, best: np.ndarray) -> float:
    """Least ML deviance when the factor does not matter."""
    rest = np.delete(best, place)

    def deviance(theta: np.ndarray) -> float:
        return model.ml(np.insert(theta, place, 0.0))

    return deviance(rest) if not len(rest) else deviance(_minimum(deviance, np.maximum(rest, 0.05))[0])


def _crossings(above: Callable[[float], float], estimate: float, step: float, limit: float) -> tuple[float, float]:
    """Where a function that is negative at the estimate crosses zero below (or 0) and above it (or the limit)."""
    estimate = max(estimate, 1e-6)
    low = 0.0 if above(0.0) < 0 else brentq(above, 1e-7, estimate, xtol=1e-6, rtol=1e-5)
    high = estimate + step
    while above(min(high, limit)) < 0 and high < limit:
        high += (step := 2 * step)
    return float(low), float(brentq(above, estimate, min(high, limit), xtol=1e-6, rtol=1e-5))
