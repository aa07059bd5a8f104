"""How steady the service is: how much of a time's variation lies between periods, agents and branches."""

from __future__ import annotations

import pandas as pd

from qa_lib.operations.consistency import Consistency, consistency
from qa_lib.operations.kpi.kpi_spec import KpiSpec
from qa_lib.operations.kpis import kpi_cases
from qa_lib.report import display
from qa_lib.report.pages.branches import AGENT, unit, watched
from qa_lib.report.pages.drivers import listing
from qa_lib.report.pages.kpi_rows import Words, frequency
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import unit_of

_LONG_ENOUGH = ("month", "quarter", "year")


def consistent(page: ReportPage, tables: dict[str, pd.DataFrame], spec: KpiSpec | None) -> None:
    """Variance components of the watched KPIs over the periods so far; a month's report or longer."""
    if unit_of(page.period) not in _LONG_ENOUGH:
        return
    segment = unit(page, tables)
    columns = {"period": page.text("period")} | {AGENT: page.text("mon_agent")}
    columns |= {segment.id: page.text.of(segment.name, segment.id)} if segment is not None else {}
    found: dict[str, Consistency] = {}
    for kpi in watched(spec, tables):
        cases = page.attempt(kpi_cases, tables, spec, kpi.id, period=frequency(page))
        if cases is None:
            continue
        cases = cases[cases["value"].notna()]
        factors = [name for name in columns if name in cases and 1 < cases[name].nunique() < len(cases)]
        if factors and (result := page.attempt(consistency, cases, "value", factors)) is not None and result.converged:
            found[kpi.id] = result
    if not found:
        return
    page.section("steadiness")
    words = Words(page, spec)
    for kpi, result in found.items():
        display.paragraph(_sentence(page, words.name(kpi), result, columns))
    _table(page, words, found, columns)
    display.paragraph(page.text("steadiness_note"), "note")


def _sentence(page: ReportPage, name: str, found: Consistency, columns: dict[str, str]) -> str:
    """Within or between: which of the factors surely matters, the largest first."""
    text, table = page.text, found.tidy().set_index("term")
    sure = table[table["share_low"] > 0].sort_values("share", ascending=False)
    within = text.percent(table.loc["residual", "share"])
    if sure.empty:
        return text("steady", kpi=name, within=within)
    parts = [text("variation_between", factor=columns[term], share=text.percent(row["share"], 1))
             for term, row in sure.iterrows()]  # fmt: skip
    return text("steady_but", kpi=name, within=within, parts=text.join(parts))


def _table(page: ReportPage, words: Words, found: dict[str, Consistency], columns: dict[str, str]) -> None:
    text, rows = page.text, []
    for kpi, result in found.items():
        for _, row in result.tidy().iterrows():
            residual = row["term"] == "residual"
            cells = [words.name(kpi), text("within_cases") if residual else columns[row["term"]]]
            cells += [text.count(row["levels"]), text.percent(row["share"], 1)]
            cells += [_range(page, row), words.value(kpi, row["estimate"])]
            rows.append([*cells, words.between(kpi, row["conf_low"], row["conf_high"])])
    heads = "indicator variation_source variation_levels variation_share interval_95 variation_sd interval_95"
    listing(page, rows, heads, text("caption_steadiness"), 2)


def _range(page: ReportPage, row: pd.Series) -> str:
    if pd.isna(row["share_low"]):
        return "–"
    low, high = (page.text.percent(row[bound], 1) for bound in ("share_low", "share_high"))
    return page.text("ops_range", low=low, high=high)
