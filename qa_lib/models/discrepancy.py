"""How far a model's moments are from the observed: value, gradient, expected and observed curvature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from qa_lib.models.implied import Block, Implied, Tangent, curvature, imply, tangent
from qa_lib.models.observed import OfSamples, Sample
from qa_lib.models.patterns import embedded_inverse, moment_information

Criterion = Literal["ML", "GLS", "ULS"]


@dataclass(frozen=True, slots=True)
class Slope:
    """Discrepancy of one group and its derivatives by Σ (as a symmetric p × p matrix) and μ (p).

    weight : (J, p, p) the metric per pattern; deviation : (J, p) observed less implied means.
    """

    value: float
    by_cov: np.ndarray
    by_mean: np.ndarray
    weight: np.ndarray
    deviation: np.ndarray


def ml_slope(sample: Sample, implied: Implied, means: bool) -> Slope:
    """½ Σ_j n_j/n [log|Σ_j| + tr(Σ_j⁻¹ (S_j + d_j d_jᵀ))], the negative log-likelihood per respondent without its
    constant, over J patterns of missing values (Arbuckle 1996, in Advanced Structural Equation Modeling, ch. 9)."""
    weight, log_det = embedded_inverse(implied.cov, sample.mask)
    deviation = np.where(sample.mask, sample.pattern_mean - implied.mean, 0.0) if means else np.zeros(sample.mask.shape)
    observed = sample.pattern_cov + deviation[:, :, None] * deviation[:, None]
    share = sample.pattern_n / sample.n
    fitted = weight @ observed
    value = 0.5 * share @ (log_det + np.einsum("jpp->j", fitted))
    by_cov = 0.5 * np.einsum("j,jab->ab", share, weight - fitted @ weight)
    by_mean = -np.einsum("j,jab,jb->a", share, weight, deviation)
    return Slope(value, by_cov, by_mean, weight, deviation)


def ls_slope(sample: Sample, implied: Implied, means: bool, criterion: Criterion) -> Slope:
    """Half the weighted sum of squared residuals: GLS in the metric of S⁻¹ (Browne 1974), ULS every moment once."""
    residual = sample.cov - implied.cov
    deviation = sample.mean - implied.mean if means else np.zeros(len(residual))
    if criterion == "GLS":
        metric = np.linalg.inv(sample.cov)
        inner = metric @ residual @ metric
        value, by_cov = 0.25 * np.sum(inner * residual), -0.5 * inner
    else:
        metric = np.eye(len(residual))
        once = (1 + metric) / 2
        value, by_cov = 0.5 * np.sum(once * residual**2), -once * residual
    by_mean = -metric @ deviation
    return Slope(value - 0.5 * by_mean @ deviation, by_cov, by_mean, metric[None], deviation[None])


def bilinear(a: np.ndarray, b: np.ndarray, by: Tangent) -> np.ndarray:
    """tr(A dΣ_k B dΣ_l) for all pairs of parameters, of symmetric A and B."""
    u, v = by.left, by.right
    au, av, bu, bv = a @ u, a @ v, b @ u, b @ v
    uav, ubv = u.mT @ av, u.mT @ bv
    return uav * ubv.mT + uav.mT * ubv + (u.mT @ au) * (v.mT @ bv) + (v.mT @ av) * (u.mT @ bu)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The whole model at one parameter vector: per group the moments, their tangents and slopes; value and gradient."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    implied: tuple[Implied, ...]
    tangents: tuple[Tangent, ...]
    slopes: tuple[Slope, ...]


@dataclass(frozen=True, slots=True)
class Objective(OfSamples):
    """The discrepancy of a model from samples, as a function of its free parameters."""

    blocks: Sequence[Block]
    samples: Sequence[Sample]
    criterion: Criterion
    means: bool
    n_free: int

    @property
    def emphasis(self) -> list[float]:
        """Weight of each group in the discrepancy: its share, by n − 1 under least squares (as the test multiplies)."""
        return [(sample.n - (self.criterion != "ML")) / self.n for sample in self.samples]

    @property
    def curved(self) -> bool:
        """Whether :meth:`observed` knows the Hessian."""
        return self.criterion == "ML"

    def slope(self, sample: Sample, implied: Implied) -> Slope:
        if self.criterion == "ML":
            return ml_slope(sample, implied, self.means)
        return ls_slope(sample, implied, self.means, self.criterion)

    def evaluate(self, x: np.ndarray) -> Evaluation:
        """Raises numpy's LinAlgError where the implied covariances are not positive definite."""
        implied = tuple(imply(block, x) for block in self.blocks)
        slopes = tuple(map(self.slope, self.samples, implied))
        tangents = tuple(map(tangent, self.blocks, implied))
        gradient = np.zeros(self.n_free)
        for share, block, slope, by in zip(self.emphasis, self.blocks, slopes, tangents, strict=True):
            gradient[block.free] = share * (
                2 * np.einsum("pk,pk->k", by.left, slope.by_cov @ by.right) + slope.by_mean @ by.mean
            )
        value = float(np.dot(self.emphasis, [slope.value for slope in slopes]))
        return Evaluation(x, value, gradient, implied, tangents, slopes)

    def expected(self, at: Evaluation) -> np.ndarray:
        """Expected information per respondent (n_free × n_free); for ULS the Gauss–Newton matrix."""
        return self._assemble(at, self._expected_block)

    def observed(self, at: Evaluation, curved: bool = True) -> np.ndarray:
        """The Hessian of the discrepancy, closed form (maximum likelihood only).

        Without ``curved`` the moments are taken as linear in the parameters: Δ'AΔ, A the Hessian by the moments.
        """
        return self._assemble(at, partial(self._observed_block, curved=curved))

    def _assemble(self, at: Evaluation, of_block) -> np.ndarray:
        out = np.zeros((self.n_free, self.n_free))
        for g, block in enumerate(self.blocks):
            out[block.free[:, None], block.free] = self.shares[g] * of_block(g, at)
        return out

    def _expected_block(self, g: int, at: Evaluation) -> np.ndarray:
        by, weight, sample = at.tangents[g], at.slopes[g].weight, self.samples[g]
        if self.criterion == "ULS":
            jacobian = by.covariance()
            return jacobian.T @ jacobian + self.means * (by.mean.T @ by.mean)
        if sample.complete:
            return 0.5 * bilinear(weight[0], weight[0], by) + self.means * (by.mean.T @ weight[0] @ by.mean)
        jacobian = by.moments()
        flat = np.zeros_like(at.slopes[g].deviation)
        return jacobian.T @ moment_information(sample.pattern_n / sample.n, weight, weight, flat) @ jacobian

    def _observed_block(self, g: int, at: Evaluation, curved: bool) -> np.ndarray:
        by, slope, sample = at.tangents[g], at.slopes[g], self.samples[g]
        weight, deviation = slope.weight, slope.deviation
        second = sample.pattern_cov + deviation[:, :, None] * deviation[:, None]
        bent = 2 * weight @ second @ weight - weight
        pulled = np.einsum("jab,jb->ja", weight, deviation)
        if sample.complete:
            out = 0.5 * bilinear(bent[0], weight[0], by) + self.means * of_means(by, weight[0], pulled[0])
        else:
            jacobian = by.moments()
            out = jacobian.T @ moment_information(sample.pattern_n / sample.n, weight, bent, pulled) @ jacobian
        return out + curved * curvature(self.blocks[g], at.implied[g], slope.by_cov, slope.by_mean)


def of_means(by: Tangent, weight: np.ndarray, pulled: np.ndarray) -> np.ndarray:
    """The part of a Hessian that comes with means: among themselves, and with covariances."""
    toward = by.mean.mT @ weight
    row = pulled[..., None, :]
    cross = toward @ by.left * (row @ by.right) + toward @ by.right * (row @ by.left)
    return cross + cross.mT + toward @ by.mean
