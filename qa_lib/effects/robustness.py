"""Does the ranking of the drivers survive other reasonable choices: a specification table and curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd

from qa_lib.effects.design import build_design
from qa_lib.effects.dominance import general_weights, subset_r_squared
from qa_lib.effects.outcomes import subset_pseudo_r_squared
from qa_lib.effects.rows import column_of
from qa_lib.errors import InadmissibleWarning, ModelError, NotConvergedWarning, QaError, ResponseError
from qa_lib.models.fit import sem
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.moments import as_moments
from qa_lib.sufficient.weights import effective_n

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEVELS = 11


@dataclass(frozen=True, slots=True)
class Robustness(Result):
    """How each driver's share and rank vary over specifications (Simonsohn, Simmons and Nelson 2020,
    doi:10.1038/s41562-020-0912-z).

    Attributes
    ----------
    specifications : a row per specification and term: ``specification`` (0 is the reference), ``respondents, weights,
        missing, model, n, term, share, rank, note``; share is NaN, and ``note`` says why, where a model failed
    """

    specifications: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """Columns ``term, estimate`` (median share), ``share_low, share_high`` (least and most), ``rank`` (in the
        reference), ``rank_low, rank_high, kept`` (share of usable specifications in which the rank is the same)."""
        usable = self.specifications.dropna(subset="share")
        reference = self.specifications.query("specification == 0").set_index("term")["rank"]
        rows = []
        for term, found in usable.groupby("term", sort=False):
            rank = reference[term]
            extremes = {"share_low": found["share"].min(), "share_high": found["share"].max(), "rank": rank}
            extremes |= {"rank_low": found["rank"].min(), "rank_high": found["rank"].max()}
            rows.append({"term": term, "estimate": found["share"].median(), **extremes})
            rows[-1]["kept"] = (found["rank"] == rank).mean()
        return pd.DataFrame(rows)

    def glance(self) -> pd.DataFrame:
        whole = self.specifications.groupby("specification")["share"].apply(lambda share: share.notna().all())
        counts = {"n_specifications": len(whole), "n_failed": int((~whole).sum())}
        return pd.DataFrame([{"n": self.provenance.n, "method": "general_dominance", **counts}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """The specification curve: every driver's share, specifications in the order of the share of the reference's
        first driver, numbered as in ``specifications`` from 1 (the reference)."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        table = self.specifications.pivot_table(index="specification", columns="term", values="share", sort=False)
        order = self.specifications.query("specification == 0").sort_values("rank")["term"]
        table = table[list(order)].sort_values(order.iloc[0])
        for term, shares in table.items():
            ax.plot(np.arange(1, len(shares) + 1), shares, marker="o", label=labels.get(term, term))
        ax.set_xlabel(labels.get("specification", "Specification"))
        ax.set_ylabel(labels.get("share", "Share of explained variance"))
        ax.set_xticks(np.arange(1, len(table) + 1), [str(number + 1) for number in table.index])
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return ax


def robustness(
    study_or_data: object,
    outcome: str | None = None,
    predictors: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    weights: str | Sequence[float] | None = None,
    flagged: str | Sequence[bool] | None = None,
    period: str | None = None,
) -> Robustness:
    """Re-run the ranking by general dominance over every combination of the choices that the data allow.

    With and without flagged respondents; weighted or not; OLS on listwise, pairwise and FIML covariances; ordinal logit
    (McFadden's R²; outcomes of up to 11 levels, listwise); latent regression (predictors given with their items). The
    first of each is the reference.

    Parameters
    ----------
    study_or_data : a Study (then dimensions, satisfaction, weights and flags are its own) or a DataFrame
    predictors : column names, or items by dimension; a dimension's score is the mean of the items answered
    flagged : column or values, true for respondents whose answers are doubtful

    Raises
    ------
    ResponseError, ModelError : as ``qa.drivers``; and when the reference itself cannot be fitted

    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    >>> data["y"] = 2 * data["a"] + data["b"] + rng.normal(size=200)
    >>> robustness(data, "y", ["a", "b"], flagged=np.arange(200) < 20).tidy()[["term", "rank", "kept"]]
      term  rank  kept
    0    a     1   1.0
    1    b     2   1.0
    """
    if not isinstance(study_or_data, pd.DataFrame):
        study_or_data, outcome, predictors, weights, flagged = _from_study(study_or_data, period)
    if outcome is None or predictors is None:
        raise ModelError("outcome and predictors are needed with a DataFrame; only a study knows its own.")
    items = {k: list(v) for k, v in predictors.items()} if isinstance(predictors, Mapping) else None
    data = _with_scores(study_or_data, items, outcome)
    terms = list(predictors)
    w = None if weights is None else column_of(data, weights, "weights")
    build_design(data, outcome, terms, None if w is None else w.to_numpy())  # or the error that says why not
    doubtful = None if flagged is None else column_of(data, flagged, "flagged").astype(bool)
    groups = {"all": data.index == data.index} | ({} if doubtful is None else {"unflagged": ~doubtful.to_numpy()})
    weightings = {"unweighted": None} if w is None else {"weighted": w, "unweighted": None}
    rows = []
    choices = product(groups.items(), weightings.items(), _models(data, outcome, terms, items))
    for number, ((who, keep), (how, given), (missing, model, fit)) in enumerate(choices):
        share, n, note = _share(fit, data[keep], None if given is None else given[keep])
        if number == 0 and share is None:
            raise ModelError(f"the reference specification cannot be fitted: {note}")
        share = np.full(len(terms), np.nan) if share is None else share
        table = {"specification": number, "respondents": who, "weights": how, "missing": missing, "model": model}
        table |= {
            "n": n,
            "term": terms,
            "share": share,
            "rank": pd.Series(-share).rank(method="min").astype("Int64"),
            "note": note,
        }
        rows.append(pd.DataFrame(table))
    settings = {"outcome": outcome, "predictors": terms, "weights": w is not None, "flagged": doubtful is not None}
    return Robustness(pd.concat(rows, ignore_index=True), Provenance("robustness", len(data), settings))


def _from_study(study: object, period: str | None):
    from qa_lib.study.screening import screen

    responses = study.responses(period)
    instrument = responses.instrument
    outcome = instrument.outcomes.get("satisfaction")
    if outcome is None:
        raise ModelError("the instrument has no outcome in the role satisfaction; name it, and pass responses.data.")
    weights = "weight" if "weight" in responses.data and responses.data["weight"].notna().any() else None
    return responses.data, outcome, instrument.dimensions, weights, screen(responses)["flagged"].to_numpy()


def _with_scores(data: pd.DataFrame, items: Mapping[str, list[str]] | None, outcome: str) -> pd.DataFrame:
    absent = [c for c in [outcome, *(i for group in (items or {}).values() for i in group)] if c not in data.columns]
    if absent:
        raise ResponseError(f"columns not in the data: {absent}.")
    scores = {dimension: data[group].mean(axis=1) for dimension, group in (items or {}).items()}
    return data.reset_index(drop=True).assign(**{k: v.to_numpy() for k, v in scores.items()})


Fit = Callable[[pd.DataFrame, pd.Series | None], tuple[np.ndarray, float]]


def _models(data, outcome, terms, items) -> list[tuple[str, str, Fit]]:
    """(missing, model, function of rows and weights that gives general dominance and n) of all that apply."""
    used = [*terms, outcome]
    incomplete = data[used].isna().any(axis=None)

    def moments(missing):
        return lambda d, w: _observed(as_moments(d, used, None if w is None else w.to_numpy(), missing), used)

    def ordinal(d, w):
        design = build_design(d, outcome, terms, w)
        codes = np.unique(design.y, return_inverse=True)[1]
        found = subset_pseudo_r_squared(design.x, codes, design.weights)[0]["mcfadden"]
        return found @ general_weights(len(terms)), design.n

    def fiml(d, w):
        free = "\n".join(f"{a} ~~ {b}" for k, a in enumerate(used) for b in used[k:])
        fit = sem(free, d[used] if w is None else d[used].assign(**{"w.": w}), missing="fiml", weights=_weight_name(w))
        table = fit.tidy().query("op == '~~'")
        return _dominance(_symmetric(table, used, "estimate")), fit.glance().loc[0, "n"]

    def latent(missing):
        def fit_latent(d, w):
            measured = "\n".join(f"{k} =~ {' + '.join(group)}" for k, group in items.items())
            columns = d[[*(i for group in items.values() for i in group), outcome]]
            columns = columns if w is None else columns.assign(**{"w.": w})
            model = f"{measured}\n{outcome} ~ {' + '.join(terms)}"
            fit = sem(model, columns, missing=missing, weights=_weight_name(w))
            table = fit.tidy()
            factors = _symmetric(table.query("op == '~~' and lhs in @terms and rhs in @terms"), terms, "std_all")
            slopes = table.query("op == '~'").set_index("rhs")["std_all"][terms].to_numpy()
            with_outcome = factors @ slopes
            whole = np.block([[factors, with_outcome[:, None]], [with_outcome[None], np.ones((1, 1))]])
            return _dominance(whole), fit.glance().loc[0, "n"]

        return fit_latent

    few = data[outcome].nunique() <= _MOST_LEVELS
    several = items is not None and all(len(group) > 1 for group in items.values())
    return [
        ("listwise", "ols", moments("listwise")),
        *([("pairwise", "ols", moments("pairwise")), ("fiml", "ols", fiml)] if incomplete else []),
        *([("listwise", "ordinal", ordinal)] if few else []),
        *([("fiml" if incomplete else "listwise", "latent", latent("fiml" if incomplete else "listwise"))] * several),
    ]


def _weight_name(weights: pd.Series | None) -> str | None:
    return None if weights is None else "w."


def _observed(moments, used) -> tuple[np.ndarray, float]:
    return _dominance(moments.cov.loc[used, used].to_numpy()), moments.effective_n


def _dominance(cov: np.ndarray) -> np.ndarray:
    if not np.isfinite(cov).all() or np.linalg.eigvalsh(cov)[0] <= 0:
        raise ModelError("the covariance matrix is not positive definite.")
    return subset_r_squared(cov) @ general_weights(len(cov) - 1)


def _symmetric(table: pd.DataFrame, names: list[str], column: str) -> np.ndarray:
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    for lhs, rhs, value in table[["lhs", "rhs", column]].itertuples(index=False):
        matrix.loc[lhs, rhs] = matrix.loc[rhs, lhs] = value
    return matrix.to_numpy()


def _share(fit: Fit, data: pd.DataFrame, weights: pd.Series | None) -> tuple[np.ndarray | None, float, str]:
    """Shares of R²; none where the model failed, did not converge or is inadmissible, with the reason."""
    with catch_warnings():
        simplefilter("error", InadmissibleWarning)
        simplefilter("error", NotConvergedWarning)
        try:
            weight, n = fit(data, weights)
        except (QaError, InadmissibleWarning, NotConvergedWarning) as reason:
            return None, len(data) if weights is None else effective_n(weights.dropna()), str(reason)
    return weight / weight.sum(), float(n), ""
