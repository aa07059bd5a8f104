"""Dynamic cut-offs: populations and quantiles against lavaan, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ModelError
from qa_lib.models.fit import cfa
from qa_lib.trust.cutoffs import INDICES, RULES, _levels, _population, _standardised, cutoffs

THREE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
ONE = "g =~ " + " + ".join(f"x{k}" for k in range(1, 10))
PROBABILITIES = (0.05, 0.10, 0.50, 0.90, 0.95)


@pytest.fixture(scope="module")
def hs(shared_data):
    return pd.read_csv(shared_data("lavaan_classics/HolzingerSwineford1939.csv"))


@pytest.fixture(scope="module")
def fits(hs):
    return {"three": cfa(THREE, hs), "one": cfa(ONE, hs)}


@pytest.mark.parametrize("name", ["three", "one"])
def test_populations_are_those_written_down_in_r(fits, reference, name):
    loadings, correlations, residual = _standardised(fits[name])
    levels = [[], *_levels(loadings, correlations, residual)]
    expected = reference("cutoffs")[name]
    assert len(levels) == len(expected)
    for missed, known in zip(levels, expected, strict=True):
        population = _population(loadings, correlations, residual, missed)
        assert_close_to_reference(population, known["population"], 1e-5, f"population of {missed}")


@pytest.mark.parametrize("name", ["three", "one"])
def test_cutoffs_are_the_quantiles_lavaan_gives_within_monte_carlo_error(fits, reference, name):
    found = cutoffs(fits[name], n_rep=1000, seed=7).tidy()
    quantiles = [np.array(level["quantiles"]) for level in reference("cutoffs")[name]]
    assert (found["rule"] != "none").any()
    for row in found[found["rule"] != "none"].itertuples():
        index = row.term.removesuffix("_cutoff")
        tail = RULES[row.rule]
        expected = quantiles[row.level][PROBABILITIES.index(1 - tail if index == "cfi" else tail), INDICES.index(index)]
        assert abs(row.estimate - expected) < 4 * np.sqrt(2) * row.std_error, row


def test_where_the_model_misses_little_no_cutoff_tells_it_apart():
    names = list("abcdef")
    r = pd.DataFrame(np.full((6, 6), 0.2) + 0.8 * np.eye(6), names, names)
    fit = cfa("g =~ " + " + ".join(names), r, nobs=60)
    found = cutoffs(fit, n_rep=200).tidy()
    first = found[found["level"] == 1]
    assert (first["rule"] == "none").any()
    assert first.loc[first["rule"] == "none", ["estimate", "conf_low"]].isna().all().all()


def test_same_seed_same_cutoffs_and_more_replications_less_error(fits):
    few, again, many = (cutoffs(fits["three"], n_rep=n, seed=3).tidy() for n in (200, 200, 1600))
    pd.testing.assert_frame_equal(few, again)
    both = few["std_error"].notna() & many["std_error"].notna()
    assert many.loc[both, "std_error"].mean() < 0.6 * few.loc[both, "std_error"].mean()


def test_verdicts_hold_the_fit_against_the_cutoffs(fits):
    found = cutoffs(fits["three"], n_rep=200)
    verdicts = found.judge()
    assert set(verdicts["verdict"]) == {"not_met"}
    assert verdicts["fixed"].tolist() == [0.08, 0.06, 0.95] * 2
    assert found.glance()["levels"].item() == 2


def test_a_negative_loading_is_crossed_with_its_own_sign(hs):
    turned = hs.assign(x2=-hs["x2"])
    path = cutoffs(cfa(THREE, turned), n_rep=50).paths[0][0]
    same = cutoffs(cfa(THREE, hs), n_rep=50).paths[0][0]
    assert path.size == pytest.approx(-same.size)
    assert (path.lhs, path.rhs) == (same.lhs, same.rhs) == ("textual", "x2")


def test_missing_answers_leave_the_cutoffs_near_those_of_complete_ones(hs, fits):
    holes = hs.mask(np.random.default_rng(1).random(hs.shape) < 0.02)
    found, complete = (cutoffs(fit, n_rep=300).tidy() for fit in (cfa(THREE, holes, missing="fiml"), fits["three"]))
    second = found["level"] == 2
    share = np.where(found["term"] == "srmr_cutoff", np.sqrt(45 / 54), 1)  # nine means are met exactly
    np.testing.assert_allclose(found["estimate"][second], (share * complete["estimate"])[second], rtol=0.08)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (THREE, {"group": "school"}, "one group"),
        (THREE, {"estimator": "GLS"}, "maximum likelihood"),
        ("visual =~ x1 + x2 + x3", {}, "degrees of freedom"),
        (THREE + "\nvisual ~ textual", {}, "measurement models"),
        (THREE + "\nx1 ~~ x4\nx2 ~~ x5\nx3 ~~ x6", {}, "without cross-loading"),
    ],
)
def test_what_has_no_dynamic_cutoffs_says_so(hs, model, options, message):
    with pytest.raises(ModelError, match=message):
        qa.cutoffs(cfa(model, hs, **options))


def test_a_model_that_reproduces_its_moments_has_an_rmsea_of_zero(hs):
    fit = cfa(THREE, hs)
    implied = fit.implied_cov
    again = cfa(THREE, implied, nobs=len(hs)).glance().iloc[0]
    assert again[["rmsea", "rmsea_low", "rmsea_high"]].tolist() == pytest.approx([0, 0, 0])
