"""Numbers behind the KPIs, as plain functions on the arrays of one group of cases."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, bdtrik, fdtri, gammaincinv, ndtri, stdtrit
from statsmodels.duration.survfunc import SurvfuncRight


def wilson(successes: float, n: float, conf_level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not n > 0:
        return np.nan, np.nan
    z2 = ndtri((1 + conf_level) / 2) ** 2
    centre = (successes + z2 / 2) / (n + z2)
    half = np.sqrt(z2) / (n + z2) * np.sqrt(successes * (n - successes) / n + z2 / 4)
    return float(max(centre - half, 0)), float(min(centre + half, 1))


def share(hits: np.ndarray, conf_level: float) -> dict[str, float]:
    """Share of True among cases, with its Wilson interval."""
    return share_of(float(np.sum(hits)), float(len(hits)), conf_level)


def share_of(successes: float, n: float, conf_level: float) -> dict[str, float]:
    estimate = successes / n if n > 0 else np.nan
    low, high = wilson(successes, n, conf_level)
    error = np.sqrt(estimate * (1 - estimate) / n) if n > 0 else np.nan
    return {"n": n, "estimate": estimate, "std_error": error, "conf_low": low, "conf_high": high}


def mean(values: np.ndarray, conf_level: float) -> dict[str, float]:
    """Mean with its t interval; NaN bounds where a few values are all alike (``alike_by_chance``)."""
    n = len(values)
    if n == 0:
        return {"n": 0}
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    half = stdtrit(n - 1, (1 + conf_level) / 2) * error if n > 1 else np.nan
    if np.ptp(values) == 0 and alike_by_chance(n, conf_level):
        half = np.nan
    average = values.mean()
    return {
        "n": n, "estimate": average, "std_error": error, "conf_low": average - half, "conf_high": average + half,
        "maximum": values.max(),
    }  # fmt: skip


def alike_by_chance(n: int, conf_level: float) -> bool:
    """Whether n equal values are too few to be sure of: a t interval without width would claim too much.

    The sign test's bound: all n lie on one side of another median with probability 2·½ⁿ (Conover 1999, section 3.4).

    >>> alike_by_chance(5, 0.95), alike_by_chance(6, 0.95)
    (True, False)
    """
    return 0.5 ** (n - 1) > 1 - conf_level


def median(values: np.ndarray, conf_level: float) -> tuple[float, float, float]:
    """Median with its exact interval; see ``quantile``."""
    return quantile(values, 0.5, conf_level)


def quantile(values: np.ndarray, p: float, conf_level: float) -> tuple[float, float, float]:
    """Quantile with the exact (binomial) interval between order statistics (Conover 1999, section 3.2).

    NaN bounds where the sample is too small for the level.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n == 0:
        return np.nan, np.nan, np.nan
    tail = (1 - conf_level) / 2
    low, high = _binomial_quantile(tail, n, p), _binomial_quantile(1 - tail, n, p) + 1
    low += int(bdtr(low, n, p) <= tail)
    below = int(place := p * (n - 1))
    above = min(below + 1, n - 1)
    return (
        float(ordered[below] + (place - below) * (ordered[above] - ordered[below])),
        float(ordered[low - 1]) if low >= 1 else np.nan,
        float(ordered[high - 1]) if high <= n else np.nan,
    )


def _binomial_quantile(probability: float, n: int, p: float) -> int:
    """Smallest k with P(X ≤ k) ≥ probability, X binomial(n, p); scipy.stats takes a hundred times as long."""
    k = max(int(np.ceil(np.nan_to_num(bdtrik(probability, n, p)))), 0)
    return k - 1 if k > 0 and bdtr(k - 1, n, p) >= probability - 1e-12 else k


def _chi2_quantile(probability: float, df: float) -> float:
    return float(2 * gammaincinv(df / 2, probability))


def kaplan_meier(times: np.ndarray, done: np.ndarray, share_done: float, conf_level: float) -> tuple:
    """Time by which ``share_done`` of cases are done, with log-transformed interval; open cases are censored.

    Kaplan and Meier (1958); as R's ``quantile(survfit(Surv(times, done) ~ 1))``. NaN where not reached.
    """
    curve = SurvfuncRight(times, done.astype(int))
    last = float(times.max())
    return (
        _first(curve.surv_times, curve.surv_prob, 1 - share_done, last),
        *_bounds(curve, share_done, conf_level, last),
    )


def _bounds(curve: SurvfuncRight, p: float, conf_level: float, last: float) -> tuple[float, float]:
    """Where the pointwise limits of S cross 1 − p; limits on the log scale."""
    z = ndtri((1 + conf_level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(z * np.where(curve.surv_prob > 0, curve.surv_prob_se / curve.surv_prob, np.nan))
        low, high = curve.surv_prob / spread, np.minimum(curve.surv_prob * spread, 1)
    known = np.isfinite(low)
    return (
        _first(curve.surv_times[known], low[known], 1 - p, last),
        _first(curve.surv_times[known], high[known], 1 - p, last),
    )


def _first(times: np.ndarray, survival: np.ndarray, level: float, last: float) -> float:
    """First time at which survival is at most ``level``; midway to the next change, or to the ``last`` time observed,
    where it stays exactly there, as R has it."""
    at = np.flatnonzero(survival <= level + 1e-12)
    if not len(at):
        return np.nan
    flat = abs(survival[at[0]] - level) < 1e-9
    after = times[at[0] + 1] if at[0] + 1 < len(times) else last
    return float((times[at[0]] + after) / 2 if flat else times[at[0]])


def net_promoter(values: np.ndarray, conf_level: float) -> dict[str, float]:
    """Promoters (9–10) minus detractors (0–6), in points, with the adjusted Wald interval.

    ¾ promoters, ¾ detractors and 1½ passives are added (Rocks 2016, doi:10.1080/00031305.2016.1182946), so that a few
    answers which are all alike leave doubt; the standard error is multinomial.

    >>> [round(float(number), 1) for number in net_promoter(np.array([10.0, 10, 9]), 0.95).values()]
    [3.0, 100.0, 0.0, -6.6, 100.0]
    """
    n = len(values)
    if n == 0:
        return {"n": 0}
    up, down = float((values >= 9).sum()), float((values <= 6).sum())

    def of(up: float, down: float, n: float) -> tuple[float, float]:
        return 100 * (up - down) / n, 100 * np.sqrt(((up + down) / n - ((up - down) / n) ** 2) / n)

    (estimate, error), (centre, adjusted) = of(up, down, n), of(up + 0.75, down + 0.75, n + 3)
    half = ndtri((1 + conf_level) / 2) * adjusted
    return {
        "n": n, "estimate": estimate, "std_error": error,
        "conf_low": max(min(centre - half, estimate), -100.0), "conf_high": min(max(centre + half, estimate), 100.0),
    }  # fmt: skip


def between_share(values: np.ndarray, unit: np.ndarray, conf_level: float) -> dict[str, float]:
    """Share of variance between units, ICC(1) of the one-way layout, with its F interval.

    Searle, Casella and McCulloch (1992, sections 3.6 and 3.8); with unequal units n₀ stands for their size and the
    interval is approximate. Negative estimates are reported as 0.
    """
    _, code, count = np.unique(unit, return_inverse=True, return_counts=True)
    units, n = len(count), len(values)
    if units < 2 or n <= units:
        return {"n": n}
    averages = np.bincount(code, values) / count
    within = ((values - averages[code]) ** 2).sum() / (n - units)
    between = (count * (averages - values.mean()) ** 2).sum() / (units - 1)
    if not within > 0:
        return {"n": n, "estimate": 1.0 if between > 0 else np.nan}
    size = (n - (count**2).sum() / n) / (units - 1)
    ratio, tail = between / within, (1 + conf_level) / 2
    low = ratio / fdtri(units - 1, n - units, tail)
    high = ratio * fdtri(n - units, units - 1, tail)
    estimate, low, high = (float(np.clip((value - 1) / (value + size - 1), 0, 1)) for value in (ratio, low, high))
    return {"n": n, "estimate": estimate, "conf_low": low, "conf_high": high}


def events_per(events: float, base: float, conf_level: float) -> dict[str, float]:
    """Events per unit of base with the exact Poisson interval (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    if not base > 0:
        return {"n": base, "total": events}
    tail = (1 - conf_level) / 2
    low = _chi2_quantile(tail, 2 * events) / 2 if events > 0 else 0.0
    high = _chi2_quantile(1 - tail, 2 * events + 2) / 2
    rate = {"estimate": events, "std_error": np.sqrt(events), "conf_low": low, "conf_high": high}
    return {"n": base, "total": events} | {name: float(value / base) for name, value in rate.items()}


def total_of(sizes: np.ndarray, largest: float, conf_level: float) -> dict[str, float]:
    """Sum of the sizes of independent events, with the gamma interval of a weighted sum of Poisson counts.

    Fay and Feuer (1997), doi:10.1002/(SICI)1097-0258(19970415)16:7<791::AID-SIM500>3.0.CO;2-#: the sizes are the
    weights, ``largest`` the largest that can occur, on which the upper bound of a period without events rests.

    >>> found = total_of(np.array([30.0, 90.0]), 90.0, 0.95)
    >>> [round(found[name], 1) for name in ("estimate", "conf_low", "conf_high")]
    [120.0, 9.8, 533.0]
    """
    n, total, tail = len(sizes), float(sizes.sum()), (1 - conf_level) / 2
    variance, largest = float((sizes**2).sum()), max(largest, *sizes, 0.0)
    low = variance / (2 * total) * _chi2_quantile(tail, 2 * total**2 / variance) if n else 0.0
    wider, up = variance + largest**2, total + largest
    high = wider / (2 * up) * _chi2_quantile(1 - tail, 2 * up**2 / wider) if up > 0 else np.nan
    return {
        "n": n, "estimate": total, "std_error": np.sqrt(variance), "conf_low": float(low), "conf_high": float(high),
        "maximum": float(sizes.max()) if n else np.nan, "total": total,
    }  # fmt: skip


def availability(minutes: dict[str, float], exposure: float) -> dict[str, float]:
    """Share of the time without outage, from the minutes of outage and the minutes watched (units × time)."""
    kept = {"n": minutes["n"], "n_open": minutes["n_open"], "total": minutes["total"]}
    if not exposure > 0 or minutes["total"] > exposure:
        return kept
    return kept | {
        "estimate": 1 - minutes["estimate"] / exposure,
        "std_error": minutes.get("std_error", np.nan) / exposure,
        "conf_low": max(1 - minutes["conf_high"] / exposure, 0.0),
        "conf_high": 1 - minutes["conf_low"] / exposure,
    }


def business_hours(start: np.ndarray, end: np.ndarray, opens: str, closes: str, weekmask: str, holidays: list[str]):
    """Hours between two moments that fall within opening hours on working days (arrays of datetime64).

    >>> import numpy as np
    >>> friday, monday = np.array(["2026-10-30T17:00"], "M8[s]"), np.array(["2026-11-02T10:00"], "M8[s]")
    >>> business_hours(friday, monday, "09:00", "18:00", "1111100", []).tolist()
    [2.0]
    """
    first, last = (int(text[:2]) + int(text[3:5]) / 60 for text in (opens, closes))

    def worked(moment: np.ndarray) -> np.ndarray:
        known = ~np.isnat(moment)
        day = np.where(known, moment, np.datetime64("1970-01-01", "s")).astype("M8[D]")
        days = np.busday_count(np.datetime64("1970-01-01"), day, weekmask=weekmask, holidays=holidays)
        clock = np.clip((moment - day) / np.timedelta64(1, "h"), first, last) - first
        today = np.where(np.is_busday(day, weekmask=weekmask, holidays=holidays), clock, 0)
        return np.where(known, days * (last - first) + today, np.nan)

    return worked(end.astype("M8[s]")) - worked(start.astype("M8[s]"))
