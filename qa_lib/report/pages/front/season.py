"""What only the season does to the index, once two years are there."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import unit_of
from qa_lib.tracking.seasonality import Seasonality, seasonality

_A_YEAR = {"month": 12, "quarter": 4}
_SIGNIFICANCE = 0.05


def season(page: ReportPage, history: pd.DataFrame) -> None:
    """Seasonal effects on the index of ``history`` (a row per period with ``estimate`` and ``std_error``), or from
    when on they can be told; nothing for days, weeks and years."""
    text, per_year = page.text, _A_YEAR.get(unit_of(page.period))
    if per_year is None:
        return
    number = pd.Series([int(name[-2:].strip("Q")) for name in history.index])
    if len(history) < 2 * per_year or (number.value_counts().reindex(range(1, per_year + 1), fill_value=0) < 2).any():
        display.paragraph(text("season_later", n=text.count(len(history)), needed=text.count(2 * per_year)), "note")
        return
    known = history["std_error"].astype(float)
    result = page.attempt(seasonality, history["estimate"].astype(float), known if (known > 0).all() else None)
    if result is None:
        return
    page.section("season_section", 3)
    names = {term: text.season(term) for term in result.tidy()["term"]}
    said = _sentence(page, result, names)
    display.paragraph(said)
    labels = names | {"effect": text("season_axis", index=page.index_inside)}
    display.figure(charts.of_result(result.plot, labels, 0.8 + 0.24 * len(names)), said)


def _sentence(page: ReportPage, result: Seasonality, names: dict[str, str]) -> str:
    text, table = page.text, result.tidy().set_index("term")
    if not result.p_value < _SIGNIFICANCE:
        return text("season_none", p=text.p_statement(result.p_value))
    high, low = table["estimate"].idxmax(), table["estimate"].idxmin()
    facts = {"high": names[high], "low": names[low], "p": text.p_statement(result.p_value)}
    facts |= {"up": text.signed(table.loc[high, "estimate"]), "down": text.signed(table.loc[low, "estimate"])}
    return text(
        "season_found", adjusted=text.number(result.adjusted.iloc[-1]), period=text.period(page.period), **facts
    )
