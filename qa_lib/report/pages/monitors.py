"""The rest of the monitoring report: improvement notes and their effect, monitors held against each other, the plan."""

from __future__ import annotations

import pandas as pd

from qa_lib.errors import StudyError
from qa_lib.operations.calibration import Calibration, calibrate, retraining, twice_scored
from qa_lib.operations.monitoring import follow_up
from qa_lib.operations.sampling import MonitoringPlan, monitoring_plan
from qa_lib.operations.scorecards import Scorecards, score_contacts
from qa_lib.report import display
from qa_lib.report.pages import records
from qa_lib.report.pages.monitoring import has_comments, is_day, item_name
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import labels, parse_dates, span, unit_of
from qa_lib.study.schema import load_yaml

_CHANGES = {"improved": "good", "worse": "bad"}
_CALIBRATION_REACH = pd.DateOffset(months=2)  # a month is held with the two before: calibration is quarterly
_MONITOR_MOODS = {"retrain": "bad", "certified": "good"}


def followed(page: ReportPage, everything: pd.DataFrame) -> pd.DataFrame | None:
    """The effect of the improvement notes of this page's agents: a day's and a week's own, else all so far."""
    notes, rubric = page.study.notes(), page.study.path / "monitoring" / "scorecard.yaml"
    if notes is None or not rubric.is_file():
        return None
    first, last = span(page.period)
    when = parse_dates(notes["date"])
    keep = (when <= last) & notes["agent"].isin(everything["agent"])
    if not has_comments(page):
        keep &= when >= first
    known = everything[parse_dates(everything["date"]) <= last].reset_index(drop=True)
    if not keep.any() or known.empty:
        return None
    scored = page.attempt(score_contacts, known, rubric)
    return None if scored is None else page.attempt(follow_up, scored, notes[keep].reset_index(drop=True))


def improvement_notes(page: ReportPage, found: Scorecards | None, followed: pd.DataFrame | None) -> None:
    """Every note with what the agent's contacts scored before and since; in a day's report the note alone."""
    if found is None or followed is None or followed.empty:
        return
    text = page.text
    page.section("improvement_notes")
    table = {
        text("mon_agent"): followed["agent"],
        text("mon_note"): [_note(page, found, row) for row in followed.to_dict("records")],
        text("note_date"): followed["date"].astype(str).str[:10].map(text.period),
    }
    if is_day(page):
        display.table(pd.DataFrame(table), text("caption_notes"), text_columns=2)
        return
    counts = followed["verdict"].value_counts()
    display.paragraph(
        text("notes_lead", n=len(followed), improved=counts.get("improved", 0), worse=counts.get("worse", 0))
    )
    for when in ("before", "after"):
        table[text(f"score_{when}")] = [
            text("score_of_n", score=text.number(mean), n=n) if n else "–"
            for mean, n in zip(followed[when], followed[f"n_{when}"], strict=True)
        ]
    table[text("change")] = followed["estimate"].map(text.signed)
    table[text("interval_95")] = [
        text.interval(*pair) for pair in zip(followed["conf_low"], followed["conf_high"], strict=True)
    ]
    table[text("verdict")] = [text(f"note_{verdict}") for verdict in followed["verdict"]]
    last = len(table) - 1
    classes = {(place, last): _CHANGES[v] for place, v in enumerate(followed["verdict"]) if v in _CHANGES}
    display.table(pd.DataFrame(table), text("caption_notes"), text_columns=2, classes=classes)
    display.paragraph(text("notes_note"), "note")


def _note(page: ReportPage, found: Scorecards, row: dict) -> str:
    """The note's words and the item they are about."""
    words = {lang: row[f"note_{lang}"] for lang in ("en", "zh") if row.get(f"note_{lang}")}
    note = page.text.of(words, str(row.get("note") or "–"))
    return page.text("note_on_item", item=item_name(page, found, row["item"]), note=note)


def calibrated(page: ReportPage) -> tuple[Calibration | None, Scorecards | None]:
    """All monitors on the contacts scored by several of them in this period, a month with the two before it.

    Two Nones for days and weeks, and where fewer than two contacts were scored twice.
    """
    everything, rubric = page.study.monitoring(), page.study.path / "monitoring" / "scorecard.yaml"
    if not has_comments(page) or not rubric.is_file() or not {"contact_id", "monitor"} <= set(everything):
        return None, None
    first, last = span(page.period)
    if unit_of(page.period) == "month":
        first = first - _CALIBRATION_REACH
    when = parse_dates(everything["date"])
    found = everything[(when >= first) & (when <= last)].reset_index(drop=True)
    if len(twice_scored(found)) < 2:
        return None, None
    scored = page.attempt(score_contacts, found, rubric)
    return (None, None) if scored is None else (page.attempt(calibrate, scored), scored)


def calibration(page: ReportPage, found: Calibration | None, rubric: Scorecards | None) -> None:
    """Who is severe, who drifts, who must be retrained; how well monitors agree, in all and per item."""
    if found is None or rubric is None:
        return
    text, monitors = page.text, found.monitors
    page.section("mon_calibration")
    retrain = monitors[monitors["verdict"] == "retrain"]
    display.bullets([_severity(page, row) for row in retrain.itertuples()])
    if retrain.empty:
        display.paragraph(text("nobody_retrains"))
    overall = found.overall.tidy().set_index("term")
    icc = overall.loc["icc_2_1"]
    facts = {"icc": text.number(icc["estimate"], 2), "interval": text.interval(icc["conf_low"], icc["conf_high"], 2)}
    display.paragraph(text("calibration_icc", n=text.count(found.overall.n_units), **facts))
    table = pd.DataFrame(
        {
            text("monitored_monitor"): monitors["term"],
            text("n_monitored"): monitors["n"].map(text.count),
            text("mon_severity"): monitors["estimate"].map(text.signed),
            text("interval_95"): [
                text.interval(*pair) for pair in zip(monitors["conf_low"], monitors["conf_high"], strict=True)
            ],
            text("mon_drift"): monitors["drift"].map(text.signed),
            text("drift_interval"): [
                text.interval(*pair) for pair in zip(monitors["drift_low"], monitors["drift_high"], strict=True)
            ],
            text("verdict"): [text(f"monitor_{verdict}") for verdict in monitors["verdict"]],
        }
    )
    classes = {(place, 6): _MONITOR_MOODS[v] for place, v in enumerate(monitors["verdict"]) if v in _MONITOR_MOODS}
    display.table(table, text("caption_monitors"), classes=classes)
    _item_agreement(page, found, rubric)
    display.paragraph(text("calibration_note"), "note")


def _severity(page: ReportPage, row) -> str:
    text = page.text
    facts = {
        "monitor": row.term,
        "amount": text.number(abs(row.estimate)),
        "interval": text.interval(*sorted((abs(row.conf_low), abs(row.conf_high)))),
        "drift": text.signed(row.drift),
    }
    severe = row.conf_high < 0 or row.conf_low > 0
    return text(f"monitor_{'severe' if row.estimate < 0 else 'lenient'}" if severe else "monitor_drifts", **facts)


def _item_agreement(page: ReportPage, found: Calibration, rubric: Scorecards) -> None:
    text, rows = page.text, found.items
    columns = {text("scorecard_item"): [item_name(page, rubric, item) for item in rows["item"]]}
    columns[text("agreement_percent")] = rows["percent"].map(lambda value: text.percent(value))
    for term in ("gwet_ac2", "krippendorff_alpha"):
        columns[text(f"agreement_{term}")] = [
            text("share_interval", share=text.number(row[term], 2), low=text.number(row[f"{term}_low"], 2),
                 high=text.number(row[f"{term}_high"], 2)) if pd.notna(row[term]) else "–"
            for row in rows.to_dict("records")
        ]  # fmt: skip
    display.table(pd.DataFrame(columns), text("caption_agreement"))


def next_period(page: ReportPage) -> str:
    """The period of the same length after this one."""
    after = pd.Series([span(page.period)[1].normalize() + pd.Timedelta(days=1)])
    return str(labels(after, unit_of(page.period)).iloc[0])


def plan(page: ReportPage) -> MonitoringPlan | None:
    """The next period's plan, from the roster and the study's monitoring/plan.yaml; none for days."""
    roster, path = page.study.roster(), page.study.path / "monitoring" / "plan.yaml"
    if roster is None or is_day(page):
        return None
    first, last = span(next_period(page))
    spec = load_yaml(path, StudyError) if path.is_file() else {}
    days = {"first": str(first.date()), "last": str(last.date())}
    retrain = page.attempt(retraining, page.study.path, page.study.monitoring(), days["first"], roster)
    return page.attempt(monitoring_plan, roster, {**spec, **days}, seed=1, retrain=retrain or [])


def next_plan(page: ReportPage, found: MonitoringPlan | None) -> None:
    """Who is monitored how often and by whom in the next period: totals, monitors' loads, the agents."""
    if found is None:
        return
    text, table = page.text, found.tidy()
    table = records.of_segment(page, table)
    page.section("next_plan")
    modes = table["mode"].value_counts()
    shares = [
        text("plan_mode", mode=text(f"mode_{mode}"), n=text.count(n), share=text.percent(n / len(table)))
        for mode, n in modes.items()
    ]
    display.paragraph(
        text("plan_lead", period=text.period(next_period(page)), n=text.count(len(table)), modes=text.join(shares),
             agents=text.count(table["agent"].nunique()), days=text.count(table["date"].nunique()))
    )  # fmt: skip
    per_day = table.groupby(["monitor", "date"]).size().groupby("monitor")
    loads = pd.DataFrame({"contacts": per_day.sum(), "busiest": per_day.max()}).reset_index()
    rows = {text("monitored_monitor"): loads["monitor"], text("planned_contacts"): loads["contacts"].map(text.count)}
    display.table(
        pd.DataFrame(rows | {text("busiest_day"): loads["busiest"].map(text.count)}), text("caption_plan_monitors")
    )
    more = table[table["reason"] != "daily"]
    if len(more):
        counts = more.groupby(["agent", "reason"]).size().reset_index(name="n")
        rows = {
            text("mon_agent"): counts["agent"],
            text("plan_reason"): [text(f"reason_{r}") for r in counts["reason"]],
        }
        display.table(
            pd.DataFrame(rows | {text("planned_contacts"): counts["n"].map(text.count)}), text("caption_plan_more"), 2
        )
    display.paragraph(text("plan_note"), "note", "qa plan STUDY --period PERIOD")
    if left_out := found.provenance.settings["retrain"]:
        display.paragraph(text("plan_retrain", monitors=text.join(left_out)), "note")
