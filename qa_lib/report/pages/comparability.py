"""May means be compared: measurement invariance between this period and the one before, and between languages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from qa_lib.report import display
from qa_lib.report.pages.measurement import model
from qa_lib.report.pages.page import MOST_ROWS, VERDICT_CLASSES, ReportPage
from qa_lib.trust.invariance import Invariance, invariance

MINIMUM = 100  # respondents per group; fewer say little about five factors
_MEANS = "scalar"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared (``periods`` or ``languages``), between how many answers of how many, and with what result."""

    kind: str
    sizes: dict[str, int]
    answers: int
    result: Invariance | None = None

    @property
    def enough(self) -> bool:
        return len(self.sizes) > 1 and min(self.sizes.values()) >= MINIMUM

    @property
    def supports_means(self) -> bool:
        rows = self.result.tidy().set_index("term")["verdict"]
        return bool((rows.loc[:_MEANS] != "not_met").all())


def comparisons(page: ReportPage) -> list[Comparison]:
    """Invariance over the periods and languages of this page; result None where groups are too small or it failed."""
    pooled = {}
    if page.before is not None:
        both = {page.previous_period: page.before, page.period: page.data}
        parts = [data[data.columns.intersection(page.items)].assign(group=name) for name, data in both.items()]
        pooled["periods"] = pd.concat(parts, ignore_index=True)
    if "language" in page.data and len(page.data["language"].dropna().unique()) > 1:
        pooled["languages"] = page.data[page.items].assign(group=page.data["language"])
    return [_compared(page, kind, pooled.pop(kind)) for kind in list(pooled)] if model(page) else []


def _compared(page: ReportPage, kind: str, data: pd.DataFrame) -> Comparison:
    answered = data.dropna(subset=["group"]).groupby("group")[page.items].count()
    shared = [item for item in page.items if (answered[item] > 0).all()]  # others were asked of one group only
    complete = data[["group", *shared]].dropna()
    drawn = _drawn(complete)
    comparison = Comparison(kind, drawn["group"].value_counts(sort=False).to_dict(), len(complete))
    if not comparison.enough:
        return comparison
    del data, complete  # of a large period a good part of what there is
    return replace(comparison, result=page.attempt(invariance, model(page, shared), drawn, "group", estimator="MLR"))


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, or of larger groups ``MOST_ROWS`` each, drawn at random, the same in every run."""
    place = rows["group"].sample(frac=1, random_state=0).to_frame().groupby("group").cumcount()
    return rows.loc[place.index[place < MOST_ROWS].sort_values()]


def caution(page: ReportPage, found: list[Comparison]) -> None:
    """A visible caution where means should not be compared; nothing otherwise."""
    for comparison in found:
        if comparison.result is not None and not comparison.supports_means:
            display.paragraph(page.text(f"means_not_comparable_{comparison.kind}"), "caution")


def steps(page: ReportPage, found: list[Comparison]) -> None:
    """For each comparison a sentence and the steps with their changes in fit."""
    text = page.text
    if not found:
        display.paragraph(text("nothing_to_compare"), "note")
    for comparison in found:
        display.heading(text(f"comparison_{comparison.kind}"), f"comparable-{comparison.kind}", 3)
        if not comparison.enough:
            display.paragraph(text("too_few_to_compare", minimum=text.count(MINIMUM)), "note")
        elif comparison.result is not None:
            if (n := sum(comparison.sizes.values())) < comparison.answers:
                display.paragraph(text("sampled", n=text.count(n), of=text.count(comparison.answers)), "note")
            _step_table(page, comparison)


def _step_table(page: ReportPage, comparison: Comparison) -> None:
    text = page.text
    display.paragraph(
        text("means_comparable" if comparison.supports_means else f"means_not_comparable_{comparison.kind}")
    )
    table, kind = comparison.result.tidy(), comparison.result.indices
    cfi, rmsea = (table[name if kind == "standard" else f"{name}_{kind}"] for name in ("cfi", "rmsea"))
    rows = pd.DataFrame(
        {
            text("step"): [text(f"step_{name}") for name in table["term"]],
            "χ²": table.get("chisq_scaled", table["chisq"]).map(lambda value: text.number(value, 1)),
            text("df"): table["df"].map(text.count),
            text("measure_cfi"): cfi.map(lambda value: text.number(value, 3)),
            text("measure_rmsea"): rmsea.map(lambda value: text.number(value, 3)),
            text("delta_cfi"): table["delta_cfi"].map(lambda value: text.signed(value, 3)),
            text("delta_rmsea"): table["delta_rmsea"].map(lambda value: text.signed(value, 3)),
            text("p_difference"): table["p_value"].map(text.p_value),
            text("verdict"): [text(f"verdict_{name}") for name in table["verdict"]],
        }
    )
    classes = {(place, 8): VERDICT_CLASSES[name] for place, name in enumerate(table["verdict"])}
    sizes = text.join([f"{_group_name(page, name)} {text.count(n)}" for name, n in comparison.sizes.items()])
    display.table(rows, text("caption_invariance", sizes=sizes), classes=classes)


def _group_name(page: ReportPage, name: str) -> str:
    known = {page.period, page.previous_period}
    return page.text.period(name) if name in known else str(name)
