"""Logit and ordinal logit by one engine: the proportional-odds model, of which logit is the case of two levels.

P(y > k | x) = Λ(α_k + x'β), k = 1 … K − 1, with α falling in k (McCullagh 1980, JRSS B 42, 109–142); MASS::polr's
thresholds are −α.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from warnings import warn

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from qa_lib.effects.dominance import membership
from qa_lib.errors import NotConvergedWarning

_MAX_ITER = 100


@dataclass(frozen=True, slots=True)
class CumulativeLogit:
    """A fitted model: params (K − 1 + p,), intercepts α first; scores (n, K − 1 + p), hessian of the log-likelihood."""

    params: np.ndarray
    log_likelihood: float
    scores: np.ndarray
    hessian: np.ndarray
    converged: bool

    def vcov(self, weights: np.ndarray, robust: bool, clusters: np.ndarray | None = None) -> np.ndarray:
        """Inverse information, or the sandwich (Huber 1967; R's sandwich) that heeds weights and misspecification; of
        the scores' sums over G clusters, times G ÷ (G − 1), as ``vcovCL`` (Liang and Zeger 1986,
        doi:10.1093/biomet/73.1.13). NaN where the likelihood is flat, as where a predictor separates the levels."""
        try:
            bread = np.linalg.inv(-self.hessian)
        except np.linalg.LinAlgError:
            return np.full_like(self.hessian, np.nan)
        if not robust:
            return bread
        weighted = weights[:, None] * self.scores
        if clusters is None:
            return bread @ (weighted.T @ weighted) @ bread
        sums = np.zeros((clusters.max() + 1, weighted.shape[1]))
        np.add.at(sums, clusters, weighted)
        return bread @ (sums.T @ sums) @ bread * len(sums) / (len(sums) - 1)


def fit_cumulative_logit(
    x: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray | None = None,
    max_iter: int = _MAX_ITER,
) -> CumulativeLogit:
    """Newton's method with halved steps.

    Parameters
    ----------
    x : (n, p); codes : (n,) levels 0 … K − 1, each present; weights : (n,)

    >>> fit = fit_cumulative_logit(np.array([[0.], [0], [1], [1]]), np.array([0, 1, 0, 1]), np.ones(4))
    >>> abs(fit.params).max() < 1e-9, round(fit.log_likelihood, 4)
    (np.True_, -2.7726)
    """
    n_cuts = int(codes.max())
    params = _start(codes, weights, n_cuts, x.shape[1]) if start is None else start
    value, scores, hessian = _derivatives(params, x, codes, weights, n_cuts)
    for _ in range(max_iter):
        gradient = weights @ scores
        step = np.linalg.lstsq(-hessian, gradient, rcond=None)[0]
        if gradient @ step < 1e-18 * max(1, abs(value)):
            return CumulativeLogit(params, value, scores, hessian, True)
        for _ in range(30):
            trial = _derivatives(params + step, x, codes, weights, n_cuts)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2
        params = params + step
        value, scores, hessian = trial
    separated = np.abs(params).max() > 30
    return CumulativeLogit(params, value, scores, hessian, not separated and _small(weights @ scores, value))


def _small(gradient: np.ndarray, value: float) -> bool:
    return bool(np.abs(gradient).max() < 1e-6 * max(1, abs(value)))


def _start(codes: np.ndarray, weights: np.ndarray, n_cuts: int, p: int) -> np.ndarray:
    above = 1 - np.cumsum(np.bincount(codes, weights, n_cuts + 1))[:-1] / weights.sum()
    return np.concatenate([np.log(above / (1 - above)), np.zeros(p)])


def _derivatives(params, x, codes, weights, n_cuts):
    """Log-likelihood, scores of each row and Hessian. P(y = k) = F(η_k-1) − F(η_k) with η_-1 = ∞ and η_K-1 = −∞."""
    alpha = np.concatenate([[np.inf], params[:n_cuts], [-np.inf]])
    slope = x @ params[n_cuts:]
    upper, lower = alpha[codes] + slope, alpha[codes + 1] + slope
    f_upper, f_lower = expit(upper), expit(lower)
    # differences of tails keep digits where both are near one
    p = np.where(lower > 0, expit(-lower) - expit(-upper), f_upper - f_lower)
    if (p <= 0).any():
        return -np.inf, None, None
    d_upper, d_lower = f_upper * (1 - f_upper), f_lower * (1 - f_lower)
    # d log p / d η: of both ends at once, and of each alone
    ends = np.column_stack([d_upper, -d_lower]) / p[:, None]
    curvature = np.column_stack([d_upper * (1 - 2 * f_upper), -d_lower * (1 - 2 * f_lower)]) / p[:, None]
    cuts = np.zeros((2, len(codes), n_cuts))
    rows = np.arange(len(codes))
    has_upper, has_lower = codes > 0, codes < n_cuts
    cuts[0, rows[has_upper], codes[has_upper] - 1] = 1
    cuts[1, rows[has_lower], codes[has_lower]] = 1
    upper_design, lower_design = (np.hstack([part, x]) for part in cuts)
    scores = ends[:, :1] * upper_design + ends[:, 1:] * lower_design
    hessian = (
        (upper_design * (weights * curvature[:, 0])[:, None]).T @ upper_design
        + (lower_design * (weights * curvature[:, 1])[:, None]).T @ lower_design
        - (scores * weights[:, None]).T @ scores
    )
    return float(weights @ np.log(p)), scores, hessian


def average_marginal_effects(
    params: np.ndarray, vcov: np.ndarray, x: np.ndarray, weights: np.ndarray, n_cuts: int, conf_level: float
) -> dict[str, np.ndarray]:
    """Average change in the probability of each level per unit of each predictor, with delta-method errors.

    Returns
    -------
    estimate, std_error, conf_low, conf_high : (p, K) each
    """
    share = weights / weights.sum()
    beta = params[n_cuts:]
    f = expit(params[:n_cuts] + (x @ beta)[:, None])
    density = f * (1 - f)
    mean_density = np.pad(share @ density, 1)
    estimate = beta[:, None] * (mean_density[:-1] - mean_density[1:])
    change = density * (1 - 2 * f)
    # derivative of each cut's mean density by all parameters: (K + 1, K − 1 + p), nothing beyond the outer levels
    by_params = np.zeros((n_cuts + 2, len(params)))
    by_params[1:-1, :n_cuts] = np.diag(share @ change)
    by_params[1:-1, n_cuts:] = (change * share[:, None]).T @ x
    jacobian = beta[:, None, None] * (by_params[:-1] - by_params[1:])[None]
    for k in range(len(beta)):
        jacobian[k, :, n_cuts + k] += mean_density[:-1] - mean_density[1:]
    error = root_of_variance(np.einsum("kla,ab,klb->kl", jacobian, vcov, jacobian))
    half = stats.norm.ppf((1 + conf_level) / 2) * error
    return {"estimate": estimate, "std_error": error, "conf_low": estimate - half, "conf_high": estimate + half}


def root_of_variance(variance: np.ndarray) -> np.ndarray:
    """Standard errors; NaN where a likelihood that is nearly flat leaves a variance below zero."""
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def effects_table(predictors, levels: np.ndarray, effects: dict[str, np.ndarray]) -> pd.DataFrame:
    statistic = effects["estimate"] / effects["std_error"]
    columns = {key: value.ravel() for key, value in effects.items()}
    columns |= {"statistic": statistic.ravel(), "p_value": 2 * stats.norm.sf(np.abs(statistic)).ravel()}
    order = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    terms = {"term": np.repeat(list(predictors), len(levels)), "level": np.tile(levels, len(predictors))}
    return pd.DataFrame(terms | {key: columns[key] for key in order})


def null_log_likelihood(codes: np.ndarray, weights: np.ndarray) -> float:
    counts = np.bincount(codes, weights)
    return float(counts[counts > 0] @ np.log(counts[counts > 0] / weights.sum()))


def tjur(params: np.ndarray, x: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Mean fitted probability of the ones less that of the zeros (Tjur 2009, doi:10.1198/tast.2009.08210)."""
    fitted = expit(params[0] + x @ params[1:])
    ones = codes == 1
    return float(np.average(fitted[ones], weights=weights[ones]) - np.average(fitted[~ones], weights=weights[~ones]))


def subset_fits(
    x: np.ndarray, codes: np.ndarray, weights: np.ndarray, starts: list[np.ndarray] | None = None, max_iter=_MAX_ITER
) -> Iterator[tuple[np.ndarray, CumulativeLogit]]:
    """The model of every subset of the predictors but the empty one, in the order of ``dominance``."""
    for number, columns in enumerate(membership(x.shape[1])[1:]):
        start = None if starts is None else starts[number]
        yield columns, fit_cumulative_logit(x[:, columns], codes, weights, start, max_iter)


def subset_pseudo_r_squared(
    x: np.ndarray, codes: np.ndarray, weights: np.ndarray, starts: list[np.ndarray] | None = None, max_iter=_MAX_ITER
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """McFadden's R² (1974), and Tjur's of a binary outcome, of every subset, each (2^p,); and the fitted parameters."""
    null = null_log_likelihood(codes, weights)
    binary = codes.max() == 1
    mcfadden, discrimination, params = [0.0], [0.0], []
    for columns, fit in subset_fits(x, codes, weights, starts, max_iter):
        mcfadden.append(1 - fit.log_likelihood / null)
        params.append(fit.params)
        if binary:
            discrimination.append(tjur(fit.params, x[:, columns], codes, weights))
    found = {"mcfadden": np.array(mcfadden)}
    return found | ({"tjur": np.array(discrimination)} if binary else {}), params


def warn_unless_converged(fit: CumulativeLogit, outcome: str) -> None:
    if not fit.converged:
        warn(
            f"the logit of {outcome!r} did not converge; a predictor may separate its levels. Do not use it.",
            NotConvergedWarning,
            stacklevel=4,
        )
