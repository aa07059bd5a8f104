"""Drivers by segment against R, and small segments pooled."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference
from driver_data import PREDICTORS, SFO_DRIVERS

import qa_lib as qa
from qa_lib.effects.design import build_design
from qa_lib.effects.segments import _independent, _jointly, interaction_tests
from qa_lib.errors import ModelError, ResponseError

STEMS = {"csor": 5, "attr": 3, "perf": 5, "qual": 8}
ITEMS = {stem: [f"{stem}_{k + 1}" for k in range(size)] for stem, size in STEMS.items()}


@pytest.fixture(scope="module")
def corp_rep(shared_data):
    raw = pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan)
    names = [name for group in ITEMS.values() for name in group]
    return raw[[*names, "cusa", "servicetype", "serviceprovider"]].dropna()


@pytest.fixture
def two_channels():
    rng = np.random.default_rng(4)
    data = pd.DataFrame(rng.normal(size=(600, 3)), columns=["speed", "care", "place"])
    data["channel"] = np.repeat(["app", "counter", "phone"], [280, 300, 20])
    own = np.where(data["channel"] == "app", data["speed"], data["care"])
    return data.assign(sat=own + 0.5 * data["place"] + rng.normal(size=600))


def test_interactions_agree_with_sandwich_and_waldtest(corp_rep, reference):
    expected = reference("segments")["corp_rep"]
    result = qa.driver_segments(corp_rep, "cusa", ITEMS, "servicetype", n_boot=50)
    found = result.tests.query("method == 'interaction'")
    for column in ("statistic", "df", "p_value"):
        assert_close_to_reference(found[column], expected[column], 1e-8, column)
    assert (found["df_residual"] == expected["df_residual"]).all()
    assert_close_to_reference(result.glance()["statistic"], expected["waldtest"], 1e-8, "waldtest")
    models = result.tests.set_index("method").loc[["path", "latent"], ["statistic", "df", "p_value"]]
    assert_close_to_reference(models.loc["path"], expected["path"], 1e-4, "path model")
    # the difference of two scalings magnifies the distance between the optima a hundredfold
    assert_close_to_reference(models.loc["latent"], expected["latent"], 1e-3, "latent model")


def test_interactions_with_cluster_errors(corp_rep, reference):
    expected = reference("segments")["corp_rep_cluster"]
    scores = corp_rep.assign(**{stem: corp_rep[names].mean(axis=1) for stem, names in ITEMS.items()})
    predictors = PREDICTORS["corp_rep"][1]
    result = qa.driver_segments(
        scores, "cusa", predictors, "servicetype", cov_type="cluster", cluster="serviceprovider", n_boot=50
    )
    found = result.tests.query("method == 'interaction' and term != 'all'")
    assert_close_to_reference(found["statistic"], expected["statistic"][1:], 1e-8, "F")
    assert np.isnan(result.glance()["statistic"].item())  # four contrasts, four clusters


def test_weighted_segments_agree_with_sandwich(shared_data, reference):
    raw = pd.read_csv(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv"), low_memory=False)
    data = raw[[*SFO_DRIVERS, "Q7ALL"]].replace([0, 6], np.nan).assign(w=raw["WEIGHT"], lang=raw["LANG"])
    expected = reference("segments")["sfo"]
    result = qa.driver_segments(data, "Q7ALL", SFO_DRIVERS, "lang", weights="w", n_boot=50)
    found = result.tests.query("method == 'interaction'")
    assert_close_to_reference(found["statistic"], expected["statistic"], 1e-8, "F")
    assert sorted(result.sizes) == sorted(expected["sizes"].values())
    assert len(result.left_out) == 2
    pooled = qa.driver_segments(data, "Q7ALL", SFO_DRIVERS, "lang", weights="w", n_boot=50, minimum=20)
    assert list(pooled.sizes.index)[-1] == "others"
    assert pooled.pooled == result.left_out


def test_segments_give_the_models_of_their_own_rows(two_channels):
    result = qa.driver_segments(two_channels, "sat", ["speed", "care", "place"], "channel", n_boot=300)
    app = qa.drivers(two_channels[:280], "sat", ["speed", "care", "place"], n_boot=300)
    own = result.tidy().query("group == 'app'").reset_index(drop=True)
    pd.testing.assert_frame_equal(own[app.tidy().columns[:8]], app.tidy().iloc[:, :8])
    assert result.left_out == ("phone",)
    assert result.sizes.to_dict() == {"counter": 300, "app": 280}
    differences = result.differences.set_index(["group", "term"])
    assert differences.loc[("app", "speed"), "conf_low"] > 0
    assert differences.loc[("app", "care"), "conf_high"] < 0
    assert differences.loc[("app", "place"), "p_adjusted"] > 0.05
    np.testing.assert_allclose(differences["estimate"].groupby("term").sum(), 0, atol=1e-12)


def test_interaction_tests_reject_as_often_as_they_say():
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(200):
        x = rng.normal(size=(150, 2))
        data = pd.DataFrame(x, columns=["a", "b"]).assign(y=x @ [0.5, 0.3] + rng.normal(size=150))
        tests = interaction_tests(build_design(data, "y", ["a", "b"]), np.repeat(range(3), 50), "HC3")
        rejected += tests.loc[0, "p_value"] < 0.05
    assert 1 <= rejected <= 20  # 200 × .05, three standard deviations


def test_one_segment_is_refused_and_absent_items_are_named(two_channels):
    with pytest.raises(ResponseError, match="segment: missing for every respondent"):
        qa.driver_segments(two_channels.assign(channel=None), "sat", ["speed", "care"], "channel")
    with pytest.raises(ModelError, match="fewer than two hold 400"):
        qa.driver_segments(two_channels, "sat", ["speed", "care"], "channel", minimum=400)
    with pytest.raises(ResponseError, match="not in the data: lift"):
        qa.driver_segments(two_channels, "sat", {"speed": ["lift"]}, "channel")
    flat = two_channels.assign(care=two_channels["care"].where(two_channels["channel"] != "app", 1.0))
    with pytest.raises(ModelError, match="segment 'app': predictors that are constant: care"):
        qa.driver_segments(flat, "sat", ["speed", "care"], "channel")


@pytest.mark.parametrize("errors", ["HC0", "HC1", "HC2", "HC3"])
def test_separate_models_give_what_one_with_all_interactions_gives(two_channels, errors):
    weights = np.random.default_rng(3).uniform(0.5, 2, len(two_channels))
    design = build_design(two_channels, "sat", ["speed", "care", "place"], weights)
    codes = pd.factorize(two_channels["channel"])[0]
    (separate, df), (joint, joint_df) = (find(design, codes, errors) for find in (_independent, _jointly))
    assert df == pytest.approx(joint_df)
    for chosen in ([0, 1, 2], [0], [2]):
        assert separate(chosen) == pytest.approx(joint(chosen), rel=1e-9)


def test_of_very_many_segments_no_model_of_all_groups_is_fitted():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(60 * 30, 2)), columns=["speed", "care"])
    data = data.assign(branch=np.repeat(range(60), 30), sat=data.sum(axis=1) + rng.normal(size=len(data)))
    result = qa.driver_segments(data, "sat", ["speed", "care"], "branch", n_boot=20)
    assert set(result.tests["method"]) == {"interaction", "importance"}
    assert "p_value_path" not in result.glance()
    shares = result.differences.groupby("term")["estimate"].sum()
    assert shares.abs().max() < 1e-9
