"""After a fit to ordinal items: errors of the residuals, and factor scores from answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtr

from qa_lib.errors import ModelError
from qa_lib.models.inference import constrained_inverse
from qa_lib.sufficient.bivariate import TAIL, normal_density

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit

_FLAT = 1e-5  # precision of the prior that keeps maximum likelihood finite where all answers are extreme, lavaan's
_SMALLEST = np.finfo(float).tiny


def ordinal_residual_errors(fit: ModelFit, fitted: bool) -> list[np.ndarray]:
    """Per group the p × p standard errors of observed less implied covariances, nan on the diagonal.

    Roots of the diagonal of QΓQ'/n, Q = I − Δ(Δ'WΔ)⁻¹Δ'W; not ``fitted`` takes Q = I.
    """
    objective, at = fit.objective, fit.evaluation
    bread = constrained_inverse(objective.expected(at), fit.table.mapping)
    out = []
    parts = zip(
        objective.shares, objective.blocks, objective.statistics, objective.layouts, objective.samples, at.tangents,
        strict=True,
    )  # fmt: skip
    for share, block, own, layout, sample, jacobian in parts:
        left = slice(layout.n_free_of_model, None)
        q = np.eye(len(own.observed))[left]
        if fitted:
            q = q - share * jacobian[left] @ bread[np.ix_(block.free, block.free)] @ (jacobian.T * own.weight)
        variance = np.einsum("ij,jk,ik->i", q, own.gamma, q, optimize=True)
        variance = np.where(variance > 1e-10 * np.diag(own.gamma)[left], variance, np.nan) / sample.n
        errors = np.full((block.n_observed, block.n_observed), np.nan)
        errors[layout.row, layout.column] = errors[layout.column, layout.row] = np.sqrt(variance)
        out.append(errors)
    return out


def answer_scores(fit: ModelFit, g: int, rows: np.ndarray, method: Literal["ebm", "ml"]) -> np.ndarray:
    """Factor scores (respondents × factors) from rows of answers, nan where nothing was answered.

    The mode of the posterior given what each respondent answered (EBM), or of the likelihood (ML): items independent
    given the factors, ordinal ones by their thresholds. Newton's steps for all respondents at once. Skrondal and
    Rabe-Hesketh (2004), Generalized Latent Variable Modeling, section 7.5.
    """
    model = _Measurement(fit, g, rows)
    precision = model.prior if method == "ebm" else _FLAT * np.eye(len(model.prior))
    eta = model.prior_mean.copy()
    for _ in range(200):
        slope, bend = model.derivatives(eta)
        gradient = slope @ model.loading - (eta - model.prior_mean) @ precision
        curvature = np.einsum("ip,pk,pl->ikl", bend, model.loading, model.loading) + precision
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        size = np.abs(step).max(initial=0.0)
        eta += step * np.minimum(1.0, 2.0 / np.maximum(np.abs(step).max(1, keepdims=True), 1e-300))
        if size < 1e-10:
            break
    return np.where(model.seen.any(1)[:, None], eta, np.nan)


class _Measurement:
    """One group's items given its factors: y = location + loading η + residual; and the answers."""

    def __init__(self, fit: ModelFit, g: int, rows: np.ndarray) -> None:
        block, implied, table = fit.objective.blocks[g], fit.evaluation.implied[g], fit.table
        p, held = block.n_observed, list(block.conditioned)
        items = [i for i in range(p) if i not in held]
        if implied.directed[:, items].any():
            raise ModelError("scores from answers need items that predict nothing: measure them by a factor.")
        latent = implied.full_cov[p:, p:]
        if np.linalg.matrix_rank(latent, hermitian=True) < len(latent):
            raise ModelError("factor scores need a positive definite covariance matrix of the latent variables.")
        self.prior = np.linalg.inv(latent)
        self.loading = (self.prior @ implied.full_cov[p:, items]).T
        variance = np.diag(implied.full_cov)[items] - np.einsum("pk,kl,pl->p", self.loading, latent, self.loading)
        if (variance <= 0).any():
            raise ModelError("factor scores need positive residual variances.")
        self.sd = np.sqrt(variance)
        covariates = np.nan_to_num(rows[:, held])
        reach = implied.total[:, held]
        means = implied.full_mean + covariates @ reach.T
        self.prior_mean = means[:, p:]
        self.location = means[:, items] - self.prior_mean @ self.loading.T
        self.seen = ~np.isnan(rows[:, items])
        self.seen &= ~np.isnan(rows[:, held]).any(1)[:, None]
        self.rows = np.where(self.seen, rows[:, items], 0.0)
        self.limits = self._limits(fit, g, [table.observed[i] for i in items], items)

    def _limits(self, fit: ModelFit, g: int, names: list[str], items: list[int]) -> list[tuple | None]:
        """Upper and lower threshold of every answer; None for continuous items."""
        block, implied = fit.objective.blocks[g], fit.evaluation.implied[g]
        out = []
        for k, (name, i) in enumerate(zip(names, items, strict=True)):
            levels = fit.objective.statistics[g].levels.get(name)
            if levels is None:
                out.append(None)
                continue
            answers = np.where(self.seen[:, k], self.rows[:, k], levels[0])
            if len(unknown := np.setdiff1d(answers, levels)):
                raise ModelError(f"item {name} has answers {unknown.tolist()}; the model knows {levels.tolist()}.")
            cuts = np.concatenate([[-np.inf], implied.threshold[block.threshold_item == i], [np.inf]])
            code = np.searchsorted(levels, answers)
            out.append((cuts[code + 1], cuts[code]))
        return out

    def derivatives(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First derivative of each answer's log-probability by the item's mean, and minus the second; (n, items)."""
        mean = self.location + eta @ self.loading.T
        slope, bend = np.zeros_like(mean), np.zeros_like(mean)
        for k, limits in enumerate(self.limits):
            if limits is None:
                slope[:, k] = (self.rows[:, k] - mean[:, k]) / self.sd[k] ** 2
                bend[:, k] = 1 / self.sd[k] ** 2
                continue
            upper, lower = (np.clip((limit - mean[:, k]) / self.sd[k], -TAIL, TAIL) for limit in limits)
            above, below = normal_density(upper), normal_density(lower)
            flip = lower > 0  # differences of small tails keep their digits
            p = np.where(flip, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
            p = np.maximum(p, _SMALLEST)
            score = (below - above) / p
            slope[:, k] = score / self.sd[k]
            bend[:, k] = (score**2 - (lower * below - upper * above) / p) / self.sd[k] ** 2
        return np.where(self.seen, slope, 0.0), np.where(self.seen, bend, 0.0)
