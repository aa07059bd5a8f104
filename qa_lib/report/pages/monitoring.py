"""The monitoring report of a day, week or month: what was monitored, agents, items, where to improve, who to train.

A day's report holds numbers, modes, types of contact, agents' and items' scores and notes; a week's adds the analysis
of items, the direction of improvement, training needs and the next plan; a month's adds comments on agents, the
effect of each week's improvements and the calibration of monitors.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from qa_lib.operations.kpi.kpi_estimates import mean
from qa_lib.operations.scorecards import Scorecards, band_of, once_per_contact, score_contacts
from qa_lib.report import charts, display
from qa_lib.report.pages import records
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.results import Provenance
from qa_lib.study.dates import labels, parse_dates, unit_of
from qa_lib.tracking.estimates import Estimates, mean_estimates, mean_table
from qa_lib.tracking.periods import change

SIGNIFICANCE = 0.05
RATED_FROM = 3
"""Scored contacts from which an agent has a mean, a rating and a comment in a month's report."""
_BANDS = {"improve": "needs_improvement", "fail": "inadequate"}
_VERDICTS = {"met": "good", "not_met": "bad"}
_CHANGES = {"improved": "good", "worse": "bad"}
_DIMENSIONS = ("mode", "contact_type", "monitor")


def is_day(page: ReportPage) -> bool:
    return unit_of(page.period) == "day"


def has_comments(page: ReportPage) -> bool:
    """Months and longer: comments, effects of improvements, calibration."""
    return unit_of(page.period) in ("month", "quarter", "year")


def monitored_records(page: ReportPage) -> pd.DataFrame:
    """All monitoring records of the page's segment."""
    return records.of_segment(page, page.study.monitoring())


def scored(page: ReportPage, found: pd.DataFrame, period: str | None) -> Scorecards | None:
    """The contacts of one period scored by the study's rubric; None when there are none."""
    rubric = page.study.path / "monitoring" / "scorecard.yaml"
    if period is None or not rubric.is_file():
        return None
    if not (labels(parse_dates(found["date"]), unit_of(period)) == period).any():
        return None
    return page.attempt(score_contacts, found, rubric, period=period, roster=page.study.roster())


def previous(page: ReportPage, found: pd.DataFrame) -> str | None:
    """The period before this one in which contacts were monitored."""
    periods = labels(parse_dates(found["date"]), unit_of(page.period)).dropna()
    return max((name for name in periods.unique() if name < page.period), default=None)


def band(page: ReportPage, name: str | None) -> str:
    """A rubric's band in words; one the report does not know as the rubric has it."""
    key = f"band_{_BANDS.get(str(name), name)}"
    return page.text(key) if page.text.has(key) else str(name or "–")


def item_name(page: ReportPage, found: Scorecards, item: str | None) -> str:
    """An item's name; the whole score where a note names no item."""
    names = {entry.id: page.text.of(entry.name, entry.id) for entry in found.rubric.items}
    return page.text("whole_score") if pd.isna(item) else names.get(item, str(item))


def whole(found: Scorecards) -> Estimates:
    """Mean score, share passed and share that failed a core item, with intervals; a contact counts once."""
    terms = ["score", "passed", "core_failed"]
    values = once_per_contact(found.contacts[terms].astype(float), found.unit).to_numpy()
    table = mean_table(terms, mean_estimates(values, np.ones(len(values))), 0.95)
    table["conf_low"], table["conf_high"] = table["conf_low"].clip(0), table["conf_high"].clip(upper=[100, 1, 1])
    n = len(values)
    return Estimates(table, n, float(n), "means over contacts", 0.95, Provenance("score_contacts", n))


def overview(page: ReportPage, found: Scorecards | None, before: Scorecards | None, focus: pd.DataFrame | None) -> None:
    """The lead: how many, how well, where the points are lost; then the numbers as cards."""
    text = page.text
    records.note_scope(page, page.study.monitoring())
    if found is None:
        display.paragraph(text("none_monitored", period=text.period(page.period)), "lead")
        return
    now = whole(found)
    rows = now.tidy().set_index("term")
    score = rows.loc["score"]
    rating = band_of(np.array([score["estimate"]]), found.rubric.bands)[0]
    display.paragraph(
        text(
            "monitoring_lead",
            period=text.period(page.period),
            n=text.count(now.n),
            agents=text.count(len(found.agents)),
            score=text.number(score["estimate"]),
            interval=text.interval(score["conf_low"], score["conf_high"]),
            band=band(page, rating),
            passed=text.percent(rows.loc["passed", "estimate"]),
        ),
        "lead",
    )
    if focus is not None and focus["lost"].sum() > 0:
        first = focus.iloc[0]
        name, share = item_name(page, found, first["item"]), text.percent(first["share"])
        display.paragraph(text("monitoring_focus", item=name, share=share, score=text.number(first["estimate"])))
    _cards(page, found, now, before)


def _cards(page: ReportPage, found: Scorecards, now: Estimates, before: Scorecards | None) -> None:
    text = page.text
    cards = {"n": {"label": text("n_monitored"), "value": text.count(now.n)}}
    for row in now.tidy().itertuples():
        show = text.number if row.term == "score" else text.percent
        cards[row.term] = {"label": text(f"mon_{row.term}"), "value": show(row.estimate)}
    cards["score"]["detail"] = text.interval(*now.tidy().loc[0, ["conf_low", "conf_high"]])
    cards["passed"]["detail"] = text("mon_pass_mark", mark=text.count(found.rubric.pass_mark))
    if before is not None:
        then = whole(before)
        period = text.short_period(str(before.provenance.settings["period"]))
        more = text.signed(now.n - then.n, 0)
        cards["n"]["change"] = text("change_sure" if now.n != then.n else "as_many", amount=more, period=period)
        for row in change(now, then).tidy().itertuples():
            factor, unit = (1, "") if row.term == "score" else (100, text("points_percent"))
            key = "change_sure" if row.p_adjusted < SIGNIFICANCE else "change_unsure"
            cards[row.term]["change"] = text(key, amount=text.signed(factor * row.estimate) + unit, period=period)
    display.cards(list(cards.values()))


def numbers(page: ReportPage, counted: pd.DataFrame | None) -> None:
    """How many contacts by mode (beside the plan's 2 : 7 : 1), type and monitor."""
    if counted is None:
        return
    text = page.text
    page.section("what_was_monitored")
    modes = counted[counted["dimension"] == "mode"]
    off = modes[(modes["planned"] < modes["conf_low"]) | (modes["planned"] > modes["conf_high"])]
    if len(modes):
        names = [_word(page, "mode", row.term, "mode_off", row) for row in off.itertuples()]
        display.paragraph(text("modes_off", modes=text.join(names)) if names else text("modes_kept"))
    for dimension in _DIMENSIONS:
        rows = counted[counted["dimension"] == dimension]
        if rows.empty:
            continue
        table = {
            text(f"monitored_{dimension}"): [_word(page, dimension, term) for term in rows["term"]],
            text("n_monitored"): rows["n"].map(text.count),
            text("share"): rows["estimate"].map(text.percent),
        }
        if dimension == "mode":
            table[text("planned_share")] = rows["planned"].map(text.percent)
        display.table(pd.DataFrame(table), text(f"caption_monitored_{dimension}"))


def _word(page: ReportPage, dimension: str, term: str, sentence: str = "", row=None) -> str:
    key = f"{dimension}_{term}"
    word = page.text(key) if page.text.has(key) else str(term)
    if not sentence:
        return word
    return page.text(sentence, mode=word, share=page.text.percent(row.estimate), planned=page.text.percent(row.planned))


def agents(page: ReportPage, found: Scorecards | None, reviews: pd.DataFrame | None) -> None:
    """Every agent's score; in months a comment beside it, both from ``RATED_FROM`` contacts on."""
    if found is None or reviews is None:
        return
    text = page.text
    page.section("agents_scores")
    rows = reviews.assign(few=reviews["n"].lt(RATED_FROM) & has_comments(page))
    rows = rows.sort_values("estimate", ascending=False)
    rows = pd.concat([rows[~rows["few"]], rows[rows["few"]].sort_values("agent")], ignore_index=True)
    few = rows["few"]
    low = rows[(rows["conf_high"] < found.rubric.pass_mark) & ~few]["agent"].tolist()
    if low:
        display.paragraph(text("agents_low", agents=text.join(low), mark=text.count(found.rubric.pass_mark)))
    table = pd.DataFrame(
        {
            text("mon_agent"): rows["agent"],
            text("n_monitored"): rows["n"].map(text.count),
            text("mon_score"): rows["estimate"].map(text.number).mask(few, text("mon_too_few")),
            text("interval_95"): [
                text.interval(*pair) for pair in zip(rows["conf_low"], rows["conf_high"], strict=True)
            ],
            text("ops_rating"): [band(page, name) for name in rows["band"]],
            text("mon_passed"): rows["passed"].map(text.percent),
            text("core_failures"): rows["core_failed"].map(text.count),
        }
    )
    table.loc[few, [text("interval_95"), text("ops_rating"), text("mon_passed")]] = "–"
    classes = {(place, 2): "bad" for place, agent in enumerate(rows["agent"]) if agent in low}
    if not is_day(page):
        table[text("change")] = rows["change"].map(text.signed).mask(few, "–")
        moved = rows["change_verdict"].mask(few)
        classes |= {(place, 7): _CHANGES[verdict] for place, verdict in enumerate(moved) if verdict in _CHANGES}
    display.table(table, text("caption_agents"), classes=classes, most=display.MOST_ROWS)
    if has_comments(page):
        comments = [_comment(page, found, row) for row in rows.itertuples()]
        table = pd.DataFrame({text("mon_agent"): rows["agent"], text("mon_comment"): comments})
        display.table(table, text("caption_comments"), text_columns=2, most=display.MOST_ROWS)


def _comment(page: ReportPage, found: Scorecards, row) -> str:
    """What the scores say of one agent, in words."""
    text, parts = page.text, []
    if row.core_failed:
        parts.append(text("comment_core", n=text.count(row.core_failed)))
    if row.n < RATED_FROM:
        return "".join([*parts, text("comment_too_few", n=RATED_FROM)]).strip()
    proven = found.training[(found.training["agent"] == row.agent) & (found.training["need"] == "proven")]["item"]
    if len(proven):
        parts.append(text("comment_proven", items=_quoted(page, found, proven)))
    likely = [item for item in row.needs if item not in set(proven)]
    if likely:
        parts.append(text("comment_likely", items=_quoted(page, found, likely[:3])))
    if row.change_verdict in _CHANGES:
        parts.append(text(f"comment_{row.change_verdict}", change=text.signed(row.change)))
    if not parts:
        parts.append(text("comment_fine"))
    return "".join(parts).strip()


def _quoted(page: ReportPage, found: Scorecards, items: Iterable[str]) -> str:
    """Items' names, which are sentences of their own, in quotation marks."""
    return page.text.join([page.text("quoted", quote=item_name(page, found, item)) for item in items])


def items(page: ReportPage, found: Scorecards | None, focus: pd.DataFrame | None) -> None:
    """Every item's score against the standard; from a week on the analysis and the direction of improvement."""
    if found is None or focus is None:
        return
    text = page.text
    page.section("item_scores")
    order = focus.set_index("item").loc[[item.id for item in found.rubric.items]].reset_index()
    names = [item_name(page, found, item) for item in order["item"]]
    words = {"now": text.period(page.period), "target": text("item_standard"), "axis": text("axis_points")}
    worst = item_name(page, found, order.loc[order["estimate"].idxmin(), "item"])
    drawn = charts.scores(interval_columns(order, names), None, 100 * found.rubric.standard, words)
    display.figure(drawn, text("alt_items", item=worst, score=text.number(order["estimate"].min())))
    if is_day(page):
        return
    page.section("mon_direction", 3)
    _direction(page, found, focus)
    table = pd.DataFrame(
        {
            text("scorecard_item"): [item_name(page, found, item) for item in focus["item"]],
            text("mon_score"): focus["estimate"].map(text.number),
            text("interval_95"): [
                text.interval(*pair) for pair in zip(focus["conf_low"], focus["conf_high"], strict=True)
            ],
            text("points_lost"): focus["lost"].map(text.number),
            text("share_lost"): focus["share"].map(text.percent),
            text("change"): focus["change"].map(text.signed),
            text("verdict"): [text(f"verdict_{verdict}") for verdict in focus["verdict"]],
        }
    )
    classes = {(place, 6): _VERDICTS[v] for place, v in enumerate(focus["verdict"]) if v in _VERDICTS}
    classes |= {(place, 5): _CHANGES[v] for place, v in enumerate(focus["change_verdict"]) if v in _CHANGES}
    display.table(table, text("mon_caption_items", standard=text.count(100 * found.rubric.standard)), classes=classes)


def _direction(page: ReportPage, found: Scorecards, focus: pd.DataFrame) -> None:
    """In words: the items that cost most, the weakest group, what moved."""
    text = page.text

    def named(rows: pd.DataFrame) -> str:
        return text.join([item_name(page, found, item) for item in rows["item"]])

    half = focus[focus["share"].cumsum().shift(fill_value=0) < 0.5]
    groups = {group.id: text.of(group.name, group.id) for group in found.rubric.groups}
    weakest = found.groups.loc[found.groups["estimate"].idxmin()]
    sentences = [text("direction_focus", items=named(half), share=text.percent(half["share"].sum()))]
    sentences.append(text("direction_group", group=groups[weakest["term"]], score=text.number(weakest["estimate"])))
    for verdict in ("improved", "worse"):
        moved = focus[focus["change_verdict"] == verdict]
        if len(moved):
            sentences.append(text(f"direction_{verdict}", items=named(moved)))
    display.bullets(sentences)


def training(page: ReportPage, found: Scorecards | None) -> None:
    """Who needs training in what: items × agents below the standard."""
    if found is None or is_day(page):
        return
    text = page.text
    page.section("training_needs")
    needs = found.training
    if needs.empty:
        display.paragraph(text("training_none"))
        return
    proven = needs[needs["need"] == "proven"]
    display.paragraph(text("training_lead", n=text.count(len(proven)), likely=text.count(len(needs) - len(proven))))
    rows = []
    for item in needs["item"].value_counts().index:
        part = needs[needs["item"] == item]
        cells = [
            text("list_comma").join(part.loc[part["need"] == need, "agent"].sort_values()) or "–"
            for need in ("proven", "likely")
        ]
        rows.append((item_name(page, found, item), *cells))
    frame = pd.DataFrame(rows, columns=[text("scorecard_item"), text("need_proven"), text("need_likely")])
    display.table(frame, text("caption_training"), text_columns=3)
    display.paragraph(text("training_note"), "note")


def weeks(page: ReportPage, found: Scorecards | None) -> None:
    """The score of every week of the period: whether the weeks' improvements show."""
    if found is None or not has_comments(page):
        return
    text = page.text
    week = labels(parse_dates(found.contacts[found.date]), "week").groupby(found.unit).first()
    scores = once_per_contact(found.contacts[["score"]], found.unit)["score"]
    rows = [{"week": name} | mean(part.dropna().to_numpy(), 0.95) for name, part in scores.groupby(week)]
    table = pd.DataFrame(rows)
    if len(table) < 2:
        return
    page.section("weeks_effect")
    points = interval_columns(table, [text("week_short", week=int(name[6:])) for name in table["week"]])
    first, last = table.iloc[0], table.iloc[-1]
    apart = first["conf_high"] < last["conf_low"] or first["conf_low"] > last["conf_high"]
    sentence = text(
        "weeks_apart" if apart else "weeks_alike",
        first=points["label"].iloc[0], last=points["label"].iloc[-1],
        before=text.number(first["estimate"]), now=text.number(last["estimate"]),
    )  # fmt: skip
    display.paragraph(sentence)
    words = {"target": text("pass_mark_line"), "axis": text("mon_score")}
    display.figure(charts.trend(points, found.rubric.pass_mark, words), sentence)
