"""Export dialects: for each, how to recognise it and what to take off before the answers begin.

Adding one is a row of ``DIALECTS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

_QUALTRICS_ID = re.compile(r'\{"ImportId":|^QID\d|^ImportId$')
_SECONDS = re.compile(
    r"^\s*(?:(\d+)\s*(?:小时|h))?\s*(?:(\d+)\s*(?:分钟?|min|m))?\s*(\d+(?:\.\d+)?)?\s*(?:秒|s|sec)?\s*$"
)
_LONGEST_DURATION = 40


@dataclass(frozen=True, slots=True)
class Dialect:
    """``recognise`` looks at the raw table; ``header_rows`` counts rows of words above the answers.

    ``columns`` maps the export's own names to the library's (respondent, date, duration); ``missing`` are the codes
    and words the export writes for skipped answers, by reason.
    """

    name: str
    recognise: Callable[[pd.DataFrame], bool]
    header_rows: Callable[[pd.DataFrame], int] = lambda table: 0
    columns: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def respondent(self) -> list[str]:
        """The columns that may hold the respondent's id."""
        return ["respondent", *(column for column, name in self.columns.items() if name == "respondent")]


def _is_qualtrics(table: pd.DataFrame) -> bool:
    """New exports name the columns; those of before 2016 call them V1, V2 … and name them in the row below."""
    below = set(table.iloc[0].astype(str)) if len(table) else set()
    return any({name, "StartDate"} <= names for name in ("ResponseId", "ResponseID") for names in (set(table), below))


def _qualtrics_header_rows(table: pd.DataFrame) -> int:
    """Wording in the first row of cells, and in newer exports the import ids in the second."""
    if len(table) > 1 and table.iloc[1].astype(str).str.contains(_QUALTRICS_ID).mean() > 0.5:
        return 2
    starts = str(table.iloc[0].get("StartDate", "Start Date"))
    return 0 if re.match(r"\d", starts) else 1


def _is_wenjuanxing(table: pd.DataFrame) -> bool:
    return len({"序号", "提交答卷时间", "所用时间"} & set(table.columns)) >= 2


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
    ),
    Dialect(
        "wenjuanxing",
        _is_wenjuanxing,
        columns={"序号": "respondent", "提交答卷时间": "date", "所用时间": "duration"},
        missing={
            "-3": "skipped",
            "-2": "empty",
            "(跳过)": "skipped",
            "（跳过）": "skipped",
            "(空)": "empty",
            "（空）": "empty",
        },
    ),
    Dialect("plain", lambda table: True),
)


def dialect_of(table: pd.DataFrame, declared: str) -> Dialect:
    """The declared dialect, or with ``auto`` the first that recognises the table."""
    if declared != "auto":
        return next(dialect for dialect in DIALECTS if dialect.name == declared)
    return next(dialect for dialect in DIALECTS if dialect.recognise(table))


def question_number(header: str) -> str | None:
    """The number before a question's words, as 问卷星 writes them: ``3、…``, ``3. …``, ``Q3_2`` …

    >>> question_number("12、您对服务满意吗？"), question_number("5(2).态度"), question_number("满意")
    ('12', '5(2)', None)
    """
    found = re.match(r"^[Qq]?(\d+(?:\(\d+\)|（\d+）|_\d+)?)\s*[、.．:：\s]", header)
    return found.group(1) if found else None


def seconds(values: pd.Series) -> pd.Series:
    """Durations such as ``85秒``, ``1分25秒``, ``85`` in seconds; NaN where it is neither.

    >>> seconds(pd.Series(["85秒", "1分25秒", "90", "soon"])).tolist()
    [85.0, 85.0, 90.0, nan]
    """
    texts = values.astype("string")
    parts = texts.where(texts.str.len() <= _LONGEST_DURATION).str.extract(_SECONDS.pattern).astype(float)
    total = parts.fillna(0) @ [3600, 60, 1]
    return total.where(parts.notna().any(axis=1))
