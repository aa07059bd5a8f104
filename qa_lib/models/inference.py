"""Standard errors and test statistics: from information, and from respondents' scores where they must be robust."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from qa_lib.errors import InadmissibleWarning
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.observed import Sample, meat, predicted


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


def score_products(
    objective: Objective, at: Evaluation, center: bool = False, covariates: Sequence[int] = ()
) -> np.ndarray:
    """First-order information per respondent, all groups (n_free × n_free).

    ``center`` takes deviations from the sample's moments instead of the model's, and scores about their mean; what
    ``covariates`` (positions), being given, predict of the moments is then no part of the deviations.
    """
    out = np.zeros((objective.n_free, objective.n_free))
    for g, (block, sample, share) in enumerate(zip(objective.blocks, objective.samples, objective.shares, strict=True)):
        scores = _case_scores(sample, at, g, center, objective.means, covariates)
        out[np.ix_(block.free, block.free)] += share * meat(sample, scores, center)
    return out


def _case_scores(
    sample: Sample, at: Evaluation, g: int, center: bool, means: bool, covariates: Sequence[int]
) -> Callable[[int, np.ndarray], np.ndarray]:
    """Gives the gradients of respondents' log-likelihoods by the block's parameters, for some rows of a pattern."""
    slope, by = at.slopes[g], at.tangents[g]
    location = at.implied[g].mean if means and not center else sample.mean
    reference = sample.cov if center else at.implied[g].cov
    levels = [np.einsum("pk,pk->k", by.left, weight @ reference @ weight @ by.right) for weight in slope.weight]

    def gradients(deviation: np.ndarray, k: int) -> np.ndarray:
        z = deviation @ slope.weight[k]
        return z @ by.mean + (z @ by.left) * (z @ by.right)

    def scores(k: int, own: np.ndarray) -> np.ndarray:
        deviation = np.where(sample.mask[k], sample.rows[own] - location, 0.0)
        if center and len(covariates):
            return gradients(deviation, k) - gradients(predicted(sample, deviation, covariates), k)
        return gradients(deviation, k) - levels[k]

    return scores


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
