"""Confirmatory factor analysis and structural equation models, with lavaan's defaults and lavaan's numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np

from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning
from qa_lib.models import indices
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.estimate import Optimum, optimise, starting_values
from qa_lib.models.implied import build_blocks
from qa_lib.models.inference import (
    ChiSquare,
    constrained_inverse,
    saturated_trace,
    saturated_trace_missing,
    score_products,
)
from qa_lib.models.observed import Sample, collect, embedded_inverse, unbiased
from qa_lib.models.ordinal import OrdinalObjective, OrdinalStatistics, check_ordered, collect_ordinal, robust_results
from qa_lib.models.parameters import ParameterTable, baseline_table, build_table, exogenous_names, variable_names
from qa_lib.models.solution import ModelFit
from qa_lib.models.syntax import parse
from qa_lib.results import Provenance

Estimator = Literal["ML", "MLR", "MLM", "GLS", "ULS", "WLSMV", "ULSMV"]
_ESTIMATORS = ("ML", "MLR", "MLM", "GLS", "ULS", "WLSMV", "ULSMV")
_ORDINAL = ("WLSMV", "ULSMV")


def cfa(model: str, data: object, **options: object) -> ModelFit:
    """Confirmatory factor analysis; options and result are those of :func:`sem`.

    >>> import numpy as np, pandas as pd
    >>> r = np.array([[1, .5, .4], [.5, 1, .3], [.4, .3, 1]])
    >>> fit = cfa("f =~ a + b + c", pd.DataFrame(r, list("abc"), list("abc")), nobs=200, std_lv=True)
    >>> fit.tidy()["estimate"].head(3).round(4).tolist()
    [0.8145, 0.6108, 0.4887]
    """
    return sem(model, data, **options)


def sem(
    model: str,
    data: object,
    estimator: Estimator = "ML",
    ordered: Sequence[str] | None = None,
    missing: Literal["listwise", "fiml"] = "listwise",
    group: str | None = None,
    group_equal: Sequence[str] = (),
    std_lv: bool = False,
    weights: object = None,
    cluster: str | None = None,
    nobs: object = None,
    partial: Sequence[str] = (),
    meanstructure: bool = False,
) -> ModelFit:
    """Structural equation model in lavaan's syntax, with the defaults of lavaan 0.6-14's ``sem()``.

    model : lavaan syntax. data : DataFrame of responses (columns the model does not name are ignored), Moments, or a
    covariance DataFrame with ``nobs``; a mapping of groups to Moments for several groups.
    estimator : ML; MLR (robust errors from the observed Hessian, Yuan–Bentler test as Mplus); MLM (Satorra–Bentler);
    GLS; ULS. missing : "fiml" uses every answer (ML, MLR). group : column; ``group_equal`` sets of parameters equal
    across groups, ``partial`` terms such as "x3~1" exempt from it. weights : column or array of respondents' weights,
    rescaled to n, errors robust. cluster : column, errors robust to it.

    Raises ModelError for a model or data that cannot be used; warns NotConvergedWarning, InadmissibleWarning.
    """
    _check_options(estimator, missing, ordered)
    syntax = parse(model)
    variables = variable_names(syntax)
    settings = {
        "estimator": estimator, "missing": missing, "group": group, "group_equal": tuple(group_equal), "std_lv": std_lv,
        "weighted": weights is not None, "cluster": cluster, "robust": False, "fiml": False, "model": model,
    }  # fmt: skip
    if estimator in _ORDINAL:
        if cluster is not None:
            raise ModelError("cluster is not supported by ordinal estimators.")
        ordered = variables if ordered is None else list(ordered)
        check_ordered(ordered, variables, exogenous_names(syntax))
        samples, statistics, counts = collect_ordinal(data, variables, ordered, group, weights, estimator == "ULSMV")
        table = build_table(syntax, len(samples), group_equal, partial, std_lv, True, counts)
        objective = _ordinal_objective(table, samples, statistics)
        optimum = optimise(objective, starting_values(table, samples), table.mapping)
        return _solution(table, objective, optimum, settings)
    fiml = missing == "fiml"
    robust = estimator == "MLR" or ((cluster is not None or weights is not None) and estimator == "ML")
    samples = collect(data, variables, nobs, group, weights, cluster, fiml)
    if estimator in {"GLS", "ULS"}:
        samples = [unbiased(sample) for sample in samples]
    means = meanstructure or fiml or cluster is not None or len(samples) > 1
    known = all(sample.mean is not None for sample in samples)
    table = build_table(syntax, len(samples), group_equal, partial, std_lv, meanstructure=means and known)
    if table.meanstructure and not known:
        raise ModelError(
            "the model has intercepts, but the data are covariances without means: give the responses or Moments."
        )
    if (robust or estimator == "MLM") and any(sample.rows is None for sample in samples):
        raise ModelError(f"{estimator} needs the respondents' rows, not their moments.")
    objective = _objective(table, samples, estimator)
    _check_degrees(objective, table)
    optimum = optimise(objective, starting_values(table, samples), table.mapping)
    settings |= {"robust": robust, "fiml": fiml}
    return _solution(table, objective, optimum, settings)


def _check_options(estimator: str, missing: str, ordered: Sequence[str] | None) -> None:
    if estimator not in _ESTIMATORS:
        raise ModelError(f"estimator {estimator!r} is not known. Allowed: {', '.join(_ESTIMATORS)}.")
    if ordered and estimator not in _ORDINAL:
        raise ModelError("ordered= needs estimator WLSMV or ULSMV.")
    if missing not in {"listwise", "fiml"}:
        raise ModelError(f"missing {missing!r} is not known. Allowed: listwise, fiml.")
    if missing == "fiml" and estimator not in {"ML", "MLR"}:
        raise ModelError(f"missing='fiml' needs estimator ML or MLR, not {estimator}.")


def _objective(table: ParameterTable, samples: list[Sample], estimator: str) -> Objective:
    blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
    criterion = estimator if estimator in {"GLS", "ULS"} else "ML"
    return Objective(blocks, samples, criterion, table.meanstructure, table.n_free)


def _ordinal_objective(
    table: ParameterTable, samples: Sequence[Sample], statistics: Sequence[OrdinalStatistics]
) -> OrdinalObjective:
    blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
    return OrdinalObjective(blocks, samples, statistics, table.n_free)


def _n_moments(table: ParameterTable) -> int:
    p, q = len(table.observed), len(table.exogenous)
    covariances = p * (p + 1) // 2 - q * (q + 1) // 2
    return table.n_groups * (covariances + table.meanstructure * (p - q))


def _check_degrees(objective: Objective, table: ParameterTable) -> None:
    if (df := _n_moments(table) - table.n_parameters) < 0:
        raise ModelError(
            f"the model has {table.n_parameters} free parameters for {_n_moments(table)} observed moments "
            f"({df} degrees of freedom): fix parameters or add items."
        )


def _solution(table: ParameterTable, objective: Objective, optimum: Optimum, settings: dict) -> ModelFit:
    at, estimator = optimum.evaluation, settings["estimator"]
    ordinal = isinstance(objective, OrdinalObjective)
    df = np.nan if ordinal else _n_moments(table) - table.n_parameters
    provenance = Provenance("sem", objective.n, settings)
    if not optimum.converged:
        warnings.warn(
            f"the model did not converge after {optimum.iterations} iterations: no fit is reported. "
            "Check that it is identified, or give starting values.",
            NotConvergedWarning,
            stacklevel=4,
        )
        unknown = np.full((table.n_free, table.n_free), np.nan)
        test = ChiSquare(np.nan, df)
        measures = dict.fromkeys(
            ("chisq", "df", "p_value", "cfi", "tli", "rmsea", "rmsea_low", "rmsea_high", "srmr"), np.nan
        )
        return ModelFit(
            table,
            objective,
            at,
            unknown,
            test,
            measures,
            estimator,
            False,
            False,
            ("not converged",),
            settings,
            provenance,
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if ordinal:
            covariance, test = robust_results(objective, at, table.mapping)
        else:
            covariance = _covariance(table, objective, at, settings)
    problems = [*(str(warning.message) for warning in caught), *_improper(table, at)]
    for problem in problems:
        warnings.warn(problem, InadmissibleWarning, stacklevel=4)
    if not ordinal:
        test = _test(table, objective, at, settings, df)
    measures = _measures(table, objective, at, test, settings)
    return ModelFit(
        table,
        objective,
        at,
        covariance,
        test,
        measures,
        estimator,
        True,
        not problems,
        tuple(problems),
        settings,
        provenance,
    )


def _covariance(table: ParameterTable, objective: Objective, at: Evaluation, settings: dict) -> np.ndarray:
    """Covariance of the estimates: inverse information, or a sandwich where errors are robust."""
    observed = settings["robust"] or settings["fiml"]
    bread = constrained_inverse(objective.observed(at) if observed else objective.expected(at), table.mapping)
    if settings["robust"] or settings["estimator"] == "MLM":
        bread = bread @ score_products(objective, at, center=settings["estimator"] == "MLM") @ bread
    return bread / (objective.n - (objective.criterion != "ML") * table.n_groups)


def _improper(table: ParameterTable, at: Evaluation) -> list[str]:
    """What is impossible in a population: negative variances, covariance matrices that are not positive definite."""
    problems, p = [], len(table.observed)
    names = [*table.observed, *table.latent]
    for g, implied in enumerate(at.implied):
        where = f" in group {g + 1}" if table.n_groups > 1 else ""
        negative = [name for name, v in zip(names, np.diag(implied.symmetric), strict=True) if v < -1e-9]
        if negative:
            problems.append(f"negative variance of {', '.join(negative)}{where}: the solution is inadmissible.")
        latent = implied.full_cov[p:, p:]
        if len(latent) and np.linalg.eigvalsh(latent).min() < -1e-8 * np.trace(np.abs(latent)):
            problems.append(
                f"the covariance matrix of the latent variables is not positive definite{where}: "
                "some correlate beyond one or are linear combinations of others."
            )
        residual = implied.symmetric[:p, :p]
        if not negative and np.linalg.eigvalsh(residual).min() < -1e-8 * np.trace(np.abs(residual)):
            problems.append(f"the covariance matrix of the residuals is not positive definite{where}.")
    return problems


def _saturated_value(objective: Objective) -> float:
    """The discrepancy at the saturated moments."""
    if objective.criterion != "ML":
        return 0.0
    value = 0.0
    for share, sample in zip(objective.shares, objective.samples, strict=True):
        if sample.complete:
            value += share * 0.5 * (np.linalg.slogdet(sample.cov)[1] + len(sample.cov))
        else:
            value += share * _loglik_part(sample, sample.mean, sample.cov, range(len(sample.cov)))
    return float(value)


def _loglik_part(sample: Sample, mean: np.ndarray | None, cov: np.ndarray, keep: Sequence[int]) -> float:
    """Negative log-likelihood per respondent, without constant, of some of the variables at given moments."""
    keep = list(keep)
    own = np.ix_(keep, keep)
    mask = sample.mask[:, keep]
    weight, log_det = embedded_inverse(cov[own], mask)
    deviation = (
        np.where(mask, sample.pattern_mean[:, keep] - mean[keep], 0.0) if mean is not None else np.zeros(mask.shape)
    )
    observed = sample.pattern_cov[:, *own] + deviation[:, :, None] * deviation[:, None]
    return float(0.5 * sample.pattern_n / sample.n @ (log_det + np.einsum("jab,jba->j", weight, observed)))


def _test(table: ParameterTable, objective: Objective, at: Evaluation, settings: dict, df: float) -> ChiSquare:
    statistic = 2 * objective.n * (at.value - _saturated_value(objective))
    if objective.criterion != "ML":
        statistic *= (objective.n - table.n_groups) / objective.n
    if df == 0:
        return ChiSquare(max(statistic, 0.0), 0)
    if not (settings["robust"] or settings["estimator"] == "MLM"):
        return ChiSquare(statistic, df)
    return ChiSquare(statistic, df, _scaling_factor(table, objective, at, settings) / df)


def _scaling_factor(table: ParameterTable, objective: Objective, at: Evaluation, settings: dict) -> float:
    """tr(UΓ): Satorra and Bentler (1994) for MLM, Yuan and Bentler (2000) as Mplus computes it otherwise."""
    exogenous = [table.observed.index(name) for name in table.exogenous]
    if settings["estimator"] == "MLM":
        inverse = constrained_inverse(objective.expected(at), table.mapping)
        products = score_products(objective, at, center=True)
        weights = [slope.weight[0] for slope in at.slopes]
    else:
        clustered = settings["cluster"] is not None and not settings["weighted"]
        linear = clustered and settings["estimator"] == "ML"  # lavaan's default there is observed.information = "h1"
        inverse = constrained_inverse(objective.observed(at, curved=not linear), table.mapping)
        products = score_products(objective, at)
        weights = [np.linalg.inv(sample.cov) for sample in objective.samples]
    trace = 0.0
    for sample, weight in zip(objective.samples, weights, strict=True):
        trace += (
            saturated_trace(sample, weight, exogenous, table.meanstructure)
            if sample.complete
            else saturated_trace_missing(sample)
        )
    return trace - float(np.sum(inverse * products))


def _baseline(table: ParameterTable, objective: Objective, settings: dict) -> ChiSquare:
    """The model of uncorrelated variables, fitted the same way."""
    base = baseline_table(table)
    if isinstance(objective, OrdinalObjective):
        null = _ordinal_objective(base, objective.samples, objective.statistics)
        optimum = optimise(null, starting_values(base, objective.samples), base.mapping)
        return robust_results(null, optimum.evaluation, base.mapping)[1]
    null = _objective(base, list(objective.samples), settings["estimator"])
    optimum = optimise(null, starting_values(base, objective.samples), base.mapping)
    return _test(base, null, optimum.evaluation, settings, _n_moments(base) - base.n_parameters)


def _measures(
    table: ParameterTable, objective: Objective, at: Evaluation, test: ChiSquare, settings: dict
) -> dict[str, float]:
    base = _baseline(table, objective, settings)
    n_groups, df = table.n_groups, test.df
    n = objective.n - (objective.criterion != "ML") * n_groups
    plain = ChiSquare(test.statistic, df)
    low, high = indices.rmsea_interval(test.statistic, df, n, n_groups)
    out = {
        "chisq": test.statistic,
        "df": df,
        "p_value": plain.p_value,
        "cfi": indices.cfi(test.statistic, df, base.statistic, base.df),
        "tli": indices.tli(test.statistic, df, base.statistic, base.df),
        "rmsea": indices.rmsea(test.statistic, df, n, n_groups),
        "rmsea_low": low,
        "rmsea_high": high,
        "rmsea_close_p": indices.rmsea_close(test.statistic, df, n, n_groups),
        "srmr": _srmr(objective, at),
        "baseline_chisq": base.statistic,
        "baseline_df": base.df,
        "n_parameters": table.n_parameters,
    }
    if objective.criterion == "ML":
        out |= _likelihood_measures(table, objective, at)
    if settings["robust"] or settings["estimator"] in {"MLM", *_ORDINAL}:
        out |= _robust_measures(test, base, n, n_groups, settings)
    return out


def _srmr(objective: Objective, at: Evaluation) -> float:
    with_means = objective.means and objective.criterion != "DWLS"
    means = [sample.mean for sample in objective.samples] if with_means else None
    return indices.srmr(
        [sample.cov for sample in objective.samples],
        [implied.cov for implied in at.implied],
        means,
        [implied.mean for implied in at.implied],
        objective.shares,
    )


def _likelihood_measures(table: ParameterTable, objective: Objective, at: Evaluation) -> dict[str, float]:
    """Log-likelihood of the endogenous variables given the covariates, and the information criteria."""
    exogenous = [table.observed.index(name) for name in table.exogenous]
    constant, of_covariates = 0.0, 0.0
    for share, sample in zip(objective.shares, objective.samples, strict=True):
        answered = sample.pattern_n @ sample.mask / sample.n
        endogenous = [i for i in range(len(answered)) if i not in exogenous]
        constant += share * 0.5 * np.log(2 * np.pi) * answered[endogenous].sum()
        if exogenous:
            of_covariates += share * _loglik_part(sample, sample.mean, sample.cov, exogenous)
    n = objective.n
    log_likelihood = -n * (at.value - of_covariates + constant)
    saturated = -n * (_saturated_value(objective) - of_covariates + constant)
    k = table.n_parameters
    return {
        "aic": -2 * log_likelihood + 2 * k,
        "bic": -2 * log_likelihood + k * np.log(n),
        "log_likelihood": log_likelihood,
        "log_likelihood_saturated": saturated,
    }


def _robust_measures(test: ChiSquare, base: ChiSquare, n: float, n_groups: int, settings: dict) -> dict[str, float]:
    """Scaled indices use the scaled statistics; robust ones estimate what the indices would be under normality."""
    df, c, c0 = test.df, test.factor, base.factor
    ordinal = settings["estimator"] in _ORDINAL
    interval = (test.scaled, df) if ordinal else (test.statistic, df * c)
    low, high = indices.rmsea_interval(*interval, n, n_groups)
    out = {
        "chisq_scaled": test.scaled,
        "df_scaled": df,
        "p_value_scaled": test.p_value,
        "scaling_factor": c,
        "baseline_chisq_scaled": base.scaled,
        "baseline_scaling_factor": c0,
        "cfi_scaled": indices.cfi(test.scaled, df, base.scaled, base.df),
        "tli_scaled": indices.tli(test.scaled, df, base.scaled, base.df),
        "rmsea_scaled": indices.rmsea(test.scaled, df, n, n_groups),
        "rmsea_scaled_low": low,
        "rmsea_scaled_high": high,
    }
    robust = ("cfi_robust", "tli_robust", "rmsea_robust", "rmsea_robust_low", "rmsea_robust_high")
    if settings["fiml"] or ordinal:
        return out | dict.fromkeys(robust, np.nan)
    values = (
        indices.cfi(test.statistic, df, base.statistic, base.df, c, c0),
        indices.tli(test.statistic, df, base.statistic, base.df, c, c0),
        indices.rmsea(test.statistic, df, n, n_groups, c),
        *indices.rmsea_interval(test.statistic, df, n, n_groups, c),
    )
    return out | dict(zip(robust, values, strict=True))
