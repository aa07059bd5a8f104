"""Kano questionnaire: the evaluation table, coefficients and intervals against R, and Fong's test."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.effects.kano import CATEGORIES, EVALUATION
from qa_lib.errors import ModelError, ResponseError

PAIR = {"M": (3, 5), "O": (1, 5), "A": (1, 3), "I": (3, 3), "R": (3, 1), "Q": (1, 1)}


def answers(counts):
    """Two tables of answers in which each feature has the given counts per category."""
    tables = []
    for side in (0, 1):
        columns = {name: [PAIR[c][side] for c in CATEGORIES for _ in range(row[c])] for name, row in counts.items()}
        tables.append(pd.DataFrame(columns))
    return tables


@pytest.fixture(scope="module")
def counts(reference):
    return {
        feature: {row["_row"]: row[feature] for row in reference("asymmetry")["counts"]}
        for feature in ("wifi", "seats", "app")
    }


def test_evaluation_table_is_that_of_berger():
    assert ["".join(row) for row in EVALUATION.to_numpy()] == ["QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ"]


def test_coefficients_and_intervals_agree_with_r(counts, reference):
    result = qa.kano(*answers(counts))
    table = result.tidy().set_index(["term", "item"])
    for feature, expected in reference("asymmetry")["kano"].items():
        for term in ("better", "worse", "contradictory"):
            row = table.loc[(term, feature)]
            assert_close_to_reference(row["estimate"], expected[term], 1e-12, f"{term} {feature}")
            assert_close_to_reference(row[["conf_low", "conf_high"]], expected[f"{term}_ci"], 1e-8, f"{term} {feature}")
        classes = result.classes.loc[feature]
        assert_close_to_reference(
            classes[["difference", "critical"]], [expected["difference"], expected["critical"]], 1e-12
        )


def test_a_category_needs_fongs_test(counts):
    classes = qa.kano(*answers(counts)).classes
    assert classes["mode"].tolist() == ["O", "M", "I"]
    assert classes["category"].tolist() == ["O", "M", "undecided"]
    assert classes["factor"].tolist() == ["performance", "basic", "undecided"]
    stricter = qa.kano(*answers(counts), fong_level=0.99).classes
    assert stricter.loc["seats", "category"] == "undecided"


def test_shares_add_to_one_and_missing_answers_are_left_out_feature_by_feature(counts):
    functional, dysfunctional = (table.astype(float) for table in answers(counts))
    functional.loc[:9, "wifi"] = np.nan
    result = qa.kano(functional, dysfunctional)
    np.testing.assert_allclose(result.shares.sum(axis=1), 1)
    assert result.classes["n"].tolist() == [110, 120, 120]
    assert result.shares.loc["wifi", "M"] == pytest.approx(2 / 110)


def test_whole_weights_equal_repeated_rows_in_shares_and_widen_intervals(counts):
    functional, dysfunctional = answers(counts)
    weights = np.where(np.arange(120) % 3 == 0, 3, 1)
    repeated = [table.loc[table.index.repeat(weights)].reset_index(drop=True) for table in (functional, dysfunctional)]
    weighted = qa.kano(functional, dysfunctional, weights=weights)
    plain = qa.kano(*repeated)
    np.testing.assert_allclose(weighted.shares, plain.shares)
    assert (weighted.tidy()["std_error"] > plain.tidy()["std_error"]).sum() > 20
    assert weighted.n == pytest.approx(200**2 / (40 * 9 + 80))


def test_words_may_be_the_codes_and_the_table_may_be_another():
    words = ["喜欢", "理应如此", "无所谓", "能忍受", "不喜欢"]
    functional, dysfunctional = pd.DataFrame({"wifi": ["喜欢"] * 9}), pd.DataFrame({"wifi": ["不喜欢"] * 9})
    assert qa.kano(functional, dysfunctional, answers=words).classes.loc["wifi", "category"] == "O"
    other = EVALUATION.copy()
    other.iloc[0, 4] = "A"
    assert qa.kano(functional, dysfunctional, answers=words, evaluation=other).classes.loc["wifi", "category"] == "A"


def test_no_answer_that_counts_gives_no_coefficient():
    table = qa.kano(pd.DataFrame({"x": [1] * 5}), pd.DataFrame({"x": [1] * 5})).tidy().set_index("term")
    assert table.loc["contradictory", "estimate"] == 1
    assert table.loc[["better", "worse"], ["estimate", "conf_low", "conf_high"]].isna().all(axis=None)


def test_bad_answers_are_named():
    good = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    with pytest.raises(ResponseError, match="'y' holds 9 in row 1"):
        qa.kano(good, good.assign(y=[3, 9]))
    with pytest.raises(ResponseError, match="same features"):
        qa.kano(good, good.rename(columns={"y": "z"}))
    with pytest.raises(ResponseError, match="same respondents"):
        qa.kano(good, good.set_axis([5, 6]))
    with pytest.raises(ResponseError, match="nobody answered both questions on 'x'"):
        qa.kano(good.assign(x=np.nan), good)
    with pytest.raises(ResponseError, match="five different codes"):
        qa.kano(good, good, answers=[1, 2, 3])
    with pytest.raises(ResponseError, match="5 × 5"):
        qa.kano(good, good, evaluation=EVALUATION.replace("Q", "X"))
    with pytest.raises(ModelError, match="fong_level=90"):
        qa.kano(good, good, fong_level=90)
    with pytest.raises(ResponseError, match="two DataFrames"):
        qa.kano(good["x"], good["x"])


def test_picture_places_better_against_worse(counts):
    axes = qa.kano(*answers(counts)).plot(labels={"wifi": "无线网络"})
    assert [text.get_text() for text in axes.texts] == ["无线网络", "seats", "app"]
    x, y = (np.array(values, dtype=float) for values in axes.containers[0][0].get_data())
    np.testing.assert_allclose(x, [60 / 115, 95 / 115, 14 / 108])
    np.testing.assert_allclose(y, [78 / 115, 48 / 115, 53 / 108])
