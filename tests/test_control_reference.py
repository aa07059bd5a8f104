"""Control charts and Nelson's rules against base R, written there from the textbook's formulas, window by window."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.tracking.control import nelson

EXACT = 1e-12


@pytest.fixture(scope="module")
def expected(reference):
    return reference("tracking_control")


@pytest.fixture(scope="module")
def raw(expected):
    answers = expected["xbar"]["raw"]
    return pd.Series(np.concatenate(answers), index=np.repeat(np.arange(1, len(answers) + 1), list(map(len, answers))))


def agrees(table, wanted, tolerance=EXACT, **names):
    for ours, theirs in names.items():
        assert_close_to_reference(table[ours], np.broadcast_to(wanted[theirs], len(table)), tolerance, theirs)


def signals(rules):
    return [np.flatnonzero(rules[name]).tolist() for name in rules]


def test_every_rule_signals_where_nelson_says_and_nowhere_else(expected):
    assert all(expected["nelson"]["flags"]), "every rule must have something to find"
    assert signals(nelson(np.array(expected["nelson"]["z"]))) == expected["nelson"]["flags"]


def test_individuals(expected):
    wanted = expected["i"]
    chart = qa.control_chart(pd.Series(wanted["values"]), "i", baseline=wanted["baseline"])
    agrees(chart.tidy(), wanted, center="center", lower="lower", upper="upper")
    assert chart.sigma == pytest.approx(wanted["sigma"], rel=EXACT)
    assert signals(chart.rules) == wanted["flags"]


@pytest.mark.parametrize("given", ["answers", "summaries"])
def test_means_of_subgroups_of_unequal_size(expected, raw, given):
    wanted = expected["xbar"]
    if given == "answers":
        chart = qa.control_chart(raw, "xbar", baseline=wanted["baseline"])
    else:
        summaries = {"n": wanted["sizes"], "sd": wanted["sd"], "baseline": wanted["baseline"]}
        chart = qa.control_chart(pd.Series(wanted["means"]), "xbar", **summaries)
    agrees(chart.tidy(), wanted, estimate="means", center="center", lower="lower", upper="upper")
    assert chart.sigma == pytest.approx(wanted["sigma"], rel=EXACT)
    assert signals(chart.rules) == wanted["flags"]


@pytest.mark.parametrize("kind", ["p", "u"])
def test_shares_and_rates_plain_and_after_laney(expected, kind):
    wanted, series = expected[kind], pd.Series(expected["p"]["share"])
    plain, wide = (qa.control_chart(series, name, n=expected["p"]["n"]) for name in (kind, f"{kind}_prime"))
    assert plain.overdispersion == pytest.approx(wanted["spread"], rel=EXACT)
    agrees(plain.tidy(), wanted, center="center", lower="lower", upper="upper")
    agrees(wide.tidy(), wanted, center="center", lower="lower_prime", upper="upper_prime")


def test_ewma_and_cusum_of_subgroups_of_unequal_size(expected, raw):
    baseline = expected["xbar"]["baseline"]
    smoothed = qa.control_chart(raw, "ewma", baseline=baseline, smoothing=0.3).tidy()
    agrees(smoothed, expected["ewma"], estimate="level", lower="lower", upper="upper")
    sums = qa.control_chart(raw, "cusum", baseline=baseline).tidy()
    agrees(sums, expected["cusum"], estimate="high", estimate_low="low")
    assert sums["signal"].any(), "the planted drop must be found"
