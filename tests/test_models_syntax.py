"""Reading lavaan's syntax: what is understood, and how mistakes are shown."""

import math

import pytest

from qa_lib.errors import ModelError
from qa_lib.models.parameters import build_table
from qa_lib.models.syntax import parse


def test_statements_end_at_line_breaks_and_semicolons_and_continue_without_operator():
    model = "f =~ a +  # comment\n  b + c; g =~ d + e\n + h ! other comment\na ~~ b"
    assert [(f.lhs, f.op, f.rhs) for f in parse(model).formulas] == [
        *(("f", "=~", item) for item in "abc"),
        *(("g", "=~", item) for item in "deh"),
        ("a", "~~", "b"),
    ]


def test_modifiers_fix_free_start_and_label_by_group():
    a, b, c, d = parse("f =~ NA*a + c(1, 2)*b + start(0.5)*lab*c + c(u, v)*d").formulas
    assert math.isnan(a.fixed[0])
    assert b.fixed == (1, 2)
    assert (c.start, c.label) == ((0.5,), ("lab",))
    assert d.label == ("u", "v")


def test_intercepts_thresholds_and_constraints():
    syntax = parse("f =~ a + b; a ~ 0*1; a | t1 + t2; x := p*q; p == 1")
    assert [f.op for f in syntax.formulas[2:]] == ["~1", "|", "|"]
    assert syntax.formulas[2].fixed == (0,)
    assert [(c.lhs, c.op, c.rhs) for c in syntax.constraints] == [("x", ":=", "p*q"), ("p", "==", "1")]


@pytest.mark.parametrize(
    ("model", "line", "marked"),
    [("f =~ a + b\ng =~ c + + d", 2, "+ d"), ("f =~ a + 2b", 1, "2b"), ("f a b", 1, "f a"), ("f =~ (a + b", 1, " (a")],
)
def test_a_mistake_is_marked_in_its_line(model, line, marked):
    with pytest.raises(ModelError) as error:
        parse(model)
    _, text, marker = str(error.value).split("\n")
    assert f"line {line}" in str(error.value)
    assert text[marker.index("^") :].startswith(marked)


def test_markers_variances_and_factor_covariances_are_added_as_lavaan_does():
    table = build_table(parse("f =~ a + b + c\ng =~ d + e\ng ~ f"))
    rows = {row.term: row for row in table.rows}
    assert not rows["f=~a"].free
    assert rows["f=~a"].value == 1
    assert "f~~g" not in rows
    assert {"a~~a", "f~~f", "g~~g"} <= set(rows)
    assert table.n_parameters == 3 + 1 + 5 + 2


def test_equality_across_groups_frees_latent_means():
    table = build_table(parse("f =~ a + b + c + d"), 2, ("loadings", "intercepts"))
    rows = {(row.term, row.group): row for row in table.rows}
    assert not rows["f~1", 0].free
    assert rows["f~1", 1].free
    assert table.n_parameters == 3 + 4 + 2 * 5 + 1


def test_unknown_equality_set_and_partial_term_are_refused():
    syntax = parse("f =~ a + b + c")
    with pytest.raises(ModelError, match="loadings"):
        build_table(syntax, 2, ("loading",))
    with pytest.raises(ModelError, match="z~1"):
        build_table(syntax, 2, ("loadings",), ("z~1",))
