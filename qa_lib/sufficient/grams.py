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
PACKING = 2**12  # base in which two counts share a single-precision number

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
    values = np.zeros((slices[-1].stop, 3, len(levels)))
    for i, (item, where) in enumerate(zip(levels, slices, strict=True)):
        values[where, :, i] = np.eye(3) if item is None else np.vander(np.array(item) - shift[i], 3, increasing=True)
    return values


def gram(x: np.ndarray, levels: Sequence[Levels], shift: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Gram matrix of the features of ``x`` (items × respondents), in blocks through the matrix product of BLAS.

    Unweighted ordinal items are counted in single precision, exactly. Where all items are ordinal, the last level of
    an item without missing values is left out of the product and restored from the margins, which the diagonal holds.
    """
    ordinal = None not in levels
    complete = [not np.isnan(row).any() for row in x] if x.dtype.kind == "f" else [True] * len(x)
    dropped = [ordinal and full and len(item) > 0 for item, full in zip(levels, complete, strict=True)]
    kept = [item[:-1] if drop else item for item, drop in zip(levels, dropped, strict=True)]
    slices = feature_slices(kept)
    exact = ordinal and weights is None
    width = PACKING - 1 if exact else BLOCK
    one_scale = bool(kept[0]) and all(item == kept[0] for item in kept)
    features = np.empty((slices[-1].stop, width), dtype=np.float32 if exact else float)
    total = np.zeros((len(features), len(features)))
    for start in range(0, x.shape[1], width):
        block = features[:, : min(width, x.shape[1] - start)]
        part = slice(start, start + block.shape[1])
        if one_scale:
            _fill_one_scale(block, x[:, part], kept[0])
        else:
            _fill(block, x[:, part], kept, slices, shift)
        if exact:
            _add_counts(total, block)
        else:
            total += block @ block.T if weights is None else (block * weights[part]) @ block.T
    n = x.shape[1] if weights is None else weights.sum()
    return _restore_last_levels(total, levels, dropped, n) if any(dropped) else total


def _add_counts(total: np.ndarray, block: np.ndarray) -> None:
    """Adds ``block @ block.T`` of fewer than 2¹² respondents at half its cost: two indicators share one number, whose
    digits to base 2¹² keep their counts apart, exactly within the 24 bits of single precision."""
    half = len(block) // 2
    packed = block[half : 2 * half] * np.float32(PACKING)
    packed += block[:half]
    product = block @ packed.T
    high = np.floor(product / PACKING)
    total[:, :half] += product - PACKING * high
    total[:, half : 2 * half] += high
    total[:, 2 * half :] += block @ block[2 * half :].T


def _fill_one_scale(block: np.ndarray, x: np.ndarray, levels: range) -> None:
    """The indicators of items that share one scale, by one comparison."""
    values = np.array(levels, dtype=x.dtype)[:, None]
    block.reshape(len(x), len(levels), -1)[...] = x[:, None, :] == values


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
