"""Residuals: observed less implied covariances, raw and on the scales they are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.inference import constrained_inverse
from qa_lib.models.ordinal.ordinal_diagnostics import ordinal_residual_errors
from qa_lib.models.patterns import moment_information
from qa_lib.models.saturated import endogenous_moments

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit

Kind = Literal["raw", "correlation", "bentler", "normalized", "standardized"]
KINDS = ("raw", "correlation", "bentler", "normalized", "standardized")


def residuals(fit: ModelFit, kind: Kind) -> list[np.ndarray]:
    """Per group the p × p residuals of covariances."""
    if kind not in KINDS:
        raise ModelError(f"residuals: kind {kind!r} is not known. Allowed: {', '.join(KINDS)}.")
    pairs = [(sample.cov, implied.cov) for sample, implied in zip(fit.samples, fit.evaluation.implied, strict=True)]
    if kind == "correlation":
        return [_scaled(cov, cov) - _scaled(model, model) for cov, model in pairs]
    raw = [cov - model for cov, model in pairs]
    if kind == "raw":
        return raw
    if kind == "bentler":
        return [_scaled(part, cov) for part, (cov, _) in zip(raw, pairs, strict=True)]
    return [part / error for part, error in zip(raw, residual_errors(fit, kind == "standardized"), strict=True)]


def _scaled(matrix: np.ndarray, cov: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(np.where(np.diag(cov) > 0, np.diag(cov), 1.0))  # covariates that are conditioned on have none
    return matrix / np.outer(deviation, deviation)


def residual_errors(fit: ModelFit, fitted: bool) -> list[np.ndarray]:
    """Standard errors (p, p) of the residuals per group; nan for those without variance.

    Roots of the diagonal of QΓQ'/n, Q = I − Δ(Δ'VΔ)⁻¹Δ'V: Γ of the saturated moments (a sandwich where errors are
    robust), V at the implied ones; not ``fitted`` takes Q = I. Jöreskog and Sörbom (1988); as lavaan, a group's errors
    leave out what other groups' moments add through parameters that are equal across groups.
    """
    _require(fit)
    objective = fit.objective
    if objective.criterion == "DWLS":
        return ordinal_residual_errors(fit, fitted)
    parts = [_group_parts(fit, g) for g in range(len(objective.blocks))]
    information = sum(share * slope.T @ v @ slope for share, (_, slope, v) in zip(objective.shares, parts, strict=True))
    inverse = constrained_inverse(information, fit.table.mapping)
    out = []
    for g, (keep, slope, v) in enumerate(parts):
        gamma = own = _sampling_variance(fit, g, keep)
        if fitted:
            q = np.eye(len(keep)) - objective.shares[g] * slope @ inverse @ slope.T @ v
            own = q @ gamma @ q.T
        variance = np.where(np.diag(own) > 1e-10 * np.diag(gamma), np.diag(own), np.nan) / fit.samples[g].n
        out.append(_as_matrix(np.sqrt(variance), keep, len(fit.table.observed)))
    return out


def _require(fit: ModelFit) -> None:
    if not fit.converged:
        raise ModelError("standardized residuals need a converged model: mend the model first.")
    if fit.objective.criterion == "ULS":
        raise ModelError(
            f"standardized residuals are not available for {fit.estimator}: their errors need a likelihood or GLS; "
            "residuals('correlation') need neither."
        )


def _group_parts(fit: ModelFit, g: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of the moments that are modelled, their derivatives (q, n_free), and the information V (q, q) of them."""
    objective, sample = fit.objective, fit.samples[g]
    by, slope = fit.evaluation.tangents[g], fit.evaluation.slopes[g]
    keep = _modelled(fit)
    jacobian = np.zeros((len(keep), objective.n_free))
    jacobian[:, objective.blocks[g].free] = by.moments()[keep]
    weight, bent, pulled = slope.weight, slope.weight, np.zeros_like(slope.deviation)
    if fit.settings["robust"] or fit.settings["fiml"]:
        second = sample.pattern_cov + slope.deviation[:, :, None] * slope.deviation[:, None]
        bent, pulled = 2 * weight @ second @ weight - weight, np.einsum("jab,jb->ja", weight, slope.deviation)
    v = moment_information(sample.pattern_n / sample.n, weight, bent, pulled)
    return keep, jacobian, v[np.ix_(keep, keep)]


def _modelled(fit: ModelFit) -> np.ndarray:
    p = len(fit.table.observed)
    keep = endogenous_moments(p, [fit.table.observed.index(name) for name in fit.table.exogenous])
    return keep if fit.objective.means else keep[keep >= p]


def _sampling_variance(fit: ModelFit, g: int, keep: np.ndarray) -> np.ndarray:
    """n × the covariance matrix of the saturated moments."""
    own, sample = np.ix_(keep, keep), fit.samples[g]
    inverse = np.linalg.inv(sample.saturated_information[own])
    if fit.settings["robust"] or fit.estimator == "MLM":
        inverse = inverse @ sample.saturated_products[own] @ inverse
    return inverse


def _as_matrix(values: np.ndarray, keep: np.ndarray, p: int) -> np.ndarray:
    i, j = np.tril_indices(p)
    full = np.full(p + len(i), np.nan)
    full[keep] = values
    matrix = np.empty((p, p))
    matrix[i, j] = matrix[j, i] = full[p:]
    return matrix
