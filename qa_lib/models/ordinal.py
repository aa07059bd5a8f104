"""Ordinal items: least squares from thresholds and polychoric correlations, delta parameterisation, robust tests.

Muthén (1984), doi:10.1007/BF02294210; Muthén, du Toit and Spisic (1997); Asparouhov and Muthén (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.implied import Block, Implied, Tangent, imply, tangent
from qa_lib.models.inference import ChiSquare, constrained_inverse
from qa_lib.models.observed import Sample
from qa_lib.sufficient.ordinal import OrdinalMoments, ordinal_moments


@dataclass(frozen=True, slots=True)
class OrdinalStatistics:
    """One group's statistics, in the order of ``OrdinalMoments.acov``.

    observed : (m,) thresholds or negative means, variances, correlations. gamma : (m, m) n × their covariance.
    weight : (m,) diagonal weights of the discrepancy.
    """

    observed: np.ndarray
    gamma: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class OrdinalObjective:
    """Half the weighted squares of observed less implied statistics; the interface of ``discrepancy.Objective``."""

    blocks: Sequence[Block]
    samples: Sequence[Sample]
    statistics: Sequence[OrdinalStatistics]
    n_free: int
    criterion: str = "DWLS"
    means: bool = True

    @property
    def n(self) -> float:
        return sum(sample.n for sample in self.samples)

    @property
    def shares(self) -> list[float]:
        return [sample.n / self.n for sample in self.samples]

    @property
    def emphasis(self) -> list[float]:
        """Groups enter the discrepancy by n − 1, as they enter the test statistic."""
        return [(sample.n - 1) / self.n for sample in self.samples]

    def evaluate(self, x: np.ndarray) -> Evaluation:
        implied = tuple(imply(block, x) for block in self.blocks)
        jacobians = tuple(_jacobian(b, i, tangent(b, i)) for b, i in zip(self.blocks, implied, strict=True))
        gradient, value = np.zeros(self.n_free), 0.0
        for share, block, own, at, jacobian in zip(
            self.emphasis, self.blocks, self.statistics, implied, jacobians, strict=True
        ):
            residual = own.observed - _statistics(block, at)
            value += share * 0.5 * residual @ (own.weight * residual)
            gradient[block.free] -= share * jacobian.T @ (own.weight * residual)
        return Evaluation(x, float(value), gradient, implied, jacobians, ())

    def expected(self, at: Evaluation) -> np.ndarray:
        """Gauss–Newton matrix Δ'WΔ per respondent."""
        out = np.zeros((self.n_free, self.n_free))
        for share, block, own, jacobian in zip(self.shares, self.blocks, self.statistics, at.tangents, strict=True):
            out[np.ix_(block.free, block.free)] = share * jacobian.T @ (own.weight[:, None] * jacobian)
        return out


def collect_ordinal(
    data: object, variables: Sequence[str], ordered: Sequence[str], group: str | None, weights: object, unweighted: bool
) -> tuple[list[Sample], list[OrdinalStatistics], dict[str, int]]:
    """Samples, statistics and number of thresholds per ordinal item, from respondents' rows (complete ones)."""
    if not isinstance(data, pd.DataFrame):
        raise ModelError("ordinal estimators need the respondents' rows: data must be a DataFrame.")
    wanted = [*variables, *([group] if group else [])]
    if missing := [name for name in wanted if name not in data.columns]:
        raise ModelError(f"the data have no column {', '.join(missing)}.")
    weights = data[weights] if isinstance(weights, str) else weights
    table = data[wanted].assign(_w=1.0 if weights is None else np.asarray(weights, dtype=float)).dropna()
    labels = [None] if group is None else list(table[group].unique())
    parts = [table if label is None else table[table[group] == label] for label in labels]
    samples, statistics, counts = [], [], []
    for label, part in zip(labels, parts, strict=True):
        found = ordinal_moments(part[list(variables)], ordered, None if weights is None else part["_w"].to_numpy())
        samples.append(_sample(label, found, part[list(variables)].to_numpy(dtype=float)))
        values, gamma = _observed(found), found.acov.to_numpy()
        weight = np.ones(len(values)) if unweighted else 1 / np.diag(gamma)
        statistics.append(OrdinalStatistics(values, gamma, weight))
        counts.append(found.thresholds.groupby(level=0).size().to_dict())
    if any(count != counts[0] for count in counts):
        raise ModelError("an ordinal item has not the same number of categories in every group: merge rare ones first.")
    return samples, statistics, counts[0]


def _sample(label: object, found: OrdinalMoments, rows: np.ndarray) -> Sample:
    cov, mean = found.cov.to_numpy(), found.mean.reindex(found.items, fill_value=0.0).to_numpy()
    mask = np.ones((1, len(cov)), bool)
    return Sample(label, found.n, mean, cov, mask, np.array([found.n]), mean[None], cov[None], rows)


def _observed(found: OrdinalMoments) -> np.ndarray:
    cov = found.cov.to_numpy()
    locations = [
        found.thresholds.loc[item].to_numpy() if item in found.ordered else [-found.mean[item]] for item in found.items
    ]
    column, row = np.triu_indices(len(cov), 1)
    return np.concatenate([*locations, found.variance.to_numpy(), cov[row, column]])


def _layout(block: Block) -> tuple[list[np.ndarray], np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Thresholds per item (empty where continuous), positions of continuous items, pairs of the correlations."""
    of_item = [np.flatnonzero(block.threshold_item == i) for i in range(block.n_observed)]
    continuous = np.array([i for i, found in enumerate(of_item) if not len(found)], dtype=int)
    column, row = np.triu_indices(block.n_observed, 1)
    return of_item, continuous, (row, column)


def _statistics(block: Block, implied: Implied) -> np.ndarray:
    of_item, continuous, (row, column) = _layout(block)
    locations = [
        implied.scale[i] * implied.threshold[k] - implied.mean[i] if len(k) else [-implied.mean[i]]
        for i, k in enumerate(of_item)
    ]
    return np.concatenate([*locations, implied.cov[continuous, continuous], implied.cov[row, column]])


def _jacobian(block: Block, implied: Implied, by: Tangent) -> np.ndarray:
    of_item, continuous, (row, column) = _layout(block)
    stretch = np.zeros((block.n_observed, len(block.free)))
    stretch[block.in_scale.row, block.in_scale.place] = 1
    locations = []
    for i, k in enumerate(of_item):
        if len(k):
            moved = implied.scale[i] * by.threshold[k] + implied.threshold[k, None] * stretch[i]
            locations.append(moved - by.mean[i])
        else:
            locations.append(-by.mean[i][None])
    variances = 2 * by.left[continuous] * by.right[continuous]
    covariances = by.left[row] * by.right[column] + by.right[row] * by.left[column]
    return np.vstack([*locations, variances, covariances])


def robust_results(objective: OrdinalObjective, at: Evaluation, mapping: np.ndarray) -> tuple[np.ndarray, ChiSquare]:
    """Sandwich covariance of the estimates, and the scaled-and-shifted test of fit."""
    bread = constrained_inverse(objective.expected(at), mapping)
    covariance = bread @ statistic_products(objective, at) @ bread / (objective.n - len(objective.samples))
    first, second = _traces(objective, at, bread)
    df = sum(len(own.observed) for own in objective.statistics) - mapping.shape[1]
    statistic = sum(
        (sample.n - 1) * (own.weight @ (own.observed - _statistics(block, implied)) ** 2)
        for sample, own, block, implied in zip(
            objective.samples, objective.statistics, objective.blocks, at.implied, strict=True
        )
    )
    if df <= 0 or not np.isfinite(second):
        return covariance, ChiSquare(statistic, df)
    stretch = np.sqrt(df / second)
    return covariance, ChiSquare(statistic, df, 1 / stretch, df - stretch * first)


def statistic_products(objective: OrdinalObjective, at: Evaluation) -> np.ndarray:
    """Δ'WΓWΔ per respondent (n_free × n_free): how the gradient spreads."""
    out = np.zeros((objective.n_free, objective.n_free))
    for share, block, own, jacobian in zip(
        objective.shares, objective.blocks, objective.statistics, at.tangents, strict=True
    ):
        weighted = own.weight[:, None] * jacobian
        out[np.ix_(block.free, block.free)] += share * weighted.T @ own.gamma @ weighted
    return out


def statistic_names(block: Block) -> list[object]:
    """What each of a group's statistics is: (item, threshold), (item, variance) or a set of two items."""
    of_item, continuous, (row, column) = _layout(block)
    names = [(block.names[i], k) for i, found in enumerate(of_item) for k in range(max(len(found), 1))]
    names += [(block.names[i], "variance") for i in continuous]
    return names + [frozenset((block.names[i], block.names[j])) for i, j in zip(row, column, strict=True)]


def _traces(objective: OrdinalObjective, at: Evaluation, bread: np.ndarray) -> tuple[float, float]:
    """tr(UΓ) and tr((UΓ)²) over all groups' statistics, U = W − WΔ(Δ'WΔ)⁻¹Δ'W."""
    shares, parts = objective.shares, list(zip(objective.blocks, objective.statistics, at.tangents, strict=True))
    first = second = 0.0
    for g, (block_g, own_g, jacobian_g) in enumerate(parts):
        weighted_g = own_g.weight[:, None] * jacobian_g
        for h, (block_h, own_h, jacobian_h) in enumerate(parts):
            weighted_h = own_h.weight[:, None] * jacobian_h
            u = -np.sqrt(shares[g] * shares[h]) * weighted_g @ bread[np.ix_(block_g.free, block_h.free)] @ weighted_h.T
            if g == h:
                u[np.diag_indices(len(u))] += own_g.weight
                first += float(np.sum(u * own_g.gamma))
            second += float(np.sum((own_g.gamma @ u) * (u @ own_h.gamma)))
    return first, second


def check_ordered(ordered: Sequence[str], variables: Sequence[str], exogenous: Sequence[str]) -> None:
    """ordered must name observed variables of the model; covariates of ordinal models are not supported."""
    if unknown := [name for name in ordered if name not in variables]:
        raise ModelError(f"ordered names {', '.join(unknown)}, which the model does not observe.")
    if exogenous:
        raise ModelError(
            f"{', '.join(exogenous)}: exogenous covariates are not supported beside ordinal items; "
            "measure them by a latent variable, or use an estimator for continuous items."
        )
