"""Below the driver page's first screen: BPM factors, items to work on, segments and the robustness of the ranking."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from qa_lib.effects.asymmetry import Kano, PenaltyReward, kano, penalty_reward
from qa_lib.effects.importance import holm
from qa_lib.effects.priorities import Ipa, ipa
from qa_lib.effects.regression import Drivers
from qa_lib.effects.robustness import Robustness, robustness
from qa_lib.effects.segments import OTHERS, DriverSegments, driver_segments
from qa_lib.report import charts_drivers, display
from qa_lib.report.pages.drivers import SIGNIFICANCE, listing, map_words, percents, ranked, weights_of
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.screening import screen

_LOW, _HIGH = 40.0, 75.0  # dimension scores 0–100: 1 and 2 of five points are low, 4 and 5 high
_SHOWN_ITEMS = 10
_DRAWN_GROUPS = 30
_NAMED_GROUPS = 6
_N_BOOT = 500


def factors(page: ReportPage, found: Drivers | None) -> None:
    """BPM factors: penalty–reward contrasts of the dimensions, and the Kano questionnaire where the study has one."""
    asked = _kano(page)
    if found is None and asked is None:
        return
    text = page.text
    page.section("driver_factors")
    contrasts = _contrasts(page) if found is not None else None
    features = {pair.feature: pair.feature for pair in page.instrument.kano}
    labels = {name: page.dimension_name(name) for name in page.dimensions} | features
    labels |= {key: text(f"axis_{key}") for key in ("penalty", "reward", "better", "worse")} | {"kano": "Kano"}
    if contrasts is not None:
        sentences = _factor_sentences(page, contrasts)
        for sentence in sentences:
            display.paragraph(sentence)
        figure = charts_drivers.drawn(contrasts, labels, 4.4, kano=asked)
        display.figure(figure, text("alt_factors", finding=" ".join(sentences)))
        _factor_table(page, contrasts)
        display.paragraph(text("factors_note", low=text.count(_LOW), high=text.count(_HIGH)), "note")
    elif asked is not None:
        classes = asked.classes["category"]
        found_kinds = [
            text("kano_of", kind=text(f"kano_{kind}"), features=text.join([str(name) for name in members.index]))
            for kind, members in classes.groupby(classes, sort=False)
        ]
        display.figure(charts_drivers.drawn(asked, labels, 4.4), text("alt_kano", finding=text.join(found_kinds)))
    if asked is not None:
        _kano_table(page, asked)


def _contrasts(page: ReportPage) -> PenaltyReward | None:
    data = page.scores(page.data).assign(satisfaction=page.data[page.outcomes["satisfaction"]])
    terms = list(page.dimensions)
    options = {"low": _LOW, "high": _HIGH, "scale": (0, 100), "weights": weights_of(page)}
    return page.attempt(penalty_reward, data, "satisfaction", terms, **options)


def _factor_sentences(page: ReportPage, contrasts: PenaltyReward) -> list[str]:
    text, classes = page.text, contrasts.classes["factor"]
    sentences = []
    for factor in ("basic", "performance", "motivation", "undecided"):
        members = [page.dimension_name(name) for name in classes.index[classes == factor]]
        if len(members) == len(classes) and factor == "undecided":
            sentences.append(text("factor_all_undecided"))
        elif members:
            sentences.append(text(f"factor_sentence_{factor}", dimensions=text.join(members)))
    return sentences


def _factor_table(page: ReportPage, contrasts: PenaltyReward) -> None:
    text = page.text
    table = contrasts.tidy().set_index(["dimension", "term"])
    rows = []
    for name, place in contrasts.classes.iterrows():
        cells = [page.dimension_name(name), text.percent(place["low"]), text.percent(place["high"])]
        for term in ("penalty", "reward"):
            row = table.loc[(name, term)]
            cells += [text.signed(row["estimate"], 2), text.interval(row["conf_low"], row["conf_high"], 2)]
        rows.append([*cells, text(f"factor_{place['factor']}")])
    columns = "dimension share_low share_high penalty interval_95 reward interval_95 bpm_factor"
    listing(page, rows, columns, text("caption_factors"))


def _kano(page: ReportPage) -> Kano | None:
    pairs = [p for p in page.instrument.kano if {p.functional, p.dysfunctional} <= set(page.data)]
    if not pairs:
        return None
    sides = [
        pd.DataFrame({pair.feature: page.data[getattr(pair, side)] for pair in pairs})
        for side in ("functional", "dysfunctional")
    ]
    return page.attempt(kano, *sides, weights=weights_of(page))


def _kano_table(page: ReportPage, asked: Kano) -> None:
    text = page.text
    table = asked.tidy().set_index(["item", "term"])
    rows = []
    for feature, place in asked.classes.iterrows():
        cells = [feature, text.count(place["n"])]
        for term in ("better", "worse"):
            row = table.loc[(feature, term)]
            cells += [text.number(row["estimate"], 2), text.interval(row["conf_low"], row["conf_high"], 2)]
        cells.append(text.percent(asked.shares.loc[feature, "Q"]))
        rows.append([*cells, text(f"kano_{place['category']}"), text(f"factor_{place['factor']}")])
    columns = "driver_feature n driver_better interval_95 driver_worse interval_95 driver_contradictory"
    columns += " driver_kano bpm_factor"
    listing(page, rows, columns, text("caption_kano"))


def items(page: ReportPage, found: Drivers | None) -> None:
    """Importance × performance of the items: what to work on within the dimensions."""
    if found is None or len(page.items) < 2:
        return
    text = page.text
    page.section("driver_items")
    ratings = pd.DataFrame({item: _to_100(page, item) for item in page.items})
    satisfaction = page.data[page.outcomes["satisfaction"]]
    options = {"outcome": satisfaction, "weights": weights_of(page), "n_boot": _N_BOOT}
    result = page.attempt(ipa, "relative_weight", ratings, **options)
    if result is None:
        return
    chosen = result.places.sort_values("priority", ascending=False)
    first = list(chosen.index[chosen["quadrant"] == "concentrate_here"])
    above = [item for item in chosen.index[chosen["line"] == "above"] if item not in first]
    names = [page.item_label(item, 30).rstrip("。.") for item in (first or above)[:5]]
    key = "items_first" if first else "items_above" if above else "items_undecided"
    finding = text(key, items=text.join(names), n=text.count(result.n))
    display.paragraph(finding)
    alt = text("alt_driver_items", items=text.join(list(chosen.index[:3])), finding=finding)
    labels = map_words(page) | dict.fromkeys(chosen.index[_SHOWN_ITEMS:], "")  # names of all would cover one another
    display.figure(charts_drivers.drawn(result, labels, 4.8, "y"), alt)
    _items_table(page, result, chosen[:_SHOWN_ITEMS])


def _to_100(page: ReportPage, item: str) -> pd.Series:
    low, high = page.instrument.scale_of(item)
    return 100 * (page.data[item] - low) / (high - low)


def _items_table(page: ReportPage, result: Ipa, chosen: pd.DataFrame) -> None:
    text, table = page.text, result.tidy().set_index(["item", "term"])
    rows = []
    for item, place in chosen.iterrows():
        importance, performance = table.loc[(item, "importance")], table.loc[(item, "performance")]
        row = [page.item_label(item), text.percent(importance["estimate"], 1), percents(page, importance, digits=1)]
        row += [text.number(performance["estimate"]), text(f"quadrant_{place['quadrant']}")]
        rows.append([*row, text(f"line_{place['line']}")])
    columns = "item importance_share interval_95 driver_performance driver_quadrant iso_line"
    caption = text("caption_items_map", n=len(rows))
    listing(page, rows, columns, caption)


def segments(page: ReportPage, found: Drivers | None) -> None:
    """Does it depend on the branch, channel or language what matters: tests, and a picture where it does."""
    if found is None:
        return
    candidates = _segments_of(page)
    if not candidates:
        return
    text = page.text
    page.section("driver_segments")
    page = page.sampled()
    results = {name: result for name in candidates if (result := _segment(page, name)) is not None}
    if not results:
        return
    p_values = [result.glance().loc[0, "p_value"] for result in results.values()]
    adjusted = dict(zip(results, holm(np.array(p_values)), strict=True))
    different = [name for name in results if adjusted[name] < SIGNIFICANCE]
    names = {name: _segment_name(page, name) for name in results}
    if different:
        display.paragraph(text("segments_differ", segments=text.join([names[name] for name in different])))
    else:
        display.paragraph(text("segments_alike", segments=text.join(list(names.values()))))
    _segments_table(page, results, names, adjusted)
    _pooling(page, results, names)
    for name in different:
        _segment_picture(page, name, results[name], names[name])


def _segments_of(page: ReportPage) -> list[str]:
    column = page.segment.partition("=")[0]
    known = [entry.id for entry in page.study.spec.segments]
    known += ["language"] if "language" not in known else []
    candidates = [name for name in known if name in page.data and name != column]
    return [name for name in candidates if len(page.data[name].dropna().unique()) > 1]


def _segment(page: ReportPage, name: str) -> DriverSegments | None:
    """None, and said, where fewer than two groups of the segment hold enough respondents."""
    sizes = page.data[name].value_counts()
    enough = 10 * len(page.dimensions)
    if (sizes >= enough).sum() < 1 or (sizes >= enough).sum() + (sizes[sizes < enough].sum() >= enough) < 2:
        display.paragraph(page.text("segment_too_small", segment=_segment_name(page, name), minimum=enough), "note")
        return None
    columns = page.data[[*page.items, page.outcomes["satisfaction"]]]
    options = {"weights": weights_of(page), "n_boot": _N_BOOT}
    values = page.data[name].to_numpy(object)
    return page.attempt(driver_segments, columns, page.outcomes["satisfaction"], page.dimensions, values, **options)


def _segment_name(page: ReportPage, name: str) -> str:
    entry = next((entry for entry in page.study.spec.segments if entry.id == name), None)
    return page.text.of(entry.name, name) if entry is not None else page.text("segment_language")


def _segment_value(page: ReportPage, name: str, value: str) -> str:
    if value == OTHERS:
        return page.text("driver_others")
    known = [entry.id for entry in page.study.spec.segments]
    key = f"language_{value}"
    return page.segment_label(name, value) if name in known else page.text(key) if page.text.has(key) else value


def _segments_table(
    page: ReportPage, results: dict[str, DriverSegments], names: dict[str, str], adjusted: dict[str, float]
) -> None:
    text = page.text
    rows = []
    for name, result in results.items():
        glance = result.glance().loc[0]
        row = [names[name], text.count(glance["segments"]), text.number(glance["statistic"], 2)]
        row += [text.p_value(glance["p_value"]), text.p_value(adjusted[name]), text.p_value(glance.get("p_value_path"))]
        row.append(text.p_value(glance.get("p_value_latent")))
        rows.append([*row, text("yes") if adjusted[name] < SIGNIFICANCE else text("no")])
    columns = "segment n_segments f_statistic p p_holm p_path p_latent differs"
    listing(page, rows, columns, text("caption_segments"))
    display.paragraph(text("segments_note"), "note")


def _pooling(page: ReportPage, results: dict[str, DriverSegments], names: dict[str, str]) -> None:
    text = page.text
    for name, result in results.items():
        for key, values in (("segments_pooled", result.pooled), ("segments_left_out", result.left_out)):
            if values:
                few = len(values) <= _NAMED_GROUPS
                named = [_segment_value(page, name, value) for value in values]
                shown = text.join(named) if few else text("n_groups", n=len(values))
                minimum = result.provenance.settings["minimum"]
                display.paragraph(text(key, segment=names[name], values=shown, minimum=minimum), "note")


def _segment_picture(page: ReportPage, name: str, result: DriverSegments, label: str) -> None:
    text = page.text
    labels = {term: page.dimension_name(term) for term in page.dimensions}
    labels |= {value: _segment_value(page, name, value) for value in result.sizes.index}
    labels |= {"share": text("importance_share")}
    sure = result.differences[result.differences["p_adjusted"] < SIGNIFICANCE]
    sentences = []
    for row in sure.itertuples():
        key = "segment_more" if row.estimate > 0 else "segment_less"
        words = {"value": _segment_value(page, name, row.group), "dimension": page.dimension_name(row.term)}
        points = text.number(100 * abs(row.estimate), 0)
        sentences.append(text(key, points=points, **words))
    if len(result.sizes) <= _DRAWN_GROUPS:
        alt = text("alt_segments", segment=label, finding=" ".join(sentences) or text("segment_no_share"))
        display.figure(_shares_by_group(page, result, labels), alt)
    display.bullets(sentences or [text("segment_no_share")])


def _shares_by_group(page: ReportPage, result: DriverSegments, labels: dict[str, str]) -> Figure:
    """A colour per group; a panel per dimension where the groups are more than the colours."""
    if len(result.sizes) > len(charts_drivers.PALETTE):
        shares = result.tidy()[["group", "term", "share", "share_low", "share_high"]]
        return charts_drivers.panels(shares, list(page.dimensions), list(result.sizes.index), labels)
    return charts_drivers.drawn(result, labels, 1.4 + 0.22 * len(page.dimensions) * len(result.sizes), "x")


def robust(page: ReportPage, found: Drivers | None) -> None:
    """Does the ranking survive other reasonable choices: specification table and curve."""
    if found is None:
        return
    text = page.text
    page.section("driver_robustness")
    page = page.sampled()
    flagged = screen(page.responses)["flagged"].to_numpy()
    outcome = page.outcomes["satisfaction"]
    needed = [*page.items, outcome, *(["weight"] if page.weights else [])]
    options = {"weights": page.weights, "flagged": flagged if flagged.any() else None}
    result = page.attempt(robustness, page.data[needed], outcome, page.dimensions, **options)
    if result is None:
        return
    table, glance = result.tidy().sort_values("rank"), result.glance().loc[0]
    names = {term: page.dimension_name(term) for term in table["term"]}
    first = table.iloc[0]
    usable = glance["n_specifications"] - glance["n_failed"]
    counts = {"n": text.count(usable), "kept": text.count(round(first["kept"] * usable))}
    sentence = text("robust_sentence", dimension=names[first["term"]], **counts)
    display.paragraph(sentence)
    labels = names | {"specification": text("specification"), "share": text("importance_share")}
    shares = percents(page, first, "share_low", "share_high")
    alt = text("alt_robust", finding=sentence, dimension=names[first["term"]], shares=shares)
    display.figure(charts_drivers.drawn(result, labels, 3.4, "y"), alt)
    rows = [ranked(page, names, row, "estimate", "kept") for _, row in table.iterrows()]
    columns = "dimension median_share driver_range rank rank_range rank_kept"
    listing(page, rows, columns, text("caption_robust"))
    _specifications(page, result, names)


def _specifications(page: ReportPage, result: Robustness, names: dict[str, str]) -> None:
    """Every specification with the choices made and the dimension that comes first."""
    text = page.text
    rows = []
    for number, one in result.specifications.groupby("specification"):
        made = one.iloc[0]
        choices = [text(f"choice_{made[key]}") for key in ("respondents", "weights", "missing", "model")]
        failed = one["share"].isna().all()
        first = text("specification_failed") if failed else names[one.sort_values("rank")["term"].iloc[0]]
        rows.append([text.count(number + 1), *choices, text.count(made["n"]), first])
    columns = "specification driver_respondents weighting missing_answers model_kind n comes_first"
    listing(page, rows, columns, text("caption_specifications"), 5, most=10)
