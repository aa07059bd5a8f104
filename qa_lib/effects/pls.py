"""Partial least squares path models (PLS-SEM): a satisfaction index and what drives it, with resampled intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qa_lib.effects.composites.pls_algorithm import Estimates, Scheme, estimate
from qa_lib.effects.composites.pls_blindfold import PlsBlindfold, blindfold
from qa_lib.effects.composites.pls_groups import PlsGroups, compare_groups
from qa_lib.effects.composites.pls_ipma import Ipma, importance_performance
from qa_lib.effects.composites.pls_ipma import Scale as IpmaScale
from qa_lib.effects.composites.pls_model import PlsModel, parse_model
from qa_lib.effects.composites.pls_predict import PlsPrediction, predict
from qa_lib.effects.composites.pls_quality import adjusted_r_squared, htmt
from qa_lib.effects.composites.pls_table import quantities, tabulate
from qa_lib.effects.rows import Rows, complete_rows, varying
from qa_lib.errors import DataWarning, InadmissibleWarning, ModelError, NotConvergedWarning
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Moments, as_moments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SINGULAR = 1e-10


@dataclass(frozen=True, slots=True)
class Sample:
    """PLS on B samples: ``means`` (B, p) and ``sds`` (B, p) of the items, ``correlation`` (B, p, p), ``estimates``."""

    means: np.ndarray
    sds: np.ndarray
    correlation: np.ndarray
    estimates: Estimates


@dataclass(frozen=True, slots=True)
class PlsResult(Result):
    """A PLS path model's estimates.

    Attributes
    ----------
    model : items, constructs, blocks and paths
    sample : estimates of the data, B = 1
    boot : estimates of the bootstrap samples that converged to an admissible number, B = ``n_boot`` less the failed
    rows : respondents' complete rows; None when fitted to moments
    """

    model: PlsModel
    scheme: Scheme
    consistent: bool
    sample: Sample
    boot: Sample
    n: float
    rows: Rows | None
    problems: tuple[str, ...]
    conf_level: float
    provenance: Provenance

    @property
    def paths(self) -> pd.DataFrame:
        """Path coefficients, from construct in the row to construct in the column; 0 where there is no path."""
        return self._square(self.sample.estimates.paths)

    @property
    def total_effects(self) -> pd.DataFrame:
        """Direct and indirect effects together, from row to column."""
        return self._square(self.sample.estimates.total_effects())

    @property
    def construct_correlations(self) -> pd.DataFrame:
        """Correlations of the constructs: of the composites, or under PLSc of the factors behind them."""
        return self._square(self.sample.estimates.correlations)

    @property
    def htmt(self) -> pd.DataFrame:
        """Heterotrait–monotrait ratios of mode A constructs."""
        return self._square(htmt(self.sample.correlation, self.model))

    @property
    def weights(self) -> pd.DataFrame:
        """Outer weights of standardised items, items × constructs."""
        return self._tall(self.sample.estimates.weights)

    @property
    def loadings(self) -> pd.DataFrame:
        """Correlations of items with constructs, items × constructs, cross-loadings included."""
        return self._tall(self.sample.estimates.loadings)

    @property
    def r_squared(self) -> pd.Series:
        """R² of the endogenous constructs."""
        return pd.Series(self.sample.estimates.r_squared[0], self.model.constructs, name="r_squared").dropna()

    def tidy(self) -> pd.DataFrame:
        """A row per path (op ``~``), loading (``=~``), weight (``<~``), total and indirect effect, and per quality of a
        construct: ``term`` r_squared, alpha, rho_a, cr (ρ_C), ave;
        f_squared and vif per path (vif also per mode B item), htmt per pair. Under PLSc cr and ave are the factors'.

        ``std_error`` is the bootstrap's, ``conf_low`` and ``conf_high`` its percentiles (Aguirre-Urreta and Rönkkö
        2018, doi:10.25300/MISQ/2018/13587), ``p_value`` from the normal distribution of estimate ÷ std_error.
        """
        labels, point = quantities(self.sample.correlation, self.sample.estimates, self.model)
        _, draws = quantities(self.boot.correlation, self.boot.estimates, self.model)
        return tabulate(labels, point[0], draws, self.conf_level)

    def glance(self) -> pd.DataFrame:
        estimates = self.sample.estimates
        row = {
            "n": self.n,
            "n_dropped": self.rows.n_dropped if self.rows else 0,
            "method": "PLSc" if self.consistent else "PLS",
            "scheme": self.scheme,
            "converged": bool(estimates.converged[0]),
            "admissible": not self.problems,
            "iterations": int(estimates.iterations[0]),
            "n_boot": len(self.boot.means),
        }
        adjusted = adjusted_r_squared(estimates.r_squared, self.model, self.n)[0]
        for k in self.model.endogenous:
            row[f"r_squared_{self.model.constructs[k]}"] = estimates.r_squared[0, k]
            row[f"r_squared_adjusted_{self.model.constructs[k]}"] = adjusted[k]
        return pd.DataFrame([row])

    def scores(self, data: pd.DataFrame | None = None) -> pd.DataFrame:
        """Standardised composite scores, respondents × constructs; NaN for a respondent with a missing item.

        New data are standardised by the means and standard deviations of the data the model was fitted to.
        """
        if data is None:
            rows = self._need_rows("scores() without data")
            values, index = rows.answers, rows.index
        else:
            absent = [item for item in self.model.items if item not in data.columns]
            if absent:
                raise ModelError(f"scores: the data have no column {', '.join(absent)}.")
            values, index = data[list(self.model.items)].to_numpy(float, na_value=np.nan), data.index
        standardised = (values - self.sample.means[0]) / self.sample.sds[0]
        return pd.DataFrame(standardised @ self.sample.estimates.weights[0], index, self.model.constructs)

    def ipma(self, target: str, scale: IpmaScale = None) -> Ipma:
        """Importance–performance map of the constructs that act on ``target``, on the 0–100 scale.

        The target's own performance is a satisfaction index of the ACSI/ECSI type. ``scale`` holds the lowest and
        highest answer the questionnaire allows, one pair for all items or a mapping from item to pair; without it, the
        lowest and highest answers given to each item.
        """
        return importance_performance(self, target, scale)

    def predict(self, folds: int = 10, repeats: int = 10, seed: int = 20260101) -> PlsPrediction:
        """Q²_predict and errors of prediction by repeated cross-validation (PLSpredict), without weights."""
        answers = self._unweighted_answers("predict()")
        return predict(answers, self.model, self.scheme, folds, repeats, seed, self.conf_level)

    def blindfold(self, distance: int | None = None) -> PlsBlindfold:
        """Stone–Geisser Q², construct cross-validated redundancy, of endogenous mode A constructs, without weights.

        ``distance``: every so many answers one is hidden; 7, or the next of 5 to 12 that does not divide the number of
        rows. Errors of respondents not seen at all are those of ``predict``.
        """
        answers = self._unweighted_answers("blindfold()")
        return blindfold(answers, self.model, self.scheme, distance, self.conf_level)

    def compare_groups(self, groups: ArrayLike, n_permutations: int = 1000, seed: int = 20260101) -> PlsGroups:
        """Differences of the paths between groups, pair by pair, with permutation tests; see ``PlsGroups``.

        ``groups``: a label per row of the data the model was fitted to; a Series is matched by its index.
        """
        return compare_groups(self, groups, n_permutations, seed)

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Path coefficients with their intervals."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        table = self.tidy().query("op == '~' and term.str.contains(' ~ ')")[::-1]
        names = [f"{labels.get(a, a)} → {labels.get(b, b)}" for a, b in zip(table["rhs"], table["lhs"], strict=True)]
        whiskers = np.abs(table[["conf_low", "conf_high"]].to_numpy().T - table["estimate"].to_numpy())
        ax.errorbar(table["estimate"], names, xerr=whiskers, fmt="o", capsize=3)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(labels.get("path", "Standardised path coefficient"))
        return ax

    def _need_rows(self, what: str) -> Rows:
        if self.rows is None:
            raise ModelError(f"{what} needs respondents' rows; the model was fitted to moments. Pass a DataFrame.")
        return self.rows

    def _unweighted_answers(self, what: str) -> np.ndarray:
        rows = self._need_rows(what)
        if rows.weighted:
            raise ModelError(f"{what} does not know respondents' weights; fit the model without weights for it.")
        return rows.answers

    def _square(self, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values[0], self.model.constructs, self.model.constructs)

    def _tall(self, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values[0], self.model.items, self.model.constructs)


def pls(
    model: str,
    data: pd.DataFrame | Moments | tuple[pd.DataFrame, float],
    scheme: Scheme = "path",
    consistent: bool = False,
    n_boot: int | None = None,
    *,
    weights: str | ArrayLike | None = None,
    missing: str = "listwise",
    nobs: float | None = None,
    conf_level: float = 0.95,
    seed: int = 20260101,
) -> PlsResult:
    """Partial least squares path model (Wold 1982; Lohmöller 1989; PLSc: Dijkstra and Henseler 2015).

    Everything is computed from the items' correlation matrix, the bootstrap from a batch of resampled ones.

    Parameters
    ----------
    model : ``F =~ x1 + x2`` mode A (correlation weights), ``F <~ x1 + x2`` mode B (regression weights),
        ``Y ~ F + G`` paths; a data column named in paths only is a construct of one item
    data : DataFrame of respondents × items, Moments, or a covariance DataFrame with ``nobs``. Columns the model does
        not name are ignored
    scheme : inner weights: "path", "factor" or "centroid"
    consistent : correct mode A constructs of several items for attenuation (PLSc)
    n_boot : bootstrap samples; 1000 for rows, none (no intervals) for moments
    weights : respondents' weights, a column or an array; under them ``n`` is the effective sample size
    missing : "listwise", or "mean" to fill with the item's mean as PLS programs do

    Raises
    ------
    ModelError, ResponseError
        too few respondents, unknown names, circular paths,
        constant items, collinear items in mode B, collinear constructs

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> quality = rng.normal(size=200)
    >>> data = pd.DataFrame({f"q{i}": quality + rng.normal(size=200) for i in (1, 2, 3)})
    >>> data["sat"] = quality + rng.normal(size=200)
    >>> fit = pls("QUALITY =~ q1 + q2 + q3; sat ~ QUALITY", data, n_boot=100)
    >>> round(fit.paths.loc["QUALITY", "sat"], 3)
    np.float64(0.577)
    """
    if scheme not in ("path", "factor", "centroid"):
        raise ModelError(f"scheme={scheme!r} is unknown. Allowed: 'path', 'factor', 'centroid'.")
    if not 0 < conf_level < 1:
        raise ModelError(f"conf_level={conf_level}; a number between 0 and 1 is needed, usually 0.95.")
    rows = None
    if isinstance(data, pd.DataFrame) and nobs is None:
        design = parse_model(model, data.columns)
        rows = varying(complete_rows(data, design.items, weights, missing))
        n, mean, cov = rows.n, rows.mean, rows.cov
    else:
        design, n, mean, cov = _from_moments(model, data, nobs, weights)
    n_boot = (1000 if rows else 0) if n_boot is None else n_boot
    if n_boot and rows is None:
        raise ModelError("The bootstrap needs respondents' rows; from moments, use n_boot=0.")
    _check_size(n, design)
    _check_collinear(cov, design)
    sample = _fit(mean[None], cov[None], design, scheme, consistent)
    problems = _problems(sample.estimates, design)
    _check_estimates(sample.estimates, design, problems)
    draws = rows.resample(n_boot, seed) if rows else (np.empty((0, len(mean))), np.empty((0, *cov.shape)))
    boot = _fit(*draws, design, scheme, consistent, sample.estimates.weights[0])
    boot = _usable(boot, design)
    settings = {"model": model, "scheme": scheme, "consistent": consistent, "n_boot": n_boot, "missing": missing}
    settings |= {"weighted": weights is not None, "seed": seed}
    provenance = Provenance("pls", n, settings)
    return PlsResult(design, scheme, consistent, sample, boot, n, rows, tuple(problems), conf_level, provenance)


def _from_moments(model: str, data: object, nobs: float | None, weights: object):
    if weights is not None:
        raise ModelError("weights need respondents' rows; moments hold their weights already.")
    moments = as_moments((data, nobs) if nobs is not None else data)
    design = parse_model(model, moments.items)
    items = list(design.items)
    cov = moments.cov.loc[items, items].to_numpy(float)
    flat = [item for item, variance in zip(items, np.diag(cov), strict=True) if not variance > 0]
    if flat:
        raise ModelError(f"Constant items: {', '.join(flat)}. Leave them out of the model.")
    return design, float(moments.n), moments.mean[items].to_numpy(float), cov


def _fit(
    means: np.ndarray,
    covs: np.ndarray,
    model: PlsModel,
    scheme: Scheme,
    consistent: bool,
    orientation: np.ndarray | None = None,
) -> Sample:
    variance = np.diagonal(covs, axis1=1, axis2=2)
    # of an item that is constant in a resample, rounding leaves a variance near zero; nothing is estimated from it
    sds = np.sqrt(np.where(variance > _SINGULAR * variance.max(axis=0, initial=0), variance, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covs / (sds[:, :, None] * sds[:, None, :])
        return Sample(means, sds, correlation, estimate(correlation, model, scheme, consistent, orientation))


def _usable(boot: Sample, model: PlsModel) -> Sample:
    """The samples whose estimates are numbers; more than one in twenty lost is worth a warning."""
    estimates = boot.estimates
    possible = np.isfinite(estimates.paths).all(axis=(1, 2))
    good = estimates.converged & possible
    lost = len(good) - int(good.sum())
    if lost > len(good) / 20:
        reason, kind = ("did not converge", NotConvergedWarning)
        if (estimates.converged & ~possible).any():
            reason, kind = ("are not admissible (corrected correlations beyond 1)", InadmissibleWarning)
        warn(f"{lost} of {len(good)} bootstrap samples {reason}; the intervals leave them out.", kind, stacklevel=3)
    kept = Estimates(*(getattr(estimates, field.name)[good] for field in fields(Estimates)))
    return Sample(boot.means[good], boot.sds[good], boot.correlation[good], kept)


def _check_size(n: float, model: PlsModel) -> None:
    """Every regression of the model needs more respondents than coefficients."""
    regressors = np.maximum(model.adjacency.sum(axis=0), model.mode_b * model.membership.sum(axis=0))
    most, name = regressors.max(), model.constructs[regressors.argmax()]
    if n <= most + 1:
        raise ModelError(f"{n:g} respondents are too few: {name} has {most} regressors, which need {most + 2} or more.")


def _check_collinear(cov: np.ndarray, model: PlsModel) -> None:
    sd = np.sqrt(np.diag(cov))
    correlation = cov / np.outer(sd, sd)
    for k, name in enumerate(model.constructs):
        block = model.block(k)
        if np.linalg.eigvalsh(correlation[np.ix_(block, block)])[0] > _SINGULAR:
            continue
        items = ", ".join(model.items[i] for i in block)
        if model.mode_b[k]:
            raise ModelError(f"Items of {name} are collinear ({items}): no mode B weights. Leave one out, or use =~.")
        warn(f"Items of {name} are collinear ({items}): one of them says nothing new.", DataWarning, stacklevel=3)


def _problems(estimates: Estimates, model: PlsModel) -> list[str]:
    """What makes a solution impossible in the population."""
    problems = []
    rho = dict(zip(model.constructs, estimates.rho_a[0], strict=True))
    problems += [f"ρ_A of {name} is {value:.3f}" for name, value in rho.items() if not 0 < value <= 1 + 1e-9]
    correlations = estimates.correlations[0]
    if np.isfinite(correlations).all() and np.linalg.eigvalsh(correlations)[0] < -1e-9:
        problems.append("the correlations of the constructs are not positive definite")
    own = estimates.loadings[0][model.membership]
    if (np.abs(own) > 1 + 1e-9).any():
        problems.append("a loading is larger than 1")
    if (estimates.r_squared[0] > 1 + 1e-9).any():
        problems.append("an R² is larger than 1")
    return problems


def _check_estimates(estimates: Estimates, model: PlsModel, problems: list[str]) -> None:
    if not np.isfinite(estimates.weights).all():
        sources = {model.constructs[j]: [model.constructs[i] for i in model.predecessors(j)] for j in model.endogenous}
        listed = "; ".join(f"{', '.join(names)} → {target}" for target, names in sources.items() if len(names) > 1)
        raise ModelError(f"No weights: the constructs that act on one outcome are collinear ({listed}). Leave one out.")
    if not estimates.converged[0]:
        warn("The PLS weights did not converge; the estimates must not be used.", NotConvergedWarning, stacklevel=3)
    if problems:
        warn(f"The solution is not admissible: {'; '.join(problems)}.", InadmissibleWarning, stacklevel=3)
