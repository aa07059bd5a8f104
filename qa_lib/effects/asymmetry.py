"""BPM factors: what only dissatisfies when missing (basic), moves satisfaction both ways (performance), delights
(motivation); from penalty–reward contrasts and from the Kano questionnaire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike

from qa_lib.effects.kano import Kano, kano
from qa_lib.effects.rows import Rows, complete_rows, percentile_interval, varying
from qa_lib.errors import DataWarning, ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BpmRule", "Kano", "PenaltyReward", "kano", "penalty_reward"]

_FEW = 10
_SOURCE = (
    "index: Mikulić and Prebežac (2008), doi:10.1108/09604520810920068; cuts .1 and .4: the usual ones of "
    "impact-asymmetry analysis"
)


@dataclass(frozen=True, slots=True)
class BpmRule:
    """When an attribute belongs to a class, by its asymmetry A = (reward + penalty) ÷ (|reward| + |penalty|), −1 … 1.

    basic: A's interval lies below −``margin`` and the penalty's below 0; motivation: A's interval lies above ``margin``
    and the reward's above 0; performance: penalty and reward are both surely there, and A's interval lies within
    ±``balance``; otherwise undecided. The defaults are the usual cuts of impact-asymmetry analysis (Mikulić and
    Prebežac 2008): |A| ≤ .1 is a hybrid, |A| > .4 a frustrator or delighter.
    """

    margin: float = 0.1
    balance: float = 0.4
    source: str = _SOURCE

    def classify(self, penalty: np.ndarray, reward: np.ndarray, asymmetry: np.ndarray) -> str:
        """Class from the intervals (low, high) of penalty, reward and asymmetry; NaN allows none.

        >>> BpmRule().classify(np.array([-.9, -.5]), np.array([-.1, .2]), np.array([-1, -.5]))
        'basic'
        """
        hurts, pleases = penalty[1] < 0, reward[0] > 0
        if hurts and asymmetry[1] < -self.margin:
            return "basic"
        if pleases and asymmetry[0] > self.margin:
            return "motivation"
        if hurts and pleases and -self.balance < asymmetry[0] and asymmetry[1] < self.balance:
            return "performance"
        return "undecided"


@dataclass(frozen=True, slots=True)
class PenaltyReward(Result):
    """Penalty–reward contrasts of each attribute.

    Attributes
    ----------
    table : rows as in ``tidy``
    classes : per attribute its ``factor`` (basic, performance, motivation, undecided) and the shares of respondents
        whose rating counts as ``low`` and ``high``
    r_squared : of the regression on all low and high indicators
    """

    outcome: str
    table: pd.DataFrame
    classes: pd.DataFrame
    r_squared: float
    n: float
    n_boot: int
    rule: BpmRule
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per attribute (``dimension``) and ``term``, with the attribute's ``factor``.

        penalty and reward: change of the outcome, in its units, of a low and of a high rating against the ratings
        between, with HC3 errors and t intervals (under weights by the effective number of respondents). range:
        reward − penalty; asymmetry: see ``BpmRule``; both with bootstrap percentile intervals.
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "method": "penalty-reward contrast", "outcome": self.outcome, "r_squared": self.r_squared}
        decided = int((self.classes["factor"] != "undecided").sum())
        return pd.DataFrame([row | {"n_boot": self.n_boot, "attributes": len(self.classes), "decided": decided}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None, kano: Kano | None = None) -> Axes:
        """Reward against penalty with intervals; above the diagonal lie motivation factors, below it basic ones.
        An attribute that nobody rated low, or nobody high, has no place.

        With a Kano questionnaire of the same study its better and worse coefficients join the map, on the second axes
        (0–1), so that the diagonal means the same for both; one name in both is joined by a line.
        """
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        x, y = (self.table[self.table["term"] == term].set_index("dimension") for term in ("penalty", "reward"))
        shown = x.index[np.isfinite(x["estimate"].to_numpy() + y["estimate"].to_numpy())]
        x, y = x.loc[shown], y.loc[shown]
        bounds = [np.abs(t[["conf_low", "conf_high"]].to_numpy().T - t["estimate"].to_numpy()) for t in (x, y)]
        ax.errorbar(-x["estimate"], y["estimate"], xerr=bounds[0][::-1], yerr=bounds[1], fmt="o", elinewidth=0.8)
        points = {name: (-x.loc[name, "estimate"], y.loc[name, "estimate"]) for name in shown}
        for name, place in points.items():
            ax.annotate(labels.get(name, name), place, xytext=(5, 5), textcoords="offset points")
        columns = ["estimate", "conf_low", "conf_high"]
        ends = np.concatenate([-x[columns].to_numpy().ravel(), y[columns].to_numpy().ravel()])
        ends = ends[np.isfinite(ends)]
        top, bottom = (1.05 * ends.max(), min(0, 1.05 * ends.min())) if len(ends) else (1, 0)
        ax.plot([bottom, top], [bottom, top], color="0.6", linewidth=0.8)
        ax.set(xlim=(bottom, top), ylim=(bottom, top))
        ax.set_xlabel(labels.get("penalty", "Penalty of a low rating"))
        ax.set_ylabel(labels.get("reward", "Reward of a high rating"))
        if kano is not None:
            _add_kano(ax, kano, points, top, labels)
        return ax


def _add_kano(ax: Axes, kano: Kano, points: Mapping[str, tuple], top: float, labels: Mapping[str, str]) -> None:
    x, y = (kano.table[kano.table["term"] == term].set_index("item")["estimate"] for term in ("worse", "better"))
    ax.scatter(-x * top, y * top, marker="D", facecolors="none", edgecolors="C1", label=labels.get("kano", "Kano"))
    for item in x.index:
        place = (-x[item] * top, y[item] * top)
        if item in points:
            ax.plot(*zip(points[item], place, strict=True), color="0.7", linewidth=0.8, linestyle=":")
        else:
            ax.annotate(labels.get(item, item), place, xytext=(5, -10), textcoords="offset points", color="C1")
    scales = (lambda v: v / top, lambda v: v * top)
    ax.secondary_xaxis("top", functions=scales).set_xlabel(labels.get("worse", "Kano: −worse"))
    ax.secondary_yaxis("right", functions=scales).set_ylabel(labels.get("better", "Kano: better"))
    ax.legend()


def penalty_reward(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    *,
    low: float | None = None,
    high: float | None = None,
    scale: tuple[float, float] | None = None,
    rule: BpmRule | None = None,
    weights: str | ArrayLike | None = None,
    conf_level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 20260101,
) -> PenaltyReward:
    """Penalty–reward contrast analysis: does a low rating cost more than a high one gains?

    The outcome is regressed on two indicators per attribute, rating ≤ ``low`` and rating ≥ ``high``; the ratings
    between are the reference (Brandt 1987, in Surprenant, Add Value to Your Service, 61–65; review of the choices made:
    Albayrak and Caber 2013, doi:10.1080/14783363.2013.776757).

    Parameters
    ----------
    low, high : ratings that count as low and high. By default the outer quarters of the scale: 1–2 and 4–5 of five
        points, 1–2 and 6–7 of seven, 1–3 and 8–10 of ten
    scale : lowest and highest rating possible; by default those found over all attributes
    rule : how intervals make a class; see ``BpmRule`` for the default and its source

    Raises
    ------
    ResponseError, ModelError
        unusable columns; no ratings between low and high; indicators that are collinear

    Warns
    -----
    DataWarning
        fewer than ten respondents with low or with high ratings of an attribute; with none, the estimate is missing

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"clean": rng.integers(1, 6, 900), "friendly": rng.integers(1, 6, 900)})
    >>> data["sat"] = 3 - (data["clean"] <= 2) + (data["friendly"] >= 4) + rng.normal(0, .5, 900)
    >>> penalty_reward(data, "sat", ["clean", "friendly"], n_boot=200).classes["factor"].tolist()
    ['basic', 'motivation']
    """
    names = _check_names(outcome, predictors)
    rows = varying(complete_rows(data, [*names, outcome], weights))
    low, high = _cuts(rows.answers[:, :-1], low, high, scale)
    ratings = rows.answers[:, :-1]
    flags = np.stack([ratings <= low, ratings >= high], axis=2).astype(float)
    _check_counts(names, flags, low, high)
    used = flags.any(axis=0).ravel()
    indicators = flags.reshape(len(flags), -1)[:, used]
    fit = _regression(indicators, rows)
    rule = rule or BpmRule()
    draws = _draws(replace(rows, answers=np.column_stack([indicators, rows.answers[:, -1]])), used, n_boot, seed)
    table = _contrast_table(names, fit, used, draws, conf_level)
    classes = pd.DataFrame(
        {"factor": [_classify(table, name, rule) for name in names]}, index=pd.Index(names, name="dimension")
    )
    classes[["low", "high"]] = np.average(flags, axis=0, weights=rows.weights)
    table["factor"] = table["dimension"].map(classes["factor"])
    settings = {"low": low, "high": high, "rule": rule, "n_boot": n_boot, "seed": seed, "weighted": weights is not None}
    provenance = Provenance("penalty_reward", rows.n, settings)
    return PenaltyReward(outcome, table, classes, float(fit.rsquared), rows.n, len(draws), rule, provenance)


def asymmetry_index(penalty: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """(reward + penalty) ÷ (|reward| + |penalty|): −1 only penalises, 1 only rewards (Mikulić and Prebežac 2008, the
    difference of the satisfaction- and dissatisfaction-generating potentials).

    >>> asymmetry_index(np.array([-.6, -.2]), np.array([.2, .2]))
    array([-0.5,  0. ])
    """
    with np.errstate(invalid="ignore"):
        return (reward + penalty) / (np.abs(reward) + np.abs(penalty))


def _check_names(outcome: str, predictors: Sequence[str]) -> list[str]:
    if isinstance(predictors, str):
        raise ModelError(f"predictors is the single name {predictors!r}; a list of column names is needed.")
    names = list(predictors)
    if not names or len({*names, outcome}) <= len(names):
        raise ModelError("predictors must name at least one column, each once, and not the outcome.")
    return names


def _cuts(
    ratings: np.ndarray, low: float | None, high: float | None, scale: tuple[float, float] | None
) -> tuple[float, float]:
    bottom, top = (ratings.min(), ratings.max()) if scale is None else scale
    if ratings.min() < bottom or ratings.max() > top:
        raise ModelError(f"Ratings run from {ratings.min():g} to {ratings.max():g}, beyond scale={scale!r}.")
    quarter = (top - bottom) / 4
    low = float(bottom + quarter if low is None else low)
    high = float(top - quarter if high is None else high)
    if not low < high:
        raise ModelError(f"low={low:g} must be below high={high:g}.")
    return low, high


def _check_counts(names: list[str], flags: np.ndarray, low: float, high: float) -> None:
    counts = flags.sum(axis=0).astype(int)
    no_middle = [name for name, count in zip(names, counts, strict=True) if count.sum() == len(flags)]
    if no_middle:
        raise ModelError(
            f"No rating of {', '.join(no_middle)} lies between low ≤ {low:g} and high ≥ {high:g}: no reference "
            "is left. Set low and high further apart."
        )
    rare = [
        f"{name} ({count[0]} low, {count[1]} high)"
        for name, count in zip(names, counts, strict=True)
        if count.min() < _FEW
    ]
    if rare:
        warn(f"Fewer than {_FEW} low or high ratings: {', '.join(rare)}.", DataWarning, stacklevel=3)


def _regression(indicators: np.ndarray, rows: Rows):
    x = sm.add_constant(indicators, has_constant="add")
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise ModelError("The indicators of low and high ratings are collinear: attributes rated alike. Leave one out.")
    if rows.n <= x.shape[1] + 1:
        raise ModelError(f"{rows.n:g} respondents are too few for {x.shape[1] - 1} indicators.")
    model = sm.WLS(rows.answers[:, -1], x, weights=rows.weights)
    model.df_resid = rows.n - x.shape[1]
    return model.fit(cov_type="HC3", use_t=True)


def _draws(rows: Rows, used: np.ndarray, n_boot: int, seed: int) -> np.ndarray:
    """Bootstrap contrasts (B, attributes, 2) from resampled covariances; samples without a solution are left out."""
    _, covs = rows.resample(n_boot, seed)
    regular = np.linalg.eigvalsh(covs[:, :-1, :-1])[:, 0] > 1e-10 if n_boot else np.empty(0, dtype=bool)
    coefficients = np.linalg.solve(covs[regular, :-1, :-1], covs[regular, :-1, -1:])[..., 0]
    draws = np.full((len(coefficients), len(used)), np.nan)
    draws[:, used] = coefficients
    return draws.reshape(len(draws), len(used) // 2, 2)


def _contrast_table(names: list[str], fit, used: np.ndarray, draws: np.ndarray, conf_level: float) -> pd.DataFrame:
    statistics = np.column_stack([fit.params, fit.bse, fit.tvalues, fit.pvalues, fit.conf_int(1 - conf_level)])[1:]
    columns = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    contrasts = pd.DataFrame(np.nan, index=range(len(used)), columns=columns)
    contrasts.loc[used] = statistics
    contrasts.insert(0, "dimension", np.repeat(names, 2))
    contrasts.insert(0, "term", np.tile(["penalty", "reward"], len(names)))
    penalty, reward = (
        contrasts.loc[contrasts["term"] == term, "estimate"].to_numpy() for term in ("penalty", "reward")
    )
    derived = {
        "range": (reward - penalty, draws[..., 1] - draws[..., 0]),
        "asymmetry": (asymmetry_index(penalty, reward), asymmetry_index(draws[..., 0], draws[..., 1])),
    }
    parts = [contrasts]
    for term, (estimate, drawn) in derived.items():
        low, high = percentile_interval(drawn, conf_level)
        error = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.nan
        columns = {"term": term, "dimension": names, "estimate": estimate, "std_error": error}
        parts.append(pd.DataFrame(columns | {"conf_low": low, "conf_high": high}))
    return pd.concat(parts, ignore_index=True)


def _classify(table: pd.DataFrame, name: str, rule: BpmRule) -> str:
    own = table[table["dimension"] == name].set_index("term")[["conf_low", "conf_high"]]
    return rule.classify(*(own.loc[term].to_numpy(float) for term in ("penalty", "reward", "asymmetry")))
