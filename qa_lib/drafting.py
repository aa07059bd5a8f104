"""Drafts a study from exports: what a person would otherwise type, with every guess marked for that person to confirm.

Columns are read by :mod:`qa_lib.drafting_columns`; here they become items with dimensions, reversed keys and outcomes,
and a study folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.drafting_columns import Column, Scale, classify, language_of, widen
from qa_lib.drafting_yaml import CONTEXT, instrument_yaml, study_yaml
from qa_lib.errors import QaError, StudyError
from qa_lib.study.coding import key
from qa_lib.study.dialects import dialect_of, question_number
from qa_lib.study.files import read_export
from qa_lib.study.instrument import template
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
_ATTENTION = re.compile(r"attention|please (select|choose|click)|检测题|请选择|注意力", re.IGNORECASE)
_RESPONDENTS_PER_ITEM = 5  # fewer are too few for a factor analysis (Gorsuch 1983, Factor Analysis, p. 332)


@dataclass(frozen=True, slots=True)
class DraftItem:
    """An item with what was guessed of it; ``columns`` are its names in the exports."""

    id: str
    columns: tuple[str, ...]
    wording: Mapping[str, str]
    scale: Scale
    codes: np.ndarray
    optional: bool = False
    dimension: str | None = None
    outcome: str | None = None
    reverse: bool = False
    attention: str | None = None


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
    languages: tuple[str, ...] = field(default=("en",))

    def write(self, folder: str | Path) -> Path:
        """Writes the study's folder, whole or not at all, with copies of the exports under ``responses``.

        Raises ``StudyError`` when the folder exists.
        """
        folder = Path(folder)
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
    items = _items([column for column in columns if column.kind == "item"], len(paths))
    if not items:
        raise StudyError(f"{paths[0]}: no column looks like an item: few whole numbers, or words of a known scale.")
    items, dimensions, how = _with_dimensions(_with_outcomes(items))
    kept = {name for item in items for name in item.columns}
    lone = [replace(c, kind="segment") for c in columns if c.kind == "item" and c.name not in kept]
    return Draft(
        paths,
        tuple(_with_reversed_keys(items)),
        dimensions,
        how,
        {kind: tuple(c for c in columns if c.kind == kind) for kind in ("date", *CONTEXT)},
        _segments([*(c for c in columns if c.kind == "segment"), *lone]),
        tuple(c for c in columns if c.kind in ("comment", "personal", "other")),
        _languages(items),
    )


def _columns(paths: Sequence[Path]) -> list[Column]:
    """The columns of all exports, those of one name under one another."""
    tables, wording, labels, known = [], {}, {}, {}
    for path in paths:
        export = read_export(path)
        dialect = dialect_of(export.table, "auto")
        above = dialect.header_rows(export.table)
        words = export.table.iloc[0].astype(str).to_dict() if above else export.wording
        tables.append(export.table.iloc[above:].replace(dict.fromkeys(dialect.missing, "")))
        wording = {name: text for name, text in words.items() if text != name} | wording
        labels = dict(export.labels) | labels
        names = {name: dialect.columns.get(name, dialect.columns.get(words.get(name))) for name in export.table}
        known = {name: kind for name, kind in names.items() if kind is not None} | known
    everything = pd.concat(tables, ignore_index=True).astype(object)
    return [
        replace(
            classify(name, str(wording.get(name, "")), everything[name], labels.get(name, {}), known.get(name)),
            n_files=sum(name in table for table in tables),
        )
        for name in everything
    ]


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


def _items(columns: Sequence[Column], n_files: int) -> list[DraftItem]:
    """Items of the columns. Those of one block share a scale; a column of no block is an item only on a scale that
    others have too, or when its name or words are those of an outcome."""
    blocks: dict[str, list[Column]] = {}
    for column in columns:
        blocks.setdefault(_stem(column.name) or column.name, []).append(column)
    scaled = {c.name: widen([b.scale for b in _alike(c, block)]) for block in blocks.values() for c in block}
    shared = pd.Series([_points(scale) for scale in scaled.values()]).value_counts()
    items: list[DraftItem] = []
    for column in columns:
        scale = scaled[column.name]
        lone = len(blocks[_stem(column.name) or column.name]) == 1 and not scale.labels and shared[_points(scale)] < 3
        if scale.high - scale.low < 2 or (lone and not _is_question(column, scale)):
            continue
        words = column.wording or _words_of_header(column.name)
        wording = {language_of(words): words} if words else {}
        codes = replace(column, scale=scale).codes
        optional = column.n_files < n_files
        items.append(DraftItem(_identifier(column.name, items), (column.name,), wording, scale, codes, optional))
    return _merged_by_template(items)


def _alike(column: Column, block: Sequence[Column]) -> list[Column]:
    """The columns of a block that answer in the same words, or all in numbers."""
    return [other for other in block if other.scale.labels.keys() == column.scale.labels.keys()]


def _is_question(column: Column, scale: Scale) -> bool:
    words = f"{column.name} {column.wording}"
    return _outcome(column.name, column.wording, scale) is not None or _ATTENTION.search(words) is not None


def _points(scale: Scale) -> tuple[int, int]:
    return scale.low, scale.high


def _stem(name: str) -> str:
    """What names of one block share: ``CUSA_2`` → ``CUSA``, ``Q7ART`` → ``Q7``, ``5(2)、…`` → ``5``, else nothing."""
    number = question_number(name)
    if number is not None:
        return re.split(r"[(（_]", number)[0] if re.search(r"[(（_]", number) else ""
    found = re.match(r"^([A-Za-z]{1,2}\d+)[A-Za-z_]", name) or re.match(
        r"^(.*?[^\W\d_])[\s_.\-]*(?:\d+|global)\s*$", name
    )
    return found.group(1) if found else ""


def _words_of_header(name: str) -> str:
    """The question's words where the header holds them."""
    number = question_number(name)
    words = name[len(number) :].lstrip("Qq、.．:： ") if number else name
    return words if language_of(words) == "zh" or " " in words.strip() else ""


def _identifier(name: str, others: Sequence[DraftItem]) -> str:
    number = question_number(name)
    plain = f"Q{number}" if number else name
    plain = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_")[:40]
    if not re.match(r"[A-Za-z]", plain):
        plain = f"Q{plain or len(others) + 1}"
    taken = {item.id for item in others}
    return (
        plain if plain not in taken else next(f"{plain}_{n}" for n in range(2, 10_000) if f"{plain}_{n}" not in taken)
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
        if _ATTENTION.search(f"{item.id} {words}"):
            values, counts = np.unique(item.codes[~np.isnan(item.codes)], return_counts=True)
            found.append(replace(item, attention=f"{values[counts.argmax()]:.0f}" if len(values) else "1"))
        else:
            found.append(replace(item, outcome=_outcome(item.id, words, item.scale)))
    return found


def _outcome(name: str, words: str, scale: Scale) -> str | None:
    stem = _stem(name)
    for outcome, pattern in _GROUP_OUTCOMES.items():
        if stem and pattern.search(stem):
            return outcome
    for outcome, pattern in _OUTCOMES.items():
        if (pattern.search(name) or pattern.search(words)) and (outcome != "nps" or _points(scale) == (0, 10)):
            return outcome
    return None


def _with_dimensions(items: Sequence[DraftItem]) -> tuple[list[DraftItem], dict[str, Mapping[str, str]], str]:
    """Every item that is no outcome in a dimension, the dimensions' names, and what the grouping rests on."""
    open_items = [item for item in items if item.outcome is None and item.attention is None]
    shipped = template("rater_expectations")
    if open_items and all(item.id in shipped.items for item in open_items):
        groups = {item.id: shipped.item(item.id).dimension for item in open_items}
        names = {entry.id: entry.name for entry in shipped.file.dimensions if entry.id in groups.values()}
        how = "the wording of a template"
    else:
        groups = {item.id: _identifier(_stem(item.columns[0]), []) for item in open_items if _stem(item.columns[0])}
        sizes = pd.Series(groups).value_counts() if groups else pd.Series(dtype=int)
        if (sizes >= 2).sum() >= 2 and sizes[sizes >= 2].sum() >= 0.6 * len(open_items):
            how = "the names of the columns"
            groups = {item: group for item, group in groups.items() if sizes[group] >= 2}
        else:
            groups, how = _factor_groups(open_items)
        names = {group: {"en": group} for group in dict.fromkeys(groups.values())}
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
    """Items that run against the first component of their dimension are taken as reverse-keyed."""
    against: set[str] = set()
    for dimension in {item.dimension for item in items} - {None}:
        answers = pd.DataFrame({item.id: item.codes for item in items if item.dimension == dimension})
        r = answers.corr().to_numpy()
        if len(r) < 3 or np.isnan(r).any():
            continue
        direction = np.linalg.eigh(r)[1][:, -1]
        majority = np.sign(direction.sum()) or 1.0
        against |= {name for name, value in zip(answers, direction * majority, strict=True) if value < -0.1}
    return [replace(item, reverse=item.id in against) for item in items]


def _languages(items: Sequence[DraftItem]) -> tuple[str, ...]:
    found = [lang for item in items for lang in item.wording]
    return tuple(sorted({"en", "zh"}, key=lambda lang: -found.count(lang))) if found else ("en", "zh")
