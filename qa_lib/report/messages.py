"""What analyses warn of and why they refuse, in the page's language.

The library speaks English to those who program with it. A page says the same through the catalogue: the entry whose
English sentence is the message, its facts in the braces. What the catalogue does not know is named by its kind, and the
English original goes with it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from qa_lib import errors
from qa_lib.report.text import Text, catalogue

_COUNTED = re.compile(r"(\d+) (\w+)")


@dataclass(frozen=True, slots=True)
class Message:
    """What an analysis said: the name of the warning's or error's class, and its English sentence."""

    kind: str
    words: str


def translated(message: Message, text: Text, name_of: Callable[[str], str] = str) -> tuple[str, str]:
    """The message in the page's language, and the English original where only its kind could be said, else ``""``.

    ``name_of`` gives the page's name of a dimension or outcome, and anything else as it is.
    """
    for key, sentence in _patterns():
        if found := sentence.fullmatch(message.words):
            facts = {place: _fact(value, text, name_of) for place, value in found.groupdict().items()}
            return text(key, **facts), ""
    return (message.words, "") if text.lang == "en" else (text(_kind_key(message.kind)), message.words)


def kind_of(message: Message) -> str:
    """The same for messages that differ in their facts only."""
    return next((key for key, sentence in _patterns() if sentence.fullmatch(message.words)), message.words)


def _kind_key(kind: str) -> str:
    """The catalogue's key of a class, or of the nearest of its bases that has one."""
    lineage = getattr(errors, kind, errors.QaError).__mro__
    return next(key for key in (f"kind_{base.__name__}" for base in lineage) if key in catalogue())


@cache
def _patterns() -> list[tuple[str, re.Pattern]]:
    """Key and pattern of every sentence the library may say; those with the most words of their own come first."""
    keys = [key for key in catalogue() if key.startswith("said_")]
    return [(key, pattern(key)) for key in sorted(keys, key=lambda key: -len(catalogue()[key]["en"]))]


def pattern(key: str) -> re.Pattern:
    """What the English sentence of an entry matches, a group for each of its facts."""
    parts = string.Formatter().parse(catalogue()[key]["en"])
    return re.compile("".join(re.escape(words) + (f"(?P<{name}>.+?)" if name else "") for words, name, _, _ in parts))


def _fact(value: str, text: Text, name_of: Callable[[str], str]) -> str:
    """A name, number or list of a message, as the language lists and names them."""
    entries = [entry.strip("'[] ") for entry in value.split(", ")]
    return text("list_comma").join(_one_fact(entry, text, name_of) for entry in entries)


def _one_fact(entry: str, text: Text, name_of: Callable[[str], str]) -> str:
    counted = _COUNTED.fullmatch(entry)
    if counted and text.has(f"reason_{counted[2]}"):
        return f"{counted[1]} {text(f'reason_{counted[2]}')}"
    return name_of(entry)
