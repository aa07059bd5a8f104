"""Moments of ordinal and continuous items given covariates: probit and linear regressions, residual correlations.

Muthén (1984, doi:10.1007/BF02294210), case B: thresholds, slopes and the correlations of the residuals replace the
unconditional moments, so that nothing need be assumed of the covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from qa_lib.errors import ResponseError
from qa_lib.sufficient.bivariate import TAIL, normal_density
from qa_lib.sufficient.latent import warn_bound
from qa_lib.sufficient.rectangle import Rectangles, rectangle_slopes
from qa_lib.sufficient.twostep import SMALLEST, solve_score


@dataclass(frozen=True, slots=True)
class OrdinalRegression:
    """Ordered probit of one item. codes : (n,) 0 … K − 1. upper, lower : (n,) limits of the residual; z : its mean
    between them.

    Parameters are K − 1 thresholds, then q slopes. moves : (n, K − 1 + q) influence of each respondent on them.
    """

    codes: np.ndarray
    x: np.ndarray
    thresholds: np.ndarray
    slopes: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    z: np.ndarray
    moves: np.ndarray
    sd: float = 1.0

    @property
    def location(self) -> np.ndarray:
        return self.thresholds

    def pulled(self, by_upper: np.ndarray, by_lower: np.ndarray) -> np.ndarray:
        """Sums over respondents of derivatives by the limits, as derivatives by the parameters."""
        k = len(self.thresholds) + 1
        by_threshold = np.bincount(self.codes, by_upper, k)[:-1] + np.bincount(self.codes, by_lower, k)[1:]
        return np.concatenate([by_threshold, -(by_upper + by_lower) @ self.x])


@dataclass(frozen=True, slots=True)
class LinearRegression:
    """Regression of one continuous item. z : (n,) standardised residuals; sd : their scale.

    Parameters are the intercept, q slopes and the residual variance. moves : (n, q + 2) influences on them.
    """

    z: np.ndarray
    x: np.ndarray
    intercept: float
    slopes: np.ndarray
    sd: float
    moves: np.ndarray

    @property
    def location(self) -> np.ndarray:
        return np.array([-self.intercept])

    def pulled(self, by_z: np.ndarray, share: np.ndarray) -> np.ndarray:
        """As :meth:`OrdinalRegression.pulled`, from derivatives by z already times ``share``."""
        by_variance = -(share.sum() + self.z @ by_z) / (2 * self.sd**2)
        return np.concatenate([[-by_z.sum() / self.sd], -by_z @ self.x / self.sd, [by_variance]])


Regression = OrdinalRegression | LinearRegression


def ordered_probit(item: str, y: np.ndarray, x: np.ndarray, weights: np.ndarray) -> OrdinalRegression:
    """Maximum likelihood by Newton's steps. y : (n,) codes. Raises ResponseError where they do not converge."""
    k, n = int(y.max()) + 1, len(y)
    share = np.cumsum(np.bincount(y, weights, k))[:-1] / weights.sum()
    theta = np.concatenate([ndtri(share), np.zeros(x.shape[1])])
    upper_by, lower_by = np.zeros((n, len(theta))), np.zeros((n, len(theta)))
    rows = np.arange(n)
    upper_by[rows[y < k - 1], y[y < k - 1]] = 1
    lower_by[rows[y > 0], y[y > 0] - 1] = 1
    upper_by[:, k - 1 :] = lower_by[:, k - 1 :] = -x
    for _ in range(60):
        upper = np.where(y < k - 1, upper_by @ theta, TAIL)
        lower = np.where(y > 0, lower_by @ theta, -TAIL)
        above, below = normal_density(upper), normal_density(lower)
        p = np.maximum(ndtr(upper) - ndtr(lower), SMALLEST)
        scores = (above / p)[:, None] * upper_by - (below / p)[:, None] * lower_by
        gradient = weights @ scores
        curved = upper_by.T @ ((weights * upper * above / p)[:, None] * upper_by)
        curved -= lower_by.T @ ((weights * lower * below / p)[:, None] * lower_by)
        step = np.linalg.solve(curved + scores.T @ (weights[:, None] * scores), gradient)
        if step @ gradient < 1e-16 * n:
            information = scores.T @ (scores * (weights / weights.sum())[:, None])
            moves = np.linalg.solve(information, scores.T).T
            return OrdinalRegression(y, x, theta[: k - 1], theta[k - 1 :], upper, lower, (below - above) / p, moves)
        theta = theta + step
    raise ResponseError(
        f"The probit regression of item {item} on the covariates did not converge: a covariate separates its "
        "categories, or covariates repeat each other. Leave one out."
    )


def linear(y: np.ndarray, x: np.ndarray, weights: np.ndarray) -> LinearRegression:
    """Weighted least squares, residual variance with denominator n."""
    design = np.column_stack([np.ones(len(y)), x])
    beta = np.linalg.solve(design.T @ (weights[:, None] * design), design.T @ (weights * y))
    residual = y - design @ beta
    sd = float(np.sqrt(np.average(residual**2, weights=weights)))
    z = residual / sd
    scores = np.column_stack([design * (z / sd)[:, None], (z**2 - 1) / (2 * sd**2)])
    information = scores.T @ (scores * (weights / weights.sum())[:, None])
    return LinearRegression(z, x, float(beta[0]), beta[1:], sd, np.linalg.solve(information, scores.T).T)


def residual_correlation(a: Regression, b: Regression, weights: np.ndarray) -> tuple[float, bool, np.ndarray]:
    """Correlation of two residuals, whether it converged, and each respondent's influence on it (n,)."""
    if isinstance(a, LinearRegression) and isinstance(b, LinearRegression):
        return _pearson(a, b, weights)
    if isinstance(a, LinearRegression):
        return _polyserial(a, b, weights)
    if isinstance(b, LinearRegression):
        return _polyserial(b, a, weights)
    return _polychoric(a, b, weights)


def _start(a: Regression, b: Regression) -> np.ndarray:
    """A first guess: the covariance of what is known of the residuals, by how much of each is known."""
    return np.atleast_1d(len(a.z) * (a.z @ b.z) / ((a.z @ a.z) * (b.z @ b.z)))


def _polychoric(a: OrdinalRegression, b: OrdinalRegression, weights: np.ndarray) -> tuple[float, bool, np.ndarray]:
    answers = Rectangles(a.upper, a.lower, b.upper, b.lower)

    def derivatives(rho: np.ndarray, _which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p, slope, bend = answers.at(rho[0])
        score = slope / p
        return np.array([weights @ score]), np.array([weights @ (bend / p - score**2)])

    rho, converged = solve_score(derivatives, _start(a, b))
    p, slope, _ = answers.at(rho[0])
    score, share = slope / p, weights / weights.sum()
    weight = share * score / p
    owed = np.zeros(len(p))
    for one, other in ((a, b), (b, a)):
        by_upper, by_lower = rectangle_slopes(one.upper, one.lower, other.upper, other.lower, rho[0])
        owed += one.moves @ one.pulled(weight * by_upper, weight * by_lower)
    return float(rho[0]), bool(converged[0]), (score - owed) / (share @ score**2)


def _polyserial(a: LinearRegression, b: OrdinalRegression, weights: np.ndarray) -> tuple[float, bool, np.ndarray]:
    def parts(rho: float) -> tuple[np.ndarray, ...]:
        rest = np.sqrt(1 - rho * rho)
        limits = [(limit - rho * a.z) / rest for limit in (b.upper, b.lower)]
        above, below = (normal_density(limit) for limit in limits)
        p = np.maximum(ndtr(limits[0]) - ndtr(limits[1]), SMALLEST)
        turns = [(limit * rho - a.z) / rest**3 for limit in (b.upper, b.lower)]
        return above, below, p, (above * turns[0] - below * turns[1]) / p

    def derivatives(rho: np.ndarray, _which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        score = parts(rho[0])[-1]
        return np.array([weights @ score]), np.array([-(weights @ score**2)])

    found, converged = solve_score(derivatives, _start(a, b))
    rho = float(found[0])
    above, below, p, score = parts(rho)
    rest, share = np.sqrt(1 - rho * rho), weights / weights.sum()
    weight = share * score
    by_z = (below - above) / p * rho / rest - a.z
    owed = a.moves @ a.pulled(weight * by_z, weight)
    owed += b.moves @ b.pulled(weight * above / (p * rest), -weight * below / (p * rest))
    return rho, bool(converged[0]), (score - owed) / (share @ score**2)


def _pearson(a: LinearRegression, b: LinearRegression, weights: np.ndarray) -> tuple[float, bool, np.ndarray]:
    share = weights / weights.sum()
    rho = float(share @ (a.z * b.z))
    rest = 1 - rho * rho
    score = rho / rest + (a.z * b.z * (1 + rho * rho) - rho * (a.z**2 + b.z**2)) / rest**2
    weight, owed = share * score, np.zeros(len(score))
    for one, other in ((a, b), (b, a)):
        owed += one.moves @ one.pulled(-weight * (one.z - rho * other.z) / rest, weight)
    return rho, True, (score - owed) / (share @ score**2)


@dataclass(frozen=True, slots=True)
class ConditionalMoments:
    """What an estimator needs to know of items given covariates.

    values : thresholds, or intercepts with their sign reversed, item after item; slopes, item after item; residual
    variances of continuous items; residual covariances down the columns of the lower triangle. acov : n × their
    covariance. cov, mean : over all columns; of the residuals for items, of the sample for covariates: as lavaan, with
    denominator n − 1, under weights n (so that equal weights move a covariate's variance by 1/n, and nothing else).
    """

    values: np.ndarray
    acov: pd.DataFrame
    cov: pd.DataFrame
    mean: pd.Series
    converged: bool

    def statistics(self) -> np.ndarray:
        """The estimates in the order of ``acov``."""
        return self.values


def conditional_moments(
    data: pd.DataFrame, ordered: Sequence[str], covariates: Sequence[str], weights: np.ndarray | None = None
) -> ConditionalMoments:
    """Moments of the columns of ``data`` that are not ``covariates``, given these; complete rows only.

    Raises ResponseError where a regression does not converge; warns (InadmissibleWarning) of correlations at ±1.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> latent = 0.8 * x[:, None] + rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 2000)
    >>> data = pd.DataFrame({"a": np.digitize(latent[:, 0], [-1, 0, 1]), "b": np.digitize(latent[:, 1], [0]), "x": x})
    >>> conditional_moments(data, ["a", "b"], ["x"]).cov.loc["a", "b"].round(1)
    np.float64(0.5)
    """
    w = np.ones(len(data)) if weights is None else weights / weights.mean()
    items = [name for name in data.columns if name not in set(covariates)]
    x = data[list(covariates)].to_numpy(dtype=float)
    regressions = {item: _regress(item, data[item].to_numpy(), x, w, item in set(ordered)) for item in items}
    rho, moves, converged = np.eye(len(items)), [], True
    for i, j in zip(*np.triu_indices(len(items), 1), strict=True):
        a, b = regressions[items[i]], regressions[items[j]]
        rho[i, j], fine, on_rho = residual_correlation(a, b, w)
        if not fine:
            warn_bound(items[i], items[j], rho[i, j])
        converged &= fine
        moves.append(_on_covariance(a, b, rho[i, j], on_rho))
    rho = np.triu(rho) + np.triu(rho, 1).T
    found = list(regressions.values())
    cov, values = _assembled(found, rho)
    influence = _influences(found, np.column_stack(moves) if moves else np.empty((len(w), 0))) * w[:, None]
    names = _names(items, regressions, covariates)
    mean = pd.Series([getattr(found, "intercept", 0.0) for found in regressions.values()], index=items)
    count = len(w) - (weights is None)
    everything = _with_covariates(pd.DataFrame(cov, index=items, columns=items), mean, data, covariates, w, count)
    acov = pd.DataFrame(influence.T @ influence / len(w), index=names, columns=names)
    return ConditionalMoments(values, acov, *everything, converged)


def _regress(item: str, y: np.ndarray, x: np.ndarray, w: np.ndarray, ordinal: bool) -> Regression:
    return ordered_probit(item, np.unique(y, return_inverse=True)[1], x, w) if ordinal else linear(y, x, w)


def _on_covariance(a: Regression, b: Regression, rho: float, on_rho: np.ndarray) -> np.ndarray:
    """From the influence on a correlation to that on the covariance ρ σ_a σ_b."""
    moved = on_rho * a.sd * b.sd
    for one, other in ((a, b), (b, a)):
        if isinstance(one, LinearRegression):
            moved = moved + one.moves[:, -1] * rho * other.sd / (2 * one.sd)
    return moved


def _assembled(found: Sequence[Regression], rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sd = np.array([one.sd for one in found])
    cov = rho * np.outer(sd, sd)
    column, row = np.triu_indices(len(cov), 1)
    variances = [one.sd**2 for one in found if isinstance(one, LinearRegression)]
    locations, slopes = [one.location for one in found], [one.slopes for one in found]
    return cov, np.concatenate([*locations, *slopes, variances, cov[row, column]])


def _influences(found: Sequence[Regression], on_covariances: np.ndarray) -> np.ndarray:
    locations, slopes, variances = [], [], []
    for one in found:
        cut, q = len(one.location), one.x.shape[1]
        linear_one = isinstance(one, LinearRegression)
        locations.append(-one.moves[:, :cut] if linear_one else one.moves[:, :cut])
        slopes.append(one.moves[:, cut : cut + q])
        if linear_one:
            variances.append(one.moves[:, -1:])
    return np.hstack([*locations, *slopes, *variances, on_covariances])


def _names(items: Sequence[str], regressions: dict[str, Regression], covariates: Sequence[str]) -> list[str]:
    names = []
    for item, one in regressions.items():
        ordinal = isinstance(one, OrdinalRegression)
        names += [f"{item}|t{k + 1}" for k in range(len(one.location))] if ordinal else [f"{item}~1"]
    names += [f"{item}~{name}" for item in items for name in covariates]
    names += [f"{item}~~{item}" for item, one in regressions.items() if isinstance(one, LinearRegression)]
    return names + [f"{a}~~{b}" for k, a in enumerate(items) for b in items[k + 1 :]]


def _with_covariates(
    cov: pd.DataFrame, mean: pd.Series, data: pd.DataFrame, covariates: Sequence[str], w: np.ndarray, count: int
) -> tuple[pd.DataFrame, pd.Series]:
    """Covariances and means of all columns of the data, in their order; items and covariates (÷ ``count``) apart."""
    x = data[list(covariates)]
    centre = pd.Series(w @ x.to_numpy(dtype=float) / w.sum(), index=x.columns)
    deviation = (x - centre).to_numpy(dtype=float)
    own = pd.DataFrame((w[:, None] * deviation).T @ deviation / count, index=x.columns, columns=x.columns)
    whole = pd.DataFrame(0.0, index=data.columns, columns=data.columns)
    whole.loc[cov.index, cov.columns], whole.loc[own.index, own.columns] = cov, own
    return whole, pd.concat([mean, centre]).loc[data.columns]
