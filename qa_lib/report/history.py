"""Dimension scores of whole periods as sums by group: what pages say of periods beside their own.

A large study keeps them under ``data/processed``, so that a period is read once, whatever the pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from qa_lib.report.files import write_whole
from qa_lib.report.suppression import hidden_of_counts, parts_of
from qa_lib.study.study import Study
from qa_lib.tracking import estimates
from qa_lib.tracking.estimates import MeanSums, respondent_weights

_ORIGIN = 50.0  # scores run from 0 to 100
_NOBODY = "\0nobody"  # not a NUL alone: pandas takes one off the end of a text


def scores_of(study: Study, data: pd.DataFrame) -> pd.DataFrame:
    """Each respondent's dimension means on 0–100, by the study's own map of the answer scale."""
    columns = {}
    for dimension, items in study.instrument.dimensions.items():
        rescaled = [_to_100(study, item, data[item]) for item in items if item in data]
        if rescaled:
            columns[dimension] = pd.concat(rescaled, axis=1).mean(axis=1)
    return pd.DataFrame(columns, index=data.index)


def _to_100(study: Study, item: str, answers: pd.Series) -> pd.Series:
    low, high = study.instrument.scale_of(item)
    return 100 * answers / high if study.spec.index_mapping == "ratio" else 100 * (answers - low) / (high - low)


def score_sums(study: Study, period: str, columns: Sequence[str] = ()) -> dict[tuple[str, ...], MeanSums]:
    """The sums of everyone's scores, ``{(): …}``, or of every group of one or two segments, by the groups' names."""
    return dict(_score_sums(study.path, study.digest(period), period, tuple(columns), _Opened(study)))


def hidden_in(study: Study, column: str, period: str) -> set[str]:
    """The groups of a segment that may not be shown in a period."""
    counts = _counts(study, column, period)
    return hidden_of_counts(counts, period, study.spec.minimum_cell) if period in counts else set()


def _counts(study: Study, column: str, period: str) -> dict[str, pd.Series]:
    """Answers by group in the period and all its parts that have any, the finest first."""
    finer = {name: counts for part in parts_of(period) for name, counts in _counts(study, column, part).items()}
    groups = {name[0]: sums.n_rows for name, sums in score_sums(study, period, (column,)).items()}
    own = pd.Series(groups, dtype=int).sort_index()
    return finer | ({period: own} if len(own) or not finer else {})


class _Opened:
    """Carries a study past the cache, whose key is its path and what its responses follow from."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opened)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _score_sums(path: Path, digest: str, period: str, columns: tuple[str, ...], opened: _Opened) -> Mapping:
    study = opened.study
    folder = study.summaries()
    if folder is None:
        return _computed(study, period, columns)
    place = folder / f"scores.{_name(study, digest, columns)}.npz"
    if place.is_file():
        return _read(place, columns)
    found = _computed(study, period, columns)
    _write(found, place)
    return found


def _name(study: Study, digest: str, columns: tuple[str, ...]) -> str:
    code = b"".join(Path(file).read_bytes() for file in (__file__, estimates.__file__))
    said = [digest, *columns, study.spec.index_mapping, repr(sorted(study.spec.margins.items()))]
    return hashlib.sha256("\0".join(said).encode() + code).hexdigest()[:32]


def _computed(study: Study, period: str, columns: tuple[str, ...]) -> dict[tuple[str, ...], MeanSums]:
    answered = study.answers(period)
    data = answered.data
    scores = scores_of(replace(study, instrument=answered.instrument), data).to_numpy()
    weights = respondent_weights("weight" if "weight" in data else None, data) if len(data) else np.empty(0)
    if not columns:
        codes, names = np.zeros(len(data), dtype=int), [()]
    elif set(columns) <= set(data):
        texts = [data[column].astype(object).where(data[column].notna(), _NOBODY).astype(str) for column in columns]
        index = pd.MultiIndex.from_arrays(texts)
        codes, distinct = pd.factorize(index)
        names = [tuple(name) for name in distinct]
    else:
        return {}
    sums = MeanSums.by_group(scores, weights, codes, len(names), _ORIGIN)
    return {name: found for name, found in zip(names, sums, strict=True) if _NOBODY not in name}


def _read(place: Path, columns: tuple[str, ...]) -> dict[tuple[str, ...], MeanSums]:
    with np.load(place, allow_pickle=False) as kept:
        names, sums, d = kept["names"], kept["sums"], int(kept["d"])
    keys = [tuple(map(str, name)) for name in names] if columns else [()]
    return {key: MeanSums(row, d, _ORIGIN) for key, row in zip(keys, sums, strict=True)}


def _write(found: Mapping[tuple[str, ...], MeanSums], place: Path) -> None:
    names = np.array([list(name) for name in found], dtype=str)
    sums = np.array([group.sums for group in found.values()])
    d = next(iter(found.values())).d if found else 0
    content = BytesIO()
    np.savez(content, names=names, sums=sums, d=d)
    write_whole(place, content.getvalue())
