"""Importance–performance analysis: what to do first, said only where the data can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.dominance import MAX_PREDICTORS, importance_shares
from qa_lib.effects.rows import complete_rows, percentile_interval, varying
from qa_lib.errors import ModelError, ResponseError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["general_dominance", "relative_weight", "zero_order_r"]
Cross = Literal["mean", "median"] | tuple[float, float]
QUADRANTS = {
    (True, False): "concentrate_here",
    (True, True): "keep_up",
    (False, False): "low_priority",
    (False, True): "possible_overkill",
}
"""By (importance high, performance high): Martilla and James (1977), doi:10.1177/002224297704100112."""
THREE_FACTORS = {(True, False): "basic", (False, True): "motivation", (True, True): "performance"}
"""By (stated high, derived high); both low is performance of little weight: Vavra (1997), Improving Your Measurement of
Customer Satisfaction, ch. 12; Matzler and Sauerwein (2002), doi:10.1108/09564230210445078."""


@dataclass(frozen=True, slots=True)
class Ipa(Result):
    """Importance and performance of items, where each lies on the map, and how surely.

    Attributes
    ----------
    table : rows as in ``tidy``
    places : per item ``importance, performance, quadrant, line, priority, rank``. ``quadrant`` is one of
        concentrate_here, keep_up, low_priority, possible_overkill or undecided; ``line`` says above (importance outruns
        performance), below or undecided, of the iso-priority line. Undecided: the item's confidence ellipse crosses
        a line
    three_factor : per item ``stated, derived, factor`` when both importances are known, else None
    cross : (performance, importance) where the quadrants meet
    slope : importance per unit of performance along the iso-priority line
    ellipses : (items, 2, 2) covariance of an item's (performance, importance), measured from the cross
    radius : Mahalanobis radius of the confidence ellipses
    """

    table: pd.DataFrame
    places: pd.DataFrame
    three_factor: pd.DataFrame | None
    cross: tuple[float, float]
    slope: float
    ellipses: np.ndarray
    radius: float
    n: float
    method: str
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per ``item`` and ``term``: importance, performance, priority; with expectations also weight (summing to
        100), gap and weighted_gap. Bootstrap standard errors and percentile intervals; weighted_gap has a last row
        without item, the overall SERVQUAL score (Parasuraman, Zeithaml and Berry 1991, Journal of Retailing 67)."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "method": self.method, "items": len(self.places)}
        return pd.DataFrame([row | {"undecided": int((self.places["quadrant"] == "undecided").sum())}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The map: ellipses of confidence, quadrants, and the dashed iso-priority line; hollow points are undecided,
        points in the second colour have importance that surely outruns performance."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        for k, (item, place) in enumerate(self.places.iterrows()):
            centre = (place["performance"], place["importance"])
            outline = _outline(self.ellipses[k], self.radius) + np.array(centre)
            decided, urgent = place["quadrant"] != "undecided", place["line"] == "above"
            colour = "C1" if urgent else "C0"
            ax.plot(*outline.T, color=colour, linewidth=0.8, alpha=0.7 if decided or urgent else 0.3)
            ax.plot(*centre, "o", color=colour, markerfacecolor=colour if decided else "white")
            ax.annotate(labels.get(item, item), centre, xytext=(5, 5), textcoords="offset points")
        ax.axvline(self.cross[0], color="0.6", linewidth=0.8)
        ax.axhline(self.cross[1], color="0.6", linewidth=0.8)
        if np.isfinite(self.slope) and self.slope > 0:
            ax.axline(self._line_through(), slope=self.slope, color="0.6", linewidth=0.8, linestyle="--")
        for (important, good), name in QUADRANTS.items():
            corner = {"ha": "right" if good else "left", "va": "top" if important else "bottom"}
            text = labels.get(name, name.replace("_", " ").capitalize())
            ax.text(
                0.98 if good else 0.02, 0.98 if important else 0.02, text, transform=ax.transAxes, color="0.5", **corner
            )
        ax.set_xlabel(labels.get("performance", "Performance"))
        ax.set_ylabel(labels.get("importance", "Importance"))
        return ax

    def _line_through(self) -> tuple[float, float]:
        item = self.places.iloc[0]
        return item["performance"], item["importance"] - item["priority"] * self.provenance.settings["unit"]


@dataclass(frozen=True, slots=True)
class Layers:
    """Values (B, m) per sample and item; ``importance`` is the one mapped, layers not asked for are None."""

    performance: np.ndarray
    importance: np.ndarray
    stated: np.ndarray | None
    derived: np.ndarray | None
    gap: np.ndarray | None


def ipa(
    importance: pd.DataFrame | pd.Series | Method | None,
    performance: pd.DataFrame,
    *,
    outcome: pd.Series | None = None,
    expectation: pd.DataFrame | None = None,
    cross: Cross = "mean",
    iso: Literal["standardised", "difference"] = "standardised",
    weights: ArrayLike | None = None,
    conf_level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 20260101,
) -> Ipa:
    """Importance–performance analysis with confidence regions.

    Parameters
    ----------
    importance : stated, respondents × items; or known, a Series by item (taken as exact); or derived from ``outcome``:
        "general_dominance" (shares of R², the default of None), "relative_weight" or "zero_order_r"
    performance : ratings, respondents × items; importance and expectation have the same columns and rows
    outcome : overall rating per respondent. Beside stated importance it gives the three-factor view
    expectation : respondents × items; gives gaps and gap-weighted priorities, weights summing to 100
    cross : where quadrants meet: "mean" or "median" over items, or (performance, importance)
    iso : the iso-priority line (Bacon 2003, International Journal of Market Research 45, 55–71) has equal z scores of
        importance and performance ("standardised"), or equal values on one common scale ("difference")
    weights : respondents' weights

    Raises
    ------
    ResponseError, ModelError
        columns or rows that differ, missing outcome, constant or absent items, fewer than two items

    >>> rng = np.random.default_rng(1)
    >>> q = pd.DataFrame(rng.normal([3, 4.5, 4.5], .7, (300, 3)), columns=["wait", "staff", "place"])
    >>> result = ipa(None, q, outcome=q @ [.7, .7, .1] + rng.normal(0, .3, 300), n_boot=200)
    >>> result.places["quadrant"].to_dict()
    {'wait': 'concentrate_here', 'staff': 'keep_up', 'place': 'possible_overkill'}
    """
    items = _check_tables(importance, performance, outcome, expectation)
    stack = _stack(importance, performance, outcome, expectation)
    rows = varying(complete_rows(stack, list(stack.columns), weights))
    if outcome is not None and len(rows.answers) <= len(items) + 1:
        raise ModelError(
            f"ipa: {len(rows.answers)} complete rows are too few to derive the importance of {len(items)} items. "
            "Use dimension scores, or importance='zero_order_r' of fewer items."
        )
    method = importance if isinstance(importance, str) else "general_dominance"
    shape = {"m": len(items), "known": _known(importance, items), "method": method}
    shape |= {"has": {str(name).split(" of ")[0] for name in stack.columns}}
    point = _layers(rows.mean[None], rows.cov[None], **shape)
    if expectation is not None and (point.importance <= 0).any():
        raise ModelError("ipa: gap weights that sum to 100 need positive importances; one is zero or negative.")
    draws = _usable(_layers(*rows.resample(n_boot, seed), **shape))
    deviation, cross_point = _deviations(point, cross)
    spread, _ = _deviations(draws, cross)
    unit, slope = _line(point, iso)
    priority = _priority(point, deviation, unit, slope, iso)
    priority_draws = _priority(draws, spread, unit, slope, iso)
    radius = float(np.sqrt(stats.chi2.ppf(conf_level, 2)))
    ellipses = _covariances(spread)
    places = _places(items, point, deviation[0], ellipses, priority[0], priority_draws, radius)
    label = "stated" if "importance" in shape["has"] else "known" if shape["known"] is not None else method
    settings = {"cross": cross, "iso": iso, "unit": unit, "n_boot": n_boot, "seed": seed, "conf_level": conf_level}
    settings |= {"weighted": weights is not None, "n_dropped": rows.n_dropped}
    return Ipa(
        _table(items, point, draws, priority, priority_draws, conf_level),
        places,
        _three_factor(items, point, draws, radius),
        cross_point,
        slope,
        ellipses,
        radius,
        rows.n,
        label,
        Provenance("ipa", rows.n, settings),
    )


def _check_tables(importance, performance, outcome, expectation) -> list:
    if not isinstance(performance, pd.DataFrame) or performance.shape[1] < 2:
        raise ResponseError("ipa: performance must be a DataFrame of respondents × at least two items.")
    items = list(performance.columns)
    if not performance.columns.is_unique:
        repeated = performance.columns[performance.columns.duplicated()].tolist()
        raise ResponseError(f"ipa: performance holds {', '.join(map(str, repeated))} twice; one column each is needed.")
    for name, table in (("importance", importance), ("expectation", expectation)):
        if isinstance(table, pd.DataFrame):
            if set(table.columns) != set(items):
                odd = sorted(map(str, set(items) ^ set(table.columns)))
                raise ResponseError(f"ipa: {name} and performance must hold the same items; differing: {odd}.")
            if not table.index.equals(performance.index):
                raise ResponseError(f"ipa: the rows of {name} are not those of performance, in the same order.")
    if isinstance(importance, str) and importance not in Method.__args__:
        raise ModelError(f"ipa: importance={importance!r} is unknown. Allowed: {', '.join(Method.__args__)}.")
    if (importance is None or isinstance(importance, str)) and outcome is None:
        raise ModelError("ipa: derived importance needs outcome, the overall rating per respondent.")
    if outcome is not None and len(outcome) != len(performance):
        raise ResponseError(f"ipa: outcome has {len(outcome)} values for {len(performance)} rows of performance.")
    if isinstance(outcome, pd.Series) and not outcome.index.equals(performance.index):
        raise ResponseError("ipa: the rows of outcome are not those of performance, in the same order.")
    dominance = not isinstance(importance, str) or importance == "general_dominance"
    if outcome is not None and dominance and len(items) > MAX_PREDICTORS:
        raise ModelError(
            f"ipa: general dominance takes up to {MAX_PREDICTORS} items, there are {len(items)}. "
            "Use importance='relative_weight', or dimension scores."
        )
    return items


def _known(importance: object, items: list) -> np.ndarray | None:
    if not isinstance(importance, pd.Series):
        return None
    absent = [item for item in items if item not in importance.index]
    if absent or importance.index.has_duplicates or not np.isfinite(importance[items].to_numpy(float)).all():
        raise ResponseError(
            f"ipa: importance needs one number for each item; missing or not unique: {absent or items}."
        )
    return importance[items].to_numpy(float)


def _stack(importance, performance, outcome, expectation) -> pd.DataFrame:
    """All answers side by side, columns named "kind of item"."""
    tables = {"performance": performance}
    if isinstance(importance, pd.DataFrame):
        tables["importance"] = importance[performance.columns]
    if expectation is not None:
        tables["expectation"] = expectation[performance.columns]
    columns = {f"{kind} of {item}": table[item] for kind, table in tables.items() for item in table.columns}
    if outcome is not None:
        columns["outcome"] = pd.Series(np.asarray(outcome), index=performance.index)
    return pd.DataFrame(columns)


def _layers(
    means: np.ndarray, covs: np.ndarray, *, m: int, known: np.ndarray | None, method: str, has: set[str]
) -> Layers:
    """Cut the moments of the stacked answers (performance, importance, expectation, outcome) into layers."""
    performance = means[:, :m]
    stated = means[:, m : 2 * m] if "importance" in has else None
    start = 2 * m if "importance" in has else m
    gap = performance - means[:, start : start + m] if "expectation" in has else None
    derived = None
    if "outcome" in has:
        used = np.array([*range(m), covs.shape[1] - 1])
        derived = importance_shares(covs[:, used[:, None], used], method)
    importance = stated if stated is not None else derived
    if known is not None:
        importance = np.broadcast_to(known, performance.shape)
    return Layers(performance, importance, stated, derived, gap)


def _usable(draws: Layers) -> Layers:
    """The samples in which importance can be derived: those in which the outcome varies."""
    parts = {field.name: getattr(draws, field.name) for field in fields(Layers)}
    known = np.all([np.isfinite(part).all(axis=1) for part in parts.values() if part is not None], axis=0)
    return Layers(**{name: None if part is None else part[known] for name, part in parts.items()})


def _deviations(layers: Layers, cross: Cross) -> tuple[np.ndarray, tuple[float, float]]:
    """(B, m, 2) of (performance, importance) from the cross, which moves with each sample unless given; the cross."""
    values = np.stack([layers.performance, layers.importance], axis=2)
    if cross == "mean":
        centre = values.mean(axis=1, keepdims=True)
    elif cross == "median":
        centre = np.median(values, axis=1, keepdims=True)
    elif isinstance(cross, tuple) and len(cross) == 2:
        centre = np.broadcast_to(np.array(cross, dtype=float), (len(values), 1, 2))
    else:
        raise ModelError(f"ipa: cross={cross!r} is unknown. Allowed: 'mean', 'median', (performance, importance).")
    return values - centre, tuple(float(x) for x in centre[0, 0]) if len(centre) else (np.nan, np.nan)


def _line(point: Layers, iso: str) -> tuple[float, float]:
    """Unit in which priority counts importance, and the iso-priority line's slope."""
    if iso == "difference":
        return 1.0, 1.0
    if iso != "standardised":
        raise ModelError(f"ipa: iso={iso!r} is unknown. Allowed: 'standardised', 'difference'.")
    spread = [float(layer[0].std(ddof=1)) for layer in (point.importance, point.performance)]
    if min(spread) == 0:
        raise ModelError(
            "ipa: all items have the same importance or performance; the iso-priority line needs a spread."
        )
    return spread[0], spread[0] / spread[1]


def _priority(layers: Layers, deviation: np.ndarray, unit: float, slope: float, iso: str) -> np.ndarray:
    """(B, m): how far importance outruns performance, in ``unit``; 0 on the iso-priority line."""
    if iso == "difference":
        return layers.importance - layers.performance
    return (deviation[..., 1] - slope * deviation[..., 0]) / unit


def _covariances(draws: np.ndarray) -> np.ndarray:
    """(m, 2, 2) covariances of bootstrap draws (B, m, 2); NaN without draws."""
    if len(draws) < 2:
        return np.full((draws.shape[1], 2, 2), np.nan)
    centred = draws - draws.mean(axis=0)
    return np.einsum("bmi,bmj->mij", centred, centred) / (len(draws) - 1)


def _side(value: np.ndarray, error: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether a value is above 0, and whether an ellipse of that radius and standard error stays off the line at 0."""
    return value > 0, np.abs(value) > radius * error


def _places(items, point, deviation, ellipses, priority, priority_draws, radius) -> pd.DataFrame:
    well, sure_well = _side(deviation[:, 0], np.sqrt(ellipses[:, 0, 0]), radius)
    important, sure_important = _side(deviation[:, 1], np.sqrt(ellipses[:, 1, 1]), radius)
    error = priority_draws.std(axis=0, ddof=1) if len(priority_draws) > 1 else np.full(len(items), np.nan)
    above, sure = _side(priority, error, radius)
    quadrant = [QUADRANTS[pair] for pair in zip(important.tolist(), well.tolist(), strict=True)]
    return pd.DataFrame(
        {
            "importance": point.importance[0],
            "performance": point.performance[0],
            "quadrant": np.where(sure_well & sure_important, quadrant, "undecided"),
            "line": np.where(sure, np.where(above, "above", "below"), "undecided"),
            "priority": priority,
            "rank": stats.rankdata(-priority, method="min").astype(int),
        },
        index=pd.Index(items, name="item"),
    )


def _three_factor(items: list, point: Layers, draws: Layers, radius: float) -> pd.DataFrame | None:
    if point.stated is None or point.derived is None:
        return None
    sides = []
    for value, drawn in ((point.stated[0], draws.stated), (point.derived[0], draws.derived)):
        centred = drawn - drawn.mean(axis=1, keepdims=True)
        error = centred.std(axis=0, ddof=1) if len(drawn) > 1 else np.full(len(value), np.nan)
        sides.append(_side(value - value.mean(), error, radius))
    (stated, sure_stated), (derived, sure_derived) = sides
    factor = [THREE_FACTORS.get(pair, "performance") for pair in zip(stated.tolist(), derived.tolist(), strict=True)]
    decided = np.where(sure_stated & sure_derived, factor, "undecided")
    columns = {"stated": point.stated[0], "derived": point.derived[0], "factor": decided}
    return pd.DataFrame(columns, index=pd.Index(items, name="item"))


def _table(items, point: Layers, draws: Layers, priority, priority_draws, conf_level: float) -> pd.DataFrame:
    layers = {
        "importance": (point.importance, draws.importance),
        "performance": (point.performance, draws.performance),
        "priority": (priority, priority_draws),
    }
    if point.stated is not None and point.derived is not None:
        layers["derived_importance"] = (point.derived, draws.derived)
    if point.gap is not None:
        weight, weight_draws = (
            100 * part / part.sum(axis=1, keepdims=True) for part in (point.importance, draws.importance)
        )
        weighted = [w * gap / 100 for w, gap in ((weight, point.gap), (weight_draws, draws.gap))]
        totals = [np.column_stack([part, part.sum(axis=1)]) for part in weighted]
        layers |= {"weight": (weight, weight_draws), "gap": (point.gap, draws.gap), "weighted_gap": tuple(totals)}
    parts = []
    for term, (estimate, drawn) in layers.items():
        low, high = percentile_interval(drawn, conf_level)
        error = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.nan
        columns = {"term": term, "item": [*items, None][: estimate.shape[1]], "estimate": estimate[0]}
        parts.append(pd.DataFrame(columns | {"std_error": error, "conf_low": low, "conf_high": high}))
    return pd.concat(parts, ignore_index=True)


def _outline(covariance: np.ndarray, radius: float) -> np.ndarray:
    """(100, 2) points of the ellipse of that Mahalanobis radius around 0; NaN without a covariance."""
    if not np.isfinite(covariance).all():
        return np.full((1, 2), np.nan)
    values, vectors = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return radius * circle * np.sqrt(np.maximum(values, 0)) @ vectors.T
