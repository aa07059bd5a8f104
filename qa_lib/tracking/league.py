"""League tables that do not mistake luck for merit: shrunken means, rank intervals, and whether units differ at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import minimize_scalar

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.tracking.estimates import (
    Weights,
    check_columns,
    item_matrix,
    plot_intervals,
    respondent_weights,
    row_means,
    t_quantile,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class UnitMoments(NamedTuple):
    """Sufficient statistics of units (J,): answers, effective answers, mean, sum of squares on effective n."""

    n: np.ndarray
    n_effective: np.ndarray
    mean: np.ndarray
    within: np.ndarray


class OneWay(NamedTuple):
    """Random-effects model of units: mean, its variance, variance between and within units."""

    mean: float
    mean_variance: float
    between: float
    within: float


class IntraclassCorrelation(NamedTuple):
    """ICC(1) with interval, ICC(2), and the F test that units do not differ."""

    icc1: float
    icc1_low: float
    icc1_high: float
    icc2: float
    f: float
    p_value: float


@dataclass(frozen=True, slots=True)
class LeagueTable(Result):
    """``table``: a row per unit shown, best first; ``hidden``: units with fewer answers than ``minimum_cell``."""

    table: pd.DataFrame
    hidden: tuple[object, ...]
    model: OneWay
    icc: IntraclassCorrelation
    minimum_cell: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "n": self.provenance.n,
                    "n_units": len(self.table),
                    "n_hidden": len(self.hidden),
                    "method": "one-way random effects, REML",
                    "mean": self.model.mean,
                    "sd_between": np.sqrt(self.model.between),
                    "sd_within": np.sqrt(self.model.within),
                    **self.icc._asdict(),
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Caterpillar plot: shrunken means with intervals, the grand mean, the plain means as small crosses."""
        ax = plot_intervals(self.table, ax=ax, labels=labels)
        ax.axvline(self.model.mean, color="0.4", linestyle="--", linewidth=1)
        ax.plot(self.table["mean"], np.arange(len(self.table)), "x", color="0.5", markersize=4)
        return ax


def league_table(
    data: pd.DataFrame,
    unit: str,
    value: str | Sequence[str],
    weights: Weights = None,
    minimum_cell: int = 10,
    better: Literal["higher", "lower"] = "higher",
    conf_level: float = 0.95,
    n_draws: int = 4000,
    seed: int = 20260101,
) -> LeagueTable:
    """Units (branches, agents) ranked by means that are shrunken towards the grand mean as far as chance demands.

    ``value`` is a column or items (then a respondent's mean over those answered). The model is y = μ + u + e, REML
    (Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545); ``estimate`` is the best linear unbiased prediction
    μ + u (Robinson 1991, doi:10.1214/ss/1177011926), its error includes that of μ but not that of the variance
    components. Rank intervals are quantiles of the ranks in ``n_draws`` draws from the joint predictive
    distribution (Goldstein and Spiegelhalter 1996, doi:10.2307/2983325); when the units do not differ beyond chance,
    each may hold any rank. ICC(1), ICC(2) and F: analysis of variance (Shrout and Fleiss 1979; Bliese 2000), with
    the average group size n₀ = (N − Σn²/N)/(J − 1). Under weights n is each unit's effective n.

    Units with fewer than ``minimum_cell`` answers are hidden and used nowhere.
    ``tidy()``: term (unit), estimate, std_error, conf_low, conf_high, mean, n, n_effective, shrinkage (the share of
    the unit's own mean in its estimate), rank (1 = best: highest, or lowest where ``better`` says so), rank_low,
    rank_high.
    Raises ``ResponseError`` for absent columns and when fewer than two units can be shown.

    >>> data = pd.DataFrame({"branch": ["A"] * 3 + ["B"] * 3 + ["C"] * 3, "x": [1, 2, 3, 3, 4, 5, 4, 5, 3]})
    >>> league_table(data, "branch", "x", minimum_cell=3).tidy()[["term", "estimate", "rank"]].round(2).values.tolist()
    [['B', 3.83, 1], ['C', 3.83, 2], ['A', 2.33, 3]]
    """
    check_columns(data, unit, what="unit")
    if better not in ("higher", "lower"):
        raise ResponseError(f"better is {better!r}; allowed are 'higher' and 'lower'.")
    sign = 1.0 if better == "higher" else -1.0
    y = row_means(item_matrix(data, [value] if isinstance(value, str) else value))
    names, moments = unit_moments(data[unit], y, respondent_weights(weights, data))
    shown = moments.n >= minimum_cell
    if shown.sum() < 2:
        raise ResponseError(
            f"{unit}: {shown.sum()} of {len(names)} units have {minimum_cell} answers or more; two needed."
        )
    moments = UnitMoments(*(part[shown] for part in moments))
    model = one_way_reml(moments)
    table = _predictions(names[shown], moments, model, conf_level)
    low, high = _rank_intervals(moments, model, sign, conf_level, n_draws, np.random.default_rng(seed))
    table["rank"] = table["estimate"].rank(ascending=better == "lower", method="first").astype(int)
    table = table.assign(rank_low=low, rank_high=high).sort_values("rank", ignore_index=True)
    settings = {
        "minimum_cell": minimum_cell,
        "better": better,
        "n_draws": n_draws,
        "seed": seed,
        "conf_level": conf_level,
    }
    return LeagueTable(
        table,
        tuple(names[~shown]),
        model,
        intraclass_correlation(moments, conf_level),
        minimum_cell,
        Provenance("league_table", int(moments.n.sum()), settings),
    )


def unit_moments(unit: pd.Series, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, UnitMoments]:
    """Names of the units (J,) and their sufficient statistics, from answers (n,) and weights (n,)."""
    used = ~np.isnan(y) & (w > 0) & unit.notna().to_numpy()
    codes, names = pd.factorize(unit[used], sort=True)
    y, w = y[used], w[used]
    total, squares = np.bincount(codes, w), np.bincount(codes, w**2)
    mean = np.bincount(codes, w * y) / total
    n_effective = total**2 / squares
    spread = np.bincount(codes, w * (y - mean[codes]) ** 2) / total
    return np.asarray(names), UnitMoments(np.bincount(codes), n_effective, mean, spread * n_effective)


def one_way_reml(units: UnitMoments) -> OneWay:
    """REML estimates of the one-way random-effects model from sufficient statistics.

    With θ = τ²/σ² and c_j = θ + 1/n_j, the deviance profiled over μ and σ² is
    (N − 1) log σ²(θ) + Σ log c_j + log Σ 1/c_j, σ²(θ) = (SSW + Σ(ȳ_j − μ)²/c_j)/(N − 1): one number to find.
    """
    n, mean = units.n_effective, units.mean
    within, freedom = units.within.sum(), n.sum() - 1

    def parts(theta: float) -> tuple[np.ndarray, float, float]:
        precision = n / (1 + n * theta)
        mu = precision @ mean / precision.sum()
        return precision, mu, (within + precision @ (mean - mu) ** 2) / freedom

    def deviance(root: float) -> float:
        precision, _, sigma2 = parts(root**2)
        return freedom * np.log(sigma2) - np.log(precision).sum() + np.log(precision.sum())

    if not within > 0:
        raise ResponseError("answers do not vary within any unit; a league table needs variation between respondents.")
    highest = 10 * np.sqrt(mean.var() / (within / freedom) + 1 / n.min())
    found = minimize_scalar(deviance, bounds=(0, highest), method="bounded", options={"xatol": 1e-12})
    theta = found.x**2 if found.fun < deviance(0.0) else 0.0
    precision, mu, sigma2 = parts(theta)
    return OneWay(float(mu), float(sigma2 / precision.sum()), float(theta * sigma2), float(sigma2))


def _shrinkage(units: UnitMoments, model: OneWay) -> np.ndarray:
    return model.between / (model.between + model.within / units.n_effective)


def _predictions(names: np.ndarray, units: UnitMoments, model: OneWay, conf_level: float) -> pd.DataFrame:
    own = _shrinkage(units, model)
    estimate = model.mean + own * (units.mean - model.mean)
    std_error = np.sqrt(model.between * (1 - own) + (1 - own) ** 2 * model.mean_variance)
    half = t_quantile(conf_level, np.inf) * std_error
    return pd.DataFrame(
        {
            "term": names,
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "mean": units.mean,
            "n": units.n,
            "n_effective": units.n_effective,
            "shrinkage": own,
        }
    )


def _rank_intervals(
    units: UnitMoments, model: OneWay, sign: float, conf_level: float, n_draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest plausible rank of every unit (J,); the error of μ moves all units together."""
    count = len(units.mean)
    if model.between == 0:
        return np.ones(count, dtype=int), np.full(count, count)
    own = _shrinkage(units, model)
    mu = rng.normal(model.mean, np.sqrt(model.mean_variance), (n_draws, 1))
    noise = rng.standard_normal((n_draws, count)) * np.sqrt(model.between * (1 - own))
    ranks = stats.rankdata(-sign * (own * units.mean + (1 - own) * mu + noise), axis=1)
    tail = (1 - conf_level) / 2
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low.astype(int), high.astype(int)


def intraclass_correlation(units: UnitMoments, conf_level: float = 0.95) -> IntraclassCorrelation:
    """ICC(1) = (MSB − MSW)/(MSB + (n₀ − 1)MSW), ICC(2) = (MSB − MSW)/MSB; exact F interval when units are equal."""
    n = units.n_effective
    groups, total = len(n), n.sum()
    size = (total - (n**2).sum() / total) / (groups - 1)
    df1, df2 = groups - 1, total - groups
    between = n @ (units.mean - n @ units.mean / total) ** 2 / df1
    within = units.within.sum() / df2
    f, tail = between / within, (1 - conf_level) / 2
    low, high = f / stats.f.ppf(1 - tail, df1, df2), f * stats.f.ppf(1 - tail, df2, df1)

    def share(ratio: float) -> float:
        return float((ratio - 1) / (ratio + size - 1))

    return IntraclassCorrelation(
        share(f),
        share(low),
        share(high),
        float(1 - 1 / f) if f > 0 else np.nan,
        float(f),
        float(stats.f.sf(f, df1, df2)),
    )
