"""What was answered: exports read, columns found, answers coded, every change in the ledger."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.study.dialects import Dialect, dialect_of, question_number, seconds
from qa_lib.study.files import SUFFIXES, read_table
from qa_lib.study.instrument import Instrument, Item
from qa_lib.study.ledger import LedgerBook

TRACE = ["source_file", "source_row"]


@dataclass(frozen=True, slots=True)
class Responses:
    """Coded answers.

    Attributes
    ----------
    data : a row per respondent: items by id (numbers, NaN where missing, reverse-keyed items already reversed),
        attention checks by id as they were answered, context columns (respondent, date, duration, … and those the
        study names), and ``source_file``, ``source_row`` to trace each row
    ledger : file, row, column, before, after, reason, count of every change
    instrument : what was asked
    """

    data: pd.DataFrame
    ledger: pd.DataFrame
    instrument: Instrument


def read_responses(
    paths: str | Path | Sequence[str | Path], instrument: Instrument, context: Mapping[str, Sequence[str]] | None = None
) -> Responses:
    """Reads exports of one instrument, whose columns may drift from file to file, and codes the answers.

    Parameters
    ----------
    paths : a file, a folder of files, or several files
    instrument : says which columns are items, how answers are coded and what counts as missing
    context : name → the columns, in order of preference, that hold a piece of context (a segment, the weight)

    Raises
    ------
    ResponseError : a file is empty, broken or in no known format; an answer that is neither a code nor a label of its
        scale nor declared missing; an item found in no file; a respondent who stands twice in one file
    """
    files = _files(paths)
    book = LedgerBook()
    parts = [_read_one(path, instrument, context or {}, book) for path in files]
    data = pd.concat(parts, ignore_index=True)
    _check_items(data, instrument, files)
    return Responses(data, book.table(), instrument)


def _files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    found = [
        file
        for path in given
        for file in (
            sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith((".", "~")))
            if path.is_dir()
            else [path]
        )
    ]
    if not found:
        raise ResponseError(
            f"no exports in {given[0] if given else 'the paths given'}. Put {', '.join(SUFFIXES)} there."
        )
    return found


def _read_one(
    path: Path, instrument: Instrument, context: Mapping[str, Sequence[str]], book: LedgerBook
) -> pd.DataFrame:
    raw = read_table(path)
    dialect = dialect_of(raw, instrument.file.dialect)
    above = dialect.header_rows(raw)
    wording = raw.iloc[0].astype(str).to_dict() if above else {}
    raw = raw.iloc[above:].reset_index(drop=True)
    rows = pd.Series(np.arange(1, len(raw) + 1))
    data = {"source_file": pd.Series(path.name, index=rows.index), "source_row": rows}
    data |= _context(raw, dialect, context, path)
    finder = _ColumnFinder(raw.columns, wording)
    for item in instrument.items.values():
        if (column := finder.find(item.names, item.wording.values())) is not None:
            data[item.id] = _code(raw[column], item, instrument, dialect, path.name, rows, book)
    for check in instrument.attention_checks:
        if (column := finder.find(check.names, ())) is not None:
            data[check.id] = raw[column].astype("string").str.strip()
    frame = pd.DataFrame(data)
    _check_respondents(frame, path)
    return frame


class _ColumnFinder:
    """Finds an item's column by its declared names, by the wording in the header, or by the question's number."""

    def __init__(self, columns: Iterable[str], wording: Mapping[str, str]) -> None:
        self._by_key: dict[str, str] = {}
        for column in columns:
            keys = [_key(column), _key(str(wording.get(column, "")))]
            number = question_number(column)
            if number is not None:
                keys += [number, _key(column[len(number) :].lstrip("、.．:： "))]
            for key in filter(None, keys):
                self._by_key.setdefault(key, column)

    def find(self, names: Iterable[str], wordings: Iterable[str]) -> str | None:
        keys = [_key(name) for name in names] + [_key(words) for words in wordings]
        return next((self._by_key[key] for key in keys if key in self._by_key), None)


def _key(name: str) -> str:
    """A header without what drifts between exports: case, blanks, a leading asterisk, the last full stop."""
    return "".join(name.split()).lstrip("*").rstrip("。.").casefold()


def _context(raw: pd.DataFrame, dialect: Dialect, context: Mapping[str, Sequence[str]], path: Path) -> dict:
    keys = {_key(column): column for column in raw.columns}
    wanted = {name: [name] for name in ("respondent", "date", "duration", "language", "weight")}
    for column, name in dialect.columns.items():
        wanted.setdefault(name, [name]).insert(0, column)
    for name, columns in context.items():
        wanted[name] = [*columns, *wanted.get(name, [])]
    found = {}
    for name, candidates in wanted.items():
        column = next((keys[_key(candidate)] for candidate in candidates if _key(candidate) in keys), None)
        if column is not None:
            found[name] = _context_column(name, raw[column], path)
    return found


def _context_column(name: str, values: pd.Series, path: Path) -> pd.Series:
    text = values.astype("string").str.strip().replace("", pd.NA)
    if name == "duration":
        return seconds(text)
    if name == "weight":
        weight = pd.to_numeric(text, errors="coerce")
        if (bad := weight.isna() | (weight < 0)).any():
            row = int(bad.idxmax())
            raise ResponseError(
                f"{path.name}, row {row + 1}, weight: {values.iloc[row]!r} is not a number of zero or more."
            )
        return weight
    return text.astype(object).where(text.notna(), None)


def _check_respondents(frame: pd.DataFrame, path: Path) -> None:
    if "respondent" not in frame:
        return
    known = frame["respondent"].dropna()
    if (twice := known[known.duplicated(keep=False)]).size:
        rows = ", ".join(str(frame.loc[i, "source_row"]) for i in twice.index[:5])
        raise ResponseError(
            f"{path.name}: respondent {twice.iloc[0]!r} stands more than once (rows {rows}). "
            "Every response needs an id of its own: remove the copies or the id column."
        )


def _code(
    raw: pd.Series, item: Item, instrument: Instrument, dialect: Dialect, file: str, rows: pd.Series, book: LedgerBook
) -> pd.Series:
    """The item's answers as codes: blanks and missing codes become NaN, labels codes, reversed keys are turned."""
    low, high = instrument.scale_of(item.id)
    text = _as_text(raw)
    blank = text == ""
    reasons = {str(code): "missing" for code in instrument.file.missing_codes}
    reasons |= {str(code): "not_applicable" for code in instrument.file.not_applicable_codes}
    reasons |= {code: reason for code, reason in dialect.missing.items() if code not in reasons}
    absent = pd.Series(False, index=text.index)
    for reason in dict.fromkeys(reasons.values()):
        hit = text.isin([code for code, why in reasons.items() if why == reason])
        book.cells(file, rows[hit], item.id, raw[hit], None, reason)
        absent |= hit
    labels = _label_codes(instrument, item)
    coded = pd.to_numeric(text, errors="coerce")
    words = coded.isna() & ~blank & ~absent
    if words.any():
        coded[words] = text[words].map(_key).map(labels)
        if (unknown := words & coded.isna()).any():
            _refuse_unknown(text, unknown, rows, item, instrument, file)
        book.rule(file, item.id, text[words], coded[words].astype(int), "label_to_code")
    coded[absent] = np.nan
    outside = coded.notna() & ((coded < low) | (coded > high) | (coded % 1 != 0))
    book.cells(file, rows[outside], item.id, raw[outside], None, "out_of_range")
    coded[outside] = np.nan
    if item.reverse:
        answered = coded.notna()
        turned = low + high - coded
        book.rule(file, item.id, coded[answered].astype(int), turned[answered].astype(int), "reversed")
        coded = turned
    return coded.astype(float)


def _as_text(raw: pd.Series) -> pd.Series:
    """Cells as stripped text; whole numbers without a decimal part, missing ones as blanks."""
    if pd.api.types.is_numeric_dtype(raw):
        return raw.map(lambda value: "" if pd.isna(value) else f"{value:g}").astype(str)
    text = raw.astype("string").fillna("").str.strip()
    return text.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True).astype(str)


def _label_codes(instrument: Instrument, item: Item) -> dict[str, int]:
    return {_key(words): code for code, names in instrument.scale_labels(item.id).items() for words in names.values()}


def _refuse_unknown(
    text: pd.Series, unknown: pd.Series, rows: pd.Series, item: Item, instrument: Instrument, file: str
) -> None:
    low, high = instrument.scale_of(item.id)
    first = unknown.idxmax()
    found = ", ".join(repr(value[:40]) for value in text[unknown].unique()[:3])
    raise ResponseError(
        f"{file}, row {rows[first]}, item {item.id}: {found} is no answer of its scale. Allowed: {low} to {high}, the "
        "scale's labels, missing_codes and not_applicable_codes of instrument.yaml. Add the label or code there."
    )


def _check_items(data: pd.DataFrame, instrument: Instrument, files: Sequence[Path]) -> None:
    absent = [item for item in instrument.items if item not in data]
    if absent:
        names = instrument.item(absent[0]).names
        raise ResponseError(
            f"{files[0].name}{f' and {len(files) - 1} more' if len(files) > 1 else ''}: no column for item "
            f"{', '.join(absent)}. Looked for {', '.join(names)} and the item's wording; name the column under "
            "'columns' in instrument.yaml."
        )
    for item in instrument.items:
        answers = data[item].dropna()
        if len(answers) > 1 and answers.min() == answers.max():
            warnings.warn(
                f"item {item} never varies: all {len(answers)} answers are {answers.iloc[0]:g}.",
                DataWarning,
                stacklevel=3,
            )
