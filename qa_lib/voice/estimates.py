"""Shares, means and their differences with intervals, from plain arrays; weights count by Kish's effective n."""

from __future__ import annotations

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from qa_lib.sufficient.weights import effective_n

Row = dict[str, float]


def share_row(hit: np.ndarray, w: np.ndarray, conf_level: float) -> Row:
    """The weighted share of ``hit`` with Wilson's interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    >>> row = share_row(np.arange(10) < 8, np.ones(10), .95)
    >>> [round(row[name], 4) for name in ("estimate", "conf_low", "conf_high")]
    [0.8, 0.4902, 0.9433]
    """
    if not w.any():
        return {"n": 0}
    share, n = float(w @ hit / w.sum()), effective_n(w)
    low, high = proportion_confint(share * n, n, alpha=1 - conf_level, method="wilson")
    std_error = float(np.sqrt(max(share * (1 - share), 0) / n))  # rounding may leave a share above one
    return {"n": int(hit.sum()), "estimate": share, "std_error": std_error, "conf_low": low, "conf_high": high}


def mean_row(y: np.ndarray, w: np.ndarray, conf_level: float) -> Row:
    """A weighted mean with Student's interval; without an interval for fewer than two values."""
    found = np.isfinite(y) & (w > 0)
    y, w = y[found], w[found]
    if not len(y):
        return {"n": 0}
    mean, n = float(w @ y / w.sum()), effective_n(w)
    if n <= 1:
        return {"n": len(y), "estimate": mean}
    std_error = float(np.sqrt(w @ (y - mean) ** 2 / w.sum() / (n - 1)))
    half = stats.t.ppf((1 + conf_level) / 2, n - 1) * std_error
    row = {"n": len(y), "estimate": mean, "std_error": std_error, "df": n - 1}
    return row | {"conf_low": mean - half, "conf_high": mean + half}


def difference_row(first: Row, second: Row, conf_level: float) -> Row:
    """The first mean less the second (rows of ``mean_row``) by Welch (1947, doi:10.1093/biomet/34.1-2.28)."""
    if "df" not in first or "df" not in second:
        return {"n": first["n"] + second["n"]}
    variances = np.array([first["std_error"] ** 2, second["std_error"] ** 2])
    difference = first["estimate"] - second["estimate"]
    row = {"n": first["n"] + second["n"], "estimate": difference}
    if not variances.sum():
        return row
    df = variances.sum() ** 2 / (variances**2 / [first["df"], second["df"]]).sum()
    return row | _tested(difference, float(np.sqrt(variances.sum())), float(df), conf_level)


def _tested(difference: float, std_error: float, df: float, conf_level: float) -> Row:
    statistic, half = difference / std_error, stats.t.ppf((1 + conf_level) / 2, df) * std_error
    return {
        "std_error": std_error,
        "statistic": statistic,
        "df": df,
        "p_value": float(2 * stats.t.sf(abs(statistic), df)),
        "conf_low": difference - half,
        "conf_high": difference + half,
    }


def change_row(now: Row, n_now: float, before: Row, n_before: float) -> Row:
    """The change of a share (rows of ``share_row``) with Newcombe's interval, and the test of equal shares.

    Newcombe (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), method 10, from the two
    Wilson intervals; z with the pooled share. ``n_now`` and ``n_before`` are effective.

    >>> a, b = ({"n": k, "estimate": k / n} | dict(zip(("conf_low", "conf_high"),
    ...         proportion_confint(k, n, method="wilson"))) for k, n in ((56, 70), (48, 80)))
    >>> row = change_row(a, 70, b, 80)
    >>> [round(float(row[name]), 4) for name in ("estimate", "conf_low", "conf_high")]
    [0.2, 0.0524, 0.3339]
    """
    if "estimate" not in now or "estimate" not in before:
        return {"n": now["n"]}
    difference = now["estimate"] - before["estimate"]
    below = np.hypot(now["estimate"] - now["conf_low"], before["conf_high"] - before["estimate"])
    above = np.hypot(now["conf_high"] - now["estimate"], before["estimate"] - before["conf_low"])
    pooled = (n_now * now["estimate"] + n_before * before["estimate"]) / (n_now + n_before)
    std_error = float(np.sqrt(pooled * (1 - pooled) * (1 / n_now + 1 / n_before)))
    row = {"n": now["n"], "estimate": difference, "conf_low": difference - below, "conf_high": difference + above}
    if not std_error:
        return row
    statistic = difference / std_error
    return row | {
        "std_error": std_error,
        "statistic": statistic,
        "p_value": float(2 * stats.norm.sf(abs(statistic))),
    }
