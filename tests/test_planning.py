"""Sample sizes against R's power functions, published examples, and their inverse."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from scipy import stats

import qa_lib as qa
from qa_lib.errors import ResponseError
from qa_lib.tracking.planning import margin_reached


def test_detectable_changes_agree_with_r(reference):
    expected = reference("tracking_planning")
    means = [
        qa.sample_size("mean", change=c, sd=s, power=p).n_exact
        for c, s, p in [(0.2, 0.9, 0.8), (0.5, 1, 0.9), (1.2, 1, 0.8)]
    ]
    assert_close_to_reference(means, expected["t_test"], 1e-6, "power.t.test")
    shares = [
        qa.sample_size("share", change=c, share=s, power=p).n_exact for c, s, p in [(0.1, 0.5, 0.8), (0.05, 0.2, 0.9)]
    ]
    assert_close_to_reference(shares, expected["prop_test"], 1e-6, "power.prop.test")


def test_published_sizes():
    """Cochran (1977), p. 76: ±5 points at two standard errors, 400, of a population of 3,200 people 356."""
    two_errors = 2 * stats.norm.cdf(2) - 1
    assert qa.sample_size("share", margin=0.05, conf_level=two_errors).n == 400
    assert qa.sample_size("share", margin=0.05, conf_level=two_errors, population=3200).n == 356
    assert qa.sample_size("share", margin=0.05).n == 385
    assert qa.sample_size("share", margin=0.03).n == 1068


def test_alpha_inverts_bonetts_interval():
    plan = qa.sample_size("alpha", margin=0.05, alpha=0.8, items=5)
    half = 1.959963984540054 * np.sqrt(2 * 5 / (4 * (plan.n_exact - 2)))
    low, high = 1 - np.exp(np.log(0.2) + half), 1 - np.exp(np.log(0.2) - half)
    assert (high - low) / 2 == pytest.approx(0.05)


@pytest.mark.parametrize(
    "what",
    [
        {"measure": "mean", "sd": 0.9},
        {"measure": "gap", "sd": 1.2},
        {"measure": "share", "share": 0.8},
        {"measure": "nps", "promoters": 0.4, "detractors": 0.2},
        {"measure": "alpha", "alpha": 0.75, "items": 4},
    ],
)
@pytest.mark.parametrize("population", [None, 900])
def test_margin_reached_is_the_inverse(what, population):
    margin = 8.0 if what["measure"] == "nps" else 0.08
    plan = qa.sample_size(margin=margin, population=population, design_effect=1.3, **what)
    reached = margin_reached(plan.n_exact, population=population, design_effect=1.3, **what)
    assert reached == pytest.approx(margin)


def test_nps_change_has_its_power():
    plan = qa.sample_size("nps", change=10, promoters=0.4, detractors=0.25, power=0.8)
    rng = np.random.default_rng(8)
    draws = [rng.multinomial(plan.n, p, 4000) / plan.n for p in ([0.4, 0.35, 0.25], [0.45, 0.35, 0.2])]
    score, error = zip(
        *[((d[:, 0] - d[:, 2]), (d[:, 0] + d[:, 2] - (d[:, 0] - d[:, 2]) ** 2) / plan.n) for d in draws], strict=True
    )
    detected = np.abs(score[1] - score[0]) / np.sqrt(error[0] + error[1]) > 1.96
    assert detected.mean() == pytest.approx(0.8, abs=0.03)


def test_response_rate_and_design_effect_scale_the_work():
    plain = qa.sample_size("mean", margin=0.1, sd=1)
    asked = qa.sample_size("mean", margin=0.1, sd=1, design_effect=2, response_rate=0.2)
    assert asked.n_exact == pytest.approx(2 * plain.n_exact)
    assert asked.invitations == 5 * asked.n


def test_bad_input_is_named():
    for message, arguments in {
        "known are mean": {"measure": "median", "margin": 1},
        "either margin": {"measure": "share"},
        "sd is None": {"measure": "mean", "margin": 0.1},
        "margin is 'a'; a number": {"measure": "mean", "margin": "a", "sd": 1},
        "items is 1": {"measure": "alpha", "margin": 0.1, "alpha": 0.8, "items": 1},
        "planned by margin": {"measure": "alpha", "change": 0.1, "alpha": 0.8, "items": 4},
        "response_rate is 0": {"measure": "share", "margin": 0.1, "response_rate": 0},
        "must be not zero": {"measure": "share", "margin": 0},
        "sum to at most 1": {"measure": "nps", "margin": 5, "promoters": 0.7},
        "a share \\(0–1\\)": {"measure": "share", "margin": 5},
    }.items():
        with pytest.raises(ResponseError, match=message):
            qa.sample_size(**arguments)


def test_precision_reached_is_held_against_the_aim():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"branch": np.repeat(["A", "B"], [400, 60]), "month": "2026-10", "x": rng.normal(3, 1, 460)})
    table = qa.precision_reached(data, ["month", "branch"], "x", margin=0.15).set_index("branch")
    for branch, rows in data.groupby("branch"):
        half = 1.959964 * rows["x"].std() / np.sqrt(len(rows))
        assert table.loc[branch, "margin_reached"] == pytest.approx(half, rel=1e-6)
    assert table["verdict"].to_dict() == {"A": "reached", "B": "short"}
    assert table.loc["B", "needed"] == qa.sample_size("mean", margin=0.15, sd=data["x"][400:].std()).n
    known = qa.precision_reached(data, "branch", "x", margin=0.15, population={"B": 70}).set_index("branch")
    assert known.loc["B", "verdict"] == "reached"  # nearly everyone of the 70 answered


def test_precision_of_shares_nps_weights_and_tiny_groups():
    data = pd.DataFrame({"g": ["a"] * 100 + ["b"] * 2, "yes": [1] * 102, "nps": [10, 0] * 51, "w": [1, 3] * 51})
    share = qa.precision_reached(data, "g", "yes", margin=0.1, measure="share").set_index("g")
    assert 0 < share.loc["a", "margin_reached"] < 0.06  # all said yes, yet it is not known exactly
    assert np.isnan(share.loc["b", "margin_reached"])
    assert share.loc["b", "verdict"] == "short"
    nps = qa.precision_reached(data, "g", "nps", margin=10, measure="nps", weights="w").set_index("g")
    assert nps.loc["a", "n_effective"] == pytest.approx(80)
    assert nps.loc["a", "margin_reached"] > 15
    with pytest.raises(ResponseError, match="outside the scale 0 to 1"):
        qa.precision_reached(data, "g", "nps", margin=0.1, measure="share")
    with pytest.raises(ResponseError, match="no column 'h'"):
        qa.precision_reached(data, "h", "yes", margin=0.1)


def test_a_score_that_cannot_vary_has_no_sample_size():
    with pytest.raises(ResponseError, match="nothing varies"):
        qa.sample_size("nps", margin=5, promoters=1, detractors=0)
