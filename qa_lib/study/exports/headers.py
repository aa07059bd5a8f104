"""What stands above the answers: names without what drifts, a question and its row, names in one or two rows."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

Titles = list[tuple[str, str]]
"""(name, words of the question, empty where there are none beside the name) of every column."""

_CODED = re.compile(r"^([A-Za-z]\w*(?:\[\w+\])*)\.\s+(.*)$", re.DOTALL)
_ROW_IN_BRACKETS = re.compile(r"^(.*\S)\s*\[([^\[\]]+)\](?:\[[^\[\]]*\])?$", re.DOTALL)
_ROW_AFTER_COLON = re.compile(r"^(\d+\s*[.、．].*?\S)\s*(?:[:：]|——?)\s*(\S.*)$", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_NO_ROW = {"", "response", "open-endedresponse"}


def key(name: str) -> str:
    """A header or label without what drifts between exports: case, width, blanks, a leading asterisk, the full stop.

    >>> key(" *Strongly  AGREE。") == key("strongly agree")
    True
    """
    return "".join(unicodedata.normalize("NFKC", name).split()).lstrip("*").rstrip("。.").casefold()


def plain_words(header: str) -> str:
    """A header's words without markup, with entities as the characters they stand for.

    >>> plain_words("<b>Q&amp;A</b>&nbsp; desk ")
    'Q&A desk'
    """
    return " ".join(_TAG.sub(" ", html.unescape(header)).split()) if re.search(r"[&<\s]", header) else header


def question_number(header: str) -> str | None:
    """The number before a question's words, as 问卷星 writes them: ``3、…``, ``3. …``, ``Q3_2`` …

    >>> question_number("12、您对服务满意吗？"), question_number("5(2).态度"), question_number("满意")
    ('12', '5(2)', None)
    """
    found = re.match(r"^[Qq]?(\d+(?:\(\d+\)|（\d+）|_\d+)?)\s*[、.．:：\s]", header)
    return found.group(1) if found else None


def question_and_row(header: str) -> tuple[str, str]:
    """A question, and the row of its table that a column holds, empty where the question has no rows.

    >>> question_and_row("How was it? [Speed]"), question_and_row("G01Q02[SQ001]")
    (('How was it?', 'Speed'), ('G01Q02', 'SQ001'))
    >>> question_and_row("1.您的评价:响应速度"), question_and_row("Speed: how was it?")
    (('1.您的评价', '响应速度'), ('Speed: how was it?', ''))
    """
    found = _ROW_IN_BRACKETS.match(header) or _ROW_AFTER_COLON.match(header)
    return (found.group(1), found.group(2)) if found else (header, "")


def named_by_first_row(names: Sequence[str], below: Sequence[str] | None) -> Titles:
    """The names as they are, the questions' words in the row below them where there is one."""
    words = names if below is None else below
    return [(name, "" if text == name else text) for name, text in zip(names, words, strict=True)]


def named_by_code(names: Sequence[str], below: Sequence[str] | None) -> Titles:
    """``G01Q02[SQ001]. How was it? [Speed]`` as the code and the words that follow it.

    >>> named_by_code(["id. Response ID", "G01Q02[SQ001]. How? [Speed]", "G01Q03"], None)
    [('id', 'Response ID'), ('G01Q02[SQ001]', 'How? [Speed]'), ('G01Q03', '')]
    """
    found = [_CODED.match(name) for name in names]
    return [match.groups() if match else (name, "") for name, match in zip(names, found, strict=True)]


def named_by_two_rows(names: Sequence[str], below: Sequence[str] | None) -> Titles:
    """A question above and its rows below: a blank or repeated cell above belongs to the last question on its left.

    >>> named_by_two_rows(["ID", "How was it?", ""], ["", "Speed", "Care"])
    [('ID', ''), ('How was it? [Speed]', ''), ('How was it? [Care]', '')]
    """
    titles, question = [], ""
    for name, row in zip(names, names if below is None else below, strict=True):
        question = name or question
        alone = below is None or key(row) in _NO_ROW
        titles.append((question if alone else f"{question} [{row}]" if question else row, ""))
    return titles


def distinct(names: Sequence[str]) -> list[str]:
    """Names with ``.1``, ``.2`` … added to repeated ones."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        n = seen.get(name, 0)
        seen[name] = n + 1
        result.append(f"{name}.{n}" if n else name)
    return result
