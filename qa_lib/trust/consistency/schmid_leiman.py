"""Omega of the whole instrument: one general factor above as many group factors as there are dimensions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from qa_lib.errors import DataWarning, InadmissibleWarning, NotConvergedWarning
from qa_lib.models.constraints import complex_jacobian
from qa_lib.trust.consistency.coefficients import Coefficient, delta_error
from qa_lib.trust.structure.extraction import extract
from qa_lib.trust.structure.rotation import rotate

SINGULAR = 1e-10


@dataclass(frozen=True, slots=True)
class SchmidLeiman:
    """Oblique loadings (p, k), factor correlations (k, k), loadings of the factors on the general one (k,)."""

    loadings: np.ndarray
    phi: np.ndarray
    general: np.ndarray
    converged: bool
    heywood: bool

    @property
    def general_loadings(self) -> np.ndarray:
        """Loadings of the items on the general factor (p,) (Schmid and Leiman 1957, doi:10.1007/BF02289209)."""
        return self.loadings @ self.general

    @property
    def uniqueness(self) -> np.ndarray:
        return 1 - np.einsum("ia,ab,ib->i", self.loadings, self.phi, self.loadings)


def schmid_leiman(corr: np.ndarray, k: int) -> SchmidLeiman:
    """k minres factors rotated by oblimin, and one minres factor of their correlations (psych::omega's defaults).

    Two factors do not identify a general one: both load √|φ| on it, as psych's option = "equal". psych rotates from
    varimax alone; the best of several starts, taken here, is the same but for data that have several minima.
    """
    first = extract(corr, k)
    rotated = rotate(first.loadings, "oblimin")
    if k == 2:
        r = rotated.phi[0, 1]
        general, converged, heywood = np.sqrt(abs(r)) * np.array([1.0, np.sign(r)]), True, False
    else:
        second = extract(rotated.phi, 1)
        general, converged, heywood = second.loadings[:, 0], second.converged, bool(second.heywood.any())
        general = general * (np.sign(general.sum()) or 1)
    converged = converged and first.converged and rotated.converged
    return SchmidLeiman(rotated.loadings, rotated.phi, general, converged, heywood or bool(first.heywood.any()))


def omegas(solution: SchmidLeiman, corr: np.ndarray) -> tuple[float, float]:
    """``omega_h``, what the general factor explains of the variance of the total, and ``omega_total_sl``, what all
    factors do (Zinbarg, Revelle, Yovel and Li 2005, doi:10.1007/s11336-003-0974-7, eq. 6 and 8).

    Items that load negatively on the general factor count reversed, as in psych.
    """
    general = solution.general_loadings
    signs = np.where(general < 0, -1.0, 1.0)
    total = signs @ corr @ signs
    return float((signs @ general) ** 2 / total), float(1 - solution.uniqueness.sum() / total)


def gradients(solution: SchmidLeiman, corr: np.ndarray) -> np.ndarray:
    """Derivatives of the two omegas by the covariances of standardised items: (2, p, p), symmetric."""
    p, k = solution.loadings.shape
    general = solution.general_loadings
    signs = np.where(general < 0, -1.0, 1.0)
    total, share = signs @ corr @ signs, signs @ general
    h, t = omegas(solution, corr)
    rows, columns = np.tril_indices(p, -1)
    by_corr = _minres_derivatives(solution.loadings, solution.phi, corr)
    by_loadings = by_corr[: p * k].reshape(p, k, -1)
    by_phi = _symmetric(by_corr[p * k :], k)
    by_general = np.tensordot(_general_derivatives(solution), by_corr[p * k :], 1)
    by_share = np.einsum("i,iam,a->m", signs, by_loadings, solution.general) + signs @ solution.loadings @ by_general
    communality = 2 * np.einsum("iam,ab,ib->m", by_loadings, solution.phi, solution.loadings)
    communality += np.einsum("ia,abm,ib->m", solution.loadings, by_phi, solution.loadings)
    of_total = 2 * signs[rows] * signs[columns]
    slopes = (2 * share * by_share - h * of_total) / total, (communality + (1 - t) * of_total) / total
    return np.stack([_by_covariance(slope, corr) for slope in slopes])


def _minres_derivatives(loadings: np.ndarray, phi: np.ndarray, corr: np.ndarray) -> np.ndarray:
    """Derivatives of minres loadings (row by row) and factor correlations (lower triangle), rotated by quartimin, by
    the correlations: (pk + k(k-1)/2, p(p-1)/2).

    Implicit differentiation of the conditions of a least-squares minimum and of a rotation (Jennrich 1973,
    doi:10.1007/BF02291497; Archer and Jennrich 1976). Raises numpy's LinAlgError where a factor explains nothing.
    """
    p, k = loadings.shape
    rows, columns = np.tril_indices(p, -1)
    x = np.concatenate([loadings.ravel(), phi[np.tril_indices(k, -1)]])

    def implied(x: np.ndarray) -> np.ndarray:
        lam, phi = _unpacked(x, p, k)
        return (lam @ phi @ lam.T)[rows, columns]

    def rotation_conditions(x: np.ndarray) -> np.ndarray:
        lam, phi = _unpacked(x, p, k)
        squares = lam**2
        slope = lam * (squares.sum(1, keepdims=True) - squares)
        return (lam.T @ slope @ np.linalg.inv(phi))[~np.eye(k, dtype=bool)]

    jacobian = complex_jacobian(implied, x)
    conditions = complex_jacobian(rotation_conditions, x)
    residual = corr - loadings @ phi @ loadings.T
    np.fill_diagonal(residual, 0)
    hessian = jacobian.T @ jacobian - _curvature(loadings, phi, residual)
    border = np.zeros((len(conditions), len(conditions)))
    system = np.block([[hessian, conditions.T], [conditions, border]])
    right = np.vstack([jacobian.T, np.zeros((len(conditions), len(rows)))])
    if np.linalg.cond(system) > 1 / SINGULAR:
        raise np.linalg.LinAlgError("a factor explains nothing")
    return np.linalg.solve(system, right)[: len(x)]


def _curvature(loadings: np.ndarray, phi: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Σ e_ij ∂²σ_ij over pairs of items: what the residuals add to the Hessian of least squares."""
    p, k = loadings.shape
    size = p * k + k * (k - 1) // 2
    out = np.zeros((size, size))
    out[: p * k, : p * k] = np.einsum("ij,ab->iajb", residual, phi).reshape(p * k, p * k)
    pulled = residual @ loadings
    for place, (a, b) in enumerate(zip(*np.tril_indices(k, -1), strict=True), start=p * k):
        out[a : p * k : k, place] = out[place, a : p * k : k] = pulled[:, b]
        out[b : p * k : k, place] = out[place, b : p * k : k] = pulled[:, a]
    return out


def _general_derivatives(solution: SchmidLeiman) -> np.ndarray:
    """Derivatives of the loadings on the general factor by the factor correlations (lower triangle)."""
    phi, general = solution.phi, solution.general
    if len(phi) == 2:
        if abs(phi[0, 1]) < SINGULAR:
            raise np.linalg.LinAlgError("a factor explains nothing")
        return (general / (2 * phi[0, 1]))[:, None]
    return _minres_derivatives(general[:, None], np.eye(1), phi)


def _unpacked(x: np.ndarray, p: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    return x[: p * k].reshape(p, k), _symmetric(x[p * k :], k) + np.eye(k)


def _symmetric(lower: np.ndarray, k: int) -> np.ndarray:
    """Matrices (k, k, …) with zero diagonal from their lower triangles (k(k-1)/2, …)."""
    out = np.zeros((k, k, *lower.shape[1:]), dtype=lower.dtype)
    rows, columns = np.tril_indices(k, -1)
    out[rows, columns] = out[columns, rows] = lower
    return out


def _by_covariance(slope: np.ndarray, corr: np.ndarray) -> np.ndarray:
    """Symmetric gradient by the covariances of standardised items, from that by the lower triangle of correlations."""
    by_corr = _symmetric(slope / 2, len(corr))
    return by_corr - np.diag((by_corr * corr).sum(1))


def instrument_coefficients(corr: np.ndarray, k: int, n: float) -> list[Coefficient]:
    """``omega_h`` and ``omega_total_sl`` of all items together, with errors of the delta method for normal items."""
    problem = _matrix_problem(corr, k)
    solution = None if problem else schmid_leiman(corr, k)
    if solution is not None and not solution.converged:
        problem = "not_converged"
        message = (
            "The factor analysis of the whole instrument did not converge; omega_h and omega_total_sl are missing."
        )
        warnings.warn(message, NotConvergedWarning, stacklevel=4)
    if problem:
        return [Coefficient("omega_h", note=problem), Coefficient("omega_total_sl", note=problem)]
    note, errors = "general_equal" if k == 2 else "", [np.nan, np.nan]
    if solution.heywood:
        note = "heywood"
        message = (
            "The factor analysis of the whole instrument has a variance at its lower bound (Heywood case); mistrust "
            "omega_h and omega_total_sl, which have no interval."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
    else:
        try:
            errors = [delta_error(gradient, corr, n) for gradient in gradients(solution, corr)]
        except np.linalg.LinAlgError:
            note = "empty_factor"
            message = (
                "The whole instrument has a factor that explains nothing: the items hold fewer factors than there are "
                "dimensions, or no general one; omega_h and omega_total_sl have no interval."
            )
            warnings.warn(message, InadmissibleWarning, stacklevel=4)
    estimates = zip(("omega_h", "omega_total_sl"), omegas(solution, corr), errors, strict=True)
    return [Coefficient(term, estimate, error, note) for term, estimate, error in estimates]


def _matrix_problem(corr: np.ndarray, k: int) -> str:
    p = len(corr)
    if not np.isfinite(corr).all():
        message = "Some items were never answered together; omega_h and omega_total_sl are missing."
        warnings.warn(message, DataWarning, stacklevel=5)
        return "never_together"
    if (p - k) ** 2 < p + k:
        message = f"{p} items cannot identify {k} factors; omega_h and omega_total_sl are missing."
        warnings.warn(message, DataWarning, stacklevel=5)
        return "too_few_items"
    if np.linalg.eigvalsh(corr)[0] <= SINGULAR:
        message = (
            "The correlations of the whole instrument are singular or not positive definite; omega_h and "
            "omega_total_sl are missing."
        )
        warnings.warn(message, InadmissibleWarning, stacklevel=5)
        return "singular"
    return ""
