"""The confirmatory model: does it fit, do items measure their dimension, is each dimension told from the others."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qa_lib.models.fit import cfa
from qa_lib.models.solution import ModelFit
from qa_lib.report import display
from qa_lib.report.pages.page import VERDICT_CLASSES, ReportPage
from qa_lib.trust.cutoffs import Cutoffs
from qa_lib.trust.validity import Validity

_INDICES = ("cfi", "tli", "rmsea", "srmr")


def model(page: ReportPage, asked: Sequence[str] | None = None) -> str:
    """Lavaan's syntax: every dimension of two items or more, measured by its own items, or those ``asked``."""
    own = {n: [i for i in items if asked is None or i in asked] for n, items in page.dimensions.items()}
    factors = {name: items for name, items in own.items() if len(items) > 1}
    return "\n".join(f"{name} =~ {' + '.join(items)}" for name, items in factors.items())


def fit(page: ReportPage) -> ModelFit | None:
    """The model by robust maximum likelihood from every answer given; None, and why, when it cannot be fitted."""
    if not model(page):
        display.paragraph(page.text("no_measurement_model"), "note")
        return None
    answers = page.data[[*page.items, *filter(None, [page.weights])]]
    return page.attempt(cfa, model(page), answers, estimator="MLR", missing="fiml", weights=page.weights)


def model_fit(page: ReportPage, found: ModelFit | None, dynamic: Cutoffs | None) -> None:
    """Fit indices beside fixed and dynamic thresholds, after a sentence that says what they come to."""
    text = page.text
    if found is None:
        return
    measures = found.glance().iloc[0]
    if not found.converged:
        display.paragraph(text("model_not_converged"), "caution")
        return
    if not found.admissible:
        display.paragraph(text("model_inadmissible"), "caution")
    criteria = page.study.criteria().by_measure
    limits = _dynamic_limits(dynamic)
    rows, verdicts = [], []
    for index in _INDICES:
        robust = measures.get(f"{index}_robust", float("nan"))
        value = measures[index] if pd.isna(robust) else robust
        ends = ("_robust_low", "_robust_high") if not pd.isna(robust) else ("_low", "_high")
        low, high = (measures.get(f"{index}{end}", float("nan")) for end in ends)
        verdicts.append(criteria[index].verdict(value, low, high))
        sign = "≥" if criteria[index].direction == "at_least" else "≤"
        rows.append(
            {
                text("measure"): text(f"measure_{index}"),
                text("value"): text.number(value, 3),
                text("interval_90"): text.interval(low, high, 3),
                text("threshold"): f"{sign} {text.number(criteria[index].threshold, 2)}",
                text("dynamic_cutoff"): f"{sign} {text.number(limits[index], 3)}" if index in limits else "–",
                text("verdict"): text(f"verdict_{verdicts[-1]}"),
            }
        )
    met = verdicts.count("met")
    key = "model_fits" if met == len(_INDICES) else "model_fits_not" if "not_met" in verdicts else "model_fits_partly"
    chisq, df = measures.get("chisq_scaled", measures["chisq"]), measures["df"]
    p = measures.get("p_value_scaled", measures["p_value"])
    display.paragraph(text(key, met=text.count(met), all=text.count(len(_INDICES))))
    classes = {(place, 5): VERDICT_CLASSES[name] for place, name in enumerate(verdicts)}
    caption = text("caption_fit", chisq=text.number(chisq, 1), df=text.count(df), p=text.p_statement(p))
    display.table(pd.DataFrame(rows), caption, classes=classes)
    display.paragraph(text("fit_note", n=text.count(found.n)), "note")
    if dynamic is not None:
        display.paragraph(text("dynamic_note", n_rep=text.count(dynamic.n_rep)), "note")


def _dynamic_limits(dynamic: Cutoffs | None) -> dict[str, float]:
    """The cut-offs of the smallest misspecification that an index can tell from a correct model."""
    if dynamic is None:
        return {}
    table = dynamic.tidy().dropna(subset=["estimate"]).drop_duplicates("term")
    return dict(zip(table["term"].str.removesuffix("_cutoff"), table["estimate"], strict=True))


def convergent(page: ReportPage, found: Validity | None) -> None:
    """Composite reliability and average variance extracted of every dimension."""
    text = page.text
    if found is None:
        return
    verdicts = found.judge(page.study.criteria())
    verdicts = verdicts[verdicts["term"].isin(["cr", "ave"])].reset_index(drop=True)
    weak = verdicts.loc[verdicts["verdict"] == "not_met", "dimension"].unique()
    names = text.join([page.dimension_name(name) for name in weak])
    display.paragraph(text("convergent_weak" if len(weak) else "convergent_good", dimensions=names))
    rows = pd.DataFrame(
        {
            text("dimension"): [page.dimension_name(name) for name in verdicts["dimension"]],
            text("measure"): [text(f"measure_{term}") for term in verdicts["term"]],
            text("value"): verdicts["estimate"].map(lambda value: text.number(value, 3)),
            text("interval_95"): [
                text.interval(low, high, 3)
                for low, high in zip(verdicts["conf_low"], verdicts["conf_high"], strict=True)
            ],
            text("threshold"): verdicts["threshold"].map(lambda value: text.number(value, 2)),
            text("verdict"): [text(f"verdict_{name}") for name in verdicts["verdict"]],
        }
    )
    classes = {(place, 5): VERDICT_CLASSES[name] for place, name in enumerate(verdicts["verdict"])}
    display.table(rows, text("caption_convergent"), text_columns=2, classes=classes)


def discriminant(page: ReportPage, found: Validity | None) -> None:
    """Every pair of dimensions: latent correlation, the root of the smaller AVE, HTMT with its interval."""
    text = page.text
    if found is None or len(found.htmt) < 2:
        return
    criterion = page.study.criteria().by_measure["htmt"]
    ratios = found.htmt_intervals[found.htmt_intervals["term"] == "htmt"].reset_index(drop=True)
    verdicts = [criterion.verdict(row.estimate, row.conf_low, row.conf_high) for row in ratios.itertuples()]
    pairs = [f"{page.dimension_name(row.lhs)} – {page.dimension_name(row.rhs)}" for row in ratios.itertuples()]
    close = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "not_met"]
    threshold = text.number(criterion.threshold, 2)
    key = "discriminant_weak" if close else "discriminant_good"
    display.paragraph(text(key, pairs=text.join(close), threshold=threshold))
    roots = pd.Series({name: found.fornell_larcker.loc[name, name] for name in found.fornell_larcker})
    latent = [found.latent_correlations.loc[row.lhs, row.rhs] for row in ratios.itertuples()]
    smaller = [min(roots[row.lhs], roots[row.rhs]) for row in ratios.itertuples()]
    rows = pd.DataFrame(
        {
            text("pair"): pairs,
            text("latent_r"): [text.number(value, 3) for value in latent],
            text("smaller_root"): [text.number(value, 3) for value in smaller],
            text("measure_htmt"): ratios["estimate"].map(lambda value: text.number(value, 3)),
            text("interval_95"): [
                text.interval(low, high, 3) for low, high in zip(ratios["conf_low"], ratios["conf_high"], strict=True)
            ],
            text("verdict"): [text(f"verdict_{name}") for name in verdicts],
        }
    )
    beyond = zip(latent, smaller, strict=True)
    classes = {(place, 5): VERDICT_CLASSES[name] for place, name in enumerate(verdicts)}
    classes |= {(place, 1): "bad" for place, (r, root) in enumerate(beyond) if abs(r) > root}
    display.table(rows, text("caption_discriminant", threshold=threshold), classes=classes)


def common_method(page: ReportPage, found: Validity | None) -> None:
    """Whether one factor for all items would do as well."""
    if found is None or len(found.htmt) < 2:
        return
    text, row = page.text, found.common_method.iloc[0]
    display.paragraph(
        text(
            "common_method_sentence",
            share=text.percent(row["harman_share"]),
            one=text.number(row["cfi_one_factor"], 3),
            model=text.number(row["cfi_model"], 3),
        )
    )
