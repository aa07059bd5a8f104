"""Renders pages side by side: each a notebook in its own kernel, then HTML, written whole."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

import qa_lib
from qa_lib.errors import RenderError
from qa_lib.report import shared
from qa_lib.report.files import write_whole
from qa_lib.report.html import notebook_to_html, output_metadata, prepare
from qa_lib.report.kernel import Executed, KernelServer, run_notebook
from qa_lib.report.manifest import Outcome
from qa_lib.report.plan import Page, project_folder
from qa_lib.report.text import Text
from qa_lib.study.study import Study

CELL_TIMEOUT_SECONDS = 600


def render_pages(
    study: Study,
    period: str,
    pages: Sequence[Page],
    links: Mapping[Page, Sequence[Mapping[str, object]]],
    characters: frozenset[str],
    jobs: int,
    done: Callable[[Page, Outcome], None],
) -> None:
    """Renders ``pages`` on ``jobs`` kernels at a time and reports each to ``done``; an interrupt leaves no kernel."""
    if not pages:
        return
    with tempfile.TemporaryDirectory(prefix="qa-report-") as scratch:
        server = KernelServer(study.path, period)
        prepare(characters)  # while the server imports
        batch = Batch(study, period, dict(links), characters, Path(scratch), server, Path(scratch))
        pool = ThreadPoolExecutor(min(jobs, len(pages)))
        try:
            _collect({pool.submit(batch.render, page): page for page in pages}, batch.running, done)
        finally:
            batch.stopped.set()
            server.close()
            pool.shutdown(wait=True, cancel_futures=True)


def _collect(waiting: dict[Future, Page], running: Iterable[Page], done: Callable[[Page, Outcome], None]) -> None:
    finished: SimpleQueue[Future] = SimpleQueue()  # to wait for all of them anew after each would be quadratic
    for future in waiting:
        future.add_done_callback(finished.put)
    with tqdm(total=len(waiting), unit="page", disable=None) as bar:
        while waiting:
            with suppress(Empty):
                future = finished.get(timeout=0.5)
                done(waiting.pop(future), future.result())
                bar.update()
            bar.set_postfix_str(", ".join(page.name for page in list(running)))


@dataclass(slots=True)
class Batch:
    """What the pages of one rendering have in common; ``shared`` is the folder of results they share."""

    study: Study
    period: str
    links: dict[Page, Sequence[Mapping[str, object]]]
    characters: frozenset[str]
    scratch: Path
    server: KernelServer
    shared: Path
    running: dict[Page, None] = field(default_factory=dict)
    stopped: Event = field(default_factory=Event)

    def render(self, page: Page) -> Outcome:
        started = time.perf_counter()
        self.running[page] = None
        try:
            executed = self._execute(page)
            if not executed.error:
                return self._finish(page, executed.notebook, started)
            error = executed.error
            if not self.stopped.is_set():
                write_whole(page.failed_notebook, nbformat.writes(executed.notebook))
        except (OSError, RuntimeError, RenderError) as failure:
            error = f"{type(failure).__name__}: {failure}".replace(str(page.folder), page.folder.name)
        finally:
            del self.running[page]
        if not self.stopped.is_set():
            with suppress(OSError):  # a page that failed leaves no older one in its place
                page.html.unlink(missing_ok=True)
        return Outcome(time.perf_counter() - started, error)

    def _execute(self, page: Page) -> Executed:
        root = project_folder(self.study)
        parameters = {
            "study": self.study.path.relative_to(root).as_posix(),
            "period": self.period,
            "segment": page.segment,
            "lang": page.lang,
        }
        settings = {shared.FOLDER: str(self.shared)}
        return run_notebook(page.notebook, parameters, CELL_TIMEOUT_SECONDS, self.server, root, self.scratch, settings)

    def _finish(self, page: Page, notebook: NotebookNode, started: float) -> Outcome:
        text = Text(page.lang)
        footer = text("footer", version=qa_lib.__version__, study=self.study.name, period=self.period)
        html = notebook_to_html(notebook, text, self.links[page], footer, self.characters)
        html = html.replace(str(self.study.path), self.study.name)  # where the study lies is nobody's business
        write_whole(page.html, html)
        page.failed_notebook.unlink(missing_ok=True)
        figures = output_metadata(notebook, "qa_figures")
        return Outcome(
            time.perf_counter() - started,
            cell_seconds=sum(cell.metadata.papermill.duration or 0 for cell in notebook.cells),
            html=hashlib.sha256(html.encode()).hexdigest(),
            warnings=[str(text) for text in output_metadata(notebook, "qa_caution")],
            figures=figures[0] if figures else {},
        )
