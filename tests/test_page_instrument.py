"""The questionnaire page and the gate it gives the front page: what is shown, and when means carry a caution."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.report import display
from qa_lib.report.pages import comparability, factors, instrument, measurement, open_page
from qa_lib.report.text import LANGUAGES

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"


@pytest.fixture(scope="module")
def page():
    return open_page(DEMO, "2026-10")


@pytest.fixture
def shown(monkeypatch):
    """What a page shows: its paragraphs and the tables by caption."""
    found = {"paragraphs": [], "tables": {}, "alts": []}
    monkeypatch.setattr(display, "paragraph", lambda text, kind="", _="": found["paragraphs"].append((text, kind)))
    monkeypatch.setattr(display, "table", lambda frame, caption, *_, **__: found["tables"].update({caption: frame}))
    monkeypatch.setattr(display, "figure", lambda _, alt: found["alts"].append(alt))
    monkeypatch.setattr(display, "heading", lambda *_: None)
    return found


def shifted(data):
    """Two items asked in a way that lifts their answers whatever the customer felt."""
    lifted = data.copy()
    for item in ("R1", "R2", "A1", "A2", "T1"):
        lifted[item] = (lifted[item] + 1.5).clip(upper=5.5)
    return lifted


def test_means_carry_a_caution_only_where_scalar_invariance_fails(page, shown):
    comparability.caution(page, comparability.comparisons(page))
    assert not shown["paragraphs"]
    changed = replace(page, data=shifted(page.data))
    found = comparability.comparisons(changed)
    periods = next(comparison for comparison in found if comparison.kind == "periods")
    assert not periods.supports_means
    comparability.caution(changed, found)
    assert (page.text("means_not_comparable_periods"), "caution") in shown["paragraphs"]


def test_small_groups_are_not_tested(page, shown):
    few = replace(page, data=page.data.head(40))
    found = comparability.comparisons(few)
    assert all(comparison.result is None for comparison in found)
    comparability.steps(few, found)
    assert any("Fewer than 100" in text for text, _ in shown["paragraphs"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_section_shows_in_every_language(shown, lang):
    page = open_page(DEMO, "2026-10", lang=lang)
    items = page.data[page.items]
    reliable = qa.reliability(page.data, page.dimensions)
    instrument.reliability(page, reliable)
    instrument.coefficients(page, reliable)
    model = measurement.fit(page)
    measurement.model_fit(page, model, qa.cutoffs(model, n_rep=50, levels=1))
    valid = qa.validity(model, n_boot=50)
    measurement.convergent(page, valid)
    measurement.discriminant(page, valid)
    measurement.common_method(page, valid)
    factors.number(page, qa.parallel_analysis(items, n_iter=20))
    factors.loadings(page, qa.efa(items, 5))
    assert len(shown["tables"]) == 5
    assert len(shown["alts"]) == 2
    coefficients = shown["tables"][page.text("caption_reliability")]
    assert page.text("whole_instrument") in set(coefficients[page.text("dimension")])
    assert (page.text("items_at_home", n=22, items=""), "") in shown["paragraphs"]


def test_dimensions_that_share_a_factor_are_named(page, shown):
    factors.loadings(page, qa.efa(page.data[page.items], 4))
    cautions = [text for text, kind in shown["paragraphs"] if kind == "caution"]
    assert any("share one factor" in text for text in cautions)


def test_a_model_that_cannot_be_fitted_says_so_and_shows_no_indices(page, shown):
    few = replace(page, data=page.data.head(12))
    found = measurement.fit(few)
    measurement.model_fit(few, found, None)
    assert found is None
    assert any("more are needed" in text for text, kind in shown["paragraphs"] if kind == "caution")
    assert not shown["tables"]


def test_of_large_groups_a_sample_is_compared_and_said(page, shown, monkeypatch):
    whole = next(found for found in comparability.comparisons(page) if found.kind == "periods")
    monkeypatch.setattr(comparability, "MOST_ROWS", 150)
    drawn, again = (next(found for found in comparability.comparisons(page) if found.kind == "periods") for _ in "ab")
    assert set(drawn.sizes.values()) == {150}
    assert drawn.answers == whole.answers == sum(whole.sizes.values())
    pd.testing.assert_frame_equal(drawn.result.tidy(), again.result.tidy())
    comparability.steps(page, [whole])
    comparability.steps(page, [drawn])
    note = page.text("sampled", n=page.text.count(300), of=page.text.count(whole.answers))
    assert [text for text, _ in shown["paragraphs"]].count(note) == 1
