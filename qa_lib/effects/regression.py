"""Drivers: the regression of satisfaction on the dimensions, with errors, diagnostics and importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from warnings import warn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import WLS

from qa_lib.effects.design import Design, MomentsDesign, RowsDesign, build_design
from qa_lib.effects.diagnostics import diagnose, variance_inflation
from qa_lib.effects.importance import Importance, importance
from qa_lib.effects.logits import fit_logit
from qa_lib.effects.prediction import linear_r_squared
from qa_lib.errors import DataWarning, ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qa_lib.sufficient.moments import Moments

CovType = Literal["HC0", "HC1", "HC2", "HC3", "cluster", "nonrobust"]


@dataclass(frozen=True, slots=True)
class Drivers(Result):
    """A driver model.

    Attributes
    ----------
    coefficients : a row for the intercept and each predictor, see ``tidy``
    vif : variance inflation factor of each predictor
    diagnostics : a row per check: value, test, threshold, source and whether it is a ``concern``
    importance : how much each predictor matters, with intervals (``.importance.tidy()``)
    marginal_effects : of logit models: average change in the probability of each level per unit of each predictor
    """

    outcome: str
    predictors: tuple[str, ...]
    coefficients: pd.DataFrame
    fit: Mapping[str, object]
    vif: pd.Series
    diagnostics: pd.DataFrame
    importance: Importance
    provenance: Provenance
    marginal_effects: pd.DataFrame | None = None

    def tidy(self) -> pd.DataFrame:
        """Columns ``term, estimate, std_error, statistic, p_value, conf_low, conf_high`` in the outcome's units per
        unit of the predictor; ``std_all, std_low, std_high`` in standard deviations, with bootstrap intervals."""
        return self.coefficients.copy()

    def glance(self) -> pd.DataFrame:
        """One row; ``r_squared_cv`` and its interval are of respondents held out (ten folds, three times)."""
        return pd.DataFrame([dict(self.fit)])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The picture of ``importance``."""
        return self.importance.plot(ax, labels)


def drivers(
    data: pd.DataFrame | Moments | tuple[pd.DataFrame, float],
    outcome: str,
    predictors: Sequence[str],
    weights: str | ArrayLike | None = None,
    cov_type: CovType = "HC3",
    n_boot: int = 2000,
    seed: int = 0,
    *,
    model: Literal["ols", "logit", "ordinal"] = "ols",
    top_box: float | None = None,
    cluster: str | ArrayLike | None = None,
    conf_level: float = 0.95,
    nobs: float | None = None,
) -> Drivers:
    """Which predictors move the outcome, how surely, and how much each matters.

    Parameters
    ----------
    data : DataFrame of respondents; Moments; or a covariance or correlation matrix with ``nobs`` (or the pair of both).
        Rows with a missing value in any variable named are left out (``glance()["n_dropped"]``). From moments alone
        there are no robust errors, and importance is bootstrapped as for normal data.
    outcome, predictors : column names
    weights : respondents' weights, a column's name or values; intervals then use the effective sample size (Kish)
    cov_type : errors of the coefficients: heteroscedasticity-consistent (MacKinnon and White 1985,
        doi:10.1016/0304-4076(85)90158-7), ``cluster`` or ``nonrobust``
    n_boot : bootstrap samples for importance and standardised coefficients; 0 gives no intervals
    model : ``ols``; ``logit`` for an outcome of 0 and 1, or with ``top_box`` the lowest value that counts as 1;
        ``ordinal`` logit for an outcome of 2 to 20 levels. Errors of both are the sandwich's (HC0, or by cluster)
        unless ``nonrobust``; every bootstrap sample re-fits all subsets, so that a smaller ``n_boot`` is wise
    cluster : column or values that name each respondent's cluster; errors and bootstrap are then by cluster

    Raises
    ------
    ResponseError : a column is absent or not numeric; weights negative or all zero
    ModelError : constant or exactly collinear predictors, an outcome with one level, too few rows

    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame(rng.normal(size=(200, 2)), columns=["reliability", "empathy"])
    >>> data["satisfaction"] = data["reliability"] + .5 * data["empathy"] + rng.normal(size=200)
    >>> result = drivers(data, "satisfaction", ["reliability", "empathy"], n_boot=200)
    >>> result.tidy()[["term", "estimate", "std_all"]].round(2)
              term  estimate  std_all
    0    Intercept      0.04      NaN
    1  reliability      1.03     0.67
    2      empathy      0.51     0.33
    """
    design = build_design(data, outcome, predictors, weights, cluster, nobs)
    if model not in ("ols", "logit", "ordinal"):
        raise ModelError(f"model is {model!r}; allowed: ols, logit, ordinal.")
    if model != "ols":
        return _logit_drivers(design, model, top_box, cov_type, n_boot, seed, conf_level)
    cov_type = errors_that_apply(design, cov_type)
    if isinstance(design, MomentsDesign):
        params, vcov, df = _ols_moments(design)
    else:
        params, vcov, df = least_squares(
            design.y, design.with_intercept, design.weights, design.n, cov_type, design.clusters
        )
    settings = {"outcome": outcome, "predictors": list(predictors), "cov_type": cov_type}
    settings |= {"n_boot": n_boot, "seed": seed, "conf_level": conf_level, "weighted": _is_weighted(design)}
    shares = importance(
        design.predictors,
        design.cov,
        design.replicates(n_boot, seed) if n_boot else [],
        n=design.n,
        conf_level=conf_level,
        settings=settings,
    )
    return Drivers(
        outcome=outcome,
        predictors=design.predictors,
        coefficients=_coefficients(design.predictors, params, vcov, df, shares, conf_level),
        fit=_fit_measures(design, params, vcov, df, cov_type) | _held_out(design, conf_level),
        vif=pd.Series(variance_inflation(design.cov[:-1, :-1]), index=list(design.predictors), name="vif"),
        diagnostics=_diagnostics(design, params),
        importance=shares,
        provenance=Provenance("drivers", design.n, settings),
    )


def _logit_drivers(design: Design, model, top_box, cov_type, n_boot, seed, conf_level) -> Drivers:
    settings = {"model": model, "top_box": top_box, "n_boot": n_boot, "seed": seed, "weighted": _is_weighted(design)}
    table, effects, measures, shares = fit_logit(
        design, model, top_box, cov_type != "nonrobust", n_boot, seed, conf_level, settings
    )
    return Drivers(
        outcome=design.outcome,
        predictors=design.predictors,
        coefficients=table,
        fit=measures,
        vif=pd.Series(variance_inflation(design.cov[:-1, :-1]), index=list(design.predictors), name="vif"),
        diagnostics=diagnose(design),
        importance=shares,
        provenance=Provenance("drivers", design.n, settings),
        marginal_effects=effects,
    )


def _is_weighted(design: Design) -> bool:
    return isinstance(design, RowsDesign) and design.weighted


def errors_that_apply(design: Design, cov_type: str) -> str:
    allowed = ("HC0", "HC1", "HC2", "HC3", "cluster", "nonrobust")
    if cov_type not in allowed:
        raise ModelError(f"cov_type is {cov_type!r}; allowed: {', '.join(allowed)}.")
    if isinstance(design, MomentsDesign):
        if cov_type != "nonrobust":
            warn(f"{cov_type} errors need respondents' rows; from moments they are nonrobust.", DataWarning, 3)
        return "nonrobust"
    if cov_type == "cluster" and design.clusters is None:
        raise ModelError("cov_type='cluster' needs cluster=, the column that names each respondent's cluster.")
    return "cluster" if design.clusters is not None else cov_type


def least_squares(
    y: np.ndarray, x: np.ndarray, weights: np.ndarray, n: float, cov_type: str, clusters: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients of the columns of x (m, k), their covariance and degrees of freedom; weights of m rows sum to the
    effective sample size n."""
    model = WLS(y, x, weights=weights * n / len(weights))
    df = n - x.shape[1]
    if cov_type == "cluster":
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": clusters})
        return fitted.params, fitted.cov_params(), float(clusters.max())
    fitted = model.fit(cov_type=cov_type)
    vcov = fitted.cov_params()
    # statsmodels divides by n - k with n the number of rows; under weights the information is that of the effective n
    return fitted.params, vcov * fitted.df_resid / df if cov_type == "nonrobust" else vcov, df


def _ols_moments(design: MomentsDesign) -> tuple[np.ndarray, np.ndarray, float]:
    df = design.n - len(design.predictors) - 1
    inverse = np.linalg.inv(design.cov[:-1, :-1])
    slopes = inverse @ design.cov[:-1, -1]
    residual_variance = (design.cov[-1, -1] - slopes @ design.cov[:-1, -1]) * (design.n - 1) / df
    mean = design.mean[:-1]
    slope_cov = residual_variance / (design.n - 1) * inverse
    cross = -slope_cov @ mean
    intercept_variance = residual_variance / design.n + mean @ slope_cov @ mean
    vcov = np.block([[np.array([[intercept_variance]]), cross[None]], [cross[:, None], slope_cov]])
    return np.concatenate([[design.mean[-1] - slopes @ mean], slopes]), vcov, df


def _coefficients(predictors, params, vcov, df, shares: Importance, conf_level) -> pd.DataFrame:
    std_error = np.sqrt(np.diag(vcov))
    half = stats.t.ppf((1 + conf_level) / 2, df) * std_error
    betas = shares.measures[shares.measures["method"] == "beta"]
    padded = {key: np.concatenate([[np.nan], betas[key]]) for key in ("estimate", "conf_low", "conf_high")}
    return pd.DataFrame(
        {
            "term": ["Intercept", *predictors],
            "estimate": params,
            "std_error": std_error,
            "statistic": params / std_error,
            "p_value": 2 * stats.t.sf(np.abs(params / std_error), df),
            "conf_low": params - half,
            "conf_high": params + half,
            "std_all": padded["estimate"],
            "std_low": padded["conf_low"],
            "std_high": padded["conf_high"],
        }
    )


def _fit_measures(design: Design, params, vcov, df, cov_type) -> dict[str, object]:
    p = len(design.predictors)
    r_squared = params[1:] @ design.cov[:-1, -1] / design.cov[-1, -1]
    statistic = params[1:] @ np.linalg.solve(vcov[1:, 1:], params[1:]) / p
    rows = {"n_rows": len(design.y), "n_dropped": design.n_dropped} if isinstance(design, RowsDesign) else {}
    return {
        "n": design.n,
        **rows,
        "method": "OLS",
        "cov_type": cov_type,
        "converged": True,
        "r_squared": r_squared,
        "r_squared_adjusted": 1 - (1 - r_squared) * (design.n - 1) / (design.n - p - 1),
        "statistic": statistic,
        "df": p,
        "df_residual": df,
        "p_value": stats.f.sf(statistic, p, df),
    }


def _held_out(design: Design, conf_level: float) -> dict[str, float]:
    """R² on respondents not fitted to; none where only moments, or fewer than two clusters, are known."""
    names = {"estimate": "r_squared_cv", "conf_low": "r_squared_cv_low", "conf_high": "r_squared_cv_high"}
    if isinstance(design, MomentsDesign):
        return dict.fromkeys(names.values(), np.nan)
    found = linear_r_squared(design, conf_level)
    return {name: found[key] for key, name in names.items()}


def _diagnostics(design: Design, params: np.ndarray) -> pd.DataFrame:
    if isinstance(design, MomentsDesign):
        return diagnose(design)
    root = np.sqrt(design.weights)[:, None]
    basis = np.linalg.qr(root * design.with_intercept)[0]
    return diagnose(design, design.y - design.with_intercept @ params, (basis**2).sum(axis=1))
