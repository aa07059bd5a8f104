"""Long exports, a row per answer, become wide ones, a row per respondent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.study.coding import cell_text, key
from qa_lib.study.dates import parse_dates
from qa_lib.study.exports.files import Export
from qa_lib.study.instrument import LongLayout
from qa_lib.study.ledger import LedgerBook

MAX_ITEMS = 5_000
MAX_CELLS = 400_000_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Widened:
    """``export``: a row per response, in the order of their first rows, which its index keeps; a column per item and
    context. ``answers``: item → how many answers it has. ``differing``: context column → (rows, values) of responses
    whose rows do not agree on it. ``used``: the columns the layout itself names."""

    export: Export
    answers: Mapping[str, int]
    differing: Mapping[str, tuple[np.ndarray, list[str]]]
    used: Collection[str]


def is_long(table: pd.DataFrame, layout: LongLayout | None, file: str) -> bool:
    """Whether a file has the declared columns. Raises ``ResponseError`` when it has some of them only."""
    if layout is None or not {layout.item, layout.answer} & set(table):
        return False
    if absent := [name for name in layout.columns if name not in table]:
        raise ResponseError(
            f"{file}: no column {absent[0]!r}, which instrument.yaml names under long. "
            f"Columns are {', '.join(map(str, table.columns[:20]))}."
        )
    return True


def widened(export: Export, layout: LongLayout, file: str, book: LedgerBook) -> Widened:
    """The export with a row per respondent (and wave); the order of its rows matters only for that of the result.

    Raises ``ResponseError`` when a respondent answered an item differently and no time says which answer is the last.
    """
    table = _named(export, layout, file, book)
    person, first = _responses(table, layout)
    item, items = _items(table[layout.item])
    context = [name for name in table if name not in {layout.item, layout.answer}]
    if clash := set(items) & set(context):
        raise ResponseError(f"{file}: {min(clash)!r} is both an item and a column. Rename the column.")
    if len(items) > MAX_ITEMS or len(first) * len(items) > MAX_CELLS:
        raise ResponseError(
            f"{file}: the column {layout.item!r} holds {len(items):,} different items of {len(first):,} respondents. "
            "Compare the columns under long in instrument.yaml."
        )
    time = _times(table, layout)
    cell = person * len(items) + item
    last = _last_answers(table, cell, time, layout, file, export.first_row, book)
    code, answers = pd.factorize(table[layout.answer])
    grid = np.full((len(first), len(items)), -1, dtype=np.int32)
    grid.flat[cell[last]] = code[last]
    answers = np.append(np.asarray(answers, dtype=object), None)
    columns, differing = {}, {}
    for name in context:
        columns[name], differ = _one_each(table[name], person, len(first), time)
        if len(differ) and name not in {layout.respondent, layout.time, layout.wave}:
            rows = table.index.to_numpy()[first[[who for who, _ in differ]]] + export.first_row
            differing[name] = (rows, [values for _, values in differ])
    columns |= {name: answers[grid[:, place]] for place, name in enumerate(items)}
    wide = pd.DataFrame(columns, index=table.index[first])
    counts = np.bincount(item[last], minlength=len(items))
    told = {
        name: {**found, **dict.fromkeys(items, found[layout.answer])}
        for name, found in (("labels", export.labels), ("missing", export.missing))
        if layout.answer in found
    }
    answers_per_item = dict(zip(items, counts.tolist(), strict=True))
    return Widened(replace(export, table=wide, **told), answers_per_item, differing, layout.columns)


def _named(export: Export, layout: LongLayout, file: str, book: LedgerBook) -> pd.DataFrame:
    """The rows that name a respondent and an item; the others go into the ledger."""
    table = export.table
    for column, reason in ((layout.respondent, "no_respondent"), (layout.item, "no_item")):
        blank = _texts(table[column])[0] < 0
        rows = table.index.to_numpy()[blank] + export.first_row
        book.cells(file, rows, column, table.loc[blank, layout.answer], reason)
        table = table[~blank]
    if table.empty:
        raise ResponseError(f"{file}: no row names a respondent and an item.")
    return table


def _texts(cells: pd.Series) -> tuple[np.ndarray, list[str]]:
    """For every cell the place of its text among the distinct ones (−1 where blank), and these, sorted."""
    where, distinct = pd.factorize(cells)
    texts = [cell_text(value) for value in np.asarray(distinct, dtype=object)]
    known = sorted({*texts} - {""})
    place = {text: number for number, text in enumerate(known)}
    return np.array([*(place.get(text, -1) for text in texts), -1])[where], known


def _responses(table: pd.DataFrame, layout: LongLayout) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's response, in order of first rows, and the positions of these."""
    person, _ = _texts(table[layout.respondent])
    if layout.wave is not None:
        wave, waves = _texts(table[layout.wave])
        person = person * (len(waves) + 1) + wave + 1
    number, distinct = pd.factorize(person)
    first = np.full(len(distinct), -1)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return number, first


def _items(cells: pd.Series) -> tuple[np.ndarray, list[str]]:
    """The number of each row's item and the items' names; spellings that differ in case, width or blanks are one."""
    where, texts = _texts(cells)
    names: dict[str, str] = {}
    for text in texts:
        names.setdefault(key(text), text)
    place = {folded: number for number, folded in enumerate(names)}
    return np.array([place[key(text)] for text in texts])[where], list(names.values())


def _times(table: pd.DataFrame, layout: LongLayout) -> np.ndarray | None:
    """Moments as integers, the smallest where there is none."""
    if layout.time is None:
        return None
    return parse_dates(table[layout.time], layout.format).to_numpy("M8[us]").astype(np.int64)


def _last_answers(
    table: pd.DataFrame,
    cell: np.ndarray,
    time: np.ndarray | None,
    layout: LongLayout,
    file: str,
    top: int,
    book: LedgerBook,
) -> np.ndarray:
    """Positions of the one answer to each item that counts: the last, or the only one where all agree.

    A later blank takes an answer back; without times a blank does not count against an answer.
    """
    said = _texts(table[layout.answer])[0]
    moment = np.zeros(len(cell), dtype=np.int64) if time is None else time
    order = np.lexsort((moment, said >= 0, cell)) if time is None else np.lexsort((said, moment, cell))
    end = np.append(np.diff(cell[order]) != 0, True)
    if end.all():
        return order
    chosen = order[end][np.cumsum(end) - end]  # for every place of the order the answer that counts in its cell
    undated = np.iinfo(np.int64).min
    rival = (said[order] != said[chosen]) & (said[order] >= 0)
    rival &= (moment[order] == moment[chosen]) | (moment[order] == undated)
    if rival.any():
        one, other = (int(table.index[p]) + top for p in sorted((order[rival][0], chosen[rival][0])))
        advice = "Name the column of their time under long in instrument.yaml" if time is None else "Mend the export"
        raise ResponseError(
            f"{file}, rows {one} and {other}: one respondent has different answers to an item, and no time says which "
            f"is the last ({rival.sum()} such answers). {advice}."
        )
    again = np.sort(order[~end])
    for item, part in table.iloc[again].groupby(layout.item, sort=True):
        book.cells(file, part.index.to_numpy() + top, str(item), part[layout.answer], "answered_again")
    return order[end]


def _one_each(
    cells: pd.Series, person: np.ndarray, n: int, time: np.ndarray | None
) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """A value per response, and (response, its values) where its rows do not agree.

    The last one by time, else the most frequent and of these the first in the alphabet; blanks do not count.
    """
    code, texts = _texts(cells)
    filled = np.flatnonzero(code >= 0)
    pair, rows, count = np.unique(
        person[filled] * (len(texts) + 1) + code[filled], return_inverse=True, return_counts=True
    )
    who, what = np.divmod(pair, len(texts) + 1)
    rank = (code[filled], time[filled]) if time is not None else (-code[filled], count[rows])
    found = np.full(n, -1)
    order = filled[np.lexsort(rank)]
    found[person[order]] = code[order]
    differs = np.flatnonzero(np.bincount(who, minlength=n) > 1)
    starts = np.searchsorted(who, differs)
    ends = np.searchsorted(who, differs, side="right")
    values = [" | ".join(texts[i] for i in what[a : min(b, a + _SHOWN)]) for a, b in zip(starts, ends, strict=True)]
    return np.array([*texts, None], dtype=object)[found], list(zip(differs.tolist(), values, strict=True))
