"""The page Data and method: counts that reconcile, statements that are declared or said to be missing."""

from pathlib import Path

import pandas as pd
import pytest
from study_folders import real_study

from qa_lib.criteria import Criteria
from qa_lib.errors import StudyError
from qa_lib.report import display
from qa_lib.report.pages import method, open_page
from qa_lib.report.text import LANGUAGES, catalogue
from qa_lib.study.study import read_study
from qa_lib.study.study_file import Disclosure

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"


@pytest.fixture
def water(shared_data, tmp_path):
    return real_study("water", [shared_data("water_r4h2o/customer_survey.csv")], tmp_path)


@pytest.fixture
def shown(monkeypatch):
    """The tables a page shows, by caption."""
    tables: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr(display, "table", lambda frame, caption, **_: tables.update({caption: frame}))
    monkeypatch.setattr(display, "paragraph", lambda *_: None)
    return tables


def demo(lang="en"):
    return open_page(DEMO, "2026-10", lang=lang)


def test_received_less_left_out_is_analysed(shown, water):
    page = open_page(water)
    method.flow(page)
    counts = [int(n.replace(",", "").replace("−", "-")) for n in shown[page.text("caption_flow")].iloc[:, 1]]
    assert counts[0] == 690
    assert counts[-1] == 491 == len(page.data)
    assert sum(counts[:-1]) == counts[-1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_not_declared_is_said_not_to_be_stated(shown, lang):
    page = demo(lang)
    method.disclosure(page)
    said = dict(shown[page.text("caption_aapor")].to_numpy().tolist())
    assert said[page.text("aapor_frame")] == page.text("not_stated")
    assert said[page.text("aapor_population")] == page.study.spec.disclosure.population[lang]
    assert set(said) >= {page.text(f"aapor_{key}") for key in Disclosure.model_fields}


def test_every_threshold_has_a_name_in_every_language():
    assert {f"measure_{measure}" for measure in Criteria.default().by_measure} <= catalogue().keys()


def test_regression_is_reported_with_its_n_and_errors(shown):
    page = demo()
    model = page.drivers()
    method.reporting_items(page, model)
    said = dict(shown[page.text("caption_jars")].to_numpy().tolist())[page.text("jars_regression")]
    assert f"n {model.glance()['n'].item():.0f}" in said
    assert "HC3" in said


def test_an_unknown_disclosure_names_what_is_known(water):
    file = water / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("  mode:", "  moed:"), encoding="utf-8")
    with pytest.raises(StudyError, match="Did you mean 'mode'"):
        read_study(water)
