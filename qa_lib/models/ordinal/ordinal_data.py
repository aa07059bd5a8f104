"""From respondents' rows to the statistics that models of ordinal items are fitted to, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.models.observed import Sample, collect
from qa_lib.models.ordinal.ordinal import OrdinalStatistics
from qa_lib.sufficient.conditional import conditional_moments
from qa_lib.sufficient.ordinal import ordinal_moments


@dataclass(frozen=True, slots=True)
class Variables:
    """Observed variables of a model in its order, which of them are ordinal, and which are covariates."""

    names: Sequence[str]
    ordered: Sequence[str]
    covariates: Sequence[str]

    def __post_init__(self) -> None:
        if unknown := [name for name in self.ordered if name not in self.names]:
            raise ModelError(f"ordered names {', '.join(unknown)}, which the model does not observe.")
        if both := [name for name in self.ordered if name in self.covariates]:
            raise ModelError(
                f"ordered names {', '.join(both)}, covariates of the model: their distribution is not modelled. Leave "
                "them out of ordered; give a covariate with more than two categories as dummy variables."
            )
        if not self.ordered:
            raise ModelError("no variable is ordinal: name some in ordered, or use an estimator for continuous ones.")


def collect_ordinal(
    data: object, variables: Variables, group: str | None, weights: object, unweighted: bool
) -> tuple[list[Sample], list[OrdinalStatistics], dict[str, int]]:
    """Samples, statistics and number of thresholds per ordinal item, from respondents' complete rows.

    ``unweighted`` : every statistic counts alike (ULSMV), instead of by its precision (WLSMV).
    """
    if not isinstance(data, pd.DataFrame):
        raise ModelError("ordinal estimators need the respondents' rows: data must be a DataFrame.")
    found = collect(data, variables.names, group=group, weights=weights)
    _check_categories(found, variables)
    parts = [_of_group(sample, variables, unweighted) for sample in found]
    samples, statistics = (list(part) for part in zip(*parts, strict=True))
    return samples, statistics, {item: len(levels) - 1 for item, levels in statistics[0].levels.items()}


def _check_categories(samples: Sequence[Sample], variables: Variables) -> None:
    """Every group must use the same answers, at least two of them."""
    for item in variables.ordered:
        place = list(variables.names).index(item)
        used = [np.unique(sample.rows[:, place]) for sample in samples]
        known = np.unique(np.concatenate(used))
        for sample, own in zip(samples, used, strict=True):
            if len(lacking := np.setdiff1d(known, own)):
                raise ModelError(
                    f"item {item}: nobody in group {sample.label} chose {lacking.tolist()}, others did. Ordinal models "
                    "need the same categories in every group: merge rare ones in all groups, or leave the item out."
                )


def _of_group(raw: Sample, variables: Variables, unweighted: bool) -> tuple[Sample, OrdinalStatistics]:
    """The group's sample with moments of the latent responses, and its statistics.

    Weighted, its size is the sum of its weights, and gamma is that times the covariance of the statistics.
    """
    table = pd.DataFrame(raw.rows, columns=list(variables.names))
    if variables.covariates:
        found = conditional_moments(table, variables.ordered, variables.covariates, raw.weights)
    else:
        found = ordinal_moments(table, variables.ordered, raw.weights)
    gamma = found.acov.to_numpy() * raw.n / len(raw.rows)
    values = found.statistics()
    weight = np.ones(len(values)) if unweighted else 1 / np.diag(gamma)
    cov, mean = found.cov.to_numpy(), found.mean.reindex(variables.names, fill_value=0.0).to_numpy()
    sample = replace(raw, mean=mean, cov=cov, pattern_mean=mean[None], pattern_cov=cov[None])
    levels = {item: np.unique(table[item]) for item in variables.ordered}
    return sample, OrdinalStatistics(values, gamma, weight, levels)
