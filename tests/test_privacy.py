"""Personal data go no further than the raw files: recognised, refused or hashed, never stored, never shown."""

import os
import re
import stat
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from study_folders import csv, rows, small_study

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.study import privacy
from qa_lib.study.findings import check
from qa_lib.study.privacy import hash_key, hashed_ids, personal_kind, redacted, without_personal


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("wang.wei+1@mail.example.com.cn", "email"),
        ("写信给ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ", "email"),
        ("13812345678", "phone"),
        ("电话１３８１２３４５６７８", "phone"),
        ("138\u200b1234\u200b5678", "phone"),
        ("+86 138-1234-5678", "phone"),
        ("8613812345678", "phone"),
        ("010-62345678", "phone"),
        ("+44 20 7946 0958", "phone"),
        ("(555) 123-4567", "phone"),
        ("11010119900307851X", "identity_card"),
        ("203.0.113.9(北京)", "ip"),
        ("2001:db8::8a2e:370:7334", "ip"),
        ("31.230416, 121.473701", "location"),
        ("31°14′N", "location"),
        ("中山路18号3栋502室", "location"),
        ("我叫王小明", "name"),
        ("My name is Ann Lee and I waited", "name"),
    ],
)
def test_personal_data_are_recognised(text, kind):
    assert personal_kind(text) == kind
    assert personal_kind(redacted(text)) is None
    assert personal_kind(f"before {text} after") == kind


@pytest.mark.parametrize(
    "text",
    [
        *("2026-10-01 09:23:02", "2026-10-01T09:23:02.123456+08:00", "20261001092302", "T00001", "C001806"),
        *("4.25", "1.2.3", "12:30:45", "1133", "137秒", "harbour_1", "中山路", "排队等了30分钟", "R_3kQ9aZ7bX"),
        *("100000000000", "1700000000000", "3.14159", "5 - very satisfied", ""),
    ],
)
def test_ordinary_values_are_not(text):
    assert personal_kind(text) is None
    assert redacted(text) == text


def test_a_long_text_takes_little_time():
    for text in ("a" * 2_000_000, "1 " * 1_000_000, "1.1" * 500_000, "+1" * 500_000, "a:" * 500_000):
        personal_kind(text)


# columns


def test_only_named_columns_pass_and_the_others_stand_in_the_ledger(tmp_path):
    table = rows().assign(phone="13812345678", note="someone", branch="north")
    study = small_study(tmp_path, {"a.csv": csv(table)}, {"segments": [{"id": "branch"}]})
    responses = qa.read_study(study).responses()
    kept = {"source_file", "source_row", "respondent", "date", "period", "branch", "Q1", "Q2", "Q3"}
    assert set(responses.data) == kept
    entries = responses.ledger[["file", "column", "reason", "count"]].to_numpy().tolist()
    assert entries == [["a.csv", "phone", "personal", 12], ["a.csv", "note", "not_named", 12]]
    assert responses.ledger["row"].isna().all()


@pytest.mark.parametrize("value", ["li@example.com", "13812345678", "11010119900307851X", "203.0.113.9"])
@pytest.mark.parametrize("where", ["segment", "column", "language", "check"])
def test_personal_data_in_a_named_column_are_refused(tmp_path, value, where):
    name = {"language": "language", "check": "C1"}.get(where, "x")
    table = rows().assign(**{name: ["a"] * 7 + [value] + ["b"] * 4})
    spec = {"segment": {"segments": [{"id": "x"}]}, "column": {"columns": {"x": "x"}}}.get(where, {})
    checks = {"attention_checks": [{"id": "C1", "answer": "a"}]} if where == "check" else {}
    study = small_study(tmp_path / "a", {"a.csv": csv(table)}, spec, **checks)
    with pytest.raises(
        ResponseError, match=rf"a.csv, row 9, {name}: this looks like personal .*personal: \[{name}\]"
    ) as error:
        qa.read_study(study).responses()
    assert value not in str(error.value)
    assert "personal" in check(qa.read_study(study))["finding"].iloc[0]
    declared = small_study(tmp_path / "b", {"a.csv": csv(table)}, spec | {"personal": [name]}, **checks)
    assert value in qa.read_study(declared).responses().data[name].tolist()


def test_names_are_recognised_by_their_column_or_as_chinese_names(tmp_path):
    people = [f"Person {i}" for i in range(12)]
    chinese = ["王伟", "李娜", "张敏", "刘洋", "陈静", "杨磊", "赵军", "黄秀英", "周杰", "吴霞", "徐强", "孙丽"]
    for place, (column, values) in enumerate({"姓名": people, "who": chinese}.items()):
        spec = {"segments": [{"id": "x", "columns": [column]}]}
        study = small_study(tmp_path / str(place), {"a.csv": csv(rows().assign(**{column: values}))}, spec)
        with pytest.raises(ResponseError, match=r"x: this looks like personal data \(name\)"):
            qa.read_study(study).responses()
    spec = {"segments": [{"id": "mobile"}]}
    study = small_study(tmp_path / "yes", {"a.csv": csv(rows().assign(mobile=["yes", "no"] * 6))}, spec)
    assert qa.read_study(study).responses().data["mobile"].nunique() == 2


# ids


def test_ids_are_keyed_hashes_that_link_months_and_no_more(tmp_path, monkeypatch):
    panel = {
        "a.csv": csv(rows(month="2026-09")),
        "b.csv": csv(rows().assign(respondent=rows(month="2026-09")["respondent"])),
    }
    first = qa.read_study(small_study(tmp_path / "a", panel)).responses().data
    assert first.groupby("respondent")["period"].nunique().eq(2).all()
    assert first["respondent"].str.fullmatch("[0-9a-f]{16}").all()
    monkeypatch.setenv("QA_HASH_KEY", "another key, as long")
    study = qa.read_study(tmp_path / "a" / "raw" / "small")
    second = study.responses().data
    assert not set(first["respondent"]) & set(second["respondent"]), "a new key must not find the old hashes"
    pd.testing.assert_frame_equal(first.drop(columns="respondent"), second.drop(columns="respondent"))


def test_a_missing_id_stays_missing():
    assert hashed_ids(pd.Series(["a", None, "a", np.nan])).isna().tolist() == [False, True, False, True]


def test_the_hash_is_hmac_sha256():
    # RFC 4231, test case 2, its first 64 bits
    assert privacy.keyed_hash("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e"


def test_the_key_file_is_made_once_and_for_its_user_alone(tmp_path, monkeypatch):
    path = tmp_path / "settings" / "hash.key"
    monkeypatch.delenv("QA_HASH_KEY")
    monkeypatch.setattr(privacy, "key_file", lambda: path)
    key = hash_key()
    assert len(key) == 64
    assert hash_key() == key
    assert [entry.name for entry in path.parent.iterdir()] == ["hash.key"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    with pytest.raises(StudyError, match=r"hash\.key holds a key of 5 characters; 16 or more"):
        hash_key()


def test_two_runs_that_make_the_key_at_once_agree(tmp_path, monkeypatch):
    monkeypatch.delenv("QA_HASH_KEY")
    path = tmp_path / "hash.key"
    path.write_text("the key of the run that came first\n")
    monkeypatch.setattr(privacy, "key_file", lambda: path)
    privacy._make_key(path)
    assert hash_key() == b"the key of the run that came first"


@pytest.mark.parametrize("key", ["", "short"])
def test_a_short_key_is_refused(monkeypatch, key):
    monkeypatch.setenv("QA_HASH_KEY", key)
    with pytest.raises(StudyError, match=r"QA_HASH_KEY holds a key of . characters"):
        hash_key()


# operations records


def test_operations_records_are_hashed_where_they_are_personal(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    (study / "tickets").mkdir()
    tickets = pd.DataFrame(
        {
            "ticket_id": ["T1", "T2", "T3"],
            "customer": ["13812345678", "13812345678", "13912345678"],
            "customer_name": ["Ann Lee", "Ann Leigh", "Bo"],
            "note": ["ask li@example.com or 13812345678", "slow", ""],
        }
    )
    tickets.to_csv(study / "tickets" / "t.csv", index=False)
    found = qa.read_study(study).tickets()
    assert found["ticket_id"].tolist() == ["T1", "T2", "T3"]
    assert found["customer"].nunique() == 2
    assert found["customer"].iloc[0] == found["customer"].iloc[1]
    assert found["note"].iloc[0].startswith("ask email-")
    assert found["note"].tolist()[1:] == ["slow", ""]
    assert not any(secret in found.to_csv() for secret in ("13812345678", "13912345678", "example", "Lee"))
    findings = check(qa.read_study(study)).query("file == 'tickets/t.csv'")
    assert findings[["severity", "file", "where"]].to_numpy().tolist() == [
        ["warning", "tickets/t.csv", name] for name in ("customer", "customer_name", "note")
    ]
    with (study / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("personal: [tickets.customer, tickets.customer_name, tickets.note]\n")
    declared = qa.read_study(study)
    assert declared.tickets()["customer"].tolist() == tickets["customer"].tolist()
    assert not check(declared)["file"].eq("tickets/t.csv").any()


def test_telephone_numbers_kept_as_numbers_are_hashed():
    table = pd.DataFrame({"caller": [13812345678, 13912345678], "seconds": [31, 42], "score": [0.5, 0.25]})
    found = without_personal(table, [])
    assert found["caller"].str.startswith("phone-").all()
    assert found["seconds"].dtype == table["seconds"].dtype


# staff


def staffed(tmp_path, roster: pd.DataFrame, **spec):
    """A study with a roster, tickets, monitoring and actions of two agents and their lead."""
    study = small_study(tmp_path, {"a.csv": csv(rows())}, spec)
    for folder in ("tickets", "monitoring"):
        (study / folder).mkdir()
    roster.to_csv(study / "roster.csv", index=False)
    tickets = pd.DataFrame({"ticket_id": ["T1", "T2", "T3"], "agent": ["Ann Lee", "王小明", ""]})
    tickets.to_csv(study / "tickets" / "t.csv", index=False)
    scores = pd.DataFrame({"contact_id": ["M1"], "agent": ["Ann Lee"], "monitor": ["Bo Ek"]})
    scores.to_csv(study / "monitoring" / "m.csv", index=False)
    pd.DataFrame({"action": ["Train"], "owner": ["Bo Ek"]}).to_csv(study / "actions.csv", index=False)
    return qa.read_study(study)


ROSTER = pd.DataFrame({"agent": ["Ann Lee", "王小明", "Bo Ek"], "role": ["agent", "agent", "quality_assurer"]})


def test_staff_bear_the_same_code_in_every_record(tmp_path):
    study = staffed(tmp_path, ROSTER)
    ann, ming, bo = study.roster()["agent"]
    assert len({ann, ming, bo}) == 3
    assert all(re.fullmatch("staff-[0-9a-f]{8}", code) for code in (ann, ming, bo))
    assert study.tickets()["agent"].tolist() == [ann, ming, ""]
    assert study.monitoring().loc[0, ["agent", "monitor"]].tolist() == [ann, bo]
    assert study.actions().loc[0, "owner"] == bo
    assert study.roster()["role"].tolist() == ROSTER["role"].tolist()


def test_the_roster_gives_codes_and_the_plan_shows_them(tmp_path):
    study = staffed(tmp_path, ROSTER.assign(code=["A1", "A2", ""], since="2020-01-01", certified=["", "", "yes"]))
    assert study.tickets()["agent"].tolist() == ["A1", "A2", ""]
    plan = qa.monitoring_plan(study.roster(), {"first": "2026-11-02", "last": "2026-11-06"}, seed=1)
    assert set(plan.table["agent"]) == {"A1", "A2"}
    assert plan.table["monitor"].str.startswith("staff-").all()


@pytest.mark.parametrize("codes", [["A1", "A1", ""], ["A1", "A2", "A1"]])
def test_a_code_is_one_persons(tmp_path, codes):
    with pytest.raises(StudyError, match=r"roster.csv: code 'A1': give each person one code"):
        staffed(tmp_path, ROSTER.assign(code=codes)).tickets()


def test_a_study_may_show_names_of_staff_but_no_more(tmp_path):
    crowd = ["王伟", "李娜", "张敏", "刘洋", "陈静", "杨磊", "赵军", "黄秀英", "周杰", "ann@example.com"]
    study = staffed(tmp_path, ROSTER, staff="names")
    assert study.tickets()["agent"].tolist() == ["Ann Lee", "王小明", ""]
    shown = without_personal(pd.DataFrame({"agent": crowd, "asked": crowd}), [])
    assert shown["agent"].tolist()[:9] == crowd[:9]
    assert "@" not in shown["agent"].iloc[9]
    assert not set(shown["asked"]) & set(crowd), "customers' names in a column of any name are hashed whole"


def test_columns_that_kpis_yaml_or_the_roster_say_name_staff_are_coded(tmp_path):
    study = staffed(tmp_path, ROSTER)
    ann, ming, bo = study.roster()["agent"]
    desk = pd.DataFrame(
        {"ticket_id": ["T1", "T2", "T3"], "teller": ["Ann Lee", "Zoe Roe", ""], "cashier": ["王小明", "Ann Lee", ""],
         "leader": "Zoe Roe", "resolved_by": "Bo Ek", "rung": ["Zoe Roe", "x", "y"], "branch": "north"}
    )  # fmt: skip
    desk.to_csv(study.path / "tickets" / "t.csv", index=False)
    pace = {"id": "pace", "table": "tickets", "kind": "throughput", "agent": "rung", "end": "resolved"}
    spec = {"tables": {"tickets": {"at": "submitted", "agent": "teller"}}, "kpis": [pace]}
    (study.path / "kpis.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    found = study.tickets()
    zoe = found["leader"].iloc[0]
    assert found["teller"].tolist() == [ann, zoe, ""], "kpis.yaml maps it"
    assert found["rung"].iloc[0] == zoe, "a KPI maps it"
    assert found["cashier"].tolist() == [ming, ann, ""], "the roster knows its people"
    assert found["resolved_by"].tolist() == [bo] * 3
    assert found["branch"].tolist() == ["north"] * 3
    assert not {"Ann Lee", "Zoe Roe", "王小明", "Bo Ek"} & set(found.to_numpy().ravel())
    named = replace(study, spec=study.spec.model_copy(update={"staff": "names"}))
    assert named.tickets()["teller"].tolist() == ["Ann Lee", "Zoe Roe", ""]


@pytest.mark.parametrize("content", ["tables: [1]\nkpis: {a: 1}", "tables: {tickets: 5}\nkpis: [1, null]", "a: 1"])
def test_a_broken_kpis_yaml_is_told_where_kpis_are_computed(tmp_path, content):
    study = staffed(tmp_path, ROSTER)
    (study.path / "kpis.yaml").write_text(content, encoding="utf-8")
    assert len(study.tickets()) == 3
