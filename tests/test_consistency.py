"""Variance components of crossed factors against lme4, shares by simulation, and bad input."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ResponseError


@pytest.mark.parametrize("case", ["penicillin", "draw"])
def test_components_and_profile_intervals_agree_with_lme4(reference, case):
    expected = reference("operations_consistency")[case]
    data = pd.DataFrame(expected["data"])
    result = qa.consistency(data, "y", [row["term"] for row in expected["terms"]])
    table = result.tidy().set_index("term")
    for row in expected["terms"]:
        assert_close_to_reference(table.loc[row["term"], "estimate"], row["sd"], 1e-4, row["term"])
        # lme4 reads its bounds off a spline through the profile: NA is 0, and the digits are the spline's
        bounds = [0.0 if bound in (None, "NA") else bound for bound in row["ci"]]
        assert_close_to_reference(table.loc[row["term"], ["conf_low", "conf_high"]].to_numpy(float), bounds, 2e-3)
    assert_close_to_reference(table.loc["residual", "estimate"], expected["sigma"], 1e-5)
    assert_close_to_reference(result.mean, expected["mean"], 1e-6)
    assert result.converged
    assert table["share"].sum() == pytest.approx(1)
    inside = table[["share_low", "share", "share_high"]].iloc[:-1]
    assert (inside.diff(axis=1).iloc[:, 1:] >= 0).all().all()


def test_one_factor_of_equal_groups_is_the_analysis_of_variance():
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1, (20, 10)) + rng.normal(0, 0.7, (20, 1))
    data = pd.DataFrame({"agent": np.repeat(np.arange(20), 10), "y": y.ravel()})
    between, within = 10 * y.mean(axis=1).var(ddof=1), y.var(axis=1, ddof=1).mean()
    table = qa.consistency(data, "y", ["agent"]).tidy()
    assert table["variance"].tolist() == pytest.approx([(between - within) / 10, within], rel=1e-5)


def test_the_share_interval_is_where_the_likelihood_has_fallen():
    rng = np.random.default_rng(10)
    agent = rng.integers(0, 12, 150)
    y = rng.normal(0, 1.2, 12)[agent] + rng.normal(0, 1, 150)
    row = qa.consistency(pd.DataFrame({"a": agent, "y": y}), "y", ["a"]).tidy().iloc[0]
    same = (agent[:, None] == agent).astype(float)

    def deviance(share):  # −2 log likelihood of the normal law itself, over mean and variance, up to a constant
        covariance = share * same + (1 - share) * np.eye(len(y))
        precision = np.linalg.inv(covariance)
        mean = precision.sum(axis=0) @ y / precision.sum()
        return np.linalg.slogdet(covariance)[1] + len(y) * np.log((y - mean) @ precision @ (y - mean))

    least = min(deviance(share) for share in np.linspace(0.001, 0.8, 1600))
    for bound in (row["share_low"], row["share_high"]):
        assert deviance(bound) - least == pytest.approx(3.8415, abs=0.01)


def test_order_and_scale_do_not_matter():
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"a": rng.integers(0, 6, 90).astype(str), "y": rng.normal(1000, 1, 90)})
    data["y"] += data["a"].astype(int)
    plain = qa.consistency(data, "y", ["a"]).tidy()
    other = qa.consistency(data.assign(y=100 * data["y"]).sample(frac=1, random_state=1), "y", ["a"]).tidy()
    assert other["estimate"].to_numpy() == pytest.approx(100 * plain["estimate"].to_numpy(), rel=1e-4)
    assert other["share"].to_numpy() == pytest.approx(plain["share"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([], "name a factor"),
        (["b"], "no column 'b'"),
        (["one"], "two levels"),
        (["own"], "fewer than there are records"),
    ],
)
def test_bad_input_is_named(factors, message):
    data = pd.DataFrame({"one": 1, "own": range(8), "y": [1, 2, 3, 4] * 2, "same": 3, "a": list("abababab")})
    with pytest.raises(ResponseError, match=message):
        qa.consistency(data, "y", factors)
    with pytest.raises(ResponseError, match="does not vary"):
        qa.consistency(data, "same", ["a"])
    with pytest.raises(ResponseError, match="no numbers"):
        qa.consistency(data.assign(y="x"), "y", ["a"])


@pytest.mark.parametrize("seed", [2, 3, 4, 8])
def test_long_tails_without_effects_have_finite_intervals_in_any_unit(seed):
    rng = np.random.default_rng(seed)
    records = pd.DataFrame({"agent": rng.integers(0, 6, 200), "branch": rng.integers(0, 3, 200)})
    records["seconds"] = np.exp(rng.normal(0, 2, 200)) * 1e5
    found = qa.consistency(records, "seconds", ["agent", "branch"]).tidy()
    assert (found["conf_low"] <= found["estimate"] * (1 + 1e-6)).iloc[:2].all()
    assert np.isfinite(found["conf_high"].iloc[:2]).all()
    days = qa.consistency(records.assign(seconds=records["seconds"] / 86400), "seconds", ["agent", "branch"]).tidy()
    np.testing.assert_allclose(days["conf_high"].iloc[:2] * 86400, found["conf_high"].iloc[:2], rtol=1e-4)
