"""The service circle of the demo shows where waiting fails its standard, and refuses what does not fit."""

from pathlib import Path

import pytest

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.operations.circle import service_circle

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"


@pytest.fixture(scope="module")
def parts():
    study = qa.read_study(DEMO)
    tables = {name: getattr(study, name)() for name in ("tickets", "calls", "complaints", "customers")}
    scored = qa.score_contacts(study.monitoring(), DEMO / "monitoring" / "scorecard.yaml")
    return {
        "kpis": qa.kpis(tables, DEMO / "kpis.yaml"),
        "scorecards": scored,
        "answers": study.responses("2026-10").data,
    }


def test_the_path_is_in_order_and_the_failing_standard_shows(parts):
    circle = service_circle(DEMO / "standards.yaml", **parts, period="2026-10")
    assert circle.tidy()["touchpoint"].drop_duplicates().tolist() == ["receive", "understand", "help", "keep"]
    table = circle.tidy().set_index("term")
    assert table.loc["response_time", ["verdict", "standard", "target"]].tolist() == ["not_met", "reply_4h", 90]
    assert set(table["source"]) == {"kpi", "scorecard", "survey"}
    transfers = parts["kpis"].tidy().query("term == 'transfer_rate' and period == '2026-10'")["estimate"].item()
    assert table.loc["transfer_rate", "estimate"] == pytest.approx(100 * (1 - transfers))
    by_touchpoint = circle.by("touchpoint").set_index("touchpoint")
    assert "response_time" in by_touchpoint.loc["receive", "failing"]
    assert by_touchpoint["indicators"].sum() == len(table) == circle.glance()["n"].item()
    assert set(circle.by("element")["element"]) == {"hardware", "software", "people"}


def test_survey_means_are_on_0_100(parts):
    circle = service_circle(DEMO / "standards.yaml", **parts).tidy().set_index("term")
    assert circle.loc["S1", "estimate"] == pytest.approx(25 * (parts["answers"]["S1"].mean() - 1))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"felt": [{"item": "Z9", "touchpoint": "keep", "element": "people"}]}, ResponseError, "no column 'Z9'"),
        ({"felt": [{"item": "S1", "touchpoint": "moon", "element": "people"}]}, ResponseError, "'moon' is not on"),
        ({"felt": [{"item": "S1", "touchpoint": "keep", "element": "luck"}]}, StudyError, "element"),
    ],
)
def test_what_does_not_fit_is_refused(parts, change, error, message):
    with pytest.raises(error, match=message):
        service_circle(change, **parts)
