"""Arithmetic expressions in labels, read without running code."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from math import isfinite, nan

import numpy as np

from qa_lib.errors import ModelError

_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = {"sqrt": np.sqrt, "exp": np.exp, "log": np.log}
_LONGEST = 10_000
_DEEPEST = 400


def expression(text: str) -> Callable[[Mapping[str, complex]], complex]:
    """An arithmetic expression in labels as a function of their values; differentiable by a complex step.

    The function gives nan where the expression has no value: a division by zero, a power beyond all floats.
    Raises ModelError where it is more than numbers, labels, + - * / ^, parentheses, sqrt, exp and log.

    >>> expression("a * b + 1")({"a": 2.0, "b": 3.0})
    7.0
    """
    tree = _tree(text)
    return lambda values: _value(tree, values, text)


def names_in(text: str) -> set[str]:
    """Labels an expression names. Raises ModelError as :func:`expression` does."""
    nodes = list(ast.walk(_tree(text)))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}


def _tree(text: str) -> ast.expr:
    """The expression's tree, every node of it allowed and its depth bounded; nothing of it is ever run as code."""
    if len(text) > _LONGEST:
        raise ModelError(f"an expression of {len(text)} characters is too long; {_LONGEST} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "1 is a": refused below, without a word on standard error
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{text!r} is not an expression in labels: {getattr(error, 'msg', None) or error}.") from None
    _check(tree, text, 0)
    return tree


def _check(node: ast.expr, text: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ModelError(f"{text[:80]!r} is nested too deep: {_DEEPEST} operations within one another are allowed.")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and _finite(number):
            parts = []
        case ast.Name():
            parts = []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            parts = [inner]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            parts = [left, right]
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            parts = [argument]
        case _:
            raise ModelError(f"{text!r}: only numbers, labels, + - * / ^, parentheses, sqrt, exp and log are allowed.")
    for part in parts:
        _check(part, text, depth + 1)


def _finite(number: float) -> bool:
    try:
        return isfinite(float(number))
    except OverflowError:
        return False


def _value(tree: ast.expr, values: Mapping[str, complex], text: str) -> complex:
    try:
        return _evaluate(tree, values, text)
    except (ZeroDivisionError, OverflowError):
        return nan


def _evaluate(node: ast.expr, values: Mapping[str, complex], text: str):
    match node:
        case ast.Constant(value=number):
            return float(number)  # a power of whole numbers could fill the memory
        case ast.Name(id=label):
            if label not in values:
                raise ModelError(f"{text!r} names {label!r}, which is no label of the model. Known: {sorted(values)}.")
            return values[label]
        case ast.UnaryOp(op=op, operand=inner):
            value = _evaluate(inner, values, text)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(op=op, left=left, right=right):
            return _BINARY[type(op)](_evaluate(left, values, text), _evaluate(right, values, text))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_evaluate(argument, values, text))
