"""Reliability of gap scores, experienced less expected, beside that of their parts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, InadmissibleWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import Missing, Moments, as_moments
from qa_lib.trust.consistency import coefficients as co
from qa_lib.trust.consistency.coefficient_table import coefficient_table, is_admissible
from qa_lib.trust.consistency.coefficients import Coefficient

Pair = tuple[str, str]
MODELS = {
    "alpha_expected": "covariances of the expected items",
    "alpha_experienced": "covariances of the experienced items",
    "parts_r": "correlation of the sums of expected and experienced items",
    "alpha_gap": "covariances of the differences, pair by pair",
    "reliability_gap": "alpha, variance and covariance of the parts; uncorrelated errors",
}


@dataclass(frozen=True, slots=True)
class GapReliability(Result):
    """``table``: a row per dimension and coefficient."""

    table: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        row = {"n": self.provenance.n, "n_dimensions": self.table["dimension"].nunique()}
        row |= {"n_pairs": self.provenance.settings["n_pairs"], "method": self.provenance.settings["missing"]}
        return pd.DataFrame([row | {"admissible": is_admissible(self.table)}])


def gap_reliability(
    data: Any,
    pairs: Sequence[Pair],
    dimensions: Mapping[str, Sequence[str]] | None = None,
    conf_level: float = 0.95,
    weights: Any = None,
    missing: Missing = "listwise",
) -> GapReliability:
    """How reliable differences experienced - expected are, and the sums they are differences of.

    data : DataFrame, Moments, or (covariance DataFrame, n). pairs : (expected item, experienced item), as
    ``instrument.pairs``. dimensions : experienced items by dimension; without them all pairs are one, named ``gap``.
    weights : respondents' weights; n is then the effective one. missing : of the items of a dimension; ``listwise``
    because a difference needs both.

    Terms, each with the model it comes from: alpha_expected, alpha_experienced (Cronbach 1951); parts_r, the
    correlation of the two sums; alpha_gap, alpha of the differences; reliability_gap, what the reliability of the parts
    and their correlation make of their difference (Johns 1981; Peter, Churchill and Brown 1993, doi:10.1086/209329):
    the more the parts correlate, the less is left. Where the two differ, the errors of a pair's two answers correlate.
    Intervals are Feldt's for alpha, otherwise of the delta method for normal items.

    Warns DataWarning of constant items (their pair is left out) and of dimensions of fewer than two pairs;
    InadmissibleWarning where sums or differences do not vary. Raises ResponseError for pairs that are none, repeat an
    item or are of no dimension, and for absent items.

    >>> cov = pd.DataFrame(.6 * np.eye(4) + .4, index=list("abcd"), columns=list("abcd"))
    >>> found = gap_reliability((cov, 100), [("a", "c"), ("b", "d")]).tidy()
    >>> dict(zip(found["term"], found["estimate"].round(3) + 0))  # doctest: +NORMALIZE_WHITESPACE
    {'alpha_expected': 0.571, 'alpha_experienced': 0.571, 'parts_r': 0.571, 'alpha_gap': 0.0, 'reliability_gap': 0.0}
    """
    by_dimension = _pairs_by_dimension(pairs, dimensions)
    tables, respondents = [], []
    for name, own in by_dimension.items():
        expected, experienced = ([pair[side] for pair in own] for side in (0, 1))
        moments = _without_constant_pairs(name, as_moments(data, [*expected, *experienced], weights, missing))
        p = len(moments.items) // 2
        found = _coefficients(name, moments.cov.to_numpy(), moments.effective_n)
        tables.append(coefficient_table(name, found, MODELS, moments.effective_n, p, conf_level))
        respondents.append(moments.n)
    settings = {"missing": missing, "conf_level": conf_level, "n_pairs": sum(map(len, by_dimension.values()))}
    return GapReliability(
        pd.concat(tables, ignore_index=True), Provenance("gap_reliability", max(respondents), settings)
    )


def gap_terms(cov: np.ndarray) -> dict[str, np.ndarray]:
    """The coefficients of stacks of covariances (…, 2p, 2p), expected items first, experienced in the same order."""
    p = cov.shape[-1] // 2
    expected, experienced, between = cov[..., :p, :p], cov[..., p:, p:], cov[..., :p, p:]
    var_x, var_y, cov_xy = (block.sum((-2, -1)) for block in (expected, experienced, between))
    alpha_x, alpha_y = co.alpha(expected), co.alpha(experienced)
    return {
        "alpha_expected": alpha_x,
        "alpha_experienced": alpha_y,
        "parts_r": cov_xy / np.sqrt(var_x * var_y),
        "alpha_gap": co.alpha(expected + experienced - between - np.swapaxes(between, -2, -1)),
        "reliability_gap": co.difference_reliability(var_x, var_y, cov_xy, alpha_x, alpha_y),
    }


def _coefficients(name: str, cov: np.ndarray, n: float) -> list[Coefficient]:
    if problem := _problem(name, cov):
        return [Coefficient(term, note=problem) for term in MODELS]
    moved = gap_terms(co.perturbed(cov))
    return [
        Coefficient(term, float(estimate), co.delta_error(co.numerical_gradient(moved[term], cov), cov, n))
        for term, estimate in gap_terms(cov).items()
    ]


def _problem(name: str, cov: np.ndarray) -> str:
    """Why no coefficient can be had, if so, with a warning."""
    p = len(cov) // 2
    if p < 2:
        message = f"{name}: fewer than two pairs vary, so no reliability of their gaps can be given."
        warnings.warn(message, DataWarning, stacklevel=4)
        return "too_few_items"
    if np.isnan(cov).any():
        message = f"{name}: some items were never answered by the same respondents, so no reliability can be given."
        warnings.warn(message, DataWarning, stacklevel=4)
        return "never_together"
    signs = np.array([[1, 0], [0, 1], [-1, 1]]).repeat(p, axis=1)
    if np.einsum("si,ij,sj->s", signs, cov, signs).min() < 1e-10 * np.trace(cov):
        message = f"{name}: the sum of the expected or experienced items, or their difference, does not vary."
        warnings.warn(message, InadmissibleWarning, stacklevel=4)
        return "no_total_variance"
    return ""


def _without_constant_pairs(name: str, moments: Moments) -> Moments:
    p = len(moments.items) // 2
    varies = ~(np.diag(moments.cov) <= 1e-12)
    if varies.all():
        return moments
    constant = [item for item, ok in zip(moments.items, varies, strict=True) if not ok]
    message = f"{name}: {', '.join(constant)} never varies and is left out with the other item of its pair."
    warnings.warn(message, DataWarning, stacklevel=3)
    kept = np.tile(varies[:p] & varies[p:], 2)
    return moments.select([item for item, keep in zip(moments.items, kept, strict=True) if keep])


def _pairs_by_dimension(pairs: Sequence[Pair], dimensions: Mapping[str, Sequence[str]] | None) -> dict[str, list[Pair]]:
    if not pairs or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
        raise ResponseError(f"pairs are {pairs!r}; pass (expected item, experienced item), as [('XR1', 'R1')].")
    items = [item for pair in pairs for item in pair]
    if repeated := sorted({item for item in items if items.count(item) > 1}):
        raise ResponseError(f"{', '.join(repeated)} is in several places of the pairs; an item has one.")
    if dimensions is None:
        return {"gap": list(pairs)}
    found = {name: [pair for pair in pairs if pair[1] in members] for name, members in dimensions.items()}
    if not any(found.values()):
        raise ResponseError("No pair has its experienced item in one of the dimensions.")
    return {name: own for name, own in found.items() if own}
