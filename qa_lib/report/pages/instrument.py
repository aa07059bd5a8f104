"""May the questionnaire be trusted this period: reliability, items, factorability."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import display
from qa_lib.report.pages.page import VERDICT_CLASSES, ReportPage
from qa_lib.results import Result
from qa_lib.trust.reliability import WHOLE_INSTRUMENT, Reliability

_HEADLINE = ("alpha", "omega_total", "omega_ordinal")


def reliability(page: ReportPage, result: Reliability | None) -> None:
    """One verdict per dimension in words, then a row per dimension with the coefficients that count most."""
    text = page.text
    if result is None:
        return
    verdicts = result.judge(page.study.criteria())
    alphas = verdicts[verdicts["term"] == "alpha"]
    for verdict in ("met", "undecided", "not_met"):
        names = [page.dimension_name(name) for name in alphas.loc[alphas["verdict"] == verdict, "dimension"]]
        if names:
            threshold = text.number(alphas["threshold"].iloc[0], 2)
            display.paragraph(text(f"reliability_{verdict}", dimensions=text.join(names), threshold=threshold))
    by_term = {term: verdicts[verdicts["term"] == term].set_index("dimension") for term in _HEADLINE}
    rows, classes = [], {}
    for place, dimension in enumerate(alphas["dimension"]):
        row = {text("dimension"): page.dimension_name(dimension)}
        for column, (term, found) in enumerate(by_term.items(), 1):
            known = found.loc[dimension] if dimension in found.index else None
            row[text(f"reliability_{term}")] = "–" if known is None else _with_interval(page, known)
            if known is not None:
                classes[place, column] = VERDICT_CLASSES[known["verdict"]]
        rows.append(row)
    source = alphas["source"].iloc[0].partition(")")[0] + ")"
    caption = text("caption_trust", threshold=text.number(alphas["threshold"].iloc[0], 2), source=source)
    display.table(pd.DataFrame(rows), caption, classes=classes)


def _with_interval(page: ReportPage, row: pd.Series) -> str:
    value = page.text.number(row["estimate"], 2)
    if pd.isna(row["conf_low"]):
        return value
    return f"{value} ({page.text.interval(row['conf_low'], row['conf_high'], 2)})"


def coefficients(page: ReportPage, result: Result | None) -> None:
    """Every coefficient with its interval, threshold and verdict; those that could not be had are left out."""
    text = page.text
    if result is None:
        return
    verdicts = result.judge(page.study.criteria())[["term", "dimension", "verdict", "threshold", "source"]]
    judged = result.tidy().dropna(subset=["estimate"]).merge(verdicts, how="left").reset_index(drop=True)
    rows = pd.DataFrame(
        {
            text("dimension"): [_dimension_name(page, name) for name in judged["dimension"]],
            text("coefficient_kind"): [text(f"reliability_{term}") for term in judged["term"]],
            text("estimate"): judged["estimate"].map(lambda value: text.number(value, 3)),
            text("interval_95"): [
                text.interval(low, high, 3) for low, high in zip(judged["conf_low"], judged["conf_high"], strict=True)
            ],
            text("threshold"): judged["threshold"].map(lambda value: text.number(value, 2)),
            text("verdict"): [text(f"verdict_{name}") if isinstance(name, str) else "–" for name in judged["verdict"]],
        }
    )
    classes = {
        (position, 5): VERDICT_CLASSES[name] for position, name in enumerate(judged["verdict"]) if isinstance(name, str)
    }
    display.table(rows, text("caption_reliability"), text_columns=2, classes=classes, most=15)
    sources = judged.dropna(subset=["source"]).drop_duplicates("source")
    for row in sources.itertuples():
        display.paragraph(
            text("threshold_source", term=text(f"reliability_{row.term}"), source=row.source), "note", row.source
        )


def _dimension_name(page: ReportPage, dimension: str) -> str:
    return page.text("whole_instrument") if dimension == WHOLE_INSTRUMENT else page.dimension_name(dimension)


def item_analysis(page: ReportPage, result: Reliability | None) -> None:
    """A row per item: how it goes with the rest of its dimension, and what alpha would be without it."""
    text = page.text
    if result is None:
        return
    items = result.items
    minimum = page.study.criteria().by_measure["item_rest_r"].threshold
    rows = pd.DataFrame(
        {
            text("item"): [page.item_label(item, 200) for item in items["item"]],
            text("dimension"): [page.dimension_name(name) for name in items["dimension"]],
            text("item_rest_r"): items["item_rest_r"].map(lambda value: text.number(value, 2)),
            text("alpha_if_dropped"): items["alpha_if_dropped"].map(lambda value: text.number(value, 3)),
            text("mean"): items["mean"].map(lambda value: text.number(value, 2)),
            text("sd"): items["sd"].map(lambda value: text.number(value, 2)),
            text("missing"): items["missing"].map(lambda value: text.percent(value, 1)),
        }
    )
    classes = {(position, 2): "bad" for position, value in enumerate(items["item_rest_r"]) if value < minimum}
    weak = list(items.loc[items["item_rest_r"] < minimum, "item"])
    words = {"items": text.join(weak), "n": text.count(len(items)), "minimum": text.number(minimum, 2)}
    display.paragraph(text("items_weak" if weak else "items_good", **words))
    display.table(rows, text("caption_items", minimum=text.number(minimum, 2)), text_columns=2, classes=classes)
    suspects = list(items.loc[items["suspect_reversed"].astype(bool), "item"])
    if suspects:
        display.paragraph(text("suspect_reversed", items=text.join(suspects)), "caution")


def factorability(page: ReportPage, result: Result | None) -> None:
    """Whether the items share enough for factors: KMO and Bartlett's test."""
    text = page.text
    if result is None:
        return
    glance = result.glance().iloc[0]
    criterion = page.study.criteria().by_measure["kmo"]
    key = "factorable" if criterion.verdict(glance["kmo"]) == "met" else "not_factorable"
    display.paragraph(text(key, threshold=text.number(criterion.threshold, 2)))
    display.paragraph(
        text(
            "factorability_sentence",
            kmo=text.number(glance["kmo"], 3),
            chisq=text.number(glance["chisq"], 1),
            df=text.count(glance["df"]),
            p=text.p_statement(glance["p_value"]),
        )
    )
