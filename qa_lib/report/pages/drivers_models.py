"""The driver page's models of factors and of loyalty: top-box logit, latent regression with its path diagram, PLS."""

from __future__ import annotations

import pandas as pd

from qa_lib.effects.composites.pls_ipma import Ipma
from qa_lib.effects.latent import LatentDrivers, latent_drivers
from qa_lib.effects.pls import PlsResult, pls
from qa_lib.effects.regression import Drivers, drivers
from qa_lib.report import charts_drivers, display
from qa_lib.report.pages.drivers import SIGNIFICANCE, listing, percents, weights_of
from qa_lib.report.pages.page import ReportPage

_LOYALTY = ("repurchase", "recommendation", "nps")
_N_BOOT = 500


def top_box(page: ReportPage, found: Drivers | None) -> None:
    """What raises the chance of an answer in the top two boxes: average marginal effects of a logit."""
    if found is None:
        return
    text = page.text
    page.section("driver_top_box")
    page = page.sampled()
    low, high = page.instrument.scale_of(page.outcomes["satisfaction"])
    cut = high - 1 if high - low > 1 else high
    options = {"model": "logit", "top_box": cut, "n_boot": 0, "weights": weights_of(page)}
    result = page.attempt(drivers, page.model_data(), "satisfaction", list(page.dimensions), **options)
    if result is None:
        return
    effects = result.marginal_effects.query("level == 1").set_index("term").sort_values("estimate", ascending=False)
    shares = result.importance.tidy().pivot_table(index="term", columns="method", values="share")
    best = effects.iloc[0]
    words = {"dimension": page.dimension_name(effects.index[0]), "points": text.number(100 * best["estimate"])}
    words |= {"low": text.number(100 * best["conf_low"]), "high": text.number(100 * best["conf_high"])}
    sentence = "top_box_sentence" if best["conf_low"] > 0 else "top_box_undecided"
    display.paragraph(text(sentence, cut=text.count(cut), **words))
    rows = [
        [
            page.dimension_name(term),
            text.number(100 * row["estimate"]),
            text.interval(100 * row["conf_low"], 100 * row["conf_high"]),
            text.p_value(row["p_value"]),
            *(text.percent(shares.loc[term, f"general_dominance_{kind}"]) for kind in ("mcfadden", "tjur")),
        ]
        for term, row in effects.iterrows()
    ]
    columns = "dimension marginal_effect interval_95 p share_mcfadden share_tjur"
    fit = text.number(result.glance().loc[0, "r_squared_mcfadden"], 3)
    listing(page, rows, columns, text("caption_top_box", cut=text.count(cut), fit=fit))


def outcome_items(page: ReportPage) -> dict[str, list[str]]:
    """Satisfaction, and loyalty with the items of it that were asked."""
    loyalty = [page.outcomes[role] for role in _LOYALTY if role in page.outcomes]
    satisfaction = [page.outcomes["satisfaction"]] if "satisfaction" in page.outcomes else []
    return {name: group for name, group in (("satisfaction", satisfaction), ("loyalty", loyalty)) if group}


def outcome_name(page: ReportPage, name: str) -> str:
    items = outcome_items(page).get(name, [])
    if name != "loyalty" or len(items) > 1:
        return page.text(f"outcome_{name}")
    role = next(role for role in _LOYALTY if page.outcomes.get(role) == items[0])
    return page.text(f"outcome_{role}")


def latent(page: ReportPage, found: Drivers | None) -> None:
    """Dimensions as factors → satisfaction → loyalty: direct, indirect and total effects, and the path diagram."""
    if found is None:
        return
    text = page.text
    page.section("driver_latent")
    page = page.sampled()
    outcomes = outcome_items(page)
    names = {name: page.dimension_name(name) for name in page.dimensions}
    names |= {name: outcome_name(page, name) for name in outcomes}
    items = [item for group in (*page.dimensions.values(), *outcomes.values()) for item in group]
    result = page.attempt(latent_drivers, page.data[items], page.dimensions, outcomes, weights=weights_of(page))
    if result is None or not result.glance().loc[0, "converged"]:
        return
    sentences = _latent_sentences(page, result, names)
    for sentence in sentences:
        display.paragraph(sentence)
    height = 1 + 0.6 * len(page.dimensions)
    alt = text("alt_paths", finding=" ".join(sentences), explained=_explained(page, result, names))
    display.figure(charts_drivers.drawn(result, names, height), alt)
    display.paragraph(text("paths_note"), "note")
    _effects_table(page, result, names)
    _fit_sentence(page, result, names)


def _latent_sentences(page: ReportPage, result: LatentDrivers, names: dict[str, str]) -> list[str]:
    text, table = page.text, result.tidy()
    sure = table[(table["p_value"] < SIGNIFICANCE) & table["rhs"].isin(result.dimensions)]
    first = result.outcomes[0]

    def named(rows: pd.DataFrame) -> str:
        return text.join([names[row.rhs] for row in rows.sort_values("std_all", ascending=False).itertuples()])

    direct = sure[(sure["lhs"] == first) & (sure["term"] == "direct")]
    outcome = {"outcome": names[first]}
    sentences = [text("latent_direct", dimensions=named(direct), **outcome) if len(direct) else text("latent_none")]
    if len(result.outcomes) > 1:
        last = result.outcomes[-1]
        indirect = sure[(sure["lhs"] == last) & (sure["term"] == "indirect")]
        key = "latent_indirect" if len(indirect) else "latent_no_indirect"
        sentences.append(text(key, dimensions=named(indirect), outcome=names[last], through=names[first]))
    return sentences


def _effects_table(page: ReportPage, result: LatentDrivers, names: dict[str, str]) -> None:
    """A row per cause, a column per outcome and kind of effect."""
    text = page.text
    table = result.tidy().set_index(["rhs", "lhs", "term"])
    kinds = [(lhs, term) for lhs in result.outcomes for term in ("direct", "indirect", "total")]
    present = set(table.index.droplevel("rhs"))
    kinds = [kind for kind in kinds if kind in present]
    rows = []
    for cause in (*result.dimensions, *result.outcomes[:-1]):
        cells = [names[cause]]
        for kind in kinds:
            known = (cause, *kind) in table.index
            cells.append(_effect(page, table.loc[(cause, *kind)]) if known else "–")
        rows.append(cells)
    heads = [text("effect_on", effect=text(f"effect_{term}"), outcome=names[lhs]) for lhs, term in kinds]
    frame = pd.DataFrame(rows, columns=[text("driver_cause"), *heads])
    display.table(frame, text("caption_latent"))


def _effect(page: ReportPage, row: pd.Series) -> str:
    text = page.text
    return f"{text.number(row['std_all'], 2)} ({text.interval(row['std_low'], row['std_high'], 2)})"


def _fit_sentence(page: ReportPage, result: LatentDrivers, names: dict[str, str]) -> None:
    text, glance = page.text, result.glance().loc[0]
    words = {measure: text.number(glance[measure], 3) for measure in ("cfi", "rmsea", "srmr")}
    words |= {"low": text.number(glance["rmsea_low"], 3), "high": text.number(glance["rmsea_high"], 3)}
    explained = _explained(page, result, names)
    display.paragraph(text("latent_fit", n=text.count(glance["n"]), explained=explained, **words), "note")


def _explained(page: ReportPage, result: LatentDrivers, names: dict[str, str]) -> str:
    text = page.text
    return text.join(
        [text("explained", outcome=names[name], share=text.percent(value)) for name, value in result.r_squared.items()]
    )


def composite_model(page: ReportPage, found: Drivers | None) -> None:
    """PLS path model of the same chain: paths, explained and predicted variance, and the map of total effects."""
    if found is None:
        return
    page.section("driver_pls")
    page = page.sampled()
    outcomes = outcome_items(page)
    blocks = {**page.dimensions, **outcomes}
    measured = [f"{name} =~ {' + '.join(group)}" for name, group in blocks.items() if len(group) > 1]
    variable = {name: name if len(group) > 1 else group[0] for name, group in blocks.items()}
    causes, paths = [variable[name] for name in page.dimensions], []
    for name in outcomes:
        paths.append(f"{variable[name]} ~ {' + '.join(causes)}")
        causes = [variable[name], *causes]
    items = [item for group in blocks.values() for item in group]
    syntax = "\n".join([*measured, *paths])
    result = page.attempt(pls, syntax, page.data[items], n_boot=_N_BOOT, weights=weights_of(page))
    if result is None:
        return
    names = {variable[name]: page.dimension_name(name) for name in page.dimensions}
    names |= {variable[name]: outcome_name(page, name) for name in outcomes}
    goal = variable[list(outcomes)[-1]]
    _ipma(page, result, goal, names, items)
    _paths_sentence(page, result, goal, names)
    _paths_table(page, result, names)
    _quality(page, result, names)


def _ipma(page: ReportPage, result: PlsResult, goal: str, names: dict[str, str], items: list[str]) -> None:
    text = page.text
    scale = {item: page.instrument.scale_of(item) for item in items}
    found = page.attempt(result.ipma, goal, scale)
    if found is None:
        return
    index = found.glance().loc[0]
    words = {"outcome": names[goal], "index": text.number(index["index"])}
    interval = text.interval(index["index_low"], index["index_high"])
    display.paragraph(text("pls_index", interval=interval, **words))
    labels = names | {
        "importance": text("ipma_importance", outcome=names[goal]),
        "performance": text("driver_performance"),
    }
    display.figure(charts_drivers.drawn(found, labels, 4.2), _ipma_alt(page, found, goal, names))


def _ipma_alt(page: ReportPage, found: Ipma, goal: str, names: dict[str, str]) -> str:
    table = found.tidy()
    causes = table[table["item"].isna() & (table["dimension"] != goal)]
    effects, levels = (causes[causes["term"] == term] for term in ("importance", "performance"))
    most = effects.loc[effects["estimate"].idxmax()]
    least = levels.loc[levels["estimate"].idxmin()]
    words = {"outcome": names[goal], "first": names[most["dimension"]], "weakest": names[least["dimension"]]}
    words |= {"effect": page.text.number(most["estimate"], 2), "level": page.text.number(least["estimate"])}
    return page.text("alt_ipma", **words)


def _paths(result: PlsResult) -> pd.DataFrame:
    table = result.tidy()
    return table[(table["op"] == "~") & table["term"].str.contains(" ~ ", regex=False)]


def _paths_sentence(page: ReportPage, result: PlsResult, goal: str, names: dict[str, str]) -> None:
    """Which of the paths to the last outcome are surely not zero."""
    text, paths = page.text, _paths(result).query("lhs == @goal").sort_values("estimate", ascending=False)
    sure = [names[name] for name in paths.loc[paths["p_value"] < SIGNIFICANCE, "rhs"]]
    display.paragraph(text("pls_sure" if sure else "pls_unsure", causes=text.join(sure), outcome=names[goal]))


def _paths_table(page: ReportPage, result: PlsResult, names: dict[str, str]) -> None:
    text, table, paths = page.text, result.tidy(), _paths(result)
    effect = table[table["term"] == "f_squared"].set_index(["lhs", "rhs"])["estimate"]
    rows = [
        [
            names[row["lhs"]],
            names[row["rhs"]],
            text.number(row["estimate"], 3),
            text.interval(row["conf_low"], row["conf_high"], 3),
            text.p_value(row["p_value"]),
            text.number(effect.get((row["lhs"], row["rhs"])), 3),
        ]
        for _, row in paths.iterrows()
    ]
    columns = "driver_outcome driver_cause path_coefficient interval_95 p f_squared"
    listing(page, rows, columns, text("caption_pls"), 2)


def _quality(page: ReportPage, result: PlsResult, names: dict[str, str]) -> None:
    text, table = page.text, result.tidy()
    explained = table[table["term"] == "r_squared"]
    parts = [
        text(
            "explained_interval",
            outcome=names[row["dimension"]],
            share=text.percent(row["estimate"]),
            interval=percents(page, row),
        )
        for _, row in explained.iterrows()
    ]
    display.paragraph(text("pls_explained", explained=text.join(parts), n=text.count(result.n)), "note")
    if page.weights:
        return
    predicted = page.attempt(result.predict, repeats=2)
    if predicted is not None:
        glance = predicted.glance().loc[0]
        share = text.percent(glance["share_better_than_linear"])
        display.paragraph(text("pls_predict", power=text(f"power_{glance['power']}"), share=share), "note")
    _redundancy(page, result, names)


def _redundancy(page: ReportPage, result: PlsResult, names: dict[str, str]) -> None:
    text, hidden = page.text, page.attempt(result.blindfold)
    if hidden is None:
        return
    table = hidden.tidy()
    values = [
        text(
            "redundancy_value",
            outcome=names[row["dimension"]],
            value=text.number(row["estimate"], 2),
            interval=text.interval(row["conf_low"], row["conf_high"], 2),
        )
        for _, row in table.iterrows()
    ]
    relevant = [names[name] for name in table.loc[table["conf_low"] > 0, "dimension"]]
    key = "pls_redundancy" if relevant else "pls_redundancy_none"
    words = {"distance": text.count(hidden.distance), "values": text.join(values), "relevant": text.join(relevant)}
    display.paragraph(text(key, **words), "note")
