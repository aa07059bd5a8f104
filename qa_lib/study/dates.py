"""Dates as exports write them, and the periods they fall into."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd

from qa_lib.errors import ResponseError

UNITS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
_SHAPES = {
    "day": r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])",
    "week": r"[0-9]{4}-W(?:0[1-9]|[1-4][0-9]|5[0-3])",
    "month": r"[0-9]{4}-(?:0[1-9]|1[0-2])",
    "quarter": r"[0-9]{4}-Q[1-4]",
    "year": r"[0-9]{4}",
}
_YEARS = (1700, 2200)  # pandas counts nanoseconds from 1678 to 2261
_FORMATS = (
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %I:%M:%S %p", "%Y/%m/%d %p %I:%M:%S",
    "%Y-%m-%d %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d-%b-%Y %H:%M:%S", "%d-%b-%Y",
    "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日",
)  # fmt: skip
_MONTH_FIRST = (
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
)  # fmt: skip
_OFFSET = r"(?<=\d)\s*(?:Z|[+-]\d{2}:?\d{2})$"
_ZONE = r"\s*(?:GMT|UTC)(?:[+-]\d{1,2}(?::?\d{2})?)?$"
_HALVES = {"上午": "AM", "下午": "PM", "午前": "AM", "午後": "PM", "a.m.": "AM", "p.m.": "PM"}
_SECONDS = re.compile(
    r"^\s*(?:(\d+)\s*(?:小时|h|:(?=\d+:)))?\s*(?:(\d+)\s*(?:分钟?|min|m|:))?\s*(\d+(?:[.,]\d+)?)?\s*(?:秒|s|sec)?\s*$"
)
_LONGEST_DURATION = 40


def unit_of(period: str) -> str:
    """``day``, ``week``, ``month``, ``quarter`` or ``year``. Raises ``ResponseError`` for anything else.

    >>> unit_of("2026-W44"), unit_of("2026")
    ('week', 'year')
    """
    for unit, shape in _SHAPES.items():
        if re.fullmatch(shape, period):
            if not _exists(period, unit):
                raise ResponseError(f"period {period}: there is no such {unit} from {_YEARS[0]} to {_YEARS[1]}.")
            return unit
    raise ResponseError(f"period {period[:40]!r} is not written as 2026-10-31, 2026-W44, 2026-10, 2026-Q3 or 2026.")


def is_period(text: str) -> bool:
    """Whether :func:`unit_of` knows what it is: a copy of a report's folder bears no period's name.

    >>> is_period("2026-10"), is_period("2026-10 (copy)")
    (True, False)
    """
    try:
        unit_of(text)
    except ResponseError:
        return False
    return True


def _exists(period: str, unit: str) -> bool:
    year = int(period[:4])
    if not _YEARS[0] <= year <= _YEARS[1]:
        return False
    try:
        if unit == "week":
            date.fromisocalendar(year, int(period[6:]), 1)
        elif unit == "day":
            date.fromisoformat(period)
    except ValueError:
        return False
    return True


def labels(dates: pd.Series, unit: str) -> pd.Series:
    """The period of each date, missing where the date is.

    >>> labels(pd.Series(pd.to_datetime(["2026-08-31"])), "quarter").tolist()
    ['2026-Q3']
    """
    where, days = pd.factorize(dates.dt.normalize())  # each day is written once
    days = pd.Series(days)
    if unit != "quarter":
        names = days.dt.strftime(UNITS[unit]).astype("string")
    else:
        names = days.dt.strftime("%Y").astype("string") + "-Q" + days.dt.quarter.astype("string")
    return pd.Series(names.array.take(where, allow_fill=True), index=dates.index, name=dates.name)


def span(period: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last moment of a period.

    >>> span("2026-Q3")[0].date().isoformat(), span("2026-W01")[0].date().isoformat()
    ('2026-07-01', '2025-12-29')
    """
    if unit_of(period) == "week":
        monday = pd.Timestamp(date.fromisocalendar(int(period[:4]), int(period[6:]), 1))
        return monday, monday + pd.Timedelta(days=7) - pd.Timedelta(1, "ns")
    whole = pd.Period(
        period.replace("-Q", "Q"), freq={"day": "D", "month": "M", "quarter": "Q", "year": "Y"}[unit_of(period)]
    )
    return whole.start_time, whole.end_time


def parse_dates(cells: pd.Series, format: str | None = None) -> pd.Series:
    """Dates and times as local wall-clock time, ``NaT`` where a cell is no date of the years 1700 to 2200.

    ISO dates, those of 问卷星 (``2026/10/3 14:22:05``) and Google Forms (``2026/10/03 2:22:05 PM GMT+8``, ``下午``) and
    day-first dates with dots are understood; dates with two slashes only when one reading fits them all.

    Raises
    ------
    ResponseError : slashed dates can be read month first and day first

    >>> parse_dates(pd.Series(["2026-10-03 09:00:00", "2026-10-03T09:00:00+08:00"])).dt.hour.tolist()
    [9, 9]
    """
    try:
        dates = _parsed(cells, format)
    except ValueError as error:
        raise ResponseError(f"study.yaml: period: format: {format!r} is no format of dates: {error}.") from None
    return dates.where(dates.dt.year.between(*_YEARS))


def _parsed(cells: pd.Series, format: str | None) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(cells):
        return cells.dt.tz_localize(None) if cells.dt.tz is not None else cells
    text = _in_english(cells.astype("string").str.strip())
    if (zoned := _offsets(text).notna()).any():
        text = text.mask(zoned, text[zoned].str.replace(_OFFSET, "", regex=True))
    if format is not None:
        return pd.to_datetime(text, format=format, errors="coerce")
    parsed = iso_moments(text)
    for candidate in _FORMATS:
        if (open_ := parsed.isna() & text.notna()).any():
            parsed = parsed.fillna(pd.to_datetime(text.where(open_), format=candidate, errors="coerce"))
    slashed = parsed.isna() & text.str.match(r"\d{1,2}/\d{1,2}/\d{4}").fillna(False)
    return parsed.fillna(_slashed(text[slashed])) if slashed.any() else parsed


def iso_moments(text: pd.Series) -> pd.Series:
    """ISO dates and times; one with a sign that ends no offset, such as ``10:2-5:47``, is none."""
    try:
        found = pd.to_datetime(text, format="ISO8601", errors="coerce")
    except ValueError:  # pandas takes it for an offset, which others have not
        found = None
    if found is not None and found.dt.tz is None:
        return found
    signed = text.str.contains(r"[T ]\d.*[-+Z]").fillna(False).astype(bool)
    return pd.to_datetime(text.mask(signed), format="ISO8601", errors="coerce")


def _offsets(text: pd.Series) -> pd.Series:
    """The offset from UTC at the end of each text, missing where it has none.

    Only texts with a sign or Z where an offset has it are looked at, each distinct ending once.
    """
    signs = text.str.slice(-6, -4).isin([*(f"{sign}{n}" for sign in "+-" for n in range(10))])
    signs |= text.str.slice(-5, -4).isin(["+", "-"]) | (text.str.slice(-1) == "Z")
    where, endings = pd.factorize(text.str.slice(-8).where(signs.fillna(False)))
    found = [re.search(_OFFSET, f"0{ending}") for ending in np.asarray(endings, dtype=object)]
    offsets = [match and match.group().strip().replace("Z", "+00:00") for match in found]
    return pd.Series(np.array([*offsets, None], dtype=object)[where], index=text.index)


def _in_english(text: pd.Series) -> pd.Series:
    """Halves of the day as AM and PM, without a zone's name at the end."""
    drifts = text.str.contains("午|GMT|UTC|[ap]\\.m\\.", regex=True).fillna(False)
    if not drifts.any():
        return text
    found = text[drifts].str.replace(_ZONE, "", regex=True)
    for half, english in _HALVES.items():
        found = found.str.replace(rf"\s*{re.escape(half)}\s*", f" {english} ", regex=True).str.strip()
    return text.mask(drifts, found)


def month_first(cells: pd.Series) -> str:
    """The format with the month first that fits most of dates with slashes.

    >>> month_first(pd.Series(["10/3/2026 9:05:07", "10/4/2026 19:30:00"]))
    '%m/%d/%Y %H:%M:%S'
    """
    text = _in_english(cells.astype("string").str.strip())
    return max(_MONTH_FIRST, key=lambda form: pd.to_datetime(text, format=form, errors="coerce").notna().sum())


def elapsed(start: pd.Series, end: pd.Series) -> pd.Series:
    """Seconds from start to end, NaN where one of them is no date or the end comes first.

    >>> elapsed(pd.Series(["10/03/2026 09:00:00 AM"]), pd.Series(["10/03/2026 09:01:30 AM"])).tolist()
    [90.0]
    """
    began, ended = (_dates_or_month_first(cells) for cells in (start, end))
    duration = (ended - began).dt.total_seconds()
    return duration.where(duration >= 0)


def _dates_or_month_first(cells: pd.Series) -> pd.Series:
    try:
        return parse_dates(cells)
    except ResponseError:
        return parse_dates(cells, month_first(cells))


def seconds(values: pd.Series) -> pd.Series:
    """Durations such as ``85秒``, ``1分25秒``, ``00:01:25``, ``85,0`` in seconds; NaN where it is neither.

    >>> seconds(pd.Series(["85秒", "1分25秒", "0:01:25", "85,5", "soon"])).tolist()
    [85.0, 85.0, 85.0, 85.5, nan]
    """
    texts = values.astype("string")
    parts = texts.where(texts.str.len() <= _LONGEST_DURATION).str.extract(_SECONDS.pattern)
    parts = parts.apply(lambda column: column.str.replace(",", ".", regex=False)).astype(float)
    total = parts.fillna(0) @ [3600, 60, 1]
    return total.where(parts.notna().any(axis=1))


def _slashed(text: pd.Series) -> pd.Series:
    month_first = _first_that_fits(text, _MONTH_FIRST)
    day_first = _first_that_fits(text, [pattern.replace("%m/%d", "%d/%m") for pattern in _MONTH_FIRST])
    if month_first.notna().sum() != day_first.notna().sum():
        return max(month_first, day_first, key=lambda dates: dates.notna().sum())
    if (month_first == day_first).all():
        return month_first
    raise ResponseError(
        f"dates such as {text.iloc[0]!r} can be read month first and day first. "
        "Say which in study.yaml: period: {column: …, format: '%m/%d/%Y'}."
    )


def _first_that_fits(text: pd.Series, formats: list[str] | tuple[str, ...]) -> pd.Series:
    readings = [pd.to_datetime(text, format=pattern, errors="coerce") for pattern in formats]
    return max(readings, key=lambda dates: dates.notna().sum())


def local_times(cells: pd.Series, timezone: str | None = None, format: str | None = None) -> pd.Series:
    """Dates and times of a record as local wall-clock time, ``NaT`` where a cell is none.

    Times with an offset are turned into ``timezone``; those without are in it already.

    Raises
    ------
    ResponseError : offsets differ, or only some times have one, and no ``timezone`` is given

    >>> local_times(pd.Series(["2026-10-03T01:00:00Z", "2026-10-03 09:30"]), "Asia/Shanghai").dt.hour.tolist()
    [9, 9]
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        zoned = timezone is not None and cells.dt.tz is not None
        return (cells.dt.tz_convert(timezone).dt.tz_localize(None) if zoned else parse_dates(cells)).dt.as_unit("us")
    text = cells.astype("string").str.strip().replace("", pd.NA)
    offset = _offsets(text)
    zoned = offset.notna()
    if timezone is None and (mixed := offset[text.notna()].fillna("none").unique()).size > 1:
        raise ResponseError(
            f"column {cells.name!r}: time zones are mixed ({', '.join(sorted(mixed))}). Name the service's own under "
            "timezone, such as Asia/Shanghai; every time is then turned into it."
        )
    local = parse_dates(text if timezone is None else text.mask(zoned), format)
    if timezone is not None and zoned.any():
        moments = pd.to_datetime(text.where(zoned), errors="coerce", utc=True, format=format or "ISO8601")
        local = local.fillna(moments.dt.tz_convert(timezone).dt.tz_localize(None))
    return local.dt.as_unit("us")
