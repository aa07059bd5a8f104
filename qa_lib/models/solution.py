"""A fitted model: estimates, tests and what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from qa_lib.models.after.bootstrap import BootstrapFit, bootstrap
from qa_lib.models.after.modification import equality_tests, modification_indices
from qa_lib.models.after.residuals import Kind, residuals
from qa_lib.models.after.standardize import r_squared, row_values
from qa_lib.models.constraints import complex_jacobian
from qa_lib.models.discrepancy import Evaluation, Objective
from qa_lib.models.inference import ChiSquare
from qa_lib.models.observed import Sample
from qa_lib.models.parameters import ParameterTable
from qa_lib.models.scores import scores
from qa_lib.results import Provenance, Result


@dataclass(frozen=True, slots=True)
class ModelFit(Result):
    """A confirmatory factor or structural equation model, fitted.

    table : the parameters. x : (n_free,) estimates of the free ones; covariance : (n_free, n_free) theirs.
    test : the model's chi-square; measures : every fit measure by name, nan where it does not exist.
    samples, blocks, evaluation : data, matrices and moments per group, for whoever builds on the fit.
    """

    table: ParameterTable
    objective: Objective
    evaluation: Evaluation
    covariance: np.ndarray
    test: ChiSquare
    measures: Mapping[str, float]
    estimator: str
    converged: bool
    admissible: bool
    problems: tuple[str, ...]
    settings: Mapping[str, object]
    provenance: Provenance = field(repr=False, compare=False)

    @property
    def x(self) -> np.ndarray:
        return self.evaluation.x

    @property
    def samples(self) -> Sequence[Sample]:
        return self.objective.samples

    @property
    def groups(self) -> list[object]:
        """Labels of the groups; [None] for a single one."""
        return [sample.label for sample in self.samples]

    @property
    def n(self) -> float:
        return self.objective.n

    def glance(self) -> pd.DataFrame:
        """One row: n, estimator, converged, admissible, and the fit measures (nan when not converged)."""
        head = {"n": self.n, "estimator": self.estimator, "converged": self.converged, "admissible": self.admissible}
        return pd.DataFrame([{**head, **self.measures}])

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """A row per parameter, fixed ones included (std_error nan): estimate, std_error, statistic, p_value, conf_low,
        conf_high, std_lv, std_all, std_all_error, label. ``dimension`` and ``item`` are filled for loadings."""
        rows = [(r.lhs, r.op, r.rhs, self.groups[r.group], r.label) for r in self.table.rows]
        rows += [(d.lhs, ":=", d.rhs, None, d.lhs) for d in self.table.defined]
        table = pd.DataFrame(rows, columns=["lhs", "op", "rhs", "group", "label"])
        estimate, error = self._values("raw")
        standardized, standardized_error = self._values("all")
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = estimate / error
        margin = norm.ppf((1 + conf_level) / 2) * error
        table.insert(0, "term", [r.term for r in self.table.rows] + [d.lhs for d in self.table.defined])
        loading = table["op"] == "=~"
        return table.assign(
            label=table["label"].where(~table["label"].str.startswith("."), ""),
            estimate=estimate,
            std_error=error,
            statistic=statistic,
            p_value=2 * norm.sf(np.abs(statistic)),
            conf_low=estimate - margin,
            conf_high=estimate + margin,
            std_lv=self._values("latent")[0],
            std_all=standardized,
            std_all_error=standardized_error,
            dimension=table["lhs"].where(loading),
            item=table["rhs"].where(loading),
        )

    def _values(self, scale: Literal["raw", "latent", "all"]) -> tuple[np.ndarray, np.ndarray]:
        """Values of all rows and defined parameters, and their standard errors by the delta method."""

        def function(x: np.ndarray) -> np.ndarray:
            return row_values(self.table, self.objective.blocks, x, scale)

        jacobian = complex_jacobian(function, self.x)
        variance = np.einsum("ij,jk,ik->i", jacobian, self.covariance, jacobian)
        error = np.sqrt(np.where(variance > 1e-18, variance, np.nan))
        return function(self.x), error

    @property
    def implied_cov(self) -> pd.DataFrame | dict[object, pd.DataFrame]:
        """Covariances the model implies; a dict by group when there are several."""
        return self._by_group([self._frame(implied.cov) for implied in self.evaluation.implied])

    @property
    def implied_mean(self) -> pd.Series | dict[object, pd.Series]:
        """Means the model implies."""
        names = list(self.table.observed)
        return self._by_group([pd.Series(implied.mean, index=names) for implied in self.evaluation.implied])

    @property
    def latent_cov(self) -> pd.DataFrame | dict[object, pd.DataFrame]:
        """Covariances of the latent variables."""
        p, names = len(self.table.observed), list(self.table.latent)
        covs = [implied.full_cov[p:, p:] for implied in self.evaluation.implied]
        return self._by_group([pd.DataFrame(cov, index=names, columns=names) for cov in covs])

    @property
    def latent_correlations(self) -> pd.DataFrame | dict[object, pd.DataFrame]:
        """Correlations of the latent variables."""
        covs = self.latent_cov if isinstance(self.latent_cov, dict) else {None: self.latent_cov}
        frames = []
        for cov in covs.values():
            deviation = np.sqrt(np.diag(cov))
            frames.append(cov / np.outer(deviation, deviation))
        return self._by_group(frames)

    @property
    def r_squared(self) -> pd.Series | dict[object, pd.Series]:
        """Explained variance of every indicator and outcome; nan where its residual variance is negative."""
        blocks = enumerate(self.objective.blocks)
        return self._by_group([pd.Series(r_squared(self.table, group, block, self.x)) for group, block in blocks])

    def residuals(self, kind: Kind = "raw"):
        """Observed less implied covariances; a dict by group when there are several.

        kind : ``raw``; ``correlation``, of the two correlation matrices (lavaan's cor.bollen); ``bentler``, raw ones
        divided by the observed standard deviations (cor.bentler, what SRMR averages); ``normalized`` and
        ``standardized``, divided by the errors of the observed moments, and of the residuals themselves (z).

        Residuals given covariates leave these out. Raises ModelError for errors of residuals under ULS.
        """
        return self._by_group([self._frame(matrix) for matrix in residuals(self, kind)])

    def modification_indices(self, minimum: float = 0.0) -> pd.DataFrame:
        """Score tests of fixed parameters and of loadings, covariances the model leaves out, largest first.

        Columns lhs, op, rhs, group, mi (chi-square, 1 df), epc (expected change), epc_std (all standardised).
        Raises ModelError for models that did not converge.
        """
        table = modification_indices(self)
        return table[table["mi"] >= minimum].sort_values("mi", ascending=False, ignore_index=True)

    def equality_tests(self, operators: Collection[str] = ("=~", "~1", "|", "~~", "~")) -> pd.DataFrame:
        """Score tests of equalities between parameters, as :func:`qa_lib.models.after.modification.equality_tests`."""
        return equality_tests(self, operators)

    def scores(self, data: pd.DataFrame | None = None, method: str | None = None) -> pd.DataFrame:
        """Factor scores of the respondents fitted (or of ``data``, one group only), one column per latent variable.

        method : "regression" (the default) or "bartlett" for continuous items, "EBM" (the default) or "ML" for ordinal
        ones. Raises ModelError for another, for models that did not converge, and for fits to moments without ``data``.
        """
        return scores(self, data, method)

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """Standardised loadings and regressions with their 95 % intervals, a colour per group; returns the Axes.

        labels : words to show for variables and groups, and for the axis (``standardised``).
        """
        from qa_lib.models.pictures import intervals

        words = {"standardised": "Standardised estimate"} | dict(labels or {})
        rows = self.tidy()
        rows = rows[rows["op"].isin(["=~", "~"])]
        shown = rows[["lhs", "rhs"]].map(lambda name: words.get(name, name))
        arrow = np.where(rows["op"] == "=~", " → ", " ← ")
        margin = norm.ppf(0.975) * rows["std_all_error"]
        table = pd.DataFrame(
            {
                "name": shown["lhs"] + arrow + shown["rhs"],
                "series": rows["group"].astype(object).where(rows["group"].notna(), ""),
                "estimate": rows["std_all"],
                "conf_low": rows["std_all"] - margin,
                "conf_high": rows["std_all"] + margin,
            }
        )
        return intervals(table, ax, words, words["standardised"])

    def bootstrap(self, n_boot: int = 1000, seed: int = 1) -> BootstrapFit:
        """Nonparametric bootstrap: ``.tidy()`` has standard errors and percentile or bias-corrected intervals of every
        parameter, defined ones (indirect effects) included.

        Raises ModelError for ordinal items, clusters, fits to moments and models that did not converge; warns
        NotConvergedWarning when resamples do not converge.
        """
        return bootstrap(self, n_boot, seed)

    def _frame(self, matrix: np.ndarray) -> pd.DataFrame:
        """The matrix with its variables' names, without covariates that were conditioned on."""
        names = list(self.table.observed)
        frame = pd.DataFrame(matrix, index=names, columns=names)
        left_out = list(self.table.exogenous) if self.objective.criterion == "DWLS" else []
        return frame.drop(index=left_out, columns=left_out)

    def _by_group(self, parts: list):
        return parts[0] if len(parts) == 1 else dict(zip(self.groups, parts, strict=True))
