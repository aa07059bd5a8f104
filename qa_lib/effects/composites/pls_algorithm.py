"""Partial least squares computed from correlation matrices alone, for a whole batch of matrices at once.

The outer and inner estimates of PLS are linear in the items, so that all the algorithm needs of the data is their
correlation matrix R. A bootstrap of B samples is one run over an array (B, p, p). Notation: W holds the outer weights
(B, p, k), C = W'RW the correlations of the proxies (B, k, k).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from qa_lib.effects.composites.pls_model import PlsModel

Scheme = Literal["path", "factor", "centroid"]
MAX_ITERATIONS = 1000
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Estimates:
    """PLS estimates of B correlation matrices; p items, k constructs.

    ``weights`` (B, p, k); ``loadings`` (B, p, k), of all items on all constructs (cross-loadings included);
    ``proxy_correlations`` (B, k, k) of the composites and ``correlations`` (B, k, k) of the constructs, which differ
    under PLSc only; ``paths`` (B, k, k), from row to column; ``r_squared`` (B, k), NaN where no path leads;
    ``rho_a`` (B, k); ``converged`` (B,); ``iterations`` (B,).
    """

    weights: np.ndarray
    loadings: np.ndarray
    proxy_correlations: np.ndarray
    correlations: np.ndarray
    paths: np.ndarray
    r_squared: np.ndarray
    rho_a: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray

    def total_effects(self) -> np.ndarray:
        """(B, k, k), from row to column: Σ powers of the paths, (I − B)⁻¹ − I for a recursive model."""
        identity = np.eye(self.paths.shape[-1])
        return np.linalg.inv(identity - self.paths) - identity


def estimate(
    correlation: np.ndarray,
    model: PlsModel,
    scheme: Scheme = "path",
    consistent: bool = False,
    orientation: np.ndarray | None = None,
) -> Estimates:
    """All estimates of a PLS path model; ``consistent`` corrects mode A constructs for attenuation (PLSc).

    Parameters
    ----------
    correlation : (B, p, p), in the order of ``model.items``
    orientation : (p, k) weights of proxies with which the constructs shall correlate positively, which settles the
        signs PLS leaves open; the sums of the items when not given

    >>> from qa_lib.effects.composites.pls_model import parse_model
    >>> r = np.array([[[1, .5, .4], [.5, 1, .4], [.4, .4, 1]]])
    >>> estimate(r, parse_model("F =~ a + b; y ~ F")).paths[0, 0, 1].round(4)
    np.float64(0.4619)
    """
    weights, converged, iterations = outer_weights(correlation, model, scheme)
    weights = _orient(weights, correlation, model.membership if orientation is None else orientation)
    loadings = correlation @ weights
    proxies = weights.swapaxes(1, 2) @ loadings
    plain = _structure(proxies, model)
    rho_a = reliability_a(correlation, weights, model)
    estimates = Estimates(weights, loadings, proxies, proxies, *plain, rho_a, converged, iterations)
    return _disattenuate(estimates, model) if consistent else estimates


def outer_weights(
    correlation: np.ndarray, model: PlsModel, scheme: Scheme
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outer weights (B, p, k) of proxies with variance one, whether each run converged (B,), its iterations (B,).

    Wold's algorithm as in Lohmöller (1989, Latent Variable Path Modeling with Partial Least Squares, ch. 2). Samples
    that have converged leave the batch, so that a few slow ones cost little.
    """
    batch, p, k = len(correlation), *model.membership.shape
    regression = _mode_b_inverses(correlation, model)
    member = model.membership.astype(float)
    weights = _standardise(np.broadcast_to(member, (batch, p, k)), correlation)
    iterations = np.full(batch, MAX_ITERATIONS)
    active = np.flatnonzero(np.isfinite(correlation).all(axis=(1, 2)))
    weights[np.setdiff1d(np.arange(batch), active)] = np.nan
    current, r = weights[active], correlation[active]
    for iteration in range(1, MAX_ITERATIONS + 1):
        loadings = r @ current
        inner = _inner_weights(current.swapaxes(1, 2) @ loadings, model, scheme)
        update = (loadings @ inner) * member
        for construct, inverse in regression.items():
            block = model.block(construct)
            update[:, block, construct] = np.einsum("bij,bj->bi", inverse[active], update[:, block, construct])
        update = _standardise(update, r)
        done = ~(np.abs(update - current).max(axis=(1, 2)) >= TOLERANCE)  # NaN, no solution, is done as well
        weights[active] = update
        iterations[active[done]] = iteration
        if done.all():
            active = active[:0]
            break
        if done.any():
            active, update, r = active[~done], update[~done], r[~done]
        current = update
    converged = np.isfinite(weights).all(axis=(1, 2))
    converged[active] = False
    return weights, converged, iterations


def _mode_b_inverses(correlation: np.ndarray, model: PlsModel) -> dict[int, np.ndarray]:
    """Inverse of the correlation matrix of each mode B block, (B, items, items)."""
    inverses = {}
    for construct in np.flatnonzero(model.mode_b):
        block = model.block(construct)
        inverses[int(construct)] = inverse(correlation[:, block[:, None], block])
    return inverses


def inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverse of each symmetric matrix; NaN for the singular ones."""
    regular = np.isfinite(matrices).all(axis=(1, 2))
    regular[regular] = np.linalg.eigvalsh(matrices[regular])[:, 0] > 1e-10
    result = np.full_like(matrices, np.nan)
    result[regular] = np.linalg.inv(matrices[regular])
    return result


def _standardise(weights: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Scale each column of weights so that its proxy has variance one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = ((correlation @ weights) * weights).sum(axis=1, keepdims=True)
        return weights / np.sqrt(variance)


def _orient(weights: np.ndarray, correlation: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    total = ((correlation @ weights) * orientation).sum(axis=1, keepdims=True)
    return weights * np.where(total < 0, -1.0, 1.0)


def _inner_weights(proxies: np.ndarray, model: PlsModel, scheme: Scheme) -> np.ndarray:
    """(B, k, k): how much each neighbour (row) counts for a construct (column)."""
    linked = model.adjacency | model.adjacency.T
    if scheme == "centroid":
        return np.sign(proxies) * linked
    inner = proxies * linked
    return inner if scheme == "factor" else inner * model.adjacency.T + _regress(proxies, model)


def _regress(correlations: np.ndarray, model: PlsModel) -> np.ndarray:
    """Regression of every endogenous construct on its predecessors: (B, k, k), from row to column."""
    paths = np.zeros_like(correlations)
    for target in model.endogenous:
        sources = model.predecessors(target)
        partial = inverse(correlations[:, sources[:, None], sources])
        paths[:, sources, target] = np.einsum("bij,bj->bi", partial, correlations[:, sources, target])
    return paths


def _structure(correlations: np.ndarray, model: PlsModel) -> tuple[np.ndarray, np.ndarray]:
    """Paths (B, k, k) and R² (B, k) of every endogenous construct."""
    paths = _regress(correlations, model)
    r_squared = (paths * correlations).sum(axis=1)
    r_squared[:, ~model.adjacency.any(axis=0)] = np.nan
    return paths, r_squared


def reliability_a(correlation: np.ndarray, weights: np.ndarray, model: PlsModel) -> np.ndarray:
    """ρ_A of each mode A construct, (B, k); 1 for single items and for mode B, whose composite is the construct.

    Dijkstra and Henseler (2015, doi:10.25300/MISQ/2015/39.2.02):
    (w'w)² · w'(S − diag S)w ÷ w'(ww' − diag ww')w. NaN for a construct whose weights or correlations rule it out.
    """
    squares = (weights**2).sum(axis=1)
    observed = ((correlation @ weights) * weights).sum(axis=1) - squares
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = squares**2 * observed / (squares**2 - (weights**4).sum(axis=1))
    single = model.membership.sum(axis=0) == 1
    return np.where(single | model.mode_b, 1.0, rho)


def _disattenuate(estimates: Estimates, model: PlsModel) -> Estimates:
    """PLSc: correlations and loadings of the common factors behind mode A composites.

    Dijkstra and Henseler (2015): r_ij ÷ √(ρ_i ρ_j); the loadings of a factor are w · √ρ_A ÷ w'w. The
    cross-loadings of other blocks are divided by √ρ_A of the factor.
    """
    with np.errstate(invalid="ignore"):
        root = np.sqrt(estimates.rho_a)
    correlations = estimates.proxy_correlations / (root[:, :, None] * root[:, None, :])
    diagonal = np.arange(correlations.shape[1])
    correlations[:, diagonal, diagonal] = 1.0
    factor = ~model.mode_b & (model.membership.sum(axis=0) > 1)
    squares = (estimates.weights**2).sum(axis=1)
    own = estimates.weights * (root / squares)[:, None, :]
    loadings = np.where(model.membership & factor, own, estimates.loadings / root[:, None, :])
    paths, r_squared = _structure(correlations, model)
    return replace(estimates, loadings=loadings, correlations=correlations, paths=paths, r_squared=r_squared)
