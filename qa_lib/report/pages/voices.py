"""Which counts of comments a page may show: none that is small, and none that others give away.

A theme is a table of its own: who mentions it and who does not, in the period, its parts and, on a group's page, the
groups beside it. A dimension unites themes: it is hidden, too, where it holds a few comments beyond the themes shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.report.pages.page import ReportPage
from qa_lib.report.suppression import hidden_cells, hidden_groups
from qa_lib.study.cleaning import in_period
from qa_lib.voice.comments import Comments
from qa_lib.voice.dictionary import Themes
from qa_lib.voice.words import mentions, says_something

ANY = "any_theme"


@dataclass(frozen=True, slots=True)
class Voices:
    """Everyone who commented in a period: ``data`` (context columns) and ``mentioned`` (themes, dimensions, any)."""

    period: str
    data: pd.DataFrame
    mentioned: pd.DataFrame
    dimensions: dict[str, list[str]]

    @classmethod
    def of(cls, page: ReportPage, column: str, themes: Themes, period: str) -> Voices:
        everyone = page.study.responses().data
        here = everyone[in_period(everyone, period)]
        here = here[here[column].map(says_something).astype(bool)].reset_index(drop=True)
        names = [theme.id for theme in themes.themes]
        found = pd.DataFrame(mentions(here[column].tolist(), themes), here.index, names)
        dimensions: dict[str, list[str]] = {}
        for theme in themes.themes:
            if theme.dimension is not None:
                dimensions.setdefault(theme.dimension, []).append(theme.id)
        united = {name: of for name, of in dimensions.items() if len(of) > 1} | {ANY: names}
        wholes = pd.DataFrame({name: found[of].any(axis=1) for name, of in united.items()}, here.index)
        return cls(period, here, pd.concat([found, wholes], axis=1), united)


def may_speak(page: ReportPage, column: str) -> bool:
    """Whether enough of this page's respondents commented, and showing how many gives no other group away."""
    minimum = page.study.spec.minimum_cell
    if page.data[column].map(says_something).sum() < minimum:
        return False
    everyone = page.study.responses().data
    spoke = everyone[column].map(says_something).astype(bool)
    return not page.segment or not _hidden(page, everyone[spoke], everyone.loc[spoke, column].notna(), page.period)


def shown_terms(page: ReportPage, voices: Voices) -> list[str]:
    """The themes, the dimensions of several themes, and ``any_theme``, as far as this page may show their counts."""
    minimum, own = page.study.spec.minimum_cell, _of_segment(page, voices.data)
    open_ = [
        name
        for name in voices.mentioned
        if voices.mentioned.loc[own, name].any()
        and not _hidden(page, voices.data, voices.mentioned[name], voices.period)
    ]
    mentioned = voices.mentioned[own]
    for name, of in voices.dimensions.items():
        rest = mentioned[name] & ~mentioned[[theme for theme in of if theme in open_]].any(axis=1)
        if name in open_ and 0 < rest.sum() < minimum:
            open_.remove(name)
    return open_


def shown_shares(page: ReportPage, result: Comments, terms: list[str]) -> dict[str, dict[str, float]]:
    """Shares of the satisfied and of the others who mention a term, where none is small; of everyone's page only.

    Without their counts, which beside those of all commenters would tell who did not rate.
    """
    if page.segment:
        return {}
    table = result.table.set_index(["measure", "term"])
    rating = pd.to_numeric(page.data.loc[result.mentioned.index, page.outcomes["satisfaction"]])
    top = page.instrument.scale_of(page.outcomes["satisfaction"])[1] - 1
    frame = page.data.loc[rating.index[rating.notna()]].assign(satisfied=rating >= top)
    found: dict[str, dict[str, float]] = {"satisfied": {}, "not_satisfied": {}}
    for term in terms:
        hit = _mentions(result, term).reindex(frame.index)
        if _two_way_hidden(frame.assign(mentions=hit), ("satisfied", "mentions"), page):
            continue
        for name, shares in found.items():
            shares[term] = table.loc[(f"share_{name}", term), "estimate"]
    return found


def _mentions(result: Comments, term: str) -> pd.Series:
    of = [theme.id for theme in result.themes.themes if term in (theme.id, theme.dimension)]
    return result.mentioned[of].any(axis=1)


def _two_way_hidden(frame: pd.DataFrame, columns: tuple[str, str], page: ReportPage) -> bool:
    return bool(hidden_cells(frame, columns, page.period, page.study.spec.minimum_cell).to_numpy().any())


def _hidden(page: ReportPage, data: pd.DataFrame, hit: pd.Series, period: str) -> bool:
    """Whether the count of ``hit`` among this page's respondents, or of the others, may not be shown."""
    minimum, frame = page.study.spec.minimum_cell, data.assign(mentions=hit.to_numpy(dtype=bool))
    if not page.segment:
        return bool(hidden_groups(frame, "mentions", period, minimum))
    column, _, value = page.segment.partition("=")
    cells = hidden_cells(frame, (column, "mentions"), period, minimum)
    own = cells[cells.index.astype(str) == value]
    return own.empty or bool(own.to_numpy().any())


def _of_segment(page: ReportPage, data: pd.DataFrame) -> np.ndarray:
    column, _, value = page.segment.partition("=")
    return (data[column].astype(str) == value).to_numpy() if column else np.ones(len(data), dtype=bool)
