"""The themes a study listens for: themes.yaml, each theme with its words in every language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from qa_lib.errors import StudyError
from qa_lib.study.instrument import Identifier, Words
from qa_lib.study.schema import Record, load_yaml, validate


class Theme(Record):
    """A theme: ``words`` by language, single words or phrases; ``dimension`` is the one of the instrument it tells of.

    ``polarity`` says how its words are meant where they leave no doubt: a theme of complaints or of praise.
    """

    id: Identifier
    name: Words
    words: dict[str, list[str]]
    dimension: str | None = None
    polarity: Literal["positive", "negative"] | None = None

    @property
    def phrases(self) -> list[str]:
        return [phrase for phrases in self.words.values() for phrase in phrases]

    @model_validator(mode="after")
    def _says_something(self) -> Theme:
        if not any(phrase.strip() for phrase in self.phrases) or not all(phrase.strip() for phrase in self.phrases):
            raise ValueError(f"theme {self.id}: give at least one word, and no empty ones")
        return self


class Themes(Record):
    """themes.yaml."""

    themes: list[Theme]

    @model_validator(mode="after")
    def _distinct(self) -> Themes:
        if twice := [name for name, n in Counter(theme.id for theme in self.themes).items() if n > 1]:
            raise ValueError(f"theme {twice[0]!r} stands twice")
        return self


def read_themes(source: str | Path | Mapping | Themes | None) -> Themes:
    """The themes of a file (or of its content); none where there is no file.

    Raises ``StudyError`` with every mistake by file and key.

    >>> themes = read_themes({"themes": [{"id": "waiting", "name": {"en": "Waiting"}, "words": {"en": ["queue"]}}]})
    >>> [theme.id for theme in themes.themes]
    ['waiting']
    """
    if isinstance(source, Themes):
        return source
    if source is None:
        return Themes(themes=[])
    content = dict(source) if isinstance(source, Mapping) else load_yaml(Path(source), StudyError)
    return validate(Themes, content, "themes" if isinstance(source, Mapping) else str(source), StudyError)


def themes_of(folder: Path) -> Themes:
    """The themes of a study's folder; none where it has no themes.yaml."""
    path = folder / "themes.yaml"
    return read_themes(path if path.is_file() else None)
