"""The driver page: what it says of the demo month, in both languages, and of studies that lack something."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from study_folders import real_study

from qa_lib.report import display
from qa_lib.report.pages import drivers, drivers_details, drivers_gaps, drivers_models, open_page

SECTIONS = [
    drivers.priorities,
    drivers.importance,
    drivers_details.items,
    drivers_gaps.weighted_gaps,
    drivers_details.factors,
    drivers_details.segments,
    drivers_details.robust,
    drivers_models.top_box,
    drivers_models.latent,
    drivers_models.composite_model,
    drivers.coefficients,
    drivers.diagnostics,
    drivers.prediction,
]


@pytest.fixture
def shown(monkeypatch):
    """What sections put on a page, as text; figures by their alt text."""
    parts = []
    monkeypatch.setattr(display, "display", lambda data, **_: parts.append(data.get("text/html") or data["text/plain"]))

    def show(study, lang, sections=SECTIONS, segment=""):
        parts.clear()
        page = open_page(study, "", segment, lang)
        found = drivers.model(page)
        for section in sections:
            section(page, found)
        return re.sub(r"<[^>]+>", "\n", "".join(f"{part}\n" for part in parts))

    return show


def test_every_section_speaks_both_languages(shown):
    study = ROOT / "data" / "raw" / "demo"
    chinese = shown(study, "zh")
    assert "优先改进什么" in chinese
    assert "反应度" in chinese
    sentences = [line for line in chinese.splitlines() if re.search("[。；]$", line)]
    assert len(sentences) > 15
    words = set(re.findall(r"[A-Za-z]{5,}", "".join(sentences)))
    assert words <= {"predict", "PLSpredict", "RMSEA"}
    assert not re.search(r"\d\.\d{5,}", chinese)
    english = shown(study, "en", [drivers.priorities, drivers_details.segments])
    assert "In Responsiveness importance clearly outruns performance." in english
    assert "No sure difference in what moves satisfaction by Branch, Channel, Survey mode and Language." in english
    assert "are pooled as others" in english


def test_one_branch_has_its_page(shown):
    sections = [drivers.priorities, drivers.importance, drivers_details.items, drivers_details.segments]
    words = shown(ROOT / "data" / "raw" / "demo", "zh", sections, segment="branch=riverside")
    assert "优先改进什么" in words
    assert "网点" not in words


def test_a_study_that_did_not_ask_satisfaction_says_so(shown, shared_data, tmp_path):
    study = real_study("water", [shared_data("water_r4h2o/customer_survey.csv")], tmp_path)
    assert shown(study, "en").strip() == (
        "Overall satisfaction was not asked in this survey, so the importance of the dimensions cannot be told."
    )


def test_weighted_passengers_without_loyalty(shown, shared_data, tmp_path):
    study = real_study("sfo", [shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv")], tmp_path)
    sections = [drivers.priorities, drivers_models.top_box, drivers_models.latent, drivers_models.composite_model]
    words = shown(study, "zh", sections)
    assert "潜变量回归" in words
    assert "忠诚度：" not in words
    assert not re.search(r"[A-Za-z]{5,} [a-z]{4,}", words)


def small_study(tmp_path, data, items, **more):
    """A study of two dimensions whose answers are ``data``; ``items`` and ``more`` complete its instrument."""
    path = tmp_path / "raw" / "small"
    (path / "responses").mkdir(parents=True)
    data.assign(respondent=range(len(data)), date="2026-10-01").to_csv(path / "responses" / "a.csv", index=False)
    common = {"scale": "five", "wording": {"en": "x"}}
    instrument = {
        "name": {"en": "Small"},
        "scales": {"five": {"min": 1, "max": 5}},
        "dimensions": [{"id": "fast", "name": {"en": "Fast"}}, {"id": "kind", "name": {"en": "Kind"}}],
        "items": [
            common | {"id": "Q1", "dimension": "fast"},
            common | {"id": "Q2", "dimension": "kind"},
            common | {"id": "Q3", "dimension": "kind"},
            common | {"id": "sat", "role": "outcome", "outcome": "satisfaction"},
            *(common | item for item in items),
        ],
    }
    (path / "instrument.yaml").write_text(json.dumps(instrument | more), encoding="utf-8")
    (path / "study.yaml").write_text(yaml.safe_dump({"title": {"en": "S"}, "period": {"column": "date"}}))
    return path


def answers(n=300):
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.integers(1, 6, (n, 5)), columns=["Q1", "Q2", "Q3", "sat", "F1"])
    data["sat"] = np.clip((data["Q1"] + data["Q2"]) // 2 + rng.integers(-1, 2, n), 1, 5)
    data["F1"], data["D1"] = rng.choice([1, 2], n, p=[0.9, 0.1]), rng.choice([5, 4], n, p=[0.9, 0.1])
    return data


KANO = [{"id": "F1", "role": "other"}, {"id": "D1", "role": "other"}]
KANO_PAIR = {"feature": "wifi", "functional": "F1", "dysfunctional": "D1"}
EXPECTED = [
    {"id": "X1", "role": "expectation", "of": "Q1"},
    {"id": "X2", "role": "expectation", "of": "Q2"},
    {"id": "X3", "role": "expectation", "of": "Q3"},
]
STATED = [
    {"id": "I1", "role": "importance", "dimension": "fast"},
    {"id": "I2", "role": "importance", "dimension": "kind"},
]


def test_kano_pairs_join_the_contrasts_on_one_map(shown, tmp_path):
    study = small_study(tmp_path, answers(), KANO, kano=[KANO_PAIR])
    words = shown(study, "en", [drivers_details.factors, drivers_gaps.weighted_gaps, drivers_models.latent])
    assert "one-dimensional" in words
    assert "Reward against penalty" in words
    assert "Path diagram" in words
    assert "Which gap weighs most" not in words


@pytest.mark.parametrize("stated", [False, True])
def test_a_study_with_kano_and_expectations_shows_one_map_and_weighted_gaps(shown, tmp_path, stated):
    rng = np.random.default_rng(4)
    data = answers().assign(X1=rng.integers(4, 6, 300), X2=rng.integers(1, 6, 300), X3=rng.integers(1, 6, 300))
    data = data.assign(I1=rng.integers(4, 6, 300), I2=rng.integers(1, 3, 300))
    study = small_study(tmp_path, data, [*KANO, *EXPECTED, *(STATED if stated else [])], kano=[KANO_PAIR])
    words = shown(study, "en", [drivers_details.factors, drivers_gaps.weighted_gaps])
    assert "Kano questionnaire" in words
    assert "Reward against penalty" in words
    assert "Fast falls short of expectation by most once importance counts: its gap of −1." in words
    assert ("weighted by the importance customers state" in words) == stated
    assert ("Stated importance" in words) == stated
    gap = (data["Q1"] - data["X1"]).mean()
    assert f"its gap of −{abs(gap):.2f}" in words
    if stated:
        kind = ((data["Q2"] - data["X2"]) + (data["Q3"] - data["X3"])).mean() / 2
        share = data["I1"].mean() / (data["I1"].mean() + data["I2"].mean())
        assert f"makes −{abs(share * gap):.2f} of the overall −{abs(share * gap + (1 - share) * kind):.2f}" in words
