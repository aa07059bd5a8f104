"""Probability of a rectangle under the bivariate normal distribution, respondent by respondent, and its derivatives."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from qa_lib.sufficient.bivariate import bivariate_cdf, bivariate_density, normal_density
from qa_lib.sufficient.twostep import SMALLEST


def rectangle(
    upper_a: np.ndarray, lower_a: np.ndarray, upper_b: np.ndarray, lower_b: np.ndarray, rho: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P(lower < (a, b) < upper) and its first and second derivative by rho; each (n,).

    >>> half = np.zeros(1)
    >>> [part.round(6).item() for part in rectangle(half + 30, half, half + 30, half, 0.5)]  # 1/4 + arcsin(ρ) / 2π
    [0.333333, 0.183776, 0.122518]
    """
    rest = 1 - rho * rho
    value, slope, bend = (np.zeros(len(upper_a)) for _ in range(3))
    for h, k, sign in (
        (upper_a, upper_b, 1),
        (lower_a, upper_b, -1),
        (upper_a, lower_b, -1),
        (lower_a, lower_b, 1),
    ):
        density = bivariate_density(h, k, np.asarray(rho))
        value += sign * bivariate_cdf(h, k, np.asarray(rho))
        slope += sign * density
        bend += sign * density * (rho / rest + (h * k * (1 + rho * rho) - rho * (h * h + k * k)) / rest**2)
    return np.maximum(value, SMALLEST), slope, bend


def rectangle_slopes(
    upper: np.ndarray, lower: np.ndarray, upper_b: np.ndarray, lower_b: np.ndarray, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the rectangle's probability by the upper and the lower limit of its first variable; each (n,)."""
    rest = np.sqrt(1 - rho * rho)
    return tuple(
        sign * normal_density(limit) * (ndtr((upper_b - rho * limit) / rest) - ndtr((lower_b - rho * limit) / rest))
        for limit, sign in ((upper, 1), (lower, -1))
    )
