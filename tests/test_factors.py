"""Factor analysis against psych and GPArotation, and its laws.

psych::fa stops early: its minima lie up to 1e-4 above ours in loadings. The reference therefore holds, beside psych's
numbers, the same criteria brought to their minimum in R; those we follow to 1e-4 and beat or equal in the criterion.
"""

import numpy as np
import pytest
from compare import assert_close_to_reference
from factor_data import read_real

import qa_lib as qa
from qa_lib.trust.rotation import _geomin, _quartimin, _varimax

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
