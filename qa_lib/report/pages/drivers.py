"""What moves satisfaction: what to do first, how much each dimension matters, and whether the model may be believed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qa_lib.effects.prediction import CrossValidation, cross_validate
from qa_lib.effects.priorities import Ipa, ipa
from qa_lib.effects.regression import Drivers, drivers
from qa_lib.report import charts, charts_drivers, display
from qa_lib.report.pages.page import ReportPage

SIGNIFICANCE = 0.05


def listing(
    page: ReportPage, rows: list[list[str]], columns: str, caption: str, text_columns: int = 1, most: int | None = None
) -> None:
    """A table of ``rows`` whose headings are the catalogue's words for the keys in ``columns``."""
    frame = pd.DataFrame(rows, columns=[page.text(key) for key in columns.split()])
    display.table(frame, caption, text_columns, most=most)


def weights_of(page: ReportPage) -> Any:
    return page.data["weight"].to_numpy() if page.weights else None


def model(page: ReportPage) -> Drivers | None:
    """The regression of satisfaction on the dimensions; None, and said, where satisfaction was not asked."""
    if "satisfaction" not in page.outcomes:
        display.paragraph(page.text("no_satisfaction"), "note")
        return None
    if len(page.dimensions) < 2:
        display.paragraph(page.text("one_dimension"), "note")
        return None
    return page.attempt(drivers, page.model_data(), "satisfaction", list(page.dimensions), weights=weights_of(page))


def priorities(page: ReportPage, found: Drivers | None) -> None:
    """Importance × performance in one picture, and in words what to work on first."""
    if found is None:
        return
    text = page.text
    page.section("drivers_first")
    scores = page.scores(page.data)
    satisfaction = page.data[page.outcomes["satisfaction"]]
    result = page.attempt(ipa, None, scores, outcome=satisfaction, weights=weights_of(page))
    if result is None:
        return
    names = {name: page.dimension_name(name) for name in scores}
    sentences = _priority_sentences(page, result, names)
    for sentence in sentences:
        display.paragraph(sentence, "lead")
    labels = names | map_words(page)
    alt = text("alt_map", dimension=names[result.places["priority"].idxmax()], finding=" ".join(sentences))
    display.figure(charts_drivers.drawn(result, labels, 4.6, "y"), alt)
    display.paragraph(text("map_note"), "note")
    _places_table(page, result, found, names)
    display.paragraph(text("not_causal"), "note")


def map_words(page: ReportPage) -> dict[str, str]:
    quadrants = ("concentrate_here", "keep_up", "low_priority", "possible_overkill")
    words = {name: page.text(f"quadrant_{name}") for name in quadrants}
    return words | {name: page.text(f"priorities_{name}") for name in ("performance", "importance")}


def _priority_sentences(page: ReportPage, result: Ipa, names: dict[str, str]) -> list[str]:
    text, places = page.text, result.places.sort_values("priority", ascending=False)
    sentences = []
    for quadrant in ("concentrate_here", "keep_up"):
        chosen = [names[item] for item in places.index[places["quadrant"] == quadrant]]
        if chosen:
            sentences.append(text(f"sentence_{quadrant}", dimensions=text.join(chosen)))
    above = places.index[(places["line"] == "above") & (places["quadrant"] != "concentrate_here")]
    if len(above):
        sentences.append(text("sentence_above", dimensions=text.join([names[item] for item in above])))
    unsure = places.index[(places["quadrant"] == "undecided") & (places["line"] != "above")]
    if len(unsure) == len(places):
        return [text("sentence_all_undecided")]
    if len(unsure):
        sentences.append(text("sentence_undecided", dimensions=text.join([names[item] for item in unsure])))
    return sentences


def _places_table(page: ReportPage, result: Ipa, found: Drivers, names: dict[str, str]) -> None:
    """The places on the map; shares of importance are those of the regression, as in the section that follows."""
    text = page.text
    performances = result.tidy().query("term == 'performance'").set_index("item")
    shares = ranking(found).set_index("term")
    rows = []
    for item, place in result.places.sort_values("rank").iterrows():
        share, performance = shares.loc[item], performances.loc[item]
        row = [names[item], text.percent(share["share"]), percents(page, share, "share_low", "share_high")]
        row += [text.number(performance["estimate"]), text.interval(performance["conf_low"], performance["conf_high"])]
        rows.append([*row, text(f"quadrant_{place['quadrant']}"), text(f"line_{place['line']}")])
    columns = "dimension importance_share interval_95 driver_performance interval_95 driver_quadrant iso_line"
    listing(page, rows, columns, text("caption_map", n=text.count(result.n)))


def ranking(found: Drivers) -> pd.DataFrame:
    """Importance by the measure to rank by, the most important first."""
    table = found.importance.tidy()
    return table[table["method"] == found.importance.method].sort_values("estimate", ascending=False)


def percents(page: ReportPage, row: pd.Series, low: str = "conf_low", high: str = "conf_high", digits: int = 0) -> str:
    text = page.text
    if pd.isna(row[low]):
        return "–"
    return f"{text.percent(row[low], digits)} {text('to')} {text.percent(row[high], digits)}"


def importance(page: ReportPage, found: Drivers | None) -> None:
    """Shares of the explained variance with bootstrap intervals: sentence, picture, table."""
    if found is None:
        return
    text = page.text
    page.section("driver_importance")
    table = ranking(found)
    glance = found.glance().loc[0]
    names = {term: page.dimension_name(term) for term in table["term"]}
    first = names[table["term"].iloc[0]]
    explained = {"r_squared": text.percent(glance["r_squared"]), "n": text.count(glance["n"])}
    display.paragraph(text("r_squared_sentence", **explained))
    p_first = table["p_first"].iloc[0]
    key = "first_sure" if p_first >= 1 - SIGNIFICANCE else "first_likely"
    display.paragraph(text(key, dimension=first, p=text.percent(p_first)))
    _pairs(page, found, names)
    bars = table[["share", "share_low", "share_high"]].set_axis(["estimate", "conf_low", "conf_high"], axis=1)
    bars = bars.assign(label=list(names.values()))
    shares = [text("with_share", name=names[row.term], share=text.percent(row.share)) for row in table.itertuples()]
    alt = text("alt_importance", shares=text.join(shares))
    display.figure(charts.bars(bars, {"axis": text("priorities_importance")}), alt)
    rows = [ranked(page, names, row, "share", "p_first") for _, row in table.iterrows()]
    columns = "dimension importance_share interval_95 rank rank_interval p_first"
    listing(page, rows, columns, text("caption_importance"))
    _other_measures(page, found, names)


def ranked(page: ReportPage, names: dict[str, str], row: pd.Series, share: str, sureness: str) -> list[str]:
    """Cells of a dimension: its share and rank with their ranges, and the share in column ``sureness``."""
    text = page.text
    cells = [names[row["term"]], text.percent(row[share]), percents(page, row, "share_low", "share_high")]
    ranks = text.ranks(row["rank_low"], row["rank_high"])
    return [*cells, text.count(row["rank"]), ranks, text.percent(row[sureness])]


def _pairs(page: ReportPage, found: Drivers, names: dict[str, str]) -> None:
    """Which dimensions are surely more important than which."""
    text, pairs = page.text, found.importance.pairwise
    pairs = pairs[pairs["method"] == found.importance.method]
    sure = pairs[pairs["p_adjusted"] < SIGNIFICANCE]
    display.paragraph(text("pairs_told_apart", n=len(sure), of=len(pairs)))
    better = [(r.term, r.other) if r.estimate > 0 else (r.other, r.term) for r in sure.itertuples()]
    over = {name: tuple(names[b] for a, b in better if a == name) for name in names}
    display.bullets(
        [
            text("more_important", a=text.join([names[n] for n, theirs in over.items() if theirs == lesser]),
                 b=text.join(list(lesser)))
            for lesser in dict.fromkeys(filter(None, over.values()))
        ]
    )  # fmt: skip


def _other_measures(page: ReportPage, found: Drivers, names: dict[str, str]) -> None:
    """The same by relative weights, standardised coefficients and correlations."""
    text = page.text
    wide = found.importance.tidy().pivot_table(index="term", columns="method", values="estimate").loc[list(names)]
    shown = [m for m in ("general_dominance", "relative_weight", "beta", "zero_order_r") if m in wide]
    cells = {text(f"measure_{method}"): wide[method].map(lambda value: text.number(value, 3)) for method in shown}
    frame = pd.DataFrame({text("dimension"): list(names.values())} | {k: v.to_numpy() for k, v in cells.items()})
    display.table(frame, text("caption_measures"))


def coefficients(page: ReportPage, found: Drivers | None) -> None:
    """Raw and standardised coefficients with robust intervals and the variance inflation of each dimension."""
    if found is None:
        return
    text = page.text
    page.section("driver_coefficients")
    table = found.tidy()
    sure = table[(table["p_value"] < SIGNIFICANCE) & (table["term"] != "Intercept")]
    sure = sure.sort_values("std_all", ascending=False)["term"]
    key = "coefficients_sure" if len(sure) else "coefficients_none"
    display.paragraph(text(key, dimensions=text.join([page.dimension_name(term) for term in sure])))
    rows = [
        [
            text("intercept") if row["term"] == "Intercept" else page.dimension_name(row["term"]),
            text.number(row["estimate"], 3),
            text.number(row["std_error"], 3),
            text.p_value(row["p_value"]),
            text.interval(row["conf_low"], row["conf_high"], 3),
            text.number(row["std_all"], 3),
            text.interval(row["std_low"], row["std_high"], 3),
            text.number(found.vif.get(row["term"]), 2),
        ]
        for _, row in table.iterrows()
    ]
    columns = "dimension coefficient std_error p interval_95 std_coefficient interval_95 vif"
    glance = found.glance().loc[0]
    listing(page, rows, columns, text("caption_coefficients", errors=glance["cov_type"], n=text.count(glance["n"])))


def diagnostics(page: ReportPage, found: Drivers | None) -> None:
    """What the checks of the model say, in words; the concerns first."""
    if found is None:
        return
    text = page.text
    page.section("driver_diagnostics")
    checks = found.diagnostics
    concerns = checks[checks["concern"].astype(bool)]
    display.bullets([text(f"concern_{row.term}", value=text.number(row.estimate, 2)) for row in concerns.itertuples()])
    if concerns.empty:
        display.paragraph(text("no_concerns"))
    rows = pd.DataFrame(
        {
            text("check"): [text(f"check_{term}") for term in checks["term"]],
            text("value"): checks["estimate"].map(lambda value: text.number(value, 3)).to_numpy(),
            text("p"): checks["p_value"].map(text.p_value).to_numpy(),
            text("concern"): [text("yes") if concern else text("no") for concern in checks["concern"]],
            text("source"): [source[: source.index(")") + 1] for source in checks["source"]],
        }
    )
    display.table(rows, text("caption_diagnostics"), english=[text("source")])


def prediction(page: ReportPage, found: Drivers | None) -> None:
    """R² on respondents held out: the linear model beside a penalised and a tree model."""
    if found is None:
        return
    text = page.text
    page.section("driver_prediction")
    page = page.sampled()
    data, terms = page.model_data(), list(page.dimensions)
    result = page.attempt(cross_validate, data, "satisfaction", terms, weights=weights_of(page), folds=5, repeats=2)
    if result is None:
        return
    table = result.tidy()
    linear = text.percent(table.set_index("term").loc["linear", "estimate"])
    display.paragraph(text("held_out_sentence", share=linear))
    display.paragraph(text(_verdict_of_models(result)))
    negative = [text(f"model_{term}") for term in table.loc[table["estimate"] < 0, "term"]]
    if negative:
        display.paragraph(text("predicts_worse_than_mean", models=text.join(negative)))
    rows = [
        [
            text(f"model_{row['term']}"),
            text.percent(row["fitted"]),
            text.percent(row["estimate"]),
            percents(page, row),
            text.p_value(row["p_value"]),
        ]
        for _, row in table.iterrows()
    ]
    columns = "predictive_model r_squared_fitted r_squared_held_out interval_95 driver_p_difference"
    listing(page, rows, columns, text("caption_prediction"))


def _verdict_of_models(result: CrossValidation) -> str:
    rivals = result.tidy().set_index("term").drop(index="linear")
    if (rivals["difference_low"] > 0).any():
        return "linear_misses"
    return "linear_suffices"
