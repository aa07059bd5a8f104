"""Runs one notebook in a fresh kernel, safely beside others, and says plainly how it ended."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class _PageKernelManager(AsyncKernelManager):
    """Kernels that run side by side: no races for ports, one BLAS thread each."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if sys.platform != "win32":
            self.transport = "ipc"
            self.connection_file = os.path.join(tempfile.gettempdir(), f"qa-kernel-{uuid4().hex}.json")

    async def _async_pre_start_kernel(self, **kwargs: object) -> tuple[list[str], dict]:
        kwargs["env"] = {**os.environ, **(kwargs.get("env") or {}), **_ONE_THREAD}
        return await super()._async_pre_start_kernel(**kwargs)

    pre_start_kernel = _async_pre_start_kernel


def run_notebook(source: Path, target: Path, parameters: Mapping[str, object], timeout: int) -> str | None:
    """Executes ``source`` into ``target`` and returns the error in one line, or None when every cell ran.

    ``target`` holds the partial notebook with the error when a cell failed.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=dict(parameters),
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            execution_timeout=timeout,
            kernel_manager_class=_PageKernelManager,
            shutdown_kernel="immediate",
        )
    except papermill.PapermillExecutionError as error:
        return f"cell {error.exec_count}: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        return f"a cell ran longer than {timeout} s and was stopped"
    except DeadKernelError as error:
        return f"the kernel died: {error}"
    finally:
        ensure_event_loop().close()  # nbclient opens a loop in every thread and leaves it open
    return None
