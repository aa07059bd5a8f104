"""What the service did: indicators against their standards, how long requests stay open, the months so far."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from qa_lib.operations.kpi.completion import completion
from qa_lib.operations.kpi.kpi_spec import Kpi, KpiSpec
from qa_lib.operations.kpis import Kpis, kpi_cases
from qa_lib.report import charts_operations as charts
from qa_lib.report import display
from qa_lib.report.pages.kpi_rows import Words, frequency, judged, previous_of, rows_of, shown
from qa_lib.report.pages.page import ReportPage
from qa_lib.results import Provenance
from qa_lib.tracking.control import control_chart
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.periods import change

SIGNIFICANCE = 0.05
_MOODS = {"met": "good", "not_met": "bad"}
_SHORTEST_HISTORY = 8  # periods a control chart needs to say anything
_CHARTS = 3


def standards(page: ReportPage, found: Kpis | None) -> None:
    """In words which standards are missed, alerts and guardrails; then every indicator with its standard."""
    if found is None:
        return
    text, words = page.text, Words(page, found.spec)
    rows = rows_of(page, found)
    if rows.empty:
        display.paragraph(text("no_records", period=text.period(page.period)), "lead")
        return
    _lead(page, words, rows)
    _alerts(page, words, rows)
    with_target = rows[rows["target"].notna()]
    _standards_chart(page, words, with_target)
    changes = _changes(page, found, rows)
    if len(with_target):
        _standards_table(page, words, with_target, changes)
    others = rows[rows["target"].isna()]
    if len(others):
        _others_table(page, words, others, changes)
    put_aside = int(found.reconciliation["put_aside"].sum())
    used = int(found.reconciliation["used"].sum())
    display.paragraph(text("reconciliation", used=text.count(used), aside=text.count(put_aside)), "note")


def standards_sentence(page: ReportPage, words: Words, rows: pd.DataFrame) -> str:
    """How many standards were missed, and which."""
    counts = rows["verdict"].value_counts()
    missed = rows.index[rows["verdict"] == "not_met"]
    return page.text(
        "lead_missed" if len(missed) else "lead_kept",
        period=page.text.period(page.period),
        n=int(rows["verdict"].notna().sum()),
        missed=len(missed),
        met=int(counts.get("met", 0)),
        undecided=int(counts.get("undecided", 0)),
        names=page.text.join([words.name(kpi) for kpi in missed]),
    )


def _lead(page: ReportPage, words: Words, rows: pd.DataFrame) -> None:
    display.paragraph(standards_sentence(page, words, rows), "lead")
    missed = rows[rows["verdict"] == "not_met"]
    if len(missed):
        values = judged(missed)
        worst = (missed["target"] - values["estimate"]).astype(float).abs().div(missed["target"].astype(float)).idxmax()
        display.paragraph(_worst(page, words, worst, missed.loc[worst], values.loc[worst]))


def _worst(page: ReportPage, words: Words, kpi: str, row: pd.Series, value: pd.Series) -> str:
    text = page.text
    facts = {"kpi": words.name(kpi), "target": words.share_or_value(kpi, row["target"])}
    if pd.isna(row["attainment"]):
        between = words.between(kpi, value["conf_low"], value["conf_high"])
        return text("worst_value", value=words.value(kpi, value["estimate"]), interval=between, **facts)
    facts["target"] = text.percent(row["target"])
    return text(
        "worst_attainment",
        share=words.share(value["estimate"]),
        low=words.share(value["conf_low"]),
        high=words.share(value["conf_high"]),
        limit=words.limit(kpi),
        mean=words.value(kpi, row["estimate"]),
        **facts,
    )


def _alerts(page: ReportPage, words: Words, rows: pd.DataFrame) -> None:
    text, values = page.text, judged(rows)
    alerts = [
        text(
            "alert_attainment" if pd.notna(rows.loc[kpi, "attainment"]) else "alert_value",
            kpi=words.name(kpi),
            value=words.share(values.loc[kpi, "estimate"])
            if pd.notna(rows.loc[kpi, "attainment"])
            else words.value(kpi, values.loc[kpi, "estimate"]),
            threshold=words.share_or_value(kpi, words.kpis[kpi].alert)
            if pd.isna(rows.loc[kpi, "attainment"])
            else text.percent(words.kpis[kpi].alert),
        )
        for kpi in rows.index[rows["alert"].eq(True)]
    ]
    guarded = rows[rows["guardrail"].notna()]
    worse = guarded[guarded["guardrail_verdict"] == "worse"]
    alerts += [
        text("guardrail_worse", guardrail=words.name(row.guardrail), kpi=words.name(row.Index))
        for row in worse.itertuples()
    ]
    display.bullets(alerts)
    held = guarded[guarded["guardrail_verdict"] == "held"]["guardrail"].drop_duplicates()
    if len(held):
        display.paragraph(text("guardrails_held", names=text.join([words.name(kpi) for kpi in held])), "note")


def _standards_chart(page: ReportPage, words: Words, rows: pd.DataFrame) -> None:
    """Shares only, all so turned that more is better."""
    text, values = page.text, judged(rows)
    shares = [kpi for kpi in rows.index if words.kpis[kpi].unit == "share" or pd.notna(rows.loc[kpi, "attainment"])]
    if not shares:
        return
    turned = [words.kpis[kpi].better == "lower" and pd.isna(rows.loc[kpi, "attainment"]) for kpi in shares]
    points = values.loc[shares].assign(target=rows.loc[shares, "target"].astype(float))
    points[turned] = 1 - points[turned][["estimate", "conf_high", "conf_low", "target"]].to_numpy()
    points = points.assign(
        label=[
            text("ops_without", kpi=words.name(kpi)) if t else words.name(kpi)
            for kpi, t in zip(shares, turned, strict=True)
        ],
        missed=(rows.loc[shares, "verdict"] == "not_met").to_numpy(),
    ).reset_index(drop=True)
    labels = {key: text(f"standards_{key}") for key in ("axis", "kept", "missed", "target")}
    missed = text.join(list(points["label"][points["missed"]])) or text("ops_none")
    display.figure(charts.standards(points, labels), text("alt_standards", names=missed))


def _changes(page: ReportPage, found: Kpis, rows: pd.DataFrame) -> pd.DataFrame:
    """Per KPI the change since the period before, with its p value, Holm's correction over all; empty without one."""
    previous = previous_of(page, found)
    if previous is None:
        return pd.DataFrame(columns=["estimate", "p_adjusted"])
    return change(_estimates(rows), _estimates(rows_of(page, found, previous))).tidy().set_index("term")


def _estimates(rows: pd.DataFrame) -> Estimates:
    measured = ["estimate", "std_error", "conf_low", "conf_high"]
    table = rows[measured].astype(float).assign(n_effective=rows["n"].astype(float)).reset_index()
    n = int(rows["n"].sum())
    return Estimates(table, n, float(n), "KPIs", 0.95, Provenance("kpis", n))


def _standards_table(page: ReportPage, words: Words, rows: pd.DataFrame, changes: pd.DataFrame) -> None:
    text = page.text
    attained = [
        "–"
        if pd.isna(share)
        else f"{words.share(share)}\n{text('ops_range', low=words.share(low), high=words.share(high))}"
        for share, low, high in zip(rows["attainment"], rows["attainment_low"], rows["attainment_high"], strict=True)
    ]
    table = pd.DataFrame(
        {
            text("ops_kpi"): [words.name(kpi) for kpi in rows.index],
            text("ops_standard"): [words.standard(kpi) for kpi in rows.index],
            text("ops_cases"): rows["n"].map(text.count).to_numpy(),
            text("ops_attained"): attained,
            text("mean_or_share"): [words.value(kpi, value) for kpi, value in rows["estimate"].items()],
            text("interval_95"): [words.between(row.Index, row.conf_low, row.conf_high) for row in rows.itertuples()],
            text("verdict"): [text(f"verdict_{verdict}") for verdict in rows["verdict"]],
        }
    )
    classes = {(place, 6): _MOODS[verdict] for place, verdict in enumerate(rows["verdict"]) if verdict in _MOODS}
    _with_change(page, words, rows, changes, table, classes)
    display.table(table, text("caption_standards"), text_columns=2, classes=classes)
    display.paragraph(text("standards_note"), "note")


def _others_table(page: ReportPage, words: Words, rows: pd.DataFrame, changes: pd.DataFrame) -> None:
    text = page.text
    table = pd.DataFrame(
        {
            text("ops_kpi"): [words.name(kpi) for kpi in rows.index],
            text("ops_cases"): rows["n"].map(text.count).to_numpy(),
            text("mean_or_share"): [words.value(kpi, value) for kpi, value in rows["estimate"].items()],
            text("interval_95"): [words.between(row.Index, row.conf_low, row.conf_high) for row in rows.itertuples()],
        }
    )
    classes: dict[tuple, str] = {}
    _with_change(page, words, rows, changes, table, classes)
    display.table(table, text("caption_others"), classes=classes)


def _with_change(page, words: Words, rows: pd.DataFrame, changes: pd.DataFrame, table: pd.DataFrame, classes: dict):
    """Adds the column of changes; a change beyond chance is coloured by whether it is for the better."""
    if changes.empty:
        return
    text = page.text
    table[text("change")] = [words.signed(kpi, changes["estimate"].get(kpi, np.nan)) for kpi in rows.index]
    for place, kpi in enumerate(rows.index):
        if changes["p_adjusted"].get(kpi, 1.0) < SIGNIFICANCE:
            improved = (changes.loc[kpi, "estimate"] > 0) == (words.kpis[kpi].better == "higher")
            classes[place, table.shape[1] - 1] = "good" if improved else "bad"


def time_to_resolve(
    page: ReportPage, found: Kpis | None, tables: Mapping[str, pd.DataFrame], spec: KpiSpec | None, kpi: str
) -> None:
    """Durations with open cases counted, and the curve of one of them, if this study measures it."""
    if found is None:
        return
    text, words = page.text, Words(page, found.spec)
    rows = rows_of(page, found)
    rows = rows[[words.kpis[name].kind == "duration" for name in rows.index]]
    if rows.empty:
        return
    page.section("time_to_resolve")
    if kpi in rows.index:
        cases = page.attempt(kpi_cases, tables, spec, kpi, period=frequency(page))
        if cases is not None:
            _completion_chart(page, words, cases, kpi, rows.loc[kpi])
    table = pd.DataFrame(
        {
            text("ops_kpi"): [words.name(name) for name in rows.index],
            text("ops_cases"): rows["n"].map(text.count).to_numpy(),
            text("ops_still_open"): rows["n_open"].map(text.count).to_numpy(),
            text("ops_median"): [words.value(row.Index, row.median) for row in rows.itertuples()],
            text("interval_95"): [
                words.between(row.Index, row.median_low, row.median_high) for row in rows.itertuples()
            ],
            text("ops_p90"): [words.value(row.Index, row.p90) for row in rows.itertuples()],
            text("mean_finished"): [words.value(row.Index, row.estimate) for row in rows.itertuples()],
            text("ops_longest"): [words.value(row.Index, row.maximum) for row in rows.itertuples()],
        }
    )
    display.table(table, text("caption_durations"))


def _completion_chart(page: ReportPage, words: Words, cases: pd.DataFrame, kpi: str, row: pd.Series) -> None:
    text, entry = page.text, words.kpis[kpi]
    previous = max((period for period in cases["period"] if period < page.period), default="")
    curves = {key: _curve(cases, entry, name) for key, name in (("now", page.period), ("before", previous))}
    curves = {key: curve for key, curve in curves.items() if curve is not None}
    if "now" not in curves:
        return
    labels = {
        "now": text.period(page.period),
        "before": text.period(previous) if previous else "",
        "limit": text("limit_line", limit=words.limit(kpi)) if entry.limit is not None else "",
        "x": text("axis_since_submitted", unit=text(f"unit_name_{entry.unit}")),
        "y": text("axis_done"),
    }
    facts = {"median": words.value(kpi, row["median"]), "p90": words.value(kpi, row["p90"])}
    open_, n = text.count(row["n_open"]), text.count(row["n"])
    display.paragraph(text("time_lead", kpi=words.name(kpi), open=open_, n=n, **facts))
    display.figure(charts.completion(curves, entry.limit, labels), text("alt_completion", **facts))


def _curve(cases: pd.DataFrame, entry: Kpi, period: str) -> pd.DataFrame | None:
    """The share done by each time in the KPI's unit; none for business hours, whose open cases are not on the clock."""
    part = cases[cases["period"] == period]
    if entry.business_hours or len(part) < 2:
        return None
    now = cases[[entry.start, entry.end]].max().max()
    waited = (now - part[entry.start]) / pd.Timedelta(1, unit=entry.unit)
    done = part[entry.end].notna()
    return completion(part["value"].where(done, waited), done)


def complaints_and_churn(page: ReportPage, found: Kpis | None) -> None:
    """Complaints and customers lost as cards: those with a standard, all where none has one."""
    if found is None:
        return
    text, words = page.text, Words(page, found.spec)
    every = rows_of(page, found)
    rows = every.loc[[words.kpis[name].table in ("complaints", "customers") for name in every.index]]
    if rows.empty:
        return
    rows = rows[rows["target"].notna()] if rows["target"].notna().any() else rows
    page.section("complaints_and_churn")
    changes = _changes(page, found, every)  # sure where the table above says so
    cards = []
    for kpi, row in rows.iterrows():
        card = {"label": words.name(kpi), "value": words.value(kpi, row["estimate"])}
        card["detail"] = words.between(kpi, row["conf_low"], row["conf_high"])
        if pd.notna(row["target"]):
            card["detail"] += " · " + words.standard(kpi)
            card["mood"] = _MOODS.get(row["verdict"], "neutral")
        if kpi in changes.index and pd.notna(changes.loc[kpi, "estimate"]):
            sure = "change_sure" if changes.loc[kpi, "p_adjusted"] < SIGNIFICANCE else "change_unsure"
            previous = text.short_period(previous_of(page, found))
            card["change"] = text(sure, amount=words.signed(kpi, changes.loc[kpi, "estimate"]), period=previous)
        cards.append(card)
    display.cards(cards)
    display.paragraph(text("complaints_note"), "note")


def over_time(page: ReportPage, found: Kpis | None) -> None:
    """Control charts of the indicators that carry an alert or miss their standard."""
    if found is None:
        return
    text, words = page.text, Words(page, found.spec)
    now = rows_of(page, found)
    watched = [kpi for kpi in now.index if words.kpis[kpi].alert is not None or now.loc[kpi, "verdict"] == "not_met"]
    history = shown(page, found)
    history = history[history["period"] <= page.period]
    series = {kpi: history[history["term"] == kpi].sort_values("period") for kpi in watched}
    series = {kpi: rows for kpi, rows in series.items() if len(rows) >= _SHORTEST_HISTORY}
    if not series:
        return
    page.section("control_charts")
    display.paragraph(text("control_note"), "note")
    quiet = [_control_chart(page, words, kpi, rows) for kpi, rows in list(series.items())[:_CHARTS]]
    if names := list(filter(None, quiet)):
        display.paragraph(text("control_all_quiet", names=text.join(names)))


def _control_chart(page: ReportPage, words: Words, kpi: str, rows: pd.DataFrame) -> str:
    """Draws one, says what its newest signal is, and gives its name when none of its points signals."""
    text = page.text
    attained = rows["attainment"].notna().all()
    share = attained or words.kpis[kpi].unit == "share"
    series = rows.set_index("period")["attainment" if attained else "estimate"].astype(float)
    n = rows["n"].to_numpy(float)
    sd = rows["std_error"].to_numpy(float) * np.sqrt(n)
    chart = (
        page.attempt(control_chart, series, kind="p_prime", n=n)
        if share
        else page.attempt(control_chart, series, kind="xbar", n=n, sd=sd)
    )
    if chart is None:
        return ""
    points = chart.tidy()
    name = text("league_kept", kpi=words.name(kpi)) if attained else words.name(kpi)
    signals = [
        text.join([text(f"nelson_{rule}") for rule in rules.split(", ")]) if rules else "" for rules in points["rules"]
    ]
    points = points.assign(label=[text.short_period(period) for period in points["term"]], signal=signals)
    display.heading(name, f"control-{kpi}", 3)
    labels = {
        "axis": text("axis_done_share") if attained else words.name(kpi),
        "center": text("control_center"),
        "limits": text("control_limits"),
    }
    signalled = points[points["signal"] != ""]
    found = [
        text(
            "control_signal",
            period=row.label,
            value=text.percent(row.estimate) if share else words.value(kpi, row.estimate),
            rules=row.signal,
        )
        for row in signalled.itertuples()
    ]
    alt = text("alt_control", kpi=name, n=len(signalled), last=found[-1] if found else text("control_quiet"))
    display.figure(charts.control(points, labels, share), alt)
    if found:
        display.paragraph(found[-1])
    return "" if found else name
