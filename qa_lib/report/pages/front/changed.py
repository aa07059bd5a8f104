"""What changed: dimensions beyond chance, gaps, the periods so far, and figures that were reported otherwise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.manifest import read_manifest
from qa_lib.report.pages.front import versions
from qa_lib.report.pages.front.season import season
from qa_lib.report.pages.front.stand import SIGNIFICANCE, headline_name, headline_number
from qa_lib.report.pages.front.where import signal_sentences
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.report.plan import reports_folder
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.indicators import gap
from qa_lib.tracking.periods import change
from qa_lib.tracking.restatement import restated


def what_changed(
    page: ReportPage, figures: dict[str, tuple[Estimates, Estimates | None]], signals: pd.DataFrame
) -> None:
    """A sentence per dimension, and per group, that moved beyond chance, then the table of all changes."""
    text = page.text
    versions.note(page)
    now, before = figures["rater_index"]
    if before is None:
        display.paragraph(text("no_previous"))
        display.bullets(signal_sentences(page, signals))
        return
    table = change(now, before).tidy()
    beyond = moved(now, before)
    if beyond.empty:
        display.paragraph(text("nothing_moved", period=text.period(page.previous_period)))
    sentences = [
        text(
            "dimension_up" if row.estimate > 0 else "dimension_down",
            dimension=page.dimension_name(row.term),
            amount=text.number(abs(row.estimate)),
            interval=text.interval(row.conf_low, row.conf_high),
        )
        for row in beyond.itertuples()
    ]
    display.bullets([*sentences, *signal_sentences(page, signals)])
    rows = pd.DataFrame(
        {
            text("dimension"): [page.dimension_name(term) for term in table["term"]],
            text.period(page.previous_period): table["previous"].map(text.number),
            text.period(page.period): table["current"].map(text.number),
            text("change"): table["estimate"].map(text.signed),
            text("interval_95"): [
                text.interval(*pair) for pair in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
        }
    )
    sure = table["p_adjusted"].to_numpy() < SIGNIFICANCE
    classes = {(place, 3): "good" if table["estimate"].iloc[place] > 0 else "bad" for place in np.flatnonzero(sure)}
    display.table(rows, text("caption_changes"), classes=classes)


def moved(now: Estimates, before: Estimates) -> pd.DataFrame:
    """The rows of the dimensions whose change is beyond chance (Holm's correction over all)."""
    table = change(now, before).tidy()
    return table[(table["p_adjusted"] < SIGNIFICANCE) & (table["term"] != "rater_index")]


def expected_and_experienced(page: ReportPage) -> None:
    """The SERVQUAL gap of every dimension, experienced − expected; nothing when the study asks no expectations."""
    text = page.text
    pairs = [pair for pair in page.instrument.pairs if set(pair) <= set(page.data)]
    if not pairs:
        return
    page.section("gap_section")
    weights = page.data["weight"] if page.weights else None
    gaps = page.attempt(gap, page.data, pairs, page.dimensions, weights=weights)
    if gaps is None:
        return
    table = gaps.tidy()
    table = table[table["term"].isin([*page.dimensions, "gap"])]
    names = [text("gap_mean") if term == "gap" else page.dimension_name(term) for term in table["term"]]
    rows = {text("dimension"): names}
    for column, key in (("expected", "expected"), ("experienced", "experienced"), ("estimate", "gap")):
        rows[text(key)] = [text.number(value, 2) for value in table[column]]
    rows[text("interval_95")] = [
        text.interval(*pair, 2) for pair in zip(table["conf_low"], table["conf_high"], strict=True)
    ]
    classes = {(place, 3): "bad" for place, high in enumerate(table["conf_high"]) if high < 0}
    display.table(pd.DataFrame(rows), text("caption_gap"), classes=classes)


def over_time(page: ReportPage) -> None:
    """The index of every period up to this one; nothing when it is the first."""
    text = page.text
    rows = []
    for name in (*page.earlier, page.period):
        sums = page.all_scores(name)
        if sums is not None and sums.n_rows >= page.study.spec.minimum_cell and page.shows_itself(name):
            rows.append(page.index_of(sums).tidy().set_index("term").loc["rater_index"].rename(name))
    if len(rows) < 2:
        return
    page.section("over_time")
    table = pd.DataFrame(rows)
    points = interval_columns(table, [text.short_period(name) for name in table.index])
    first, last = points.iloc[0], points.iloc[-1]
    labels = {"target": text("target"), "axis": page.index_name, "break": text("version_mark")}
    marked = versions.breaks(page, list(table.index))
    alt = text(
        "alt_trend",
        name=page.index_name,
        first=first["label"],
        before=text.number(first["estimate"]),
        last=last["label"],
        now=text.number(last["estimate"]),
    )
    alt += "".join(text("alt_version_mark", period=points["label"].iloc[place]) for place in marked)
    display.figure(charts.trend(points, page.study.spec.targets.get("rater_index"), labels, marked), alt)
    season(page, table)


def restatement(page: ReportPage, figures: dict[str, tuple[Estimates, Estimates | None]]) -> None:
    """Says so when the report of the period before gave headline figures that its data no longer give."""
    text, previous = page.text, page.previous_period
    if previous is None:
        return
    stored = read_manifest(reports_folder(page.study) / previous).figures.get(page.segment, {})
    known = {
        name: float(before.tidy().set_index("term").loc[name, "estimate"])
        for name, (_, before) in figures.items()
        if before is not None
    }
    for state in ("restated_from", "now"):
        reported = {name: row["estimate"] for name, row in stored.get(state, {}).items() if name in known and row}
        if said := _differences(page, reported, known):
            display.paragraph(text("front_restated", period=text.period(previous), figures=text.join(said)), "caution")
            return


def _differences(page: ReportPage, reported: dict[str, float], known: dict[str, float]) -> list[str]:
    """Reported and present figures where they differ as the page writes them."""
    lists = [
        [{"term": name, "period": page.previous_period, "estimate": value} for name, value in values.items()]
        for values in (reported, known)
    ]
    changed = restated(*lists)
    changed = changed[changed["status"] == "restated"]
    shown = [
        (headline_name(page, row.term), *(headline_number(page.text, row.term, v) for v in (row.reported, row.current)))
        for row in changed.itertuples()
    ]
    return [page.text("restated_figure", name=name, before=old, now=new) for name, old, new in shown if old != new]
