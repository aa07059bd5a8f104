"""Calibration of monitors: agreement per item, who is severe, who drifts, who must be retrained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import linregress
from scipy.stats import t as t_distribution

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.operations.agreement import Agreement, agreement
from qa_lib.operations.kpi.kpi_estimates import alike_by_chance
from qa_lib.operations.scorecards import Scorecards, score_contacts
from qa_lib.results import Provenance, Result
from qa_lib.study.dates import parse_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUARTER = pd.DateOffset(months=3)  # all monitors are calibrated at least quarterly


@dataclass(frozen=True, slots=True)
class Calibration(Result):
    """``overall``: agreement on the total score; ``items``: Krippendorff's alpha, AC2 and percent per item;
    ``monitors``: severity and drift per monitor with interval and verdict."""

    overall: Agreement
    items: pd.DataFrame
    monitors: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.monitors.copy()

    def glance(self) -> pd.DataFrame:
        return self.overall.glance().assign(retrain=int((self.monitors["verdict"] == "retrain").sum()))

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Severity of every monitor with its interval, and the tolerance as a band."""
        from qa_lib.operations.pictures import monitors

        return monitors(self.monitors, self.provenance.settings["tolerance"], ax, labels)


def calibrate(
    scored: Scorecards,
    contact: str = "contact_id",
    monitor: str = "monitor",
    date: str = "date",
    tolerance: float = 5.0,
    conf_level: float = 0.95,
) -> Calibration:
    """Hold monitors against each other on the contacts that two or more of them scored.

    ``monitors`` (0–100 points): ``estimate`` is the severity, the mean difference from the mean of the others on the
    same contacts (negative: severe), with t interval (none where the differences of a few contacts are all alike).
    Monitors found to need retraining, the furthest off first, are no measure for the rest, who are held against each
    other; of two alone, neither can be told to be right.
    ``drift`` is the change of that difference in 30 days, by least squares, with interval.

    ``verdict``: ``retrain`` when the severity interval lies wholly beyond ± ``tolerance``, or the drift interval
    excludes zero and carries the monitor beyond the tolerance within 90 days; ``certified`` when the severity interval
    lies within; else ``more_contacts``.

    Raises ResponseError when fewer than two contacts were scored twice.
    """
    table = scored.contacts
    if absent := [column for column in (contact, monitor, date) if column not in table]:
        raise ResponseError(f"calibrate: the records have no column {absent[0]!r}.")
    totals = table.pivot_table(index=contact, columns=monitor, values="score", sort=False)
    totals = totals[totals.notna().sum(axis=1) >= 2]
    if len(totals) < 2:
        raise ResponseError(f"calibrate: {len(totals)} contacts were scored by two monitors; at least 2 are needed.")
    days = parse_dates(table.drop_duplicates(contact).set_index(contact)[date]).reindex(totals.index)
    rows = _monitors(totals, days, tolerance, conf_level)
    items = pd.DataFrame(
        [_item(scored, item, contact, monitor, totals.index, conf_level) for item in scored.item_scores]
    )
    settings = {"tolerance": tolerance, "conf_level": conf_level}
    overall = agreement(totals, level="interval", conf_level=conf_level)
    return Calibration(overall, items, pd.DataFrame(rows), Provenance("calibrate", len(totals), settings))


def retraining(
    study: str | Path, records: pd.DataFrame | None, before: str | pd.Timestamp, roster: pd.DataFrame | None = None
) -> list[str]:
    """Monitors who may not score from the day ``before`` on: the quarter's calibration up to it says retrain.

    ``records`` of the study folder's monitoring, scored by its ``monitoring/scorecard.yaml``. A monitor whom the roster
    gives a day of renewed certification (``certified_on``) is held to the contacts scored since. Empty without records
    or rubric, or when fewer than two contacts were scored by several monitors.
    """
    rubric = Path(study) / "monitoring" / "scorecard.yaml"
    if records is None or not rubric.is_file() or not {"contact_id", "monitor", "date"} <= set(records):
        return []
    when, day = parse_dates(records["date"]), pd.Timestamp(before)
    recent = (when >= day - QUARTER) & (when < day)
    if roster is not None and "certified_on" in roster:
        renewed = parse_dates(roster.set_index("agent")["certified_on"])
        recent &= ~(when < records["monitor"].map(renewed))
    found = records[recent].reset_index(drop=True)
    if len(twice_scored(found)) < 2:
        return []
    monitors = calibrate(score_contacts(found, rubric)).monitors
    return monitors.loc[monitors["verdict"] == "retrain", "term"].tolist()


def twice_scored(records: pd.DataFrame) -> pd.Index:
    """Contacts that several monitors scored."""
    monitors = records.groupby("contact_id")["monitor"].nunique()
    return monitors.index[monitors >= 2]


def _monitors(totals: pd.DataFrame, days: pd.Series, tolerance: float, conf_level: float) -> list[dict]:
    """A row per monitor, held against those who are not off themselves."""
    trusted = list(totals)
    while True:
        sums, counts = totals[trusted].sum(axis=1), totals[trusted].notna().sum(axis=1)
        rows = []
        for name in totals:
            own = name in trusted
            others = (sums - totals[name].fillna(0) * own) / (counts - totals[name].notna() * own).replace(0, np.nan)
            rows.append(_monitor(name, (totals[name] - others).dropna(), days, tolerance, conf_level))
        off = [row for row in rows if row["verdict"] == "retrain" and row["term"] in trusted]
        if len(trusted) <= 2 or not off:
            return rows
        trusted.remove(max(off, key=lambda row: abs(row["estimate"]))["term"])


def _monitor(name: str, gap: pd.Series, days: pd.Series, tolerance: float, conf_level: float) -> dict:
    n, mean = len(gap), gap.mean()
    half = t_distribution.ppf((1 + conf_level) / 2, n - 1) * gap.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    if n and np.ptp(gap) == 0 and alike_by_chance(n, conf_level):
        half = np.nan
    low, high = mean - half, mean + half
    drift = drift_low = drift_high = np.nan
    month = (days[gap.index] - days.min()).dt.total_seconds().to_numpy() / (30 * 86400)
    if n > 3 and np.ptp(month) > 0:
        line = linregress(month, gap.to_numpy())
        reach = t_distribution.ppf((1 + conf_level) / 2, n - 2) * line.stderr
        drift, drift_low, drift_high = line.slope, line.slope - reach, line.slope + reach
    severe = low > tolerance or high < -tolerance
    drifting = (drift_low > 0 or drift_high < 0) and abs(3 * drift) > tolerance
    sure = low >= -tolerance and high <= tolerance
    verdict = "retrain" if severe or drifting else "certified" if sure else "more_contacts"
    return {
        "term": name, "n": n, "estimate": mean, "conf_low": low, "conf_high": high, "drift": drift,
        "drift_low": drift_low, "drift_high": drift_high, "verdict": verdict,
    }  # fmt: skip


def _item(scored: Scorecards, item: str, contact: str, monitor: str, contacts: pd.Index, conf_level: float) -> dict:
    long = scored.contacts[[contact, monitor]].assign(points=scored.item_scores[item].to_numpy())
    wide = long.pivot_table(index=contact, columns=monitor, values="points").reindex(contacts)
    found = {"item": item}
    if (wide.notna().sum(axis=1) >= 2).sum() < 2:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # an item that never varies shows as NaN in its row
        terms = agreement(wide, "ordinal", conf_level, n_boot=300).tidy().set_index("term")
    for term in ("percent", "gwet_ac2", "krippendorff_alpha"):
        found |= {term: terms.loc[term, "estimate"], f"{term}_low": terms.loc[term, "conf_low"]}
        found |= {f"{term}_high": terms.loc[term, "conf_high"]}
    return found
