"""What was observed, group by group, as the estimators need it: moments by pattern of missing values, and rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, ModelError
from qa_lib.models.patterns import distinct_patterns, embedded_inverse, moment_information, saturated_moments
from qa_lib.sufficient.moments import Moments
from qa_lib.sufficient.values import check_columns, real_numbers

_BLOCK = 16_384


@dataclass(frozen=True)
class Sample:
    """One group. Everything weighted; weights sum to n, over all groups to the number of respondents.

    mask : (J, p) what each of J patterns observed (one, all True, for complete data); pattern_n : (J,).
    pattern_mean : (J, p) and pattern_cov : (J, p, p), divisor pattern_n, zero where unobserved.
    mean, cov : of the complete data, or of the saturated model under missing values. rows : (n, p) or None.
    pattern_of : (n,) pattern of each row; weights : (n,) or None; clusters : (n,) codes or None.
    """

    label: object
    n: float
    mean: np.ndarray | None
    cov: np.ndarray
    mask: np.ndarray
    pattern_n: np.ndarray
    pattern_mean: np.ndarray
    pattern_cov: np.ndarray
    rows: np.ndarray | None = None
    pattern_of: np.ndarray | None = None
    weights: np.ndarray | None = None
    clusters: np.ndarray | None = None

    @property
    def complete(self) -> bool:
        return bool(self.mask.all())

    @cached_property
    def saturated_information(self) -> np.ndarray:
        """Observed information per respondent of means and covariances at the saturated moments: (q, q)."""
        weight, _ = embedded_inverse(self.cov, self.mask)
        deviation = np.where(self.mask, self.pattern_mean - self.mean, 0.0)
        second = self.pattern_cov + deviation[:, :, None] * deviation[:, None]
        pulled = np.einsum("jab,jb->ja", weight, deviation)
        return moment_information(self.pattern_n / self.n, weight, 2 * weight @ second @ weight - weight, pulled)

    @cached_property
    def saturated_products(self) -> np.ndarray:
        """First-order information per respondent of means and covariances at the saturated moments: (q, q)."""
        weight, _ = embedded_inverse(self.cov, self.mask)
        i, j = np.tril_indices(len(self.cov))
        half = np.where(i == j, 0.5, 1.0)

        def scores(k: int, own: np.ndarray) -> np.ndarray:
            z = np.where(self.mask[k], self.rows[own] - self.mean, 0.0) @ weight[k]
            return np.hstack([z, half * (z[:, i] * z[:, j] - weight[k][i, j])])

        return meat(self, scores)


def rows_of_patterns(sample: Sample) -> Iterator[tuple[int, np.ndarray]]:
    """Patterns and the places of at most ``_BLOCK`` of their rows at a time."""
    order = np.argsort(sample.pattern_of, kind="stable")
    ends = np.cumsum(np.bincount(sample.pattern_of, minlength=len(sample.mask)))
    for k, own in enumerate(np.split(order, ends[:-1])):
        for start in range(0, len(own), _BLOCK):
            yield k, own[start : start + _BLOCK]


def meat(sample: Sample, scores: Callable[[int, np.ndarray], np.ndarray], center: bool = False) -> np.ndarray:
    """Sum of products of scores per respondent, summed within clusters first (White 1980; Liang and Zeger 1986); for C
    clusters times C/(C − 1).

    ``scores`` gives those of some rows (b,) of a pattern, (b, q), without weights: never all of them at once.
    ``center`` takes them, unclustered, about their mean.
    """
    products, totals, total = 0.0, 0.0, 0.0
    for k, own in rows_of_patterns(sample):
        block = scores(k, own)
        if sample.weights is not None:
            block *= sample.weights[own, None]
        if sample.clusters is None:
            products, total = products + block.T @ block, total + block.sum(axis=0)
            continue
        if np.ndim(totals) == 0:
            totals = np.zeros((sample.clusters.max() + 1, block.shape[1]))
        np.add.at(totals, sample.clusters[own], block)
    if sample.clusters is not None:
        products = totals.T @ totals
    elif center:
        products = products - np.outer(total, total) / len(sample.rows)
    return products / sample.n * few_clusters(sample)


def predicted(sample: Sample, deviation: np.ndarray, covariates: Sequence[int]) -> np.ndarray:
    """What the covariates (positions) predict linearly of deviations from the means, (n, p); of themselves all."""
    x = list(covariates)
    return deviation[:, x] @ np.linalg.solve(sample.cov[np.ix_(x, x)], sample.cov[x])


def few_clusters(sample: Sample) -> float:
    if sample.clusters is None:
        return 1.0
    count = sample.clusters.max() + 1
    return count / (count - 1)


class OfSamples:
    """What an objective knows of its ``samples``: respondents in all, and each sample's share of them."""

    __slots__ = ()
    samples: Sequence[Sample]

    @property
    def n(self) -> float:
        return sum(sample.n for sample in self.samples)

    @property
    def shares(self) -> list[float]:
        return [sample.n / self.n for sample in self.samples]


def unbiased(sample: Sample) -> Sample:
    """The sample with divisor n − 1, as least squares estimators use it."""
    factor = sample.n / (sample.n - 1)
    return replace(sample, cov=sample.cov * factor, pattern_cov=sample.pattern_cov * factor)


def sample_from_moments(label: object, n: float, mean: np.ndarray | None, cov: np.ndarray) -> Sample:
    """Sample of known moments; ``cov`` with divisor n."""
    p = len(cov)
    if np.linalg.eigvalsh(cov).min() <= 1e-12 * np.trace(cov):
        raise ModelError(
            f"the sample covariance matrix{'' if label is None else f' of group {label}'} is not positive definite: an "
            "item is constant or a sum of others, or there are fewer respondents than items."
        )
    center = np.zeros(p) if mean is None else mean
    return Sample(label, n, mean, cov, np.ones((1, p), bool), np.array([n]), center[None], cov[None])


def sample_from_rows(
    label: object, rows: np.ndarray, weights: np.ndarray | None, clusters: np.ndarray | None, fiml: bool
) -> Sample:
    """Sample of the respondents' usable rows; under ``fiml`` by missing-data pattern, saturated moments by EM."""
    count = len(rows)
    if count <= rows.shape[1]:
        where = "" if label is None else f" in group {label}"
        raise ModelError(f"{count} usable respondents{where} for {rows.shape[1]} observed variables: more are needed.")
    clusters = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    w = np.ones(count) if weights is None else weights
    mask, pattern_of = (
        distinct_patterns(~np.isnan(rows)) if fiml else (np.ones((1, rows.shape[1]), bool), np.zeros(count, int))
    )
    order = np.argsort(pattern_of, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(pattern_of))[:-1]) if len(mask) > 1 else [slice(None)]
    stats = [_moments(rows[own], w[own], mask[j]) for j, own in enumerate(parts)]
    pattern_n, means, covs = (np.array(part) for part in zip(*stats, strict=True))
    n = float(pattern_n.sum())
    if len(mask) == 1 and mask.all():
        base = sample_from_moments(label, n, means[0], covs[0])
        mean, cov = base.mean, base.cov
    else:
        mean, cov = saturated_moments(mask, pattern_n, means, covs)
    return Sample(label, n, mean, cov, mask, pattern_n, means, covs, rows, pattern_of, weights, clusters)


def _moments(rows: np.ndarray, weights: np.ndarray, mask: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    total = weights.sum()
    filled = np.where(mask, rows, 0.0)
    mean = weights @ filled / total
    centered = np.where(mask, filled - mean, 0.0)
    return total, mean, (weights[:, None] * centered).T @ centered / total


_KINDS_OF_DATA = (
    "data is a {}; a DataFrame, Moments, a covariance DataFrame with nobs, or a mapping of groups to these is needed."
)


def collect(
    data: object,
    variables: Sequence[str],
    nobs: object = None,
    group: str | None = None,
    weights: object = None,
    cluster: str | None = None,
    fiml: bool = False,
    exogenous: Sequence[str] = (),
) -> list[Sample]:
    """Samples, one per group in order of appearance (be the respondent usable or not, as in lavaan), from a DataFrame
    of responses, Moments, a covariance DataFrame with ``nobs``, or a mapping of groups to Moments or covariance
    matrices.

    Under ``fiml`` every respondent who answered anything is kept, but those whose ``exogenous`` covariates are missing:
    the model has no distribution for these. Warns DataWarning of such."""
    if isinstance(data, Mapping) and not isinstance(data, Moments):
        sizes = nobs if isinstance(nobs, Mapping) else dict.fromkeys(data, nobs)
        if unsized := [label for label in data if label not in sizes]:
            raise ModelError(f"nobs has no number for groups {unsized}; it has {list(sizes)}.")
        return [_one_table(part, variables, sizes[label], label) for label, part in data.items()]
    if isinstance(data, Moments) or nobs is not None:
        if group is not None or cluster is not None or weights is not None or fiml:
            raise ModelError(
                "group, weights, cluster and missing='fiml' need the respondents' rows, not their moments."
            )
        return [_one_table(data, variables, nobs, None)]
    if not isinstance(data, pd.DataFrame):
        raise ModelError(_KINDS_OF_DATA.format(type(data).__name__))
    if data.index.equals(data.columns):
        raise ModelError("data is a covariance matrix: pass nobs, the number of respondents it was computed from.")
    extra = [name for name in (group, cluster, weights) if isinstance(name, str)]
    _require(data, [*variables, *extra])
    check_columns(data, *(name for name in (group, cluster) if name is not None), error=ModelError)
    rows = _numeric(data, variables)
    weights = data[weights] if isinstance(weights, str) else weights
    keep = ~np.isnan(rows).all(1) if fiml else ~np.isnan(rows).any(1)
    if fiml and exogenous:
        keep &= _known_covariates(data[list(exogenous)])
    if weights is not None:
        weights = _checked_weights(weights, len(rows))
        keep &= weights > 0
    if cluster is not None:
        keep &= data[cluster].notna().to_numpy()
    labels = None if group is None else data[group]
    if labels is not None:
        keep &= labels.notna().to_numpy()
    if weights is not None:
        weights = weights * keep.sum() / (weights[keep].sum() or 1.0)
    clusters = None if cluster is None else pd.factorize(data[cluster])[0]
    if clusters is not None and len(np.unique(clusters[keep])) < 2:
        raise ModelError(f"column {cluster!r} names fewer than two clusters: errors between clusters need more.")
    named = (
        [None] if labels is None else [label for label in labels.dropna().unique() if (keep & (labels == label)).any()]
    )
    if labels is not None and len(named) < 2:
        raise ModelError(f"column {group!r} names {len(named)} group: at least two are needed.")
    parts = [(label, keep if label is None else keep & (labels == label).to_numpy()) for label in named]
    for label, own in parts:
        _require_variation(label, variables, [_spread(column) for column in rows[own].T])
    return [
        sample_from_rows(
            label,
            rows[own],
            None if weights is None else weights[own],
            None if clusters is None else clusters[own],
            fiml,
        )
        for label, own in parts
    ]


def _spread(answers: np.ndarray) -> float:
    """Range of the answers given; NaN when nobody answered."""
    known = answers[~np.isnan(answers)]
    return float(np.ptp(known)) if len(known) else np.nan


def _require_variation(label: object, variables: Sequence[str], spread: Sequence[float]) -> None:
    if constant := [name for name, width in zip(variables, spread, strict=True) if width == 0]:
        where = "" if label is None else f" in group {label}"
        raise ModelError(
            f"{', '.join(map(str, constant))} never varies{where}: everyone gave the same answer. Leave it out of the "
            "model."
        )


def _known_covariates(covariates: pd.DataFrame) -> np.ndarray:
    known = covariates.notna().all(axis=1).to_numpy()
    if not known.all():
        warnings.warn(
            f"{(~known).sum()} respondents lack a covariate ({', '.join(covariates.columns)}) and are left out: "
            "covariates are given, not modelled. Name a covariate's variance (x ~~ x) to model it.",
            DataWarning,
            stacklevel=5,
        )
    return known


def _checked_weights(weights: object, n: int) -> np.ndarray:
    """Respondents' weights as numbers; a missing weight leaves its respondent out, as a weight of zero does."""
    values = np.nan_to_num(real_numbers(pd.Series(weights, name="weights"), error=ModelError))[:, 0]
    if values.shape != (n,):
        raise ModelError(f"there are {values.size} weights for {n} respondents: one each is needed.")
    if (values < 0).any():
        raise ModelError(f"{int((values < 0).sum())} weights are negative: respondents' weights must not be.")
    return values


def _require(data: pd.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in data.columns]:
        known = ", ".join(map(str, list(data.columns)[:40]))
        raise ModelError(f"the data have no column {', '.join(missing)}. They have: {known}.")
    if twice := [name for name in names if list(data.columns).count(name) > 1]:
        raise ModelError(f"the data have more than one column {', '.join(dict.fromkeys(twice))}: name each only once.")


def _numeric(data: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    table = data[list(variables)]
    coded = [name for name, dtype in table.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    if coded:
        table = table.assign(**{name: table[name].cat.codes.where(table[name].notna()) for name in coded})
    return real_numbers(table, error=ModelError)


def _one_table(data: object, variables: Sequence[str], nobs: float | None, label: object) -> Sample:
    if isinstance(data, Moments):
        if unknown := [name for name in variables if name not in data.items]:
            raise ModelError(f"the moments lack {', '.join(unknown)}. They have: {', '.join(data.items)}.")
        n, mean = float(data.n), data.mean.loc[list(variables)].to_numpy(dtype=float)
        cov = data.cov
    else:
        if nobs is None:
            raise ModelError("a covariance matrix needs nobs, the number of respondents it was computed from.")
        if not isinstance(nobs, Real):
            raise ModelError(f"nobs is {nobs!r}: a number is needed, or a mapping of groups to numbers beside data.")
        n, mean, cov = float(nobs), None, data
    if not isinstance(cov, pd.DataFrame):
        raise ModelError(_KINDS_OF_DATA.format(type(cov).__name__))
    _require(cov, variables)
    matrix = cov.loc[list(variables), list(variables)].to_numpy(dtype=float)
    if not (n > 1 and np.isfinite(n)):
        raise ModelError(f"nobs is {n:g}: the number of respondents, two or more, is needed.")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-8):
        raise ModelError(
            "the covariance matrix has missing values or is not symmetric: give all covariances, both ways."
        )
    _require_variation(label, variables, np.diag(matrix))
    return sample_from_moments(label, n, mean, matrix * (n - 1) / n)
