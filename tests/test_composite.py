"""Composite systems: published weights and matrices, normalisation, contributions, rank sensitivity, bad input."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.errors import DataWarning, StudyError
from qa_lib.tracking.index_weights import ahp, critic, entropy
from qa_lib.tracking.system import read_system

BRANCHES = pd.DataFrame(
    {
        "satisfaction": [4.2, 3.6, 4.5],
        "reliability": [0.95, 0.80, 0.70],
        "waiting_minutes": [6, 12, 40],
        "answer_seconds": [30, 60, 24],
        "assurance": [4.0, 4.4, 3.0],
    },
    index=["North", "South", "West"],
)


def leaf(name, weight=None, **normalise):
    return {"id": name, "weight": weight, "normalise": normalise or {"worst": 0, "best": 100}}


def tree(*children, **settings):
    return {"id": "all", "children": list(children), **settings}


def test_published_system_by_hand():
    """40/30/20/10 of North: satisfaction 80, on time 95, responsiveness (80 + 75)/2, assurance 75."""
    result = qa.composite(BRANCHES, "published_four")
    table = result.tidy().set_index(["group", "term"])["estimate"]
    assert table["North", "responsiveness"] == pytest.approx(77.5)
    assert table["North", "service_quality"] == pytest.approx(0.4 * 80 + 0.3 * 95 + 0.2 * 77.5 + 0.1 * 75)
    assert table["West", "waiting_minutes"] == 0
    shares = result.weights.set_index("term")["share"]
    assert shares[["satisfaction", "reliability", "responsiveness", "waiting_minutes"]].round(9).tolist() == [
        0.4,
        0.3,
        0.2,
        0.1,
    ]
    np.testing.assert_allclose(result.contributions.sum(axis=1), result.ranks["estimate"])
    assert result.tidy().set_index(["group", "term"]).loc[("North", "service_quality"), "band"] == "satisfied"


def test_shipped_tree_of_five_groups_is_whole():
    system = read_system("five_groups")
    assert [child.id for child in system.children] == ["basics", "process", "results", "resources", "innovation"]
    assert all(set(node.name) == {"en", "zh"} for node in system.walk())
    table = pd.DataFrame({name: [0.1, 0.12] for name in system.leaves()}, index=["A", "B"])
    with pytest.raises(StudyError, match="no column churn_rate"):
        qa.composite(table.drop(columns="churn_rate"), "five_groups")


@pytest.mark.parametrize(
    ("matrix", "weights", "ratio"),
    [
        # Saaty (2008), Int. J. Services Sciences 1(1), table 2: relative consumption of seven drinks
        (
            [
                [1, 9, 5, 2, 1, 1, 1 / 2],
                [1 / 9, 1, 1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 9],
                [1 / 5, 3, 1, 1 / 3, 1 / 4, 1 / 3, 1 / 9],
                [1 / 2, 9, 3, 1, 1 / 2, 1, 1 / 3],
                [1, 9, 4, 2, 1, 2, 1 / 2],
                [1, 9, 3, 1, 1 / 2, 1, 1 / 3],
                [2, 9, 9, 3, 2, 3, 1],
            ],
            [0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327],
            0.022,
        ),
        # a perfectly consistent matrix: weights 4 : 2 : 1
        ([[1, 2, 4], [1 / 2, 1, 2], [1 / 4, 1 / 2, 1]], [0.571, 0.286, 0.143], 0.0),
    ],
)
def test_ahp_of_textbook_matrices(matrix, weights, ratio):
    judgement = ahp(matrix)
    assert judgement.weights.round(3).tolist() == weights
    assert judgement.consistency_ratio == pytest.approx(ratio, abs=0.002)


def test_inconsistent_judgements_warn_and_are_shown():
    spec = tree(
        leaf("a"),
        leaf("b"),
        leaf("c"),
        weighting={"method": "ahp", "matrix": [[1, "3", "1/5"], ["1/3", 1, 4], [5, "1/4", 1]]},
    )
    table = pd.DataFrame({"a": [10, 20], "b": [30, 40], "c": [50, 60]})
    with pytest.warns(DataWarning, match="contradict"):
        result = qa.composite(table, spec)
    assert result.glance()["consistency_ratio"].item() > 0.1


def test_entropy_and_critic_by_their_formulas():
    x = np.array([[20.0, 50, 70], [40, 55, 40], [90, 60, 20], [60, 45, 50]])
    p = x / x.sum(axis=0)
    divergence = 1 + (p * np.log(p)).sum(axis=0) / np.log(4)
    np.testing.assert_allclose(entropy(x), divergence / divergence.sum())
    scaled = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    information = scaled.std(axis=0, ddof=1) * (1 - np.corrcoef(scaled.T)).sum(axis=0)
    np.testing.assert_allclose(critic(x), information / information.sum())
    table = pd.DataFrame(x, columns=list("abc"))
    for method, weights in (("entropy", entropy(x)), ("critic", critic(x))):
        result = qa.composite(table, tree(leaf("a"), leaf("b"), leaf("c"), weighting={"method": method}))
        np.testing.assert_allclose(result.weights["weight"], weights)


def test_normalisation_methods():
    x = pd.DataFrame({"a": [2.0, 4.0, 8.0]})

    def scores(**rule):
        return qa.composite(x, tree(leaf("a", 1, **rule))).contributions["a"].tolist()

    assert scores(worst=0, best=10) == [20, 40, 80]
    assert scores(worst=6, best=2) == [100, 50, 0]
    assert scores(method="minmax", higher_is_better=False) == pytest.approx([100, 200 / 3, 0])
    assert scores(method="distance", target=8) == [25, 50, 100]
    assert scores(method="distance", target=4, higher_is_better=False) == [100, 100, 50]
    z = (x["a"] - x["a"].mean()) / x["a"].std()
    assert scores(method="z") == pytest.approx((50 + 10 * z).tolist())


def test_intervals_by_the_delta_method():
    errors = BRANCHES * 0 + [0.1, 0.02, 1, 3, 0.2]
    table = qa.composite(BRANCHES, "published_four", std_errors=errors).tidy().set_index(["group", "term"])
    slopes = np.array([0.4 * 25, 0.3 * 100, 0.1 * 100 / 30, 0.1 * 100 / 120, 0.1 * 25])
    expected = np.sqrt(((slopes * [0.1, 0.02, 1, 3, 0.2]) ** 2).sum())
    assert table.loc[("North", "service_quality"), "std_error"] == pytest.approx(expected)
    assert table.loc[("North", "satisfaction"), "std_error"] == pytest.approx(2.5)


def test_driver_weights_can_be_passed_in():
    drivers = {"satisfaction": 3, "reliability": 1, "responsiveness": 1, "assurance": 0}
    result = qa.composite(BRANCHES, "published_four", weights=drivers)
    weights = result.weights.set_index("term")
    assert weights.loc[list(drivers), "weight"].tolist() == [0.6, 0.2, 0.2, 0.0]
    assert weights.loc["satisfaction", "method"] == "passed"
    with pytest.raises(StudyError, match="give all or none"):
        qa.composite(BRANCHES, "published_four", weights={"satisfaction": 1})


def test_ranks_hang_on_weights_only_where_units_trade_places():
    spec = tree(leaf("a", 0.5), leaf("b", 0.5))
    table = pd.DataFrame({"a": [90, 40, 61], "b": [80, 60, 40]}, index=["best", "x", "y"])
    ranks = qa.composite(table, spec).ranks.set_index("group")
    assert ranks.loc["best", ["rank", "rank_low", "rank_high", "first"]].tolist() == [1, 1, 1, 1]
    assert ranks.loc[["x", "y"], ["rank_low", "rank_high"]].to_numpy().tolist() == [[2, 3], [2, 3]]
    fixed = qa.composite(table, spec, spread=0).ranks
    assert (fixed["rank_low"] == fixed["rank"]).all()


def test_a_missing_value_leaves_no_score_and_says_so():
    table = BRANCHES.assign(reliability=[0.9, np.nan, 0.8])
    with pytest.warns(DataWarning, match="reliability: values are missing"):
        result = qa.composite(table, "published_four")
    scores = result.tidy().set_index(["group", "term"])["estimate"]
    assert np.isnan(scores["South", "service_quality"])
    assert not np.isnan(scores["South", "satisfaction"])


def test_the_plot_speaks_the_labels_language():
    axes = qa.composite(BRANCHES, "published_four").plot(labels={"satisfaction": "客户满意度"})
    assert "客户满意度" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_bad_input_is_named(tmp_path):
    broken = tmp_path / "system.yaml"
    broken.write_text("id: all\nchildren: [{id: a, wieght: 1}]\n", encoding="utf-8")
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    for message, spec in {
        "sum to 0.9": tree(leaf("a", 0.5), leaf("b", 0.4)),
        "b has no weight": tree(leaf("a", 0.5), leaf("b")),
        "children → 0: unknown key 'wieght'": broken,
        "shipped are five_groups, published_four": "nowhere.yaml",
        "occurs more than once": tree(leaf("a", 0.5), leaf("a", 0.5)),
        "needs a matrix": tree(leaf("a"), leaf("b"), weighting={"method": "ahp"}),
        "each other's reciprocal": tree(leaf("a"), leaf("b"), weighting={"method": "ahp", "matrix": [[1, 2], [2, 1]]}),
        "positive target": tree(leaf("a", 1, method="distance")),
        "no indicator varies": tree(leaf("c"), weighting={"method": "entropy"}),
    }.items():
        with pytest.raises(StudyError, match=message):
            qa.composite(table.assign(c=1.0), spec)


def test_an_empty_indicator_weighs_nothing_and_words_are_no_judgements():
    assert entropy([[0, 0], [0, 1]]).tolist() == [0, 1]
    with pytest.raises(StudyError, match="numbers only"):
        ahp([["1", "much"], ["2", "1"]])
    with pytest.raises(StudyError, match="text in a;"):
        qa.composite(pd.DataFrame({"a": [1, "high"], "b": [1, 2]}), tree(leaf("a", 0.5), leaf("b", 0.5)))


@pytest.fixture(scope="module")
def weights(reference):
    return reference("composite_weights")


@pytest.mark.parametrize("number", range(4))
def test_ahp_agrees_with_power_iteration_in_r(weights, number):
    wanted = weights["ahp"][number]
    judgement = ahp(wanted["matrix"])
    assert_close_to_reference(judgement.weights, wanted["weights"], 1e-9, "weights")
    assert_close_to_reference(judgement.consistency_ratio, wanted["consistency_ratio"], 1e-9, "consistency ratio")


def test_entropy_and_critic_agree_with_r(weights):
    scores = np.array(weights["scores"])
    assert_close_to_reference(entropy(scores), weights["entropy"], 1e-12, "entropy")
    assert_close_to_reference(critic(scores[:, :4]), weights["critic"], 1e-12, "CRITIC")


def test_rank_sensitivity_is_seeded_and_holds_the_probability_of_trading_places():
    """Two weights of .5 each times uniform 1 ± .25: x beats y when 10 w₁ > 12 w₂, a chance found by integration."""
    spec = tree(leaf("a", 0.5), leaf("b", 0.5))
    table = pd.DataFrame({"a": [60, 50], "b": [40, 52]}, index=["x", "y"])
    first, again, other = (qa.composite(table, spec, n_draws=20_000, seed=seed).ranks for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    u = np.linspace(0.75, 1.25, 200_001)
    chance = np.clip((u / 1.2 - 0.75) / 0.5, 0, 1).mean()
    assert first.set_index("group").loc["x", "first"] == pytest.approx(chance, abs=4 * np.sqrt(chance / 20_000))
