"""The one table of reliability coefficients: estimate, interval, the model behind it, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.trust.consistency.coefficients import Coefficient, feldt_interval, fisher_interval, log_interval

NOTES = {
    "too_few_items": "fewer than two items vary, or too few items for so many factors",
    "two_items": "one factor of two items is not identified",
    "never_together": "some items were never answered by the same respondents",
    "no_total_variance": "the items cancel each other: their sum does not vary",
    "singular": "the correlation matrix is singular or not positive definite",
    "not_converged": "the model did not converge",
    "heywood": "the model has a negative variance, or one at its lower bound (Heywood case)",
    "empty_factor": "a factor explains nothing, so that there is no interval",
    "not_ordinal": "not whole numbers of few levels, or not counted from respondents",
    "general_equal": "two factors load equally on the general factor, which they do not identify",
}
INADMISSIBLE = {"no_total_variance", "singular", "heywood", "empty_factor"}
FELDT = {"alpha", "alpha_std", "alpha_expected", "alpha_experienced", "alpha_gap"}
CORRELATIONS = {"mean_r", "parts_r"}


def is_converged(table: pd.DataFrame) -> bool:
    return not (table["note"] == "not_converged").any()


def is_admissible(table: pd.DataFrame) -> bool:
    return not table["note"].isin(INADMISSIBLE).any()


def coefficient_table(
    dimension: str, found: Sequence[Coefficient], models: Mapping[str, str], n: float, n_items: int, conf_level: float
) -> pd.DataFrame:
    """A row per coefficient: dimension, term, estimate, std_error, conf_low, conf_high, interval (how it was had),
    model (what the term was computed from, by ``models``), n, n_items, note (a key of ``NOTES``, or empty)."""
    low, high, kind = zip(*(_interval(coefficient, n, n_items, conf_level) for coefficient in found), strict=True)
    terms = [coefficient.term for coefficient in found]
    columns = {
        "dimension": dimension,
        "term": terms,
        "estimate": [coefficient.estimate for coefficient in found],
        "std_error": [coefficient.std_error for coefficient in found],
        "conf_low": low,
        "conf_high": high,
        "interval": kind,
        "model": [models[term] for term in terms],
        "n": n,
        "n_items": n_items,
        "note": [coefficient.note for coefficient in found],
    }
    return pd.DataFrame(columns)


def _interval(found: Coefficient, n: float, n_items: int, conf_level: float) -> tuple[float, float, str]:
    """Feldt's for alpha of covariances; the delta method on Fisher's z for correlations, else on log(1 - estimate)."""
    if found.term in FELDT and not np.isnan(found.estimate):
        return *feldt_interval(found.estimate, n, n_items, conf_level), "Feldt"
    if np.isnan(found.std_error):
        return np.nan, np.nan, ""
    bounds = fisher_interval if found.term in CORRELATIONS else log_interval
    return *bounds(found.estimate, found.std_error, norm.ppf(0.5 + conf_level / 2)), "delta"
