"""Control charts: which months differ by more than the process's own noise, and by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["i", "xbar", "p", "p_prime", "u", "u_prime", "ewma", "cusum"]
D2_OF_TWO = 2 / np.sqrt(np.pi)  # expected range of two standard normals, 1.128
NELSON_RULES = (
    "beyond_limits",
    "nine_on_one_side",
    "six_in_trend",
    "fourteen_alternating",
    "two_of_three_beyond_two_sigma",
    "four_of_five_beyond_one_sigma",
    "fifteen_within_one_sigma",
    "eight_beyond_one_sigma",
)
_RULE_TITLES = {name: f"{number} {name.replace('_', ' ')}" for number, name in enumerate(NELSON_RULES, start=1)}


@dataclass(frozen=True, slots=True)
class ControlChart(Result):
    """``points``: a row per period; ``rules``: periods × rules, True where a rule signals."""

    kind: Kind
    points: pd.DataFrame
    rules: pd.DataFrame
    center: float
    sigma: float
    overdispersion: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.points.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "n": len(self.points),
                    "method": self.kind,
                    "center": self.center,
                    "sigma": self.sigma,
                    "overdispersion": self.overdispersion,
                    "n_signals": int(self.points["signal"].sum()),
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Points, centre line and limits; signalling points are red and carry the numbers of their rules.

        ``labels`` translates rule names (``NELSON_RULES``) in the legend.
        """
        import matplotlib.pyplot as plt

        ax = ax if ax is not None else plt.subplots(figsize=(8, 4))[1]
        x, points = np.arange(len(self.points)), self.points
        ax.plot(x, points["estimate"], "o-", color="C0", markersize=4)
        if self.kind == "cusum":
            ax.plot(x, points["estimate_low"], "o-", color="C2", markersize=4)
        ax.step(x, points["center"], where="mid", color="0.4", linewidth=1)
        for side in ("lower", "upper"):
            ax.step(x, points[side], where="mid", color="C3", linestyle="--", linewidth=1)
        for name in self.rules.columns[self.rules.any()]:
            at = self.rules[name].to_numpy()
            ax.plot(x[at], points["estimate"][at], "o", color="C3", label=(labels or _RULE_TITLES).get(name, name))
        for place in x[points["signal"]]:
            numbers = [str(NELSON_RULES.index(rule) + 1) for rule in self.rules.columns[self.rules.iloc[place]]]
            ax.annotate(
                ",".join(numbers),
                (place, points["estimate"].iloc[place]),
                (0, 6),
                textcoords="offset points",
                ha="center",
            )
        shown = slice(None, None, len(x) // 24 + 1)
        ax.set_xticks(x[shown], points["term"].astype(str)[shown], rotation=45, ha="right")
        if self.rules.to_numpy().any():
            ax.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        return ax


class _Series(NamedTuple):
    """Observed values (t,) with the standard deviation of each under a stable process, and what was estimated."""

    labels: pd.Index
    observed: np.ndarray
    errors: np.ndarray
    center: float
    sigma: float
    overdispersion: float = np.nan
    sizes: np.ndarray | None = None


def control_chart(
    series: pd.Series,
    kind: Kind = "i",
    n: ArrayLike | None = None,
    sd: ArrayLike | None = None,
    baseline: int | None = None,
    center: float | None = None,
    sigma: float | None = None,
    smoothing: float = 0.2,
    width: float | None = None,
    slack: float = 0.5,
    decision: float = 5.0,
) -> ControlChart:
    """Control chart of a series of periods, with Nelson's rules (Nelson 1984, doi:10.1080/00224065.1984.11978921).

    - ``i``: individual values, σ = mean moving range ÷ 1.128.
    - ``xbar``: raw answers whose index repeats the period, or subgroup means with sizes ``n`` and deviations ``sd``;
      n may vary; σ = pooled s ÷ c₄ (Burr 1969), limits μ ± 3σ/√n.
    - ``p``: shares (0–1) of ``n``, limits p̄ ± 3√(p̄(1 − p̄)/n); ``u``: events per unit of exposure ``n``, ū ± 3√(ū/n).
    - ``p_prime``, ``u_prime``: the same widened by the variation between periods, σ_z = mean moving range of the z
      values ÷ 1.128 (Laney 2002, doi:10.1081/QEN-120006555). With n in the thousands use these: a plain p chart then
      signals nearly always. ``glance()['overdispersion']`` is σ_z on every p and u chart.
    - ``ewma`` (Roberts 1959): ``smoothing`` λ, limits ``width`` (2.7) × exact error; ``cusum`` (Page 1954; tabular):
      ``slack`` k and ``decision`` h in standard errors, ``estimate`` and ``estimate_low`` are C⁺ and −C⁻. Both take
      what ``i`` or (with ``n`` and ``sd``, or raw answers) ``xbar`` takes. Only beyond-limits applies to them.

    ``baseline`` uses the first so many periods for centre and σ; ``center`` and ``sigma`` give them instead.
    ``tidy()``: term (period), estimate, center, lower, upper, n, z, signal, rules (names, comma-separated).
    Raises ``ResponseError`` for missing values, sizes that do not fit, shares outside 0–1, fewer than two periods.

    >>> chart = control_chart(pd.Series([10, 11, 9, 10, 11, 10, 9, 20]), "i", baseline=7)
    >>> chart.tidy()[["term", "rules"]].iloc[-1].to_dict()
    {'term': 7, 'rules': 'beyond_limits'}
    """
    if kind not in get_args(Kind):
        raise ResponseError(f"kind is {kind!r}; known are {', '.join(get_args(Kind))}.")
    for name, given in (("width", width), ("decision", decision), ("sigma", sigma)):
        if given is not None and not given > 0:
            raise ResponseError(f"{name} is {given}; it must be positive.")
    if center is not None and not np.isfinite(center):
        raise ResponseError(f"center is {center}; it must be a number.")
    if np.ndim(series) != 1:
        raise ResponseError(f"the series has {np.ndim(series)} dimensions; a control chart is of one column.")
    values = _stable_process(pd.Series(series), kind, n, sd, baseline, center, sigma)
    if kind == "cusum":
        frame, rules = _cusum(values, slack, decision)
    elif kind == "ewma":
        frame, rules = _ewma(values, smoothing, 2.7 if width is None else width)
    else:
        frame, rules = _shewhart(values, 3.0 if width is None else width, kind)
    frame.insert(0, "term", values.labels)
    if values.sizes is not None:
        frame["n"] = values.sizes
    frame["signal"] = rules.any(axis=1).to_numpy()
    frame["rules"] = [", ".join(rules.columns[row]) for row in rules.to_numpy()]
    settings = {"kind": kind, "baseline": baseline, "smoothing": smoothing, "slack": slack, "decision": decision}
    return ControlChart(
        kind,
        frame,
        rules.set_axis(values.labels),
        values.center,
        values.sigma,
        values.overdispersion,
        Provenance("control_chart", len(frame), settings),
    )


def c4(n: ArrayLike) -> np.ndarray:
    """Expected standard deviation of n standard normals, √(2/(n − 1))·Γ(n/2)/Γ((n − 1)/2) (Montgomery 2012, app. VI).

    >>> c4([2, 5, 25]).round(4).tolist()
    [0.7979, 0.94, 0.9896]
    """
    n = np.asarray(n, dtype=float)
    return np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2))


def mean_moving_range(values: np.ndarray) -> float:
    """Standard deviation between neighbours: mean |x_t − x_{t−1}| ÷ 1.128."""
    return float(np.abs(np.diff(values)).mean() / D2_OF_TWO)


def nelson(z: np.ndarray, width: float = 3.0) -> pd.DataFrame:
    """Nelson's eight rules on standardised values (t,): True at the point that completes a pattern.

    >>> nelson(np.array([0, .5, 1, 1.5, 2, 2.5])).iloc[-1][lambda row: row].index.tolist()
    ['six_in_trend']
    """
    step = np.sign(np.diff(z, prepend=np.nan))
    turns = np.append([False], step[1:] * step[:-1] < 0)

    def sides(limit: float, needed: int, window: int) -> np.ndarray:
        above, below = z > limit, z < -limit
        return (above & _window(above, needed, window)) | (below & _window(below, needed, window))

    found = (
        np.abs(z) > width,
        sides(0, 9, 9),
        _window(step > 0, 5, 5) | _window(step < 0, 5, 5),
        _window(turns, 12, 12),
        sides(2, 2, 3),
        sides(1, 4, 5),
        _window(np.abs(z) < 1, 15, 15),
        _window(np.abs(z) > 1, 8, 8),
    )
    return pd.DataFrame(dict(zip(NELSON_RULES, found, strict=True)))


def _window(flags: np.ndarray, needed: int, window: int) -> np.ndarray:
    """True where at least ``needed`` of the last ``window`` flags are set; a run must have filled its window."""
    running = np.concatenate([[0], np.cumsum(flags)])
    ends = np.arange(1, len(flags) + 1)
    return running[ends] - running[np.maximum(ends - window, 0)] >= needed


def _stable_process(series, kind, n, sd, baseline, center, sigma) -> _Series:
    """The series with centre and errors estimated on the baseline, or as given."""
    series = pd.Series(_numbers(series, "the series"), index=series.index)
    if kind in ("xbar", "ewma", "cusum") and series.index.has_duplicates:
        groups = series.dropna().groupby(level=0, sort=True)
        series, n, sd = groups.mean(), groups.size().to_numpy(), groups.std().to_numpy()
    values = _checked(series.to_numpy(), "values", len(series))
    if len(values) < 2:
        raise ResponseError(f"the series has {len(values)} period; a control chart needs two at least.")
    if baseline is not None and not 2 <= baseline <= len(values):
        raise ResponseError(f"baseline is {baseline}; it must lie between 2 and the {len(values)} periods.")
    first = slice(baseline)
    if kind in ("p", "p_prime", "u", "u_prime"):
        return _counts(series.index, values, kind, _sizes(n, values, kind), first, center)
    if n is None:
        if kind == "xbar" and sigma is None:
            raise ResponseError("xbar needs raw answers by period, or subgroup sizes n and deviations sd.")
        sigma = mean_moving_range(values[first]) if sigma is None else sigma
        center = values[first].mean() if center is None else center
        return _checked_noise(_Series(series.index, values, np.full(len(values), sigma), center, sigma))
    sizes = _sizes(n, values, kind)
    sigma = _pooled_sigma(sizes[first], _deviations(sd, sizes), first) if sigma is None else sigma
    center = sizes[first] @ values[first] / sizes[first].sum() if center is None else center
    return _checked_noise(_Series(series.index, values, sigma / np.sqrt(sizes), center, sigma, sizes=sizes))


def _deviations(sd: ArrayLike | None, sizes: np.ndarray) -> np.ndarray:
    """Standard deviations (t,) of the subgroups; one number stands for all, those of single answers do not matter."""
    if sd is None:
        raise ResponseError("subgroup sizes n need the subgroups' standard deviations sd (or sigma).")
    sd = _numbers(sd, "sd")
    if sd.size != 1 and sd.shape != sizes.shape:
        raise ResponseError(f"sd: {sd.size} given for {len(sizes)} periods.")
    sd = np.where(sizes > 1, sd, 0.0)
    if not (sd >= 0).all():
        raise ResponseError(f"sd: period {int(np.argmin(sd >= 0)) + 1} has none, or a negative one.")
    return sd


def _pooled_sigma(sizes: np.ndarray, sd: np.ndarray, first: slice) -> float:
    sd = np.where(sizes > 1, sd[first], 0.0)
    freedom = (sizes - 1).sum()
    if not freedom > 0:
        raise ResponseError("every subgroup has one answer; use kind='i'.")
    return float(np.sqrt((sizes - 1) @ sd**2 / freedom) / c4(freedom + 1))


def _counts(labels, values, kind, sizes, first, center) -> _Series:
    if kind.startswith("p") and ((values < 0) | (values > 1)).any():
        raise ResponseError(f"{kind}: shares must lie between 0 and 1, not counts or percent.")
    center = float(sizes[first] @ values[first] / sizes[first].sum()) if center is None else center
    variance = center * (1 - center) if kind.startswith("p") else center
    if not variance > 0:
        raise ResponseError(f"{kind}: the centre is {center:g}; without variation there are no limits.")
    errors = np.sqrt(variance / sizes)
    spread = mean_moving_range((values[first] - center) / errors[first])
    widened = errors * spread if kind.endswith("prime") else errors
    return _checked_noise(_Series(labels, values, widened, center, float(np.sqrt(variance)), spread, sizes))


def _numbers(given: ArrayLike, what: str) -> np.ndarray:
    try:
        if np.iscomplexobj(given):
            raise TypeError
        return pd.Series(given).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise ResponseError(f"{what} holds text; a control chart needs numbers.") from None


def _checked(values: np.ndarray, what: str, length: int) -> np.ndarray:
    if values.shape != (length,):
        raise ResponseError(f"{what}: {values.size} given for {length} periods.")
    if not np.isfinite(values).all():
        raise ResponseError(f"{what}: period {int(np.argmin(np.isfinite(values))) + 1} is missing; drop it first.")
    return values


def _checked_noise(series: _Series) -> _Series:
    if not (series.errors > 0).all():
        raise ResponseError("the baseline does not vary; no limits can be drawn.")
    return series


def _sizes(n: ArrayLike | None, values: np.ndarray, kind: str) -> np.ndarray:
    if n is None:
        raise ResponseError(f"{kind}: give n, the number (or exposure) of every period.")
    sizes = _numbers(n, "n")
    sizes = _checked(np.broadcast_to(sizes, values.shape) if sizes.size == 1 else sizes, "n", len(values))
    if not (sizes > 0).all():
        raise ResponseError("n: every period needs a positive number.")
    return sizes


def _shewhart(series: _Series, width: float, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    z = (series.observed - series.center) / series.errors
    lowest, highest = (0.0 if kind[0] in "pu" else -np.inf), (1.0 if kind[0] == "p" else np.inf)
    frame = pd.DataFrame(
        {
            "estimate": series.observed,
            "center": series.center,
            "lower": np.maximum(series.center - width * series.errors, lowest),
            "upper": np.minimum(series.center + width * series.errors, highest),
            "z": z,
        }
    )
    return frame, nelson(z, width)


def _ewma(series: _Series, smoothing: float, width: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not 0 < smoothing <= 1:
        raise ResponseError(f"smoothing is {smoothing}; it must lie in (0, 1].")
    level, variance, rows = series.center, 0.0, []
    for value, error in zip(series.observed, series.errors, strict=True):
        level = smoothing * value + (1 - smoothing) * level
        variance = smoothing**2 * error**2 + (1 - smoothing) ** 2 * variance
        rows.append((level, np.sqrt(variance)))
    estimate, error = np.array(rows).T
    frame = pd.DataFrame(
        {
            "estimate": estimate,
            "center": series.center,
            "lower": series.center - width * error,
            "upper": series.center + width * error,
            "z": (estimate - series.center) / error,
        }
    )
    return frame, pd.DataFrame({NELSON_RULES[0]: frame["z"].abs() > width})


def _cusum(series: _Series, slack: float, decision: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    z = (series.observed - series.center) / series.errors
    up, down, rows = 0.0, 0.0, []
    for value in z:
        up, down = max(0.0, up + value - slack), max(0.0, down - value - slack)
        rows.append((up, -down))
    high, low = np.array(rows).T
    frame = pd.DataFrame(
        {"estimate": high, "estimate_low": low, "center": 0.0, "lower": -decision, "upper": decision, "z": z}
    )
    return frame, pd.DataFrame({NELSON_RULES[0]: (high > decision) | (low < -decision)})
