"""Renders a period of a study into pages: what is to be done and why, the batch, the manifest, the index."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import joblib
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from qa_lib.report import site
from qa_lib.report.exports import export, remove_exports
from qa_lib.report.files import remove_partial_files
from qa_lib.report.fonts import cjk_characters
from qa_lib.report.lock import only_one
from qa_lib.report.manifest import Manifest, Outcome, Sources, head_of, read_manifest, sources_of
from qa_lib.report.plan import Page, chosen_languages, links_of, plan_pages, published_across, reports_folder
from qa_lib.report.text import LANGUAGES, Text, catalogue
from qa_lib.study.dates import unit_of
from qa_lib.study.schema import MAX_BYTES
from qa_lib.study.study import Study, read_study

_SAVE_EVERY_SECONDS = 30
_READERS = 4  # of a large study's exports, each with a third of a gigabyte
_PAGES_MEMORY, _PAGE_MEMORY, _RESPONDENT_MEMORY = 1.25 * 2**30, 0.2 * 2**30, 1500  # bytes
_PAGE_FILE = re.compile(rf"\d_.*\.({'|'.join(LANGUAGES)})\.(html|failed\.ipynb)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a rendering did. ``pages`` has a row per page: ``page, status, seconds, error, file, reason``.

    ``status`` is ``rendered``, ``kept`` or ``failed``, or ``planned`` in a dry run; ``reason`` says why it is not kept.
    ``index`` is the start page, ``seconds`` the time everything took; ``across`` is the report of another kind of
    period beside which this one has no pages on customers.
    """

    index: Path
    pages: pd.DataFrame
    seconds: float
    across: Path | None = None

    @property
    def ok(self) -> bool:
        return not (self.pages["status"] == "failed").any()

    def summary(self) -> str:
        """How many pages, in what time, and which notebooks took most of it."""
        counts = self.pages["status"].value_counts()
        said = ", ".join(f"{n} {status}" for status, n in counts.items())
        done = self.pages[self.pages["status"].isin(["rendered", "failed"])]
        lines = [f"{len(self.pages)} pages: {said}; {self.seconds:.1f} s"]
        for notebook, seconds in done.groupby(done["page"].str.split().str[0])["seconds"]:
            lines.append(f"{notebook:<20} {len(seconds):4d} × {seconds.mean():5.1f} s, slowest {seconds.max():5.1f} s")
        if self.across is not None:
            lines.append(f"no pages on customers: with {self.across} they would give small groups away")
        return "\n".join(lines)


def render(
    study: Study | str | Path,
    period: str | int | None = None,
    by: str | None = None,
    lang: str | Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    xlsx: bool = False,
    docx: bool = False,
    cluster: str | None = None,
) -> Rendered:
    """Renders one period of a study, newest by default, in each language, for everyone and ``by`` a segment.

    Pages go to ``reports/<study>/<period>/`` beside the study's ``data`` folder. A page whose inputs, notebook,
    parameters and library are unchanged is kept, unless ``force``; ``dry_run`` only says what would be rendered, and
    why. ``xlsx`` also writes a workbook of all tables of a folder and language, ``docx`` the model tables in APA form,
    either of them the figures as files. ``cluster``, the address of a Dask scheduler (``tcp://host:8786``), hands the
    reading of a large study and the pages to its workers, in place of ``jobs`` processes here. A notebook that fails
    leaves its partial ``.failed.ipynb``; the others go on.

    Raises
    ------
    StudyError, InstrumentError, ResponseError
        The study cannot be used; nothing is rendered.
    RenderError
        Unknown language or segment, a period that cuts across one that is published, another rendering of the study
        under way, no room or right to write, no cluster at the address or one whose workers differ from here.
    """
    started = time.perf_counter()
    study = study if isinstance(study, Study) else read_study(study)
    languages = chosen_languages(study, lang)
    index = reports_folder(study) / "index.html"
    outcomes: dict[Page, Outcome] = {}
    with nullcontext() if dry_run else only_one(index.parent), _workers(study, cluster, jobs):
        period = str(period) if period is not None else study.periods()[-1]
        task = _task(study, period, [by] if by is not None else [], languages, index, force)
        if not dry_run:
            stale = _remove_stale(task)
            if task.fresh or stale:
                _run(task, None if cluster else jobs or _side_by_side(task), outcomes)
            if xlsx or docx or task.fresh:
                export(task.reasons, task.fresh, xlsx, docx)
            site.update_index(study, index.parent, _characters(study))
    seconds = time.perf_counter() - started
    return Rendered(index, _table(task.reasons, outcomes), seconds, published_across(task.manifest.folder))


@contextmanager
def _workers(study: Study, cluster: str | None, jobs: int | None) -> Iterator[None]:
    """Where joblib works meanwhile: on the cluster, else on ``jobs`` processes, which end when all is read."""
    if cluster is not None:
        from qa_lib.report.cluster import on_cluster

        with on_cluster(cluster, study):
            yield
        return
    with joblib.parallel_config(n_jobs=jobs or min(os.cpu_count() or 1, _READERS)):
        large = study.summaries() is not None
    if large:
        get_reusable_executor().shutdown()
    yield


def _side_by_side(task: _Task) -> int:
    """How many pages to render at a time: one a core; of a large study no more than two GiB hold, shared data too."""
    cores = os.cpu_count() or 1
    if task.study.summaries() is None:
        return cores
    return max(1, min(cores, int(_PAGES_MEMORY / (_PAGE_MEMORY + _RESPONDENT_MEMORY * len(task.data)))))


@dataclass(frozen=True, slots=True)
class _Task:
    """A period to render: its pages with their links, what each is made from, and why it must be made, if it must."""

    study: Study
    period: str
    data: pd.DataFrame
    manifest: Manifest
    sources: Sources
    links: dict[Page, list[dict[str, object]]]
    made_from: dict[Page, dict[str, str]]
    reasons: dict[Page, str]

    @property
    def fresh(self) -> list[Page]:
        return [page for page, reason in self.reasons.items() if reason]


def _task(study: Study, period: str, by: list[str], languages: list[str], index: Path, force: bool) -> _Task:
    few = unit_of(period) in ("day", "week")  # may have no responses: its pages on operations records stand without
    data = (study.answers(period) if few else study.responses(period)).data
    pages = plan_pages(study, period, data, index.parent / period, by, languages)
    links = links_of(pages, index)
    sources = sources_of(study, {page.notebook for page in pages})
    made_from = {page: sources.of_page(page, period, links[page]) for page in pages}
    manifest = read_manifest(index.parent / period)
    reasons = {page: manifest.why_render(page, made_from[page]) or ("forced" if force else "") for page in pages}
    return _Task(study, period, data, manifest, sources, links, made_from, reasons)


def _run(task: _Task, jobs: int | None, outcomes: dict[Page, Outcome]) -> None:
    """Renders what must be rendered and keeps the manifest true at every moment, also when the run is killed.

    Without ``jobs`` the pages go to the cluster.
    """
    from qa_lib.report.batch import render_pages

    manifest = task.manifest
    manifest.head = head_of(task.study, task.period, manifest.folder, task.sources)
    manifest.forget(task.fresh)
    saved = time.monotonic()

    def done(page: Page, outcome: Outcome) -> None:
        nonlocal saved
        outcomes[page] = outcome
        manifest.record(page, task.made_from[page], outcome)
        if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
            manifest.write()
            saved = time.monotonic()

    try:
        given = (task.study, task.period, task.fresh, task.links, _characters(task.study))
        if jobs is None:
            from qa_lib.report.cluster import render_pages_on_cluster

            render_pages_on_cluster(*given, done)
        else:
            render_pages(*given, jobs, done)
    finally:
        manifest.write()


def _remove_stale(task: _Task) -> bool:
    """Removes pages that the study no longer gives, such as a group's that is now too small to show."""
    folder = task.manifest.folder
    remove_partial_files(folder)
    segments = [segment.id for segment in task.study.spec.segments if segment.id in task.data]
    possible = plan_pages(task.study, task.period, task.data, folder, segments, LANGUAGES)
    shown = {path for page in possible for path in (page.html, page.failed_notebook)}
    places = {page.folder for page in possible}
    stale = [path for path in folder.rglob("*") if _PAGE_FILE.fullmatch(path.name) and path not in shown]
    for path in stale:
        path.unlink()
        if path.parent not in places:
            remove_exports(path.parent)
        if path.parent != folder and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return task.manifest.keep_only(possible) or bool(stale)


def _characters(study: Study) -> frozenset[str]:
    """Every Chinese character the catalogue or the study's own files can put on a page."""
    files = (path for path in sorted(study.path.rglob("*.yaml")) if path.is_file() and path.stat().st_size <= MAX_BYTES)
    own = (path.read_text(encoding="utf-8-sig", errors="ignore") for path in files)
    dates = Text("zh").period("2026-10-31")
    return cjk_characters([dates, *(words for entry in catalogue().values() for words in entry.values()), *own])


def _table(reasons: Mapping[Page, str], outcomes: Mapping[Page, Outcome]) -> pd.DataFrame:
    rows = []
    for page, reason in reasons.items():
        outcome = outcomes.get(page, Outcome(0.0))
        status = "failed" if outcome.error else "rendered" if page in outcomes else "planned" if reason else "kept"
        rows.append((page.name, status, outcome.seconds, outcome.error, str(page.html), reason))
    return pd.DataFrame(rows, columns=["page", "status", "seconds", "error", "file", "reason"])
