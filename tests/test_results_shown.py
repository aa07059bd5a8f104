"""Every result shows itself in Jupyter: a titled table, escaped and rounded, nothing raw in it."""

import importlib
import pkgutil
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import qa_lib as qa
from qa_lib.errors import QaWarning
from qa_lib.operations.circle import service_circle
from qa_lib.results import Provenance, Result

DEMO = ROOT / "data" / "raw" / "demo"
TRAITS = {"one": ["a1", "a2", "a3"], "two": ["b1", "b2", "b3"]}
MODEL = "one =~ a1 + a2 + a3\ntwo =~ b1 + b2 + b3"
MONTHS = pd.period_range("2024-01", periods=26, freq="M")
THEMES = {"themes": [{"id": "waiting", "name": {"en": "Waiting"}, "words": {"en": ["queue"]}}]}
WEIGHED = {
    "id": "all",
    "children": [
        {"id": "a1", "weight": 0.6, "normalise": {"worst": -4, "best": 4}},
        {"id": "b1", "weight": 0.4, "normalise": {"worst": -4, "best": 4}},
    ],
}


def all_results() -> dict[str, type]:
    for found in pkgutil.walk_packages(qa.__path__, "qa_lib."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    found, kinds = [Result], {}
    while found:
        found += (subclasses := found.pop().__subclasses__())
        kinds |= {kind.__name__: kind for kind in subclasses if kind.__module__.startswith("qa_lib.")}
    return kinds


def data():
    rng = np.random.default_rng(4)
    one, two = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 300).T
    columns = {f"{name}{i}": f + rng.normal(size=300) for name, f in (("a", one), ("b", two)) for i in (1, 2, 3)}
    columns |= {"sat": one + 0.5 * two + rng.normal(size=300), "half": np.repeat(["x", "<y> & co"], 150)}
    columns |= {"month": np.tile(["2026-01", "2026-02", "2026-03"], 100), "text": ["Long queue", None, "Kind"] * 100}
    return pd.DataFrame(columns)


def made() -> list[Result]:
    """A result of every kind, each small."""
    frame, study = data(), qa.read_study(DEMO)
    items = frame[[*TRAITS["one"], *TRAITS["two"]]]
    whole = items.round().clip(-2, 2) + 3
    fit = qa.cfa(MODEL, frame)
    paths = qa.pls(f"{MODEL}\nsat ~ one + two", frame, n_boot=100)
    moved = qa.drivers(frame, "sat", ["a1", "b1"], n_boot=100)
    scored = qa.score_contacts(study.monitoring(), DEMO / "monitoring" / "scorecard.yaml", period="2026-10")
    measured = qa.kpis(study.operations(), DEMO / "kpis.yaml", period="2026-10")
    cases = qa.kpi_cases({"tickets": study.tickets()}, DEMO / "kpis.yaml", "response_time")
    sides = [pd.DataFrame({"wifi": np.tile(answers, 60)}) for answers in ([1, 2, 1, 3, 1], [5, 4, 5, 3, 2])]
    people = pd.DataFrame({"agent": ["ann", "bo", "mei"], "since": "2020-01-01"})
    people = people.assign(role=["agent", "team_leader", "quality_assurer"], certified=["", "", "yes"])
    log = pd.DataFrame({"action": ["train <all>"], "indicator": ["a1"], "start": ["2026-02-01"], "expected": [1.0]})
    ratings = pd.DataFrame({"ann": [10, 5, 10, 0, 5, 10], "bo": [10, 5, 5, 0, 5, 10]})
    three = frame.assign(branch=np.tile(list("PQR"), 100))
    pairs = [("a1", "b1"), ("a2", "b2"), ("a3", "b3")]
    month = pd.Series(70 + 3 * np.sin(np.arange(26.0)), MONTHS)
    return [
        qa.describe(items),
        qa.correlations(items),
        qa.moments(items),
        qa.polychoric(whole),
        qa.reliability(items, TRAITS),
        qa.gap_reliability(frame, pairs, {"two": TRAITS["two"]}),
        qa.retest(items, items + np.random.default_rng(1).normal(0, 0.4, items.shape)),
        qa.factorability(items),
        qa.parallel_analysis(items, n_iter=20),
        qa.efa(items, 2),
        fit,
        fit.bootstrap(100),
        qa.compare_models(fit, qa.cfa(MODEL.replace("\n", " + b1 + b2 + b3\n").split("two")[0], frame)),
        qa.cutoffs(fit, n_rep=50, levels=1),
        qa.validity(fit),
        qa.invariance(MODEL, frame, "half"),
        moved,
        moved.importance,
        qa.cross_validate(frame, "sat", ["a1", "b1"], folds=3, repeats=1),
        qa.driver_segments(frame, "sat", ["a1", "b1"], "half", n_boot=100),
        qa.latent_drivers(frame, TRAITS, {"sat": "sat"}),
        qa.penalty_reward(whole.assign(sat=frame["sat"]), "sat", ["a1", "b1"], n_boot=100),
        qa.kano(*sides),
        qa.ipa(None, whole, outcome=frame["sat"], n_boot=100),
        qa.robustness(frame, "sat", ["a1", "b1"]),
        paths,
        paths.ipma("sat"),
        paths.predict(folds=3, repeats=1),
        paths.blindfold(),
        paths.compare_groups(frame["half"], n_permutations=50),
        qa.nps(np.arange(11)),
        qa.compare_periods(frame, "month", "a1"),
        qa.seasonality(month),
        qa.league_table(three, "branch", "a1"),
        qa.control_chart(pd.Series([10, 11, 9, 10, 11, 10, 9, 20]), "i", baseline=7),
        qa.composite(frame.groupby("month")[["a1", "b1"]].mean(), WEIGHED),
        qa.action_effects(frame.rename(columns={"month": "period"}), log),
        qa.rake(frame, {"half": {"x": 0.6, "<y> & co": 0.4}}),
        qa.sample_size("share", margin=0.05),
        qa.comments(frame, "text", THEMES, satisfaction="sat", scale=(-5, 5)),
        measured,
        scored,
        qa.calibrate(scored),
        qa.agreement(ratings, level="ordinal", n_boot=100),
        qa.consistency(cases[:500], "value", ["branch"]),
        qa.monitoring_plan(people, {"first": "2026-11-02", "last": "2026-11-06"}, seed=1),
        service_circle(DEMO / "standards.yaml", kpis=measured),
    ]


@pytest.fixture(scope="module")
def shown():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QaWarning)
        return {type(result).__name__: result._repr_html_() for result in made()}


class Cells(HTMLParser):
    """Captions and cells of tables, and whether every tag is closed in turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts = [], [], {"caption": [], "td": [], "th": []}
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in self.texts:
            self.texts[self.open[-1]][-1] += text


def test_every_kind_of_result_is_made_here(shown):
    assert set(shown) == set(all_results())


def test_results_are_titled_tables_of_rounded_words_and_numbers(shown):
    for name, html in shown.items():
        cells = Cells(html)
        assert not cells.open, name
        assert set(cells.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}, name
        first, second = cells.texts["caption"]
        assert first.replace(" ", "").lower() == name.lower()
        assert second.startswith(f"{first}: ")
        raw = [text for text in cells.texts["td"] if re.search(r"\b(nan|NaN|None|NaT|<NA>|dtype|np\.|array\()", text)]
        assert raw == [], name
        long = [text for text in cells.texts["td"] if re.search(r"\d\.\d{4,}", re.sub(r"doi:\S+", "", text))]
        assert long == [], name
        assert any(re.search(r"\d", text) for text in cells.texts["td"]), name


def test_names_are_escaped(shown):
    assert "&lt;y&gt; &amp; co" in shown["DriverSegments"]
    assert "train &lt;all&gt;" in shown["ActionEffects"]


def test_a_long_table_shows_its_first_rows_and_says_how_many_there_are():
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 15)), columns=[f"i{k}" for k in range(15)])
    html = qa.correlations(frame)._repr_html_()
    assert "(first 60 of 105)" in html
    assert len(Cells(html).texts["caption"]) == 2


class Odd(Result):
    provenance = Provenance("odd", 3)

    def tidy(self):
        values = [1 / 3, 1e-9, 0.0, -np.inf, None, pd.NaT, True, ["<a>", None, 2.0]]
        return pd.DataFrame({"value": pd.Series(values, dtype=object), "p_value": [1e-9] + [0.5] * 7})

    def glance(self):
        return pd.DataFrame([{"n": 3, "p_value": 0.0, "first": None}])


def test_values_are_shown_as_one_reads_them():
    cells = Cells(Odd()._repr_html_()).texts["td"]
    assert cells[:6] == ["n", "3", "p_value", "< 0.001", "first", ""]
    shown = ["0.333", "1.0e-09", "0", "-inf", "", "", "yes", "<a>, , 2.000"]
    assert cells[6::2] == shown
    assert cells[7] == "< 0.001"
