"""Why things went wrong: error types, causes and kinds of complaint, those too few to show counted together."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

from qa_lib.operations.kpis import Kpis, pareto
from qa_lib.report import charts_operations as charts
from qa_lib.report import display
from qa_lib.report.pages import records
from qa_lib.report.pages.kpi_rows import all_tables
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.shared import outcome
from qa_lib.report.suppression import dated, hidden_cells, hidden_groups

_CAUSES = (("tickets", "cause"), ("tickets", "error"), ("complaints", "kind"))
_MOST = 0.8  # the share that the commonest make up (Juran's vital few)


def ranked(page: ReportPage, tables: dict[str, pd.DataFrame], found: Kpis | None) -> None:
    """Error types, causes and kinds of complaint of this period, the commonest first."""
    if found is None:
        return
    everyone, begun = all_tables(page, found.spec), False
    for name, column in _CAUSES:
        if column not in tables.get(name, ()):
            continue
        at = found.spec.tables[name].at
        counts = pareto(records.of_period(page, tables[name], at), column)
        if counts.empty:
            continue
        if not begun:
            page.section("ops_causes")
        begun = True
        small = counts["cause"].isin(list(hidden_causes(page, everyone[name], column, at)))
        if small.all():
            what = page.text(f"caption_{name}_{column}")
            display.paragraph(page.text("causes_hidden", what=what, minimum=page.study.spec.minimum_cell), "note")
            continue
        _show(page, f"{name}_{column}", _pooled(page, counts, small), len(counts))
        if small.any():
            display.paragraph(page.text("causes_pooled", n=small.sum(), minimum=page.study.spec.minimum_cell), "note")


def hidden_causes(page: ReportPage, everyone: pd.DataFrame, column: str, at: str) -> set[Hashable]:
    """The causes whose counts this page may not show: too few cases, or what gives these away.

    ``everyone`` are the cases of all units and periods: what pages beside this one show counts as known.
    """
    named = everyone[everyone[column].fillna("").astype(str).str.strip() != ""]
    segment, _, value = page.segment.partition("=")
    known = [at, column, *([segment] if segment in named else [])]
    cases, minimum = dated(named[known], at), page.study.spec.minimum_cell
    if not segment or not records.knows_segment(page, named):
        return hidden_groups(cases, column, page.period, minimum)
    cases = cases.assign(**{segment: cases[segment].fillna("").astype(str)})
    asked = (cases, tuple(sorted((segment, column))), page.period, minimum)
    cells = outcome(hidden_cells, asked, {}).result  # the same on the pages of every unit
    cells = cells if segment < column else cells.T
    return set(cells.columns[cells.loc[value]]) if value in cells.index else set()


def _pooled(page: ReportPage, counts: pd.DataFrame, small: pd.Series) -> pd.DataFrame:
    """The causes shown and, last, those too few to show as one, with ``label`` and the ``cumulative`` share."""
    text, rows = page.text, counts[~small]
    labels = [text(f"cause_{cause}") if text.has(f"cause_{cause}") else str(cause) for cause in rows["cause"]]
    rows = rows.assign(label=labels)
    if small.any():
        together = counts.loc[small, ["count", "share"]].sum()
        rows.loc[len(counts)] = {**together, "label": text("other_causes", n=small.sum())}
    return rows.assign(cumulative=rows["share"].cumsum()).reset_index(drop=True)


def _show(page: ReportPage, what: str, rows: pd.DataFrame, kinds: int) -> None:
    """A sentence; then causes as a chart, the others as a table."""
    text = page.text
    few = int((rows["cumulative"].shift(fill_value=0) < _MOST).sum())
    sentence = text(
        f"{'pareto' if few < len(rows) else 'pareto_even'}_{what}", n=text.count(rows["count"].sum()), k=few, of=kinds,
        share=text.percent(rows["cumulative"].iloc[few - 1]), names=text.join(rows["label"].iloc[:few].tolist()),
    )  # fmt: skip
    display.paragraph(sentence)
    if what == "tickets_cause":
        display.figure(charts.pareto(rows, {"axis": text("axis_cause")}), sentence)
        return
    table = {text(f"column_{what}"): rows["label"], text("n_of_cases"): rows["count"].map(text.count)}
    table |= {text("share"): rows["share"].map(text.percent), text("so_far"): rows["cumulative"].map(text.percent)}
    display.table(pd.DataFrame(table), text(f"caption_{what}"))
