"""May groups or periods be compared: measurement invariance, step by step, with cited verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from qa_lib.errors import ModelError
from qa_lib.models.fit import cfa
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result

STEPS = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
NEEDED_FOR = {
    "configural": "any comparison: the groups do not share the same factors",
    "metric": "correlations and effects of the dimensions between groups",
    "scalar": "means and index scores of the dimensions between groups",
    "strict": "variances and reliabilities of observed scores between groups",
}
SOURCE = "Chen (2007), doi:10.1080/10705510701301834; Cheung and Rensvold (2002), doi:10.1207/S15328007SEM0902_5"
MAX_CFI_LOSS, MAX_RMSEA_GAIN = 0.010, 0.015
MAX_SRMR_GAIN = {"metric": 0.030, "scalar": 0.010, "strict": 0.010}


def scaled_difference(restricted: pd.Series, free: pd.Series) -> tuple[float, float]:
    """Δχ² and its df; for scaled tests the difference of Satorra and Bentler (2001, doi:10.1007/BF02296192).

    ``restricted``, ``free`` : rows of ``glance()`` with chisq, df and, for robust estimators, chisq_scaled.
    """
    difference, df = restricted["chisq"] - free["chisq"], restricted["df"] - free["df"]
    if df <= 0 or np.isnan(restricted.get("chisq_scaled", np.nan)):
        return float(difference), float(df)
    scaling = [row["chisq"] / row["chisq_scaled"] if row["df"] > 0 else 1.0 for row in (restricted, free)]
    factor = (restricted["df"] * scaling[0] - free["df"] * scaling[1]) / df
    return float(difference / factor) if factor > 0 else np.nan, float(df)


def verdict(step: str, cfi: float, rmsea: float, srmr: float) -> str:
    """``not_met`` when CFI falls by more than .010; ``undecided`` when only RMSEA or SRMR rise too far (Chen 2007).

    Arguments are changes against the step before. Missing changes are undecided.

    >>> verdict("scalar", -0.038, 0.015, 0.009)
    'not_met'
    """
    if np.isnan([cfi, rmsea, srmr]).any():
        return "undecided"
    if cfi < -MAX_CFI_LOSS:
        return "not_met"
    return "undecided" if rmsea > MAX_RMSEA_GAIN or srmr > MAX_SRMR_GAIN[step] else "met"


@dataclass(frozen=True, slots=True)
class Invariance(Result):
    """Steps of measurement invariance; ``fits`` holds the fitted model of each."""

    table: pd.DataFrame
    fits: dict[str, ModelFit] = field(repr=False)
    partial: tuple[str, ...]
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per step: term, chisq, df, cfi, rmsea, srmr; chisq_diff (scaled where due), df_diff, p_value,
        delta_cfi, delta_rmsea, delta_srmr against the step before; verdict, source."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        fit = self.fits["configural"]
        converged = all(step.converged for step in self.fits.values())
        row = {"n": fit.n, "method": fit.estimator, "groups": len(fit.samples), "converged": converged}
        return pd.DataFrame([row | {"admissible": all(s.admissible for s in self.fits.values()), "level": self.level}])

    def judge(self, criteria=None) -> pd.DataFrame:
        """The verdicts of ``tidy()``: they belong to differences between steps, not to single thresholds."""
        return self.table[["term", "delta_cfi", "delta_rmsea", "delta_srmr", "verdict", "source"]].copy()

    @property
    def level(self) -> str:
        """The last step reached with no step before it refused; ``none`` when not even the first is."""
        reached = "none"
        for row in self.table.itertuples():
            if row.verdict != "met":
                break
            reached = row.term
        return reached

    def withheld(self) -> list[str]:
        """Comparisons that the data do not support: those of the first step not met and of all after it."""
        steps = list(self.table["term"])
        start = 0 if self.level == "none" else steps.index(self.level) + 1
        return [f"{step}: {NEEDED_FOR[step]}" for step in steps[start:]]


def invariance(
    model: str, data: pd.DataFrame, group: str, estimator: str = "ML", partial: Sequence[str] = (), **options: Any
) -> Invariance:
    """Configural, metric, scalar and strict invariance of continuous items over groups or periods.

    model : lavaan syntax. group : a column. partial : parameters exempt from equality, such as "x3~1" or
    "visual=~x2". Other options as in ``qa.cfa`` (missing, weights, cluster, std_lv).

    Configural invariance is met when the model converges to an admissible solution with CFI of at least .90 (Cheung and
    Rensvold 2002, p. 251, require fit of the baseline before anything is compared).

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(400, 1)) + rng.normal(size=(400, 4))
    >>> data = pd.DataFrame(x, columns=list("abcd")).assign(period=np.repeat(["2026-09", "2026-10"], 200))
    >>> invariance("f =~ a + b + c + d", data, "period").level
    'strict'
    """
    if estimator in {"WLSMV", "ULSMV"}:
        raise ModelError(
            "Invariance of ordinal items is not available yet: use estimator 'MLR' on five or more levels."
        )
    if group not in data.columns or data[group].nunique() < 2:
        raise ModelError(f"group must be a column with at least two values; {group!r} is not.")
    fits = {
        step: cfa(model, data, estimator=estimator, group=group, group_equal=equal, partial=tuple(partial), **options)
        for step, equal in STEPS.items()
    }
    return Invariance(
        _compare_steps(fits),
        fits,
        tuple(partial),
        Provenance("invariance", fits["configural"].n, {"estimator": estimator, "group": group, "partial": [*partial]}),
    )


def _compare_steps(fits: dict[str, ModelFit]) -> pd.DataFrame:
    rows, before = [], None
    for step, fit in fits.items():
        now = fit.glance().iloc[0]
        rows.append({"term": step} | _step(step, fit, now, before) | {"source": SOURCE})
        before = now
    return pd.DataFrame(rows)


def _step(step: str, fit: ModelFit, now: pd.Series, before: pd.Series | None) -> dict[str, Any]:
    row = {name: now[name] for name in ("chisq", "df", "cfi", "rmsea", "srmr")}
    usable = fit.converged and fit.admissible
    if before is None:
        missing = dict.fromkeys(("chisq_diff", "df_diff", "p_value", "delta_cfi", "delta_rmsea", "delta_srmr"), np.nan)
        return row | missing | {"verdict": "met" if usable and now["cfi"] >= 0.90 else "not_met"}
    difference, df = scaled_difference(now, before)
    best = [next(k for k in (f"{m}_robust", f"{m}_scaled", m) if k in now.index) for m in ("cfi", "rmsea")]
    deltas = [float(now[name] - before[name]) for name in (*best, "srmr")]
    return row | {
        "chisq_diff": difference,
        "df_diff": df,
        "p_value": chi2.sf(difference, df) if df > 0 else np.nan,
        **dict(zip(("delta_cfi", "delta_rmsea", "delta_srmr"), deltas, strict=True)),
        "verdict": verdict(step, *deltas) if usable else "not_met",
    }


def free_parameters(
    model: str, data: pd.DataFrame, group: str, step: str = "scalar", estimator: str = "ML", **options: Any
) -> pd.DataFrame:
    """Parameters whose equality costs most at ``step``, freed one after the other until CFI loses no more than .010.

    A row per parameter freed: term (pass them on as ``partial``), chisq_diff it saved, delta_cfi left against the step
    before. At least two items of each factor stay equal (Byrne, Shavelson and Muthén 1989,
    doi:10.1037/0033-2909.105.3.456). What a search finds needs confirming in other data.
    """
    if step not in ("metric", "scalar", "strict"):
        raise ModelError(f"step is {step!r}; allowed are metric, scalar and strict.")
    names = list(STEPS)
    weaker, stricter = STEPS[names[names.index(step) - 1]], STEPS[step]

    def fitted(equal: Sequence[str], freed: Sequence[str]) -> ModelFit:
        return cfa(model, data, estimator=estimator, group=group, group_equal=equal, partial=tuple(freed), **options)

    base, current = fitted(weaker, ()), fitted(stricter, ())
    loadings = base.tidy().query("op == '=~'").drop_duplicates(["lhs", "rhs"])
    left = {name: list(rows.rhs)[step == "metric" :] for name, rows in loadings.groupby("lhs", sort=False)}
    freed, rows = [], []
    target = base.glance().iloc[0]["cfi"] - MAX_CFI_LOSS
    while current.glance().iloc[0]["cfi"] < target:
        trials = {
            (factor, item): fitted(stricter, [*freed, _term(step, factor, item)])
            for factor, items in left.items()
            if len(items) > 2 - (step == "metric")
            for item in items
        }
        if not trials:
            break
        factor, item = min(trials, key=lambda key: trials[key].glance().iloc[0]["chisq"])
        before, current = current.glance().iloc[0], trials[factor, item]
        now = current.glance().iloc[0]
        freed.append(_term(step, factor, item))
        left[factor].remove(item)
        change = {"chisq_diff": before["chisq"] - now["chisq"], "delta_cfi": now["cfi"] - target - MAX_CFI_LOSS}
        rows.append({"term": freed[-1], **change})
    return pd.DataFrame(rows, columns=["term", "chisq_diff", "delta_cfi"])


def _term(step: str, factor: str, item: str) -> str:
    return {"metric": f"{factor}=~{item}", "scalar": f"{item}~1", "strict": f"{item}~~{item}"}[step]
