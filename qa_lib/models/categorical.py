"""Models of ordinal items, alone or with continuous variables: what fit.py needs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.estimate import optimise, starting_values
from qa_lib.models.implied import build_blocks
from qa_lib.models.inference import ChiSquare
from qa_lib.models.measures import plain_measures, robust_measures, scaled_measures, srmr
from qa_lib.models.observed import Sample
from qa_lib.models.ordinal import OrdinalObjective, OrdinalStatistics, check_ordered, collect_ordinal, robust_results
from qa_lib.models.parameters import ParameterTable, baseline_table, build_table, exogenous_names, variable_names
from qa_lib.models.syntax import Syntax


def prepare(syntax: Syntax, data: object, options: Mapping) -> tuple[ParameterTable, OrdinalObjective, dict]:
    """Parameter table and discrepancy from respondents' rows."""
    if options["cluster"] is not None:
        raise ModelError("cluster is not supported by ordinal estimators.")
    variables, ordered = variable_names(syntax), options["ordered"]
    ordered = variables if ordered is None else list(ordered)
    check_ordered(ordered, variables, exogenous_names(syntax))
    unweighted = options["estimator"] == "ULSMV"
    samples, statistics, counts = collect_ordinal(
        data, variables, ordered, options["group"], options["weights"], unweighted
    )
    table = build_table(
        syntax, len(samples), options["group_equal"], options["partial"], options["std_lv"], True, counts
    )
    return table, _objective(table, samples, statistics), {"robust": False}


def _objective(
    table: ParameterTable, samples: Sequence[Sample], statistics: Sequence[OrdinalStatistics]
) -> OrdinalObjective:
    blocks = build_blocks(table, [sample.cov for sample in samples], [sample.mean for sample in samples])
    return OrdinalObjective(blocks, samples, statistics, table.n_free)


def inference(
    table: ParameterTable, objective: OrdinalObjective, at: Evaluation, settings: Mapping
) -> tuple[np.ndarray, ChiSquare]:
    """Covariance of the estimates and the test of fit."""
    return robust_results(objective, at, table.mapping)


def _baseline(table: ParameterTable, objective: OrdinalObjective) -> ChiSquare:
    """The test of uncorrelated variables, fitted the same way."""
    base = baseline_table(table)
    null = _objective(base, objective.samples, objective.statistics)
    optimum = optimise(null, starting_values(base, objective.samples), base.mapping)
    return robust_results(null, optimum.evaluation, base.mapping)[1]


def measures(
    table: ParameterTable, objective: OrdinalObjective, at: Evaluation, test: ChiSquare, settings: Mapping
) -> dict[str, float]:
    """Every fit measure by name."""
    base = _baseline(table, objective)
    n = objective.n - table.n_groups
    out = plain_measures(test, base, n, table.n_groups)
    out |= {"srmr": srmr(objective, at, with_means=False), "n_parameters": table.n_parameters}
    out |= scaled_measures(test, base, n, table.n_groups, shifted=True)
    return out | dict.fromkeys(robust_measures(test, base, n, table.n_groups), np.nan)
