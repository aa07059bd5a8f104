"""Convergent and discriminant validity: do items measure their dimension, and is it told from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.errors import ModelError, ResponseError
from qa_lib.models.fit import cfa
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.resample import bootstrap_moments


def composite_reliability(loadings: np.ndarray, error_cov: np.ndarray) -> float:
    """(Σλ)² / ((Σλ)² + Σθ), loadings (p,) on a factor of variance one (Fornell and Larcker 1981, eq. 10).

    >>> round(composite_reliability(np.array([.7, .8, .6]), np.diag([.51, .36, .64])), 4)
    0.7449
    """
    true = np.sum(loadings) ** 2
    return float(true / (true + np.sum(error_cov)))


def average_variance_extracted(loadings: np.ndarray, error_variances: np.ndarray) -> float:
    """Σλ² / (Σλ² + Σθ_ii), loadings (p,) on a factor of variance one (Fornell and Larcker 1981, eq. 11).

    >>> round(average_variance_extracted(np.array([.7, .8, .6]), np.array([.51, .36, .64])), 4)
    0.4967
    """
    explained = np.sum(loadings**2)
    return float(explained / (explained + np.sum(error_variances)))


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
    return between / (within[..., :, None] * within[..., None, :])


@dataclass(frozen=True, slots=True)
class Validity(Result):
    """Convergent and discriminant validity of d dimensions.

    reliability : a row per dimension and term (cr, ave). htmt, htmt2, latent_correlations : (d × d).
    htmt_intervals : a row per pair: term, lhs, rhs, estimate, conf_low, conf_high (bootstrap percentiles).
    fornell_larcker : (d × d), root of AVE on the diagonal, latent correlations off it.
    common_method : share of the first principal component, fit of one factor for all items, and of the model.
    """

    reliability: pd.DataFrame
    htmt: pd.DataFrame
    htmt2: pd.DataFrame
    htmt_intervals: pd.DataFrame
    fornell_larcker: pd.DataFrame
    latent_correlations: pd.DataFrame
    common_method: pd.DataFrame
    fit: ModelFit
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """CR and AVE by dimension, then HTMT and HTMT2 by pair (columns lhs, rhs)."""
        return pd.concat([self.reliability, self.htmt_intervals], ignore_index=True)

    def glance(self) -> pd.DataFrame:
        """One row: n, discriminant (no latent correlation reaches the root of an AVE), common-method checks."""
        row = {"n": self.fit.n, "method": self.fit.estimator, "converged": self.fit.converged}
        row |= {"admissible": self.fit.admissible, "discriminant": self.discriminant}
        return pd.concat([pd.DataFrame([row]), self.common_method], axis=1)

    @property
    def discriminant(self) -> bool:
        """Fornell and Larcker's criterion: every root of AVE exceeds the latent correlations of its dimension."""
        table = self.fornell_larcker.abs().to_numpy()
        off = table - np.diag(np.diag(table))
        return bool((np.diag(table) > off.max(axis=1)).all())


def validity(
    fit_or_data: Any,
    dimensions: Mapping[str, Sequence[str]] | None = None,
    n_boot: int = 1000,
    seed: int = 1,
    conf_level: float = 0.95,
) -> Validity:
    """Composite reliability, AVE, Fornell-Larcker, HTMT, HTMT2, latent correlations and common-method checks.

    fit_or_data : a fitted single-group CFA, or data (DataFrame; Moments and covariances give no bootstrap) with
    ``dimensions``, items by dimension. CR and AVE from data carry delta-method intervals; from a fit only estimates.
    CR is semTools' compRelSEM(obs.var=FALSE), AVE semTools' AVE (ratio of sums, not mean of standardised squares).

    Raises ModelError for fits of several groups or without factors.

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
    fit = fit_or_data if given else cfa(_model(dimensions), fit_or_data, std_lv=True)
    if len(fit.samples) > 1:
        raise ModelError("Validity is judged in one group at a time: fit each group by itself.")
    parameters = fit.tidy(conf_level)
    dimensions = dimensions or _dimensions(parameters)
    items = [item for chosen in dimensions.values() for item in chosen]
    latent = fit.latent_correlations.loc[list(dimensions), list(dimensions)]
    reliability = _reliability(fit, parameters, dimensions, conf_level)
    table = latent.to_numpy().copy()
    np.fill_diagonal(table, np.sqrt(reliability.loc[reliability.term == "ave", "estimate"]))
    ratios, intervals = _htmt(fit, dimensions, n_boot, seed, conf_level)
    return Validity(
        reliability=reliability,
        **ratios,
        htmt_intervals=intervals,
        fornell_larcker=pd.DataFrame(table, latent.index, latent.columns),
        latent_correlations=latent,
        common_method=_common_method(fit, items),
        fit=fit,
        provenance=Provenance("validity", fit.n, {"n_boot": n_boot, "seed": seed, "conf_level": conf_level}),
    )


def _model(dimensions: Mapping[str, Sequence[str]]) -> str:
    """Lavaan syntax of the simple structure, with CR and AVE as defined parameters (so with delta-method errors)."""
    lines = []
    for d, (name, items) in enumerate(dimensions.items()):
        loadings, errors = ([f"{kind}{d}_{i}" for i in range(len(items))] for kind in ("l", "e"))
        terms = [f"{label}*{item}" for label, item in zip(loadings, items, strict=True)]
        lines.append(f"{name} =~ {' + '.join(terms)}")
        lines += [f"{item} ~~ {label}*{item}" for label, item in zip(errors, items, strict=True)]
        total, squares, error = " + ".join(loadings), " + ".join(f"{a}*{a}" for a in loadings), " + ".join(errors)
        lines.append(f"cr_{d} := ({total})^2 / (({total})^2 + {error})")
        lines.append(f"ave_{d} := ({squares}) / ({squares} + {error})")
    return "\n".join(lines)


def _dimensions(parameters: pd.DataFrame) -> dict[str, list[str]]:
    loadings = parameters[parameters.op == "=~"]
    if loadings.empty:
        raise ModelError("The fit has no factors: validity needs a measurement model.")
    return {name: list(rows.rhs) for name, rows in loadings.groupby("lhs", sort=False)}


def _reliability(
    fit: ModelFit, parameters: pd.DataFrame, dimensions: Mapping[str, Sequence[str]], conf_level: float
) -> pd.DataFrame:
    value = parameters.set_index(["lhs", "op", "rhs"])["estimate"].to_dict()
    defined = parameters[parameters.op == ":="].set_index("lhs")["std_error"].to_dict()
    rows = []
    for d, (name, items) in enumerate(dimensions.items()):
        loadings = np.array([value[name, "=~", item] for item in items]) * np.sqrt(fit.latent_cov.loc[name, name])
        theta = [[value.get((a, "~~", b), value.get((b, "~~", a), 0.0)) for b in items] for a in items]
        measures = {
            "cr": composite_reliability(loadings, np.array(theta)),
            "ave": average_variance_extracted(loadings, np.diag(theta)),
        }
        for term, estimate in measures.items():
            error = defined.get(f"{term}_{d}", np.nan)
            reach = norm.ppf(0.5 + conf_level / 2) * error
            rows.append((name, term, estimate, error, estimate - reach, estimate + reach))
    return pd.DataFrame(rows, columns=["dimension", "term", "estimate", "std_error", "conf_low", "conf_high"])


def _htmt(
    fit: ModelFit, dimensions: Mapping[str, Sequence[str]], n_boot: int, seed: int, conf_level: float
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    observed = list(fit.table.observed)
    groups = [[observed.index(item) for item in items] for items in dimensions.values()]
    sample, names = fit.samples[0], list(dimensions)
    first, second = np.triu_indices(len(names), 1)
    resampled = None
    if sample.rows is not None:
        _, covs = bootstrap_moments(np.asarray(sample.rows), n_boot, seed)
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
    sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    return cov / (sd[..., :, None] * sd[..., None, :])


def _common_method(fit: ModelFit, items: Sequence[str]) -> pd.DataFrame:
    """Harman's share of the first principal component, and the fit of one factor for all items beside the model's."""
    observed = list(fit.table.observed)
    where = [observed.index(item) for item in items]
    cov = np.asarray(fit.samples[0].cov)[np.ix_(where, where)]
    single = cfa("method =~ " + " + ".join(items), pd.DataFrame(cov, items, items), nobs=round(fit.n))
    one, model = single.glance().iloc[0], fit.glance().iloc[0]
    return pd.DataFrame(
        [
            {
                "harman_share": np.linalg.eigvalsh(_correlation(cov))[-1] / len(items),
                "cfi_one_factor": one["cfi"],
                "rmsea_one_factor": one["rmsea"],
                "cfi_model": model["cfi"],
                "chisq_difference": one["chisq"] - model["chisq"],
                "df_difference": one["df"] - model["df"],
            }
        ]
    )
