"""The same rendering on a Dask cluster: exports, sums and pages go to its workers through joblib.

Workers share with the caller a file system, on which the project lies at the same path, this version of qa_lib, and the
key of respondents' hashes; no memory.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import joblib
from tqdm import tqdm

from qa_lib.errors import QaError, RenderError
from qa_lib.report.batch import Batch
from qa_lib.report.kernel import KernelServer
from qa_lib.report.manifest import Outcome, library_digest
from qa_lib.report.plan import Page
from qa_lib.study.privacy import hash_key
from qa_lib.study.study import Study

_TIMEOUT_SECONDS = 10
_batches: dict[str, tuple[Batch, tempfile.TemporaryDirectory]] = {}
_lock = Lock()


@contextmanager
def on_cluster(address: str, study: Study) -> Iterator[None]:
    """Whatever joblib runs within goes to the cluster whose scheduler has this address (``tcp://host:8786``).

    Raises ``RenderError`` when Dask is not installed, no scheduler answers, it has no workers, or they differ from us.
    """
    try:
        from distributed import Client
    except ImportError:
        raise RenderError(
            "a cluster needs Dask: install qa_lib with its extra, pip install 'qa_lib[cluster]'."
        ) from None
    try:
        client = Client(address, timeout=_TIMEOUT_SECONDS, set_as_default=True)
    except (OSError, TimeoutError, ValueError) as error:
        raise RenderError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}). Start one with 'dask scheduler', and "
            "workers with 'dask worker tcp://HOST:8786', and give its address as tcp://HOST:PORT."
        ) from None
    with client:
        _refuse_other_workers(client.run(_state, study.path), _state(study.path), address)
        with joblib.parallel_config(backend="dask", wait_for_workers_timeout=_TIMEOUT_SECONDS):
            try:
                yield
            finally:
                client.run(_close)


def _state(study: Path) -> dict[str, str]:
    """What a worker must have in common with the caller."""
    try:
        key = hashlib.sha256(hash_key()).hexdigest()
    except QaError as error:
        key = str(error)
    return {"study": str((study / "study.yaml").is_file()), "library": library_digest(), "key": key}


def _refuse_other_workers(states: Mapping[str, Mapping[str, str]], here: Mapping[str, str], address: str) -> None:
    if not states:
        raise RenderError(f"the scheduler at {address} has no workers. Start some: 'dask worker {address}'.")
    cures = {
        "study": "does not see the study: share the file system, at the same path",
        "library": "runs other code: install the same version of qa_lib",
        "key": "has another key of respondents' hashes: set QA_HASH_KEY to the same there and here",
    }
    for worker, state in states.items():
        for name, cure in cures.items():
            if state[name] != here[name]:
                raise RenderError(f"the worker at {worker} {cure}.")


def render_pages_on_cluster(
    study: Study,
    period: str,
    pages: Sequence[Page],
    links: Mapping[Page, Sequence[Mapping[str, object]]],
    characters: frozenset[str],
    done: Callable[[Page, Outcome], None],
) -> None:
    """As ``render_pages``, on the workers of the cluster we are in; results that pages share lie beside the study."""
    if not pages:
        return
    study.processed.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=study.processed, prefix=".shared-") as shared:
        task = joblib.delayed(_render)
        given = (study, period, "".join(sorted(characters)), shared)  # the backend takes sets for collections of tasks
        found = joblib.Parallel(return_as="generator_unordered", batch_size=1)(
            task(*given, page, list(links[page])) for page in pages
        )
        for page, outcome in tqdm(found, total=len(pages), unit="page", disable=None):
            done(page, outcome)


def _render(
    study: Study, period: str, characters: str, shared: str, page: Page, links: list[Mapping[str, object]]
) -> tuple[Page, Outcome]:
    """On a worker: one page, in a kernel of the worker's own server."""
    with _lock:
        if shared not in _batches:
            scratch = tempfile.TemporaryDirectory(prefix="qa-report-")
            server = KernelServer(study.path, period)
            _batches[shared] = (
                Batch(study, period, {}, frozenset(characters), Path(scratch.name), server, shared=Path(shared)),
                scratch,
            )
    batch = _batches[shared][0]
    batch.links[page] = links
    return page, batch.render(page)


def _close() -> None:
    """On a worker: ends its servers of kernels."""
    with _lock:
        for batch, scratch in _batches.values():
            batch.stopped.set()
            batch.server.close()
            scratch.cleanup()
        _batches.clear()
