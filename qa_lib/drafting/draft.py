"""Drafts a study from exports: what a person would otherwise type, with every guess marked for that person to confirm.

Columns are read by :mod:`qa_lib.drafting.columns`; here they become items with dimensions, reversed keys and outcomes,
and a study folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from qa_lib.drafting.columns import Column, classify, language_of
from qa_lib.drafting.items import DraftItem, Group, items_of
from qa_lib.drafting.keys import Key, reversed_keys
from qa_lib.drafting.outcomes import with_outcomes
from qa_lib.drafting.questions import stem, without_choices
from qa_lib.drafting.segments import segments_of
from qa_lib.drafting.study_files import CONTEXT, instrument_yaml, study_yaml
from qa_lib.errors import QaError, StudyError
from qa_lib.study.exports.dialects import Answers, answers
from qa_lib.study.exports.files import read_export, without_defined_missing
from qa_lib.study.instrument import template
from qa_lib.study.study import study_folder
from qa_lib.sufficient.moments import moments
from qa_lib.trust.factors import efa
from qa_lib.trust.retention import parallel_analysis

_RESPONDENTS_PER_ITEM = 5  # fewer are too few for a factor analysis (Gorsuch 1983, Factor Analysis, p. 332)


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
    items, groups = items_of([column for column in columns if column.kind == "item"], len(paths))
    if not items:
        raise StudyError(
            f"{paths[0]}: no column looks like an item: few whole numbers, or words of a known scale. Columns of "
            "decimal numbers are scores, no answers: qa.reliability, qa.cfa and the others take them as a DataFrame."
        )
    items, dimensions, how = _with_dimensions(with_outcomes(items), groups)
    kept = {name for item in items for name in item.columns}
    lone = [replace(c, kind="segment") for c in columns if c.kind == "item" and c.name not in kept]
    segments, dropped = segments_of([*(c for c in columns if c.kind == "segment"), *lone])
    return Draft(
        paths,
        tuple(_with_reversed_keys(items)),
        dimensions,
        how,
        {kind: tuple(c for c in columns if c.kind == kind) for kind in ("date", *CONTEXT)},
        segments,
        (*(c for c in columns if c.kind in ("comment", "personal", "choices", "ranking", "other")), *dropped),
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
                n_asked=sum(len(table) for table in tables if name in table),
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
