"""No hidden count can be got back from what is shown: attacks on the published tables by linear programming."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from qa_lib.report import suppression
from qa_lib.report.suppression import determined, hidden_cells, hidden_groups, parts_of

MINIMUM = 10


def answers(counts: dict[str, dict[str, int]]) -> pd.DataFrame:
    """A row per response of every period and branch."""
    rows = [(period, branch) for period, of in counts.items() for branch, n in of.items() for _ in range(n)]
    data = pd.DataFrame(rows, columns=["period", "branch"])
    return data.assign(date=pd.to_datetime(data["period"] + "-15"))


def drawn(seed: int, months: int = 12, branches: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0.5, 3, 8, 12, 30], size=branches)
    return answers(
        {
            f"2026-{month:02d}": {f"b{branch}": int(n) for branch, n in enumerate(rng.poisson(sizes)) if n}
            for month in range(1, months + 1)
        }
    )


def bounds(cells: list, sums: list[tuple[list, int]]) -> dict:
    """The least and the largest count of every cell that agrees with all the sums an attacker knows."""
    place = {cell: i for i, cell in enumerate(cells)}
    matrix = np.zeros((len(sums), len(cells)))
    for row, (members, _) in enumerate(sums):
        for cell in members:
            matrix[row, place[cell]] += 1
    right = [total for _, total in sums]
    ends = {}
    for cell in cells:
        goal = np.eye(len(cells))[place[cell]]
        low, high = (
            linprog(sign * goal, A_eq=matrix, b_eq=right, bounds=(0, None), method="highs") for sign in (1, -1)
        )
        assert low.status == high.status == 0, "the true counts satisfy the sums"
        ends[cell] = (low.fun, -high.fun)
    return ends


def attack(data: pd.DataFrame, year: str, hidden_in: dict[str, set]) -> tuple[dict, dict]:
    """Bounds of the months' counts an attacker finds from every table of the year, and the true counts."""
    months = [month for quarter in parts_of(year) for month in parts_of(quarter)]
    true = {(g, m): int(n) for (m, g), n in data.groupby(["period", "branch"]).size().items()}
    sums = []
    for period in hidden_in:
        inside = [m for m in months if m == period or m in parts_of(period) or period == year]
        here = {cell: n for cell, n in true.items() if cell[1] in inside}
        sums.append((list(here), sum(here.values())))  # the period's total
        for group in {cell[0] for cell in here} - hidden_in[period]:
            members = [cell for cell in here if cell[0] == group]
            sums.append((members, sum(true[cell] for cell in members)))
    return bounds(list(true), sums), true


def published(data: pd.DataFrame, year: str = "2026") -> dict[str, set]:
    quarters = [quarter for quarter in parts_of(year) if data["period"].isin(parts_of(quarter)).any()]
    periods = [*sorted(data["period"].unique()), *quarters, year]
    return {period: hidden_groups(data, "branch", period, MINIMUM) for period in periods}


@pytest.mark.parametrize("seed", range(6))
def test_no_small_count_follows_from_months_quarters_and_the_year(seed):
    data = drawn(seed)
    hidden = published(data)
    found, true = attack(data, "2026", hidden)
    small = [cell for cell, n in true.items() if n < MINIMUM]
    assert small
    for cell in small:
        assert cell[0] in hidden[cell[1]]
        low, high = found[cell]
        assert high - low > 0.5, f"{cell} is {low} to {high}"


def test_the_attack_succeeds_where_only_small_groups_are_hidden():
    """So that the test above can fail: hiding what is small alone gives it away."""
    data = drawn(0)
    months = data.groupby(["period", "branch"]).size()
    naive = {m: set(months[m].index[months[m] < MINIMUM]) for m in data["period"].unique()}
    found, true = attack(
        data, "2026", naive | {longer: set() for longer in ("2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4", "2026")}
    )
    assert any(high - low < 1e-6 and true[cell] < MINIMUM for cell, (low, high) in found.items())


def test_one_small_group_takes_the_next_smallest_with_it():
    data = answers({"2026-10": {"a": 40, "b": 12, "c": 3, "d": 25}})
    assert hidden_groups(data, "branch", "2026-10", MINIMUM) == {"b", "c"}


def test_small_groups_that_are_enough_together_stand_alone():
    data = answers({"2026-10": {"a": 40, "b": 9, "c": 8, "d": 25}})
    assert hidden_groups(data, "branch", "2026-10", MINIMUM) == {"b", "c"}
    few = answers({"2026-10": {"a": 40, "b": 4, "c": 3, "d": 25}})
    assert hidden_groups(few, "branch", "2026-10", MINIMUM) == {"b", "c", "d"}


def test_nothing_is_hidden_where_nothing_is_small():
    data = answers({f"2026-{month:02d}": {"a": 40, "b": 12} for month in (7, 8, 9)})
    assert set(map(frozenset, published(data).values())) == {frozenset()}


def test_a_group_small_in_one_month_is_hidden_in_the_quarter():
    data = answers({f"2026-{month:02d}": {"a": 40, "b": 3 if month == 8 else 20, "c": 30} for month in (7, 8, 9)})
    hidden = published(data)
    assert hidden["2026-07"] == hidden["2026-09"] == set()
    assert hidden["2026-08"] == hidden["2026-Q3"] == {"b", "c"}


def test_a_group_small_in_every_month_is_shown_in_the_quarter():
    data = answers({f"2026-{month:02d}": {"a": 40, "b": 8, "c": 30} for month in (7, 8, 9)})
    hidden = published(data)
    assert hidden["2026-07"] == {"b", "c"}
    assert hidden["2026-Q3"] == set()


def test_missing_groups_and_periods_by_name_alone():
    data = answers({"2026-10": {"a": 40, "b": 12, "c": 3}}).drop(columns="date")
    data.loc[:4, "branch"] = None
    assert hidden_groups(data, "branch", "2026-10", MINIMUM) == {"b", "c"}
    assert hidden_groups(data, "branch", "2026", MINIMUM) == {"b", "c"}


@pytest.mark.parametrize("seed", range(5))
def test_no_small_cell_of_two_segments_follows_from_the_tables(seed):
    rng = np.random.default_rng(seed)
    data = answers({"2026-10": {f"b{i}": n for i, n in enumerate((60, 45, 40, 30, 6))}})
    data["channel"] = rng.choice(["counter", "phone", "app", "post"], len(data), p=[0.5, 0.25, 0.18, 0.07])
    table = pd.crosstab(data["branch"], data["channel"])
    hidden = hidden_cells(data, ("branch", "channel"), "2026-10", MINIMUM)
    pd.testing.assert_frame_equal(hidden.T, hidden_cells(data, ("channel", "branch"), "2026-10", MINIMUM))
    groups = {column: hidden_groups(data, column, "2026-10", MINIMUM) for column in ("branch", "channel")}
    cells = [(b, c) for b in table.index for c in table.columns if table.loc[b, c]]
    sums = [([cell], table.loc[cell]) for cell in cells if not hidden.loc[cell]]
    sums += [(([x for x in cells if x[0] == b]), table.loc[b].sum()) for b in table.index if b not in groups["branch"]]
    sums += [(([x for x in cells if x[1] == c]), table[c].sum()) for c in table.columns if c not in groups["channel"]]
    sums += [(cells, len(data))]
    for cell, (low, high) in bounds(cells, sums).items():
        if table.loc[cell] < MINIMUM:
            assert hidden.loc[cell]
            assert high - low > 0.5, f"{cell} is {low} to {high}"


def test_a_cell_hidden_in_a_month_is_hidden_in_its_quarter():
    data = answers({f"2026-{month:02d}": {"a": 40, "b": 40} for month in (7, 8, 9)})
    data["channel"] = np.where(data.groupby(["period", "branch"]).cumcount() % 2, "app", "phone")
    data.loc[data.query("period == '2026-08' and branch == 'a' and channel == 'app'").index[4:], "channel"] = "phone"
    assert hidden_cells(data, ("branch", "channel"), "2026-08", MINIMUM).all(axis=None)
    assert hidden_cells(data, ("branch", "channel"), "2026-Q3", MINIMUM).all(axis=None)
    assert not hidden_cells(data, ("branch", "channel"), "2026-07", MINIMUM).any(axis=None)


def test_what_equations_fix_is_found():
    square = [["ax", "ay"], ["bx", "by"], ["ax", "bx"], ["ay", "by"]]
    assert determined(square) == set()
    assert determined([*square, ["ax"]]) == {"ax", "ay", "bx", "by"}
    assert determined([["a", "b"], ["b", "c"], ["c", "a"], ["d", "e"]]) == {"a", "b", "c"}


@pytest.mark.parametrize("seed", range(20))
def test_bridges_are_what_the_equations_fix(seed) -> None:
    rng = np.random.default_rng(seed)
    unseen = rng.random((7, 4)) < 0.3
    rows = [[(i, j) for j in np.flatnonzero(line)] for i, line in enumerate(unseen)]
    columns = [[(i, j) for i in np.flatnonzero(line)] for j, line in enumerate(unseen.T)]
    cells = [cell for row in rows for cell in row]
    assert determined([*rows, *columns]) == suppression._fixed(cells, [*rows, *columns])


def test_a_table_of_a_thousand_rows_hides_no_more_than_it_must() -> None:
    rng = np.random.default_rng(1)
    sizes = {"a": 30, "b": 15, "c": 12}
    data = pd.concat(
        [pd.DataFrame({"period": "2026-10", "branch": f"{k:04d}", "channel": [name] * n})
         for k in range(1000) for name, n in sizes.items()], ignore_index=True,
    )  # fmt: skip
    few = rng.choice(1000, 50, replace=False)
    small = data["branch"].isin([f"{k:04d}" for k in few]) & (data["channel"] == "c")
    data = data[~small | (data.groupby(["branch", "channel"]).cumcount() < 4)]
    hidden = hidden_cells(data, ("branch", "channel"), "2026-10", 10)
    assert 100 <= hidden.to_numpy().sum() < 105  # each small cell and one beside it, and what these give away
