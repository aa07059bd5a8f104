"""Open comments: how many mention a theme, how satisfied those are, what changed, and what no theme covers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from qa_lib.errors import NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns, real_numbers
from qa_lib.sufficient.weights import effective_n
from qa_lib.voice.dictionary import Themes, read_themes
from qa_lib.voice.estimates import change_row, difference_row, mean_row, share_row
from qa_lib.voice.pictures import plot_themes
from qa_lib.voice.topics import topics
from qa_lib.voice.words import mentions, says_something

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ["term", "level", "measure", "n", "estimate", "std_error", "statistic", "df", "p_value", "p_adjusted"]
_COLUMNS += ["conf_low", "conf_high", "dimension", "polarity"]


@dataclass(frozen=True, slots=True)
class Comments(Result):
    """What respondents wrote.

    Attributes
    ----------
    table : rows as in ``tidy``
    mentioned : which comment mentions which theme; bool, respondents who commented × themes, indexed as the data
    topics : the topics of comments without a theme, the largest first: ``topic, words, n``, the share of all comments
        ``estimate, conf_low, conf_high`` and the mean ``satisfaction`` of those who wrote them
    topic_of : the topic of every comment without a theme, −1 where there is none
    coverage : the share of comments that mention a theme, ``coverage_low`` and ``coverage_high`` its Wilson interval
    n : respondents; ``n_commented`` those who wrote something
    """

    column: str
    themes: Themes
    table: pd.DataFrame
    mentioned: pd.DataFrame
    topics: pd.DataFrame
    topic_of: pd.Series
    coverage: float
    coverage_low: float
    coverage_high: float
    n: int
    converged: bool
    provenance: Provenance

    @property
    def n_commented(self) -> int:
        return len(self.mentioned)

    def tidy(self) -> pd.DataFrame:
        """A row per ``term`` (a theme; a dimension: any of its themes; by ``level``) and ``measure``.

        share : of those who commented, who mention it (Wilson); ``n`` counts them
        share_satisfied, share_not_satisfied : the same among those in the top two boxes of satisfaction, and the others
        satisfaction_with, satisfaction_without : mean satisfaction of those who mention it and of the other commenters
        satisfaction_difference : with less without (Welch)
        share_change : the share less that of the period before (Newcombe)

        ``p_adjusted`` is Holm's over the themes, or the dimensions, of a measure.
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "n_commented": self.n_commented, "method": "theme dictionary; NMF of tf-idf"}
        row |= {"converged": self.converged, "n_themed": int(self.mentioned.any(axis=1).sum())}
        row |= {"coverage": self.coverage, "coverage_low": self.coverage_low, "coverage_high": self.coverage_high}
        return pd.DataFrame([row | {"n_themes": self.mentioned.shape[1], "n_topics": len(self.topics)}])

    def plot(
        self, ax: Axes | None = None, labels: Mapping[str, str] | None = None, terms: Sequence[str] | None = None
    ) -> Axes:
        """Share of comments per theme with its interval, coloured where those who mention it are surely less satisfied.

        ``terms`` chooses themes; ``labels`` names them, and ``less_satisfied, more_satisfied, not_sure, axis``.
        """
        return plot_themes(self.table, ax, labels or {}, terms)


def comments(
    data: pd.DataFrame,
    column: str,
    themes: str | Path | Mapping | Themes | None = None,
    satisfaction: str | None = None,
    scale: tuple[float, float] = (1, 5),
    weights: str | ArrayLike | None = None,
    before: pd.DataFrame | None = None,
    minimum: int = 10,
    conf_level: float = 0.95,
    seed: int = 1,
) -> Comments:
    """Matches comments to a dictionary of themes and counts them by theme, dimension and satisfaction.

    Comments of nothing ("-", "none", "无") count as none. Negation is left alone. ``minimum`` is the least number of
    comments a topic may hold.

    Parameters
    ----------
    data, before : a row per respondent of this period, and of the one before
    column : the comments, redacted (those of a ``Study`` are)
    themes : a themes.yaml, or its content; without one only topics are looked for
    satisfaction : the column of the outcome; ``scale`` its lowest and highest answer
    weights : respondents' weights: a column of both tables, or (without ``before``) an array (n,)

    Raises
    ------
    ResponseError : a column is absent, nobody commented, or weights are missing or negative
    StudyError : the themes are not as they must be

    >>> data = pd.DataFrame({"comment": ["Long queue", "queues!", "Kind staff", None], "q": [1, 2, 5, 4]})
    >>> found = comments(data, "comment", {"themes": [
    ...     {"id": "waiting", "name": {"en": "Waiting"}, "words": {"en": ["queue"]}}]}, satisfaction="q")
    >>> found.tidy()[["measure", "n", "estimate"]].head(1).round(3).to_numpy().tolist()
    [['share', 2, 0.667]]
    """
    themes = read_themes(themes)
    w = _weights(data, weights)
    said = _said(data, column)
    mentioned = _mentioned(data, column, said, themes)
    now = _Sample(mentioned, w[said], _answers(data, satisfaction)[said])
    past = None
    if before is not None and column in before and (spoke := _said(before, column)).any():
        earlier = _weights(before, weights if isinstance(weights, str) else None)[spoke]
        past = _Sample(_mentioned(before, column, spoke, themes), earlier, np.full(spoke.sum(), np.nan))
    table = _table(now, past, themes, scale, conf_level, satisfaction is not None)
    covered = share_row(mentioned.any(axis=1).to_numpy(), now.w, conf_level)
    found, topic_of, converged = _topics(data[column][said], now, minimum, conf_level, seed)
    if not converged:
        warnings.warn("the topic model did not converge; its topics are unsure.", NotConvergedWarning, stacklevel=2)
    settings = {"column": column, "minimum": minimum, "seed": seed, "conf_level": conf_level, "scale": tuple(scale)}
    provenance = Provenance("comments", len(data), settings)
    bounds = (covered["estimate"], covered["conf_low"], covered["conf_high"])
    return Comments(column, themes, table, mentioned, found, topic_of, *bounds, len(data), converged, provenance)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Those who commented: which themes each mentions, weights (n,) and satisfaction (n,), NaN where unanswered."""

    mentioned: pd.DataFrame
    w: np.ndarray
    satisfaction: np.ndarray

    def hits(self, themes: Sequence[str]) -> np.ndarray:
        return self.mentioned[list(themes)].any(axis=1).to_numpy()


def _weights(data: pd.DataFrame, weights: str | ArrayLike | None) -> np.ndarray:
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        check_columns(data, weights, what="weights")
    given = data[weights] if isinstance(weights, str) else pd.Series(weights)
    w = real_numbers(given.rename("weights"))[:, 0]
    if w.shape != (len(data),) or np.isnan(w).any() or (w < 0).any() or not w.any():
        raise ResponseError(
            f"weights: every one of the {len(data)} respondents needs a weight of zero or more, and some more."
        )
    return w


def _said(data: pd.DataFrame, column: str) -> np.ndarray:
    """Who wrote something. Raises ``ResponseError`` where the column is absent or nobody did."""
    check_columns(data, column)
    return data[column].map(says_something).to_numpy(dtype=bool)


def _answers(data: pd.DataFrame, satisfaction: str | None) -> np.ndarray:
    if satisfaction is None:
        return np.full(len(data), np.nan)
    check_columns(data, satisfaction)
    return real_numbers(data[satisfaction])[:, 0]


def _mentioned(data: pd.DataFrame, column: str, said: np.ndarray, themes: Themes) -> pd.DataFrame:
    if not said.any():
        raise ResponseError(f"{column}: nobody wrote a comment.")
    texts = data.loc[said, column]
    return pd.DataFrame(mentions(texts.tolist(), themes), texts.index, [theme.id for theme in themes.themes])


def _table(
    now: _Sample, past: _Sample | None, themes: Themes, scale: tuple[float, float], conf_level: float, rated: bool
) -> pd.DataFrame:
    dimensions: dict[str, list[str]] = {}
    for theme in themes.themes:
        if theme.dimension is not None:
            dimensions.setdefault(theme.dimension, []).append(theme.id)
    rows = []
    for theme in themes.themes:
        about = {"term": theme.id, "level": "theme", "dimension": theme.dimension, "polarity": theme.polarity}
        rows += [about | row for row in _measures(now, past, [theme.id], scale, conf_level, rated)]
    for dimension, of in dimensions.items():
        about = {"term": dimension, "level": "dimension", "dimension": dimension, "polarity": None}
        rows += [about | row for row in _measures(now, past, of, scale, conf_level, rated)]
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    return table.assign(p_adjusted=_holm(table))


def _holm(table: pd.DataFrame) -> pd.Series:
    """Holm's correction over the terms of a level and measure (Holm 1979)."""
    adjusted = pd.Series(np.nan, index=table.index)
    for _, p in table.dropna(subset="p_value").groupby(["level", "measure"])["p_value"]:
        adjusted[p.index] = multipletests(p.to_numpy(dtype=float), method="holm")[1]
    return adjusted


def _measures(
    now: _Sample, past: _Sample | None, of: Sequence[str], scale: tuple[float, float], conf_level: float, rated: bool
) -> list[dict]:
    """The rows of one theme, or of all themes of a dimension."""
    hit = now.hits(of)
    share = share_row(hit, now.w, conf_level)
    rows = {"share": share}
    if rated:
        answered, satisfied = np.isfinite(now.satisfaction), now.satisfaction >= scale[1] - 1
        for name, group in (("share_satisfied", satisfied), ("share_not_satisfied", answered & ~satisfied)):
            rows[name] = share_row(hit[group], now.w[group], conf_level)
        among = [mean_row(now.satisfaction[group], now.w[group], conf_level) for group in (hit, ~hit)]
        rows |= dict(zip(("satisfaction_with", "satisfaction_without"), among, strict=True))
        rows["satisfaction_difference"] = difference_row(*among, conf_level)
    if past is not None:
        earlier = share_row(past.hits(of), past.w, conf_level)
        rows["share_change"] = change_row(share, effective_n(now.w), earlier, effective_n(past.w))
    return [{"measure": measure, **row} for measure, row in rows.items()]


def _topics(
    texts: pd.Series, now: _Sample, minimum: int, conf_level: float, seed: int
) -> tuple[pd.DataFrame, pd.Series, bool]:
    bare = ~now.mentioned.any(axis=1)
    found = topics(texts[bare.to_numpy()].tolist(), minimum, seed)
    everyone = np.full(len(bare), -1)
    everyone[bare.to_numpy()] = found.of
    rows = []
    for topic, words in enumerate(found.words):
        hit = everyone == topic
        mean = mean_row(now.satisfaction[hit], now.w[hit], conf_level).get("estimate", np.nan)
        rows.append({"topic": topic + 1, "words": words, **share_row(hit, now.w, conf_level), "satisfaction": mean})
    columns = ["topic", "words", "n", "estimate", "std_error", "conf_low", "conf_high", "satisfaction"]
    return pd.DataFrame(rows, columns=columns), pd.Series(found.of, bare.index[bare]), found.converged
