"""Where the weights of a composite come from: pairwise judgements, or the indicators' own information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qa_lib.errors import StudyError

# Saaty (1980), The Analytic Hierarchy Process: mean consistency index of random reciprocal matrices of order 1 … 10
RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)


class Judgement(NamedTuple):
    """Weights (k,) from pairwise comparisons; judgements with a consistency ratio above .10 need a second look."""

    weights: np.ndarray
    consistency_ratio: float


def ahp(matrix: ArrayLike) -> Judgement:
    """Weights from a reciprocal matrix (k, k) of pairwise comparisons: a_ij says how much more i matters than j.

    The principal eigenvector, scaled to sum one; CR = (λ − k)/((k − 1)·RI) (Saaty 1980). Raises ``StudyError`` when
    the matrix is not square, positive and reciprocal, or larger than ten.

    >>> judgement = ahp([[1, 4, 3, 7], [1/4, 1, 1/3, 3], [1/3, 3, 1, 5], [1/7, 1/3, 1/5, 1]])
    >>> judgement.weights.round(3).tolist(), round(judgement.consistency_ratio, 3)
    ([0.548, 0.127, 0.27, 0.056], 0.044)
    """
    try:
        a = np.asarray(matrix, dtype=float)
    except (TypeError, ValueError):
        raise StudyError("AHP: the matrix must hold numbers only, in rows of equal length.") from None
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not 1 <= len(a) <= len(RANDOM_INDEX):
        raise StudyError(f"AHP: the matrix has shape {a.shape}; it must be square, of order 1 to {len(RANDOM_INDEX)}.")
    if not (np.isfinite(a).all() and (a > 0).all()):
        raise StudyError("AHP: every comparison must be a positive number (1/9 … 9).")
    wrong = np.argwhere(np.abs(a * a.T - 1) > 1e-6)
    if len(wrong):
        i, j = wrong[0]
        raise StudyError(
            f"AHP: row {i + 1}, column {j + 1} is {a[i, j]:g} but row {j + 1}, column {i + 1} is {a[j, i]:g}; "
            "they must be each other's reciprocal."
        )
    values, vectors = np.linalg.eig(a)
    largest = values.real.argmax()
    principal = np.abs(vectors[:, largest].real)
    k, expected = len(a), RANDOM_INDEX[len(a) - 1]
    ratio = (values[largest].real - k) / ((k - 1) * expected) if expected else 0.0
    return Judgement(principal / principal.sum(), float(max(ratio, 0.0)))


def entropy(scores: ArrayLike) -> np.ndarray:
    """Weights (k,) by how unevenly each indicator spreads over the units: 1 − Shannon's entropy, scaled to sum one.

    ``scores`` (units, k) are zero or more (Zeleny 1982; Hwang and Yoon 1981, section 3.1.3). An indicator that does
    not vary gets no weight.

    >>> entropy([[1, 1], [1, 2], [1, 3]]).tolist()
    [0.0, 1.0]
    """
    x = _varying(scores, "entropy")
    total = x.sum(axis=0)
    p = x / np.where(total > 0, total, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = 1 + np.where(p > 0, p * np.log(p), 0.0).sum(axis=0) / np.log(len(x))
    information[np.ptp(x, axis=0) == 0] = 0.0
    return information / information.sum()


def critic(scores: ArrayLike) -> np.ndarray:
    """Weights (k,) by contrast and conflict: C_j = s_j Σ_k (1 − r_jk) on min–max scaled scores, scaled to sum one.

    Diakoulaki, Mavrotas and Papayannakis (1995), doi:10.1016/0305-0548(94)00059-H.

    >>> critic([[1, 3, 1], [2, 2, 2], [3, 1, 3]]).round(2).tolist()
    [0.25, 0.5, 0.25]
    """
    x = _varying(scores, "CRITIC")
    spread = np.ptp(x, axis=0)
    scaled = (x - x.min(axis=0)) / np.where(spread > 0, spread, 1)
    centred = scaled - scaled.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(norm > 0, norm, 1)
    information = scaled.std(axis=0, ddof=1) * (1 - unit.T @ unit).sum(axis=0)
    if not information.sum() > 1e-12:
        raise StudyError("CRITIC: all indicators say the same of these units; give the weights instead.")
    return information / information.sum()


def _varying(scores: ArrayLike, method: str) -> np.ndarray:
    x = np.asarray(scores, dtype=float)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all() or (x < 0).any():
        raise StudyError(f"{method}: weights need two units or more, without missing scores, none below zero.")
    if not (np.ptp(x, axis=0) > 0).any():
        raise StudyError(f"{method}: no indicator varies over the units; give the weights instead.")
    return x
