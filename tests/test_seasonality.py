"""Seasonal effects over thirty months: recovered, tested, and refused when there is too little."""

import numpy as np
import pandas as pd
import pytest

from qa_lib.errors import ResponseError
from qa_lib.tracking.seasonality import seasonality

MONTHS = [str(month) for month in pd.period_range("2024-05", periods=30, freq="M")]


@pytest.fixture(scope="module")
def thirty_months():
    """Thirty months with a trend of .05 a month and a December that costs four points."""
    rng = np.random.default_rng(30)
    december = np.array([month.endswith("-12") for month in MONTHS])
    return pd.Series(75 + 0.05 * np.arange(30) - 4 * december + rng.normal(0, 0.5, 30), index=MONTHS)


def test_a_december_effect_is_found_and_taken_out(thirty_months):
    result = seasonality(thirty_months)
    table = result.tidy().set_index("term")
    december = table.loc["12"]
    assert december["conf_low"] < -4 * 11 / 12 < december["conf_high"] < -2
    assert result.p_value < 1e-4
    assert table["estimate"].sum() == pytest.approx(0, abs=1e-9)
    assert result.trend == pytest.approx(0.05, abs=0.03)
    assert result.adjusted["2024-12"] == pytest.approx(thirty_months["2024-12"] - december["estimate"])


def test_least_squares_by_hand(thirty_months):
    """Effects equal those of ordinary dummies, centred."""
    months = np.array([int(month[-2:]) for month in MONTHS])
    design = np.column_stack([np.arange(30), months[:, None] == np.arange(1, 13)]).astype(float)
    dummies = np.linalg.lstsq(design, thirty_months.to_numpy(), rcond=None)[0][1:]
    np.testing.assert_allclose(seasonality(thirty_months).tidy()["estimate"], dummies - dummies.mean(), atol=1e-9)


def test_noise_has_no_season():
    rng = np.random.default_rng(1)
    p_values = [seasonality(pd.Series(rng.normal(size=30), index=MONTHS)).p_value for _ in range(100)]
    assert 0.0 <= np.mean(np.array(p_values) < 0.05) <= 0.12


def test_quarters_gaps_and_precision():
    quarters = [f"{year}-Q{q}" for year in (2023, 2024, 2025) for q in (1, 2, 3, 4)]
    values = pd.Series([1.0, 2, 3, 4, 1.1, 2, 3, np.nan, 1, 2, 3.1, 4], index=quarters)
    table = seasonality(values, std_errors=pd.Series(0.1, index=quarters)).tidy()
    assert table["term"].tolist() == ["Q1", "Q2", "Q3", "Q4"]
    plain = seasonality(values).tidy()
    np.testing.assert_allclose(table["estimate"], plain["estimate"])


def test_bad_input_is_named(thirty_months):
    for message, series in {
        "needs two years": thirty_months.head(23),
        "months .2026-10. or quarters": pd.Series([1.0, 2.0], index=["spring", "autumn"]),
        "each month or quarter once": pd.concat([thirty_months, thirty_months]),
    }.items():
        with pytest.raises(ResponseError, match=message):
            seasonality(series)
    with pytest.raises(ResponseError, match="positive standard error"):
        seasonality(thirty_months, std_errors=thirty_months * 0)


@pytest.mark.parametrize("wrong", ["many", np.inf])
def test_text_and_infinite_values_are_refused(wrong):
    months = pd.period_range("2024-01", periods=24, freq="M")
    with pytest.raises(ResponseError, match="text or infinite"):
        seasonality(pd.Series([wrong, *range(23)], months))
