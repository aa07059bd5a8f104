"""Means and covariances a model implies, and their derivatives, in the reticular action model.

Variables are observed, then latent. With directed paths A, symmetric paths S, intercepts m and response scales D,
Σ = D F (I−A)⁻¹ S (I−A)⁻ᵀ Fᵀ D and μ = D F (I−A)⁻¹ m (McArdle and McDonald 1984,
doi:10.1111/j.2044-8317.1984.tb00802.x).
Every parameter moves Σ by u vᵀ + v uᵀ, so that derivatives of all of them are two matrices (observed × parameters).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_lib.models.parameters import ParameterTable


@dataclass(frozen=True, slots=True)
class Entries:
    """Where free parameters stand in a matrix: rows, columns and their places among the block's parameters."""

    row: np.ndarray
    col: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, slots=True)
class Block:
    """One group's matrices with the fixed values in, and where its free parameters go.

    free : places of the block's k parameters among all free parameters. names : observed then latent.
    thresholds : (item position, order) of every threshold, as the threshold vector is laid out.
    conditioned : positions of covariates the moments are conditional on. chained : whether a variable that others
    explain may explain others. theta : whether ordinal items' residual
    variances are parameters and their response scales follow, instead of the other way round (delta).
    """

    names: tuple[str, ...]
    n_observed: int
    free: np.ndarray
    directed: np.ndarray
    symmetric: np.ndarray
    intercept: np.ndarray
    scale: np.ndarray
    threshold: np.ndarray
    threshold_item: np.ndarray
    in_directed: Entries
    in_symmetric: Entries
    in_intercept: Entries
    in_scale: Entries
    in_threshold: Entries
    conditioned: tuple[int, ...] = ()
    theta: bool = False
    chained: bool = True


@dataclass(frozen=True, slots=True)
class Implied:
    """Moments of one block at a parameter vector. total = (I−A)⁻¹; latent_cov covers all variables, unscaled."""

    cov: np.ndarray
    mean: np.ndarray
    threshold: np.ndarray
    total: np.ndarray
    full_cov: np.ndarray
    full_mean: np.ndarray
    scale: np.ndarray
    directed: np.ndarray
    symmetric: np.ndarray


def build_blocks(table: ParameterTable, covs: list[np.ndarray], means: list[np.ndarray | None]) -> list[Block]:
    """A block per group; moments of exogenous covariates are taken from the sample, and conditioned on where there are
    ordinal items."""
    names = (*table.observed, *table.latent)
    return [_build_block(table, group, names, covs[group], means[group]) for group in range(table.n_groups)]


def _build_block(table: ParameterTable, group: int, names: tuple[str, ...], cov: np.ndarray, mean) -> Block:
    at = {name: i for i, name in enumerate(names)}
    p, t = len(table.observed), len(names)
    order = [row for row in table.rows if row.op == "|" and row.group == group]
    order.sort(key=lambda row: (table.observed.index(row.lhs), int(row.rhs[1:])))
    threshold_at = {row.term: i for i, row in enumerate(order)}
    fixed = {"A": np.zeros((t, t)), "S": np.zeros((t, t)), "m": np.zeros((t, 1)), "D": np.ones((p, 1))}
    fixed["t"] = np.zeros((len(order), 1))
    entries: dict[str, list[tuple[int, int, int]]] = {key: [] for key in fixed}
    places = []
    for row, place in zip(table.rows, table.free, strict=True):
        if row.group != group:
            continue
        key, i, j = _position(row, at, threshold_at)
        if row.free:
            entries[key].append((i, j, len(places)))
            places.append(place)
            continue
        value = row.value
        if row.exo:
            value = cov[i, j] if key == "S" else mean[i] if mean is not None else 0.0
        fixed[key][i, j] = value
        if key == "S":
            fixed[key][j, i] = value
    paths = fixed["A"] != 0
    for i, j, _ in entries["A"]:
        paths[i, j] = True
    maps = {key: Entries(*np.array(found, dtype=int).reshape(-1, 3).T) for key, found in entries.items()}
    return Block(
        names=names,
        n_observed=p,
        free=np.array(places, dtype=int),
        directed=fixed["A"],
        symmetric=fixed["S"],
        intercept=fixed["m"][:, 0],
        scale=fixed["D"][:, 0],
        threshold=fixed["t"][:, 0],
        threshold_item=np.array([at[row.lhs] for row in order], dtype=int),
        in_directed=maps["A"],
        in_symmetric=maps["S"],
        in_intercept=maps["m"],
        in_scale=maps["D"],
        in_threshold=maps["t"],
        conditioned=tuple(at[name] for name in table.exogenous) if table.ordered else (),
        theta=table.theta,
        chained=bool((paths.any(axis=0) & paths.any(axis=1)).any()),
    )


def _position(row, at: dict[str, int], threshold_at: dict[str, int]) -> tuple[str, int, int]:
    match row.op:
        case "=~":
            return "A", at[row.rhs], at[row.lhs]
        case "~":
            return "A", at[row.lhs], at[row.rhs]
        case "~~":
            return "S", at[row.lhs], at[row.rhs]
        case "~1":
            return "m", at[row.lhs], 0
        case "~*~":
            return "D", at[row.lhs], 0
    return "t", threshold_at[row.term], 0


def fill(block: Block, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Matrices A, S, m, D, thresholds at the free parameters ``x`` (..., all groups'); real or complex."""
    own = x[..., block.free]
    directed, symmetric, intercept, scale, threshold = (
        fixed.astype(own.dtype) if own.ndim == 1 else np.tile(fixed, (*own.shape[:-1], *(1,) * fixed.ndim))
        for fixed in (block.directed, block.symmetric, block.intercept, block.scale, block.threshold)
    )
    a, s = block.in_directed, block.in_symmetric
    directed[..., a.row, a.col] = own[..., a.place]
    symmetric[..., s.row, s.col] = own[..., s.place]
    symmetric[..., s.col, s.row] = own[..., s.place]
    intercept[..., block.in_intercept.row] = own[..., block.in_intercept.place]
    scale[..., block.in_scale.row] = own[..., block.in_scale.place]
    threshold[..., block.in_threshold.row] = own[..., block.in_threshold.place]
    if len(block.threshold_item):
        _unit_responses(block, directed, symmetric, scale)
    return directed, symmetric, intercept, scale, threshold


def total_effects(block: Block, directed: np.ndarray) -> np.ndarray:
    """(I − A)⁻¹, which is I + A where no paths follow each other."""
    unit = np.eye(directed.shape[-1])
    return np.linalg.inv(unit - directed) if block.chained else unit + directed


def _unit_responses(block: Block, directed: np.ndarray, symmetric: np.ndarray, scale: np.ndarray) -> None:
    """Responses of ordinal items, times their scale, have variance one given the covariates: their residual variances
    follow from the scales (delta parameterisation), or the scales from the residual variances (theta)."""
    ordinal = np.unique(block.threshold_item)
    if not block.theta:
        symmetric[ordinal, ordinal] = 0
    total = total_effects(block, directed)[ordinal]
    variance = np.einsum("ij,jk,ik->i", total, _given_covariates(block, symmetric), total)
    if block.theta:
        if variance.real.min() <= 0:
            raise np.linalg.LinAlgError("responses of an ordinal item have no positive variance")
        scale[ordinal] = 1 / np.sqrt(variance)
    else:
        reach = total[:, ordinal] ** 2  # of residual variances: more than their own where ordinal items explain others
        symmetric[ordinal, ordinal] = np.linalg.solve(reach, 1 / scale[ordinal] ** 2 - variance)


def _given_covariates(block: Block, moments: np.ndarray) -> np.ndarray:
    """Symmetric paths or intercepts where the covariates are held at zero."""
    if not block.conditioned:
        return moments
    held = moments.copy()
    held[list(block.conditioned)] = 0
    if held.ndim == 2:
        held[:, list(block.conditioned)] = 0
    return held


def imply(block: Block, x: np.ndarray) -> Implied:
    """Moments of one group at the free parameters ``x``, or at many (..., n_free) at once; given the covariates where
    these are conditioned on."""
    directed, symmetric, intercept, scale, threshold = fill(block, x)
    symmetric, intercept = _given_covariates(block, symmetric), _given_covariates(block, intercept)
    total = total_effects(block, directed)
    full_cov = total @ symmetric @ total.mT
    full_mean = (total @ intercept[..., None])[..., 0]
    p = block.n_observed
    return Implied(
        cov=scale[..., None] * full_cov[..., :p, :p] * scale[..., None, :],
        mean=scale * full_mean[..., :p],
        threshold=threshold,
        total=total,
        full_cov=full_cov,
        full_mean=full_mean,
        scale=scale,
        directed=directed,
        symmetric=symmetric,
    )


@dataclass(frozen=True, slots=True)
class Tangent:
    """Derivatives of one group's moments: dΣ/dx_k = u_k v_kᵀ + v_k u_kᵀ, dμ/dx_k = mean_k, thresholds alike.

    left, right, mean : (p, k). threshold : (number of thresholds, k).
    """

    left: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    threshold: np.ndarray

    def covariance(self) -> np.ndarray:
        """dvech(Σ)/dx, (p(p+1)/2, k), lower triangle row by row."""
        i, j = np.tril_indices(len(self.left))
        return self.left[i] * self.right[j] + self.right[i] * self.left[j]

    def moments(self) -> np.ndarray:
        """Derivatives of the means, then of vech(Σ): (p + p(p+1)/2, k)."""
        return np.vstack([self.mean, self.covariance()])


def tangent(block: Block, implied: Implied) -> Tangent:
    """Analytic derivatives of the implied moments by the block's own parameters."""
    k, p = len(block.free), block.n_observed
    reach = implied.scale[..., None] * implied.total[..., :p, :]
    spread = implied.scale[..., None] * implied.full_cov[..., :p, :]
    left, right, mean = (np.zeros((*implied.mean.shape, k)) for _ in range(3))
    a, s, m, d = block.in_directed, block.in_symmetric, block.in_intercept, block.in_scale
    left[..., a.place] = reach[..., a.row]
    right[..., a.place] = spread[..., a.col]
    mean[..., a.place] = reach[..., a.row] * implied.full_mean[..., None, a.col]
    left[..., s.place] = reach[..., s.row] * np.where(s.row == s.col, 0.5, 1.0)
    right[..., s.place] = reach[..., s.col]
    mean[..., m.place] = reach[..., m.row]
    left[..., d.row, d.place] = 1 / implied.scale[..., d.row]
    right[..., d.place] = implied.cov[..., d.row]
    mean[..., d.row, d.place] = implied.full_mean[..., d.row]
    threshold = np.zeros((len(block.threshold), k))
    threshold[block.in_threshold.row, block.in_threshold.place] = 1
    return Tangent(left, right, mean, threshold)


def pullback(block: Block, implied: Implied, by_cov: np.ndarray, by_mean: np.ndarray) -> np.ndarray:
    """Σ_ab by_cov[a, b] ∂Σ_ab + Σ_a by_mean[a] ∂μ_a over the block's k parameters: (..., k), response scales left out.

    The gradient without the tangents of all parameters.
    """
    total, p = implied.total, block.n_observed
    pushed = total[..., :p, :].mT @ by_cov
    inner, outer = pushed @ total[..., :p, :], pushed @ implied.full_cov[..., :p, :]
    pull = (total[..., :p, :].mT @ by_mean[..., None])[..., 0]
    a, s, m = block.in_directed, block.in_symmetric, block.in_intercept
    out = np.zeros((*by_mean.shape[:-1], len(block.free)))
    out[..., a.place] = 2 * outer[..., a.row, a.col] + pull[..., a.row] * implied.full_mean[..., a.col]
    out[..., s.place] = np.where(s.row == s.col, 1.0, 2.0) * inner[..., s.row, s.col]
    out[..., m.place] = pull[..., m.row]
    return out


def curvature(block: Block, implied: Implied, by_cov: np.ndarray, by_mean: np.ndarray) -> np.ndarray:
    """Σ_ab by_cov[a, b] ∂²Σ_ab + Σ_a by_mean[a] ∂²μ_a over the block's k parameters: (..., k, k), response scales left
    out.

    The part of a Hessian that expected information drops; only parameters in A bend the moments.
    """
    k, p = len(block.free), block.n_observed
    total, full = implied.total, implied.full_cov
    pushed = total[..., :p, :].mT @ by_cov
    inner = pushed @ total[..., :p, :]
    outer = pushed @ full[..., :p, :]
    pull = (total[..., :p, :].mT @ by_mean[..., None])[..., 0]
    a, s, m = block.in_directed, block.in_symmetric, block.in_intercept
    i, j = a.row[:, None], a.col[:, None]
    n, o = a.row, a.col
    out = np.zeros((*by_mean.shape[:-1], k, k))
    out[..., a.place[:, None], a.place] = (
        2
        * (
            total[..., o, i] * outer[..., n, j]
            + inner[..., i, n] * full[..., o, j]
            + total[..., j, n] * outer[..., i, o]
        )
        + pull[..., i] * total[..., j, n] * implied.full_mean[..., None, o]
        + pull[..., None, n] * total[..., o, i] * implied.full_mean[..., j]
    )
    weight = np.where(s.row == s.col, 1.0, 2.0)
    cross = weight * (total[..., j, s.row] * inner[..., i, s.col] + total[..., j, s.col] * inner[..., i, s.row])
    out[..., a.place[:, None], s.place] += cross
    out[..., s.place[:, None], a.place] += cross.mT
    cross = pull[..., i] * total[..., j, m.row]
    out[..., a.place[:, None], m.place] += cross
    out[..., m.place[:, None], a.place] += cross.mT
    return out
