"""Every format, encoding and dialect gives the same coded answers; broken files give an error that says what to do."""

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from study_folders import INSTRUMENT, csv, rows, small_study

import qa_lib as qa
from qa_lib.errors import DataWarning, InstrumentError, ResponseError, StudyError
from qa_lib.study import cleaning
from qa_lib.study.findings import check
from qa_lib.study.privacy import hashed_ids

ITEMS = ["Q1", "Q2", "Q3"]
ENGLISH = {1: "Very dissatisfied", 2: "Dissatisfied", 3: "Neither", 4: "Satisfied", 5: "Very satisfied"}
CHINESE = {1: "非常不满意", 2: "不满意", 3: "一般", 4: "满意", 5: "非常满意"}
KOREAN = {1: "매우 불만족", 2: "불만족", 3: "보통", 4: "만족", 5: "매우 만족"}


def in_words(table, words):
    return table.assign(**{item: table[item].map(words) for item in ITEMS})


def read(folder, exports, **instrument):
    return qa.read_study(small_study(folder, exports, **instrument)).responses()


def assert_answers(responses, table):
    np.testing.assert_array_equal(responses.data[ITEMS].to_numpy(), table[ITEMS].to_numpy())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8", CHINESE),
        ("utf-8-sig", CHINESE),
        ("utf-16", CHINESE),
        ("utf-16-le", CHINESE),
        ("gb18030", CHINESE),
        ("cp949", KOREAN),
    ],
)
def test_text_files_of_any_encoding_and_separator(tmp_path, encoding, words, separator):
    table = rows()
    responses = read(tmp_path, {"a.csv": csv(in_words(table, words), sep=separator).encode(encoding)})
    assert_answers(responses, table)
    assert set(responses.ledger["reason"]) == {"label_to_code"}
    assert responses.ledger["count"].sum() == 36


def test_excel_and_parquet_and_sav_give_what_csv_gives(tmp_path):
    table = rows()
    for suffix, write in {
        "xlsx": lambda path: in_words(table, ENGLISH).to_excel(path, index=False),
        "parquet": lambda path: table.to_parquet(path),
        "sav": lambda path: pyreadstat.write_sav(table, path, variable_value_labels=dict.fromkeys(ITEMS, ENGLISH)),
    }.items():
        study = small_study(tmp_path / suffix, {})
        write(study / "responses" / f"a.{suffix}")
        responses = qa.read_study(study).responses()
        assert_answers(responses, table)
        assert responses.data["respondent"].tolist() == hashed_ids(table["respondent"]).tolist()


def test_sav_words_decide_where_its_codes_run_the_other_way(tmp_path):
    table = rows()
    upside_down = table.assign(**{item: 6 - table[item] for item in ITEMS})
    study = small_study(tmp_path, {})
    labels = {6 - code: words for code, words in ENGLISH.items()}
    path = study / "responses" / "a.sav"
    pyreadstat.write_sav(upside_down, path, variable_value_labels=dict.fromkeys(ITEMS, labels))
    assert_answers(qa.read_study(study).responses(), table)


def test_sav_user_missing_values_stand_in_the_ledger(tmp_path):
    table = rows()
    table.loc[2, "Q1"] = 9
    study = small_study(tmp_path, {})
    pyreadstat.write_sav(table, study / "responses" / "a.sav", missing_ranges={"Q1": [9]})
    responses = qa.read_study(study).responses()
    entry = responses.ledger.iloc[0]
    assert (entry["row"], entry["column"], entry["before"], entry["reason"]) == (3, "Q1", "9", "missing")
    assert np.isnan(responses.data.loc[2, "Q1"])


@pytest.mark.parametrize("import_ids", [False, True])
def test_qualtrics_header_rows_are_no_answers(tmp_path, import_ids):
    table = rows().rename(columns={"respondent": "ResponseId", "date": "EndDate"})
    table.insert(0, "StartDate", table["EndDate"])
    table.insert(1, "Duration (in seconds)", 61)
    above = [{name: f"Question {name}" for name in table}]
    if import_ids:
        above.append({name: f'{{"ImportId":"QID{i}"}}' for i, name in enumerate(table)})
    export = csv(pd.concat([pd.DataFrame(above), table.astype(str)]))
    study = small_study(tmp_path, {"a.csv": export}, study={"period": {"column": "EndDate"}})
    responses = qa.read_study(study).responses()
    assert_answers(responses, table)
    assert responses.data["duration"].eq(61).all()
    assert responses.data["source_row"].iloc[0] == 3 + import_ids


@pytest.mark.parametrize("header", ["{n}、{words}", "{n}.{words}", "{words}"])
def test_wenjuanxing_columns_by_number_or_words(tmp_path, header):
    table = in_words(rows(), CHINESE)
    questions = {
        item: header.format(n=i, words=words)
        for i, (item, words) in enumerate(zip(ITEMS, ["办理速度", "准时", "无需等待"], strict=True), 1)
    }
    table = table.rename(columns={"respondent": "序号", "date": "提交答卷时间"} | questions)
    table["提交答卷时间"] = table["提交答卷时间"].str.replace("-", "/") + " 9:05:07"
    table["所用时间"] = "1分25秒"
    table["来自IP"] = "203.0.113.9(somewhere)"
    table.loc[0, questions["Q1"]] = "(跳过)"
    table.loc[1, questions["Q2"]] = "-3"
    table.loc[2, questions["Q3"]] = "(空)"
    table.loc[3, questions["Q3"]] = "-2"
    study = small_study(tmp_path, {"a.csv": csv(table)}, study={"period": {"column": "提交答卷时间"}})
    responses = qa.read_study(study).responses("2026-10")
    assert responses.data["duration"].eq(85).all()
    assert responses.data[ITEMS].isna().sum().tolist() == [1, 1, 2]
    cells = responses.ledger.dropna(subset="row").set_index("row")["reason"]
    assert cells.to_dict() == {2: "skipped", 3: "skipped", 4: "empty", 5: "empty"}
    assert not responses.data.astype(str).apply(lambda column: column.str.contains("203.0.113")).any(axis=None)


def test_question_number_addresses_a_column(tmp_path):
    table = rows().rename(columns={"Q1": "1、甲", "Q2": "2、乙", "Q3": "3、丙"})
    items = [item | {"columns": [str(i)], "wording": {}} for i, item in enumerate(INSTRUMENT["items"], 1)]
    responses = read(tmp_path, {"a.csv": csv(table)}, items=items)
    assert_answers(responses, rows())


def test_columns_may_drift_in_order_case_and_decoration(tmp_path):
    first, second = rows(month="2026-09"), rows(month="2026-10")
    second = second[["Q3", "date", "Q2", "respondent", "Q1"]]
    drifted = second.rename(columns={"Q1": " q1 ", "Q2": "*Q2", "date": "Date"})
    responses = read(tmp_path, {"a.csv": csv(first), "b.csv": csv(drifted)})
    assert_answers(responses, pd.concat([first, second]))


def test_an_answer_off_the_scale_is_missing_and_in_the_ledger(tmp_path):
    table = rows()
    table.loc[4, "Q2"] = 55
    responses = read(tmp_path, {"a.csv": csv(table)})
    assert np.isnan(responses.data.loc[4, "Q2"])
    entry = responses.ledger.iloc[0]
    found = entry[["file", "row", "column", "before", "reason", "count", "period"]].tolist()
    assert found == ["a.csv", 6, "Q2", "55", "out_of_range", 1, "2026-10"]


def test_raw_files_are_left_as_they_are(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    before = (study / "responses" / "a.csv").read_bytes()
    qa.read_study(study).responses()
    assert (study / "responses" / "a.csv").read_bytes() == before
    assert [path.name for path in (study / "responses").iterdir()] == ["a.csv"]


# bad input


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ({"a.csv": b""}, "a.csv is empty"),
        ({"a.csv": "respondent,date,Q1,Q2,Q3\n"}, "no answers"),
        ({"a.csv": csv(rows()).encode() + b"x,2026-10-01,\xe4\xbd,4,4\n"}, "broken at byte .*, line 14"),
        ({"a.csv": csv(rows()) + "x,2026-10-01,1,2,3,4,5\n"}, "cannot be read as a table"),
        ({"a.xlsx": b"PK\x03\x04 cut off"}, "not a whole Excel workbook"),
        ({"a.sav": b"$FL2 cut off"}, "not a whole SPSS file"),
        ({"a.parquet": b"PAR1 cut off"}, "not a whole parquet file"),
        ({"a.docx": b"PK"}, "no exports"),
        ({}, "no exports"),
        (
            {"a.csv": csv(rows().drop(columns="Q2"))},
            "no column for item Q2.*similar columns: .*columns.*instrument.yaml",
        ),
        (
            {"a.csv": csv(rows()), "b.csv": csv(rows(month="2026-09").drop(columns="Q3"))},
            "b.csv: no column for item Q3",
        ),
        (
            {"a.csv": csv(rows().replace({"Q1": {3: "so so"}}))},
            "row .*, item Q1: 'so so' is no answer.*Allowed: 1 to 5",
        ),
        (
            {"a.csv": csv(pd.concat([rows(), rows().head(1)]))},
            "id stands more than once .*row 2, a.csv row 14",
        ),
        ({"a.csv": csv(rows()), "b.csv": csv(rows())}, "stands more than once .*a.csv row 2, b.csv row 2"),
    ],
)
def test_bad_exports_are_named_with_file_and_cure(tmp_path, exports, message):
    with pytest.raises(ResponseError, match=message):
        read(tmp_path, exports)


def test_truncated_workbook(tmp_path):
    study = small_study(tmp_path, {})
    path = study / "responses" / "a.xlsx"
    rows().to_excel(path, index=False)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ResponseError, match="not a whole Excel workbook"):
        qa.read_study(study).responses()


def test_a_declared_encoding_is_held_to(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(in_words(rows(), CHINESE)).encode("gb18030")}, {"encoding": "utf-8"})
    with pytest.raises(ResponseError, match=r"a.csv is not in utf-8: broken at byte"):
        qa.read_study(study).responses()


def test_study_says_which_of_two_responses_stays(tmp_path):
    again = rows().head(1).assign(Q1=5)
    for keep, expected in {"first": 1, "last": 5}.items():
        exports = {"a.csv": csv(pd.concat([rows(), again]))}
        responses = qa.read_study(small_study(tmp_path / keep, exports, {"duplicates": keep})).responses()
        assert len(responses.data) == 12
        assert responses.data.set_index("respondent").loc[hashed_ids(again["respondent"]).item(), "Q1"] == expected
        assert responses.ledger["reason"].tolist() == ["duplicate_respondent"]


def test_an_optional_item_may_be_absent_from_a_file(tmp_path):
    items = [item | ({"optional": True} if item["id"] == "Q3" else {}) for item in INSTRUMENT["items"]]
    exports = {"a.csv": csv(rows()), "b.csv": csv(rows(month="2026-09").drop(columns="Q3"))}
    responses = read(tmp_path, exports, items=items)
    assert responses.data.groupby("period")["Q3"].count().tolist() == [0, 12]
    assert responses.ledger["reason"].tolist() == ["not_asked"]


def test_a_period_without_responses(tmp_path):
    study = qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}))
    with pytest.raises(ResponseError, match=r"no responses in 2027-01.*2026-10 to 2026-10"):
        study.responses("2027-01")
    with pytest.raises(ResponseError, match="'October' is not written as"):
        study.responses("October")


def test_a_study_folder_that_does_not_exist(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(StudyError, match=r"no study folder .*absent.*other"):
        qa.read_study(tmp_path / "absent")


def test_an_item_that_never_varies_warns_from_cache_as_well(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows().assign(Q2=4))})
    with pytest.warns(DataWarning, match="item Q2 never varies: all 12 answers are 4"):
        qa.read_study(study).responses()
    cleaning._loaded.clear()
    with pytest.warns(DataWarning, match="item Q2 never varies"):
        qa.read_study(study).responses()
    assert check(qa.read_study(study))["finding"].str.contains("never varies").any()


def test_an_item_on_another_scale_than_declared_warns(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows().assign(Q2=rows()["Q2"] * 10))})
    with pytest.warns(DataWarning, match="item Q2 has no valid answer"):
        responses = qa.read_study(study).responses()
    assert responses.ledger["reason"].eq("out_of_range").sum() == 12
    findings = check(qa.read_study(study))["finding"].tolist()
    assert findings[:2] == [
        "item Q2 has no valid answer.",
        "12 answers lie outside the scale and count as missing.",
    ]


def test_blank_lines_do_not_shift_the_rows(tmp_path):
    lines = csv(rows()).splitlines()
    lines.insert(3, "")
    lines.insert(6, ",,,,")
    responses = read(tmp_path, {"a.csv": "\n".join(lines)})
    assert responses.data["source_row"].tolist() == [2, 3, 5, 6, *range(8, 16)]


def test_a_reverse_key_that_disagrees_with_the_data_warns(tmp_path):
    items = [item | {"reverse": item["id"] == "Q3"} for item in INSTRUMENT["items"]]
    study = small_study(tmp_path, {"a.csv": csv(rows(28))}, items=items)
    with pytest.warns(DataWarning, match="item Q3 runs against the rest.*has 'reverse: true'"):
        qa.read_study(study).responses()
    findings = check(qa.read_study(study))
    assert findings.columns.tolist() == ["severity", "file", "where", "finding", "advice"]
    assert findings["where"].iloc[0] == "items → Q3"


def test_check_reports_an_error_instead_of_raising(tmp_path):
    findings = check(qa.read_study(small_study(tmp_path, {"a.csv": b""})))
    assert findings["severity"].tolist() == ["error"]


@pytest.mark.parametrize(("weight", "message"), [("", "blank"), ("-1", "'-1'"), ("heavy", "'heavy'"), ("inf", "'inf'")])
def test_a_weight_that_is_none(tmp_path, weight, message):
    table = rows().assign(w=["1"] * 11 + [weight])
    study = small_study(tmp_path, {"a.csv": csv(table)}, {"weight": "w"})
    with pytest.raises(ResponseError, match=f"a.csv, row 13, weight: {message} is not a number of zero or more"):
        qa.read_study(study).responses()


# the YAML files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": []}, r"instrument.yaml: .*unknown key 'dimension'. Did you mean 'dimensions'\? Allowed: name"),
        ({"scales": {"five": {"min": 5, "max": 1}}}, "scales → five: min must be less than max"),
        ({"items": [{"id": "Q 1", "scale": "five"}]}, "items → 0 → id: .*pattern.*found 'Q 1'"),
        ({"items": [{"id": "Q1", "scale": "six", "role": "other"}]}, "item Q1: scale 'six' is not one of five"),
        ({"items": [{"id": "Q1"}]}, "items → 0 → scale: this key is needed"),
        ({"dialect": "lime"}, "dialect 'lime' is not one of auto, qualtrics, wenjuanxing, .*limesurvey.*plain"),
    ],
)
def test_mistakes_in_the_instrument_are_named(tmp_path, change, message):
    with pytest.raises(InstrumentError, match=message):
        qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": {}}, "unknown key 'titel'. Did you mean 'title'"),
        ({"period": {"column": "a", "value": "2026"}}, "period: give exactly one of column, file_pattern and value"),
        ({"period": {"file_pattern": "("}}, "file_pattern is not a regular expression"),
        ({"period": {"value": "spring"}}, "'spring' is not written as"),
        ({"exclude": [{"column": "a", "reason": "b"}]}, "exclude → 0: say who is left out"),
        ({"minimum_cell": 0}, "minimum_cell: .*greater than or equal to 1.*found 0"),
    ],
)
def test_mistakes_in_the_study_are_named(tmp_path, change, message):
    with pytest.raises(StudyError, match=message):
        qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}, change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: {en: a}\nname: {en: b}\n", "stands twice"),
        ("a: &a [x, x]\nb: *a\n", "aliases .* not allowed"),
        ("name: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("- a\n", "must hold a mapping"),
        ("name: [", "not valid YAML"),
    ],
)
def test_hostile_and_broken_yaml(tmp_path, content, message):
    path = tmp_path / "instrument.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InstrumentError, match=message):
        qa.read_instrument(path)


def test_yes_and_no_are_words(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    path = study / "study.yaml"
    path.write_text(path.read_text() + "segments:\n- {id: Q9, labels: {1: {en: No}, 2: {en: yes}}}\n")
    labels = qa.read_study(study).spec.segments[0].labels
    assert labels == {"1": {"en": "No"}, "2": {"en": "yes"}}
