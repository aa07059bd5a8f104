"""League tables against lme4 and aov on real data; coverage of ranks; hidden cells."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import ResponseError


@pytest.mark.parametrize(
    ("key", "value", "unit", "minimum"), [("airline", "Q7ALL", "AIRLINE", 10), ("restaurants", "Q7FOOD", "BAREA", 30)]
)
def test_shrunken_means_agree_with_lme4(shared_data, reference, key, value, unit, minimum):
    expected = reference("tracking_league")[key]
    data = pd.read_csv(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv"), low_memory=False)
    data.columns = data.columns.str.strip()
    data[value] = data[value].where(data[value].between(1, 5))
    result = qa.league_table(data, unit, value, minimum_cell=minimum)
    model, icc = result.model, result.icc
    table = result.tidy().assign(term=lambda t: t["term"].astype(str)).set_index("term").loc[expected["units"]]
    assert table["n"].tolist() == expected["n"]
    components = [model.mean, np.sqrt(model.mean_variance), model.between, model.within]
    wanted = [expected[k] for k in ("mean", "mean_se", "between", "within")]
    assert_close_to_reference(components, wanted, 1e-5, "variance components")
    assert_close_to_reference(table["estimate"], expected["blup"], 1e-6, "BLUP")
    conditional = np.sqrt(table["std_error"] ** 2 - (1 - table["shrinkage"]) ** 2 * model.mean_variance)
    assert_close_to_reference(conditional, expected["cond_sd"], 1e-5, "conditional sd")
    assert_close_to_reference(
        list(icc), [expected[k] for k in ("icc1", "icc1_low", "icc1_high", "icc2", "f", "p")], 1e-9, "ICC"
    )


def simulated(between, n_units=8, n=40, seed=5):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, between, n_units)
    unit = np.repeat(np.arange(n_units), n)
    return truth, pd.DataFrame({"unit": unit, "y": truth[unit] + rng.normal(size=unit.size), "w": 3.0})


def test_intervals_and_rank_intervals_cover_the_truth():
    inside = ranks = 0
    for seed in range(60):
        truth, data = simulated(0.4, seed=seed)
        table = qa.league_table(data, "unit", "y", n_draws=1000).tidy().sort_values("term")
        rank = len(truth) - truth.argsort().argsort()
        inside += ((table["conf_low"] <= truth) & (truth <= table["conf_high"])).sum()
        ranks += ((table["rank_low"] <= rank) & (rank <= table["rank_high"])).sum()
    assert 0.90 <= inside / 480 <= 0.99
    assert 0.90 <= ranks / 480 <= 0.99


def test_units_that_do_not_differ_may_hold_any_rank():
    rng = np.random.default_rng(2)
    y = rng.normal(size=50)
    data = pd.DataFrame({"unit": np.repeat(list("ABC"), 50), "y": np.tile(y, 3)})
    table = qa.league_table(data, "unit", "y")
    assert table.model.between == 0
    assert (table.tidy()[["rank_low", "rank_high"]].to_numpy() == [1, 3]).all()
    assert table.tidy()["estimate"].to_numpy() == pytest.approx(y.mean())


def test_small_units_are_hidden_and_used_nowhere():
    _, data = simulated(0.5)
    small = pd.DataFrame({"unit": [99] * 9, "y": 100.0, "w": 3.0})
    with_small = qa.league_table(pd.concat([data, small], ignore_index=True), "unit", "y", weights="w")
    assert with_small.hidden == (99,)
    pd.testing.assert_frame_equal(with_small.tidy(), qa.league_table(data, "unit", "y").tidy())


def test_bad_input_is_named():
    _, data = simulated(0.5)
    for message, call in {
        "no column 'branch'": lambda: qa.league_table(data, "branch", "y"),
        "0 of 8 units have 100": lambda: qa.league_table(data, "unit", "y", minimum_cell=100),
        "do not vary within": lambda: qa.league_table(data.assign(y=data["unit"]), "unit", "y"),
    }.items():
        with pytest.raises(ResponseError, match=message):
            call()


def test_the_lowest_is_first_where_low_is_good():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"agent": np.repeat(list("abc"), 50), "hours": rng.normal(np.repeat([2, 4, 3], 50), 0.5)})
    table = qa.league_table(data, "agent", "hours", better="lower").tidy()
    assert table["term"].tolist() == ["a", "c", "b"]
    assert table[["rank", "rank_low", "rank_high"]].to_numpy().tolist() == [[1] * 3, [2] * 3, [3] * 3]
    with pytest.raises(ResponseError, match="better is 'fast'"):
        qa.league_table(data, "agent", "hours", better="fast")
