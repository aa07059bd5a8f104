"""All that a PLS model estimates, listed once and filled from the data and from every bootstrap sample alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.composites.pls_algorithm import Estimates
from qa_lib.effects.composites.pls_model import PlsModel
from qa_lib.effects.composites.pls_quality import (
    alpha,
    average_variance_extracted,
    composite_reliability,
    f_squared,
    htmt,
    inflation,
)
from qa_lib.effects.rows import percentile_interval

LABELS = ["term", "lhs", "op", "rhs", "dimension", "item"]


def quantities(correlation: np.ndarray, estimates: Estimates, model: PlsModel) -> tuple[pd.DataFrame, np.ndarray]:
    """Labels (m rows: ``term, lhs, op, rhs, dimension, item``) and values (B, m) of all estimates."""
    parts = [
        _structural(estimates, model),
        _outer(correlation, estimates, model),
        _construct_quality(correlation, estimates, model),
        _discriminant(correlation, model),
    ]
    labels = [label for part, _ in parts for label in part]
    values = np.concatenate([values for _, values in parts], axis=1)
    values[np.isinf(values)] = np.nan  # a ratio to nothing is missing
    return pd.DataFrame(labels, columns=LABELS), values


def tabulate(labels: pd.DataFrame, point: np.ndarray, draws: np.ndarray, conf_level: float) -> pd.DataFrame:
    """Tidy rows: estimates (m,), and from draws (B, m) standard errors, normal p values and percentile intervals."""
    error = draws.std(axis=0, ddof=1) if len(draws) > 1 else np.full(len(point), np.nan)
    error = np.where(error > 1e-12, error, np.nan)
    low, high = percentile_interval(draws, conf_level)
    known = np.isfinite(error)
    statistic = point / error
    numbers = {
        "estimate": point,
        "std_error": error,
        "statistic": statistic,
        "p_value": 2 * stats.norm.sf(np.abs(statistic)),
        "conf_low": np.where(known, low, np.nan),
        "conf_high": np.where(known, high, np.nan),
    }
    return labels.assign(**numbers)


def path_labels(model: PlsModel) -> list[tuple]:
    """A label per path, in the order of ``model.edges``."""
    names = model.constructs
    return [(f"{names[j]} ~ {names[i]}", names[j], "~", names[i], names[j], None) for i, j in model.edges]


def _structural(estimates: Estimates, model: PlsModel) -> tuple[list[tuple], np.ndarray]:
    direct = path_labels(model)
    sources, targets = map(list, zip(*model.edges, strict=True))
    reach = np.linalg.matrix_power(np.eye(len(model.constructs)) + model.adjacency, len(model.constructs)) > 0
    onward = (model.adjacency.astype(float) @ model.adjacency @ reach) > 0
    via_from, via_to = np.nonzero(onward)
    total = estimates.total_effects()
    name = model.constructs
    effects = [
        (f"{kind}_effect", name[j], "~", name[i], name[j], None)
        for kind in ("indirect", "total")
        for i, j in zip(via_from, via_to, strict=True)
    ]
    cohen = [("f_squared", label[1], "", label[3], label[1], None) for label in direct]
    vif = [("vif", label[1], "", label[3], label[1], None) for label in direct]
    totals = total[:, via_from, via_to]
    values = [
        estimates.paths[:, sources, targets],
        totals - estimates.paths[:, via_from, via_to],
        totals,
        f_squared(estimates, model)[:, sources, targets],
        inflation(estimates.correlations, model.adjacency)[:, sources, targets],
    ]
    return [*direct, *effects, *cohen, *vif], np.concatenate(values, axis=1)


def _outer(correlation: np.ndarray, estimates: Estimates, model: PlsModel) -> tuple[list[tuple], np.ndarray]:
    constructs, items = np.nonzero(model.membership.T)
    pairs = [(model.constructs[k], model.items[i]) for k, i in zip(constructs, items, strict=True)]
    labels = [(f"{name} {op} {item}", name, op, item, name, item) for op in ("=~", "<~") for name, item in pairs]
    values = [estimates.loadings[:, items, constructs], estimates.weights[:, items, constructs]]
    formative = [(k, i) for k, i in zip(constructs, items, strict=True) if model.mode_b[k]]
    if formative:
        owners, members = map(list, zip(*formative, strict=True))
        labels += [("vif", None, "", None, model.constructs[k], model.items[i]) for k, i in formative]
        values.append(inflation(correlation, model.membership)[:, members, owners])
    return labels, np.concatenate(values, axis=1)


def _construct_quality(
    correlation: np.ndarray, estimates: Estimates, model: PlsModel
) -> tuple[list[tuple], np.ndarray]:
    measured = np.flatnonzero(~model.mode_b & (model.membership.sum(axis=0) > 1))
    measures = {
        "r_squared": (estimates.r_squared, model.endogenous),
        "alpha": (alpha(correlation, model), measured),
        "rho_a": (estimates.rho_a, measured),
        "cr": (composite_reliability(estimates.loadings, model), measured),
        "ave": (average_variance_extracted(estimates.loadings, model), measured),
    }
    labels = [(term, None, "", None, model.constructs[k], None) for term, (_, where) in measures.items() for k in where]
    return labels, np.concatenate([values[:, where] for values, where in measures.values()], axis=1)


def _discriminant(correlation: np.ndarray, model: PlsModel) -> tuple[list[tuple], np.ndarray]:
    first, second = np.triu_indices(len(model.constructs), 1)
    reflective = ~(model.mode_b[first] | model.mode_b[second])
    first, second = first[reflective], second[reflective]
    names = model.constructs
    labels = [("htmt", names[i], "", names[j], None, None) for i, j in zip(first, second, strict=True)]
    return labels, htmt(correlation, model)[:, first, second]
