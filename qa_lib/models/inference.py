"""Standard errors and test statistics: from information, and from respondents' scores where they must be robust."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from qa_lib.errors import InadmissibleWarning
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.observed import Sample, meat


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
