"""Polychoric and polyserial correlations with thresholds and their asymptotic covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.latent import Margin, Sample, TablePairs
from qa_lib.sufficient.moments import Missing, as_moments
from qa_lib.sufficient.values import check_columns, real_numbers


@dataclass(frozen=True, slots=True)
class OrdinalMoments(Result):
    """What an estimator needs to know of ordinal (and continuous) items.

    items : p names, in the order of everything below. ordered : those that are ordinal.
    correlation : (p × p) polychoric, polyserial and Pearson correlations.
    thresholds : Series by (item, 1 … K - 1), item after item.
    mean, variance : Series of the continuous items (variance with denominator n).
    std_errors : (p × p) of the correlations.
    acov : n × asymptotic covariance of the estimates, or None. Its order is lavaan's (WLS.obs, gamma): item after item
        the thresholds, or the mean *with its sign reversed* where the item is continuous; then the variances of the
        continuous items; then the covariances (an ordinal item's latent variance is 1) down the columns of the lower
        triangle: (2,1), (3,1), …, (3,2), … Its index names them as lavaan does: ``A1|t1``, ``x1~1``, ``x1~~x1``,
        ``A1~~A2``.
    n : weighted number of respondents.
    """

    items: list[str]
    ordered: list[str]
    correlation: pd.DataFrame
    thresholds: pd.Series
    mean: pd.Series
    variance: pd.Series
    std_errors: pd.DataFrame
    acov: pd.DataFrame | None
    n: float
    converged: bool
    provenance: Provenance

    @property
    def cov(self) -> pd.DataFrame:
        """Covariances of the latent responses: as the correlations, in the continuous items' own units."""
        sd = np.sqrt(self.variance.reindex(self.items, fill_value=1.0).to_numpy())
        return self.correlation * np.outer(sd, sd)

    def statistics(self) -> np.ndarray:
        """The estimates in the order of ``acov``."""
        cov, cuts = self.cov.to_numpy(), self.thresholds.to_numpy()
        last = self.thresholds.groupby(level=0, sort=False).size().cumsum()
        own = dict(zip(last.index, np.split(cuts, last[:-1]), strict=True))
        locations = [own[item] if item in own else [-self.mean[item]] for item in self.items]
        column, row = np.triu_indices(len(cov), 1)
        return np.concatenate([*locations, self.variance.to_numpy(), cov[row, column]])

    @property
    def positive_definite(self) -> bool:
        return bool(np.linalg.eigvalsh(self.correlation)[0] > 0)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """A row per correlation; intervals on Fisher's z scale, so that they stay within (-1, 1)."""
        first, second = np.triu_indices(len(self.items), 1)
        names = np.array(self.items)
        estimate = self.correlation.to_numpy()[second, first]
        error = self.std_errors.to_numpy()[second, first]
        reach = norm.ppf(0.5 + conf_level / 2) * error / (1 - estimate**2)
        return pd.DataFrame(
            {
                "term": [f"{a}~~{b}" for a, b in zip(names[first], names[second], strict=True)],
                "lhs": names[first],
                "op": "~~",
                "rhs": names[second],
                "estimate": estimate,
                "std_error": error,
                "statistic": estimate / error,
                "p_value": 2 * norm.sf(np.abs(estimate / error)),
                "conf_low": np.tanh(np.arctanh(estimate) - reach),
                "conf_high": np.tanh(np.arctanh(estimate) + reach),
            }
        )

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "method": "two-step ML", "n_items": len(self.items), "n_ordered": len(self.ordered)}
        return pd.DataFrame([row | {"converged": self.converged, "admissible": self.positive_definite}])


def polychoric(
    data: Any, items: Sequence[str] | None = None, weights: Any = None, missing: Missing = "pairwise"
) -> OrdinalMoments:
    """Polychoric correlations by two-step maximum likelihood (Olsson 1979, doi:10.1007/BF02296207), as lavaan's lavCor.

    ``data`` is anything :func:`qa_lib.moments` takes, or Moments: only the bivariate tables are used, so the cost does
    not depend on n. Standard errors are those of Muthén (1984) given each pair's table; with weights they use the
    effective sample size. Raises ResponseError for items that are constant or not ordinal; warns of empty categories
    (EmptyCategoryWarning) and correlations at ±1 (InadmissibleWarning).

    >>> table = pd.DataFrame({"a": [1] * 50 + [2] * 50, "b": [1] * 40 + [2] * 10 + [1] * 10 + [2] * 40})
    >>> polychoric(table).correlation.loc["a", "b"].round(6)  # sin(π (.8 - .5)) for medians
    np.float64(0.809017)
    """
    m = as_moments(data, items, weights, missing)
    continuous = [item for item, levels in zip(m.items, m.levels, strict=True) if levels is None]
    if continuous:
        raise ResponseError(
            f"Items {continuous} are not ordinal: a polychoric correlation needs whole numbers of few levels. Leave "
            "them out, or use ordinal_moments(data, ordered=…) for mixed items."
        )
    pairs = TablePairs.of(m)
    rho, converged = pairs.correlations()
    n_pairs = pairs.tables.sum(axis=(1, 2))
    share = pairs.tables / n_pairs[:, None, None]
    variances = np.sum(share * pairs.influences(rho) ** 2, axis=(1, 2))
    errors = np.sqrt(variances / (n_pairs * m.effective_n / m.n))
    return OrdinalMoments(
        items=m.items,
        ordered=list(m.items),
        correlation=_symmetric(rho, m.items, 1.0),
        thresholds=_threshold_series(pairs.margins),
        mean=pd.Series(dtype=float),
        variance=pd.Series(dtype=float),
        std_errors=_symmetric(errors, m.items, 0.0),
        acov=None,
        n=m.n,
        converged=converged,
        provenance=Provenance("polychoric", m.n, {"missing": m.missing}),
    )


def polyserial(continuous: pd.Series | pd.DataFrame, ordinal: pd.Series | pd.DataFrame) -> OrdinalMoments:
    """Polyserial correlations of continuous with ordinal items, by two-step maximum likelihood.

    Rows are matched by index; the result holds the whole matrix, Pearson and polychoric correlations included.

    >>> rng = np.random.default_rng(1)
    >>> x = pd.Series(rng.normal(size=300), name="x")
    >>> y = pd.Series(np.digitize(0.6 * x + 0.8 * rng.normal(size=300), [-0.5, 0.5]), name="y")
    >>> polyserial(x, y).correlation.loc["x", "y"].round(2)
    np.float64(0.63)
    """
    parts = [part.to_frame() if isinstance(part, pd.Series) else part for part in (continuous, ordinal)]
    if strange := [type(part).__name__ for part in parts if not isinstance(part, pd.DataFrame)]:
        raise ResponseError(f"polyserial: a {strange[0]} was given; a Series or DataFrame is needed for each.")
    return ordinal_moments(pd.concat(parts, axis=1), ordered=list(parts[1].columns))


def ordinal_moments(
    data: pd.DataFrame,
    ordered: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    acov: bool = True,
) -> OrdinalMoments:
    """Thresholds, means, variances and latent correlations of the complete respondents in ``data``, with their
    asymptotic covariance (Muthén 1984, doi:10.1007/BF02294210; in lavaan's order, see :class:`OrdinalMoments`).

    data : its columns are the items. ordered : the ordinal ones, by default all. weights : respondents', rescaled to
    sum to their number. acov : False leaves the asymptotic covariance, and the standard errors, out.

    >>> table = pd.DataFrame({"a": [1] * 50 + [2] * 50, "b": [1] * 40 + [2] * 10 + [1] * 10 + [2] * 40})
    >>> ordinal_moments(table).acov.index.tolist()
    ['a|t1', 'b|t1', 'a~~b']
    """
    check_columns(data, *data.columns)
    items = list(data.columns)
    ordered = items if ordered is None else [item for item in items if item in set(ordered)]
    x, w = _complete(data, weights)
    sample = Sample.of(x, items, ordered, w)
    rho, converged = sample.correlations()
    n = float(len(x))
    covariance = sample.acov(rho) if acov else None
    errors = np.where(np.eye(len(items)) == 1, 0.0, np.nan)
    if covariance is not None:
        second, first = sample.pairs
        errors[first, second] = errors[second, first] = np.sqrt(
            sample.correlation_variances(rho, covariance.to_numpy()) / n
        )
    return OrdinalMoments(
        items=items,
        ordered=list(ordered),
        correlation=pd.DataFrame(rho, index=items, columns=items),
        thresholds=_threshold_series(sample.margins),
        mean=pd.Series(sample.mean, dtype=float),
        variance=pd.Series({item: sd**2 for item, sd in sample.sd.items()}, dtype=float),
        std_errors=pd.DataFrame(errors, index=items, columns=items),
        acov=covariance,
        n=n,
        converged=converged,
        provenance=Provenance("ordinal_moments", n, {"ordered": list(ordered)}),
    )


def _complete(data: pd.DataFrame, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    x = real_numbers(data)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != (len(x),) or not (np.isfinite(w).all() and (w >= 0).all()):
        raise ResponseError(f"Weights must be finite, not negative, one for each of the {len(x)} respondents.")
    complete = ~np.isnan(x).any(axis=1)
    if complete.sum() < 2:
        raise ResponseError(f"Only {complete.sum()} of {len(x)} respondents answered all of {list(data.columns)}.")
    return x[complete], w[complete] / w[complete].mean()


def _symmetric(values: np.ndarray, items: Sequence[str], diagonal: float) -> pd.DataFrame:
    matrix = np.full((len(items), len(items)), diagonal)
    first, second = np.triu_indices(len(items), 1)
    matrix[first, second] = matrix[second, first] = values
    return pd.DataFrame(matrix, index=items, columns=items)


def _threshold_series(margins: dict[str, Margin]) -> pd.Series:
    index = [(item, k + 1) for item, margin in margins.items() for k in range(len(margin.thresholds))]
    values = np.concatenate([margin.thresholds for margin in margins.values()] or [np.empty(0)])
    return pd.Series(
        values, index=pd.MultiIndex.from_tuples(index, names=["item", "k"]) if index else None, dtype=float
    )
