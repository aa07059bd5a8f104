"""The words, numbers and dates of the report: one catalogue, every entry in every language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files

import yaml
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal, format_percent

from qa_lib.errors import RenderError

_BABEL_LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}
LANGUAGES = tuple(_BABEL_LOCALES)
_BESIDE = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Za-zα-ωΑ-Ω])|(?<=[A-Za-zα-ωΑ-Ω])(?=[\u4e00-\u9fff])")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, where it was built: half a second a process


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every entry of ``locale/*.yaml``, key → language → words. A key stands in one file only."""
    entries: dict[str, Mapping[str, str]] = {}
    for source in sorted(files("qa_lib.report").joinpath("locale").iterdir(), key=lambda entry: entry.name):
        if source.name.endswith(".yaml"):
            loaded = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)
            if doubled := entries.keys() & loaded.keys():
                raise RenderError(f"locale/{source.name}: {sorted(doubled)} already stand in another file.")
            entries.update(loaded)
    return entries


class Text:
    """Words and formats of one language.

    >>> text = Text("zh")
    >>> text("rater_index"), text.number(3.14159, 2), text.period("2026-10")
    ('RATER 指数', '3.14', '2026年10月')
    """

    __slots__ = ("_locale", "lang")

    def __init__(self, lang: str) -> None:
        if lang not in LANGUAGES:
            raise RenderError(f"language {lang!r} is not known. Allowed: {', '.join(LANGUAGES)}.")
        self.lang = lang
        try:
            self._locale = Locale.parse(_BABEL_LOCALES[lang])
        except UnknownLocaleError as error:
            raise RenderError(f"Babel does not know the locale of {lang!r}: {error}") from error

    def __call__(self, key: str, **values: object) -> str:
        """The words of ``key`` with ``values`` filled in; a space stands between Chinese and Latin letters."""
        try:
            return _BESIDE.sub(" ", catalogue()[key][self.lang].format(**values))
        except KeyError as error:
            raise RenderError(f"the catalogue has no {self.lang} words, or no value, for {key!r}: {error}") from None

    def has(self, key: str) -> bool:
        return key in catalogue()

    def of(self, words: Mapping[str, str] | None, default: str = "") -> str:
        """This language's words of a study's own text, else its first language's."""
        return words.get(self.lang) or next(iter(words.values()), default) if words else default

    def number(self, value: float | None, digits: int = 1) -> str:
        """A number with a fixed count of digits after the point; an en dash where there is none."""
        if value is None or value != value:
            return "–"
        rounded = round(float(value), digits) + 0.0  # no negative zero
        pattern = f"#,##0.{'0' * digits}".rstrip(".")
        return format_decimal(rounded, pattern, locale=self._locale).replace("-", "−")

    def signed(self, value: float | None, digits: int = 1) -> str:
        rounded = self.number(value, digits)
        return f"+{rounded}" if re.search("[1-9]", rounded) and float(value) > 0 else rounded

    def count(self, value: float) -> str:
        return self.number(value, 0)

    def percent(self, share: float | None, digits: int = 0) -> str:
        if share is None or share != share:
            return "–"
        shown = format_percent(share, f"#,##0.{'0' * digits}%".replace(".%", "%"), locale=self._locale)
        return shown.replace("-", "−")

    def interval(self, low: float | None, high: float | None, digits: int = 1) -> str:
        if low is None or low != low:
            return "–"
        return f"{self.number(low, digits)} {self('to')} {self.number(high, digits)}"

    def ranks(self, low: float, high: float) -> str:
        """A range of ranks, or the one rank it holds."""
        return self.count(low) if low == high else self.interval(low, high, 0)

    def p_value(self, p: float | None) -> str:
        if p is None or p != p:
            return "–"
        return "< 0.001" if p < 0.001 else self.number(p, 3)

    def p_statement(self, p: float) -> str:
        """``p < 0.001`` or ``p = 0.034``, for a sentence."""
        shown = self.p_value(p)
        return f"p {shown}" if shown.startswith("<") else f"p = {shown}"

    def period(self, period: str) -> str:
        """A month, quarter, year, week or day as the language writes it."""
        parts = period.split("-")
        if len(parts) == 1:
            return self("year", year=parts[0])
        if parts[1].startswith("Q"):
            return self("quarter", year=parts[0], quarter=parts[1][1:])
        if parts[1].startswith("W"):
            return self("week", year=parts[0], week=int(parts[1][1:]))
        if len(parts) == 2:
            return format_skeleton("yMMMM", date(int(parts[0]), int(parts[1]), 1), locale=self._locale)
        return format_date(date.fromisoformat(period), "long", locale=self._locale)

    def short_period(self, period: str) -> str:
        parts = period.split("-")
        if len(parts) == 2 and parts[1].isdigit():
            return format_skeleton("yMMM", date(int(parts[0]), int(parts[1]), 1), locale=self._locale)
        return self.period(period)

    def season(self, term: str) -> str:
        """A month (``01`` … ``12``) or quarter (``Q1`` … ``Q4``) of any year."""
        if term.startswith("Q"):
            return self("season_quarter", quarter=term[1:])
        return format_skeleton("MMMM", date(2000, int(term), 1), locale=self._locale)

    def join(self, phrases: list[str]) -> str:
        """``a, b and c`` as the language lists things."""
        if len(phrases) < 2:
            return "".join(phrases)
        listed = self("list_comma").join(phrases[:-1]) + self("list_and") + phrases[-1]
        return _BESIDE.sub(" ", listed)
