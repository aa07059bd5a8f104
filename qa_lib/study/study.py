"""A study: a folder of exports, operations records and the YAML files that say what they mean."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BeforeValidator, Field, model_validator

from qa_lib.criteria import Criteria
from qa_lib.errors import QaError, QaWarning, ResponseError, StudyError
from qa_lib.study.checks import answer_sums, doubts_of
from qa_lib.study.dates import unit_of
from qa_lib.study.exports.files import SUFFIXES, read_table
from qa_lib.study.instrument import Identifier, Instrument, Words, read_instrument
from qa_lib.study.kept import kept, read_anew
from qa_lib.study.limits import plain
from qa_lib.study.privacy import personal_column, personal_kind, redacted, staff_codes, without_personal
from qa_lib.study.responses import Responses, comparable
from qa_lib.study.schema import Record, load_yaml, validate
from qa_lib.study.screening import screen
from qa_lib.study.ticket_log import TicketLog, Tickets, log_findings, read_ticket_log
from qa_lib.study.versions import VERSION, on_one_scale, version_findings, versions_in

GUESS = "# a guess:"
"""What a drafted line ends with until a person has confirmed it; ``check`` lists them."""
_FINDING = ["severity", "file", "where", "finding", "advice"]
_RECORDS = ("tickets", "calls", "complaints", "customers", "outages", "facilities", "monitoring")
_PERSONAL_ADVICE = "It is hashed when read. Leave it out of the file, or declare it in study.yaml: 'personal: [{}.{}]'."
_SCALE_ADVICE = "Compare the scale in instrument.yaml; a code for no answer belongs to missing_codes."
_REPEATED_CHOICE = re.compile(r"\([^()]*[*+{|][^()]*\)[*+{]")
Columns = Annotated[list[str], BeforeValidator(lambda names: names if isinstance(names, list) else [names])]
"""The name of a column, or several where it drifts from file to file."""


class PeriodSource(Record):
    """Where a response's period comes from: a date column, the file's name by a pattern with one group, or one value.

    Dates are grouped by ``unit``; ``format`` is theirs (``%d/%m/%Y``) where it cannot be recognised.
    """

    column: str | None = None
    file_pattern: str | None = None
    value: str | None = None
    unit: Literal["day", "week", "month", "quarter", "year"] = "month"
    format: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> PeriodSource:
        if sum(source is not None for source in (self.column, self.file_pattern, self.value)) != 1:
            raise ValueError("give exactly one of column, file_pattern and value")
        if self.value is not None:
            _checked_period(self.value)
        if self.file_pattern is not None:
            if len(self.file_pattern) > 200 or _REPEATED_CHOICE.search(self.file_pattern):
                raise ValueError(
                    "file_pattern repeats a group that itself repeats or chooses; that could take for ever"
                )
            try:
                groups = re.compile(self.file_pattern).groups
            except re.error as error:
                raise ValueError(f"file_pattern is not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError(f"file_pattern needs exactly one group, the period, found {groups}")
        return self


def _checked_period(period: str) -> None:
    try:
        unit_of(period)
    except ResponseError as error:
        raise ValueError(str(error)) from None


class Segment(Record):
    """A column results are shown by."""

    id: Identifier
    name: Words = {}
    columns: list[str] = []
    labels: dict[str, Words] = {}


class Comment(Record):
    """An open question. Its answers are redacted as they are read (``qa_lib.study.redaction``)."""

    id: Identifier
    name: Words = {}
    columns: list[str] = []


OpenQuestion = Annotated[Comment, BeforeValidator(lambda said: {"id": said} if isinstance(said, str) else said)]


class Exclusion(Record):
    """Respondents left out: whose ``column`` holds one of ``values``, is blank, or a number below or above a limit."""

    column: str
    reason: str | Words
    values: list[str] = []
    blank: bool = False
    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _says_who(self) -> Exclusion:
        if not self.values and not self.blank and self.below is None and self.above is None:
            raise ValueError("say who is left out: values, blank: true, below or above")
        return self

    @property
    def code(self) -> str:
        """The reason as the ledger names it: its English words, else those of the first language."""
        words = {"en": self.reason} if isinstance(self.reason, str) else self.reason
        return words.get("en") or next(iter(words.values()))


Statement = str | Words | None


class Disclosure(Record):
    """What a survey report must disclose (AAPOR's code, section III) and only the study's owner knows."""

    strategy: Statement = None
    sponsor: Statement = None
    conducted_by: Statement = None
    population: Statement = None
    frame: Statement = None
    sampling: Statement = None
    recruitment: Statement = None
    mode: Statement = None
    field_dates: Statement = None
    weighting: Statement = None
    quality: Statement = None
    ethics: Statement = None
    sample_size_rationale: Statement = None
    limitations: Statement = None


class StudyFile(Record):
    """study.yaml.

    ``comments`` are open questions, each a column's name, or id, name and columns; ``quotes`` allows pages to quote
    redacted answers of groups no smaller than ``minimum_cell``. ``personal`` names columns that may hold personal data:
    a segment or column of the responses by its id, a column of an operations record as ``tickets.phone``. ``staff``
    says whether members of staff bear ``codes`` (the column ``code`` of roster.csv, else keyed hashes) or ``names``.
    ``ticket_log`` declares that ``tickets/`` has a row per change of a ticket.
    """

    title: Words
    languages: list[Literal["en", "zh"]] = Field(default=["en", "zh"], min_length=1)
    simulated: bool = False
    period: PeriodSource
    segments: list[Segment] = []
    weight: Columns | None = None
    columns: dict[Identifier, Columns] = {}
    comments: list[OpenQuestion] = []
    quotes: bool = False
    personal: list[str] = []
    staff: Literal["codes", "names"] = "codes"
    exclude: list[Exclusion] = []
    exclude_flagged: list[
        Literal["longstring", "irv", "even_odd", "mahalanobis", "duration", "attention", "duplicate"]
    ] = []
    duplicates: Literal["error", "first", "last"] = "error"
    encoding: str | None = None
    ticket_log: TicketLog | None = None
    margins: dict[str, dict[str, Annotated[float, Field(gt=0)]]] = {}
    targets: dict[str, float] = {}
    index_mapping: Literal["minmax", "ratio"] = "minmax"
    minimum_cell: int = Field(default=10, ge=1)
    disclosure: Disclosure = Disclosure()


@dataclass(frozen=True)
class Study:
    """A study; its tables are read when asked for.

    Of an instrument that changed, ``instrument`` is the newest version, or that of the period the study is
    ``seen_from``.
    """

    path: Path
    spec: StudyFile
    instrument: Instrument
    seen_from: str | None = None

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

    def periods(self, unit: str | None = None) -> list[str]:
        """The periods that have responses, sorted: the study's own, or those of a unit (month, quarter …)."""
        return kept(self).periods(unit)

    def responses(self, period: str | int | None = None) -> Responses:
        """All responses, or those of a period: a month also as part of its quarter or year.

        Where the instrument changed they are answers to its newest version among them, ``.instrument``: those of a
        period on the scale it was asked on. Others are mapped to that scale, or missing (``qa_lib.study.versions``).

        Raises ``ResponseError`` for a period that is written wrongly or has no responses. Warns ``DataWarning`` of
        answers on different scales.
        """
        if period is None:
            return self._comparable(kept(self).everything(self._weighted))
        found = self.answers(period)
        if found.data.empty:
            known = self.periods()
            raise ResponseError(
                f"{self.path}: no responses in {period}. "
                f"Periods with responses: {known[0]} to {known[-1]} ({len(known)})."
            )
        return found

    def answers(self, period: str | int) -> Responses:
        """The responses of a period, of which there may be none."""
        return self._comparable(kept(self).answers(str(period), self._weighted))

    def _comparable(self, responses: Responses) -> Responses:
        if self.seen_from is not None:
            return on_one_scale(responses, self.instrument, self.spec.index_mapping)[0]
        return comparable(responses, self.spec.index_mapping)

    def from_period(self, period: str) -> Study:
        """The study as a report on a period sees it: all its responses as answers to the instrument of that period."""
        found = kept(self).answers(period, self._weighted)
        present = versions_in(found.data, self.instrument)
        return replace(self, instrument=present[-1] if present else self.instrument, seen_from=period)

    def values(self, segment: str) -> set[str]:
        """Every value that a segment has in the responses, as text."""
        return kept(self).values(segment)

    def digest(self, period: str | int) -> str:
        """Hash of what the responses of a period follow from."""
        digest = kept(self).digest(str(period))
        if len(self.instrument.versions) == 1:
            return digest
        return f"{digest}-{'own' if self.seen_from is None else self.instrument.version}"

    def summaries(self) -> Path | None:
        """The folder to keep what follows from a period in, by its digest; None where it is soon computed again."""
        return kept(self).summaries()

    def _weighted(self, responses: Responses) -> Responses:
        """The responses with their weights: those they came with."""
        return responses

    def criteria(self) -> Criteria:
        path = self.path / "criteria.yaml"
        defaults = Criteria.default()
        return defaults.override(load_yaml(path, StudyError)) if path.exists() else defaults

    def tickets(self) -> pd.DataFrame | None:
        """The tickets, a row each; made from their changes where study.yaml declares a ``ticket_log``."""
        if self.spec.ticket_log is None:
            return self._records("tickets")
        found = self.tickets_of_log()
        return None if found is None else found.table

    def tickets_of_log(self) -> Tickets | None:
        """The tickets of the log study.yaml declares, and what was wrong with it; None without declaration or log."""
        files = self._files("tickets")
        if self.spec.ticket_log is None or not files:
            return None
        found = read_ticket_log(files, self.spec.ticket_log)
        return replace(found, table=self._private(found.table, "tickets"))

    def calls(self) -> pd.DataFrame | None:
        return self._records("calls")

    def complaints(self) -> pd.DataFrame | None:
        return self._records("complaints")

    def customers(self) -> pd.DataFrame | None:
        return self._records("customers")

    def outages(self) -> pd.DataFrame | None:
        return self._records("outages")

    def facilities(self) -> pd.DataFrame | None:
        return self._records("facilities")

    def operations(self) -> dict[str, pd.DataFrame]:
        """The operations records there are, by name, and the roster: what ``qa.kpis`` takes."""
        names = ("tickets", "calls", "complaints", "customers", "outages", "facilities", "roster")
        tables = {name: getattr(self, name)() for name in names}
        return {name: table for name, table in tables.items() if table is not None}

    def monitoring(self) -> pd.DataFrame | None:
        return self._records("monitoring")

    def notes(self) -> pd.DataFrame | None:
        """Improvement notes: agent, date, item (blank: the whole score), note."""
        return self._table("notes.csv")

    def roster(self) -> pd.DataFrame | None:
        return self._table("roster.csv")

    def contacts(self) -> pd.DataFrame | None:
        return self._table("contacts.csv")

    def actions(self) -> pd.DataFrame | None:
        """The PDCA log, ``expected`` and ``cost`` as numbers, blank cells missing."""
        table = self._table("actions.csv")
        if table is None:
            return None
        table = table.mask(table == "")
        for column in {"expected", "cost"} & set(table.columns):
            numbers = pd.to_numeric(table[column], errors="coerce")
            if (text := table[column][numbers.isna() & table[column].notna()]).size:
                raise StudyError(f"{self.path / 'actions.csv'}: {column} {text.iloc[0]!r} is not a number.")
            table[column] = numbers
        return table

    def _records(self, folder: str) -> pd.DataFrame | None:
        """All tables of a folder under one another, as text; None when there is no such folder."""
        files = self._files(folder)
        if not files:
            return None
        table = pd.concat([read_table(file) for file in files], ignore_index=True)
        return self._private(table, folder)

    def _files(self, folder: str) -> list[Path]:
        if not (self.path / folder).is_dir():
            return []
        return sorted(f for f in (self.path / folder).iterdir() if f.suffix.lower() in SUFFIXES)

    def _table(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        return self._private(read_table(path), path.stem) if path.is_file() else None

    def _private(self, table: pd.DataFrame, record: str) -> pd.DataFrame:
        roster = self.path / "roster.csv"
        codes = staff_codes(roster) if self.spec.staff == "codes" else None
        return without_personal(table, self.may_be_personal(record), codes)

    def may_be_personal(self, record: str) -> list[str]:
        """The columns of an operations record that study.yaml declares personal."""
        return [name.removeprefix(f"{record}.") for name in self.spec.personal if name.startswith(f"{record}.")]


def read_study(path: str | Path) -> Study:
    """Reads study.yaml and instrument.yaml of a study's folder.

    Raises ``StudyError`` when the folder or a file is absent, or a file's name looks like personal data (a report
    names all its inputs), and, like ``InstrumentError``, with every mistake by file and key.
    """
    path = _folder(path)
    if not path.is_dir():
        beside = sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir()) if path.parent.is_dir() else []
        hint = f"In {path.parent} there are: {', '.join(beside)}." if beside else "Create it, with a study.yaml."
        raise StudyError(f"there is no study folder {path}. {hint}")
    _no_personal_names(path)
    file = path / "study.yaml"
    spec = validate(StudyFile, load_yaml(file, StudyError), file, StudyError)
    return Study(path, spec, read_instrument(path / "instrument.yaml"))


def _no_personal_names(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        name = path.relative_to(folder.parent).as_posix()
        if "/." not in name and (kind := personal_kind(path.name)) is not None:
            raise StudyError(
                f"{redacted(name)}: this name looks like personal data ({kind}); reports name their inputs. Rename it."
            )


def _folder(path: str | Path) -> Path:
    try:
        whole = Path(path).resolve()
        whole.is_dir()
        str(whole).encode()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL or half a character, links in a circle
        reason = getattr(error, "strerror", None) or error
        raise StudyError(
            f"{plain(path)[:200]} can be no study folder: {reason}. Name a folder with a study.yaml."
        ) from None
    return whole


def check(study: Study) -> pd.DataFrame:
    """What a person should look at before the first report: ``severity, file, where, finding, advice``, a row each.

    An error that stops reading is a row of severity ``error``; doubts about the data, warnings of the screening and
    columns full of values outside their scale are rows of severity ``warning``.
    """
    findings: list[tuple[str, str, str, str, str]] = [*_guesses(study), *_personal(study)]
    if (tickets := study.tickets_of_log()) is not None:
        findings += log_findings(tickets)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QaWarning)
        try:
            findings += _of_responses(study)
        except QaError as error:
            return pd.DataFrame([("error", "responses", "", str(error), ""), *findings], columns=_FINDING)
    screening = [str(warning.message) for warning in caught if issubclass(warning.category, QaWarning)]
    findings += [("warning", "responses", "screening", message, "") for message in screening]
    return pd.DataFrame(findings, columns=_FINDING)


def _guesses(study: Study) -> list[tuple[str, str, str, str, str]]:
    """The lines of a draft that still bear the mark of a guess."""
    advice = "Correct it if it is wrong; delete the mark to confirm it."
    return [
        (
            "confirm",
            name,
            f"line {number}",
            f"{line.partition(GUESS)[0].strip().rstrip(':')}:{line.partition(GUESS)[2]}.",
            advice,
        )
        for name in ("study.yaml", "instrument.yaml")
        for number, line in enumerate((study.path / name).read_text(encoding="utf-8-sig").splitlines(), 1)
        if GUESS in line
    ]


def _personal(study: Study) -> list[tuple[str, str, str, str, str]]:
    """A finding for every column of an operations record that likely holds personal data and is not declared."""
    files = {name: sorted((study.path / name).iterdir()) for name in _RECORDS if (study.path / name).is_dir()}
    files |= {name.stem: [name] for name in sorted(study.path.glob("*.csv"))}
    return [
        (
            "warning",
            f"{path.relative_to(study.path)}",
            name,
            f"likely personal data ({kind.replace('_', ' ')}).",
            advice,
        )
        for record, paths in files.items()
        for path in paths
        if path.suffix.lower() in SUFFIXES
        for name, texts in read_table(path).items()
        if name not in study.may_be_personal(record) and (found := personal_column([name], texts)) is not None
        for kind, advice in [(found[0], _PERSONAL_ADVICE.format(record, name))]
    ]


def _of_responses(study: Study) -> list[tuple[str, str, str, str, str]]:
    """Findings on the responses, from one table after another: of a large study, period by period."""
    sums, ledgers, versions, rows = [], [], [], pd.Series(dtype=int)
    for responses in read_anew(study):
        screen(responses)
        sums.append(answer_sums(responses.data, responses.instrument))
        ledgers.append(responses.ledger[responses.ledger["reason"] == "out_of_range"])
        versions.append(responses.data[[name for name in ("date", VERSION) if name in responses.data]])
        rows = rows.add(responses.data["source_file"].value_counts(), fill_value=0)
        instrument = responses.instrument
    findings = version_findings(study.instrument, pd.concat(versions, ignore_index=True))
    for item, finding, advice in doubts_of(sum(sums[1:], sums[0]), instrument):
        findings.append(("warning", "instrument.yaml", f"items → {item}", f"item {item} {finding}.", advice))
    ledger = pd.concat(ledgers, ignore_index=True)
    return findings + _off_scale(ledger[~(ledger["row"].isna() & ledger.duplicated())], rows)


def _off_scale(ledger: pd.DataFrame, rows: pd.Series) -> list[tuple[str, str, str, str, str]]:
    """A finding for every column of a file in which more than one answer in twenty lies outside the scale."""
    counts = ledger.groupby(["file", "column"])["count"].sum()
    return [
        ("warning", file, column, f"{n} answers lie outside the scale and count as missing.", _SCALE_ADVICE)
        for (file, column), n in counts.items()
        if n > 0.05 * rows.get(file, 1)
    ]
