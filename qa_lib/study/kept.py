"""A study's responses as they are kept: in one table while they are few, else period by period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from qa_lib.study import cleaning
from qa_lib.study.dates import labels, unit_of
from qa_lib.study.partitions import Partitions, Weighted, is_large, partitions
from qa_lib.study.responses import Responses, warn_of
from qa_lib.study.versions import on_one_scale

if TYPE_CHECKING:
    from qa_lib.study.study import Study

_known: dict[Path, tuple[str, Partitions]] = {}


@dataclass(frozen=True)
class Whole:
    """All responses of a study in one table."""

    responses: Responses
    fingerprint: str

    def periods(self, unit: str | None = None) -> list[str]:
        """The periods with responses: the study's own, or all of a unit."""
        data = self.responses.data
        if unit is not None and "date" in data and data["date"].notna().any():
            return sorted(labels(data["date"].dropna(), unit).unique())
        return [name for name in sorted(data["period"].unique()) if unit in (None, unit_of(name))]

    def values(self, column: str) -> set[str]:
        """Every value of a segment, as text."""
        return set(self.responses.data.get(column, pd.Series(dtype=object)).astype(str))

    def digest(self, period: str) -> str:
        """What the responses of a period follow from, hashed."""
        return self.fingerprint

    def summaries(self) -> None:
        """Such a study needs no place to keep what follows from a period: it is soon computed again."""

    def answers(self, period: str, weighted: Weighted) -> Responses:
        """The responses of a period, possibly none; ``weighted`` gives responses their weights."""
        everything = weighted(self.responses)
        wanted = cleaning.in_period(everything.data, period)
        data, ledger = everything.data[wanted].reset_index(drop=True), everything.ledger
        its_rows = ledger["period"].isin(data["period"].unique())
        whole_columns = ledger["row"].isna() & ledger["file"].isin(data["source_file"].unique())
        return Responses(data, ledger[its_rows | whole_columns].reset_index(drop=True), everything.instrument)

    def everything(self, weighted: Weighted) -> Responses:
        return weighted(self.responses)


def kept(study: Study) -> Whole | Partitions:
    """A study's responses; exports are read again only when they, study.yaml, instrument.yaml or the code changed."""
    fingerprint = cleaning.fingerprint_of(study)
    known = _known.get(study.path)
    if known is not None and known[0] == fingerprint:
        return known[1]
    if not is_large(study):
        return Whole(cleaning.processed_responses(study), fingerprint)
    found = partitions(study)
    warn_of(found.doubts)
    _known[study.path] = (fingerprint, found)
    return found


def read_anew(study: Study) -> Iterator[Responses]:
    """The responses on one scale, in one table or, of a large study, period by period; raises what reading raises."""
    if not is_large(study):
        yield on_one_scale(cleaning.build(study))[0]
        return
    found = partitions(study)
    for name in found.periods():
        yield on_one_scale(found.answers(name, lambda responses: responses), study.instrument)[0]
