"""Parquet files: broken ones, and whole ones of any types of columns.

Invariants: only a QaError leaves, whatever pyarrow stumbles over, and the process lives; every row is among the
responses, or the ledger says why not; nothing is unpickled; memory is bounded, whatever the footer promises.
"""

import datetime
import decimal
import io
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import studies

MOMENT = datetime.datetime(2026, 10, 3, 9, 30)
CELLS = [
    [1, 5, None], [1.0, float("nan"), float("inf")], ["1", "Very good", "N/A"], [True, False, None],
    [b"1", b"\xff", None],
    [[1], [], None], [{"a": 1}, {"a": 2}, None], [decimal.Decimal("1.0"), decimal.Decimal("5"), None],
    [MOMENT, None, MOMENT], [MOMENT.date(), None, MOMENT.date()], [MOMENT.time(), None, MOMENT.time()],
    [datetime.timedelta(1), None, None], ["2026-10-01", "2026-10-02", "2026-10-03"], [None, None, None],
    ["\u202e1", "\u200b2", "\x00"], [2**62, -(2**62), 0],
]  # fmt: skip
NAMES = ("respondent", "date", "Q1", "Q2", "Q3", "branch", "check", "duration", "language", "weight")


def check(data: bytes) -> None:
    content = typed(data[1:]) if data and data[0] % 2 else data[1:]
    studies.check_responses(content, "2026-10.parquet")


def typed(choices: bytes) -> bytes:
    """A table whose column i holds the cells that byte i names, twisted by its high bits."""
    columns = {}
    for name, choice in zip(NAMES, choices.ljust(4, b"\x0c"), strict=False):
        array = pa.array(CELLS[choice % len(CELLS)])
        if choice & 0x40 and not (pa.types.is_nested(array.type) or pa.types.is_null(array.type)):
            array = array.dictionary_encode()
        if choice & 0x80 and pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("ns", "Asia/Shanghai"))
        columns[name] = array
    return written(pa.table(columns))


def written(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


@cache
def seeds() -> list[bytes]:
    plain = {
        "respondent": ["a", "b"],
        "date": ["2026-10-01"] * 2,
        "Q1": [1, 5],
        "Q2": [1.0, None],
        "branch": ["N", "S"],
    }
    table = pa.table(plain)
    index = table.to_pandas().set_index("respondent")
    return [
        b"\x00" + written(table),
        b"\x00" + written(pa.Table.from_pandas(index)),
        *(b"\x01" + bytes([2, 12, kind, kind, 0, 2, 0, 2, 0]) for kind in range(len(CELLS))),
        *(b"\x01" + bytes([2, kind, 0, 0, 0, kind | 0x40, 0]) for kind in range(len(CELLS))),
    ]
