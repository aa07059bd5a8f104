"""Latent regressions against lavaan, and the model that is built."""

import numpy as np
import pandas as pd
import pytest
from compare import assert_close_to_reference

import qa_lib as qa
from qa_lib.effects.latent import model_syntax
from qa_lib.errors import ModelError, ResponseError


def numbered(stem, size, sep=""):
    return [f"{stem}{sep}{k + 1}" for k in range(size)]


BANK = {"imag": numbered("imag", 5), "qual": numbered("qual", 5), "val": numbered("val", 4)}
BANK_OUTCOMES = {"sat": numbered("sat", 4), "loy": numbered("loy", 4)}
CORP = {stem: numbered(stem, size, "_") for stem, size in {"csor": 5, "attr": 3, "perf": 5, "qual": 8}.items()}
CORP_OUTCOMES = {"satisfaction": "cusa", "loyalty": numbered("cusl", 3, "_")}
# the bank's image and quality nearly coincide: its likelihood is so flat that lavaan's optimum has four digits
TOLERANCE = {"corp_rep": 1e-5, "bank": 1e-4}


@pytest.fixture(scope="module")
def results(shared_data):
    bank = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))
    corp = pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan)
    return {
        "bank": qa.latent_drivers(bank, BANK, BANK_OUTCOMES),
        "corp_rep": qa.latent_drivers(corp, CORP, CORP_OUTCOMES),
    }


@pytest.mark.parametrize("name", ["bank", "corp_rep"])
@pytest.mark.parametrize("part", ["satisfaction", "mediator", "direct", "indirect", "total"])
def test_effects_agree_with_lavaan(name, part, results, reference):
    result = results[name]
    first, last = result.outcomes
    table = result.tidy()
    asked = {
        "satisfaction": (table["lhs"] == first),
        "mediator": (table["rhs"] == first),
        "direct": (table["lhs"] == last) & (table["term"] == "direct") & (table["rhs"] != first),
    }
    found = table[asked.get(part, table["term"] == part)]
    for column, expected in reference("latent_drivers")[name][part].items():
        assert_close_to_reference(found[column], np.atleast_1d(expected), TOLERANCE[name], f"{part} {column}")


@pytest.mark.parametrize("name", ["bank", "corp_rep"])
def test_fit_and_explained_variance_agree_with_lavaan(name, results, reference):
    expected, glance = reference("latent_drivers")[name], results[name].glance().loc[0]
    assert_close_to_reference(results[name].r_squared, expected["r_squared"], 1e-5, "R²")
    fit = expected["fit"]
    assert glance["df"] == fit["df"]
    measures = {"chisq_scaled": "chisq.scaled", "srmr": "srmr"}
    measures |= {"cfi_robust": "cfi.robust", "rmsea_robust": "rmsea.robust"} if name == "bank" else {}
    ours = glance[list(measures)].astype(float)
    assert_close_to_reference(ours, [fit[theirs] for theirs in measures.values()], 1e-5, "fit")


def test_total_is_direct_and_indirect_together(results):
    table = results["corp_rep"].tidy().query("lhs == 'loyalty' and rhs != 'satisfaction'")
    parts = table.pivot_table(index="rhs", columns="term", values="std_all")
    np.testing.assert_allclose(parts["total"], parts["direct"] + parts["indirect"], rtol=1e-9)


def test_a_longer_chain_goes_every_way_round():
    blocks = {"care": ["a", "b"], "trust": ["t"], "sat": ["s"], "loyal": ["l"]}
    model, labels = model_syntax(blocks, ["care"], ["trust", "sat", "loyal"])
    assert model.splitlines()[-2].replace(" ", "") == "indirect_p0_3:=p0_1*p1_3+p0_2*p2_3+p0_1*p1_2*p2_3"
    assert labels["total_p1_3"] == ("total", "loyal", "trust")
    assert "l ~ p2_3*s + p1_3*t + p0_3*care" in model


def test_path_diagram_numbers_only_what_is_sure(results):
    ax = results["corp_rep"].plot(labels={"qual": "Quality"})
    words = [text.get_text() for text in ax.texts]
    assert "Quality" in words
    sure = results["corp_rep"].tidy().query("term == 'direct' and p_value < .05")
    assert sum(word[-1:].isdigit() for word in words) == len(sure)
    assert {f"{value:.2f}" for value in sure["std_all"]} <= set(words)


@pytest.mark.parametrize(
    ("dimensions", "outcomes", "change", "error", "words"),
    [
        ({"f": ["a", "lift"]}, {"y": "y"}, {}, ResponseError, "not in the data: lift"),
        ({"f": ["a", "b"]}, {"y": "a"}, {}, ModelError, r"twice or empty: \['a'\]"),
        ({}, {"y": "y"}, {}, ModelError, "at least one dimension"),
        ({"f": ["a", "b", "c"]}, {"y": "y"}, {"y": 3.0}, ModelError, "constant or without answers: y"),
        ({"f": ["a", "b", "c"]}, {"y": "y"}, {"w": 0.0}, ResponseError, "weights: all are zero"),
    ],
)
def test_impossible_models_are_named(dimensions, outcomes, change, error, words):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcy")).assign(w=1.0).assign(**change)
    with pytest.raises(error, match=words):
        qa.latent_drivers(data, dimensions, outcomes, weights="w")
