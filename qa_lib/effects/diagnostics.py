"""Can the regression be read as it stands: every check with its value, threshold and source. Words are the report's."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.design import Design, RowsDesign

_BELSLEY = "Belsley, Kuh and Welsch (1980), Regression Diagnostics, p. 105"
_HAIR = "Hair, Black, Babin and Anderson (2019), Multivariate Data Analysis, 8th ed."
_LEVEL = 0.05


def variance_inflation(cov: np.ndarray) -> np.ndarray:
    """(p,) variance inflation factors: the diagonal of the inverse correlation matrix of the predictors (p, p).

    Fox and Monette (1992, doi:10.1080/01621459.1992.10475190), eq. 6 for one coefficient.

    >>> variance_inflation(np.array([[1, .6], [.6, 1]]))
    array([1.5625, 1.5625])
    """
    return np.diag(cov) * np.diag(np.linalg.inv(cov))


def condition_index(mean: np.ndarray, cov: np.ndarray) -> float:
    """Largest condition index of the predictors and intercept, columns scaled to length one (Belsley et al. 1980);
    of the centred predictors where no means are known."""
    if np.isnan(mean).any():
        mean = np.zeros_like(mean)
    cross = np.block([[np.ones((1, 1)), mean[None]], [mean[:, None], cov + np.outer(mean, mean)]])
    length = np.sqrt(np.diag(cross))
    values = np.linalg.eigvalsh(cross / np.outer(length, length))
    return float(np.sqrt(values[-1] / values[0]))


def diagnose(design: Design, residuals: np.ndarray | None = None, leverage: np.ndarray | None = None) -> pd.DataFrame:
    """A row per check: ``term, estimate, statistic, df, df_residual, p_value, threshold, concern, source``.

    ``concern`` is True where a reader must be told. Checks of residuals need rows; weighted tests count the effective
    sample size.
    """
    n = design.n
    rows = [
        _row("vif", variance_inflation(design.cov[:-1, :-1]).max(), threshold=5.0, source=_HAIR),
        _row(
            "condition_index",
            condition_index(design.mean[:-1], design.cov[:-1, :-1] * (n - 1) / n),
            threshold=30.0,
            source=_BELSLEY,
        ),
    ]
    if isinstance(design, RowsDesign) and residuals is not None and leverage is not None:
        rows += [
            _heteroscedasticity(design, residuals),
            _normality(design, residuals),
            _linearity(design, residuals),
            *_influence(design, residuals, leverage),
        ]
    return pd.DataFrame(rows)


def _row(
    term, estimate, statistic=np.nan, df=np.nan, df_residual=np.nan, p_value=np.nan, *, threshold, source
) -> dict[str, object]:
    concern = p_value < _LEVEL if np.isfinite(p_value) else estimate > threshold
    return {
        "term": term,
        "estimate": float(estimate),
        "statistic": float(statistic),
        "df": float(df),
        "df_residual": float(df_residual),
        "p_value": float(p_value),
        "threshold": threshold,
        "concern": bool(concern),
        "source": source,
    }


def _heteroscedasticity(design: RowsDesign, residuals: np.ndarray) -> dict[str, object]:
    """Koenker's studentised Breusch–Pagan test: n · R² of the squared residuals on the predictors."""
    p = len(design.predictors)
    squares = residuals**2
    explained = 1 - _rss(design, design.with_intercept, squares) / _rss(design, np.ones((len(squares), 1)), squares)
    statistic = design.n * explained
    return _row(
        "heteroscedasticity",
        explained,
        statistic,
        p,
        p_value=stats.chi2.sf(statistic, p),
        threshold=_LEVEL,
        source="Breusch and Pagan (1979); Koenker (1981), doi:10.1016/0304-4076(81)90062-2",
    )


def _normality(design: RowsDesign, residuals: np.ndarray) -> dict[str, object]:
    """Jarque–Bera; the estimate is the skewness."""
    moments = [np.average(residuals**k, weights=design.weights) for k in (2, 3, 4)]
    skewness, kurtosis = moments[1] / moments[0] ** 1.5, moments[2] / moments[0] ** 2
    statistic = design.n / 6 * (skewness**2 + (kurtosis - 3) ** 2 / 4)
    return _row(
        "residual_normality",
        skewness,
        statistic,
        2,
        p_value=stats.chi2.sf(statistic, 2),
        threshold=_LEVEL,
        source="Jarque and Bera (1987), doi:10.2307/1403192",
    )


def _linearity(design: RowsDesign, residuals: np.ndarray) -> dict[str, object]:
    """RESET: do squares and cubes of the fitted values add anything; the estimate is the R² they add."""
    x = design.with_intercept
    fitted = design.y - residuals
    scaled = (fitted - fitted.mean()) / fitted.std()
    restricted, full = (_rss(design, part, design.y) for part in (x, np.column_stack([x, scaled**2, scaled**3])))
    df = design.n - x.shape[1] - 2
    statistic = (restricted - full) / 2 / (full / df)
    return _row(
        "linearity",
        (restricted - full) / _rss(design, x[:, :1], design.y),
        statistic,
        2,
        df,
        stats.f.sf(statistic, 2, df),
        threshold=_LEVEL,
        source="Ramsey (1969), doi:10.1111/j.2517-6161.1969.tb00796.x",
    )


def _influence(design: RowsDesign, residuals: np.ndarray, leverage: np.ndarray) -> list[dict[str, object]]:
    """Largest Cook's distance and the share of rows above 4 / n."""
    distance = cooks_distance(residuals, leverage, design.weights, len(design.predictors) + 1)
    source = "Cook and Weisberg (1982), Residuals and Influence in Regression, p. 118"
    share = (distance > 4 / len(distance)).mean()
    bollen = "4 / n: Bollen and Jackman (1985), doi:10.1177/0049124185013004004; a tenth of the rows: our convention"
    return [
        _row("cooks_distance", distance.max(), threshold=1.0, source=source),
        _row("influential_share", share, threshold=0.10, source=bollen),
    ]


def cooks_distance(residuals: np.ndarray, leverage: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """Cook (1977, doi:10.1080/00401706.1977.10489493); k coefficients."""
    scale = (weights * residuals**2).sum() / (len(residuals) - k)
    return weights * residuals**2 * leverage / (1 - leverage) ** 2 / (k * scale)


def _rss(design: RowsDesign, x: np.ndarray, y: np.ndarray) -> float:
    """Residual sum of squares, weights scaled so that they sum to the effective sample size."""
    root = np.sqrt(design.weights)
    slopes = np.linalg.lstsq(root[:, None] * x, root * y, rcond=None)[0]
    return float((design.weights * (y - x @ slopes) ** 2).sum() * design.n / len(y))
