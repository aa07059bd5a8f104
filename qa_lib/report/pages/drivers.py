"""What moves satisfaction: the regression, how much each dimension matters, and whether the model may be believed."""

from __future__ import annotations

import pandas as pd

from qa_lib.effects.regression import Drivers
from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage

SIGNIFICANCE = 0.05


def importance(page: ReportPage, drivers: Drivers | None) -> None:
    """Shares of the explained variance with bootstrap intervals: sentence, picture, table."""
    text = page.text
    if drivers is None:
        return
    table = drivers.importance.tidy()
    table = table[table["method"] == "general_dominance"].sort_values("estimate", ascending=False)
    total = drivers.glance()["r_squared"].item()
    scaled = table.drop(columns=["estimate", "conf_low", "conf_high"]).rename(
        columns={"share": "estimate", "share_low": "conf_low", "share_high": "conf_high"}
    )
    names = [page.dimension_name(term) for term in table["term"]]
    display.paragraph(
        text("r_squared_sentence", r_squared=text.percent(total), n=text.count(drivers.glance()["n"].item()))
    )
    rows = scaled[["estimate", "conf_low", "conf_high"]].assign(label=names)
    display.figure(
        charts.bars(rows, {"axis": text("priorities_importance")}), text("alt_importance", dimension=names[0])
    )
    display.table(
        pd.DataFrame(
            {
                text("dimension"): names,
                text("importance_share"): scaled["estimate"].map(text.percent).to_numpy(),
                text("interval_95"): [
                    f"{text.percent(low)} {text('to')} {text.percent(high)}"
                    for low, high in zip(scaled["conf_low"], scaled["conf_high"], strict=True)
                ],
                text("rank"): table["rank"].map(text.count).to_numpy(),
                text("rank_interval"): [
                    text.interval(low, high, 0) for low, high in zip(table["rank_low"], table["rank_high"], strict=True)
                ],
            }
        ),
        text("caption_importance"),
    )


def coefficients(page: ReportPage, drivers: Drivers | None) -> None:
    """Raw and standardised coefficients with robust intervals and the variance inflation of each dimension."""
    text = page.text
    if drivers is None:
        return
    page.section("driver_coefficients")
    table = drivers.tidy()
    names = [text("intercept") if term == "Intercept" else page.dimension_name(term) for term in table["term"]]
    display.table(
        pd.DataFrame(
            {
                text("dimension"): names,
                text("coefficient"): table["estimate"].map(lambda value: text.number(value, 3)),
                text("std_error"): table["std_error"].map(lambda value: text.number(value, 3)),
                text("p"): table["p_value"].map(text.p_value),
                text("interval_95"): [
                    text.interval(low, high, 3) for low, high in zip(table["conf_low"], table["conf_high"], strict=True)
                ],
                text("std_coefficient"): table["std_all"].map(lambda value: text.number(value, 3)),
                text("vif"): [text.number(drivers.vif.get(term), 2) for term in table["term"]],
            }
        ),
        text("caption_coefficients"),
    )
    display.paragraph(text("errors_note", errors=drivers.glance()["cov_type"].item()), "note")
    display.paragraph(text("not_causal"), "note")


def diagnostics(page: ReportPage, drivers: Drivers | None) -> None:
    """What the checks of the model say, in words; the concerns first."""
    text = page.text
    if drivers is None:
        return
    page.section("driver_diagnostics")
    checks = drivers.diagnostics
    concerns = checks[checks["concern"].astype(bool)]
    display.bullets([text(f"concern_{row.term}", value=text.number(row.estimate, 2)) for row in concerns.itertuples()])
    if concerns.empty:
        display.paragraph(text("no_concerns"))
    rows = pd.DataFrame(
        {
            text("check"): [text(f"check_{term}") for term in checks["term"]],
            text("value"): checks["estimate"].map(lambda value: text.number(value, 3)),
            text("p"): checks["p_value"].map(text.p_value),
            text("concern"): [text("yes") if concern else text("no") for concern in checks["concern"]],
        }
    )
    rows.insert(1, text("source"), checks["source"])
    display.table(rows, text("caption_diagnostics"), text_columns=2)
