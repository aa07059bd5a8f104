"""Who answered: response rates, how the make-up drifts, means standardised to a reference make-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from qa_lib.errors import ResponseError
from qa_lib.results import Provenance
from qa_lib.sufficient.weights import effective_n
from qa_lib.tracking.estimates import (
    Estimates,
    Weights,
    check_columns,
    half_width,
    item_matrix,
    mean_estimates,
    respondent_weights,
    row_means,
    wilson,
)
from qa_lib.tracking.periods import adjust_p
from qa_lib.tracking.raking import margin_codes

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
    check_columns(contacts, *filter(None, (disposition, by)), what="contacts")
    if eligibility is not None and not 0 <= eligibility <= 1:
        raise ResponseError(f"eligibility is {eligibility}; it is a share between 0 and 1.")
    known = contacts[disposition].map(_disposition)
    if known.isna().any():
        unknown = contacts[disposition][known.isna()].unique().tolist()
        raise ResponseError(f"contacts: unknown dispositions {unknown}; known: {', '.join(DISPOSITIONS)}, AAPOR codes.")
    groups = known.groupby(contacts[by]) if by else [(None, known)]
    if known.empty or (by and contacts[by].isna().all()):
        raise ResponseError(f"contacts: there is no contact{f' with a {by}' if by else ''}; no rate can be given.")
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
        frame = _segment_frame(data, period, segment).assign(w=w)[w > 0]
        categories = sorted(frame["segment"].dropna().unique(), key=str)
        for name, part in frame.dropna(subset=["segment"]).groupby("period", sort=True):
            n = effective_n(part["w"])
            shares = part.groupby("segment")["w"].sum().reindex(categories, fill_value=0) / part["w"].sum()
            for category, share in shares.items():
                low, high = wilson(share, n, conf_level)
                row = {"dimension": segment, "term": category, "period": name, "estimate": share}
                rows.append(row | {"conf_low": low, "conf_high": high, "n": n})
    if not rows:
        raise ResponseError(f"no respondent has a {period} and a {' or '.join(map(str, segments))}.")
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
    check_columns(data, period, segment)
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
    codes, share = margin_codes(data, strata, reference)
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
    half = half_width(std_error, df, conf_level)
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
