"""After the fit: residuals and factor scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.inference import constrained_inverse
from qa_lib.models.parameters import ParameterTable

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit


def _require(fit: ModelFit, what: str, also: bool = True, needed: str = "") -> None:
    """Refuses what is not defined for a fit: none of it without convergence or for ordinal items."""
    if not fit.converged:
        raise ModelError(f"{what} need a converged model: mend the model first.")
    if fit.objective.criterion == "DWLS":
        raise ModelError(
            f"{what} are not available for ordinal items ({fit.estimator}): fit the model with estimator ML or MLR, "
            "treating the answers as continuous, to obtain them."
        )
    if not also:
        raise ModelError(f"{what} need {needed}.")


def residuals(fit: ModelFit, kind: str) -> list[np.ndarray]:
    """Per group the p × p residuals; standardised by their large-sample errors (Jöreskog and Sörbom 1988)."""
    objective, at, table = fit.objective, fit.evaluation, fit.table
    if kind == "standardized":
        normal = fit.estimator == "ML" and not (fit.settings["fiml"] or fit.settings["robust"])
        _require(fit, "standardized residuals", normal, "estimator ML on complete answers without weights or cluster")
    if kind == "correlation":
        pairs = zip(objective.samples, at.implied, strict=True)
        return [_correlation(sample.cov) - _correlation(implied.cov) for sample, implied in pairs]
    raw = [sample.cov - implied.cov for sample, implied in zip(objective.samples, at.implied, strict=True)]
    if kind == "raw":
        return raw
    return [part / error for part, error in zip(raw, _residual_errors(objective, at, table), strict=True)]


def _correlation(cov: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(np.diag(cov))
    return cov / np.outer(deviation, deviation)


def _residual_errors(objective: Objective, at: Evaluation, table: ParameterTable) -> list[np.ndarray]:
    """Roots of the diagonal of QΓQ'/n, Q = I − Δ(Δ'VΔ)⁻¹Δ'V: Γ of the sample moments, V at the implied ones."""
    bread = constrained_inverse(objective.expected(at), table.mapping)
    parts, spread = [], np.zeros_like(bread)
    for block, by, sample, implied, share in zip(
        objective.blocks, at.tangents, objective.samples, at.implied, objective.shares, strict=True
    ):
        jacobian = np.zeros((len(by.mean) + len(by.covariance()), objective.n_free))
        jacobian[:, block.free] = np.vstack([by.mean * objective.means, by.covariance()])
        gamma = _normal_gamma(sample.cov)
        pulled = share * bread @ jacobian.T @ np.linalg.inv(_normal_gamma(implied.cov))
        spread += pulled @ gamma @ pulled.T / sample.n
        parts.append((jacobian, pulled, gamma))
    out = []
    for sample, (jacobian, pulled, gamma) in zip(objective.samples, parts, strict=True):
        own = np.diag(gamma) - 2 * np.einsum("ik,ki->i", jacobian, pulled @ gamma)
        variance = own / sample.n + np.einsum("ij,jk,ik->i", jacobian, spread, jacobian)
        variance = np.where(variance > 1e-10 * np.diag(gamma) / sample.n, variance, np.nan)
        p = len(sample.cov)
        i, j = np.tril_indices(p)
        errors = np.empty((p, p))
        errors[i, j] = errors[j, i] = np.sqrt(variance[p:])
        out.append(errors)
    return out


def _normal_gamma(cov: np.ndarray) -> np.ndarray:
    """n × the covariance of sample means and of the lower triangle of sample covariances under normality."""
    p = len(cov)
    i, j = np.tril_indices(p)
    covariances = cov[np.ix_(i, i)] * cov[np.ix_(j, j)] + cov[np.ix_(i, j)] * cov[np.ix_(j, i)]
    return np.block([[cov, np.zeros((p, len(i)))], [np.zeros((len(i), p)), covariances]])


def scores(fit: ModelFit, data: pd.DataFrame | None, method: Literal["regression", "bartlett"]) -> pd.DataFrame:
    """Factor scores: Thurstone's regression or Bartlett's (1937), from whatever each respondent answered."""
    if method not in {"regression", "bartlett"}:
        raise ModelError(f"scores: method {method!r} is not known. Allowed: regression, bartlett.")
    _require(fit, "factor scores")
    if data is not None:
        return _scores_of(fit, data, method)
    if any(sample.rows is None for sample in fit.samples):
        raise ModelError("the model was fitted to moments: give the respondents' answers as data.")
    frames = [_group_scores(fit, g, sample.rows, method) for g, sample in enumerate(fit.samples)]
    return pd.concat(frames, keys=fit.groups, names=["group"]) if len(frames) > 1 else frames[0]


def _scores_of(fit: ModelFit, data: pd.DataFrame, method: str) -> pd.DataFrame:
    if len(fit.samples) > 1:
        raise ModelError("the model has several groups: scores of other data need a model of one group.")
    if missing := [name for name in fit.table.observed if name not in data.columns]:
        raise ModelError(f"the data have no column {', '.join(missing)}, which the model observes.")
    mean_known = fit.objective.means or fit.samples[0].mean is not None
    if not mean_known:
        raise ModelError("the model was fitted to covariances without means: scores need responses or Moments.")
    return _group_scores(fit, 0, data[list(fit.table.observed)].to_numpy(dtype=float), method).set_axis(data.index)


def _group_scores(fit: ModelFit, g: int, rows: np.ndarray, method: str) -> pd.DataFrame:
    implied, p = fit.evaluation.implied[g], len(fit.table.observed)
    mean = implied.mean if fit.objective.means else fit.samples[g].mean
    latent_mean = implied.full_mean[p:]
    latent, cross = implied.full_cov[p:, p:], implied.full_cov[p:, :p]
    if np.linalg.matrix_rank(latent, hermitian=True) < len(latent):
        raise ModelError("factor scores need a positive definite covariance matrix of the latent variables.")
    loading = np.linalg.solve(latent, cross).T
    if method == "bartlett" and np.linalg.matrix_rank(loading) < len(latent):
        raise ModelError(
            "Bartlett scores need items for every latent variable, second-order ones have none: regression."
        )
    unique = implied.cov - loading @ cross
    out = np.full((len(rows), len(latent)), np.nan)
    patterns, pattern_of = np.unique(~np.isnan(rows), axis=0, return_inverse=True)
    for j, seen in enumerate(patterns):
        own = pattern_of.ravel() == j
        if not seen.any():
            continue
        both = np.ix_(seen, seen)
        if method == "regression":
            weight = np.linalg.solve(implied.cov[both], cross[:, seen].T)
        else:
            precise = np.linalg.solve(unique[both], loading[seen])
            weight = precise @ np.linalg.pinv(loading[seen].T @ precise)
        out[own] = latent_mean + (rows[np.ix_(own, seen)] - mean[seen]) @ weight
    return pd.DataFrame(out, columns=list(fit.table.latent))
