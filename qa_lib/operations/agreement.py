"""Do monitors who score the same contact agree? Chance-corrected agreement and intraclass correlations.

Every coefficient takes any number of monitors and contacts that not everyone scored.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import norm
from scipy.stats import t as t_distribution

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.results import Provenance, Result

Level = Literal["nominal", "ordinal", "interval"]
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


def agreement(
    ratings: pd.DataFrame,
    level: Level = "nominal",
    conf_level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 1,
) -> Agreement:
    """Agreement of monitors over the contacts that at least two of them scored.

    ``ratings``: a row per contact, a column per monitor, NaN where a monitor did not score. Terms:

    - ``percent``, ``fleiss_kappa``, ``gwet_ac1`` and, above the nominal level, ``gwet_ac2`` (quadratic weights), with
      missing ratings and linearised variances as in Gwet (2014, Handbook of Inter-Rater Reliability, 4th ed., ch. 2–5).
    - ``cohen_kappa`` (Cohen 1960) and ``weighted_kappa`` (quadratic; Cohen 1968) with the variance of Fleiss, Cohen
      and Everitt (1969, doi:10.1037/h0028106); of more than two monitors the mean over pairs (Light 1971, bootstrap).
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
    codes, values = _encode(ratings, level)
    few = len(values) <= MOST_CATEGORIES
    counts = _counts(codes, len(values))
    rows = _by_category(counts, level, conf_level) if few else []
    twice = counts.sum(axis=1) >= 2
    codes, counts = codes[twice], counts[twice]
    pairs = _pairwise_kappas(codes, ratings.columns, len(values), conf_level) if few else pd.DataFrame()
    draws = np.random.default_rng(seed).multinomial(len(codes), np.full(len(codes), 1 / len(codes)), n_boot)
    if few:
        rows += _cohen_rows(codes, pairs, level, len(values), draws, conf_level)
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


def _ratio(numerator, denominator):
    """numerator ÷ denominator, NaN where the denominator is 0."""
    denominator = np.asarray(denominator, dtype=float)
    return np.asarray(numerator) / np.where(np.abs(denominator) < 1e-12, np.nan, denominator)


def _percentiles(draws: np.ndarray, conf_level: float) -> tuple[float, float]:
    tail = (1 - conf_level) / 2
    return tuple(np.nanquantile(draws, [tail, 1 - tail])) if np.isfinite(draws).any() else (np.nan, np.nan)


def _spread(draws: np.ndarray) -> float:
    known = draws[np.isfinite(draws)]
    return float(known.std(ddof=1)) if len(known) > 1 else np.nan


def _counts(codes: np.ndarray, q: int) -> np.ndarray:
    """How many monitors gave each code (contacts × categories) from codes (contacts × monitors, −1 missing)."""
    counts = np.zeros((len(codes), q + 1))
    np.add.at(counts, (np.arange(len(codes))[:, None], codes), 1)
    return counts[:, :q]


# Categories: Gwet's family -------------------------------------------------------------------------------------------


def quadratic_weights(q: int) -> np.ndarray:
    """Agreement weights 1 − (i − j)²/(q − 1)² of q ordered categories (Cohen 1968, doi:10.1037/h0026256)."""
    steps = np.arange(q)
    return 1 - (steps[:, None] - steps) ** 2 / max(q - 1, 1) ** 2


def pairwise_agreement(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of agreeing pairs of ratings within each contact, from counts (contacts × categories); 0 if rated once."""
    total = counts.sum(axis=1)
    return (counts * (counts @ weights - 1)).sum(axis=1) / np.maximum(total * (total - 1), 1)


def chance_corrected(counts: np.ndarray, weights: np.ndarray, kind: Literal["fleiss", "gwet"]) -> tuple[float, float]:
    """Coefficient and its standard error (Gwet 2014, eq. 2.11–2.14 Fleiss, 4.12–4.14 AC; variance section 5.3).

    ``counts``: contacts × categories. Contacts rated once inform the margins, as Gwet has it.
    """
    n, q = counts.shape
    twice = counts.sum(axis=1) >= 2
    share = counts / counts.sum(axis=1, keepdims=True)
    margin = share.mean(axis=0)
    if kind == "fleiss":
        chance, chance_of = margin @ weights @ margin, share @ weights @ margin
    else:
        scale = weights.sum() / (q * (q - 1)) if q > 1 else np.nan
        chance, chance_of = scale * (margin * (1 - margin)).sum(), scale * share @ (1 - margin)
    observed = pairwise_agreement(counts, weights)
    estimate = _ratio(observed[twice].mean() - chance, 1 - chance)
    corrected = twice * _ratio(observed - chance, 1 - chance) * n / twice.sum()
    influence = corrected - 2 * (1 - estimate) * _ratio(chance_of - chance, 1 - chance)
    return float(estimate), float(np.sqrt(((influence - estimate) ** 2).sum() / (n * (n - 1))))


def _by_category(counts: np.ndarray, level: str, conf_level: float) -> list[dict]:
    n, q = counts.shape
    same, near = np.eye(q), quadratic_weights(q)
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


# Two monitors: Cohen -------------------------------------------------------------------------------------------------


def cohen_kappa(table: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """(Weighted) kappa and its standard error from a square table of joint counts.

    Fleiss, Cohen and Everitt (1969, doi:10.1037/h0028106, eq. 8): the variance not under the null.
    """
    n = table.sum()
    joint = table / n
    row, column = joint.sum(axis=1), joint.sum(axis=0)
    observed, chance = (joint * weights).sum(), row @ weights @ column
    estimate = _ratio(observed - chance, 1 - chance)
    mean_weight = (weights @ column)[:, None] + (row @ weights)[None, :]
    spread = (joint * (weights * (1 - chance) - mean_weight * (1 - observed)) ** 2).sum()
    variance = _ratio(spread - (observed * chance - 2 * chance + observed) ** 2, n * (1 - chance) ** 4)
    return float(estimate), float(np.sqrt(np.clip(variance, 0, None)))


def _joint(codes: np.ndarray, a: int, b: int, q: int) -> np.ndarray:
    both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
    return np.bincount(codes[both, a] * q + codes[both, b], minlength=q * q).reshape(q, q).astype(float)


def _pairwise_kappas(codes: np.ndarray, names: pd.Index, q: int, conf_level: float) -> pd.DataFrame:
    quantile = norm.ppf((1 + conf_level) / 2)
    rows = []
    for a, b in combinations(range(codes.shape[1]), 2):
        table = _joint(codes, a, b, q)
        if table.sum() < 2:
            continue
        for term, weights in (("cohen_kappa", np.eye(q)), ("weighted_kappa", quadratic_weights(q))):
            estimate, se = cohen_kappa(table, weights)
            low, high = max(estimate - quantile * se, -1), min(estimate + quantile * se, 1)
            rows.append({"monitor": names[a], "other": names[b], "n": int(table.sum())})
            rows[-1] |= _row(term, estimate, se, low, high, "asymptotic normal")
    return pd.DataFrame(rows)


def _cohen_rows(codes, pairs: pd.DataFrame, level: str, q: int, draws: np.ndarray, conf_level: float) -> list[dict]:
    terms = {"cohen_kappa": np.eye(q)} | ({"weighted_kappa": quadratic_weights(q)} if level != "nominal" else {})
    if codes.shape[1] == 2:
        keys = ["term", "estimate", "std_error", "conf_low", "conf_high", "interval"]
        return pairs.loc[pairs["term"].isin(list(terms)), keys].to_dict("records") if len(pairs) else []
    rows = []
    for term, weights in terms.items():
        means = _light(codes, weights, draws)
        estimate = _light(codes, weights, np.ones((1, len(codes))))[0]
        low, high = _percentiles(means, conf_level)
        rows.append(_row(term, estimate, _spread(means), low, high, "mean over pairs, bootstrap"))
    return rows


def _light(codes: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Mean kappa over pairs of monitors under each draw of contacts (draws × contacts) → (draws,)."""
    kappas = []
    for a, b in combinations(range(codes.shape[1]), 2):
        both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
        if both.sum() < 2:
            continue
        one_hot = np.eye(len(weights))
        row, column = draws[:, both] @ one_hot[codes[both, a]], draws[:, both] @ one_hot[codes[both, b]]
        n = draws[:, both].sum(axis=1)
        observed = _ratio(draws[:, both] @ weights[codes[both, a], codes[both, b]], n)
        chance = _ratio(((row @ weights) * column).sum(axis=1), n**2)
        kappas.append(_ratio(observed - chance, 1 - chance))
    known = np.isfinite(kappas)
    return _ratio(np.where(known, kappas, 0).sum(axis=0), known.sum(axis=0))


# Krippendorff --------------------------------------------------------------------------------------------------------


def krippendorff_alpha(
    counts: np.ndarray, values: np.ndarray, level: Level, draws: np.ndarray | None = None
) -> np.ndarray:
    """Alpha under every row of contact weights ``draws`` (draws × contacts; one row of ones by default).

    1 − (N − 1)·Σᵤ dᵤ/(mᵤ − 1) ÷ Σ n_c n_k δ²_ck (Krippendorff 2004, ch. 11). The ordinal metric is the interval
    metric of the categories' mid-ranks, which makes both closed forms in sums and squares.
    """
    draws = np.ones((1, len(counts))) if draws is None else draws
    margin = draws @ counts
    total = margin.sum(axis=1)
    per_contact = counts.sum(axis=1)
    if level == "nominal":
        within = draws @ ((per_contact**2 - (counts**2).sum(axis=1)) / (per_contact - 1))
        expected = total**2 - (margin**2).sum(axis=1)
    else:
        place = np.cumsum(margin, axis=1) - margin / 2 if level == "ordinal" else np.broadcast_to(values, margin.shape)
        spread = per_contact * (place**2 @ counts.T) - (place @ counts.T) ** 2
        within = 2 * (draws * spread / (per_contact - 1)).sum(axis=1)
        expected = 2 * (total * (margin * place**2).sum(axis=1) - (margin * place).sum(axis=1) ** 2)
    return 1 - (total - 1) * _ratio(within, expected)


# Intraclass correlation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Mean squares of contacts (one-way ``between``, ``within``; two-way ``contacts, monitors, error``) with the
    numbers of ratings per contact (``k0`` one-way, ``k`` two-way) and per monitor (``m``) they stand on."""

    between: float
    within: float
    contacts: float
    monitors: float
    error: float
    n: int
    k0: float
    k: float
    m: float
    df_within: int
    df_monitors: int
    df_error: int


def mean_squares(scores: np.ndarray) -> MeanSquares:
    """From scores (contacts × monitors, NaN missing); with complete scores those of the balanced ANOVA."""
    n, monitors = scores.shape
    rated = np.isfinite(scores)
    total = int(rated.sum())
    per_contact, per_monitor = rated.sum(axis=1), rated.sum(axis=0)
    grand = np.nanmean(scores)
    contact_mean = np.nansum(scores, axis=1) / per_contact
    monitor_mean = np.nansum(scores, axis=0) / per_monitor
    ss_between = (per_contact * (contact_mean - grand) ** 2).sum()
    ss_within = np.nansum((scores - contact_mean[:, None]) ** 2)
    # monitors adjusted for contacts: normal equations of the within-contact deviations
    deviation = np.where(rated, scores - contact_mean[:, None], 0).sum(axis=0)
    normal = np.diag(per_monitor.astype(float)) - (rated / per_contact[:, None]).T @ rated
    ss_monitors = deviation @ np.linalg.pinv(normal) @ deviation
    ss_error = ss_within - ss_monitors
    ss_monitors_alone = (per_monitor * (monitor_mean - grand) ** 2).sum()
    ss_contacts = ss_between + ss_monitors - ss_monitors_alone
    df_error = total - n - monitors + 1
    return MeanSquares(
        between=ss_between / (n - 1),
        within=ss_within / (total - n),
        contacts=ss_contacts / (n - 1),
        monitors=ss_monitors / (monitors - 1),
        error=max(ss_error, 0.0) / df_error if df_error > 0 else np.nan,
        n=n,
        k0=(total - (per_contact**2).sum() / total) / (n - 1),
        k=(total - monitors) / (n - 1),
        m=(total - n) / (monitors - 1),
        df_within=total - n,
        df_monitors=monitors - 1,
        df_error=df_error,
    )


def _icc_rows(scores: np.ndarray, conf_level: float) -> list[dict]:
    scores = scores[:, np.isfinite(scores).any(axis=0)]
    ms = mean_squares(scores)
    one = _icc_consistency(ms.between, ms.within, ms.k0, ms.n - 1, ms.df_within, conf_level)
    three = _icc_consistency(ms.contacts, ms.error, ms.k, ms.n - 1, ms.df_error, conf_level)
    two = _icc_absolute(ms, conf_level)
    single = {"icc_1": (one, ms.k0), "icc_2_1": (two, ms.k), "icc_3_1": (three, ms.k)}
    rows = [_row(term, icc[0], np.nan, *icc[1:], "F") for term, (icc, _) in single.items()]
    for term, (icc, k) in zip(("icc_1_k", "icc_2_k", "icc_3_k"), single.values(), strict=True):
        estimate, low, high = (_step_up(value, k) for value in icc)
        rows.append(_row(term, estimate, np.nan, low, high, "F"))
    return rows


def _step_up(icc: float, k: float) -> float:
    """Of the mean of k monitors (Spearman–Brown)."""
    return float(_ratio(k * icc, 1 + (k - 1) * icc))


def _icc_consistency(high_ms, low_ms, k, df1, df2, conf_level) -> tuple[float, float, float]:
    """ICC(1) and ICC(3,1): estimate and F interval (McGraw and Wong 1996, tables 4 and 7)."""
    if not low_ms > 0:
        return np.nan, np.nan, np.nan
    ratio, tail = high_ms / low_ms, (1 + conf_level) / 2
    low = ratio / f_distribution.ppf(tail, df1, df2)
    high = ratio * f_distribution.ppf(tail, df2, df1)
    return tuple((value - 1) / (value + k - 1) for value in (ratio, low, high))


def _icc_absolute(ms: MeanSquares, conf_level: float) -> tuple[float, float, float]:
    """ICC(2,1): monitors a sample of all monitors, with Satterthwaite's degrees of freedom (ibid., table 7)."""
    if not ms.error > 0:
        return np.nan, np.nan, np.nan
    n, k, scale = ms.m, ms.k, ms.m * ms.k - ms.m - ms.k
    icc = (ms.contacts - ms.error) / (ms.contacts + (k - 1) * ms.error + k * (ms.monitors - ms.error) / n)
    ratio = ms.monitors / ms.error
    rest = n * (1 + (k - 1) * icc) - k * icc
    df = ms.df_error * (k * icc * ratio + rest) ** 2 / ((n - 1) * (k * icc * ratio) ** 2 + rest**2)
    tail = (1 + conf_level) / 2
    upper, lower = f_distribution.ppf(tail, ms.n - 1, df), f_distribution.ppf(tail, df, ms.n - 1)
    low = n * (ms.contacts - upper * ms.error) / (upper * (k * ms.monitors + scale * ms.error) + n * ms.contacts)
    high = n * (lower * ms.contacts - ms.error) / (k * ms.monitors + scale * ms.error + n * lower * ms.contacts)
    return icc, low, high
