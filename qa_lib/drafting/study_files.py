"""The text of study.yaml and instrument.yaml of a draft; every guess bears the mark that ``qa check`` looks for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from qa_lib.drafting.columns import MAX_POINTS, Column, Scale, answer_scales, is_ambiguous, is_no_answer, language_of
from qa_lib.drafting.questions import asked
from qa_lib.study.dates import month_first
from qa_lib.study.findings import GUESS
from qa_lib.study.limits import without_controls

if TYPE_CHECKING:
    from qa_lib.drafting.draft import Draft
    from qa_lib.drafting.items import DraftItem

CONTEXT = ("respondent", "duration", "weight", "language")

_PERIOD_IN_NAME = re.compile(r"((?:19|20)\d{2}(?:-(?:Q[1-4]|W\d{2}|(?:0[1-9]|1[0-2])(?:-\d{2})?))?)(?!\d)")
_NO_GROUP = re.compile(r"-\d{1,3}|99|999|\.")
_MOST_BLANK = 5  # more minus signs are numbers of their own
_NOT_ANSWERED = {"en": "no answer", "zh": "未回答"}
_REASONS = {
    "comment": "free text",
    "personal": "likely personal data",
    "choices": "an answer of a question with several",
    "ranking": "a rank, not a rating",
    "further": "one more segment; take it in by hand if it matters",
    "other": "neither an item nor a segment",
}


def instrument_yaml(draft: Draft, name: str) -> str:
    scales = {_scale_name(item.scale): item.scale for item in draft.items if not item.attention}
    lines = [f"name: {_flow({'en': name})}", "scales:"]
    for label, scale in scales.items():
        lines += _scale_lines(label, scale)
    lines.append(f"dimensions:  {GUESS} they rest on {draft.how}; name them in every language")
    lines += [f"  - {_flow({'id': dimension, 'name': dict(words)})}" for dimension, words in draft.dimensions.items()]
    if not draft.dimensions:
        lines[-1] = "dimensions: []"
    checks = [item for item in draft.items if item.attention]
    if checks:
        lines.append("attention_checks:")
        lines += [
            f"  - {_flow({'id': item.id, 'answer': list(item.attention), 'columns': list(item.columns)})}"
            f"  {GUESS} an attention check; the right answer is the most frequent one"
            for item in checks
        ]
    lines.append("items:")
    for item in draft.items:
        if not item.attention:
            lines += _item_lines(item)
    return "\n".join(lines) + "\n"


def _scale_name(scale: Scale) -> str:
    words = {code: dict(names) for code, names in scale.labels.items()}
    for name, by_language in answer_scales().items():
        if words and words == {c + 1: {g: w[c] for g, w in by_language.items()} for c in range(len(words))}:
            return name
    codes = "_".join(re.sub(r"\W", "m", code) for code in scale.missing)
    labelled = f"_{zlib.crc32(str(sorted(words.items())).encode()):08x}" if words else ""
    coded = f"_{scale.written.partition('{')[0]}" if scale.written else ""
    return f"from{scale.low}to{scale.high}{coded}{labelled}{'_' + codes if codes else ''}"[:60]


def _scale_lines(name: str, scale: Scale) -> list[str]:
    lines = [f"  {name}:", f"    min: {scale.low}", f"    max: {scale.high}  {GUESS} from the answers found"]
    if scale.labels:
        lines.append("    labels:")
        lines += [f"      {code}: {_flow(dict(words))}" for code, words in sorted(scale.labels.items())]
    if scale.recode:
        lines.append(
            f"    recode: {_flow(scale.recode)}  {GUESS} {scale.written.format(scale.low)} is the lowest answer"
        )
    if scale.missing:
        lines.append(f"    missing_codes: {_flow(list(scale.missing))}  {GUESS} they stand for no answer{_why(scale)}")
    return lines


def _why(scale: Scale) -> str:
    """What tells a code at an end of the scale from an answer."""
    odd = [] if scale.labels else [code for code in scale.missing if code.isdigit() and int(code) < MAX_POINTS]
    return f"; who gave {' or '.join(odd)} rates the rest neither lower nor higher for it" if odd else ""


def _item_lines(item: DraftItem) -> list[str]:
    lines = [f"  - id: {item.id}", f"    scale: {_scale_name(item.scale)}"]
    if item.outcome:
        lines += ["    role: outcome", f"    outcome: {item.outcome}  {GUESS} by its name or wording"]
    elif item.dimension:
        lines.append(f"    dimension: {item.dimension}")
    else:
        why = "an overall rating beside the items of its question" if item.overall else "it belongs to no dimension"
        lines.append(f"    role: other  {GUESS} {why}")
    if item.keyed_by:
        lines.append(f"    reverse: {str(item.reverse).lower()}  {GUESS} {item.keyed_by}")
    if item.optional:
        lines.append("    optional: true")
    if item.columns != (item.id,):
        why = f"  {GUESS} one question, though its name changed" if item.respelt else ""
        lines.append(f"    columns: {_flow(list(item.columns))}{why}")
    if item.wording:
        lines.append(f"    wording: {_flow(dict(item.wording))}")
    return lines


def study_yaml(draft: Draft, name: str) -> str:
    lines = [
        f"title: {_flow(dict.fromkeys(('en', 'zh'), name))}  {GUESS} the folder's name",
        _languages_line(draft.languages),
        _period_line(draft),
    ]
    named = {kind: [c.name for c in draft.context[kind] if not c.recognised] for kind in CONTEXT}
    if weights := named.pop("weight"):
        lines.append(f"weight: {_flow(weights)}  {GUESS} respondents' weights")
    if any(named.values()):
        lines.append(
            f"columns: {_flow({kind: names for kind, names in named.items() if names})}  {GUESS} by their names"
        )
    lines += list(_segment_lines(draft.segments))
    for column in draft.left_out:
        lines.append(f"# left out: {_shown_name(column.name)} ({_REASONS[column.kind]})")
    return "\n".join(lines) + "\n"


def _shown_name(name: str) -> str:
    return re.sub(r"\s+", " ", without_controls(name))[:80]


def _period_line(draft: Draft) -> str:
    dates = [date for date in draft.context["date"] if not _is_no_date(date)]
    if dates:
        date = next((date for date in dates if date.recognised), dates[0])
        source = {"column": "date" if date.recognised else date.name}
        why = "" if date.recognised else f"  {GUESS} the dates of the responses"
        if is_ambiguous(date.texts.dropna()):
            source["format"], why = month_first(date.texts.dropna()), f"  {GUESS} the month stands first"
        return f"period: {_flow(source)}{why}"
    stems = [_PERIOD_IN_NAME.search(file.name) for file in draft.files]
    if all(stems):
        return (
            f"period: {_flow({'file_pattern': _PERIOD_IN_NAME.pattern})}  {GUESS} the period stands in the file's name"
        )
    year = _year_of(draft.files[0])
    return f"period: {_flow({'value': year})}  {GUESS} no column holds a date; this is the year of the file"


def _is_no_date(date: Column) -> bool:
    """Whether all dates are the first of 1980, which LimeSurvey gives anonymous responses."""
    return date.texts.dropna().str.startswith("1980-01-01").all()


def _languages_line(languages: Sequence[str]) -> str:
    if languages:
        return f"languages: {_flow(list(languages))}  {GUESS} those of the wording found"
    return f"languages: [en, zh]  {GUESS} no wording was found; items are called by their ids"


def _year_of(file: Path) -> str:
    from datetime import UTC, datetime

    return str(datetime.fromtimestamp(file.stat().st_mtime, UTC).year)


def _segment_lines(segments: Sequence[tuple[Column, ...]]) -> Iterable[str]:
    taken: set[str] = set()
    for place, columns in enumerate(segments):
        column = columns[0]
        if place == 0:
            names = ", ".join(_shown_name(own[0].name) for own in segments)
            yield f"segments:  {GUESS} columns with few different values: {names}"
        plain = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_").lower()[:40]
        plain = plain if re.match(r"[a-z]", plain) and plain not in taken else f"segment{place + 1}"
        taken.add(plain)
        names = {language_of(words): words for words in map(_segment_name, reversed(columns))}
        entry = {"id": plain, "name": names, "columns": [c.name for c in columns]}
        blank = {
            text
            for c in columns
            for text in c.texts.dropna().unique()
            if _NO_GROUP.fullmatch(text) or is_no_answer(text)
        }
        if 0 < len(blank) <= _MOST_BLANK:
            entry["labels"] = {text: dict(_NOT_ANSWERED) for text in sorted(blank)}
        yield f"  - {_flow(entry)}"


def _segment_name(column: Column) -> str:
    words = " ".join(asked(column)).strip()
    return words if words and len(words) <= 40 else column.name


def _flow(value: object) -> str:
    """A value as YAML on one line, in which every text is quoted."""
    return (
        yaml.safe_dump(
            _without_controls(value),
            default_flow_style=True,
            allow_unicode=True,
            width=float("inf"),
            sort_keys=False,
            default_style=None,
        )
        .removesuffix("\n...\n")
        .strip()
    )


def _without_controls(value: object) -> object:
    if isinstance(value, dict):
        return {_without_controls(key): _without_controls(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_controls(part) for part in value]
    return without_controls(value) if isinstance(value, str) else value
