"""What customers answered: CSAT, NPS, effort, gap, means, and the bands practice reads scores by."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.errors import DataWarning, ResponseError
from qa_lib.results import Provenance
from qa_lib.tracking.estimates import (
    Estimates,
    Weights,
    check_range,
    item_matrix,
    mean_estimates,
    mean_table,
    respondent_weights,
    row_means,
    t_quantile,
    warn_unanswered,
    wilson,
)
from qa_lib.tracking.service_index import answered_any, with_combination

BANDS: dict[str, dict[str, float]] = {
    "satisfaction": {"very_satisfied": 90, "satisfied": 70, "neutral": 50, "dissatisfied": 0},
    "service_quality": {"excellent": 9, "good": 7, "adequate": 5, "inadequate": 1},
    "call_monitoring": {"excellent": 90, "good": 85, "needs_improvement": 75, "inadequate": 0},
}
_HIGHEST = {"satisfaction": 100, "service_quality": 10, "call_monitoring": 100}


def outcome_means(
    data: pd.DataFrame, items: Sequence[str], weights: Weights = None, conf_level: float = 0.95
) -> Estimates:
    """Means of outcome items on their own scale, each over its own answers.

    >>> outcome_means(pd.DataFrame({"satisfaction": [4, 5, 3, 4]}), ["satisfaction"]).tidy()["estimate"].item()
    4.0
    """
    means = mean_estimates(item_matrix(data, items), respondent_weights(weights, data))
    warn_unanswered(items, means)
    table = mean_table(items, means, conf_level)
    return _estimates("outcome_means", table, data, "mean", conf_level)


def effort(
    x: ArrayLike, weights: Weights = None, scale: tuple[float, float] = (1, 5), conf_level: float = 0.95
) -> Estimates:
    """Customer effort score: the mean of the effort item (Dixon, Freeman and Toman 2010, HBR 88(7)); term ``ces``.

    >>> effort([1, 2, 2, 3]).tidy()["estimate"].item()
    2.0
    """
    answers = _answers(x, "effort", scale)
    table = mean_table(
        ["ces"], mean_estimates(answers.to_numpy()[:, None], respondent_weights(weights, answers)), conf_level
    )
    return _estimates("effort", table, answers, "mean", conf_level)


def csat(
    x: ArrayLike,
    weights: Weights = None,
    scale: tuple[float, float] = (1, 5),
    top: int = 2,
    conf_level: float = 0.95,
) -> Estimates:
    """The share (0–1) of answers in the ``top`` highest boxes of the scale, with Wilson's interval.

    Under weights the interval uses Kish's effective n. Term ``csat``.

    >>> csat([5, 4, 4, 3, 1]).tidy()[["estimate", "conf_low", "conf_high"]].round(3).to_numpy().tolist()
    [[0.6, 0.231, 0.882]]
    """
    if not 1 <= top <= scale[1] - scale[0]:
        raise ResponseError(f"top is {top}; on the scale {scale[0]} to {scale[1]} it must leave a box out.")
    answers = _answers(x, "csat", scale)
    counts = _answer_counts(answers, respondent_weights(weights, answers))
    share = counts.share(answers > scale[1] - top)
    low, high = wilson(share, counts.n_effective, conf_level)
    error = np.sqrt(share * (1 - share) / counts.n_effective)
    table = pd.DataFrame([_share_row("csat", share, error, low, high, counts)])
    return _estimates("csat", table, answers, f"top {top} boxes, Wilson interval", conf_level)


def nps(x: ArrayLike, weights: Weights = None, conf_level: float = 0.95) -> Estimates:
    """Net promoter score in points (−100 to 100) of answers on 0–10 (Reichheld 2003, HBR 81(12)).

    Promoters answer 9–10, detractors 0–6. The standard error is multinomial, √((p + d − (p − d)²)/n); the interval
    is the adjusted Wald interval with ¾ promoters, ¾ detractors and 1½ passives added, which keeps its level in small
    samples best (Rocks 2016, doi:10.1080/00031305.2016.1182946). Terms: ``nps``; ``promoters``, ``passives``,
    ``detractors`` in percent of the answers, with Wilson's intervals. Under weights n is Kish's effective n.

    >>> nps([10, 9, 9, 8, 7, 6, 0, 10]).tidy()[["term", "estimate"]].to_numpy().tolist()
    [['nps', 25.0], ['promoters', 50.0], ['passives', 25.0], ['detractors', 25.0]]
    """
    answers = _answers(x, "nps", (0, 10))
    counts = _answer_counts(answers, respondent_weights(weights, answers))
    n = counts.n_effective
    shares = {
        "promoters": counts.share(answers >= 9),
        "passives": counts.share((answers > 6) & (answers < 9)),
        "detractors": counts.share(answers <= 6),
    }
    up, down = shares["promoters"], shares["detractors"]
    error = np.sqrt(max(up + down - (up - down) ** 2, 0) / n)  # rounding may leave less than nothing
    rows = [_share_row("nps", up - down, error, *_adjusted_wald(up, down, n, conf_level), counts)]
    for term, share in shares.items():
        error = np.sqrt(max(share * (1 - share), 0) / n)
        rows.append(_share_row(term, share, error, *wilson(share, n, conf_level), counts))
    table = pd.DataFrame(rows)
    table[["estimate", "std_error", "conf_low", "conf_high"]] *= 100
    return _estimates("nps", table, answers, "adjusted Wald interval (Rocks 2016)", conf_level)


def _adjusted_wald(up: float, down: float, n: float, conf_level: float) -> tuple[float, float]:
    """Interval of up − down, both shares of one sample of n; it holds the estimate, which one answer's would not."""
    estimate = up - down
    z = t_quantile(conf_level, np.inf)
    up, down = (up * n + 0.75) / (n + 3), (down * n + 0.75) / (n + 3)
    half = z * np.sqrt((up + down - (up - down) ** 2) / (n + 3))
    low, high = min(up - down - half, estimate), max(up - down + half, estimate)
    return max(low, -1.0), min(high, 1.0)


class _Counts(NamedTuple):
    """Weights of those who answered (0 for the others), their number and effective number."""

    weight: np.ndarray
    n: int
    n_effective: float

    def share(self, chosen: pd.Series) -> float:
        return float(self.weight @ chosen.to_numpy() / self.weight.sum()) if self.n else np.nan


def _answers(x: ArrayLike, what: str, scale: tuple[float, float]) -> pd.Series:
    if np.ndim(x) != 1:
        raise ResponseError(
            f"{what}: the answers have {np.ndim(x)} dimensions; one column, or list, of them is needed."
        )
    frame = pd.DataFrame({what: x})
    check_range(item_matrix(frame, [what]), [what], scale)
    return frame[what].astype(float)


def _answer_counts(answers: pd.Series, w: np.ndarray) -> _Counts:
    weight = np.where(answers.notna(), w, 0.0)
    n = int((weight > 0).sum())
    if not n:
        warnings.warn(f"nobody answered {answers.name}: no estimate.", DataWarning, stacklevel=3)
    return _Counts(weight, n, float(weight.sum() ** 2 / (weight @ weight)) if n else np.nan)


def _share_row(term: str, estimate: float, error: float, low: float, high: float, counts: _Counts) -> dict:
    return {
        "term": term,
        "estimate": estimate,
        "std_error": error,
        "conf_low": low,
        "conf_high": high,
        "n": counts.n,
        "n_effective": counts.n_effective,
    }


def gap(
    data: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    dimensions: Mapping[str, Sequence[str]] | None = None,
    weights: Weights = None,
    conf_level: float = 0.95,
) -> Estimates:
    """SERVQUAL gap experienced − expected of every (expectation, experienced) pair, paired within respondents.

    ``tidy()``: a row per pair (``item`` and ``term`` are the experienced item), then, with ``dimensions`` (of
    experienced items), a row per dimension (a respondent's mean over the pairs answered) and ``gap``, the mean of
    the dimensions; ``expected`` and ``experienced`` are the means of those who answered both. ``p_value`` tests a
    gap of zero by the paired t test (Parasuraman, Zeithaml and Berry 1988 define the gap).

    >>> data = pd.DataFrame({"XR1": [5, 5, 4, 5], "R1": [4, 5, 3, 4]})
    >>> gap(data, [("XR1", "R1")]).tidy()["estimate"].item()
    -0.75
    """
    if not pairs:
        raise ResponseError("no pairs were given; pass for instance [('XR1', 'R1')].")
    expected = item_matrix(data, [pair[0] for pair in pairs])
    experienced = item_matrix(data, items := [pair[1] for pair in pairs])
    both = np.isnan(expected + experienced)
    expected, experienced = np.where(both, np.nan, expected), np.where(both, np.nan, experienced)
    w = respondent_weights(weights, data)
    table = _gap_rows(items, expected, experienced, w, conf_level)
    table.insert(1, "item", items)
    if dimensions:
        table = pd.concat([table, _gap_dimensions(items, dimensions, expected, experienced, w, conf_level)])
        table["item"] = table["item"].where(table["item"].notna(), None)
    return _estimates("gap", table.reset_index(drop=True), data, "experienced − expected, paired", conf_level)


def _gap_rows(terms, expected, experienced, w, conf_level) -> pd.DataFrame:
    means = mean_estimates(experienced - expected, w)
    warn_unanswered(terms, means)
    table = _with_levels(mean_table(terms, means, conf_level), expected, experienced, w)
    return _with_test(table)


def _gap_dimensions(items, dimensions, expected, experienced, w, conf_level) -> pd.DataFrame:
    places = {name: [items.index(item) for item in members if item in items] for name, members in dimensions.items()}
    places = {name: columns for name, columns in places.items() if columns}
    if not places:
        raise ResponseError("no pair has its experienced item in one of the dimensions.")
    expected, experienced = (
        np.column_stack([row_means(y[:, columns]) for columns in places.values()]) for y in (expected, experienced)
    )
    scores = pd.DataFrame(experienced - expected, columns=list(places))
    share = np.full(len(places), 1 / len(places))
    means = with_combination(mean_estimates(scores.to_numpy(), w), share, answered_any(scores, w))
    table = mean_table([*places, "gap"], means, conf_level)
    levels = _with_levels(table.iloc[:-1], expected, experienced, w)
    table["expected"] = [*levels["expected"], levels["expected"].mean()]
    table["experienced"] = [*levels["experienced"], levels["experienced"].mean()]
    table["dimension"] = [*places, None]
    return _with_test(table)


def _with_levels(table: pd.DataFrame, expected: np.ndarray, experienced: np.ndarray, w: np.ndarray) -> pd.DataFrame:
    return table.assign(
        expected=mean_estimates(expected, w).mean,
        experienced=mean_estimates(experienced, w).mean,
    )


def _with_test(table: pd.DataFrame) -> pd.DataFrame:
    statistic = table["estimate"] / table["std_error"].where(table["std_error"] > 0)
    table.insert(table.columns.get_loc("std_error") + 1, "statistic", statistic)
    table.insert(table.columns.get_loc("statistic") + 1, "p_value", 2 * stats.t.sf(statistic.abs(), table["df"]))
    return table


def _estimates(function: str, table: pd.DataFrame, data, method: str, conf_level: float) -> Estimates:
    return Estimates(
        table,
        n=int(table["n"].max()),
        n_effective=float(table["n_effective"].max()),
        method=method,
        conf_level=conf_level,
        provenance=Provenance(function, len(data), {"conf_level": conf_level}),
    )


def band(score: float | ArrayLike, scheme: str | Mapping[str, float] = "satisfaction") -> str | pd.Series | None:
    """The band whose lower edge a score has reached; 89.5 on 0–100 is ``satisfied``.

    ``scheme`` names one of ``BANDS`` or maps band keys to lower edges (letter grades, say). A single score gives
    its key, several give a Series of keys; a missing score has no band (None). Raises ``ResponseError`` for an
    unknown scheme or a score outside the scheme's scale.

    >>> band(89.5), band(8, "service_quality"), band(74, {"A": 80, "B": 60, "C": 0})
    ('satisfied', 'good', 'B')
    """
    if isinstance(scheme, str) and scheme not in BANDS:
        raise ResponseError(f"band: no scheme is called {scheme!r}. Known: {', '.join(BANDS)}.")
    edges = BANDS[scheme] if isinstance(scheme, str) else scheme
    highest = _HIGHEST[scheme] if isinstance(scheme, str) else np.inf
    ordered = sorted(edges.items(), key=lambda entry: entry[1])
    try:
        scores = np.asarray(score, dtype=float)
    except (TypeError, ValueError):
        raise ResponseError(f"band: {score!r} is no number.") from None
    if ((scores < ordered[0][1]) | (scores > highest)).any():
        raise ResponseError(f"band: a score lies outside {ordered[0][1]:g} to {highest:g}, the scale of {scheme!r}.")
    place = np.searchsorted([edge for _, edge in ordered], scores, side="right") - 1
    keys = np.where(np.isnan(scores), None, np.array([key for key, _ in ordered], dtype=object)[place])
    if scores.ndim == 0:
        return keys.item()
    return pd.Series(keys, index=score.index if isinstance(score, pd.Series) else None, dtype=object)
