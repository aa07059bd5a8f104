"""What freeing one more parameter would do: score tests of fixed, missing and equal parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.errors import ModelError
from qa_lib.models.after.standardize import row_values
from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.implied import Block, build_blocks, fill
from qa_lib.models.parameters import Parameter, ParameterTable

if TYPE_CHECKING:
    from qa_lib.models.solution import ModelFit


def modification_indices(fit: ModelFit) -> pd.DataFrame:
    """Score test of every parameter that could be freed one at a time, Sörbom (1989), doi:10.1007/BF02294623.

    Fixed parameters, loadings and covariances the model leaves out; not the equality of free parameters, for which see
    :func:`equality_tests`.
    """
    rows = [replace(row) for row in fit.table.rows]
    chosen = [i for i, row in enumerate(rows) if _could_be_freed(row, fit.table)]
    missing = _left_out(fit.table)
    chosen += range(len(rows), len(rows) + len(missing))
    return _score_tests(fit, [*rows, *missing], chosen)


def equality_tests(fit: ModelFit, operators: Collection[str] = ("=~", "~1", "|", "~~", "~")) -> pd.DataFrame:
    """Score test of every parameter that is held equal to its namesake in the first group: lavaan's ``lavTestScore``.

    Among them are intercepts of ordinal items held at zero, and under theta residual variances at one, in every group.
    Columns term, lhs, op, rhs, group, mi
    (chi-square, 1 df), epc (change expected in that group when the equality goes), p_value; largest first.
    """
    first = {row.term: row for row in fit.table.rows if row.group == 0}
    rows = [replace(row) for row in fit.table.rows]

    def held(row: Parameter) -> bool:
        same = first[row.term]
        shared = bool(row.label) and row.label == same.label
        residual = row.op == "~~" and row.lhs == row.rhs and fit.table.theta
        fixed = row.lhs in fit.table.ordered and not row.free and not same.free and (row.op == "~1" or residual)
        return row.group > 0 and row.op in operators and ((row.free and shared) or fixed)

    table = _score_tests(fit, rows, [i for i, row in enumerate(rows) if held(row)])
    table.insert(0, "term", table["lhs"] + table["op"] + table["rhs"])
    return table.sort_values("mi", ascending=False, ignore_index=True)


def _score_tests(fit: ModelFit, rows: list[Parameter], chosen: Sequence[int]) -> pd.DataFrame:
    """Tests of freeing each of the ``chosen`` rows, which extend those of the table or replace them."""
    if not fit.converged:
        raise ModelError("modification indices need a converged model: mend the model first.")
    for i in chosen:
        rows[i].free, rows[i].label = True, ""
    extended, base, x = _extended(fit, rows)
    blocks = build_blocks(extended, [s.cov for s in fit.samples], [s.mean for s in fit.samples])
    objective = replace(fit.objective, blocks=blocks, n_free=extended.n_free)
    at = objective.evaluate(x)
    information = objective.expected(at)
    places = extended.free[list(chosen)]
    projected = np.linalg.solve(base.T @ information @ base, base.T @ information[:, places])
    own = np.diag(information)[places]
    left = own - np.einsum("ki,ki->i", base @ projected, information[:, places])
    left = np.where(left > 1e-8 * np.abs(own), left, np.nan)
    score, freed = at.gradient[places], [rows[i] for i in chosen]
    table = pd.DataFrame(
        {
            "lhs": [row.lhs for row in freed],
            "op": [row.op for row in freed],
            "rhs": [row.rhs for row in freed],
            "group": [fit.groups[row.group] for row in freed],
            "mi": fit.n * score**2 / left,
            "epc": -score / left,
        }
    )
    table["epc_std"] = table["epc"] * _epc_scale(extended, blocks, at, freed)
    table["p_value"] = chi2.sf(table["mi"], 1)
    return table[table["mi"].notna()].reset_index(drop=True)


def _extended(fit: ModelFit, rows: list[Parameter]) -> tuple[ParameterTable, np.ndarray, np.ndarray]:
    """The extended table; how its free parameters hang on the old unconstrained ones; and their present values."""
    free = np.full(len(rows), -1)
    free[[row.free for row in rows]] = np.arange(sum(row.free for row in rows))
    count = int(free.max()) + 1
    table = replace(fit.table, rows=tuple(rows), free=free, mapping=np.eye(count), offset=np.zeros(count))
    base, x = np.zeros((count, fit.table.n_parameters)), np.zeros(count)
    values = row_values(fit.table, fit.objective.blocks, fit.x)
    for i, old in enumerate(fit.table.free):
        if free[i] >= 0:
            x[free[i]] = values[i]
            if old >= 0:
                base[free[i]] = fit.table.mapping[old]
    return table, base, x


def _could_be_freed(row: Parameter, table: ParameterTable) -> bool:
    """Fixed parameters with a meaning of their own; residual variances of ordinal items follow from their scales, or
    under theta these from them."""
    derived = row.op == "~~" and row.lhs == row.rhs and row.lhs in table.ordered and not table.theta
    covariate = row.exo or row.lhs in table.exogenous
    scale = row.op == "~*~" and not table.theta
    return not row.free and not covariate and not derived and (scale or row.op in {"=~", "~", "~~", "~1"})


def _left_out(table: ParameterTable) -> list[Parameter]:
    """Loadings of all items on all factors, covariances, and paths among regressed variables that the model does not
    name."""
    rows = table.rows
    named = {(r.lhs, r.op, r.rhs) for r in rows} | {(r.rhs, "~~", r.lhs) for r in rows if r.op == "~~"}
    indicators = [name for name in dict.fromkeys(r.rhs for r in rows if r.op == "=~") if name in table.observed]
    keys = [(factor, "=~", item) for factor in table.latent for item in indicators]
    keys += [(a, "~~", b) for a, b in combinations([v for v in table.observed if v not in table.exogenous], 2)]
    keys += [(a, "~~", b) for a, b in combinations(table.latent, 2)]
    paths = [r for r in rows if r.op == "~"]
    regressed = dict.fromkeys([r.lhs for r in paths] + [r.rhs for r in paths])
    loads = {(name, factor) for factor in table.latent for name in indicators}  # the same path as a loading
    free = [pair for pair in permutations(regressed, 2) if pair not in loads and pair[0] not in table.exogenous]
    keys += [(y, "~", x) for y, x in free]
    return [Parameter(*key, group=group) for group in range(table.n_groups) for key in keys if key not in named]


def _epc_scale(table: ParameterTable, blocks: Sequence[Block], at: Evaluation, rows: Sequence[Parameter]) -> np.ndarray:
    """What turns a change of a parameter into one of its completely standardised value."""
    names = {name: i for i, name in enumerate([*table.observed, *table.latent])}
    spreads = [_deviations(block, at) for block in blocks]
    out = []
    for row in rows:
        deviation, residual = spreads[row.group]
        i, j = names[row.lhs], names.get(row.rhs)
        if row.op == "=~":
            out.append(deviation[i] / deviation[j])
        elif row.op == "~":
            out.append(deviation[j] / deviation[i])
        elif row.op == "~~":
            scale = residual if i != j else deviation
            both = scale[i] * scale[j]
            out.append(1 / both if both > 0 else np.nan)
        else:
            out.append(1.0 if row.op == "~*~" else 1 / deviation[i])
    return np.array(out)


def _deviations(block: Block, at: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of all variables, covariates' share included, and of their residuals."""
    directed, symmetric, *_ = fill(block, at.x)
    total = np.linalg.inv(np.eye(len(directed)) - directed)
    with np.errstate(invalid="ignore"):  # a variance below zero has no root
        return np.sqrt(np.diag(total @ symmetric @ total.T)), np.sqrt(np.abs(np.diag(symmetric)))
