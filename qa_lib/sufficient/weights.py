"""What respondents' weights do to the information in a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def effective_n(weights: ArrayLike) -> float:
    """Kish's effective sample size, (Σw)² / Σw² (Kish 1965, Survey Sampling, eq. 11.7.6).

    >>> effective_n([1, 1, 1, 1])
    4.0
    """
    w = np.asarray(weights, dtype=float)
    w = w / w.max() if len(w) else w  # so that no square leaves the numbers' range
    return float(w.sum() ** 2 / (w @ w))
