"""Which columns of an export ask one question together, what they are called, and which of them are no ratings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

import pandas as pd

from qa_lib.drafting.columns import Column, language_of
from qa_lib.study.coding import key
from qa_lib.study.exports.headers import question_and_row, question_number

_CODE = re.compile(r"[A-Za-z][\w.\-]*(?:\[\w+\])*", re.ASCII)
_LONGEST_NAME = 30
_BOX = {
    key(word)
    for word in ("Y", "N", "Yes", "No", "0", "1", "是", "否", "选中", "未选中", "Checked", "Unchecked", "Quoted")
}
_OTHER = re.compile(r"\[other\]$|other \(please specify\)|^other$|comment\]$|其他|其它", re.IGNORECASE)
_SEPARATORS = (", ", ";", "┋", "、", "|")


def stem(name: str) -> str:
    """What names of one block share: ``CUSA_2`` → ``CUSA``, ``Q7ART`` → ``Q7``, ``5(2)、…`` → ``5``, else nothing.

    >>> stem("G01Q02[SQ001]"), stem("How was it? [Speed]"), stem("CUSA_2"), stem("branch")
    ('G01Q02', 'How was it?', 'CUSA', '')
    """
    number = question_number(name)
    if number is not None:
        return re.split(r"[(（_]", number)[0]
    question, row = question_and_row(name)
    if row:
        return question
    found = re.match(r"^([A-Za-z]{1,2}\d+)[A-Za-z_]", name) or re.match(
        r"^(.*?[^\W\d_])[\s_.\-]*(?:\d+|global)\s*$", name
    )
    return found.group(1) if found else ""


def topic(name: str) -> str:
    """A column's name without the question's number: what it is about.

    >>> topic("Q18AGE"), topic("Q7_food"), topic("branch"), topic("12、您的年龄")
    ('age', 'food', 'branch', '您的年龄')
    """
    return re.sub(r"^\W*(?:[A-Za-z]{0,2}\d+(?:\(\d+\))?)?[\W_]*", "", name).strip().lower() or name.lower()


def spelt_alike(a: str, b: str) -> bool:
    """Whether two names differ in no more than the question's number, or a letter.

    >>> spelt_alike("Q12PRECHECKRATE", "Q12PRECHEKCRATE"), spelt_alike("Q18AGE", "Q19AGE"), spelt_alike("Q1_1", "Q1_2")
    (True, True, False)
    """
    first, second = topic(a), topic(b)
    digits = [re.findall(r"\d+", words) for words in (first, second)]
    if not re.search(r"[^\W\d_]{3}", first) or digits[0] != digits[1]:
        return False
    return first == second or (min(len(first), len(second)) > 5 and SequenceMatcher(None, first, second).ratio() > 0.85)


def blocks(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """The columns of one question, or of names that count up, together; any other alone."""
    found: dict[str, list[Column]] = {}
    for column in columns:
        found.setdefault(stem(column.name) or column.name, []).append(column)
    return found


def asked(column: Column) -> tuple[str, str]:
    """The question's words and the row's, where the wording or the header holds any."""
    question, row = question_and_row(column.wording or column.name)
    return (question, row) if column.wording else (_words_of_header(question), row)


def _words_of_header(name: str) -> str:
    number = question_number(name)
    words = name[len(number) :].lstrip("Qq、.．:： ") if number else name
    return words if language_of(words) == "zh" or " " in words.strip() else ""


def wordings(block: Sequence[Column]) -> dict[str, str]:
    """What each column of a block asks: the row's words where rows of a table share a question, else all words."""
    found = {column.name: asked(column) for column in block}
    together = len(block) > 1 and len({question for question, _ in found.values()}) == 1
    return {
        name: row if together and row else f"{question} {row}".strip() if question else ""
        for name, (question, row) in found.items()
    }


def question_of(block: Sequence[Column]) -> str:
    """The words that the columns of a block share as rows of one question, else empty."""
    questions = {asked(column) for column in block}
    shared = {question for question, row in questions if row}
    return shared.pop() if len(questions) > 1 and len(shared) == 1 else ""


def identifiers(by_block: Mapping[str, Sequence[Column]]) -> tuple[dict[str, str], dict[str, str]]:
    """Ids of columns and of blocks: from a code or a short name, else from the question's number or place."""
    ids: dict[str, str] = {}
    of_blocks: dict[str, str] = {}
    for place, (name, block) in enumerate(by_block.items(), 1):
        of_blocks[name] = _free(_identifier(name) or f"Q{place}", of_blocks.values())
        for row, column in enumerate(block, 1):
            plain = _identifier(column.name) or (f"{of_blocks[name]}_{row}" if len(block) > 1 else of_blocks[name])
            ids[column.name] = _free(plain, ids.values())
    return ids, of_blocks


def _identifier(name: str) -> str:
    """A name that formulas can use, of a name that is a code, numbered or short; else empty."""
    number = question_number(name) or (name if name.isdigit() else None)
    in_words = not _CODE.fullmatch(name)
    if in_words and (question_and_row(name)[1] or (number is None and len(name) > _LONGEST_NAME)):
        return ""
    plain = re.sub(r"\W+", "_", f"Q{number}" if number else name, flags=re.ASCII).strip("_")[:40]
    return plain if re.match(r"[A-Za-z]", plain) else ""


def _free(plain: str, taken: Iterable[str]) -> str:
    taken = set(taken)
    return plain if plain not in taken else next(f"{plain}_{n}" for n in range(2, 10**6) if f"{plain}_{n}" not in taken)


def without_choices(columns: Sequence[Column]) -> list[Column]:
    """The columns, in which ranks, boxes of questions with several answers, and other words to them are named so."""
    found = {column.name: column for column in columns}
    for name, block in blocks(columns).items():
        if len(block) > 2 and _are_ranks([column for column in block if column.kind == "item"]):
            found |= {column.name: replace(column, kind="ranking") for column in block}
        elif len(block) > 1 and name and all(map(_is_box, block)):
            found |= {column.name: replace(column, kind="choices") for column in block}
        elif name and (further := _further_answers(block)):
            found |= {column.name: replace(column, kind="choices") for column in further}
    for column in found.values():
        if column.kind in ("segment", "comment", "other") and _OTHER.search(column.name):
            found[column.name] = replace(column, kind="comment")
        elif column.kind in ("segment", "comment") and _has_several_answers(column.texts.dropna()):
            found[column.name] = replace(column, kind="choices")
    return list(found.values())


def _further_answers(block: Sequence[Column]) -> list[Column]:
    """The columns of a question that took several answers, one after another (``PURP1``, ``PURP2`` …): each is filled
    by half or fewer of those who filled the one before. The first is kept where hardly anyone gave a second."""
    numbered = [column for column in block if re.search(r"[^\W\d]\d+$", column.name)]
    filled = [column.texts.notna().mean() for column in numbered]
    if len(numbered) < 2 or not all(b <= a / 2 for a, b in pairwise(filled)):
        return []
    return numbered[1:] if filled[1] <= 0.2 * filled[0] else numbered


def _are_ranks(block: Sequence[Column]) -> bool:
    """Whether every respondent gives each of the numbers from 1 once."""
    if len(block) < 3:
        return False
    codes = pd.DataFrame({column.name: column.codes for column in block}).dropna()
    wanted = list(range(1, len(block) + 1))
    return len(codes) > 1 and all(sorted(row) == wanted for row in codes.to_numpy())


def _is_box(column: Column) -> bool:
    """Whether a column says no more than yes or no: words for both, or one text or nothing."""
    if column.kind not in ("item", "segment", "comment", "other") or _OTHER.search(column.name):
        return _OTHER.search(column.name) is not None
    values = {key(text) for text in column.texts.dropna().unique()}
    return values <= _BOX or (len(values) == 1 and not next(iter(values)).isdigit())


def _has_several_answers(values: pd.Series) -> bool:
    """Whether cells list answers that stand alone in other cells: ``phone, desk`` beside ``phone`` and ``desk``."""
    for mark in _SEPARATORS:
        if not values.str.contains(mark, regex=False).any():
            continue
        parts = values.str.split(mark).explode().str.strip()
        kinds = set(parts) - {""}
        if len(parts) >= 3 * len(kinds) and len(kinds & set(values)) >= 0.5 * len(kinds):
            return True
    return False
