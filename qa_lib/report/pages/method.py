"""Where every number comes from: flow of responses, disclosure, reporting standards, thresholds, versions, hashes."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import qa_lib
from qa_lib.effects.regression import Drivers
from qa_lib.report import display
from qa_lib.report.pages.page import ReportPage
from qa_lib.tracking.estimates import Estimates
from qa_lib.tracking.makeup import response_rates

_PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "matplotlib", "papermill")
_RATES = ("rr1", "rr2", "rr5", "coop1", "ref1", "con1")
_HASH_DIGITS = 12


def flow(page: ReportPage) -> None:
    """From the responses received to those analysed, with every reason for leaving one out."""
    text = page.text
    answered = page.study.responses(page.period)
    left_out = _left_out(page, answered.ledger)
    analysed = len(answered.data)
    steps = [(text("flow_received"), analysed + int(left_out.sum()))]
    steps += [(page.reason(reason), -int(count)) for reason, count in left_out.items()]
    steps += [(text("flow_analysed"), analysed)]
    if page.segment:
        steps += [(text("flow_segment"), len(page.data))]
    received = steps[0][1]
    words = {"n": text.count(analysed), "of": text.count(received), "share": text.percent(analysed / max(received, 1))}
    display.paragraph(text("flow_some" if len(left_out) else "flow_all", **words))
    rows = [(step, text.number(count, 0)) for step, count in steps]
    display.table(pd.DataFrame(rows, columns=[text("step"), text("n_responses")]), text("caption_flow"))
    display.paragraph(text("flow_note"), "note")


def _left_out(page: ReportPage, ledger: pd.DataFrame) -> pd.Series:
    """Responses left out, by reason; the other entries of the ledger concern cells."""
    own = {rule.code for rule in page.study.spec.exclude}
    whole = ledger["reason"].isin(own) | ledger["reason"].str.match(r"flagged_|duplicate_respondent$")
    return ledger[whole].groupby("reason", sort=False)["count"].sum()


def contact_rates(page: ReportPage) -> None:
    """AAPOR's rates of this period's contacts, when the study keeps them."""
    text = page.text
    contacts = page.study.contacts()
    if contacts is None:
        display.paragraph(text("no_contacts"))
        return
    if "period" in contacts:
        contacts = contacts[contacts["period"] == page.period]
    column, _, value = page.segment.partition("=")
    if column in contacts:
        contacts = contacts[contacts[column] == value]
    if contacts.empty:
        display.paragraph(text("no_contacts"))
        return
    rates = page.attempt(response_rates, contacts)
    if rates is not None:
        _show_rates(page, rates)


def _show_rates(page: ReportPage, rates: Estimates) -> None:
    text = page.text
    table = rates.tidy().set_index("term").loc[list(_RATES)]
    rows = pd.DataFrame(
        {
            text("rate"): [text(f"rate_{term}") for term in table.index],
            text("share"): table["estimate"].map(lambda share: text.percent(share, 1)).to_numpy(),
            text("interval_95"): [
                f"{text.percent(low, 1)} {text('to')} {text.percent(high, 1)}"
                for low, high in zip(table["conf_low"], table["conf_high"], strict=True)
            ],
            text("contacts"): table["n"].map(text.count).to_numpy(),
        }
    )
    first = table.loc["rr1"]
    words = {"share": text.percent(first["estimate"], 1), "n": text.count(first["n"])}
    display.paragraph(text("rates_sentence", **words))
    display.table(rows, text("caption_rates"))


def disclosure(page: ReportPage) -> None:
    """The items AAPOR's code asks every report to disclose; what the study does not declare is said so."""
    text, stated = page.text, page.study.spec.disclosure
    rows = [(text(f"aapor_{key}"), _declared(page, key)) for key in type(stated).model_fields]
    silent = [name for name, words in rows if words == text("not_stated")]
    display.paragraph(text("silent_on" if silent else "silent_on_none", items=text.join(silent)))
    rows += [
        (text("aapor_instrument"), _instrument_sentence(page)),
        (text("aapor_answers_dates"), _dates_sentence(page)),
        (text("aapor_sample_size"), _precision_sentence(page)),
        (text("aapor_weights"), text("weights_used" if page.weights else "weights_none")),
        (text("aapor_processing"), text("processing", cell=page.study.spec.minimum_cell)),
    ]
    frame = pd.DataFrame(rows, columns=[text("disclosed"), text("statement")])
    display.table(frame, text("caption_aapor"), text_columns=2)
    display.paragraph(text("aapor_source"), "note")


def _declared(page: ReportPage, key: str) -> str:
    words = getattr(page.study.spec.disclosure, key)
    return words if isinstance(words, str) else page.text.of(words, page.text("not_stated"))


def _instrument_sentence(page: ReportPage) -> str:
    text = page.text
    return text(
        "instrument_sentence",
        items=len(page.items),
        dimensions=text.join([page.dimension_name(name) for name in page.dimensions]),
        outcomes=text.join([text(f"outcome_{role}") for role in page.outcomes]) or text("ops_none"),
    )


def _dates_sentence(page: ReportPage) -> str:
    if "date" not in page.data or page.data["date"].isna().all():
        return page.text.period(page.period)
    first, last = (page.data["date"].agg(end).date().isoformat() for end in ("min", "max"))
    return f"{page.text.period(first)} – {page.text.period(last)}"


def _precision_sentence(page: ReportPage) -> str:
    text = page.text
    index = page.index(page.data).tidy().set_index("term").loc["rater_index"]
    half = (index["conf_high"] - index["conf_low"]) / 2
    return text("precision", n=text.count(len(page.data)), index=page.index_inside, half=text.number(half))


def reporting_items(page: ReportPage, model: Drivers | None) -> None:
    """What JARS-Quant asks of regression and factor studies, filled from the study and this run."""
    text = page.text
    absent = 1 - page.data[page.items].notna().to_numpy().mean()
    exclusions = [page.reason(rule.code) for rule in page.study.spec.exclude]
    values = {
        "eligibility": text.join(exclusions) if exclusions else text("no_exclusions"),
        "missing": text("jars_missing_text", share=text.percent(absent, 1)),
        "measures": text("jars_measures_text"),
        "assumptions": text("jars_assumptions_text"),
        "regression": text("not_computed"),
        "factor_models": text("jars_factor_models_text"),
        "software": text("jars_software_text", version=qa_lib.__version__),
    }
    if model is not None:
        glance = model.glance().iloc[0]
        values["regression"] = text(
            "jars_regression_text",
            outcome=text("outcome_satisfaction"),
            errors=glance["cov_type"],
            n=text.count(glance["n"]),
            left_out=text.count(len(page.data) - glance["n"]),
            r_squared=text.number(glance["r_squared"], 3),
        )
    frame = pd.DataFrame(
        [(text(f"jars_{key}"), value) for key, value in values.items()], columns=[text("reported"), text("statement")]
    )
    display.table(frame, text("caption_jars"), text_columns=2)
    display.paragraph(text("jars_source"), "note")


def thresholds(page: ReportPage) -> None:
    """Every criterion the report judges by, with its source."""
    text = page.text
    signs = {"at_least": "≥", "at_most": "≤"}
    rows = [
        (
            text(f"measure_{criterion.measure}"),
            f"{signs[criterion.direction]} {text.number(criterion.threshold, 2)}",
            criterion.source,
        )
        for criterion in page.study.criteria().by_measure.values()
    ]
    frame = pd.DataFrame(rows, columns=[text("measure"), text("threshold"), text("source")])
    display.table(frame, text("caption_criteria"), english=[text("source")])


def versions_and_inputs(page: ReportPage) -> None:
    """The versions this page was computed with and a hash of every file it follows from."""
    text = page.text
    versions = {"qa_lib": qa_lib.__version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in _PACKAGES}
    frame = pd.DataFrame(versions.items(), columns=[text("software"), text("version")])
    display.table(frame, text("caption_versions"), text_columns=2)
    root = page.study.path
    files = sorted(path for path in root.rglob("*") if path.is_file() and ".processed" not in path.parts)
    hashes = [(path.relative_to(root).as_posix(), _hash(path)) for path in files]
    frame = pd.DataFrame(hashes, columns=[text("file"), "SHA-256"])
    display.table(frame, text("caption_hashes"), text_columns=2, most=display.MOST_ROWS)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:_HASH_DIGITS]
