"""From the cells of an item's column to codes of its scale: every distinct answer is looked at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.study.exports.headers import key
from qa_lib.study.instrument import Instrument, Item
from qa_lib.study.ledger import LedgerBook

UNKNOWN = "unknown"
_WHOLE = re.compile(r"^(-?\d+)(?:\.0+|,00?)$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column stands: the file's name and the spreadsheet row of every cell."""

    file: str
    rows: np.ndarray


def cell_text(value: object) -> str:
    """A cell as stripped text; whole numbers without a decimal part, missing cells as ``""``."""
    if isinstance(value, str):
        text = value.strip()
        return _WHOLE.sub(r"\1", text) if text.endswith("0") and ("." in text or "," in text) else text
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.15g}"
    return str(value).strip()


def code_answers(
    cells: pd.Series,
    item: Item,
    instrument: Instrument,
    without_answer: Mapping[str, str],
    place: Place,
    book: LedgerBook,
    labels: Mapping[object, str] | None = None,
) -> np.ndarray:
    """The item's answers as codes, NaN where there is none; reversed keys are turned.

    Parameters
    ----------
    without_answer : codes and words of the export that stand for no answer → reason
    labels : value labels of an SPSS file; where the scale knows a label's words, they decide the code

    Raises
    ------
    ResponseError : an answer is neither a code nor a label of the scale, nor declared to be no answer
    """
    where, distinct = pd.factorize(cells)
    counts = np.bincount(where[where >= 0], minlength=len(distinct))
    texts = [cell_text(value) for value in distinct.to_numpy(dtype=object)]
    words = _words_to_codes(item, instrument)
    reasons = {key(code): why for code, why in {**without_answer, **instrument.codes_without_answer(item.id)}.items()}
    named = {cell_text(code): words[key(text)] for code, text in (labels or {}).items() if key(text) in words}
    decided = [_decide(text, reasons, words, named, instrument.scale_of(item.id)) for text in texts]
    codes = np.array([code for code, _ in decided] + [np.nan])  # the last one is where a missing cell's -1 points
    why = np.array([reason for _, reason in decided] + [""])
    if (why == UNKNOWN).any():
        _refuse(texts, why, where, item, instrument, place)
    for reason in sorted({*why} - {"", "label_to_code"}):
        hit = (why == reason)[where]
        book.cells(place.file, place.rows[hit], item.id, cells[hit], reason)
    if len(changed := np.flatnonzero(why == "label_to_code")):
        book.rule(place.file, item.id, [texts[i] for i in changed], codes[changed], counts[changed], "label_to_code")
    if item.reverse:
        codes = _reverse(codes, np.append(counts, 0), item, instrument, place, book)
    return codes[where]


def _words_to_codes(item: Item, instrument: Instrument) -> dict[str, int]:
    labels = instrument.scale_labels(item.id)
    words = {key(text): code for code, names in labels.items() for text in names.values()}
    return words | {key(word): code for word, code in instrument.recodes(item.id).items()}


def _decide(
    text: str, reasons: Mapping[str, str], words: Mapping[str, int], named: Mapping[str, int], scale: tuple[int, int]
) -> tuple[float, str]:
    """(code, reason) of one distinct answer; the reason is empty where the answer stands as it is."""
    folded = key(text)
    if not folded or folded in reasons:
        return np.nan, reasons.get(folded, "")
    if (code := named.get(text, words.get(folded))) is not None:
        return float(code), "" if text == str(code) else "label_to_code"
    try:
        number = float(text.replace("_", "?"))  # Python reads 1_0 as ten
    except ValueError:
        return np.nan, UNKNOWN
    if scale[0] <= number <= scale[1] and number.is_integer():
        return number, ""
    return np.nan, "out_of_range"


def _reverse(
    codes: np.ndarray, counts: np.ndarray, item: Item, instrument: Instrument, place: Place, book: LedgerBook
) -> np.ndarray:
    turned = sum(instrument.scale_of(item.id)) - codes
    for code in np.unique(codes[~np.isnan(codes)]):
        n = counts[codes == code].sum()
        book.rule(place.file, item.id, [code], [sum(instrument.scale_of(item.id)) - code], [n], "reversed")
    return turned


def _refuse(
    texts: Sequence[str], why: np.ndarray, where: np.ndarray, item: Item, instrument: Instrument, place: Place
) -> None:
    low, high = instrument.scale_of(item.id)
    unknown = np.flatnonzero(why == UNKNOWN)
    hit = np.isin(where, unknown)
    found = ", ".join(repr(texts[i][:40]) for i in unknown[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    raise ResponseError(
        f"{place.file}, row {place.rows[hit][0]}, item {item.id}: {found}{more} is no answer of its scale "
        f"({hit.sum()} cells). Allowed: {low} to {high} and the scale's labels. Declare it in instrument.yaml under "
        "the scale's labels or recode, or among missing_codes or not_applicable_codes."
    )
