"""Blindfolding: does a path model foretell answers that were hidden from it better than their mean does?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.composites.pls_algorithm import Scheme, estimate
from qa_lib.effects.composites.pls_model import PlsModel
from qa_lib.errors import ModelError
from qa_lib.results import Provenance, Result

_USUAL = (7, 8, 9, 10, 11, 12, 6, 5)


@dataclass(frozen=True, slots=True)
class PlsBlindfold(Result):
    """Stone–Geisser Q² of the endogenous mode A constructs.

    Attributes
    ----------
    table : rows as in ``tidy``
    distance : omission distance, the number of rounds
    """

    table: pd.DataFrame
    n: int
    distance: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per construct (``dimension``): q2_redundancy, with the sums of squares it is made of, ``sse`` and
        ``sso``. The standard error is that of a ratio of sums over respondents; above 0 the model is relevant."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame([{"n": self.n, "method": "blindfolding", "distance": self.distance}])


def blindfold(
    values: np.ndarray, model: PlsModel, scheme: Scheme, distance: int | None, conf_level: float
) -> PlsBlindfold:
    """Construct cross-validated redundancy (Stone 1974; Geisser 1974; Chin 1998, in Marcoulides, 318; Tenenhaus et al.
    2005, eq. 26, doi:10.1016/j.csda.2004.03.005): Q² = 1 − Σ SSE ÷ Σ SSO.

    Column by column every ``distance``-th answer to a construct's items is hidden and replaced by the mean of the
    item's other answers, the model is fitted anew, and the hidden answers are predicted by the item's loading times
    the construct's prediction from its predecessors. SSE sums their squared errors, SSO those of the mean. Items are
    standardised first, so that all count alike.
    """
    n = len(values)
    distance = _usable_distance(n) if distance is None else _checked_distance(distance, n)
    standardised = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    targets = [k for k in model.endogenous if not model.mode_b[k]]
    rows = [_redundancy(standardised, model, scheme, construct, distance, conf_level) for construct in targets]
    table = pd.DataFrame(rows)
    table.insert(0, "dimension", [model.constructs[k] for k in targets])
    table.insert(0, "term", "q2_redundancy")
    return PlsBlindfold(table, n, distance, Provenance("pls.blindfold", n, {"scheme": scheme, "distance": distance}))


def _usable_distance(n: int) -> int:
    usable = [distance for distance in _USUAL if n % distance and distance < n]
    if not usable:
        raise ModelError(f"blindfold: {n} rows leave no omission distance from 5 to 12; pass distance.")
    return usable[0]


def _checked_distance(distance: int, n: int) -> int:
    if not 2 <= distance < n or n % distance == 0:
        raise ModelError(
            f"blindfold: distance={distance} with {n} rows; it must lie between 2 and {n - 1} and not divide the "
            f"number of rows, or whole respondents would be hidden. The usual distances are 5 to 12."
        )
    return distance


def _redundancy(
    values: np.ndarray, model: PlsModel, scheme: Scheme, construct: int, distance: int, conf_level: float
) -> dict[str, float]:
    block = model.block(construct)
    turn = (np.arange(len(values) * len(block)) % distance).reshape(len(block), -1).T
    hidden = turn == np.arange(distance)[:, None, None]
    shown = np.where(hidden, np.nan, values[:, block])
    means = np.nanmean(shown, axis=1, keepdims=True)
    rounds = np.repeat(values[None], distance, axis=0)
    rounds[:, :, block] = np.where(hidden, means, shown)
    forecast = means + _forecast(rounds, model, scheme, construct)
    sse, sso = (((values[:, block] - guess) ** 2 * hidden).sum(axis=(0, 2)) for guess in (forecast, means))
    ratio = sse.sum() / sso.sum()
    error = (sse - ratio * sso).std(ddof=1) / sso.mean() / np.sqrt(len(values))
    half = stats.norm.ppf((1 + conf_level) / 2) * error
    interval = {"conf_low": 1 - ratio - half, "conf_high": 1 - ratio + half}
    return {"estimate": 1 - ratio, "std_error": error, **interval, "sse": sse.sum(), "sso": sso.sum()}


def _forecast(rounds: np.ndarray, model: PlsModel, scheme: Scheme, construct: int) -> np.ndarray:
    """Deviations from their means (rounds, n, items) that the predecessors' scores foretell of a construct's items."""
    centred = rounds - rounds.mean(axis=1, keepdims=True)
    covs = centred.swapaxes(1, 2) @ centred / (rounds.shape[1] - 1)
    sd = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    fitted = estimate(covs / (sd[:, :, None] * sd[:, None, :]), model, scheme)
    scores = (centred / sd[:, None, :]) @ fitted.weights
    own = scores @ fitted.paths[:, :, construct, None]
    block = model.block(construct)
    return own * (fitted.loadings[:, block, construct] * sd[:, block])[:, None, :]
