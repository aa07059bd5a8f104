"""Scaled differences of the chi-square statistics of two nested models."""

from __future__ import annotations

import numpy as np
from scipy.linalg import null_space

from qa_lib.errors import ModelError
from qa_lib.models.after.standardize import row_values
from qa_lib.models.continuous import scaling_trace
from qa_lib.models.inference import score_products
from qa_lib.models.ordinal.ordinal_tests import statistic_products
from qa_lib.models.parameters import covariate_places
from qa_lib.models.solution import ModelFit


def bentler_2001(restricted: ModelFit, free: ModelFit) -> float:
    """Satorra and Bentler (2001), doi:10.1007/BF02296192; nan where its scaling factor is negative."""
    return _rescaled(restricted, free, free.test.df * free.test.factor)


def bentler_2010(restricted: ModelFit, free: ModelFit) -> float:
    """Satorra and Bentler (2010), doi:10.1007/s11336-009-9135-y: the free model's factor at restricted estimates."""
    at = free.objective.evaluate(_restricted_estimates(restricted, free))
    return _rescaled(restricted, free, scaling_trace(free.table, free.objective, at, free.settings))


def _rescaled(restricted: ModelFit, free: ModelFit, free_trace: float) -> float:
    df = restricted.test.df - free.test.df
    factor = (restricted.test.df * restricted.test.factor - free_trace) / df
    return (restricted.test.statistic - free.test.statistic) / factor if factor > 0 else np.nan


def _restricted_estimates(restricted: ModelFit, free: ModelFit) -> np.ndarray:
    """Estimates of the restricted model as values of the free model's parameters; 0 for those it does not name."""
    values = row_values(restricted.table, restricted.objective.blocks, restricted.x)
    known = {(row.term, row.group): value for row, value in zip(restricted.table.rows, values, strict=False)}
    return np.array([known.get((row.term, row.group), 0.0) for row in free.table.free_rows])


def satorra_2000(restricted: ModelFit, free: ModelFit) -> float:
    """Satorra (2000): the difference scaled by the restrictions' own UΓ, restrictions as A with A H = 0 where the
    free model's Jacobian times H is the restricted one's; with scale and shift (Asparouhov and Muthén 2010), as lavaan
    by default for every estimator."""
    inner, spread = _information_and_spread(free)
    mapping = free.table.mapping
    bread = np.linalg.inv(mapping.T @ inner @ mapping)
    jacobians = _common_jacobians(free, restricted)
    restriction = null_space(np.linalg.lstsq(*jacobians, rcond=None)[0].T).T
    pulled = bread @ restriction.T
    projected = pulled @ np.linalg.pinv(restriction @ pulled) @ pulled.T @ (mapping.T @ spread @ mapping)
    df, difference = restricted.test.df - free.test.df, restricted.test.statistic - free.test.statistic
    stretch = np.sqrt(df / np.sum(projected * projected.T))
    return float(stretch * difference + df - stretch * np.trace(projected))


def _information_and_spread(fit: ModelFit) -> tuple[np.ndarray, np.ndarray]:
    """Information P and Δ'VΓVΔ per respondent, both n_free × n_free."""
    objective, at = fit.objective, fit.evaluation
    if objective.criterion == "DWLS":
        return objective.expected(at), statistic_products(objective, at)
    if any(not sample.complete for sample in fit.samples):
        raise ModelError("satorra.2000 needs complete answers: use satorra.bentler.2001 or satorra.bentler.2010.")
    information = objective.observed(at) if fit.settings["robust"] else objective.expected(at)
    return information, score_products(objective, at, center=True, covariates=covariate_places(fit.table))


def _common_jacobians(free: ModelFit, restricted: ModelFit) -> tuple[np.ndarray, np.ndarray]:
    """Both models' Jacobians of the same moments in the same order, all groups, by their unconstrained parameters."""
    rows = [_named_jacobian(fit) for fit in (free, restricted)]
    if rows[0].keys() != rows[1].keys():
        raise ModelError("only one of the models has a mean structure: fit both with meanstructure=True.")
    return tuple(np.array([part[key] for key in rows[0]]) for part in rows)


def _named_jacobian(fit: ModelFit) -> dict[tuple, np.ndarray]:
    rows = {}
    for g, block in enumerate(fit.objective.blocks):
        names, jacobian = _block_jacobian(fit, g)
        rows |= {(g, name): row for name, row in zip(names, jacobian @ fit.table.mapping[block.free], strict=True)}
    return rows


def _block_jacobian(fit: ModelFit, g: int) -> tuple[list, np.ndarray]:
    tangent = fit.evaluation.tangents[g]
    if fit.objective.criterion == "DWLS":
        return fit.objective.layouts[g].names(fit.objective.blocks[g]), tangent
    names = fit.table.observed
    i, j = np.tril_indices(len(names))
    pairs = [frozenset((names[a], names[b])) for a, b in zip(i, j, strict=True)]
    if not fit.objective.means:
        return pairs, tangent.covariance()
    return [*names, *pairs], np.vstack([tangent.mean, tangent.covariance()])
