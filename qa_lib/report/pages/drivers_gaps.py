"""Where the questionnaire asked what customers expect: which dimension's gap weighs most, and what they say matters."""

from __future__ import annotations

import pandas as pd

from qa_lib.effects.priorities import Ipa, ipa
from qa_lib.effects.regression import Drivers
from qa_lib.report import display
from qa_lib.report.pages.drivers import listing, weights_of
from qa_lib.report.pages.page import ReportPage


def weighted_gaps(page: ReportPage, found: Drivers | None) -> None:
    """Gap × importance of every dimension with pairs; nothing where no expectations, or no importance, is known."""
    experienced, expected = _levels(page)
    stated = _stated(page, list(experienced))
    if len(experienced.columns) < 2 or (stated is None and found is None):
        return
    page.section("driver_gaps")
    outcome = page.data[page.outcomes["satisfaction"]] if found is not None else None
    options = {"outcome": outcome, "expectation": expected, "weights": weights_of(page)}
    result = page.attempt(ipa, stated, experienced, **options)
    if result is None:
        return
    _gap_sentence(page, result)
    _gap_table(page, result, "caption_gaps_derived" if stated is None else "caption_gaps_stated")
    if result.three_factor is not None:
        _three_factor_table(page, result)


def _levels(page: ReportPage) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Experienced and expected means of each respondent over the pairs of a dimension answered, on the answer scale."""
    experienced, expected = {}, {}
    for name, items in page.dimensions.items():
        own = [pair for pair in page.pairs if pair[1] in items]
        if own:
            sides = [page.data[[pair[side] for pair in own]].to_numpy(float) for side in (0, 1)]
            both = pd.DataFrame(sides[0] + sides[1], page.data.index).notna().to_numpy()
            expected[name], experienced[name] = (
                pd.DataFrame(values, page.data.index).where(both).mean(axis=1) for values in sides
            )
    return pd.DataFrame(experienced, page.data.index), pd.DataFrame(expected, page.data.index)


def _stated(page: ReportPage, names: list[str]) -> pd.DataFrame | None:
    """What respondents said of the importance of these dimensions, if they were asked of each."""
    asked = {name: page.instrument.importance.get(name) for name in names}
    if not asked or not set(asked.values()) <= set(page.data):
        return None
    return pd.DataFrame({name: page.data[item] for name, item in asked.items()})


def _gap_sentence(page: ReportPage, result: Ipa) -> None:
    text, table = page.text, result.tidy().set_index(["term", "item"])
    weighted = table.loc["weighted_gap"]
    names = weighted[weighted.index.notna() & (weighted["conf_high"] < 0)].sort_values("estimate").index
    if names.empty:
        display.paragraph(text("gaps_none"))
        return
    gap, total = table.loc[("gap", names[0])], weighted[weighted.index.isna()].iloc[0]
    words = {"dimension": page.dimension_name(names[0]), "total": text.number(total["estimate"], 2)}
    words |= {"part": text.number(weighted.loc[names[0], "estimate"], 2), "gap": text.number(gap["estimate"], 2)}
    display.paragraph(text("gaps_first", **words), "lead")


def _gap_table(page: ReportPage, result: Ipa, caption: str) -> None:
    text, table = page.text, result.tidy().set_index(["term", "item"])
    weighted = table.loc["weighted_gap"]
    rows = []
    for name, part in weighted[weighted.index.notna()].sort_values("estimate").iterrows():
        weight, gap = table.loc[("weight", name)], table.loc[("gap", name)]
        row = [page.dimension_name(name), text.number(weight["estimate"]), _interval(page, weight, 1)]
        row += [text.number(gap["estimate"], 2), _interval(page, gap, 2)]
        rows.append([*row, text.number(part["estimate"], 2), _interval(page, part, 2)])
    total = weighted[weighted.index.isna()].iloc[0]
    rows.append([text("gaps_total"), text.number(100), "–", "–", "–"])
    rows[-1] += [text.number(total["estimate"], 2), _interval(page, total, 2)]
    columns = "dimension gap_weight interval_95 gap interval_95 weighted_gap interval_95"
    listing(page, rows, columns, text(caption, n=text.count(result.n)))


def _three_factor_table(page: ReportPage, result: Ipa) -> None:
    """Stated beside derived importance: what is said to matter and does not move satisfaction is expected anyway."""
    text = page.text
    rows = [
        [
            page.dimension_name(name),
            text.number(place["stated"], 2),
            text.percent(place["derived"]),
            text(f"factor_{place['factor']}"),
        ]
        for name, place in result.three_factor.iterrows()
    ]
    listing(page, rows, "dimension stated_importance importance_share bpm_factor", text("caption_three_factor"))


def _interval(page: ReportPage, row: pd.Series, digits: int) -> str:
    return page.text.interval(row["conf_low"], row["conf_high"], digits)
