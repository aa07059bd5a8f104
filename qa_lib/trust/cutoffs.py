"""Dynamic cut-offs of fit indices: what the indices reach when this very model, at this n, misses something known."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from qa_lib.criteria import Criteria
from qa_lib.errors import ModelError, QaWarning
from qa_lib.models.after.batched import Stack, fit_many
from qa_lib.models.fit import cfa
from qa_lib.models.implied import imply
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result

INDICES = ("srmr", "rmsea", "cfi")
RULES = {"95/5": 0.05, "90/10": 0.10}
LARGEST_N = 2000  # as in the authors' software; beyond it the indices hardly move
_RESIDUAL_CORRELATION = 0.3
_ROOM = 0.95  # share of an item's free variance that a cross-loading may take
_TOLERANCE = 1e-9  # a chi-square to a ten-thousandth at the largest n
_MOST_LOST = 0.1  # share of replications that may fail to converge


@dataclass(frozen=True, slots=True)
class Path:
    """What the user's model misses at a level: a cross-loading (=~) or a residual correlation (~~) of ``size``."""

    lhs: str
    op: str
    rhs: str
    size: float


@dataclass(frozen=True, slots=True)
class Cutoffs(Result):
    """Dynamic cut-offs per level of misspecification, beside the fixed ones.

    table : a row per level and index; paths : per level those the model misses, each with its standardised size.
    """

    table: pd.DataFrame
    paths: tuple[tuple[Path, ...], ...]
    fit: ModelFit
    n_rep: int
    n_converged: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """level, term (srmr_cutoff, rmsea_cutoff, cfi_cutoff), estimate (missing where no cut-off tells the models
        apart), its Monte Carlo std_error and interval, rule, missed (the paths), value (of the fit), fixed."""
        return self.table

    def glance(self) -> pd.DataFrame:
        """One row: n, method, levels, n_rep, n_converged."""
        row = {"n": self.fit.n, "method": "dynamic cut-offs", "levels": len(self.paths), "n_rep": self.n_rep}
        return pd.DataFrame([row | {"n_converged": self.n_converged}])

    def judge(self, criteria: Criteria | None = None) -> pd.DataFrame:
        """Per level and index whether the fit is better than a model that misses this much; undecided while the fit
        lies within the cut-off's Monte Carlo interval. ``fixed`` is the threshold ``criteria`` name."""
        known = (criteria or Criteria.default()).by_measure
        rows = self.table.assign(term=self.table["term"].str.removesuffix("_cutoff"))
        verdicts = [_verdict(row.term, row.value, row.conf_low, row.conf_high) for row in rows.itertuples()]
        fixed = [known[term].threshold for term in rows["term"]]
        columns = ["level", "term", "value", "estimate", "conf_low", "conf_high"]
        renamed = rows[columns].rename(columns={"value": "estimate", "estimate": "threshold"})
        return renamed.assign(verdict=verdicts, fixed=fixed, source=SOURCE)

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Cut-offs of every level with their Monte Carlo intervals, and the fit as a black mark; CFI as 1 − CFI."""
        from qa_lib.models.pictures import intervals

        words = {"misfit": "Misfit", "cfi": "1 − CFI", "rmsea": "RMSEA", "srmr": "SRMR"} | dict(labels or {})
        rows = self.table.assign(name=self.table["term"].str.removesuffix("_cutoff"))
        turned = rows["name"] == "cfi"
        mirror = {"estimate": "estimate", "value": "value", "conf_low": "conf_high", "conf_high": "conf_low"}
        values = {column: rows[column].where(~turned, 1 - rows[other]) for column, other in mirror.items()}
        rows = rows.assign(**values, series=rows["level"].astype(str))
        ax = intervals(rows, ax, words, words["misfit"])
        fits = rows.drop_duplicates("name")
        ax.scatter(fits["value"], range(len(fits)), color="black", marker="D", zorder=4)
        return ax


SOURCE = "McNeish and Wolf (2023), doi:10.1037/met0000425"


def _verdict(index: str, value: float, low: float, high: float) -> str:
    if np.isnan([value, low, high]).any() or low < value < high:
        return "undecided"
    return "met" if (value >= high if index == "cfi" else value <= low) else "not_met"


def cutoffs(
    fit: ModelFit, n_rep: int = 500, seed: int = 1, levels: int | None = None, conf_level: float = 0.95
) -> Cutoffs:
    """Cut-offs of SRMR, RMSEA and CFI for this model, its loadings and n (McNeish and Wolf 2023).

    Samples of the fitted model, and of populations in which it misses one path more per level, are drawn and fitted by
    maximum likelihood. A level's cut-off is the value that 95 % of the misspecified fits exceed and at most 5 % of the
    correct ones (else 90 % and 10 %); where neither exists the index cannot tell them apart and it is missing.
    Several factors (the authors' ``cfaHB``): level k misses k cross-loadings, at most one less than there are factors,
    from the weakest item of a factor to the factor of highest coefficient H, as large as the item's own loading where
    its variance leaves room. One factor (``cfaOne``): residual correlations of .3 between a third, two thirds and all
    of the items, paired by loading. ``levels`` stops after the first ones.

    Raises ModelError for fits of several groups, ordinal items, covariates or without degrees of freedom, and when
    the model has too few items without cross-loadings and residual covariances.

    >>> r = np.full((4, 4), .4) + .6 * np.eye(4)
    >>> from qa_lib.models.fit import cfa
    >>> fit = cfa("f =~ a + b + c + d", pd.DataFrame(r, list("abcd"), list("abcd")), nobs=300)
    >>> cutoffs(fit, n_rep=50).tidy()["term"].tolist()
    ['srmr_cutoff', 'rmsea_cutoff', 'cfi_cutoff']
    """
    _require(fit)
    loadings, correlations, residual = _standardised(fit)
    paths = tuple(tuple(missed) for missed in _levels(loadings, correlations, residual)[:levels])
    rng = np.random.default_rng(seed)
    correct, scale = _of_moments(fit), np.sqrt(np.diag(fit.evaluation.implied[0].cov))
    populations = [_population(loadings, correlations, residual, missed) for missed in ((), *paths)]
    n_means = len(scale) * fit.objective.means
    drawn = [_indices(correct, scale[:, None] * r * scale, n_rep, n_means, rng) for r in populations]
    measures = fit.glance().iloc[0]
    rows = [
        _row(level, index, drawn[0][:, k], found[:, k], conf_level)
        | {"missed": _words(paths[level - 1]), "value": measures[index]}
        for level, found in enumerate(drawn[1:], 1)
        for k, index in enumerate(INDICES)
    ]
    settings = {"n_rep": n_rep, "seed": seed, "model": fit.settings["model"], "n": min(fit.n, LARGEST_N)}
    fixed = Criteria.default().by_measure
    table = pd.DataFrame(rows)
    table["fixed"] = [fixed[term.removesuffix("_cutoff")].threshold for term in table["term"]]
    n_converged = min(len(found) for found in drawn)
    return Cutoffs(table, paths, fit, n_rep, n_converged, Provenance("cutoffs", fit.n, settings))


def _require(fit: ModelFit) -> None:
    if len(fit.samples) > 1:
        raise ModelError("dynamic cut-offs are of one group: fit each group by itself.")
    if fit.objective.criterion != "ML":
        raise ModelError(f"dynamic cut-offs rest on maximum likelihood, the fit on {fit.estimator}: use ML or MLR.")
    if not fit.converged or fit.test.df < 1:
        raise ModelError("dynamic cut-offs need a converged model with degrees of freedom: the fit has none.")
    if fit.table.exogenous or any(row.op == "~" for row in fit.table.rows):
        raise ModelError("dynamic cut-offs are of measurement models: leave regressions and covariates out.")


def _standardised(fit: ModelFit) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Loadings (items × factors), factor correlations, and residual covariances (items × items), all standardised."""
    rows = fit.tidy()
    items, factors = list(fit.table.observed), list(fit.table.latent)
    loadings = pd.DataFrame(0.0, items, factors)
    for row in rows[rows["op"] == "=~"].itertuples():
        if row.rhs not in loadings.index:
            raise ModelError(f"dynamic cut-offs know factors of items only; {row.rhs} is a factor.")
        loadings.loc[row.rhs, row.lhs] = row.std_all
    correlations = fit.latent_correlations.loc[factors, factors]
    cov = fit.evaluation.implied[0].cov
    scale = np.sqrt(np.diag(cov))
    common = loadings.to_numpy() @ correlations.to_numpy() @ loadings.to_numpy().T
    return loadings, correlations, pd.DataFrame(cov / np.outer(scale, scale) - common, items, items)


def _levels(loadings: pd.DataFrame, correlations: pd.DataFrame, residual: pd.DataFrame) -> list[list[Path]]:
    off = residual.to_numpy() - np.diag(np.diag(residual))
    free = (np.abs(off).max(axis=1) < 1e-9) & ((loadings != 0).sum(axis=1) == 1).to_numpy()
    if loadings.shape[1] == 1:
        return _residual_levels(loadings.iloc[:, 0][free])
    return _cross_loading_levels(loadings, correlations, loadings[free])


def _residual_levels(loading: pd.Series) -> list[list[Path]]:
    """A third, two thirds and all pairs of neighbours by loading; fewer levels for four and five items."""
    order = list(loading.abs().sort_values(kind="stable").index)
    if len(order) < 4:
        raise ModelError(f"one factor needs four items without residual covariances; {len(order)} found.")
    pairs = [Path(a, "~~", b, _RESIDUAL_CORRELATION) for a, b in zip(order[::2], order[1::2], strict=False)]
    most = len(pairs)
    counts = {4: [1], 5: [1, 2]}.get(len(order), [most // 3, 2 * most // 3, most])
    return [pairs[:count] for count in counts]


def _cross_loading_levels(loadings: pd.DataFrame, correlations: pd.DataFrame, free: pd.DataFrame) -> list[list[Path]]:
    """Cumulative cross-loadings, from the weakest item of each of all factors but one."""
    sizes = (loadings != 0).sum()
    weakest = []
    for factor in loadings.columns:
        own = free.loc[free[factor] != 0, factor]
        if len(own):
            weakest.append((bool(sizes[factor] < 3), abs(own[own.abs().idxmin()]), factor, own.abs().idxmin()))
    wanted = loadings.shape[1] - 1
    if len(weakest) < wanted:
        raise ModelError(f"{wanted} factors need an item without cross-loading or residual covariance each.")
    h = _coefficient_h(loadings)
    chosen, used = [], set()
    for _, _, factor, item in sorted(weakest)[:wanted]:
        others = [f for f in loadings.columns if f != factor and frozenset((f, factor)) not in used]
        target = max(others, key=lambda f: h[f])
        used.add(frozenset((target, factor)))
        size = _cross_loading(loadings.loc[item, factor], correlations.loc[factor, target])
        chosen.append(Path(target, "=~", item, size))
    return [chosen[:count] for count in range(1, wanted + 1)]


def _coefficient_h(loadings: pd.DataFrame) -> pd.Series:
    """Reliability of the optimally weighted composite, 1 / (1 + 1 / Σ λ²/(1 − λ²)) (Hancock and Mueller 2001)."""
    squares = (loadings**2).clip(upper=1 - 1e-9)
    return 1 / (1 + 1 / (squares / (1 - squares)).sum())


def _cross_loading(own: float, correlation: float) -> float:
    """As large as the item's own loading, at most what .95 of its free variance leaves."""
    most = (np.sqrt((own * correlation) ** 2 + 1 - own**2) - abs(own) * correlation) * _ROOM
    return float(np.sign(own) * min(abs(own), most))


def _population(
    loadings: pd.DataFrame, correlations: pd.DataFrame, residual: pd.DataFrame, missed: Sequence[Path]
) -> np.ndarray:
    """Correlations of the items in a population with the missed paths."""
    full, errors = loadings.copy(), residual.to_numpy().copy()
    for path in missed:
        if path.op == "=~":
            full.loc[path.rhs, path.lhs] = path.size
    common = full.to_numpy() @ correlations.to_numpy() @ full.to_numpy().T
    np.fill_diagonal(errors, 1 - np.diag(common))
    for path in missed:
        if path.op == "~~":
            i, j = (loadings.index.get_loc(item) for item in (path.lhs, path.rhs))
            errors[i, j] = errors[j, i] = path.size * np.sqrt(errors[i, i] * errors[j, j])
    return common + errors


def _of_moments(fit: ModelFit) -> ModelFit:
    """The model of complete moments without intercepts, which the means determine exactly; factors' variances one
    where that says the same of the data, for such parameters depend on the moments more evenly."""
    names = list(fit.table.observed)
    cov = pd.DataFrame(fit.samples[0].cov, names, names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QaWarning)  # what they would say was said of the fit
        unit = cfa(fit.settings["model"], cov, nobs=round(fit.n), std_lv=True)
        if fit.settings["std_lv"]:
            return unit
        own = cfa(fit.settings["model"], cov, nobs=round(fit.n))
    same = unit.test.df == own.test.df and np.isclose(unit.test.statistic, own.test.statistic, rtol=1e-6, atol=1e-6)
    return unit if unit.converged and same else own


def _indices(fit: ModelFit, population: np.ndarray, n_rep: int, n_means: int, rng: np.random.Generator) -> np.ndarray:
    """SRMR, RMSEA and CFI (converged replications × 3) of the model fitted to samples of a population."""
    n = int(min(round(fit.n), LARGEST_N))
    covs = _wishart(population, n, n_rep, rng)
    p = len(population)
    block = fit.objective.blocks[0]
    start = _fitted(fit, population[None], fit.x)[0][0]
    x, converged = _fitted(fit, covs, start)
    if converged.mean() < 1 - _MOST_LOST:
        raise ModelError(f"{(~converged).sum()} of {n_rep} replications did not converge: the model is too weak.")
    implied, covs = imply(block, x[converged]).cov, covs[converged]
    log_s = np.linalg.slogdet(covs)[1]
    ratio = np.linalg.solve(implied, covs)
    chisq = n * (np.linalg.slogdet(implied)[1] - log_s + np.trace(ratio, axis1=1, axis2=2) - p)
    variances = np.diagonal(covs, axis1=1, axis2=2)
    baseline, baseline_df = n * (np.log(variances).sum(1) - log_s), p * (p - 1) / 2
    df = fit.test.df
    misfit = np.maximum(chisq - df, 0)
    cfi = 1 - misfit / np.maximum(np.maximum(misfit, baseline - baseline_df), 1e-12)
    i, j = np.tril_indices(p)
    scale = np.sqrt(variances[:, i] * variances[:, j])
    residuals = np.sum(((covs - implied)[:, i, j] / scale) ** 2, axis=1)
    srmr = np.sqrt(residuals / (len(i) + n_means))  # means, where the model has them, are met exactly
    return np.column_stack([srmr, np.sqrt(misfit / (df * n)), cfi])


def _fitted(fit: ModelFit, covs: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The model's parameters for each covariance matrix, and which of the fits converged."""
    stack = Stack(np.zeros(covs.shape[:2]), covs, np.ones(len(covs)))
    return fit_many(fit.objective.blocks[:1], [stack], start, fit.table.mapping, means=False, tolerance=_TOLERANCE)


def _wishart(population: np.ndarray, n: int, n_rep: int, rng: np.random.Generator) -> np.ndarray:
    """Sample covariances (n_rep, p, p), divisor n, of n normal respondents, by Bartlett's decomposition (1933)."""
    p = len(population)
    lower = np.tril(rng.normal(size=(n_rep, p, p)), -1)
    lower[:, np.arange(p), np.arange(p)] = np.sqrt(rng.chisquare(n - 1 - np.arange(p), size=(n_rep, p)))
    root = np.linalg.cholesky(population) @ lower
    return root @ root.swapaxes(1, 2) / n


def _row(level: int, index: str, correct: np.ndarray, missing: np.ndarray, conf_level: float) -> dict:
    """The cut-off of one index at one level, with the interval of the quantile it is (binomial order statistics)."""
    sign = -1.0 if index == "cfi" else 1.0
    row = {"level": level, "term": f"{index}_cutoff", "estimate": np.nan, "std_error": np.nan}
    row |= {"conf_low": np.nan, "conf_high": np.nan, "rule": "none"}
    for rule, tail in RULES.items():
        bound = np.quantile(sign * missing, tail)
        if bound < np.quantile(sign * correct, 1 - tail):
            continue
        ranks = binom.ppf([(1 - conf_level) / 2, (1 + conf_level) / 2], len(missing), tail).astype(int)
        ends = np.sort(sign * missing)[np.clip(ranks, 0, len(missing) - 1)]
        low, high = sorted(sign * ends)
        error = np.ptp(ends) / (2 * 1.959964)
        return row | {"estimate": sign * bound, "std_error": error, "conf_low": low, "conf_high": high, "rule": rule}
    return row


def _words(paths: Sequence[Path]) -> str:
    return "; ".join(f"{path.lhs} {path.op} {path.size:.3f}*{path.rhs}" for path in paths)
