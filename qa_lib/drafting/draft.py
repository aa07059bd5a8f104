"""Drafts a study from exports: what a person would otherwise type, with every guess marked for that person to confirm.

Columns are read by :mod:`qa_lib.drafting.columns`; here they become items with dimensions, reversed keys and outcomes,
and a study folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.drafting.columns import Column, Scale, classify, language_of, widen
from qa_lib.drafting.keys import Key, reversed_keys
from qa_lib.drafting.questions import blocks, identifiers, question_of, stem, without_choices, wordings
from qa_lib.drafting.study_files import CONTEXT, instrument_yaml, study_yaml
from qa_lib.errors import QaError, StudyError
from qa_lib.study.coding import key
from qa_lib.study.exports.dialects import Answers, answers
from qa_lib.study.exports.files import read_export, without_defined_missing
from qa_lib.study.instrument import template
from qa_lib.study.study import study_folder
from qa_lib.sufficient.moments import moments
from qa_lib.trust.factors import efa
from qa_lib.trust.retention import parallel_analysis

_ALL_IN_ALL = r"overall|all in all|in general|总体|总的来说|整体|综合"
_OUTCOMES = {
    "nps": re.compile(r"recommend|nps|推荐", re.IGNORECASE),
    "recommendation": re.compile(r"recommend|word.of.mouth|推荐|口碑", re.IGNORECASE),
    "repurchase": re.compile(
        r"repurchase|use .*again|come back|loyal|cusl|再次|还会|继续使用|再购买|忠诚", re.IGNORECASE
    ),
    "effort": re.compile(r"effort|how easy|费力|是否容易|容易吗", re.IGNORECASE),
    "satisfaction": re.compile(rf"^(overall_?)?sat(isfaction)?$|^cusa|({_ALL_IN_ALL}).*(satisf|满意)", re.IGNORECASE),
}
_GROUP_OUTCOMES = {
    "satisfaction": re.compile(r"^(cu)?sat?(isfaction)?$|满意度?$", re.IGNORECASE),
    "repurchase": re.compile(r"^(cusl|loy(alty)?)$|忠诚度?$", re.IGNORECASE),
}
_OVERALL = re.compile(r"[_.\- ](?i:all|overall|global|total)$|\dALL$")
_ATTENTION = re.compile(
    r"^attention|attention.?(check|test)|please (select|choose|click|mark)|检测题|请选择|请选|注意力", re.IGNORECASE
)
_PASSED = 0.6  # of the respondents or more give the right answer of an attention check
_ENOUGH = 50  # respondents, of whom some would give a rating in the upper half of its scale
_RESPONDENTS_PER_ITEM = 5  # fewer are too few for a factor analysis (Gorsuch 1983, Factor Analysis, p. 332)


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


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that were asked together, and the words of their question where they share one."""

    id: str
    words: str


@dataclass(frozen=True, slots=True)
class Draft:
    """All that was guessed. ``dimensions`` maps ids to names; ``how`` says what the dimensions rest on;
    ``segments`` holds for each the columns that different exports have for it."""

    files: tuple[Path, ...]
    items: tuple[DraftItem, ...]
    dimensions: Mapping[str, Mapping[str, str]]
    how: str
    context: Mapping[str, tuple[Column, ...]]
    segments: tuple[tuple[Column, ...], ...]
    left_out: tuple[Column, ...]
    languages: tuple[str, ...] = ()

    def write(self, folder: str | Path) -> Path:
        """Writes the study's folder, whole or not at all, with copies of the exports under ``responses``.

        Raises ``StudyError`` when the folder exists, or cannot.
        """
        folder = study_folder(folder)
        if folder.exists():
            raise StudyError(f"{folder} exists already. Name another folder, or remove it first.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            made = Path(scratch) / folder.name
            (made / "responses").mkdir(parents=True)
            for file in self.files:
                shutil.copyfile(file, made / "responses" / file.name)
            (made / "instrument.yaml").write_text(instrument_yaml(self, folder.name), encoding="utf-8")
            (made / "study.yaml").write_text(study_yaml(self, folder.name), encoding="utf-8")
            made.rename(folder)
        return folder


def draft(files: str | Path | Sequence[str | Path]) -> Draft:
    """Guesses a study and an instrument from exports of one survey.

    An item is a column whose answers form a scale; its dimension comes from a template whose wording it has, else from
    the names of the columns (``REL1``, ``REL2``), else from a factor analysis with as many factors as parallel
    analysis finds. Nothing is asked; ``qa check`` lists what a person should confirm.

    Raises
    ------
    ResponseError : a file cannot be read
    StudyError : no column looks like an item; two files bear the same name
    """
    paths = tuple(Path(file) for file in ([files] if isinstance(files, str | Path) else files))
    if len({path.name for path in paths}) < len(paths):
        raise StudyError("two exports bear the same name; rename one, since all go into one folder.")
    columns = _columns(paths)
    items, groups = _items([column for column in columns if column.kind == "item"], len(paths))
    if not items:
        raise StudyError(f"{paths[0]}: no column looks like an item: few whole numbers, or words of a known scale.")
    items, dimensions, how = _with_dimensions(_with_outcomes(items), groups)
    kept = {name for item in items for name in item.columns}
    lone = [replace(c, kind="segment") for c in columns if c.kind == "item" and c.name not in kept]
    return Draft(
        paths,
        tuple(_with_reversed_keys(items)),
        dimensions,
        how,
        {kind: tuple(c for c in columns if c.kind == kind) for kind in ("date", *CONTEXT)},
        _segments([*(c for c in columns if c.kind == "segment"), *lone]),
        tuple(c for c in columns if c.kind in ("comment", "personal", "choices", "ranking", "other")),
        _languages(items),
    )


def _columns(paths: Sequence[Path]) -> list[Column]:
    """The columns of all exports, those of one name under one another."""
    tables, wording, labels, known = [], {}, {}, {}
    for path in paths:
        export = read_export(path)
        found = answers(export, source=path)
        tables.append(without_defined_missing(found.table, export).replace(dict.fromkeys(found.dialect.missing, "")))
        wording = dict(found.wording) | wording
        labels = dict(export.labels) | labels
        known = {name: kind for name in found.table if (kind := _known(found, name)) is not None} | known
    everything = pd.concat(tables, ignore_index=True).astype(object)
    return without_choices(
        [
            replace(
                classify(name, wording.get(name, ""), everything[name], labels.get(name, {}), known.get(name)),
                n_files=sum(name in table for table in tables),
            )
            for name in everything
        ]
    )


def _known(found: Answers, column: str) -> str | None:
    """What the dialect knows a column as."""
    if (context := found.known_as(column)) is not None:
        return context
    if found.is_personal(column):
        return "personal"
    return "other" if found.is_bookkeeping(column) else None


def _segments(columns: Sequence[Column]) -> tuple[tuple[Column, ...], ...]:
    """Columns grouped that hold the same values in different exports, as those of two languages do."""
    groups: list[list[Column]] = []
    for column in columns:
        same = next((group for group in groups if _same_segment(group[0], column)), None)
        if same is None:
            groups.append([column])
        else:
            same.append(column)
    return tuple(tuple(group) for group in groups)


def _same_segment(a: Column, b: Column) -> bool:
    values = [set(column.texts.dropna()) for column in (a, b)]
    apart = not (a.texts.notna() & b.texts.notna()).any()
    named = not all(value.isdigit() for value in values[0])  # the codes 1 and 2 are alike everywhere
    return apart and named and len(values[0] & values[1]) >= 0.5 * len(values[0] | values[1])


def _items(columns: Sequence[Column], n_files: int) -> tuple[list[DraftItem], dict[str, Group]]:
    """Items of the columns, and by block what its columns ask together.

    The columns of one block share a scale; one of no block is an item only on a scale that others have too, or when
    its name or words are those of an outcome.
    """
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
            if scale.high - scale.low < 2 or (lone and not _is_question(column, scale)):
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
    return _merged_by_template(items), groups


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


def _is_question(column: Column, scale: Scale) -> bool:
    words = f"{column.name} {column.wording}"
    return _outcome(column.name, column.wording, scale) is not None or _ATTENTION.search(words) is not None


def _points(scale: Scale) -> tuple[int, int]:
    return scale.low, scale.high


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
        first = merged[same]
        merged[same] = replace(
            first,
            columns=first.columns + item.columns,
            wording=dict(item.wording) | dict(first.wording),
            scale=widen([first.scale, item.scale]),
            codes=np.where(np.isnan(first.codes), item.codes, first.codes),
            optional=False,
        )
    return list(merged.values())


def _with_outcomes(items: Sequence[DraftItem]) -> list[DraftItem]:
    found = []
    for item in items:
        words = " ".join(item.wording.values())
        asked_to = _ATTENTION.search(item.id) or _ATTENTION.search(words)
        if asked_to and item.usual and item.agreed >= _PASSED:
            found.append(replace(item, attention=item.usual))
        else:
            found.append(replace(item, outcome=_outcome(item.id, words, item.scale)))
    return _with_overall(found)


def _with_overall(items: Sequence[DraftItem]) -> list[DraftItem]:
    """Overall ratings of a block (``Q7ALL``, ``perf_global``) apart; where no item asks for satisfaction, that of the
    largest block does."""
    sizes = Counter(item.block for item in items)
    overall = [i for i in items if not i.outcome and sizes[i.block] > 2 and _OVERALL.search(i.columns[0])]
    asks = any(item.outcome == "satisfaction" for item in items)
    first = None if asks else max(overall, key=lambda item: sizes[item.block], default=None)
    return [
        replace(
            item,
            outcome="satisfaction" if item is first else item.outcome,
            overall=any(item is other for other in overall),
        )
        for item in items
    ]


def _outcome(name: str, words: str, scale: Scale) -> str | None:
    block = stem(name)
    for outcome, pattern in _GROUP_OUTCOMES.items():
        if block and pattern.search(block):
            return outcome
    for outcome, pattern in _OUTCOMES.items():
        if (pattern.search(name) or pattern.search(words)) and (outcome != "nps" or _points(scale) == (0, 10)):
            return outcome
    return None


def _with_dimensions(
    items: Sequence[DraftItem], asked_together: Mapping[str, Group]
) -> tuple[list[DraftItem], dict[str, Mapping[str, str]], str]:
    """Every item that is no outcome in a dimension, the dimensions' names, and what the grouping rests on."""
    open_items = [item for item in items if item.outcome is None and not item.attention and not item.overall]
    shipped = template("rater_expectations")
    if open_items and all(item.id in shipped.items for item in open_items):
        groups = {item.id: shipped.item(item.id).dimension for item in open_items}
        names = {entry.id: entry.name for entry in shipped.file.dimensions if entry.id in groups.values()}
        how = "the wording of a template"
    else:
        groups = {item.id: asked_together[item.block].id for item in open_items if stem(item.columns[0])}
        sizes = pd.Series(groups).value_counts() if groups else pd.Series(dtype=int)
        if (sizes >= 2).sum() >= 2 and sizes[sizes >= 2].sum() >= 0.6 * len(open_items):
            how = "the names of the columns"
            groups = {item: group for item, group in groups.items() if sizes[group] >= 2}
        else:
            groups, how = _factor_groups(open_items)
        words = {group.id: group.words for group in asked_together.values() if group.words}
        names = {
            group: {language_of(words[group]): words[group]} if group in words else {"en": group}
            for group in dict.fromkeys(groups.values())
        }
    placed = [replace(item, dimension=groups.get(item.id)) for item in items]
    return placed, names, how


def _factor_groups(items: Sequence[DraftItem]) -> tuple[dict[str, str], str]:
    """Each item with the factor it loads on most; one dimension where a factor analysis is not possible."""
    answers = pd.DataFrame({item.id: item.codes for item in items})
    one = dict.fromkeys(answers, "quality"), "nothing: all items stand in one dimension"
    if len(items) < 6 or len(answers.dropna()) < _RESPONDENTS_PER_ITEM * len(items):
        return one
    try:
        found = moments(answers, missing="listwise")
        n_factors = parallel_analysis(found, n_iter=50, seed=1).n_components
        if n_factors < 2:
            return one
        loadings = efa(found, n_factors).loadings.abs()
    except QaError:
        return one
    best = loadings.to_numpy().argmax(axis=1)
    groups = {item: f"factor{place + 1}" for item, place in zip(loadings.index, best, strict=True)}
    return groups, f"a factor analysis (minres, oblimin) with {n_factors} factors by parallel analysis"


def _with_reversed_keys(items: Sequence[DraftItem]) -> list[DraftItem]:
    outcomes = [item.codes for item in items if item.outcome]
    keys: dict[str, Key] = {}
    for dimension in {item.dimension for item in items} - {None}:
        own = [item for item in items if item.dimension == dimension]
        keys |= zip([item.id for item in own], reversed_keys([item.codes for item in own], outcomes), strict=True)
    none = (False, "")
    return [replace(item, reverse=keys.get(item.id, none)[0], keyed_by=keys.get(item.id, none)[1]) for item in items]


def _languages(items: Sequence[DraftItem]) -> tuple[str, ...]:
    """The languages that every item with words has them in, else the one that most have; none where none has words."""
    found = Counter(lang for item in items for lang in item.wording if lang in ("en", "zh"))
    worded = sum(1 for item in items if item.wording)
    return tuple(lang for lang, n in found.most_common() if n == worded) or tuple(
        lang for lang, _ in found.most_common(1)
    )
