"""Convergent and discriminant validity: do items measure their dimension, and is it told from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.errors import ModelError, ResponseError
from qa_lib.models.after.standardize import row_values
from qa_lib.models.constraints import complex_jacobian
from qa_lib.models.fit import cfa
from qa_lib.models.parameters import ParameterTable
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.resample import bootstrap_moments
from qa_lib.sufficient.values import check_columns, real_numbers
from qa_lib.trust.common_method import marker_check, one_factor_check


def composite_reliability(loadings: np.ndarray, error_cov: np.ndarray) -> np.number:
    """(Σλ)² / ((Σλ)² + Σθ), loadings (p,) on a factor of variance one (Fornell and Larcker 1981, eq. 10).

    >>> round(float(composite_reliability(np.array([.7, .8, .6]), np.diag([.51, .36, .64]))), 4)
    0.7449
    """
    true = np.sum(loadings) ** 2
    return true / (true + np.sum(error_cov))


def average_variance_extracted(loadings: np.ndarray, error_variances: np.ndarray) -> np.number:
    """Σλ² / (Σλ² + Σθ_ii), loadings (p,) on a factor of variance one (Fornell and Larcker 1981, eq. 11).

    >>> round(float(average_variance_extracted(np.array([.7, .8, .6]), np.array([.51, .36, .64]))), 4)
    0.4967
    """
    explained = np.sum(loadings**2)
    return explained / (explained + np.sum(error_variances))


def htmt(r: np.ndarray, groups: Sequence[Sequence[int]], geometric: bool = False) -> np.ndarray:
    """Heterotrait-monotrait ratios (…, d, d) of correlation matrices (…, p, p); items of each dimension by position.

    Mean absolute correlation between the items of two dimensions over the geometric mean of those within (Henseler,
    Ringle and Sarstedt 2015, doi:10.1007/s11747-014-0403-8); ``geometric``: geometric instead of arithmetic means,
    HTMT2 (Roemer, Schuberth and Henseler 2021, doi:10.1108/IMDS-02-2021-0082). NaN for dimensions of one item.
    """
    size = np.abs(r)
    with np.errstate(divide="ignore"):
        scale = np.log(size) if geometric else size
    d = len(groups)
    between = np.full((*r.shape[:-2], d, d), np.nan)
    for a, items in enumerate(groups):
        rows, columns = np.triu_indices(len(items), 1)
        chosen = np.asarray(items)
        if len(items) > 1:
            between[..., a, a] = scale[..., chosen[rows], chosen[columns]].mean(axis=-1)
        for b in range(a):
            mean = scale[..., chosen[:, None], np.asarray(groups[b])].mean(axis=(-2, -1))
            between[..., a, b] = between[..., b, a] = mean
    if geometric:
        between = np.exp(between)
    within = np.sqrt(np.diagonal(between, axis1=-2, axis2=-1))
    both = within[..., :, None] * within[..., None, :]
    return between / np.where(both > 0, both, np.nan)


@dataclass(frozen=True, slots=True)
class Validity(Result):
    """Convergent and discriminant validity of d dimensions.

    reliability : a row per dimension and term (cr, ave). htmt, htmt2, latent_correlations : (d × d).
    htmt_intervals : a row per pair: term, lhs, rhs, estimate, conf_low, conf_high (bootstrap percentiles).
    fornell_larcker : (d × d), root of AVE on the diagonal, latent correlations off it.
    common_method : share of the first principal component, fit of one factor for all items, and of the model.
    outside : correlations of the dimensions' mean scores with a criterion, and with one another adjusted for a marker.
    """

    reliability: pd.DataFrame
    htmt: pd.DataFrame
    htmt2: pd.DataFrame
    htmt_intervals: pd.DataFrame
    fornell_larcker: pd.DataFrame
    latent_correlations: pd.DataFrame
    common_method: pd.DataFrame
    outside: pd.DataFrame
    fit: ModelFit
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """CR and AVE by dimension, HTMT and HTMT2 by pair (columns lhs, rhs), criterion and marker_adjusted rows."""
        parts = [self.reliability, self.htmt_intervals, self.outside]
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    def glance(self) -> pd.DataFrame:
        """One row: n, discriminant (no latent correlation reaches the root of an AVE), common-method checks."""
        row = {"n": self.fit.n, "method": self.fit.estimator, "converged": self.fit.converged}
        row |= {"admissible": self.fit.admissible, "discriminant": self.discriminant}
        return pd.concat([pd.DataFrame([row]), self.common_method], axis=1)

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Heat map of HTMT; returns the Axes. labels : words to show for dimensions."""
        from qa_lib.trust.pictures import heat_map

        return heat_map(self.htmt, ax, labels)

    @property
    def discriminant(self) -> bool:
        """Fornell and Larcker's criterion: every root of AVE exceeds the latent correlations of its dimension."""
        table = self.fornell_larcker.abs().to_numpy()
        off = table - np.diag(np.diag(table))
        return bool((np.diag(table) > off.max(axis=1)).all())


def validity(
    fit_or_data: Any,
    dimensions: Mapping[str, Sequence[str]] | None = None,
    criterion: str | None = None,
    marker: str | None = None,
    weights: Any = None,
    n_boot: int = 1000,
    seed: int = 1,
    conf_level: float = 0.95,
) -> Validity:
    """Composite reliability, AVE, Fornell-Larcker, HTMT, HTMT2, latent correlations and common-method checks.

    fit_or_data : a fitted single-group CFA, or data (DataFrame; Moments and covariances give no bootstrap) with
    ``dimensions``, items by dimension. CR and AVE carry delta-method intervals. HTMT's bootstrap draws respondents with
    their weights; ``n_boot=0`` leaves its intervals out.
    criterion : a column of the data that the dimensions should go with; their scores' correlations with it.
    marker : a column unrelated to the dimensions by theory; the scores' correlations adjusted for it (Lindell and
        Whitney 2001). weights : respondents' weights, when data are given.
    CR is semTools' compRelSEM(obs.var=FALSE), AVE semTools' AVE (ratio of sums, not mean of standardised squares).

    Raises ModelError for fits of several groups or without factors; ResponseError for a criterion or marker that the
    data do not hold.

    >>> rng = np.random.default_rng(1)
    >>> f = rng.multivariate_normal([0, 0], [[1, .4], [.4, 1]], 300)
    >>> x = np.repeat(f, 3, axis=1) + rng.normal(size=(300, 6))
    >>> found = validity(pd.DataFrame(x, columns=list("abcdef")), {"R": list("abc"), "T": list("def")}, n_boot=50)
    >>> found.tidy()["term"].unique().tolist()
    ['cr', 'ave', 'htmt', 'htmt2']
    """
    given = isinstance(fit_or_data, ModelFit)
    if not given and not dimensions:
        raise ResponseError("validity(data) needs dimensions: a mapping from each dimension's name to its items.")
    fit = fit_or_data if given else cfa(_model(dimensions), fit_or_data, std_lv=True, weights=weights)
    if len(fit.samples) > 1:
        raise ModelError("Validity is judged in one group at a time: fit each group by itself.")
    dimensions = dimensions or _dimensions(fit.table)
    items = [item for chosen in dimensions.values() for item in chosen]
    latent = fit.latent_correlations.loc[list(dimensions), list(dimensions)]
    reliability = _reliability(fit, dimensions, conf_level)
    table = latent.to_numpy().copy()
    np.fill_diagonal(table, np.sqrt(reliability.loc[reliability.term == "ave", "estimate"]))
    ratios, intervals = _htmt(fit, dimensions, n_boot, seed, conf_level)
    return Validity(
        reliability=reliability,
        **ratios,
        htmt_intervals=intervals,
        fornell_larcker=pd.DataFrame(table, latent.index, latent.columns),
        latent_correlations=latent,
        common_method=one_factor_check(fit, items),
        outside=_outside(fit_or_data, dimensions, criterion, marker, conf_level),
        fit=fit,
        provenance=Provenance("validity", fit.n, {"n_boot": n_boot, "seed": seed, "conf_level": conf_level}),
    )


def _model(dimensions: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(f"{name} =~ {' + '.join(items)}" for name, items in dimensions.items())


def _dimensions(table: ParameterTable) -> dict[str, list[str]]:
    found = {
        name: [row.rhs for row in table.rows if (row.lhs, row.op, row.group) == (name, "=~", 0)]
        for name in table.latent
    }
    items = {name: loading for name, loading in found.items() if loading and set(loading) <= set(table.observed)}
    if not items:
        raise ModelError("The fit has no factors of items: validity needs a measurement model.")
    return items


def _reliability(fit: ModelFit, dimensions: Mapping[str, Sequence[str]], conf_level: float) -> pd.DataFrame:
    """CR and AVE of each dimension at the estimates, their errors by the delta method."""
    table, blocks = fit.table, fit.objective.blocks
    places = [_places(fit, name, items) for name, items in dimensions.items()]

    def measures(x: np.ndarray) -> np.ndarray:
        values = row_values(table, blocks, x, "latent")
        return np.array([_cr_and_ave(values, *where) for where in places]).ravel()

    jacobian = complex_jacobian(measures, fit.x)
    error = np.sqrt(np.einsum("ij,jk,ik->i", jacobian, fit.covariance, jacobian))
    reach = norm.ppf(0.5 + conf_level / 2) * error
    estimate = measures(fit.x)
    return pd.DataFrame(
        {
            "dimension": np.repeat(list(dimensions), 2),
            "term": ["cr", "ave"] * len(dimensions),
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate - reach,
            "conf_high": estimate + reach,
        }
    )


def _places(fit: ModelFit, name: str, items: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
    """Rows of a dimension's loadings, its items' residual variances and the covariances between those."""
    at = {(row.lhs, row.op, row.rhs): i for i, row in enumerate(fit.table.rows)}
    loadings = [at[name, "=~", item] for item in items]
    covariances = [at[a, "~~", b] for a in items for b in items if a != b and (a, "~~", b) in at]
    return loadings, [at[item, "~~", item] for item in items], covariances


def _cr_and_ave(values: np.ndarray, loadings: list[int], variances: list[int], covariances: list[int]) -> tuple:
    loading, error = values[loadings], values[variances]
    return (
        composite_reliability(loading, np.append(error, 2 * values[covariances])),
        average_variance_extracted(loading, error),
    )


def _htmt(
    fit: ModelFit, dimensions: Mapping[str, Sequence[str]], n_boot: int, seed: int, conf_level: float
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    observed = list(fit.table.observed)
    groups = [[observed.index(item) for item in items] for items in dimensions.values()]
    sample, names = fit.samples[0], list(dimensions)
    first, second = np.triu_indices(len(names), 1)
    resampled = None
    if sample.rows is not None and n_boot:
        _, covs = bootstrap_moments(np.asarray(sample.rows), n_boot, seed, weights=sample.weights)
        resampled = _correlation(covs)
    r, tables, rows = _correlation(np.asarray(sample.cov)), {}, []
    for term, geometric in (("htmt", False), ("htmt2", True)):
        estimate = htmt(r, groups, geometric)
        bounds = np.full((2, len(names), len(names)), np.nan)
        if resampled is not None:
            tail = (1 - conf_level) / 2
            bounds = np.quantile(htmt(resampled, groups, geometric), [tail, 1 - tail], axis=0)
        tables[term] = pd.DataFrame(estimate, names, names)
        rows += [
            (term, names[i], names[j], estimate[i, j], *bounds[:, i, j]) for i, j in zip(first, second, strict=True)
        ]
    return tables, pd.DataFrame(rows, columns=["term", "lhs", "rhs", "estimate", "conf_low", "conf_high"])


def _correlation(cov: np.ndarray) -> np.ndarray:
    variance = np.diagonal(cov, axis1=-2, axis2=-1)
    sd = np.sqrt(np.where(variance > 0, variance, np.nan))
    return cov / (sd[..., :, None] * sd[..., None, :])


def _outside(
    data: Any, dimensions: Mapping[str, Sequence[str]], criterion: str | None, marker: str | None, conf_level: float
) -> pd.DataFrame:
    wanted = [name for name in (criterion, marker) if name is not None]
    if not wanted:
        return pd.DataFrame()
    if not isinstance(data, pd.DataFrame) or any(name not in data for name in wanted):
        raise ResponseError(f"{' and '.join(wanted)} must be columns of the data; pass the respondents' answers.")
    check_columns(data, *wanted, *(item for items in dimensions.values() for item in items))
    answers = {name: pd.DataFrame(real_numbers(data[list(items)]), data.index) for name, items in dimensions.items()}
    scores = pd.DataFrame({name: own.mean(axis=1) for name, own in answers.items()})
    parts = []
    if criterion is not None:
        parts.append(_criterion(scores, data[criterion], criterion, conf_level))
    if marker is not None:
        parts.append(marker_check(scores, data[marker]))
    return pd.concat(parts, ignore_index=True)


def _criterion(scores: pd.DataFrame, values: pd.Series, name: str, conf_level: float) -> pd.DataFrame:
    """Correlations with the criterion, intervals by Fisher's z (1921)."""
    r = scores.corrwith(values)
    n = scores.notna().mul(values.notna(), axis=0).sum()
    reach = norm.ppf(0.5 + conf_level / 2) / np.sqrt(n.where(n > 3) - 3)
    with np.errstate(divide="ignore"):  # of a perfect correlation z is infinite
        z = np.arctanh(r)
    return pd.DataFrame(
        {
            "term": "criterion",
            "lhs": r.index,
            "rhs": name,
            "estimate": r.to_numpy(),
            "conf_low": np.tanh(z - reach).to_numpy(),
            "conf_high": np.tanh(z + reach).to_numpy(),
        }
    )
