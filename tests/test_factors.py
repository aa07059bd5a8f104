"""Factorability, number of factors and factor analysis against psych, and their laws."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning, ResponseError


def test_singular_matrix_has_no_kmo():
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), columns=list("abc"))
    with pytest.warns(InadmissibleWarning, match="singular"):
        assert qa.factorability(data.assign(d=data["a"])).glance()["kmo"].isna().all()


def test_constant_item_is_refused():
    with pytest.raises(ResponseError, match="b never varies"):
        qa.factorability(pd.DataFrame({"a": [1, 2, 3], "b": 1, "c": [1, 3, 2]}))


@pytest.fixture(scope="module")
def real(shared_data):
    bfi = pd.read_csv(shared_data("psych_bfi/bfi.csv")).iloc[:, :25]
    bank = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv")).iloc[:, :27]
    mobi = pd.read_csv(shared_data("ecsi_mobi/mobi.csv"))
    return {"bfi_complete": bfi.dropna(), "bfi": bfi, "bank": bank, "mobi": mobi}


@pytest.mark.parametrize("study", ["bfi_complete", "bfi", "bank", "mobi"])
def test_factorability_agrees_with_psych(study, real, reference):
    theirs = reference("factors")["studies"][study]
    found = qa.factorability(real[study])
    for measure in ["kmo", "chisq", "df", "determinant"]:
        assert_close_to_reference(found.glance().loc[0, measure], theirs[measure], 1e-8, measure)
    assert_close_to_reference(found.tidy()["estimate"], theirs["kmo_items"], 1e-8, "KMO per item")


@pytest.mark.parametrize("method", ["minres", "ml"])
@pytest.mark.parametrize("study", ["bfi_complete", "bank"])
def test_oblimin_agrees_with_psych(study, method, real, reference):
    """Within 1e-3 only: GPArotation stops at a gradient of 1e-5, which moves psych's own loadings by some 1e-5."""
    theirs = reference("factors")["studies"][study]
    solution = theirs[f"{method}_oblimin"]
    ours = qa.efa(real[study], theirs["k"], method)
    expected, found = np.array(solution["loadings"]), ours.loadings.to_numpy()
    match = [
        np.abs(expected[:, [j]] - found * np.sign(expected[:, j] @ found)).max(0).argmin()
        for j in range(len(expected[0]))
    ]
    sign = np.sign(np.diag(expected.T @ found[:, match]))
    assert_close_to_reference(found[:, match] * sign, expected, 1e-3, "loadings")
    phi = ours.factor_correlations.to_numpy()[np.ix_(match, match)] * np.outer(sign, sign)
    assert_close_to_reference(phi, solution["phi"], 1e-3, "phi")
    assert_close_to_reference(ours.uniqueness, solution["uniqueness"], 1e-4, "uniqueness")
    for measure in ["rmsr", "chisq", "df", "tli", "bic"]:
        assert_close_to_reference(ours.glance().loc[0, measure], solution[measure], 1e-4, measure)


@pytest.mark.parametrize("rotation", ["none", "varimax", "promax", "oblimin", "geomin"])
def test_rotation_keeps_the_implied_matrix(rotation, real):
    data = real["bank"]
    plain, turned = (qa.efa(data, 3, rotation=r, n_starts=3) for r in ("none", rotation))
    common = turned.loadings @ turned.factor_correlations @ turned.loadings.T
    np.testing.assert_allclose(common, plain.loadings @ plain.loadings.T, atol=1e-10)
    np.testing.assert_allclose(np.diag(common) + turned.uniqueness, 1, atol=1e-6)


def test_parallel_analysis_finds_the_population(real):
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(400, 2))
    data = pd.DataFrame(np.repeat(factors, 4, axis=1) + rng.normal(size=(400, 8)), columns=list("abcdefgh"))
    found = qa.parallel_analysis(data, seed=2)
    assert (found.n_factors, found.n_components) == (2, 2)
    pd.testing.assert_frame_equal(found.tidy(), qa.parallel_analysis(data, seed=2).tidy())
