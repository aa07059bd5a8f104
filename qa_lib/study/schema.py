"""Reads a YAML file into a pydantic model; every mistake is named with file, key and what is allowed."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from qa_lib.errors import QaError
from qa_lib.study.limits import CONTROLS, regular_file

MAX_BYTES = 2_000_000
MAX_DEPTH = 50
_MISTAKES_SHOWN = 20
_CHARACTERS_SHOWN = 80
Model = TypeVar("Model", bound="Record")


class Record(BaseModel):
    """A mapping of a YAML file: unknown keys are mistakes, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, content: object) -> object:
        unknown = [key for key in content if key not in cls.model_fields] if isinstance(content, dict) else []
        if unknown:
            near = difflib.get_close_matches(_short(str(unknown[0])), cls.model_fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown key {_short(repr(unknown[0]))}.{hint} Allowed: {', '.join(cls.model_fields)}.")
        return content


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without anchors' aliases (a few bytes of them can fill the memory), tags, control characters and
    doubled keys.

    Scalars follow YAML 1.2: ``yes`` and ``No``, ``12:30`` and dates are text, as survey answers mean them; so is a
    number of more digits than any count or code has.
    """

    yaml_implicit_resolvers: dict = {}
    _depth = 0

    def compose_node(self, parent: object, index: object) -> yaml.Node:
        event = self.peek_event()
        if problem := self._refused(event):
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refused(self, event: yaml.Event) -> str:
        if isinstance(event, yaml.AliasEvent):
            return "aliases (*name) are not allowed"
        if getattr(event, "tag", None) is not None:
            return f"tags ({_short(event.tag)}) are not allowed"
        if self._depth >= MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        if isinstance(event, yaml.ScalarEvent) and (found := CONTROLS.search(event.value)):
            return f"the character {found.group()!r} is not allowed in a text"
        return ""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping: dict = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float):
                raise yaml.MarkedYAMLError(problem="a key must be a word or a number", problem_mark=key_node.start_mark)
            if key in mapping:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})$", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?)$", list("-+.0123456789")),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def load_yaml(path: Path, error: type[QaError]) -> dict:
    """The mapping a YAML file holds. Raises ``error`` when it is absent, too large, not UTF-8 or not a mapping."""
    if regular_file(path, error, " Create it, or copy one from data/raw/demo.") > MAX_BYTES:
        raise error(f"{path} is larger than {MAX_BYTES // 1_000_000} MB; a description of a study is far smaller.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_PlainLoader)  # a subclass of SafeLoader
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 (byte {problem.start}). Save it as UTF-8.") from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise error(f"{path} is not valid YAML: {problem}") from None
    if not isinstance(content, dict):
        raise error(f"{path} must hold a mapping of keys to values, not {type(content).__name__}.")
    return content


def validate(model: type[Model], content: dict, source: Path | str, error: type[QaError]) -> Model:
    """``content`` as ``model``; one ``error`` that lists every mistake by file and key."""
    try:
        return model.model_validate(content)
    except ValidationError as problems:
        found = problems.errors()
        lines = [f"{source}: {_place(entry['loc'])}: {_what(entry)}" for entry in found[:_MISTAKES_SHOWN]]
        more = [f"{source}: {len(found) - len(lines)} more mistakes."] if len(found) > len(lines) else []
        raise error("\n".join(lines + more)) from None


def _place(location: tuple) -> str:
    return " → ".join(_short(str(part)) for part in location) or "the whole file"


def _what(entry: dict) -> str:
    found = entry.get("input")
    shown = f" (found {_short(repr(found))})" if isinstance(found, str | int | float | bool) else ""
    if entry["type"] == "extra_forbidden":
        return "this key is not known here. Check its spelling or remove it."
    if entry["type"] == "missing":
        return "this key is needed and absent."
    return entry["msg"].removeprefix("Value error, ") + shown


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]}…"
