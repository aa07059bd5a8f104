"""Test–retest: how far two measurements of the same respondents agree, and how large a change must be to be real."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import real_numbers


@dataclass(frozen=True, slots=True)
class Retest(Result):
    """``table``: a row per column measured twice."""

    table: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.provenance.n, "n_items": len(self.table), "n_pairs_min": int(self.table["n"].min())}
        return pd.DataFrame([row | {"method": "two-way ANOVA, complete pairs"}])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Intraclass correlations of every item with their intervals."""
        from qa_lib.models.pictures import intervals

        words = {"icc": "Intraclass correlation"} | dict(labels or {})
        rows = self.table[self.table["term"].str.startswith("icc")]
        return intervals(rows.assign(name=rows["item"], series=rows["term"]), ax, words, words["icc"])


def retest(before: pd.Series | pd.DataFrame, after: pd.Series | pd.DataFrame, conf_level: float = 0.95) -> Retest:
    """Agreement of two measurements of the same respondents, matched by index; incomplete pairs are left out.

    before, after : both Series (n,) or both DataFrames (n, p) with the same columns, in the items' own units.

    Columns of ``tidy()``, a row per item, each coefficient followed by its interval:

    - ``estimate, conf_low, conf_high`` of ``term`` icc: ICC(2,1), absolute agreement, and ``icc_consistency, …_low,
      …_high``: ICC(3,1), both with intervals of F (McGraw and Wong 1996, table 7, doi:10.1037/1082-989X.1.1.30).
    - ``r``: Pearson, interval on Fisher's z.
    - ``mean_change`` (after - before), with ``change_t, change_df, change_p`` of the paired t test.
    - ``sem = sd_diff / √2``, the standard error of measurement, and ``sdc = 1.96 · √2 · sem``, the smallest detectable
      change of one respondent (de Vet et al. 2006, doi:10.1016/j.jclinepi.2005.10.015); interval of χ² for normal
      differences.

    Raises ResponseError when index or columns differ, respondents repeat, values are not finite numbers, fewer than
    three pairs are complete, or a measurement never varies. When all differences are equal there is no error variance
    to test against: DataWarning, and the intervals and test of that row are NaN.

    >>> first, second = pd.Series([4, 5, 2, 3, 1, 4]), pd.Series([5, 5, 3, 3, 1, 4])
    >>> retest(first, second).tidy()[["estimate", "r", "mean_change", "sdc"]].round(3).to_dict("records")
    [{'estimate': 0.926, 'r': 0.941, 'mean_change': 0.333, 'sdc': 1.012}]
    """
    if not 0 < conf_level < 1:
        raise ResponseError(f"retest: conf_level is {conf_level!r}; it must lie between 0 and 1, for instance 0.95.")
    first, second = _matched(before, after)
    rows = [{"item": item} | _row(item, *_pairs(item, first[item], second[item]), conf_level) for item in first]
    return Retest(pd.DataFrame(rows), Provenance("retest", len(first), {"conf_level": conf_level}))


def intraclass(before: np.ndarray, after: np.ndarray, conf_level: float) -> tuple[np.ndarray, np.ndarray]:
    """(estimate, low, high) of ICC(2,1) and of ICC(3,1) of n pairs; McGraw and Wong (1996), tables 4 and 7, k = 2."""
    n, difference = len(before), after - before
    people = 2 * ((before + after) / 2).var(ddof=1)
    times = n * difference.mean() ** 2 / 2
    error = difference.var(ddof=1) / 2
    agreement = (people - error) / (people + error + 2 * (times - error) / n)
    consistency = (people - error) / (people + error)
    if error <= 1e-20 * people:
        return np.array([agreement, np.nan, np.nan]), np.array([consistency, np.nan, np.nan])
    upper = 0.5 + conf_level / 2
    ratio = (
        people
        / error
        * np.array([1 / f_distribution.ppf(upper, n - 1, n - 1), f_distribution.ppf(upper, n - 1, n - 1)])
    )
    part_times = 2 * agreement * times
    part_error = (n * (1 - agreement) + 2 * agreement * (n - 1)) * error
    df = (part_times + part_error) ** 2 / (part_times**2 + part_error**2 / (n - 1))
    below, above = f_distribution.ppf(upper, n - 1, df), f_distribution.ppf(upper, df, n - 1)
    rest = 2 * times + (n - 2) * error
    low = n * (people - below * error) / (below * rest + n * people)
    high = n * (above * people - error) / (rest + n * above * people)
    return np.array([agreement, low, high]), np.array([consistency, *((ratio - 1) / (ratio + 1))])


def _row(item: object, before: np.ndarray, after: np.ndarray, conf_level: float) -> dict[str, object]:
    n, difference = len(before), after - before
    agreement, consistency = intraclass(before, after, conf_level)
    change, sd = difference.mean(), difference.std(ddof=1)
    if np.isnan(agreement[1]):
        message = f"retest: {item} changed by {change:g} for everyone, so that nothing can be tested; is it a copy?"
        warnings.warn(message, DataWarning, stacklevel=3)
        sd, change_error = 0.0, np.nan
    else:
        change_error = sd / np.sqrt(n)
    t = change / change_error
    tails = np.array([0.5 - conf_level / 2, 0.5 + conf_level / 2])
    sem = sd / np.sqrt(2) * np.array([1, *(np.sqrt((n - 1) / chi2.ppf(tails[::-1], n - 1)))])
    if sd == 0:
        sem[1:] = np.nan
    return {
        "term": "icc",
        **dict(zip(("estimate", "conf_low", "conf_high"), agreement, strict=True)),
        **_with_interval("icc_consistency", consistency),
        **_with_interval("r", pearson(before, after, conf_level)),
        **_with_interval("mean_change", [change, *(change + t_distribution.ppf(tails, n - 1) * change_error)]),
        **{"change_t": t, "change_df": n - 1, "change_p": 2 * t_distribution.sf(abs(t), n - 1)},
        **_with_interval("sem", sem),
        **_with_interval("sdc", 1.96 * np.sqrt(2) * sem),
        "n": n,
    }


def pearson(before: np.ndarray, after: np.ndarray, conf_level: float) -> tuple[float, float, float]:
    """Correlation with the interval of Fisher's z; without one for three pairs or an r of ±1."""
    r, n = float(np.clip(np.corrcoef(before, after)[0, 1], -1, 1)), len(before)
    if n < 4 or 1 - abs(r) < 1e-12:
        return r, np.nan, np.nan
    reach = norm.ppf(0.5 + conf_level / 2) / np.sqrt(n - 3)
    return r, float(np.tanh(np.arctanh(r) - reach)), float(np.tanh(np.arctanh(r) + reach))


def _with_interval(name: str, values: object) -> dict[str, float]:
    return {key: float(v) for key, v in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)}


def _matched(before: object, after: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both measurements as DataFrames with rows and columns in the order of the first."""
    if isinstance(before, pd.Series) and isinstance(after, pd.Series):
        name = "value" if before.name is None else before.name
        before, after = before.to_frame(name), after.to_frame(name)
    if not (isinstance(before, pd.DataFrame) and isinstance(after, pd.DataFrame)):
        kinds = f"{type(before).__name__} and {type(after).__name__}"
        raise ResponseError(f"retest: got {kinds}; pass two Series, or two DataFrames with the same columns.")
    for what in ("columns", "index"):
        first, second = getattr(before, what), getattr(after, what)
        if first.has_duplicates or second.has_duplicates:
            raise ResponseError(f"retest: labels of the {what} repeat; each respondent and each item may occur once.")
        only = first.symmetric_difference(second)
        if len(only):
            raise ResponseError(
                f"retest: the {what} differ: {list(only[:5])} ({len(only)} in all) occur in one measurement only. "
                "Give both the same respondents as index and the same columns."
            )
    if before.shape[1] == 0:
        raise ResponseError("retest: there are no columns to compare.")
    return before, after.loc[before.index, before.columns]


def _pairs(item: object, before: pd.Series, after: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The values of the complete pairs, checked."""
    text = [when for when, x in (("before", before), ("after", after)) if not pd.api.types.is_numeric_dtype(x)]
    if text:
        raise ResponseError(f"retest: {item} ({', '.join(text)}) holds no numbers; convert it first.")
    pairs = np.stack([real_numbers(x.rename(item), "retest")[:, 0] for x in (before, after)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] < 3:
        raise ResponseError(f"retest: {item} has {pairs.shape[1]} complete pairs; at least 3 are needed.")
    constant = [when for when, x in zip(("before", "after"), pairs, strict=True) if np.ptp(x) == 0]
    if constant:
        raise ResponseError(f"retest: {item} never varies ({', '.join(constant)}); leave it out.")
    return pairs[0], pairs[1]
