"""Names that lead elsewhere: no study, period or group's name reaches outside its folder, and none moves a cursor."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT
from small_books import make_project

import qa_lib as qa
from qa_lib.drafting.draft import draft
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


def run(*words: str):
    """What the command line says; an error without a sentence of ours would be a traceback."""
    return subprocess.run(
        [sys.executable, "-m", "qa_lib", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def strangers(folder):
    """Everything but the folders of the study's own report and processed responses."""
    kept = {"processed", "reports"}
    return [path for path in sorted(folder.rglob("*")) if not kept & set(path.relative_to(folder).parts)]


@pytest.mark.parametrize(
    "words",
    [
        ["report", "STUDY", "--period", "../../x"],
        ["report", "STUDY", "--by", "../branch"],
        ["report", "STUDY", "--lang", "../en"],
        ["report", "STUDY/../../../etc"],
        ["plan", "STUDY", "--period", "../../x"],
    ],
    ids=lambda words: " ".join(words),
)
def test_commands_lead_nowhere(tmp_path, words):
    study = make_project(tmp_path, {"North": 12})
    (study / "roster.csv").write_text("agent,role,since\nann,agent,2020-01-01\n", encoding="utf-8")
    before = strangers(tmp_path)
    done = run(*(word.replace("STUDY", str(study)) for word in words))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert strangers(tmp_path) == before


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "caf\udce9", "..", ""])
def test_a_draft_of_an_impossible_name_is_refused(tmp_path, name):
    table = pd.DataFrame({f"speed_{i}": [1 + (k * i) % 5 for k in range(30)] for i in (1, 2, 3)}).assign(
        date="2026-10-01", who=range(30)
    )
    table.to_csv(tmp_path / "export.csv", index=False)
    drafted = draft(tmp_path / "export.csv")
    with pytest.raises(StudyError, match=r"can be no study folder|exists already"):
        drafted.write(tmp_path / "studies" / ".." / name if name in ("..", "") else tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["export.csv"]
