"""Steps of measurement invariance against semTools' measEq.syntax and lavaan (tests/reference/invariance.R)."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ModelError
from qa_lib.trust.invariance import free_parameters, invariance

TWO = "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
KINDS = "A =~ B1 + T2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
HS = "visual =~ x1 + x2 + x3\n textual =~ x4 + x5 + x6\n speed =~ x7 + x8 + x9"
MEASURES = ["chisq", "df", "cfi", "rmsea", "srmr", "chisq_scaled", "cfi_scaled", "rmsea_scaled"]
CASES = {
    "gender": (TWO, "gender", {}),
    "gender_ulsmv": (TWO, "gender", {"estimator": "ULSMV"}),
    "gender_partial": (TWO, "gender", {"partial": ("A4~1", "C5~1")}),
    "kinds": (KINDS, "gender", {"ordered": ["B1", "T2", "A3", "A4", "A5", "C1", "C2", "C3", "C4"]}),
    "education": ("A =~ A2 + A3 + A4 + A5", "education", {}),
}


@pytest.fixture(scope="module")
def bfi(shared_data):
    data = pd.read_csv(shared_data("psych_bfi/bfi.csv"))
    for item in ("A1", "C4", "C5"):
        data[item] = 7 - data[item]
    return data.assign(B1=data.A1 > 4, T2=pd.cut(data.A2, [0, 3, 5, 6], labels=False) + 1).assign(
        B1=lambda d: d.B1.where(d.A1.notna()).astype(float)
    )


@pytest.fixture(scope="module")
def hs(shared_data):
    return pd.read_csv(shared_data("lavaan_classics/HolzingerSwineford1939.csv"))


@pytest.mark.parametrize("name", CASES)
def test_ordinal_steps_are_those_of_semtools(name, bfi, reference):
    model, group, options = CASES[name]
    data = bfi[bfi["education"].isin([3, 4, 5])] if group == "education" else bfi
    found = invariance(model, data, group, **{"estimator": "WLSMV"} | options)
    expected = reference("invariance")[name]
    table = found.tidy()
    assert table["term"].tolist() == ["configural", "thresholds", "metric", "scalar", "strict"]
    indices = np.array(expected["indices"], dtype=float)
    assert_close_to_reference(table[MEASURES], indices[:, :8], 1e-5, f"{name} fit")
    differences = np.array(expected["difference"], dtype=float)
    tested = ~np.isnan(differences[:, 0])
    columns = ["chisq_diff", "df_diff", "p_value"]
    assert_close_to_reference(table.loc[1:, columns][tested], differences[tested], 2e-5, f"{name} differences")


def test_steps_of_bfi_by_gender_literally(bfi):
    """semTools 0.5-6 with lavaan 0.6-14, read off their print-out."""
    table = invariance(TWO, bfi, "gender", estimator="WLSMV").tidy().head(4)
    assert_close_to_reference(table["chisq"], [494.944, 510.438, 540.337, 604.840], 1e-6, "chi-square")
    assert table["df"].tolist() == [68, 98, 106, 114]
    assert_close_to_reference(table["chisq_scaled"], [644.081, 734.474, 689.253, 706.953], 1e-6, "scaled")
    assert (table["verdict"] == "met").all()
    assert table["delta_cfi"].iloc[1:].tolist() == pytest.approx(np.diff(table["cfi_scaled"]).tolist())


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_continuous_steps_are_those_of_lavaan(estimator, hs, reference):
    expected = reference("invariance")[estimator]
    found = invariance(HS, hs, "school", estimator=estimator)
    table = found.tidy()
    assert_close_to_reference(table[["chisq", "df", "cfi", "rmsea", "srmr"]], expected["indices"], 1e-5, "steps")
    columns = ["chisq_diff", "df_diff", "p_value"]
    assert_close_to_reference(table.loc[1:, columns], expected["difference"], 2e-5, "differences")
    if estimator == "ML":
        scores = found.candidates("scalar")["mi"]
        ours = scores.sort_values(ascending=False).to_numpy()
        theirs = np.array(expected["score"])
        assert_close_to_reference(
            ours[:3], [v for v in theirs if np.abs(ours - v).min() < 1e-3][:3], 1e-5, "score tests"
        )


def test_search_frees_what_differs():
    """Group 2 shifts one intercept of an ordinal item; the search finds it and nothing else."""
    rng = np.random.default_rng(11)
    factor = rng.normal(size=(3000, 1))
    latent = 0.7 * factor + 0.7 * rng.normal(size=(3000, 5))
    group = np.repeat(["2026-09", "2026-10"], 1500)
    latent[group == "2026-10", 2] += 0.9
    data = pd.DataFrame(np.digitize(latent, [-1, -0.3, 0.3, 1]) + 1, columns=list("abcde")).assign(period=group)
    model = "f =~ a + b + c + d + e"
    found = invariance(model, data, "period", estimator="WLSMV")
    assert found.level == "metric"
    assert [text.split(":")[0] for text in found.withheld()] == ["scalar", "strict"]
    assert found.candidates("scalar").loc[0, "term"] == "c~1"
    freed = free_parameters(model, data, "period", "scalar", estimator="WLSMV")
    assert freed["term"].tolist() == ["c~1"]
    assert freed.loc[0, "delta_cfi"] > -0.01
    partial = invariance(model, data, "period", estimator="WLSMV", partial=freed["term"])
    assert partial.tidy().set_index("term").loc["scalar", "verdict"] == "met"


def test_score_test_is_close_to_the_drop_of_chi_square(hs):
    found = invariance(HS, hs, "school")
    worst = found.candidates("scalar").iloc[0]
    freed = invariance(HS, hs, "school", partial=worst["term"])
    drop = found.fits["scalar"].test.statistic - freed.fits["scalar"].test.statistic
    assert worst["mi"] == pytest.approx(drop, rel=0.05)


def test_a_group_that_lacks_a_category_is_named(bfi):
    data = bfi[(bfi["gender"] == 1) | (bfi["A2"] != 6)]
    with pytest.raises(ModelError, match=r"item A2: nobody in group 2 chose \[6.0\]"):
        invariance(TWO, data, "gender", estimator="WLSMV")


def test_what_cannot_be_asked_is_refused(hs):
    with pytest.raises(ModelError, match="at least two values"):
        invariance(HS, hs.assign(one=1), "one")
    with pytest.raises(ModelError, match="Moments: invariance needs the respondents' rows"):
        invariance(HS, qa.moments(hs[["x1", "x2"]]), "school")
    with pytest.raises(ModelError, match="allowed are metric, scalar, strict"):
        free_parameters(HS, hs, "school", "thresholds")
    with pytest.raises(ModelError, match="allowed are metric, scalar, strict"):
        invariance(HS, hs, "school").candidates("configural")
