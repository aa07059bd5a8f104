"""Does a report still follow from its inputs? The manifest's hashes against the files as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from qa_lib.errors import QaError, RenderError
from qa_lib.report import plan
from qa_lib.report.manifest import Manifest, Sources, read_manifest, sources_of
from qa_lib.study.study import read_study


def verify_report(folder: str | Path) -> list[str]:
    """What keeps ``reports/<study>/<period>`` from following from its inputs; empty when nothing does.

    Raises ``RenderError`` when the folder holds no report.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest.head:
        raise RenderError(f"{folder} has no manifest.json. Name a report's folder, such as reports/demo/2026-10.")
    path = folder / str(manifest.head["study_folder"])
    try:
        study = read_study(path)
    except QaError as error:
        return [f"the study cannot be read: {error}"]
    sources = sources_of(study, plan.notebooks_folder().glob("*.ipynb"))
    return [*_changed_sources(manifest, sources), *_changed_pages(manifest, sources)]


def _changed_sources(manifest: Manifest, sources: Sources) -> list[str]:
    head = manifest.head
    findings = _differences("input", head["inputs"], sources.inputs)
    if head["library"] != sources.library:
        findings.append("library: qa_lib's code is not the one that rendered the report")
    return findings + [
        f"version of {name}: {then} then, {sources.versions.get(name)} now"
        for name, then in head["versions"].items()
        if sources.versions.get(name) != then
    ]


def _differences(what: str, then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    findings = [f"{what} changed: {name}" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]]
    findings += [f"{what} missing: {name}" for name in sorted(then.keys() - now.keys())]
    return findings + [f"{what} new: {name}" for name in sorted(now.keys() - then.keys())]


def _changed_pages(manifest: Manifest, sources: Sources) -> list[str]:
    """Pages that failed, are gone, were edited, or were left from a rendering before the last."""
    folder, findings = manifest.folder, []
    for key, entry in sorted(manifest.pages.items()):
        path, made_from = folder / key, entry["made_from"]
        if entry["error"]:
            findings.append(f"page failed: {key}: {entry['error']}")
        elif not path.is_file():
            findings.append(f"page missing: {key}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry["html"]:
            findings.append(f"page edited: {key}")
        elif made_from["inputs"] != manifest.head["inputs_digest"]:
            findings.append(f"page older than the report: {key}")
        elif made_from["notebook"] != sources.notebooks.get(entry["notebook"]):
            findings.append(f"notebook changed: {entry['notebook']}, of page {key}")
    known = {folder / key for key in manifest.pages}
    strangers = sorted(path for path in folder.rglob("*.html") if path not in known)
    return findings + [f"page not of the report: {path.relative_to(folder).as_posix()}" for path in strangers]
