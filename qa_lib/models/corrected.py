"""Fit indices under missing values as they would be for complete, normal data: Zhang and Savalei (2023).

"New computations for RMSEA and CFI following FIML and TS estimation with missing data", Psychological Methods,
doi:10.1037/met0000445: their FIML-C, with the third version of the correction for robust estimators and the sixth
otherwise (lavaan 0.6-14). Groups count by their sums of weights; lavaan cuts these to whole numbers here, and only
here, which moves its robust indices where the sums are not whole: two schools of 156.10 and 144.90 weighted pupils have
RMSEA .10347 and CFI .89660, lavaan .10317 and .89679.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.inference import ChiSquare, constrained_inverse
from qa_lib.models.observed import Sample, sample_from_moments
from qa_lib.models.patterns import moment_information
from qa_lib.models.saturated import endogenous_moments, saturated_value


@dataclass(frozen=True, slots=True)
class Unrestricted:
    """One group's saturated model under missing values: q means and covariances that are no covariates' own.

    keep : (q,) their places. observed : (q, q) information from what was answered; complete : what it would be had
    everybody answered all; products : (q, q) first-order information; mixed : products · observed⁻¹ · complete.
    trace : of Γ · complete, Γ being n × the covariance of the saturated estimates.
    """

    keep: np.ndarray
    observed: np.ndarray
    complete: np.ndarray
    products: np.ndarray
    mixed: np.ndarray
    trace: float


def unrestricted(sample: Sample, exogenous: Sequence[int], robust: bool) -> Unrestricted:
    """What the corrections of every model for this sample need; not ``robust`` takes the answers as normal."""
    keep = endogenous_moments(len(sample.cov), exogenous)
    own = np.ix_(keep, keep)
    weight = np.linalg.inv(sample.cov)[None]
    complete = moment_information(np.ones(1), weight, weight, np.zeros((1, len(sample.cov))))[own]
    observed = sample.saturated_information[own]
    products = sample.saturated_products[own] if robust else observed
    of_complete = np.linalg.solve(observed, complete)
    mixed = products @ of_complete
    return Unrestricted(keep, observed, complete, products, mixed, float(np.trace(np.linalg.solve(observed, mixed))))


def corrected_test(
    objective: Objective, at: Evaluation, mapping: np.ndarray, df: int, known: Sequence[Unrestricted]
) -> ChiSquare:
    """The complete-data statistic at the saturated moments, with the scaling factor that missing values call for.

    The factor is tr(W P Γ P')/df, W the complete-data information, P = I − Δ(Δ'VΔ)⁻¹Δ'V, V the observed one.
    """
    size = (objective.n_free, objective.n_free)
    observed, complete, products, mixed = (np.zeros(size) for _ in range(4))
    trace = 0.0
    for block, by, share, part in zip(objective.blocks, at.tangents, objective.shares, known, strict=True):
        jacobian, place = by.moments()[part.keep], np.ix_(block.free, block.free)
        observed[place] += share * jacobian.T @ part.observed @ jacobian
        complete[place] += share * jacobian.T @ part.complete @ jacobian
        products[place] += share * jacobian.T @ part.products @ jacobian
        mixed[place] += share * jacobian.T @ part.mixed @ jacobian
        trace += part.trace
    inverse = constrained_inverse(observed, mapping)
    factor = trace - 2 * np.sum(inverse * mixed.T) + np.trace(inverse @ products @ inverse @ complete)
    filled = [sample_from_moments(sample.label, sample.n, sample.mean, sample.cov) for sample in objective.samples]
    whole = replace(objective, samples=filled)
    statistic = 2 * whole.n * (whole.evaluate(at.x).value - saturated_value(whole))
    return ChiSquare(statistic, df, factor / df) if df else ChiSquare(max(statistic, 0.0), 0)
