"""The RATER index on 0–100 and its dimensions, from respondents or from sums of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance
from qa_lib.tracking.estimates import (
    Estimates,
    MeanEstimates,
    MeanSums,
    Weights,
    check_range,
    item_matrix,
    mean_estimates,
    mean_table,
    respondent_weights,
    row_means,
    warn_unanswered,
)

IndexMapping = Literal["minmax", "ratio"]


def rater_index(
    data: pd.DataFrame,
    dimensions: Mapping[str, Sequence[str]],
    dimension_weights: Mapping[str, float] | None = None,
    weights: Weights = None,
    scale: tuple[float, float] = (1, 5),
    mapping: IndexMapping = "minmax",
    conf_level: float = 0.95,
) -> Estimates:
    """The RATER index and its dimensions on 0–100.

    A respondent's score on a dimension is the mean of its items that were answered; a dimension's value is the mean
    of these scores over all who answered at least one of its items, mapped to 100·(x − min)/(max − min) or, with
    ``mapping="ratio"``, 100·x/max. The index is the mean of the dimensions, with ``dimension_weights`` (any positive
    numbers, scaled to sum to one) where given. Its variance a'Ca uses the covariance C between the dimensions'
    means, because the same respondents answered all of them. Intervals are Student's on effective n − 1 degrees of
    freedom (Kish 1965), ended at the scale's bounds.

    ``tidy()``: a row per dimension, then ``rater_index``; ``mean`` is the value on the answer scale.
    A dimension nobody answered is NaN, and so is the index (``DataWarning``).
    Raises ``ResponseError`` for absent columns, answers outside ``scale``, wrong weights.

    >>> data = pd.DataFrame({"R1": [4, 5, 3, 4], "R2": [4, 4, 3, 5], "T1": [2, 3, 3, 4]})
    >>> rater_index(data, {"reliability": ["R1", "R2"], "tangibles": ["T1"]}).tidy()[["term", "estimate"]]
              term  estimate
    0  reliability      75.0
    1    tangibles      50.0
    2  rater_index      62.5
    """
    scores = dimension_scores(data, dimensions, scale)
    w = respondent_weights(weights, data)
    sums = (mean_estimates(scores.to_numpy(), w), answered_any(scores, w))
    return _index(list(dimensions), *sums, len(data), dimension_weights, scale, mapping, conf_level)


def index_of_sums(
    sums: MeanSums,
    dimensions: Sequence[str],
    scale: tuple[float, float] = (1, 5),
    mapping: IndexMapping = "minmax",
    conf_level: float = 0.95,
) -> Estimates:
    """As :func:`rater_index`, from the sums of the respondents' dimension scores; dimensions in the sums' order.

    >>> sums = MeanSums.of(np.array([[4., 2.], [4.5, 3.], [3., 3.], [4.5, 4.]]), np.ones(4))
    >>> index_of_sums(sums, ["reliability", "tangibles"]).tidy()["estimate"].tolist()
    [75.0, 50.0, 62.5]
    """
    return _index(list(dimensions), sums.estimates(), sums.n_answered, sums.n_rows, None, scale, mapping, conf_level)


def _index(
    dimensions: list[str],
    means: MeanEstimates,
    n_answered: int,
    n_rows: int,
    dimension_weights: Mapping[str, float] | None,
    scale: tuple[float, float],
    mapping: IndexMapping,
    conf_level: float,
) -> Estimates:
    share = _dimension_shares(dict.fromkeys(dimensions), dimension_weights)
    warn_unanswered(dimensions, means)
    offset, factor = _to_100(scale, mapping)
    table = mean_table([*dimensions, "rater_index"], with_combination(means, share, n_answered), conf_level)
    table.insert(2, "mean", table["estimate"])
    low, high = (factor * (bound - offset) for bound in scale)
    for column in ("estimate", "conf_low", "conf_high"):
        table[column] = (factor * (table[column] - offset)).clip(low, high)
    table["std_error"] *= factor
    return Estimates(
        table,
        n=int(table["n"].iloc[-1]),
        n_effective=float(table["n_effective"].iloc[-1]),
        method=f"index 0–100, mapping {mapping}, mean of answered items",
        conf_level=conf_level,
        provenance=Provenance(
            "rater_index",
            n_rows,
            {"scale": scale, "mapping": mapping, "dimension_weights": dict(zip(dimensions, share, strict=True))},
        ),
    )


def dimension_scores(
    data: pd.DataFrame, dimensions: Mapping[str, Sequence[str]], scale: tuple[float, float] = (1, 5)
) -> pd.DataFrame:
    """Each respondent's mean over the answered items of every dimension, on the answer scale (n, dimensions)."""
    if not dimensions:
        raise ResponseError("no dimensions were given; pass for instance {'reliability': ['R1', 'R2']}.")
    columns = {}
    for dimension, items in dimensions.items():
        y = item_matrix(data, items)
        check_range(y, items, scale)
        columns[dimension] = row_means(y)
    return pd.DataFrame(columns, index=data.index)


def _dimension_shares(dimensions: Mapping[str, object], given: Mapping[str, float] | None) -> np.ndarray:
    if given is None:
        return np.full(len(dimensions), 1 / len(dimensions))
    if set(given) != set(dimensions):
        raise ResponseError(
            f"dimension_weights name {sorted(given)}, the dimensions are {sorted(dimensions)}; name each once."
        )
    share = np.array([given[dimension] for dimension in dimensions], dtype=float)
    if not (np.isfinite(share).all() and (share >= 0).all() and share.sum() > 0):
        raise ResponseError(f"dimension_weights {dict(given)}: each must be zero or more, and one of them positive.")
    return share / share.sum()


def _to_100(scale: tuple[float, float], mapping: IndexMapping) -> tuple[float, float]:
    low, high = scale
    if mapping == "minmax":
        return low, 100 / (high - low)
    if mapping == "ratio":
        return 0.0, 100 / high
    raise ResponseError(f"mapping is {mapping!r}; known are 'minmax' and 'ratio'.")


def answered_any(scores: pd.DataFrame, w: np.ndarray) -> int:
    return int((scores.notna().to_numpy().any(axis=1) & (w > 0)).sum())


def with_combination(means: MeanEstimates, share: np.ndarray, n_answered: int) -> MeanEstimates:
    """The dimensions' means and, last, their weighted mean; its effective n is the least of its dimensions'."""
    with_index = (means.cov @ share)[:, None]
    return MeanEstimates(
        np.append(means.mean, means.mean @ share),
        np.block([[means.cov, with_index], [with_index.T, share @ means.cov @ share]]),
        np.append(means.n, n_answered),
        np.append(means.n_effective, means.n_effective[share > 0].min()),
    )
