"""``omega_total``: reliability from the one-factor model that the model engine fits."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, InadmissibleWarning, NotConvergedWarning, QaWarning
from qa_lib.models.fit import cfa
from qa_lib.models.solution import ModelFit
from qa_lib.trust.consistency.coefficients import Coefficient, delta_error


def one_factor_ml(cov: np.ndarray, n: float) -> ModelFit:
    """One factor of variance one by maximum likelihood; free parameters: p loadings, then p residual variances.

    Not converged and inadmissible fits are left to the caller to judge (``fit.converged``, ``fit.admissible``).
    """
    names = [f"x{i}" for i in range(len(cov))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QaWarning)
        return cfa(f"f =~ {' + '.join(names)}", pd.DataFrame(cov, names, names), nobs=n, std_lv=True)


def omega_total(loadings: np.ndarray, cov: np.ndarray) -> float:
    """(Σλ)² over the observed variance of the total (McDonald 1999, eq. 6.20b; compRelSEM's default denominator).

    >>> round(omega_total(np.array([.8, .7, .6]), np.array([[1, .5, .4], [.5, 1, .4], [.4, .4, 1]])), 4)
    0.7875
    """
    return float(np.sum(loadings) ** 2 / np.sum(cov))


def omega_gradient(fit: ModelFit) -> np.ndarray:
    """Symmetric gradient (p, p) of ``omega_total`` by the observed covariances.

    The loadings move with the covariances as the gradient of the discrepancy must stay zero (implicit
    differentiation): with B = Σ⁻¹, ∂F/∂λ = (B - BSB)λ and ∂F/∂ψ = ½ diag(B - BSB).
    """
    p, cov, precision = len(fit.x) // 2, fit.samples[0].cov, np.linalg.inv(fit.implied_cov)
    loadings, total = fit.x[:p], np.sum(fit.samples[0].cov)
    by_parameters = np.repeat([2 * loadings.sum() / total, 0.0], p)
    by_loading, by_variance = np.split(np.linalg.solve(fit.objective.observed(fit.evaluation), by_parameters), 2)
    moved = np.outer(loadings, by_loading)
    inner = (moved + moved.T + np.diag(by_variance)) / 2
    return precision @ inner @ precision - omega_total(loadings, cov) / total


def omega_coefficient(name: str, items: list[str], cov: np.ndarray, n: float) -> Coefficient:
    """``omega_total`` of one dimension, with the error of the delta method for normal items."""
    if len(cov) < 3:
        message = f"{name} has two items: a one-factor model is not identified, omega is missing."
        warnings.warn(message, DataWarning, stacklevel=4)
        return Coefficient("omega_total", note="two_items")
    fit = one_factor_ml(cov, n)
    if not fit.converged:
        message = f"{name}: the one-factor model did not converge; omega_total is missing."
        warnings.warn(message, NotConvergedWarning, stacklevel=4)
        return Coefficient("omega_total", note="not_converged")
    p, sample = len(cov), fit.samples[0].cov
    error = delta_error(omega_gradient(fit), sample, n)
    negative = [item for item, variance in zip(items, fit.x[p:], strict=True) if variance < 0]
    if negative:
        message = (
            f"{name}: the one-factor model has a negative item variance, of {', '.join(negative)} (Heywood case); "
            "mistrust omega_total."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
    return Coefficient("omega_total", omega_total(fit.x[:p], sample), error, "heywood" if negative else "")
