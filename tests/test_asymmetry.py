"""Penalty–reward contrasts against R's lm with HC3, and classes that the intervals must allow."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.effects.asymmetry import BpmRule
from qa_lib.errors import DataWarning, ModelError, ResponseError

COLUMNS = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]


def simulated(n, seed=5):
    """parking only penalises, wifi only rewards, staff does both alike, art does nothing."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.integers(1, 6, (n, 4)), columns=["parking", "wifi", "staff", "art"])
    low, high = data <= 2, data >= 4
    effect = -1.0 * low["parking"] + 0.9 * high["wifi"] - 0.7 * low["staff"] + 0.7 * high["staff"]
    return data.assign(sat=3 + effect + rng.normal(0, 0.6, n))


@pytest.fixture(scope="module")
def bank(shared_data):
    data = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))
    names = {d: data.filter(regex=f"^{d}[0-9]$").mean(axis=1) for d in ("imag", "expe", "qual", "val", "sat")}
    return pd.DataFrame({name.upper(): column for name, column in names.items()})


def contrasts(result):
    table = result.tidy()
    return table[table["term"].isin(["penalty", "reward"])]


def test_bank_contrasts_agree_with_lm_and_hc3(bank, reference):
    result = qa.penalty_reward(bank, "SAT", ["IMAG", "EXPE", "QUAL", "VAL"], low=5, high=8, n_boot=100)
    expected = reference("asymmetry")["bank"]
    for column in COLUMNS:
        assert_close_to_reference(contrasts(result)[column], expected[column], 1e-8, column)
    assert_close_to_reference(result.r_squared, expected["r_squared"], 1e-8, "R²")


def test_weighted_airport_contrasts_agree_with_lm_and_hc3(shared_data, reference):
    data = pd.read_csv(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv"), low_memory=False)
    data.columns = data.columns.str.strip()
    asked = ["Q7FOOD", "Q7STORE", "Q7SIGN"]
    data[[*asked, "Q7ALL"]] = data[[*asked, "Q7ALL"]].where(lambda x: x.isin(range(1, 6)))
    result = qa.penalty_reward(data, "Q7ALL", asked, low=2, high=4, weights="WEIGHT", n_boot=100)
    expected = reference("asymmetry")["sfo"]
    for column in COLUMNS:
        assert_close_to_reference(contrasts(result)[column], expected[column], 1e-8, column)
    assert result.n < reference("asymmetry")["sfo_n"]


def test_classes_are_the_simulated_ones_when_the_study_is_large():
    result = qa.penalty_reward(simulated(4000), "sat", ["parking", "wifi", "staff", "art"], n_boot=500)
    factors = result.classes["factor"].to_dict()
    assert factors == {"parking": "basic", "wifi": "motivation", "staff": "performance", "art": "undecided"}
    assert result.glance().loc[0, "decided"] == 3


def test_a_small_study_allows_no_class():
    with pytest.warns(DataWarning, match="Fewer than 10"):
        result = qa.penalty_reward(simulated(24), "sat", ["staff", "art"], n_boot=500)
    assert set(result.classes["factor"]) == {"undecided"}


def test_asymmetry_interval_covers_its_truth():
    truth = 0.9 / 0.9
    hits = 0
    for seed in range(40):
        table = qa.penalty_reward(simulated(500, seed), "sat", ["wifi", "staff"], n_boot=200).tidy()
        staff = table[(table["term"] == "asymmetry") & (table["dimension"] == "staff")].iloc[0]
        hits += staff["conf_low"] <= 0 <= staff["conf_high"]
        wifi = table[(table["term"] == "asymmetry") & (table["dimension"] == "wifi")].iloc[0]
        assert wifi["estimate"] <= truth
    assert hits >= 34  # binomial(40, .95): below 34 once in a thousand


def test_defaults_are_the_outer_quarters_of_the_scale():
    five = qa.penalty_reward(simulated(300), "sat", ["wifi", "staff"], n_boot=50).provenance.settings
    assert (five["low"], five["high"]) == (2, 4)
    seven = qa.penalty_reward(simulated(300), "sat", ["wifi"], scale=(1, 7), n_boot=50, high=5).provenance.settings
    assert (seven["low"], seven["high"]) == (2.5, 5)


def test_the_rule_is_a_parameter():
    data = simulated(4000)
    strict = qa.penalty_reward(data, "sat", ["staff"], rule=BpmRule(balance=0.001), n_boot=300)
    assert strict.classes.loc["staff", "factor"] == "undecided"
    missing = np.full(2, np.nan)
    assert BpmRule().classify(missing, missing, missing) == "undecided"


def test_an_attribute_nobody_rates_low_has_no_penalty_and_no_class():
    data = simulated(500)
    data["wifi"] = data["wifi"].clip(lower=3)
    with pytest.warns(DataWarning, match="wifi \\(0 low"):
        result = qa.penalty_reward(data, "sat", ["wifi", "staff"], n_boot=100)
    table = result.tidy().set_index(["term", "dimension"])
    assert np.isnan(table.loc[("penalty", "wifi"), "estimate"])
    assert table.loc[("reward", "wifi"), "estimate"] == pytest.approx(0.9, abs=0.2)
    assert result.classes.loc["wifi", "factor"] == "undecided"


def test_bad_input_is_named():
    data = simulated(200)
    with pytest.raises(ModelError, match="no reference"):
        qa.penalty_reward(data, "sat", ["wifi"], low=2, high=3)
    with pytest.raises(ModelError, match="must be below"):
        qa.penalty_reward(data, "sat", ["wifi"], low=4, high=2)
    with pytest.raises(ModelError, match="collinear"):
        qa.penalty_reward(data.assign(net=data["wifi"]), "sat", ["wifi", "net"])
    with pytest.raises(ModelError, match="beyond scale"):
        qa.penalty_reward(data, "sat", ["wifi"], scale=(1, 4))
    with pytest.raises(ModelError, match="not the outcome"):
        qa.penalty_reward(data, "sat", ["wifi", "sat"])
    with pytest.raises(ModelError, match="single name"):
        qa.penalty_reward(data, "sat", "wifi")
    with pytest.raises(ResponseError, match="Constant: wifi"):
        qa.penalty_reward(data.assign(wifi=3), "sat", ["wifi"])
    with pytest.raises(ResponseError, match="no column lift"):
        qa.penalty_reward(data, "sat", ["lift"])


def test_one_map_shows_both_methods():
    data = simulated(800)
    result = qa.penalty_reward(data, "sat", ["parking", "wifi", "staff"], n_boot=100)
    functional = pd.DataFrame({"wifi": [1] * 50, "lift": [3] * 50})
    dysfunctional = pd.DataFrame({"wifi": [3] * 40 + [5] * 10, "lift": [5] * 50})
    axes = result.plot(labels={"wifi": "无线网络", "lift": "电梯"}, kano=qa.kano(functional, dysfunctional))
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["parking", "无线网络", "staff", "电梯"]
    assert len(axes.child_axes) == 2
    marks = axes.collections[-1].get_offsets()
    top = axes.get_xlim()[1]
    np.testing.assert_allclose(marks, np.array([[0.2, 1.0], [1.0, 0.0]]) * top)


def test_without_a_bootstrap_contrasts_have_no_class():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"a": rng.integers(1, 6, 300), "sat": rng.normal(size=300)})
    found = qa.penalty_reward(data, "sat", ["a"], n_boot=0)
    assert found.tidy().set_index("term").loc[["range", "asymmetry"], ["conf_low", "conf_high"]].isna().all(axis=None)
    assert found.classes["factor"].tolist() == ["undecided"]


@pytest.mark.parametrize("never_low", [["art"], ["parking", "wifi", "staff", "art"]])
def test_the_map_leaves_out_attributes_nobody_rated_low(never_low):
    data = simulated(200)
    data[never_low] = data[never_low].clip(lower=3)
    with pytest.warns(DataWarning, match="0 low"):
        axes = qa.penalty_reward(data, "sat", ["parking", "wifi", "staff", "art"], scale=(1, 5), n_boot=50).plot()
    assert {text.get_text() for text in axes.texts} == {"parking", "wifi", "staff", "art"} - set(never_low)
    assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
