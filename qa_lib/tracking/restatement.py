"""What a report said and what the data say now: answers that arrive late restate a month, and it must show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from qa_lib.errors import ResponseError
from qa_lib.results import Result

_KEYS = ("term", "group", "period")
_VALUES = ("estimate", "conf_low", "conf_high", "n")
_COLUMNS = [
    *_KEYS, "status", "reported", "current", "change", "n_reported", "n_current", "outside",
]  # fmt: skip


def figures(result: Result | pd.DataFrame, period: str | int) -> list[dict[str, str | float | None]]:
    """The figures of a result as plain data, for a report to keep in its manifest.json.

    One mapping per row: ``term``, ``group`` (the result's group column, else empty), ``period``, ``estimate``,
    ``conf_low``, ``conf_high``, ``n``; missing numbers are None, so that JSON holds it.

    >>> import qa_lib as qa
    >>> figures(qa.csat([5, 4, 2, 5]), "2026-10")[0]["estimate"]
    0.75
    """
    table = result.tidy() if isinstance(result, Result) else result
    return [
        {"term": str(row["term"]), "group": str(_or(row.get("group"), "")), "period": str(period)}
        | {name: _or(row.get(name), None, float) for name in _VALUES}
        for row in table.to_dict("records")
    ]


def restated(earlier: Iterable[Mapping], current: Iterable[Mapping], tolerance: float = 1e-9) -> pd.DataFrame:
    """The figures that no longer are what was reported, a row each; empty when nothing changed.

    ``earlier`` and ``current`` are lists as ``figures`` gives them, such as those of an earlier manifest.json and of
    the data as they are now. Columns: term, group, period, ``status`` (``restated``, ``added`` to what was reported,
    or ``withdrawn`` from it), ``reported``, ``current``, ``change``, ``n_reported``, ``n_current``, ``outside`` (the
    current figure lies outside the interval that was reported: the report misled). A figure counts as changed when
    its estimate (relative ``tolerance``) or its n differs. Raises ``ResponseError`` for a figure that stands twice or
    lacks its term or period.

    >>> before = [{"term": "nps", "period": "2026-09", "estimate": 20.0, "conf_low": 12, "conf_high": 28, "n": 300}]
    >>> now = [{"term": "nps", "period": "2026-09", "estimate": 18.5, "conf_low": 11, "conf_high": 26, "n": 312}]
    >>> restated(before, now)[["status", "change", "outside"]].values.tolist()
    [['restated', -1.5, False]]
    """
    then, now = _by_key(earlier, "earlier"), _by_key(current, "current")
    rows = []
    for key in dict.fromkeys([*then, *now]):
        old, new = then.get(key), now.get(key)
        if old is not None and new is not None and _same(old, new, tolerance):
            continue
        status = "added" if old is None else "withdrawn" if new is None else "restated"
        reported, found = ((figure or {}).get("estimate", math.nan) for figure in (old, new))
        row = dict(zip(_KEYS, key, strict=True)) | {"status": status, "reported": reported, "current": found}
        row |= {"change": found - reported, "n_reported": (old or {}).get("n", math.nan)}
        low, high = ((old or {}).get(name, math.nan) for name in ("conf_low", "conf_high"))
        rows.append(row | {"n_current": (new or {}).get("n", math.nan), "outside": bool(found < low or found > high)})
    return pd.DataFrame(rows, columns=_COLUMNS)


def _by_key(entries: Iterable[Mapping], which: str) -> dict[tuple[str, str, str], dict[str, float]]:
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for entry in entries:
        if absent := [name for name in ("term", "period") if name not in entry]:
            raise ResponseError(f"restated: a figure of {which} has no {absent[0]}; pass what qa.figures gives.")
        key = (str(entry["term"]), str(_or(entry.get("group"), "")), str(entry["period"]))
        if key in found:
            raise ResponseError(f"restated: {' '.join(key)} stands twice in {which}.")
        found[key] = {name: _or(entry.get(name), math.nan, float) for name in _VALUES}
    return found


def _same(old: Mapping[str, float], new: Mapping[str, float], tolerance: float) -> bool:
    both_missing = math.isnan(old["estimate"]) and math.isnan(new["estimate"])
    estimate = both_missing or math.isclose(old["estimate"], new["estimate"], rel_tol=tolerance, abs_tol=tolerance)
    unknown = math.isnan(old["n"]) or math.isnan(new["n"])
    return estimate and (unknown or old["n"] == new["n"])


def _or(value: object, otherwise: object, kind: type = str):
    return otherwise if value is None or pd.isna(value) else kind(value)
