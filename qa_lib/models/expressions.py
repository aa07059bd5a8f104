"""Arithmetic expressions in labels, read without running code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

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


def expression(text: str) -> Callable[[Mapping[str, complex]], complex]:
    """An arithmetic expression in labels as a function of their values; differentiable by a complex step.

    Raises ModelError where it is more than numbers, labels, + - * / ^, parentheses, sqrt, exp and log.

    >>> expression("a * b + 1")({"a": 2.0, "b": 3.0})
    7.0
    """
    tree = _tree(text)
    return lambda values: _evaluate(tree, values, text)


def names_in(text: str) -> set[str]:
    """Labels an expression names. Raises ModelError as :func:`expression` does."""
    nodes = list(ast.walk(_tree(text)))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}
    _evaluate(_tree(text), {name: complex(np.pi, k) for k, name in enumerate(sorted(names))}, text)
    return names


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise ModelError(f"{text!r} is not an expression in labels: {error.msg}.") from None


def _evaluate(node: ast.expr, values: Mapping[str, complex], text: str):
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=label):
            if label not in values:
                raise ModelError(f"{text!r} names {label!r}, which is no label of the model. Known: {sorted(values)}.")
            return values[label]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_evaluate(inner, values, text)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _evaluate(inner, values, text)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_evaluate(left, values, text), _evaluate(right, values, text))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_evaluate(argument, values, text))
    raise ModelError(f"{text!r}: only numbers, labels, + - * / ^, parentheses, sqrt, exp and log are allowed.")
