"""Items of the columns that hold answers: their scales, codes for no answer, and columns that ask the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qa_lib.drafting.columns import Column, Scale, language_of, widen
from qa_lib.drafting.outcomes import asks_outcome, checks_attention
from qa_lib.drafting.questions import asked, blocks, identifiers, question_of, spelt_alike, wordings
from qa_lib.drafting.ratings import Range, batteries, degrees, kinds, no_answers
from qa_lib.drafting.segments import describes_people
from qa_lib.study.coding import key
from qa_lib.study.instrument import template

_ENOUGH = 50  # respondents, of whom some would give a rating in the upper half of its scale


@dataclass(frozen=True, slots=True)
class DraftItem:
    """An item with what was guessed of it.

    ``columns`` are its names in the exports, ``usual`` its most frequent answer as they write it, ``agreed`` the share
    of those who gave it.
    """

    id: str
    columns: tuple[str, ...]
    wording: Mapping[str, str]
    scale: Scale
    codes: np.ndarray
    optional: bool = False
    block: str = ""
    usual: tuple[str, ...] = ()
    agreed: float = 0.0
    dimension: str | None = None
    outcome: str | None = None
    overall: bool = False
    reverse: bool = False
    keyed_by: str = ""
    attention: tuple[str, ...] = ()
    respelt: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that were asked together, and the words of their question where they share one."""

    id: str
    words: str


def items_of(columns: Sequence[Column], n_files: int) -> tuple[list[DraftItem], dict[str, Group]]:
    """Items of the columns, and by block what its columns ask together.

    The columns of one block share a scale; one of no block is an item only on a scale that others have too, or when
    its name or words are those of an outcome. Numbers that go with no ratings are none.
    """
    columns = _ratings(columns)
    by_block = blocks(columns)
    ids, block_ids = identifiers(by_block)
    scaled = {c.name: widen([b.scale for b in _alike(c, block)]) for block in by_block.values() for c in block}
    shared = pd.Series([_points(scale) for scale in scaled.values()]).value_counts()
    items: list[DraftItem] = []
    for name, block in by_block.items():
        words = wordings(block)
        for column in block:
            scale = scaled[column.name]
            unsure = bool(scale.written) or (not scale.labels and shared[_points(scale)] < 3)
            lone = (len(block) == 1 and unsure) or _has_few_codes(column, scale)
            few = scale.high - scale.low < 2 or (lone and not asks_outcome(column, scale))
            if few and not checks_attention(column):
                continue
            said = words[column.name]
            wording = {language_of(said): said} if said else {}
            codes = replace(column, scale=scale).codes
            optional = column.n_files < n_files
            usual = _usual(column.texts, codes)
            items.append(DraftItem(ids[column.name], (column.name,), wording, scale, codes, optional, name, *usual))
    groups = {name: Group(block_ids[name], question_of(block)) for name, block in by_block.items()}
    order = {column.name: place for place, column in enumerate(columns)}
    items.sort(key=lambda item: order[item.columns[0]])
    return _merged_by_template(_merged_by_spelling(items)), groups


def _ratings(columns: Sequence[Column]) -> list[Column]:
    """The columns without numbers that are no ratings, and with codes for no answer that the answers give away."""
    numeric = [column for column in columns if not column.scale.labels and not column.scale.written]
    codes = pd.DataFrame({column.name: column.codes for column in numeric})
    ranges = {column.name: _points(column.scale) for column in numeric}
    rests: dict[str, pd.Series] = {}
    for block in blocks(numeric).values():
        if found := batteries(codes, [[column.name for column in block]]):
            rests |= found
            ranges |= dict.fromkeys(found, _points(widen([column.scale for column in block])))
    lone = [column.name for column in numeric if column.name not in rests and _may_rate(column, codes)]
    rests |= batteries(codes, list(_by_range(ranges, lone).values()))
    none = kinds(codes, rests, ranges) | {c.name for c in numeric if c.name not in rests and describes_people(c)}
    kept = [c for c in columns if c.name not in none or asks_outcome(c, c.scale) or checks_attention(c)]
    odd = no_answers(codes, rests, _by_range(ranges, [c.name for c in kept if c.name in ranges]))
    return [_without(column, odd.get(ranges.get(column.name), [])) for column in kept]


def _may_rate(column: Column, codes: pd.DataFrame) -> bool:
    """Whether a column of no battery may be one of several questions that stand alone: in words, or of five codes."""
    several = asked(column)[0] != "" or column.scale.high - column.scale.low >= 4
    return several and degrees(codes[[column.name]]) > 2 and not describes_people(column)


def _by_range(ranges: Mapping[str, Range], names: Sequence[str]) -> dict[Range, list[str]]:
    found: dict[Range, list[str]] = {}
    for name in names:
        found.setdefault(ranges[name], []).append(name)
    return found


def _without(column: Column, odd: Sequence[int]) -> Column:
    """The column with codes for no answer taken off the ends of its scale."""
    answers = np.setdiff1d(column.codes[~np.isnan(column.codes)], odd)
    if not odd or not len(answers):
        return column
    texts = {text for text in column.texts.dropna().unique() if _is_one_of(text, odd)}
    missing = tuple(sorted({*column.scale.missing, *map(str, odd), *texts}))
    return replace(column, scale=replace(column.scale, low=int(answers[0]), high=int(answers[-1]), missing=missing))


def _is_one_of(text: str, codes: Sequence[int]) -> bool:
    try:
        return float(text) in codes
    except ValueError:
        return False


def _usual(texts: pd.Series, codes: np.ndarray) -> tuple[tuple[str, ...], float]:
    """The most frequent answer, in all ways it is written, and its share."""
    values, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
    if not len(values):
        return (), 0.0
    return tuple(sorted(texts[codes == values[counts.argmax()]].unique())), counts.max() / counts.sum()


def _alike(column: Column, block: Sequence[Column]) -> list[Column]:
    """The columns of a block that answer in the same words, or all in numbers."""
    return [
        other
        for other in block
        if (other.scale.labels.keys(), other.scale.written) == (column.scale.labels.keys(), column.scale.written)
    ]


def _has_few_codes(column: Column, scale: Scale) -> bool:
    """Whether answer codes of many respondents stay far below the scale of the block: kinds, not degrees."""
    return bool(scale.written) and column.texts.count() >= _ENOUGH and column.scale.high <= scale.high / 2


def _points(scale: Scale) -> tuple[int, int]:
    return scale.low, scale.high


def _merged_by_spelling(items: list[DraftItem]) -> list[DraftItem]:
    """Items become one whose names differ in the question's number or a letter, that no export holds together."""
    merged: list[DraftItem] = []
    for item in items:
        same = [place for place, other in enumerate(merged) if _are_respelt(other, item)]
        if len(same) == 1:
            merged[same[0]] = replace(_joined(merged[same[0]], item), respelt=True, optional=True)
        else:
            merged.append(item)
    return merged


def _are_respelt(a: DraftItem, b: DraftItem) -> bool:
    return (
        a.optional
        and b.optional
        and a.scale == b.scale
        and spelt_alike(a.columns[-1], b.columns[-1])
        and not (~np.isnan(a.codes) & ~np.isnan(b.codes)).any()
    )


def _joined(a: DraftItem, b: DraftItem) -> DraftItem:
    return replace(
        a,
        columns=a.columns + b.columns,
        wording=dict(b.wording) | dict(a.wording),
        scale=widen([a.scale, b.scale]),
        codes=np.where(np.isnan(a.codes), b.codes, a.codes),
        optional=False,
    )


def _merged_by_template(items: list[DraftItem]) -> list[DraftItem]:
    """Items whose wording is the same question of a template in several languages become one."""
    known = {
        key(words): item.id for item in template("rater_expectations").items.values() for words in item.wording.values()
    }
    merged: dict[str, DraftItem] = {}
    for item in items:
        same = next((known[key(words)] for words in item.wording.values() if key(words) in known), item.id)
        if same not in merged:
            merged[same] = replace(item, id=same)
            continue
        merged[same] = _joined(merged[same], item)
    return list(merged.values())
