"""A process that has imported everything once and forks itself into a kernel for every page (Linux).

``python -m qa_lib.report.kernel_server STUDY PERIOD`` reads requests from standard input, a line of JSON each, and
answers with the new kernel's process id. At the end of its input it exits, and its kernels with it: they watch their
parent.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pkgutil
import signal
import sys
import warnings
from importlib import import_module
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp

import qa_lib
from qa_lib.errors import QaError, QaWarning
from qa_lib.report import charts, pages
from qa_lib.report.history import score_sums
from qa_lib.report.pages.page import opened_study
from qa_lib.report.text import LANGUAGES, Text
from qa_lib.study.dates import unit_of
from qa_lib.study.study import Study

_KERNEL_MODULES = ("ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger")
"""What a kernel imports while it starts."""


def main(study: str, period: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    _prepare(study, period)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a kernel that ends leaves no zombie
    gc.freeze()  # what is shared stays shared: the collector would touch, and so copy, every page of memory
    for line in sys.stdin:
        request = json.loads(line)
        pid = _fork()
        if pid == 0:
            _become_kernel(**request)
        print(pid, file=answers, flush=True)


def _prepare(study: str, period: str) -> None:
    """Imports what notebooks use, reads the words, the fonts and the study: a forked kernel finds them in memory."""
    for name in qa_lib.__all__:
        getattr(qa_lib, name)
    for name in _KERNEL_MODULES:
        import_module(name)
    for module in pkgutil.iter_modules(pages.__path__):
        import_module(f"{pages.__name__}.{module.name}")
    charts.warm_up()
    for lang in LANGUAGES:
        Text(lang).period("2026-10")
    with warnings.catch_warnings(), contextlib.suppress(QaError):  # a page says it where it matters
        warnings.simplefilter("ignore", QaWarning)
        _read(opened_study(Path(study)), period)


def _read(study: Study, period: str) -> None:
    """The responses of this period and the one before, and the scores of all before: no page reads them again."""
    until = [name for name in study.periods(unit_of(period)) if name <= period]
    for name in until:
        for columns in ((), *((segment.id,) for segment in study.spec.segments)):
            score_sums(study, name, columns)
    for name in until[-2:]:
        study.answers(name)


def _fork() -> int:
    """``os.fork`` without Python 3.12's warning of other threads.

    These are Arrow's and the BLAS's, which hold no lock of Python's and are made anew in a child by their own handlers.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return os.fork()


def _become_kernel(connection_file: str, env: dict[str, str], cwd: str) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    watched = f"--IPKernelApp.parent_handle={os.getppid()}"
    IPKernelApp.launch_instance(argv=["-f", connection_file, watched, "--HistoryManager.enabled=False"])
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
