"""How many factors: eigenvalues against those of random data (parallel analysis), and minimum average partials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import as_moments
from qa_lib.trust.dimensionality import SINGULAR, Basis, basis_correlation
from qa_lib.trust.structure.extraction import LOWEST_UNIQUENESS, smc

Communality = Literal["one_factor", "smc"]
MAX_STEPS = 200
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class ParallelAnalysis(Result):
    """How many factors and components exceed chance, and how many leave the smallest average partial correlation.

    n_factors, n_components : parallel analysis. n_map, n_map_fourth : minimum average partial, squared (Velicer 1976)
    and fourth power (Velicer, Eaton and Fava 2000). table : a row per basis (component, factor) and eigenvalue.
    partials : a row per number of components taken out (0 … p - 1): number, squared, fourth.
    """

    n_factors: int
    n_components: int
    n_map: int
    n_map_fourth: int
    table: pd.DataFrame
    partials: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """Columns term (eigenvalue), basis, number, estimate, random_mean, random_quantile, kept."""
        return self.table

    def glance(self) -> pd.DataFrame:
        row = {"n": self.provenance.n, "n_factors": self.n_factors, "n_components": self.n_components}
        row |= {"n_map": self.n_map, "n_map_fourth": self.n_map_fourth}
        return pd.DataFrame([row | self.provenance.settings])

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Scree plot: eigenvalues, and the random ones they must exceed. ``labels`` translates the keys of
        ``pictures.SCREE_WORDS``."""
        from qa_lib.trust.pictures import scree

        return scree(self.table, ax, labels)

    def plot_partials(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Average partial correlations by the number of components taken out, their minimum filled; ``labels``
        translates the keys of ``pictures.PARTIALS_WORDS``."""
        from qa_lib.trust.pictures import partials

        return partials(self.partials, ax, labels)


def parallel_analysis(
    data: Any,
    items: Sequence[str] | None = None,
    n_iter: int = 100,
    seed: int = 1,
    quantile: float = 0.95,
    correlation: Basis = "pearson",
    communality: Communality = "one_factor",
    weights: Any = None,
) -> ParallelAnalysis:
    """How many eigenvalues exceed those of uncorrelated normal items (Horn 1965), by components and by factors.

    Factors use the correlations with communalities in the diagonal (Humphreys and Montanelli 1975): those of one
    minres factor, the default as in psych::fa.parallel, or squared multiple correlations (``communality="smc"``,
    psych's SMC=TRUE), which keep more and smaller factors. As in psych, the first eigenvalue at or below the given
    quantile of its random counterparts ends the count. Random matrices are drawn as Wishart matrices, all at once, of
    normal items whatever the items or the correlation are.

    data : DataFrame, Moments or (covariance, n); under weights n is the effective sample size.
    Raises ResponseError for constant items and singular matrices, ModelError for impossible settings.

    >>> corr = pd.DataFrame(.5 * np.eye(4) + .5, index=list("abcd"), columns=list("abcd"))
    >>> found = parallel_analysis((corr, 200))
    >>> found.n_factors, found.n_components, found.n_map
    (1, 1, 1)
    """
    if communality not in get_args(Communality):
        raise ModelError(f"communality is {communality!r}; allowed are {', '.join(get_args(Communality))}.")
    if n_iter < 1 or not 0 < quantile < 1:
        raise ModelError(f"n_iter is {n_iter} and quantile {quantile}; at least 1 and a share below 1 are needed.")
    moments = as_moments(data, items, weights)
    corr = basis_correlation(moments, correlation).to_numpy()
    if len(corr) < 3:
        raise ModelError(f"There are {len(corr)} items; a number of factors can be sought from three on.")
    if np.linalg.eigvalsh(corr)[0] <= SINGULAR:
        raise ResponseError("The correlation matrix is singular: leave out items that others determine.")
    drawn = random_correlations(moments.effective_n, len(corr), n_iter, np.random.default_rng(seed))
    reductions = {"component": lambda r: r, "factor": _one_factor if communality == "one_factor" else _smc_reduced}
    tables = [_compared(basis, reduce, corr, drawn, quantile) for basis, reduce in reductions.items()]
    components, factors = (int(table["kept"].sum()) for table in tables)
    partials = average_partials(corr)
    settings = {"n_iter": n_iter, "seed": seed, "quantile": quantile}
    settings |= {"correlation": correlation, "communality": communality}
    return ParallelAnalysis(
        factors,
        components,
        *(int(partials[power].argmin()) for power in ("squared", "fourth")),
        pd.concat(tables, ignore_index=True),
        partials,
        Provenance("parallel_analysis", moments.effective_n, settings),
    )


def _compared(basis: str, reduce: Callable, corr: np.ndarray, drawn: np.ndarray, quantile: float) -> pd.DataFrame:
    found = np.linalg.eigvalsh(reduce(corr))[::-1]
    random = np.linalg.eigvalsh(reduce(drawn))[:, ::-1]
    limit = np.quantile(random, quantile, axis=0)
    columns = {"term": "eigenvalue", "basis": basis, "number": np.arange(1, len(corr) + 1), "estimate": found}
    columns |= {"random_mean": random.mean(0), "random_quantile": limit}
    return pd.DataFrame(columns | {"kept": np.cumprod(found > limit).astype(bool)})


def random_correlations(
    n: float, p: int, size: int, rng: np.random.Generator, root: np.ndarray | None = None
) -> np.ndarray:
    """Correlation matrices (size, p, p) of n normal respondents, through Bartlett's (1933) decomposition.

    The items are independent, or their population covariance is root · root'.
    """
    if not n > p:
        raise ResponseError(f"There are {n:.0f} respondents for {p} items: random data would be singular.")
    lower = np.tril(rng.normal(size=(size, p, p)), -1)
    lower[:, np.arange(p), np.arange(p)] = np.sqrt(rng.chisquare(n - 1 - np.arange(p), size=(size, p)))
    if root is not None:
        lower = root @ lower
    lower /= np.sqrt((lower**2).sum(-1, keepdims=True))
    return lower @ np.swapaxes(lower, -2, -1)


def _smc_reduced(corr: np.ndarray) -> np.ndarray:
    """Correlations (…, p, p) with squared multiple correlations in the diagonal."""
    return corr - (1 - smc(corr))[..., None] * np.eye(corr.shape[-1])


def _one_factor(corr: np.ndarray) -> np.ndarray:
    """Correlations (…, p, p) with the communalities of one minres factor in the diagonal."""
    stack = corr.reshape(-1, *corr.shape[-2:])
    communality = _one_factor_loadings(stack).reshape(corr.shape[:-1]) ** 2
    return corr - (1 - communality)[..., None] * np.eye(corr.shape[-1])


def _one_factor_loadings(corr: np.ndarray) -> np.ndarray:
    """Loadings a (s, p) of one minres factor, minimising Σ (r_ij - a_i a_j)² over i ≠ j for each matrix (s, p, p).

    Newton's method with Levenberg's damping; communalities stay at or below 1 - .005, as in ``extract``, from whose
    start (squared multiple correlations) it sets out, several times faster for having no eigenvectors to find.
    """
    p, cap = corr.shape[-1], np.sqrt(1 - LOWEST_UNIQUENESS)
    values, vectors = np.linalg.eigh(_smc_reduced(corr))
    a = np.clip(vectors[:, :, -1] * np.sqrt(np.maximum(values[:, -1:], 0.01)), -cap, cap)
    off, eye = corr * (1 - np.eye(p)), np.eye(p)
    damping, live = np.full(len(a), 0.1), np.arange(len(a))
    for _ in range(MAX_STEPS):
        x, r, squares = a[live], off[live], a[live] ** 2
        others = squares.sum(-1, keepdims=True) - squares
        gradient = others * x - (r @ x[:, :, None])[:, :, 0]
        held = (np.abs(x) >= cap) & (gradient * x < 0)
        gradient = np.where(held, 0, gradient)
        going = np.abs(gradient).max(-1) > TOLERANCE
        if not going.any():
            break
        live, x, r, held = live[going], x[going], r[going], held[going]
        hessian = (2 * x[:, :, None] * x[:, None, :] - r) * (1 - eye) + others[going][:, :, None] * eye
        hessian *= ~(held[:, :, None] | held[:, None, :])
        hessian += (damping[live, None] + held)[:, :, None] * eye
        trial = np.clip(x - np.linalg.solve(hessian, gradient[going][:, :, None])[:, :, 0], -cap, cap)
        better = _misfit(trial, r) <= _misfit(x, r) + 1e-15
        a[live[better]] = trial[better]
        damping[live] *= np.where(better, 0.1, 10)
    return a


def _misfit(a: np.ndarray, off: np.ndarray) -> np.ndarray:
    """A quarter of Σ (r_ij - a_i a_j)² over i ≠ j, less its constant."""
    squares = a**2
    return (squares.sum(-1) ** 2 - (squares**2).sum(-1)) / 4 - (a * (off @ a[:, :, None])[:, :, 0]).sum(-1) / 2


def average_partials(corr: np.ndarray) -> pd.DataFrame:
    """Mean squared and fourth-power partial correlation of the items (p, p) given their first m = 0 … p - 1 components.

    Velicer (1976, eq. 5); Velicer, Eaton and Fava (2000). NaN where the components leave an item no variance. The
    number of components to keep has the smallest mean; psych::vss gives the squares from m = 1 on.

    >>> average_partials(np.array([[1, .5, .5], [.5, 1, .5], [.5, .5, 1]])).round(4).to_dict("list")
    {'number': [0, 1, 2], 'squared': [0.25, 0.25, 1.0], 'fourth': [0.0625, 0.0625, 1.0]}
    """
    p = len(corr)
    values, vectors = np.linalg.eigh(corr)
    components = (vectors * np.sqrt(values))[:, ::-1]
    taken = np.cumsum(components.T[:-1, :, None] * components.T[:-1, None, :], axis=0)
    partial = corr - np.concatenate([np.zeros((1, p, p)), taken])
    left = np.diagonal(partial, axis1=1, axis2=2)
    scale = np.sqrt(np.where(left > 1e-12, left, np.nan))
    squares = (partial / scale[:, :, None] / scale[:, None, :]) ** 2
    squares[:, np.eye(p, dtype=bool)] = 0
    means = {name: (squares**power).sum((1, 2)) / (p * (p - 1)) for name, power in (("squared", 1), ("fourth", 2))}
    return pd.DataFrame({"number": np.arange(p), **means})
