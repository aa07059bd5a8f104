"""The language of PLS path models: which items form which construct, and which construct acts on which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from qa_lib.errors import ModelError

_STATEMENT = re.compile(r"^\s*(?P<lhs>[^\s=<~]+)\s*(?P<op>=~|<~|~)\s*(?P<rhs>.+?)\s*$")
_NAME = re.compile(r"^[^\W\d][\w.]*$")
_ALLOWED = "Allowed: 'F =~ x1 + x2' (mode A), 'F <~ x1 + x2' (mode B), 'Y ~ F + G' (paths); # starts a comment"


@dataclass(frozen=True, slots=True)
class PlsModel:
    """A path model over p items and k constructs.

    ``membership``: p × k booleans, item in construct. ``mode_b``: k booleans. ``adjacency``: k × k booleans, from
    construct in the row to construct in the column.
    """

    items: tuple[str, ...]
    constructs: tuple[str, ...]
    membership: np.ndarray
    mode_b: np.ndarray
    adjacency: np.ndarray

    def block(self, construct: int) -> np.ndarray:
        """Positions of a construct's items."""
        return np.flatnonzero(self.membership[:, construct])

    def predecessors(self, construct: int) -> np.ndarray:
        """Positions of the constructs that act on a construct."""
        return np.flatnonzero(self.adjacency[:, construct])

    @property
    def endogenous(self) -> np.ndarray:
        """Positions of the constructs on which another acts."""
        return np.flatnonzero(self.adjacency.any(axis=0))

    @property
    def edges(self) -> list[tuple[int, int]]:
        """(from, to) of every path, by outcome and then in the order of the constructs."""
        return [(int(i), int(j)) for j in self.endogenous for i in self.predecessors(j)]


def parse_model(text: str, columns: Iterable[str] | None = None) -> PlsModel:
    """Read a model in lavaan's manner.

    ``F =~ x1 + x2`` gives F correlation weights (mode A, reflective), ``F <~ x1 + x2`` regression weights (mode B,
    formative), ``Y ~ F + G`` the paths. A data column named only in paths is a construct of one item.

    Raises
    ------
    ModelError
        a line that cannot be read, a construct defined twice, a name that is neither a construct nor a column,
        a construct without any path, paths that run in a circle

    >>> parse_model("IMAGE =~ i1 + i2; SAT ~ IMAGE", ["i1", "i2", "SAT"]).constructs
    ('IMAGE', 'SAT')
    """
    measured, modes, paths = _read(text)
    columns = None if columns is None else list(map(str, columns))
    for name in dict.fromkeys(name for path in paths for name in path):
        if name not in measured and (columns is None or name in columns):
            measured[name] = [name]
    _check_names(measured, paths, columns)
    items = tuple(dict.fromkeys(item for block in measured.values() for item in block))
    constructs = tuple(measured)
    membership = np.array([[item in block for block in measured.values()] for item in items])
    adjacency = np.array([[(i, j) in paths for j in constructs] for i in constructs])
    return PlsModel(items, constructs, membership, np.array([modes.get(c) == "<~" for c in constructs]), adjacency)


def _read(text: str) -> tuple[dict[str, list[str]], dict[str, str], dict[tuple[str, str], None]]:
    if not isinstance(text, str):
        raise ModelError(f"The model is a {type(text).__name__}; a text is needed. {_ALLOWED}.")
    measured: dict[str, list[str]] = {}
    modes: dict[str, str] = {}
    paths: dict[tuple[str, str], None] = {}
    for number, line in _statements(text):
        lhs, op, names = _parse_line(line, number)
        if op == "~":
            paths |= {(source, lhs): None for source in names}
        elif lhs in measured:
            raise ModelError(f"Model, line {number}: construct {lhs} is defined a second time. List its items once.")
        else:
            measured[lhs], modes[lhs] = names, op
    if not paths:
        raise ModelError(f"The model has no path between constructs. {_ALLOWED}.")
    return measured, modes, paths


def _statements(text: str) -> Iterable[tuple[int, str]]:
    """Lines without comments; a line that ends in + or an operator, or is followed by one, goes on."""
    pending = ""
    for number, raw in enumerate(text.splitlines(), 1):
        for piece in raw.split("#")[0].split(";"):
            pending = f"{pending} {piece.strip()}".strip()
            if pending and not pending.endswith(("+", "~")):
                yield number, pending
                pending = ""
    if pending:
        yield number, pending


def _parse_line(line: str, number: int) -> tuple[str, str, list[str]]:
    match = _STATEMENT.match(line)
    if not match:
        raise ModelError(f"Model, line {number}: {line!r} cannot be read. {_ALLOWED}.")
    lhs, op = match["lhs"], match["op"]
    names = [name.strip() for name in match["rhs"].split("+")]
    for name in (lhs, *names):
        if not _NAME.match(name):
            raise ModelError(
                f"Model, line {number}: {name!r} in {line!r} is not a name. PLS takes neither factors "
                f"nor fixed values. {_ALLOWED}."
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(f"Model, line {number}: {', '.join(twice)} stands twice in {line!r}. Name it once.")
    return lhs, op, names


def _check_names(measured: dict[str, list[str]], paths: dict[tuple[str, str], None], columns: list[str] | None) -> None:
    linked = {name for path in paths for name in path}
    unknown = sorted(linked - set(measured))
    if unknown:
        raise ModelError(
            f"{', '.join(unknown)} stands in a path but is neither a construct ({', '.join(measured)}) "
            f"nor a column of the data. Define it with =~ or <~, or mend the name."
        )
    alone = [name for name in measured if name not in linked]
    if alone:
        raise ModelError(
            f"Construct {', '.join(alone)} has no path. PLS weights need at least one neighbour: add a path or drop it."
        )
    absent = [item for block in measured.values() for item in block if columns is not None and item not in columns]
    if absent:
        raise ModelError(f"The data have no column {', '.join(absent)}. Columns: {', '.join(columns or ())}.")
    graph = TopologicalSorter({name: [source for source, target in paths if target == name] for name in measured})
    try:
        graph.prepare()
    except CycleError as error:
        raise ModelError(
            f"The paths run in a circle: {' → '.join(error.args[1])}. PLS needs a recursive model."
        ) from None
