"""lavaan's model syntax: text in, formulas and constraints out; a mistake is shown with its line and a marker."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import NoReturn

from qa_lib.errors import ModelError
from qa_lib.models.expressions import names_in

_OPERATORS = ("=~", "~*~", "~~", ":=", "==", "~", "|", "<", ">")
_OPERATOR = re.compile(r"=~|~\*~|~~|:=|==|~|\||<|>")
_CONSTRAINTS = {":=", "==", "<", ">"}
_NAME = re.compile(r"[^\W\d][\w.]*$|\.[^\W\d][\w.]*$", re.UNICODE)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_LONGEST = 200_000
_MOST_FORMULAS = 100_000
_CALL = re.compile(r"(c|start|label|equal)\((.*)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Formula:
    """One parameter a model names. ``rhs`` is empty for an intercept (op ``~1``).

    Modifiers hold a value per group, or one for all: ``fixed`` (nan frees the parameter), ``start``, ``label``.
    """

    lhs: str
    op: str
    rhs: str
    fixed: tuple[float, ...] = ()
    start: tuple[float, ...] = ()
    label: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """``lhs op rhs`` with op ``:=`` or ``==``; ``rhs`` (and ``lhs`` of ``==``) is an expression in labels."""

    lhs: str
    op: str
    rhs: str


@dataclass(frozen=True, slots=True)
class Syntax:
    formulas: tuple[Formula, ...]
    constraints: tuple[Constraint, ...]


@dataclass(slots=True)
class _Statement:
    """Text of one formula, where it began, and for every character its place in the model text."""

    text: str
    places: list[int]
    source: str = field(repr=False)

    def fail(self, what: str, at: int = 0) -> NoReturn:
        at = max(at, len(self.text) - len(self.text.lstrip()))
        place = self.places[min(at, len(self.places) - 1)]
        line_number = self.source.count("\n", 0, place) + 1
        start = self.source.rfind("\n", 0, place) + 1
        line = self.source[start:].split("\n", 1)[0]
        marker = " " * (place - start) + "^"
        raise ModelError(f"model syntax, line {line_number}: {what}\n  {line}\n  {marker}")


def parse(model: str) -> Syntax:
    """Formulas and constraints of a model written in lavaan's syntax.

    Raises ModelError with the line and a marker below the place that cannot be read.

    >>> parse("f =~ x1 + a*x2; f ~~ 1*f").formulas[1]
    Formula(lhs='f', op='=~', rhs='x2', fixed=(), start=(), label=('a',))
    """
    if not isinstance(model, str) or not model.strip():
        raise ModelError("the model is empty: a text in lavaan's syntax is needed, such as 'f =~ x1 + x2 + x3'.")
    if len(model) > _LONGEST:
        raise ModelError(f"the model has {len(model)} characters; {_LONGEST} are allowed.")
    formulas: dict[tuple[str, str, str], Formula] = {}
    constraints: list[tuple[Constraint, _Statement]] = []
    for statement in _statements(model):
        if not (found := _operator(statement)):
            _no_operator(statement)
        if found.group() in _CONSTRAINTS:
            constraints.append((_constraint(statement, found), statement))
            continue
        for formula, at in _formulas(statement, found):
            key = (formula.lhs, formula.op, formula.rhs)
            mirrored = (formula.rhs, formula.op, formula.lhs)
            if formula.op == "~~" and key not in formulas and mirrored in formulas:
                key = mirrored
            formulas[key] = _merged(formulas[key], formula, statement, at) if key in formulas else formula
    if not formulas:
        raise ModelError("the model has constraints but no formula: name at least one parameter.")
    _check_labels(formulas.values(), constraints)
    return Syntax(tuple(formulas.values()), tuple(constraint for constraint, _ in constraints))


def _merged(known: Formula, more: Formula, statement: _Statement, at: int) -> Formula:
    """A parameter named again with modifiers of another kind has both: ``f =~ NA*x1 + a*x1``."""
    given = {kind: value for kind in ("fixed", "start", "label") if (value := getattr(more, kind))}
    if not given or any(getattr(known, kind) for kind in given):
        statement.fail(f"{more.lhs} {more.op} {more.rhs} is named twice", at)
    return replace(known, **given)


def _no_operator(statement: _Statement) -> NoReturn:
    if "=" in statement.text:
        statement.fail("= alone is no operator: =~ measures, == constrains", statement.text.index("="))
    statement.fail(f"no operator; one of {'  '.join(_OPERATORS)} is needed")


def _check_labels(formulas: Collection[Formula], constraints: Sequence[tuple[Constraint, _Statement]]) -> None:
    """Expressions can be read, and name only labels of parameters or of definitions above them."""
    labels = {label for formula in formulas for label in formula.label if label}
    known = set(labels)
    for constraint, statement in constraints:
        sides = (constraint.rhs,) if constraint.op == ":=" else (constraint.lhs, constraint.rhs)
        for side in sides:
            try:
                names = names_in(side)
            except ModelError as error:
                statement.fail(str(error).rstrip("."), statement.text.rindex(side))
            if unknown := sorted(names - known):
                begin = statement.text.index(":=") if constraint.op == ":=" else 0
                found = re.compile(rf"(?<![\w.]){re.escape(unknown[0])}(?![\w.])").search(statement.text, begin)
                at = found.start() if found else begin  # Python reads some letters as others: ﬁ as fi
                known_text = ", ".join(sorted(known)) or "none; write label*item to give one"
                statement.fail(f"{unknown[0]!r} is no label of the model (labels: {known_text})", at)
        if constraint.op == ":=":
            if constraint.lhs in known:
                statement.fail(f"{constraint.lhs!r} is already a label: choose another name")
            known.add(constraint.lhs)


def _statements(model: str) -> list[_Statement]:
    """Comments dropped, ``;`` and line breaks end a statement; a line without operator continues the one before."""
    pieces: list[_Statement] = []
    for found in re.finditer(r"[^\n;]+", re.sub(r"[#!][^\n]*", lambda m: " " * len(m.group()), model)):
        text = found.group()
        if not text.strip():
            continue
        piece = _Statement(text, list(range(found.start(), found.end())), model)
        continues = pieces and (
            not (_operator(piece) or "=" in text)
            or text.lstrip()[0] in "+*"
            or pieces[-1].text.rstrip().endswith(("+", "*", ",", "~", "="))
        )
        if continues:
            pieces[-1].text += " " + text
            pieces[-1].places += [found.start(), *piece.places]
        else:
            pieces.append(piece)
    return pieces


def _operator(statement: _Statement) -> re.Match | None:
    """The first operator outside quotation marks."""
    hidden = re.sub(r'"[^"]*"', lambda m: "_" * len(m.group()), statement.text)
    return _OPERATOR.search(hidden)


def _constraint(statement: _Statement, found: re.Match) -> Constraint:
    lhs, rhs = statement.text[: found.start()].strip(), statement.text[found.end() :].strip()
    if statement.text[found.start() :].startswith("<~"):
        statement.fail("composites (<~) are not supported: write the items as a sum, or measure with =~", found.start())
    if found.group() in "<>":
        statement.fail(
            "inequality constraints are not supported: free the parameter, or fix it with a value", found.start()
        )
    if not lhs or not rhs:
        statement.fail(f"{found.group()} needs an expression on both sides", found.start())
    if found.group() == ":=" and not _NAME.match(lhs):
        statement.fail(f"{lhs!r} is not a name for a defined parameter", 0)
    return Constraint(lhs, found.group(), rhs)


def _formulas(statement: _Statement, found: re.Match) -> list[tuple[Formula, int]]:
    """Every left with every right side, and where the right one stands."""
    left = [_name(statement, piece, at) for piece, at in _split(statement, 0, found.start(), "+")]
    right = [_term(statement, piece, at) for piece, at in _split(statement, found.end(), len(statement.text), "+")]
    if len(left) * len(right) > _MOST_FORMULAS:
        statement.fail(f"{len(left)} × {len(right)} parameters in one formula; {_MOST_FORMULAS} are allowed")
    return [(_formula(statement, lhs, found.group(), *term), term[-1]) for lhs in left for term in right]


def _formula(statement: _Statement, lhs: str, op: str, rhs: str, modifiers: dict, at: int) -> Formula:
    if op == "~" and rhs in {"1", "0"}:
        fixed = {"fixed": (0.0,)} if rhs == "0" else {}
        return Formula(lhs, "~1", "", **(fixed | modifiers))
    if not _NAME.match(rhs):
        hint = f": a latent variable without items is {lhs} =~ 0*item" if (op, rhs) == ("=~", "0") else ""
        statement.fail(f"{rhs!r} is not a variable's name{hint}", at)
    if op == "|" and not re.match(r"t\d+$", rhs):
        statement.fail(f"{rhs!r} is not a threshold: they are called t1, t2, …", at)
    if op in {"=~", "~"} and lhs == rhs:
        statement.fail(f"{lhs} cannot be {'measured' if op == '=~' else 'explained'} by itself", at)
    return Formula(lhs, op, rhs, **modifiers)


def _split(statement: _Statement, start: int, end: int, separator: str) -> list[tuple[str, int]]:
    """Pieces between separators that stand outside parentheses and quotation marks, with where each begins."""
    pieces, depth, quoted, begin = [], 0, False, start
    for i in range(start, end):
        char = statement.text[i]
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth < 0:
                statement.fail("a parenthesis is closed that was not opened", i)
            if char == separator and depth == 0:
                pieces.append((statement.text[begin:i], begin))
                begin = i + 1
    if depth or quoted:
        statement.fail("a parenthesis or quotation mark is not closed", begin)
    pieces.append((statement.text[begin:end], begin))
    return [(text, at + len(text) - len(text.lstrip())) for text, at in pieces]


def _name(statement: _Statement, text: str, at: int) -> str:
    if not _NAME.match(text.strip()):
        statement.fail(f"{text.strip()!r} is not a variable's name" if text.strip() else "a name is missing here", at)
    return text.strip()


def _term(statement: _Statement, text: str, at: int) -> tuple[str, dict, int]:
    start = at - (len(text) - len(text.lstrip()))
    *modifiers, (last, last_at) = _split(statement, start, start + len(text), "*")
    rhs = last.strip()
    if rhs not in {"0", "1"}:
        _name(statement, last, last_at)
    collected: dict[str, tuple] = {}
    for modifier, place in modifiers:
        collected |= _modifier(statement, modifier.strip(), place)
    return rhs, collected, last_at


def _modifier(statement: _Statement, text: str, at: int) -> dict[str, tuple]:
    call = _CALL.match(text)
    if not call:
        return _typed(statement, (text,), at)
    kind, inside = call.groups()
    elements = tuple(piece.strip() for piece in re.sub(r"^c\((.*)\)$", r"\1", inside.strip()).split(","))
    if kind == "c":
        return _typed(statement, elements, at)
    if kind == "start":
        if not all(_is_number(element) for element in elements):
            statement.fail("start() needs numbers", at)
        return {"start": tuple(float(element) for element in elements)}
    return {"label": _labels(statement, elements, at)}


def _typed(statement: _Statement, elements: tuple[str, ...], at: int) -> dict[str, tuple]:
    """Numbers and NA fix or free; anything else must be labels."""
    if all(element == "NA" or _is_number(element) for element in elements):
        return {"fixed": tuple(float("nan") if element == "NA" else float(element) for element in elements)}
    return {"label": _labels(statement, elements, at)}


def _labels(statement: _Statement, elements: tuple[str, ...], at: int) -> tuple[str, ...]:
    labels = tuple(element.strip("\"'") for element in elements)
    for label in labels:
        if label not in {"", "NA"} and not _NAME.match(label):
            statement.fail(f"{label!r} is neither a number, NA nor a label", at)
    return tuple("" if label == "NA" else label for label in labels)


def _is_number(text: str) -> bool:
    return _NUMBER.match(text) is not None and isfinite(float(text))
