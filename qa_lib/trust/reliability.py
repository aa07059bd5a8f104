"""Reliability of dimensions and of the whole instrument, each coefficient with its interval and its model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, InadmissibleWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Missing, Moments, as_moments
from qa_lib.sufficient.resample import bootstrap_moments
from qa_lib.trust.consistency import coefficients as co
from qa_lib.trust.consistency.coefficient_table import coefficient_table, is_admissible, is_converged
from qa_lib.trust.consistency.coefficients import Coefficient
from qa_lib.trust.consistency.items import item_analysis
from qa_lib.trust.consistency.omega import omega_coefficient
from qa_lib.trust.consistency.ordinal_reliability import MOST_LEVELS, Respondents, not_ordinal, ordinal_coefficients
from qa_lib.trust.consistency.schmid_leiman import SINGULAR, instrument_coefficients

__all__ = ["Reliability", "reliability"]

WHOLE_INSTRUMENT = "instrument"
MODELS = {
    "alpha": "covariances",
    "alpha_std": "correlations",
    "lambda2": "correlations",
    "lambda6": "correlations, squared multiple correlations",
    "split_half_max": "correlations, best split",
    "split_half_mean": "correlations, mean of splits",
    "split_half_min": "correlations, worst split",
    "mean_r": "correlations",
    "omega_total": "one factor, ML; observed total variance",
    "alpha_ordinal": "polychoric correlations",
    "omega_ordinal": "one factor, polychoric, diagonally weighted; variance of the ordinal total",
    "omega_h": "Schmid-Leiman, minres and oblimin; general factor",
    "omega_total_sl": "Schmid-Leiman, minres and oblimin; all factors",
}
SHOWN = {"alpha": "Alpha", "omega_total": "Omega", "omega_ordinal": "Ordinal omega"}
CLOSED_FORM = tuple(MODELS)[:8]
ORDINAL = ("alpha_ordinal", "omega_ordinal")


@dataclass(frozen=True, slots=True)
class Reliability(Result):
    """``table``: a row per dimension and coefficient; ``items``: a row per item (see ``item_analysis``)."""

    table: pd.DataFrame
    items: pd.DataFrame
    provenance: Provenance

    @property
    def converged(self) -> bool:
        return is_converged(self.table)

    @property
    def admissible(self) -> bool:
        return is_admissible(self.table)

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

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Alpha and omega of every dimension with their intervals; returns the Axes.

        labels : words to show for dimensions and terms, and for the axis (``reliability``).
        """
        from qa_lib.models.pictures import intervals

        words = SHOWN | {"reliability": "Reliability"} | dict(labels or {})
        rows = self.table[self.table["term"].isin(SHOWN)].rename(columns={"dimension": "name", "term": "series"})
        return intervals(rows[rows["estimate"].notna()], ax, words, words["reliability"])


def reliability(
    data: Any,
    dimensions: Mapping[str, Sequence[str]],
    conf_level: float = 0.95,
    weights: Any = None,
    missing: Missing = "pairwise",
    n_boot: int = 0,
    seed: int = 1,
    scale: tuple[float, float] | None = None,
    ordinal: bool | None = None,
) -> Reliability:
    """Reliability coefficients and item analysis of each dimension, and omega of the whole instrument.

    data : DataFrame (items scored towards the dimension's positive pole), Moments, or (covariance DataFrame, n).
    dimensions : items by dimension. weights : respondents' weights; n is then the effective one, in every interval.
    n_boot : also percentile bootstrap intervals of the coefficients that need no model, as columns ``boot_low,
        boot_high`` (needs a DataFrame).
    scale : lowest and highest point of the answers, for floor and ceiling shares; by default as found.
    ordinal : ``alpha_ordinal`` and ``omega_ordinal``, for whole-number items of at most 11 levels; by default where
        that is what the items are; True insists, False leaves them out.

    Terms, column ``model`` says what each was computed from:

    - alpha, alpha_std: Cronbach (1951), with Feldt's interval. lambda2, lambda6: Guttman (1945); split_half_max, _mean,
      _min: of every split (of a seeded sample above 16 items); mean_r.
    - omega_total: one factor by maximum likelihood (McDonald 1999). omega_ordinal: one factor of polychoric
      correlations, reliability of the sum of the answers as given (Green and Yang 2009,
      doi:10.1007/s11336-008-9098-4). alpha_ordinal: alpha of the polychoric correlations, which is of the variables
      behind the answers (Zumbo, Gadermann and Zeisser 2007, doi:10.22237/jmasm/1177992180).
    - omega_h, omega_total_sl: rows of the dimension ``instrument``, when there are two dimensions or more (Zinbarg et
      al. 2005, doi:10.1007/s11336-003-0974-7).

    Their intervals are those of the delta method (``std_error``), for reliabilities on the scale of log(1 - estimate)
    (Bonett 2002), for mean_r on Fisher's z; for normal items, but for the ordinal ones, whose errors come from the
    respondents and so need a DataFrame. Where an estimate is missing or doubtful, ``note`` holds a key of
    ``coefficient_table.NOTES``.

    Warns DataWarning of constant items (left out), items that seem reversed, scales too short for a coefficient;
    InadmissibleWarning of negative variances and singular matrices; NotConvergedWarning; EmptyCategoryWarning.
    Raises ResponseError for absent items, empty dimensions, n_boot without respondents, or ordinal=True with items
    that are no whole numbers or have more than 11 levels.

    >>> corr = pd.DataFrame(.5 * np.eye(3) + .5, index=list("abc"), columns=list("abc"))
    >>> found = reliability((corr, 100), {"service": ["a", "b", "c"]}).tidy().set_index("term")
    >>> found.loc["alpha", ["estimate", "conf_low", "conf_high"]].astype(float).round(3).to_list()
    [0.75, 0.651, 0.824]
    """
    _check_arguments(data, dimensions, n_boot)
    names = list(dict.fromkeys(item for items in dimensions.values() for item in items))
    everything = as_moments(data, names, weights, missing)
    respondents = _respondents(data, names, weights)
    tables, analysed, vary = [], [], {}
    for name, items in dimensions.items():
        own = missing == "listwise" and respondents is not None
        part = as_moments(data, list(items), weights, missing) if own else everything.select(list(items))
        analysed.append(item_analysis(name, part, scale))
        vary[name] = part = _without_constant_items(name, part)
        answers = None if respondents is None else respondents.of(part)
        table = _table(name, _dimension(name, part, answers, ordinal), part, conf_level)
        tables.append(_with_bootstrap(table, answers, n_boot, seed, conf_level) if n_boot else table)
    if len(dimensions) > 1:
        tables.append(_instrument(everything, vary, conf_level))
    items = pd.concat(analysed, ignore_index=True)
    _warn_reversed(items)
    settings = {"missing": missing, "conf_level": conf_level, "n_boot": n_boot, "seed": seed, "ordinal": ordinal}
    settings |= {"n_effective": everything.effective_n}
    return Reliability(pd.concat(tables, ignore_index=True), items, Provenance("reliability", everything.n, settings))


def closed_form(cov: np.ndarray, corr: np.ndarray, signs: np.ndarray) -> dict[str, np.ndarray]:
    """The coefficients that need no model, of stacks of covariances and correlations (…, p, p); NaN where a matrix
    allows none. signs : the splits, see ``coefficients.splits``."""
    halves = co.split_halves(corr, signs)
    proper = np.linalg.eigvalsh(np.nan_to_num(corr, nan=-1.0))[..., 0] > SINGULAR
    lambda6 = np.full(proper.shape, np.nan)
    lambda6[proper] = co.lambda6(corr[proper])
    return {
        "alpha": co.alpha(cov),
        "alpha_std": co.alpha(corr),
        "lambda2": co.lambda2(corr),
        "lambda6": lambda6,
        "split_half_max": halves.max(-1),
        "split_half_mean": halves.mean(-1),
        "split_half_min": halves.min(-1),
        "mean_r": co.mean_r(corr),
    }


def _check_arguments(data: Any, dimensions: Mapping[str, Sequence[str]], n_boot: int) -> None:
    if not dimensions:
        raise ResponseError("No dimensions were given; pass for instance {'R': ['R1', 'R2']}.")
    for name, items in dimensions.items():
        if isinstance(items, str) or len(items) < 2 or len(set(items)) < len(items):
            raise ResponseError(f"Dimension {name} has items {items!r}; two or more different ones are needed.")
    if n_boot and not isinstance(data, pd.DataFrame):
        raise ResponseError("The bootstrap needs the respondents' answers: pass a DataFrame, or n_boot=0.")


def _respondents(data: Any, items: Sequence[str], weights: Any) -> Respondents | None:
    if not isinstance(data, pd.DataFrame):
        return None
    w = data[weights] if isinstance(weights, str) else np.ones(len(data)) if weights is None else weights
    return Respondents(list(items), data[list(items)].to_numpy(float, na_value=np.nan), np.asarray(w, dtype=float))


def _without_constant_items(name: str, moments: Moments) -> Moments:
    varies = np.diag(moments.cov) > 1e-12
    if varies.all():
        return moments
    if not varies.any():
        raise ResponseError(f"{name}: no item varies, or has two answers; there is nothing to measure. Leave it out.")
    constant = [item for item, ok in zip(moments.items, varies, strict=True) if not ok]
    message = f"{name}: {', '.join(constant)} never varies (or has fewer than two answers) and is left out."
    warnings.warn(message, DataWarning, stacklevel=3)
    return moments.select([item for item in moments.items if item not in constant])


def _dimension(name: str, moments: Moments, respondents: Respondents | None, ordinal: bool | None) -> list[Coefficient]:
    """Every coefficient of one dimension."""
    cov = moments.cov.to_numpy()
    terms = [*CLOSED_FORM, "omega_total", *(() if ordinal is False else ORDINAL)]
    if problem := _matrix_problem(name, cov):
        return [Coefficient(term, note=problem) for term in terms]
    found = _closed_form(cov, moments.effective_n)
    corr = co.to_correlation(cov)
    if np.linalg.eigvalsh(corr)[0] <= SINGULAR:
        message = f"{name}: the correlation matrix is singular or not positive definite; lambda6 and omega are missing."
        warnings.warn(message, InadmissibleWarning, stacklevel=3)
        found = [c._replace(note="singular") if c.term == "lambda6" else c for c in found]
        found.append(Coefficient("omega_total", note="singular"))
    else:
        found.append(omega_coefficient(name, moments.items, cov, moments.effective_n))
    return found if ordinal is False else [*found, *_ordinal(name, moments, respondents, insist=bool(ordinal))]


def _matrix_problem(name: str, cov: np.ndarray) -> str:
    """Why no coefficient can be had from these covariances, if so, with a warning."""
    if len(cov) < 2:
        warnings.warn(f"{name}: fewer than two items vary, so no reliability can be given.", DataWarning, stacklevel=4)
        return "too_few_items"
    if np.isnan(cov).any():
        message = f"{name}: some items were never answered by the same respondents, so no reliability can be given."
        warnings.warn(message, DataWarning, stacklevel=4)
        return "never_together"
    if min(cov.sum() / np.trace(cov), co.to_correlation(cov).sum()) < 1e-10:
        message = f"{name}: the items cancel each other, so that their sum does not vary; check the reverse keys."
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
        return "no_total_variance"
    return ""


def _closed_form(cov: np.ndarray, n: float) -> list[Coefficient]:
    """The coefficients that need no model, with the errors of the delta method."""
    signs, around = co.splits(len(cov)), co.perturbed(cov)
    estimates = closed_form(cov, co.to_correlation(cov), signs)
    moved = closed_form(around, co.to_correlation(around), signs)
    errors = {term: co.delta_error(co.numerical_gradient(values, cov), cov, n) for term, values in moved.items()}
    return [Coefficient(term, float(estimates[term]), errors[term]) for term in estimates]


def _ordinal(name: str, moments: Moments, respondents: Respondents | None, insist: bool) -> list[Coefficient]:
    unfit = not_ordinal(moments)
    if unfit and insist:
        raise ResponseError(
            f"{name}: {', '.join(unfit)} cannot be taken as ordinal: whole numbers of at most {MOST_LEVELS} levels are "
            "needed, counted from respondents. Leave ordinal out, or leave the items out."
        )
    if unfit:
        return [Coefficient(term, note="not_ordinal") for term in ORDINAL]
    return ordinal_coefficients(name, moments, respondents)


def _instrument(everything: Moments, dimensions: Mapping[str, Moments], conf_level: float) -> pd.DataFrame:
    """Omega of all items that vary, by as many factors as there are dimensions with such items."""
    vary = everything.select(list(dict.fromkeys(item for part in dimensions.values() for item in part.items)))
    k = sum(bool(part.items) for part in dimensions.values())
    corr = vary.correlation.to_numpy()
    return _table(WHOLE_INSTRUMENT, instrument_coefficients(corr, k, vary.effective_n), vary, conf_level)


def _table(name: str, found: Sequence[Coefficient], moments: Moments, conf_level: float) -> pd.DataFrame:
    return coefficient_table(name, found, MODELS, moments.effective_n, len(moments.items), conf_level)


def _with_bootstrap(
    table: pd.DataFrame, respondents: Respondents, n_boot: int, seed: int, conf_level: float
) -> pd.DataFrame:
    """The table with percentile intervals of the coefficients that need no model."""
    has = table["term"].isin(CLOSED_FORM) & table["estimate"].notna()
    table[["boot_low", "boot_high"]] = np.nan
    if has.any():
        _, covs = bootstrap_moments(respondents.x, n_boot, seed, respondents.weights)
        drawn = closed_form(covs, co.to_correlation(covs), co.splits(len(respondents.items)))
        tails = [0.5 - conf_level / 2, 0.5 + conf_level / 2]
        table.loc[has, ["boot_low", "boot_high"]] = [np.nanquantile(drawn[t], tails) for t in table.loc[has, "term"]]
    return table


def _warn_reversed(items: pd.DataFrame) -> None:
    for dimension, group in items[items["suspect_reversed"]].groupby("dimension", sort=False):
        names = ", ".join(group["item"])
        message = f"{dimension}: {names} runs against the rest of the dimension; check the reverse key."
        warnings.warn(message, DataWarning, stacklevel=3)
