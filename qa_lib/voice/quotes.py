"""A few comments as they were written, chosen by rule, redacted once more."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from qa_lib.study.redaction import MARK, redact_comment
from qa_lib.voice.comments import Comments

MOST = 5
_HAN = re.compile("[\u4e00-\u9fff]")
_LENGTHS = {True: (8, 60), False: (20, 160)}  # characters of a Chinese quote, of any other


def quotes(found: Comments, texts: pd.Series, terms: Sequence[str], chinese: bool, most: int = MOST) -> pd.DataFrame:
    """One comment per theme of ``terms``, in their order, ``most`` at most: ``term, quote``.

    Of the comments in Chinese, or in another script, that mention this theme and no other, hold nothing that was
    redacted, and are 20 to 160 characters long (Chinese: 8 to 60), the one of middle length; of two as long the first
    in alphabetical order. ``texts`` are the comments, indexed as the data. Which themes may be quoted is the caller's
    to say: those mentioned often enough to be shown.
    """
    alone = found.mentioned[found.mentioned.sum(axis=1) == 1]
    rows = []
    for term in terms:
        said = sorted({text for text in texts[alone.index[alone[term]]] if _fits(text, chinese)})
        said.sort(key=len)
        if said:
            rows.append((term, said[len(said) // 2]))
    return pd.DataFrame(rows[:most], columns=["term", "quote"])


def _fits(text: str, chinese: bool) -> bool:
    low, high = _LENGTHS[chinese]
    return (
        low <= len(text) <= high
        and bool(_HAN.search(text)) == chinese
        and not MARK.search(text)
        and redact_comment(text) == text
    )
