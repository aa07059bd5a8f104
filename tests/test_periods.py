"""Changes between periods against R on real data, Newcombe's published example, and bad input."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from test_indicators import read_sfo

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError
from qa_lib.tracking.periods import change


def test_change_between_years_agrees_with_t_test(shared_data, reference):
    expected = reference("tracking_indicators")
    data = pd.concat([read_sfo(shared_data, year) for year in (2014, 2015, 2016)], ignore_index=True)
    result = qa.compare_periods(data, "year", "Q7ALL")
    table = result.tidy()
    columns = {"statistic": "t", "df": "df", "p_value": "p", "conf_low": "low", "conf_high": "high"}
    wanted = [[row[key] for key in columns.values()] for row in expected["welch"]]
    assert_close_to_reference(table[list(columns)], wanted, 1e-9, "Welch")
    assert_close_to_reference(table["p_adjusted"], expected["holm"], 1e-9, "Holm")
    assert table["reference"].tolist() == [2014, 2015]
    assert result.levels["estimate"].round(4).tolist() == [3.9959, 4.0480, 4.0380]
    weighted = qa.compare_periods(data, "year", "Q7ALL", weights="WEIGHT").levels
    assert weighted["estimate"].round(4).tolist() == [4.0070, 4.0442, 4.0533]


def test_change_of_shares_is_newcombes_interval():
    """Newcombe (1998), Statistics in Medicine 17, table II, 56/70 − 48/80, method 10: 0.0524 to 0.3339."""
    now, before = np.repeat([5, 1], [56, 14]), np.repeat([5, 1], [48, 32])
    row = change(qa.csat(now), qa.csat(before)).tidy().iloc[0]
    assert row[["estimate", "conf_low", "conf_high"]].tolist() == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)


def test_an_index_can_be_followed_over_periods():
    rng = np.random.default_rng(7)
    data = pd.DataFrame(rng.integers(1, 6, (200, 4)), columns=list("abcd")).assign(
        month=np.repeat(["2026-02", "2026-01"], 100), w=rng.uniform(1, 2, 200)
    )
    dimensions = {"A": ["a", "b"], "B": ["c", "d"]}
    table = qa.compare_periods(data, "month", lambda rows: qa.rater_index(rows, dimensions, weights="w")).tidy()
    scores = [
        qa.rater_index(data[data["month"] == month], dimensions, weights="w").tidy().iloc[-1]
        for month in ("2026-02", "2026-01")
    ]
    last = table.iloc[-1]
    assert last["term"] == "rater_index"
    assert last["estimate"] == pytest.approx(scores[0]["estimate"] - scores[1]["estimate"])
    assert last["std_error"] == pytest.approx(np.hypot(scores[0]["std_error"], scores[1]["std_error"]))
    assert qa.compare_periods(data, "month", dimensions, weights="w").tidy()["term"].tolist() == ["A", "B"]


def test_repeated_index_labels_do_not_matter():
    data = pd.DataFrame({"m": [1, 1, 1, 2, 2, 2], "x": [1, 2, 4, 3, 5, 5]})
    repeated = data.set_axis([0, 1, 2, 0, 1, 2])
    pd.testing.assert_frame_equal(
        qa.compare_periods(data, "m", "x", weights=[1, 2, 1, 1, 1, 3]).tidy(),
        qa.compare_periods(repeated, "m", "x", weights=[1, 2, 1, 1, 1, 3]).tidy(),
    )


def test_a_period_with_one_response_has_no_test_and_says_so():
    data = pd.DataFrame({"m": [1, 2, 2, 3, 3], "x": [3, 4, 5, 2, 4]})
    with pytest.warns(DataWarning, match="period 1: too few answers"):
        table = qa.compare_periods(data, "m", "x").tidy()
    assert table["estimate"].tolist() == [1.5, -1.5]
    assert table["p_value"].notna().tolist() == [False, True]
    assert table["p_adjusted"].iloc[1] == table["p_value"].iloc[1]


def test_responses_without_a_period_are_left_out_and_counted():
    data = pd.DataFrame({"m": ["a", "a", "b", "b", None], "x": [1, 2, 3, 5, 9]})
    with pytest.warns(DataWarning, match="1 responses have none"):
        assert qa.compare_periods(data, "m", "x").tidy()["estimate"].tolist() == [2.5]


def test_bad_input_is_named():
    data = pd.DataFrame({"m": [1, 1, 2, 2], "x": [3, 4, 3, 5]})
    for message, call in {
        "no column 'month'": lambda: qa.compare_periods(data, "month", "x"),
        "a comparison needs two periods": lambda: qa.compare_periods(data.head(2), "m", "x"),
        "give the weights to the indicator": lambda: qa.compare_periods(data, "m", qa.nps, weights="x"),
        "known are 'holm'": lambda: qa.compare_periods(data, "m", "x", correction="none"),
        "known are 'previous'": lambda: qa.compare_periods(data, "m", "x", against="next"),
    }.items():
        with pytest.raises(ResponseError, match=message):
            call()
