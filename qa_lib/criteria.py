"""Named, cited thresholds as data, and the one function that holds a result against them.

A study overrides any of them in ``criteria.yaml``; the report prints threshold and source beside every verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from qa_lib.errors import StudyError

Verdict = Literal["met", "not_met", "undecided"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A measure is good at or beyond ``threshold``; ``direction`` says on which side."""

    measure: str
    direction: Literal["at_least", "at_most"]
    threshold: float
    source: str

    def verdict(self, estimate: float, low: float = np.nan, high: float = np.nan) -> Verdict:
        """``met`` or ``not_met`` when the whole interval lies on one side, else ``undecided``.

        Without an interval the estimate alone decides. A missing estimate is undecided.

        >>> Criterion("alpha", "at_least", .7, "Nunnally (1978)").verdict(.74, .69, .78)
        'undecided'
        """
        if np.isnan(estimate):
            return "undecided"
        bounds = np.array([estimate if np.isnan(low) else low, estimate if np.isnan(high) else high])
        passes = bounds >= self.threshold if self.direction == "at_least" else bounds <= self.threshold
        return "met" if passes.all() else "undecided" if passes.any() else "not_met"


_NUNNALLY = "Nunnally (1978), Psychometric Theory, 2nd ed., p. 245"
_HU_BENTLER = "Hu and Bentler (1999), doi:10.1080/10705519909540118"
_FORNELL = "Fornell and Larcker (1981), doi:10.1177/002224378101800104"
_HENSELER = "Henseler, Ringle and Sarstedt (2015), doi:10.1007/s11747-014-0403-8"
_HAIR = "Hair, Black, Babin and Anderson (2019), Multivariate Data Analysis, 8th ed."

_DEFAULTS = (
    Criterion("alpha", "at_least", 0.70, _NUNNALLY),
    Criterion("alpha_std", "at_least", 0.70, _NUNNALLY),
    Criterion("alpha_ordinal", "at_least", 0.70, _NUNNALLY),
    Criterion("omega_total", "at_least", 0.70, _NUNNALLY),
    Criterion("omega_ordinal", "at_least", 0.70, _NUNNALLY),
    Criterion("omega_total_sl", "at_least", 0.70, _NUNNALLY),
    Criterion("alpha_expected", "at_least", 0.70, _NUNNALLY),
    Criterion("alpha_experienced", "at_least", 0.70, _NUNNALLY),
    Criterion("alpha_gap", "at_least", 0.70, _NUNNALLY),
    Criterion("reliability_gap", "at_least", 0.70, _NUNNALLY),
    Criterion("omega_h", "at_least", 0.50, "Reise, Bonifay and Haviland (2013), doi:10.1080/00223891.2012.725437"),
    Criterion("item_rest_r", "at_least", 0.30, "Nunnally and Bernstein (1994), Psychometric Theory, 3rd ed., p. 305"),
    Criterion("kmo", "at_least", 0.60, "Kaiser (1974), doi:10.1007/BF02291575"),
    Criterion("cr", "at_least", 0.70, _HAIR),
    Criterion("ave", "at_least", 0.50, _FORNELL),
    Criterion("htmt", "at_most", 0.85, _HENSELER),
    Criterion("cfi", "at_least", 0.95, _HU_BENTLER),
    Criterion("tli", "at_least", 0.95, _HU_BENTLER),
    Criterion("rmsea", "at_most", 0.06, _HU_BENTLER),
    Criterion("srmr", "at_most", 0.08, _HU_BENTLER),
    Criterion("vif", "at_most", 5.0, _HAIR),
    Criterion(
        "q2_redundancy", "at_least", 0.0, "Chin (1998), in Marcoulides, Modern Methods for Business Research, 318"
    ),
    Criterion("icc", "at_least", 0.75, "Koo and Li (2016), doi:10.1016/j.jcm.2016.02.012"),
    Criterion("krippendorff_alpha", "at_least", 0.667, "Krippendorff (2004), Content Analysis, 2nd ed., p. 241"),
)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria by the measure they judge."""

    by_measure: Mapping[str, Criterion]

    @classmethod
    def default(cls) -> Criteria:
        return cls({criterion.measure: criterion for criterion in _DEFAULTS})

    def override(self, thresholds: Mapping[str, Mapping[str, object]]) -> Criteria:
        """A copy with thresholds of a study's ``criteria.yaml``: ``{alpha: {threshold: .8, source: "…"}}``."""
        changed = dict(self.by_measure)
        for measure, entry in thresholds.items():
            if measure not in changed:
                known = ", ".join(sorted(changed))
                raise StudyError(f"criteria: no measure is called {measure!r}. Known: {known}.")
            if not isinstance(entry, Mapping) or set(entry) != {"threshold", "source"}:
                raise StudyError(f"criteria: {measure} needs exactly the keys threshold and source.")
            try:
                threshold = float(entry["threshold"])
            except (TypeError, ValueError):
                raise StudyError(
                    f"criteria: {measure}: threshold is {entry['threshold']!r}, a number is needed."
                ) from None
            changed[measure] = replace(changed[measure], threshold=threshold, source=str(entry["source"]))
        return Criteria(changed)


_LOCATORS = ["term", "dimension", "item", "group", "lhs", "op", "rhs"]
_VERDICT_COLUMNS = ["estimate", "conf_low", "conf_high", "verdict", "threshold", "direction", "source"]


def judge(tidy: pd.DataFrame, glance: pd.DataFrame, criteria: Criteria) -> pd.DataFrame:
    """Every term of ``tidy`` and measure of ``glance`` for which there is a criterion, with its verdict."""
    rows = [_verdict_row(row, criteria) for row in (*_tidy_rows(tidy), *_glance_rows(glance))]
    located = [column for column in _LOCATORS if column in tidy.columns or column == "term"]
    return pd.DataFrame([row for row in rows if row], columns=[*located, *_VERDICT_COLUMNS])


def _tidy_rows(tidy: pd.DataFrame) -> Iterable[dict]:
    return tidy.to_dict("records") if "term" in tidy.columns else ()


def _glance_rows(glance: pd.DataFrame) -> Iterable[dict]:
    values = glance.iloc[0].to_dict() if len(glance) else {}
    for measure, value in values.items():
        bounds = {"conf_low": values.get(f"{measure}_low"), "conf_high": values.get(f"{measure}_high")}
        yield {"term": measure, "estimate": value, **bounds}


def _verdict_row(row: Mapping[str, object], criteria: Criteria) -> dict | None:
    criterion = criteria.by_measure.get(str(row["term"]))
    if criterion is None:
        return None
    estimate, low, high = (_number(row.get(key)) for key in ("estimate", "conf_low", "conf_high"))
    return {
        **{key: row[key] for key in _LOCATORS if key in row},
        "estimate": estimate,
        "conf_low": low,
        "conf_high": high,
        "verdict": criterion.verdict(estimate, low, high),
        "threshold": criterion.threshold,
        "direction": criterion.direction,
        "source": criterion.source,
    }


def _number(value: object) -> float:
    return float("nan") if value is None or value is pd.NA else float(value)
