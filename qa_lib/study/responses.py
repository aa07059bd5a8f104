"""What was answered: exports read, columns found, answers coded, every change in the ledger."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.study.checks import doubtful_items
from qa_lib.study.coding import Place, cell_text, code_answers, key
from qa_lib.study.dates import elapsed, parse_dates, seconds
from qa_lib.study.exports.dialects import Answers, Dialect, answers
from qa_lib.study.exports.files import SUFFIXES, Export, defined_missing, read_export
from qa_lib.study.exports.headers import question_and_row, question_number
from qa_lib.study.instrument import Instrument, Item
from qa_lib.study.layouts import Widened, is_long, widened
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.privacy import hashed_ids, named_personal, personal_cells, redacted
from qa_lib.study.redaction import personal_columns, redacted_comments
from qa_lib.study.versions import VERSION, Mapping100, Moments, mapping_words, on_one_scale, starts, version_of

STANDARD = ("respondent", "date", "duration", "language", "weight", "period")


@dataclass(frozen=True, slots=True)
class Responses:
    """Coded answers.

    Attributes
    ----------
    data : a row per respondent: items by id (numbers, NaN where missing, reverse-keyed items already reversed),
        attention checks by id as they were answered, context columns (date, duration, … and those the study names;
        respondent is a keyed hash of the export's id: ``qa_lib.study.privacy``),
        and ``source_file``, ``source_row`` (as a spreadsheet counts) to trace each row
    ledger : file, row, column, before, after, reason, count of every change
    instrument : what was asked
    """

    data: pd.DataFrame
    ledger: pd.DataFrame
    instrument: Instrument


def read_responses(
    paths: str | Path | Sequence[str | Path],
    instrument: Instrument,
    context: Mapping[str, Sequence[str]] | None = None,
    encoding: str | None = None,
) -> Responses:
    """Reads exports of one instrument, whose columns may drift from file to file, and codes the answers.

    Parameters
    ----------
    paths : a file, a folder of files, or several files
    instrument : says which columns are items, how answers are coded and what counts as missing
    context : name → the columns, in order of preference, that hold a piece of context (a segment, the weight)
    encoding : of text files; recognised when not given

    Raises
    ------
    ResponseError : a file is empty, broken or in no known format; an answer that is neither a code nor a label of its
        scale nor declared missing; an item without a column; a respondent who stands twice in one file

    Warns
    -----
    DataWarning : an item never varies, or runs against the rest of its dimension
    """
    responses = read_exports(paths, instrument, context or {}, encoding)
    refuse_duplicates(responses.data, "source_file")
    warn_of_doubts(responses)
    return comparable(responses)


def comparable(responses: Responses, mapping: Mapping100 = "minmax") -> Responses:
    """The responses as answers to the newest version of the instrument among them; warns where scales differ."""
    found, differ = on_one_scale(responses, mapping=mapping)
    if said := mapping_words(differ):
        warnings.warn(said, DataWarning, stacklevel=4)
    return found


def read_exports(
    paths: str | Path | Sequence[str | Path],
    instrument: Instrument,
    context: Mapping[str, Sequence[str]],
    encoding: str | None,
    comments: Collection[str] = (),
    moments: Moments | None = None,
) -> Responses:
    """The exports, coded, before any respondent is checked or left out; ``comments`` of the context are redacted.

    ``moments`` says when rows were answered, where not their date does.
    """
    book = LedgerBook()
    parts = [
        code_export(read_export(path, encoding), path, instrument, context, comments, book, moments)
        for path in _files(paths)
    ]
    data = pd.concat(parts, ignore_index=True)
    if absent := [item for item in instrument.items if item not in data]:
        raise ResponseError(
            f"{parts[0]['source_file'].iloc[0]}: no export has a column for the optional item {absent[0]}; "
            "remove it from instrument.yaml or name its column there under 'columns'."
        )
    return Responses(data, book.table(), instrument)


def warn_of_doubts(responses: Responses) -> None:
    responses, _ = on_one_scale(responses)
    warn_of(doubtful_items(responses.data, responses.instrument))


def warn_of(doubts: Iterable[tuple[str, str, str]]) -> None:
    for item, finding, advice in doubts:
        warnings.warn(f"item {item} {finding}. {advice}", DataWarning, stacklevel=4)


def _files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    found = [file for path in given for file in (exports_in(path) if path.is_dir() else [path])]
    if not found:
        raise ResponseError(
            f"no exports in {given[0] if given else 'the paths given'}. Put {', '.join(SUFFIXES)} there."
        )
    return found


def exports_in(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith((".", "~")))


def code_export(
    export: Export,
    path: Path,
    instrument: Instrument,
    context: Mapping[str, Sequence[str]],
    comments: Collection[str],
    book: LedgerBook,
    moments: Moments | None = None,
) -> pd.DataFrame:
    """The answers and context of an export, or of a block of one, coded; what changed goes into the book."""
    long = None
    if is_long(export.table, layout := instrument.file.long, path.name):
        long = widened(export, layout, path.name, book)
        export = replace(long.export, headers=tuple(map(str, long.export.table)))
    found = answers(export, instrument.file.dialect, path)
    if long is not None:
        columns = {**found.dialect.columns, **layout.context(export.table.columns)}
        found = replace(found, dialect=replace(found.dialect, columns=columns))
    dialect, table = found.dialect, found.table
    place = Place(path.name, found.rows)
    for row, column, before, reason in found.aside:
        book.cells(path.name, [row], column, [before], reason)
    finder = ColumnFinder(found)
    data = {"source_file": path.name, "source_row": place.rows}
    data |= _context(found, finder, context, instrument, export, place, book)
    if written := [name for name in comments if name in data]:
        personal = personal_columns(table, found.wording, dialect.respondent)
        for name in written:
            said = data[name].mask(data[name].isin([*dialect.missing]), None)
            data[name] = redacted_comments(said, personal, name, place, book)
    reader = _Reader(export, finder, dialect, book)
    if len(instrument.versions) == 1:
        data |= reader.coded(table, instrument, place)
    else:
        when = (moments or _dated)(data.get("date"), path.name, len(table), starts(instrument))
        data |= _coded_by_version(reader, table, instrument, place, when)
    _enter_unread(finder.left, long, found, place, book)
    return pd.DataFrame(data, index=table.index)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Finds and codes the answers of an export."""

    export: Export
    finder: ColumnFinder
    dialect: Dialect
    book: LedgerBook

    def coded(self, table: pd.DataFrame, instrument: Instrument, place: Place) -> dict[str, pd.Series | np.ndarray]:
        """Items as codes and attention checks as they were answered, of rows that one version was asked of."""
        data, missing = {}, self.dialect.missing
        for item in instrument.items.values():
            column = self.finder.find(item.names, item.wording.values())
            if column is None:
                _absent(item, table, place, self.book)
                continue
            cells = _without_defined_missing(table[column], self.export, place, item.id, self.book)
            labels = self.export.labels.get(column)
            data[item.id] = code_answers(cells, item, instrument, missing, place, self.book, labels)
        for check in instrument.attention_checks:
            if (column := self.finder.find(check.names, ())) is not None:
                texts = _texts(table[column])
                no_answer = {*map(str, instrument.file.missing_codes), *missing}
                data[check.id] = texts.mask(texts.isin(no_answer))
        return data


def _coded_by_version(
    reader: _Reader, table: pd.DataFrame, instrument: Instrument, place: Place, moments: pd.Series
) -> dict[str, pd.Series]:
    """The answers, each coded by the version valid when it was given; items a version did not ask are missing there."""
    number, parts = version_of(moments, instrument), []
    every = dict.fromkeys(item for version in instrument.versions for item in version.items)
    for which in np.unique(number):
        hit, version = number == which, instrument.versions[which]
        of_version = Place(place.file, place.rows[hit])
        part = pd.DataFrame(reader.coded(table[hit], version, of_version), index=table.index[hit])
        reader.book.rule(place.file, VERSION, [""], [version.version], [hit.sum()], "coded_by_version")
        for item in (name for name in every if name not in version.items):
            reader.book.rule(place.file, item, [""], [""], [hit.sum()], "not_asked")
        parts.append(part.assign(**{VERSION: version.version}))
    found = pd.concat(parts).reindex(index=table.index)
    absent = [item for item in every if item not in found]
    return dict(found.assign(**dict.fromkeys(absent, np.nan)))


def _dated(dates: pd.Series | None, file: str, n: int, days: Sequence[pd.Timestamp]) -> pd.Series:
    """The moments of responses outside a study: their date."""
    if dates is None:
        raise ResponseError(
            f"{file}: the instrument changed on {days[0].date()}, and no column 'date' says when these responses were "
            "given. Name it: context={'date': ['its column']}."
        )
    return parse_dates(dates)


def _enter_unread(left: Collection[str], long: Widened | None, found: Answers, place: Place, book: LedgerBook) -> None:
    """Columns nobody has asked for, and what long exports have to say of those somebody has."""
    counts, unsure, used = (long.answers, long.differing, long.used) if long else ({}, {}, ())
    for column in (name for name in left if name not in used):
        personal = found.is_personal(column) or named_personal(column)
        reason = "item_not_named" if column in counts else "personal" if personal else "not_named"
        book.rule(place.file, column, [""], [""], [counts.get(column, len(found.table))], reason)
    for column in (name for name in unsure if name not in left):
        book.cells(place.file, unsure[column][0], column, unsure[column][1], "differs_within_respondent")


class ColumnFinder:
    """Finds an item's column by its declared names, by the question's words or number in the header, or by its row of
    a table of questions.

    ``left`` are the columns nobody has asked for.
    """

    def __init__(self, found: Answers) -> None:
        self._by_key: dict[str, str] = {}
        self._by_row: dict[str, str] = {}
        columns = [str(column) for column in found.table]
        self.left = dict.fromkeys(columns)
        for column in columns:
            self._by_key.setdefault(key(column), column)
        for column in columns:
            words = found.wording.get(column, "")
            number = question_number(column)
            names = [key(words), key(found.headers.get(column, ""))]
            if number is not None:
                names += [number, key(column[len(number) :].lstrip("、.．:： "))]
            for name in filter(None, names):
                self._by_key.setdefault(name, column)
            for row in filter(None, (question_and_row(words)[1], question_and_row(column)[1])):
                self._by_row.setdefault(key(row), column)

    def find(self, names: Iterable[str], wordings: Iterable[str]) -> str | None:
        said = [key(words) for words in wordings]
        known = self._by_key
        found = next((known[name] for name in [*map(key, names), *said] if name in known), None)
        if found is None:
            found = next((self._by_row[row] for row in said if row in self._by_row), None)
        self.left.pop(found, None)
        return found


def _absent(item: Item, table: pd.DataFrame, place: Place, book: LedgerBook) -> None:
    """An optional item's absence goes into the ledger, any other is an error."""
    if item.optional:
        book.rule(place.file, item.id, [""], [""], [len(table)], "not_asked")
        return
    near = difflib.get_close_matches(item.names[0], table.columns, n=3, cutoff=0.5)
    raise ResponseError(
        f"{place.file}: no column for item {item.id}. Looked for {', '.join(item.names)} and the item's wording"
        f"{'; similar columns: ' + ', '.join(near) if near else ''}. Name its column under 'columns' in "
        "instrument.yaml, or write 'optional: true' there when it was not always asked."
    )


def _without_defined_missing(cells: pd.Series, export: Export, place: Place, name: str, book: LedgerBook) -> pd.Series:
    """The cells without those an SPSS or Stata file itself defines as missing, which go into the ledger."""
    hit = defined_missing(cells, export)
    book.cells(place.file, place.rows[hit], name, cells[hit].map(cell_text), "missing")
    return cells.mask(hit)


def _context(
    answered: Answers,
    finder: ColumnFinder,
    context: Mapping[str, Sequence[str]],
    instrument: Instrument,
    export: Export,
    place: Place,
    book: LedgerBook,
) -> dict[str, pd.Series]:
    table = answered.table
    wanted = {name: [name] for name in STANDARD}
    for column, name in answered.dialect.columns.items():
        wanted[name] = [column, *wanted.get(name, [])]
    for name, columns in context.items():
        declared_alone = name in {"date", "weight"} and name not in columns  # a misspelt column must not go unnoticed
        wanted[name] = [*columns] if declared_alone else [*columns, *wanted.get(name, [])]
    found = {}
    for name, candidates in wanted.items():
        column = finder.find(candidates, ())
        if column is not None:
            cells = _without_defined_missing(table[column], export, place, name, book)
            if name == "date" and pd.api.types.is_datetime64_any_dtype(cells):
                found[name] = cells
                continue
            texts = _named(_texts(cells), export.labels.get(column)) if name not in STANDARD else _texts(cells)
            found[name] = _context_column(name, texts, instrument, place, book)
    if "duration" not in found and "date" in found and (began := finder.find(answered.dialect.started, ())):
        found["duration"] = elapsed(_texts(table[began]), found["date"])
    return found


def _texts(cells: pd.Series) -> pd.Series:
    """Cells as stripped text, missing where blank; each distinct value is looked at once."""
    where, distinct = pd.factorize(cells)
    texts = np.array([*map(cell_text, distinct.to_numpy(dtype=object)), ""], dtype=object)
    return pd.Series(texts[where], index=cells.index, dtype="string").replace("", pd.NA)


def _named(texts: pd.Series, labels: Mapping[object, str] | None) -> pd.Series:
    """An SPSS file's codes as the words it has for them."""
    return texts.replace({cell_text(code): words for code, words in labels.items()}) if labels else texts


def _context_column(name: str, texts: pd.Series, instrument: Instrument, place: Place, book: LedgerBook) -> pd.Series:
    if name == "weight":
        return _weights(texts, place)
    if name == "duration":
        duration = seconds(texts).mask(personal_cells(texts))  # a telephone number would be a number of seconds
        unread = duration.isna() & texts.notna()
        book.cells(place.file, place.rows[unread], name, texts[unread], "unreadable")
        return duration
    if name == "respondent":
        return hashed_ids(texts)
    if name not in STANDARD:
        missing = texts.isin([str(code) for code in instrument.file.missing_codes])
        book.cells(place.file, place.rows[missing], name, texts[missing], "missing")
        texts = texts.mask(missing)
    return texts.astype(object).where(texts.notna(), None)


def _weights(texts: pd.Series, place: Place) -> pd.Series:
    weight = pd.to_numeric(texts.str.replace(",", ".", regex=False), errors="coerce").astype(float)
    if (bad := weight.isna() | (weight < 0) | np.isinf(weight) | personal_cells(texts)).any():
        row = int(np.flatnonzero(bad)[0])
        found = "blank" if pd.isna(texts.iloc[row]) else repr(redacted(texts.iloc[row][:40]))
        raise ResponseError(f"{place.file}, row {place.rows[row]}, weight: {found} is not a number of zero or more.")
    return weight


def refuse_duplicates(data: pd.DataFrame, within: str) -> None:
    """Raises ``ResponseError`` when a respondent's id stands twice with the same value of the column ``within``."""
    if "respondent" not in data:
        return
    named = data[data["respondent"].notna()]
    twice = named[named.duplicated(["respondent", within], keep=False)]
    if len(twice):
        first = twice[twice["respondent"] == twice["respondent"].iloc[0]]
        rows = ", ".join(f"{row.source_file} row {row.source_row}" for row in first.head(4).itertuples())
        raise ResponseError(
            f"a respondent's id stands more than once ({rows}); ids that do: "
            f"{twice['respondent'].nunique()}. Every response needs an id of its own: export again, or say in "
            "study.yaml which to keep: 'duplicates: first' or 'duplicates: last'."
        )
