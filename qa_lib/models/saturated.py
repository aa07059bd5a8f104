"""The model without restrictions: its likelihood, and what its scores and information say of scaling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qa_lib.models.discrepancy import Objective
from qa_lib.models.implied import Tangent
from qa_lib.models.inference import few_clusters, meat
from qa_lib.models.observed import Sample, embedded_inverse


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
    """tr(A₁⁻¹ B₁) of the saturated model, complete data: its second part is Mardia's kurtosis.

    ``weight`` is the inverse of the covariance the information is taken at. Covariates held at their sample moments
    (positions ``exogenous``) are no part of it.
    """
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


def saturated_trace_missing(sample: Sample) -> float:
    """tr(A₁⁻¹ B₁) of the saturated model under missing values: observed information and scores at the EM moments."""
    p = sample.cov.shape[0]
    weight, _ = embedded_inverse(sample.cov, sample.mask)
    deviation = np.where(sample.mask, sample.pattern_mean - sample.mean, 0.0)
    by = saturated_tangent(p)
    information = np.zeros((by.left.shape[1],) * 2)
    products = np.zeros_like(information)
    i, j = np.tril_indices(p)
    half = np.where(i == j, 0.5, 1.0)
    scale = np.ones(len(sample.rows)) if sample.weights is None else sample.weights
    scores = np.zeros((len(sample.rows), len(information)))
    for k, (w, d, n) in enumerate(zip(weight, deviation, sample.pattern_n, strict=True)):
        share = n / sample.n
        bent = 2 * w @ (sample.pattern_cov[k] + np.outer(d, d)) @ w - w
        pairs = (
            bent[np.ix_(i, i)] * w[np.ix_(j, j)]
            + bent[np.ix_(i, j)] * w[np.ix_(j, i)]
            + w[np.ix_(i, i)] * bent[np.ix_(j, j)]
            + w[np.ix_(i, j)] * bent[np.ix_(j, i)]
        )
        information[p:, p:] += share * 0.5 * np.outer(half, half) * pairs
        pulled = w @ d
        cross = (w[:, i] * pulled[j] + w[:, j] * pulled[i]) * half
        information[:p, p:] += share * cross
        information[:p, :p] += share * w
        own = sample.pattern_of == k
        z = np.where(sample.mask[k], sample.rows[own] - sample.mean, 0.0) @ w
        scores[own] = np.hstack([z, half * (z[:, i] * z[:, j] - w[i, j])]) * scale[own, None]
    information[p:, :p] = information[:p, p:].T
    products = meat(sample, scores)
    return float(np.trace(np.linalg.solve(information, products)))


def saturated_tangent(p: int) -> Tangent:
    """Tangent of the model whose parameters are the means and covariances themselves."""
    i, j = np.tril_indices(p)
    left = np.hstack([np.zeros((p, p)), np.eye(p)[:, i] * np.where(i == j, 0.5, 1.0)])
    right = np.hstack([np.zeros((p, p)), np.eye(p)[:, j]])
    mean = np.hstack([np.eye(p), np.zeros((p, len(i)))])
    return Tangent(left, right, mean, np.zeros((0, left.shape[1])))
