"""Names that lead elsewhere: no study, period or group's name reaches outside its folder, and none moves a cursor."""

import re

import pytest
from small_books import make_project

import qa_lib as qa
from qa_lib.errors import QaError, RenderError, ResponseError, StudyError
from qa_lib.report.plan import _file_name
from qa_lib.study.limits import plain

ELSEWHERE = [
    "../2026-10",
    "/etc",
    "2026-10/../..",
    "C:\\2026",
    "..",
    "2026-10\0",
    "CON",
    "2026-10 ",
    "x" * 5000,
    "２０２６",
    "",
]


@pytest.mark.parametrize("period", ELSEWHERE)
def test_a_period_leads_nowhere(tmp_path, period):
    study = make_project(tmp_path, {"North": 12})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ResponseError, match="is not written as") as caught:
        qa.render(study, period, dry_run=True)
    assert len(str(caught.value)) < 400
    assert sorted(path for path in tmp_path.rglob("*") if "processed" not in path.parts) == before


@pytest.mark.parametrize("segment", ["../branch", "/etc/passwd", "branch\0", "NUL", "x" * 5000])
def test_a_segment_leads_nowhere(tmp_path, segment):
    with pytest.raises(RenderError, match=r"is not declared in study\.yaml"):
        qa.render(make_project(tmp_path, {"North": 12}), by=segment, dry_run=True)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "caf\udce9"])
def test_a_study_of_an_impossible_name_is_said(tmp_path, name):
    with pytest.raises(StudyError, match="can be no study folder") as caught:
        qa.read_study(tmp_path / name)
    assert len(str(caught.value)) < 600


def test_links_in_a_circle_are_no_study(tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(QaError):
        qa.read_study(tmp_path / "circle")


@pytest.mark.parametrize(
    "value", ["../../x", "/etc", "a\0b", "C:\\x", "x" * 5000, "<b>", "..", " ", "\u202ex", "a\nb", "CON."]
)
def test_the_folder_of_a_group_is_one_safe_name(value):
    name = _file_name(value)
    assert re.fullmatch(r"[\w\-]{1,80}", name)
    assert name != _file_name(f"{value} ")


def test_a_message_commands_no_terminal():
    assert plain("\x1b[2Ja\u202eb\ud800") == "\\x1b[2Ja\\u202eb\\ud800"
