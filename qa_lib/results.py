"""The one shape of a result: tidy rows, a glance of one row, verdicts against cited criteria, provenance."""

from __future__ import annotations

import platform
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

import qa_lib
from qa_lib.criteria import Criteria, judge

TIDY_COLUMNS = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a result came to be: the call, its settings, the number of rows it saw and the versions it ran under."""

    function: str
    n: int | float
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())


@cache
def _versions() -> Mapping[str, str]:
    """Read once: every result asks, and looking them up costs milliseconds."""
    packages = {name: version(name) for name in ("numpy", "pandas")}
    return MappingProxyType({"qa_lib": qa_lib.__version__, "python": platform.python_version(), **packages})


class Result(ABC):
    """Base of every result. Subclasses are frozen, slotted dataclasses with a ``provenance`` field."""

    __slots__ = ()

    @abstractmethod
    def tidy(self) -> pd.DataFrame:
        """A row per term, with the columns of ``TIDY_COLUMNS`` that apply and any that locate the term."""

    @abstractmethod
    def glance(self) -> pd.DataFrame:
        """One row: n, method, converged, fit measures."""

    def judge(self, criteria: Criteria | None = None) -> pd.DataFrame:
        """Verdicts on every term of ``tidy()`` and measure of ``glance()`` for which a criterion is known.

        Columns: those that locate the term (``term, dimension, item, group``), ``estimate, conf_low, conf_high,
        verdict`` (``met``, ``not_met`` or ``undecided`` when the interval holds the threshold), ``threshold,
        level, source``.
        """
        return judge(self.tidy(), self.glance(), criteria or Criteria.default())

    def _repr_html_(self) -> str:
        """What Jupyter shows: the name over the one row of ``glance()``, stood up, and the rows of ``tidy()``."""
        name = _WORD.sub(" ", type(self).__name__).capitalize()
        measures = {measure: _cell(value.iloc[0], measure) for measure, value in self.glance().items()}
        upright = pd.DataFrame({"measure": measures.keys(), "value": measures.values()}, dtype=object)
        return _html(upright, name) + _html(self.tidy(), f"{name}: rows of tidy()")


_WORD = re.compile("(?<=[a-z])(?=[A-Z])")
_ROWS_SHOWN = 60


def _html(table: pd.DataFrame, caption: str) -> str:
    """A table with a caption; of a long one the first rows, and how many there are."""
    shown = table.head(_ROWS_SHOWN)
    rows = (
        "".join(f"<td>{escape(_cell(value, name))}</td>" for name, value in zip(table.columns, row, strict=True))
        for row in shown.itertuples(index=False, name=None)
    )
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    more = f" (first {len(shown)} of {len(table)})" if len(shown) < len(table) else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption + more)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: object, column: object = "") -> str:
    """A value as one reads it: three decimals, small numbers by their power of ten, nothing where there is none."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return ", ".join(_cell(part) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_cell(part)}" for key, part in value.items())
    if pd.isna(value):
        return ""
    if isinstance(value, (float, np.floating)):
        return _number(float(value), str(column))
    return str(value)


def _number(value: float, column: str) -> str:
    if column.startswith(("p_value", "p_adjusted")) and value < 0.001:
        return "< 0.001"
    if value == 0 or not np.isfinite(value):
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) >= 0.0005 else f"{value:.1e}"
