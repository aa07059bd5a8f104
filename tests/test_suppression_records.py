"""Operations records: units and causes too small to show cannot be got back from the tables beside them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from study_folders import csv, rows, small_study
from test_suppression import MINIMUM, bounds

from qa_lib.operations.kpi.kpi_spec import read_kpi_spec
from qa_lib.report import display
from qa_lib.report.pages import causes, kpi_rows, open_page
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


BRANCHES = ("east", "north", "south")
PERIODS = ("2026-07", "2026-08", "2026-09", "2026-Q3")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three months of answers and tickets of three branches: causes and errors common and rare."""
    answers = pd.concat([rows(60, month) for month in PERIODS[:3]])
    answers["branch"] = np.resize(BRANCHES, len(answers))
    spec = {"segments": [{"id": "branch"}], "minimum_cell": MINIMUM}
    folder = small_study(tmp_path_factory.mktemp("causes"), {"a.csv": csv(answers)}, spec)
    rng = np.random.default_rng(5)
    records = pd.concat([tickets(seed) for seed in (3, 4, 6)], ignore_index=True)
    records["ticket_id"] = np.arange(len(records))
    records["error"] = rng.choice(["", "typing", "rule", "forgotten"], len(records), p=[0.6, 0.3, 0.07, 0.03])
    records["error"] = records["error"].where(records["branch"] != "east", "")
    columns = {"priority": "normal", "contacts": 1, "resolved": records["submitted"].str[:11] + "17:00"}
    (folder / "tickets").mkdir()
    records.assign(**columns).to_csv(folder / "tickets" / "t.csv", index=False)
    return folder, records.assign(month=records["submitted"].str[:7])


@pytest.fixture(scope="module")
def published(study) -> dict[tuple[str, str, str], pd.Series]:
    """What every page shows of tickets: by period, branch ("" for everyone) and column, the counts by cause; the
    pooled one's is nan."""
    found, standards = {}, SimpleNamespace(spec=read_kpi_spec(None))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("paragraph", "heading"):
            patch.setattr(display, name, lambda *_: None)
        for period, branch in itertools.product(PERIODS, ("", *BRANCHES)):
            page = open_page(study[0], period, branch and f"branch={branch}", "en", answers=False)
            shown = {}
            patch.setattr(causes, "_show", lambda _, what, rows, kinds, shown=shown: shown.update({what: rows}))
            causes.ranked(page, kpi_rows.tables(page, None), standards)
            found |= {(period, branch, what): rows.set_index("cause")["count"] for what, rows in shown.items()}
    return found


@pytest.mark.parametrize("column", ["cause", "error"])
def test_no_small_cause_follows_from_the_pages(study, published, column):
    """Everyone's page and every branch's, of the months and of their quarter, held against each other."""
    records = study[1]
    true = records[records[column] != ""].groupby(["month", "branch", column]).size().to_dict()
    sums, n_shown, n_pooled = [], 0, 0
    for period, branch in itertools.product(PERIODS, ("", *BRANCHES)):
        here = [cell for cell in true if period in (cell[0], "2026-Q3") and branch in (cell[1], "")]
        sums.append((here, sum(true[cell] for cell in here)))  # the total is a KPI's number of cases
        counts = published.get((period, branch, f"tickets_{column}"), pd.Series(dtype=float))
        one = counts[counts.index.notna()]
        sums += [([cell for cell in here if cell[2] == cause], count) for cause, count in one.items()]
        n_shown, n_pooled = n_shown + len(one), n_pooled + len(counts) - len(one)
    assert n_shown > 10
    assert n_pooled > 2
    found = bounds(list(true), sums)
    small = [cell for cell, n in true.items() if n < MINIMUM]
    assert small
    for cell in small:
        low, high = found[cell]
        assert high - low > 0.5, f"{cell} is {low} to {high}"


def test_no_count_on_a_page_is_small_pooled_or_not(published):
    assert len(published) > 10
    assert all((counts >= MINIMUM).all() for counts in published.values())
