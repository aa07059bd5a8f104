"""Do the paths of a PLS model differ between groups? Permutation tests on group moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qa_lib.effects.composites.pls_algorithm import Estimates, estimate
from qa_lib.effects.composites.pls_table import LABELS, path_labels
from qa_lib.effects.rows import percentile_interval
from qa_lib.errors import ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from qa_lib.effects.pls import PlsResult

_BLOCK = 256


@dataclass(frozen=True, slots=True)
class PlsGroups(Result):
    """Paths compared between every pair of groups.

    Attributes
    ----------
    differences : rows as in ``tidy``
    composition : MICOM's second step, a row per construct and pair: ``estimate`` the correlation of the composites
        that the two groups' weights form, ``threshold`` its 5 % quantile under permutation, ``p_value``; where the
        composites differ in meaning, a difference of their paths has none (Henseler, Ringle and Sarstedt 2016,
        doi:10.1108/IMR-09-2014-0304)
    sizes : respondents per group
    """

    differences: pd.DataFrame
    composition: pd.DataFrame
    sizes: pd.Series
    n_permutations: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per path and pair of groups: ``group`` "a − b", ``estimate_a``, ``estimate_b``, ``estimate`` a less b.

        ``p_value`` counts permutations of the labels with at least as large a difference (Chin and Dibbern 2010,
        doi:10.1007/978-3-540-32827-8_8); ``std_error, conf_low, conf_high`` come from bootstraps within the groups.
        ``comparable`` is False where MICOM's second step rejects at 5 % for either construct.
        """
        return self.differences.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": int(self.sizes.sum()), "method": "permutation", "groups": len(self.sizes)}
        return pd.DataFrame([row | {"smallest_group": int(self.sizes.min()), "n_permutations": self.n_permutations}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Differences of the paths with their intervals."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        table = self.differences[::-1]
        names = [
            f"{labels.get(row.rhs, row.rhs)} → {labels.get(row.lhs, row.lhs)}, {row.group}"
            for row in table.itertuples()
        ]
        whiskers = np.abs(table[["conf_low", "conf_high"]].to_numpy().T - table["estimate"].to_numpy())
        ax.errorbar(table["estimate"], names, xerr=whiskers, fmt="o", capsize=3)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(labels.get("difference", "Difference of path coefficients"))
        return ax


def compare_groups(fit: PlsResult, groups: ArrayLike, n_permutations: int, seed: int) -> PlsGroups:
    """Every pair of groups; see ``PlsResult.compare_groups``."""
    rows = fit._need_rows("compare_groups()")
    if rows.weighted:
        raise ModelError("compare_groups() permutes respondents, who must count alike: fit the model without weights.")
    if n_permutations < 1:
        raise ModelError(f"n_permutations={n_permutations}: at least one permutation is needed.")
    labels = _labels(fit, groups)
    sizes = labels.value_counts().sort_index()
    if len(sizes) < 2:
        raise ModelError(f"compare_groups: {len(sizes)} group in the rows used; two are needed.")
    small = sizes[sizes <= len(fit.model.items)]
    if len(small):
        found = ", ".join(f"{name} ({n})" for name, n in small.items())
        raise ModelError(f"Groups with no more rows than the model has items: {found}. Pool them with others.")
    members = {name: rows.answers[(labels == name).to_numpy()] for name in sizes.index}
    _check_constant(fit, members)
    differences, compositions = [], []
    for a, b in combinations(sizes.index, 2):
        table, composition = _compare_pair(fit, members[a], members[b], n_permutations, seed)
        differences.append(table.assign(group=f"{a} − {b}"))
        compositions.append(composition.assign(group=f"{a} − {b}"))
    settings = {"n_permutations": n_permutations, "seed": seed, "groups": [str(name) for name in sizes.index]}
    return PlsGroups(
        pd.concat(differences, ignore_index=True),
        pd.concat(compositions, ignore_index=True),
        sizes,
        n_permutations,
        Provenance("pls.compare_groups", len(labels), settings),
    )


def _labels(fit: PlsResult, groups: ArrayLike) -> pd.Series:
    index = fit.rows.index
    if isinstance(groups, pd.Series):
        if not index.isin(groups.index).all() or groups.index.has_duplicates:
            raise ModelError("compare_groups: the labels' index does not hold each row of the data once.")
        labels = groups.loc[index]
    else:
        values = np.asarray(groups)
        if len(values) != len(index) + fit.rows.n_dropped:
            raise ModelError(f"compare_groups: {len(values)} labels for {len(index) + fit.rows.n_dropped} rows.")
        if fit.rows.n_dropped:
            raise ModelError("compare_groups: rows were left out; pass the labels as a Series with the data's index.")
        labels = pd.Series(values, index)
    if labels.isna().any():
        raise ModelError(f"compare_groups: {int(labels.isna().sum())} labels are missing. Fit the model without them.")
    return labels


def _check_constant(fit: PlsResult, members: Mapping[object, np.ndarray]) -> None:
    for name, values in members.items():
        flat = [item for item, column in zip(fit.model.items, values.T, strict=True) if np.ptp(column) == 0]
        if flat:
            raise ModelError(f"In group {name} everyone answered the same on {', '.join(flat)}; leave the item out.")


def _compare_pair(
    fit: PlsResult, first: np.ndarray, second: np.ndarray, n_permutations: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Differences of the paths, and of what the composites mean, between two groups' rows."""
    observed = [_estimate(fit, np.cov(values, rowvar=False)[None]) for values in (first, second)]
    pooled = np.corrcoef(np.vstack([first, second]), rowvar=False)
    null, null_similarity = _permute(fit, first, second, pooled, n_permutations, seed)
    composition = _composition_table(fit, _similarity(*observed, pooled)[0], null_similarity)
    differences = _difference_table(fit, observed, null, _bootstrap(fit, first, second, seed))
    same = composition.set_index("dimension")["p_value"] >= 0.05
    differences["comparable"] = (differences["lhs"].map(same) & differences["rhs"].map(same)).to_numpy()
    return differences, composition


def _permute(
    fit: PlsResult, first: np.ndarray, second: np.ndarray, pooled: np.ndarray, n_permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the paths (R, edges) and similarity of the composites (R, k) when labels are shuffled."""
    differences, similarities = [], []
    rng = np.random.default_rng(seed)
    for covs in _permuted_covariances(np.vstack([first, second]), len(first), n_permutations, rng):
        fitted = [_estimate(fit, cov) for cov in covs]
        differences.append(_edges(fit, fitted[0]) - _edges(fit, fitted[1]))
        similarities.append(_similarity(*fitted, pooled))
    return np.concatenate(differences), np.concatenate(similarities)


def _bootstrap(fit: PlsResult, first: np.ndarray, second: np.ndarray, seed: int) -> np.ndarray:
    """Differences of the paths (B, edges) when both groups are resampled; failed samples are left out."""
    n_boot = fit.provenance.settings["n_boot"]
    groups = [replace(fit.rows, answers=values) for values in (first, second)]
    paths = [_edges(fit, _estimate(fit, rows.resample(n_boot, seed + k)[1])) for k, rows in enumerate(groups)]
    draws = paths[0] - paths[1]
    return draws[np.isfinite(draws).all(axis=1)]


def _edges(fit: PlsResult, fitted: Estimates) -> np.ndarray:
    sources, targets = map(list, zip(*fit.model.edges, strict=True))
    return fitted.paths[:, sources, targets]


def _composition_table(fit: PlsResult, similarity: np.ndarray, null: np.ndarray) -> pd.DataFrame:
    columns = {"term": "compositional_invariance", "dimension": fit.model.constructs, "estimate": similarity}
    columns |= {"threshold": np.nanquantile(null, 0.05, axis=0)}
    return pd.DataFrame(columns | {"p_value": _share_beyond(null <= similarity + 1e-12, null)})


def _difference_table(fit: PlsResult, observed: list[Estimates], null: np.ndarray, draws: np.ndarray) -> pd.DataFrame:
    paths = [_edges(fit, fitted)[0] for fitted in observed]
    difference = paths[0] - paths[1]
    low, high = percentile_interval(draws, fit.conf_level)
    table = pd.DataFrame(path_labels(fit.model), columns=LABELS)[["term", "lhs", "op", "rhs"]]
    return table.assign(
        estimate=difference,
        estimate_a=paths[0],
        estimate_b=paths[1],
        std_error=draws.std(axis=0, ddof=1) if len(draws) > 1 else np.nan,
        p_value=_share_beyond(np.abs(null) >= np.abs(difference) - 1e-12, null),
        conf_low=low,
        conf_high=high,
    )


def _estimate(fit: PlsResult, covs: np.ndarray) -> Estimates:
    sd = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covs / (sd[:, :, None] * sd[:, None, :])
    orientation = fit.sample.estimates.weights[0]
    return estimate(correlation, fit.model, fit.scheme, fit.consistent, orientation)


def _similarity(first: Estimates, second: Estimates, pooled: np.ndarray) -> np.ndarray:
    """(B, k): correlation, in all respondents, of the composites formed by two sets of weights."""
    joint = ((pooled @ first.weights) * second.weights).sum(axis=1)
    own = [((pooled @ fitted.weights) * fitted.weights).sum(axis=1) for fitted in (first, second)]
    return joint / np.sqrt(own[0] * own[1])


def _share_beyond(beyond: np.ndarray, null: np.ndarray) -> np.ndarray:
    """(1 + count) ÷ (1 + permutations), the permutation p value that is never 0 (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585); permutations without a solution are left out."""
    usable = np.isfinite(null)
    return (1 + (beyond & usable).sum(axis=0)) / (1 + usable.sum(axis=0))


def _permuted_covariances(
    values: np.ndarray, size: int, n_permutations: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of covariance matrices of a random group of ``size`` rows and of the others, (b, p, p) each."""
    n, p = values.shape
    centred = values - values.mean(axis=0)
    upper = np.triu_indices(p)
    features = np.hstack([centred, centred[:, upper[0]] * centred[:, upper[1]]])
    totals = features.sum(axis=0)
    for start in range(0, n_permutations, _BLOCK):
        count = min(_BLOCK, n_permutations - start)
        chosen = np.zeros((count, n))
        np.put_along_axis(chosen, rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)[:, :size], 1.0, axis=1)
        sums = chosen @ features
        yield _to_covariances(sums, size, p, upper), _to_covariances(totals - sums, n - size, p, upper)


def _to_covariances(sums: np.ndarray, n: int, p: int, upper: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    covs = np.empty((len(sums), p, p))
    mean = sums[:, :p] / n
    products = sums[:, p:] - n * mean[:, upper[0]] * mean[:, upper[1]]
    covs[:, upper[0], upper[1]] = covs[:, upper[1], upper[0]] = products / (n - 1)
    return covs
