"""What a person should look at in a study's operations records and their descriptions before the first report."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from qa_lib.errors import DataWarning, QaError
from qa_lib.operations.circle import read_circle
from qa_lib.operations.kpis import kpis
from qa_lib.operations.sampling import plan_file
from qa_lib.operations.scorecards import score_contacts
from qa_lib.study.study import Study

FINDING = ["severity", "file", "where", "finding", "advice"]


def check_operations(study: Study) -> pd.DataFrame:
    """Mistakes in kpis.yaml, scorecard.yaml, plan.yaml and standards.yaml, and what the ledgers of the records hold.

    Columns ``severity, file, where, finding, advice``: an ``error`` stops a page, a ``warning`` is counted in a ledger.
    """
    spec, scorecard = study.path / "kpis.yaml", study.path / "monitoring" / "scorecard.yaml"
    tables, monitoring = study.operations(), study.monitoring()
    tasks: dict[str, Callable[[], pd.DataFrame | None]] = {}
    if set(tables) - {"roster"}:
        tasks["kpis.yaml"] = lambda: kpis(tables, spec if spec.is_file() else None, period=None).ledger
    if monitoring is not None and scorecard.is_file():
        tasks["monitoring"] = lambda: score_contacts(monitoring, scorecard, roster=study.roster()).ledger
    if (study.path / "monitoring" / "plan.yaml").is_file():
        tasks["monitoring/plan.yaml"] = lambda: _nothing(plan_file(study.path, "2026-01"))
    if (study.path / "standards.yaml").is_file():
        tasks["standards.yaml"] = lambda: _nothing(read_circle(Path(study.path / "standards.yaml")))
    rows = [row for file, task in tasks.items() for row in _tried(file, task)]
    return pd.DataFrame(rows, columns=FINDING)


def _nothing(_: object) -> None:
    """A description that could be read has no ledger."""


def _tried(file: str, task: Callable[[], pd.DataFrame | None]) -> list[tuple]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # what it would say is in the ledger
        try:
            ledger = task()
        except QaError as error:
            return [("error", file, "", str(error), "")]
    if ledger is None or ledger.empty:
        return []
    counts = ledger.groupby(["file", "column", "reason"], sort=False).agg(n=("count", "sum"), first=("row", "min"))
    return [
        ("warning", name, f"column {column}", f"{row['n']} × {reason}, first in row {row['first']}.", "")
        for (name, column, reason), row in counts.iterrows()
    ]
