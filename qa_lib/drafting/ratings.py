"""Which numbers are ratings, and which of their codes stand for no answer, by how answers go together.

Ratings of one survey go with one another, kinds (a region's number, yes and no) do not. Who is further up a scale rates
the rest higher, who gave a code for no answer rates it as all do: so 0 and 6 around 1 to 5 tell themselves apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

_SURE = 3.29  # standard errors; two-sided p = .001
_TOGETHER = 0.2  # a smaller correlation with the ratings is none worth the name (Cohen 1988: .1 small, .3 medium)
_APART = 0.3  # standard deviations that the rest lies on the wrong side of the neighbouring code's
_ENOUGH = 50  # respondents; fewer tell nothing
_RARE = 0.03  # codes that fewer gave are no degrees of their own
_LONG = 5  # steps from the lowest to the highest code, more than kinds usually have
_TOPS = (3, 4, 5, 6, 7, 9, 10)

Range = tuple[int, int]


def batteries(codes: pd.DataFrame, blocks: Sequence[Sequence[str]]) -> dict[str, pd.Series]:
    """What respondents of whole batteries tend to: by column, the signed mean of the battery's other columns.

    ``codes`` are respondents × columns, NaN where there is no number. A battery is a block of three columns or more
    whose answers take three degrees or more and go with one another. The ends of long scales, which may be codes for
    no answer, are left out.
    """
    found = {}
    for block in blocks:
        own = codes[list(block)]
        if len(block) < 3 or own.notna().any(axis=1).sum() < _ENOUGH or degrees(own) < 3:
            continue
        inner = _standardised(_inner(own))
        signed = inner * _signs(inner)
        n, total = signed.notna().sum(axis=1), signed.sum(axis=1)
        rests = {name: (total - signed[name].fillna(0)) / (n - signed[name].notna()).replace(0, np.nan) for name in own}
        if np.median([_going_together(own[name], rest) for name, rest in rests.items()]) >= _TOGETHER:
            found |= rests
    return found


def kinds(codes: pd.DataFrame, rests: Mapping[str, pd.Series], ranges: Mapping[str, Range]) -> set[str]:
    """The columns whose numbers are no ratings: they go with no battery, and share no long scale with any.

    Of a battery's own columns, those that go with no two others. Without a battery nothing can be told.
    """
    members = [name for name in codes if name in rests]
    if not members:
        return set()
    close = _standardised(codes[members]).corr(min_periods=_ENOUGH).abs()
    close = close.where(~np.eye(len(members), dtype=bool))
    strangers = {name for name in members if close[name].nlargest(2).min() < _TOGETHER / 2}
    used = {ranges[name] for name in members if ranges[name][1] - ranges[name][0] >= _LONG}
    apart = [name for name in codes if name not in rests and ranges[name] not in used]
    overall = _overall(rests)
    return strangers | {
        name for name in apart if codes[name].count() >= _ENOUGH and _going_together(codes[name], overall) < _TOGETHER
    }


def no_answers(
    codes: pd.DataFrame, rests: Mapping[str, pd.Series], families: Mapping[Hashable, Sequence[str]]
) -> dict[Hashable, list[int]]:
    """By family of columns on one scale, the codes at its ends that stand for no answer.

    Such a code's respondents rate the rest surely less extremely than those of the code beside it (difference of
    means, pooled over the family's columns by inverse variance).
    """
    overall = _overall(rests) if rests else None
    found: dict[Hashable, list[int]] = {}
    for family, names in families.items():
        own = codes[list(names)]
        against = {name: rests.get(name, overall) for name in names}
        while overall is not None and (code := _odd_end(own, against)) is not None:
            found.setdefault(family, []).append(code)
            own = own.mask(own == code)
    return {family: sorted(odd) for family, odd in found.items()}


def _odd_end(own: pd.DataFrame, against: Mapping[str, pd.Series]) -> int | None:
    present = np.unique(own.to_numpy()[own.notna().to_numpy()])
    if len(present) < 4:
        return None
    low, high = int(present[0]), int(present[-1])
    rests_on_top = int(present[-2]) in _TOPS and present[1] <= 1
    if rests_on_top and _is_odd(own, against, high, int(present[-2])):
        return high
    return 0 if low == 0 and present[1] == 1 and _is_odd(own, against, 0, 1) else None


def _is_odd(own: pd.DataFrame, against: Mapping[str, pd.Series], code: int, beside: int) -> bool:
    """Whether the rest of those who gave ``code`` lies surely on the wrong side of that of those ``beside``."""
    gaps, weights = [], []
    for name, rest in against.items():
        here, there = (rest[own[name] == value].dropna() for value in (code, beside))
        spread = rest.std()
        if len(here) < 2 or len(there) < 2 or not spread > 0:
            continue
        sign = np.sign(_correlation(_inner(own[[name]])[name], rest)) * (1 if code > beside else -1)
        gaps.append(sign * (there.mean() - here.mean()) / spread)
        weights.append(1 / (1 / len(here) + 1 / len(there)))
    if not gaps:
        return False
    gap = np.average(gaps, weights=weights)
    return bool(gap > _APART and gap * np.sqrt(np.sum(weights)) > _SURE)


def degrees(own: pd.DataFrame) -> int:
    """How many codes above 0 are given by more than a few."""
    values = own.to_numpy()[own.notna().to_numpy()]
    _, counts = np.unique(values[values > 0], return_counts=True)
    return int((counts >= _RARE * len(values)).sum())


def _inner(own: pd.DataFrame) -> pd.DataFrame:
    """The answers without those at the ends of a scale of six codes or more."""
    low, high = own.min().min(), own.max().max()
    return own.where((own > low) & (own < high)) if high - low >= _LONG else own.where(own > 0)


def _standardised(own: pd.DataFrame) -> pd.DataFrame:
    return (own - own.mean()) / own.std().replace(0, np.nan)


def _signs(own: pd.DataFrame) -> np.ndarray:
    """1 or -1 by the first component of the pairwise correlations."""
    together = own.corr(min_periods=10).fillna(0).to_numpy().copy()
    np.fill_diagonal(together, 1.0)
    signs = np.sign(np.linalg.eigh(together)[1][:, -1])
    signs[signs == 0] = 1.0
    return signs if signs.sum() >= 0 else -signs


def _overall(rests: Mapping[str, pd.Series]) -> pd.Series:
    return pd.concat(rests.values(), axis=1).mean(axis=1)


def _going_together(answers: pd.Series, rest: pd.Series) -> float:
    """The larger of the correlations with all codes and without those at the ends; 0 where it may be chance."""
    inner = _inner(answers.to_frame()).iloc[:, 0]
    return max(abs(_correlation(answers, rest)), abs(_correlation(inner, rest)))


def _correlation(a: pd.Series, b: pd.Series) -> float:
    both = a.notna() & b.notna()
    x, y = a[both].to_numpy(), b[both].to_numpy()
    if len(x) < 10 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    r = float(np.corrcoef(x, y)[0, 1])
    return r if np.arctanh(min(abs(r), 0.999999)) > _SURE / np.sqrt(len(x) - 3) else 0.0
