"""The pieces of a driver model with a logit or ordinal logit outcome."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.design import MomentsDesign, RowsDesign
from qa_lib.effects.dominance import general_weights
from qa_lib.effects.importance import Importance, assemble, conditional_table, dominance_table
from qa_lib.effects.outcomes import (
    average_marginal_effects,
    effects_table,
    fit_cumulative_logit,
    null_log_likelihood,
    root_of_variance,
    subset_pseudo_r_squared,
    warn_unless_converged,
)
from qa_lib.errors import ModelError

MAX_LEVELS = 20
_STEPS = 2


def with_top_box(design: RowsDesign, top_box: float) -> RowsDesign:
    """The outcome as 1 where it is at least ``top_box``, else 0."""
    return replace(design, answers=np.column_stack([design.x, design.y >= top_box]))


def fit_logit(
    design, model: str, top_box: float | None, robust: bool, n_boot: int, seed: int, conf_level: float, settings
):
    """Coefficients, average marginal effects, fit measures and importance; see ``regression.drivers``."""
    if isinstance(design, MomentsDesign):
        raise ModelError(f"model={model!r} needs respondents' rows, not moments.")
    design = design if top_box is None else with_top_box(design, top_box)
    levels, codes = np.unique(design.y, return_inverse=True)
    if model == "logit" and levels.tolist() != [0, 1]:
        raise ModelError(f"a logit needs an outcome of 0 and 1; found {levels[:6].tolist()}. Pass top_box= or code it.")
    if len(levels) > MAX_LEVELS:
        raise ModelError(
            f"the outcome {design.outcome!r} has {len(levels)} levels; an ordinal logit takes up to {MAX_LEVELS}, each "
            "with a threshold of its own. Use model='ols', or group the levels first."
        )
    weights = design.weights * design.n / len(design.weights)
    fit = fit_cumulative_logit(design.x, codes, weights)
    warn_unless_converged(fit, design.outcome)
    n_cuts = len(levels) - 1
    vcov = fit.vcov(weights, robust, design.clusters)
    effects = average_marginal_effects(fit.params, vcov, design.x, weights, n_cuts, conf_level)
    shares = _importance(design, codes, weights, n_boot, seed, conf_level, settings)
    measures = {"n": design.n, "n_rows": len(codes), "n_dropped": design.n_dropped, "method": model}
    errors = "nonrobust" if not robust else "HC0" if design.clusters is None else "cluster"
    measures |= {"cov_type": errors, "converged": fit.converged}
    measures |= {"r_squared_mcfadden": 1 - fit.log_likelihood / null_log_likelihood(codes, weights)}
    measures |= {"log_likelihood": fit.log_likelihood}
    names = ["Intercept"] if n_cuts == 1 else [f"{a:g}|{b:g}" for a, b in itertools.pairwise(levels)]
    sign = 1 if n_cuts == 1 else -1
    table = _coefficients(names, design, fit.params, vcov, n_cuts, sign, shares, conf_level)
    return table, effects_table(design.predictors, levels, effects), measures, shares


def standardised(beta: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Coefficients per standard deviation of the predictor, in those of the latent outcome (McKelvey and Zavoina 1975,
    doi:10.1080/0022250X.1975.9989847)."""
    return beta * np.sqrt(np.diag(cov)) / np.sqrt(beta @ cov @ beta + np.pi**2 / 3)


def _coefficients(names, design, params, vcov, n_cuts, sign, shares: Importance, conf_level) -> pd.DataFrame:
    """Thresholds have polr's sign; intervals of the standardised coefficients are bootstrap percentiles."""
    beta = params[n_cuts:]
    betas = shares.measures[shares.measures["method"] == "beta"]
    estimate = np.concatenate([sign * params[:n_cuts], beta])
    error = root_of_variance(np.diag(vcov))
    half = stats.norm.ppf((1 + conf_level) / 2) * error
    padded = {key: np.r_[np.full(n_cuts, np.nan), betas[key]] for key in ("estimate", "conf_low", "conf_high")}
    columns = {"term": [*names, *design.predictors], "estimate": estimate, "std_error": error}
    columns |= {"statistic": estimate / error, "p_value": 2 * stats.norm.sf(np.abs(estimate / error))}
    columns |= {"conf_low": estimate - half, "conf_high": estimate + half, "std_all": padded["estimate"]}
    return pd.DataFrame(columns | {"std_low": padded["conf_low"], "std_high": padded["conf_high"]})


def _importance(design, codes, weights, n_boot, seed, conf_level, settings) -> Importance:
    """General dominance by McFadden's and Tjur's R². Bootstrap fits take two Newton steps from the sample's
    (Davidson and MacKinnon 1999, doi:10.1111/1468-2354.00026)."""
    p = len(design.predictors)
    point, starts = subset_pseudo_r_squared(design.x, codes, weights)
    rng = np.random.default_rng(seed)
    draws = {key: [] for key in point}
    betas = []
    units = np.arange(len(codes)) if design.clusters is None else design.clusters
    for _ in range(n_boot):
        drawn = np.bincount(rng.integers(units.max() + 1, size=units.max() + 1), minlength=units.max() + 1)
        counts = drawn[units] * weights
        used = counts > 0
        if len(np.unique(codes[used])) == codes.max() + 1:
            x = design.x[used]
            found, params = subset_pseudo_r_squared(x, codes[used], counts[used], starts, _STEPS)
            betas.append(standardised(params[-1][-p:], np.atleast_2d(np.cov(x, rowvar=False, aweights=counts[used]))))
            for key, value in found.items():
                draws[key].append(value)
    maps = general_weights(p)
    boot = {key: np.array(value).reshape(-1, 2**p) for key, value in draws.items()}
    measures = {f"general_dominance_{k}": (v @ maps, boot[k] @ maps if n_boot else None) for k, v in point.items()}
    own = standardised(starts[-1][-p:], design.cov[:-1, :-1])
    measures["beta"] = (own, np.array(betas).reshape(-1, p) if n_boot else None)
    mcfadden = point["mcfadden"]
    tables = conditional_table(design.predictors, mcfadden), dominance_table(design.predictors, mcfadden, None)
    total = (mcfadden[-1], boot["mcfadden"][:, -1] if n_boot else None)
    return assemble(design.predictors, measures, total, *tables, n=design.n, conf_level=conf_level, settings=settings)
