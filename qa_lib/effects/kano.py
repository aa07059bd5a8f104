"""Kano questionnaire: what a feature does when it is there, what its absence does, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.rows import respondent_weights
from qa_lib.errors import ModelError, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns
from qa_lib.sufficient.weights import effective_n

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CATEGORIES = ("M", "O", "A", "I", "R", "Q")
FACTORS = {
    "M": "basic",
    "O": "performance",
    "A": "motivation",
    "I": "indifferent",
    "R": "reverse",
    "Q": "contradictory",
}
ANSWERS = ("like", "must-be", "neutral", "live with", "dislike")
EVALUATION = pd.DataFrame(
    [list("QAAAO"), list("RIIIM"), list("RIIIM"), list("RIIIM"), list("RRRRQ")],
    index=pd.Index(ANSWERS, name="functional"),
    columns=pd.Index(ANSWERS, name="dysfunctional"),
)
"""Category by the answers to the functional (row) and dysfunctional question: Berger et al. (1993), Kano's methods for
understanding customer-defined quality, Center for Quality of Management Journal 2(4)."""


@dataclass(frozen=True, slots=True)
class Kano(Result):
    """Kano categories of features.

    Attributes
    ----------
    shares : features × categories (M, O, A, I, R, Q), shares of those who answered both questions
    classes : per feature ``n``, ``mode``, ``second``, Fong's ``difference`` and ``critical`` difference (shares),
        ``category`` (the mode, or "undecided") and ``factor``, its name among the BPM factors
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    classes: pd.DataFrame
    n: float
    conf_level: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per feature (``item``) and ``term``: better, worse, contradictory, and the share of each category.

        Intervals are Wilson's (1927, doi:10.1080/01621459.1927.10502953) on the respondents the coefficient is made of.
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        row = {"n": self.n, "method": "Kano questionnaire", "features": len(self.classes)}
        decided = int((self.classes["category"] != "undecided").sum())
        return pd.DataFrame([row | {"decided": decided, "contradictory": self.shares["Q"].mean()}])

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Better against worse with intervals; lines at one half part the four categories."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        x, y = (self.table[self.table["term"] == term].set_index("item") for term in ("worse", "better"))
        bounds = [np.abs(t[["conf_low", "conf_high"]].to_numpy().T - t["estimate"].to_numpy()) for t in (x, y)]
        ax.errorbar(-x["estimate"], y["estimate"], xerr=bounds[0][::-1], yerr=bounds[1], fmt="o", elinewidth=0.8)
        for item in x.index:
            place = (-x.loc[item, "estimate"], y.loc[item, "estimate"])
            ax.annotate(labels.get(item, item), place, xytext=(5, 5), textcoords="offset points")
        ax.axvline(0.5, color="0.6", linewidth=0.8)
        ax.axhline(0.5, color="0.6", linewidth=0.8)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set_xlabel(labels.get("worse", "Dissatisfied when it is missing (−worse)"))
        ax.set_ylabel(labels.get("better", "Satisfied when it is there (better)"))
        return ax


def kano(
    functional: pd.DataFrame,
    dysfunctional: pd.DataFrame,
    *,
    answers: Sequence[object] = (1, 2, 3, 4, 5),
    evaluation: pd.DataFrame = EVALUATION,
    weights: ArrayLike | None = None,
    fong_level: float = 0.90,
    conf_level: float = 0.95,
) -> Kano:
    """Classify features by a Kano questionnaire.

    Parameters
    ----------
    functional, dysfunctional : respondents × features, the same columns and rows; "how do you feel if it is there",
        "… if it is not"
    answers : the codes of like, must-be, neutral, live with, dislike, in this order
    evaluation : 5 × 5 table of the categories M, O, A, I, R, Q; Berger et al. (1993) by default
    weights : respondents' weights; tests and intervals then use the effective sample size
    fong_level : confidence of Fong's test that the mode is the most frequent category

    Notes
    -----
    better = (A + O) ÷ (A + O + M + I), worse = −(O + M) ÷ (A + O + M + I) (Berger et al. 1993). A category is
    given when the two largest counts a, b of N differ by Fong's test, |a − b| ≥ z √((a + b)(2N − a − b) ÷ 2N)
    (Fong 1996, Center for Quality of Management Journal 5(3); z = 1.645), else it is "undecided".

    Raises
    ------
    ResponseError, ModelError
        columns or rows that differ, codes outside ``answers``, a feature nobody answered

    >>> import pandas as pd
    >>> result = kano(pd.DataFrame({"wifi": [1] * 9 + [2]}), pd.DataFrame({"wifi": [5] * 10}))
    >>> result.classes.loc["wifi", ["mode", "category", "factor"]].tolist()
    ['O', 'O', 'performance']
    """
    _check_pair(functional, dysfunctional)
    _check_evaluation(evaluation, answers)
    for name, level in (("fong_level", fong_level), ("conf_level", conf_level)):
        if not 0 < level < 1:
            raise ModelError(f"kano: {name}={level}; a number between 0 and 1 is needed.")
    weight = respondent_weights(functional, weights)
    categories = _categories(functional, dysfunctional, answers, evaluation)
    shares = pd.DataFrame(0.0, index=functional.columns, columns=list(CATEGORIES))
    size = pd.Series(0.0, index=functional.columns)
    for feature in functional.columns:
        known = categories[feature].notna().to_numpy() & (weight > 0)
        if not known.any():
            raise ResponseError(f"kano: nobody answered both questions on {feature!r}. Leave the feature out.")
        counts = pd.Series(weight[known]).groupby(categories[feature].to_numpy()[known]).sum()
        shares.loc[feature] = counts.reindex(list(CATEGORIES), fill_value=0.0) / counts.sum()
        size[feature] = effective_n(weight[known])
    classes = _classes(shares, size, stats.norm.ppf((1 + fong_level) / 2))
    table = _coefficients(shares, size, conf_level).merge(
        classes[["category", "factor"]], left_on="item", right_index=True
    )
    n = float(len(functional)) if weights is None else effective_n(weight)
    settings = {"fong_level": fong_level, "conf_level": conf_level, "weighted": weights is not None}
    settings |= {"evaluation": "Berger et al. (1993)" if evaluation is EVALUATION else evaluation.to_numpy().tolist()}
    return Kano(table, shares, classes, n, conf_level, Provenance("kano", n, settings))


def better_worse(shares: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Better, worse and the share they are made of (A + O + M + I), per feature."""
    base = shares[["A", "O", "M", "I"]].sum(axis=1)
    with np.errstate(invalid="ignore"):
        return shares[["A", "O"]].sum(axis=1) / base, -shares[["O", "M"]].sum(axis=1) / base, base


def fong_critical(first: ArrayLike, second: ArrayLike, n: ArrayLike, z: float = 1.645) -> np.ndarray:
    """Smallest significant difference of the two largest counts (Fong 1996): z √((a + b)(2N − a − b) ÷ 2N).

    >>> float(fong_critical(60, 30, 100).round(2))
    11.57
    """
    together = np.asarray(first, dtype=float) + second
    return z * np.sqrt(together * (2 * np.asarray(n) - together) / (2 * np.asarray(n)))


def wilson_interval(share: ArrayLike, n: ArrayLike, conf_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a proportion.

    >>> [float(bound.round(4)) for bound in wilson_interval(.5, 20, .95)]
    [0.2993, 0.7007]
    """
    share, n = np.asarray(share, dtype=float), np.asarray(n, dtype=float)
    z2 = stats.norm.ppf((1 + conf_level) / 2) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def _check_pair(functional: pd.DataFrame, dysfunctional: pd.DataFrame) -> None:
    if not isinstance(functional, pd.DataFrame) or not isinstance(dysfunctional, pd.DataFrame):
        raise ResponseError("kano: two DataFrames are needed, respondents × features, one per question.")
    if list(functional.columns) != list(dysfunctional.columns):
        odd = sorted(set(map(str, functional.columns)) ^ set(map(str, dysfunctional.columns)))
        raise ResponseError(f"kano: the two tables need the same features in the same order; differing: {odd}.")
    if functional.columns.has_duplicates or functional.shape[1] == 0:
        raise ResponseError("kano: each feature needs one column of its own, and there must be at least one.")
    if not functional.index.equals(dysfunctional.index):
        raise ResponseError("kano: the rows of the two tables are not the same respondents in the same order.")


def _check_evaluation(evaluation: pd.DataFrame, answers: Sequence[object]) -> None:
    if len(answers) != 5 or len(set(answers)) != 5:
        raise ResponseError(f"kano: answers={list(answers)}; five different codes are needed, from like to dislike.")
    if evaluation.shape != (5, 5) or not evaluation.isin(CATEGORIES).all(axis=None):
        raise ResponseError(f"kano: the evaluation table must be 5 × 5 and hold {', '.join(CATEGORIES)} only.")


def _categories(
    functional: pd.DataFrame, dysfunctional: pd.DataFrame, answers: Sequence[object], evaluation: pd.DataFrame
) -> pd.DataFrame:
    position = {code: k for k, code in enumerate(answers)}
    row, column = (_positions(table, position) for table in (functional, dysfunctional))
    known = (row >= 0) & (column >= 0)
    looked_up = evaluation.to_numpy()[row, column]
    return pd.DataFrame(np.where(known, looked_up, None), functional.index, functional.columns)


def _positions(table: pd.DataFrame, position: Mapping[object, int]) -> np.ndarray:
    places = np.full(table.shape, -1)
    for k, feature in enumerate(table.columns):
        check_columns(table, feature, what="kano")
        found = table[feature].map(position)
        strange = table[feature][found.isna() & table[feature].notna()]
        if len(strange):
            raise ResponseError(
                f"kano: {feature!r} holds {strange.tolist()[0]!r} in row {strange.index.tolist()[0]!r}; "
                f"allowed: {', '.join(map(repr, position))} or missing. Set answers= to the codes used."
            )
        places[:, k] = found.fillna(-1).to_numpy(int)
    return places


def _classes(shares: pd.DataFrame, size: pd.Series, z: float) -> pd.DataFrame:
    order = np.argsort(-shares.to_numpy(), axis=1, kind="stable")
    ranked = np.take_along_axis(shares.to_numpy(), order, axis=1)
    names = np.array(CATEGORIES)
    counts = ranked[:, :2] * size.to_numpy()[:, None]
    critical = fong_critical(counts[:, 0], counts[:, 1], size.to_numpy(), z) / size.to_numpy()
    difference = ranked[:, 0] - ranked[:, 1]
    mode = names[order[:, 0]]
    decided = (difference >= critical) & (difference > 0)
    return pd.DataFrame(
        {
            "n": size,
            "mode": mode,
            "second": np.where(ranked[:, 1] > 0, names[order[:, 1]], None),
            "difference": difference,
            "critical": critical,
            "category": np.where(decided, mode, "undecided"),
            "factor": np.where(decided, [FACTORS[name] for name in mode], "undecided"),
        },
        index=shares.index,
    )


def _coefficients(shares: pd.DataFrame, size: pd.Series, conf_level: float) -> pd.DataFrame:
    better, worse, base = better_worse(shares)
    terms = {"better": (better, size * base), "worse": (-worse, size * base), "contradictory": (shares["Q"], size)}
    terms |= {f"share_{name}": (shares[name], size) for name in CATEGORIES}
    parts = []
    for term, (share, n) in terms.items():
        low, high = wilson_interval(share, n, conf_level)
        if term == "worse":
            share, low, high = -share, -high, -low
        error = np.sqrt(np.abs(share) * (1 - np.abs(share)) / n.where(n > 0))
        columns = {"term": term, "item": shares.index, "estimate": share.to_numpy(), "std_error": error.to_numpy()}
        parts.append(pd.DataFrame(columns | {"conf_low": low, "conf_high": high}))
    return pd.concat(parts, ignore_index=True)
