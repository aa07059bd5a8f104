"""Runs one notebook in a kernel of its own, safely beside others, and says plainly how it ended."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from threading import Lock
from uuid import uuid4

import nbformat
import papermill
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines

_SETTINGS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} | {
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # the kernel's debugger would complain on standard error
}
"""One BLAS thread per kernel, since kernels run side by side; nothing of where and when they run shows on a page."""


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """A kernel's environment; it starts in another folder, where a relative search path would lead astray."""
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.environ | _SETTINGS | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {}) | dict(settings)


@dataclass(frozen=True, slots=True)
class Executed:
    """A notebook that ran; ``error`` says in one line why not to its end, and is empty otherwise."""

    notebook: nbformat.NotebookNode
    error: str = ""


class KernelServer:
    """The process that forks kernels; where there is no safe fork (Windows, macOS) kernels start as they always do."""

    def __init__(self, study: Path, period: str) -> None:
        self._lock, self._closed = Lock(), False
        self._process = None
        if sys.platform == "linux":
            self._process = subprocess.Popen(
                [sys.executable, "-m", "qa_lib.report.kernel_server", str(study), period],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=_environment({}),
                start_new_session=True,
            )

    def fork(self, **request: object) -> int | None:
        """The process id of a new kernel; None when the server cannot give one.

        Raises ``RuntimeError`` when the rendering has been stopped.
        """
        answer = ""
        if self._process is not None:
            with self._lock, suppress(OSError, ValueError):
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
        if self._closed:
            raise RuntimeError("the rendering was stopped")
        return int(answer) if answer else None

    def close(self) -> None:
        """Ends the server, and with it every kernel it forked."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with self._lock, suppress(OSError):
                self._process.stdout.close()
                self._process.stdin.close()


class _ForkedProcess:
    """What a provisioner asks of a process, for one that is not our child."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -signal.SIGKILL
        return None

    def wait(self) -> int | None:
        return self.poll()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    terminate = kill


class _PageProvisioner(LocalProvisioner):
    """Asks the server for a kernel, and waits for its end in short steps."""

    server: KernelServer

    async def launch_kernel(self, cmd: list[str], **kwargs: object) -> dict:
        pid = self.server.fork(
            connection_file=self.parent.connection_file, env=kwargs["env"], cwd=str(kwargs.get("cwd") or Path.cwd())
        )
        if pid is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid, self.pgid = _ForkedProcess(pid), pid, pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Ends the kernel and sees it end; its manager would look again after 0.1 s."""
        await super().kill(restart)
        await self.wait()

    async def wait(self) -> int | None:
        while self.process is not None and self.process.poll() is None:
            await asyncio.sleep(0.005)
        return await super().wait()


class _PageKernelClient(AsyncKernelClient):
    """Is ready with the kernel's first answer on both channels; Jupyter's own then waits 0.2 s for silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (timeout or math.inf)
        while not await self._answered():
            if not await self.is_alive():
                raise RuntimeError("the kernel died while it started")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer in {timeout} s")

    async def _answered(self) -> bool:
        self.kernel_info()
        with suppress(Empty):
            await self.shell_channel.get_msg(timeout=1)
            await self.iopub_channel.get_msg(timeout=0.2)
            return True
        return False


class _PageKernelManager(AsyncKernelManager):
    """Kernels that run side by side without races for ports."""

    client_factory = _PageKernelClient

    server: KernelServer
    settings: Mapping[str, str]
    cwd: Path
    scratch: Path

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.connection_file = str(self.scratch / f"{uuid4().hex[:12]}.json")
        if sys.platform != "win32":
            self.transport = "ipc"

    async def _async_pre_start_kernel(self, **kwargs: object) -> tuple[list[str], dict]:
        if self.provisioner is None:
            self.provisioner = _PageProvisioner(kernel_id=uuid4().hex, kernel_spec=self.kernel_spec, parent=self)
            self.provisioner.server = self.server
        kwargs |= {"env": _environment(self.settings), "cwd": str(self.cwd)}
        return await super()._async_pre_start_kernel(**kwargs)

    pre_start_kernel = _async_pre_start_kernel


class _PageEngine(NBClientEngine):
    """papermill's own engine, which also hands out the notebook as far as it ran."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: object, kernel_name: str, *, ran: list, **kwargs: object) -> None:
        ran.append(nb_man.nb)
        super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register("qa_page", _PageEngine)


def run_notebook(
    source: Path,
    parameters: Mapping[str, object],
    timeout: int,
    server: KernelServer,
    cwd: Path,
    scratch: Path,
    settings: Mapping[str, str],
) -> Executed:
    """Executes ``source`` in a kernel of ``server``, in the folder ``cwd`` with environment variables ``settings``;
    ``scratch`` is for the files of the connection.
    """
    place = {"server": server, "cwd": cwd, "scratch": scratch, "settings": settings}
    manager = type("PageKernelManager", (_PageKernelManager,), place)
    ran: list[nbformat.NotebookNode] = []
    error = ""
    try:
        papermill.execute_notebook(
            source,
            None,
            parameters=dict(parameters),
            engine_name="qa_page",
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            execution_timeout=timeout,
            kernel_manager_class=manager,
            shutdown_kernel="immediate",
            ran=ran,
        )
        error = _cell_that_did_not_run(ran[0])
    except papermill.PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except CellTimeoutError:
        error = f"a cell ran longer than {timeout} s and was stopped"
    except DeadKernelError as failure:
        error = f"the kernel died: {failure}"
    finally:
        ensure_event_loop().close()  # nbclient opens a loop in every thread and leaves it open
    return Executed(ran[0], error)


def _cell_that_did_not_run(notebook: nbformat.NotebookNode) -> str:
    """A cell that ends its kernel with success, by ``sys.exit()``, leaves the cells after it without a count."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    place = next((place for place, cell in enumerate(cells, 1) if cell.execution_count is None), None)
    return "" if place is None else f"code cell {place} was not run: the one before it ended the kernel"
