"""Ordinal items: least squares from thresholds and polychoric correlations, alone or beside continuous variables.

Muthén (1984), doi:10.1007/BF02294210; Muthén, du Toit and Spisic (1997). Covariates are conditioned on: thresholds,
slopes and residual correlations of probit regressions take the place of the unconditional ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.implied import Block, Implied, Tangent, curvature, imply, tangent
from qa_lib.models.observed import OfSamples, Sample


@dataclass(frozen=True, slots=True)
class OrdinalStatistics:
    """One group's m statistics, in the order of :class:`Layout`.

    observed : (m,) values. gamma : (m, m) n × their covariance. weight : (m,) diagonal weights of the discrepancy.
    levels : the answers each ordinal item can have, lowest first.
    """

    observed: np.ndarray
    gamma: np.ndarray
    weight: np.ndarray
    levels: dict[str, np.ndarray]


def explaining(block: Block) -> bool:
    """Whether ordinal items explain other variables: their residual variances then count elsewhere."""
    items = np.unique(block.threshold_item)
    return bool(np.isin(block.in_directed.col, items).any() or block.directed[:, items].any())


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a group's statistics stand: thresholds or negative means item after item, slopes on the covariates item
    after item, variances of continuous items, covariances down the columns of the lower triangle.

    item, threshold : (locations,) position of the item and of its threshold, the latter -1 where it is continuous.
    slope : positions of item and covariate, two arrays. continuous : positions. row, column : of the covariances.
    """

    item: np.ndarray
    threshold: np.ndarray
    slope: tuple[np.ndarray, np.ndarray]
    continuous: np.ndarray
    row: np.ndarray
    column: np.ndarray

    @classmethod
    def of(cls, block: Block) -> Layout:
        endogenous = [i for i in range(block.n_observed) if i not in set(block.conditioned)]
        found = [(i, np.flatnonzero(block.threshold_item == i)) for i in endogenous]
        places = [(i, k) for i, own in found for k in (own if len(own) else [-1])]
        continuous = [i for i, own in found if not len(own)]
        slopes = [(i, x) for i in endogenous for x in block.conditioned]
        column, row = np.triu_indices(len(endogenous), 1)
        at = np.array(endogenous, dtype=int)
        item, threshold = np.array(places, dtype=int).reshape(-1, 2).T
        slope = tuple(np.array(slopes, dtype=int).reshape(-1, 2).T)
        return cls(item, threshold, slope, np.array(continuous, dtype=int), at[row], at[column])

    @property
    def n_free_of_model(self) -> int:
        """Number of statistics any model leaves free: all but the covariances."""
        return len(self.item) + len(self.slope[0]) + len(self.continuous)

    def names(self, block: Block) -> list[object]:
        """What each statistic is: (item, threshold), (item, covariate), (item, "variance") or a set of two items."""
        name = block.names
        order = [int(np.sum(self.item[:i] == item)) for i, item in enumerate(self.item)]
        return [
            *((name[i], k) for i, k in zip(self.item, order, strict=True)),
            *((name[i], name[x]) for i, x in zip(*self.slope, strict=True)),
            *((name[i], "variance") for i in self.continuous),
            *(frozenset((name[i], name[j])) for i, j in zip(self.row, self.column, strict=True)),
        ]

    def statistics(self, implied: Implied) -> np.ndarray:
        """The statistics a model implies, (m,)."""
        cuts = np.append(implied.threshold, 0.0)[self.threshold]  # the -1 of continuous items finds the zero
        item, covariate = self.slope
        return np.concatenate(
            [
                implied.scale[self.item] * cuts - implied.mean[self.item],
                implied.scale[item] * implied.total[item, covariate],
                implied.cov[self.continuous, self.continuous],
                implied.cov[self.row, self.column],
            ]
        )

    def jacobian(self, block: Block, implied: Implied, by: Tangent) -> np.ndarray:
        """Derivatives of the statistics by the block's k parameters, (m, k)."""
        stretch = np.zeros((block.n_observed, len(block.free)))
        stretch[block.in_scale.row, block.in_scale.place] = 1
        cuts = np.append(implied.threshold, 0.0)[self.threshold]
        moved = np.vstack([by.threshold, np.zeros(len(block.free))])[self.threshold]
        locations = implied.scale[self.item, None] * moved + cuts[:, None] * stretch[self.item] - by.mean[self.item]
        variances = 2 * by.left[self.continuous] * by.right[self.continuous]
        covariances = by.left[self.row] * by.right[self.column] + by.right[self.row] * by.left[self.column]
        out = np.vstack([locations, self._slope_jacobian(block, implied, stretch), variances, covariances])
        if block.theta:
            return out - self._rescaling(block, implied, by)
        return out + self._following(block, implied, by) if explaining(block) else out

    def pull(self, block: Block, weighted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the discrepancy by the implied covariances (as a symmetric matrix) and means, from weighted
        residuals; thresholds have no share in the curvature."""
        by_cov, by_mean = np.zeros((block.n_observed, block.n_observed)), np.zeros(block.n_observed)
        np.add.at(by_mean, self.item, weighted[: len(self.item)])
        by_cov[self.row, self.column] = -0.5 * weighted[self.n_free_of_model :]
        by_cov += by_cov.T
        ending = self.n_free_of_model
        by_cov[self.continuous, self.continuous] = -weighted[ending - len(self.continuous) : ending]
        return by_cov, by_mean

    def _slope_jacobian(self, block: Block, implied: Implied, stretch: np.ndarray) -> np.ndarray:
        item, covariate = self.slope
        out = stretch[item] * implied.total[item, covariate][:, None]
        a = block.in_directed
        reach = implied.scale[item, None] * implied.total[np.ix_(item, a.row)]
        out[:, a.place] += reach * implied.total[np.ix_(a.col, covariate)].T
        return out

    def _following(self, block: Block, implied: Implied, by: Tangent) -> np.ndarray:
        """What follows from residual variances of explaining ordinal items that keep variances at one (delta)."""
        ordinal = np.unique(block.threshold_item)
        reach = implied.scale[:, None] * implied.total[: block.n_observed, ordinal]
        moved = -np.linalg.solve(reach[ordinal] ** 2, 2 * by.left[ordinal] * by.right[ordinal])
        fixed = np.zeros((len(self.item) + len(self.slope[0]), len(block.free)))
        return np.vstack([fixed, reach[self.continuous] ** 2 @ moved, reach[self.row] * reach[self.column] @ moved])

    def _rescaling(self, block: Block, implied: Implied, by: Tangent) -> np.ndarray:
        """What follows from response scales that keep variances at one (theta parameterisation)."""
        ordinal = np.isin(np.arange(block.n_observed), block.threshold_item)
        shrink = np.where(ordinal[:, None], by.left * by.right, 0.0)
        value = self.statistics(implied)
        first, slopes, last = len(self.item), self.slope[0], len(self.row)
        out = np.zeros((len(value), len(block.free)))
        out[:first] = value[:first, None] * shrink[self.item]
        out[first : first + len(slopes)] = value[first : first + len(slopes), None] * shrink[slopes]
        out[-last:] = value[-last:, None] * (shrink[self.row] + shrink[self.column])
        return out


@dataclass(frozen=True, slots=True)
class OrdinalObjective(OfSamples):
    """Half the weighted squares of observed less implied statistics; the interface of ``discrepancy.Objective``."""

    blocks: Sequence[Block]
    samples: Sequence[Sample]
    statistics: Sequence[OrdinalStatistics]
    layouts: Sequence[Layout]
    n_free: int
    criterion: str = "DWLS"
    means: bool = True

    @property
    def emphasis(self) -> list[float]:
        """Groups enter the discrepancy by n − 1, as they enter the test statistic."""
        return [(sample.n - 1) / self.n for sample in self.samples]

    def residuals(self, implied: Sequence[Implied]) -> list[np.ndarray]:
        """Observed less implied statistics, per group."""
        parts = zip(self.statistics, self.layouts, implied, strict=True)
        return [own.observed - layout.statistics(at) for own, layout, at in parts]

    def evaluate(self, x: np.ndarray) -> Evaluation:
        implied = tuple(imply(block, x) for block in self.blocks)
        jacobians = tuple(
            layout.jacobian(block, at, tangent(block, at))
            for layout, block, at in zip(self.layouts, self.blocks, implied, strict=True)
        )
        gradient, value = np.zeros(self.n_free), 0.0
        parts = zip(self.emphasis, self.blocks, self.statistics, self.residuals(implied), jacobians, strict=True)
        for share, block, own, residual, jacobian in parts:
            value += share * 0.5 * residual @ (own.weight * residual)
            gradient[block.free] -= share * jacobian.T @ (own.weight * residual)
        return Evaluation(x, float(value), gradient, implied, jacobians, ())

    def expected(self, at: Evaluation) -> np.ndarray:
        """Gauss–Newton matrix Δ'WΔ per respondent."""
        out = np.zeros((self.n_free, self.n_free))
        for share, block, own, jacobian in zip(self.shares, self.blocks, self.statistics, at.tangents, strict=True):
            rooted = np.sqrt(share * own.weight)[:, None] * jacobian
            out[np.ix_(block.free, block.free)] += rooted.T @ rooted
        return out

    @property
    def curved(self) -> bool:
        """Whether :meth:`observed` knows the Hessian: not where response scales are free, scales or residual variances
        follow, or slopes count."""
        return not any(len(b.in_scale.place) or b.theta or b.conditioned or explaining(b) for b in self.blocks)

    def observed(self, at: Evaluation) -> np.ndarray:
        """The Hessian of the discrepancy, closed form."""
        out = np.zeros((self.n_free, self.n_free))
        parts = zip(
            self.emphasis, self.blocks, self.statistics, self.layouts, self.residuals(at.implied), at.implied,
            at.tangents, strict=True,
        )  # fmt: skip
        for share, block, own, layout, residual, implied, jacobian in parts:
            rooted = np.sqrt(own.weight)[:, None] * jacobian
            bend = curvature(block, implied, *layout.pull(block, own.weight * residual))
            out[np.ix_(block.free, block.free)] += share * (rooted.T @ rooted + bend)
        return out
