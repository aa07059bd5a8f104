"""May the items be factored, and into how many factors: against psych, and the refusals."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from factor_data import read_real

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning, ResponseError


@pytest.fixture(scope="module")
def real(shared_data):
    return read_real(shared_data)


@pytest.mark.parametrize("study", ["bfi_complete", "bfi", "bank", "mobi", "corp_rep"])
def test_factorability_agrees_with_psych(study, real, reference):
    theirs = reference("factors")["studies"][study]
    found = qa.factorability(real[study])
    for measure in ["kmo", "chisq", "df", "determinant"]:
        assert_close_to_reference(found.glance().loc[0, measure], theirs[measure], 1e-8, measure)
    assert_close_to_reference(found.tidy()["estimate"], theirs["kmo_items"], 1e-8, "KMO per item")


def test_singular_matrix_has_no_kmo():
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), columns=list("abc"))
    with pytest.warns(InadmissibleWarning, match="singular"):
        assert qa.factorability(data.assign(d=data["a"])).glance()["kmo"].isna().all()


def test_constant_item_is_refused():
    with pytest.raises(ResponseError, match="b never varies"):
        qa.factorability(pd.DataFrame({"a": [1, 2, 3], "b": 1, "c": [1, 3, 2]}))


def test_parallel_analysis_finds_the_population():
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(400, 2))
    data = pd.DataFrame(np.repeat(factors, 4, axis=1) + rng.normal(size=(400, 8)), columns=list("abcdefgh"))
    found = qa.parallel_analysis(data, seed=2)
    assert (found.n_factors, found.n_components) == (2, 2)
    pd.testing.assert_frame_equal(found.tidy(), qa.parallel_analysis(data, seed=2).tidy())
