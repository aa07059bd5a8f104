"""Comments are redacted as they are read: what names a person is gone before anything is stored."""

import time

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_folders import csv, rows, small_study

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.study.privacy import personal_kind
from qa_lib.study.redaction import LONGEST, redact_comment

SECRETS = {
    "13812345678": "call 13812345678 please",
    "138 1234 5678": "我的手机138 1234 5678",
    "１３８１２３４５６７８": "电话１３８１２３４５６７８谢谢",
    "一三八一二三四五六七八": "手机一三八一二三四五六七八",
    "li@example.com": "write to li@example.com.",
    "li at example dot com": "write to li at example dot com",
    "11010119900307851X": "身份证11010119900307851X",
    "203.0.113.9": "my address is 203.0.113.9",
    "example.com/me": "see https://example.com/me?x=1 for more",
    "6222 0202 0011 1122": "card 6222 0202 0011 1122 was kept",
    "GB29 NWBK 6016 1331 9268 19": "account GB29 NWBK 6016 1331 9268 19",
    "AB-20261031-77": "订单号AB-20261031-77",
    "京A12345": "我的车京A12345被刮了",
    "zhangwei88": "加微信zhangwei88",
    "@old_customer": "follow @old_customer",
    "18号3栋502室": "住在中山路18号3栋502室",
    "10 Baker Street": "I live at 10 Baker Street",
    "SW1A 2AA": "send it to SW1A 2AA",
    "Ann": "Ann was kind",
    "Zzyzx": "served by Wilhelmina Zzyzx today",
    "Okonkwo": "Mrs Okonkwo did not listen",
    "Wang Xiaoming": "thank you, Wang Xiaoming",
    "王小明": "感谢王小明的帮助",
    "李女士": "排队的李女士插队",
    "老王": "老王很好",
    "欧阳娜": "欧阳娜帮了我",
    "31.230416, 121.473701": "at 31.230416, 121.473701",
}


@pytest.mark.parametrize(("secret", "text"), SECRETS.items())
def test_personal_data_are_hidden(secret, text):
    found = redact_comment(text)
    assert secret not in found
    assert "[" in found
    assert personal_kind(found) is None
    assert redact_comment(found) == found


@pytest.mark.parametrize(
    "text",
    [
        *("I waited 30 minutes, from 10.30 to 11.45, at the Old Town branch.", "The app v2.10.3 fails!", "5 stars"),
        *("I look at the staff. They smile.", "Looked at me.The queue is long", "On Monday Morning it was closed"),
        *(
            "服务态度好，方便快捷，谢谢！",
            "等了一二十分钟，排队的人太多。",
            "任何问题都能马上解决",
            "工作人员文明热情，环境安静。",
        ),
    ],
)
def test_ordinary_comments_stay_as_they_are(text):
    assert redact_comment(text) == text


def test_known_personal_data_are_hidden_whatever_they_look_like():
    assert redact_comment("it is Xq from lane 7", ["xq from"]) == "it is [personal] lane 7"
    assert redact_comment("the prefix stays", ["ref", "no", "12"]) == "the prefix stays"


def test_invisible_and_right_to_left_characters_are_cleaned():
    found = redact_comment("138\u200b1234\u206a5678 a\u202eb\u2066c\x00d\ud800e\tf\u3000g")
    assert found == "[phone] abcde f g"


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_whatever_is_typed_holds_nothing_recognisable_after(text):
    found = redact_comment(text)
    assert personal_kind(found) is None
    assert len(found) <= LONGEST
    assert all(character.isprintable() for character in found)


@pytest.mark.parametrize("piece", ["a", "1 ", "1.1", "A1", "王", "Ann ", "a at ", "[", "@a", "www.", "张伟", "A-1"])
def test_a_comment_of_a_megabyte_takes_little_time(piece):
    started = time.perf_counter()
    assert len(redact_comment(piece * (1_000_000 // len(piece)))) <= LONGEST
    assert time.perf_counter() - started < 5


# in a study


def commented(tmp_path, comments, spec=None, **columns):
    table = rows(len(comments)).assign(comment=comments, **columns)
    return small_study(tmp_path, {"a.csv": csv(table)}, {"comments": ["comment"], "minimum_cell": 3} | (spec or {}))


def test_comments_are_redacted_as_they_are_read_and_the_ledger_counts_what_was_hidden(tmp_path):
    said = ["Call 13812345678 or ann@example.com", "fine", "Umlaut Q. was rude", "x" * 6000, *[None] * 8]
    people = [f"Person {i}" for i in range(12)]
    people[2] = "Umlaut Q"
    responses = qa.read_study(commented(tmp_path, said, **{"customer name": people})).responses()
    found = responses.data["comment"].tolist()
    assert found[:3] == ["Call [phone] or [email]", "fine", "[personal]. was rude"]
    assert len(found[3]) == LONGEST
    assert responses.data["comment"].isna().sum() == 8
    entries = responses.ledger[responses.ledger["column"] == "comment"].set_index("after")["count"]
    assert entries.to_dict() == {"[phone]": 1, "[email]": 1, "[personal]": 1, "": 1}
    stored = pd.read_parquet(tmp_path / "processed" / "small" / "responses.parquet")
    assert "13812345678" not in stored.to_csv()


def test_no_comment_of_wenjuanxing_is_none(tmp_path):
    table = rows(4).rename(columns={"respondent": "序号", "date": "提交答卷时间"}).assign(所用时间="9秒")
    table["4、您还有什么想说的？"] = ["(空)", "排队太久", "（跳过）", ""]
    comments = [{"id": "comment", "columns": ["您还有什么想说的？"]}]
    study = small_study(tmp_path, {"a.csv": csv(table)}, {"comments": comments, "minimum_cell": 2})
    assert qa.read_study(study).responses().data["comment"].tolist() == [None, "排队太久", None, None]


def test_a_comment_column_without_a_proper_id_is_refused(tmp_path):
    with pytest.raises(StudyError, match="comments"):
        qa.read_study(small_study(tmp_path, {"a.csv": csv(rows())}, {"comments": ["意见"]}))


def test_undeclared_the_same_column_is_refused_as_before(tmp_path):
    study = commented(tmp_path, ["13812345678"] * 12, {"comments": [], "columns": {"comment": "comment"}})
    with pytest.raises(ResponseError, match="personal"):
        qa.read_study(study).responses()
