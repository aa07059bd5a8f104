"""Reliability of dimensions and of the whole instrument, each coefficient with its interval and its model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.errors import DataWarning, InadmissibleWarning, NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Missing, Moments, as_moments
from qa_lib.sufficient.ordinal import polychoric
from qa_lib.sufficient.resample import bootstrap_moments
from qa_lib.trust import coefficients as co
from qa_lib.trust.items import item_analysis
from qa_lib.trust.omega import omega_total, one_factor_ml

__all__ = ["Reliability", "reliability"]

MODELS = {
    "alpha": "covariances",
    "alpha_std": "correlations",
    "alpha_ordinal": "polychoric correlations",
    "lambda2": "correlations",
    "lambda6": "correlations, squared multiple correlations",
    "split_half_max": "correlations, best split",
    "split_half_mean": "correlations, mean of splits",
    "split_half_min": "correlations, worst split",
    "omega_total": "one factor, ML; observed total variance",
    "mean_r": "correlations",
}
MOST_LEVELS = 10
COLUMNS = [
    "dimension",
    "term",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "interval",
    "model",
    "n",
    "n_items",
]


@dataclass(frozen=True, slots=True)
class Reliability(Result):
    """``table``: a row per dimension and coefficient; ``items``: a row per item (see ``item_analysis``)."""

    table: pd.DataFrame
    items: pd.DataFrame
    converged: bool
    admissible: bool
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        settings = self.provenance.settings
        row = {
            "n": self.provenance.n,
            "n_effective": settings["n_effective"],
            "n_dimensions": self.items["dimension"].nunique(),
            "n_items": self.items["item"].nunique(),
            "method": settings["missing"],
            "n_suspect_reversed": int(self.items["suspect_reversed"].sum()),
            "converged": self.converged,
            "admissible": self.admissible,
        }
        return pd.DataFrame([row])


def reliability(
    data: Any,
    dimensions: Mapping[str, Sequence[str]],
    conf_level: float = 0.95,
    weights: Any = None,
    missing: Missing = "pairwise",
    n_boot: int = 0,
    seed: int = 1,
    scale: tuple[float, float] | None = None,
    ordinal: bool = False,
) -> Reliability:
    """Reliability coefficients and item analysis of each dimension.

    data : DataFrame (items scored towards the dimension's positive pole), Moments, or (covariance DataFrame, n).
    dimensions : items by dimension. weights : respondents' weights (column or array); n is then the effective one.
    n_boot : also percentile bootstrap intervals, as columns ``boot_low, boot_high`` (needs a DataFrame).
    scale : lowest and highest point of the answers, for floor and ceiling shares; by default as found.
    ordinal : also ``alpha_ordinal``, alpha of the polychoric correlations (Zumbo, Gadermann and Zeisser 2007,
        doi:10.22237/jmasm/1177992180); for whole-number items of at most 10 levels; without an interval.

    Terms: alpha, alpha_std with Feldt's interval; lambda2, lambda6, split halves, omega_total and mean_r with an
    interval of the delta method for normal items, for reliabilities on the scale of log(1 - estimate) (Bonett
    2002), for mean_r on Fisher's z. Column ``model`` says what each was computed from.

    Warns DataWarning of constant items (left out), items that seem reversed, scales too short for a coefficient;
    InadmissibleWarning of negative variances and singular matrices; NotConvergedWarning.
    Raises ResponseError for absent items, empty dimensions, n_boot without respondents, or ordinal=True with items
    that are no whole numbers or have more than 10 levels.

    >>> corr = pd.DataFrame(.5 * np.eye(3) + .5, index=list("abc"), columns=list("abc"))
    >>> found = reliability((corr, 100), {"service": ["a", "b", "c"]}).tidy().set_index("term")
    >>> found.loc["alpha", ["estimate", "conf_low", "conf_high"]].astype(float).round(3).to_list()
    [0.75, 0.651, 0.824]
    """
    _check_dimensions(dimensions)
    if n_boot and not isinstance(data, pd.DataFrame):
        raise ResponseError("The bootstrap needs the respondents' answers: pass a DataFrame, or n_boot=0.")
    everything = as_moments(data, list(dict.fromkeys(i for items in dimensions.values() for i in items)), weights)
    parts = {
        name: _without_constant_items(name, as_moments(data, list(items), weights, missing))
        for name, items in dimensions.items()
    }
    analysed = [_analyse(name, part, conf_level) for name, part in parts.items()]
    if n_boot:
        for (table, _), part in zip(analysed, parts.values(), strict=True):
            _add_bootstrap(table, data, part, weights, n_boot, seed, conf_level)
    tables = [table for table, _ in analysed]
    if ordinal:
        tables += [_table(name, {"alpha_ordinal": _alpha_ordinal(name, part)}, part) for name, part in parts.items()]
    table = pd.concat(tables, ignore_index=True)
    items = pd.concat(
        [item_analysis(n, as_moments(data, list(i), weights, missing), scale) for n, i in dimensions.items()]
    )
    _warn_reversed(items)
    settings = {"missing": missing, "conf_level": conf_level, "n_boot": n_boot, "seed": seed, "ordinal": ordinal}
    settings |= {"n_effective": everything.effective_n}
    states = [state for _, state in analysed]
    return Reliability(
        table,
        items.reset_index(drop=True),
        all(state["converged"] for state in states),
        all(state["admissible"] for state in states),
        Provenance("reliability", everything.n, settings),
    )


def dimension_terms(cov: np.ndarray, corr: np.ndarray, signs: np.ndarray) -> dict[str, np.ndarray]:
    """Every coefficient of stacks of covariances and correlations (…, p, p); NaN where a matrix allows none."""
    halves = co.split_halves(corr, signs)
    proper = np.linalg.eigvalsh(np.nan_to_num(corr, nan=-1.0))[..., 0] > 1e-10
    lambda6, omega = np.full(proper.shape, np.nan), np.full(proper.shape, np.nan)
    if proper.any():
        lambda6[proper] = co.lambda6(corr[proper])
        omega[proper] = omega_total(cov[proper])
    return {
        "alpha": co.alpha(cov),
        "alpha_std": co.alpha(corr),
        "lambda2": co.lambda2(corr),
        "lambda6": lambda6,
        "split_half_max": halves.max(-1),
        "split_half_mean": halves.mean(-1),
        "split_half_min": halves.min(-1),
        "omega_total": omega,
        "mean_r": co.mean_r(corr),
    }


def _check_dimensions(dimensions: Mapping[str, Sequence[str]]) -> None:
    if not dimensions:
        raise ResponseError("No dimensions were given; pass for instance {'R': ['R1', 'R2']}.")
    for name, items in dimensions.items():
        if isinstance(items, str) or len(items) < 2 or len(set(items)) < len(items):
            raise ResponseError(f"Dimension {name} has items {items!r}; two or more different ones are needed.")


def _without_constant_items(name: str, moments: Moments) -> Moments:
    variance = np.diag(moments.cov)
    varies = variance > 1e-12
    if varies.all():
        return moments
    constant = [item for item, ok in zip(moments.items, varies, strict=True) if not ok]
    message = f"{name}: {', '.join(constant)} never varies (or has fewer than two answers) and is left out."
    warnings.warn(message, DataWarning, stacklevel=3)
    return moments.select([item for item in moments.items if item not in constant])


def _analyse(name: str, moments: Moments, conf_level: float) -> tuple[pd.DataFrame, dict[str, bool]]:
    """The coefficients of one dimension, and whether its model converged to an admissible solution."""
    p = len(moments.items)
    if p < 2:
        message = f"{name}: fewer than two items vary, so no reliability can be given."
        warnings.warn(message, DataWarning, stacklevel=3)
        return _table(name, dict.fromkeys(("alpha", "alpha_std", "omega_total"), np.nan), moments), _state(True, True)
    cov = moments.cov.to_numpy()
    corr = co.to_correlation(cov)
    signs = co.splits(p)
    terms = {term: float(value) for term, value in dimension_terms(cov, corr, signs).items()}
    table = _table(name, terms, moments)
    _add_delta_intervals(table, corr, cov, signs, moments.effective_n, conf_level)
    _add_feldt_intervals(table, moments.effective_n, p, conf_level)
    return table, _model_state(name, cov, corr)


def _table(name: str, terms: Mapping[str, float], moments: Moments) -> pd.DataFrame:
    table = pd.DataFrame({"term": list(terms), "estimate": list(terms.values())})
    table["model"] = table["term"].map(MODELS)
    return table.assign(
        dimension=name,
        n=moments.effective_n,
        n_items=len(moments.items),
        std_error=np.nan,
        conf_low=np.nan,
        conf_high=np.nan,
        interval="",
    )[COLUMNS]


def _add_delta_intervals(
    table: pd.DataFrame, corr: np.ndarray, cov: np.ndarray, signs: np.ndarray, n: float, conf_level: float
) -> None:
    around = co.perturbed(cov)
    moved = dimension_terms(around, co.to_correlation(around), signs)
    z = norm.ppf(0.5 + conf_level / 2)
    for row, term in enumerate(table["term"]):
        gradient = co.numerical_gradient(moved[term], cov)
        error, estimate = co.delta_error(gradient, cov, n), table.loc[row, "estimate"]
        low, high = fisher_interval(estimate, error, z) if term == "mean_r" else log_interval(estimate, error, z)
        table.loc[row, ["std_error", "conf_low", "conf_high"]] = error, low, high
        table.loc[row, "interval"] = "delta"


def log_interval(estimate: float, error: float, z: float) -> tuple[float, float]:
    """Interval of a reliability, symmetric for log(1 - estimate), so that it stays below one (Bonett 2002, eq. 7)."""
    if not estimate < 1:
        return np.nan, np.nan
    reach = z * error / (1 - estimate)
    return 1 - (1 - estimate) * np.exp(reach), 1 - (1 - estimate) * np.exp(-reach)


def fisher_interval(estimate: float, error: float, z: float) -> tuple[float, float]:
    reach = z * error / (1 - estimate**2)
    return float(np.tanh(np.arctanh(estimate) - reach)), float(np.tanh(np.arctanh(estimate) + reach))


def _add_feldt_intervals(table: pd.DataFrame, n: float, p: int, conf_level: float) -> None:
    for row in np.flatnonzero(table["term"].isin(["alpha", "alpha_std"])):
        table.loc[row, ["conf_low", "conf_high"]] = co.feldt_interval(table.loc[row, "estimate"], n, p, conf_level)
        table.loc[row, "interval"] = "Feldt"


def _add_bootstrap(
    table: pd.DataFrame, data: pd.DataFrame, moments: Moments, weights: Any, n_boot: int, seed: int, conf_level: float
) -> None:
    x = data[moments.items].to_numpy(dtype=float, na_value=np.nan)
    w = data[weights].to_numpy(dtype=float) if isinstance(weights, str) else weights
    if moments.missing == "listwise":
        complete = ~np.isnan(x).any(1)
        x, w = x[complete], None if w is None else np.asarray(w)[complete]
    _, covs = bootstrap_moments(x, n_boot, seed, w)
    drawn = dimension_terms(covs, co.to_correlation(covs), co.splits(len(moments.items)))
    tails = [0.5 - conf_level / 2, 0.5 + conf_level / 2]
    bounds = [np.nanquantile(drawn[term], tails) for term in table["term"]]
    table[["boot_low", "boot_high"]] = np.array(bounds)


def _alpha_ordinal(name: str, moments: Moments) -> float:
    """Standardised alpha of the polychoric matrix; NaN, with a warning, where that matrix is no estimate."""
    if len(moments.items) < 2:
        return np.nan
    pairs = zip(moments.items, moments.levels, strict=True)
    unfit = [item for i, (item, levels) in enumerate(pairs) if levels is None or _n_used(moments, i) > MOST_LEVELS]
    if unfit:
        raise ResponseError(
            f"{name}: {', '.join(unfit)} cannot be taken as ordinal: whole numbers of at most {MOST_LEVELS} levels are "
            "needed, counted from respondents. Leave ordinal=False, or leave the items out."
        )
    found = polychoric(moments)
    if not found.converged:
        message = f"{name}: the polychoric correlations did not converge; alpha_ordinal is missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=3)
        return np.nan
    if not found.positive_definite:
        message = f"{name}: the polychoric correlations are not positive definite; alpha_ordinal is missing."
        warnings.warn(message, InadmissibleWarning, stacklevel=3)
        return np.nan
    return float(co.alpha(found.correlation.to_numpy()))


def _n_used(moments: Moments, item: int) -> int:
    return int((np.diag(moments.tables.array(item, item)) > 0).sum())


def _state(converged: bool, admissible: bool) -> dict[str, bool]:
    return {"converged": converged, "admissible": admissible}


def _model_state(name: str, cov: np.ndarray, corr: np.ndarray) -> dict[str, bool]:
    """Whether the one-factor model behind omega_total can be trusted, with a warning where not."""
    if len(cov) < 3:
        message = f"{name} has two items: a one-factor model is not identified, omega_total is missing."
        warnings.warn(message, DataWarning, stacklevel=4)
        return _state(True, True)
    if np.linalg.eigvalsh(corr)[0] <= 1e-10:
        message = f"{name}: the correlation matrix is singular or not positive definite; lambda6 and omega are missing."
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
        return _state(True, False)
    model = one_factor_ml(cov)
    converged, admissible = bool(model.converged), bool(model.admissible)
    if not converged:
        message = f"{name}: the one-factor model did not converge; omega_total is missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=4)
    elif not admissible:
        message = f"{name}: the one-factor model has a negative item variance (Heywood case); mistrust omega_total."
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
    return _state(converged, admissible)


def _warn_reversed(items: pd.DataFrame) -> None:
    for dimension, group in items[items["suspect_reversed"]].groupby("dimension", sort=False):
        names = ", ".join(group["item"])
        message = f"{dimension}: {names} runs against the rest of the dimension; check the reverse key."
        warnings.warn(message, DataWarning, stacklevel=3)
