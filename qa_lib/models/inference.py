"""Standard errors and test statistics: from information, and from respondents' scores where they must be robust."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from qa_lib.errors import InadmissibleWarning
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.implied import Tangent
from qa_lib.models.observed import Sample, embedded_inverse


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A test of fit. scaled = statistic / factor + shift, the plain one has factor 1 and shift 0."""

    statistic: float
    df: float
    factor: float = 1.0
    shift: float = 0.0

    @property
    def scaled(self) -> float:
        return self.statistic / self.factor + self.shift

    @property
    def p_value(self) -> float:
        return float(chi2.sf(self.scaled, self.df)) if self.df > 0 else np.nan


def case_scores(sample: Sample, at: Evaluation, g: int, center: bool = False, means: bool = True) -> np.ndarray:
    """Gradient of every respondent's log-likelihood by the block's parameters, (n, k), weights included.

    ``center`` takes deviations from the sample's moments instead of the model's.
    """
    slope, by = at.slopes[g], at.tangents[g]
    location = at.implied[g].mean if means and not center else sample.mean
    reference = sample.cov if center else at.implied[g].cov
    scores = np.zeros((len(sample.rows), by.left.shape[1]))
    for j, weight in enumerate(slope.weight):
        own = sample.pattern_of == j
        z = np.where(sample.mask[j], sample.rows[own] - location, 0.0) @ weight
        level = np.einsum("pk,pk->k", by.left, weight @ reference @ weight @ by.right)
        scores[own] = z @ by.mean + (z @ by.left) * (z @ by.right) - level
    return scores if sample.weights is None else scores * sample.weights[:, None]


def meat(sample: Sample, scores: np.ndarray) -> np.ndarray:
    """Sum of products of scores per respondent, summed within clusters first (White 1980; Liang and Zeger 1986); for C
    clusters times C/(C − 1)."""
    if sample.clusters is not None:
        totals = np.zeros((sample.clusters.max() + 1, scores.shape[1]))
        np.add.at(totals, sample.clusters, scores)
        scores = totals
    return scores.T @ scores / sample.n * _few_clusters(sample)


def _few_clusters(sample: Sample) -> float:
    if sample.clusters is None:
        return 1.0
    count = sample.clusters.max() + 1
    return count / (count - 1)


def score_products(objective: Objective, at: Evaluation, center: bool = False) -> np.ndarray:
    """First-order information per respondent, all groups (n_free × n_free)."""
    out = np.zeros((objective.n_free, objective.n_free))
    for g, (block, sample, share) in enumerate(zip(objective.blocks, objective.samples, objective.shares, strict=True)):
        scores = case_scores(sample, at, g, center, objective.means)
        if center:
            scores = scores - scores.mean(0)
        out[np.ix_(block.free, block.free)] += share * meat(sample, scores)
    return out


def constrained_inverse(information: np.ndarray, mapping: np.ndarray) -> np.ndarray:
    """mapping (mappingᵀ I mapping)⁻¹ mappingᵀ; nan with a warning when the information is singular."""
    inner = mapping.T @ information @ mapping
    scale = np.sqrt(np.abs(np.diag(inner)))
    scale[scale == 0] = 1
    values = np.linalg.eigvalsh(inner / scale[:, None] / scale)
    if len(values) and values.min() < 1e-10:
        warnings.warn(
            "the information matrix is singular: the model is not identified, standard errors cannot be computed. "
            "Fix a parameter, or give factors enough items.",
            InadmissibleWarning,
            stacklevel=2,
        )
        return np.full(information.shape, np.nan)
    return mapping @ np.linalg.inv(inner) @ mapping.T


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
    return float(total / sample.n * _few_clusters(sample))


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
