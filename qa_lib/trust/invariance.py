"""May groups or periods be compared: measurement invariance, step by step, with cited verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qa_lib.errors import ModelError
from qa_lib.models.after.modification import equality_tests
from qa_lib.models.compare import compare_models
from qa_lib.models.fit import cfa
from qa_lib.models.ordinal.wu_estabrook import STEPS as ORDINAL_STEPS
from qa_lib.models.ordinal.wu_estabrook import invariance_syntax
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns

STEPS = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
NEEDED_FOR = {
    "configural": "any comparison: the groups do not share the same factors",
    "thresholds": "any comparison of answers: the groups use the answer categories differently",
    "metric": "correlations and effects of the dimensions between groups",
    "scalar": "means and index scores of the dimensions between groups",
    "strict": "variances and reliabilities of observed scores between groups",
}
SOURCE = "Chen (2007), doi:10.1080/10705510701301834; Cheung and Rensvold (2002), doi:10.1207/S15328007SEM0902_5"
ORDINAL_SOURCE = (
    f"{SOURCE}, on the scaled indices; steps of Wu and Estabrook (2016), doi:10.1007/s11336-016-9506-0. These limits "
    "were found under maximum likelihood: read the scaled difference test beside them"
)
MAX_CFI_LOSS, MAX_RMSEA_GAIN = 0.010, 0.015
MAX_SRMR_GAIN = {"thresholds": 0.010, "metric": 0.030, "scalar": 0.010, "strict": 0.010}
_ORDINAL = ("WLSMV", "ULSMV")
_EQUAL_AT = {"thresholds": "|", "metric": "=~", "scalar": "~1", "strict": "~~"}
_KEPT_EQUAL = 2


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
    """Steps of measurement invariance; ``fits`` holds the fitted model of each, ``indices`` says of which fit indices
    the changes are: standard, scaled or robust."""

    table: pd.DataFrame
    fits: dict[str, ModelFit] = field(repr=False)
    partial: tuple[str, ...]
    indices: str
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per step: term, chisq, df, cfi, rmsea, srmr; chisq_diff (scaled where due), df_diff, p_value,
        delta_cfi, delta_rmsea, delta_srmr against the step before; verdict, source. Scaled estimators add chisq_scaled,
        cfi_scaled, rmsea_scaled and, where they exist, cfi_robust and rmsea_robust."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        fit = self.fits["configural"]
        row = {
            "n": fit.n,
            "method": fit.estimator,
            "groups": len(fit.samples),
            "converged": all(step.converged for step in self.fits.values()),
            "admissible": all(step.admissible for step in self.fits.values()),
            "level": self.level,
            "indices": self.indices,
        }
        return pd.DataFrame([row])

    def judge(self, criteria=None) -> pd.DataFrame:
        """The verdicts of ``tidy()``: they belong to differences between steps, not to single thresholds."""
        return self.table[["term", "delta_cfi", "delta_rmsea", "delta_srmr", "verdict", "source"]].copy()

    def candidates(self, step: str) -> pd.DataFrame:
        """Score tests of what ``step`` holds equal, largest first: the parameters whose equality the data contradict.

        Columns as :func:`qa_lib.models.after.modification.equality_tests`: term, group, mi, epc, p_value …
        """
        if step not in self.fits or step not in _EQUAL_AT:
            allowed = [name for name in self.fits if name in _EQUAL_AT]
            raise ModelError(f"step is {step!r}; allowed are {', '.join(allowed)}.")
        return _candidates(self.fits[step], step)

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

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Any:
        """What every step costs in fit, so that right is worse, and what Chen (2007) allows of it as marks."""
        from qa_lib.models.pictures import intervals

        words = {"cost": "Loss of fit", "cfi": "−ΔCFI", "rmsea": "ΔRMSEA", "srmr": "ΔSRMR"} | dict(labels or {})
        steps = self.table[self.table["delta_cfi"].notna()].assign(delta_cfi=lambda t: -t["delta_cfi"])
        rows = steps.melt("term", [f"delta_{index}" for index in ("cfi", "rmsea", "srmr")], "series", "estimate")
        rows = rows.assign(name=rows["term"], series=rows["series"].str.removeprefix("delta_"))
        ax = intervals(rows.assign(conf_low=np.nan, conf_high=np.nan), ax, words, words["cost"])
        allowed = {"cfi": dict.fromkeys(MAX_SRMR_GAIN, MAX_CFI_LOSS), "srmr": MAX_SRMR_GAIN}
        allowed["rmsea"] = dict.fromkeys(MAX_SRMR_GAIN, MAX_RMSEA_GAIN)
        for place, step in enumerate(steps["term"]):
            limits = [allowed[index][step] for index in ("cfi", "rmsea", "srmr")]
            ax.scatter(limits, place + np.array([-0.2, 0.0, 0.2]), color="0.15", marker="|", s=120)
        ax.axvline(0, color="0.6", linewidth=0.8)
        return ax


def invariance(
    model: str, data: pd.DataFrame, group: str, estimator: str = "ML", partial: Sequence[str] = (), **options: Any
) -> Invariance:
    """Measurement invariance over groups or periods: configural, metric, scalar and strict.

    Under WLSMV and ULSMV the items are ordinal and the steps those of Wu and Estabrook (2016), as semTools'
    ``measEq.syntax``: configural, thresholds, metric (loadings), scalar (intercepts), and strict, which is fitted in
    the theta parameterisation. model : lavaan syntax. group : a column. partial : parameters exempt from equality, such
    as "x3~1", "visual=~x2" or "A1|t2". Other options as in ``qa.cfa`` (missing, weights, cluster, std_lv, ordered).

    Differences of chi-square are scaled where the estimator's test is (see ``qa.compare_models``). Configural
    invariance is met when the model converges to an admissible solution with CFI of at least .90 (Cheung and Rensvold
    2002, p. 251, require fit of the baseline before anything is compared). Raises ModelError for a group column with
    fewer than two values, and for ordinal items whose categories not every group uses.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(400, 1)) + rng.normal(size=(400, 4))
    >>> data = pd.DataFrame(x, columns=list("abcd")).assign(period=np.repeat(["2026-09", "2026-10"], 200))
    >>> invariance("f =~ a + b + c + d", data, "period").level
    'strict'
    """
    partial = (partial,) if isinstance(partial, str) else tuple(partial)
    if not isinstance(data, pd.DataFrame):
        raise ModelError(f"data is a {type(data).__name__}: invariance needs the respondents' rows, a DataFrame.")
    check_columns(data, group, what="group", error=ModelError)
    if data[group].nunique() < 2:
        raise ModelError(f"group must be a column with at least two values; {group!r} is not.")
    steps, fit_step = _ladder(model, data, {"estimator": estimator, "group": group, **options})
    fits = {step: fit_step(step, partial) for step in steps}
    indices = _common_indices(fits.values())
    settings = {"estimator": estimator, "group": group, "partial": [*partial]}
    provenance = Provenance("invariance", fits["configural"].n, settings)
    return Invariance(_compare_steps(fits, indices), fits, partial, indices, provenance)


def _ladder(model: str, data: pd.DataFrame, options: dict) -> tuple[Sequence[str], Callable[..., ModelFit]]:
    """Names of the steps, and a function that fits one of them with some parameters left free."""
    if options["estimator"] not in _ORDINAL:

        def continuous(step: str, partial: Sequence[str]) -> ModelFit:
            return cfa(model, data, **options, group_equal=STEPS[step], partial=partial)

        return tuple(STEPS), continuous
    options = options | {"std_lv": True}
    configural = cfa(model, data, **options)

    def ordinal(step: str, partial: Sequence[str]) -> ModelFit:
        if step == "configural":
            return configural
        return cfa(
            invariance_syntax(model, configural.table, step, partial),
            data,
            **options,
            group_equal=() if step == "thresholds" else ("loadings",),
            partial=[term for term in partial if "=~" in term],
            parameterization="theta" if step == "strict" else "delta",
        )

    return ORDINAL_STEPS, ordinal


def _common_indices(fits) -> str:
    """The best fit indices that every step has: robust, else scaled, else standard."""
    for kind in ("robust", "scaled"):
        if all(np.isfinite(fit.measures.get(f"cfi_{kind}", np.nan)) for fit in fits):
            return kind
    return "standard"


def _compare_steps(fits: dict[str, ModelFit], indices: str) -> pd.DataFrame:
    rows, before = [], None
    for step, fit in fits.items():
        source = ORDINAL_SOURCE if fit.estimator in _ORDINAL else SOURCE
        rows.append({"term": step} | _step(step, fit, before, indices) | {"source": source})
        before = fit
    return pd.DataFrame(rows)


def _measure(fit: ModelFit, name: str, indices: str) -> float:
    return fit.measures[name if indices == "standard" or name == "srmr" else f"{name}_{indices}"]


def _step(step: str, fit: ModelFit, before: ModelFit | None, indices: str) -> dict[str, Any]:
    shown = ["chisq", "df", "cfi", "rmsea", "srmr"]
    shown += [name for name in ("chisq_scaled", "cfi_scaled", "rmsea_scaled") if name in fit.measures]
    shown += [name for name in ("cfi_robust", "rmsea_robust") if np.isfinite(fit.measures.get(name, np.nan))]
    row = {name: fit.measures[name] for name in shown}
    usable = fit.converged and fit.admissible
    if before is None:
        missing = dict.fromkeys(("chisq_diff", "df_diff", "p_value", "delta_cfi", "delta_rmsea", "delta_srmr"), np.nan)
        good = usable and _measure(fit, "cfi", indices) >= 0.90
        return row | missing | {"verdict": "met" if good else "not_met"}
    names = ("cfi", "rmsea", "srmr")
    deltas = [float(_measure(fit, name, indices) - _measure(before, name, indices)) for name in names]
    change = dict(zip((f"delta_{name}" for name in names), deltas, strict=True))
    return row | _difference(fit, before) | change | {"verdict": verdict(step, *deltas) if usable else "not_met"}


def _difference(fit: ModelFit, before: ModelFit) -> dict[str, float]:
    """The difference test; where the older scaling factor is negative, that of Satorra and Bentler (2010)."""
    if not (fit.converged and before.converged):
        return dict.fromkeys(("chisq_diff", "df_diff", "p_value"), np.nan)
    df = fit.test.df - before.test.df
    if df <= 0:  # thresholds of three categories cannot be tested: the models are equivalent
        return {"chisq_diff": fit.test.statistic - before.test.statistic, "df_diff": df, "p_value": np.nan}
    found = compare_models(fit, before)
    if np.isnan(found.chisq_diff):
        found = compare_models(fit, before, method="satorra.bentler.2010")
    return {"chisq_diff": found.chisq_diff, "df_diff": df, "p_value": found.p_value}


def free_parameters(
    model: str, data: pd.DataFrame, group: str, step: str = "scalar", estimator: str = "ML", **options: Any
) -> pd.DataFrame:
    """Parameters whose equality costs most at ``step``, freed one after the other until CFI loses no more than .010.

    Each time the largest score test of an equality goes (as lavaan's ``lavTestScore``). A row per parameter freed: term
    (pass them on as ``partial``), mi (its score test), chisq_diff it saved, delta_cfi left against the step before. Two
    items of each factor, or two thresholds of each item, stay equal (Byrne, Shavelson and Muthén 1989,
    doi:10.1037/0033-2909.105.3.456). What a search finds needs confirming in other data.
    """
    steps, fit_step = _ladder(model, data, {"estimator": estimator, "group": group, **options})
    if step not in steps[1:]:
        raise ModelError(f"step is {step!r}; allowed are {', '.join(steps[1:])}.")
    base, current = fit_step(steps[steps.index(step) - 1], ()), fit_step(step, ())
    indices = _common_indices((base, current))
    freed, rows = [], []

    def loss() -> float:
        return _measure(current, "cfi", indices) - _measure(base, "cfi", indices)

    while loss() < -MAX_CFI_LOSS:
        tests = _candidates(current, step)
        tests = tests.loc[[_spared(current, term, freed) >= _KEPT_EQUAL for term in tests["term"]]]
        if tests.empty:
            break
        worst, before = tests.iloc[0], current
        freed.append(worst["term"])
        current = fit_step(step, freed)
        saved = before.test.statistic - current.test.statistic
        rows.append({"term": worst["term"], "mi": worst["mi"], "chisq_diff": saved, "delta_cfi": loss()})
    return pd.DataFrame(rows, columns=["term", "mi", "chisq_diff", "delta_cfi"])


def _candidates(fit: ModelFit, step: str) -> pd.DataFrame:
    """Equality tests of what the step adds: of single items, not of factors' means or covariances."""
    tests = equality_tests(fit, {_EQUAL_AT[step]})
    own = tests["lhs"].isin(fit.table.observed) & ((tests["op"] != "~~") | (tests["lhs"] == tests["rhs"]))
    return tests[own | (tests["op"] == "=~")].reset_index(drop=True)


def _spared(fit: ModelFit, term: str, freed: Sequence[str]) -> int:
    """How many items of the factor, or thresholds of the item, would stay equal if ``term`` were freed too."""
    row = next(row for row in fit.table.rows if row.term == term)
    if row.op == "|":
        siblings = {r.term for r in fit.table.rows if r.op == "|" and r.lhs == row.lhs}
    else:
        loadings = [r for r in fit.table.rows if r.op == "=~" and r.group == 0]
        factor = row.lhs if row.op == "=~" else next(r.lhs for r in loadings if r.rhs == row.lhs)
        ending = {"=~": "{f}=~{i}", "~1": "{i}~1", "~~": "{i}~~{i}"}[row.op]
        siblings = {ending.format(f=factor, i=r.rhs) for r in loadings if r.lhs == factor}
    return len(siblings - set(freed) - {term})
