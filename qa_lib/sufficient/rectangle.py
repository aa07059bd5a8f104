"""Probability of a rectangle under the bivariate normal distribution, respondent by respondent, and its derivatives."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from qa_lib.sufficient.bivariate import NEAR_ONE, bivariate_cdf, normal_density
from qa_lib.sufficient.twostep import SMALLEST

# as many nodes as double precision needs over a stretch of arcsin rho that is so long, divided by how far it stays from
# the ends ± π/2; of the stretches from zero, the last three limits are the rules of Genz (2004)
_RULES = [
    (limit, *np.polynomial.legendre.leggauss(count))
    for limit, count in ((1e-6, 1), (1e-3, 2), (0.01, 3), (0.05, 5), (0.24, 6), (1.18, 12), (np.inf, 20))
]


class Rectangles:
    """P(lower < (a, b) < upper) of n respondents, followed from one correlation to the next.

    The probability at a correlation is that at the last one plus the integral of the density between them (Plackett
    1954): the shorter the way, the fewer nodes it takes. From independence it is the rule of Drezner and Wesolowsky
    (1990, doi:10.1080/00949659008811236), as in :func:`qa_lib.sufficient.bivariate.bivariate_cdf`.

    >>> half = np.zeros(1)
    >>> followed = Rectangles(half + 30, half, half + 30, half)
    >>> [part.round(6).item() for part in followed.at(0.5)]  # 1/4 + arcsin(ρ) / 2π
    [0.333333, 0.183776, 0.122518]
    """

    def __init__(self, upper_a: np.ndarray, lower_a: np.ndarray, upper_b: np.ndarray, lower_b: np.ndarray) -> None:
        # of the corners the first two count, the others are taken off
        self._h = np.array([upper_a, lower_a, upper_a, lower_a])
        self._k = np.array([upper_b, lower_b, lower_b, upper_b])
        self._product, self._squares = self._h * self._k, (self._h**2 + self._k**2) / 2
        self._independent = (ndtr(upper_a) - ndtr(lower_a)) * (ndtr(upper_b) - ndtr(lower_b))
        self._angle, self._value = 0.0, self._independent

    def at(self, rho: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The probability and its first and second derivative by rho; each (n,)."""
        rest = 1 - rho * rho
        density = np.exp((rho * self._product - self._squares) / rest) / (2 * np.pi * np.sqrt(rest))
        bend = density * (rho / rest + (self._product * (1 + rho * rho) - 2 * rho * self._squares) / rest**2)
        return np.maximum(self._probability(rho), SMALLEST), _over_corners(density), _over_corners(bend)

    def _probability(self, rho: float) -> np.ndarray:
        if abs(rho) > NEAR_ONE:
            return _over_corners(bivariate_cdf(self._h, self._k, np.asarray(rho)))
        angle = float(np.arcsin(rho))
        if abs(angle) < abs(angle - self._angle):
            self._angle, self._value = 0.0, self._independent
        self._value = self._value + self._between(self._angle, angle)
        self._angle = angle
        return self._value

    def _between(self, start: float, end: float) -> np.ndarray:
        half = (end - start) / 2
        near = 2 * abs(half) / (np.pi / 2 - max(abs(start), abs(end)))
        rule = next((nodes, weights) for limit, nodes, weights in _RULES if near <= limit)
        total, term = np.zeros_like(self._product), np.empty_like(self._product)
        for node, weight in zip(*rule, strict=True):
            sine = np.sin(start + half * (1 + node))
            np.multiply(self._product, sine, out=term)
            term -= self._squares
            term /= 1 - sine * sine
            np.exp(term, out=term)
            term *= weight
            total += term
        return half / (2 * np.pi) * _over_corners(total)


def _over_corners(of_corner: np.ndarray) -> np.ndarray:
    return of_corner[0] + of_corner[1] - of_corner[2] - of_corner[3]


def rectangle_slopes(
    upper: np.ndarray, lower: np.ndarray, upper_b: np.ndarray, lower_b: np.ndarray, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the rectangle's probability by the upper and the lower limit of its first variable; each (n,)."""
    rest = np.sqrt(1 - rho * rho)
    return tuple(
        sign * normal_density(limit) * (ndtr((upper_b - rho * limit) / rest) - ndtr((lower_b - rho * limit) / rest))
        for limit, sign in ((upper, 1), (lower, -1))
    )
