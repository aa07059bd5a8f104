"""Factor analysis against psych and GPArotation, and its laws.

psych::fa stops early: its minima lie up to 1e-4 above ours in loadings. The reference therefore holds, beside psych's
numbers, the same criteria brought to their minimum in R; those we follow to 1e-4 and beat or equal in the criterion.
"""

import numpy as np
import pytest
from compare import assert_close_to_reference
from factor_data import read_real

import qa_lib as qa
from qa_lib.trust.structure.extraction import _minres, _ml
from qa_lib.trust.structure.factor_measures import score_weights
from qa_lib.trust.structure.rotation import _geomin, _quartimin, _varimax

STUDIES = ["bfi_complete", "bfi", "bank", "mobi", "corp_rep"]
SOLUTIONS = [
    ("minres", "oblimin"),
    ("minres", "varimax"),
    ("minres", "promax"),
    ("minres", "geomin"),
    ("ml", "oblimin"),
    ("principal_axis", "oblimin"),
]


@pytest.fixture(scope="module")
def real(shared_data):
    return read_real(shared_data)


def aligned(ours, expected):
    """Our loadings and phi with factors in the order and sign of the expected loadings."""
    found, expected = ours.loadings.to_numpy(), np.array(expected)
    cosines = (found / np.linalg.norm(found, axis=0)).T @ (expected / np.linalg.norm(expected, axis=0))
    match = np.abs(cosines).argmax(0)
    assert sorted(match) == list(range(found.shape[1])), "a factor has no counterpart"
    sign = np.sign(cosines[match, np.arange(len(match))])
    phi = ours.factor_correlations.to_numpy()[np.ix_(match, match)] * np.outer(sign, sign)
    return found[:, match] * sign, phi


def criterion(loadings, rotation):
    loadings = np.asarray(loadings)
    if rotation == "varimax":
        return _varimax(loadings / np.linalg.norm(loadings, axis=1, keepdims=True))[0]
    return {"oblimin": _quartimin, "geomin": _geomin}[rotation](loadings)[0]


@pytest.mark.parametrize(("method", "rotation"), SOLUTIONS)
@pytest.mark.parametrize("study", STUDIES)
def test_solution_is_the_minimum_r_converges_to(study, method, rotation, real, reference):
    theirs = reference("factors")["studies"][study]
    ours = qa.efa(real[study], theirs["k"], method, rotation)
    assert ours.glance().loc[0, "converged"]
    expected = theirs[f"{method}_{rotation}"]["converged"]
    loadings, phi = aligned(ours, expected["loadings"])
    assert_close_to_reference(loadings, expected["loadings"], 1e-4, "loadings")
    assert_close_to_reference(phi, expected["phi"], 1e-4, "phi")
    assert_close_to_reference(ours.uniqueness, expected["uniqueness"], 1e-4, "uniqueness")


@pytest.mark.parametrize("rotation", ["oblimin", "geomin", "varimax"])
@pytest.mark.parametrize("study", STUDIES)
def test_rotation_criterion_is_never_above_rs(study, rotation, real, reference):
    theirs = reference("factors")["studies"][study]
    ours = criterion(qa.efa(real[study], theirs["k"], rotation=rotation).loadings, rotation)
    assert ours <= theirs[f"minres_{rotation}"]["converged"]["criterion"] + 1e-8


@pytest.mark.parametrize("method", ["minres", "ml"])
@pytest.mark.parametrize("study", STUDIES)
def test_extraction_criterion_is_never_above_rs(study, method, real, reference):
    theirs = reference("factors")["studies"][study]
    ours = qa.efa(real[study], theirs["k"], method)
    objective = _minres if method == "minres" else _ml
    psi = ours.uniqueness.to_numpy()[None]
    reached = objective(psi if method == "minres" else np.log(psi), ours.correlation.to_numpy()[None], theirs["k"])[0]
    for which in ("psych", "converged"):
        assert reached[0] <= theirs[f"{method}_oblimin"][which]["objective"] + 1e-10


@pytest.mark.parametrize("method", ["minres", "ml"])
@pytest.mark.parametrize("study", STUDIES)
def test_psychs_own_numbers_are_near(study, method, real, reference):
    """psych's loadings stop within 3e-4 (relative, floor .05) of the minimum: five 1e-5 at most in absolute terms."""
    theirs = reference("factors")["studies"][study]
    expected = theirs[f"{method}_oblimin"]["psych"]
    ours = qa.efa(real[study], theirs["k"], method)
    loadings, phi = aligned(ours, expected["loadings"])
    np.testing.assert_allclose(loadings, expected["loadings"], atol=5e-5)
    np.testing.assert_allclose(phi, expected["phi"], atol=5e-5)
    assert_close_to_reference(ours.uniqueness, expected["uniqueness"], 1e-4, "uniqueness")


@pytest.mark.parametrize("method", ["minres", "ml"])
@pytest.mark.parametrize("study", STUDIES)
def test_fit_agrees_with_psych(study, method, real, reference):
    theirs = reference("factors")["studies"][study]
    expected = theirs[f"{method}_oblimin"]["psych"]
    ours = qa.efa(real[study], theirs["k"], method)
    measures = ["rmsr", "chisq", "df", "p_value", "tli", "rmsea", "rmsea_low", "rmsea_high", "bic"]
    for measure in measures:
        assert_close_to_reference(ours.glance().loc[0, measure], expected[measure], 1e-5, measure)
    assert_close_to_reference(ours.complexity, expected["complexity"], 1e-3, "complexity")
    assert_close_to_reference(ours.variance, expected["explained"], 1e-4, "variance explained")
    assert_close_to_reference(np.sort(ours.score_determinacy**2), np.sort(expected["r2_scores"]), 1e-4, "R² of scores")


@pytest.mark.parametrize("study", STUDIES)
def test_score_weights_agree_with_psych(study, real, reference):
    theirs = reference("factors")["studies"][study]
    solution, weights = theirs["minres_oblimin"]["converged"], theirs["weights"]
    ours = qa.efa(real[study], theirs["k"])
    corr, loadings, phi = ours.correlation.to_numpy(), np.array(solution["loadings"]), np.array(solution["phi"])
    for method, name in (("regression", "Thurstone"), ("bartlett", "Bartlett"), ("ten_berge", "tenBerge")):
        assert_close_to_reference(score_weights(corr, loadings, phi, method), weights[name], 1e-8, method)


def test_polychoric_factors_agree_with_r(real, reference):
    """lavCor's matrix factored in R; psych's own two-step polychorics differ from lavaan's by some 1e-4."""
    theirs = reference("factors")["polychoric"]
    ours = qa.efa(real["bfi_complete"], 5, correlation="polychoric")
    loadings, phi = aligned(ours, theirs["converged"]["loadings"])
    assert_close_to_reference(loadings, theirs["converged"]["loadings"], 1e-4, "loadings")
    assert_close_to_reference(phi, theirs["converged"]["phi"], 1e-4, "phi")
    np.testing.assert_allclose(aligned(ours, theirs["fa_poly"])[0], theirs["fa_poly"], atol=1e-3)
