"""What qa_lib itself wrote and somebody changed: manifest.json of a report, the parquet files of processed responses.

Invariants: only a QaError leaves, and a manifest that was read can be written and read again to the same; a table
that is not the one written for these inputs is never taken for it.
"""

import json
import shutil

import harness
import studies

from qa_lib.report.manifest import Manifest, read_manifest
from qa_lib.report.verify import verify_report
from qa_lib.study.cleaning import processed_responses

EXPORT = "respondent,date,Q1,Q2,Q3,branch\n" + "".join(
    f"{i},2026-10-01,{1 + i % 5},{5 - i % 4},3,N\n" for i in range(12)
)


def check(data: bytes) -> None:
    if data[:1] < b"\xc0":
        _manifest(data[1:])
    else:
        _processed(data[1:], "ledger" if data[:1] > b"\xe0" else "responses")


def _manifest(content: bytes) -> None:
    path = harness.file(content, "reports/small/2026-10/manifest.json")
    found = harness.attempt(read_manifest, path.parent)
    harness.attempt(verify_report, path.parent)
    if found is not None:
        found.write()
        assert _same(read_manifest(path.parent), found)


def _same(one: Manifest, other: Manifest) -> bool:
    written = [json.dumps([m.head, m.pages, m.figures], sort_keys=True) for m in (one, other)]
    return written[0] == written[1]


def _processed(content: bytes, name: str) -> None:
    study = studies.study()
    export = study.path / "responses" / "2026-10.csv"
    if not export.exists() or export.read_text(encoding="utf-8") != EXPORT:
        shutil.rmtree(study.path / "responses")
        export.parent.mkdir()
        export.write_text(EXPORT, encoding="utf-8")
    study.processed.mkdir(exist_ok=True)
    (study.processed / f"{name}.parquet").write_bytes(content)
    responses = harness.attempt(processed_responses, study)
    assert len(responses.data) == 12
    assert set(responses.data["Q1"]) == {1, 2, 3, 4, 5}


def seeds() -> list[bytes]:
    page = {
        "segment": "", "lang": "en", "notebook": "1_report.ipynb", "made_from": {"inputs": "a"}, "html": "b",
        "seconds": 1.0, "cell_seconds": 0.5, "error": "", "warnings": [],
    }  # fmt: skip
    head = {
        "study": "small",
        "study_folder": "../../../data/raw/small",
        "inputs": {},
        "library": "x",
        "versions": {},
        "inputs_digest": "d",
    }
    whole = {**head, "pages": {"1_report.en.html": page}, "figures": {"": {"now": {"rater_index": 80.0}}}}
    return [
        b"\x00" + json.dumps(whole, indent=1).encode(),
        b"\x00[]",
        b'\x00{"pages": [], "figures": 1}',
        b"\xffPAR1PAR1",
        b"\xd0PAR1",
    ]
