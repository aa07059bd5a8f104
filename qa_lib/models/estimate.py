"""From starting values to the optimum: scoring steps with step halving, the same for every discrepancy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve

from qa_lib.models.constraints import complex_jacobian, null_space, residuals
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.observed import Sample
from qa_lib.models.parameters import ParameterTable

_PATIENCE = 40  # iterations within which the gain must halve; at a slower pace a thousand would not do


@dataclass(frozen=True, slots=True)
class Optimum:
    evaluation: Evaluation
    converged: bool
    iterations: int


def starting_values(table: ParameterTable, samples: Sequence[Sample]) -> np.ndarray:
    """Starts of the free parameters: what the user gave, otherwise from the sample.

    Loadings by the third instrumental-variables estimator of Hägglund (1982), doi:10.1007/BF02296276.
    """
    at = {name: i for i, name in enumerate(table.observed)}
    loads = [_loadings(table, sample.cov, at) for sample in samples]
    x = []
    for row in table.free_rows:
        sample, (loading, variance) = samples[row.group], loads[row.group]
        if not np.isnan(row.start):
            x.append(row.start)
        elif row.op == "=~":
            x.append(loading.get((row.lhs, row.rhs), 1.0))
        elif row.op == "~~" and row.lhs == row.rhs:
            x.append(0.5 * sample.cov[at[row.lhs], at[row.lhs]] if row.lhs in at else variance.get(row.lhs, 0.05))
        elif row.op == "~1" and row.lhs in at and sample.mean is not None:
            x.append(sample.mean[at[row.lhs]])
        else:
            x.append(1.0 if row.op == "~*~" else 0.5 * int(row.rhs[1:]) - 1 if row.op == "|" else 0.0)
    x = np.array(x)
    return table.mapping @ np.linalg.lstsq(table.mapping, x - table.offset, rcond=None)[0] + table.offset


def _loadings(table: ParameterTable, cov: np.ndarray, at: dict[str, int]) -> tuple[dict, dict]:
    loading, variance = {}, {}
    for factor in table.latent:
        rows = [row for row in table.rows if row.op == "=~" and row.lhs == factor and row.group == 0]
        items = [row.rhs for row in rows]
        if len(items) < 2 or not set(items) <= set(at):
            continue
        part = cov[np.ix_([at[item] for item in items], [at[item] for item in items])]
        ratio = np.ones(len(items))
        for i in range(1, len(items)):
            others = [k for k in range(1, len(items)) if k != i]
            strength = part[0, others] @ part[0, others]
            ratio[i] = np.clip(part[i, others] @ part[0, others] / strength, -5, 5) if len(others) and strength else 1.0
        off = ~np.eye(len(items), dtype=bool)
        products = np.outer(ratio, ratio)[off]
        size = part[off] @ products / (products @ products or 1.0)
        limit = (part.diagonal() / np.maximum(ratio**2, 1e-8)).min()
        size = np.clip(size, 0.05 * limit, 0.9 * limit)
        standardized = any(
            r.op == "~~" and r.lhs == r.rhs == factor and r.value == 1 for r in table.rows if r.group == 0
        )
        scale = np.sqrt(size) if standardized else 1.0
        loading |= {(factor, item): value * scale for item, value in zip(items, ratio, strict=True)}
        variance[factor] = 1.0 if standardized else size
    return loading, variance


def solve(table: ParameterTable, objective: Objective, start: np.ndarray) -> tuple[ParameterTable, Optimum]:
    """The optimum under all constraints, and the table with curved constraints made directions there."""
    if not table.curved:
        return table, optimise(objective, start, table.mapping)

    def slopes(x: np.ndarray) -> np.ndarray:
        return complex_jacobian(lambda at: residuals(table.rows, table.free, table.curved, at), x)

    if np.abs(slopes(start) @ table.mapping).max(axis=1).min() < 1e-8:  # a product of parameters that start at zero
        start = optimise(objective, start, table.mapping).evaluation.x
    optimum = optimise_curved(objective, start, table)
    slope = slopes(optimum.evaluation.x)
    directions = table.mapping @ null_space(slope @ table.mapping)
    return replace(table, mapping=directions, curved=(), specified=table), optimum


def optimise(
    objective: Objective,
    start: np.ndarray,
    mapping: np.ndarray,
    max_iterations: int = 1000,
    tolerance: float = 1e-18,
) -> Optimum:
    """Fisher scoring (Gauss–Newton for least squares) over ``start + mapping @ u``, damped where it must be; near the
    optimum, where the Hessian is known, Newton's steps.

    Converged when the expected gain of a further step, g' I⁻¹ g, is below ``tolerance`` or lost in rounding. Given up
    when it does not fall any more: parameters that run away, as in samples too small for the model.
    """
    at = objective.evaluate(start)
    damping, near, least, since = 0.0, False, np.inf, 0
    for iteration in range(max_iterations):
        gradient = mapping.T @ at.gradient
        information = mapping.T @ (objective.observed(at) if near else objective.expected(at)) @ mapping
        scale = np.diag(information)
        step = _solve(information + np.diag(damping * scale + 1e-300), gradient)
        if step is None and near:
            near = False
            continue
        if step is None:
            damping = max(10 * damping, 1e-6)
            if damping > 1e6:
                return Optimum(at, False, iteration)
            continue
        gain = float(step @ gradient)
        if gain < tolerance * max(1.0, abs(at.value)):
            return Optimum(at, bool(damping < 1e-2), iteration)
        if gain < least / 2:
            least, since = gain, iteration
        elif iteration > since + _PATIENCE:
            return Optimum(at, bool(gain < 1e-11 and damping < 1e-2), iteration)
        following = _improve(objective, at, -mapping @ step, gain)
        near = objective.curved and gain < 1e-3
        if following is None:
            if gain < 1e-11:
                return Optimum(at, True, iteration)
            damping = max(10 * damping, 1e-4)
            if damping > 1e6:
                return Optimum(at, False, iteration)
            continue
        at, damping = following, damping / 10 if damping > 1e-8 else 0.0
    return Optimum(at, False, max_iterations)


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    if factor.diagonal().min() < 1e-7 * np.sqrt(np.diag(matrix)).max() * 1e-3:
        return None
    return cho_solve((factor, True), right)


def _improve(objective: Objective, at: Evaluation, step: np.ndarray, gain: float) -> Evaluation | None:
    length = 1.0
    for _ in range(12):
        try:
            following = objective.evaluate(at.x + length * step)
        except np.linalg.LinAlgError:
            length /= 2
            continue
        if following.value <= at.value - 1e-4 * length * gain or (gain < 1e-9 and following.value <= at.value + 1e-13):
            return following
        length /= 2
    return None


def optimise_curved(
    objective: Objective, start: np.ndarray, table: ParameterTable, max_iterations: int = 500
) -> Optimum:
    """Sequential quadratic programming with Fisher information: back to the constraints, and down along them.

    A step is kept when discrepancy plus weighted violations fall (Nocedal and Wright 2006, Numerical Optimization,
    section 18.3). Converged when the violations vanish and the gain along the constraints is lost in rounding.
    """

    def violation(x: np.ndarray) -> np.ndarray:
        return residuals(table.rows, table.free, table.curved, x)

    at, penalty = objective.evaluate(start), 0.0
    for iteration in range(max_iterations):
        off = violation(at.x)
        slope = complex_jacobian(violation, at.x) @ table.mapping
        gradient, information = table.mapping.T @ at.gradient, table.mapping.T @ objective.expected(at) @ table.mapping
        back, along = -np.linalg.pinv(slope) @ off, null_space(slope)
        downhill = along.T @ (gradient + information @ back)
        inner = _solve(along.T @ information @ along, downhill)
        if inner is None:
            return Optimum(at, False, iteration)
        gain = float(inner @ downhill)
        if np.abs(off).max() < 1e-13 * (1 + np.abs(at.x).max()) and gain < 1e-18 * max(1.0, abs(at.value)):
            return Optimum(at, True, iteration)
        step = back - along @ inner
        multipliers = np.linalg.pinv(slope.T) @ (gradient + information @ step)
        penalty = max(penalty, 2 * np.abs(multipliers).max())
        following = _toward(objective, at, table.mapping @ step, violation, penalty)
        if following is None:
            return Optimum(at, bool(np.abs(off).max() < 1e-10 and gain < 1e-11), iteration)
        at = following
    return Optimum(at, False, max_iterations)


def _toward(objective: Objective, at: Evaluation, step: np.ndarray, violation, penalty: float) -> Evaluation | None:
    """The longest of the halved steps that lowers discrepancy plus penalised violations, up to rounding."""
    merit, length = at.value + penalty * np.abs(violation(at.x)).sum(), 1.0
    for _ in range(20):
        try:
            following = objective.evaluate(at.x + length * step)
        except np.linalg.LinAlgError:
            length /= 2
            continue
        if following.value + penalty * np.abs(violation(following.x)).sum() <= merit + 1e-14 * abs(merit):
            return following
        length /= 2
    return None
