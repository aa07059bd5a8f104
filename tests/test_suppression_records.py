"""Operations records: units and causes too small to show cannot be got back from the tables beside them."""

import numpy as np
import pandas as pd
from test_suppression import MINIMUM, bounds

from qa_lib.report.suppression import dated, hidden_cells, hidden_groups


def tickets(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 400
    return pd.DataFrame(
        {
            "submitted": [f"2026-{month:02d}-{day:02d} 09:00" for month, day in rng.integers([7, 1], [10, 29], (n, 2))],
            "branch": rng.choice(["north", "south", "east"], n, p=[0.6, 0.35, 0.05]),
            "cause": rng.choice(["staff", "system", "supplier", "rule"], n, p=[0.6, 0.3, 0.07, 0.03]),
        }
    )


def test_records_are_hidden_as_responses_are_by_month_and_quarter():
    table = dated(tickets(1), "submitted")
    for month in ("2026-07", "2026-08", "2026-09"):
        counts = table[table["period"] == month]["branch"].value_counts()
        hidden = hidden_groups(table, "branch", month, MINIMUM)
        assert set(counts.index[counts < MINIMUM]) <= hidden
        assert counts[list(hidden)].sum() >= MINIMUM
    assert hidden_groups(table, "branch", "2026-Q3", MINIMUM) <= {"east", "south", "north"}


def test_no_small_cell_of_records_follows_from_the_tables():
    table = dated(tickets(2), "submitted")
    cells = hidden_cells(table, ("branch", "cause"), "2026-Q3", MINIMUM)
    counts = pd.crosstab(table["branch"], table["cause"])
    places = [(b, c) for b in counts.index for c in counts if counts.loc[b, c]]
    everyone = hidden_groups(table, "cause", "2026-Q3", MINIMUM)
    branches = hidden_groups(table, "branch", "2026-Q3", MINIMUM)
    sums = [([place], counts.loc[place]) for place in places if not cells.loc[place]]
    sums += [([p for p in places if p[1] == c], counts[c].sum()) for c in counts if c not in everyone]
    sums += [([p for p in places if p[0] == b], counts.loc[b].sum()) for b in counts.index if b not in branches]
    sums += [(places, len(table))]
    small = [place for place in places if counts.loc[place] < MINIMUM]
    assert small
    for place, (low, high) in bounds(places, sums).items():
        if place in small:
            assert high - low > 0.5, f"{place} is {low} to {high}"
