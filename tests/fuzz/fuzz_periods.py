"""Periods, dates and durations as people and exports write them.

Invariants: only a QaError leaves; a period that is accepted begins before it ends and holds its own first day; every
date that is read falls into periods that are accepted; a duration is no negative number; one date a cell, in its order.
"""

import harness
import pandas as pd

from qa_lib.study.dates import UNITS, labels, parse_dates, seconds, span, unit_of

FORMATS = (None, None, None, "%d/%m/%Y", "%m/%d/%Y %I:%M %p", "%Y年%m月%d日", "%s %j %G", "%")


def check(data: bytes) -> None:
    text = data[1:].decode("utf-8", "replace")
    first = data[0] if data else 0
    unit = harness.attempt(unit_of, text)
    if unit is not None:
        start, end = span(text)
        assert start < end
        assert labels(pd.Series([start, end]), unit).tolist() == [text, text]
    cells = pd.Series(text.split("\n")[:50], dtype="object")
    dates = harness.attempt(parse_dates, cells, FORMATS[first % len(FORMATS)])
    if dates is not None:
        assert len(dates) == len(cells)
        for name in [*UNITS, "quarter"]:
            for label in labels(dates, name).dropna():
                assert unit_of(label) == name
                assert len(span(label)) == 2
    durations = harness.attempt(seconds, cells)
    assert durations is None or (durations.dropna() >= 0).all()


def seeds() -> list[bytes]:
    periods = [
        "2026-10-31",
        "2026-W44",
        "2026-10",
        "2026-Q3",
        "2026",
        "2026-W53",
        "0000-01",
        "9999-12-31",
        "2026-02-30",
    ]
    dates = [
        "2026-10-03 09:00:00\n2026-10-03T09:00:00+08:00\n20261003", "2026/10/3 14:22:05\n2026/10/3",
        "13/10/2026\n3/10/2026 9:00", "3.10.2026 9:00\n2026年10月3日", "10/13/2026 1:00:00 PM",
        "0001-01-01\n9999-12-31\n46000",
        "1分25秒\n85秒\n2小时\n90\n1h2m3s\n-5\n1e9",
    ]  # fmt: skip
    return [bytes([place % 8]) + text.encode() for place, text in enumerate([*periods, *dates, *dates])]
