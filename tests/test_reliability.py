"""Reliability against psych, lavaan and semTools (tests/reference/reliability.R), its laws and its warnings."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from reliability_studies import BFI, STUDIES, dimensions_of, read_studies, values

import qa_lib as qa
from qa_lib.errors import DataWarning, InadmissibleWarning, ResponseError
from qa_lib.trust.consistency import coefficients as co
from qa_lib.trust.consistency.items import item_analysis

EXACT = ["alpha", "alpha_std", "mean_r", "lambda2", "lambda6", "split_half_max", "split_half_mean", "split_half_min"]


@pytest.fixture(scope="module")
def real(shared_data):
    return read_studies(shared_data)


@pytest.fixture(scope="module")
def expected(reference):
    return reference("reliability")["studies"]


@pytest.mark.filterwarnings("ignore::qa_lib.errors.QaWarning")
@pytest.mark.parametrize("study", STUDIES)
def test_coefficients_agree_with_r(study, real, expected):
    result = qa.reliability(real[study], dimensions_of(study))
    for dimension, theirs in expected[study].items():
        ours, items = values(result, dimension), result.items[result.items["dimension"] == dimension]
        for term in [term for term in EXACT if term in theirs]:
            assert_close_to_reference(ours.loc[term, "estimate"], theirs[term], 1e-8, f"{study} {dimension} {term}")
        interval = ours.loc["alpha", ["conf_low", "conf_high"]].astype(float)
        assert_close_to_reference(interval, [theirs["alpha_low"], theirs["alpha_high"]], 1e-6, f"{dimension} Feldt")
        for column in {"item_rest_r", "mean", "sd", "alpha_if_dropped"} & set(theirs):
            assert_close_to_reference(items[column], theirs[column], 1e-8, f"{study} {dimension} {column}")
        if "omega_total" in theirs:
            estimate = ours.loc["omega_total", "estimate"]
            assert_close_to_reference(estimate, theirs["omega_total"], 1e-5, f"{study} {dimension} omega_total")


def test_heywood_case_is_said(real, expected):
    bad = {name for name, found in expected["mobi"].items() if found.get("negative_variance")}
    for name, items in dimensions_of("mobi").items():
        if len(items) > 2 and name in bad:
            with pytest.warns(InadmissibleWarning, match=f"{name}: .* negative item variance"):
                found = qa.reliability(real["mobi"], {name: items}, ordinal=False)
            assert not found.admissible
            assert values(found, name).loc["omega_total", "note"] == "heywood"
        elif len(items) > 2:
            assert qa.reliability(real["mobi"], {name: items}, ordinal=False).admissible


@pytest.mark.filterwarnings("ignore::qa_lib.errors.EmptyCategoryWarning", "ignore::qa_lib.errors.InadmissibleWarning")
def test_moments_and_covariance_give_the_same(real):
    data, dimensions = real["bank"], dimensions_of("bank")
    items = [item for group in dimensions.values() for item in group]
    from_data = qa.reliability(data, dimensions).tidy()
    from_moments = qa.reliability(qa.moments(data, items), dimensions).tidy()
    needs_rows = from_data["term"].isin(["alpha_ordinal", "omega_ordinal"])
    pd.testing.assert_frame_equal(from_moments[~needs_rows], from_data[~needs_rows])
    np.testing.assert_array_equal(from_moments["estimate"], from_data["estimate"])
    assert from_moments.loc[needs_rows, ["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    from_cov = qa.reliability((data[items].cov(), len(data)), dimensions).tidy()
    pd.testing.assert_frame_equal(from_cov[~needs_rows], from_data[~needs_rows], rtol=1e-6)
    assert from_cov.loc[needs_rows, "estimate"].isna().all()
    assert set(from_cov.loc[needs_rows, "note"]) == {"not_ordinal"}


def test_delta_and_bootstrap_intervals_cover_alike(real):
    table = values(qa.reliability(real["bfi_complete"], {"N": BFI["N"]}, n_boot=400, seed=3), "N")
    feldt, boot = (table["conf_high"] - table["conf_low"]), (table["boot_high"] - table["boot_low"])
    ratio = (boot / feldt).loc[["alpha", "alpha_std", "lambda2", "lambda6", "mean_r"]]
    assert ratio.between(0.8, 1.25).all(), ratio
    closed = table["boot_low"].notna()
    assert set(table.index[~closed]) == {"omega_total", "alpha_ordinal", "omega_ordinal"}
    assert (table["boot_low"] < table["estimate"])[closed].all()
    assert (table["conf_low"] < table["estimate"]).all()


def test_delta_error_of_alpha_is_the_analytic_one():
    """For alpha the normal-theory variance has a closed form (van Zyl, Neudecker and Nel 2000, eq. 21)."""
    rng = np.random.default_rng(5)
    s, n = np.cov(rng.normal(size=(200, 6)) + rng.normal(size=(200, 1)), rowvar=False), 200
    p, total, trace, squares = 6, s.sum(), np.trace(s), np.trace(s @ s)
    q = 2 * p**2 / ((p - 1) ** 2 * total**3) * (total * (squares + trace**2) - 2 * trace * (s @ s).sum())
    gradient = co.numerical_gradient(co.alpha(co.perturbed(s)), s)
    assert co.delta_error(gradient, s, n) == pytest.approx(np.sqrt(q / (n - 1)), rel=1e-6)


def test_mean_split_half_of_even_scales_is_standardised_alpha(real):
    table = values(qa.reliability(real["bank"], {"sat": dimensions_of("bank")["sat"]}, ordinal=False), "sat")[
        "estimate"
    ]
    assert table["split_half_mean"] == pytest.approx(table["alpha_std"], abs=1e-12)


def test_weights_repeat_respondents_but_keep_their_own_information(real):
    data = real["bank"][dimensions_of("bank")["sat"]]
    weights = np.tile([1.0, 3.0], 125)
    weighted = qa.reliability(data.assign(w=weights), {"sat": list(data)}, weights="w", ordinal=False)
    rows = data.index.repeat(weights.astype(int))
    repeated = qa.reliability(data.loc[rows], {"sat": list(data)}, ordinal=False)
    assert values(weighted, "sat").loc["alpha", "estimate"] == pytest.approx(
        values(repeated, "sat").loc["alpha", "estimate"], abs=1e-12
    )
    assert weighted.glance().loc[0, "n_effective"] == pytest.approx(200)


@pytest.mark.parametrize(
    ("change", "warning", "text"),
    [
        (lambda d: d.assign(a=3), DataWarning, "a never varies"),
        (lambda d: d.assign(a=-d["a"]), DataWarning, "a runs against"),
        (lambda d: d.assign(a=d["b"]), InadmissibleWarning, "singular"),
    ],
)
def test_what_is_wrong_with_items_is_said(change, warning, text):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(100, 4)) + rng.normal(size=(100, 1)), columns=list("abcd"))
    with pytest.warns(warning, match=text):
        result = qa.reliability(change(data), {"x": list("abcd")})
    assert result.items["item"].to_list() == list("abcd")


@pytest.mark.filterwarnings("ignore::qa_lib.errors.QaWarning")
def test_one_item_left_gives_no_number():
    data = pd.DataFrame({"a": [1, 2, 3, 4], "b": 1})
    assert qa.reliability(data, {"x": ["a", "b"]}).tidy()["estimate"].isna().all()


def test_two_items_have_no_omega(real):
    with pytest.warns(DataWarning, match="two items"):
        table = values(qa.reliability(real["mobi"], {"PERV": ["PERV1", "PERV2"]}), "PERV")
    assert np.isnan(table.loc["omega_total", "estimate"])
    assert table.loc["alpha", "estimate"] == pytest.approx(0.8167, abs=5e-5)


@pytest.mark.parametrize(
    ("dimensions", "text"),
    [
        ({}, "No dimensions"),
        ({"x": ["a"]}, "two or more"),
        ({"x": ["a", "a"]}, "two or more"),
        ({"x": ["a", "z"]}, "z"),
    ],
)
def test_impossible_dimensions_are_refused(dimensions, text):
    with pytest.raises(ResponseError, match=text):
        qa.reliability(pd.DataFrame({"a": [1, 2, 3], "b": [2, 1, 3]}), dimensions)


def test_floor_ceiling_and_missing_shares():
    data = pd.DataFrame({"a": [1, 1, 2, 5], "b": [1, 2, 4, np.nan], "c": [2, 2, 3, 4]})
    items = item_analysis("x", qa.moments(data)).set_index("item")
    assert items["floor"].to_list() == [0.5, pytest.approx(1 / 3), 0]
    assert items["ceiling"].to_list() == [0.25, 0, 0]
    assert items["missing"].to_list() == [0, 0.25, 0]


def test_many_items_sample_their_splits():
    corr = np.full((20, 20), 0.3) + 0.7 * np.eye(20)
    halves = co.split_halves(corr, co.splits(20, seed=1))
    np.testing.assert_allclose(halves, co.alpha(corr))
    assert (co.splits(20, seed=1) == co.splits(20, seed=1)).all()
    assert (np.abs(co.splits(17).sum(1)) == 1).all()


def test_plot_shows_the_coefficients_there_are():
    cov = pd.DataFrame(0.5 * np.eye(3) + 0.5, list("abc"), list("abc"))
    ax = qa.reliability((cov, 100), {"R": list("abc")}).plot(labels={"R": "可靠性", "omega_total": "欧米伽"})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["可靠性"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Alpha", "欧米伽"]
    plt.close(ax.figure)
