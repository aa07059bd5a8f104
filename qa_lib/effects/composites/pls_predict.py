"""PLSpredict: how well a path model foretells the answers of respondents it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.effects.composites.pls_algorithm import Scheme, estimate
from qa_lib.effects.composites.pls_model import PlsModel
from qa_lib.errors import ModelError
from qa_lib.results import Provenance, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes


_ROUNDING = 1e-7  # a deviation from the mean this small beside the whole sample's is what sums of squares leave of none
_MEASURES = ["q2_predict", "rmse", "mae", "rmse_linear", "mae_linear"]


@dataclass(frozen=True, slots=True)
class PlsPrediction(Result):
    """Out-of-sample errors per item of the endogenous constructs.

    Attributes
    ----------
    errors : a row per item: ``dimension, item, q2_predict, q2_error`` (its standard error) ``, rmse, mae, rmse_linear,
        mae_linear``
    comparison : a row per construct and over all (no ``dimension``): ``term`` loss_to_mean and loss_to_linear
    """

    errors: pd.DataFrame
    comparison: pd.DataFrame
    n: int
    folds: int
    repeats: int
    conf_level: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per item and measure, and the comparisons of losses.

        q2_predict above 0: better than the item's mean; its standard error is that of a ratio of sums over respondents.
        rmse below rmse_linear: better than a regression on the items of the exogenous constructs. loss_to_mean and
        loss_to_linear, per construct and over all: mean squared error of PLS less that of the mean or linear model,
        with a t test (CVPAT: Liengaard et al. 2021, doi:10.1111/deci.12445); below 0, PLS predicts better.
        """
        long = self.errors.melt(["dimension", "item", "q2_error"], _MEASURES, var_name="term", value_name="estimate")
        long["std_error"] = long["q2_error"].where(long["term"] == "q2_predict")
        half = stats.norm.ppf((1 + self.conf_level) / 2) * long["std_error"]
        long = long.assign(conf_low=long["estimate"] - half, conf_high=long["estimate"] + half)
        columns = [
            "term",
            "dimension",
            "item",
            "estimate",
            "std_error",
            "statistic",
            "p_value",
            "conf_low",
            "conf_high",
        ]
        return pd.concat([long, self.comparison], ignore_index=True).reindex(columns=columns)

    def glance(self) -> pd.DataFrame:
        """``power``: high, medium, low or none, by how many items PLS predicts better than the linear model
        (Shmueli et al. 2019, doi:10.1108/EJM-02-2019-0189, figure 4)."""
        better = (self.errors["rmse"] < self.errors["rmse_linear"]).mean()
        power = "high" if better == 1 else "medium" if better >= 0.5 else "low" if better > 0 else "none"
        row = {"n": self.n, "method": "PLSpredict", "folds": self.folds, "repeats": self.repeats}
        return pd.DataFrame([row | {"share_better_than_linear": better, "power": power}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Error of PLS against the linear model's, per item; points left of the mark predict better."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        names = [labels.get(item, item) for item in self.errors["item"]]
        ax.scatter(self.errors["rmse"], names, label=labels.get("pls", "PLS"))
        ax.scatter(self.errors["rmse_linear"], names, marker="|", s=150, label=labels.get("linear", "Linear model"))
        ax.set_xlabel(labels.get("rmse", "Root mean squared error of prediction"))
        ax.invert_yaxis()
        ax.legend()
        return ax


def predict(
    values: np.ndarray, model: PlsModel, scheme: Scheme, folds: int, repeats: int, seed: int, conf_level: float
) -> PlsPrediction:
    """Repeated k-fold PLSpredict (Shmueli, Ray, Velasquez Estrada and Chatla 2016, doi:10.1016/j.jbusres.2016.03.049).

    The items of an endogenous construct are predicted from the items of the exogenous constructs alone, through outer
    weights, total effects and loadings of the training folds. Predictions are those of the composites: PLSc corrects
    relations, not the composites' power to predict.
    """
    n = len(values)
    if not 2 <= folds <= n or repeats < 1:
        raise ModelError(f"folds={folds}, repeats={repeats}: 2 to {n} folds and at least one repetition are needed.")
    rng = np.random.default_rng(seed)
    errors, squared = held_out_errors(values, model, scheme, [rng.permutation(n) % folds for _ in range(repeats)])
    comparison = _compare_losses(squared, errors["dimension"].to_numpy(), conf_level)
    settings = {"scheme": scheme, "folds": folds, "repeats": repeats, "seed": seed}
    provenance = Provenance("pls.predict", n, settings)
    return PlsPrediction(errors, comparison, n, folds, repeats, conf_level, provenance)


def held_out_errors(
    values: np.ndarray, model: PlsModel, scheme: Scheme, assignments: Sequence[np.ndarray]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The errors of each item, see ``PlsPrediction``, and squared errors by PLS, linear model and mean (3, n, items).

    ``assignments``: per repetition the fold, 0 … K − 1, of every respondent (n,). Squared and absolute errors are
    averaged over repetitions (not the predictions, which would flatter all three).
    """
    exogenous = np.flatnonzero(~model.adjacency.any(axis=0))
    sources = np.flatnonzero(model.membership[:, exogenous].any(axis=1))
    targets = np.setdiff1d(np.flatnonzero(model.membership[:, model.endogenous].any(axis=1)), sources)
    squared, absolute = np.zeros((2, 3, len(values), len(targets)))
    for fold in assignments:
        for test, predictions in _folds(values, model, scheme, fold, sources, targets):
            residual = values[test][:, targets] - predictions
            squared[:, test] += residual**2 / len(assignments)
            absolute[:, test] += np.abs(residual) / len(assignments)
    q2, q2_error = _q_squared(squared[0], squared[2])
    rmse, mae = np.sqrt(squared.mean(axis=1)), absolute.mean(axis=1)
    dimension = np.array([model.constructs[model.endogenous[_owner(model, item)]] for item in targets])
    columns = {"dimension": dimension, "item": [model.items[item] for item in targets]}
    columns |= {"q2_predict": q2, "q2_error": q2_error, "rmse": rmse[0], "mae": mae[0]}
    return pd.DataFrame(columns | {"rmse_linear": rmse[1], "mae_linear": mae[1]}), squared


def _q_squared(loss: np.ndarray, benchmark: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 − Σ loss ÷ Σ benchmark over respondents (n, m), and its standard error, that of a ratio estimate."""
    ratio = loss.sum(axis=0) / benchmark.sum(axis=0)
    influence = (loss - ratio * benchmark) / benchmark.mean(axis=0)
    return 1 - ratio, influence.std(axis=0, ddof=1) / np.sqrt(len(loss))


def _compare_losses(squared: np.ndarray, dimension: np.ndarray, conf_level: float) -> pd.DataFrame:
    """Paired t tests of the mean loss over a construct's items, PLS against the mean and the linear model."""
    rows = []
    for term, benchmark in (("loss_to_mean", squared[2]), ("loss_to_linear", squared[1])):
        for name in (*dict.fromkeys(dimension), None):
            own = np.ones(len(dimension), dtype=bool) if name is None else dimension == name
            difference = (squared[0] - benchmark)[:, own].mean(axis=1)
            test = stats.ttest_1samp(difference, 0)
            error = stats.sem(difference)
            interval = test.confidence_interval(conf_level)
            rows.append((term, name, difference.mean(), error, test.statistic, test.pvalue, *interval))
    columns = ["term", "dimension", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=columns)


def _owner(model: PlsModel, item: int) -> int:
    return int(np.flatnonzero(model.membership[item, model.endogenous])[0])


def _folds(
    values: np.ndarray, model: PlsModel, scheme: Scheme, fold: np.ndarray, sources: np.ndarray, targets: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per fold its rows and predictions (3, rows, targets) by PLS, linear model and mean; all trained in one batch."""
    means, covs = _training_moments(values, fold)
    sd = np.sqrt(np.maximum(np.diagonal(covs, axis1=1, axis2=2), 0))
    if (sd <= _ROUNDING * values.std(axis=0)).any():
        raise ModelError("An item is constant in a training fold; use fewer folds or leave the item out.")
    fitted = estimate(covs / (sd[:, :, None] * sd[:, None, :]), model, scheme)
    exogenous = ~model.adjacency.any(axis=0)
    endogenous = fitted.total_effects() * exogenous[:, None]
    loadings = fitted.loadings * model.membership
    pls = (fitted.weights @ endogenous @ loadings.swapaxes(1, 2))[:, sources[:, None], targets]
    pls *= sd[:, None, targets] / sd[:, sources, None]
    linear = np.linalg.pinv(covs[:, sources[:, None], sources], hermitian=True) @ covs[:, sources[:, None], targets]
    for k in range(len(means)):
        test = np.flatnonzero(fold == k)
        centred = values[test][:, sources] - means[k, sources]
        deviations = np.stack([centred @ pls[k], centred @ linear[k], np.zeros((len(test), len(targets)))])
        yield test, means[k, targets] + deviations


def _training_moments(values: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (K, p) and covariances (K, p, p) of all rows outside each fold, from sums over folds."""
    centre = values.mean(axis=0)
    parts = [values[fold == k] - centre for k in range(fold.max() + 1)]
    sums = np.array([part.sum(axis=0) for part in parts])
    products = np.array([part.T @ part for part in parts])
    n = len(values) - np.array([len(part) for part in parts])
    mean = (sums.sum(axis=0) - sums) / n[:, None]
    products = products.sum(axis=0) - products - n[:, None, None] * mean[:, :, None] * mean[:, None, :]
    return mean + centre, products / (n - 1)[:, None, None]
