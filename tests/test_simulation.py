"""The simulated survey gives back its population, and the demo study is what its population file says."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

import qa_lib as qa
from qa_lib.errors import StudyError

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"


@pytest.fixture(scope="module")
def spec():
    return yaml.safe_load((DEMO / "population.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def clean(spec):
    """A large sample of the same population without shifts, careless and missing answers, or translation effects."""
    survey = spec["survey"] | {
        "responses_per_period": 2000, "shifts": [], "careless": {"share": 0}, "missing": {}, "translation": {},
    }  # fmt: skip
    return qa.simulate({"survey": survey}, seed=7)


def test_committed_responses_are_what_the_population_file_gives(tmp_path):
    shutil.copy(DEMO / "instrument.yaml", tmp_path)
    for path in qa.simulate(DEMO / "population.yaml").write(tmp_path):
        assert path.read_bytes() == (DEMO / path.relative_to(tmp_path)).read_bytes(), path.name


def test_same_seed_same_numbers_other_seed_other_numbers(spec):
    first, again, other = (qa.simulate(spec, seed=seed).responses for seed in (3, 3, 4))
    assert first.equals(again)
    assert not first.equals(other)


def test_item_distributions_are_those_of_the_thresholds(clean):
    answers, n = clean.responses, len(clean.responses)
    for item, (_, spec, scale) in clean.population.items.items():
        cuts = norm.cdf(np.array([-np.inf, *scale.thresholds, np.inf]) - spec.level)
        expected = np.diff(cuts)
        observed = answers[item].value_counts().reindex(scale.first + np.arange(len(expected)), fill_value=0) / n
        assert (np.abs(observed - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n)).all(), item


def test_careless_share_attention_and_missing_rates(spec):
    survey = spec["survey"] | {"responses_per_period": 2000}
    drawn = qa.simulate({"survey": survey}, seed=11)
    right = drawn.responses["attention"] == 4
    assert drawn.careless.mean() == pytest.approx(0.06, abs=0.007)
    assert right[drawn.careless].mean() == pytest.approx(0.35, abs=0.05)
    assert right[~drawn.careless].mean() == pytest.approx(0.985, abs=0.005)
    phone = drawn.responses["channel"] == "phone"
    assert drawn.responses.loc[phone, "T1"].isna().mean() == pytest.approx(0.10, abs=0.015)
    assert drawn.responses["R1"].isna().mean() == pytest.approx(0.012, abs=0.004)


def test_responsiveness_falls_in_one_branch_only():
    answers = qa.simulate(DEMO / "population.yaml").responses
    score = answers[["S1", "S2", "S3", "S4"]].mean(axis=1)
    late = answers["period"] >= "2026-09"
    early = answers["period"].between("2026-03", "2026-06")
    change = score[late].groupby(answers["branch"]).mean() - score[early].groupby(answers["branch"]).mean()
    assert change["riverside"] < -0.7
    assert change.drop("riverside").abs().max() < 0.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor_correlations": {"reliability": {"assurance": 0.99, "empathy": -0.99}}}, "positive definite"),
        ({"structural": {"satisfaction": {"reliability": 1.2}}}, "more than all"),
        ({"structural": {"satisfaction": {"price": 0.2}}}, "price"),
        ({"careless": {"share": 1.5}}, "survey.careless.share"),
        ({"colour": "red"}, "survey.colour"),
        ({"shifts": [{"factor": "empathy", "by": 1, "where": {"branch": "moon"}}]}, "moon"),
    ],
)
def test_impossible_populations_are_refused(spec, change, message):
    with pytest.raises(StudyError, match=message):
        qa.simulate({"survey": spec["survey"] | change}, seed=1)


def test_the_study_room_reads_back_every_answer():
    """Through 问卷星's words and Qualtrics' header rows, nothing is lost and nothing changes."""
    drawn = qa.simulate(DEMO / "population.yaml").responses
    data = qa.read_study(DEMO).responses().data
    keys = ["date", "branch", "channel", "mode"]
    items = [*list(qa.simulate(DEMO / "population.yaml").population.items)]
    read = data.sort_values([*keys, "duration"])[[*keys, *items]].reset_index(drop=True)
    expected = drawn.sort_values([*keys, "duration"])[[*keys, *items]].reset_index(drop=True)
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)
    assert set(data["language"]) == {"en", "zh"}
    assert set(data["attention"]) == set("12345")


def test_absent_file_is_named():
    with pytest.raises(StudyError, match=r"nowhere\.yaml"):
        qa.simulate("nowhere.yaml")


def test_operations_tell_the_same_story():
    study = qa.read_study(DEMO)
    tables = {name: getattr(study, name)() for name in ("tickets", "calls", "complaints", "customers", "roster")}
    table = qa.kpis(tables, DEMO / "kpis.yaml", by="branch").tidy()
    response = table[table["term"] == "response_time"]
    met = response.pivot_table(index="period", columns="branch", values="attainment")
    assert met.loc["2026-10", "riverside"] < 0.4 < 0.7 < met.loc["2026-10"].drop("riverside").min()
    assert met.loc[:"2026-01", "station"].max() < 0.65 < met.loc["2026-03":, "station"].min()
    completes = study.contacts().query("disposition == 'complete'")
    assert len(completes) == len(study.responses().data)


def test_loadings_factor_correlations_and_paths_are_recovered(clean):
    """A structural model of the polychoric correlations gives back every stated number."""
    population = clean.population
    items = list(population.items)
    sample = clean.responses.iloc[:8000]
    correlation = qa.polychoric(sample[items]).correlation.loc[items, items]
    gap = correlation - population.item_correlation()
    assert np.abs(gap.to_numpy()).max() < 0.05
    lines = [f"{dimension} =~ {' + '.join(spec)}" for dimension, spec in population.dimensions.items()]
    lines += ["loyalty =~ repurchase + nps", "loyalty ~ satisfaction"]
    lines += [f"satisfaction ~ {' + '.join(population.dimensions)}"]
    lines += ["effort ~ responsiveness + reliability", "effort ~~ 0*satisfaction", "effort ~~ 0*loyalty"]
    fit = qa.sem("\n".join(lines), correlation, nobs=len(sample), std_lv=True)
    table = fit.tidy().set_index(["lhs", "op", "rhs"])["std_all"]
    for dimension, spec in population.dimensions.items():
        for item, stated in spec.items():
            assert table[dimension, "=~", item] == pytest.approx(stated.loading, abs=0.03)
    for outcome in ("satisfaction", "loyalty"):
        for cause, stated in population.structural[outcome].items():
            assert table[outcome, "~", cause] == pytest.approx(stated, abs=0.05)
    stated = population.correlation()
    for a, b in (("reliability", "assurance"), ("tangibles", "responsiveness")):
        assert table[a, "~~", b] == pytest.approx(stated.loc[a, b], abs=0.04)
