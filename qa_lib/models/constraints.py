"""Expressions in labels: equality constraints and defined parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.expressions import expression
from qa_lib.models.syntax import Constraint

if TYPE_CHECKING:
    from qa_lib.models.parameters import Parameter

_STEP = 1e-30


def evaluate_defined(defined: Sequence[Constraint], labels: Mapping[str, complex]) -> np.ndarray:
    """Values of the defined parameters in order; later ones may use earlier ones."""
    known = dict(labels)
    for definition in defined:
        known[definition.lhs] = expression(definition.rhs)(known)
    return np.array([known[definition.lhs] for definition in defined])


def complex_jacobian(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Jacobian (outputs × inputs) of an analytic function by complex steps, exact to rounding.

    Squire and Trapp (1998), doi:10.1137/S003614459631241X.
    """
    columns = []
    for k in range(len(x)):
        step = x.astype(complex)
        step[k] += 1j * _STEP
        columns.append(np.imag(function(step)) / _STEP)
    return np.stack(columns, axis=-1) if columns else np.zeros((len(function(x)), 0))


@dataclass(frozen=True, slots=True)
class Equalities:
    """Free parameters that obey every linear equality are ``mapping @ u + offset``; ``curved`` are the other ones."""

    mapping: np.ndarray
    offset: np.ndarray
    curved: tuple[Constraint, ...] = ()


def equalities(rows: Sequence[Parameter], free: np.ndarray, constraints: Sequence[Constraint]) -> Equalities:
    """What ``==`` and shared labels ask of the free parameters. Raises ModelError for linear ones that contradict."""
    first: dict[str, int] = {}
    column = []
    for row, place in zip(rows, free, strict=True):
        if place >= 0:
            column.append(first.setdefault(row.label or f"#{place}", len(first)))
    mapping = np.zeros((len(column), len(first)))
    mapping[np.arange(len(column)), column] = 1
    if not constraints:
        return Equalities(mapping, np.zeros(len(column)))
    points = np.random.default_rng(0).uniform(0.5, 1.5, (2, mapping.shape[1]))

    def residual(u: np.ndarray) -> np.ndarray:
        return residuals(rows, free, constraints, mapping @ u)

    one, other = (complex_jacobian(residual, point) for point in points)
    linear = np.isclose(one, other, atol=1e-10).all(1)
    matrix, target = one[linear], (one @ points[0] - residual(points[0]))[linear]
    curved = tuple(c for c, straight in zip(constraints, linear, strict=True) if not straight)
    if not linear.any():
        return Equalities(mapping, np.zeros(len(column)), curved)
    solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    if not np.allclose(matrix @ solution, target, atol=1e-8):
        raise ModelError("the equality constraints contradict each other.")
    return Equalities(mapping @ null_space(matrix), mapping @ solution, curved)


def null_space(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal directions (columns) in which no row of the matrix changes."""
    _, singular, vectors = np.linalg.svd(matrix)
    rank = int((singular > 1e-10 * singular.max(initial=0)).sum())
    return vectors[rank:].T


def residuals(
    rows: Sequence[Parameter], free: np.ndarray, constraints: Sequence[Constraint], x: np.ndarray
) -> np.ndarray:
    """Left less right side of every equality at free parameters ``x`` (real or complex)."""
    values = {
        row.label: x[place] if place >= 0 else row.value for row, place in zip(rows, free, strict=True) if row.label
    }
    return np.array([expression(c.lhs)(values) - expression(c.rhs)(values) for c in constraints])
