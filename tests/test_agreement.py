"""Agreement against psych (R) and the published worked examples."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from statsmodels.stats.inter_rater import cohens_kappa

import qa_lib as qa
from qa_lib.errors import DataWarning, ResponseError

TERMS = ["icc_1", "icc_2_1", "icc_3_1", "icc_1_k", "icc_2_k", "icc_3_k"]
SHROUT_FLEISS = pd.DataFrame(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], columns=list("abcd")
)
_ = np.nan
# Krippendorff (2011), Computing Krippendorff's alpha-reliability, example C: four observers, twelve units.
FOUR_CODERS = pd.DataFrame(
    {
        "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        "c": [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    }
)


@pytest.fixture(scope="module")
def r(reference):
    return reference("operations_agreement")


@pytest.fixture(scope="module")
def ratings(r):
    return pd.DataFrame(r["ratings"])


def by_term(result):
    return result.tidy().set_index("term")


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_four_coders(level, alpha):
    row = by_term(qa.agreement(FOUR_CODERS, level=level)).loc["krippendorff_alpha"]
    assert round(row["estimate"], 3) == alpha
    assert row["conf_low"] < alpha < row["conf_high"]


def test_gwets_four_coder_example():
    """Gwet (2014), table 2.10 has the same ratings: AC1 .77544, Fleiss .76117, percent .81818."""
    table = by_term(qa.agreement(FOUR_CODERS, level="nominal"))
    assert_close_to_reference(
        table.loc[["gwet_ac1", "fleiss_kappa", "percent"], "estimate"], [0.77544, 0.76117, 0.81818], 1e-5
    )
    assert_close_to_reference(table.loc[["gwet_ac1", "fleiss_kappa"], "std_error"], [0.14295, 0.15302], 1e-4)


@pytest.mark.parametrize("data", ["shrout_fleiss", "icc60"])
def test_icc_and_intervals_equal_psych(r, ratings, data):
    scores = SHROUT_FLEISS if data == "shrout_fleiss" else ratings
    table = by_term(qa.agreement(scores, level="interval")).loc[TERMS]
    for ours, theirs in (("estimate", "icc"), ("conf_low", "low"), ("conf_high", "high")):
        assert_close_to_reference(table[ours], r[data][theirs], 1e-8, f"{data} {ours}")


def test_cohen_and_weighted_kappa_equal_psych(r, ratings):
    table = by_term(qa.agreement(ratings[["a", "b"]], level="ordinal")).loc[["cohen_kappa", "weighted_kappa"]]
    assert_close_to_reference(table["estimate"], [r["cohen"]["kappa"], r["cohen"]["weighted"]], 1e-8)
    low_high = table.loc["cohen_kappa", ["conf_low", "conf_high"]].astype(float)
    assert_close_to_reference(low_high, np.array(r["cohen"]["confid"])[0, [0, 2]], 1e-8)


def test_standard_errors_of_kappa_are_those_of_fleiss_cohen_and_everitt(ratings):
    """Of the weighted kappa psych 2.2.9 gives another one; statsmodels has the formula of the paper, as we do."""
    counts = pd.crosstab(ratings["a"], ratings["b"])
    pair = by_term(qa.agreement(ratings[["a", "b"]], level="ordinal"))["std_error"]
    for term, weights in (("cohen_kappa", None), ("weighted_kappa", "quadratic")):
        assert_close_to_reference(pair[term], cohens_kappa(counts.to_numpy(), wt=weights).std_kappa, 1e-10, term)


@pytest.mark.parametrize(("term", "key"), [("fleiss_kappa", "fleiss"), ("gwet_ac1", "ac1")])
def test_category_coefficients_and_their_standard_errors(r, ratings, term, key):
    row = by_term(qa.agreement(ratings, level="nominal")).loc[term]
    assert_close_to_reference(row["estimate"], r[key]["estimate"], 1e-10)
    assert row["std_error"] == pytest.approx(r[key]["jackknife_se"], rel=0.03)


def test_icc_with_missing_ratings_recovers_the_variance_components():
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 2, (6000, 1)) + np.array([-1, -0.4, 0, 0.4, 1]) + rng.normal(0, 1, (6000, 5))
    scores[rng.random(scores.shape) < 0.4] = np.nan
    table = by_term(qa.agreement(pd.DataFrame(scores).rename(columns=str).round(3), level="interval", n_boot=20))
    monitors = np.var([-1, -0.4, 0, 0.4, 1], ddof=1)
    assert table.loc["icc_3_1", "estimate"] == pytest.approx(4 / 5, abs=0.015)
    assert table.loc["icc_2_1", "estimate"] == pytest.approx(4 / (5 + monitors), abs=0.015)


def test_order_of_contacts_and_monitors_does_not_matter(ratings):
    once = by_term(qa.agreement(ratings, level="ordinal"))["estimate"]
    again = by_term(qa.agreement(ratings.sample(frac=1, random_state=1)[["c", "a", "b"]], level="ordinal"))["estimate"]
    assert_close_to_reference(again, once, 1e-10)


def test_perfect_and_constant_ratings():
    perfect = pd.DataFrame({"a": [1, 2, 3, 1], "b": [1, 2, 3, 1]})
    assert (by_term(qa.agreement(perfect, level="ordinal"))["estimate"] == 1).all()
    with pytest.warns(DataWarning, match="krippendorff_alpha"):
        constant = by_term(qa.agreement(pd.DataFrame({"a": [5, 5, 5], "b": [5, 5, 5]})))
    assert constant.loc["percent", "estimate"] == 1
    assert np.isnan(constant.loc["krippendorff_alpha", "estimate"])


@pytest.mark.parametrize(
    ("data", "level", "message"),
    [
        (pd.DataFrame({"a": [1, 2]}), "nominal", "two or more monitor columns"),
        (pd.DataFrame({"a": [1, 2], "b": [1, np.nan]}), "nominal", "1 contacts"),
        (pd.DataFrame({"a": ["x", "y"], "b": ["x", "y"]}), "ordinal", "hold no numbers"),
        (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "ratio", "level is 'ratio'"),
    ],
)
def test_unusable_ratings_are_refused(data, level, message):
    with pytest.raises(ResponseError, match=message):
        qa.agreement(data, level=level)


@pytest.fixture(scope="module")
def missing(reference):
    return reference("operations_agreement_missing")


def scores_of(columns):
    return pd.DataFrame(columns).apply(pd.to_numeric, errors="coerce")


def test_missing_scores_equal_the_published_formulas(missing):
    scores = scores_of(missing["ratings"])
    found = {level: by_term(qa.agreement(scores, level, n_boot=5)) for level in ("nominal", "ordinal", "interval")}
    for level, alpha in missing["alpha"].items():
        assert_close_to_reference(found[level].loc["krippendorff_alpha", "estimate"], alpha, 1e-10, level)
    for level, term, key in (
        ("nominal", "gwet_ac1", "ac1"),
        ("nominal", "fleiss_kappa", "fleiss"),
        ("ordinal", "gwet_ac2", "ac2_ordinal"),
        ("interval", "gwet_ac2", "ac2_interval"),
    ):
        ours = found[level].loc[term, ["estimate", "std_error"]].to_numpy(float)
        assert_close_to_reference(ours, missing[key], 1e-10, f"{term} {level}")


@pytest.mark.parametrize("level", ["ordinal", "interval"])
def test_weighted_kappa_counts_places_or_distances(missing, level):
    kappa = by_term(qa.agreement(scores_of(missing["two"]), level, n_boot=5)).loc["weighted_kappa"]
    assert_close_to_reference([kappa["estimate"], kappa["std_error"]], missing[f"kappa_{level}"], 1e-10, level)


def test_pairs_of_monitors_who_share_no_contact_lose_a_degree_of_freedom(missing):
    scores = pd.DataFrame(
        {"a": [1, 2, 3, 4, 5] + [_] * 5, "b": [2, 2, 3, 5, 5] + [_] * 5, "c": [_] * 5 + [1, 3, 3, 4, 5],
         "d": [_] * 5 + [2, 3, 2, 5, 5]}
    )  # fmt: skip
    icc = by_term(qa.agreement(scores, "interval", n_boot=5)).loc["icc_3_1"]
    assert_close_to_reference(icc[["estimate", "conf_low", "conf_high"]].tolist(), missing["blocks"]["icc"], 1e-10)


def test_icc_of_perfect_agreement_is_one_and_has_no_interval():
    found = by_term(qa.agreement(pd.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]}), "interval", n_boot=5)).loc[TERMS]
    assert (found["estimate"] == 1).all()
    assert found[["conf_low", "conf_high"]].isna().all(axis=None)


def test_bounds_of_mean_ratings_never_pass_the_pole_of_spearman_brown():
    found = by_term(qa.agreement(pd.DataFrame({"a": [1, 2, 3, 2, 1], "b": [2] * 5}), "ordinal", n_boot=5)).loc[
        "icc_2_k"
    ]
    assert np.isnan(found["conf_low"])
    assert found["conf_high"] < 1


def test_infinite_scores_and_impossible_levels_are_named():
    with pytest.raises(ResponseError, match=r"infinite values, or beyond .* in a"):
        qa.agreement(pd.DataFrame({"a": [1, np.inf], "b": [1, 2]}), "interval")
    with pytest.raises(ResponseError, match="conf_level is 95"):
        qa.agreement(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), conf_level=95)
