"""Who answered: the drift of their make-up, response rates, how precise the answers are."""

from __future__ import annotations

from math import ceil

import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.study.cleaning import in_period
from qa_lib.study.dates import span
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.makeup import standardise as standardised_mean
from qa_lib.tracking.planning import precision_reached

MARGIN = 5.0  # points of 100 the index of a group shall be precise to
SIGNIFICANCE = 0.05
_RATES = ("rr1", "coop1", "ref1", "con1")


def drift(page: ReportPage, found: Estimates | None) -> None:
    """Whether this period's respondents are other people than the period before's."""
    if found is None:
        return
    text = page.text
    page.section("makeup_section")
    table = found.tidy()
    names = {segment.id: text.of(segment.name, segment.id) for segment in page.study.spec.segments}
    moved = [names[name] for name in table.loc[table["p_adjusted"] < SIGNIFICANCE, "dimension"]]
    previous = text.period(str(table["reference"].iloc[0]))
    display.paragraph(text("makeup_moved" if moved else "makeup_same", segments=text.join(moved), period=previous))
    frame = pd.DataFrame(
        {
            text("segment"): [names[name] for name in table["dimension"]],
            text("drift_share"): table["estimate"].map(lambda value: text.percent(value, 1)),
            text("p_holm"): table["p_adjusted"].map(text.p_value),
        }
    )
    display.table(frame, text("caption_makeup"))


def two_periods(page: ReportPage) -> pd.DataFrame:
    """This period's and the previous period's respondents, the period as column ``period``; empty without either."""
    if page.before is None or page.data.empty:
        return pd.DataFrame()
    parts = [page.before.assign(period=page.previous_period), page.data.assign(period=page.period)]
    return pd.concat(parts, ignore_index=True)


def segments(page: ReportPage) -> list[str]:
    own = page.segment.partition("=")[0]
    return [segment.id for segment in page.study.spec.segments if segment.id in page.data and segment.id != own]


def scores(page: ReportPage, data: pd.DataFrame) -> pd.DataFrame:
    """Respondents with their score on 0–100: the mean of the dimensions they answered."""
    return data.assign(score=page.scores(data).mean(axis=1))


def reference(page: ReportPage, column: str) -> dict[object, float]:
    """The make-up of all periods so far: the shares of a segment's groups that answered this period as well."""
    counts = pd.concat(
        [pd.Series({name: sums.n_rows for name, sums in page.group_scores(column, period).items()}, dtype=float)
         for period in (*page.earlier, page.period)]
    )  # fmt: skip
    shares = counts.groupby(level=0).sum() / counts.sum()
    present = sorted(set(page.data[column].dropna()), key=str)
    return {name: float(shares[str(name)]) for name in present if str(name) in shares}


def standardise(page: ReportPage, columns: list[str]) -> None:
    """The score as it would be had the first segment's groups answered in their usual shares."""
    if page.data.empty or not columns:
        return
    column, shares = columns[0], reference(page, columns[0])
    answers = scores(page, page.data)
    answers = answers[answers[column].isin(list(shares))]
    found = page.attempt(standardised_mean, answers, "score", column, shares, weights=page.weights)
    if found is None:
        return
    text, rows = page.text, found.tidy().set_index("term")
    name = next(text.of(entry.name, entry.id) for entry in page.study.spec.segments if entry.id == column)
    adjusted, observed = rows.loc["standardised"], rows.loc["observed"]
    display.paragraph(
        text(
            "pdca_standardised",
            segment=name,
            index=page.index_inside,
            value=text.number(adjusted["estimate"]),
            interval=text.interval(adjusted["conf_low"], adjusted["conf_high"]),
            observed=text.number(observed["estimate"]),
        )
    )


def precision(page: ReportPage, columns: list[str], rates: Estimates | None) -> None:
    """The precision every group reached, and how many answers and invitations the next period needs."""
    if page.data.empty or not columns:
        return
    column, answers = columns[0], scores(page, page.data)
    found = page.attempt(precision_reached, answers, column, "score", margin=MARGIN, weights=page.weights)
    if found is None:
        return
    text = page.text
    page.section("precision_section")
    shown = found[found[column].isin(page.shown_groups(column))]
    short = shown[shown["verdict"] == "short"]
    names = [page.unit_name(column, value) for value in short[column]]
    margin = text.number(MARGIN, 0)
    display.paragraph(text("precision_short" if names else "precision_reached", groups=text.join(names), margin=margin))
    rate = _rate(rates)
    segment = next(entry for entry in page.study.spec.segments if entry.id == column)
    frame = {
        text.of(segment.name, column): [page.segment_label(column, value) for value in shown[column]],
        text("n_responses"): shown["n"].map(text.count),
        text("margin_reached"): [text("plus_minus", value=text.number(value)) for value in shown["margin_reached"]],
        text("responses_needed"): shown["needed"].map(text.count),
    }
    if rate is not None:
        frame[text("invitations_needed")] = [text.count(ceil(n / rate)) for n in shown["needed"]]
    frame[text("verdict")] = [text(f"precision_{verdict}_word") for verdict in shown["verdict"]]
    classes = {(place, len(frame) - 1): "bad" for place, v in enumerate(shown["verdict"]) if v == "short"}
    display.table(pd.DataFrame(frame), text("caption_precision", margin=margin), classes=classes)
    if rate is not None:
        display.paragraph(text("invitations_note", rate=text.percent(rate)), "note")


def _rate(rates: Estimates | None) -> float | None:
    """The newest period's response rate 1."""
    if rates is None:
        return None
    rows = rates.tidy()
    rows = rows[rows["term"] == "rr1"].sort_values("group")
    return float(rows["estimate"].iloc[-1]) or None


def contacts(page: ReportPage) -> pd.DataFrame | None:
    """Those invited up to this period, of the page's segment; None when the study keeps no record of them."""
    found = page.study.contacts()
    if found is None or "period" not in found:
        return None
    last = span(page.period)[1]
    ends = {name: span(name)[1] for name in found["period"].unique()}
    column, _, value = page.segment.partition("=")
    keep = found["period"].map(ends) <= last
    if column in found:
        keep &= found[column] == value
    found = found[keep].reset_index(drop=True)
    return found if len(found) and in_period(found, page.period).any() else None


def response_rates(page: ReportPage, found: Estimates | None) -> None:
    """How many of those invited answered, period by period."""
    if found is None:
        return
    text = page.text
    page.section("response_section")
    rows = found.tidy()
    groups = sorted(rows["group"].unique())
    shown = rows[rows["group"] == groups[-1]].set_index("term").loc[list(_RATES)]
    rr1 = shown.loc["rr1"]
    display.paragraph(
        text("response_lead", period=text.period(groups[-1]), rate=text.percent(rr1["estimate"], 1),
             low=text.percent(rr1["conf_low"], 1), high=text.percent(rr1["conf_high"], 1), n=text.count(rr1["n"]))
    )  # fmt: skip
    series = rows[rows["term"] == "rr1"].sort_values("group")
    if len(series) > 1:
        points = interval_columns(series, [text.short_period(group) for group in series["group"]])
        points[["estimate", "conf_low", "conf_high"]] *= 100
        words = {"target": "", "axis": text("axis_response")}
        first, last = text.percent(series["estimate"].iloc[0]), text.percent(series["estimate"].iloc[-1])
        display.figure(charts.trend(points, None, words), text("alt_response", first=first, last=last))
    frame = pd.DataFrame(
        {
            text("rate"): [text(f"rate_{term}") for term in shown.index],
            text("share"): [text.percent(value, 1) for value in shown["estimate"]],
            text("interval_95"): [
                text("ops_range", low=text.percent(low, 1), high=text.percent(high, 1))
                for low, high in zip(shown["conf_low"], shown["conf_high"], strict=True)
            ],
        }
    )
    display.table(frame, text("caption_rates"))
