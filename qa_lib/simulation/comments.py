"""Simulated comments: who writes one, about which theme, in which mood, follows from the simulated scores."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Sentences = dict[str, Annotated[list[str], Field(min_length=1)]]  # language → sentences


class ThemeSpec(BaseModel):
    """What is said on a theme by those whose mean of ``items`` is below the middle (``low``), and by the others.

    ``weight`` makes a theme come to mind more easily than others, ``praise`` in those who have nothing to complain of.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    items: list[str]
    weight: float = 1.0
    praise: float = 1.0
    low: Sentences
    high: Sentences


class CommentsSpec(BaseModel):
    """``share`` of the dissatisfied (below the middle of their themes' items) and of the others who write something;
    ``other`` is the share whose comment is on none of the themes, ``second`` of the rest who add a second theme.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    column: str = "comment"
    question: dict[str, str]
    share: dict[Literal["low", "high"], Share]
    other: Share
    second: Share
    themes: dict[str, ThemeSpec]
    other_sentences: Sentences
    nothing: Sentences


def draw_comments(
    spec: CommentsSpec, responses: pd.DataFrame, careless: pd.Series, rng: np.random.Generator
) -> tuple[pd.Series, pd.DataFrame]:
    """Comments (a text per respondent, missing where none) and what they are truly about: bool, respondents × themes.

    The farther a respondent's score on a theme lies from the middle of the scale, the likelier the theme, a complaint
    four times as likely as praise; careless respondents write nothing, or a word for it.
    """
    scores = pd.DataFrame({name: responses[theme.items].mean(axis=1) for name, theme in spec.themes.items()}).fillna(3)
    away = scores.to_numpy() - 3.4
    praise = np.array([theme.praise for theme in spec.themes.values()])
    weight = np.array([theme.weight for theme in spec.themes.values()])
    chance = weight * np.where(away < 0, 0.1 + 4 * away**2, praise * (0.1 + away**2))
    mood = np.where(away.mean(axis=1) < 0, "low", "high")
    writes = rng.random(len(responses)) < pd.Series(mood).map(dict(spec.share)).to_numpy()
    other, second = rng.random(len(responses)) < spec.other, rng.random(len(responses)) < spec.second
    names = list(spec.themes)
    texts: list[str | None] = []
    about = np.zeros((len(responses), len(names)), dtype=bool)
    for row, language in enumerate(responses["language"]):
        chosen = rng.choice(len(names), 2, replace=False, p=chance[row] / chance[row].sum())[: 1 + second[row]]
        said = [
            _one(
                spec.themes[names[theme]].low if away[row, theme] < 0 else spec.themes[names[theme]].high, language, rng
            )
            for theme in chosen
        ]
        nothing, aside = _one(spec.nothing, language, rng), _one(spec.other_sentences, language, rng)
        if not writes[row] or careless.iloc[row]:
            texts.append(nothing if writes[row] else None)
        elif other[row]:
            texts.append(aside)
        else:
            about[row, chosen] = True
            texts.append(("" if language == "zh" else " ").join(said))
    return pd.Series(texts, responses.index, dtype=object), pd.DataFrame(about, responses.index, names)


def _one(sentences: Sentences, language: str, rng: np.random.Generator) -> str:
    choices = sentences.get(language) or next(iter(sentences.values()))
    return choices[rng.integers(len(choices))]
