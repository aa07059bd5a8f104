"""Which groups may be shown: none that is too small, and none that totals and the groups beside it give away.

A group too small to show could be got back by subtracting the others from the total, or the months shown from their
quarter. So more groups are hidden, the smallest first, until what is hidden can neither be computed from all that is
shown nor adds up to fewer than the minimum (complementary suppression: Willenborg and de Waal 2001, Elements of
Statistical Disclosure Control, ch. 6). Weeks and days, which cut across months, are not published beside them
(``plan.published_across``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa_lib.study.cleaning import in_period
from qa_lib.study.dates import labels, parse_dates, span, unit_of

if TYPE_CHECKING:
    from networkx import Graph

_LARGEST_SYSTEM = 1500
Cell = tuple[Hashable, ...]


def hidden_groups(data: pd.DataFrame, column: str, period: str, minimum: int) -> set[Hashable]:
    """The groups of ``column`` that may not be shown in ``period``; ``data`` are the responses of all periods.

    A group that is large enough in a quarter may have been too small in its months; it is shown when the months that
    were hidden, together, are no smaller than the minimum, and no month follows from what is shown.

    >>> data = pd.DataFrame({"period": "2026-10", "branch": ["a"] * 20 + ["b"] * 12 + ["c"] * 3})
    >>> sorted(hidden_groups(data, "branch", "2026-10", 10))
    ['b', 'c']
    """
    return hidden_of_counts(_counts(data, column, period), period, minimum)


def dated(records: pd.DataFrame, column: str) -> pd.DataFrame:
    """Operations records as the functions above take responses: ``date`` and ``period`` from their own date column."""
    when = parse_dates(records[column])
    return records.assign(date=when, period=labels(when, "month"))


def hidden_of_counts(counts: Mapping[str, pd.Series], period: str, minimum: int) -> set[Hashable]:
    """As :func:`hidden_groups`, from answers by group in the period and its parts that have any, the finest first."""
    hidden: dict[str, set[Hashable]] = {}
    for name in counts:  # months before their quarter, quarters before their year
        parts = [part for part in parts_of(name) if part in hidden]
        own = {
            group
            for group, n in counts[name].items()
            if n < minimum or _left_over(group, parts, counts, hidden, minimum)
        }
        hidden[name] = _enough(counts[name], own, minimum)
        while (more := _given_away(name, counts, hidden)) is not None:
            hidden[name] = _enough(counts[name], hidden[name] | {more}, minimum)
    return hidden[period]


def hidden_cells(data: pd.DataFrame, columns: tuple[str, str], period: str, minimum: int) -> pd.DataFrame:
    """Which cells of the table of two segments may not be shown: groups × groups, true where hidden.

    Besides the cells, the report shows the groups of each segment (``hidden_groups``), so all margins count as known.
    What is hidden in a month stays hidden in its quarter and year.
    """
    if columns[0] > columns[1]:  # both directions of a table hide the same cells
        return hidden_cells(data, columns[::-1], period, minimum).T
    here = data[in_period(data, period)]
    counts = pd.crosstab(here[columns[0]], here[columns[1]])
    hidden = (counts > 0) & (counts < minimum)
    for part in parts_of(period):
        if in_period(data, part).any():
            hidden |= hidden_cells(data, columns, part, minimum).reindex_like(hidden).fillna(False).astype(bool)
    rows, others = (hidden_groups(data, column, period, minimum) for column in columns)
    whole = np.logical_or.outer(counts.index.isin(list(rows)), counts.columns.isin(list(others)))
    found = _complete(counts.to_numpy(), hidden.to_numpy() & (counts > 0).to_numpy() | whole, whole, minimum)
    return pd.DataFrame(found, index=counts.index, columns=counts.columns)


def parts_of(period: str) -> list[str]:
    """The quarters of a year, the months of a quarter.

    >>> parts_of("2026-Q3"), parts_of("2026-10")
    (['2026-07', '2026-08', '2026-09'], [])
    """
    unit = unit_of(period)
    if unit not in ("year", "quarter"):
        return []
    start, end = span(period)
    if unit == "year":
        return [f"{start.year}-Q{quarter}" for quarter in range(1, 5)]
    return [f"{start.year}-{month:02d}" for month in range(start.month, end.month + 1)]


def _counts(data: pd.DataFrame, column: str, period: str) -> dict[str, pd.Series]:
    """Answers by group in the period and all its parts that have any, the finest first."""
    finer = {name: counts for part in parts_of(period) for name, counts in _counts(data, column, part).items()}
    inside = in_period(data, period)
    own = data.loc[inside, column].value_counts().sort_index() if column in data else pd.Series(dtype=int)
    return finer | ({period: own} if inside.any() or not finer else {})


def _left_over(
    group: Hashable, parts: Sequence[str], counts: Mapping[str, pd.Series], hidden: Mapping[str, set], minimum: int
) -> bool:
    """Whether a group's total, less its parts that are shown, gives away a single part or fewer than may be shown."""
    unseen = [counts[part].get(group, 0) for part in parts if group in hidden[part]]
    return len(unseen) == 1 or 0 < sum(unseen) < minimum


def _enough(counts: pd.Series, hidden: Iterable[Hashable], minimum: int) -> set[Hashable]:
    """The hidden groups and as many of the smallest others as it takes for two groups and the minimum together."""
    found = set(hidden)
    for group in counts.drop(list(found)).sort_values(kind="stable").index:
        if not found or (len(found) > 1 and counts[list(found)].sum() >= minimum):
            break
        found.add(group)
    return found


def _given_away(period: str, counts: Mapping[str, pd.Series], hidden: Mapping[str, set]) -> Hashable | None:
    """The smallest group shown in the period whose total, with all others shown, gives a hidden count away."""
    within = [period, *(name for name in counts if name in hidden and name in _descendants(period))]
    unknown = {(group, name) for name in within for group in hidden[name]}
    shown = sorted({group for group, name in unknown if name != period} - hidden[period] - {*()}, key=str)
    if not shown:
        return None
    sums = [[(group, name) for group in hidden[name]] for name in within]
    for name in within:
        parts = [part for part in parts_of(name) if part in within]
        groups = {group for part in [name, *parts] for group in hidden[part]} if parts else set()
        sums += [[(group, part) for part in [name, *parts] if group in hidden[part]] for group in groups]
    if not determined(sums):
        return None
    return min(shown, key=lambda group: (counts[period].get(group, 0), str(group)))


def _descendants(period: str) -> set[str]:
    return {name for part in parts_of(period) for name in {part, *_descendants(part)}}


def _complete(counts: np.ndarray, hidden: np.ndarray, whole: np.ndarray, minimum: int) -> np.ndarray:
    """The hidden cells and those it takes so that no row, column or combination of them gives one away.

    ``whole`` marks the rows and columns that are hidden altogether.
    """
    found = hidden.copy()
    while (cell := _next_cell(counts, found, whole, minimum)) is not None:
        found[cell] = True
    return found


def _next_cell(counts: np.ndarray, hidden: np.ndarray, whole: np.ndarray, minimum: int) -> tuple[int, int] | None:
    unseen, free = hidden & (counts > 0), ~hidden & (counts > 0)
    for axis in (0, 1):
        cells, n = unseen.sum(axis), (counts * unseen).sum(axis)
        weak = ~whole.all(axis) & (cells > 0) & ((cells < 2) | (n < minimum)) & free.any(axis)
        if weak.any():
            line = int(np.argmax(weak))
            others = np.flatnonzero(np.take(free, line, 1 - axis))
            other = int(others[np.argmin(np.take(counts, line, 1 - axis)[others])])
            return (other, line) if axis == 0 else (line, other)
    known = determined(_sums_of_table(unseen, whole)) if unseen.any() else set()
    near = np.zeros_like(free)
    for row, column in known:
        if row not in ("row", "column"):
            near[row] = True
        near[:, column] = True
    beside = np.argwhere(free & near)
    return min(map(tuple, beside.tolist()), key=lambda cell: (counts[cell], cell)) if len(beside) else None


def _sums_of_table(unseen: np.ndarray, whole: np.ndarray) -> list[list[Cell]]:
    """Per row and column the unknown cells that its known sum adds up; with its total where that is hidden, too."""
    n_rows, n_columns = unseen.shape
    rows_hidden, columns_hidden = whole.all(axis=1), whole.all(axis=0)
    rows = [
        [(i, j) for j in np.flatnonzero(unseen[i])] + ([("row", i)] if rows_hidden[i] else []) for i in range(n_rows)
    ]
    columns = [
        [(i, j) for i in np.flatnonzero(unseen[:, j])] + ([("column", j)] if columns_hidden[j] else [])
        for j in range(n_columns)
    ]
    totals = [
        [("row", i) for i in np.flatnonzero(rows_hidden)],
        [("column", j) for j in np.flatnonzero(columns_hidden)],
    ]
    return [*rows, *columns, *totals]


def determined(sums: Sequence[Sequence[Cell]]) -> set[Cell]:
    """The unknown counts that the known sums of some of them fix.

    All are positive, so an unknown with any freedom has freedom to both sides: bounds give no more than equations. It
    is fixed when it is zero in every vector of the equations' null space. A system too large to solve counts as fixed.

    >>> sorted(determined([["a", "b"], ["b", "c"], ["a"]]))
    ['a', 'b', 'c']
    """
    import networkx as nx

    together = nx.Graph()
    for place, cells in enumerate(sums):
        together.add_edges_from((("sum", place), ("cell", cell)) for cell in cells)
    found: set[Cell] = set()
    for component in nx.connected_components(together):
        cells = [name for kind, name in component if kind == "cell"]
        ends = {cell: [place for _, place in together[("cell", cell)]] for cell in cells}
        if all(len(places) == 2 for places in ends.values()) and nx.is_bipartite(graph := nx.Graph(ends.values())):
            found |= _bridges(graph, ends)
        elif len(cells) > _LARGEST_SYSTEM:
            found |= {*cells}
        else:
            found |= _fixed(cells, [sums[place] for kind, place in component if kind == "sum"])
    return found


def _bridges(graph: Graph, ends: Mapping[Cell, list[int]]) -> set[Cell]:
    """The fixed cells where each is in two sums and these are of two kinds, such as rows and columns: what is added
    along a path of cells and taken off in turn must come back, so only cells on no circle are fixed."""
    import networkx as nx

    bridges = {frozenset(bridge) for bridge in nx.bridges(graph)}
    twins = Counter(frozenset(places) for places in ends.values())
    return {cell for cell, places in ends.items() if (edge := frozenset(places)) in bridges and twins[edge] == 1}


def _fixed(cells: list[Cell], sums: Iterable[Sequence[Cell]]) -> set[Cell]:
    place = {cell: column for column, cell in enumerate(cells)}
    system = np.array([np.isin(np.arange(len(cells)), [place[cell] for cell in known]) for known in sums], dtype=float)
    _, sizes, directions = np.linalg.svd(system)
    free = directions[(sizes > 1e-9).sum() :]
    return {cell for cell, moves in zip(cells, np.abs(free).max(axis=0, initial=0), strict=True) if moves < 1e-9}
