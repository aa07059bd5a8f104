"""Where do we stand: the headline figures, their targets, and the dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.report.text import Text
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.indicators import csat, effort, nps
from qa_lib.tracking.periods import change

SIGNIFICANCE = 0.05


def headline(page: ReportPage) -> dict[str, tuple[Estimates, Estimates | None]]:
    """Every headline figure of this period and of the one before: index, CSAT, NPS, effort, as far as asked."""
    measures = {"rater_index": page.index} | {
        name: _of_item(page, measure, page.outcomes[role])
        for name, role, measure in (("csat", "satisfaction", csat), ("nps", "nps", nps), ("ces", "effort", effort))
        if role in page.outcomes
    }
    return {
        name: (measure(page.data), measure(page.before) if page.before is not None else None)
        for name, measure in measures.items()
    }


def _of_item(page: ReportPage, measure: Callable[..., Estimates], item: str) -> Callable[[pd.DataFrame], Estimates]:
    settings = {} if measure is nps else {"scale": page.instrument.scale_of(item)}
    return lambda data: measure(data[item], weights=data["weight"] if page.weights else None, **settings)


def where_we_stand(page: ReportPage, figures: dict[str, tuple[Estimates, Estimates | None]]) -> None:
    """The headline cards and the picture of the dimensions."""
    text = page.text
    rows = {name: now.tidy().set_index("term").loc[name] for name, (now, _) in figures.items()}
    kept = {name: {key: float(row[key]) for key in ("estimate", "conf_low", "conf_high")} for name, row in rows.items()}
    display.cards([_card(page, name, *pair) for name, pair in figures.items()], {"n": page.n_answered, **kept})
    _dimension_chart(page, *figures["rater_index"])
    display.paragraph(text(f"index_mapping_{page.study.spec.index_mapping}"), "note")


def _card(page: ReportPage, name: str, now: Estimates, before: Estimates | None) -> dict[str, str]:
    text = page.text
    row = now.tidy().set_index("term").loc[name]

    def show(value: float) -> str:
        return headline_number(text, name, value)

    target = page.study.spec.targets.get(name)
    card = {
        "label": headline_name(page, name),
        "value": show(row["estimate"]),
        "detail": text("card_interval", low=show(row["conf_low"]), high=show(row["conf_high"])),
    }
    if target is not None:
        card["detail"] += " · " + text("card_target", target=show(target))
        card["mood"] = "good" if row["conf_low"] >= target else "bad" if row["conf_high"] < target else "neutral"
    if before is not None:
        moved = change(now, before).tidy().set_index("term").loc[name]
    if before is not None and np.isfinite(moved["estimate"]):
        factor, unit = (100, text("points_percent")) if name == "csat" else (1, "")
        sure = "change_sure" if moved["p_value"] < SIGNIFICANCE else "change_unsure"
        amount = text.signed(factor * moved["estimate"], _digits(name)) + unit
        card["change"] = text(sure, amount=amount, period=text.short_period(page.previous_period))
    return card


def headline_name(page: ReportPage, name: str) -> str:
    return page.index_name if name == "rater_index" else page.text(name)


def headline_number(text: Text, name: str, value: float) -> str:
    """A headline figure as the page writes it."""
    return text.percent(value, 0) if name == "csat" else text.number(value, _digits(name))


def _digits(name: str) -> int:
    return 2 if name == "ces" else 1


def _dimension_chart(page: ReportPage, now: Estimates, before: Estimates | None) -> None:
    text = page.text
    table = now.tidy()
    names = [page.dimension_name(term) for term in table["term"]]
    earlier = None
    if before is not None:
        past = before.tidy()
        earlier = interval_columns(past, [page.dimension_name(term) for term in past["term"]])
    dimensions = table[table["term"] != "rater_index"]
    low, high = (dimensions.loc[place] for place in (dimensions["estimate"].idxmin(), dimensions["estimate"].idxmax()))
    target = page.study.spec.targets.get("rater_index")
    labels = {
        "now": text.period(page.period),
        "before": text.period(page.previous_period) if page.previous_period else "",
        "target": text("target"),
        "axis": text("axis_0_100"),
    }
    drawn = charts.scores(interval_columns(table, names), earlier, target, labels)
    ends = {"highest": high, "lowest": low}
    facts = {name: page.dimension_name(row["term"]) for name, row in ends.items()}
    facts |= {f"{name}_score": text.number(row["estimate"]) for name, row in ends.items()}
    display.figure(drawn, text("alt_scores", **facts))
