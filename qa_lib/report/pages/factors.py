"""How many factors the items have, and whether each item goes with its own dimension."""

from __future__ import annotations

import pandas as pd

from qa_lib.report import charts, display
from qa_lib.report.pages.page import ReportPage
from qa_lib.trust.factors import FactorSolution
from qa_lib.trust.pictures import SCREE_WORDS
from qa_lib.trust.retention import ParallelAnalysis


def number(page: ReportPage, found: ParallelAnalysis | None) -> None:
    """Parallel analysis and MAP beside the number of dimensions, in words and as a scree plot."""
    text = page.text
    if found is None:
        return
    counts = {
        "factors": text.count(found.n_factors),
        "components": text.count(found.n_components),
        "map": text.count(found.n_map),
        "dimensions": text.count(len(page.dimensions)),
    }
    display.paragraph(text("number_of_factors", **counts))
    labels = {key: text(f"scree_{key}") for key in SCREE_WORDS}
    display.figure(charts.of_result(found.plot, labels), text("alt_scree", **counts))
    display.paragraph(text("number_note"), "note")


def loadings(page: ReportPage, solution: FactorSolution | None) -> None:
    """The rotated loadings as a heat map; which items do not go with their dimension, in words."""
    text = page.text
    if solution is None:
        return
    own = {item: dimension for dimension, items in page.dimensions.items() for item in items}
    strongest = solution.loadings.abs().idxmax(axis=1)
    home = strongest.groupby(strongest.index.map(own)).agg(lambda factors: factors.mode().iloc[0])
    strays = [item for item, factor in strongest.items() if factor != home[own[item]]]
    split = home.duplicated(keep=False)
    if split.any():
        joined = text.join([page.dimension_name(name) for name in home.index[split]])
        display.paragraph(text("factors_joined", dimensions=joined), "caution")
    key = "items_stray" if strays else "items_at_home"
    finding = text(
        key,
        items=text.join([" ".join(page.item_label(item, 40).split()) for item in strays]),
        n=text.count(len(strongest) - len(strays)),
    )
    display.paragraph(finding)
    labels = {item: page.item_label(item, 40) for item in solution.loadings.index}
    named = {factor: _factor_name(page, factor, home) for factor in solution.loadings.columns}
    explained = text.percent(solution.variance.loc["proportion"].sum())
    display.figure(
        charts.of_result(solution.plot, labels | named, height=0.9 + 0.27 * len(labels)),
        text(
            "alt_loadings", n=text.count(len(labels)), factors=text.count(len(named)), share=explained, finding=finding
        ),
    )
    display.paragraph(text("loadings_note", factors=text.count(len(named)), share=explained), "note")


def _factor_name(page: ReportPage, factor: str, home: pd.Series) -> str:
    names = [page.dimension_name(dimension) for dimension in home.index[home == factor]]
    return "\n".join(names) or factor
