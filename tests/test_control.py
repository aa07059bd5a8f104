"""Control charts: published worked examples, the standard constants, every Nelson rule, and bad input."""

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ResponseError
from qa_lib.tracking.control import NELSON_RULES, c4, nelson

# Montgomery (2012), Introduction to Statistical Quality Control, 7th ed., table 9.1: shifted by 1 after 20
SHIFTED = [
    *(9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08),
    *(9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52),
]
# the same book, table 6.3: inside diameters of piston rings in mm, 25 samples of 5, in thousandths above 74
RINGS = """30 2 19 -8 8  -5 -8 1 11 4  -12 24 21 5 2  2 -4 -7 15 9  -8 7 15 -11 14  9 -6 -3 -15 -7  -5 6 -6 0 5
-15 3 -7 15 -12  8 -5 9 5 4  -2 0 -10 7 -5  -6 -2 -6 -5 -10  4 0 7 0 -4  -17 2 -2 -3 12  6 -33 -6 0 -16
12 14 -2 -1 7  0 -16 5 -2 -4  -6 12 -14 5 7  6 10 18 3 0  -16 2 3 5 -3  0 10 13 20 3  -18 1 15 5 -4
4 -1 -10 6 9  10 -11 -10 9 14  15 8 -7 0 10  -18 -16 -5 17 13"""


def test_xbar_limits_of_the_published_piston_rings():
    """Montgomery, example 6.3: x̄ 74.001, limits 74.014 and 73.988 (computed there from s̄ rounded to .0094)."""
    values = 74 + np.array(RINGS.split(), dtype=float) / 1000
    chart = qa.control_chart(pd.Series(values, index=np.repeat(np.arange(1, 26), 5)), "xbar")
    row = chart.tidy().iloc[0]
    assert [row[k] for k in ("center", "upper", "lower")] == pytest.approx([74.001, 74.014, 73.988], abs=7e-4)
    assert not chart.rules["beyond_limits"].any()


def test_cusum_of_the_published_shift():
    """Montgomery, table 9.2: C⁺ passes 5 first at observation 29 (5.28), then 5.30."""
    table = qa.control_chart(pd.Series(SHIFTED, index=range(1, 31)), "cusum", center=10, sigma=1).tidy()
    assert table["estimate"].iloc[[4, 27, 28, 29]].round(2).tolist() == [2.82, 4.47, 5.28, 5.30]
    assert table["estimate_low"].iloc[1] == pytest.approx(-(0.05 + 1.51))
    assert table.loc[table["signal"], "term"].tolist() == [29, 30]


def test_ewma_of_the_published_shift():
    """Montgomery, table 9.10 (λ .1, L 2.7): z₁ 9.945, z₅ 10.1253, steady limits 9.38 and 10.62."""
    table = qa.control_chart(
        pd.Series(SHIFTED, index=range(1, 31)), "ewma", center=10, sigma=1, smoothing=0.1, width=2.7
    ).tidy()
    assert table["estimate"].iloc[[0, 1, 2, 4]].round(4).tolist() == [9.945, 9.7495, 9.7036, 10.1253]
    assert table[["lower", "upper"]].iloc[0].round(2).tolist() == [9.73, 10.27]
    assert table[["lower", "upper"]].iloc[-1].round(2).tolist() == [9.38, 10.62]
    assert table.loc[table["signal"], "term"].tolist() == [29, 30]


def test_standard_constants():
    """A₃ = 3/(c₄√n) for n = 2 … 5 and 25, and E₂ = 3/d₂ = 2.66 (Montgomery, appendix VI)."""
    n = np.array([2, 3, 4, 5, 25])
    assert (3 / (c4(n) * np.sqrt(n))).round(3).tolist() == [2.659, 1.954, 1.628, 1.427, 0.606]
    chart = qa.control_chart(pd.Series([1.0, 2.0, 3.0, 2.0]), "i").tidy()
    assert chart["upper"].iloc[0] == pytest.approx(2 + 2.66, abs=2e-3)


def test_limits_of_p_and_u_follow_n():
    p = qa.control_chart(pd.Series([0.1, 0.2, 0.15]), "p", n=[100, 50, 400]).tidy()
    center = (10 + 10 + 60) / 550
    half = 3 * np.sqrt(center * (1 - center) / np.array([100, 50, 400]))
    np.testing.assert_allclose(p["upper"], center + half)
    np.testing.assert_allclose(p["lower"], np.maximum(center - half, 0))
    u = qa.control_chart(pd.Series([2.0, 1.0, 3.0]), "u", n=[10, 20, 10]).tidy()
    np.testing.assert_allclose(u["upper"] - u["center"], 3 * np.sqrt(70 / 40 / np.array([10, 20, 10])))


def test_laney_limits_fit_where_n_is_large_and_the_plain_p_chart_does_not():
    rng = np.random.default_rng(11)
    n = rng.integers(20_000, 60_000, 30)
    share = rng.binomial(n, rng.normal(0.1, 0.01, 30)) / n
    plain, wide = (qa.control_chart(pd.Series(share), kind, n=n) for kind in ("p", "p_prime"))
    assert plain.rules["beyond_limits"].sum() > 5
    assert wide.rules["beyond_limits"].sum() == 0
    ratio = (wide.tidy()["upper"] - wide.center) / (plain.tidy()["upper"] - plain.center)
    np.testing.assert_allclose(ratio, plain.overdispersion)


def test_without_overdispersion_laney_is_the_p_chart():
    rng = np.random.default_rng(3)
    n = rng.integers(200, 400, 400)
    chart = qa.control_chart(pd.Series(rng.binomial(n, 0.2) / n), "p", n=n)
    assert chart.overdispersion == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("rule", "z", "first"),
    [
        (1, [0, 3.1], 1),
        (2, [0.1, -0.2, *[0.3, 0.2] * 5], 10),
        (3, [0.5, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 6),
        (4, [0.0, 0.1] * 7, 13),
        (5, [0, 2.1, 0.1, 2.2], 3),
        (6, [1.1, 1.2, 0.1, 1.3, 1.1], 4),
        (7, [0.5, -0.5, -0.6] * 5, 14),
        (8, [1.1, -1.2, 1.3, 1.2] * 2, 7),
    ],
)
def test_every_nelson_rule_signals_at_the_point_that_completes_it(rule, z, first):
    flags = nelson(np.array(z, dtype=float))[NELSON_RULES[rule - 1]]
    assert flags.to_numpy().argmax() == first
    assert flags.sum() >= 1
    assert not nelson(np.array(z[:first], dtype=float))[NELSON_RULES[rule - 1]].any()


def test_rules_do_not_care_which_way_is_up():
    z = np.random.default_rng(1).normal(0.3, 1.2, 300)
    pd.testing.assert_frame_equal(nelson(z), nelson(-z))


def test_a_drop_after_the_baseline_is_seen_and_drawn():
    rng = np.random.default_rng(5)
    means = [4.0] * 12 + [3.6]
    raw = pd.concat([pd.Series(rng.normal(m, 0.9, 60 + 5 * i), index=[i] * (60 + 5 * i)) for i, m in enumerate(means)])
    chart = qa.control_chart(raw, "xbar", baseline=12)
    assert chart.tidy().loc[chart.tidy()["signal"], "term"].tolist() == [12]
    axes = chart.plot(labels={"beyond_limits": "超出控制限"})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["超出控制限"]
    assert "1" in [text.get_text() for text in axes.texts]


def test_bad_input_is_named():
    series = pd.Series([0.1, 0.2, 0.3])
    for message, call in {
        "known are i, xbar": lambda: qa.control_chart(series, "c"),
        "period 2 is missing": lambda: qa.control_chart(pd.Series([1, np.nan, 2])),
        "give n": lambda: qa.control_chart(series, "p"),
        "not counts or percent": lambda: qa.control_chart(series * 100, "p", n=50),
        "positive number": lambda: qa.control_chart(series, "p", n=[10, 0, 10]),
        "does not vary": lambda: qa.control_chart(pd.Series([2.0, 2.0, 2.0])),
        "needs two at least": lambda: qa.control_chart(pd.Series([2.0])),
        "between 2 and the 3": lambda: qa.control_chart(series, baseline=9),
        "raw answers by period": lambda: qa.control_chart(series, "xbar"),
        "the centre is 0": lambda: qa.control_chart(series * 0, "p", n=10),
    }.items():
        with pytest.raises(ResponseError, match=message):
            call()


def test_a_point_on_the_other_side_does_not_complete_two_of_three():
    rule = nelson(np.array([2.5, 2.5, -2.5, 0.0]))["two_of_three_beyond_two_sigma"]
    assert rule.tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sd": [1, 1]}, "sd: 2 given for 3 periods"),
        ({"sd": [1, -1, 1]}, "sd: period 2"),
        ({"sd": 1.0, "width": -3}, "width is -3"),
        ({"sd": 1.0, "center": np.nan}, "center is nan"),
    ],
)
def test_impossible_deviations_and_limits_are_named(given, words):
    with pytest.raises(ResponseError, match=words):
        qa.control_chart(pd.Series([1.0, 2.0, 3.0]), "xbar", n=5, **given)


def test_one_deviation_stands_for_all_subgroups_and_text_is_refused():
    series = pd.Series([1.0, 2.0, 3.0])
    one, all_ = (qa.control_chart(series, "xbar", n=5, sd=sd) for sd in (1.0, [1.0, 1.0, 1.0]))
    assert one.tidy().equals(all_.tidy())
    with pytest.raises(ResponseError, match="holds text"):
        qa.control_chart(pd.Series(["a", "b", "c"]))
    with pytest.raises(ResponseError, match="the series holds text"):
        qa.control_chart(pd.Series(["a", "b", "c"], index=[1, 1, 2]), "xbar")
    with pytest.raises(ResponseError, match="n holds text"):
        qa.control_chart(series / 4, "p", n=["many", 5, 5])
