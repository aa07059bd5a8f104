"""The one sufficient statistic behind Moments: the Gram matrix of simple features of the items.

An ordinal item contributes one indicator row per level, a continuous one the three rows 1, x - s and (x - s)² (zero
where x is missing). Products of these features summed over respondents hold every bivariate table, pairwise n, mean
and covariance, and a change of levels or of the shift s is a linear map of the features, so that pieces merge exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MAX_LEVELS = 20  # integer items that span more than this are treated as continuous
BLOCK = 8192  # respondents per matrix product: fits the cache
MANY = 2**15  # respondents from which on counting bits is faster than the matrix product
WORDS = 1024  # of 64 respondents each that are counted at a time: fits the cache, and calls cost little

Levels = range | None  # the integer levels of an ordinal item, or None for a continuous one


def find_levels(x: np.ndarray) -> Levels:
    """Levels of one item's values: a range when they are few and integer, else None. NaN is ignored."""
    if not np.issubdtype(x.dtype, np.integer):
        x = x[~np.isnan(x)]
        if not np.isfinite(x).all() or not (x == np.rint(x)).all():
            return None
    if x.size == 0:
        return range(0)
    low, high = int(x.min()), int(x.max())
    return range(low, high + 1) if high - low < MAX_LEVELS else None


def merge_levels(a: Levels, b: Levels) -> Levels:
    """The smallest levels that hold both: the union of two ranges while it is short enough, else continuous."""
    if a is None or b is None:
        return None
    if not a or not b:
        return a or b
    union = range(min(a[0], b[0]), max(a[-1], b[-1]) + 1)
    return union if len(union) <= MAX_LEVELS else None


def feature_slices(levels: Sequence[Levels]) -> list[slice]:
    """Where each item's features lie in the Gram matrix."""
    widths = [3 if item is None else len(item) for item in levels]
    return [slice(int(a), int(b)) for a, b in pairwise(np.cumsum([0, *widths]))]


def feature_values(levels: Sequence[Levels], shift: np.ndarray) -> np.ndarray:
    """Map from features to (1, x - shift, (x - shift)²) of every item, shape (features, 3, items)."""
    slices = feature_slices(levels)
    values = np.zeros((slices[-1].stop if slices else 0, 3, len(levels)))
    for i, (item, where) in enumerate(zip(levels, slices, strict=True)):
        values[where, :, i] = np.eye(3) if item is None else np.vander(np.array(item) - shift[i], 3, increasing=True)
    return values


def gram(x: np.ndarray, levels: Sequence[Levels], shift: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Gram matrix of the features of ``x`` (items × respondents), in blocks of respondents.

    Unweighted ordinal items of many respondents are counted as bits; else BLAS multiplies matrices. Where all items
    are ordinal, the last level of an item without missing values is left out and restored from the margins, which the
    diagonal holds.
    """
    ordinal = None not in levels
    complete = [not np.isnan(row).any() for row in x] if x.dtype.kind == "f" else [True] * len(x)
    dropped = [ordinal and full and len(item) > 0 for item, full in zip(levels, complete, strict=True)]
    kept = [item[:-1] if drop else item for item, drop in zip(levels, dropped, strict=True)]
    as_bits = ordinal and weights is None and x.shape[1] >= MANY
    total = _counts(x, kept) if as_bits else _products(x, kept, shift, weights)
    n = x.shape[1] if weights is None else weights.sum()
    return _restore_last_levels(total, levels, dropped, n) if any(dropped) else total


def _counts(x: np.ndarray, levels: Sequence[range]) -> np.ndarray:
    """How many respondents have each pair of levels: indicators of 64 respondents share a word, so that one AND and
    one count of ones do what 64 multiplications of a matrix product would, in three quarters of its time."""
    slices = feature_slices(levels)
    rows, words = slices[-1].stop, min(WORDS, -(-x.shape[1] // 64))
    total = np.zeros((rows, rows))
    bits, common = np.empty((rows, words), np.uint64), np.empty((rows, words), np.uint64)
    ones = np.empty((rows, words), np.uint8)
    for start in range(0, x.shape[1], 64 * words):
        _fill_bits(bits.view(np.uint8), x[:, start : start + 64 * words], levels, slices)
        for row in range(rows):
            np.bitwise_and(bits[row:], bits[row], out=common[row:])
            np.bitwise_count(common[row:], out=ones[row:])
            total[row, row:] += np.add.reduce(ones[row:], axis=1, dtype=np.uint32)
    return np.triu(total) + np.triu(total, 1).T


def _fill_bits(block: np.ndarray, x: np.ndarray, levels: Sequence[range], slices: list[slice]) -> None:
    """One bit per respondent and level; the rest of the block is zero."""
    block[:, -(-x.shape[1] // 8) :] = 0
    for answers, item, where in zip(x, levels, slices, strict=True):
        bits = np.packbits(answers == np.array(item, dtype=x.dtype)[:, None], axis=1)  # NaN equals no level
        block[where, : bits.shape[1]] = bits


def _products(x: np.ndarray, levels: Sequence[Levels], shift: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sums of products of features; counts of ordinal items are exact in single precision, too."""
    slices, counts = feature_slices(levels), None not in levels and weights is None
    features = np.empty((slices[-1].stop, min(BLOCK, x.shape[1])), dtype=np.float32 if counts else float)
    total = np.zeros((len(features), len(features)))
    for start in range(0, x.shape[1], BLOCK):
        part = slice(start, min(start + BLOCK, x.shape[1]))
        block = features[:, : part.stop - part.start]
        _fill(block, x[:, part], levels, slices, shift)
        total += block @ block.T if weights is None else (block * weights[part]) @ block.T
    return total


def _fill(block: np.ndarray, x: np.ndarray, levels: Sequence[Levels], slices: list[slice], shift: np.ndarray) -> None:
    for i, (item, where) in enumerate(zip(levels, slices, strict=True)):
        if item is None:
            observed = ~np.isnan(x[i]) if x.dtype.kind == "f" else np.ones(x.shape[1], dtype=bool)
            deviation = np.where(observed, x[i] - shift[i], 0.0)
            block[where] = observed, deviation, deviation**2
        else:
            values = np.array(item, dtype=x.dtype)[:, None]
            np.equal(x[i], values, out=block[where], casting="unsafe")  # NaN equals no level


def _restore_last_levels(total: np.ndarray, levels: Sequence[Levels], dropped: list[bool], n: float) -> np.ndarray:
    """Indicators of a complete item sum to one, so its last is 1 - the others: a linear map of (1, the others)."""
    size = len(total) + 1
    bordered = np.empty((size, size))
    bordered[0, 0] = n
    bordered[0, 1:] = bordered[1:, 0] = np.diag(total)  # an indicator is its own square
    bordered[1:, 1:] = total
    maps, column = [], 1
    for item, drop in zip(levels, dropped, strict=True):
        width = len(item) - drop
        rows = np.zeros((len(item), size))
        rows[:width, column : column + width] = np.eye(width)
        if drop:
            rows[-1, 0], rows[-1, column : column + width] = 1, -1
        maps.append(rows)
        column += width
    restore = np.vstack(maps)
    return restore @ bordered @ restore.T


def realign(
    total: np.ndarray,
    old: tuple[Sequence[Levels], np.ndarray],
    new: tuple[Sequence[Levels], np.ndarray],
) -> np.ndarray:
    """The Gram matrix that features of other (wider) levels or another shift would have given."""
    if list(old[0]) == list(new[0]) and np.array_equal(old[1], new[1], equal_nan=True):
        return total
    rows, columns = feature_slices(new[0]), feature_slices(old[0])
    change = np.zeros((rows[-1].stop, columns[-1].stop))
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        change[row, column] = _change_of_features(old[0][i], old[1][i], new[0][i], new[1][i])
    return change @ total @ change.T


def _change_of_features(old: Levels, old_shift: float, new: Levels, new_shift: float) -> np.ndarray:
    if new is not None:
        return np.equal.outer(np.array(new), np.array(old)).astype(float)
    if old is not None:
        return np.vander(np.array(old) - new_shift, 3, increasing=True).T
    return _shifted_powers(old_shift - new_shift)


def _shifted_powers(d: float) -> np.ndarray:
    """Maps (1, y, y²) to (1, y + d, (y + d)²)."""
    return np.array([[1, 0, 0], [d, 1, 0], [d * d, 2 * d, 1]])
