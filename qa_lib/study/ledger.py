"""The ledger: what cleaning changed, left out or found wanting, cell by cell, so that nothing is lost unseen."""

from __future__ import annotations

import pandas as pd

COLUMNS = ["file", "row", "column", "before", "after", "reason", "count"]


class LedgerBook:
    """Collects entries while files are cleaned; ``table()`` gives the ledger.

    A decision about single cells or rows is an entry each; a rule for a whole column (labels to codes, a reversed
    key) is one entry per pair of values, with the number of cells it changed as ``count`` and no row.
    """

    def __init__(self) -> None:
        self._parts: list[pd.DataFrame] = []

    def cells(self, file: str, rows: pd.Series, column: str, before: pd.Series, after: object, reason: str) -> None:
        """An entry for every one of the cells given by their rows in the file and their values before."""
        if len(rows):
            part = {"file": file, "row": rows.to_numpy(), "column": column, "before": before.astype(str).to_numpy()}
            self._parts.append(pd.DataFrame({**part, "after": _shown(after), "reason": reason, "count": 1}))

    def rule(self, file: str, column: str, before: pd.Series, after: pd.Series, reason: str) -> None:
        """An entry for every distinct pair of values that a rule turned into one another."""
        pairs = pd.DataFrame({"before": before.astype(str), "after": after.astype(str)})
        counted = pairs.value_counts(sort=False).reset_index(name="count")
        if len(counted):
            self._parts.append(counted.assign(file=file, row=pd.NA, column=column, reason=reason))

    def table(self) -> pd.DataFrame:
        """All entries with the columns ``COLUMNS``; row counts from 1 at the first line of answers in the file."""
        if not self._parts:
            return pd.DataFrame(columns=COLUMNS).astype({"row": "Int64", "count": "int64"})
        table = pd.concat([part.astype({"row": "Int64"}) for part in self._parts], ignore_index=True)
        return table[COLUMNS].astype({column: "string" for column in COLUMNS if column not in {"row", "count"}})


def _shown(value: object) -> str:
    return "" if value is None else str(value)
