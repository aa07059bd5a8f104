"""manifest.json of a period: what every page was made from, so that a rendering repeats only what changed.

A page's entry is there only while the page on disk is the one described: it is taken out before the page is rendered
again, and put back when the new one is in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

import qa_lib
from qa_lib.errors import RenderError
from qa_lib.report.files import write_whole
from qa_lib.report.plan import Page
from qa_lib.report.text import LANGUAGES
from qa_lib.study.limits import plain
from qa_lib.study.study import Study

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "scikit-learn", "matplotlib", "Babel")
Digests = dict[str, str]


class _Entry(TypedDict):
    segment: str
    lang: Literal[LANGUAGES]
    notebook: str
    made_from: Digests
    html: str
    seconds: float
    error: str
    warnings: list[str]


class _Head(TypedDict):
    study_folder: str
    versions: Digests
    library: str
    inputs: Digests
    inputs_digest: str
    pages: dict[str, _Entry]
    figures: dict[str, dict[str, dict[str, object]]]


_HEAD = TypeAdapter(_Head)
_LIBRARY_FILES = {".py", ".yaml", ".css", ".j2"}


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pages of a period are made from: hashes of every input file, of the library, and the versions."""

    inputs: dict[str, str]
    library: str
    versions: dict[str, str]
    notebooks: dict[str, str]
    inputs_digest: str
    library_digest: str

    def of_page(self, page: Page, period: str, links: Sequence[Mapping[str, object]]) -> dict[str, str]:
        """The hashes one page follows from, by what a person would call them."""
        parameters = {"period": period, "lang": page.lang, "segment": page.segment, "links": list(links)}
        return {
            "inputs": self.inputs_digest,
            "library": self.library_digest,
            "notebook": self.notebooks[page.notebook.name],
            "parameters": _digest(parameters),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a page's rendering ended; ``html`` is the hash of the page, ``error`` is empty when there is one.

    ``cell_seconds`` of its ``seconds`` were the notebook's own work.
    """

    seconds: float
    error: str = ""
    cell_seconds: float = 0.0
    html: str = ""
    warnings: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Manifest:
    """``pages`` has an entry per page, by its path; ``figures`` the headline figures by segment ("" is everyone)."""

    folder: Path
    head: dict[str, object] = field(default_factory=dict)
    pages: dict[str, dict] = field(default_factory=dict)
    figures: dict[str, dict] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def period(self) -> str:
        return self.folder.name

    def key(self, page: Page) -> str:
        return page.html.relative_to(self.folder).as_posix()

    def why_render(self, page: Page, made_from: Mapping[str, str]) -> str:
        """Why a page must be rendered, empty when the one on disk is current."""
        entry = self.pages.get(self.key(page))
        if entry is None or (not entry["error"] and not page.html.exists()):
            return "new"
        if entry["error"]:
            return "failed before"
        changed = [name for name, digest in made_from.items() if entry["made_from"].get(name) != digest]
        return f"changed: {', '.join(changed)}" if changed else ""

    def forget(self, pages: Sequence[Page]) -> None:
        """Takes out the entries of pages that are about to change, and writes."""
        for page in pages:
            self.pages.pop(self.key(page), None)
        self.write()

    def record(self, page: Page, made_from: Mapping[str, str], outcome: Outcome) -> None:
        self.pages[self.key(page)] = {
            "segment": page.segment,
            "lang": page.lang,
            "notebook": page.notebook.name,
            "made_from": dict(made_from),
            "html": outcome.html,
            "seconds": round(outcome.seconds, 2),
            "cell_seconds": round(outcome.cell_seconds, 2),
            "error": outcome.error,
            "warnings": outcome.warnings,
        }
        if outcome.figures:
            known = self.figures.get(page.segment, {}).get("now")
            if known not in (None, outcome.figures):
                self.figures[page.segment] = {"restated_from": known}
            self.figures.setdefault(page.segment, {})["now"] = outcome.figures

    def keep_only(self, pages: Sequence[Page]) -> bool:
        """Drops what is of no page in ``pages``; whether there was any."""
        keys, segments = {self.key(page) for page in pages}, {page.segment for page in pages}
        stale = [
            (table, key)
            for table, kept in ((self.pages, keys), (self.figures, segments))
            for key in table.keys() - kept
        ]
        for table, key in stale:
            del table[key]
        return bool(stale)

    def write(self) -> None:
        content = {**self.head, "figures": self.figures, "pages": self.pages}
        write_whole(self.path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a period's folder, empty when it has none.

    Raises ``RenderError`` when it is not a manifest.
    """
    path = folder / "manifest.json"
    if not path.exists():
        return Manifest(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _HEAD.validate_python(content, strict=True)
        return Manifest(folder, content, content.pop("pages"), content.pop("figures"))
    except (ValueError, RecursionError, OSError):
        raise RenderError(f"{path} is not a manifest of qa_lib. Delete it and render again.") from None


def sources_of(study: Study, notebooks: Iterable[Path]) -> Sources:
    """Hashes of everything in the study's folder, of the library and of notebooks as they are now."""
    files = {plain(path.relative_to(study.path).as_posix()): path for path in study.path.rglob("*") if path.is_file()}
    inputs = {name: _file_digest(path) for name, path in sorted(files.items()) if not _hidden(name)}
    books = {path.name: _file_digest(path) for path in notebooks}
    library, versions = library_digest(), _versions()
    return Sources(inputs, library, versions, books, _digest(inputs), _digest([library, versions]))


def head_of(study: Study, period: str, folder: Path, sources: Sources) -> dict[str, object]:
    """What the manifest says of the period as a whole."""
    return {
        "study": study.name,
        "study_folder": Path(os.path.relpath(study.path, folder)).as_posix(),
        "period": period,
        "commit": _commit(),
        "versions": sources.versions,
        "library": sources.library,
        "inputs": sources.inputs,
        "inputs_digest": sources.inputs_digest,
    }


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts)


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in _PACKAGES}
    return {"qa_lib": qa_lib.__version__, "python": platform.python_version(), **found}


def library_digest() -> str:
    package = Path(qa_lib.__file__).parent
    files = sorted(path for path in package.rglob("*") if path.suffix in _LIBRARY_FILES)
    return _digest({path.relative_to(package).as_posix(): _file_digest(path) for path in files})


def _commit() -> str | None:
    """The commit of the checkout that qa_lib runs from, if it is one."""
    checkout = Path(qa_lib.__file__).parent.parent
    if not (checkout / ".git").exists() or (git := shutil.which("git")) is None:
        return None
    said = subprocess.run([git, "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or None


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
