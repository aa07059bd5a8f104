"""The catalogue holds every entry in every language, with the same values to fill in."""

import ast
import string

import pytest
from conftest import ROOT

from qa_lib.criteria import Criteria
from qa_lib.errors import RenderError
from qa_lib.report.text import LANGUAGES, Text, catalogue


def _fields(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


@pytest.mark.parametrize("key", sorted(catalogue()))
def test_every_entry_has_every_language_and_the_same_fields(key):
    entry = catalogue()[key]
    assert set(entry) == set(LANGUAGES)
    fields = {lang: _fields(words) for lang, words in entry.items()}
    if key.startswith("said_"):  # the English sentence is the library's; another language may leave a fact out
        assert all(found <= fields["en"] for found in fields.values())
    else:
        assert len({frozenset(found) for found in fields.values()}) == 1


def _keys_used() -> set[str]:
    """Constant keys in ``text("…")`` and ``section("…")`` calls of the report room and the notebooks."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "qa_lib" / "report").rglob("*.py")]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = {"text", "section", "Text"}
    return {
        call.args[0].value
        for call in calls
        if call.args
        and isinstance(call.args[0], ast.Constant)
        and (getattr(call.func, "id", None) in named or getattr(call.func, "attr", None) in named)
        and isinstance(call.args[0].value, str)
    }


def test_every_key_the_code_uses_is_in_the_catalogue():
    used = _keys_used()
    assert len(used) > 50
    assert used - set(catalogue()) - {"zh", "en"} == set()


def test_numbers_and_dates_are_localised():
    english, chinese = Text("en"), Text("zh")
    assert english.number(1234.567, 1) == "1,234.6"
    assert english.number(float("nan")) == "–"
    assert english.percent(0.1234, 1) == "12.3%"
    assert (english.period("2026-10"), chinese.period("2026-10")) == ("October 2026", "2026年10月")
    assert (english.period("2026-Q3"), chinese.period("2026-Q3")) == ("Q3 2026", "2026年第3季度")
    assert chinese.period("2026-W44") == "2026年第44周"
    assert english.period("2026-10-31") == "31 October 2026"
    assert english.signed(-1.26) == "−1.3"
    assert english.signed(0.5) == "+0.5"
    assert english.join(["a", "b", "c"]) == "a, b and c"
    assert chinese.join(["甲", "乙", "丙"]) == "甲、乙和丙"


def test_unknown_language_and_key_are_named():
    with pytest.raises(RenderError, match=r"'fr' is not known\. Allowed: en, zh"):
        Text("fr")
    with pytest.raises(RenderError, match="no_such_key"):
        Text("en")("no_such_key")


def test_every_criterion_has_a_name_in_the_catalogue():
    """The page Data and method lists them all."""
    assert [name for name in Criteria.default().by_measure if f"measure_{name}" not in catalogue()] == []


def test_negative_percentages_bear_a_minus_sign_not_a_hyphen():
    assert Text("en").percent(-1.36) == "−136%"
