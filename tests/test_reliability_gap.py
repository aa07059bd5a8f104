"""Reliability of gap scores against psych (tests/reference/reliability_gap.R), its laws and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, InadmissibleWarning, ResponseError

STUDIES = {
    "mobi": ("ecsi_mobi/mobi.csv", ["CUEX1", "CUEX2", "CUEX3"], ["PERQ1", "PERQ2", "PERQ3"]),
    "servqual": ("servqual_bb1992_simulated/bb1992.csv", ["Q1", "Q2", "Q3", "Q4"], ["Q10", "Q11", "Q12", "Q13"]),
    "corp": ("corp_rep/corp_rep_data.csv", ["comp_1", "comp_2", "comp_3"], ["cusl_1", "cusl_2", "cusl_3"]),
    "bfi": ("psych_bfi/bfi.csv", ["C1", "C2", "C3"], ["E3", "E4", "E5"]),
}
PAIRS = [("x1", "y1"), ("x2", "y2"), ("x3", "y3")]


def answers(n=300, seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], size=n).T
    parts = {f"x{i}": x + 0.7 * rng.normal(size=n) for i in (1, 2, 3)}
    return pd.DataFrame(parts | {f"y{i}": y + 0.7 * rng.normal(size=n) for i in (1, 2, 3)})


@pytest.mark.parametrize("study", STUDIES)
def test_coefficients_agree_with_r(study, shared_data, reference):
    theirs = reference("reliability_gap")["studies"][study]
    path, expected, experienced = STUDIES[study]
    data = pd.read_csv(shared_data(path)).replace(-99, np.nan)
    result = qa.gap_reliability(data, list(zip(expected, experienced, strict=True)))
    table = result.tidy().set_index("term")
    assert set(table["n"]) == {theirs["n"]}
    for term in ("alpha_expected", "alpha_experienced", "alpha_gap"):
        ours = table.loc[term, ["estimate", "conf_low", "conf_high"]].astype(float)
        assert_close_to_reference(ours.iloc[0], theirs[term][0], 1e-8, f"{study} {term}")
        assert_close_to_reference(ours, theirs[term], 1e-6, f"{study} {term} Feldt")
    for term in ("parts_r", "reliability_gap"):
        assert_close_to_reference(table.loc[term, "estimate"], theirs[term], 1e-8, f"{study} {term}")
        assert table.loc[term, "conf_low"] < table.loc[term, "estimate"] < table.loc[term, "conf_high"]
    if theirs["n"] == len(data):
        for other in (qa.moments(data), (data[[*expected, *experienced]].cov(), len(data))):
            again = qa.gap_reliability(other, list(zip(expected, experienced, strict=True))).tidy()
            pd.testing.assert_frame_equal(again, result.tidy(), rtol=1e-6)


def test_errors_are_those_of_resampling():
    drawn = [qa.gap_reliability(answers(seed=s), PAIRS).tidy()["estimate"] for s in range(2, 152)]
    errors = qa.gap_reliability(answers(20_000), PAIRS).tidy()["std_error"] * np.sqrt(19_999 / 299)
    np.testing.assert_allclose(errors, np.std(drawn, axis=0), rtol=0.25)


def test_both_ways_agree_when_errors_do_not_correlate_and_differ_when_they_do():
    rng = np.random.default_rng(5)
    data = answers(20_000)
    table = qa.gap_reliability(data, PAIRS).tidy().set_index("term")["estimate"]
    assert table["reliability_gap"] == pytest.approx(table["alpha_gap"], abs=0.01)
    assert table["alpha_gap"] < table[["alpha_expected", "alpha_experienced"]].min()
    for expected, experienced in PAIRS:
        data[[expected, experienced]] += rng.normal(size=(len(data), 1))
    table = qa.gap_reliability(data, PAIRS).tidy().set_index("term")["estimate"]
    assert table["reliability_gap"] < table["alpha_gap"] - 0.1


def test_dimensions_take_their_own_pairs_and_are_judged():
    data = answers().assign(other=1.0)
    dimensions = {"first": ["y1", "y2"], "second": ["y2", "y3", "other"], "none": ["other"]}
    result = qa.gap_reliability(data, PAIRS, dimensions)
    assert result.tidy()["dimension"].unique().tolist() == ["first", "second"]
    alone = qa.gap_reliability(data, PAIRS[1:]).tidy()
    second = result.tidy().query("dimension == 'second'").reset_index(drop=True)
    pd.testing.assert_frame_equal(second.drop(columns="dimension"), alone.drop(columns="dimension"))
    verdicts = result.judge()
    assert set(verdicts["term"]) == {"alpha_expected", "alpha_experienced", "alpha_gap", "reliability_gap"}
    assert result.glance().loc[0, ["n", "n_dimensions", "n_pairs"]].to_list() == [300, 2, 4]


def test_weights_repeat_respondents_but_keep_their_own_information():
    data, weights = answers(), np.tile([1.0, 3.0], 150)
    weighted = qa.gap_reliability(data, PAIRS, weights=weights).tidy()
    repeated = qa.gap_reliability(data.loc[data.index.repeat(weights.astype(int))], PAIRS).tidy()
    np.testing.assert_allclose(weighted["estimate"], repeated["estimate"])
    assert set(weighted["n"]) == {240.0}
    assert (weighted["std_error"] > repeated["std_error"]).all()


@pytest.mark.parametrize(
    ("change", "warning", "text", "note"),
    [
        (lambda d: d.assign(x1=2.0, y2=1.0), DataWarning, "fewer than two pairs", "too_few_items"),
        (lambda d: d.assign(y1=d["x1"], y2=d["x2"], y3=d["x3"]), InadmissibleWarning, "not vary", "no_total_variance"),
        (lambda d: d.assign(x2=-d["x1"], x3=0.0, y3=1.0), InadmissibleWarning, "not vary", "no_total_variance"),
    ],
)
@pytest.mark.filterwarnings("ignore:gap. .* never varies:qa_lib.errors.DataWarning")
def test_what_has_no_reliability_is_missing_and_said(change, warning, text, note):
    with pytest.warns(warning, match=f"gap: .*{text}"):
        result = qa.gap_reliability(change(answers()), PAIRS)
    assert result.tidy()["estimate"].isna().all()
    assert set(result.tidy()["note"]) == {note}
    assert result.glance().loc[0, "admissible"] == (note == "too_few_items")


def test_a_constant_item_leaves_with_its_pair():
    with pytest.warns(DataWarning, match="gap: x1 never varies"):
        table = qa.gap_reliability(answers().assign(x1=2.0), PAIRS).tidy()
    pd.testing.assert_frame_equal(table, qa.gap_reliability(answers(), PAIRS[1:]).tidy())


def test_items_never_answered_together_are_said():
    data = answers()
    data.loc[:149, "x1"], data.loc[150:, "y1"] = np.nan, np.nan
    with pytest.warns(DataWarning, match="never answered"):
        table = qa.gap_reliability(data, PAIRS, missing="pairwise").tidy()
    assert set(table["note"]) == {"never_together"}


@pytest.mark.parametrize(
    ("pairs", "dimensions", "text"),
    [
        ([], None, "pairs are"),
        (["ab"], None, "pairs are"),
        ([("x1", "y1"), ("x1", "y2")], None, "x1 is in several places"),
        ([("x1", "zz"), ("x2", "y2")], None, "zz"),
        (PAIRS, {"d": ["x1"]}, "No pair"),
    ],
)
def test_impossible_pairs_are_refused(pairs, dimensions, text):
    with pytest.raises(ResponseError, match=text):
        qa.gap_reliability(answers(), pairs, dimensions)
