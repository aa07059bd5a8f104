"""Who answered what: exclusions, screening, distributions, descriptives, correlations."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage
from qa_lib.trust.describe import Correlations, Descriptives

_FLAGS = ("longstring", "irv", "even_odd", "mahalanobis", "duration", "attention", "duplicate")


def who_answered(page: ReportPage, ledger: pd.DataFrame) -> None:
    """Counts by segment, and what cleaning did, reason by reason."""
    text = page.text
    display.paragraph(text("n_answered", n=text.count(page.n_answered), period=text.period(page.period)), "lead")
    for segment in page.study.spec.segments:
        if segment.id in page.data:
            _segment_counts(page, segment.id, text.of(segment.name, segment.id))
    page.section("ledger", 3)
    if ledger.empty:
        display.paragraph(text("ledger_empty"))
        return
    summary = ledger.groupby("reason", sort=True)["count"].sum().sort_values(ascending=False)
    reasons = [page.reason(reason) for reason in summary.index]
    display.table(
        pd.DataFrame({text("reason"): reasons, text("n_cells"): summary.map(text.count).to_numpy()}),
        text("caption_ledger"),
    )


def _segment_counts(page: ReportPage, column: str, name: str) -> None:
    text = page.text
    counts = page.data[column].value_counts().sort_index()
    shown = counts[page.shown_groups(column)]
    rows = pd.DataFrame(
        {
            name: [page.segment_label(column, value) for value in shown.index],
            text("n_responses"): shown.map(text.count).to_numpy(),
            text("share"): (shown / counts.sum()).map(text.percent).to_numpy(),
        }
    )
    if len(rows):
        display.table(rows, text("caption_counts", segment=name))


def screening(page: ReportPage, flags: pd.DataFrame | None) -> None:
    """How many respondents each rule of careless responding flags; nobody is deleted here."""
    text = page.text
    if flags is None:
        return
    rules = [rule for rule in _FLAGS if f"{rule}_flag" in flags] + ["flagged"]
    columns = [f"{rule}_flag" if rule != "flagged" else rule for rule in rules]
    checked = [rule == "flagged" or flags[rule].notna().any() for rule in rules]
    counts = flags[columns].sum().where(checked)
    rows = pd.DataFrame(
        {
            text("screening_rule"): [text(f"screen_{rule}") for rule in rules],
            text("n_flagged"): [
                text.count(n) if known else text("not_checked") for n, known in zip(counts, checked, strict=True)
            ],
            text("share"): (counts / len(flags)).map(lambda share: text.percent(share, 1)).to_numpy(),
        }
    )
    display.table(rows, text("caption_screening"))
    display.paragraph(text("screening_note"), "note")


def distributions(page: ReportPage) -> None:
    """Diverging bars of every item, a picture per dimension."""
    text = page.text
    for dimension, items in page.dimensions.items():
        display.heading(page.dimension_name(dimension), f"answers-{dimension}", 3)
        for scale, group in _by_scale(page, items).items():
            levels = list(range(int(scale[0]), int(scale[1]) + 1))
            shares = pd.DataFrame(
                {item: page.data[item].value_counts(normalize=True).reindex(levels, fill_value=0) for item in group}
            ).T.fillna(0)
            favourable = shares.iloc[:, len(levels) // 2 + len(levels) % 2 :].sum(axis=1)
            alt = text(
                "alt_likert",
                item=favourable.idxmin(),
                share=text.percent(favourable.min()),
                n=text.count(len(page.data)),
            )
            labels = page.scale_labels(group[0], levels)
            shares.index = [page.item_label(item) for item in group]
            display.figure(charts.likert(shares, labels, {"axis": text("axis_share")}), alt)


def _by_scale(page: ReportPage, items: list[str]) -> dict[tuple[float, float], list[str]]:
    groups: dict[tuple[float, float], list[str]] = {}
    for item in items:
        groups.setdefault(page.instrument.scale_of(item), []).append(item)
    return groups


def descriptives(page: ReportPage, described: Descriptives | None) -> None:
    """A row per item: n, mean with interval, spread, missing, lowest and highest answer."""
    text = page.text
    if described is None:
        return
    table = described.tidy()
    ends = [page.instrument.scale_of(item) for item in table["item"]]
    at_end = {
        key: [
            described.distribution.get(end[place], {}).get(item, 0)
            for item, end in zip(table["item"], ends, strict=True)
        ]
        for place, key in enumerate(("floor", "ceiling"))
    }
    rows = pd.DataFrame(
        {
            text("item"): [page.item_label(item, 200) for item in table["item"]],
            text("n"): table["n"].map(text.count),
            text("mean"): table["estimate"].map(lambda value: text.number(value, 2)),
            text("interval_95"): [
                text.interval(low, high, 2) for low, high in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
            text("sd"): table["sd"].map(lambda value: text.number(value, 2)),
            text("skew"): table["skew"].map(lambda value: text.number(value, 2)),
            text("missing"): table["missing"].map(lambda value: text.percent(value, 1)),
            text("floor"): [text.percent(share) for share in at_end["floor"]],
            text("ceiling"): [text.percent(share) for share in at_end["ceiling"]],
        }
    )
    display.table(rows, text("caption_descriptives"))


def correlation_matrix(page: ReportPage, correlations: Correlations | None) -> None:
    """Correlations of the dimensions and the outcomes as a heat map."""
    if correlations is None:
        return
    matrix = correlations.correlation
    names = [
        page.dimension_name(name) if name in page.dimensions else page.text(f"outcome_{name}")
        for name in matrix.columns
    ]
    named = matrix.set_axis(names, axis=0).set_axis(names, axis=1)
    display.figure(charts.matrix(named, {}), page.text("alt_correlations"))
