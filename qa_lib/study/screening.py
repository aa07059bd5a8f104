"""Signs of careless responding, respondent by respondent. Flags only: who is left out, the study says."""

from __future__ import annotations

import warnings

import ier
import numpy as np
import pandas as pd

from qa_lib.errors import ScreeningWarning
from qa_lib.study.coding import cell_text
from qa_lib.study.instrument import Instrument
from qa_lib.study.responses import Responses

RULES = ("longstring", "irv", "even_odd", "mahalanobis", "duration", "attention", "duplicate")
DIRECT = ("duration", "attention", "duplicate")
IMPLAUSIBLE_SHARE = 0.25

LONGSTRING_SHARE = 0.5  # Curran (2016), doi:10.1016/j.jesp.2015.07.006: half of the items in one run
IRV_SHARE = 0.05  # of the scale's range; Dunn et al. (2018), doi:10.1007/s10869-016-9479-0, give no fixed cut-off
EVEN_ODD_MINIMUM = 0.0  # halves that run against each other; Johnson (2005), doi:10.1016/j.jrp.2004.09.009
MAHALANOBIS_P = 0.001  # Tabachnick and Fidell (2013), Using Multivariate Statistics, 6th ed., p. 74
SECONDS_PER_ITEM = 2.0  # Huang et al. (2012), doi:10.1007/s10869-011-9231-8
_DUPLICATE_ITEMS = 10


def screen(responses: Responses) -> pd.DataFrame:
    """Indices of careless responding and their flags.

    A row per respondent of ``responses.data``, in its order. Columns: the indices ``longstring`` (longest run of one
    answer, as a share of the items), ``irv`` (standard deviation over the items, as answered), ``even_odd``
    (consistency of halves over the dimensions, Spearman–Brown corrected), ``mahalanobis`` (squared distance),
    ``duration`` (seconds), ``attention`` (checks failed), ``duplicate`` (earlier respondents with the same answers);
    ``<index>_flag`` for each; ``flagged``, which is true for one direct sign (duration, attention, duplicate) or two
    signs in the pattern of answers, because uniform but honest satisfaction also answers alike.

    An index that the data do not allow (no durations, one dimension) is missing and flags nobody. A rule that would
    flag more than a quarter raises a ``ScreeningWarning``.
    """
    data, instrument = responses.data, responses.instrument
    dimensions = {name: [i for i in items if i in data] for name, items in instrument.dimensions.items()}
    items = [item for group in dimensions.values() for item in group]
    answered = _as_answered(data, items, instrument)
    ranges = np.array([high - low for low, high in map(instrument.scale_of, items)], dtype=float)
    indices = pd.DataFrame(
        {
            "longstring": ier.longstring_scores(answered) / len(items) if items else np.nan,
            "irv": _irv(answered),
            "even_odd": _even_odd(data, dimensions),
            "mahalanobis": _mahalanobis(answered),
            "duration": data["duration"].to_numpy() if "duration" in data else np.nan,
            "attention": _failed_checks(data, instrument),
            "duplicate": _duplicates(answered),
        }
    )
    flags = _flags(indices, n_items=len(items), scale_range=ranges.mean() if len(items) else np.nan)
    _warn_implausible(flags)
    direct = flags[[f"{rule}_flag" for rule in DIRECT]].any(axis=1)
    pattern = flags.drop(columns=[f"{rule}_flag" for rule in DIRECT]).sum(axis=1) >= 2
    return pd.concat([indices, flags, (direct | pattern).rename("flagged")], axis=1)


def _as_answered(data: pd.DataFrame, items: list[str], instrument: Instrument) -> np.ndarray:
    """Answers (n, items) with reverse-keyed items turned back, as the respondent gave them."""
    answered = data[items].to_numpy(dtype=float, copy=True)
    for position, item in enumerate(items):
        if instrument.item(item).reverse:
            answered[:, position] = sum(instrument.scale_of(item)) - answered[:, position]
    return answered


def _irv(answered: np.ndarray) -> np.ndarray:
    return ier.irv(answered) if answered.shape[1] > 1 else np.full(len(answered), np.nan)


def _even_odd(data: pd.DataFrame, dimensions: dict[str, list[str]]) -> np.ndarray:
    usable = [items for items in dimensions.values() if len(items) > 1]
    if len(usable) < 3:
        return np.full(len(data), np.nan)
    scored = data[[item for items in usable for item in items]].to_numpy(dtype=float)
    return ier.evenodd(scored, [len(items) for items in usable], method="halves")


def _mahalanobis(answered: np.ndarray) -> np.ndarray:
    """Squared distances of complete rows from the centre; missing where the covariance is singular."""
    complete = ~np.isnan(answered).any(axis=1)
    distance = np.full(len(answered), np.nan)
    centred = answered[complete] - answered[complete].mean(axis=0) if complete.any() else answered[complete]
    if len(centred) > answered.shape[1] + 1:
        covariance = centred.T @ centred / (len(centred) - 1)
        if np.linalg.matrix_rank(covariance) == len(covariance):
            distance[complete] = np.einsum("ij,ij->i", centred, np.linalg.solve(covariance, centred.T).T)
    return distance


def _failed_checks(data: pd.DataFrame, instrument: Instrument) -> np.ndarray:
    asked = [check for check in instrument.attention_checks if check.id in data]
    if not asked:
        return np.full(len(data), np.nan)
    wrong = [_differs(data[check.id], check.right) for check in asked]
    return np.sum(wrong, axis=0).astype(float)


def _differs(given: pd.Series, right: list[str]) -> np.ndarray:
    text = given.map(cell_text, na_action="ignore")
    return (text.notna() & (text != "") & ~text.isin(right)).to_numpy(dtype=bool)


def _duplicates(answered: np.ndarray) -> np.ndarray:
    """How many earlier rows have exactly the same answers, where at least ten differ among themselves."""
    if not answered.size:
        return np.zeros(len(answered))
    missing = np.isnan(answered)
    ordered = np.sort(answered, axis=1)  # missing answers last
    distinct = (np.diff(ordered, axis=1) > 0).sum(axis=1) + 1
    telling = ((~missing).sum(axis=1) >= _DUPLICATE_ITEMS) & (distinct > 2)
    rows = np.ascontiguousarray(np.where(missing, np.inf, answered).astype(np.float32))
    same = np.unique(rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel(), return_inverse=True)[1]
    return np.where(telling, pd.Series(same).groupby(same).cumcount(), 0).astype(float)


def _flags(indices: pd.DataFrame, n_items: int, scale_range: float) -> pd.DataFrame:
    from scipy.stats import chi2

    cutoff = chi2.isf(MAHALANOBIS_P, n_items) if n_items else np.inf
    return pd.DataFrame(
        {
            "longstring_flag": (indices["longstring"] >= LONGSTRING_SHARE) & (n_items >= _DUPLICATE_ITEMS),
            "irv_flag": indices["irv"] <= IRV_SHARE * scale_range,
            "even_odd_flag": indices["even_odd"] < EVEN_ODD_MINIMUM,
            "mahalanobis_flag": indices["mahalanobis"] > cutoff,
            "duration_flag": indices["duration"] < SECONDS_PER_ITEM * n_items,
            "attention_flag": indices["attention"] > 0,
            "duplicate_flag": indices["duplicate"] > 0,
        }
    )


def _warn_implausible(flags: pd.DataFrame) -> None:
    shares = flags.mean()
    for name, share in shares[shares > IMPLAUSIBLE_SHARE].items():
        warnings.warn(
            f"the rule {name.removesuffix('_flag')} would flag {share:.0%} of {len(flags)} respondents. "
            "Honest, uniform satisfaction can look like this; do not exclude by it.",
            ScreeningWarning,
            stacklevel=3,
        )
