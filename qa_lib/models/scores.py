"""Factor scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.models.ordinal.ordinal_diagnostics import answer_scores

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit

_METHODS = {False: ("regression", "bartlett"), True: ("ebm", "ml")}


def scores(fit: ModelFit, data: pd.DataFrame | None, method: str | None) -> pd.DataFrame:
    """Factor scores: Thurstone's regression or Bartlett's (1937) of continuous items, modes of the posterior (EBM) or
    of the likelihood (ML) of ordinal ones; from whatever each respondent answered."""
    ordinal = fit.objective.criterion == "DWLS"
    allowed = _METHODS[ordinal]
    method = allowed[0] if method is None else method.lower()
    if method not in allowed:
        kind = "ordinal" if ordinal else "continuous"
        raise ModelError(f"scores: method {method!r} is not known for {kind} items. Allowed: {', '.join(allowed)}.")
    if not fit.converged:
        raise ModelError("factor scores need a converged model: mend the model first.")
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
    if fit.objective.criterion == "DWLS":
        return pd.DataFrame(answer_scores(fit, g, rows, method), columns=list(fit.table.latent))
    implied, p = fit.evaluation.implied[g], len(fit.table.observed)
    mean = implied.mean if fit.objective.means else fit.samples[g].mean
    latent_mean = implied.full_mean[p:]
    if not fit.objective.means:
        covariates = [fit.table.observed.index(name) for name in fit.table.exogenous]
        latent_mean = implied.total[p:, covariates] @ mean[covariates]
    latent, cross = implied.full_cov[p:, p:], implied.full_cov[p:, :p]
    if np.linalg.matrix_rank(latent, hermitian=True) < len(latent):
        raise ModelError("factor scores need a positive definite covariance matrix of the latent variables.")
    measured = np.ones(p, bool)
    if method == "bartlett":
        measured = np.isin(fit.table.observed, [row.rhs for row in fit.table.rows if row.op == "=~"])
    loading, unique = implied.directed[:p, p:], implied.symmetric[:p, :p]
    deviation = rows - mean
    if method == "bartlett":
        deviation = deviation - _direct_effects(implied.directed[:p, :p], deviation)
    if method == "bartlett" and np.linalg.matrix_rank(loading[measured]) < len(latent):
        raise ModelError(
            "Bartlett scores need items for every latent variable, second-order ones have none: regression."
        )
    out = np.full((len(rows), len(latent)), np.nan)
    patterns, pattern_of = np.unique(~np.isnan(deviation) & measured, axis=0, return_inverse=True)
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
        out[own] = latent_mean + deviation[np.ix_(own, seen)] @ weight
    return pd.DataFrame(out, columns=list(fit.table.latent))


def _direct_effects(paths: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """What observed variables add to items directly (n, p); NaN where one that does was not answered."""
    unknown = np.isnan(deviation).astype(float) @ (paths != 0).T > 0
    return np.where(unknown, np.nan, np.nan_to_num(deviation) @ paths.T)
