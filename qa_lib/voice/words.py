"""Comments as words, English by simple stems, Chinese cut by jieba, and which themes' words occur in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from qa_lib.study.redaction import MARK

if TYPE_CHECKING:
    import rjieba

    from qa_lib.voice.dictionary import Themes

_HAN = "\u3400-\u9fff"
WORDS = re.compile(rf"([{_HAN}]+)|((?:(?![{_HAN}])[^\W\d_])+(?:'(?:(?![{_HAN}])[^\W\d_])+)?)")
_NONE = """none|no|nope|nothing|nil|na|n a|no comment|no comments|nothing to add|not applicable
无|没有|没|暂无|无意见|没意见|没有意见|暂时没有|无建议|没有建议|略|不知道"""
_NOTHING = set(re.split(r"[|\n]", _NONE))
_VOWEL = re.compile("[aeiouy]")


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts texts into words."""

    jieba: rjieba.Jieba

    def words(self, text: str) -> list[str]:
        """Words in their order: English as lower-case stems, Chinese as jieba cuts it."""
        found: list[str] = []
        for han, latin in WORDS.findall(plain(text)):
            found.extend(self.jieba.cut(han) if han else [stem(latin)])
        return found

    def within(self, text: str) -> set[str]:
        """The Chinese words of a text, and those within longer ones."""
        return {word for han, _ in WORDS.findall(plain(text)) if han for word in self.jieba.cut_for_search(han)}


@lru_cache(maxsize=4)
def cutter(words: tuple[str, ...] = ()) -> Cutter:
    """A cutter that knows these words as words."""
    import rjieba

    found = Cutter(rjieba.Jieba())
    for word in words:
        if re.fullmatch(f"[{_HAN}]+", word):
            found.jieba.add_word(word, None, None)  # as frequent as it takes to be one word
    return found


def stem(word: str) -> str:
    """An English word, lower case, without the endings -s, -'s, -ed, -ing and a last e.

    Far simpler than Porter's stemmer: it joins what a dictionary of themes means by one word and no more.

    >>> [stem(word) for word in ("Waits", "waiting", "queues", "queued", "stopped", "apologies", "speed", "staff's")]
    ['wait', 'wait', 'queu', 'queu', 'stop', 'apology', 'speed', 'staff']
    """
    word = word.lower().removesuffix("'s")
    if word.endswith(("ies", "ied")) and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]
    for ending, least in (("ing", 6), ("ed", 5)):
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(word) >= least and _VOWEL.search(rest) and not word.endswith("eed"):
            doubled = len(rest) > 2 and rest[-1] == rest[-2] and rest[-1] not in "lsz"
            word = rest[:-1] if doubled else rest
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def says_something(text: object) -> bool:
    """Whether a comment is more than blank, a sign, or a word for none.

    >>> [says_something(text) for text in ("Fine", " - ", "N/A", "无。", None, "等太久")]
    [True, False, False, False, False, True]
    """
    if not isinstance(text, str):
        return False
    words = [word for pair in WORDS.findall(plain(text).lower()) for word in pair if word]
    return bool(words) and " ".join(words) not in _NOTHING


def mentions(texts: Sequence[str], themes: Themes) -> np.ndarray:
    """Which texts hold a word or phrase of which theme: bool, texts × themes.

    English words match whatever their case and simple ending, phrases word by word; Chinese words match where jieba
    sees a word. Negation is left alone: *no queue* speaks of queues as *long queue* does.

    >>> from qa_lib.voice.dictionary import read_themes
    >>> themes = read_themes({"themes": [
    ...     {"id": "waiting", "name": {"en": "Waiting"}, "words": {"en": ["wait", "long line"], "zh": ["排队"]}},
    ... ]})
    >>> mentions(["Waited an hour", "long lines!", "排队的人太多", "Await", "a line"], themes)[:, 0].tolist()
    [True, True, True, False, False]
    """
    cut = cutter(tuple(sorted({phrase for theme in themes.themes for phrase in theme.phrases})))
    index: dict[str, list[tuple[list[str], int]]] = {}
    whole: dict[str, list[int]] = {}
    for place, theme in enumerate(themes.themes):
        for phrase in theme.phrases:
            if words := cut.words(phrase):
                index.setdefault(words[0], []).append((words, place))
            whole.setdefault(plain(phrase), []).append(place)
    found: dict[str, list[int]] = {}
    for text in dict.fromkeys(texts):
        words = cut.words(text)
        hits = {
            place
            for start, word in enumerate(words)
            for phrase, place in index.get(word, ())
            if words[start : start + len(phrase)] == phrase
        }
        found[text] = sorted(hits | {place for word in cut.within(text) for place in whole.get(word, ())})
    matrix = np.zeros((len(texts), len(themes.themes)), dtype=bool)
    for row, text in enumerate(texts):
        matrix[row, found[text]] = True
    return matrix


def plain(text: str) -> str:
    return unicodedata.normalize("NFKC", MARK.sub(" ", text)).replace("’", "'")
