"""What a driver model predicts of respondents it has not seen, beside a penalised and a tree model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.design import MomentsDesign, RowsDesign, build_design
from qa_lib.errors import ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Predict = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Predict]


@dataclass(frozen=True, slots=True)
class CrossValidation(Result):
    """R² on held-out respondents of the linear model, a ridge regression and a random forest.

    ``table``: rows as in ``tidy``.
    """

    table: pd.DataFrame
    n: float
    folds: int
    repeats: int
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """Columns ``term`` (linear, ridge, forest), ``estimate`` (R² on held-out folds), ``std_error, conf_low,
        conf_high, fitted`` (R² on the data fitted to), and of the difference from the linear model ``difference,
        difference_low, difference_high, p_value``.

        A tree model surely above the linear one says that a curve or an interaction is missed; a ridge regression
        above it, that the sample is small for so many predictors. Errors allow for the overlap of training folds
        (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366; repeated: Bouckaert and Frank 2004,
        doi:10.1007/978-3-540-24775-3_3).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "method": "repeated k-fold", "folds": self.folds, "repeats": self.repeats}
        best = self.table.loc[self.table["estimate"].idxmax(), "term"]
        return pd.DataFrame([row | {"best": best, "r_squared_cv": self.table.loc[0, "estimate"]}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Held-out R² with intervals; a bar marks R² on the data fitted to."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        table = self.table[::-1]
        names = [labels.get(term, term.capitalize()) for term in table["term"]]
        whiskers = np.abs(table[["conf_low", "conf_high"]].to_numpy().T - table["estimate"].to_numpy())
        ax.errorbar(table["estimate"], names, xerr=whiskers, fmt="o", capsize=3, label=labels.get("held_out", "New"))
        ax.scatter(table["fitted"], names, marker="|", s=150, label=labels.get("fitted", "Fitted"))
        ax.set_xlabel(labels.get("r_squared", "R²"))
        ax.legend()
        return ax


def cross_validate(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    weights: str | ArrayLike | None = None,
    *,
    cluster: str | ArrayLike | None = None,
    folds: int = 10,
    repeats: int = 3,
    conf_level: float = 0.95,
    seed: int = 0,
) -> CrossValidation:
    """R² on respondents held out, by repeated k-fold cross-validation of three models.

    Parameters
    ----------
    weights : respondents' weights, used in fitting and in R²
    cluster : column or values; a cluster is then held out as a whole

    Raises
    ------
    ResponseError, ModelError : as ``qa.drivers``; fewer than two folds or more than respondents

    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"a": rng.normal(size=100)}).assign(y=lambda d: 2 * d["a"] + rng.normal(size=100))
    >>> cross_validate(data, "y", ["a"], folds=5, repeats=1).tidy()[["term", "estimate", "fitted"]].round(2)
         term  estimate  fitted
    0  linear      0.73    0.74
    1   ridge      0.73    0.74
    2  forest      0.69    0.79
    """
    design = build_design(data, outcome, predictors, weights, cluster)
    if isinstance(design, MomentsDesign):
        raise ModelError("cross-validation needs respondents' rows, not moments.")
    folds_of = fold_numbers(design, folds, repeats, seed)
    benchmark = _losses(design, folds_of, _mean)
    total = _loss(design, slice(None), _mean(design.x, design.y, design.weights))
    models = {"linear": _linear, **_learners(seed)}
    losses = {name: _losses(design, folds_of, fit) for name, fit in models.items()}
    rows = []
    for name, fit in models.items():
        whole = _loss(design, slice(None), fit(design.x, design.y, design.weights))
        row = {
            "term": name,
            **_gain(benchmark - losses[name], benchmark, folds, conf_level),
            "fitted": 1 - whole / total,
        }
        if name != "linear":
            gain = _gain(losses["linear"] - losses[name], benchmark, folds, conf_level)
            p_value = 2 * stats.t.sf(abs(gain["estimate"]) / gain["std_error"], benchmark.size - 1)
            row |= {"difference": gain["estimate"], "difference_low": gain["conf_low"]}
            row |= {"difference_high": gain["conf_high"], "p_value": p_value}
        rows.append(row)
    settings = {"outcome": outcome, "predictors": list(predictors), "folds": folds, "repeats": repeats, "seed": seed}
    provenance = Provenance("cross_validate", design.n, settings | {"weighted": design.weighted})
    return CrossValidation(pd.DataFrame(rows), design.n, folds, repeats, provenance)


def linear_r_squared(design: RowsDesign, conf_level: float, folds: int = 10, repeats: int = 3, seed: int = 0) -> dict:
    """R² of least squares on held-out folds: ``estimate, std_error, conf_low, conf_high``."""
    units = len(design.y) if design.clusters is None else int(design.clusters.max()) + 1
    folds = min(folds, units)
    folds_of = fold_numbers(design, folds, repeats, seed)
    benchmark = _losses(design, folds_of, _mean)
    return _gain(benchmark - _losses(design, folds_of, _linear), benchmark, folds, conf_level)


def fold_numbers(design: RowsDesign, folds: int, repeats: int, seed: int) -> np.ndarray:
    """(repeats, n): the fold of each respondent, clusters kept whole."""
    units = np.arange(len(design.y)) if design.clusters is None else design.clusters
    count = units.max() + 1
    if not 2 <= folds <= count or repeats < 1:
        raise ModelError(
            f"folds={folds}, repeats={repeats}: needed: 2 to {count} folds (respondents, or clusters) and one repeat."
        )
    rng = np.random.default_rng(seed)
    return np.array([(rng.permutation(count) % folds)[units] for _ in range(repeats)])


def _losses(design: RowsDesign, folds_of: np.ndarray, fit: Fit) -> np.ndarray:
    """(repeats · folds,) weighted squared errors of each fold by the model of the others."""
    losses = []
    for fold in folds_of:
        for k in range(fold.max() + 1):
            held = fold == k
            model = fit(design.x[~held], design.y[~held], design.weights[~held])
            losses.append(_loss(design, held, model))
    return np.array(losses)


def _loss(design: RowsDesign, rows: np.ndarray | slice, model: Predict) -> float:
    return float(design.weights[rows] @ (design.y[rows] - model(design.x[rows])) ** 2)


def _gain(saved: np.ndarray, benchmark: np.ndarray, folds: int, conf_level: float) -> dict[str, float]:
    """The part of the benchmark's loss that is saved, a ratio of sums over folds, with Nadeau and Bengio's error."""
    estimate = saved.sum() / benchmark.sum()
    influence = (saved - estimate * benchmark) / benchmark.mean()
    error = np.sqrt((1 / benchmark.size + 1 / (folds - 1)) * influence.var(ddof=1))
    half = stats.t.ppf((1 + conf_level) / 2, benchmark.size - 1) * error
    return {"estimate": estimate, "std_error": error, "conf_low": estimate - half, "conf_high": estimate + half}


def _mean(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Predict:
    centre = np.average(y, weights=weights)
    return lambda new: np.full(len(new), centre)


def _linear(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Predict:
    centre, level = np.average(x, axis=0, weights=weights), np.average(y, weights=weights)
    centred = (x - centre) * weights[:, None]
    slopes = np.linalg.pinv(centred.T @ (x - centre), hermitian=True) @ (centred.T @ (y - level))
    return lambda new: level + (new - centre) @ slopes


def _learners(seed: int) -> dict[str, Fit]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Predict:
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
        return model.fit(x, y, ridgecv__sample_weight=weights).predict

    def forest(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Predict:
        model = RandomForestRegressor(50, min_samples_leaf=5, random_state=seed)
        return model.fit(x, y, sample_weight=weights).predict

    return {"ridge": ridge, "forest": forest}
