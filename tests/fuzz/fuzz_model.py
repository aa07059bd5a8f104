"""The model syntax and the expressions of ``:=`` and ``==``.

Invariants: only a ModelError leaves; what was read, printed and read again is the same; an expression that was read can
be computed at any values without running code, and gives a number or nan; time is bounded by the text's length.
"""

import warnings

import harness
import numpy as np

from qa_lib.models.expressions import expression, names_in
from qa_lib.models.syntax import Formula, Syntax, parse


def check(data: bytes) -> None:
    text = data[1:].decode("utf-8", "surrogateescape" if data[:1] > b"\xf0" else "replace")
    if data[:1] < b"\x40":
        harness.attempt(_expression, text)
    else:
        found = harness.attempt(parse, text)
        if found is not None:
            printed = printed_model(found)
            again = harness.attempt(parse, printed)
            assert again == found or "nan" in repr(found), (printed, found, again)


def _expression(text: str) -> None:
    names = names_in(text)
    for point in (0.0, 1.5, -2 + 1e-30j, np.complex128(0.7)):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            value = expression(text)(dict.fromkeys(names, point))
        complex(value)


def printed_model(found: Syntax) -> str:
    lines = [printed_formula(formula) for formula in found.formulas]
    return "\n".join(lines + [f"{c.lhs} {c.op} {c.rhs}" for c in found.constraints])


def printed_formula(formula: Formula) -> str:
    modifiers = []
    if formula.fixed:
        modifiers.append(f"c({','.join('NA' if x != x else repr(x) for x in formula.fixed)})")
    if formula.start:
        modifiers.append(f"start({','.join(map(repr, formula.start))})")
    if formula.label:
        modifiers.append(f"label({','.join(formula.label)})")
    op, rhs = ("~", "1") if formula.op == "~1" else (formula.op, formula.rhs)
    return f"{formula.lhs} {op} {'*'.join([*modifiers, rhs])}"


def seeds() -> list[bytes]:
    models = [
        "f =~ x1 + a*x2 + NA*x3 + c(1, 2)*x4 + start(0.5)*lab*x5\nf ~~ 1*f\nx1 ~ 1\nx2 | t1 + t2",
        'g ~ f + "b"*h # why\nind := a * b / 2\na == b^2 + sqrt(c)\nf ~~ label("a","b")*g; y ~ 0*1',
        "服务 =~ 速度_1 + 速度_2\n服务 ~*~ 1*服务; equal(a)*x ~ y",
        "f =~ x < 1\n f <~ y\n a = b",
    ]
    expressions = [
        "a * b + 1",
        "exp(a)^2 - log(b) / -c",
        "((a))",
        "9^9^9^9",
        "a if b else c",
        "a.b",
        "1/0",
        "sqrt(a, b)",
    ]
    return [b"\x80" + model.encode() for model in models] + [b"\x00" + text.encode() for text in expressions]
