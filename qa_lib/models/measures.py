"""Fit measures of a model, gathered by name from its test and its baseline's."""

from __future__ import annotations

import numpy as np

from qa_lib.models import indices
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.inference import ChiSquare
from qa_lib.models.parameters import ParameterTable
from qa_lib.models.saturated import loglik_part, saturated_value

NAMES = ("chisq", "df", "p_value", "cfi", "tli", "rmsea", "rmsea_low", "rmsea_high", "srmr")
ROBUST = (
    "cfi_robust",
    "tli_robust",
    "rmsea_robust",
    "rmsea_robust_low",
    "rmsea_robust_high",
    "rmsea_robust_close_p",
)


def plain_measures(test: ChiSquare, base: ChiSquare, n: float, n_groups: int) -> dict[str, float]:
    """Measures of the unscaled test; ``n`` is the number the discrepancy was multiplied by."""
    df, chisq = test.df, test.statistic
    low, high = indices.rmsea_interval(chisq, df, n, n_groups)
    return {
        "chisq": chisq,
        "df": df,
        "p_value": ChiSquare(chisq, df).p_value,
        "cfi": indices.cfi(chisq, df, base.statistic, base.df),
        "tli": indices.tli(chisq, df, base.statistic, base.df),
        "rmsea": indices.rmsea(chisq, df, n, n_groups),
        "rmsea_low": low,
        "rmsea_high": high,
        "rmsea_close_p": indices.rmsea_close(chisq, df, n, n_groups),
        "baseline_chisq": base.statistic,
        "baseline_df": base.df,
    }


def scaled_measures(test: ChiSquare, base: ChiSquare, n: float, n_groups: int, shifted: bool) -> dict[str, float]:
    """Measures of the scaled test; the RMSEA's interval and p from the scaled statistic where it is ``shifted``, from
    scaled degrees of freedom otherwise."""
    df = test.df
    chisq, spread = (test.scaled, df) if shifted else (test.statistic, df * test.factor)
    low, high = indices.rmsea_interval(chisq, spread, n, n_groups)
    return {
        "chisq_scaled": test.scaled,
        "df_scaled": df,
        "p_value_scaled": test.p_value,
        "scaling_factor": test.factor,
        "baseline_chisq_scaled": base.scaled,
        "baseline_scaling_factor": base.factor,
        "cfi_scaled": indices.cfi(test.scaled, df, base.scaled, base.df),
        "tli_scaled": indices.tli(test.scaled, df, base.scaled, base.df),
        "rmsea_scaled": indices.rmsea(chisq, spread, n, n_groups),
        "rmsea_scaled_low": low,
        "rmsea_scaled_high": high,
        "rmsea_scaled_close_p": indices.rmsea_close(chisq, spread, n, n_groups),
    }


def robust_measures(test: ChiSquare, base: ChiSquare, n: float, n_groups: int) -> dict[str, float]:
    """What the indices would be under normality, from statistics and the scaling factors of their tests."""
    chisq, df, c = test.statistic, test.df, test.factor
    low, high = indices.rmsea_interval(chisq, df, n, n_groups, c)
    return {
        "cfi_robust": indices.cfi(chisq, df, base.statistic, base.df, c, base.factor),
        "tli_robust": indices.tli(chisq, df, base.statistic, base.df, c, base.factor),
        "rmsea_robust": indices.rmsea(chisq, df, n, n_groups, c),
        "rmsea_robust_low": low,
        "rmsea_robust_high": high,
        "rmsea_robust_close_p": indices.rmsea_close(chisq, df, n, n_groups, c),
    }


def srmr(objective: Objective, at: Evaluation) -> float:
    means = [sample.mean for sample in objective.samples] if objective.means else None
    return indices.srmr(
        [sample.cov for sample in objective.samples],
        [implied.cov for implied in at.implied],
        means,
        [implied.mean for implied in at.implied],
        objective.shares,
    )


def likelihood_measures(table: ParameterTable, objective: Objective, at: Evaluation) -> dict[str, float]:
    """Log-likelihood of the endogenous variables given the covariates, and the information criteria."""
    exogenous = [table.observed.index(name) for name in table.exogenous]
    constant, of_covariates = 0.0, 0.0
    for share, sample in zip(objective.shares, objective.samples, strict=True):
        answered = sample.pattern_n @ sample.mask / sample.n
        endogenous = [i for i in range(len(answered)) if i not in exogenous]
        constant += share * 0.5 * np.log(2 * np.pi) * answered[endogenous].sum()
        if exogenous:
            of_covariates += share * loglik_part(sample, sample.mean, sample.cov, exogenous)
    n = objective.n
    log_likelihood = -n * (at.value - of_covariates + constant)
    saturated = -n * (saturated_value(objective) - of_covariates + constant)
    k = table.n_parameters
    return {
        "aic": -2 * log_likelihood + 2 * k,
        "bic": -2 * log_likelihood + k * np.log(n),
        "log_likelihood": log_likelihood,
        "log_likelihood_saturated": saturated,
    }
