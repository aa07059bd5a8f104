"""A study: a folder of exports, operations records and the YAML files that say what they mean."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

import qa_lib
from qa_lib.criteria import Criteria
from qa_lib.errors import QaError, QaWarning, ResponseError, StudyError
from qa_lib.study.files import SUFFIXES, read_table
from qa_lib.study.instrument import Instrument, Words, read_instrument
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.responses import Responses, read_responses
from qa_lib.study.schema import Record, load_yaml, validate
from qa_lib.study.screening import screen

_PERIOD = re.compile(r"^\d{4}(-(0[1-9]|1[0-2])(-[0-3]\d)?|-Q[1-4]|-W[0-5]\d)?$")


class PeriodSource(Record):
    """Where a response's period comes from: a date column, or the file's name by a pattern with one group."""

    column: str | None = None
    file_pattern: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> PeriodSource:
        if (self.column is None) == (self.file_pattern is None):
            raise ValueError("give either column or file_pattern")
        if self.file_pattern is not None:
            try:
                groups = re.compile(self.file_pattern).groups
            except re.error as error:
                raise ValueError(f"file_pattern is not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError(f"file_pattern needs exactly one group, the period, found {groups}")
        return self


class Segment(Record):
    """A column results are shown by."""

    id: str
    name: Words = {}
    columns: list[str] = []
    labels: dict[str, Words] = {}


class Exclusion(Record):
    """Respondents left out: those whose ``column`` holds one of ``values``, or who left it blank (``blank: true``)."""

    column: str
    reason: str
    values: list[str] = []
    blank: bool = False


class StudyFile(Record):
    """study.yaml."""

    title: Words
    languages: list[Literal["en", "zh"]] = Field(default=["en", "zh"], min_length=1)
    simulated: bool = False
    period: PeriodSource
    segments: list[Segment] = []
    weight: str | None = None
    columns: dict[str, str] = {}
    exclude: list[Exclusion] = []
    exclude_flagged: list[
        Literal["longstring", "irv", "even_odd", "mahalanobis", "duration", "attention", "duplicate"]
    ] = []
    targets: dict[str, float] = {}
    index_mapping: Literal["minmax", "ratio"] = "minmax"
    minimum_cell: int = Field(default=10, ge=1)
    disclosure: dict[str, str | Words] = {}


@dataclass(frozen=True)
class Study:
    """A study; its tables are read when asked for."""

    path: Path
    spec: StudyFile
    instrument: Instrument

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def title(self) -> Mapping[str, str]:
        return self.spec.title

    @property
    def languages(self) -> list[str]:
        return list(self.spec.languages)

    @property
    def processed(self) -> Path:
        """``data/processed/<study>`` for a study in ``data/raw``, else ``.processed`` in its own folder."""
        raw = self.path.parent
        return raw.parent / "processed" / self.name if raw.name == "raw" else self.path / ".processed"

    def periods(self) -> list[str]:
        """The periods that have responses, sorted."""
        return sorted(self._all().data["period"].unique())

    def responses(self, period: str | int | None = None) -> Responses:
        """All responses, or those of a period: a month also as part of its quarter or year.

        Raises ``ResponseError`` for a period that is written wrongly or has no responses.
        """
        everything = self._all()
        if period is None:
            return everything
        data = everything.data[_in_period(everything.data, str(period))].reset_index(drop=True)
        if data.empty:
            known = self.periods()
            raise ResponseError(
                f"{self.path}: no responses in {period}. "
                f"Periods with responses: {known[0]} to {known[-1]} ({len(known)})."
            )
        ledger = everything.ledger
        kept = ledger["file"].isin(data["source_file"].unique())
        return Responses(data, ledger[kept].reset_index(drop=True), self.instrument)

    def criteria(self) -> Criteria:
        path = self.path / "criteria.yaml"
        defaults = Criteria.default()
        return defaults.override(load_yaml(path, StudyError)) if path.exists() else defaults

    def tickets(self) -> pd.DataFrame | None:
        return self._records("tickets")

    def calls(self) -> pd.DataFrame | None:
        return self._records("calls")

    def complaints(self) -> pd.DataFrame | None:
        return self._records("complaints")

    def customers(self) -> pd.DataFrame | None:
        return self._records("customers")

    def monitoring(self) -> pd.DataFrame | None:
        return self._records("monitoring")

    def roster(self) -> pd.DataFrame | None:
        return self._table("roster.csv")

    def contacts(self) -> pd.DataFrame | None:
        return self._table("contacts.csv")

    def actions(self) -> pd.DataFrame | None:
        return self._table("actions.csv")

    def _records(self, folder: str) -> pd.DataFrame | None:
        """All tables of a folder under one another, as text; None when there is no such folder."""
        if not (self.path / folder).is_dir():
            return None
        files = sorted(f for f in (self.path / folder).iterdir() if f.suffix.lower() in SUFFIXES)
        return pd.concat([read_table(file) for file in files], ignore_index=True) if files else None

    def _table(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        return read_table(path) if path.is_file() else None

    def _all(self) -> Responses:
        return _load(self.path, _fingerprint(self.path))


def read_study(path: str | Path) -> Study:
    """Reads study.yaml and instrument.yaml of a study's folder.

    Raises ``StudyError`` when the folder or a file is absent, and, like ``InstrumentError``, with every mistake by
    file and key.
    """
    path = Path(path).resolve()
    if not path.is_dir():
        beside = sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir()) if path.parent.is_dir() else []
        hint = f"In {path.parent} there are: {', '.join(beside)}." if beside else "Create it, with a study.yaml."
        raise StudyError(f"there is no study folder {path}. {hint}")
    file = path / "study.yaml"
    spec = validate(StudyFile, load_yaml(file, StudyError), file, StudyError)
    return Study(path, spec, read_instrument(path / "instrument.yaml"))


def _in_period(data: pd.DataFrame, period: str) -> pd.Series:
    if not _PERIOD.match(period):
        raise ResponseError(f"period {period!r} is not written as 2026-10-31, 2026-W44, 2026-10, 2026-Q3 or 2026.")
    exact = data["period"] == period
    if exact.any() or "date" not in data:
        return exact
    dates = pd.to_datetime(data["date"], errors="coerce")
    if "-Q" in period:
        return dates.dt.year.astype("Int64").astype(str) + "-Q" + dates.dt.quarter.astype("Int64").astype(str) == period
    if "-W" in period:
        return dates.dt.strftime("%G-W%V") == period
    return dates.dt.strftime("%Y-%m-%d").str.startswith(period).fillna(False)


def _fingerprint(path: Path) -> str:
    """Hash of what responses follow from: exports (by content), YAML files, and the code that reads them."""
    digest = hashlib.sha256(qa_lib.__version__.encode())
    code = sorted(Path(__file__).parent.glob("*.py"))
    inputs = [path / "study.yaml", path / "instrument.yaml", *sorted((path / "responses").glob("*"))]
    for file in [*code, *(entry for entry in inputs if entry.is_file())]:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


@cache
def _load(path: Path, fingerprint: str) -> Responses:
    study = read_study(path)
    stamp = study.processed / "fingerprint.json"
    if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")).get("responses") == fingerprint:
        data = pd.read_parquet(study.processed / "responses.parquet")
        return Responses(data, pd.read_parquet(study.processed / "ledger.parquet"), study.instrument)
    responses = _build(study)
    _store(study.processed, responses, fingerprint)
    return responses


def _build(study: Study) -> Responses:
    """Reads all exports, adds the period, leaves out whom the study excludes."""
    folder = study.path / "responses"
    if not folder.is_dir():
        raise StudyError(f"{study.path} has no folder responses. Put the survey's exports there.")
    spec = study.spec
    context = {segment.id: [*segment.columns, segment.id] for segment in spec.segments}
    context |= {name: [column] for name, column in spec.columns.items()}
    context |= {rule.column: [rule.column] for rule in spec.exclude}
    if spec.weight:
        context["weight"] = [spec.weight]
    if spec.period.column:
        context["date"] = [spec.period.column]
    raw = read_responses(folder, study.instrument, context)
    book = LedgerBook()
    data = _exclude(raw.data, spec, book)
    data = _with_period(data, spec.period, book).reset_index(drop=True)
    if spec.exclude_flagged:
        data = _exclude_flagged(Responses(data, raw.ledger, study.instrument), spec.exclude_flagged, book)
    ledger = pd.concat([raw.ledger, book.table()], ignore_index=True)
    return Responses(data.reset_index(drop=True), ledger, study.instrument)


def _exclude(data: pd.DataFrame, spec: StudyFile, book: LedgerBook) -> pd.DataFrame:
    for rule in spec.exclude:
        if rule.column not in data:
            raise StudyError(f"study.yaml: exclude: no export has the column {rule.column!r}.")
        value = data[rule.column].astype("string")
        hit = value.isin(rule.values) | (value.isna() if rule.blank else False)
        data = _leave_out(data, hit.fillna(False), rule.column, rule.reason, book)
    return data


def _exclude_flagged(responses: Responses, rules: list[str], book: LedgerBook) -> pd.DataFrame:
    flags = screen(responses)
    data = responses.data
    for rule in rules:
        data = _leave_out(data, flags.loc[data.index, f"{rule}_flag"], rule, f"flagged_{rule}", book)
    return data


def _leave_out(data: pd.DataFrame, hit: pd.Series, column: str, reason: str, book: LedgerBook) -> pd.DataFrame:
    for file, rows in data[hit].groupby("source_file"):
        book.cells(str(file), rows["source_row"], column, rows[column].fillna(""), None, reason)
    return data[~hit]


def _with_period(data: pd.DataFrame, source: PeriodSource, book: LedgerBook) -> pd.DataFrame:
    if source.file_pattern:
        found = data["source_file"].str.extract(source.file_pattern, expand=False)
        if found.isna().any():
            name = data.loc[found.isna(), "source_file"].iloc[0]
            raise StudyError(f"study.yaml: period: file_pattern {source.file_pattern!r} finds no period in {name!r}.")
        return data.assign(period=found.astype(str))
    if "date" not in data:
        raise StudyError(f"study.yaml: period: no export has the column {source.column!r}.")
    dates = pd.to_datetime(data["date"], errors="coerce", format="mixed")
    data = _leave_out(data.assign(date=data["date"]), dates.isna(), "date", "no_date", book)
    dates = dates[dates.notna()]
    return data.assign(date=dates, period=dates.dt.strftime("%Y-%m"))


def _store(folder: Path, responses: Responses, fingerprint: str) -> None:
    """Writes parquet, ledger and fingerprint into a new folder, then puts it in the old one's place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        responses.data.to_parquet(scratch / "responses.parquet", index=False)
        responses.ledger.to_parquet(scratch / "ledger.parquet", index=False)
        (scratch / "fingerprint.json").write_text(json.dumps({"responses": fingerprint}), encoding="utf-8")
        scratch.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check(study: Study) -> pd.DataFrame:
    """What a person should look at before the first report: ``severity, file, where, finding, advice``, a row each.

    An error that stops reading is a row of severity ``error``; warnings of reading and screening, and items whose
    correlation with the rest of their dimension is negative, are rows of severity ``warning``.
    """
    findings: list[dict[str, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QaWarning)
        try:
            responses = _build(study)
            screen(responses)
        except QaError as error:
            findings.append(_finding("error", "responses", "", str(error), ""))
            responses = None
    for warning in caught:
        if issubclass(warning.category, QaWarning):
            findings.append(_finding("warning", "responses", "", str(warning.message), ""))
    if responses is not None:
        findings += _reversed_items(responses)
    return pd.DataFrame(findings, columns=["severity", "file", "where", "finding", "advice"])


def _reversed_items(responses: Responses) -> list[dict[str, str]]:
    findings = []
    for dimension, items in responses.instrument.dimensions.items():
        answers = responses.data[items]
        for item in items if len(items) > 2 else []:
            r = answers[item].corr(answers.drop(columns=item).mean(axis=1))
            if r < 0:
                finding = f"item {item} correlates {r:.2f} with the rest of {dimension}."
                advice = "Check its key 'reverse'."
                findings.append(_finding("warning", "instrument.yaml", f"items → {item}", finding, advice))
    return findings


def _finding(severity: str, file: str, where: str, finding: str, advice: str) -> dict[str, str]:
    return {"severity": severity, "file": file, "where": where, "finding": finding, "advice": advice}
