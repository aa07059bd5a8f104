"""What was done about it and whether it helped: the PDCA log, who answered, how precise the answers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qa_lib.operations.kpi.kpi_spec import Kpi, read_kpi_spec
from qa_lib.operations.kpis import kpi_cases
from qa_lib.report import charts_operations as drawings
from qa_lib.report import display
from qa_lib.report.pages import kpi_rows
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.text import Text
from qa_lib.study.dates import parse_dates, span
from qa_lib.study.study_file import Segment
from qa_lib.tracking.actions import ActionEffects, action_effects

_MOODS = {"adopt": "good", "abandon": "bad"}


def until_now(page: ReportPage, values: Mapping[str, list[str]], column: str | None) -> pd.DataFrame:
    """Every respondent up to the end of the page's period: the period, ``column``, the weight, and the mean of the
    items of each of ``values``. One of the study's periods is read at a time."""
    last, parts = span(page.period)[1], []
    for name in (name for name in page.study.periods() if span(name)[1] <= last):
        data = page.study.responses(name).data
        kept = data[[known for known in ("period", column, page.weights) if known is not None and known in data]]
        means = {key: data.reindex(columns=items).mean(axis=1) for key, items in values.items()}
        parts.append(kept.assign(**means))
    table = pd.concat(parts, ignore_index=True)
    return table.astype({name: "category" for name in ("period", column) if name in table})


def unit(page: ReportPage, actions: pd.DataFrame) -> Segment | None:
    """The segment whose values the log's units are."""
    named = {
        name.strip() for units in actions.get("unit", pd.Series(dtype=object)).dropna() for name in units.split(";")
    }
    for segment in page.study.spec.segments:
        if named & page.study.values(segment.id):
            return segment
    return None


def started(page: ReportPage) -> pd.DataFrame | None:
    """The actions begun by the end of the period, of all units: each is held against those without one."""
    actions = page.actions()
    if actions is None:
        return None
    begun = actions["start"].astype(str).map(lambda start: first_day(start) <= span(page.period)[1])
    return actions[begun].reset_index(drop=True)


def own(page: ReportPage, table: pd.DataFrame) -> pd.DataFrame:
    """On a page of one unit its own actions and those meant for all."""
    segment, (column, _, value) = unit(page, table), page.segment.partition("=")
    if segment is None or segment.id != column:
        return table
    meant = table["unit"].isna() | table["unit"].astype(str).str.split(";").map(lambda units: value in units)
    return table[meant].reset_index(drop=True)


def first_day(start: str) -> pd.Timestamp:
    """The first day of a date or period of the log."""
    day = parse_dates(pd.Series([start])).iloc[0]
    return span(start)[0] if pd.isna(day) or len(start) < 10 else day


def effects(page: ReportPage, actions: pd.DataFrame | None, silent: bool = False) -> ActionEffects | None:
    """Every action's effect on its indicator: a dimension, an outcome, an item, or a KPI of single cases."""
    if actions is None or actions.empty:
        return None
    run = page.known if silent else page.attempt
    spec = kpi_rows.spec_of(page)
    known = {kpi.id: kpi for kpi in read_kpi_spec(spec).kpis}
    named = set(actions["indicator"]) | set(actions.get("guardrail", pd.Series(dtype=object)).dropna())
    tables = kpi_rows.all_tables(page, spec)
    measured = [kpi for kpi in known.values() if kpi.id in named and kpi.table in tables]
    cases = {kpi.id: run(kpi_cases, tables, spec, kpi.id, period="M") for kpi in measured}
    values = dict(page.instrument.dimensions) | {role: [item] for role, item in page.instrument.outcomes.items()}
    values |= {item: [item] for item in page.instrument.items}
    values = {name: items for name, items in values.items() if name in named}
    segment = unit(page, actions)
    column = None if segment is None else segment.id
    return run(
        action_effects,
        until_now(page, values, column),
        actions,
        values={name: [name] for name in values},
        unit=column,
        weights=page.weights,
        cases={name: table for name, table in cases.items() if table is not None},
        better={kpi.id: kpi.better for kpi in measured},
    )


def actions_log(page: ReportPage, found: ActionEffects | None) -> None:
    """In words which actions to adopt, adapt or abandon; then the log and the effects."""
    text = page.text
    table = pd.DataFrame() if found is None else own(page, found.tidy())
    if table.empty:
        display.paragraph(text("no_actions"), "lead")
        return
    counts = table["verdict"].value_counts()
    judged = [
        text(f"actions_{name}", n=counts[name])
        for name in ("adopt", "adapt", "abandon", "too_early")
        if counts.get(name, 0)
    ]
    display.paragraph(
        text("actions_lead", period=text.period(page.period), n=len(table), judged=text.join(judged)), "lead"
    )
    names = indicator_names(page)
    display.bullets([_sentence(page, row, names) for row in table.itertuples()])
    relative = _relative(table)
    if len(relative):
        words = {key: text(f"effects_{key}") for key in ("axis", "none", "expected")}
        said = [text("theme_share", theme=row.label, share=text.percent(row.estimate)) for row in relative.itertuples()]
        display.figure(drawings.effects(relative, words), text("alt_effects", actions=text.join(said)))
    _effects_table(page, table, names)
    _log_table(page, table)
    display.paragraph(text("actions_note", window=found.window), "note")


def indicator_names(page: ReportPage) -> dict[str, str]:
    """Dimensions, outcomes and KPIs by their names in the page's language."""
    kpis: list[Kpi] = read_kpi_spec(kpi_rows.spec_of(page)).kpis
    text = page.text
    names = {kpi.id: text.of(kpi.name, kpi.id) for kpi in kpis}
    names |= {role: text(f"outcome_{role}") for role in page.instrument.outcomes}
    return names | {name: page.instrument.dimension_name(name, text.lang) for name in page.instrument.dimensions}


@dataclass(frozen=True, slots=True)
class Unit:
    """How an indicator is written: points of 100 where it is an answer scale, else its own unit.

    What is shown of a value is ``factor * (value - origin)``; ``words`` is the catalogue's key of the unit.
    """

    text: Text
    factor: float = 1.0
    origin: float = 0.0
    words: str = "unit_score"

    def level(self, value: float) -> str:
        return self.text.number(self.factor * (value - self.origin))

    def change(self, value: float) -> str:
        return self.text(self.words, value=self.text.signed(self.factor * value))

    def interval(self, low: float, high: float) -> str:
        return self.text.interval(self.factor * low, self.factor * high)


def unit_of_indicator(page: ReportPage, indicator: str) -> Unit:
    text = page.text
    items = page.instrument.dimensions.get(indicator, [page.instrument.outcomes.get(indicator, indicator)])
    scales = {page.instrument.scale_of(item) for item in items if item in page.instrument.items}
    if len(scales) == 1:
        low, high = scales.pop()
        ratio = page.study.spec.index_mapping == "ratio"
        return Unit(text, 100 / (high if ratio else high - low), 0 if ratio else low, "effect_points")
    kpi = next((kpi for kpi in read_kpi_spec(kpi_rows.spec_of(page)).kpis if kpi.id == indicator), None)
    if kpi is None:
        return Unit(text)
    return Unit(text, 100, 0, "unit_points") if kpi.unit == "share" else Unit(text, words=f"unit_{kpi.unit}")


def effect_words(page: ReportPage, row) -> dict[str, str]:
    """The ``amount`` of an action's effect, with its unit, and its ``interval``."""
    unit = unit_of_indicator(page, row.indicator)
    return {"amount": unit.change(row.estimate), "interval": unit.interval(row.conf_low, row.conf_high)}


def _sentence(page: ReportPage, row, names: dict[str, str]) -> str:
    text = page.text
    if row.verdict == "too_early":
        return text("action_open", action=row.term)
    wanted = unit_of_indicator(page, row.indicator).change(row.expected)
    expected = text("expected_effect", amount=wanted) if pd.notna(row.expected) else ""
    return text(
        "action_sentence",
        action=row.term,
        indicator=names.get(row.indicator, row.indicator),
        **effect_words(page, row),
        expected=expected,
        design=text(f"design_{row.design}"),
        verdict=text(f"action_{row.verdict}"),
        reason=text(f"reason_{row.reason}"),
    )


def _relative(table: pd.DataFrame) -> pd.DataFrame:
    """Effects as a share of what was expected: one axis for indicators of any unit."""
    known = table[table["expected"].astype(float).abs().gt(0) & table["conf_low"].notna()]
    share = known[["estimate", "conf_low", "conf_high"]].div(known["expected"].astype(float), axis=0)
    flipped = known["expected"].astype(float) < 0
    share.loc[flipped, ["conf_low", "conf_high"]] = share.loc[flipped, ["conf_high", "conf_low"]].to_numpy()
    return share.assign(label=known["term"], missed=known["verdict"] == "abandon").reset_index(drop=True)


def _effects_table(page: ReportPage, table: pd.DataFrame, names: dict[str, str]) -> None:
    text = page.text

    def pair(indicator: str, before: float, after: float) -> str:
        unit = unit_of_indicator(page, indicator)
        return "–" if pd.isna(before) else f"{unit.level(before)} → {unit.level(after)}"

    guards = table["guardrail_verdict"] if "guardrail_verdict" in table else pd.Series(None, index=table.index)
    frame = pd.DataFrame(
        {
            text("pdca_action"): table["term"],
            text("target_indicator"): [names.get(name, name) for name in table["indicator"]],
            text("pdca_before_after"): [pair(row.indicator, row.before, row.after) for row in table.itertuples()],
            text("pdca_comparison"): [
                pair(row.indicator, row.comparison_before, row.comparison_after) for row in table.itertuples()
            ],
            text("pdca_effect"): [text("effect_interval", **effect_words(page, row)) for row in table.itertuples()],
            text("pdca_effect_size"): [text.number(value, 2) for value in table["effect_size"]],
            text("pdca_guardrail"): [text(f"guard_{v}") if pd.notna(v) else "–" for v in guards],
            text("verdict"): [text(f"action_{verdict}") for verdict in table["verdict"]],
        }
    )
    classes = {(place, 7): _MOODS[v] for place, v in enumerate(table["verdict"]) if v in _MOODS}
    display.table(frame, text("caption_effects"), text_columns=2, classes=classes)


def _log_table(page: ReportPage, table: pd.DataFrame) -> None:
    text, segment = page.text, unit(page, table)
    units = table["unit"].fillna("") if segment is not None else pd.Series("", index=table.index)
    shown = [
        text.join([page.unit_name(segment.id, name.strip()) for name in value.split(";")])
        if value
        else text("everyone")
        for value in units
    ]

    def day(when: object) -> str:
        return text.short_period(str(when))

    dates = [
        day(row.start)
        if pd.isna(row.end) or row.end == row.start
        else text("ops_range", low=day(row.start), high=day(row.end))
        for row in table.itertuples()
    ]
    frame = pd.DataFrame(
        {
            text("pdca_action"): table["term"],
            text("pdca_owner"): table["owner"].fillna("–"),
            text("pdca_where"): shown,
            text("pdca_when"): dates,
            text("pdca_expected"): [
                unit_of_indicator(page, row.indicator).change(row.expected) if pd.notna(row.expected) else "–"
                for row in table.itertuples()
            ],
            text("pdca_cost"): [text.count(value) if pd.notna(value) else "–" for value in table["cost"]],
            text("pdca_risk"): [_level(page, value) for value in table["risk"]],
        }
    )
    display.table(frame, text("caption_log"), text_columns=4)


def _level(page: ReportPage, value: object) -> str:
    if pd.isna(value):
        return "–"
    return page.text(f"risk_{value}") if page.text.has(f"risk_{value}") else str(value)
