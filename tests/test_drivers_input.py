"""Every public function of the room says what is wrong with impossible data."""

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ModelError, QaError

ITEMS = {"f": ["a", "b"], "g": ["c", "d"]}
CALLS = {
    "drivers": lambda d: qa.drivers(d, "y", list("abcd"), weights="w", n_boot=5),
    "logit": lambda d: qa.drivers(d, "y", list("abcd"), weights="w", model="ordinal", n_boot=0),
    "cross_validate": lambda d: qa.cross_validate(d, "y", list("abcd"), weights="w", folds=3, repeats=1),
    "driver_segments": lambda d: qa.driver_segments(d, "y", list("abcd"), "s", weights="w", n_boot=5),
    "latent_drivers": lambda d: qa.latent_drivers(d, ITEMS, {"y": "y"}, weights="w"),
    "penalty_reward": lambda d: qa.penalty_reward(d, "y", list("abcd"), weights="w", n_boot=5),
    "ipa": lambda d: qa.ipa(None, d[list("abcd")], outcome=d["y"], weights=d["w"], n_boot=5),
    "pls": lambda d: qa.pls("F <~ a + b\nG <~ c + d\ny ~ F + G", d, weights="w", n_boot=5),
    "robustness": lambda d: qa.robustness(d, "y", list("abcd"), weights="w"),
}
CHANGES = {
    "constant predictor": lambda d: d.assign(b=3),
    "one level of the outcome": lambda d: d.assign(y=4),
    "all weights zero": lambda d: d.assign(w=0.0),
    "fewer rows than predictors": lambda d: d[:3],
    "text": lambda d: d.assign(a="high"),
    "text for weights": lambda d: d.assign(w="heavy"),
    "infinite weights": lambda d: d.assign(w=np.inf),
    "one respondent with weight": lambda d: d.assign(w=np.arange(len(d)) == 0),
    "no answers": lambda d: d.assign(a=np.nan),
    "two rows": lambda d: d[:2],
    "nobody": lambda d: d[:0],
}
RARE = {
    "drivers": lambda d: qa.drivers(d, "y", list("abcd"), n_boot=60).importance,
    "logit": lambda d: qa.drivers(d, "y", list("ab"), model="logit", top_box=5, n_boot=20).importance,
    "ipa": lambda d: qa.ipa(None, d[list("abcd")], outcome=d["y"], n_boot=60),
    "pls": lambda d: qa.pls("F =~ a + b; G =~ c + d; y ~ F + G", d, n_boot=60),
    "penalty_reward": lambda d: qa.penalty_reward(d, "y", list("ac"), n_boot=60),
}
SAME = ["drivers", "logit", "cross_validate", "driver_segments", "pls", "robustness", "penalty_reward"]


@pytest.fixture
def answers():
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.integers(1, 6, (240, 4)), columns=list("abcd"))
    data["y"] = np.clip((data["a"] + data["c"]) // 2 + rng.integers(-1, 2, 240), 1, 5)
    return data.assign(w=1.0, s=np.repeat(["u", "v"], 120))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("change", CHANGES)
def test_impossible_answers_are_refused_by_name(call, change, answers):
    with pytest.raises(QaError) as refused:
        CALLS[call](CHANGES[change](answers))
    assert len(str(refused.value)) > 20


@pytest.mark.parametrize("call", SAME)
def test_one_predictor_twice_is_refused(call, answers):
    with pytest.raises(QaError, match=r"collinear|determine exactly"):
        CALLS[call](answers.assign(b=answers["a"]))


@pytest.mark.filterwarnings("default::qa_lib.errors.QaWarning")
@pytest.mark.parametrize("call", RARE)
def test_resamples_in_which_nothing_varies_leave_intervals_that_are_numbers(call, answers):
    """One answer in 240 is another: a third of all resamples lack it. Nothing but typed warnings may come of it."""
    answers["y"] = np.where(np.arange(240) == 0, 5.0, 1.0)
    table = RARE[call](answers).tidy()
    table = table[~table["term"].isin(["alpha", "rho_a", "cr", "ave"])].dropna(subset="std_error")
    assert np.isfinite(table[["conf_low", "conf_high", "std_error"]]).all(axis=None)
    assert len(table) >= 3


@pytest.mark.parametrize("call", ["drivers", "ipa", "pls", "penalty_reward"])
def test_numbers_whose_squares_are_none_are_refused(call, answers):
    with pytest.raises(QaError, match="or beyond"):
        CALLS[call](answers.assign(a=answers["a"] * 1e200))


def test_correlations_that_cannot_occur_together_are_refused():
    names = ["y", "a", "b"]
    impossible = pd.DataFrame([[1, 0.9, 0.9], [0.9, 1, -0.9], [0.9, -0.9, 1]], names, names)
    with pytest.raises(ModelError, match="not positive definite"):
        qa.drivers((impossible, 200), "y", ["a", "b"], n_boot=20)
