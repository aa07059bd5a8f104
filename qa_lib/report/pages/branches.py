"""Units side by side and on the customer's path: league tables, the indicator system, the service circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from qa_lib.operations.circle import ServiceCircle, service_circle
from qa_lib.operations.kpi.kpi_spec import Kpi, KpiSpec, read_kpi_spec
from qa_lib.operations.kpis import Kpis, kpi_cases, kpis
from qa_lib.operations.scorecards import Scorecards, score_contacts
from qa_lib.report import charts, display
from qa_lib.report import charts_operations as drawings
from qa_lib.report.pages import records
from qa_lib.report.pages.kpi_rows import Words
from qa_lib.report.pages.page import ReportPage, interval_columns
from qa_lib.report.suppression import dated, hidden_groups
from qa_lib.study.study_file import Segment
from qa_lib.tracking.composite import Composite, composite
from qa_lib.tracking.league import LeagueTable, league_table
from qa_lib.tracking.system import Node, read_system

AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Units:
    """What a league table compares: what such a unit is called, and each one's name."""

    name: str
    label: Callable[[object], str]


def compared(page: ReportPage, tables: dict[str, pd.DataFrame], spec: KpiSpec | None) -> None:
    """League tables of the survey and of the operations records, and the indicator system, over the study's units."""
    segment = unit(page, tables)
    if segment is None:
        display.paragraph(page.text("units_on_everyones_page"), "note")
        return
    column, minimum = segment.id, page.study.spec.minimum_cell
    page.section("league_section")
    if len(page.data):
        scored = answered(page, column)
        shown = scored[scored[column].isin(page.shown_groups(column))]
        _league(page, _units(page, segment), page.attempt(league_table, shown, column, "score", minimum_cell=minimum))
        if hidden := scored[column].nunique() - shown[column].nunique():
            display.paragraph(page.text("hidden_small", n=hidden, minimum=minimum), "note")
    for kpi in watched(spec, tables):
        cases = page.attempt(kpi_cases, tables, spec, kpi.id, period=page.period)
        if cases is not None and column in cases:
            name = page.text("league_kept", kpi=page.text.of(kpi.name, kpi.id))
            cases = cases.astype({"met": float})
            hidden = hidden_units(page, cases, column, _date_of(spec, kpi))
            kept = cases[~cases[column].isin(hidden)]
            found = page.attempt(league_table, kept, column, "met", minimum_cell=minimum)
            _league(page, _units(page, segment), found, name, len(hidden))
    _agents(page, tables, spec, column)
    root = system(page)
    if root is not None and len(page.data):
        found = page.attempt(kpis, tables, _only(spec, root.leaves()), by=column, period=page.period)
        if found is not None:
            page.section("system_section")
            _system(page, segment, page.attempt(composite, spec=root, **indicator_values(page, root, segment, found)))


def hidden_units(page: ReportPage, cases: pd.DataFrame, column: str, at: str, within: str = "") -> set:
    """The units whose cases may not be shown: too few of them, or what would give these away.

    ``within`` names the larger units whose own numbers are shown, too: they must not give away what is in them.
    """
    found, minimum = dated(cases, at), page.study.spec.minimum_cell
    if within not in cases:
        return hidden_groups(found, column, page.period, minimum)
    hidden = hidden_groups(found, within, page.period, minimum)
    parts = {group: part for group, part in found.groupby(within)}
    own = [set(parts[group][column]) for group in hidden if group in parts]
    own += [hidden_groups(part, column, page.period, minimum) for part in parts.values()]
    return set().union(*own)


def _date_of(spec: KpiSpec | None, kpi: Kpi) -> str:
    return read_kpi_spec(spec).tables[kpi.table].at


def _agents(page: ReportPage, tables: dict[str, pd.DataFrame], spec: KpiSpec | None, column: str) -> None:
    """League tables of agents on the watched KPIs, where records name who did the work."""
    for kpi in watched(spec, tables):
        if AGENT not in tables[kpi.table]:
            continue
        cases = page.attempt(kpi_cases, tables, spec, kpi.id, period=page.period)
        if cases is None or AGENT not in cases:
            continue
        cases = cases.astype({"met": float})
        hidden = hidden_units(page, cases, AGENT, _date_of(spec, kpi), within=column)
        kept = cases[~cases[AGENT].isin(hidden)]
        found = page.attempt(league_table, kept, AGENT, "met", minimum_cell=page.study.spec.minimum_cell)
        _league(
            page,
            Units(page.text("mon_agent"), str),
            found,
            page.text("league_kept", kpi=page.text.of(kpi.name, kpi.id)),
            len(hidden),
        )


def watched(spec: KpiSpec | None, tables: dict[str, pd.DataFrame]) -> list[Kpi]:
    """The KPIs of single cases with a limit and an alert threshold: those a manager is called for."""
    return [
        kpi
        for kpi in read_kpi_spec(spec).kpis
        if kpi.alert is not None and kpi.limit is not None and kpi.table in tables
    ]


def _only(spec: KpiSpec | None, wanted: list[str]) -> KpiSpec | None:
    """The spec with only the KPIs an indicator system uses."""
    return spec and spec.model_copy(update={"kpis": [kpi for kpi in spec.kpis if kpi.id in wanted]})


def unit(page: ReportPage, tables: dict[str, pd.DataFrame]) -> Segment | None:
    """The segment by which records and responses can both be split; none on a page that shows one of its values."""
    for segment in page.study.spec.segments:
        column = segment.id
        known = page.study.values(column)
        if any(column in table and known & set(table[column].astype(str)) for table in tables.values()):
            return None if page.segment.startswith(f"{column}=") else segment
    return None


def answered(page: ReportPage, column: str) -> pd.DataFrame:
    """Each respondent's unit, score (mean of the dimensions, 0–100) and weight, if any."""
    kept = page.data[[column, *([page.weights] if page.weights else [])]]
    return kept.assign(score=page.scores(page.data).mean(axis=1))


def _units(page: ReportPage, segment: Segment) -> Units:
    return Units(page.text.of(segment.name, segment.id), lambda value: page.segment_label(segment.id, value))


def _league(page: ReportPage, units: Units, found: LeagueTable | None, share: str = "", n_hidden: int = 0) -> None:
    """Shrunken means with intervals and rank intervals, whether units differ at all, and what is hidden.

    ``share`` names a share of cases (0–1); else the survey's index is shown. ``n_hidden`` units were left out before.
    """
    if found is None:
        return
    text = page.text
    name, show = share or page.index_name, text.percent if share else text.number
    what = {"name": name, "segment": units.name}
    table = found.tidy()
    if share:  # the mixed model's interval of a share may reach beyond all cases
        table[["conf_low", "conf_high"]] = table[["conf_low", "conf_high"]].clip(0, 1)
    labels = [units.label(unit) for unit in table["term"]]
    display.heading(text("league_heading", **what), f"league-{units.name}-{name}", 3)
    display.paragraph(_differ(page, found, labels))
    if not share:
        now, own = interval_columns(table, labels), interval_columns(table.assign(estimate=table["mean"]), labels)
        words = {"now": text("league_shrunken"), "before": text("league_own_mean"), "axis": name}
        high, low = (text.number(table["estimate"].iloc[place]) for place in (0, -1))
        alt = text("alt_league", **what, first=labels[0], last=labels[-1], high=high, low=low)
        display.figure(charts.scores(now, own, None, words), alt)
    rows = pd.DataFrame(
        {
            units.name: labels,
            text("ops_cases"): table["n"].map(text.count),
            text("league_shrunken"): table["estimate"].map(show),
            text("interval_95"): [
                text("ops_range", low=show(low), high=show(high))
                for low, high in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
            text("league_own_mean"): table["mean"].map(show),
            text("ops_rank"): table["rank"].map(text.count),
            text("ops_rank_interval"): _rank_intervals(page, table),
        }
    )
    display.table(rows, text("caption_league", **what), most=display.MOST_ROWS)
    if n_hidden := n_hidden + len(found.hidden):
        display.paragraph(
            text("hidden_cases" if share else "hidden_small", n=n_hidden, minimum=found.minimum_cell), "note"
        )


def _rank_intervals(page: ReportPage, table: pd.DataFrame) -> list[str]:
    text = page.text
    return [
        text.count(low) if low == high else text("ops_range", low=text.count(low), high=text.count(high))
        for low, high in zip(table["rank_low"], table["rank_high"], strict=True)
    ]


def _differ(page: ReportPage, found: LeagueTable, labels: list[str]) -> str:
    """Whether the units differ beyond chance, and which ranks are certain."""
    text, table = page.text, found.tidy()
    facts = {
        "icc1": text.number(max(found.icc.icc1, 0), 2),
        "icc2": text.number(max(found.icc.icc2, 0), 2),
        "p": text.p_statement(found.icc.p_value),
    }
    if found.icc.p_value >= 0.05:
        return text("units_alike", **facts)
    lowest, highest = table["rank_high"].min(), table["rank_low"].max()
    best = [label for label, high in zip(labels, table["rank_high"], strict=True) if high == 1]
    worst = [label for label, low in zip(labels, table["rank_low"], strict=True) if low == len(table)]
    sentence = text("units_differ", **facts)
    if best:
        sentence += text("surely_first", unit=text.join(best))
    if worst:
        sentence += text("surely_last", unit=text.join(worst))
    return sentence if lowest == 1 or highest == len(table) else sentence + text("ranks_open")


def system(page: ReportPage) -> Node | None:
    path = page.study.path / "indicators.yaml"
    return read_system(path) if path.is_file() else None


def indicator_values(page: ReportPage, root: Node, segment: Segment, found: Kpis) -> dict[str, pd.DataFrame]:
    """Units × indicators: survey means and KPIs of this period, and their standard errors."""
    rows = found.tidy()
    units = sorted(set(page.shown_groups(segment.id)) & set(rows[segment.id]), key=str)
    kpis = rows.set_index([segment.id, "term"])
    survey = page.model_data()
    values, errors = pd.DataFrame(index=units), pd.DataFrame(index=units)
    for leaf in root.leaves():
        if leaf in survey:
            by_unit = survey[leaf].groupby(page.data[segment.id])
            values[leaf], errors[leaf] = by_unit.mean().reindex(units), by_unit.sem().reindex(units)
        elif leaf in set(rows["term"]):
            one = kpis.xs(leaf, level="term").reindex(units)
            values[leaf], errors[leaf] = one["estimate"].astype(float), one["std_error"].astype(float)
    return {"table": values, "std_errors": errors}


def _system(page: ReportPage, segment: Segment, found: Composite | None) -> None:
    """Every unit's score with band and contributions, the weights, and how far the ranks hang on them."""
    if found is None:
        return
    text = page.text
    names = {node.id: text.of(node.name, node.id) for node in found.spec.walk()}
    table = found.tidy()
    whole = table[table["term"] == found.spec.id].set_index("group")
    ranks = found.ranks.set_index("group").sort_values("rank")
    order = list(ranks.index)
    labels = [page.segment_label(segment.id, unit) for unit in order]
    certain = [label for unit, label in zip(order, labels, strict=True) if ranks.loc[unit, "first"] > 0.95]
    best = whole.loc[order[0]]
    first, last = (page.unit_name(segment.id, order[place]) for place in (0, -1))
    key = "system_lead" if certain else "system_lead_open"
    display.paragraph(
        text(
            key, name=names[found.spec.id], unit=first, score=text.number(best["estimate"]),
            band=text(f"band_{best['band']}"), first=text.percent(ranks["first"].iloc[0]),
            last=last, last_score=text.number(whole.loc[order[-1], "estimate"]),
        )
    )  # fmt: skip
    if len(order) > 1 and best["conf_low"] <= whole.loc[order[1], "conf_high"]:
        display.paragraph(text("system_overlap"))
    parts = found.contributions.loc[order].rename(columns=names).set_axis(labels, axis=0)
    drawn = drawings.contributions(parts, whole.loc[order], {"axis": names[found.spec.id]})
    high, low = (text.number(whole.loc[unit, "estimate"]) for unit in (order[0], order[-1]))
    display.figure(drawn, text("alt_system", first=labels[0], last=labels[-1], high=high, low=low))
    unit_name = text.of(segment.name, segment.id)
    rows = pd.DataFrame(
        {
            unit_name: labels,
            names[found.spec.id]: whole.loc[order, "estimate"].map(text.number).to_numpy(),
            text("interval_95"): [
                text.interval(low, high)
                for low, high in whole.loc[order, ["conf_low", "conf_high"]].itertuples(index=False)
            ],
            text("ops_rating"): [text(f"band_{band}") for band in whole.loc[order, "band"]],
            text("ops_rank"): ranks["rank"].map(text.count).to_numpy(),
            text("ops_rank_interval"): _rank_intervals(page, ranks),
        }
    )
    display.table(rows, text("caption_system"))
    points = {name: part.map(text.number).to_numpy() for name, part in parts.items()}
    display.table(pd.DataFrame({unit_name: labels, **points}), text("caption_contributions"))
    weights = found.weights
    table = pd.DataFrame(
        {
            text("ops_indicator"): [names[term] for term in weights["term"]],
            text("ops_weight"): weights["weight"].map(text.percent),
            text("weight_whole"): weights["share"].map(text.percent),
            text("weight_source"): [text(f"source_{source or 'other'}") for source in weights["source"]],
            text("weight_method"): [text(f"weighting_{method}") for method in weights["method"]],
        }
    )
    display.table(table, text("caption_weights"))


def circle(page: ReportPage, found: Kpis | None) -> None:
    """Where on the customer's path the service fails its standard, and what customers feel there."""
    path = page.study.path / "standards.yaml"
    if found is None or not path.is_file():
        return
    page.section("circle_section")
    scored = _scorecards(page)
    answers = page.data if len(page.data) else None
    result = page.attempt(service_circle, path, kpis=found, scorecards=scored, answers=answers, period=page.period)
    if result is not None:
        _circle(page, result, found, {} if scored is None else _item_names(page, scored))


def _scorecards(page: ReportPage) -> Scorecards | None:
    rubric, table = page.study.path / "monitoring" / "scorecard.yaml", page.study.monitoring()
    if table is None or not rubric.is_file():
        return None
    table = records.of_period(page, records.of_segment(page, table))
    return page.attempt(score_contacts, table, rubric) if len(table) else None


def _item_names(page: ReportPage, scored: Scorecards) -> dict[str, str]:
    return {item.id: page.text.of(item.name, item.id) for item in scored.rubric.items}


def _circle(page: ReportPage, found: ServiceCircle, kpis: Kpis, items: dict[str, str]) -> None:
    text, words = page.text, Words(page, kpis.spec)
    names = {"kpi": words.name, "scorecard": lambda item: items.get(item, item)}
    table = found.tidy()
    table = table[table["verdict"].notna() | (table["source"] == "survey")].reset_index(drop=True)
    table["label"] = [
        names.get(source, lambda item: page.item_label(item, 200))(term)
        for source, term in zip(table["source"], table["term"], strict=True)
    ]
    missed = table[table["verdict"] == "not_met"]
    places = {
        name: text(f"touchpoint_{name}") if text.has(f"touchpoint_{name}") else name for name in found.touchpoints
    }
    display.paragraph(_circle_lead(page, table, missed, places))
    points = table.assign(
        place=table["touchpoint"].map({name: place for place, name in enumerate(found.touchpoints)}),
        felt=table["source"] == "survey",
        missed=table["verdict"] == "not_met",
    )
    labels = {key: text(f"circle_{key}") for key in ("axis", "done", "felt")}
    labels["missed"] = text("circle_standard_missed")
    alt = text("alt_circle", names=text.join(list(missed["label"])) or text("ops_none"))
    display.figure(drawings.path(points, list(places.values()), labels), alt)
    _circle_table(page, table, places)


def _circle_lead(page: ReportPage, table: pd.DataFrame, missed: pd.DataFrame, places: dict[str, str]) -> str:
    text = page.text
    felt = table[table["source"] == "survey"].groupby("touchpoint")["estimate"].mean()
    low = text("circle_felt_lowest", place=places[felt.idxmin()], score=text.number(felt.min())) if len(felt) else ""
    if missed.empty:
        return text("circle_no_miss") + low
    worst = missed["touchpoint"].value_counts().idxmax()
    names = text.join(list(missed.loc[missed["touchpoint"] == worst, "label"]))
    return text("circle_missed", n=len(missed), place=places[worst], names=names) + low


def _circle_table(page: ReportPage, table: pd.DataFrame, places: dict[str, str]) -> None:
    """A row per touchpoint and element: standards missed, what was done, what was felt."""
    text, rows, classes = page.text, [], {}
    for (touchpoint, element), part in table.groupby(["touchpoint", "element"], sort=False):
        felt = part["source"] == "survey"
        failing = part.loc[part["verdict"] == "not_met", "label"]
        counts = part["verdict"].value_counts()
        if len(failing):
            classes[len(rows), 3] = "bad"
        rows.append(
            (
                places[touchpoint],
                text(f"element_{element}"),
                text("circle_counts", met=int(counts.get("met", 0)), of=int(part["verdict"].notna().sum())),
                text.join(list(failing)) or "–",
                text.number(part.loc[~felt, "estimate"].mean()),
                text.number(part.loc[felt, "estimate"].mean()),
            )
        )
    keys = ("ops_touchpoint", "ops_element", "standards_met", "circle_missed_names", "circle_done", "circle_felt")
    frame = pd.DataFrame(rows, columns=[text(key) for key in keys])
    display.table(frame, text("caption_circle"), text_columns=2, classes=classes)
