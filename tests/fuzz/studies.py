"""A study around the bytes to be read, and what must hold of its responses."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import harness
import yaml

from qa_lib.study.cleaning import build
from qa_lib.study.exports.files import Export, read_export
from qa_lib.study.responses import Responses
from qa_lib.study.study import Study, read_study

FIVE = {"min": 1, "max": 5, "labels": {1: {"en": "Very bad", "zh": "很差"}, 5: {"en": "Very good", "zh": "很好"}}}
INSTRUMENT = {
    "name": {"en": "Small"},
    "scales": {"five": FIVE},
    "dimensions": [{"id": "speed", "name": {"en": "Speed", "zh": "速度"}}],
    "items": [
        {"id": "Q1", "scale": "five", "dimension": "speed", "wording": {"zh": "办理速度"}},
        {"id": "Q2", "scale": "five", "dimension": "speed", "reverse": True},
    ],
    "missing_codes": [-9],
    "not_applicable_codes": ["N/A"],
    "attention_checks": [{"id": "check", "answer": [2]}],
}
STUDY = {
    "title": {"en": "Small"},
    "period": {"column": "date"},
    "segments": [{"id": "branch"}],
    "weight": ["weight", "wt"],
    "duplicates": "first",
    "personal": ["branch"],
}


@cache
def _made(**changes: str) -> Path:
    folder = harness.SCRATCH / f"study{abs(hash(tuple(changes.items())))}"
    (folder / "responses").mkdir(parents=True, exist_ok=True)
    spec = STUDY | {key: json.loads(value) for key, value in changes.items()}
    (folder / "study.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), encoding="utf-8")
    (folder / "instrument.yaml").write_text(yaml.safe_dump(INSTRUMENT, allow_unicode=True), encoding="utf-8")
    return folder


@cache
def study(**changes: str) -> Study:
    return read_study(_made(**changes))


def check_responses(data: bytes, name: str, **changes: str) -> None:
    """Reads a study of one export; every row of it is among the responses, or the ledger says why it is not."""
    place = study(**changes)
    for old in (place.path / "responses").iterdir():
        old.unlink()
    path = place.path / "responses" / name
    path.write_bytes(data)
    export = harness.attempt(read_export, path, place.spec.encoding)
    responses = harness.attempt(build, place)
    if export is None:
        assert responses is None
    elif responses is not None:
        check_nothing_lost(export, responses)


def check_nothing_lost(export: Export, responses: Responses) -> None:
    read = {int(row) for row in export.table.index + export.first_row}
    kept = {int(row) for row in responses.data["source_row"]}
    told = {int(row) for row in responses.ledger["row"].dropna()}
    lines_of_words = 2  # what stands above the answers in some dialects
    assert kept <= read
    assert len(read - kept - told) <= lines_of_words, sorted(read - kept - told)
    items = responses.data[["Q1", "Q2"]].to_numpy(dtype=float)
    assert ((items != items) | ((items >= 1) & (items <= 5))).all()
    assert responses.data["period"].notna().all()
