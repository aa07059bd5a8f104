"""Renders a study's notebooks into pages: plan, run side by side, write whole files, say what failed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

import qa_lib
from qa_lib.errors import RenderError
from qa_lib.report import site
from qa_lib.report.fonts import cjk_characters
from qa_lib.report.html import notebook_to_html, write_whole
from qa_lib.report.text import LANGUAGES, Text, catalogue
from qa_lib.study.study import Study, read_study

CELL_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Page:
    """One notebook in one language for one segment, and where its HTML goes."""

    notebook: Path
    lang: str
    segment: str
    folder: Path

    @property
    def html(self) -> Path:
        return self.folder / f"{self.notebook.stem}.{self.lang}.html"

    @property
    def failed_notebook(self) -> Path:
        return self.folder / f"{self.notebook.stem}.{self.lang}.failed.ipynb"

    @property
    def name(self) -> str:
        return " ".join(filter(None, [self.notebook.stem, self.lang, self.segment]))


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a rendering did: ``pages`` has a row per page (page, status, seconds, error), ``index`` the start page."""

    index: Path
    pages: pd.DataFrame

    @property
    def ok(self) -> bool:
        return not (self.pages["status"] == "failed").any()


def render(
    study: Study | str | Path,
    period: str | int | None = None,
    by: str | None = None,
    lang: str | Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
) -> Rendered:
    """Renders one period of a study, newest by default, in each language, for everyone and ``by`` a segment.

    Pages go to ``reports/<study>/<period>/`` beside the study's ``data`` folder. A page whose data, notebook,
    parameters and library are unchanged is kept, unless ``force``. A notebook that fails leaves its partial
    ``.failed.ipynb``; the others go on.

    Raises
    ------
    StudyError, InstrumentError, ResponseError
        The study cannot be used; nothing is rendered.
    RenderError
        Unknown language or segment.
    """
    study = study if isinstance(study, Study) else read_study(study)
    languages = _languages(study, lang)
    period = str(period) if period is not None else study.periods()[-1]
    data = study.responses(period).data
    folder = reports_folder(study) / period
    pages = _plan(study, data, folder, by, languages)
    inputs = _fingerprint(study, period)
    manifest = _read_manifest(folder)
    fresh = [page for page in pages if force or not _is_current(page, inputs, manifest, folder)]
    outcomes = {page: ("kept", 0.0, "") for page in pages if page not in fresh}
    outcomes |= _run(fresh, pages, study, period, jobs or os.cpu_count() or 1)
    for page, (status, seconds, error) in outcomes.items():
        if status != "kept":
            entry = {"fingerprint": _page_fingerprint(page, inputs), "seconds": round(seconds, 2), "error": error}
            manifest[_key(page, folder)] = entry
    write_whole(folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    index = site.write_index(study, reports_folder(study), languages, _characters(study))
    return Rendered(index, _outcome_table(pages, outcomes))


def reports_folder(study: Study) -> Path:
    """``<root>/reports/<study>`` for a study at ``<root>/data/raw/<study>``, else ``reports/<study>`` here."""
    raw = study.path.resolve().parent
    root = raw.parent.parent if (raw.name, raw.parent.name) == ("raw", "data") else Path.cwd()
    return root / "reports" / study.name


def notebooks_folder() -> Path:
    """The notebooks beside the package in a checkout, within it when installed from a wheel."""
    package = Path(qa_lib.__file__).parent
    candidates = (package.parent / "notebooks", package / "notebooks")
    found = next((folder for folder in candidates if list(folder.glob("[0-9]_*.ipynb"))), None)
    if found is None:
        raise RenderError(f"no notebooks found in {candidates[0]} or {candidates[1]}: reinstall qa_lib.")
    return found


def _languages(study: Study, lang: str | Sequence[str] | None) -> list[str]:
    chosen = [lang] if isinstance(lang, str) else list(lang or study.languages)
    if unknown := [name for name in chosen if name not in LANGUAGES]:
        raise RenderError(f"language {unknown[0]!r} is not known. Allowed: {', '.join(LANGUAGES)}.")
    return chosen


def _plan(study: Study, data: pd.DataFrame, folder: Path, by: str | None, languages: Iterable[str]) -> list[Page]:
    notebooks = [book for book in sorted(notebooks_folder().glob("[0-9]_*.ipynb")) if _has_sources(study, book)]
    places = [("", folder)]
    if by is not None:
        known = [segment.id for segment in study.spec.segments]
        if by not in known:
            raise RenderError(f"segment {by!r} is not declared in study.yaml. Declared: {', '.join(known) or 'none'}.")
        counts = data[by].value_counts().sort_index()
        values = counts.index[counts >= study.spec.minimum_cell]
        places += [(f"{by}={value}", folder / f"{by}-{_file_name(str(value))}") for value in values]
    return [
        Page(notebook, lang, segment, place)
        for segment, place in places
        for lang in languages
        for notebook in notebooks
    ]


def _has_sources(study: Study, notebook: Path) -> bool:
    """Whether the study has one of the files or folders the notebook's metadata name; yes when it names none."""
    metadata = json.loads(notebook.read_text(encoding="utf-8")).get("metadata", {})
    sources = metadata.get("qa", {}).get("sources", [])
    return not sources or any((study.path / name).exists() for name in sources)


def _file_name(value: str) -> str:
    """A segment's value as a folder name: safe everywhere, distinct for distinct values."""
    safe = re.sub(r"[^\w\-]+", "_", value)
    return safe if safe == value else f"{safe[:60]}_{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def _run(fresh: list[Page], pages: list[Page], study: Study, period: str, jobs: int) -> dict[Page, tuple]:
    """Runs pages on ``jobs`` threads (each waits for its kernel); an interrupt drops what has not begun."""
    if not fresh:
        return {}
    outcomes: dict[Page, tuple] = {}
    pool = ThreadPoolExecutor(min(jobs, len(fresh)))
    waiting: dict[Future, Page] = {pool.submit(_render_page, page, pages, study, period): page for page in fresh}
    try:
        with tqdm(total=len(fresh), unit="page") as bar:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    page = waiting.pop(future)
                    outcomes[page] = future.result()
                    bar.set_postfix_str(page.name)
                    bar.update()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return outcomes


def _render_page(page: Page, pages: list[Page], study: Study, period: str) -> tuple[str, float, str]:
    from qa_lib.report.kernel import run_notebook

    started = time.perf_counter()
    parameters = {
        "study": str(study.path.resolve()),
        "period": period,
        "segment": page.segment,
        "lang": page.lang,
    }
    page.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="qa-page-") as scratch:
        executed = Path(scratch) / page.notebook.name
        error = run_notebook(page.notebook, executed, parameters, CELL_TIMEOUT_SECONDS)
        if error:
            if executed.exists():
                shutil.copyfile(executed, page.failed_notebook)
            page.html.unlink(missing_ok=True)
            return "failed", time.perf_counter() - started, error
        text = Text(page.lang)
        footer = text("footer", version=qa_lib.__version__, study=study.name, period=period)
        write_whole(page.html, notebook_to_html(executed, text, _links(page, pages, study), footer, _characters(study)))
    page.failed_notebook.unlink(missing_ok=True)
    return "rendered", time.perf_counter() - started, ""


def _characters(study: Study) -> frozenset[str]:
    """Every Chinese character the catalogue or the study's own files can put on a page."""
    own = (path.read_text(encoding="utf-8-sig") for path in sorted(study.path.glob("*.yaml")))
    dates = Text("zh").period("2026-10-31")
    return cjk_characters([dates, *(words for entry in catalogue().values() for words in entry.values()), *own])


def _links(page: Page, pages: list[Page], study: Study) -> list[dict[str, object]]:
    """To the index, to the pages of this segment and language (the manager's first), to the other languages."""
    text = Text(page.lang)
    index = os.path.relpath(reports_folder(study) / "index.html", page.folder)
    links = [{"href": index, "label": text("all_reports"), "current": False}]
    siblings = [other for other in pages if (other.segment, other.lang) == (page.segment, page.lang)]
    for other in sorted(siblings, key=lambda sibling: not sibling.notebook.stem.endswith("report")):
        label = text(f"page_{other.notebook.stem}") if text.has(f"page_{other.notebook.stem}") else other.notebook.stem
        links.append({"href": other.html.name, "label": label, "current": other == page})
    for other in pages:
        if (other.segment, other.notebook) == (page.segment, page.notebook) and other.lang != page.lang:
            label = Text(other.lang)("language_name")
            links.append({"href": other.html.name, "label": label, "current": False, "lang": other.lang})
    return links


def _fingerprint(study: Study, period: str) -> str:
    """Hash of everything a page of this period follows from, but for its notebook and parameters."""
    digest = hashlib.sha256(f"{qa_lib.__version__} {period}".encode())
    package = Path(qa_lib.__file__).parent
    sources = sorted(path for path in package.rglob("*") if path.suffix in {".py", ".yaml", ".css", ".j2"})
    inputs = sorted(path for path in study.path.rglob("*") if path.is_file() and ".processed" not in path.parts)
    for root, path in [(package, source) for source in sources] + [(study.path, path) for path in inputs]:
        digest.update(str(path.relative_to(root)).encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _page_fingerprint(page: Page, inputs: str) -> str:
    return hashlib.sha256(page.notebook.read_bytes() + f"{inputs} {page.lang} {page.segment}".encode()).hexdigest()


def _key(page: Page, folder: Path) -> str:
    return page.html.relative_to(folder).as_posix()


def _is_current(page: Page, inputs: str, manifest: dict, folder: Path) -> bool:
    entry = manifest.get(_key(page, folder), {})
    return page.html.exists() and entry.get("fingerprint") == _page_fingerprint(page, inputs) and not entry["error"]


def _read_manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except json.JSONDecodeError as error:
        raise RenderError(f"{path} is not valid JSON ({error}). Delete it and render again.") from None


def _outcome_table(pages: list[Page], outcomes: dict[Page, tuple]) -> pd.DataFrame:
    return pd.DataFrame(
        [(page.name, *outcomes[page], str(page.html)) for page in pages],
        columns=["page", "status", "seconds", "error", "file"],
    )
