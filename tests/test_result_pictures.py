"""Every result's own picture: drawn on the axes given, in the words given, at the numbers of its table."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.figure import Figure

import qa_lib as qa
from qa_lib.operations.circle import service_circle

DEMO = ROOT / "data" / "raw" / "demo"
MODEL = "one =~ a1 + a2 + a3\ntwo =~ b1 + b2 + b3"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    one, two = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 400).T
    columns = {f"{name}{i}": f + rng.normal(size=400) for name, f in (("a", one), ("b", two)) for i in (1, 2, 3)}
    return pd.DataFrame(columns).assign(half=np.repeat(["x", "y"], 200))


@pytest.fixture(scope="module")
def monitored():
    study = qa.read_study(DEMO)
    return qa.score_contacts(study.monitoring(), DEMO / "monitoring" / "scorecard.yaml", period="2026-10")


@pytest.fixture(scope="module")
def kpis():
    return qa.kpis(qa.read_study(DEMO).operations(), DEMO / "kpis.yaml", period="2026-10")


def drawn(result, **labels):
    """The axes a result draws itself on, and the horizontal places of its dots and marks."""
    ax = Figure().subplots()
    assert result.plot(ax, labels) is ax
    places = [x for line in ax.lines for x in np.atleast_1d(line.get_xdata())]
    places += [x for dots in ax.collections if hasattr(dots, "get_offsets") for x in dots.get_offsets()[:, 0]]
    return ax, np.array(places, float)


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def assert_at(places, values):
    assert all(np.isclose(places, value).any() for value in values)


def test_questionnaires(data):
    items = data.drop(columns="half")
    described = qa.describe(items)
    ax, at = drawn(described, a1="甲", mean="均值")
    assert names(ax)[0] == "甲"
    assert ax.get_xlabel() == "均值"
    assert_at(at, described.tidy()["estimate"])
    factorable = qa.factorability(items)
    ax, at = drawn(factorable)
    assert_at(at, [*factorable.tidy()["estimate"], 0.6])
    assert names(ax)[0] == factorable.tidy().set_index("item")["estimate"].idxmin()
    again = qa.retest(items, items + np.random.default_rng(1).normal(0, 0.4, items.shape))
    ax, at = drawn(again, icc="组内相关")
    assert_at(at, again.tidy().query("term.str.startswith('icc')")["estimate"])
    assert ax.get_xlabel() == "组内相关"


def test_models(data):
    fit = qa.cfa(MODEL, data)
    boot = fit.bootstrap(100)
    assert_at(drawn(boot)[1], boot.tidy().dropna(subset="std_error")["estimate"])
    dynamic = qa.cutoffs(fit, n_rep=50, levels=1)
    table = dynamic.tidy().set_index("term")
    assert_at(drawn(dynamic)[1], [1 - table.loc["cfi_cutoff", "value"], table.loc["srmr_cutoff", "value"]])
    steps = qa.invariance(MODEL, data, "half")
    ax, at = drawn(steps, metric="负荷等值")
    assert_at(at, [*-steps.tidy()["delta_cfi"].dropna(), *steps.tidy()["delta_srmr"].dropna(), 0.015])
    assert names(ax)[0] == "负荷等值"


def test_margins(data):
    raked = qa.rake(data, {"half": {"x": 0.6, "y": 0.4}})
    ax, at = drawn(raked, x="新", half="半")
    assert names(ax) == ["半 · 新", "半 · y"]
    assert_at(at, [0.5, 0.6, 0.4])


def test_operations(kpis):
    table = kpis.tidy().query("attainment == attainment and target == target")
    ax, at = drawn(kpis, response_time="响应时间")
    assert "响应时间" in names(ax)
    assert_at(at, [*table["attainment"], *table["target"]])
    cases = qa.kpi_cases({"tickets": qa.read_study(DEMO).tickets()}, DEMO / "kpis.yaml", "response_time")
    steady = qa.consistency(cases[:500], "value", ["branch"])
    assert_at(drawn(steady)[1], steady.tidy()["share"])
    circle = service_circle(DEMO / "standards.yaml", kpis=kpis)
    ax, at = drawn(circle, receive="接待")
    assert names(ax)[0].startswith("接待 · ")
    assert_at(at, circle.tidy()["estimate"])


def test_monitoring(monitored):
    ax, at = drawn(monitored)
    assert names(ax)[0] == monitored.agents.set_index("term")["estimate"].idxmin()
    assert_at(at, [*monitored.agents["estimate"], monitored.rubric.pass_mark])
    found = qa.calibrate(monitored)
    ax, at = drawn(found, retrain="需再培训")
    assert_at(at, found.tidy()["estimate"])
    assert "需再培训" in [text.get_text() for text in ax.get_legend().get_texts()]
    ax, at = drawn(found.overall)
    assert_at(at, found.overall.tidy()["estimate"])


def test_drawing_leaves_settings_alone(data):
    before = dict(mpl.rcParams)
    drawn(qa.describe(data.drop(columns="half")))
    assert dict(mpl.rcParams) == before
