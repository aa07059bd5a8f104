"""Periods of any length, and data/processed: rebuilt only on change, whole or not at all."""

import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from study_folders import csv, rows, small_study

import qa_lib as qa
from qa_lib.errors import InstrumentError, ResponseError, StudyError
from qa_lib.study import cleaning
from qa_lib.study.dates import labels, parse_dates
from qa_lib.study.instrument import template


def months():
    return {f"{month}.csv": csv(rows(month=month)) for month in ("2026-06", "2026-07", "2026-09", "2026-10")}


def test_a_longer_or_shorter_period_than_the_studys_own(tmp_path):
    study = qa.read_study(small_study(tmp_path, months()))
    assert study.periods() == ["2026-06", "2026-07", "2026-09", "2026-10"]
    quarter = study.responses("2026-Q3")
    assert quarter.data["period"].unique().tolist() == ["2026-07", "2026-09"]
    assert len(study.responses(2026).data) == 48
    assert study.responses("2026-10-03").data["date"].dt.day.unique().tolist() == [3]
    week = study.responses("2026-W40").data["date"]
    assert (week.min(), week.max()) == (pd.Timestamp(2026, 10, 1), pd.Timestamp(2026, 10, 4))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("day", [f"2026-10-{day:02d}" for day in range(1, 13)]),
        ("week", ["2026-W40", "2026-W41", "2026-W42"]),
        ("quarter", ["2026-Q4"]),
        ("year", ["2026"]),
    ],
)
def test_dates_are_grouped_by_the_unit_the_study_names(tmp_path, unit, expected):
    period = {"column": "date", "unit": unit}
    study = qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}, {"period": period}))
    assert study.periods() == expected


def test_quarters_of_a_study_whose_period_is_in_the_files_name(tmp_path):
    exports = {f"wave_{month}.csv": csv(rows(month=month).drop(columns="date")) for month in ("2026-07", "2026-10")}
    study = qa.read_study(small_study(tmp_path, exports, {"period": {"file_pattern": r"_(\d{4}-\d\d)"}}))
    assert study.periods() == ["2026-07", "2026-10"]
    assert study.responses("2026-Q3").data["period"].unique().tolist() == ["2026-07"]


@pytest.mark.parametrize(
    ("name", "message"), [("other.csv", "finds no period in 'other.csv'"), ("x_99.csv", "'99' is")]
)
def test_file_names_without_a_period(tmp_path, name, message):
    study = small_study(tmp_path, {name: csv(rows())}, {"period": {"file_pattern": r"_(\d+)"}})
    with pytest.raises(StudyError, match=message):
        qa.read_study(study).responses()


def test_rows_without_a_date_are_in_the_ledger(tmp_path):
    table = rows()
    table.loc[3, "date"] = "soon"
    table.loc[5, "date"] = ""
    responses = qa.read_study(small_study(tmp_path, {"a.csv": csv(table)})).responses()
    assert len(responses.data) == 10
    assert responses.ledger["reason"].tolist() == ["no_date", "no_date"]
    assert dict(zip(responses.ledger["row"], responses.ledger["before"], strict=True)) == {5: "soon", 7: ""}


def test_slashed_dates_need_one_reading_only():
    american = parse_dates(pd.Series(["05/11/2016 12:00:00 AM", "05/25/2016 12:00:00 AM"]))
    european = parse_dates(pd.Series(["11/05/2016", "25/05/2016"]))
    assert american.dt.day.tolist() == european.dt.day.tolist() == [11, 25]
    with pytest.raises(ResponseError, match="month first and day first"):
        parse_dates(pd.Series(["05/11/2016", "06/12/2016"]))
    assert parse_dates(pd.Series(["05/11/2016"]), "%d/%m/%Y").dt.month.tolist() == [11]


def test_an_iso_week_belongs_to_the_year_of_its_thursday():
    assert labels(pd.Series(pd.to_datetime(["2027-01-01", "2026-12-28"])), "week").tolist() == ["2026-W53"] * 2


# data/processed


def processed(study):
    return study.processed / "responses.parquet"


def test_processed_files_stand_beside_raw_and_are_reused(tmp_path, monkeypatch):
    folder = small_study(tmp_path, months())
    study = qa.read_study(folder)
    built = study.responses()
    assert study.processed == tmp_path / "processed" / "small"
    assert sorted(path.name for path in study.processed.iterdir()) == ["ledger.parquet", "responses.parquet"]
    cleaning._loaded.clear()
    monkeypatch.setattr(cleaning, "build", lambda study: pytest.fail("built again"))
    stored = qa.read_study(folder).responses()
    pd.testing.assert_frame_equal(stored.data, built.data, check_dtype=False)
    pd.testing.assert_frame_equal(stored.ledger, built.ledger, check_dtype=False)


@pytest.mark.parametrize("change", ["export", "new export", "study", "instrument"])
def test_processed_files_follow_what_changes(tmp_path, change):
    folder = small_study(tmp_path, {"a.csv": csv(rows())})
    study = qa.read_study(folder)
    study.responses()
    stamp = pq.read_schema(processed(study)).metadata[b"qa_lib.fingerprint"]
    if change == "export":
        (folder / "responses" / "a.csv").write_text(csv(rows().assign(Q1=rows()["Q1"].iloc[::-1].to_numpy())))
    elif change == "new export":
        (folder / "responses" / "b.csv").write_text(csv(rows(month="2026-11")))
    else:
        with (folder / f"{change}.yaml").open("a", encoding="utf-8") as file:
            file.write({"study": "minimum_cell: 5\n", "instrument": "missing_codes: [9]\n"}[change])
    again = qa.read_study(folder)
    responses = again.responses()
    assert pq.read_schema(processed(again)).metadata[b"qa_lib.fingerprint"] != stamp
    assert len(responses.data) == (24 if change == "new export" else 12)


@pytest.mark.parametrize("damage", [b"", b"PAR1 cut off"])
def test_a_damaged_processed_file_is_built_again(tmp_path, damage):
    study = qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}))
    study.responses()
    processed(study).write_bytes(damage)
    cleaning._loaded.clear()
    assert len(study.responses().data) == 12
    assert pq.read_table(processed(study)).num_rows == 12


def test_an_interrupted_write_leaves_the_old_file_and_no_scrap(tmp_path, monkeypatch):
    folder = small_study(tmp_path, {"a.csv": csv(rows())})
    study = qa.read_study(folder)
    study.responses()
    before = processed(study).read_bytes()
    (folder / "responses" / "b.csv").write_text(csv(rows(month="2026-11")))

    def stop(*_):
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", stop)
        with pytest.raises(OSError, match="disk full"):
            qa.read_study(folder).responses()
    assert processed(study).read_bytes() == before
    assert len(list(study.processed.iterdir())) == 2
    assert len(qa.read_study(folder).responses().data) == 24


# the templates


@pytest.mark.parametrize(("name", "n_items"), [("rater", 22), ("rater_expectations", 22), ("seven_dimensions", None)])
def test_templates_ask_everything_in_both_languages(name, n_items):
    instrument = template(name)
    experienced = [item for items in instrument.dimensions.values() for item in items]
    assert n_items in {None, len(experienced)}
    assert all(set(item.wording) >= {"en", "zh"} and all(item.wording.values()) for item in instrument.items.values())
    assert {"satisfaction", "repurchase", "nps", "effort"} <= set(instrument.outcomes)
    assert all(len(items) >= 3 for items in instrument.dimensions.values())


def test_rater_templates_dimensions_and_pairs():
    rater = template("rater")
    assert {name: len(items) for name, items in rater.dimensions.items()} == {
        "reliability": 5, "assurance": 4, "tangibles": 4, "empathy": 5, "responsiveness": 4
    }  # fmt: skip
    chinese = [rater.dimension_name(name, "zh") for name in rater.dimensions]
    assert chinese == ["信赖度", "专业度", "有形度", "同理度", "反应度"]
    expectations = template("rater_expectations")
    assert expectations.pairs == [(f"X{item}", item) for items in rater.dimensions.values() for item in items]
    assert len(template("seven_dimensions").dimensions) == 7
    with pytest.raises(InstrumentError, match="rater, rater_expectations, seven_dimensions"):
        template("servqual")


@pytest.mark.parametrize("others", [[], ["2025-10-01 13:38:43"]])
def test_a_sign_within_a_time_is_no_offset(others):
    """Found by fuzzing: pandas takes 5:47 for one, and then cannot mix it with times that have none."""
    found = parse_dates(pd.Series(["2025-10-01 10:2-5:47", *others]))
    assert found.isna().tolist() == [True, *(False for _ in others)]
