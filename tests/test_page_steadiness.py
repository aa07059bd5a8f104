"""What the pages say of consistency, and of the season once two years are there."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import qa_lib as qa
from qa_lib.report import display
from qa_lib.report.pages import kpi_rows, open_page, steadiness
from qa_lib.report.pages.front.season import season

DEMO = ROOT / "data" / "raw" / "demo"


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request):
    return open_page(DEMO, "2026-10", lang=request.param, answers=False)


@pytest.fixture
def words(monkeypatch):
    parts = []
    monkeypatch.setattr(display, "display", lambda data, **_: parts.append(data.get("text/html") or data["text/plain"]))
    return lambda: re.sub(r"<[^>]+>", "\n", "\n".join(parts))


def history(months, december=0.0):
    noise = np.random.default_rng(30).normal(0, 0.5, months)
    names = [str(month) for month in pd.period_range("2024-05", periods=months, freq="M")]
    at = np.array([name.endswith("-12") for name in names])
    return pd.DataFrame({"estimate": 75 + 0.05 * np.arange(months) - december * at + noise, "std_error": 0.5}, names)


def test_thirty_months_show_their_season(page, words):
    season(page, table := history(30, december=4))
    found = qa.seasonality(table["estimate"], table["std_error"]).tidy().set_index("term")["estimate"]
    text = words()
    assert page.text.season("12") in text
    assert page.text.signed(found["12"]) in text
    assert page.text("season_section") in text


def test_no_season_is_claimed_of_noise(page, words):
    season(page, history(30))
    assert page.text("season_none", p="").split("(")[0].split("（")[0] in words()


def test_thirteen_months_say_when_the_season_can_be_told(page, words):
    season(page, history(13))
    assert page.text("season_later", n="13", needed="24") in words()
    season(replace(page, period="2026-W44"), history(30))
    assert page.text("season_section") not in words()


def test_consistency_of_the_watched_times(page, words):
    spec = kpi_rows.spec_of(page)
    records = kpi_rows.tables(page, spec)
    steadiness.consistent(page, records, spec)
    cases = qa.kpi_cases(records, spec, "response_time", period="M")
    table = qa.consistency(cases, "value", ["period", "agent", "branch"]).tidy().set_index("term")
    text = words()
    assert page.text("steadiness") in text
    assert page.text.percent(table.loc["branch", "share"], 1) in text
    assert page.text.percent(table.loc["residual", "share"]) in text
    steadiness.consistent(replace(page, period="2026-W44"), records, spec)
    assert words() == text


def test_one_branch_has_no_part_of_branches(words):
    page = open_page(DEMO, "2026-10", "branch=harbour", "en", answers=False)
    spec = kpi_rows.spec_of(page)
    steadiness.consistent(page, kpi_rows.tables(page, spec), spec)
    assert "Agent" in words()
    assert "Branch" not in words()
