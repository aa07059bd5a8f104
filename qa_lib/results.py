"""The one shape of a result: tidy rows, a glance of one row, verdicts against cited criteria, provenance."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

import qa_lib
from qa_lib.criteria import Criteria, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        tables = [self.glance().T.rename(columns={0: ""}), self.tidy()]
        return "".join(table.to_html(float_format="{:.3f}".format, na_rep="", border=0) for table in tables)
