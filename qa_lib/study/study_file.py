"""What study.yaml may say, and what each of its keys means."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from qa_lib.errors import ResponseError
from qa_lib.study.dates import unit_of
from qa_lib.study.instrument import Identifier, Words
from qa_lib.study.schema import Record
from qa_lib.study.ticket_log import TicketLog

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
