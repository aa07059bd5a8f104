"""An instrument that changed: which version an answer belongs to, and how answers of several versions stay comparable.

Answers are coded by the version valid on their day. Where they meet, those on another scale are mapped linearly: the
position between the lowest and highest code, 0 to 100, stays what it was. Shares of answers (CSAT, NPS) have no such
map: outcomes asked on another scale are missing there rather than wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from qa_lib.study.instrument import Instrument
from qa_lib.study.ledger import LedgerBook

if TYPE_CHECKING:
    from qa_lib.study.responses import Responses

VERSION = "instrument_version"
"""The column of the responses that says by which version they were coded, where an instrument has several."""
Mapping100 = Literal["minmax", "ratio"]
Moments = Callable[[pd.Series | None, str, int, Sequence[pd.Timestamp]], pd.Series]
"""(dates as text, file, number of rows, days of change) → the moment each row was answered."""


def starts(instrument: Instrument) -> list[pd.Timestamp]:
    """The days on which the instrument changed."""
    return [pd.Timestamp(version.version) for version in instrument.versions[1:]]


def version_of(moments: pd.Series, instrument: Instrument) -> np.ndarray:
    """(n,) number of the version valid at each moment; without a moment the newest that the others have.

    Answers older than the first version are the first one's.
    """
    moment = moments.to_numpy("M8[us]")
    number = np.searchsorted(np.array(starts(instrument), dtype="M8[us]"), moment, side="right")
    known = ~np.isnat(moment)
    return np.where(known, number, number[known].max(initial=0))


def same_map(
    codes: np.ndarray, scale: tuple[int, int], target: tuple[int, int], mapping: Mapping100 = "minmax"
) -> np.ndarray:
    """Codes of one scale at the same position of another one: between its lowest and highest code, or, by ``ratio``,
    as a share of its highest.

    >>> same_map(np.array([1, 2, 3, 4, 5]), (1, 5), (1, 10)).tolist()
    [1.0, 3.25, 5.5, 7.75, 10.0]
    """
    (low, high), (new_low, new_high) = scale, target
    if mapping == "ratio":
        return codes * (new_high / high)
    return new_low + (codes - low) * ((new_high - new_low) / (high - low))


@dataclass(frozen=True, slots=True)
class Differences:
    """What changed from one version to another: items with another scale (item → the two scales), added, dropped,
    with other words, in another dimension; ``withheld``: outcomes with another scale."""

    day: str
    rescaled: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]
    withheld: list[str]
    added: list[str]
    dropped: list[str]
    reworded: list[str]
    moved: list[str]

    @property
    def of_items(self) -> bool:
        """Whether dimensions are made of other items, or of items that ask something else."""
        return bool(self.added or self.dropped or self.reworded or self.moved)


def differences(before: Instrument, after: Instrument) -> Differences:
    both = [item for item in after.items if item in before.items]
    old, new = before.items, after.items
    scales = {i: (before.scale_of(i), after.scale_of(i)) for i in both if before.scale_of(i) != after.scale_of(i)}
    return Differences(
        after.version,
        {item: pair for item, pair in scales.items() if new[item].role != "outcome"},
        [item for item in scales if new[item].role == "outcome"],
        [item for item in new if item not in old],
        [item for item in old if item not in new],
        [item for item in both if old[item].wording != new[item].wording],
        [item for item in both if old[item].dimension != new[item].dimension],
    )


def versions_in(data: pd.DataFrame, instrument: Instrument) -> list[Instrument]:
    """The versions by which some of the answers were coded, oldest first; the instrument where it has only one."""
    if VERSION not in data:
        return [instrument]
    present = set(data[VERSION].unique())
    return [version for version in instrument.versions if version.version in present]


def by_version(responses: Responses) -> list[Responses]:
    """The responses of each version with its own instrument."""
    if VERSION not in responses.data:
        return [responses]
    groups = {name: rows for name, rows in responses.data.groupby(VERSION)}
    return [
        replace(responses, data=groups[version.version], instrument=version)
        for version in versions_in(responses.data, responses.instrument)
    ]


def on_one_scale(
    responses: Responses, target: Instrument | None = None, mapping: Mapping100 = "minmax"
) -> tuple[Responses, list[Differences]]:
    """The responses as answers to one version, and in what the other versions among them differ from it.

    ``target`` is the newest version among the responses when not given; ``mapping`` is the study's ``index_mapping``,
    so that its indices stay what they were. Items no version among them asked are left out.
    The ledger has a rule for every code that was mapped (``rescaled``) or that has no place there (``other_scale``).
    """
    data = responses.data
    present = versions_in(data, responses.instrument)
    if VERSION not in data or not present:
        return responses, []
    target = target or present[-1]
    asked = {item for version in present for item in version.items}
    every = {item for version in responses.instrument.versions for item in version.items}
    data = data[[name for name in data if name in asked or name not in every]]
    book, columns = LedgerBook(), {}
    for item in (name for name in data if name in asked):
        having = [version for version in (*present, target) if item in version.items]
        columns[item] = _on_scale_of(data, item, having[-1], having[:-1], mapping, book)
    found = [differences(version, target) for version in present if version.version != target.version]
    ledger = responses.ledger
    if len(book):
        ledger = pd.concat([ledger, book.table()], ignore_index=True)
    return replace(responses, data=data.assign(**columns), ledger=ledger, instrument=target), found


def _on_scale_of(
    data: pd.DataFrame,
    item: str,
    target: Instrument,
    others: Sequence[Instrument],
    mapping: Mapping100,
    book: LedgerBook,
) -> pd.Series:
    answers, scale = data[item], target.scale_of(item)
    for version in others:
        own = version.scale_of(item)
        if own == scale:
            continue
        rows = (data[VERSION] == version.version) & answers.notna()
        counts = data.loc[rows, item].value_counts().sort_index()
        withheld = target.items[item].role == "outcome"
        codes = (
            np.full(len(counts), np.nan) if withheld else same_map(counts.index.to_numpy(float), own, scale, mapping)
        )
        answers = answers.mask(rows, np.nan if withheld else same_map(data[item].to_numpy(float), own, scale, mapping))
        reason = "other_scale" if withheld else "rescaled"
        book.rule(f"version {version.version}", item, counts.index, codes, counts, reason)
    return answers


def mapping_words(differ: Sequence[Differences]) -> str:
    """A sentence on the items whose answers were mapped or withheld; empty where none was."""
    rescaled = {item: pair for change in differ for item, pair in change.rescaled.items()}
    withheld = dict.fromkeys(item for change in differ for item in change.withheld)
    said = []
    if rescaled:
        (low, high), (new_low, new_high) = next(iter(rescaled.values()))
        said.append(
            f"answers to {', '.join(rescaled)} were given on different scales ({low} to {high}, then {new_low} to "
            f"{new_high}) and are mapped to one: compare them on 0–100 and with care"
        )
    if withheld:
        said.append(f"outcomes asked on another scale are missing: {', '.join(withheld)}")
    return "; ".join(said) + "." if said else ""


def version_findings(instrument: Instrument, data: pd.DataFrame) -> list[tuple[str, str, str, str, str]]:
    """What a person should look at where an instrument changed: ``severity, file, where, finding, advice``."""
    place, findings = "instrument.yaml", []
    first = instrument.versions[0].file.valid_from
    if first is not None and "date" in data and (early := data["date"] < pd.Timestamp(first)).any():
        finding = f"{early.sum()} responses are older than the instrument, which is valid from {first}."
        findings.append(("warning", place, "valid_from", finding, "They are read by its first version."))
    present = [version.version for version in versions_in(data, instrument)]
    for version in instrument.versions if len(instrument.versions) > 1 else ():
        if version.version not in present:
            finding = f"no response is of the version {version.version}."
            findings.append(("warning", place, f"versions → {version.version}", finding, "Compare its day."))
    return findings
