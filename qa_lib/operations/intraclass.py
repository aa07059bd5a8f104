"""Intraclass correlations of monitors from mean squares, missing ratings allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

from qa_lib.operations.coefficients import divided


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
    df_contacts: int
    df_monitors: int
    df_error: int


def mean_squares(scores: np.ndarray) -> MeanSquares:
    """From scores (contacts × monitors, NaN missing); with complete scores those of the balanced ANOVA.

    Monitors who share no contact with the others, even by way of third ones, form blocks of their own; every block
    beyond the first costs the contacts and the monitors one degree of freedom each.
    """
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
    blocks = monitors - int(np.linalg.matrix_rank(normal))
    df_contacts, df_monitors, df_error = n - blocks, monitors - blocks, total - n - monitors + blocks
    return MeanSquares(
        between=ss_between / (n - 1),
        within=ss_within / (total - n),
        contacts=ss_contacts / df_contacts if df_contacts > 0 else np.nan,
        monitors=ss_monitors / df_monitors if df_monitors > 0 else np.nan,
        error=max(ss_error, 0.0) / df_error if df_error > 0 else np.nan,
        n=n,
        k0=(total - (per_contact**2).sum() / total) / (n - 1),
        k=(total - monitors) / max(df_contacts, 1),
        m=(total - n) / max(df_monitors, 1),
        df_within=total - n,
        df_contacts=df_contacts,
        df_monitors=df_monitors,
        df_error=df_error,
    )


def step_up(icc: float, k: float) -> float:
    """Of the mean of k monitors (Spearman–Brown); NaN from −1/(k − 1) down, where the formula has its pole."""
    whole = 1 + (k - 1) * icc
    return float(divided(k * icc, whole)) if whole > 0 else np.nan


def icc_consistency(high_ms, low_ms, k, df1, df2, conf_level) -> tuple[float, float, float]:
    """ICC(1) and ICC(3,1): estimate and F interval (McGraw and Wong 1996, tables 4 and 7)."""
    if not low_ms > 0:
        return (1.0 if high_ms > 0 and low_ms == 0 else np.nan), np.nan, np.nan
    ratio, tail = high_ms / low_ms, (1 + conf_level) / 2
    low = ratio / f_distribution.ppf(tail, df1, df2)
    high = ratio * f_distribution.ppf(tail, df2, df1)
    return tuple((value - 1) / (value + k - 1) for value in (ratio, low, high))


def icc_absolute(ms: MeanSquares, conf_level: float) -> tuple[float, float, float]:
    """ICC(2,1): monitors a sample of all monitors, with Satterthwaite's degrees of freedom (ibid., table 7)."""
    if not ms.error > 0 or not ms.df_monitors > 0:
        same = ms.error == 0 and ms.monitors == 0 and ms.contacts > 0
        return (1.0 if same else np.nan), np.nan, np.nan
    n, k, scale = ms.m, ms.k, ms.m * ms.k - ms.m - ms.k
    icc = (ms.contacts - ms.error) / (ms.contacts + (k - 1) * ms.error + k * (ms.monitors - ms.error) / n)
    ratio = ms.monitors / ms.error
    rest = n * (1 + (k - 1) * icc) - k * icc
    df = ms.df_error * (k * icc * ratio + rest) ** 2 / ((n - 1) * (k * icc * ratio) ** 2 + rest**2)
    tail = (1 + conf_level) / 2
    upper, lower = f_distribution.ppf(tail, ms.df_contacts, df), f_distribution.ppf(tail, df, ms.df_contacts)
    low = n * (ms.contacts - upper * ms.error) / (upper * (k * ms.monitors + scale * ms.error) + n * ms.contacts)
    high = n * (lower * ms.contacts - ms.error) / (k * ms.monitors + scale * ms.error + n * lower * ms.contacts)
    return icc, low, high
