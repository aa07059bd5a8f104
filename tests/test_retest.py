"""Test–retest against psych::ICC, cor.test and t.test (tests/reference/retest.R), and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError

INTERVALS = ["icc_consistency", "r", "mean_change", "sem", "sdc"]
BEFORE = pd.Series([4.0, 5, 2, 3, 1, 4], name="q")
AFTER = pd.Series([5.0, 5, 3, 3, 1, 4], name="q")


def assert_row_agrees(row, theirs, what):
    ours = row[["estimate", "conf_low", "conf_high"]].astype(float)
    assert_close_to_reference(ours, theirs["icc"], 1e-8, f"{what} ICC(2,1)")
    for name in INTERVALS:
        ours = row[[name, f"{name}_low", f"{name}_high"]].astype(float)
        assert_close_to_reference(ours, theirs[name], 1e-8, f"{what} {name}")
    for name in ["n", "change_t", "change_df", "change_p"]:
        assert_close_to_reference(row[name], theirs[name], 1e-8, f"{what} {name}")


@pytest.mark.parametrize("level", ["0.95", "0.9"])
def test_coefficients_agree_with_r(level, shared_data, reference):
    expected = reference("retest")["levels"][level]
    mobi, bfi = (pd.read_csv(shared_data(name)) for name in ("ecsi_mobi/mobi.csv", "psych_bfi/bfi.csv"))
    names = ["CUSA", "PERV", "CUSL"]
    before, after = (mobi[[f"{n}{i}" for n in names]].set_axis(names, axis=1) for i in (1, 2))
    table = qa.retest(before, after, float(level)).tidy().set_index("item")
    assert table.index.to_list() == names
    for name in names:
        assert_row_agrees(table.loc[name], expected[name], name)
    with_missing = qa.retest(bfi["N1"], bfi["N2"], float(level))
    assert with_missing.tidy().loc[0, "n"] < with_missing.glance().loc[0, "n"] == len(bfi)
    assert_row_agrees(with_missing.tidy().loc[0], expected["N"], "N with missing")


def test_respondents_are_matched_by_index():
    shuffled = AFTER.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(qa.retest(BEFORE, shuffled).tidy(), qa.retest(BEFORE, AFTER).tidy())


def test_a_common_shift_lowers_agreement_not_consistency():
    one, moved = qa.retest(BEFORE, AFTER).tidy().loc[0], qa.retest(BEFORE, AFTER + 2).tidy().loc[0]
    assert moved["estimate"] < one["estimate"] - 0.2
    assert moved["icc_consistency"] == pytest.approx(one["icc_consistency"], abs=1e-12)
    assert moved["mean_change"] == pytest.approx(one["mean_change"] + 2)


def test_icc_is_judged_by_a_cited_criterion():
    verdict = qa.retest(BEFORE, AFTER).judge().iloc[0]
    assert (verdict["item"], verdict["verdict"], verdict["threshold"]) == ("q", "undecided", 0.75)


@pytest.mark.parametrize("shift", [0, 0.3])
def test_equal_differences_are_said_and_not_tested(shift):
    with pytest.warns(DataWarning, match="for everyone"):
        row = qa.retest(BEFORE, BEFORE + shift).tidy().loc[0]
    assert row["icc_consistency"] == pytest.approx(1)
    assert row["sem"] == row["sdc"] == 0
    assert row["estimate"] == pytest.approx(1) if shift == 0 else row["estimate"] < 1
    assert row[["conf_low", "icc_consistency_high", "sem_low", "change_t", "change_p"]].isna().all()


def test_three_pairs_have_no_interval_of_r():
    row = qa.retest(BEFORE[:3], pd.Series([5.0, 4, 3])).tidy().loc[0]
    assert np.isnan(row["r_low"])
    assert np.isfinite(row["conf_low"])


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (BEFORE, AFTER[:5], "index differ"),
        (BEFORE.to_frame("a"), AFTER.to_frame("b"), "columns differ"),
        (BEFORE, AFTER.to_frame(), "Series and DataFrame"),
        (BEFORE.set_axis([0, 0, 1, 2, 3, 4]), AFTER, "repeat"),
        (BEFORE, AFTER * 0, r"never varies \(after\)"),
        (BEFORE[:2], AFTER[:2], "2 complete pairs"),
        (BEFORE, AFTER.where(AFTER == 3), "2 complete pairs"),
        (BEFORE, AFTER.astype(str), r"q \(after\) holds no numbers"),
        (BEFORE, AFTER.replace(1, np.inf), "infinite"),
    ],
)
def test_what_cannot_be_compared_is_refused(before, after, text):
    with pytest.raises(ResponseError, match=text):
        qa.retest(before, after)


def test_impossible_level_is_refused():
    with pytest.raises(ResponseError, match="conf_level"):
        qa.retest(BEFORE, AFTER, 95)
