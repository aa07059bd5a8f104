"""May we trust it: reliability, and the index without the flagged respondents."""

from __future__ import annotations

import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.report import display
from qa_lib.report.pages.page import ReportPage
from qa_lib.trust.reliability import Reliability


def may_we_trust_it(page: ReportPage, reliability: Reliability | None, flags: pd.DataFrame | None) -> None:
    """Answers received, reliability of every dimension, and the index without the flagged respondents."""
    text = page.text
    if reliability is not None:
        display.paragraph(reliability_said(page, reliability))
    if empty := len(page.data) - page.n_answered:
        display.paragraph(text("trust_empty", n=text.count(empty), all=text.count(len(page.data))))
    if flags is not None:
        _without_flagged(page, flags)


def reliability_said(page: ReportPage, reliability: Reliability) -> str:
    """The dimensions whose alpha is, or may be, below its threshold, in a sentence."""
    verdicts = reliability.judge(page.study.criteria())
    verdicts = verdicts[verdicts["term"] == "alpha"]
    weak, unsure = (
        [page.dimension_name(name) for name in verdicts.loc[verdicts["verdict"] == verdict, "dimension"]]
        for verdict in ("not_met", "undecided")
    )
    threshold = page.text.number(verdicts["threshold"].iloc[0], 2) if len(verdicts) else ""
    key = "trust_weak" if weak else "trust_unsure" if unsure else "trust_good"
    return page.text(key, dimensions=page.text.join(weak or unsure), threshold=threshold)


def _without_flagged(page: ReportPage, flags: pd.DataFrame) -> None:
    text = page.text
    if len(flags) != len(page.data):
        raise ResponseError(f"screening has {len(flags)} rows, the page {len(page.data)} respondents.")
    flagged = flags["flagged"].to_numpy(dtype=bool) & page.data.index.isin(page.answered().index)
    everyone = page.index(page.data).tidy().set_index("term").loc["rater_index"]
    kept = page.data[~flagged]
    if not flagged.any() or len(kept) < page.study.spec.minimum_cell:
        display.paragraph(text("flagged_none" if not flagged.any() else "flagged_most", n=text.count(flagged.sum())))
        return
    without = page.index(kept).tidy().set_index("term").loc["rater_index"]
    display.paragraph(
        text(
            "flagged_effect",
            n=text.count(flagged.sum()),
            share=text.percent(flagged.sum() / page.n_answered, 1),
            everyone=text.number(everyone["estimate"]),
            without=text.number(without["estimate"]),
        )
    )
