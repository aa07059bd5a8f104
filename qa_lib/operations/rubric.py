"""Scorecards as data: groups, items, their levels and weights, core items, tags."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from qa_lib.errors import StudyError
from qa_lib.study.schema import Record, load_yaml, validate

RUBRICS = files("qa_lib.operations") / "rubrics"


class RubricItem(Record):
    """One thing to score. ``levels`` are points, best and worst at the ends, or ``yes, no``; of ``polarity: negative``
    yes is bad. An item with ``elements`` is recorded as how many of them were met."""

    id: str
    name: dict[str, str] = {}
    levels: list[float | str] = []
    elements: list[str] = []
    polarity: Literal["positive", "negative"] = "positive"
    weight: float = Field(default=1.0, gt=0)
    core: bool = False
    touchpoint: str | None = None
    element: Literal["hardware", "software", "people"] | None = None
    clause: str | None = None

    @model_validator(mode="after")
    def _scorable(self) -> RubricItem:
        if bool(self.levels) == bool(self.elements):
            raise ValueError(f"{self.id}: give either levels or elements")
        if self.levels and not self._yes_no and not (self._numeric and max(self.levels) > min(self.levels)):
            raise ValueError(f"{self.id}: levels are two or more numbers, or yes and no; found {self.levels}")
        return self

    @property
    def _yes_no(self) -> bool:
        return {str(level).lower() for level in self.levels} == {"yes", "no"}

    @property
    def _numeric(self) -> bool:
        return all(isinstance(level, int | float) for level in self.levels)

    @property
    def scores(self) -> dict[str, float]:
        """What may be recorded → share of the item's points."""
        if self.elements:
            return {str(met): met / len(self.elements) for met in range(len(self.elements) + 1)}
        good = "no" if self.polarity == "negative" else "yes"
        if self._yes_no:
            return {word: float(word == good) for word in ("yes", "no")}
        low, high = min(self.levels), max(self.levels)
        share = {f"{level:g}": (level - low) / (high - low) for level in self.levels}
        return share if self.polarity == "positive" else {level: 1 - value for level, value in share.items()}


class RubricGroup(Record):
    id: str
    name: dict[str, str] = {}
    weight: float = Field(gt=0)
    items: list[RubricItem] = Field(min_length=1)


class Rubric(Record):
    """A scorecard. Weights of groups sum to one; ``pass_mark`` and the lower edges of ``bands`` are of 0–100; a core
    item fails below ``core_pass`` of its points; an item's mean should reach ``standard``."""

    id: str
    name: dict[str, str] = {}
    groups: list[RubricGroup] = Field(min_length=1)
    pass_mark: float = 75
    bands: dict[str, float] = {"excellent": 90, "good": 85, "improve": 75, "fail": 0}
    standard: float = Field(default=0.75, ge=0, le=1)
    core_pass: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Rubric:
        total = sum(group.weight for group in self.groups)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights of the groups sum to {total:g}, not to 1")
        names = [item.id for item in self.items]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"items stand twice: {', '.join(twice)}")
        return self

    @property
    def items(self) -> list[RubricItem]:
        return [item for group in self.groups for item in group.items]

    def weights(self) -> np.ndarray:
        """Share of each item in the whole score; they sum to 1."""
        return np.array(
            [g.weight * item.weight / sum(i.weight for i in g.items) for g in self.groups for item in g.items]
        )


def read_rubric(rubric: Rubric | Mapping | str | Path) -> Rubric:
    """A rubric from a YAML file, its content, or the name of one that ships (service_contact, counter_visit,
    service_standards).

    >>> [group.id for group in read_rubric("service_contact").groups]
    ['staff', 'process', 'accuracy']
    """
    if isinstance(rubric, Rubric):
        return rubric
    if isinstance(rubric, Mapping):
        return validate(Rubric, dict(rubric), "rubric", StudyError)
    shipped = Path(str(RUBRICS / f"{rubric}.yaml"))
    path = shipped if shipped.is_file() else Path(rubric)
    return validate(Rubric, load_yaml(path, StudyError), path, StudyError)
