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
    syntax = parse("f =~ p*a + q*b; a ~ 0*1; a | t1 + t2; x := p*q; p == 1")
    assert [f.op for f in syntax.formulas[2:]] == ["~1", "|", "|"]
    assert syntax.formulas[2].fixed == (0,)
    assert [(c.lhs, c.op, c.rhs) for c in syntax.constraints] == [("x", ":=", "p*q"), ("p", "==", "1")]


MISTAKES = [
    ("f =~ a + b\ng =~ c + + d", 2, "+ d", "a name is missing"),
    ("f =~ a + b +", 1, "", "a name is missing"),
    ("f =~ a + 2b", 1, "2b", "not a variable's name"),
    ("f a b", 1, "f a", "no operator"),
    ("f =~ a + b\nf = c", 2, "= c", "= alone is no operator"),
    ("f =~ (a + b", 1, " (a", "not closed"),
    ("f =~ a + b)*c", 1, ")*c", "closed that was not opened"),
    ("f =~ a + c(u, v*b + d", 1, " c(u", "not closed"),
    ("f =~ a + b + a", 1, "a", "named twice"),
    ("f =~ a + f", 1, "f", "measured by itself"),
    ("f =~ a + b\n  f ~ f", 2, "f", "explained by itself"),
    ("f =~ a + start(u)*b", 1, "start(u)", "needs numbers"),
    ("f =~ a + foo(2)*b", 1, "foo(2)", "neither a number, NA nor a label"),
    ("f =~ a + u*b\nu > 0", 2, "> 0", "inequality constraints are not supported"),
    ("f =~ a + u*b\nu == ", 2, "==", "on both sides"),
    ("f =~ a + u*b\nw == 2*u", 2, "w == 2*u", "'w' is no label of the model (labels: u)"),
    ("f =~ a + b\nd := q*2", 2, "q*2", "write label*item"),
    ("f =~ a + u*b\nd := 2 +* u", 2, "2 +* u", "invalid syntax"),
    ("f =~ a + u*b\nd := open(u)", 2, "open(u)", "only numbers, labels"),
    ("f =~ a + u*b\nu := 3", 2, "u := 3", "already a label"),
    ("f <~ a + b", 1, "<~ a", "composites"),
    ("f =~ a + b\na | t1 + cut", 2, "cut", "not a threshold"),
]


@pytest.mark.parametrize(("model", "line", "marked", "said"), MISTAKES)
def test_a_mistake_is_marked_in_its_line(model, line, marked, said):
    with pytest.raises(ModelError) as error:
        parse(model)
    what, text, marker = str(error.value).split("\n")
    assert f"line {line}:" in what
    assert said in what
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
