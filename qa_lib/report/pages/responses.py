"""Who answered what: exclusions, screening, distributions, descriptives, correlations."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage
from qa_lib.trust.describe import Descriptives, correlations

_FLAGS = ("longstring", "irv", "even_odd", "mahalanobis", "duration", "attention", "duplicate")


def who_answered(page: ReportPage, ledger: pd.DataFrame) -> None:
    """Counts by segment, and what cleaning did, reason by reason."""
    text = page.text
    words = {"n": text.count(page.n_answered), "of": text.count(len(page.data)), "period": text.period(page.period)}
    display.paragraph(text("n_answered" if page.n_answered == len(page.data) else "n_answered_some", **words), "lead")
    for segment in page.study.spec.segments:
        if segment.id in page.data:
            _segment_counts(page, segment.id, text.of(segment.name, segment.id))
    page.section("ledger", 3)
    if ledger.empty:
        display.paragraph(text("ledger_empty"))
        return
    summary = ledger.groupby("reason", sort=True)["count"].sum().sort_values(ascending=False)
    reasons = [page.reason(reason) for reason in summary.index]
    display.table(
        pd.DataFrame({text("reason"): reasons, text("n_cells"): summary.map(text.count).to_numpy()}),
        text("caption_ledger"),
    )


def _segment_counts(page: ReportPage, column: str, name: str) -> None:
    text = page.text
    counts = page.data[column].value_counts().sort_index()
    shown = counts[page.shown_groups(column)]
    rows = pd.DataFrame(
        {
            name: [page.segment_label(column, value) for value in shown.index],
            text("n_responses"): shown.map(text.count).to_numpy(),
            text("share"): (shown / counts.sum()).map(lambda share: text.percent(share, 1)).to_numpy(),
        }
    )
    if len(rows):
        display.table(rows, text("caption_counts", segment=name), most=12)


def screening(page: ReportPage, flags: pd.DataFrame | None) -> None:
    """How many respondents each rule of careless responding flags; nobody is deleted here."""
    text = page.text
    if flags is None:
        return
    rules = [rule for rule in _FLAGS if f"{rule}_flag" in flags] + ["flagged"]
    columns = [f"{rule}_flag" if rule != "flagged" else rule for rule in rules]
    checked = [rule == "flagged" or flags[rule].notna().any() for rule in rules]
    counts = flags[columns].sum().where(checked)
    rows = pd.DataFrame(
        {
            text("screening_rule"): [text(f"screen_{rule}") for rule in rules],
            text("n_flagged"): [
                text.count(n) if known else text("not_checked") for n, known in zip(counts, checked, strict=True)
            ],
            text("share"): (counts / len(flags)).map(lambda share: text.percent(share, 1)).to_numpy(),
        }
    )
    flagged = int(flags["flagged"].sum())
    words = {"n": text.count(flagged), "of": text.count(len(flags)), "share": text.percent(flagged / len(flags), 1)}
    display.paragraph(text("screening_sentence", **words))
    display.table(rows, text("caption_screening"))
    display.paragraph(text("screening_note"), "note")


def distributions(page: ReportPage) -> None:
    """Diverging bars of every item, a picture per dimension."""
    text = page.text
    for dimension, items in page.dimensions.items():
        display.heading(page.dimension_name(dimension), f"answers-{dimension}", 3)
        for scale, group in _by_scale(page, items).items():
            levels = list(range(int(scale[0]), int(scale[1]) + 1))
            shares = pd.DataFrame({item: _shares(page, item).reindex(levels, fill_value=0) for item in group}).T
            favourable = shares.iloc[:, len(levels) // 2 + len(levels) % 2 :].sum(axis=1)
            words = {"item": favourable.idxmin(), "share": text.percent(favourable.min())}
            words |= {"best": favourable.idxmax(), "best_share": text.percent(favourable.max())}
            alt = text("alt_likert", n=text.count(page.data[group].notna().any(axis=1).sum()), **words)
            labels = page.scale_labels(group[0], levels)
            shares.index = [page.item_label(item) for item in group]
            display.figure(charts.likert(shares, labels, {"axis": text("axis_share")}), alt)


def _shares(page: ReportPage, item: str) -> pd.Series:
    """The weighted share of each answer to an item."""
    weights = page.data["weight"] if page.weights else pd.Series(1.0, page.data.index)
    sums = weights.groupby(page.data[item]).sum()
    return sums / sums.sum() if sums.sum() > 0 else sums


def _by_scale(page: ReportPage, items: list[str]) -> dict[tuple[float, float], list[str]]:
    groups: dict[tuple[float, float], list[str]] = {}
    for item in items:
        groups.setdefault(page.instrument.scale_of(item), []).append(item)
    return groups


def descriptives(page: ReportPage, described: Descriptives | None) -> None:
    """A row per item: n, mean with interval, spread, missing, lowest and highest answer."""
    text = page.text
    if described is None:
        return
    table = described.tidy()
    ends = [page.instrument.scale_of(item) for item in table["item"]]
    at_end = {
        key: [
            described.distribution.get(end[place], {}).get(item, 0)
            for item, end in zip(table["item"], ends, strict=True)
        ]
        for place, key in enumerate(("floor", "ceiling"))
    }
    rows = pd.DataFrame(
        {
            text("item"): [page.item_label(item, 200) for item in table["item"]],
            text("n"): table["n"].map(text.count),
            text("mean"): table["estimate"].map(lambda value: text.number(value, 2)),
            text("interval_95"): [
                text.interval(low, high, 2) for low, high in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
            text("sd"): table["sd"].map(lambda value: text.number(value, 2)),
            text("skew"): table["skew"].map(lambda value: text.number(value, 2)),
            text("missing"): table["missing"].map(lambda value: text.percent(value, 1)),
            text("floor"): [text.percent(share) for share in at_end["floor"]],
            text("ceiling"): [text.percent(share) for share in at_end["ceiling"]],
        }
    )
    ends = table.set_index("item")["estimate"]
    words = {"low": text.number(ends.min(), 2), "high": text.number(ends.max(), 2)}
    words |= {
        "lowest": page.item_label(ends.idxmin(), 200).rstrip("。."),
        "highest": page.item_label(ends.idxmax(), 200).rstrip("。."),
    }
    if len({page.instrument.scale_of(item) for item in table["item"]}) == 1:
        display.paragraph(text("descriptives_sentence", **words))
    display.table(rows, text("caption_descriptives"))


def correlation_matrix(page: ReportPage) -> None:
    """Correlations of the dimensions and the outcomes: what goes most with satisfaction in words, and a heat map."""
    text, weights = page.text, page.data["weight"].to_numpy() if page.weights else None
    found = page.attempt(correlations, page.model_data(), weights=weights)
    if found is None:
        return
    matrix = found.correlation
    names = {
        name: page.dimension_name(name) if name in page.dimensions else text(f"outcome_{name}")
        for name in matrix.columns
    }
    strongest = found.tidy().loc[lambda table: table["estimate"].abs().idxmax()]
    sentences = [text("correlation_pair", a=names[strongest["lhs"]], b=names[strongest["rhs"]], r=_r(page, strongest))]
    if "satisfaction" in page.outcomes:
        own = found.tidy().query("(lhs == 'satisfaction') != (rhs == 'satisfaction')")
        own = own.assign(other=own["lhs"].where(own["lhs"] != "satisfaction", own["rhs"]))
        own = own[own["other"].isin(list(page.dimensions))]
        best = own.loc[own["estimate"].idxmax()]
        sentences.insert(0, text("correlation_outcome", dimension=names[best["other"]], r=_r(page, best)))
    for sentence in sentences:
        display.paragraph(sentence)
    named = matrix.rename(index=names, columns=names)
    display.figure(charts.matrix(named, {}), text("alt_correlations", finding=" ".join(sentences)))


def _r(page: ReportPage, row: pd.Series) -> str:
    return f"{page.text.number(row['estimate'], 2)} ({page.text.interval(row['conf_low'], row['conf_high'], 2)})"
