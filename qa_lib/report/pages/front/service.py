"""What changed in the service itself: the headline KPIs with their standard and their change."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from qa_lib.operations.kpis import Kpis, kpis
from qa_lib.report import display
from qa_lib.report.pages import kpi_rows, records
from qa_lib.report.pages.front.stand import SIGNIFICANCE
from qa_lib.report.pages.operations import standards_sentence
from qa_lib.report.pages.page import ReportPage
from qa_lib.results import Provenance
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.periods import change

_FEWEST, _MOST = 3, 6
_MOODS = {"met": "good", "not_met": "bad"}
_Z = 1.959964


def standards_kept(page: ReportPage) -> tuple[kpi_rows.Words, pd.DataFrame] | None:
    """The rows of this page's KPIs, if any has a standard, and how they are written; warns of nothing."""
    found = _found(page, page.known)
    if found is None:
        return None
    words = kpi_rows.Words(page, found.spec)
    rows = _of_page(page, words, kpi_rows.rows_of(page, found))
    return (words, rows) if rows["verdict"].notna().any() else None


def _found(page: ReportPage, run: Callable[..., Kpis | None]) -> Kpis | None:
    spec = kpi_rows.spec_of(page)
    tables = kpi_rows.tables(page, spec)
    return run(kpis, tables, spec, period=kpi_rows.frequency(page)) if set(tables) - {"roster"} else None


def headline_kpis(page: ReportPage) -> None:
    """How many standards were missed, and three to six KPIs as cards; nothing for a study without records."""
    found = _found(page, page.attempt)
    if found is None:
        return
    words = kpi_rows.Words(page, found.spec)
    rows = _of_page(page, words, kpi_rows.rows_of(page, found))
    shown = rows.loc[_chosen(rows)]
    if shown.empty:
        return
    page.section("front_kpis", 3)
    if rows["verdict"].notna().any():
        display.paragraph(standards_sentence(page, words, rows))
    moved = _changes(page, found, shown)
    display.cards([_card(page, words, found, shown.loc[kpi], moved) for kpi in shown.index])
    display.paragraph(page.text("standards_note"), "note")


def _of_page(page: ReportPage, words: kpi_rows.Words, rows: pd.DataFrame) -> pd.DataFrame:
    """On a segment's page the KPIs whose records know the segment."""
    if not page.segment:
        return rows
    tables = page.study.operations()
    known = {name for name, table in tables.items() if records.knows_segment(page, table)}
    return rows.loc[[words.kpis[kpi].table in known for kpi in rows.index]]


def _chosen(rows: pd.DataFrame) -> list[str]:
    """Missed standards first, then the study's own order; KPIs without a standard only to make up three."""
    missed, standard = rows["verdict"].eq("not_met"), rows["target"].notna()
    ranked = [*rows.index[missed], *rows.index[standard & ~missed]][:_MOST]
    ranked += list(rows.index[~standard])[: max(_FEWEST - len(ranked), 0)]
    return [kpi for kpi in rows.index if kpi in ranked]


def _changes(page: ReportPage, found: Kpis, shown: pd.DataFrame) -> pd.DataFrame:
    """Per KPI the change, since the period before, of what is held against its standard; Holm's correction over all."""
    previous = kpi_rows.previous_of(page, found)
    if previous is None:
        return pd.DataFrame(columns=["estimate", "p_adjusted"])
    before = kpi_rows.rows_of(page, found, previous)
    before = before.loc[[kpi for kpi in shown.index if kpi in before.index]]
    return change(_judged(shown.loc[before.index]), _judged(before)).tidy().set_index("term")


def _judged(rows: pd.DataFrame) -> Estimates:
    """A share's standard error is read off its interval, which is never empty at 0 or 1."""
    table = kpi_rows.judged(rows)
    table["std_error"] = (table["conf_high"] - table["conf_low"]) / (2 * _Z)
    table = table.assign(n_effective=rows["n"].astype(float)).rename_axis("term").reset_index()
    n = int(rows["n"].sum())
    return Estimates(table, n, float(n), "KPIs", 0.95, Provenance("kpis", n))


def _card(page: ReportPage, words: kpi_rows.Words, found: Kpis, row: pd.Series, moved: pd.DataFrame) -> dict[str, str]:
    text, kpi, attained = page.text, row.name, pd.notna(row["attainment"])
    if attained:
        value, low, high = (words.share(row[f"attainment{end}"]) for end in ("", "_low", "_high"))
        detail = text("ops_range", low=low, high=high)
    else:
        value = words.value(kpi, row["estimate"])
        detail = words.between(kpi, row["conf_low"], row["conf_high"])
    if pd.notna(row["target"]):
        detail += " · " + words.standard(kpi)
    card = {"label": words.name(kpi), "value": value, "detail": detail}
    card["mood"] = _MOODS.get(row["verdict"], "neutral")
    if kpi in moved.index and pd.notna(moved.loc[kpi, "estimate"]):
        amount = moved.loc[kpi, "estimate"]
        shown = text("unit_points", value=text.signed(100 * amount)) if attained else words.signed(kpi, amount)
        sure = "change_sure" if moved.loc[kpi, "p_adjusted"] < SIGNIFICANCE else "change_unsure"
        card["change"] = text(sure, amount=shown, period=text.short_period(kpi_rows.previous_of(page, found)))
    return card
