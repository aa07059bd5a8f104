"""The model without restrictions: its likelihood, and what its scores and information say of scaling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qa_lib.models.discrepancy import Objective
from qa_lib.models.observed import Sample, few_clusters, predicted
from qa_lib.models.patterns import embedded_inverse


def saturated_value(objective: Objective) -> float:
    """The discrepancy at the saturated moments."""
    if objective.criterion != "ML":
        return 0.0
    value = 0.0
    for share, sample in zip(objective.shares, objective.samples, strict=True):
        if sample.complete:
            value += share * 0.5 * (np.linalg.slogdet(sample.cov)[1] + len(sample.cov))
        else:
            value += share * loglik_part(sample, sample.mean, sample.cov, range(len(sample.cov)))
    return float(value)


def loglik_part(sample: Sample, mean: np.ndarray | None, cov: np.ndarray, keep: Sequence[int]) -> float:
    """Negative log-likelihood per respondent, without constant, of some of the variables at given moments."""
    keep = list(keep)
    own = np.ix_(keep, keep)
    mask = sample.mask[:, keep]
    weight, log_det = embedded_inverse(cov[own], mask)
    deviation = (
        np.where(mask, sample.pattern_mean[:, keep] - mean[keep], 0.0) if mean is not None else np.zeros(mask.shape)
    )
    observed = sample.pattern_cov[:, *own] + deviation[:, :, None] * deviation[:, None]
    return float(0.5 * sample.pattern_n / sample.n @ (log_det + np.einsum("jab,jba->j", weight, observed)))


def saturated_trace(sample: Sample, weight: np.ndarray, exogenous: Sequence[int], means: bool) -> float:
    """tr(A₁⁻¹ B₁) of the saturated model; for complete data its second part is Mardia's kurtosis.

    ``weight`` is the inverse of the covariance the information is taken at. Covariates held at their sample moments
    (positions ``exogenous``) are no part of it.
    """
    if not sample.complete:
        keep = endogenous_moments(len(sample.cov), exogenous)
        own = np.ix_(keep, keep)
        return float(np.trace(np.linalg.solve(sample.saturated_information[own], sample.saturated_products[own])))
    trace = _trace_of(sample, weight, means)
    if len(exogenous):
        own = np.ix_(exogenous, exogenous)
        part = Sample(
            sample.label, sample.n, sample.mean[list(exogenous)], sample.cov[own], sample.mask[:, exogenous],
            sample.pattern_n, sample.pattern_mean[:, exogenous], sample.pattern_cov[:, *own],
            sample.rows[:, exogenous], sample.pattern_of, sample.weights, sample.clusters,
        )  # fmt: skip
        trace -= _trace_of(part, np.linalg.inv(np.linalg.inv(weight)[own]), means)
    return trace


def given_trace(sample: Sample, weight: np.ndarray, covariates: Sequence[int], means: bool) -> float:
    """tr(A₁Γ) of complete data where ``covariates`` (positions) are given: Γ is of the moments less those predicted.

    Respondents' products of deviations less those of the predicted ones, about their mean, are D = dd' − d̂d̂' − E;
    half of tr(WDWD) is summed.
    """
    deviation = sample.rows - sample.mean
    fitted = predicted(sample, deviation, covariates)
    spread = sample.cov - fitted.T @ fitted / len(fitted)
    one, other = deviation @ weight, fitted @ weight

    def form(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.einsum("ip,ip->i", left, right)

    mixed, inner = form(one, fitted), weight @ spread
    second = form(one, deviation) ** 2 + form(other, fitted) ** 2 - 2 * mixed**2
    second += np.sum(inner * inner.T) - 2 * form(one @ spread, one) + 2 * form(other @ spread, other)
    first = form(one - other, deviation - fitted)
    return float(np.mean(means * first + 0.5 * second))


def _trace_of(sample: Sample, weight: np.ndarray, means: bool) -> float:
    deviation = sample.rows - sample.mean
    scale = np.ones(len(deviation)) if sample.weights is None else sample.weights
    if sample.clusters is None:
        squared = np.einsum("ip,ip->i", deviation @ weight, deviation)
        fitted = weight @ sample.cov
        level = np.einsum("ip,ip->i", deviation @ weight @ sample.cov @ weight, deviation)
        second = 0.5 * (squared**2 - 2 * level + np.sum(fitted * fitted.T))
        return float(scale**2 @ (means * squared + second) / sample.n)
    p, total = len(weight), 0.0
    moved = scale[:, None] * deviation
    first = np.zeros((sample.clusters.max() + 1, p))
    np.add.at(first, sample.clusters, moved)
    for c in range(len(first)):
        own = sample.clusters == c
        spread = weight @ (moved[own].T @ deviation[own] - scale[own].sum() * sample.cov)
        total += means * (first[c] @ weight @ first[c]) + 0.5 * np.sum(spread * spread.T)
    return float(total / sample.n * few_clusters(sample))


def endogenous_moments(p: int, exogenous: Sequence[int]) -> np.ndarray:
    """Places, among p means and the lower triangle of covariances, of all that are not covariates' own moments."""
    i, j = np.tril_indices(p)
    means = np.flatnonzero(~np.isin(np.arange(p), exogenous))
    return np.concatenate([means, p + np.flatnonzero(~(np.isin(i, exogenous) & np.isin(j, exogenous)))])
