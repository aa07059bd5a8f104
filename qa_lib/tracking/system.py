"""An indicator system as data: the tree, how its values are scaled and weighted, and the mistakes it can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from qa_lib.errors import StudyError
from qa_lib.study.schema import Record, load_yaml, validate

SYSTEMS = files("qa_lib.tracking") / "systems"


def _fraction(value: object) -> object:
    """1/3, as a matrix of comparisons is written."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?(/0*[1-9]\d{0,8})?\s*", value):
        raise ValueError("a number or a fraction such as 1/3 is needed")
    return float(Fraction(value))


class Normalise(Record):
    """How a raw value becomes 0–100; ``worst`` and ``best`` may lie either way round."""

    method: Literal["minmax", "z", "distance"] = "minmax"
    worst: float | None = None
    best: float | None = None
    target: float | None = None
    higher_is_better: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Normalise:
        if (self.worst is None) != (self.best is None) or (self.worst is not None and self.worst == self.best):
            raise ValueError("worst and best are given together and differ, or both are left to the data")
        if self.method == "distance" and not (self.target and self.target > 0):
            raise ValueError("distance needs a positive target")
        return self


class Weighting(Record):
    """Where the children's weights come from; ``matrix`` compares them in their order, fractions as 1/3."""

    method: Literal["given", "equal", "ahp", "entropy", "critic"] = "given"
    matrix: list[list[Annotated[float, BeforeValidator(_fraction)]]] | None = None


class Node(Record):
    """A part of the system: a group with ``children``, or an indicator (a column of the table), which may say where on
    the customer's path it belongs (``touchpoint``) and to which ``element`` of the service."""

    id: str
    name: dict[str, str] = Field(default_factory=dict)
    weight: float | None = Field(default=None, ge=0)
    source: Literal["survey", "operations", "scorecard", "other"] | None = None
    note: str | None = None
    touchpoint: str | None = None
    element: Literal["hardware", "software", "people"] | None = None
    normalise: Normalise = Field(default_factory=Normalise)
    weighting: Weighting = Field(default_factory=Weighting)
    children: list[Node] = Field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> list[str]:
        return [node.id for node in self.walk() if not node.children]


def read_system(spec: Node | Mapping | str | Path) -> Node:
    """A checked tree from a mapping, a YAML file, or the name of a shipped system.

    >>> [child.id for child in read_system("published_four").children]
    ['satisfaction', 'reliability', 'responsiveness', 'assurance']
    """
    if isinstance(spec, Node):
        return spec
    where = "indicator system"
    if not isinstance(spec, Mapping):
        shipped = SYSTEMS / f"{spec}.yaml"
        source = shipped if shipped.is_file() else Path(spec)
        where = str(spec)
        if not source.is_file():
            names = sorted(entry.name.removesuffix(".yaml") for entry in SYSTEMS.iterdir())
            raise StudyError(f"{where}: there is no such file, nor a shipped system; shipped are {', '.join(names)}.")
        spec = load_yaml(Path(str(source)), StudyError)
    root = validate(Node, dict(spec), where, StudyError)
    names = [node.id for node in root.walk()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise StudyError(f"{where}: the id {', '.join(repeated)} occurs more than once.")
    return root
