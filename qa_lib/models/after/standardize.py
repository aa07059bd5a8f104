"""Estimates on the scale where latent variables, or all variables, have variance one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from qa_lib.models.constraints import evaluate_defined
from qa_lib.models.implied import Block, fill, total_effects
from qa_lib.models.parameters import ParameterTable

Scale = Literal["raw", "latent", "all"]


def row_values(table: ParameterTable, blocks: Sequence[Block], x: np.ndarray, scale: Scale = "raw") -> np.ndarray:
    """Value of every row of the table, then of the defined parameters, at free parameters ``x`` (real or complex).

    Covariances are standardised by the two variables' own (residual) variances, as lavaan does.
    """
    values = np.zeros(len(table.rows), dtype=x.dtype)
    for group, block in enumerate(blocks):
        _block_values(table, block, group, x, scale, values)
    labels = {row.label: values[i] for i, row in reversed(list(enumerate(table.rows))) if row.label}
    return np.concatenate([values, evaluate_defined(table.defined, labels)])


def _block_values(
    table: ParameterTable, block: Block, group: int, x: np.ndarray, scale: Scale, values: np.ndarray
) -> None:
    directed, symmetric, intercept, response, threshold = fill(block, x)
    total = total_effects(block, directed)
    variance = np.diag(total @ symmetric @ total.T)
    with np.errstate(invalid="ignore"):  # a negative variance has no standardised values
        deviation = np.sqrt(variance + 0j if np.iscomplexobj(x) else variance)
    residual = np.sqrt(np.diag(symmetric) + 0j if np.iscomplexobj(x) else np.abs(np.diag(symmetric)))
    if scale == "raw":
        deviation, residual = np.ones_like(deviation), np.ones_like(residual)
    elif scale == "latent":
        deviation[: block.n_observed] = residual[: block.n_observed] = 1
    at = {name: i for i, name in enumerate(block.names)}
    for k, row in enumerate(table.rows):
        if row.group != group:
            continue
        i, j = at[row.lhs], at.get(row.rhs, -1)
        match row.op:
            case "=~":
                values[k] = directed[j, i] * deviation[i] / deviation[j]
            case "~":
                values[k] = directed[i, j] * deviation[j] / deviation[i]
            case "~~" if i == j:
                values[k] = symmetric[i, i] / deviation[i] ** 2
            case "~~":
                values[k] = symmetric[i, j] / (residual[i] * residual[j]) if scale != "raw" else symmetric[i, j]
            case "~1":
                values[k] = intercept[i] / deviation[i]
            case "~*~":
                values[k] = 1.0 if scale == "all" else response[i]
            case "|":
                values[k] = threshold[block.threshold_item == i][int(row.rhs[1:]) - 1] / deviation[i]


def r_squared(table: ParameterTable, group: int, block: Block, x: np.ndarray) -> dict[str, float]:
    """Share of variance explained of every indicator and outcome of one group, zero where all its paths are; nan where
    its residual variance is negative."""
    directed, symmetric, *_ = fill(block, x)
    total = total_effects(block, directed)
    rows = [row for row in table.rows if row.group == group and row.op in {"=~", "~"}]
    explained = {row.rhs if row.op == "=~" else row.lhs for row in rows}
    residual = np.where(np.diag(symmetric) < 0, np.nan, np.diag(symmetric))
    with np.errstate(invalid="ignore", divide="ignore"):  # a variance of zero has no shares
        share = 1 - residual / np.diag(total @ symmetric @ total.T)
    return {name: float(value) for name, value in zip(block.names, share, strict=True) if name in explained}
