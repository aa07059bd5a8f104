"""Confirmatory factor analysis and structural equation models, with lavaan's defaults and lavaan's numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning
from qa_lib.models import continuous
from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.estimate import Optimum, solve, starting_values
from qa_lib.models.inference import ChiSquare
from qa_lib.models.measures import NAMES
from qa_lib.models.ordinal import categorical
from qa_lib.models.parameters import ParameterTable
from qa_lib.models.solution import ModelFit
from qa_lib.models.syntax import parse
from qa_lib.results import Provenance

Estimator = Literal["ML", "MLR", "MLM", "GLS", "ULS", "WLSMV", "ULSMV"]
_ESTIMATORS = ("ML", "MLR", "MLM", "GLS", "ULS", "WLSMV", "ULSMV")
_ORDINAL = ("WLSMV", "ULSMV")


def cfa(model: str, data: object, **options: object) -> ModelFit:
    """Confirmatory factor analysis; options and result are those of :func:`sem`.

    >>> import numpy as np, pandas as pd
    >>> r = np.array([[1, .5, .4], [.5, 1, .3], [.4, .3, 1]])
    >>> fit = cfa("f =~ a + b + c", pd.DataFrame(r, list("abc"), list("abc")), nobs=200, std_lv=True)
    >>> fit.tidy()["estimate"].head(3).round(4).tolist()
    [0.8145, 0.6108, 0.4887]
    """
    return sem(model, data, **options)


def sem(
    model: str,
    data: object,
    estimator: Estimator = "ML",
    ordered: Sequence[str] | None = None,
    missing: Literal["listwise", "fiml"] = "listwise",
    group: str | None = None,
    group_equal: Sequence[str] = (),
    std_lv: bool = False,
    weights: object = None,
    cluster: str | None = None,
    nobs: object = None,
    partial: Sequence[str] = (),
    meanstructure: bool = False,
    parameterization: Literal["delta", "theta"] = "delta",
) -> ModelFit:
    """Structural equation model in lavaan's syntax, with the defaults of lavaan 0.6-14's ``sem()``.

    model : lavaan syntax. data : DataFrame of responses (columns the model does not name are ignored), Moments, or a
    covariance DataFrame with ``nobs``; a mapping of groups to Moments for several groups.
    estimator : ML; MLR (robust errors from the observed Hessian, Yuan–Bentler test as Mplus); MLM (Satorra–Bentler);
    GLS; ULS. missing : "fiml" uses every answer (ML, MLR); respondents without their covariates are left out.
    group : column; ``group_equal`` sets of parameters equal
    across groups, ``partial`` terms such as "x3~1" exempt from it. weights : column or array of respondents' weights,
    rescaled to n, errors robust. cluster : column, errors robust to it. ordered : the ordinal items under WLSMV and
    ULSMV, by default all that are not covariates; ``parameterization`` makes their response scales (delta) or their
    residual variances (theta) parameters. Bootstrap errors and intervals: ``fit.bootstrap()``.

    Raises ModelError for a model or data that cannot be used; warns NotConvergedWarning, InadmissibleWarning,
    DataWarning.
    """
    _check_options(estimator, missing, ordered, parameterization)
    _check_sampling(estimator, weights, cluster)
    ordered = ordered if ordered is None else _as_tuple(ordered)
    options = {
        "model": model, "estimator": estimator, "ordered": ordered, "missing": missing, "group": group,
        "group_equal": _as_tuple(group_equal), "std_lv": std_lv, "weights": weights, "cluster": cluster, "nobs": nobs,
        "partial": _as_tuple(partial), "meanstructure": meanstructure, "fiml": missing == "fiml",
        "parameterization": parameterization,
    }  # fmt: skip
    kind = categorical if estimator in _ORDINAL else continuous
    table, objective, decided = kind.prepare(parse(model), data, options)
    settings = {key: value for key, value in options.items() if key not in {"weights", "nobs"}}
    settings |= decided | {"weighted": weights is not None}
    table, optimum = solve(table, objective, starting_values(table, objective.samples))
    return _concluded(kind, table, objective, optimum, settings)


def _as_tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check_options(estimator: str, missing: str, ordered: Sequence[str] | None, parameterization: str) -> None:
    if estimator not in _ESTIMATORS:
        raise ModelError(f"estimator {estimator!r} is not known. Allowed: {', '.join(_ESTIMATORS)}.")
    if ordered and estimator not in _ORDINAL:
        raise ModelError("ordered= needs estimator WLSMV or ULSMV.")
    if parameterization not in {"delta", "theta"}:
        raise ModelError(f"parameterization {parameterization!r} is not known. Allowed: delta, theta.")
    if missing not in {"listwise", "fiml"}:
        raise ModelError(f"missing {missing!r} is not known. Allowed: listwise, fiml.")
    if missing == "fiml" and estimator not in {"ML", "MLR"}:
        raise ModelError(f"missing='fiml' needs estimator ML or MLR, not {estimator}.")


def _check_sampling(estimator: str, weights: object, cluster: str | None) -> None:
    """Least squares of continuous variables has no errors that know of weights or clusters."""
    if estimator in {"GLS", "ULS"} and (weights is not None or cluster is not None):
        given = "weights" if weights is not None else "cluster"
        raise ModelError(f"{given}: the standard errors of {estimator} would ignore it. Use estimator ML or MLR.")


def _concluded(kind, table: ParameterTable, objective, optimum: Optimum, settings: Mapping) -> ModelFit:
    """The fit with its errors, test and measures; without them, and with a warning, where it did not converge."""
    at, provenance = optimum.evaluation, Provenance("sem", objective.n, settings)
    if not optimum.converged:
        warnings.warn(
            f"the model did not converge after {optimum.iterations} iterations: no fit is reported. "
            "Check that it is identified, or give starting values.",
            NotConvergedWarning,
            stacklevel=4,
        )
        unknown, problems = np.full((table.n_free, table.n_free), np.nan), ("not converged",)
        covariance, test, measures = unknown, ChiSquare(np.nan, np.nan), dict.fromkeys(NAMES, np.nan)
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            covariance, test = kind.inference(table, objective, at, settings)
        problems = tuple(dict.fromkeys([*(str(warning.message) for warning in caught), *_improper(table, at)]))
        for problem in problems:
            warnings.warn(problem, InadmissibleWarning, stacklevel=4)
        measures = kind.measures(table, objective, at, test, settings)
    return ModelFit(
        table, objective, at, covariance, test, measures, settings["estimator"], optimum.converged, not problems,
        problems, settings, provenance,
    )  # fmt: skip


def _improper(table: ParameterTable, at: Evaluation) -> list[str]:
    """What is impossible in a population: negative variances, covariance matrices that are not positive definite."""
    problems, p = [], len(table.observed)
    names = [*table.observed, *table.latent]
    for g, implied in enumerate(at.implied):
        where = f" in group {g + 1}" if table.n_groups > 1 else ""
        negative = [name for name, v in zip(names, np.diag(implied.symmetric), strict=True) if v < -1e-9]
        if negative:
            problems.append(f"negative variance of {', '.join(negative)}{where}: the solution is inadmissible.")
        latent = implied.full_cov[p:, p:]
        if len(latent) and np.linalg.eigvalsh(latent).min() < -1e-8 * np.trace(np.abs(latent)):
            problems.append(
                f"the covariance matrix of the latent variables is not positive definite{where}: "
                "some correlate beyond one or are linear combinations of others."
            )
        residual = implied.symmetric[:p, :p]
        if not negative and np.linalg.eigvalsh(residual).min() < -1e-8 * np.trace(np.abs(residual)):
            problems.append(f"the covariance matrix of the residuals is not positive definite{where}.")
    return problems
