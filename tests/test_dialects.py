"""Exports of each platform become the same coded answers; what is no answer is left out and said."""

import export_files as files
import numpy as np
import pandas as pd
import pyreadstat
import pytest
from study_folders import csv, rows, small_study
from typer.testing import CliRunner

import qa_lib as qa
from qa_lib.cli import app
from qa_lib.drafting.draft import draft
from qa_lib.errors import ResponseError
from qa_lib.study.dates import parse_dates
from qa_lib.study.exports.dialects import DIALECTS, answers
from qa_lib.study.exports.files import read_export
from qa_lib.study.findings import check

EXPORTS = {
    "limesurvey": (files.limesurvey, "lime.csv", {}),
    "limesurvey codes": (files.limesurvey, "lime.csv", {"headings": "code", "outcome": "overall_satisfaction"}),
    "limesurvey texts": (files.limesurvey, "lime.csv", {"headings": "text"}),
    "surveymonkey": (files.surveymonkey, "monkey.csv", {}),
    "surveymonkey Excel": (files.surveymonkey, "monkey.xlsx", {}),
    "google_forms": (files.google_forms, "forms.csv", {}),
    "google_forms in Chinese": (files.google_forms, "forms.csv", {"chinese": True}),
    "tencent": (files.tencent, "wj.csv", {}),
    "tencent Excel": (files.tencent, "wj.xlsx", {}),
    "merged_headers": (files.merged, "survey.xlsx", {}),
    "plain Stata": (files.stata, "survey.dta", {}),
}


def exported(name, folder):
    make, file, options = EXPORTS[name]
    return make(folder / file, **options)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_dialect_is_recognised(name, tmp_path):
    assert answers(read_export(exported(name, tmp_path))).dialect.name == name.split()[0]


@pytest.mark.parametrize("name", EXPORTS)
def test_from_an_export_to_responses(name, tmp_path):
    """qa new and qa check, then the answers are those that were given."""
    folder, run = tmp_path / "raw" / "mine", CliRunner()
    created = run.invoke(app, ["new", str(folder), "--from", str(exported(name, tmp_path))])
    assert created.exit_code == 0, created.output
    checked = run.invoke(app, ["check", str(folder)])
    assert checked.exit_code == 0, checked.output
    assert {line.partition(":")[0] for line in checked.output.splitlines()} == {"confirm", "To confirm"}
    study = qa.read_study(folder)
    responses = study.responses("2026-10")
    truth = files.answers()
    first = 2 + {"merged_headers": 3, "surveymonkey": 1}.get(name.split()[0], 0) - name.endswith("Stata")
    given = truth.iloc[responses.data["source_row"] - first]
    items = [item for dimension in study.instrument.dimensions.values() for item in dimension]
    assert len(study.instrument.dimensions) == 2
    assert len(items) == 6
    coded = responses.data[[*items, study.instrument.outcomes["satisfaction"]]].to_numpy()
    known = given[[*files.ITEMS, "overall"]].to_numpy(dtype=float)
    np.testing.assert_array_equal(np.where(np.isnan(coded), known, coded), known)
    assert np.isnan(coded).sum() == {"limesurvey": 1, "plain": 3}.get(name.split()[0], 0)
    assert len(study.spec.segments) == 1
    assert responses.data[study.spec.segments[0].id].tolist() == given["branch"].tolist()
    day = "D" if name == "plain Stata" else "s"
    assert responses.data["date"].tolist() == given["end"].dt.floor(day).tolist()
    if name.split()[0] in ("limesurvey", "surveymonkey", "tencent"):
        np.testing.assert_array_equal(responses.data["duration"] // 1, 90 + given.index)
    shown = responses.data.astype(str).to_csv() + responses.ledger.to_csv()
    assert "203.0.113" not in shown
    assert "@example.org" not in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "limesurvey",
            {(4, "submitdate", "incomplete"), (7, "submitdate", "incomplete"), (9, "G01Q02_SQ001", "skipped")},
        ),
        ("tencent", {(6, "清洗数据结果", "marked_invalid")}),
        ("merged_headers", {(65, "No.", "footer")}),
        ("plain Stata", {(4, "speed1", "missing"), (5, "speed1", "missing")}),
        ("surveymonkey", set()),
    ],
)
def test_the_ledger_says_which_rows_are_no_answers(name, expected, tmp_path):
    study = qa.read_study(draft(exported(name, tmp_path)).write(tmp_path / "raw" / "mine"))
    cells = study.responses().ledger.dropna(subset="row")
    assert set(cells[["row", "column", "reason"]].itertuples(index=False, name=None)) == expected


def test_personal_columns_and_those_of_the_platform_are_no_segments(tmp_path):
    for name, personal in {
        "surveymonkey": {"IP Address", "Email Address", "First Name", "Last Name"},
        "tencent": {"昵称", "IP"},
        "limesurvey": {"ipaddr"},
        "google_forms": {"Email Address"},
    }.items():
        drafted = draft(exported(name, tmp_path))
        assert personal == {column.name for column in drafted.left_out if column.kind == "personal"}
        assert len(drafted.segments) == 1
    ledger = qa.read_study(drafted.write(tmp_path / "raw" / "mine")).responses().ledger
    assert ledger.loc[ledger["column"] == "Email Address", "reason"].tolist() == ["personal"]


def test_ranks_and_several_answers_are_neither_items_nor_segments(tmp_path):
    left = {column.name: column.kind for column in draft(exported("limesurvey", tmp_path)).left_out}
    assert [left[f"G02Q07[{rank}]"] for rank in (1, 2, 3)] == ["ranking"] * 3
    assert [left[f"G02Q06[{box}]"] for box in ("SQ001", "SQ002", "other")] == ["choices"] * 3
    left = {column.name: column.kind for column in draft(exported("google_forms", tmp_path)).left_out}
    assert left["How did you reach us?"] == "choices"


def test_language_of_the_interview(tmp_path):
    study = qa.read_study(draft(exported("limesurvey", tmp_path)).write(tmp_path / "raw" / "mine"))
    data = study.responses().data
    assert data["language"].tolist() == files.answers()["language"].iloc[data["source_row"] - 2].tolist()


def test_two_languages_in_one_file(tmp_path):
    """A question's labels in English in some rows, in Chinese in others."""
    truth = files.answers()
    chinese = truth["language"] == "zh"
    table = truth[["id", "language", "branch"]].assign(date=truth["end"].dt.date)
    for item in [*files.ITEMS, "overall"]:
        table[item] = np.where(chinese, files.words(truth[item], files.WORDS_ZH), files.words(truth[item]))
    table.to_csv(tmp_path / "both.csv", index=False)
    study = qa.read_study(draft(tmp_path / "both.csv").write(tmp_path / "raw" / "mine"))
    data = study.responses().data
    np.testing.assert_array_equal(data[files.ITEMS], truth[files.ITEMS])
    assert data["language"].tolist() == truth["language"].tolist()


def test_a_declared_dialect_wins(tmp_path):
    """Unfinished interviews count when the study says that the export is plain."""
    study = draft(exported("limesurvey codes", tmp_path)).write(tmp_path / "raw" / "mine")
    instrument, settings = ((study / name).read_text("utf-8") for name in ("instrument.yaml", "study.yaml"))
    (study / "instrument.yaml").write_text("dialect: plain\nmissing_codes: [N/A]\n" + instrument, "utf-8")
    (study / "study.yaml").write_text(settings.replace("{column: date}", "{column: startdate}"), "utf-8")
    data = qa.read_study(study).responses().data
    assert data["source_row"].tolist() == list(range(2, 62))
    np.testing.assert_array_equal(data["G01Q03_SQ002"].dropna(), files.answers()["care2"].drop(2))


@pytest.mark.parametrize(
    ("column", "cell"), [("Status", "Survey Preview"), ("Status", "Survey Test"), ("DistributionChannel", "preview")]
)
def test_previews_of_qualtrics_are_left_out(column, cell, tmp_path):
    table = rows().rename(columns={"respondent": "ResponseId", "date": "EndDate"})
    table.insert(0, "StartDate", table["EndDate"])
    table = table.assign(**{column: ["IP Address"] * 11 + [cell]})
    study = small_study(tmp_path, {"a.csv": csv(table)}, study={"period": {"column": "EndDate"}})
    responses = qa.read_study(study).responses()
    assert len(responses.data) == 11
    assert responses.ledger.loc[responses.ledger["reason"] == "preview", "row"].tolist() == [13]


def test_only_unfinished_interviews(tmp_path):
    table = pd.DataFrame(
        {"id": [1, 2], "submitdate": "", "lastpage": 1, "startlanguage": "en", "Q1": 3, "Q2": 3, "Q3": 3}
    )
    study = small_study(tmp_path, {"a.csv": csv(table)}, study={"period": {"value": "2026"}})
    with pytest.raises(ResponseError, match=r"a.csv: read as an export of limesurvey.*no answers \(2 incomplete\)"):
        qa.read_study(study).responses()


def test_an_spss_file_compressed_with_zlib(tmp_path):
    study = small_study(tmp_path, {})
    pyreadstat.write_sav(rows(), study / "responses" / "a.zsav", compress=True)
    np.testing.assert_array_equal(qa.read_study(study).responses().data[["Q1", "Q2", "Q3"]], rows()[["Q1", "Q2", "Q3"]])


def test_a_broken_stata_file(tmp_path):
    study = small_study(tmp_path, {"a.dta": b"<stata_dta> cut off"})
    with pytest.raises(ResponseError, match="not a whole Stata file"):
        qa.read_study(study).responses()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_titles_above_the_names_and_totals_below(separator, tmp_path):
    text = "Customer survey\n\n" + csv(rows(), sep=separator) + f"合计{separator}12\n"
    responses = qa.read_study(small_study(tmp_path, {"a.csv": text})).responses()
    np.testing.assert_array_equal(responses.data["source_row"], np.arange(4, 16))
    assert responses.ledger[["row", "reason"]].to_numpy().tolist() == [[16, "footer"]]


def test_headers_that_stand_twice_or_hold_markup(tmp_path):
    table = rows().set_axis(["respondent", "date", "Fast &amp; <i>friendly</i>", "On time", "On time"], axis=1)
    (tmp_path / "a.csv").write_text(csv(table), "utf-8")
    found = answers(read_export(tmp_path / "a.csv"))
    assert list(found.table)[2:] == ["Fast &amp; <i>friendly</i>", "On time", "On time.1"]
    assert found.wording == {"Fast &amp; <i>friendly</i>": "Fast & friendly", "On time.1": "On time"}


@pytest.mark.parametrize(
    "text",
    [
        "2026/10/03 2:05:07 PM GMT+8",
        "2026/10/03 2:05:07 下午 GMT+8",
        "2026/10/3 下午 2:05:07",
        "03-Oct-2026 14:05:07",
        "2026-10-03T14:05:07Z",
        "2026年10月3日 14:05:07",
    ],
)
def test_dates_as_platforms_write_them(text):
    assert parse_dates(pd.Series([text])).tolist() == [pd.Timestamp("2026-10-03 14:05:07")]


def test_dates_of_anonymous_interviews_are_none(tmp_path):
    file = files.limesurvey(
        tmp_path / "lime.csv", "code", submitdate="1980-01-01 00:00:00", startdate="1980-01-01 00:00:00"
    )
    study = qa.read_study(draft(file).write(tmp_path / "raw" / "mine"))
    assert study.spec.period.value is not None
    assert "error" not in set(check(study)["severity"])


def test_dialects_have_names_of_their_own_and_plain_is_last():
    names = [dialect.name for dialect in DIALECTS]
    assert len(set(names)) == len(names)
    assert names[-1] == "plain"


def test_decimal_commas_of_whole_answers(tmp_path):
    table = rows()
    with_commas = table.assign(Q1=[f"{code},0" for code in table["Q1"]], Q2=[f"{code},00" for code in table["Q2"]])
    data = qa.read_study(small_study(tmp_path, {"a.csv": csv(with_commas, sep=";")})).responses().data
    np.testing.assert_array_equal(data[["Q1", "Q2", "Q3"]], table[["Q1", "Q2", "Q3"]])
