"""Why, and what to do: what matters most, the priorities in words, the actions and whether they worked."""

from __future__ import annotations

import pandas as pd

from qa_lib.effects.regression import Drivers
from qa_lib.report import charts, display
from qa_lib.report.pages import improvement
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import span
from qa_lib.tracking.estimates import Estimates

_MOST_ACTIONS = 5
_DUE_FOR = pd.DateOffset(months=12)


def importance(page: ReportPage, positions: pd.DataFrame | None) -> None:
    """Which dimension matters most for satisfaction, and importance against performance as a picture."""
    if positions is None:
        return
    text = page.text
    labels = {key: text(f"priorities_{key}") for key in ("performance", "importance", "act", "keep")}
    strongest = positions.loc[positions["importance"].idxmax()]
    leading = _leading(positions)
    if len(leading) > 1:
        display.paragraph(text("drivers_undecided", dimensions=text.join(list(leading["label"]))))
    else:
        display.paragraph(
            text(
                "strongest_driver",
                dimension=strongest["label"],
                share=text.percent(strongest["importance"]),
                low=text.percent(strongest["importance_low"]),
                high=text.percent(strongest["importance_high"]),
            )
        )
    weak = text.join(list(weak_and_important(positions)[0]["label"])) or text("ops_none")
    facts = {"dimension": strongest["label"], "share": text.percent(strongest["importance"]), "weak": weak}
    display.figure(charts.priorities(positions, labels), text("alt_priorities", **facts))
    display.paragraph(text("not_causal"), "note")


def what_to_do(page: ReportPage, positions: pd.DataFrame | None) -> None:
    """The priorities in words; actions whose effect is known since at most a year, and those still under way."""
    said = [] if positions is None else _priorities(page, positions)
    actions = known_actions(page)
    if not said and actions.empty:
        return
    page.section("what_to_do")
    for sentence in said:
        display.paragraph(sentence)
    if not actions.empty:
        _actions(page, actions)


def known_actions(page: ReportPage, silent: bool = False) -> pd.DataFrame:
    """This page's actions and their effects; empty where there are none."""
    found = improvement.effects(page, improvement.started(page), silent)
    return pd.DataFrame() if found is None else improvement.own(page, found.tidy())


def newly_judged(page: ReportPage, table: pd.DataFrame) -> pd.DataFrame:
    """Of actions those whose effect is known since at most a year, the newest first."""
    if table.empty:
        return table
    ended = table["end"].where(table["end"].notna(), table["start"]).map(improvement.first_day)
    due = table.assign(ended=ended)[(table["verdict"] != "too_early") & (ended >= span(page.period)[1] - _DUE_FOR)]
    return due.sort_values("ended", ascending=False, kind="stable").head(_MOST_ACTIONS)


def _leading(positions: pd.DataFrame) -> pd.DataFrame:
    return positions[positions["rank_low"] == 1].sort_values("importance", ascending=False)


def _priorities(page: ReportPage, positions: pd.DataFrame) -> list[str]:
    weak, sure = weak_and_important(positions)
    if weak.empty:
        open_to_all = len(_leading(positions)) == len(positions)
        return [page.text("work_on_undecided" if open_to_all else "work_on_none"), *weakest(page, positions)]
    return [page.text("work_on" if sure else "work_on_likely", dimensions=page.text.join(list(weak["label"])))]


def weak_and_important(positions: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """What is more important and weaker than the average dimension, and whether the intervals leave no doubt of it;
    nothing when the ranks cannot be told apart."""
    importance, performance = positions["importance"].mean(), positions["performance"].mean()
    first = (positions["importance"] > importance) & (positions["performance"] < performance)
    if len(_leading(positions)) == len(positions):
        first[:] = False
    weak = positions[first].sort_values("importance", ascending=False)
    return weak, bool(((weak["importance_low"] > importance) & (weak["performance_high"] < performance)).all())


def weakest(page: ReportPage, positions: pd.DataFrame) -> list[str]:
    """A sentence on the dimensions that customers rate surely lower than the service as a whole; none where none."""
    below = positions[positions["performance_high"] < positions["index_low"]].sort_values("performance")
    names = [
        page.text("name_score", name=row.label, score=page.text.number(row.performance)) for row in below.itertuples()
    ]
    return [page.text("surely_weak", dimensions=page.text.join(names))] if names else []


def _actions(page: ReportPage, table: pd.DataFrame) -> None:
    text, names = page.text, improvement.indicator_names(page)
    display.bullets(
        [
            text(
                "front_action",
                action=row.term,
                reason=text(f"reason_{row.reason}"),
                indicator=names.get(row.indicator, row.indicator),
                **improvement.effect_words(page, row),
                verdict=text(f"action_{row.verdict}"),
            )
            for row in newly_judged(page, table).itertuples()
        ]
    )
    early = table["verdict"] == "too_early"
    if early.any():
        display.paragraph(text("actions_under_way", actions=text.join(list(table.loc[early, "term"]))))


def driver_positions(page: ReportPage, drivers: Drivers | None, index: Estimates) -> pd.DataFrame | None:
    """Per dimension its importance share (general dominance) and its performance, with both intervals."""
    if drivers is None:
        return None
    shares = drivers.importance.tidy()
    shares = shares[shares["method"] == "general_dominance"].set_index("term")
    performance = index.tidy().set_index("term")
    return pd.DataFrame(
        {
            "label": [page.dimension_name(term) for term in shares.index],
            "importance": shares["share"],
            "importance_low": shares["share_low"],
            "importance_high": shares["share_high"],
            "rank_low": shares["rank_low"],
            "performance": performance["estimate"].reindex(shares.index),
            "performance_low": performance["conf_low"].reindex(shares.index),
            "performance_high": performance["conf_high"].reindex(shares.index),
            "index_low": performance.loc["rater_index", "conf_low"],
        }
    )
