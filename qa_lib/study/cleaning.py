"""From a study's exports to its responses: periods, duplicates, exclusions; kept under data/processed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import qa_lib
from qa_lib.errors import ResponseError, StudyError
from qa_lib.study.dates import labels, parse_dates, span, unit_of
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.privacy import hash_key, personal_column
from qa_lib.study.responses import (
    STANDARD,
    Responses,
    code_export,
    read_exports,
    refuse_duplicates,
    warn_of_doubts,
)
from qa_lib.study.screening import screen
from qa_lib.study.versions import VERSION, by_version

if TYPE_CHECKING:
    from qa_lib.study.exports.files import Export
    from qa_lib.study.study import Study
    from qa_lib.study.study_file import Exclusion, PeriodSource, StudyFile

_LONGEST_NAME = 200
_STAMP = b"qa_lib.fingerprint"
_NOT_OF_RESPONSES = {
    "title",
    "languages",
    "ticket_log",
    "simulated",
    "margins",
    "targets",
    "index_mapping",
    "minimum_cell",
    "disclosure",
}
_loaded: dict[Path, tuple[str, Responses]] = {}


def processed_responses(study: Study) -> Responses:
    """A study's responses; read again only when exports, study.yaml, instrument.yaml or the reading code changed."""
    fingerprint = fingerprint_of(study)
    known = _loaded.get(study.path)
    if known is None or known[0] != fingerprint:
        known = (fingerprint, _stored_or_built(study, fingerprint))
        _loaded[study.path] = known
    return known[1]


def _stored_or_built(study: Study, fingerprint: str) -> Responses:
    data, ledger = (study.processed / name for name in ("responses.parquet", "ledger.parquet"))
    tables = [_stored(data, fingerprint), _stored(ledger, fingerprint)]
    if tables[0] is None or tables[1] is None:
        responses = build(study)
        _store(responses.data, data, fingerprint)
        _store(responses.ledger, ledger, fingerprint)
    else:
        responses = Responses(tables[0], tables[1], study.instrument)
    warn_of_doubts(responses)
    return responses


def build(study: Study) -> Responses:
    """Reads all exports, adds the period, settles duplicates and leaves out whom the study excludes."""
    folder = study.path / "responses"
    if not folder.is_dir():
        raise StudyError(f"{study.path} has no folder responses. Put the survey's exports there.")
    spec = study.spec
    moments = partial(moments_of, source=spec.period)
    raw = read_exports(folder, study.instrument, _context(spec), spec.encoding, _comments(spec), moments)
    book = LedgerBook()
    everyone = with_period(raw.data, spec.period, book)
    data = settled(study, everyone[everyone["period"].notna()], book)
    if data.empty:
        raise ResponseError(f"{folder}: no response is left after the exclusions of study.yaml.")
    ledger = pd.concat([raw.ledger, book.table()], ignore_index=True)
    return Responses(data, with_row_periods(ledger, everyone), study.instrument)


def settled(study: Study, data: pd.DataFrame, book: LedgerBook) -> pd.DataFrame:
    """One response each, without those the study leaves out, with the columns that stay."""
    spec = study.spec
    data = _with_short_names(data, [segment.id for segment in spec.segments], book)
    data = _one_response_each(data, spec.duplicates, book)
    for rule in spec.exclude:
        data = _leave_out(data, _excluded(data, rule), rule.column, rule.code, book)
    data = data.reset_index(drop=True)
    if spec.exclude_flagged:
        data = _exclude_flagged(Responses(data, pd.DataFrame(), study.instrument), spec.exclude_flagged, book)
    data = data[[name for name in data if name in _wanted(spec, study)]]
    _refuse_personal(data, study)
    return data.reset_index(drop=True)


def coded_block(study: Study, block: Export, path: Path, book: LedgerBook) -> pd.DataFrame:
    """A block of an export, coded by the study's rules."""
    spec, moments = study.spec, partial(moments_of, source=study.spec.period)
    return code_export(block, path, study.instrument, _context(spec), _comments(spec), book, moments)


def reading_rules(study: Study) -> bytes:
    """Hash of what the responses follow from besides the exports: study, instrument, the code that reads, the key."""
    said = study.spec.model_dump_json(exclude=_NOT_OF_RESPONSES)
    digest = hashlib.sha256(f"{qa_lib.__version__}\0{said}\0{study.instrument.said}".encode())
    digest.update(hashlib.sha256(hash_key()).digest())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + content_digest(file))
    return digest.digest()


def _comments(spec: StudyFile) -> set[str]:
    return {entry.id for entry in spec.comments}


def _context(spec: StudyFile) -> dict[str, list[str]]:
    context = {segment.id: [*segment.columns, segment.id] for segment in spec.segments}
    context |= {entry.id: [*entry.columns, entry.id] for entry in spec.comments}
    context |= {name: names for name, names in spec.columns.items()}
    context |= {rule.column: [rule.column] for rule in spec.exclude if rule.column not in {*STANDARD, *context}}
    if spec.weight:
        context["weight"] = spec.weight
    if spec.period.column:
        context["date"] = [spec.period.column]
    return context


def _wanted(spec: StudyFile, study: Study) -> set[str]:
    """Columns that stay: those that only an exclusion needed go."""
    versions = study.instrument.versions
    asked = {entry.id for version in versions for entry in [*version.file.items, *version.attention_checks]}
    declared = {entry.id for entry in [*spec.segments, *spec.comments]}
    return {*STANDARD, *declared, *spec.columns, *asked, VERSION, "source_file", "source_row"}


def _refuse_personal(data: pd.DataFrame, study: Study) -> None:
    """Raises ``ResponseError`` for a column that likely holds personal data and is not declared ``personal``."""
    checks = [check for version in study.instrument.versions for check in version.attention_checks]
    names = {"language": ["language"]} | {check.id: check.names for check in checks}
    names |= {name: [name, *columns] for name, columns in _context(study.spec).items() if name not in STANDARD}
    for name in sorted(names.keys() & set(data) - set(study.spec.personal)):
        if (found := personal_column(names[name], data[name])) is not None:
            kind, row = found
            file, line = data.loc[row, ["source_file", "source_row"]]
            raise ResponseError(
                f"{file}, row {line}, {name}: this looks like personal data ({kind.replace('_', ' ')}). Take the "
                "column out of study.yaml, clean it in the export, or, where the study may keep it, declare it there: "
                f"'personal: [{name}]'."
            )


def with_period(data: pd.DataFrame, source: PeriodSource, book: LedgerBook) -> pd.DataFrame:
    """The data with period, missing where the date is unreadable, and date as a timestamp."""
    if "date" in data:
        dates = parse_dates(data["date"], source.format)
        unread = dates.isna() & (data["date"].notna() | (source.column is not None))
        _record(data[unread], "date", "no_date", book)
        data = data.assign(date=dates)
    if source.file_pattern:
        files = pd.Series(data["source_file"].unique(), dtype="string")
        period = data["source_file"].map(_periods_of_files(files, source.file_pattern))
    elif source.value:
        period = pd.Series(source.value, index=data.index)
    elif "date" in data:
        period = labels(data["date"], source.unit)
    else:
        raise StudyError(f"study.yaml: period: no export has the column {source.column!r}.")
    return data.assign(period=period.astype(object).where(period.notna(), None))


def moments_of(
    dates: pd.Series | None, file: str, n: int, days: Sequence[pd.Timestamp], source: PeriodSource
) -> pd.Series:
    """When each row of a file was answered: its date, else the period of the file.

    Raises ``StudyError`` when the instrument changed (``days``) within a period that is all one knows of.
    """
    moments = pd.Series(pd.NaT, index=range(n), dtype="M8[us]")
    if dates is not None:
        moments = parse_dates(dates, source.format)
    if (source.file_pattern or source.value) and moments.isna().any():
        period = source.value or _periods_of_files(pd.Series([file], dtype="string"), source.file_pattern)[file]
        first, last = span(period)
        if within := [day for day in days if first < day <= last]:
            raise StudyError(
                f"{file}: the instrument changed on {within[0].date()}, within {period}, and some responses have no "
                "date. Name their date under columns in study.yaml: 'columns: {date: …}'."
            )
        moments = moments.fillna(first)
    return moments


def _periods_of_files(files: pd.Series, pattern: str) -> dict[str, str]:
    found = files.str.extract(pattern, expand=False)
    if found.isna().any():
        raise StudyError(
            f"study.yaml: period: file_pattern {pattern!r} finds no period in {files[found.isna()].iloc[0]!r}."
        )
    for file, period in zip(files, found, strict=True):
        try:
            unit_of(period)
        except ResponseError as error:
            raise StudyError(f"study.yaml: period: file_pattern: {file!r}: {error}") from None
    return dict(zip(files, found, strict=True))


def _one_response_each(data: pd.DataFrame, duplicates: str, book: LedgerBook) -> pd.DataFrame:
    """One response per respondent and period, as the study says which; raises when it does not say."""
    if "respondent" not in data:
        return data
    if duplicates == "error":
        refuse_duplicates(data, "period")
        return data
    named = data["respondent"].notna()
    again = named & data.duplicated(["respondent", "period"], keep=duplicates)
    return _leave_out(data, again, "respondent", "duplicate_respondent", book)


def _with_short_names(data: pd.DataFrame, segments: list[str], book: LedgerBook) -> pd.DataFrame:
    """A group's name stands in tables, figures and file names: a text of thousands of characters is none."""
    for name in segments:
        if name in data and (long := data[name].str.len() > _LONGEST_NAME).any():
            _record(data[long].assign(**{name: data.loc[long, name].str[:_LONGEST_NAME]}), name, "too_long", book)
            data = data.assign(**{name: data[name].mask(long, None)})
    return data


def _excluded(data: pd.DataFrame, rule: Exclusion) -> pd.Series:
    if rule.column not in data:
        raise StudyError(f"study.yaml: exclude: no export has the column {rule.column!r}.")
    values = data[rule.column]
    numbers = pd.to_numeric(values, errors="coerce")
    hit = values.astype("string").isin(rule.values)
    if rule.blank:
        hit |= values.isna()
    if rule.below is not None:
        hit |= numbers < rule.below
    if rule.above is not None:
        hit |= numbers > rule.above
    return hit.fillna(False).astype(bool)


def _exclude_flagged(responses: Responses, rules: list[str], book: LedgerBook) -> pd.DataFrame:
    flags = pd.concat([screen(part).set_index(part.data.index) for part in by_version(responses)])
    data = responses.data
    for rule in rules:
        data = _leave_out(data, flags.loc[data.index, f"{rule}_flag"], rule, f"flagged_{rule}", book)
    return data


def _leave_out(data: pd.DataFrame, hit: pd.Series, column: str, reason: str, book: LedgerBook) -> pd.DataFrame:
    _record(data[hit], column, reason, book)
    return data[~hit]


def _record(rows: pd.DataFrame, column: str, reason: str, book: LedgerBook) -> None:
    for file, part in rows.groupby("source_file", sort=False):
        before = part[column] if column in part else np.full(len(part), "")
        book.cells(str(file), part["source_row"], column, before, reason)


def with_row_periods(ledger: pd.DataFrame, everyone: pd.DataFrame) -> pd.DataFrame:
    """The ledger with the period of each entry that concerns one row."""
    rows = everyone[["source_file", "source_row", "period"]].set_axis(["file", "row", "period"], axis=1)
    return ledger.merge(rows.astype({"file": "string", "row": "Int64", "period": "string"}), "left", ["file", "row"])


def in_period(data: pd.DataFrame, period: str) -> pd.Series:
    """Which rows belong to a period: by its own name, else by date, else as part of a longer period."""
    unit = unit_of(period)
    exact = data["period"] == period
    if exact.any():
        return exact
    if "date" in data and data["date"].notna().any():
        return (labels(data["date"], unit) == period).fillna(False).astype(bool)
    start, end = span(period)
    inside = [label for label in data["period"].unique() if start <= span(label)[0] and span(label)[1] <= end]
    return data["period"].isin(inside)


def fingerprint_of(study: Study) -> str:
    """Hash of what responses follow from: exports by content, study, instrument, the code that reads them, the key."""
    said = f"{qa_lib.__version__}\0{study.spec.model_dump_json()}\0{study.instrument.said}"
    digest = hashlib.sha256(said.encode() + hashlib.sha256(hash_key()).digest())
    exports = [entry for entry in sorted((study.path / "responses").glob("*")) if entry.is_file()]
    for file in [*sorted(Path(__file__).parent.glob("*.py")), *exports]:
        digest.update(file.name.encode() + b"\0" + content_digest(file))
    return digest.hexdigest()


def content_digest(file: Path) -> bytes:
    """Hash of a file's content, read again only when its size or time of change differ."""
    state = file.stat()
    return _content_digest(file, state.st_size, state.st_mtime_ns)


@cache
def _content_digest(file: Path, size: int, changed: int) -> bytes:
    """Hash of a file's content, read once while its size and time of change stay the same."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _stored(path: Path, fingerprint: str) -> pd.DataFrame | None:
    """A processed table, or None where there is none that follows from the same inputs."""
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        return None
    return table.to_pandas() if (table.schema.metadata or {}).get(_STAMP) == fingerprint.encode() else None


def _store(data: pd.DataFrame, path: Path, fingerprint: str) -> None:
    """Writes beside the place, then moves there: the file appears whole, stamped with what it follows from."""
    write_table(data, path, {_STAMP: fingerprint.encode()})


def write_table(data: pd.DataFrame, path: Path, stamp: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
    """Writes beside the place, then moves there: the file appears whole."""
    table = pa.Table.from_pandas(data, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **stamp})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".partial")
    os.close(handle)
    try:
        pq.write_table(table, scratch)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    finally:
        Path(scratch).unlink(missing_ok=True)
