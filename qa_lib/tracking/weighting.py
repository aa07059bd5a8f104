"""Who answered: response rates, how the make-up drifts, raking to known margins, standardising to a reference."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.errors import NotConvergedWarning, ResponseError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.weights import effective_n
from qa_lib.tracking.estimates import (
    Estimates,
    Weights,
    item_matrix,
    mean_estimates,
    respondent_weights,
    row_means,
    t_quantile,
    wilson,
)
from qa_lib.tracking.periods import adjust_p

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# AAPOR (2023), Standard Definitions, 10th ed.: final dispositions by our key and by their code's first digits
DISPOSITIONS = {
    "complete": "1.1",
    "partial": "1.2",
    "refusal": "2.1",
    "noncontact": "2.2",
    "other": "2.3",
    "unknown_household": "3.1",
    "unknown_other": "3.2",
    "ineligible": "4",
}


@dataclass(frozen=True, slots=True)
class Raking(Result):
    """``weights`` (n,), mean 1, index of the data; ``margins``: a row per category with target and shares."""

    weights: pd.Series
    margins: pd.DataFrame
    iterations: int
    converged: bool
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.margins.copy()

    def glance(self) -> pd.DataFrame:
        effective = effective_n(self.weights)
        return pd.DataFrame(
            [
                {
                    "n": len(self.weights),
                    "n_effective": effective,
                    "design_effect": len(self.weights) / effective,
                    "lowest": self.weights.min(),
                    "highest": self.weights.max(),
                    "method": "iterative proportional fitting",
                    "iterations": self.iterations,
                    "converged": self.converged,
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Shares of the sample as it is (ring) and as raked to the known margins (dot)."""
        import matplotlib.pyplot as plt

        words = {"unweighted": "Sample", "raked": "Raked", "share": "Share"} | dict(labels or {})
        ax = ax if ax is not None else plt.subplots(figsize=(6.5, 1 + 0.3 * len(self.margins)))[1]
        place = ["dimension", "term", *(["group"] if "group" in self.margins else [])]
        names = self.margins[place].map(lambda name: words.get(name, str(name))).agg(" · ".join, axis=1)
        y = np.arange(len(names))
        ax.hlines(y, self.margins["unweighted"], self.margins["estimate"], color="0.7")
        ax.scatter(self.margins["unweighted"], y, facecolor="white", edgecolor="C0", label=words["unweighted"])
        ax.scatter(self.margins["estimate"], y, color="C0", label=words["raked"])
        ax.set_yticks(y, names)
        ax.invert_yaxis()
        ax.set_xlabel(words["share"])
        ax.legend(frameon=False)
        return ax


def rake(
    data: pd.DataFrame,
    margins: Mapping[str, Mapping[object, float]],
    weights: Weights = None,
    by: str | None = None,
    max_iter: int = 1000,
    tolerance: float = 1e-10,
) -> Raking:
    """Weights under which the sample has the known margins (Deming and Stephan 1940, doi:10.1214/aoms/1177731829).

    ``margins`` maps a column to the population's share or count of each category (study.yaml's ``margins``); design
    ``weights`` are the start. ``by`` (the period, say) rakes each of its values for itself, to mean 1.
    ``tidy()``: dimension (column), term (category), target, estimate (raked share), unweighted; with ``by`` also group.
    Twenty lines of our own: the libraries for it bring survey frameworks or loops over rows for one bincount.
    Raises ``ResponseError`` for missing values, categories without target or without respondents (collapse them);
    warns ``NotConvergedWarning`` when the margins cannot be met together.

    >>> data = pd.DataFrame({"sex": list("ffmmm"), "age": ["y", "o", "y", "o", "o"]})
    >>> raked = rake(data, {"sex": {"f": .5, "m": .5}, "age": {"y": .4, "o": .6}})
    >>> raked.weights.groupby(data["sex"]).sum().round(6).tolist()
    [2.5, 2.5]
    """
    if not margins:
        raise ResponseError("no margins were given; pass for instance {'sex': {'f': .52, 'm': .48}}.")
    if by is not None:
        return _raked_apart(data, margins, weights, by, max_iter, tolerance)
    coded = [_margin(data, column, target) for column, target in margins.items()]
    start = respondent_weights(weights, data)
    for column, (codes, _) in zip(margins, coded, strict=True):
        if not np.bincount(codes, start).all():
            raise ResponseError(f"{column}: all respondents of a category have weight zero; they cannot be raked.")
    w, worst, iteration = start / start.mean(), np.inf, 0
    while worst > tolerance and iteration < max_iter:
        iteration += 1
        for codes, target in coded:
            w = w * (target * len(w) / np.bincount(codes, w))[codes]
        worst = max(np.abs(np.bincount(codes, w) / len(w) - target).max() for codes, target in coded)
    if worst > tolerance:
        warnings.warn(
            f"raking: after {iteration} rounds a margin is still {worst:.2g} off; the margins contradict each other "
            "or the cells that could meet them are empty.",
            NotConvergedWarning,
            stacklevel=2,
        )
    tables = [
        pd.DataFrame(
            {
                "dimension": column,
                "term": list(margins[column]),
                "target": target,
                "estimate": np.bincount(codes, w) / w.sum(),
                "unweighted": np.bincount(codes) / len(codes),
            }
        )
        for column, (codes, target) in zip(margins, coded, strict=True)
    ]
    return Raking(
        pd.Series(w, index=data.index, name="weight"),
        pd.concat(tables, ignore_index=True),
        iteration,
        bool(worst <= tolerance),
        Provenance("rake", len(data), {"margins": {c: dict(m) for c, m in margins.items()}, "tolerance": tolerance}),
    )


def _raked_apart(data: pd.DataFrame, margins, weights: Weights, by: str, max_iter: int, tolerance: float) -> Raking:
    """Every value of ``by`` raked for itself, in one result."""
    if by not in data.columns:
        raise ResponseError(f"by: there is no column {by!r} in the data.")
    start = respondent_weights(weights, data)
    w, parts = np.full(len(data), np.nan), {}
    for name, places in data.groupby(by, sort=True).indices.items():
        try:
            parts[name] = rake(data.iloc[places], margins, start[places], None, max_iter, tolerance)
            w[places] = parts[name].weights
        except ResponseError as error:
            raise ResponseError(f"{by} {name}: {error}") from None
    return Raking(
        pd.Series(w, index=data.index, name="weight"),
        pd.concat([part.margins.assign(group=name) for name, part in parts.items()], ignore_index=True),
        max(part.iterations for part in parts.values()),
        all(part.converged for part in parts.values()),
        Provenance("rake", len(data), {"margins": {c: dict(m) for c, m in margins.items()}, "by": by}),
    )


def _margin(data: pd.DataFrame, column: str, target: Mapping[object, float]) -> tuple[np.ndarray, np.ndarray]:
    """Category codes of the respondents (n,) and target shares of the categories."""
    if column not in data.columns:
        raise ResponseError(f"there is no column {column!r} in the data.")
    shares = pd.to_numeric(pd.Series(list(target.values()), dtype=object), errors="coerce").to_numpy(float)
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ResponseError(f"{column}: the targets must be positive: {dict(target)}.")
    codes = pd.Index(list(target)).get_indexer(data[column])
    if (codes < 0).any():
        unknown = data[column][codes < 0].unique().tolist()
        raise ResponseError(f"{column}: {unknown} among respondents has no target; fill or collapse it.")
    empty = [key for key, n in zip(target, np.bincount(codes, minlength=len(target)), strict=True) if n == 0]
    if empty:
        raise ResponseError(f"{column}: nobody in the sample has {empty}; collapse it with another category.")
    return codes, shares / shares.sum()


def response_rates(
    contacts: pd.DataFrame,
    disposition: str = "disposition",
    by: str | None = None,
    eligibility: float | None = None,
    conf_level: float = 0.95,
) -> Estimates:
    """AAPOR's response, cooperation, refusal and contact rates (Standard Definitions, 10th ed., 2023).

    Dispositions are the keys of ``DISPOSITIONS`` or AAPOR codes (1.1, 2.10, "3.2"); ``by`` gives a block of rows per
    group. e, the share of unknown cases taken as eligible in rr3, rr4, ref2 and con2, is ``eligibility`` or, if not
    given, the eligible share of the cases known (CASRO). Intervals are Wilson's.
    ``tidy()``: term (rr1 … rr6, coop1 … coop4, ref1 … ref3, con1 … con3), group, estimate, conf_low, conf_high, n.

    >>> contacts = pd.DataFrame({"disposition": ["complete"] * 40 + ["refusal"] * 40 + ["noncontact"] * 20})
    >>> response_rates(contacts).tidy().set_index("term").loc[["rr1", "coop1"], "estimate"].tolist()
    [0.4, 0.5]
    """
    for column in filter(None, (disposition, by)):
        if column not in contacts.columns:
            raise ResponseError(f"contacts: there is no column {column!r}.")
    if eligibility is not None and not 0 <= eligibility <= 1:
        raise ResponseError(f"eligibility is {eligibility}; it is a share between 0 and 1.")
    known = contacts[disposition].map(_disposition)
    if known.isna().any():
        unknown = contacts[disposition][known.isna()].unique().tolist()
        raise ResponseError(f"contacts: unknown dispositions {unknown}; known: {', '.join(DISPOSITIONS)}, AAPOR codes.")
    groups = known.groupby(contacts[by]) if by else [(None, known)]
    rows = []
    for group, values in groups:
        counts = values.value_counts().reindex(list(DISPOSITIONS), fill_value=0)
        for term, (part, whole) in _aapor(counts, eligibility).items():
            share = part / whole if whole else np.nan
            low, high = wilson(share, whole, conf_level)
            row = {"term": term, "estimate": share, "conf_low": low, "conf_high": high, "n": whole}
            rows.append(row | ({"group": group} if by else {}))
    return Estimates(
        pd.DataFrame(rows),
        n=len(contacts),
        n_effective=float(len(contacts)),
        method="AAPOR standard definitions",
        conf_level=conf_level,
        provenance=Provenance(
            "response_rates", len(contacts), {"eligibility": "CASRO" if eligibility is None else eligibility}
        ),
    )


def _disposition(value: object) -> str | None:
    text = str(value).strip().lower()
    if text in DISPOSITIONS:
        return text
    if text.startswith("3.") and text[:3] != "3.1":
        return "unknown_other"
    return next((key for key, code in DISPOSITIONS.items() if text.startswith(code)), None)


def _aapor(counts: pd.Series, eligibility: float | None) -> dict[str, tuple[float, float]]:
    """Numerator and denominator of every rate."""
    i, p, r, nc, o, uh, uo, ne = counts.astype(float)
    known, unknown = i + p + r + nc + o, uh + uo
    e = eligibility if eligibility is not None else (known / (known + ne) if known + ne else np.nan)
    everyone, likely = known + unknown, known + (e * unknown if unknown else 0.0)
    reached = i + p + r + o
    return {
        "rr1": (i, everyone),
        "rr2": (i + p, everyone),
        "rr3": (i, likely),
        "rr4": (i + p, likely),
        "rr5": (i, known),
        "rr6": (i + p, known),
        "coop1": (i, reached),
        "coop2": (i + p, reached),
        "coop3": (i, i + p + r),
        "coop4": (i + p, i + p + r),
        "ref1": (r, everyone),
        "ref2": (r, likely),
        "ref3": (r, known),
        "con1": (reached, everyone),
        "con2": (reached, likely),
        "con3": (reached, known),
    }


def makeup(
    data: pd.DataFrame, period: str, segments: Sequence[str], weights: Weights = None, conf_level: float = 0.95
) -> Estimates:
    """Who answered: the share of every category in every period, with Wilson's interval (``n`` effective).

    ``tidy()``: dimension (segment), term (category), period, estimate, conf_low, conf_high, n.

    >>> data = pd.DataFrame({"month": [1, 1, 2, 2], "branch": list("ABAA")})
    >>> makeup(data, "month", ["branch"]).tidy()["estimate"].tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    w = respondent_weights(weights, data)
    rows = []
    for segment in segments:
        frame = _segment_frame(data, period, segment).assign(w=w)
        categories = sorted(frame["segment"].dropna().unique(), key=str)
        for name, part in frame.dropna(subset=["segment"]).groupby("period", sort=True):
            n = effective_n(part["w"])
            shares = part.groupby("segment")["w"].sum().reindex(categories, fill_value=0) / part["w"].sum()
            for category, share in shares.items():
                low, high = wilson(share, n, conf_level)
                row = {"dimension": segment, "term": category, "period": name, "estimate": share}
                rows.append(row | {"conf_low": low, "conf_high": high, "n": n})
    return Estimates(
        pd.DataFrame(rows),
        len(data),
        effective_n(w),
        "shares, Wilson interval",
        conf_level,
        Provenance("makeup", len(data)),
    )


def makeup_drift(data: pd.DataFrame, period: str, segments: Sequence[str]) -> Estimates:
    """Whether a period's respondents are other people than the period before's.

    ``tidy()``: dimension (segment), term ``drift``, period, reference, estimate (half the sum of absolute differences
    of the shares: the part of the sample that would have to change place; 0–1), statistic (Pearson's χ² of respondents,
    unweighted), df, p_value, p_adjusted (Holm over the table), n.

    >>> data = pd.DataFrame({"month": [1] * 50 + [2] * 50, "branch": ["A", "B"] * 25 + ["A"] * 40 + ["B"] * 10})
    >>> makeup_drift(data, "month", ["branch"]).tidy()[["estimate", "p_value"]].round(4).values.tolist()
    [[0.3, 0.0017]]
    """
    rows = []
    for segment in segments:
        frame = _segment_frame(data, period, segment)
        counts = pd.crosstab(frame["period"], frame["segment"])
        for before, now in zip(counts.index[:-1], counts.index[1:], strict=True):
            pair = counts.loc[[before, now]]
            pair = pair.loc[:, pair.sum() > 0]
            shares = pair.div(pair.sum(axis=1), axis=0)
            constant = pair.shape[1] < 2
            test = (0.0, 1.0, 0) if constant else stats.chi2_contingency(pair, correction=False)[:3]
            row = {"dimension": segment, "term": "drift", "period": now, "reference": before}
            row |= {"estimate": 0.5 * (shares.iloc[1] - shares.iloc[0]).abs().sum()}
            rows.append(
                row | {"statistic": test[0], "df": test[2], "p_value": test[1], "n": int(pair.to_numpy().sum())}
            )
    table = pd.DataFrame(rows)
    if table.empty:
        raise ResponseError(f"{period}: drift needs two periods and a segment.")
    table["p_adjusted"] = adjust_p(table["p_value"], "holm")
    provenance = Provenance("makeup_drift", len(data), {"segments": list(segments)})
    return Estimates(table, len(data), float(len(data)), "total variation distance, χ² test", 0.95, provenance)


def _segment_frame(data: pd.DataFrame, period: str, segment: str) -> pd.DataFrame:
    for column in (period, segment):
        if column not in data.columns:
            raise ResponseError(f"there is no column {column!r} in the data.")
    return pd.DataFrame({"period": data[period].to_numpy(), "segment": data[segment].to_numpy()})


def standardise(
    data: pd.DataFrame,
    value: str | Sequence[str],
    strata: str,
    reference: Mapping[object, float],
    weights: Weights = None,
    conf_level: float = 0.95,
) -> Estimates:
    """The mean the sample would have if its strata had the reference's shares (direct standardisation).

    ȳ = Σ W_h ȳ_h, variance Σ W_h² s_h²/n_h (Cochran 1977, eq. 5.6 without finite population), n_h effective. With
    ``compare_periods(data, "period", lambda rows: standardise(rows, …))`` a change of make-up cannot pose as a
    change of service. Terms: ``standardised``, ``observed``.
    Raises ``ResponseError`` when a stratum of the reference has no answers or respondents belong to none.

    >>> data = pd.DataFrame({"branch": list("AAAB"), "x": [5, 5, 5, 1]})
    >>> standardise(data, "x", "branch", {"A": 1, "B": 1}).tidy()["estimate"].tolist()
    [3.0, 4.0]
    """
    y = row_means(item_matrix(data, [value] if isinstance(value, str) else value))
    w = respondent_weights(weights, data)
    codes, share = _margin(data, strata, reference)
    cells = mean_estimates(np.where(codes[:, None] == np.arange(len(share)), y[:, None], np.nan), w)
    if (cells.n == 0).any():
        empty = [key for key, n in zip(reference, cells.n, strict=True) if n == 0]
        raise ResponseError(f"{strata}: nobody in {empty} answered; the mean cannot be standardised.")
    variance = np.diag(cells.cov) * share**2
    whole = mean_estimates(y[:, None], w)
    estimate, std_error = (
        np.array([cells.mean @ share, whole.mean[0]]),
        np.sqrt([variance.sum(), whole.cov[0, 0]]),
    )
    satterthwaite = (
        variance.sum() ** 2 / (variance**2 / (cells.n_effective - 1)).sum() if variance.sum() > 0 else np.nan
    )
    df = np.array([satterthwaite, whole.n_effective[0] - 1])
    half = t_quantile(conf_level, df) * std_error
    table = pd.DataFrame(
        {
            "term": ["standardised", "observed"],
            "estimate": estimate,
            "std_error": std_error,
            "df": df,
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "n": whole.n[0],
            "n_effective": whole.n_effective[0],
        }
    )
    provenance = Provenance("standardise", len(data), {"strata": strata, "reference": dict(reference)})
    return Estimates(
        table, int(whole.n[0]), float(whole.n_effective[0]), "direct standardisation", conf_level, provenance
    )
