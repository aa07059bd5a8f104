"""Export dialects: for each, how to recognise it and what to take off before the answers begin.

Adding one is an entry of ``DIALECTS``; nothing else names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.study.exports.files import Export
from qa_lib.study.exports.headers import (
    Titles,
    distinct,
    key,
    named_by_code,
    named_by_first_row,
    named_by_two_rows,
    plain_words,
)

Recogniser = Callable[[Sequence[str], pd.DataFrame], bool]

_QUALTRICS_ID = re.compile(r'\{"ImportId":|^QID\d|^ImportId$')
_NUMBER = re.compile(r"^\s*[-+]?\d+(?:[.,]\d+)?\s*$")
_FOOTER = re.compile(
    r"^(total|sum|count|n\s*=|responses?:|source|generated|exported|©|\(c\)|合计|总计|共计|共\s*\d|注[:：]|说明[:：]|导出|来源[:：])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an export looks like.

    Attributes
    ----------
    recognise : of the headers and the raw table below them
    header_rows : how many rows of words stand between the names and the answers
    titles : names and questions' words from the headers and the first row below them
    columns : the export's own name → the library's (respondent, date, duration, language); with several for one, the
        last that is there
    started : the columns that hold when a response began; with the date they give its duration where no column does
    missing : codes and words the export writes for skipped answers → reason
    aside : column → cell → why a row with it is no response (a preview, an unfinished interview)
    bookkeeping : columns of the platform, neither items nor segments; ``personal`` those of persons
    """

    name: str
    recognise: Recogniser
    header_rows: Callable[[pd.DataFrame], int] = lambda table: 0
    titles: Callable[[Sequence[str], Sequence[str] | None], Titles] = named_by_first_row
    columns: Mapping[str, str] = field(default_factory=dict)
    started: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    aside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bookkeeping: re.Pattern | None = None
    personal: frozenset[str] = frozenset()

    @property
    def respondent(self) -> list[str]:
        """The columns that may hold the respondent's id."""
        return ["respondent", *(column for column, name in self.columns.items() if name == "respondent")]


@dataclass(frozen=True, slots=True)
class Answers:
    """The rows of an export that are answers.

    ``rows`` are their spreadsheet rows; ``wording`` and ``headers`` give a column's question and its name in the
    file; ``aside`` the rows that are none: row, column, cell, reason.
    """

    dialect: Dialect
    table: pd.DataFrame
    rows: np.ndarray
    wording: Mapping[str, str]
    headers: Mapping[str, str]
    aside: Sequence[tuple[int, str, str, str]]

    def known_as(self, column: str) -> str | None:
        """What the dialect knows a column as: respondent, date, duration, language, else None."""
        names = (column, self.wording.get(column), self.headers.get(column))
        return next((self.dialect.columns[name] for name in names if name in self.dialect.columns), None)

    def is_personal(self, column: str) -> bool:
        """Whether the dialect knows a column as one that holds data of persons."""
        return not self.dialect.personal.isdisjoint((column, self.wording.get(column), self.headers.get(column)))

    def is_bookkeeping(self, column: str) -> bool:
        names = (column, self.wording.get(column, ""))
        pattern = self.dialect.bookkeeping
        return pattern is not None and any(pattern.fullmatch(name) for name in names)


def answers(export: Export, declared: str = "auto", source: object = "the export") -> Answers:
    """An export's answers under the dialect declared, or with ``auto`` the first that recognises it.

    Raises ``ResponseError`` when no row is left.
    """
    table = export.table
    dialect = _dialect_of(export, declared)
    above = dialect.header_rows(table)
    below = [_text(cell) for cell in table.iloc[0]] if above else None
    titles = dialect.titles(export.headers, below)
    names = distinct([name for name, _ in titles])
    wording = {}
    for name, header, (plain, words) in zip(names, export.headers, titles, strict=True):
        said = plain_words(words or export.wording.get(header, "") or plain)
        if said != name:
            wording[name] = said
    table = table.iloc[above:].set_axis(names, axis=1)
    rows = table.index.to_numpy() + export.first_row
    why = _no_responses(table, dialect, wording)
    aside = [(int(rows[place]), *found) for place, found in sorted(why.items())]
    if len(aside) == len(table):
        raise ResponseError(f"{source}: {_nothing_left(dialect, aside)}")
    keep = np.ones(len(table), dtype=bool)
    keep[list(why)] = False
    return Answers(
        dialect,
        (table[keep] if aside else table).reset_index(drop=True),
        rows[keep],
        wording,
        dict(zip(names, export.headers, strict=True)),
        aside,
    )


def _nothing_left(dialect: Dialect, aside: Sequence[tuple[int, str, str, str]]) -> str:
    reasons = pd.Series([reason for *_, reason in aside], dtype=object).value_counts()
    found = f" ({', '.join(f'{n} {reason}' for reason, n in reasons.items())})" if len(reasons) else ""
    return (
        f"read as an export of {dialect.name}, the file has header rows but no answers{found}. Export complete "
        "responses, or name another dialect in instrument.yaml: dialect."
    )


def _dialect_of(export: Export, declared: str) -> Dialect:
    if declared != "auto":
        return next(dialect for dialect in DIALECTS if dialect.name == declared)
    return next(dialect for dialect in DIALECTS if dialect.recognise(export.headers, export.table))


def _text(cell: object) -> str:
    return "" if cell is None or cell is pd.NA or cell != cell else str(cell).strip()


def _no_responses(table: pd.DataFrame, dialect: Dialect, wording: Mapping[str, str]) -> dict[int, tuple[str, str, str]]:
    """Places of the rows that are no responses → the column, its cell and the reason."""
    why = {place: (str(table.columns[0]), _text(table.iloc[place, 0]), "footer") for place in _footers(table)}
    for column in table:
        said = dialect.aside.get(column) or dialect.aside.get(wording.get(column))
        if said is not None:
            texts = table[column].map(_text)
            found = {place: texts.iloc[place] for place in np.flatnonzero(texts.isin(said))}
            why = {place: (column, text, said[text]) for place, text in found.items()} | why
    return why


def _footers(table: pd.DataFrame) -> list[int]:
    """The last rows that hold a total or a note instead of answers: words of one, and at most one number."""
    found: list[int] = []
    for i in range(len(table) - 1, max(-1, len(table) - 6), -1):
        filled = [text for text in map(_text, table.iloc[i]) if text]
        if table.shape[1] < 3 or not filled or len(filled) > 2 or not _FOOTER.match(filled[0]):
            break
        found.append(i)
    return found


# recognising


def _has(*names: str, at_least: int | None = None) -> Recogniser:
    """Whether all of these names, or at least so many of them, are among the headers or their codes."""
    wanted = {key(name) for name in names}

    def recognise(headers: Sequence[str], table: pd.DataFrame) -> bool:
        found = {key(name) for name in headers} | {key(name) for name, _ in named_by_code(headers, None)}
        return len(wanted & found) >= (at_least or len(wanted))

    return recognise


def _any_of(*recognisers: Recogniser) -> Recogniser:
    return lambda headers, table: any(recognise(headers, table) for recognise in recognisers)


def _is_qualtrics(headers: Sequence[str], table: pd.DataFrame) -> bool:
    """New exports name the columns; those of before 2016 call them V1, V2 … and name them in the row below."""
    below = set(table.iloc[0].astype(str)) if len(table) else set()
    return any({name, "StartDate"} <= names for name in ("ResponseId", "ResponseID") for names in (set(headers), below))


def _qualtrics_header_rows(table: pd.DataFrame) -> int:
    """Wording in the first row of cells, and in newer exports the import ids in the second."""
    if len(table) > 1 and table.iloc[1].astype(str).str.contains(_QUALTRICS_ID).mean() > 0.5:
        return 2
    starts = str(table.iloc[0].get("StartDate", "Start Date"))
    return 0 if re.match(r"\d", starts) else 1


def _surveymonkey_header_rows(table: pd.DataFrame) -> int:
    """A row of answers' names below the questions, which the condensed exports of one question a column leave out."""
    return int(not _text(table.iloc[0, 0]))


def _is_google_forms(headers: Sequence[str], table: pd.DataFrame) -> bool:
    return key(headers[0]) in {key(name) for name in _TIMESTAMPS}


def _has_merged_headers(headers: Sequence[str], table: pd.DataFrame) -> bool:
    """Names above cover several columns, each of which has a name of its own in the row below."""
    blank = [place for place, name in enumerate(headers) if not name or (place and name == headers[place - 1])]
    if len(table) < 2 or not blank or not (headers[0] or _text(table.iloc[0, 0])):
        return False
    return all(_is_name(table.iloc[:, place]) for place in blank)


def _is_name(cells: pd.Series) -> bool:
    """Whether the first cell of a column is words that no cell below repeats."""
    first = _text(cells.iloc[0])
    return bool(first) and not _NUMBER.match(first) and not (cells.iloc[1:] == cells.iloc[0]).any()


_TIMESTAMPS = (
    "Timestamp", "时间戳记", "时间戳", "時間戳記", "タイムスタンプ", "타임스탬프", "Zeitstempel", "Horodateur",
    "Marca temporal", "Carimbo de data/hora", "Informazioni cronologiche", "Tijdstempel", "Tidsstämpel",
    "Sygnatura czasowa", "Отметка времени", "Zaman damgası",
)  # fmt: skip
_SKIPPED_ZH = {"(跳过)": "skipped", "（跳过）": "skipped", "(空)": "empty", "（空）": "empty"}

DIALECTS = (
    Dialect(
        "qualtrics",
        _is_qualtrics,
        _qualtrics_header_rows,
        columns={
            "ResponseId": "respondent",
            "ResponseID": "respondent",
            "EndDate": "date",
            "Duration (in seconds)": "duration",
            "Q_TotalDuration": "duration",
            "UserLanguage": "language",
        },
        missing={"-99": "skipped"},
        aside={
            "Status": dict.fromkeys(("Survey Preview", "Survey Test"), "preview"),
            "DistributionChannel": {"preview": "preview"},
        },
        bookkeeping=re.compile(
            r"(status|progress|finished|startdate|recordeddate|.*_(first|last)_click)", re.IGNORECASE
        ),
        personal=frozenset({"IPAddress", "LocationLatitude", "LocationLongitude"}),
    ),
    Dialect(
        "wenjuanxing",
        _has("序号", "提交答卷时间", "所用时间", at_least=2),
        columns={"序号": "respondent", "提交答卷时间": "date", "所用时间": "duration"},
        missing={"-3": "skipped", "-2": "empty"} | _SKIPPED_ZH,
        personal=frozenset({"来自IP"}),
    ),
    Dialect(
        "tencent",
        _has("编号", "开始答题时间", "结束答题时间", "答题时长", at_least=3),
        columns={"编号": "respondent", "结束答题时间": "date", "答题时长": "duration", "语言": "language"},
        started=("开始答题时间",),
        missing=_SKIPPED_ZH,
        aside={"清洗数据结果": {"无效": "marked_invalid"}},
        bookkeeping=re.compile(
            r"开始答题时间|清洗数据结果|智能清洗数据无效概率|用户类型|UA|Referrer|自定义字段|中奖时间|中奖金额|审核状态"
        ),
        personal=frozenset({"IP", "昵称", "用户标识"}),
    ),
    Dialect(
        "limesurvey",
        _any_of(
            _has("id", "submitdate", "lastpage", "startlanguage", "startdate", "datestamp", "seed", at_least=3),
            _has("Response ID", "Date submitted", "Last page", "Start language", "Date started", "Seed", at_least=3),
        ),
        titles=named_by_code,
        columns={
            "Response ID": "respondent",
            "id": "respondent",
            "Date submitted": "date",
            "submitdate": "date",
            "Start language": "language",
            "startlanguage": "language",
            "Total time": "duration",
            "interviewtime": "duration",
        },
        started=("startdate", "Date started"),
        missing={"N/A": "skipped", "{question_not_shown}": "skipped"},
        aside={"submitdate": {"": "incomplete"}, "Date submitted": {"": "incomplete"}},
        bookkeeping=re.compile(
            r"lastpage|Last page|seed|startdate|Date started|datestamp|Date last action|refurl|Referrer URL|token"
            r"|Access code|groupTime\d+.*|Group time.*|\w+Time|Question time.*"
        ),
        personal=frozenset({"ipaddr", "IP address", "email", "firstname", "lastname"}),
    ),
    Dialect(
        "surveymonkey",
        _has("Respondent ID", "Collector ID"),
        _surveymonkey_header_rows,
        named_by_two_rows,
        columns={"RespondentID": "respondent", "Respondent ID": "respondent", "EndDate": "date", "End Date": "date"},
        started=("Start Date", "StartDate"),
        bookkeeping=re.compile(r"collector ?id|start ?date|date ?(created|modified)|custom data.*", re.IGNORECASE),
        personal=frozenset({"IP Address", "Email Address", "First Name", "Last Name", "LastName", "FirstName"}),
    ),
    Dialect(
        "google_forms",
        _is_google_forms,
        columns=dict.fromkeys(_TIMESTAMPS, "date"),
        bookkeeping=re.compile(r"score|总分|分数", re.IGNORECASE),
        personal=frozenset({"Username", "Email Address", "电子邮件地址", "用户名"}),
    ),
    Dialect("merged_headers", _has_merged_headers, lambda table: 1, named_by_two_rows),
    Dialect("plain", lambda headers, table: True),
)
NAMES = tuple(dialect.name for dialect in DIALECTS)
