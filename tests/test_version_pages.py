"""Pages of a questionnaire that changed say so; the README's declarations are those the library reads."""

import re
from pathlib import Path

import pytest
from test_versions import NEW, OLD, answers, changed_study

from qa_lib.errors import StudyError
from qa_lib.report import display
from qa_lib.report.pages import front
from qa_lib.report.pages.front import versions
from qa_lib.report.pages.page import open_page
from qa_lib.study.instrument import Change, LongLayout
from qa_lib.study.schema import load_yaml
from qa_lib.study.ticket_log import TicketLog

pytestmark = pytest.mark.filterwarnings("ignore::qa_lib.errors.DataWarning")


@pytest.fixture
def study(tmp_path):
    exports = {"08.csv": answers("08", OLD, 5), "09.csv": answers("09", OLD, 5), "10.csv": answers("10", NEW, 10)}
    return changed_study(tmp_path, exports).path


@pytest.fixture
def said(monkeypatch):
    found = []
    monkeypatch.setattr(display, "paragraph", lambda text, kind="": found.append((kind, text)))
    return found


def test_a_page_says_what_changed_since_the_period_before(study, said):
    versions.note(open_page(study, "2026-10"))
    assert [kind for kind, _ in said] == ["caution"]
    assert said[0][1].startswith(
        "The questionnaire changed on 1 October 2026: answers now run from 1 to 10, before from 1 to 5, new items Q4"
    )
    assert "not compared sat. Scores on both sides" in said[0][1]


@pytest.mark.parametrize("period", ["2026-08", "2026-09"])
def test_a_page_before_the_change_says_nothing(study, said, period):
    page = open_page(study, period)
    versions.note(page)
    assert said == []
    assert page.instrument.scale_of("Q1") == (1, 5)
    assert page.dimensions == {"speed": ["Q1", "Q2", "Q3"]}


def test_a_quarter_that_holds_the_change_says_so(study, said):
    versions.note(open_page(study, "2026"))
    assert len(said) == 1


def test_the_trend_is_marked_where_the_questionnaire_changed(study):
    page = open_page(study, "2026-10")
    assert versions.breaks(page, ["2026-08", "2026-09", "2026-10"]) == [2]
    assert versions.breaks(page, ["2026-08", "2026-09"]) == []


def test_shares_of_another_scale_are_not_compared(study):
    figures = front.headline(open_page(study, "2026-10"))
    now, before = figures["csat"]
    assert now.tidy()["estimate"].notna().all()
    assert before.tidy()["estimate"].isna().all()


def test_the_declarations_of_the_readme_are_read(tmp_path):
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    found = {}
    for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL):
        (tmp_path / "block.yaml").write_text(block, encoding="utf-8")
        found |= load_yaml(tmp_path / "block.yaml", StudyError)
    assert LongLayout(**found["long"]).time == "answered_at"
    assert TicketLog(**found["ticket_log"]).events.resolved == ["status=resolved"]
    assert [Change(**change).dropped for change in found["versions"]] == [["R4"]]
