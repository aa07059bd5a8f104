"""Factorability, number of factors and factor analysis against psych, and their laws."""

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning, ResponseError


def test_singular_matrix_has_no_kmo():
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), columns=list("abc"))
    with pytest.warns(InadmissibleWarning, match="singular"):
        assert qa.factorability(data.assign(d=data["a"])).glance()["kmo"].isna().all()


def test_constant_item_is_refused():
    with pytest.raises(ResponseError, match="b never varies"):
        qa.factorability(pd.DataFrame({"a": [1, 2, 3], "b": 1, "c": [1, 3, 2]}))
