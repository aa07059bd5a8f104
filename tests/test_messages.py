"""Every warning of the library, and why its analyses refuse, has a sentence in every language of the report."""

import ast
import re
from functools import cache
from warnings import warn

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import qa_lib as qa
from qa_lib.errors import QaWarning
from qa_lib.report import display, shared
from qa_lib.report.messages import Message, pattern, translated
from qa_lib.report.pages import open_page
from qa_lib.report.text import Text, catalogue

ROOMS = ("effects", "models", "operations", "study", "sufficient", "tracking", "trust")
# sentences put together from parts: what they may say
COMPOSED = {
    "‹problem›": [
        "negative variance of x1: the solution is inadmissible.",
        "negative variance of x1, x2 in group 2: the solution is inadmissible.",
        "the covariance matrix of the latent variables is not positive definite: "
        "some correlate beyond one or are linear combinations of others.",
        "the covariance matrix of the latent variables is not positive definite in group 2: "
        "some correlate beyond one or are linear combinations of others.",
    ],
    "item ‹item› ‹finding›. ‹advice›": [
        "item Q1 has no valid answer. Compare its column and scale in instrument.yaml.",
        "item Q1 never varies: all 40 answers are 3. Look at the export and its coding.",
        "item Q1 runs against the rest of its dimension (item–rest r = -0.31). "
        "In instrument.yaml it lacks 'reverse: true'; compare its wording.",
        "item Q1 runs against the rest of its dimension (item–rest r = -0.31). "
        "In instrument.yaml it has 'reverse: true'; compare its wording.",
    ],
    "‹lost› of ‹len(good)› bootstrap samples ‹reason›; the intervals leave them out.": [
        "40 of 500 bootstrap samples did not converge; the intervals leave them out.",
        "40 of 500 bootstrap samples are not admissible (corrected correlations beyond 1); "
        "the intervals leave them out.",
    ],
    "‹said›": [
        "answers to Q1, Q2 were given on different scales (1 to 5, then 1 to 7) and are mapped to one: "
        "compare them on 0–100 and with care; outcomes asked on another scale are missing: S1.",
        "answers to Q1 were given on different scales (1 to 5, then 1 to 7) and are mapped to one: "
        "compare them on 0–100 and with care.",
        "outcomes asked on another scale are missing: S1.",
    ],
    "The factor analysis's ‹stage› did not converge.": [
        "The factor analysis's rotation did not converge.",
        "The factor analysis's extraction did not converge.",
    ],
}


def _sentences(node, names):
    """The texts an expression may give, facts that only a run knows between ‹ ›."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in ast.iter_child_nodes(node):
            texts = [head + tail for head in texts for tail in _sentences(part, names)]
        return texts
    if isinstance(node, ast.FormattedValue):
        return [f"‹{ast.unparse(node.value)}›"]
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    return [f"‹{ast.unparse(node)}›"]


def _warnings_of(path):
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr | ast.Constant):
                names.setdefault(ast.unparse(node.targets[0]), []).extend(_sentences(node.value, {}))
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "warn":
                yield from _sentences(node.args[0], names)


def _library_warnings():
    paths = (path for room in ROOMS for path in (ROOT / "qa_lib" / room).rglob("*.py"))
    return sorted({sentence for path in paths for sentence in _warnings_of(path)})


def test_the_warnings_are_found():
    assert len(_library_warnings()) > 50
    assert set(COMPOSED) <= set(_library_warnings())


@pytest.mark.parametrize("sentence", _library_warnings())
def test_every_warning_is_translated(sentence):
    for words in COMPOSED.get(sentence, [sentence]):
        said, original = translated(Message("DataWarning", words), Text("zh"))
        assert original == "", f"locale/messages.yaml has no entry for {words!r}"
        assert not re.search(r"[a-z]+(?: [a-z]+){2}", re.sub("‹.*?›", "", said)), said


@pytest.mark.parametrize("key", [key for key in catalogue() if key.startswith("said_")])
def test_an_entry_is_what_the_library_says(key):
    """A part of every entry stands in the library's code: none outlives its message."""
    parts = [part.strip(" ,;:.") for part in re.split(r"\{\w+\}|[:;,.] |[{}]", catalogue()[key]["en"])]
    composed = [sentence for sentences in COMPOSED.values() for sentence in sentences]
    assert any(part in _code() for part in parts if len(part) > 9) or any(map(pattern(key).fullmatch, composed))


@cache
def _code():
    """The library's source, its broken string literals joined."""
    sources = (path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / "qa_lib" / room).rglob("*.py"))
    return "\n".join(re.sub(r'"\s*\n\s*f?"', "", source) for source in sources)


def test_facts_are_said_in_the_language():
    dimensions = {"speed": "速度"}.get
    message = Message("DataWarning", "speed: Q1, Q2 never varies (or has fewer than two answers) and is left out.")
    said, original = translated(message, Text("zh"), lambda word: dimensions(word, word))
    assert (said, original) == ("“速度”：Q1、Q2 的回答毫无变化（或少于两份），已剔除。", "")
    message = Message("DataWarning", "tickets: 3 duplicate_id, 1 no_start; see the ledger.")
    assert (
        translated(message, Text("zh"))[0]
        == "tickets：3 条编号重复（剔除）、1 条缺少开始时间（剔除），已记入清洗台账。"
    )
    assert "second records" in translated(message, Text("en"))[0]


def test_an_unknown_message_names_its_kind_and_keeps_the_original():
    message = Message("NotConvergedWarning", "a sentence nobody has translated.")
    assert translated(message, Text("zh")) == (catalogue()["kind_NotConvergedWarning"]["zh"], message.words)
    assert translated(message, Text("en")) == (message.words, "")
    assert translated(Message("SomeSubclass", "x"), Text("zh"))[0] == catalogue()["kind_QaError"]["zh"]


def test_what_an_analysis_warns_of_reaches_the_page_in_chinese():
    rng = np.random.default_rng(7)
    answers = pd.DataFrame(rng.integers(1, 6, (60, 3)), columns=["a", "b", "c"]).assign(b=3)
    found = shared.outcome(qa.reliability, (answers, {"speed": ["a", "b", "c"]}), {})
    assert [translated(caution, Text("zh"))[1] for caution in found.cautions] == [""] * len(found.cautions)
    assert any("毫无变化" in translated(caution, Text("zh"))[0] for caution in found.cautions)
    refused = shared.outcome(qa.factorability, (answers,), {}).refusal
    assert translated(refused, Text("zh")) == ("b 没有变化，因子分析前须剔除。", "")


def test_warnings_alike_are_said_once_in_a_section(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda data, **_: shown.append(data["text/html"]))

    def analysis(names):
        for name in names:
            warn(f"Item {name}: nobody chose 1; thresholds are those between the levels used.", QaWarning, stacklevel=2)

    page = open_page(ROOT / "data" / "raw" / "demo", "2026-10", "", "zh")
    page.section("trust_summary")
    page.attempt(analysis, ["imag1", "imag3", "expe4"])
    page.attempt(analysis, ["imag3"])
    assert sum("caution" in html for html in shown) == 1
    assert "imag1" in shown[1]
    assert "另有 2 条同类提示" in shown[2]
    assert "imag3" in shown[2]
    assert "expe4" in shown[2]
    page.section("model_fit")
    page.attempt(analysis, ["imag3"])
    assert sum("caution" in html for html in shown) == 2
