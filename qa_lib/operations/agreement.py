"""Do monitors who score the same contact agree? Chance-corrected agreement and intraclass correlations.

Every coefficient takes any number of monitors and contacts that not everyone scored.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as t_distribution

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.coefficients import (
    Level,
    chance_corrected,
    cohen_kappa,
    counts_of,
    joint_counts,
    krippendorff_alpha,
    light_kappa,
    pairwise_agreement,
    quadratic_weights,
)
from qa_lib.operations.intraclass import icc_absolute, icc_consistency, mean_squares, step_up
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import real_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CATEGORIES = 20  # beyond, scores are measurements: coefficients that compare categories are left out


@dataclass(frozen=True, slots=True)
class Agreement(Result):
    """``table``: a row per coefficient (``term, estimate, std_error, conf_low, conf_high, n, interval``), where
    ``interval`` says how the interval came about; ``pairs``: Cohen's kappas of every two monitors."""

    table: pd.DataFrame
    pairs: pd.DataFrame
    level: str
    n_units: int
    n_raters: int
    n_ratings: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        facts = {"n": self.n_units, "raters": self.n_raters, "ratings": self.n_ratings, "level": self.level}
        return pd.DataFrame([facts | {"complete": self.n_ratings == self.n_units * self.n_raters}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The coefficients with their intervals."""
        from qa_lib.operations.pictures import coefficients

        return coefficients(self.table, ax, labels)


def agreement(
    ratings: pd.DataFrame,
    level: Level = "nominal",
    conf_level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 1,
) -> Agreement:
    """Agreement of monitors over the contacts that at least two of them scored.

    ``ratings``: a row per contact, a column per monitor, NaN where a monitor did not score. Terms:

    - ``percent``, ``fleiss_kappa``, ``gwet_ac1`` and, above the nominal level, ``gwet_ac2`` (quadratic weights: of the
      categories' places in order, at the interval level of their values), with missing ratings and linearised
      variances as in Gwet (2014, Handbook of Inter-Rater Reliability, 4th ed., ch. 2–5).
    - ``cohen_kappa`` (Cohen 1960) and ``weighted_kappa`` (the same weights; Cohen 1968) with the variance of Fleiss,
      Cohen and Everitt (1969, doi:10.1037/h0028106, eq. 8; psych 2.2.9 gives smaller errors, which resampling does not
      bear out); of more than two monitors the mean over pairs (Light 1971, bootstrap).
    - ``krippendorff_alpha`` by the level's metric (Krippendorff 2004, Content Analysis, ch. 11; bootstrap of contacts).
    - above the nominal level ``icc_1, icc_2_1, icc_3_1, icc_1_k, icc_2_k, icc_3_k`` (McGraw and Wong 1996,
      doi:10.1037/1082-989X.1.1.30); with missing ratings the mean squares are those of the two-way layout fitted by
      least squares (Henderson 1953, method 3) and the F intervals approximate.

    Scores of more than 20 distinct values have no categories to compare: they get alpha and the ICCs alone.

    Raises ResponseError when fewer than two contacts were scored twice, or the ratings are not numbers above the
    nominal level. What is undefined (nobody ever varies) is NaN, with a DataWarning.

    >>> import pandas as pd
    >>> scores = pd.DataFrame({"ann": [10, 5, 10, 0, 5, 10], "bo": [10, 5, 5, 0, 5, 10]})
    >>> agreement(scores, level="ordinal").tidy().set_index("term")["estimate"].round(3)["weighted_kappa"].item()
    0.842
    """
    if not 0 < conf_level < 1:
        raise ResponseError(f"agreement: conf_level is {conf_level!r}; it must lie between 0 and 1, for instance 0.95.")
    codes, values = _encode(ratings, level)
    near = quadratic_weights(values if level == "interval" else np.arange(len(values)))
    few = len(values) <= MOST_CATEGORIES
    counts = counts_of(codes, len(values))
    rows = _by_category(counts, near, level, conf_level) if few else []
    twice = counts.sum(axis=1) >= 2
    codes, counts = codes[twice], counts[twice]
    pairs = _pairwise_kappas(codes, ratings.columns, near, conf_level) if few else pd.DataFrame()
    draws = np.random.default_rng(seed).multinomial(len(codes), np.full(len(codes), 1 / len(codes)), n_boot)
    if few:
        rows += _cohen_rows(codes, pairs, level, near, draws, conf_level)
    alphas = krippendorff_alpha(counts, values, level, draws.astype(float))
    low, high = _percentiles(alphas, conf_level)
    alpha = krippendorff_alpha(counts, values, level)[0]
    rows.append(_row("krippendorff_alpha", alpha, _spread(alphas), low, high, "bootstrap of contacts"))
    if level != "nominal":
        rows += _icc_rows(np.where(codes >= 0, values[codes], np.nan), conf_level)
    table = pd.DataFrame(rows).assign(n=len(codes))
    undefined = table.loc[table["estimate"].isna(), "term"].tolist()
    if undefined:
        warnings.warn(
            f"agreement: {', '.join(undefined)} undefined: the ratings hardly vary; score more varied contacts.",
            DataWarning,
            stacklevel=2,
        )
    settings = {"level": level, "conf_level": conf_level, "n_boot": n_boot, "seed": seed}
    provenance = Provenance("agreement", len(codes), settings)
    return Agreement(table, pairs, level, *codes.shape, int((codes >= 0).sum()), provenance)


def _encode(ratings: pd.DataFrame, level: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes (contacts scored at all × monitors, −1 missing) and the value of each code, in order."""
    if level not in get_args(Level):
        raise ResponseError(f"agreement: level is {level!r}; allowed are {', '.join(get_args(Level))}.")
    if not isinstance(ratings, pd.DataFrame) or ratings.shape[1] < 2:
        raise ResponseError("agreement: a DataFrame is needed with a row per contact and two or more monitor columns.")
    if level != "nominal":
        text = [str(name) for name, column in ratings.items() if not pd.api.types.is_numeric_dtype(column)]
        if text:
            raise ResponseError(f"agreement: {', '.join(text)} hold no numbers; level {level} needs them in order.")
        real_numbers(ratings, "agreement")
    codes, values = pd.factorize(ratings.to_numpy().ravel(), sort=True)
    codes = codes.reshape(ratings.shape)
    codes = codes[(codes >= 0).any(axis=1)]
    twice = int(((codes >= 0).sum(axis=1) >= 2).sum())
    if twice < 2:
        raise ResponseError(f"agreement: {twice} contacts were scored by two monitors; at least 2 are needed.")
    return codes, np.asarray(values if level != "nominal" else np.arange(len(values)), dtype=float)


def _row(term: str, estimate: float, std_error: float, low: float, high: float, interval: str) -> dict:
    return {
        "term": term, "estimate": float(estimate), "std_error": float(std_error),
        "conf_low": float(low), "conf_high": float(high), "interval": interval,
    }  # fmt: skip


def _percentiles(draws: np.ndarray, conf_level: float) -> tuple[float, float]:
    tail = (1 - conf_level) / 2
    return tuple(np.nanquantile(draws, [tail, 1 - tail])) if np.isfinite(draws).any() else (np.nan, np.nan)


def _spread(draws: np.ndarray) -> float:
    known = draws[np.isfinite(draws)]
    return float(known.std(ddof=1)) if len(known) > 1 else np.nan


def _by_category(counts: np.ndarray, near: np.ndarray, level: str, conf_level: float) -> list[dict]:
    n, q = counts.shape
    same = np.eye(q)
    agreeing = pairwise_agreement(counts, same)[counts.sum(axis=1) >= 2]
    found = {
        "percent": (agreeing.mean(), agreeing.std(ddof=1) / np.sqrt(len(agreeing))),
        "fleiss_kappa": chance_corrected(counts, same, "fleiss"),
        "gwet_ac1": chance_corrected(counts, same, "gwet"),
    }
    if level != "nominal":
        found["gwet_ac2"] = chance_corrected(counts, near, "gwet")
    quantile = t_distribution.ppf((1 + conf_level) / 2, n - 1)
    floor = {"percent": 0.0}
    return [
        _row(term, est, se, max(est - quantile * se, floor.get(term, -1)), min(est + quantile * se, 1), "linearised, t")
        for term, (est, se) in found.items()
    ]


def _pairwise_kappas(codes: np.ndarray, names: pd.Index, near: np.ndarray, conf_level: float) -> pd.DataFrame:
    q = len(near)
    quantile = norm.ppf((1 + conf_level) / 2)
    rows = []
    for a, b in combinations(range(codes.shape[1]), 2):
        table = joint_counts(codes, a, b, q)
        if table.sum() < 2:
            continue
        for term, weights in (("cohen_kappa", np.eye(q)), ("weighted_kappa", near)):
            estimate, se = cohen_kappa(table, weights)
            low, high = max(estimate - quantile * se, -1), min(estimate + quantile * se, 1)
            rows.append({"monitor": names[a], "other": names[b], "n": int(table.sum())})
            rows[-1] |= _row(term, estimate, se, low, high, "asymptotic normal")
    return pd.DataFrame(rows)


def _cohen_rows(codes, pairs: pd.DataFrame, level: str, near, draws: np.ndarray, conf_level: float) -> list[dict]:
    terms = {"cohen_kappa": np.eye(len(near))} | ({"weighted_kappa": near} if level != "nominal" else {})
    if codes.shape[1] == 2:
        keys = ["term", "estimate", "std_error", "conf_low", "conf_high", "interval"]
        return pairs.loc[pairs["term"].isin(list(terms)), keys].to_dict("records") if len(pairs) else []
    rows = []
    for term, weights in terms.items():
        means = light_kappa(codes, weights, draws)
        estimate = light_kappa(codes, weights, np.ones((1, len(codes))))[0]
        low, high = _percentiles(means, conf_level)
        rows.append(_row(term, estimate, _spread(means), low, high, "mean over pairs, bootstrap"))
    return rows


def _icc_rows(scores: np.ndarray, conf_level: float) -> list[dict]:
    scores = scores[:, np.isfinite(scores).any(axis=0)]
    ms = mean_squares(scores)
    one = icc_consistency(ms.between, ms.within, ms.k0, ms.n - 1, ms.df_within, conf_level)
    three = icc_consistency(ms.contacts, ms.error, ms.k, ms.df_contacts, ms.df_error, conf_level)
    two = icc_absolute(ms, conf_level)
    single = {"icc_1": (one, ms.k0), "icc_2_1": (two, ms.k), "icc_3_1": (three, ms.k)}
    rows = [_row(term, icc[0], np.nan, *icc[1:], "F") for term, (icc, _) in single.items()]
    for term, (icc, k) in zip(("icc_1_k", "icc_2_k", "icc_3_k"), single.values(), strict=True):
        estimate, low, high = (step_up(value, k) for value in icc)
        rows.append(_row(term, estimate, np.nan, low, high, "F"))
    return rows
