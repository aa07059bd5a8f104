"""The ledger: what cleaning changed, left out or found wanting, cell by cell, so that nothing is lost unseen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

COLUMNS = ["file", "row", "column", "before", "after", "reason", "count"]


class LedgerBook:
    """Collects entries while files are cleaned; ``table()`` gives the ledger.

    A decision about single cells or rows is an entry each; a rule for a whole column (labels to codes, a reversed
    key) is one entry per pair of values, with the number of cells it changed as ``count`` and no row.
    """

    def __init__(self) -> None:
        self._parts: list[pd.DataFrame] = []

    def cells(self, file: str, rows: pd.Series | np.ndarray, column: str, before: Sequence, reason: str) -> None:
        """An entry for every one of the cells given by their rows in the file and their values before."""
        if len(rows):
            before = pd.Series(before).astype("string").fillna("").to_numpy()
            part = {"file": file, "row": np.asarray(rows), "column": column, "before": before}
            self._parts.append(pd.DataFrame({**part, "after": "", "reason": reason, "count": 1}))

    def rule(self, file: str, column: str, before: Sequence, after: Sequence, counts: Sequence, reason: str) -> None:
        """An entry for every pair of values that a rule turned into one another, with the number of cells."""
        if len(before):
            texts = {"before": [_shown(value) for value in before], "after": [_shown(value) for value in after]}
            part = {"file": file, "row": pd.NA, "column": column, **texts, "reason": reason, "count": counts}
            self._parts.append(pd.DataFrame(part))

    def table(self) -> pd.DataFrame:
        """All entries with the columns ``COLUMNS``; ``row`` as a spreadsheet counts, the header's row being 1."""
        if not self._parts:
            return pd.DataFrame(columns=COLUMNS).astype({"row": "Int64", "count": "int64"})
        table = pd.concat([part.astype({"row": "Int64"}) for part in self._parts], ignore_index=True)
        return table[COLUMNS].astype({column: "string" for column in COLUMNS if column not in {"row", "count"}})


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
