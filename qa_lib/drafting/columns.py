"""What a column of an export seems to hold: an item and its scale, context, a segment, a comment, personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pandas as pd
import yaml

from qa_lib.errors import ResponseError
from qa_lib.study.coding import cell_text, key
from qa_lib.study.dates import parse_dates
from qa_lib.study.privacy import named_personal, personal_kind

Kind = Literal[
    *("item", "respondent", "date", "duration", "weight", "language", "segment"),
    *("comment", "personal", "choices", "ranking", "further", "other"),
]
MAX_POINTS = 11
MAX_SEGMENT_VALUES = 30

_NO_ANSWER = {
    *(
        "na",
        "n/a",
        "nan",
        "none",
        "notapplicable",
        "dontknow",
        "don'tknow",
        "dk",
        "refused",
        "prefernottosay",
        "missing",
    ),
    *("不适用", "不知道", "不清楚", "拒答", "(跳过)", "（跳过）", "(空)", "（空）", "未回答"),
}
_USUAL_TOPS = (2, 3, 4, 5, 6, 7, 9, 10)
_ANSWER_CODE = re.compile(r"([A-Za-z]{1,3})(0*)(\d{1,2})")
_LEADING_CODE = re.compile(r"^(\d{1,2})\s*[-–—=:.、)）(（ ]\s*\S")
_CONTEXT_NAMES: Mapping[Kind, re.Pattern] = {
    "respondent": re.compile(
        r"^(respondent.*|resp.?(id|num|no)|id|pid|response.?id|user.?id|token|编号|答卷编号|序号)$", re.IGNORECASE
    ),
    "date": re.compile(
        r"(date|timestamp|submitted|日期|提交.*时间|填写时间|结束时间|^end(ed)?(_?time)?$)", re.IGNORECASE
    ),
    "duration": re.compile(r"(duration|seconds|interview time|用时|所用时间|时长)", re.IGNORECASE),
    "weight": re.compile(r"^(weight|wt|wgt|权重)$", re.IGNORECASE),
    "language": re.compile(r"^(user.?language|language|lang|语言)$", re.IGNORECASE),
}
_BOOKKEEPING = re.compile(
    r"^(status|progress|finished|recordeddate|startdate|distributionchannel|externalreference|externaldatareference"
    r"|responseset|consent|来源|来源详情|总分)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Answer codes from ``low`` to ``high``, the words for them, and codes and words that stand for no answer.

    ``written`` is how the export writes the codes where it does not write plain numbers: ``A{}``, ``AO{:02d}``.
    """

    low: int
    high: int
    labels: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    written: str = ""

    @property
    def recode(self) -> dict[str, int]:
        return {self.written.format(code): code for code in range(self.low, self.high + 1)} if self.written else {}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the name it has in the exports, the question's words if any, and what it seems to be.

    ``recognised`` says that reading the export finds it by itself; ``n_files`` in how many exports it stands,
    ``n_asked`` how many rows they have.
    """

    name: str
    wording: str
    kind: Kind
    texts: pd.Series
    scale: Scale | None = None
    recognised: bool = False
    n_files: int = 1
    n_asked: int = 0

    @property
    def codes(self) -> np.ndarray:
        """The answers to an item as codes of its scale, NaN where there is none."""
        words = {key(word): code for code, names in self.scale.labels.items() for word in names.values()}
        words |= {key(word): code for word, code in self.scale.recode.items()}
        none = {key(code) for code in self.scale.missing}
        known = {text: _code(text, words, none) for text in self.texts.dropna().unique()}
        codes = self.texts.map(known).astype(float).to_numpy()
        return np.where((codes >= self.scale.low) & (codes <= self.scale.high), codes, np.nan)


def _code(text: str, words: Mapping[str, int], none: set[str]) -> float:
    folded = key(text)
    if folded in none:
        return np.nan
    return float(words[folded]) if folded in words else _number(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


@cache
def answer_scales() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return yaml.safe_load(files("qa_lib.drafting").joinpath("answer_scales.yaml").read_text(encoding="utf-8"))


def classify(name: str, wording: str, cells: pd.Series, labels: Mapping[object, str], known: str | None) -> Column:
    """What one column seems to be. ``labels`` are an SPSS or Stata file's; ``known`` what the dialect says it is."""
    texts = cells.map(cell_text).replace("", None).dropna().astype(str).reindex(cells.index)
    values = texts.dropna()
    column = Column(name, wording, "other", texts)
    if known is not None:
        return replace(column, kind=known, recognised=True)
    if _BOOKKEEPING.match(name) or _BOOKKEEPING.match(wording) or values.empty:
        return column
    scale = _scale(values, labels)
    named = scale is None and values.nunique() > 2 and (named_personal(name) or named_personal(wording))
    if named or _share_personal(values) > 0.05:
        return replace(column, kind="personal")
    if (context := _context(name, values)) is not None:
        return replace(column, kind=context)
    if scale is not None:
        return replace(column, kind="item", scale=scale)
    distinct = sum(not is_no_answer(text) for text in values.unique())
    if distinct < 2:
        return column
    if 2 <= distinct <= MAX_SEGMENT_VALUES and len(values) >= 3 * distinct and values.str.len().max() <= 40:
        return replace(column, kind="segment")
    numeric = pd.to_numeric(values, errors="coerce").notna().mean() > 0.9
    return column if numeric or values.str.len().mean() < 3 else replace(column, kind="comment")


def _share_personal(values: pd.Series) -> float:
    counts = values.value_counts()
    return counts[[personal_kind(text) is not None for text in counts.index]].sum() / len(values)


def is_no_answer(text: str) -> bool:
    return key(text) in _NO_ANSWER


def _context(name: str, values: pd.Series) -> Kind | None:
    for kind, pattern in _CONTEXT_NAMES.items():
        if not pattern.search(name):
            continue
        holds = {
            "respondent": lambda: values.is_unique,
            "date": lambda: _are_dates(values),
            "weight": lambda: (pd.to_numeric(values, errors="coerce") >= 0).all(),
        }.get(kind, lambda: True)
        if holds():
            return kind
    return None


def _are_dates(values: pd.Series) -> bool:
    if values.str.contains(r"\d{4}|\d/\d").mean() < 0.9:
        return False
    return is_ambiguous(values) or parse_dates(values).notna().mean() > 0.9


def is_ambiguous(dates: pd.Series) -> bool:
    """Whether the dates can be read month first and day first."""
    try:
        parse_dates(dates)
    except ResponseError:
        return True
    return False


def _scale(values: pd.Series, labels: Mapping[object, str]) -> Scale | None:
    """The scale of an item, or None where the answers are not those of one."""
    counts = values.value_counts()
    answers = [text for text in counts.index if not is_no_answer(text)]
    missing = tuple(text for text in counts.index if is_no_answer(text))
    if labels and all(_number(text) == _number(text) for text in answers):
        return _scale_of_spss(answers, labels, missing)
    words = [text for text in answers if _number(text) != _number(text)]
    if not words:
        return _scale_of_numbers(answers, missing)
    for words_by_language in answer_scales().values():
        if all(any(key(text) in map(key, names) for names in words_by_language.values()) for text in words):
            points = len(next(iter(words_by_language.values())))
            if any(_number(text) > points for text in answers):
                continue
            names = {
                code: {lang: w[code - 1] for lang, w in words_by_language.items()} for code in range(1, points + 1)
            }
            return Scale(1, points, names, missing)
    return _scale_of_answer_codes(answers, missing) or _scale_of_coded_words(answers, missing)


def _scale_of_numbers(answers: Sequence[str], missing: tuple[str, ...]) -> Scale | None:
    numbers = {text: _number(text) for text in answers}
    if not numbers or any(not value.is_integer() for value in numbers.values()):
        return None
    core = sorted(int(value) for value in numbers.values() if 0 <= value <= MAX_POINTS - 1)
    beyond = [text for text, value in numbers.items() if not 0 <= value <= MAX_POINTS - 1]
    if len(core) < 2 or len(beyond) > 3 or any(0 < _number(text) < 77 for text in beyond):
        return None
    return Scale(core[0], core[-1], missing=(*missing, *sorted(beyond)))


def _scale_of_spss(answers: Sequence[str], labels: Mapping[object, str], missing: tuple[str, ...]) -> Scale | None:
    named = {int(code): str(words) for code, words in labels.items() if isinstance(code, int | float)}
    none = {code for code, words in named.items() if key(words) in _NO_ANSWER or not 0 <= code < MAX_POINTS}
    plain = _scale_of_numbers([text for text in answers if int(_number(text)) not in none], missing)
    if plain is None:
        return None
    codes = {code: words for code, words in named.items() if code not in none}
    low, high = min([plain.low, *codes]), max([plain.high, *codes])
    words = {code: {language_of(text): text} for code, text in codes.items()}
    return Scale(low, high, words, (*plain.missing, *(str(code) for code in sorted(none))))


def _scale_of_answer_codes(answers: Sequence[str], missing: tuple[str, ...]) -> Scale | None:
    """Codes such as ``A1`` to ``A5``, as LimeSurvey gives them to answers."""
    found = [_ANSWER_CODE.fullmatch(text) for text in answers]
    if not all(found) or len({match.group(1) for match in found}) > 1:
        return None
    codes = [int(match.group(3)) for match in found]
    padded = any(match.group(2) for match in found)
    written = f"{found[0].group(1)}{{:02d}}" if padded else f"{found[0].group(1)}{{}}"
    if (
        len(codes) < 2
        or max(codes) >= MAX_POINTS
        or any(written.format(c) != t for c, t in zip(codes, answers, strict=True))
    ):
        return None
    return Scale(min(codes), max(codes), missing=missing, written=written)


def _scale_of_coded_words(answers: Sequence[str], missing: tuple[str, ...]) -> Scale | None:
    """Answers such as ``5 - very satisfied`` beside plain numbers."""
    coded = {text: _LEADING_CODE.match(text) for text in answers}
    if any(found is None and _number(text) != _number(text) for text, found in coded.items()):
        return None
    labels = {int(found.group(1)): {language_of(text): text} for text, found in coded.items() if found}
    codes = [*labels, *(int(_number(text)) for text, found in coded.items() if not found)]
    return Scale(min(codes), max(codes), labels, missing) if max(codes) < MAX_POINTS else None


def language_of(words: str) -> str:
    return "zh" if re.search(r"[\u4e00-\u9fff]", words) else "en"


def widen(scales: Sequence[Scale]) -> Scale:
    """The scale that answers of several items point to: from 0 or 1 to the next usual top."""
    low, high = min(scale.low for scale in scales), max(scale.high for scale in scales)
    labels = max((scale.labels for scale in scales), key=len)
    missing = tuple(sorted({code for scale in scales for code in scale.missing}))
    written = next((scale.written for scale in scales if scale.written), "")
    if not labels:
        low = 0 if low == 0 else 1
        high = next(top for top in _USUAL_TOPS if top >= high)
    return Scale(low, high, labels, missing, written)
