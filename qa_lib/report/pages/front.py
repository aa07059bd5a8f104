"""The manager's page: where do we stand, what changed, where, why, what to do, may we trust it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from qa_lib.effects.regression import Drivers
from qa_lib.errors import ResponseError
from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.study.study import Segment
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.indicators import band, csat, effort, gap, nps
from qa_lib.tracking.periods import adjust_p, change
from qa_lib.trust.reliability import Reliability

SIGNIFICANCE = 0.05
_HISTORY_PERIODS = 6


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
    """The lead sentence, the headline cards and the picture of the dimensions."""
    text = page.text
    index = figures["rater_index"][0].tidy().set_index("term")
    row = index.loc["rater_index"]
    display.paragraph(
        text(
            "lead",
            name=page.index_name,
            period=text.period(page.period),
            index=text.number(row["estimate"]),
            interval=text.interval(row["conf_low"], row["conf_high"]),
            band=text(f"band_{band(row['estimate'])}"),
            n=text.count(page.n_answered),
        ),
        "lead",
    )
    rows = {name: now.tidy().set_index("term").loc[name] for name, (now, _) in figures.items()}
    kept = {name: {key: float(row[key]) for key in ("estimate", "conf_low", "conf_high")} for name, row in rows.items()}
    display.cards([_card(page, name, *pair) for name, pair in figures.items()], {"n": page.n_answered, **kept})
    _dimension_chart(page, *figures["rater_index"])
    display.paragraph(text(f"index_mapping_{page.study.spec.index_mapping}"), "note")


def _card(page: ReportPage, name: str, now: Estimates, before: Estimates | None) -> dict[str, str]:
    text = page.text
    row = now.tidy().set_index("term").loc[name]
    show = (
        (lambda value: text.percent(value, 0)) if name == "csat" else (lambda value: text.number(value, _digits(name)))
    )
    target = page.study.spec.targets.get(name)
    card = {
        "label": page.index_name if name == "rater_index" else text(name),
        "value": show(row["estimate"]),
        "detail": text("card_interval", low=show(row["conf_low"]), high=show(row["conf_high"])),
    }
    if target is not None:
        card["detail"] += " · " + text("card_target", target=show(target))
        card["mood"] = "good" if row["conf_low"] >= target else "bad" if row["conf_high"] < target else "neutral"
    if before is not None:
        moved = change(now, before).tidy().set_index("term").loc[name]
        factor, unit = (100, text("points_percent")) if name == "csat" else (1, "")
        sure = "change_sure" if moved["p_value"] < SIGNIFICANCE else "change_unsure"
        amount = text.signed(factor * moved["estimate"], _digits(name)) + unit
        card["change"] = text(sure, amount=amount, period=text.short_period(page.previous_period))
    return card


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
    lowest = page.dimension_name(dimensions.loc[dimensions["estimate"].idxmin(), "term"])
    highest = page.dimension_name(dimensions.loc[dimensions["estimate"].idxmax(), "term"])
    target = page.study.spec.targets.get("rater_index")
    labels = {
        "now": text.period(page.period),
        "before": text.period(page.previous_period) if page.previous_period else "",
        "target": text("target"),
        "axis": text("axis_0_100"),
    }
    drawn = charts.scores(interval_columns(table, names), earlier, target, labels)
    display.figure(drawn, text("alt_scores", highest=highest, lowest=lowest))


def what_changed(
    page: ReportPage, figures: dict[str, tuple[Estimates, Estimates | None]], signals: pd.DataFrame
) -> None:
    """A sentence per group, and per dimension, that moved beyond chance, then the table of all changes."""
    text = page.text
    _signal_sentences(page, signals)
    now, before = figures["rater_index"]
    if before is None:
        display.paragraph(text("no_previous"))
        return
    table = change(now, before).tidy()
    moved = table[(table["p_adjusted"] < SIGNIFICANCE) & (table["term"] != "rater_index")]
    display.bullets(
        [
            text(
                "dimension_up" if row.estimate > 0 else "dimension_down",
                dimension=page.dimension_name(row.term),
                amount=text.number(abs(row.estimate)),
                interval=text.interval(row.conf_low, row.conf_high),
            )
            for row in moved.itertuples()
        ]
    )
    if moved.empty:
        display.paragraph(text("nothing_moved", period=text.period(page.previous_period)))
    rows = pd.DataFrame(
        {
            text("dimension"): [page.dimension_name(term) for term in table["term"]],
            text.period(page.previous_period): table["previous"].map(text.number),
            text.period(page.period): table["current"].map(text.number),
            text("change"): table["estimate"].map(text.signed),
            text("interval_95"): [
                text.interval(*pair) for pair in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
            text("p_holm"): table["p_adjusted"].map(text.p_value),
        }
    )
    display.table(rows, text("caption_changes"))


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
        data = _of_segment(page, page.study.responses(name).data)
        if len(data) >= page.study.spec.minimum_cell:
            rows.append(page.index(data).tidy().set_index("term").loc["rater_index"].rename(name))
    if len(rows) < 2:
        return
    page.section("over_time")
    table = pd.DataFrame(rows)
    points = interval_columns(table, [text.short_period(name) for name in table.index])
    first, last = points.iloc[0], points.iloc[-1]
    labels = {"target": text("target"), "axis": page.index_name}
    display.figure(
        charts.trend(points, page.study.spec.targets.get("rater_index"), labels),
        text(
            "alt_trend",
            name=page.index_name,
            first=first["label"],
            before=text.number(first["estimate"]),
            last=last["label"],
            now=text.number(last["estimate"]),
        ),
    )


def _of_segment(page: ReportPage, data: pd.DataFrame) -> pd.DataFrame:
    if not page.segment:
        return data
    column, _, value = page.segment.partition("=")
    return data[data[column].astype(str) == value]


def find_signals(page: ReportPage) -> pd.DataFrame:
    """Groups of a segment whose dimension left its own mean over the periods before.

    Columns ``segment, unit, term, estimate, conf_low, conf_high, periods``; Holm's correction over all dimensions and
    groups of a segment. Groups below the minimum cell, now or before, are not looked at.
    """
    columns = ["segment", "unit", "term", "estimate", "conf_low", "conf_high", "periods"]
    earlier = page.earlier[-_HISTORY_PERIODS:]
    if not earlier:
        return pd.DataFrame(columns=columns)
    history = pd.concat([page.study.responses(name).data for name in earlier], ignore_index=True)
    history = _of_segment(page, history)
    tables = [_segment_signals(page, segment.id, history) for segment in _segments(page)]
    found = [table.assign(periods=len(earlier))[columns] for table in tables if len(table)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _segments(page: ReportPage) -> list[Segment]:
    """The segments that divide this page's respondents."""
    return [
        segment
        for segment in page.study.spec.segments
        if segment.id in page.data
        and not page.segment.startswith(f"{segment.id}=")
        and len(page.data[segment.id].dropna().unique()) > 1
    ]


def _segment_signals(page: ReportPage, column: str, history: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for unit in _shown_units(page, column):
        past = history[history[column] == unit] if column in history else history.iloc[:0]
        if len(past) >= page.study.spec.minimum_cell:
            table = change(page.index(page.data[page.data[column] == unit]), page.index(past)).tidy()
            rows.append(table[table["term"] != "rater_index"].assign(segment=column, unit=unit))
    if not rows:
        return pd.DataFrame()
    table = pd.concat(rows, ignore_index=True)
    return table[adjust_p(table["p_value"], "holm") < SIGNIFICANCE]


def _shown_units(page: ReportPage, column: str) -> list[object]:
    counts = page.data[column].value_counts().sort_index()
    return list(counts.index[counts >= page.study.spec.minimum_cell])


def _signal_sentences(page: ReportPage, signals: pd.DataFrame) -> None:
    display.bullets(
        [
            page.text(
                "signal_up" if row.estimate > 0 else "signal_down",
                unit=page.segment_label(row.segment, row.unit),
                dimension=page.dimension_name(row.term),
                amount=page.text.number(abs(row.estimate)),
                interval=page.text.interval(row.conf_low, row.conf_high),
                periods=row.periods,
            )
            for row in signals.itertuples()
        ]
    )


def where_it_differs(page: ReportPage, signals: pd.DataFrame) -> None:
    """For every segment its scores by dimension, coloured where a group left its own recent level."""
    segments = _segments(page)
    for segment in segments:
        _segment_table(page, segment, signals[signals["segment"] == segment.id])
    if not segments:
        display.paragraph(page.text("no_segments"), "note")


def _segment_table(page: ReportPage, segment: Segment, signals: pd.DataFrame) -> None:
    text = page.text
    name = text.of(segment.name, segment.id)
    display.heading(name, f"segment-{segment.id}", 3)
    counts = page.data[segment.id].value_counts()
    shown = _shown_units(page, segment.id)
    if shown:
        tables = {unit: page.index(page.data[page.data[segment.id] == unit]).tidy().set_index("term") for unit in shown}
        terms = list(next(iter(tables.values())).index)
        rows = [
            [page.segment_label(segment.id, unit), text.count(counts[unit])]
            + [text.number(tables[unit].loc[term, "estimate"]) for term in terms]
            for unit in shown
        ]
        frame = pd.DataFrame(rows, columns=[name, text("n_responses"), *(page.dimension_name(term) for term in terms)])
        classes = {
            (shown.index(row.unit), 2 + terms.index(row.term)): "good" if row.estimate > 0 else "bad"
            for row in signals.itertuples()
        }
        display.table(frame, text("caption_segment", segment=name), classes=classes)
        if signals.empty and page.earlier:
            display.paragraph(text("no_signal"), "note")
    if hidden := len(counts) - len(shown):
        display.paragraph(text("hidden_small", n=hidden, minimum=page.study.spec.minimum_cell), "note")


def priorities(page: ReportPage, drivers: Drivers | None, index: Estimates) -> None:
    """Importance for satisfaction against performance, and in words what to work on first."""
    text = page.text
    if drivers is None:
        return
    rows = driver_positions(page, drivers, index)
    labels = {key: text(f"priorities_{key}") for key in ("performance", "importance", "act", "keep")}
    weak = rows[(rows["performance"] < rows["performance"].mean()) & (rows["importance"] > rows["importance"].mean())]
    named = text.join(list(weak.sort_values("importance", ascending=False)["label"]))
    strongest = rows.loc[rows["importance"].idxmax()]
    leading = rows[rows["rank_low"] == 1].sort_values("importance", ascending=False)
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
    if len(leading) == len(rows):
        display.paragraph(text("work_on_undecided"))
    else:
        display.paragraph(text("work_on", dimensions=named) if named else text("work_on_none"))
    display.figure(charts.priorities(rows, labels), text("alt_priorities", dimension=strongest["label"]))
    display.paragraph(text("not_causal"), "note")


def driver_positions(page: ReportPage, drivers: Drivers, index: Estimates) -> pd.DataFrame:
    """Per dimension its importance share (general dominance) and its performance, with both intervals."""
    importance = drivers.importance.tidy()
    importance = importance[importance["method"] == "general_dominance"].set_index("term")
    performance = index.tidy().set_index("term")
    return pd.DataFrame(
        {
            "label": [page.dimension_name(term) for term in importance.index],
            "importance": importance["share"],
            "importance_low": importance["share_low"],
            "importance_high": importance["share_high"],
            "rank_low": importance["rank_low"],
            "performance": performance["estimate"].reindex(importance.index),
            "performance_low": performance["conf_low"].reindex(importance.index),
            "performance_high": performance["conf_high"].reindex(importance.index),
        }
    )


def may_we_trust_it(page: ReportPage, reliability: Reliability | None, flags: pd.DataFrame | None) -> None:
    """Answers received, reliability of every dimension, and the index without the flagged respondents."""
    text = page.text
    if reliability is not None:
        verdicts = reliability.judge(page.study.criteria())
        verdicts = verdicts[verdicts["term"] == "alpha"]
        weak = [page.dimension_name(row.dimension) for row in verdicts.itertuples() if row.verdict == "not_met"]
        unsure = [page.dimension_name(row.dimension) for row in verdicts.itertuples() if row.verdict == "undecided"]
        threshold = text.number(verdicts["threshold"].iloc[0], 2) if len(verdicts) else ""
        key = "trust_weak" if weak else "trust_unsure" if unsure else "trust_good"
        display.paragraph(text(key, dimensions=text.join(weak or unsure), threshold=threshold))
    if flags is not None:
        _without_flagged(page, flags)


def _without_flagged(page: ReportPage, flags: pd.DataFrame) -> None:
    text = page.text
    flagged = flags["flagged"].to_numpy(dtype=bool)
    if len(flagged) != len(page.data):
        raise ResponseError(f"screening has {len(flagged)} rows, the page {len(page.data)} respondents.")
    everyone = page.index(page.data).tidy().set_index("term").loc["rater_index"]
    kept = page.data[~flagged]
    if not flagged.any() or len(kept) < page.study.spec.minimum_cell:
        display.paragraph(text("flagged_none" if not flagged.any() else "flagged_most", n=text.count(flagged.sum())))
        return
    without = page.index(kept).tidy().set_index("term").loc["rater_index"]
    display.paragraph(
        text(
            "flagged_effect",
            n=text.count(flagged.sum()),
            share=text.percent(flagged.mean(), 1),
            everyone=text.number(everyone["estimate"]),
            without=text.number(without["estimate"]),
        )
    )
