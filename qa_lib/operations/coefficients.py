"""Chance-corrected agreement as plain functions on codes, counts and joint tables."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np

Level = Literal["nominal", "ordinal", "interval"]


def divided(numerator, denominator):
    """numerator ÷ denominator, NaN where the denominator is 0."""
    denominator = np.asarray(denominator, dtype=float)
    return np.asarray(numerator) / np.where(np.abs(denominator) < 1e-12, np.nan, denominator)


def counts_of(codes: np.ndarray, q: int) -> np.ndarray:
    """How many monitors gave each code (contacts × categories) from codes (contacts × monitors, −1 missing)."""
    counts = np.zeros((len(codes), q + 1))
    np.add.at(counts, (np.arange(len(codes))[:, None], codes), 1)
    return counts[:, :q]


def quadratic_weights(places: np.ndarray) -> np.ndarray:
    """Agreement weights 1 − (xᵢ − xⱼ)²/range² of ordered categories at ``places`` (Cohen 1968, doi:10.1037/h0026256).

    >>> quadratic_weights(np.array([0, 5, 20])).tolist()
    [[1.0, 0.9375, 0.0], [0.9375, 1.0, 0.4375], [0.0, 0.4375, 1.0]]
    """
    places = np.asarray(places, dtype=float)
    return 1 - (places[:, None] - places) ** 2 / (np.ptp(places) or 1.0) ** 2


def pairwise_agreement(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of agreeing pairs of ratings within each contact, from counts (contacts × categories); 0 if rated once."""
    total = counts.sum(axis=1)
    return (counts * (counts @ weights - 1)).sum(axis=1) / np.maximum(total * (total - 1), 1)


def chance_corrected(counts: np.ndarray, weights: np.ndarray, kind: Literal["fleiss", "gwet"]) -> tuple[float, float]:
    """Coefficient and its standard error (Gwet 2014, eq. 2.11–2.14 Fleiss, 4.12–4.14 AC; variance section 5.3).

    ``counts``: contacts × categories. Contacts rated once inform the margins, as Gwet has it.
    """
    n, q = counts.shape
    twice = counts.sum(axis=1) >= 2
    share = counts / counts.sum(axis=1, keepdims=True)
    margin = share.mean(axis=0)
    if kind == "fleiss":
        chance, chance_of = margin @ weights @ margin, share @ weights @ margin
    else:
        scale = weights.sum() / (q * (q - 1)) if q > 1 else np.nan
        chance, chance_of = scale * (margin * (1 - margin)).sum(), scale * share @ (1 - margin)
    observed = pairwise_agreement(counts, weights)
    estimate = divided(observed[twice].mean() - chance, 1 - chance)
    corrected = twice * divided(observed - chance, 1 - chance) * n / twice.sum()
    influence = corrected - 2 * (1 - estimate) * divided(chance_of - chance, 1 - chance)
    return float(estimate), float(np.sqrt(((influence - estimate) ** 2).sum() / (n * (n - 1))))


def cohen_kappa(table: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """(Weighted) kappa and its standard error from a square table of joint counts.

    Fleiss, Cohen and Everitt (1969, doi:10.1037/h0028106, eq. 8): the variance not under the null.
    """
    n = table.sum()
    joint = table / n
    row, column = joint.sum(axis=1), joint.sum(axis=0)
    observed, chance = (joint * weights).sum(), row @ weights @ column
    estimate = divided(observed - chance, 1 - chance)
    mean_weight = (weights @ column)[:, None] + (row @ weights)[None, :]
    spread = (joint * (weights * (1 - chance) - mean_weight * (1 - observed)) ** 2).sum()
    variance = divided(spread - (observed * chance - 2 * chance + observed) ** 2, n * (1 - chance) ** 4)
    return float(estimate), float(np.sqrt(np.clip(variance, 0, None)))


def joint_counts(codes: np.ndarray, a: int, b: int, q: int) -> np.ndarray:
    both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
    return np.bincount(codes[both, a] * q + codes[both, b], minlength=q * q).reshape(q, q).astype(float)


def light_kappa(codes: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Mean kappa over pairs of monitors under each draw of contacts (draws × contacts) → (draws,)."""
    kappas = []
    for a, b in combinations(range(codes.shape[1]), 2):
        both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
        if both.sum() < 2:
            continue
        one_hot = np.eye(len(weights))
        row, column = draws[:, both] @ one_hot[codes[both, a]], draws[:, both] @ one_hot[codes[both, b]]
        n = draws[:, both].sum(axis=1)
        observed = divided(draws[:, both] @ weights[codes[both, a], codes[both, b]], n)
        chance = divided(((row @ weights) * column).sum(axis=1), n**2)
        kappas.append(divided(observed - chance, 1 - chance))
    if not kappas:
        return np.full(len(draws), np.nan)
    known = np.isfinite(kappas)
    return divided(np.where(known, kappas, 0).sum(axis=0), known.sum(axis=0))


def krippendorff_alpha(
    counts: np.ndarray, values: np.ndarray, level: Level, draws: np.ndarray | None = None
) -> np.ndarray:
    """Alpha under every row of contact weights ``draws`` (draws × contacts; one row of ones by default).

    1 − (N − 1)·Σᵤ dᵤ/(mᵤ − 1) ÷ Σ n_c n_k δ²_ck (Krippendorff 2004, ch. 11). The ordinal metric is the interval
    metric of the categories' mid-ranks, which makes both closed forms in sums and squares.
    """
    draws = np.ones((1, len(counts))) if draws is None else draws
    margin = draws @ counts
    total = margin.sum(axis=1)
    per_contact = counts.sum(axis=1)
    if level == "nominal":
        within = draws @ ((per_contact**2 - (counts**2).sum(axis=1)) / (per_contact - 1))
        expected = total**2 - (margin**2).sum(axis=1)
    else:
        place = np.cumsum(margin, axis=1) - margin / 2 if level == "ordinal" else np.broadcast_to(values, margin.shape)
        spread = per_contact * (place**2 @ counts.T) - (place @ counts.T) ** 2
        within = 2 * (draws * spread / (per_contact - 1)).sum(axis=1)
        expected = 2 * (total * (margin * place**2).sum(axis=1) - (margin * place).sum(axis=1) ** 2)
    return 1 - (total - 1) * divided(within, expected)
