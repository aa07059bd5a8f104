"""Exports with a row per answer give what the same answers give with a row per respondent."""

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from study_folders import small_study

import qa_lib as qa
from qa_lib.errors import InstrumentError, ResponseError

LONG = {"respondent": "pid", "item": "question", "answer": "answer", "time": "at"}
ITEMS = ["Q1", "Q2", "Q3"]


def wide(answers: list[list], branch: str = "north") -> pd.DataFrame:
    """A row per respondent with the answers given; None is no answer."""
    table = pd.DataFrame(answers, columns=ITEMS, dtype=object)
    table.insert(0, "pid", [f"p{i}" for i in range(len(table))])
    return table.assign(branch=branch, date=[f"2026-10-{1 + i % 28:02d} 12:00:00" for i in range(len(table))])


def long(table: pd.DataFrame) -> pd.DataFrame:
    """A row per answer, each a minute after the one before."""
    told = table.melt(["pid", "branch", "date"], ITEMS, "question", "answer").sort_values(["pid", "question"])
    minutes = pd.to_timedelta(told.groupby("pid").cumcount(), unit="min")
    return told.assign(at=(pd.to_datetime(told["date"]) + minutes).astype(str)).reset_index(drop=True)


def answers_of(folder, name: str, table: pd.DataFrame, **instrument) -> pd.DataFrame:
    study = {"segments": [{"id": "branch"}], "columns": {"respondent": ["pid"]}}
    path = small_study(folder / name, {f"{name}.csv": table.to_csv(index=False)}, study, **instrument)
    return qa.read_study(path).responses()


ANSWER = st.sampled_from([None, 1, 2, 3, 4, 5, "Satisfied", "很满意", "9"])


@pytest.mark.filterwarnings("ignore::qa_lib.errors.DataWarning")  # a few answers need not vary
@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(st.lists(st.tuples(ANSWER, ANSWER, ANSWER), min_size=3, max_size=12), st.integers(0, 99))
def test_wide_and_long_of_the_same_answers_are_the_same(tmp_path_factory, rows, seed):
    labels = {4: {"en": "Satisfied"}, 5: {"zh": "很满意"}}
    scales = {"five": {"min": 1, "max": 5, "labels": labels}}
    folder = tmp_path_factory.mktemp("same")
    table = wide([[1, 2, 3], *map(list, rows)])
    found = answers_of(folder, "wide", table, scales=scales)
    shuffled = long(table).sample(frac=1, random_state=seed)
    for name, told in {"long": long(table), "shuffled": shuffled}.items():
        other = answers_of(folder, name, told, scales=scales, long=LONG)
        of = ["respondent", "branch", "date", "period", *ITEMS]
        same = [r.data[of].sort_values("respondent", ignore_index=True) for r in (found, other)]
        pd.testing.assert_frame_equal(*same)
        kinds = [r.ledger.groupby(["column", "reason", "before", "after"])["count"].sum() for r in (found, other)]
        pd.testing.assert_series_equal(*kinds)


def test_a_row_per_answer_keeps_the_rows_of_the_file(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 77]]))
    found = answers_of(tmp_path, "a", told, long=LONG)
    assert found.data["source_row"].tolist() == [2, 5, 8]
    entry = found.ledger[found.ledger["reason"] == "out_of_range"].iloc[0]
    assert entry[["row", "column", "before"]].tolist() == [8, "Q3", "77"]


def test_the_last_of_several_answers_counts(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    again = told.iloc[[0]].assign(answer=5, at="2026-10-01 18:00:00")
    found = answers_of(tmp_path, "a", pd.concat([again, told]), long=LONG)
    assert found.data["Q1"].tolist() == [5, 4, 2]
    entry = found.ledger[found.ledger["reason"] == "answered_again"]
    assert entry[["file", "row", "column", "before", "count"]].to_numpy().tolist() == [["a.csv", 3, "Q1", "1", 1]]


def test_the_same_answer_twice_is_one_answer(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    timeless = {key: value for key, value in LONG.items() if key != "time"}
    found = answers_of(tmp_path, "a", pd.concat([told, told.iloc[[0]]]).drop(columns="at"), long=timeless)
    assert found.data["Q1"].tolist() == [1, 4, 2]
    assert found.ledger["reason"].tolist() == ["answered_again"]


@pytest.mark.parametrize("time", [None, "at"])
def test_two_answers_without_order_are_refused(tmp_path, time):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    layout = {key: value for key, value in (LONG | {"time": time}).items() if value}
    with pytest.raises(ResponseError, match=r"a\.csv, rows 2 and 11: one respondent has different answers"):
        answers_of(tmp_path, "a", pd.concat([told, told.iloc[[0]].assign(answer=2)]), long=layout)


def test_a_later_blank_takes_an_answer_back(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    again = told.iloc[[0]].assign(answer="", at="2026-10-01 18:00:00")
    found = answers_of(tmp_path, "a", pd.concat([again, told]), long=LONG)
    assert found.data["Q1"].isna().tolist() == [True, False, False]


def test_context_that_differs_is_reported(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    told.loc[1, "branch"] = "south"
    told.loc[4, "branch"] = ""
    found = answers_of(tmp_path, "a", told, long=LONG)
    assert found.data["branch"].tolist() == ["north", "north", "north"]
    entry = found.ledger[found.ledger["reason"] == "differs_within_respondent"]
    assert entry[["row", "column", "before"]].to_numpy().tolist() == [[2, "branch", "north | south"]]


def test_items_nobody_named_and_rows_of_nobody_are_in_the_ledger(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    extra = told.iloc[[0, 3, 1, 2]].assign(question=["Q9", "Q9", " q1 ", None], pid=["p0", "p1", None, "p0"])
    found = answers_of(tmp_path, "a", pd.concat([told, extra]), long=LONG)
    entries = found.ledger.set_index("reason")[["column", "count"]].to_dict("index")
    assert entries == {
        "no_respondent": {"column": "pid", "count": 1},
        "no_item": {"column": "question", "count": 1},
        "item_not_named": {"column": "Q9", "count": 2},
    }


def test_waves_of_one_respondent_are_responses_of_their_own(tmp_path):
    parts = [long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]])).assign(month=month) for month in ("10", "11")]
    parts[1] = parts[1].assign(**{c: parts[1][c].str.replace("-10-", "-11-") for c in ("at", "date")})
    found = answers_of(tmp_path, "a", pd.concat(parts), long=LONG | {"wave": "month"})
    assert found.data["period"].value_counts().to_dict() == {"2026-10": 3, "2026-11": 3}
    assert found.data["respondent"].nunique() == 3


def test_wide_and_long_files_may_lie_side_by_side(tmp_path):
    table = wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]])
    later = table.assign(date=table["date"].str.replace("-10-", "-11-"))
    study = {"columns": {"respondent": ["pid"]}}
    exports = {"a.csv": long(table).to_csv(index=False), "b.csv": later.to_csv(index=False)}
    found = qa.read_study(small_study(tmp_path, exports, study, long=LONG)).responses()
    assert found.data[ITEMS].to_numpy().tolist() == 2 * table[ITEMS].to_numpy().tolist()


def test_read_responses_knows_the_layout(tmp_path):
    path = small_study(
        tmp_path, {"a.csv": long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]])).to_csv(index=False)}, long=LONG
    )
    found = qa.read_responses(path / "responses", qa.read_instrument(path / "instrument.yaml"))
    assert found.data[ITEMS].to_numpy().tolist() == [[1, 2, 3], [4, 5, 4], [2, 3, 2]]
    assert found.data["date"].iloc[0] == "2026-10-01 12:00:00"


def test_a_layout_that_does_not_fit_says_so(tmp_path):
    told = long(wide([[1, 2, 3], [4, 5, 4], [2, 3, 2]]))
    with pytest.raises(ResponseError, match=r"no column 'when', which instrument\.yaml names under long"):
        answers_of(tmp_path, "a", told, long=LONG | {"time": "when"})
    with pytest.raises(InstrumentError, match="Did you mean 'respondent'"):
        answers_of(tmp_path, "b", told, long=LONG | {"respondents": "pid"})
    many = pd.concat([told] * 600, ignore_index=True)
    many["question"] = many.index.astype(str)
    with pytest.raises(ResponseError, match="holds 5,400 different items of 3 respondents"):
        answers_of(tmp_path, "c", many, long=LONG)
