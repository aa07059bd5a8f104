"""Nested models held against each other: chi-square difference tests, scaled where the models' tests are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.errors import ModelError
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result


@dataclass(frozen=True, slots=True)
class ModelComparison(Result):
    """Difference of two nested models: the chi-square test and the changes of the fit indices (restricted − free)."""

    chisq_diff: float
    df_diff: float
    p_value: float
    method: str
    restricted: ModelFit
    free: ModelFit
    provenance: Provenance = field(repr=False, compare=False)

    def tidy(self) -> pd.DataFrame:
        """A row per model, the less restricted first, with its fit and what changed."""
        rows = pd.concat([self.free.glance(), self.restricted.glance()], ignore_index=True)
        measures = ["chisq", "df", "cfi", "tli", "rmsea", "srmr", "aic", "bic"]
        table = rows[[m for m in measures if m in rows.columns]]
        changes = table.diff().add_prefix("delta_")
        return pd.concat([pd.Series(["free", "restricted"], name="term"), table, changes], axis=1).assign(
            chisq_diff=[np.nan, self.chisq_diff], df_diff=[np.nan, self.df_diff], p_value=[np.nan, self.p_value]
        )

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "n": self.free.n,
                    "method": self.method,
                    "chisq_diff": self.chisq_diff,
                    "df_diff": self.df_diff,
                    "p_value": self.p_value,
                    "converged": self.free.converged and self.restricted.converged,
                    "admissible": self.free.admissible and self.restricted.admissible,
                }
            ]
        )


def compare_models(fit0: ModelFit, fit1: ModelFit) -> ModelComparison:
    """Chi-square difference of two nested models, given in either order.

    Plain for ML, GLS and ULS; under MLR and MLM scaled as Satorra and Bentler (2001), doi:10.1007/BF02296192: nan,
    rather than a wrong number, where that scaling factor is negative. Ordinal estimators' statistics are shifted as
    well as scaled, so that their difference has no such test: ModelError.

    Raises ModelError when the models differ in estimator or data, or are not nested in degrees of freedom.

    >>> import numpy as np, pandas as pd
    >>> r = pd.DataFrame(np.full((4, 4), .4) + .6 * np.eye(4), list("abcd"), list("abcd"))
    >>> r.loc["a", "b"] = r.loc["b", "a"] = .6
    >>> from qa_lib.models.fit import cfa
    >>> free = cfa("f =~ a + b + c + d", r, nobs=200)
    >>> equal = cfa("f =~ 1*a + 1*b + 1*c + 1*d", r, nobs=200)
    >>> compare_models(equal, free).df_diff
    3
    """
    restricted, free = (fit0, fit1) if fit0.test.df >= fit1.test.df else (fit1, fit0)
    if restricted.estimator != free.estimator:
        raise ModelError(f"the models were estimated by {restricted.estimator} and {free.estimator}: use one.")
    if restricted.n != free.n or set(restricted.table.observed) != set(free.table.observed):
        raise ModelError("the models were fitted to different respondents or items: fit both to the same data.")
    df = restricted.test.df - free.test.df
    if df == 0:
        raise ModelError("the models have the same degrees of freedom: neither is nested in the other.")
    if free.test.shift:
        raise ModelError(
            f"{free.estimator} statistics are scaled and shifted; the difference of two has no chi-square distribution."
        )
    difference, method = restricted.test.statistic - free.test.statistic, "chi-square difference"
    if free.test.factor != 1 or restricted.test.factor != 1:
        weighted = restricted.test.df * restricted.test.factor - free.test.df * free.test.factor
        factor, method = weighted / df, "Satorra-Bentler 2001"
        difference = difference / factor if factor > 0 else np.nan
    settings = {"restricted": restricted.settings["model"], "free": free.settings["model"]}
    return ModelComparison(
        difference,
        df,
        float(chi2.sf(difference, df)),
        method,
        restricted,
        free,
        Provenance("compare_models", free.n, settings),
    )
