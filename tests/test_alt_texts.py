"""Figures of the researcher's pages say what they found: other answers, another alt text, in every language."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml

import qa_lib as qa
from qa_lib.report import display
from qa_lib.report.history import score_sums
from qa_lib.report.pages import drivers, drivers_details, drivers_models, factors, open_page, responses

DIMENSIONS = {"fast": ["Q1", "Q2", "Q3"], "kind": ["Q4", "Q5", "Q6"]}
NAMES = {"fast": {"en": "Fast", "zh": "快捷"}, "kind": {"en": "Kind", "zh": "友善"}}


def study(folder, seed, first):
    """400 customers whose satisfaction rests mostly on the dimension ``first``; some do not name their branch."""
    rng = np.random.default_rng(seed)
    levels = dict(zip(DIMENSIONS, rng.multivariate_normal([0, 0.4], [[1, 0.3], [0.3, 1]], 400).T, strict=True))
    data = {item: levels[name] + rng.normal(0, 0.8, 400) for name, items in DIMENSIONS.items() for item in items}
    other = next(name for name in levels if name != first)
    data["sat"] = levels[first] + 0.2 * levels[other] + rng.normal(0, 0.6, 400)
    data["again"] = data["sat"] + rng.normal(0, 0.6, 400)
    table = pd.DataFrame(data).add(3).round().clip(1, 5).assign(date="2026-10-01", respondent=range(400))
    table["branch"] = ["A", "B", "C", None] * 100
    path = folder / f"study{seed}"
    (path / "responses").mkdir(parents=True)
    table.to_csv(path / "responses" / "a.csv", index=False)
    scale = {"min": 1, "max": 5}
    items = [
        {"id": item, "dimension": name, "scale": "five", "wording": {"en": f"Item {item}", "zh": f"题项 {item}"}}
        for name, own in DIMENSIONS.items()
        for item in own
    ]
    outcomes = {"sat": "satisfaction", "again": "repurchase"}
    items += [
        {"id": item, "role": "outcome", "outcome": role, "scale": "five", "wording": {"en": role}}
        for item, role in outcomes.items()
    ]
    instrument = {"name": {"en": "Small"}, "scales": {"five": scale}, "items": items}
    instrument["dimensions"] = [{"id": name, "name": words} for name, words in NAMES.items()]
    spec = {"title": {"en": "S"}, "period": {"column": "date"}, "segments": [{"id": "branch"}]}
    (path / "instrument.yaml").write_text(yaml.safe_dump(instrument, allow_unicode=True), encoding="utf-8")
    (path / "study.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "raw"
    return [study(folder, 1, "fast"), study(folder, 2, "kind")]


def alts(path, lang, monkeypatch):
    """Section → alt texts of its figures."""
    shown = []
    monkeypatch.setattr(display, "figure", lambda _, alt: shown.append(alt))
    monkeypatch.setattr(display, "display", lambda *_, **__: None)
    page = open_page(path, "", "", lang)
    model, found = drivers.model(page), {}
    for name, show in {
        "answers": lambda: responses.distributions(page),
        "correlations": lambda: responses.correlation_matrix(page),
        "scree": lambda: factors.number(page, qa.parallel_analysis(page.data, page.items, n_iter=20)),
        "loadings": lambda: factors.loadings(page, qa.efa(page.data, 2, items=page.items)),
        "map": lambda: drivers.priorities(page, model),
        "importance": lambda: drivers.importance(page, model),
        "items": lambda: drivers_details.items(page, model),
        "bpm": lambda: drivers_details.factors(page, model),
        "robust": lambda: drivers_details.robust(page, model),
        "paths": lambda: drivers_models.latent(page, model),
        "pls": lambda: drivers_models.composite_model(page, model),
    }.items():
        show()
        found[name], shown[:] = list(shown), []
    return found


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_alt_texts_say_what_these_answers_say(studies, lang, monkeypatch):
    first, second = (alts(path, lang, monkeypatch) for path in studies)
    drawn = set(first)
    assert [name for name in drawn if not first[name]] == []
    # two factors stand out of both studies' answers, so the scree plot says the same
    assert [name for name in drawn - {"scree"} if first[name] == second[name]] == []
    texts = [alt for found in (first, second) for shown in found.values() for alt in shown]
    assert [alt for alt in texts if re.search(r"\d\.\d{4,}|nan|None|_", alt)] == []
    for one, other in pairwise(sorted([alt for shown in first.values() for alt in shown])):
        assert one != other
    if lang == "zh":
        assert [alt for alt in texts if re.search(r"[A-Za-z]{4,}", alt)] == []


def test_who_does_not_name_a_group_is_no_group(studies):
    opened = qa.read_study(studies[0])
    assert set(score_sums(opened, "2026-10", ("branch",))) == {("A",), ("B",), ("C",)}
    page = open_page(studies[0], "", "", "en")
    assert page.shown_groups("branch") == ["A", "B", "C"]
