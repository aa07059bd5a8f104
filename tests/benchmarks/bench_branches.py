"""What the pages of many groups cost beside their notebooks.

``python tests/benchmarks/bench_branches.py [BRANCHES …]``: a period of 60 responses a branch is read, planned, noted in
the manifest and listed on the index as a report by branch does it, without running a notebook; and the page of a branch
is opened as each of its notebooks opens it. Seconds are of the processor: other work on the machine does not count.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_growth import write_study

from qa_lib.report import render, site
from qa_lib.report.kernel_server import _read
from qa_lib.report.manifest import Outcome, head_of
from qa_lib.report.pages.page import open_page, opened_study

PERIOD, OPENED = "2026-10", 10
_INTERVAL = {"estimate": 70.0, "conf_low": 68.0, "conf_high": 72.0}
FIGURES = {"n": 60, "rater_index": _INTERVAL, "csat": {name: value / 100 for name, value in _INTERVAL.items()}}


def seconds(work: Callable[[], object]) -> tuple[object, float]:
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def noted(task) -> None:
    """The manifest as it is when every page is rendered."""
    manifest = task.manifest
    manifest.folder.mkdir(parents=True, exist_ok=True)
    manifest.head = head_of(task.study, PERIOD, manifest.folder, task.sources)
    for page in task.fresh:
        front = page.notebook.stem.endswith("report")
        manifest.record(page, task.made_from[page], Outcome(1.0, html="0", figures=FIGURES if front else {}))


def opened(study: Path) -> None:
    for place in range(OPENED):
        open_page(study, PERIOD, f"branch=branch_{place:04d}", "en")


def measure(root: Path, branches: int) -> None:
    path = write_study(root, 60 * branches, 1, branches, 0.01)
    study, index = opened_study(path), root / "reports" / path.name / "index.html"
    found = {"read": seconds(lambda: _read(study, PERIOD))[1]}
    found["open a page"] = seconds(lambda: opened(path))[1] / OPENED
    task, found["plan"] = seconds(lambda: render._task(study, PERIOD, ["branch"], ["en"], index, False))
    found["note all pages"] = seconds(lambda: noted(task))[1]
    found["write the manifest"] = seconds(task.manifest.write)[1]
    found["index"] = seconds(lambda: site.update_index(study, index.parent, frozenset()))[1]
    found["look for stale pages"] = seconds(lambda: render._remove_stale(task))[1]
    said = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    print(f"{branches:>5} branches, {len(task.reasons)} pages: {said} s", flush=True)


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="branches-") as scratch:
        for branches in sizes:
            measure(Path(scratch), branches)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10, 100, 1000])
