"""Where it differs: groups that left their own recent level, and every group's scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qa_lib.report import display
from qa_lib.report.pages.front.stand import SIGNIFICANCE
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.suppression import hidden_of_counts
from qa_lib.study.study_file import Segment
from qa_lib.tracking.periods import adjust_p, change

HISTORY_PERIODS = 6


def find_signals(page: ReportPage) -> pd.DataFrame:
    """Groups of a segment whose dimension left its own mean over the periods before.

    Columns ``segment, unit, term, estimate, conf_low, conf_high, periods``; Holm's correction over all dimensions and
    groups of a segment. Groups below the minimum cell, now or before, are not looked at.
    """
    columns = ["segment", "unit", "term", "estimate", "conf_low", "conf_high", "periods"]
    earlier = page.earlier[-HISTORY_PERIODS:]
    if not earlier:
        return pd.DataFrame(columns=columns)
    tables = [_segment_signals(page, segment.id, earlier) for segment in _segments(page)]
    found = [table.assign(periods=len(earlier))[columns] for table in tables if len(table)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _segments(page: ReportPage) -> list[Segment]:
    """The segments that divide this page's respondents."""
    return [
        segment
        for segment in page.study.spec.segments
        if segment.id in page.data
        and not page.segment.startswith(f"{segment.id}=")
        and len(page.data[segment.id].dropna().unique()) > 1
    ]


def _shown(page: ReportPage, column: str) -> list[str]:
    """The groups of a segment that are large enough among all respondents and among those who rated a dimension."""
    counts = page.answered()[column].value_counts()
    few = hidden_of_counts({page.period: counts}, page.period, page.study.spec.minimum_cell)
    return [unit for unit in page.shown_groups(column) if unit in counts and unit not in few]


def _segment_signals(page: ReportPage, column: str, earlier: Sequence[str]) -> pd.DataFrame:
    rows, now, history = [], page.group_scores(column, page.period), {}
    for name in earlier:
        for unit, sums in page.group_scores(column, name).items():
            history[unit] = history[unit] + sums if unit in history else sums
    for unit in _shown(page, column):
        past = history.get(unit)
        if past is not None and past.n_rows >= page.study.spec.minimum_cell:
            table = change(page.index_of(now[unit]), page.index_of(past)).tidy()
            rows.append(table[table["term"] != "rater_index"].assign(segment=column, unit=unit))
    if not rows:
        return pd.DataFrame()
    table = pd.concat(rows, ignore_index=True)
    return table[adjust_p(table["p_value"], "holm") < SIGNIFICANCE]


def signal_sentences(page: ReportPage, signals: pd.DataFrame) -> list[str]:
    """A sentence per group and dimension that left its own recent level."""
    return [
        page.text(
            "signal_up" if row.estimate > 0 else "signal_down",
            unit=page.unit_name(row.segment, row.unit),
            dimension=page.dimension_name(row.term),
            amount=page.text.number(abs(row.estimate)),
            interval=page.text.interval(row.conf_low, row.conf_high),
            periods=row.periods,
        )
        for row in signals.itertuples()
    ]


def where_it_differs(page: ReportPage, signals: pd.DataFrame) -> None:
    """For every segment its scores by dimension, coloured where a group left its own recent level."""
    segments = _segments(page)
    for segment in segments:
        _segment_table(page, segment, signals[signals["segment"] == segment.id])
    if not segments:
        display.paragraph(page.text("no_segments"), "note")


def _segment_table(page: ReportPage, segment: Segment, signals: pd.DataFrame) -> None:
    text = page.text
    name = text.of(segment.name, segment.id)
    display.heading(name, f"segment-{segment.id}", 3)
    counts = page.answered()[segment.id].value_counts()
    shown = _shown(page, segment.id)
    if shown:
        sums = page.group_scores(segment.id, page.period)
        tables = {unit: page.index_of(sums[unit]).tidy().set_index("term") for unit in shown}
        terms = list(next(iter(tables.values())).index)
        rows = [
            [page.segment_label(segment.id, unit), text.count(counts[unit])]
            + [text.number(tables[unit].loc[term, "estimate"]) for term in terms]
            for unit in shown
        ]
        frame = pd.DataFrame(rows, columns=[name, text("n_responses"), *(page.dimension_name(term) for term in terms)])
        classes = {
            (shown.index(row.unit), 2 + terms.index(row.term)): "good" if row.estimate > 0 else "bad"
            for row in signals.itertuples()
        }
        caption = text("caption_segment" if page.earlier else "caption_segment_first", segment=name)
        display.table(frame, caption, classes=classes, most=12)
        if signals.empty and page.earlier:
            display.paragraph(text("no_signal"), "note")
    if hidden := len(counts) - len(shown):
        display.paragraph(text("hidden_small", n=hidden, minimum=page.study.spec.minimum_cell), "note")
