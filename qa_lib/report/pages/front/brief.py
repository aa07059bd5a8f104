"""The page in a minute: where we stand in a sentence, then what changed, what failed, what to do, may we trust it."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import display
from qa_lib.report.pages.front.changed import moved
from qa_lib.report.pages.front.service import standards_kept
from qa_lib.report.pages.front.trust import reliability_said
from qa_lib.report.pages.front.why import (
    driver_positions,
    known_actions,
    newly_judged,
    weak_and_important,
    weakest,
)
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.shared import outcome
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.indicators import band
from qa_lib.trust.reliability import reliability

_MOST = 3
Figures = dict[str, tuple[Estimates, Estimates | None]]


def in_brief(page: ReportPage, figures: Figures, signals: pd.DataFrame) -> None:
    """The lead sentence, then a line per question, each linked to the section that answers it whole."""
    display.paragraph(_lead(page, figures["rater_index"][0]), "lead")
    lines = {
        "what_changed": _changed(page, figures["rater_index"], signals),
        "front_kpis": _service(page),
        "what_to_do": (_first(page, figures["rater_index"][0]) + _actions(page)).strip(),
        "may_we_trust_it": _trusted(page),
    }
    display.brief([(anchor, page.text(anchor), said) for anchor, said in lines.items() if said])


def _lead(page: ReportPage, index: Estimates) -> str:
    text, row = page.text, index.tidy().set_index("term").loc["rater_index"]
    return text(
        "lead",
        name=page.index_inside,
        period=text.period(page.period),
        index=text.number(row["estimate"]),
        interval=text.interval(row["conf_low"], row["conf_high"]),
        band=text(f"band_{band(row['estimate'])}"),
        target=_against_target(page, row),
        n=text.count(page.n_answered),
    )


def _against_target(page: ReportPage, row: pd.Series) -> str:
    """Where the index is surely below its target or has surely reached it; nothing without a target."""
    target = page.study.spec.targets.get("rater_index")
    if target is None:
        return ""
    key = "met" if row["conf_low"] >= target else "missed" if row["conf_high"] < target else "open"
    return page.text(f"lead_target_{key}", target=page.text.number(target))


def _changed(page: ReportPage, index: tuple[Estimates, Estimates | None], signals: pd.DataFrame) -> str:
    """Dimensions that changed beyond chance, then groups that left their level, the largest first."""
    text, (now, before) = page.text, index
    if before is None:
        return ""
    parts = [
        part.sort_values("estimate", key=abs, ascending=False, kind="stable")
        for part in (moved(now, before), signals)
        if len(part)
    ]
    rows = pd.concat(parts or [signals])
    if rows.empty:
        return text("brief_steady", period=text.period(page.previous_period))
    shown = rows.head(_MOST).reindex(columns=["segment", "unit", "term", "estimate"])
    groups = shown.groupby(["segment", "unit"], dropna=False, sort=False)
    said = [_moved(page, *group, part) for group, part in groups]
    rest = len(rows) - len(shown)
    return text("brief_changed_more" if rest else "brief_changed", changes=text("brief_separator").join(said), n=rest)


def _moved(page: ReportPage, segment: str, unit: str, rows: pd.DataFrame) -> str:
    """By how many points dimensions moved: of everyone, or of one group against its recent level."""
    text = page.text
    amounts = [
        text("brief_moved", dimension=page.dimension_name(row.term), amount=text.signed(row.estimate))
        for row in rows.itertuples()
    ]
    if pd.isna(unit):
        return text.join(amounts)
    return text("brief_left", unit=page.unit_name(segment, unit), amounts=text.join(amounts))


def _service(page: ReportPage) -> str:
    kept = standards_kept(page)
    if kept is None:
        return ""
    words, rows = kept
    missed = rows.index[rows["verdict"] == "not_met"]
    return page.text(
        "brief_missed" if len(missed) else "brief_kept",
        missed=len(missed),
        n=int(rows["verdict"].notna().sum()),
        names=page.text.join([words.name(kpi) for kpi in missed]),
    )


def _first(page: ReportPage, index: Estimates) -> str:
    positions = driver_positions(page, page.drivers(silent=True), index)
    if positions is None:
        return ""
    weak, sure = weak_and_important(positions)
    if weak.empty:
        return next(iter(weakest(page, positions)), page.text("brief_first_none"))
    key = "brief_first" if sure else "brief_first_likely"
    return page.text(key, dimensions=page.text.join(list(weak["label"])))


def _actions(page: ReportPage) -> str:
    """Which actions to keep, to change and to give up."""
    text, judged = page.text, newly_judged(page, known_actions(page, silent=True))
    if judged.empty:
        return ""
    groups = []
    for verdict, rows in judged.groupby("verdict", sort=False):
        names = text.join([text("quoted", quote=name) for name in rows["term"]])
        groups.append(text("brief_action", verdict=text(f"action_{verdict}"), actions=names))
    return text("brief_actions", actions=text("brief_separator").join(groups))


def _trusted(page: ReportPage) -> str:
    found = outcome(reliability, (page.data, page.dimensions), {"weights": page.weights}).result
    return reliability_said(page, found) if found is not None else ""
