"""Models of ordinal items, alone or with continuous variables: what fit.py needs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.implied import build_blocks
from qa_lib.models.inference import ChiSquare
from qa_lib.models.measures import ROBUST, plain_measures, robust_measures, scaled_measures
from qa_lib.models.ordinal.ordinal import Layout, OrdinalObjective, OrdinalStatistics
from qa_lib.models.ordinal.ordinal_data import Variables, collect_ordinal
from qa_lib.models.ordinal.ordinal_tests import baseline_test, correlation_srmr, correlation_tests, robust_results
from qa_lib.models.parameters import ParameterTable, build_table, exogenous_names, variable_names
from qa_lib.models.syntax import Syntax


def prepare(syntax: Syntax, data: object, options: Mapping) -> tuple[ParameterTable, OrdinalObjective, dict]:
    """Parameter table and discrepancy from respondents' rows."""
    if options["cluster"] is not None:
        raise ModelError("cluster is not supported by ordinal estimators.")
    names, covariates = variable_names(syntax), exogenous_names(syntax)
    ordered = options["ordered"]
    ordered = [name for name in names if name not in covariates] if ordered is None else list(ordered)
    samples, statistics, counts = collect_ordinal(
        data,
        Variables(names, ordered, covariates),
        options["group"],
        options["weights"],
        unweighted=options["estimator"] == "ULSMV",
    )
    theta = options["parameterization"] == "theta"
    table = build_table(
        syntax, len(samples), options["group_equal"], options["partial"], options["std_lv"], True, counts, theta
    )
    _start_thresholds(table, statistics)
    blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
    layouts = [Layout.of(block) for block in blocks]
    objective = OrdinalObjective(blocks, samples, statistics, layouts, table.n_free)
    known = sum(len(own.observed) for own in objective.statistics)
    table.require_degrees(known, "thresholds and correlations")
    return table, objective, {"robust": False}


def _start_thresholds(table: ParameterTable, statistics: Sequence[OrdinalStatistics]) -> None:
    """Thresholds start where the answers put them, unless the user says otherwise."""
    for group, own in enumerate(statistics):
        places = ((name, k) for name in table.observed for k in range(len(own.levels.get(name, "x")) - 1 or 1))
        known = {f"{name}|t{k + 1}": value for (name, k), value in zip(places, own.observed, strict=False)}
        for row in table.rows:
            if row.op == "|" and row.group == group and np.isnan(row.start):
                row.start = known[row.term]


def inference(
    table: ParameterTable, objective: OrdinalObjective, at: Evaluation, settings: Mapping
) -> tuple[np.ndarray, ChiSquare]:
    """Covariance of the estimates and the test of fit."""
    return robust_results(objective, at, table.mapping)


def measures(
    table: ParameterTable, objective: OrdinalObjective, at: Evaluation, test: ChiSquare, settings: Mapping
) -> dict[str, float]:
    """Every fit measure by name; the robust ones are missing where they do not exist."""
    base = baseline_test(objective)
    n, n_groups = objective.n - table.n_groups, table.n_groups
    out = plain_measures(test, base, n, n_groups)
    out |= {"srmr": correlation_srmr(objective, at), "n_parameters": table.n_parameters}
    if settings["estimator"] == "ULSMV":
        out["p_value"] = np.nan  # the unscaled statistic of unweighted squares has no known distribution
    out |= scaled_measures(test, base, n, n_groups, shifted=True)
    tests = correlation_tests(objective, at, table.mapping, test.df) if test.df > 0 else None
    robust = robust_measures(*tests, n, n_groups) if tests else {}
    return out | dict.fromkeys(ROBUST, np.nan) | robust
