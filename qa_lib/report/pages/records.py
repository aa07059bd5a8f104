"""The operations records a page is about: of its segment, and of its period and those before."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import display
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import labels, parse_dates, span, unit_of

_REACH = {
    "day": pd.DateOffset(days=59),
    "week": pd.DateOffset(weeks=25),
    "month": pd.DateOffset(months=24),
    "quarter": pd.DateOffset(months=24),
    "year": pd.DateOffset(years=4),
}  # how far a page looks back


def of_segment(page: ReportPage, table: pd.DataFrame) -> pd.DataFrame:
    """The records of the page's segment; all of them where the table does not know the segment."""
    if not knows_segment(page, table):
        return table
    column, _, value = page.segment.partition("=")
    return table[table[column].astype(str) == value].reset_index(drop=True)


def knows_segment(page: ReportPage, table: pd.DataFrame) -> bool:
    """Whether the table has the segment's column with the survey's values (a column may share only the name)."""
    column, _, _ = page.segment.partition("=")
    if column not in table:
        return False
    return not set(table[column].astype(str)).isdisjoint(page.study.values(column))


def until_now(page: ReportPage, table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The records dated in this page's period or in the periods before that a page looks back on."""
    when = parse_dates(table[column])
    first, last = span(page.period)
    return table[(when <= last) & (when >= first - _REACH[unit_of(page.period)])].reset_index(drop=True)


def of_period(page: ReportPage, table: pd.DataFrame, column: str = "date") -> pd.DataFrame:
    """The records dated in this page's period."""
    hit = labels(parse_dates(table[column]), unit_of(page.period)) == page.period
    return table[hit.fillna(False).astype(bool)].reset_index(drop=True)


def note_scope(page: ReportPage, table: pd.DataFrame) -> None:
    """Says so when a page of one segment has to show everyone."""
    if page.segment and not knows_segment(page, table):
        display.paragraph(page.text("scope_everyone"), "caution")
