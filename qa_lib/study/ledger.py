"""The ledger: what cleaning changed, left out or found wanting, cell by cell, so that nothing is lost unseen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qa_lib.study.privacy import redacted

_LONGEST = 1000
COLUMNS = ["file", "row", "column", "before", "after", "reason", "count"]


class LedgerBook:
    """Collects entries while files are cleaned; ``table()`` gives the ledger.

    A decision about single cells or rows is an entry each; a rule for a whole column (labels to codes, a reversed
    key) is one entry per pair of values, with the number of cells it changed as ``count`` and no row. Personal data are
    not entered: what is recognised as such is replaced by its kind.
    """

    def __init__(self) -> None:
        self._entries: list[tuple] = []

    def __len__(self) -> int:
        return len(self._entries)

    def cells(self, file: str, rows: Sequence, column: str, before: Sequence, reason: str) -> None:
        """An entry for every one of the cells given by their rows in the file and their values before."""
        for row, value in zip(rows, before, strict=True):
            self._entries.append((file, int(row), column, _shown(value), "", reason, 1))

    def rule(self, file: str, column: str, before: Sequence, after: Sequence, counts: Sequence, reason: str) -> None:
        """An entry for every pair of values that a rule turned into one another, with the number of cells."""
        for old, new, count in zip(before, after, counts, strict=True):
            self._entries.append((file, None, redacted(column), _shown(old), _shown(new), reason, int(count)))

    def table(self) -> pd.DataFrame:
        """All entries with the columns ``COLUMNS``; ``row`` as a spreadsheet counts, the header's row being 1."""
        kinds = {name: "Int64" if name == "row" else "int64" if name == "count" else "string" for name in COLUMNS}
        return pd.DataFrame(self._entries, columns=COLUMNS, dtype=object).astype(kinds)


def _shown(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    if len(text) <= _LONGEST:
        return redacted(text)
    return (
        f"{redacted(text[: 2 * _LONGEST])[:_LONGEST]}…"  # the export has the rest; nothing is cut before it is redacted
    )
