"""What was observed, group by group, as the estimators need it: moments by pattern of missing values, and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.sufficient.moments import Moments


@dataclass(frozen=True, slots=True)
class Sample:
    """One group. Everything weighted, weights scaled to sum to n.

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
    """Sample of respondents' rows; under ``fiml`` by missing-data pattern with the saturated moments by EM."""
    seen = ~np.isnan(rows)
    keep = seen.any(1) if fiml else seen.all(1)
    if weights is not None:
        keep &= ~np.isnan(weights) & (weights > 0)
    rows, seen = rows[keep], seen[keep]
    n = len(rows)
    if (n <= rows.shape[1] and not fiml) or n < 2:
        where = "" if label is None else f" in group {label}"
        raise ModelError(f"{n} usable respondents{where} for {rows.shape[1]} observed variables: more are needed.")
    weights = None if weights is None else weights[keep] * n / weights[keep].sum()
    clusters = None if clusters is None else np.unique(clusters[keep], return_inverse=True)[1]
    w = np.ones(n) if weights is None else weights
    mask, pattern_of = np.unique(seen, axis=0, return_inverse=True) if fiml else (seen[:1], np.zeros(n, int))
    pattern_of = pattern_of.ravel()
    stats = [_moments(rows[pattern_of == j], w[pattern_of == j], mask[j]) for j in range(len(mask))]
    pattern_n, means, covs = (np.array(part) for part in zip(*stats, strict=True))
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


def saturated_moments(
    mask: np.ndarray, n: np.ndarray, means: np.ndarray, covs: np.ndarray, tolerance: float = 1e-11
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood mean and covariance under ignorable missing values, by EM over patterns.

    Little and Rubin (2002), Statistical Analysis with Missing Data, section 11.2. Raises ModelError when two items
    were never answered together.
    """
    if (mask.T.astype(float) @ mask == 0).any():
        raise ModelError("two items were never answered by the same respondent: their covariance cannot be estimated.")
    total = n.sum()
    answered = n @ mask
    mean = (n[:, None] * means).sum(0) / answered
    spread = np.einsum("j,jp->p", n, np.einsum("jpp->jp", covs) + np.where(mask, (means - mean) ** 2, 0)) / answered
    cov = np.diag(spread)
    eye = np.eye(len(mean))
    for _ in range(10_000):
        precision, _ = embedded_inverse(cov, mask)
        regress = cov @ precision
        residual = cov - regress @ cov
        deviation = np.where(mask, means - mean, 0.0)
        expected = np.einsum("jab,jb->ja", regress, deviation)
        second = regress @ (covs + deviation[:, :, None] * deviation[:, None]) @ regress.transpose(0, 2, 1) + residual
        shift = n @ expected / total
        new_cov = np.einsum("j,jab->ab", n, second) / total - np.outer(shift, shift)
        change = max(np.abs(new_cov - cov).max() / np.abs(cov).max(), np.abs(shift).max() / np.sqrt(cov.max()))
        mean, cov = mean + shift, (new_cov + new_cov.T) / 2
        if change < tolerance:
            return mean, cov
        if np.linalg.eigvalsh(cov).min() <= 0:
            cov = cov + 1e-8 * np.trace(cov) * eye
    raise ModelError("the saturated model did not converge under the missing values: too little information.")


def embedded_inverse(cov: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse (J, p, p) of every pattern's part of ``cov``, zero elsewhere, and its log determinant (J,).

    Raises numpy's LinAlgError when a part is not positive definite.
    """
    both = mask[:, :, None] & mask[:, None]
    masked = np.where(both, cov, np.eye(len(cov)))
    factor = np.linalg.cholesky(masked)
    log_det = 2 * np.log(np.einsum("jpp->jp", factor)).sum(1)
    return np.where(both, np.linalg.inv(masked), 0.0), log_det


def collect(
    data: object,
    variables: Sequence[str],
    nobs: object = None,
    group: str | None = None,
    weights: object = None,
    cluster: str | None = None,
    fiml: bool = False,
) -> list[Sample]:
    """Samples, one per group in order of appearance, from a DataFrame of responses, Moments, a covariance DataFrame
    with ``nobs``, or a mapping of groups to Moments or covariance matrices."""
    if isinstance(data, Mapping) and not isinstance(data, Moments):
        sizes = nobs if isinstance(nobs, Mapping) else dict.fromkeys(data, nobs)
        return [_one_table(part, variables, sizes[label], label) for label, part in data.items()]
    if isinstance(data, Moments) or nobs is not None:
        if group is not None or cluster is not None or weights is not None or fiml:
            raise ModelError(
                "group, weights, cluster and missing='fiml' need the respondents' rows, not their moments."
            )
        return [_one_table(data, variables, nobs, None)]
    if not isinstance(data, pd.DataFrame):
        raise ModelError(
            f"data is a {type(data).__name__}; a DataFrame, Moments, or a covariance DataFrame with nobs is needed."
        )
    extra = [name for name in (group, cluster, weights) if isinstance(name, str)]
    _require(data, [*variables, *extra])
    rows = _numeric(data, variables)
    weights = data[weights] if isinstance(weights, str) else weights
    weights = None if weights is None else np.asarray(weights, dtype=float)
    clusters = None if cluster is None else pd.factorize(data[cluster])[0]
    if group is None:
        return [sample_from_rows(None, rows, weights, clusters, fiml)]
    labels = data[group]
    parts = [(label, (labels == label).to_numpy()) for label in labels.dropna().unique()]
    if len(parts) < 2:
        raise ModelError(f"column {group!r} names {len(parts)} group: at least two are needed.")
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


def _require(data: pd.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in data.columns]:
        known = ", ".join(map(str, list(data.columns)[:40]))
        raise ModelError(f"the data have no column {', '.join(missing)}. They have: {known}.")


def _numeric(data: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    table = data[list(variables)]
    codes = table.apply(lambda column: column.cat.codes.where(column.notna()) if column.dtype == "category" else column)
    try:
        return codes.astype(float).to_numpy()
    except (TypeError, ValueError) as error:
        bad = [name for name in variables if not pd.api.types.is_numeric_dtype(data[name])]
        raise ModelError(f"columns {bad} are not numeric: {error}. Code the answers as numbers first.") from None


def _one_table(data: object, variables: Sequence[str], nobs: float | None, label: object) -> Sample:
    if isinstance(data, Moments):
        if unknown := [name for name in variables if name not in data.items]:
            raise ModelError(f"the moments lack {', '.join(unknown)}. They have: {', '.join(data.items)}.")
        n, mean = float(data.n), data.mean.loc[list(variables)].to_numpy(dtype=float)
        cov = data.cov
    else:
        if nobs is None:
            raise ModelError("a covariance matrix needs nobs, the number of respondents it was computed from.")
        n, mean, cov = float(nobs), None, data
    _require(cov, variables)
    matrix = cov.loc[list(variables), list(variables)].to_numpy(dtype=float)
    return sample_from_moments(label, n, mean, matrix * (n - 1) / n)
