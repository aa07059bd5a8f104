"""Models of continuous variables: maximum likelihood, and least squares with the metric of GLS or ULS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.corrected import corrected_test, unrestricted
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.estimate import optimise
from qa_lib.models.implied import build_blocks
from qa_lib.models.inference import ChiSquare, constrained_inverse, score_products
from qa_lib.models.measures import likelihood_measures, plain_measures, robust_measures, scaled_measures, srmr
from qa_lib.models.observed import Sample, collect, unbiased
from qa_lib.models.parameters import (
    ParameterTable,
    baseline_table,
    build_table,
    covariate_places,
    exogenous_names,
    variable_names,
    with_covariances,
)
from qa_lib.models.saturated import given_trace, saturated_trace, saturated_value
from qa_lib.models.syntax import Syntax


def prepare(syntax: Syntax, data: object, options: Mapping) -> tuple[ParameterTable, Objective, dict]:
    """Parameter table, discrepancy and what else the options decide: whether errors are robust."""
    estimator, fiml, cluster, weights = (options[key] for key in ("estimator", "fiml", "cluster", "weights"))
    robust = estimator == "MLR" or ((cluster is not None or weights is not None) and estimator == "ML")
    if found := next((f for f in syntax.formulas if f.op in {"|", "~*~"}), None):
        raise ModelError(
            f"{found.lhs} {found.op} {found.rhs}: thresholds and scales are of ordinal items: estimator WLSMV or ULSMV."
        )
    random_x = exogenous_names(syntax) if estimator in {"GLS", "ULS"} else ()  # lavaan's fixed.x is false there
    syntax = with_covariances(syntax, random_x)
    variables = variable_names(syntax)
    samples = collect(
        data, variables, options["nobs"], options["group"], weights, cluster, fiml, exogenous_names(syntax)
    )
    if estimator in {"GLS", "ULS"}:
        samples = [unbiased(sample) for sample in samples]
    means = options["meanstructure"] or fiml or cluster is not None or len(samples) > 1
    known = all(sample.mean is not None for sample in samples)
    table = build_table(
        syntax,
        len(samples),
        options["group_equal"],
        options["partial"],
        options["std_lv"],
        means and known,
        random_x=random_x,
    )
    if table.meanstructure and not known:
        raise ModelError(
            "the model has intercepts, but the data are covariances without means: give the responses or Moments."
        )
    if (robust or estimator == "MLM") and any(sample.rows is None for sample in samples):
        raise ModelError(f"{estimator} needs the respondents' rows, not their moments.")
    objective = _objective(table, samples, estimator)
    table.require_degrees(_n_moments(table), "observed moments")
    return table, objective, {"robust": robust}


def _objective(table: ParameterTable, samples: list[Sample], estimator: str) -> Objective:
    blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
    criterion = estimator if estimator in {"GLS", "ULS"} else "ML"
    return Objective(blocks, samples, criterion, table.meanstructure, table.n_free)


def _n_moments(table: ParameterTable) -> int:
    p, q = len(table.observed), len(table.exogenous)
    covariances = p * (p + 1) // 2 - q * (q + 1) // 2
    return table.n_groups * (covariances + table.meanstructure * (p - q))


def inference(
    table: ParameterTable, objective: Objective, at: Evaluation, settings: Mapping
) -> tuple[np.ndarray, ChiSquare]:
    """Covariance of the estimates and the test of fit."""
    return _covariance(table, objective, at, settings), _test(table, objective, at, settings)


def _covariance(table: ParameterTable, objective: Objective, at: Evaluation, settings: Mapping) -> np.ndarray:
    """Covariance of the estimates: inverse information, or a sandwich where errors are robust."""
    observed = settings["robust"] or settings["fiml"]
    bread = constrained_inverse(objective.observed(at) if observed else objective.expected(at), table.mapping)
    if settings["robust"] or settings["estimator"] == "MLM":
        moments = settings["estimator"] == "MLM"
        bread = bread @ score_products(objective, at, moments, covariate_places(table)) @ bread
    return bread / (objective.n - (objective.criterion != "ML") * table.n_groups)


def _test(table: ParameterTable, objective: Objective, at: Evaluation, settings: Mapping) -> ChiSquare:
    df = _n_moments(table) - table.n_parameters
    statistic = 2 * objective.n * (at.value - saturated_value(objective))
    if df == 0:
        return ChiSquare(max(statistic, 0.0), 0)
    if not (settings["robust"] or settings["estimator"] == "MLM"):
        return ChiSquare(statistic, df)
    return ChiSquare(statistic, df, scaling_trace(table, objective, at, settings) / df)


def scaling_trace(table: ParameterTable, objective: Objective, at: Evaluation, settings: Mapping) -> float:
    """tr(UΓ): Satorra and Bentler (1994) for MLM, Yuan and Bentler (2000) as Mplus computes it otherwise."""
    exogenous, of_saturated = covariate_places(table), saturated_trace
    if settings["estimator"] == "MLM":
        inverse = constrained_inverse(objective.expected(at), table.mapping)
        products = score_products(objective, at, center=True, covariates=exogenous)
        of_saturated = given_trace if exogenous else saturated_trace
        weights = [slope.weight[0] for slope in at.slopes]
    else:
        clustered = settings["cluster"] is not None and not settings["weighted"]
        linear = clustered and settings["estimator"] == "ML"  # lavaan's default there is observed.information = "h1"
        inverse = constrained_inverse(objective.observed(at, curved=not linear), table.mapping)
        products = score_products(objective, at)
        weights = [np.linalg.inv(sample.cov) for sample in objective.samples]
    trace = 0.0
    for sample, weight in zip(objective.samples, weights, strict=True):
        trace += of_saturated(sample, weight, exogenous, table.meanstructure)
    return trace - float(np.sum(inverse * products))


def measures(
    table: ParameterTable, objective: Objective, at: Evaluation, test: ChiSquare, settings: Mapping
) -> dict[str, float]:
    """Every fit measure by name."""
    base, null, null_at = _baseline(table, objective, settings)
    baseline = _test(base, null, null_at, settings)
    n_groups = table.n_groups
    n = objective.n - (objective.criterion != "ML") * n_groups
    out = plain_measures(test, baseline, n, n_groups)
    out |= {"srmr": srmr(objective, at), "n_parameters": table.n_parameters}
    if objective.criterion == "ULS":
        out["p_value"] = np.nan  # the statistic of unweighted squares has no known distribution
    if objective.criterion == "ML":
        out |= likelihood_measures(table, objective, at)
    scaled = settings["robust"] or settings["estimator"] == "MLM"
    if scaled:
        out |= scaled_measures(test, baseline, n, n_groups, shifted=False)
    if settings["fiml"]:
        known = [unrestricted(sample, covariate_places(table), scaled) for sample in objective.samples]
        test = corrected_test(objective, at, table.mapping, test.df, known)
        baseline = corrected_test(null, null_at, base.mapping, baseline.df, known)
    elif not scaled:
        return out
    return out | robust_measures(test, baseline, n, n_groups)


def _baseline(
    table: ParameterTable, objective: Objective, settings: Mapping
) -> tuple[ParameterTable, Objective, Evaluation]:
    """The model of uncorrelated variables, fitted the same way."""
    base = baseline_table(table)
    null = _objective(base, list(objective.samples), settings["estimator"])
    at = {name: i for i, name in enumerate(base.observed)}
    start = [
        objective.samples[row.group].mean[at[row.lhs]]
        if row.op == "~1"
        else objective.samples[row.group].cov[at[row.lhs], at[row.lhs]]
        for row in base.free_rows
    ]
    return base, null, optimise(null, np.array(start), base.mapping).evaluation
