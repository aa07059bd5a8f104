"""What was asked: dimensions, items, scales and codes, as data read from instrument.yaml."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from qa_lib.errors import InstrumentError
from qa_lib.study.exports.dialects import NAMES as DIALECT_NAMES
from qa_lib.study.schema import Record, load_yaml, validate

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z]\w{0,63}$", description="a name that formulas can use")]
Words = Annotated[dict[str, str], Field(description="language → words")]
Role = Literal["experienced", "expectation", "importance", "outcome", "other"]
Code = int | float | str
Outcome = Literal["satisfaction", "repurchase", "recommendation", "nps", "effort"]


class Scale(Record):
    """Answer codes from ``min`` to ``max``, and their words where the answers have any.

    ``recode`` maps other words or codes that exports hold to a code of the scale; ``missing_codes`` and
    ``not_applicable_codes`` are those of this scale, beside the instrument's.
    """

    min: int
    max: int
    labels: dict[int, Words] = {}
    recode: dict[str, int] = {}
    missing_codes: list[Code] = []
    not_applicable_codes: list[Code] = []

    @model_validator(mode="after")
    def _ordered(self) -> Scale:
        if self.min >= self.max:
            raise ValueError(f"min must be less than max, found {self.min} and {self.max}")
        if outside := [code for code in self.labels if not self.min <= code <= self.max]:
            raise ValueError(f"labels for {outside} lie outside {self.min} to {self.max}")
        if outside := [word for word, code in self.recode.items() if not self.min <= code <= self.max]:
            raise ValueError(f"recode of {outside} gives codes outside {self.min} to {self.max}")
        return self


class Dimension(Record):
    id: Identifier
    name: Words


class Item(Record):
    """One question. ``columns`` are the names it has in the exports, its id when not given.

    An ``optional`` item may be absent from some exports, as when it was asked in some years only.
    """

    id: Identifier
    scale: str
    dimension: str | None = None
    role: Role = "experienced"
    outcome: Outcome | None = None
    of: str | None = None
    wording: Words = {}
    reverse: bool = False
    optional: bool = False
    columns: list[str] = []

    @property
    def names(self) -> list[str]:
        return self.columns or [self.id]


class AttentionCheck(Record):
    """A question whose right answer is known; a list where it was asked in several languages or codings."""

    id: Identifier
    answer: Code | list[Code]
    columns: list[str] = []

    @property
    def names(self) -> list[str]:
        return self.columns or [self.id]

    @property
    def right(self) -> list[str]:
        return [str(answer) for answer in (self.answer if isinstance(self.answer, list) else [self.answer])]


class KanoPair(Record):
    """The functional and dysfunctional question about one feature."""

    feature: str
    functional: str
    dysfunctional: str
    dimension: str | None = None


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day written as 2026-04-01") from None


Day = Annotated[str, AfterValidator(_day)]


class Change(Record):
    """What changed on the day ``valid_from``; the rest stays as it was the day before.

    ``scales`` replace those of the same name; of ``items`` the keys given replace those of the item with this id, an
    item with a new id is one that was added; ``dropped`` items and attention checks are no longer asked.
    """

    valid_from: Day
    scales: dict[str, Scale] = {}
    dimensions: list[Dimension] = []
    items: list[dict[str, object]] = []
    attention_checks: list[AttentionCheck] = []
    dropped: list[str] = []


class LongLayout(Record):
    """The columns of exports with a row per answer: who answered, which item, what.

    ``time`` says when: of several answers to one item the last one counts. ``wave`` tells apart the responses of one
    respondent. Every other column is context of the response, the same in each of its rows.
    """

    respondent: str
    item: str
    answer: str
    time: str | None = None
    wave: str | None = None
    format: str | None = None

    @property
    def columns(self) -> list[str]:
        return [name for name in (self.respondent, self.item, self.answer, self.time, self.wave) if name]

    def context(self, columns: Collection[str]) -> dict[str, str]:
        """Columns of the export → the library's names for them; the time is the date where no column is called so."""
        dated = {self.time: "date"} if self.time is not None and "date" not in columns else {}
        return {self.respondent: "respondent", **dated}


class InstrumentFile(Record):
    """instrument.yaml: the instrument as it was first, since ``valid_from`` where that is known, and its ``versions``,
    what changed on which day."""

    name: Words
    scales: dict[str, Scale]
    dimensions: list[Dimension]
    items: list[Item]
    missing_codes: list[Code] = []
    not_applicable_codes: list[Code] = []
    attention_checks: list[AttentionCheck] = []
    kano: list[KanoPair] = []
    dialect: str = "auto"
    long: LongLayout | None = None
    valid_from: Day | None = None
    versions: list[Change] = []

    @model_validator(mode="after")
    def _in_order_of_time(self) -> InstrumentFile:
        days = [self.valid_from or "", *(change.valid_from for change in self.versions)]
        for before, after in itertools.pairwise(days):
            if before == after:
                raise ValueError(f"versions: two are valid from {after}; give each a day of its own")
            if before > after:
                raise ValueError(f"versions: {after} stands below {before}; order them from the oldest to the newest")
        return self

    @model_validator(mode="after")
    def _refer_to_what_exists(self) -> InstrumentFile:
        dimensions = [dimension.id for dimension in self.dimensions]
        items = [item.id for item in self.items]
        checks = [check.id for check in self.attention_checks]
        mistakes = [f"{name!r} stands twice" for name, n in Counter(items + checks).items() if n > 1]
        if self.dialect not in (known := ("auto", *DIALECT_NAMES)):
            mistakes.append(f"dialect {self.dialect!r} is not one of {', '.join(known)}")
        mistakes += [f"dimension {name!r} stands twice" for name, n in Counter(dimensions).items() if n > 1]
        for item in self.items:
            mistakes += _item_mistakes(item, dimensions, items, list(self.scales))
        columns = Counter(name for entry in [*self.items, *self.attention_checks] for name in set(entry.names))
        mistakes += [f"the column {name!r} is claimed by {n} items" for name, n in columns.items() if n > 1]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


def _item_mistakes(item: Item, dimensions: list[str], items: list[str], scales: list[str]) -> list[str]:
    mistakes = []
    if item.scale not in scales:
        mistakes.append(f"item {item.id}: scale {item.scale!r} is not one of {', '.join(scales)}")
    if item.dimension is not None and item.dimension not in dimensions:
        mistakes.append(f"item {item.id}: dimension {item.dimension!r} is not one of {', '.join(dimensions)}")
    if item.role in {"experienced", "importance"} and item.dimension is None:
        mistakes.append(f"item {item.id}: an item of role {item.role} needs a dimension")
    if item.role == "expectation" and item.of not in items:
        mistakes.append(
            f"item {item.id}: an expectation needs 'of', the experienced item it belongs to, found {item.of!r}"
        )
    if (item.role == "outcome") != (item.outcome is not None):
        mistakes.append(f"item {item.id}: role outcome and the key outcome go together")
    return mistakes


@dataclass(frozen=True)
class Instrument:
    """An instrument as analyses use it; ``file`` is what instrument.yaml says of it.

    Where an instrument changed, it has ``versions``, and this is one of them: the newest when it is read.

    >>> instrument = template("rater")
    >>> instrument.dimensions["tangibles"], instrument.scale_of("nps")
    (['T1', 'T2', 'T3', 'T4'], (0, 10))
    """

    file: InstrumentFile
    family: tuple[InstrumentFile, ...] = ()

    @cached_property
    def versions(self) -> tuple[Instrument, ...]:
        """All versions of the instrument from the oldest to the newest; itself where it never changed."""
        return tuple(Instrument(file, self.family) for file in self.family) or (self,)

    @property
    def version(self) -> str:
        """The day this version is valid from, ``first`` for a first one without."""
        return self.file.valid_from or "first"

    @cached_property
    def said(self) -> str:
        """All versions as text: what answers follow from."""
        return "\0".join(file.model_dump_json() for file in self.family or (self.file,))

    @cached_property
    def items(self) -> dict[str, Item]:
        return {item.id: item for item in self.file.items}

    @cached_property
    def dimensions(self) -> dict[str, list[str]]:
        """Dimension → ids of its experienced items, in the order of the file."""
        experienced = [item for item in self.file.items if item.role == "experienced"]
        return {
            dimension.id: [item.id for item in experienced if item.dimension == dimension.id]
            for dimension in self.file.dimensions
        }

    @cached_property
    def outcomes(self) -> dict[str, str]:
        """Outcome (satisfaction, repurchase, recommendation, nps, effort) → the first item that measures it."""
        return {item.outcome: item.id for item in reversed(self.file.items) if item.outcome}

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """(expectation item, experienced item) of every pair."""
        return [(item.id, item.of) for item in self.file.items if item.role == "expectation" and item.of]

    @cached_property
    def importance(self) -> dict[str, str]:
        """Dimension → the item that asks how important it is."""
        return {item.dimension: item.id for item in self.file.items if item.role == "importance" and item.dimension}

    @property
    def attention_checks(self) -> list[AttentionCheck]:
        return self.file.attention_checks

    @property
    def kano(self) -> list[KanoPair]:
        return self.file.kano

    def item(self, item: str) -> Item:
        """Raises ``InstrumentError`` for an id the instrument does not have."""
        if item not in self.items:
            raise InstrumentError(f"the instrument has no item {item!r}. It has: {', '.join(self.items)}.")
        return self.items[item]

    def scale_of(self, item: str) -> tuple[int, int]:
        scale = self.file.scales[self.item(item).scale]
        return scale.min, scale.max

    def codes_without_answer(self, item: str) -> dict[str, str]:
        """The codes and words that stand for no answer to an item → ``missing`` or ``not_applicable``."""
        scale = self.file.scales[self.item(item).scale]
        missing = dict.fromkeys(map(str, [*self.file.missing_codes, *scale.missing_codes]), "missing")
        not_applicable = [*self.file.not_applicable_codes, *scale.not_applicable_codes]
        return missing | dict.fromkeys(map(str, not_applicable), "not_applicable")

    def recodes(self, item: str) -> dict[str, int]:
        """Other words or codes of exports → codes of the item's scale."""
        return self.file.scales[self.item(item).scale].recode

    def scale_labels(self, item: str) -> dict[int, dict[str, str]]:
        return self.file.scales[self.item(item).scale].labels

    def dimension_name(self, dimension: str, lang: str) -> str:
        """The dimension's name in a language, else in the first language the file gives."""
        names = next((entry.name for entry in self.file.dimensions if entry.id == dimension), None)
        if names is None:
            raise InstrumentError(f"no dimension is called {dimension!r}. Known: {', '.join(self.dimensions)}.")
        return names.get(lang) or next(iter(names.values()))


def read_instrument(path: str | Path) -> Instrument:
    """Reads an instrument. Raises ``InstrumentError`` that lists every mistake by file and key."""
    path = Path(path)
    content = load_yaml(path, InstrumentError)
    file = validate(InstrumentFile, content, path, InstrumentError)
    if not file.versions:
        return Instrument(file)
    content = {name: value for name, value in content.items() if name != "versions"}
    family = [validate(InstrumentFile, content, path, InstrumentError)]
    for change in file.versions:
        place = f"{path}: versions → {change.valid_from}"
        content = _changed(content, change, place)
        family.append(validate(InstrumentFile, content, place, InstrumentError))
    return Instrument(family[-1], tuple(family))


def _changed(content: dict, change: Change, place: str) -> dict:
    """What instrument.yaml would say from the day of a change on."""
    given = change.model_dump(exclude_unset=True)
    gone, asked = (
        set(change.dropped),
        {entry["id"] for key in ("items", "attention_checks") for entry in content.get(key, [])},
    )
    if unknown := [name for name in change.dropped if name not in asked]:
        raise InstrumentError(f"{place}: dropped: {unknown[0]!r} was not asked. Asked were {', '.join(sorted(asked))}.")
    if nameless := [entry for entry in change.items if "id" not in entry]:
        raise InstrumentError(
            f"{place}: items: an item without id ({', '.join(nameless[0])}). Name the one that changed."
        )
    changed = content | {"valid_from": change.valid_from, "scales": content["scales"] | given.get("scales", {})}
    for key in ("dimensions", "items", "attention_checks"):
        entries = {
            entry["id"]: entry for entry in content.get(key, []) if key == "dimensions" or entry["id"] not in gone
        }
        for entry in given.get(key, []):
            entries[entry["id"]] = entries.get(entry["id"], {}) | entry
        changed[key] = list(entries.values())
    changed["kano"] = [
        pair for pair in content.get("kano", []) if not gone & {pair["functional"], pair["dysfunctional"]}
    ]
    return changed


def template(name: str) -> Instrument:
    """An instrument that ships with the library: ``rater``, ``rater_expectations``, ``seven_dimensions``."""
    folder = files("qa_lib.study").joinpath("templates")
    known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    if name not in known:
        raise InstrumentError(f"no template is called {name!r}. Known: {', '.join(known)}.")
    return read_instrument(Path(str(folder.joinpath(f"{name}.yaml"))))
