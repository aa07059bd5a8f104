"""PLS against R (latent scores, row by row), psych, semTools, and the published numbers of ecsi_mobi and corp_rep."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.effects.composites.pls_algorithm import estimate
from qa_lib.effects.composites.pls_model import parse_model
from qa_lib.effects.composites.pls_predict import _compare_losses, held_out_errors
from qa_lib.errors import DataWarning, InadmissibleWarning, ModelError, NotConvergedWarning, ResponseError

SMALL = """
IMG =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
EXP =~ CUEX1 + CUEX2 + CUEX3
VAL =~ PERV1 + PERV2
SAT =~ CUSA1 + CUSA2 + CUSA3
SAT ~ IMG + EXP + VAL
"""
ECSI = """
IMG =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
EXP =~ CUEX1 + CUEX2 + CUEX3
QUAL =~ PERQ1 + PERQ2 + PERQ3 + PERQ4 + PERQ5 + PERQ6 + PERQ7
VAL =~ PERV1 + PERV2
SAT =~ CUSA1 + CUSA2 + CUSA3
COM =~ CUSCO
LOY =~ CUSL1 + CUSL2 + CUSL3
EXP ~ IMG;  QUAL ~ EXP;  VAL ~ EXP + QUAL
SAT ~ IMG + EXP + QUAL + VAL
COM ~ SAT;  LOY ~ IMG + SAT + COM
"""
CORP = """
COMP =~ comp_1 + comp_2 + comp_3
LIKE =~ like_1 + like_2 + like_3
CUSL =~ cusl_1 + cusl_2 + cusl_3
CUSA =~ cusa
CUSA ~ COMP + LIKE
CUSL ~ COMP + LIKE + CUSA
"""
ITERATED = 1e-7  # weights are iterated to 1e-10 here and to 1e-13 in R; far below the 1e-4 asked of iterative fits


@pytest.fixture(scope="module")
def mobi(shared_data):
    return pd.read_csv(shared_data("ecsi_mobi/mobi.csv"))


@pytest.fixture(scope="module")
def corp_rep(shared_data):
    return pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan)


@pytest.fixture(scope="module")
def fitted(mobi):
    return qa.pls(SMALL + "VAL ~ EXP", mobi, n_boot=300)


@pytest.mark.parametrize(
    ("scheme", "consistent", "published"),
    [
        ("path", False, [0.447004, 0.171830, 0.316425]),
        ("path", True, [0.540686, 0.235714, 0.259773]),
        ("factor", True, [0.537705, 0.240968, 0.258280]),
    ],
)
def test_ecsi_mobi_gives_the_published_paths_to_six_digits(mobi, scheme, consistent, published):
    fit = qa.pls(SMALL, mobi, scheme=scheme, consistent=consistent, n_boot=0)
    np.testing.assert_allclose(fit.paths.loc[["IMG", "EXP", "VAL"], "SAT"], published, atol=5.1e-7, rtol=0)


def test_corp_rep_with_mean_replacement_gives_the_published_paths_to_six_digits(corp_rep):
    paths = qa.pls(CORP, corp_rep, missing="mean", n_boot=0).paths
    published = {
        ("COMP", "CUSA"): 0.162051,
        ("COMP", "CUSL"): 0.009175,
        ("LIKE", "CUSA"): 0.423870,
        ("LIKE", "CUSL"): 0.342069,
        ("CUSA", "CUSL"): 0.504466,
    }
    for (source, target), value in published.items():
        assert paths.loc[source, target] == pytest.approx(value, abs=5.1e-7)


def test_corp_rep_listwise_gives_other_paths(corp_rep):
    paths = qa.pls(CORP, corp_rep, n_boot=0).paths
    np.testing.assert_allclose(paths.loc[["COMP", "LIKE"], "CUSA"], [0.1522, 0.4330], atol=5e-5)


def test_ecsi_mobi_gives_the_published_reliabilities(mobi):
    table = qa.pls(SMALL, mobi, n_boot=0).tidy()
    published = {
        "alpha": [0.722835, 0.451903, 0.823632, 0.779195],
        "ave": [0.477980, 0.480507, 0.848311, 0.693364],
        "cr": [0.818326, 0.733178, 0.917897, 0.871458],
        "rho_a": [0.745292, 0.461658, 0.857527, 0.784024],
    }
    for term, values in published.items():
        np.testing.assert_allclose(table.loc[table["term"] == term, "estimate"], values, atol=5.1e-7, err_msg=term)
    ratio = qa.pls(SMALL, mobi, n_boot=0).htmt
    np.testing.assert_allclose(ratio.loc["IMG", ["EXP", "SAT"]], [0.888030, 0.910101], atol=5.1e-7)


@pytest.mark.parametrize("scheme", ["path", "factor", "centroid"])
@pytest.mark.parametrize("model", ["mobi", "mobi_plsc", "ecsi", "ecsi_mode_b"])
def test_every_scheme_agrees_with_row_by_row_pls_in_r(mobi, reference, model, scheme):
    name = f"mobi_{scheme}_plsc" if model == "mobi_plsc" else f"{model}_{scheme}"
    expected = reference("pls")[name]
    text = SMALL if model.startswith("mobi") else ECSI
    if model == "ecsi_mode_b":
        text = text.replace("IMG =~", "IMG <~").replace("EXP =~", "EXP <~")
    fit = qa.pls(text, mobi, scheme=scheme, consistent=model == "mobi_plsc", n_boot=0)
    assert_agrees(fit, expected)


def test_a_single_item_construct_agrees_with_r(corp_rep, reference):
    assert_agrees(qa.pls(CORP, corp_rep, missing="mean", n_boot=0), reference("pls")["corp_rep"])


def assert_agrees(fit, expected):
    table = fit.tidy()
    names = expected["constructs"]
    own = {op: table[table["op"] == op].set_index("dimension", append=True)["estimate"] for op in ("=~", "<~")}
    for op, values in (("=~", expected["loadings"]), ("<~", expected["weights"])):
        actual = np.concatenate([own[op].xs(name, level="dimension") for name in names])
        assert_close_to_reference(actual, values, ITERATED, op)
    assert_close_to_reference(
        fit.construct_correlations.loc[names, names], expected["correlations"], ITERATED, "correlations"
    )
    for target, structure in expected["structure"].items():
        sources = structure["predictors"]
        assert_close_to_reference(fit.paths.loc[sources, target], structure["paths"], ITERATED, f"paths to {target}")
        assert_close_to_reference(fit.r_squared[target], structure["r_squared"], ITERATED, f"R² of {target}")
        effect = table[(table["term"] == "f_squared") & (table["lhs"] == target)].set_index("rhs")["estimate"]
        assert_close_to_reference(effect[sources], structure["f_squared"], ITERATED, f"f² on {target}")


def test_reliabilities_agree_with_psych_and_semtools(mobi, reference):
    fit = qa.pls(SMALL, mobi, n_boot=0)
    table = fit.tidy().set_index(["term", "dimension"])["estimate"]
    expected = reference("pls")
    names = expected["mobi_path"]["constructs"]
    assert_close_to_reference(table["alpha"][names], [expected["alpha"][name] for name in names], 1e-8, "alpha")
    assert_close_to_reference(fit.htmt, expected["htmt"], 1e-8, "HTMT")
    assert_close_to_reference(table["rho_a"][names], expected["mobi_path"]["rho_a"], ITERATED, "rho_A")
    assert_close_to_reference(table["cr"][names], expected["mobi_path"]["cr"], ITERATED, "rho_C")
    assert_close_to_reference(table["ave"][names], expected["mobi_path"]["ave"], ITERATED, "AVE")


def test_scores_agree_with_r_and_with_the_fit(mobi, reference):
    fit = qa.pls(SMALL, mobi, n_boot=0)
    assert_close_to_reference(fit.scores().iloc[:5], reference("pls")["mobi_path"]["scores"], 1e-6, "scores")
    np.testing.assert_allclose(fit.scores(mobi), fit.scores())
    np.testing.assert_allclose(fit.scores().corr(), fit.construct_correlations, atol=1e-12)
    gap = mobi.copy().astype(float)
    gap.loc[3, "IMAG1"] = np.nan
    assert fit.scores(gap).loc[3].isna().tolist() == [True, True, True, True]


def test_importance_and_index_agree_with_regression_of_raw_indices_in_r(mobi, reference):
    result = qa.pls(SMALL, mobi, n_boot=50).ipma("SAT", scale=(1, 10))
    table = result.tidy()
    whole = table[table["item"].isna()].set_index(["term", "dimension"])["estimate"]
    expected = reference("pls")["ipma"]
    for name, value in expected["index"].items():
        assert_close_to_reference(whole["performance", name], value, ITERATED, name)
    for name, value in expected["importance"].items():
        assert_close_to_reference(whole["importance", name], value, ITERATED, name)
    parts = table[table["item"].notna() & (table["term"] == "importance")].groupby("dimension")["estimate"].sum()
    np.testing.assert_allclose(parts, whole["importance"][parts.index])
    glance = result.glance().iloc[0]
    assert glance["index_low"] < glance["index"] < glance["index_high"]


def test_ipma_states_its_scale_and_warns_of_negative_weights(mobi):
    fit = qa.pls(SMALL.replace("EXP =~", "EXP <~"), mobi.assign(CUEX3=11 - mobi["CUEX3"]), n_boot=0)
    with pytest.warns(DataWarning, match="Negative outer weights: CUEX3"):
        fit.ipma("SAT", scale=(1, 10))
    with pytest.raises(ModelError, match="beyond scale"):
        fit.ipma("SAT", scale=(1, 5))
    with pytest.raises(ModelError, match="not a construct"):
        fit.ipma("SATISFACTION")
    with pytest.raises(ModelError, match="no construct acts on IMG"):
        fit.ipma("IMG")


def test_bootstrap_of_correlation_matrices_equals_refitting_the_resampled_rows(mobi):
    rng = np.random.default_rng(3)
    model = parse_model(ECSI, mobi.columns)
    x = mobi[list(model.items)].to_numpy(float)
    resamples = [x[rng.integers(len(x), size=len(x))] for _ in range(20)]
    batch = estimate(np.array([np.corrcoef(r, rowvar=False) for r in resamples]), model)
    for k, rows in enumerate(resamples):
        alone = qa.pls(ECSI, pd.DataFrame(rows, columns=model.items), n_boot=0)
        np.testing.assert_allclose(batch.paths[k], alone.paths, atol=1e-8)


def test_intervals_cover_what_the_bootstrap_spread_says(fitted):
    table = fitted.tidy()
    paths = table[table["op"].eq("~") & table["term"].str.contains(" ~ ")]
    assert fitted.glance().loc[0, "n_boot"] == 300
    assert ((paths["conf_low"] < paths["estimate"]) & (paths["estimate"] < paths["conf_high"])).all()
    np.testing.assert_allclose((paths["conf_high"] - paths["conf_low"]) / paths["std_error"], 3.92, rtol=0.15)
    assert table.loc[table["term"] == "SAT ~ IMG", "std_error"].item() == pytest.approx(0.056, abs=0.012)


def test_total_effects_are_direct_plus_the_way_round(fitted):
    paths, total = fitted.paths, fitted.total_effects
    around = paths.loc["EXP", "VAL"] * paths.loc["VAL", "SAT"]
    assert total.loc["EXP", "SAT"] == pytest.approx(paths.loc["EXP", "SAT"] + around)
    table = fitted.tidy().query("term.str.endswith('_effect')").set_index(["term", "lhs", "rhs"])["estimate"]
    assert table["indirect_effect", "SAT", "EXP"] == pytest.approx(around)
    assert table["total_effect", "SAT", "EXP"] == pytest.approx(total.loc["EXP", "SAT"])


def test_inflation_is_that_of_regressing_a_predictor_on_the_others(mobi):
    fit = qa.pls(SMALL.replace("EXP =~", "EXP <~"), mobi, n_boot=0)
    vif = fit.tidy().query("term == 'vif'").set_index(["lhs", "rhs", "item"])["estimate"]
    scores = fit.scores()
    others = np.column_stack([np.ones(250), scores[["EXP", "VAL"]]])
    residual = scores["IMG"] - others @ np.linalg.lstsq(others, scores["IMG"], rcond=None)[0]
    assert vif.iloc[0] == pytest.approx(scores["IMG"].var() / residual.var())
    others = np.column_stack([np.ones(250), mobi[["CUEX2", "CUEX3"]]])
    residual = mobi["CUEX1"] - others @ np.linalg.lstsq(others, mobi["CUEX1"], rcond=None)[0]
    assert vif.xs("CUEX1", level="item").item() == pytest.approx(mobi["CUEX1"].var() / residual.var())
    assert len(vif) == 6


def test_covariance_gives_the_same_paths_and_asks_for_no_bootstrap(mobi):
    rows = qa.pls(SMALL, mobi, n_boot=0)
    cov = qa.pls(SMALL, mobi.cov(), nobs=len(mobi))
    np.testing.assert_allclose(cov.paths, rows.paths, atol=1e-9)
    np.testing.assert_allclose(qa.pls(SMALL, qa.moments(mobi)).paths, rows.paths, atol=1e-9)
    assert cov.tidy()["conf_low"].isna().all()
    with pytest.raises(ModelError, match="needs respondents' rows"):
        qa.pls(SMALL, mobi.cov(), nobs=250, n_boot=10)
    with pytest.raises(ModelError, match="needs respondents' rows"):
        cov.predict()


def test_whole_weights_equal_repeated_rows(mobi):
    weights = np.tile([1, 2], 125)
    weighted = qa.pls(SMALL, mobi, weights=weights, n_boot=0)
    repeated = qa.pls(SMALL, mobi.loc[mobi.index.repeat(weights)].reset_index(drop=True), n_boot=0)
    np.testing.assert_allclose(weighted.paths, repeated.paths, atol=1e-9)
    assert weighted.n == pytest.approx(225)


def test_order_of_rows_items_and_units_does_not_matter(mobi):
    shuffled = mobi.sample(frac=1, random_state=2)[mobi.columns[::-1]] * 3.5 + 2
    np.testing.assert_allclose(qa.pls(SMALL, shuffled, n_boot=0).paths, qa.pls(SMALL, mobi, n_boot=0).paths, atol=1e-9)


def test_plsc_recovers_a_common_factor_model():
    rng = np.random.default_rng(11)
    n = 200_000
    quality = rng.normal(size=n)
    satisfaction = 0.6 * quality + 0.8 * rng.normal(size=n)
    items = {
        f"q{i}": load * quality + np.sqrt(1 - load**2) * rng.normal(size=n) for i, load in enumerate((0.8, 0.7, 0.6))
    }
    items |= {
        f"s{i}": load * satisfaction + np.sqrt(1 - load**2) * rng.normal(size=n)
        for i, load in enumerate((0.9, 0.7, 0.5))
    }
    model = "Q =~ q0 + q1 + q2; S =~ s0 + s1 + s2; S ~ Q"
    fit = qa.pls(model, pd.DataFrame(items), consistent=True, n_boot=0)
    assert fit.paths.loc["Q", "S"] == pytest.approx(0.6, abs=0.01)
    loadings = fit.tidy().query("op == '=~'")["estimate"]
    np.testing.assert_allclose(loadings, [0.8, 0.7, 0.6, 0.9, 0.7, 0.5], atol=0.015)
    assert qa.pls(model, pd.DataFrame(items), n_boot=0).paths.loc["Q", "S"] < 0.55


def test_prediction_agrees_with_a_plain_loop_over_folds(mobi, fitted):
    result = fitted.predict(folds=5, repeats=1, seed=4)
    model = fitted.model
    x = mobi[list(model.items)].to_numpy(float)
    fold = np.random.default_rng(4).permutation(len(x)) % 5
    error = np.zeros(len(x))
    plain = np.zeros(len(x))
    for k in range(5):
        train, test = x[fold != k], x[fold == k]
        fit = qa.pls(SMALL + "VAL ~ EXP", pd.DataFrame(train, columns=model.items), n_boot=0)
        scores = fit.scores(pd.DataFrame(test, columns=model.items))
        sat = scores[["IMG", "EXP"]] @ fit.total_effects.loc[["IMG", "EXP"], "SAT"]
        column = model.items.index("CUSA1")
        predicted = train[:, column].mean() + train[:, column].std(ddof=1) * fit.loadings.loc["CUSA1", "SAT"] * sat
        error[fold == k] = test[:, column] - predicted
        plain[fold == k] = test[:, column] - train[:, column].mean()
    row = result.errors.set_index("item").loc["CUSA1"]
    q2 = result.tidy().query("term == 'q2_predict'").set_index("item")
    assert q2.loc["CUSA1", "conf_low"] < row["q2_predict"] < 1
    losses = result.tidy().query("term == 'loss_to_mean'").set_index("dimension")
    assert losses.loc["SAT", "estimate"] < 0
    assert losses.loc["SAT", "p_value"] < 0.001
    assert row["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert row["mae"] == pytest.approx(np.abs(error).mean())
    assert row["q2_predict"] == pytest.approx(1 - (error**2).sum() / (plain**2).sum())
    assert result.glance().loc[0, "power"] in {"high", "medium", "low", "none"}


@pytest.mark.parametrize(
    ("text", "scheme", "key"),
    [(SMALL, "path", "mobi"), (ECSI.replace("IMG =~", "IMG <~").replace("EXP =~", "EXP <~"), "factor", "ecsi_mode_b")],
)
def test_errors_of_prediction_agree_with_refitting_each_fold_in_r(mobi, reference, text, scheme, key):
    fit, expected = qa.pls(text, mobi, scheme, n_boot=0), reference("pls")["predict"][key]
    errors, squared = held_out_errors(fit.rows.answers, fit.model, scheme, [np.array(expected["fold"])])
    errors = errors.set_index("item")
    assert set(errors.index) == set(expected["item"])
    for measure in ("rmse", "mae", "rmse_linear", "mae_linear", "q2_predict"):
        assert_close_to_reference(errors.loc[expected["item"], measure], expected[measure], ITERATED, measure)
    losses = _compare_losses(squared, errors["dimension"].to_numpy(), 0.95)
    overall = losses[(losses["term"] == "loss_to_linear") & losses["dimension"].isna()]
    columns = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert_close_to_reference(overall[columns].iloc[0], expected["loss_to_linear"], ITERATED, "CVPAT")


@pytest.mark.parametrize(
    ("text", "scheme", "distance", "key"),
    [
        (CORP, "path", None, "corp_rep"),
        (ECSI.replace("IMG =~", "IMG <~").replace("EXP =~", "EXP <~"), "factor", 7, "ecsi_mode_b"),
        (SMALL, "path", 11, "mobi_11"),
    ],
)
def test_blindfolding_agrees_with_refitting_row_by_row_in_r(mobi, corp_rep, reference, text, scheme, distance, key):
    data, missing = (corp_rep, "mean") if key == "corp_rep" else (mobi, "listwise")
    result = qa.pls(text, data, scheme, missing=missing, n_boot=0).blindfold(distance)
    table, expected = result.tidy().set_index("dimension"), reference("pls")["blindfold"][key]
    assert set(table.index) == set(expected)  # mode B constructs have none
    assert_close_to_reference(table["estimate"][list(expected)], list(expected.values()), ITERATED, "Q²")
    np.testing.assert_allclose(1 - table["sse"] / table["sso"], table["estimate"])
    assert set(result.judge()["verdict"]) == {"met"}
    assert ((table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])).all()


def test_blindfolding_finds_nothing_to_foretell_in_noise():
    noise = pd.DataFrame(np.random.default_rng(5).normal(size=(400, 6)), columns=list("abcxyz"))
    row = qa.pls("F =~ a + b + c; G =~ x + y + z; G ~ F", noise, n_boot=0).blindfold().tidy().iloc[0]
    assert row["estimate"] < 0.02
    assert row["conf_low"] < 0


def test_blindfolding_hides_no_respondent_whole(mobi):
    assert qa.pls(SMALL, mobi[:245], n_boot=0).blindfold().distance == 8
    with pytest.raises(ModelError, match="distance=7 with 245 rows"):
        qa.pls(SMALL, mobi[:245], n_boot=0).blindfold(7)
    with pytest.raises(ModelError, match="does not know respondents' weights"):
        qa.pls(SMALL, mobi, weights=np.tile([1, 2], 125), n_boot=0).blindfold()


def test_groups_that_differ_are_told_apart_and_groups_that_do_not_are_not():
    rng = np.random.default_rng(8)
    n = 600
    group = np.repeat(["north", "south"], n // 2)
    a, b = rng.normal(size=(2, n))
    sat = np.where(group == "north", 0.8, 0.1) * a + 0.4 * b + 0.5 * rng.normal(size=n)
    items = {
        f"{name}{i}": f + 0.4 * rng.normal(size=n) for name, f in (("a", a), ("b", b), ("s", sat)) for i in (1, 2, 3)
    }
    fit = qa.pls("A =~ a1+a2+a3; B =~ b1+b2+b3; S =~ s1+s2+s3; S ~ A + B", pd.DataFrame(items), n_boot=200)
    result = fit.compare_groups(group, n_permutations=199)
    table = result.tidy().set_index("rhs")
    assert table.loc["A", "p_value"] == pytest.approx(1 / 200)
    assert table.loc["A", "conf_low"] > 0
    assert table.loc["A", "estimate"] == pytest.approx(table.loc["A", "estimate_a"] - table.loc["A", "estimate_b"])
    shuffled = fit.compare_groups(rng.permutation(group), n_permutations=199)
    assert shuffled.tidy()["p_value"].min() > 0.05
    assert shuffled.tidy()["comparable"].all()
    north = pd.DataFrame(items)[group == "north"].reset_index(drop=True)
    alone = qa.pls(fit.provenance.settings["model"], north, n_boot=0)
    assert table.loc["A", "estimate_a"] == pytest.approx(alone.paths.loc["A", "S"], abs=1e-8)


def test_group_comparison_refuses_what_it_cannot_compare(fitted, mobi):
    with pytest.raises(ModelError, match="1 group"):
        fitted.compare_groups(np.zeros(250))
    with pytest.raises(ModelError, match="Pool them"):
        fitted.compare_groups(np.arange(250) < 5)
    group = np.arange(250) % 2
    with pytest.raises(ModelError, match="In group 1 everyone answered the same on CUSA1"):
        qa.pls(SMALL, mobi.assign(CUSA1=mobi["CUSA1"].where(group == 0, 7)), n_boot=0).compare_groups(group)
    with pytest.raises(ModelError, match="249 labels"):
        fitted.compare_groups(np.zeros(249))
    with pytest.raises(ModelError, match="without weights"):
        qa.pls(SMALL, mobi, weights=np.tile([1, 2], 125), n_boot=0).compare_groups(np.tile([1, 2], 125))


def test_bad_data_are_named(mobi):
    with pytest.raises(ResponseError, match="Constant: IMAG1"):
        qa.pls(SMALL, mobi.assign(IMAG1=5))
    with pytest.raises(ModelError, match="Items of EXP are collinear"):
        qa.pls(SMALL.replace("EXP =~", "EXP <~"), mobi.assign(CUEX3=mobi["CUEX1"] + mobi["CUEX2"]))
    with pytest.warns(DataWarning, match="Items of EXP are collinear"):
        qa.pls(SMALL, mobi.assign(CUEX3=mobi["CUEX1"]), n_boot=0)
    twins = mobi.assign(CUEX1=mobi["PERV1"], CUEX2=mobi["PERV2"])
    with pytest.raises(ModelError, match="act on one outcome are collinear"):
        qa.pls(SMALL.replace("CUEX1 + CUEX2 + CUEX3", "CUEX1 + CUEX2"), twins, n_boot=0)
    with pytest.raises(ResponseError, match="not numeric: IMAG1"):
        qa.pls(SMALL, mobi.assign(IMAG1="a"))
    with pytest.raises(ResponseError, match="all are zero"):
        qa.pls(SMALL, mobi, weights=np.zeros(250))
    with pytest.raises(ModelError, match="4 respondents are too few: EXP has 3 regressors, which need 5"):
        qa.pls(SMALL.replace("EXP =~", "EXP <~"), mobi.sample(4, random_state=3))
    with pytest.raises(ModelError, match="scheme='paths'"):
        qa.pls(SMALL, mobi, scheme="paths")
    with pytest.raises(ModelError, match="Constant items: CUEX1"):
        qa.pls(SMALL, mobi.assign(CUEX1=1).cov(), nobs=250)


def test_an_impossible_corrected_solution_is_said_to_be_so():
    items = ["a1", "a2", "b1", "b2"]
    cov = pd.DataFrame(np.full((4, 4), 0.3), items, items)
    cov.iloc[:2, :2] = cov.iloc[2:, 2:] = [[1, 0.2], [0.2, 1]]
    model = "A =~ a1 + a2; B =~ b1 + b2; B ~ A"
    with pytest.warns(InadmissibleWarning, match="R² is larger than 1"):
        fit = qa.pls(model, cov, nobs=100, consistent=True)
    assert not fit.glance().loc[0, "admissible"]
    assert qa.pls(model, cov, nobs=100).glance().loc[0, "admissible"]


def test_a_correction_that_leaves_no_positive_definite_matrix_gives_missing_paths_not_wrong_ones():
    items = ["a1", "a2", "b1", "b2", "y"]
    cov = pd.DataFrame(np.full((5, 5), 0.3), items, items)
    cov.iloc[:2, :2] = cov.iloc[2:4, 2:4] = [[1, 0.2], [0.2, 1]]
    cov.loc["y", "y"] = 1
    with pytest.warns(InadmissibleWarning, match="not positive definite"):
        fit = qa.pls("A =~ a1 + a2; B =~ b1 + b2; y ~ A + B; B ~ A", cov, nobs=100, consistent=True)
    assert fit.paths.loc[["A", "B"], "y"].isna().all()
    assert fit.tidy().query("term == 'y ~ A'")["estimate"].isna().all()


def test_bootstrap_samples_that_are_collinear_are_left_out_at_once():
    rng = np.random.default_rng(2)
    rare = (np.arange(60) == 0).astype(float)
    x = rng.normal(size=60)
    data = pd.DataFrame({"x1": x, "x2": x + rare, "y": x + rng.normal(size=60)})
    with pytest.warns(NotConvergedWarning, match="of 200 bootstrap samples"):
        fit = qa.pls("X <~ x1 + x2; y ~ X", data, n_boot=200)
    assert 90 < fit.glance().loc[0, "n_boot"] < 160  # the one telling respondent is drawn with chance 1 − 1/e


def test_bootstrap_samples_without_an_admissible_solution_are_counted(mobi):
    with pytest.warns(InadmissibleWarning, match="of 200 bootstrap samples are not admissible"):
        fit = qa.pls(SMALL, mobi, consistent=True, n_boot=200)
    assert 100 < fit.glance().loc[0, "n_boot"] < 190


def test_reliability_is_judged_by_cited_criteria(fitted):
    verdicts = fitted.judge().query("term in ('alpha', 'cr')").set_index(["term", "dimension"])["verdict"]
    assert verdicts["alpha", "EXP"] == "not_met"
    assert verdicts["cr", "SAT"] == "met"


def test_pictures_hold_their_words(fitted):
    result = fitted.ipma("SAT", (1, 10))
    axes = result.plot(labels={"IMG": "形象", "importance": "重要性"})
    assert axes.get_xlabel() == "重要性"
    assert "形象" in [text.get_text() for text in axes.texts]
    assert len(fitted.plot().get_yticklabels()) == 4
    assert fitted.predict(folds=3, repeats=2).plot().get_xlabel().startswith("Root mean")
    assert fitted.compare_groups(np.arange(250) % 2, n_permutations=9).plot().get_yticklabels()


def test_an_impossible_level_is_refused_before_anything_is_fitted():
    with pytest.raises(ModelError, match="conf_level=95"):
        qa.pls("A =~ a + b; c ~ A", pd.DataFrame(np.eye(9)[:, :3], columns=list("abc")), conf_level=95)
