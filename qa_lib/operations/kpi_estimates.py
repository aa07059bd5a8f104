"""Numbers behind the KPIs, as plain functions on the arrays of one group of cases."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, norm, t
from statsmodels.duration.survfunc import SurvfuncRight


def wilson(successes: float, n: float, conf_level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not n > 0:
        return np.nan, np.nan
    z2 = norm.ppf((1 + conf_level) / 2) ** 2
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
    """Mean with its t interval."""
    n = len(values)
    if n == 0:
        return {"n": 0}
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    half = t.ppf((1 + conf_level) / 2, n - 1) * error if n > 1 else np.nan
    average = values.mean()
    return {
        "n": n, "estimate": average, "std_error": error, "conf_low": average - half, "conf_high": average + half,
        "maximum": values.max(),
    }  # fmt: skip


def median(values: np.ndarray, conf_level: float) -> tuple[float, float, float]:
    """Median with the exact (binomial) interval between order statistics (Conover 1999, section 3.2).

    NaN bounds where the sample is too small for the level.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n == 0:
        return np.nan, np.nan, np.nan
    tail = (1 - conf_level) / 2
    rank = int(binom.ppf(tail, n, 0.5))
    rank += int(binom.cdf(rank, n, 0.5) <= tail)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return (middle, ordered[rank - 1], ordered[n - rank]) if rank >= 1 else (middle, np.nan, np.nan)


def kaplan_meier(times: np.ndarray, done: np.ndarray, share_done: float, conf_level: float) -> tuple:
    """Time by which ``share_done`` of cases are done, with log-transformed interval; open cases are censored.

    Kaplan and Meier (1958); as R's ``quantile(survfit(Surv(times, done) ~ 1))``. NaN where not reached.
    """
    curve = SurvfuncRight(times, done.astype(int))
    return (_crossing(curve, share_done), *_bounds(curve, share_done, conf_level))


def _crossing(curve: SurvfuncRight, p: float) -> float:
    return _first(curve.surv_times, curve.surv_prob, 1 - p)


def _bounds(curve: SurvfuncRight, p: float, conf_level: float) -> tuple[float, float]:
    """Where the pointwise limits of S cross 1 − p; limits on the log scale."""
    z = norm.ppf((1 + conf_level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(z * np.where(curve.surv_prob > 0, curve.surv_prob_se / curve.surv_prob, np.nan))
        low, high = curve.surv_prob / spread, np.minimum(curve.surv_prob * spread, 1)
    known = np.isfinite(low)
    return (
        _first(curve.surv_times[known], low[known], 1 - p),
        _first(curve.surv_times[known], high[known], 1 - p),
    )


def _first(times: np.ndarray, survival: np.ndarray, level: float) -> float:
    """First time at which survival is at most ``level``; midway where it stays exactly there, as R has it."""
    at = np.flatnonzero(survival <= level + 1e-12)
    if not len(at):
        return np.nan
    flat = abs(survival[at[0]] - level) < 1e-9 and at[0] + 1 < len(times)
    return float((times[at[0]] + times[at[0] + 1]) / 2 if flat else times[at[0]])


def net_promoter(values: np.ndarray, conf_level: float) -> dict[str, float]:
    """Promoters (9–10) minus detractors (0–6), in points, with the interval of a mean of −100, 0, 100."""
    return mean(100.0 * ((values >= 9).astype(float) - (values <= 6)), conf_level)


def between_share(values: np.ndarray, unit: np.ndarray) -> tuple[float, int]:
    """Share of variance between units, ICC(1) of the unbalanced one-way layout (Searle, Casella and McCulloch 1992,
    section 3.6), and the number of units."""
    _, code, count = np.unique(unit, return_inverse=True, return_counts=True)
    units, n = len(count), len(values)
    if units < 2 or n <= units:
        return np.nan, units
    averages = np.bincount(code, values) / count
    within = ((values - averages[code]) ** 2).sum() / (n - units)
    between = (count * (averages - values.mean()) ** 2).sum() / (units - 1)
    size = (n - (count**2).sum() / n) / (units - 1)
    component = (between - within) / size
    return float(max(component, 0) / (max(component, 0) + within)) if within > 0 or component > 0 else np.nan, units


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
