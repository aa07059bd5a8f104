"""How many responses a question needs, and how precise an answer was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.power import TTestIndPower

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.tracking.estimates import (
    Weights,
    check_columns,
    check_range,
    item_matrix,
    respondent_weights,
    row_means,
)

_MOST = 1e15  # responses: beyond it a plan is a mistake in margin or change

Measure = Literal["mean", "share", "nps", "gap", "alpha"]


@dataclass(frozen=True, slots=True)
class SamplePlan(Result):
    """Responses needed; ``n_exact`` before rounding up, ``invitations`` at the response rate. Per group (or period)."""

    measure: Measure
    aim: Literal["margin", "change"]
    size: float
    n: int
    n_exact: float
    invitations: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        row = {"term": "responses", "estimate": self.n, "n_exact": self.n_exact, "invitations": self.invitations}
        return pd.DataFrame([row | {"measure": self.measure, "aim": self.aim, "size": self.size}])

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame([{"n": self.n, "method": f"{self.measure}, {self.aim}", **self.provenance.settings}])


class _Spread(NamedTuple):
    """What varies: standard deviation per answer, or the share, or the shares of promoters and detractors, or alpha."""

    sd: float | None
    share: float
    promoters: float
    detractors: float
    alpha: float | None
    items: int | None


def sample_size(
    measure: Measure = "mean",
    margin: float | None = None,
    change: float | None = None,
    sd: float | None = None,
    share: float = 0.5,
    promoters: float = 0.5,
    detractors: float = 0.5,
    alpha: float | None = None,
    items: int | None = None,
    conf_level: float = 0.95,
    power: float = 0.8,
    population: int | None = None,
    design_effect: float = 1.0,
    response_rate: float = 1.0,
) -> SamplePlan:
    """Responses needed per group and period for a margin (half-width of the interval) or a detectable change.

    Give ``margin`` or ``change`` (between two periods of equal size, two-sided, with ``power``), in the measure's unit:
    share 0–1, NPS points, scale points. ``mean`` and ``gap`` need ``sd`` (of the answers; of experienced − expected),
    ``share`` and ``nps`` assume the worst case unless told, ``alpha`` needs ``alpha`` and ``items``.

    - margin: n = z²v/margin² (Cochran 1977, eq. 4.4 and 4.2), v = sd², p(1 − p), or p + d − (p − d)² in points²;
      alpha: 2 + 2k/((k − 1)s²), s = asinh(margin/(1 − α))/z (Bonett 2002, doi:10.3102/10769986027004335).
    - change: means by the exact power of the t test (both tails, as R's power.t.test with strict=TRUE), shares by
      Fleiss, Levin and Paik (2003, eq. 4.14, as power.prop.test), NPS by n = 2v(z₁ + z₂)²/change².

    ``design_effect`` multiplies n; ``population`` (N, finite) then gives n/(1 + (n − 1)/N), Cochran's eq. 4.2;
    ``invitations`` = n ÷ ``response_rate``. Raises ``ResponseError`` for what is missing or impossible.

    >>> plan = sample_size("share", margin=.05, population=3200, response_rate=.25)
    >>> plan.n, plan.invitations
    (344, 1376)
    """
    spread = _Spread(sd, share, promoters, detractors, alpha, items)
    _check(measure, margin, change, spread, conf_level, power, population, design_effect, response_rate)
    if margin is not None:
        exact = _for_margin(measure, margin, spread, conf_level)
    else:
        exact = _for_change(measure, change, spread, conf_level, power)
    exact *= design_effect
    if population is not None:
        exact = exact / (1 + (exact - 1) / population)
    if not exact < _MOST:
        raise ResponseError(f"sample_size: {exact:.2g} responses would be needed; give a larger margin or change.")
    n = math.ceil(exact - 1e-9)
    settings = {
        **{name: value for name, value in spread._asdict().items() if value is not None},
        "conf_level": conf_level,
        "power": power,
        "population": population,
        "design_effect": design_effect,
        "response_rate": response_rate,
    }
    return SamplePlan(
        measure,
        "margin" if margin is not None else "change",
        margin if margin is not None else change,
        n,
        exact,
        math.ceil(n / response_rate - 1e-9),
        Provenance("sample_size", n, settings),
    )


def margin_reached(
    n: float,
    measure: Measure = "mean",
    sd: float | None = None,
    share: float = 0.5,
    promoters: float = 0.5,
    detractors: float = 0.5,
    alpha: float | None = None,
    items: int | None = None,
    conf_level: float = 0.95,
    population: int | None = None,
    design_effect: float = 1.0,
) -> float:
    """The margin that ``n`` responses give: the inverse of ``sample_size(…, margin=…)``.

    >>> round(margin_reached(344, "share", population=3200), 4)
    0.0499
    """
    spread = _Spread(sd, share, promoters, detractors, alpha, items)
    _check(measure, 1.0 if measure != "share" else 0.5, None, spread, conf_level, 0.8, population, design_effect, 1.0)
    if not n > 2:
        raise ResponseError(f"n is {n}; a margin needs more than two responses.")
    if population is not None:
        if n >= population:
            return 0.0
        n = n * (1 - 1 / population) / (1 - n / population)
    n = n / design_effect
    z = stats.norm.ppf((1 + conf_level) / 2)
    if measure == "alpha":
        return float((1 - alpha) * np.sinh(z * np.sqrt(2 * items / ((items - 1) * (n - 2)))))
    return float(z * np.sqrt(_variance(measure, spread) / n))


def precision_reached(
    data: pd.DataFrame,
    by: str | Sequence[str],
    value: str | Sequence[str],
    margin: float,
    measure: Literal["mean", "share", "nps"] = "mean",
    weights: Weights = None,
    population: Mapping[object, int] | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """The margin that each group (branch, month, or both) reached, and the responses that ``margin`` would have taken.

    ``value``: a column or items (a respondent's mean of those answered) for ``mean``, a column of 0 and 1 for
    ``share``, of 0–10 for ``nps``; ``margin`` in its unit (NPS points). What varies is estimated in the group itself,
    shares with two successes and two failures added (Agresti and Coull 1998). Under weights n is effective. With
    ``population`` (group, or tuple of groups → its size) the finite population correction applies.

    Columns: those of ``by``, n, n_effective, ``margin_reached`` (half-width of the interval, NaN below three
    answers), margin, ``needed`` (responses, at the group's own design effect), ``verdict`` (reached, short).

    >>> data = pd.DataFrame({"branch": ["A"] * 40 + ["B"] * 10, "x": [3, 4] * 25})
    >>> precision_reached(data, "branch", "x", margin=.2)[["branch", "needed", "verdict"]].values.tolist()
    [['A', 25, 'reached'], ['B', 27, 'short']]
    """
    by = [by] if isinstance(by, str) else list(by)
    check_columns(data, *by, what="precision_reached")
    y = row_means(item_matrix(data, [value] if isinstance(value, str) else value))
    check_range(y[:, None], [str(value)], {"share": (0, 1), "nps": (0, 10)}.get(measure, (-np.inf, np.inf)))
    w = respondent_weights(weights, data)
    rows = []
    for key, places in data.groupby(by, sort=True).indices.items():
        key = key if isinstance(key, tuple) else (key,)
        used = places[~np.isnan(y[places]) & (w[places] > 0)]
        size = (population or {}).get(key if len(key) > 1 else key[0])
        found = _precision(y[used], w[used], measure, margin, size, conf_level)
        rows.append(dict(zip(by, key, strict=True)) | found)
    return pd.DataFrame(rows)


def _precision(y: np.ndarray, w: np.ndarray, measure: Measure, margin: float, population, conf_level: float) -> dict:
    n = len(y)
    effective = float(w.sum() ** 2 / (w @ w)) if n else 0.0
    found = {"n": n, "n_effective": effective, "margin_reached": np.nan, "margin": margin, "needed": np.nan}
    if effective <= 2:
        return found | {"verdict": "short"}
    mean = w @ y / w.sum()
    variance = w @ (y - mean) ** 2 / w.sum() * effective / (effective - 1)

    def smooth(hits: np.ndarray) -> float:
        return float((w @ hits / w.sum() * effective + 2) / (effective + 4))

    spread = {
        "mean": {"sd": float(np.sqrt(variance))},
        "share": {"share": smooth(y)},
        "nps": {"promoters": smooth(y >= 9), "detractors": smooth(y <= 6)},
    }[measure]
    if spread.get("sd") == 0:
        return found | {"margin_reached": 0.0, "needed": 3, "verdict": "reached"}
    options = {"conf_level": conf_level, "population": population, "design_effect": n / effective}
    reached = margin_reached(n, measure, **spread, **options)
    needed = sample_size(measure, margin=margin, **spread, **options).n
    return found | {"margin_reached": reached, "needed": needed, "verdict": "reached" if n >= needed else "short"}


def _variance(measure: Measure, spread: _Spread) -> float:
    """Variance of one answer, in the measure's unit squared."""
    if measure == "share":
        return spread.share * (1 - spread.share)
    if measure == "nps":
        up, down = spread.promoters, spread.detractors
        return 100**2 * (up + down - (up - down) ** 2)
    return spread.sd**2


def _for_margin(measure: Measure, margin: float, spread: _Spread, conf_level: float) -> float:
    z = stats.norm.ppf((1 + conf_level) / 2)
    if measure == "alpha":
        k, s = spread.items, np.arcsinh(margin / (1 - spread.alpha)) / z
        return float(2 + 2 * k / ((k - 1) * s**2))
    return float(z**2 * _variance(measure, spread) / margin**2)


def _for_change(measure: Measure, change: float, spread: _Spread, conf_level: float, power: float) -> float:
    change = abs(change)
    z, z_power = stats.norm.ppf((1 + conf_level) / 2), stats.norm.ppf(power)
    if measure == "nps":
        return float(2 * _variance("nps", spread) * (z + z_power) ** 2 / change**2)
    if measure == "share":
        return _change_of_share(spread.share, change, z, z_power)
    return _t_test_n(change / spread.sd, conf_level, power)


def _change_of_share(share: float, change: float, z: float, z_power: float) -> float:
    """From ``share`` towards a half, the direction that needs more responses."""
    other = share + change if share <= 0.5 else share - change
    middle = (share + other) / 2
    root = z * np.sqrt(2 * middle * (1 - middle)) + z_power * np.sqrt(share * (1 - share) + other * (1 - other))
    return float(root**2 / change**2)


def _t_test_n(effect: float, conf_level: float, power: float) -> float:
    """Answers per group at which the two-sample t test has ``power``."""
    reached: Callable[[float], float] = TTestIndPower().power

    def short(n: float) -> float:
        return float(reached(effect, n, 1 - conf_level, ratio=1)) - power

    normal = 2 * ((stats.norm.ppf((1 + conf_level) / 2) + stats.norm.ppf(power)) / effect) ** 2
    low, high = max(2.0, normal * 0.9), normal + 10
    return low if short(low) >= 0 else float(brentq(short, low, high, xtol=1e-10))


def _check(measure, margin, change, spread, conf_level, power, population, design_effect, response_rate) -> None:
    """Raise ``ResponseError`` naming the first argument that is missing or impossible."""
    if measure not in get_args(Measure):
        raise ResponseError(f"measure is {measure!r}; known are {', '.join(get_args(Measure))}.")
    if (margin is None) == (change is None):
        raise ResponseError("give either margin (half-width of the interval) or change (to be detected), not both.")
    numbers = {"margin": margin, "change": change, "conf_level": conf_level, "power": power, "population": population}
    numbers |= {"design_effect": design_effect, "response_rate": response_rate} | spread._asdict()
    for name, value in numbers.items():
        if value is not None and not isinstance(value, Real):
            raise ResponseError(f"{name} is {value!r}; a number is needed.")
    if measure == "alpha" and change is not None:
        raise ResponseError("alpha is planned by margin only.")
    if measure == "nps" and not _variance(measure, spread) > 0:
        raise ResponseError("everyone a promoter, or everyone a detractor: nothing varies, so no n can be planned.")
    size = margin if margin is not None else change
    rules = {
        "margin or change": (size, abs(size) > 0 if margin is None else size > 0, "not zero"),
        "conf_level": (conf_level, 0 < conf_level < 1, "between 0 and 1"),
        "power": (power, 0 < power < 1, "between 0 and 1"),
        "population": (population, population is None or population >= 1, "one or more"),
        "design_effect": (design_effect, design_effect > 0, "positive"),
        "response_rate": (response_rate, 0 < response_rate <= 1, "above 0, at most 1"),
        "share": (spread.share, 0 < spread.share < 1, "between 0 and 1"),
        "promoters and detractors": (
            (spread.promoters, spread.detractors),
            min(spread.promoters, spread.detractors) >= 0 and 0 < spread.promoters + spread.detractors <= 1,
            "shares that sum to at most 1",
        ),
    }
    if measure in ("mean", "gap"):
        rules["sd"] = (spread.sd, spread.sd is not None and spread.sd > 0, "positive: the answers' standard deviation")
    if measure == "alpha":
        rules["alpha"] = (spread.alpha, spread.alpha is not None and spread.alpha < 1, "below 1")
        rules["items"] = (spread.items, spread.items is not None and spread.items >= 2, "two or more")
    if measure == "share" and size is not None:
        rules["margin or change of a share"] = (size, abs(size) <= max(spread.share, 1 - spread.share), "a share (0–1)")
    for name, (value, fine, allowed) in rules.items():
        if not fine:
            raise ResponseError(f"{name} is {value!r}; it must be {allowed}.")
