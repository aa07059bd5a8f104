"""What holds of every factor solution, whatever the data: the implied matrix, invariances, intervals, refusals."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning, ResponseError
from qa_lib.trust.retention import random_correlations
from qa_lib.trust.structure.extraction import _minres, _ml, extract
from qa_lib.trust.structure.factor_measures import score_weights
from qa_lib.trust.structure.rotation import rotate

PATTERN = np.array([[0.8, 0], [0.7, 0.1], [0.6, 0], [0.7, -0.1], [0, 0.7], [0.1, 0.6], [0, 0.8], [-0.1, 0.5]])
PHI = np.array([[1, 0.4], [0.4, 1]])
ITEMS = list("abcdefgh")


def population(loadings=PATTERN, phi=PHI):
    common = loadings @ phi @ loadings.T
    np.fill_diagonal(common, 1)
    names = ITEMS[: len(loadings)]
    return pd.DataFrame(common, index=names, columns=names)


def sample(n=300, seed=5):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 8)) @ np.linalg.cholesky(population()).T
    return pd.DataFrame(values, columns=ITEMS)


@pytest.mark.parametrize("rotation", ["none", "varimax", "promax", "oblimin", "geomin"])
@pytest.mark.parametrize("method", ["minres", "ml", "principal_axis"])
def test_loadings_phi_and_uniqueness_reproduce_the_implied_matrix(method, rotation):
    corr = sample().corr()
    plain, turned = (qa.efa((corr, 300), 3, method, r, n_starts=3) for r in ("none", rotation))
    loadings, phi = turned.loadings.to_numpy(), turned.factor_correlations.to_numpy()
    np.testing.assert_allclose(loadings @ phi @ loadings.T + np.diag(turned.uniqueness), plain.implied, atol=1e-10)
    np.testing.assert_allclose(np.diag(turned.implied), 1, atol=1e-12)
    np.testing.assert_allclose(np.diag(phi), 1, atol=1e-12)
    assert np.linalg.eigvalsh(phi)[0] > 0
    assert (loadings.sum(0) > 0).all()
    explained = turned.variance.loc["ss_loadings"]
    assert (np.diff(explained) <= 1e-12).all()
    assert explained.sum() == pytest.approx(turned.communality.sum())


@pytest.mark.parametrize("method", ["minres", "ml", "principal_axis"])
def test_population_factors_are_recovered(method):
    found = qa.efa((population(), 500), 2, method, "oblimin")
    implied = population().to_numpy()
    np.testing.assert_allclose(found.implied, implied, atol=1e-7)
    np.testing.assert_allclose(found.uniqueness, 1 - np.diag(PATTERN @ PHI @ PATTERN.T), atol=1e-6)
    assert found.glance().loc[0, "rmsr"] < 1e-7


@pytest.mark.parametrize("rotation", ["varimax", "promax", "oblimin", "geomin"])
def test_order_of_items_and_turn_of_factors_do_not_matter(rotation):
    loadings = extract(sample().corr().to_numpy(), 3).loadings
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    order = np.random.default_rng(3).permutation(8)
    found, other = rotate(loadings, rotation), rotate((loadings @ turn)[order], rotation, seed=4)
    np.testing.assert_allclose(other.loadings, found.loadings[order], atol=1e-6)
    np.testing.assert_allclose(other.phi, found.phi, atol=1e-6)


@pytest.mark.parametrize("objective", [_minres, _ml])
def test_derivatives_agree_with_finite_differences(objective):
    corr = sample().corr().to_numpy()[None]
    x = np.log(np.linspace(0.3, 0.8, 8)) if objective is _ml else np.linspace(0.3, 0.8, 8)
    _, gradient, hessian = objective(x[None], corr, 2)
    steps = 1e-5 * np.eye(8)
    ahead, behind = (objective(x + sign * steps, np.repeat(corr, 8, 0), 2) for sign in (1, -1))
    np.testing.assert_allclose(gradient[0], (ahead[0] - behind[0]) / 2e-5, atol=1e-8)
    np.testing.assert_allclose(hessian[0], (ahead[1] - behind[1]) / 2e-5, atol=1e-7)


def test_a_stack_of_matrices_gives_each_ones_solution():
    stack = np.stack([sample(seed=seed).corr() for seed in (1, 2, 3)])
    for method in ("minres", "ml", "principal_axis"):
        together = extract(stack, 2, method)
        for i, corr in enumerate(stack):
            np.testing.assert_allclose(together.uniqueness[i], extract(corr, 2, method).uniqueness, atol=1e-7)


@pytest.mark.parametrize("method", ["minres", "ml"])
def test_extraction_converges_where_heywood_cases_abound(method):
    """Random items have no factors to find: half the minima lie on the bounds."""
    corr = random_correlations(60, 8, 200, np.random.default_rng(1))
    found = extract(corr, 3, method)
    assert found.converged.all()
    assert found.heywood.any(axis=1).mean() > 0.3


def test_data_moments_and_correlations_give_the_same_factors():
    data = sample().mask(np.random.default_rng(1).random((300, 8)) < 0.05)
    found = qa.efa(data, 2)
    pd.testing.assert_frame_equal(qa.efa(qa.moments(data), 2).loadings, found.loadings)
    pd.testing.assert_frame_equal(qa.efa((data.corr(), 300), 2).loadings, found.loadings, atol=1e-9)
    assert found.glance().loc[0, "n"] == 300


def test_weights_count_respondents_and_reduce_n():
    data, weights = sample(200), np.repeat([1.0, 3.0], 100)
    found = qa.efa(data, 2, weights=weights)
    repeated = pd.concat([data, data[100:], data[100:]])
    np.testing.assert_allclose(found.loadings, qa.efa(repeated, 2).loadings, atol=1e-2)
    assert found.glance().loc[0, "n"] == pytest.approx(400**2 / 1000)


def test_scores_have_the_properties_they_are_named_for():
    data = sample(2000)
    found = qa.efa(data, 2, "ml")
    corr, loadings, phi = found.correlation, found.loadings.to_numpy(), found.factor_correlations.to_numpy()
    ten_berge = found.scores(data, "ten_berge")
    np.testing.assert_allclose(ten_berge.corr(), phi, atol=1e-10)
    bartlett = found.score_weights("bartlett").to_numpy()
    np.testing.assert_allclose(bartlett.T @ loadings, np.eye(2), atol=1e-10)
    best = found.score_determinacy
    for method in ("bartlett", "ten_berge"):
        weights = found.score_weights(method).to_numpy()
        validity = np.diag(weights.T @ loadings @ phi) / np.sqrt(np.diag(weights.T @ corr.to_numpy() @ weights))
        assert (validity <= best + 1e-12).all()
    np.testing.assert_allclose(found.scores(data).var(), best**2, atol=1e-10)
    assert score_weights(corr.to_numpy(), loadings, phi, "regression").shape == (8, 2)


def test_respondents_with_missing_items_have_no_scores():
    data = sample()
    data.iloc[4, 2] = np.nan
    scores = qa.efa(data, 2).scores(data)
    assert scores.isna().any(axis=1).sum() == 1
    assert scores.iloc[4].isna().all()


def test_scores_that_cannot_be_are_refused():
    found = qa.efa((population(), 300), 2)
    with pytest.raises(ResponseError, match="without means"):
        found.scores(sample())
    with pytest.raises(ResponseError, match=r"\['a'\]"):
        found.scores(sample().drop(columns="a"))
    with pytest.raises(ModelError, match="allowed are regression, bartlett, ten_berge"):
        qa.efa(sample(), 2).scores(sample(), "anderson")


@pytest.mark.parametrize("rotation", ["none", "varimax", "promax", "oblimin", "geomin"])
def test_bootstrap_is_seeded_and_aligned(rotation):
    data = sample()
    found = qa.efa(data, 2, rotation=rotation, n_boot=100, seed=3).tidy()
    pd.testing.assert_frame_equal(found, qa.efa(data, 2, rotation=rotation, n_boot=100, seed=3).tidy())
    strong = found.query("term == 'loading' and abs(estimate) > .4")
    # Unaligned draws would mix factors and signs: intervals about zero, errors as large as loadings.
    assert (np.sign(strong["conf_low"]) == np.sign(strong["conf_high"])).all()
    assert strong["std_error"].max() < 0.15
    inside = found.query("term == 'loading'")
    assert (inside["conf_low"] < inside["estimate"]).all()
    assert (inside["estimate"] < inside["conf_high"]).all()


def test_bootstrap_errors_are_those_of_repeated_samples():
    draws = [qa.efa(sample(seed=seed), 2, n_starts=1).loadings.to_numpy().T.ravel() for seed in range(100, 180)]
    draws = np.array([np.concatenate(sorted(np.split(draw, 2), key=lambda half: -half[:4].sum())) for draw in draws])
    found = qa.efa(sample(), 2, n_boot=200)
    table = found.tidy().query("term == 'loading'")
    first = found.loadings[:4].sum().idxmax()
    ours = np.concatenate([table[table["factor"] == first]["std_error"], table[table["factor"] != first]["std_error"]])
    assert np.exp(np.log(ours / draws.std(0)).mean()) == pytest.approx(1, abs=0.12)


def test_bootstrap_of_ordinal_and_weighted_data():
    data = sample().mul(1.2).round().clip(-2, 2)
    found = qa.efa(data, 2, correlation="polychoric", n_boot=20).tidy()
    pd.testing.assert_frame_equal(found, qa.efa(data, 2, correlation="polychoric", n_boot=20).tidy())
    assert found.query("term == 'loading'")["std_error"].between(0.01, 0.3).all()
    weighted = data.assign(w=np.linspace(0.5, 1.5, 300))
    named = qa.efa(weighted, 2, weights="w", n_boot=50)
    assert named.loadings.index.to_list() == ITEMS
    assert named.tidy()["std_error"].between(0.01, 0.3).sum() >= 16
    passed = qa.efa(data, 2, weights=weighted["w"].to_numpy(), n_boot=50)
    pd.testing.assert_frame_equal(named.tidy(), passed.tidy())


def test_moments_are_bootstrapped_as_normal_samples():
    data = sample()
    from_data, from_moments = (qa.efa(d, 2, n_boot=400).tidy() for d in (data, qa.moments(data)))
    pd.testing.assert_series_equal(from_moments["estimate"], from_data["estimate"])
    errors = [table.query("term == 'loading'")["std_error"] for table in (from_moments, from_data)]
    assert np.exp(np.log(errors[0] / errors[1]).mean()) == pytest.approx(1, abs=0.1)


def test_heywood_case_is_said():
    loadings = np.array([[0.999, 0], [0.6, 0], [0.5, 0.0], [0, 0.7], [0, 0.6], [0, 0.8]])
    corr = population(loadings, np.eye(2))
    corr.loc["a", "b"] = corr.loc["b", "a"] = 0.7
    for method in ("minres", "ml", "principal_axis"):
        with pytest.warns(InadmissibleWarning, match="Heywood case: no unique variance is left of a"):
            found = qa.efa((corr, 300), 2, method)
        assert not found.glance().loc[0, "admissible"]
        assert found.uniqueness["a"] <= 0.005 + 1e-6


def test_impossible_requests_are_refused():
    data = sample()
    with pytest.raises(ModelError, match="1 factors cannot be identified from 2 items"):
        qa.efa(data[["a", "b"]], 1)
    with pytest.raises(ModelError, match="5 factors cannot be identified from 8 items"):
        qa.efa(data, 5)
    with pytest.raises(ModelError, match="0 factors"):
        qa.efa(data, 0)
    with pytest.raises(ModelError, match="Only 2 of 3 factors explain anything"):
        qa.efa((population(), 300), 3)
    with pytest.raises(ModelError, match="singular"):
        qa.efa(data.assign(i=data["a"] + data["b"]), 2)
    with pytest.raises(ResponseError, match="a never varies"):
        qa.efa(data.assign(a=1), 2)
    with pytest.raises(ModelError, match="method is 'pca'; allowed are minres, ml, principal_axis"):
        qa.efa(data, 2, "pca")
    with pytest.raises(ModelError, match="rotation is 'equamax'"):
        qa.efa(data, 2, rotation="equamax")
    with pytest.raises(ModelError, match="n_starts is 0"):
        qa.efa(data, 2, n_starts=0)
    with pytest.raises(ResponseError, match="correlation is 'kendall'"):
        qa.efa(data, 2, correlation="kendall")
    with pytest.raises(ResponseError, match="Intervals of polychoric factors need the respondents"):
        qa.efa(qa.moments(data.round().clip(-2, 2)), 2, correlation="polychoric", n_boot=10)


def test_a_rotation_that_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr("qa_lib.trust.structure.rotation.MAX_ITERATIONS", 2)
    with pytest.warns(NotConvergedWarning, match="rotation did not converge"):
        assert not qa.efa(sample(), 3).glance().loc[0, "converged"]


def test_three_items_fit_exactly():
    found = qa.efa((population(np.array([[0.8], [0.7], [0.6]]), np.eye(1)), 100), 1)
    row = found.glance().iloc[0]
    assert row["df"] == 0
    assert row[["tli", "rmsea", "p_value"]].isna().all()
    np.testing.assert_allclose(found.loadings["F1"], [0.8, 0.7, 0.6], atol=1e-8)


def test_heat_map_speaks_the_readers_language():
    ax = qa.efa((population(), 300), 2).plot(labels={"a": "可靠性一", "F1": "因子一"})
    assert ax.get_yticklabels()[0].get_text() == "可靠性一"
    assert ax.get_xticklabels()[0].get_text() == "因子一"
    assert len(ax.texts) == 16
    plt.close(ax.figure)
