"""Fourth-order terms: products of all monomials up to degree two, and the asymptotic covariance they give."""

from __future__ import annotations

import numpy as np

from qa_lib.sufficient.grams import BLOCK


def lower_triangle(p: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each element of vech, column by column: (1,1), (2,1), …, (p,1), (2,2), …"""
    columns, rows = np.triu_indices(p)
    return rows, columns


def products(x: np.ndarray, shift: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Σw u uᵀ with u = (1, y, vech(y yᵀ)), y = x - shift; x is items × respondents, without missing values."""
    rows, columns = lower_triangle(len(x))
    size = 1 + len(x) + len(rows)
    total = np.zeros((size, size))
    for start in range(0, x.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        y = x[:, part] - shift[:, None]
        u = np.vstack([np.ones(y.shape[1]), y, y[rows] * y[columns]])
        total += u @ u.T if weights is None else (u * weights[part]) @ u.T
    return total


def recentre(total: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The products after every y has become y + d."""
    if not d.any():
        return total
    change = _shift_map(d)
    return change @ total @ change.T


def _shift_map(d: np.ndarray) -> np.ndarray:
    p = len(d)
    rows, columns = lower_triangle(p)
    change = np.eye(1 + p + len(rows))
    squares = np.arange(1 + p, len(change))
    change[1 : 1 + p, 0] = d
    change[squares, 0] = d[rows] * d[columns]
    change[squares, 1 + rows] += d[columns]
    change[squares, 1 + columns] += d[rows]
    return change


def select(total: np.ndarray, where: list[int]) -> np.ndarray:
    """The products of some of the items, in the given order."""
    p = int((np.sqrt(8 * len(total) + 1) - 3) / 2)
    position = np.zeros((p, p), dtype=int)
    rows, columns = lower_triangle(p)
    position[rows, columns] = position[columns, rows] = np.arange(1 + p, len(total))
    chosen = np.array(where)
    new_rows, new_columns = lower_triangle(len(chosen))
    kept = np.concatenate([[0], 1 + chosen, position[chosen[new_rows], chosen[new_columns]]])
    return total[np.ix_(kept, kept)]


def asymptotic_covariance(total: np.ndarray) -> np.ndarray:
    """n × covariance of means and covariances: moments of (y, vech(y yᵀ)) about the means, denominator n."""
    n = total[0, 0]
    p = int((np.sqrt(8 * len(total) + 1) - 3) / 2)
    centred = recentre(total, -total[0, 1 : 1 + p] / n)
    mean = centred[0, 1:] / n
    return centred[1:, 1:] / n - np.outer(mean, mean)
