"""Estimates of the normal variables behind ordinal items: from bivariate tables, and from respondents one by one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from qa_lib.errors import EmptyCategoryWarning, InadmissibleWarning, ResponseError
from qa_lib.sufficient.bivariate import TAIL
from qa_lib.sufficient.grams import BLOCK
from qa_lib.sufficient.moments import Moments, moments
from qa_lib.sufficient.twostep import (
    mean_variance_influence,
    pearson_influence,
    polychoric_influence,
    polychoric_rho,
    polyserial_influence,
    polyserial_rho,
    threshold_influence,
)


@dataclass(frozen=True, slots=True)
class Margin:
    """The levels of an item that were used, and the thresholds between them."""

    used: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def of(cls, item: str, levels: np.ndarray, counts: np.ndarray) -> Margin:
        used = counts > 0
        if used.sum() < 2:
            raise ResponseError(
                f"Item {item} is constant ({levels[used].tolist()}): it has no thresholds. Leave it out."
            )
        if not used.all():
            warnings.warn(
                f"Item {item}: nobody chose {levels[~used].tolist()}; thresholds are those between the levels used.",
                EmptyCategoryWarning,
                stacklevel=4,
            )
        share = np.cumsum(counts[used]) / counts.sum()
        return cls(levels[used], ndtri(share[:-1]))


@dataclass(frozen=True, slots=True)
class TablePairs:
    """All pairs of ordinal items, padded to the longest scale (K levels).

    tables : (pairs, K, K) counts. thresholds : of the first and second item, each (pairs, K - 1), infinite where
    padded. moves : influences on these thresholds, each (pairs, K, K - 1). Pairs run down the columns of the lower
    triangle; the first item of a pair is the earlier one.
    """

    items: list[str]
    margins: dict[str, Margin]
    tables: np.ndarray
    thresholds: tuple[np.ndarray, np.ndarray]
    moves: tuple[np.ndarray, np.ndarray]
    start: np.ndarray

    @classmethod
    def of(cls, m: Moments) -> TablePairs:
        counts = m.tables
        margins = {
            item: Margin.of(item, counts.levels(i), np.diag(counts.array(i, i))) for i, item in enumerate(m.items)
        }
        used = [np.isin(counts.levels(i), margin.used) for i, margin in enumerate(margins.values())]
        all_used = [bool(own.all()) for own in used]
        width = max(len(margin.used) for margin in margins.values())
        thresholds = np.full((len(margins), width - 1), TAIL)
        moves = np.zeros((len(margins), width, width - 1))
        for i, margin in enumerate(margins.values()):
            k = len(margin.thresholds)
            thresholds[i, :k] = margin.thresholds
            moves[i, : k + 1, :k] = threshold_influence(margin.thresholds)
        first, second = np.triu_indices(len(margins), 1)
        tables = np.zeros((len(first), width, width))
        for table, i, j in zip(tables, first, second, strict=True):
            cells = counts.array(i, j)
            if not (all_used[i] and all_used[j]):
                cells = cells[np.ix_(used[i], used[j])]
            table[: cells.shape[0], : cells.shape[1]] = _fill_empty_cell(cells, m.items[i], m.items[j])
        start = np.nan_to_num(m.correlation.to_numpy()[first, second])
        pairs = (thresholds[first], thresholds[second]), (moves[first], moves[second])
        return cls(list(m.items), margins, tables, *pairs, start)

    def correlations(self) -> tuple[np.ndarray, bool]:
        rho, converged = polychoric_rho(self.tables, *self.thresholds, self.start)
        first, second = np.triu_indices(len(self.items), 1)
        for pair in np.flatnonzero(~converged):
            warn_bound(self.items[first[pair]], self.items[second[pair]], rho[pair])
        return rho, bool(converged.all())

    def influences(self, rho: np.ndarray) -> np.ndarray:
        """How one more respondent in each cell moves each correlation (times n): (pairs, K, K)."""
        return polychoric_influence(self.tables, *self.thresholds, rho, self.moves)


def _fill_empty_cell(cells: np.ndarray, first: str, second: str) -> np.ndarray:
    """A 2 × 2 table with one empty cell would give ±1: half a respondent is moved there, the margins kept (lavaan's
    zero.add and zero.keep.margins)."""
    if cells.shape != (2, 2) or (cells == 0).sum() != 1:
        return cells
    warnings.warn(
        f"Items {first} and {second}: a cell of their 2 × 2 table is empty; half a respondent is put there, so "
        "their correlation is uncertain.",
        EmptyCategoryWarning,
        stacklevel=5,
    )
    on_diagonal = cells[0, 0] == 0 or cells[1, 1] == 0
    return cells + 0.5 * np.where(np.eye(2, dtype=bool) == on_diagonal, 1, -1)


def warn_bound(first: str, second: str, rho: float) -> None:
    warnings.warn(
        f"Items {first} and {second}: their latent correlation is at the bound ({rho:.4f}); one repeats the other, or "
        "too many cells of their table are empty.",
        InadmissibleWarning,
        stacklevel=4,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """Complete respondents: codes (0 … K - 1) of ordinal items, z scores of continuous ones; dicts by item.

    weights : (n,), mean 1. mean, sd : of the continuous items, denominator n.
    """

    items: list[str]
    codes: dict[str, np.ndarray]
    table_pairs: TablePairs | None
    z: dict[str, np.ndarray]
    mean: dict[str, float]
    sd: dict[str, float]
    weights: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, items: Sequence[str], ordered: Sequence[str], weights: np.ndarray) -> Sample:
        columns = dict(zip(items, x.T, strict=True))
        levels = {item: np.unique(columns[item]) for item in ordered}
        codes = {item: np.searchsorted(levels[item], columns[item]) for item in ordered}
        for item, found in levels.items():
            if (np.diff(found) > 1).any() and (found == np.rint(found)).all():
                absent = sorted(set(range(int(found[0]), int(found[-1]))) - set(found.astype(int)))
                warnings.warn(
                    f"Item {item}: nobody chose {absent}; thresholds are those between the levels used.",
                    EmptyCategoryWarning,
                    stacklevel=3,
                )
        even = bool((weights == 1).all())
        counts = moments(pd.DataFrame(codes), weights=None if even else weights) if codes else None
        continuous = {item: columns[item] for item in items if item not in codes}
        mean = {item: float(np.average(v, weights=weights)) for item, v in continuous.items()}
        sd = {
            item: float(np.sqrt(np.average((v - mean[item]) ** 2, weights=weights))) for item, v in continuous.items()
        }
        constant = [item for item, spread in sd.items() if not spread > 0]
        if constant:
            raise ResponseError(f"Items {constant} are constant: they correlate with nothing. Leave them out.")
        z = {item: (v - mean[item]) / sd[item] for item, v in continuous.items()}
        pairs = None if counts is None else TablePairs.of(counts)
        return cls(list(items), codes, pairs, z, mean, sd, weights)

    @property
    def margins(self) -> dict[str, Margin]:
        return {} if self.table_pairs is None else self.table_pairs.margins

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each correlation, down the columns of the lower triangle."""
        columns, rows = np.triu_indices(len(self.items), 1)
        return rows, columns

    def correlations(self) -> tuple[np.ndarray, bool]:
        """The (p, p) matrix of polychoric, polyserial and Pearson correlations; and whether all converged."""
        rho = np.eye(len(self.items))
        all_converged = True
        if self.table_pairs is not None:
            where = [self.items.index(item) for item in self.codes]
            first, second = np.triu_indices(len(where), 1)
            found, all_converged = self.table_pairs.correlations()
            rho[np.take(where, first), np.take(where, second)] = found
        for j, i in zip(*self.pairs, strict=True):
            a, b = self.items[i], self.items[j]
            if a in self.z and b in self.z:
                rho[i, j] = np.average(self.z[a] * self.z[b], weights=self.weights)
            elif a in self.z or b in self.z:
                serial, ordinal = (a, b) if a in self.z else (b, a)
                cuts = self.margins[ordinal].thresholds
                rho[i, j], converged = polyserial_rho(self.z[serial], self.codes[ordinal], cuts, self.weights)
                if not converged:
                    warn_bound(a, b, rho[i, j])
                all_converged &= converged
        return np.triu(rho) + np.triu(rho, 1).T, all_converged

    def _moves(self) -> dict[str, np.ndarray]:
        """Influences on each item's thresholds by category (K, K - 1), or mean and variance by respondent (n, 2)."""
        return {item: threshold_influence(margin.thresholds) for item, margin in self.margins.items()} | {
            item: mean_variance_influence(z, self.sd[item], self.weights) for item, z in self.z.items()
        }

    def _continuous_pair(self, a: str, b: str, rho: float, moves: dict[str, np.ndarray]) -> np.ndarray:
        if a in self.z and b in self.z:
            both = (self.z[a], self.z[b]), (self.sd[a], self.sd[b])
            return pearson_influence(*both, rho, (moves[a], moves[b]), self.weights)
        serial, ordinal = (a, b) if a in self.z else (b, a)
        codes, cuts = self.codes[ordinal], self.margins[ordinal].thresholds
        both = moves[serial], moves[ordinal][codes]
        return polyserial_influence(self.z[serial], self.sd[serial], codes, cuts, rho, both, self.weights)

    def _influences(self, rho: np.ndarray):
        """Yields weighted influences on all estimates in lavaan's order, (rows, estimates), in blocks of rows."""
        moves = self._moves()
        ordinal = {frozenset(pair): k for k, pair in enumerate(_pairs_of(list(self.codes)))}
        cells = None if not ordinal else self.table_pairs.influences(rho[self._ordinal_pairs()])
        casewise = {
            (a, b): self._continuous_pair(a, b, rho[self.items.index(a), self.items.index(b)], moves)
            for a, b in _pairs_of(self.items)
            if frozenset((a, b)) not in ordinal
        }
        for start in range(0, len(self.weights), BLOCK):
            rows = slice(start, start + BLOCK)
            location = [
                moves[item][self.codes[item][rows]] if item in self.codes else -moves[item][rows, :1]
                for item in self.items
            ]
            spread = [moves[item][rows, 1:] for item in self.z]
            linked = [
                self._on_covariance(a, b, casewise[a, b][rows], rho, moves, rows)
                if (a, b) in casewise
                else cells[ordinal[frozenset((a, b))]][self.codes[a][rows], self.codes[b][rows]]
                for a, b in _pairs_of(self.items)
            ]
            yield np.column_stack([*location, *spread, *linked]) * self.weights[rows, None]

    def _ordinal_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        where = [self.items.index(item) for item in self.codes]
        first, second = np.triu_indices(len(where), 1)
        return np.take(where, first), np.take(where, second)

    def correlation_variances(self, rho: np.ndarray, acov: np.ndarray) -> np.ndarray:
        """n × variance of each correlation, from the asymptotic covariance of variances and covariances."""
        rows, columns = self.pairs
        sd = np.array([self.sd.get(item, 1.0) for item in self.items])
        change = np.zeros((len(rows), len(acov)))
        change[:, -len(rows) :] = np.diag(1 / (sd[rows] * sd[columns]))
        for k, item in enumerate(self.z):
            i = self.items.index(item)
            at = len(acov) - len(rows) - len(self.z) + k
            change[:, at] = -np.where((rows == i) | (columns == i), rho[rows, columns] / (2 * sd[i] ** 2), 0)
        return np.einsum("pa,ab,pb->p", change, acov, change, optimize=True)

    def _on_covariance(self, a: str, b: str, on_rho: np.ndarray, rho: np.ndarray, moves: dict, rows: slice):
        """From the influence on a correlation to that on the covariance ρ σ_a σ_b."""
        r = rho[self.items.index(a), self.items.index(b)]
        sds = self.sd.get(a, 1.0), self.sd.get(b, 1.0)
        moved = on_rho * sds[0] * sds[1]
        for item, own, other in ((a, sds[0], sds[1]), (b, sds[1], sds[0])):
            if item in self.z:
                moved = moved + moves[item][rows, 1] * r * other / (2 * own)
        return moved

    def acov(self, rho: np.ndarray) -> pd.DataFrame:
        """n × asymptotic covariance of all estimates, in lavaan's order (see OrdinalMoments)."""
        total = sum(block.T @ block for block in self._influences(rho)) / len(self.weights)
        names = [
            *(
                name
                for item in self.items
                for name in (
                    [f"{item}|t{k + 1}" for k in range(len(self.margins[item].thresholds))]
                    if item in self.codes
                    else [f"{item}~1"]
                )
            ),
            *(f"{item}~~{item}" for item in self.z),
            *(f"{a}~~{b}" for a, b in _pairs_of(self.items)),
        ]
        return pd.DataFrame(total, index=names, columns=names)


def _pairs_of(items: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for k, a in enumerate(items) for b in items[k + 1 :]]
