"""What the linear driver model predicts of respondents it has not seen, beside a penalised and a tree model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qa_lib.effects.design import build_design


def cross_validated_r_squared(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str],
    weights: str | ArrayLike | None = None,
    n_splits: int = 10,
    n_repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """R² on held-out folds (repeated k-fold), a row per model: ``term, estimate, std_error, fitted``.

    A tree model clearly above the linear one says that a curve or an interaction is missed; a ridge regression above
    it, that the sample is small for so many predictors. ``std_error`` is the deviation over repeats.

    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"a": rng.normal(size=100)}).assign(y=lambda d: 2 * d["a"] + rng.normal(size=100))
    >>> cross_validated_r_squared(data, "y", ["a"], n_splits=5, n_repeats=1)["term"].tolist()
    ['linear', 'ridge', 'forest']
    """
    design = build_design(data, outcome, predictors, weights)
    models = {
        "linear": LinearRegression(),
        "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))),
        "forest": RandomForestRegressor(50, min_samples_leaf=5, random_state=seed),
    }
    folds = list(RepeatedKFold(n_splits=n_splits, n_repeats=n_repeats, random_state=seed).split(design.x))
    rows = []
    for term, model in models.items():
        repeats = [
            _held_out(model, design, folds[start : start + n_splits]) for start in range(0, len(folds), n_splits)
        ]
        fitted = _r_squared(design.y, _fit(model, design, slice(None)).predict(design.x), design.weights)
        error = np.std(repeats, ddof=1) if n_repeats > 1 else np.nan
        rows.append({"term": term, "estimate": np.mean(repeats), "std_error": error, "fitted": fitted})
    return pd.DataFrame(rows)


def _held_out(model, design, folds) -> float:
    predicted = np.empty(len(design.y))
    for train, test in folds:
        predicted[test] = _fit(model, design, train).predict(design.x[test])
    return _r_squared(design.y, predicted, design.weights)


def _fit(model, design, rows):
    last = model.steps[-1][0] + "__sample_weight" if hasattr(model, "steps") else "sample_weight"
    return model.fit(design.x[rows], design.y[rows], **{last: design.weights[rows]})


def _r_squared(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    centre = np.average(y, weights=weights)
    return float(1 - weights @ (y - predicted) ** 2 / (weights @ (y - centre) ** 2))
