"""Nested models held against each other: chi-square difference tests, scaled where the models' tests are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.errors import ModelError
from qa_lib.models.after.difference import bentler_2001, bentler_2010, satorra_2000
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result

Method = Literal["default", "satorra.2000", "satorra.bentler.2001", "satorra.bentler.2010"]
_SCALED = {
    "satorra.2000": satorra_2000,
    "satorra.bentler.2001": bentler_2001,
    "satorra.bentler.2010": bentler_2010,
}


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


def compare_models(fit0: ModelFit, fit1: ModelFit, method: Method = "default") -> ModelComparison:
    """Chi-square difference of two nested models, given in either order, as lavaan's ``lavTestLRT``.

    Plain for ML, GLS and ULS. Scaled where the models' tests are: by default as Satorra and Bentler (2001,
    doi:10.1007/BF02296192) under MLR and MLM, and as Satorra (2000, in Heijmans et al., Innovations in Multivariate
    Statistical Analysis) with scale and shift under WLSMV and ULSMV. ``method`` chooses another, such as
    "satorra.bentler.2010" (doi:10.1007/s11336-009-9135-y), whose factor is not negative. Nan, rather than a wrong
    number, where the scaling factor is negative.

    Raises ModelError when the models differ in estimator or data, are not nested in degrees of freedom, have not
    converged, or have no scaled test of that kind.

    >>> import numpy as np, pandas as pd
    >>> r = pd.DataFrame(np.full((4, 4), .4) + .6 * np.eye(4), list("abcd"), list("abcd"))
    >>> r.loc["a", "b"] = r.loc["b", "a"] = .6
    >>> from qa_lib.models.fit import cfa
    >>> free = cfa("f =~ a + b + c + d", r, nobs=200)
    >>> equal = cfa("f =~ 1*a + 1*b + 1*c + 1*d", r, nobs=200)
    >>> compare_models(equal, free).df_diff
    3
    """
    if not (fit0.converged and fit1.converged):
        raise ModelError("a model that did not converge cannot be compared: mend it first.")
    restricted, free = (fit0, fit1) if fit0.test.df >= fit1.test.df else (fit1, fit0)
    _check_comparable(restricted, free)
    method = _method(free, restricted, method)
    df = restricted.test.df - free.test.df
    difference = (
        _SCALED[method](restricted, free) if method in _SCALED else restricted.test.statistic - free.test.statistic
    )
    settings = {"restricted": restricted.settings["model"], "free": free.settings["model"], "method": method}
    return ModelComparison(
        difference,
        df,
        float(chi2.sf(difference, df)),
        method,
        restricted,
        free,
        Provenance("compare_models", free.n, settings),
    )


def _check_comparable(restricted: ModelFit, free: ModelFit) -> None:
    if restricted.estimator != free.estimator:
        raise ModelError(f"the models were estimated by {restricted.estimator} and {free.estimator}: use one.")
    if restricted.n != free.n or set(restricted.table.observed) != set(free.table.observed):
        raise ModelError("the models were fitted to different respondents or items: fit both to the same data.")
    if restricted.test.df == free.test.df:
        raise ModelError("the models have the same degrees of freedom: neither is nested in the other.")


def _method(free: ModelFit, restricted: ModelFit, method: str) -> str:
    """The test to use: what was asked for, or the estimator's own."""
    if method not in {"default", *_SCALED}:
        raise ModelError(f"method {method!r} is not known. Allowed: default, {', '.join(_SCALED)}.")
    ordinal = free.objective.criterion == "DWLS"
    scaled = ordinal or any(fit.test.factor != 1 for fit in (free, restricted))
    if not scaled:
        if method != "default":
            raise ModelError(f"{method} needs a scaled test: estimate by MLR, MLM, WLSMV or ULSMV.")
        return "chi-square difference"
    if ordinal and method not in {"default", "satorra.2000"}:
        raise ModelError(f"{free.estimator} statistics are scaled and shifted: only satorra.2000 is defined for them.")
    if method == "default":
        return "satorra.2000" if ordinal else "satorra.bentler.2001"
    return method
