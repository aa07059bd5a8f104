"""Operations records: tickets, calls, complaints, customers, outages, facilities, monitoring, roster, notes, contacts,
actions; the folder of a study with one of them replaced by the bytes.

Invariants: only a QaError leaves; of the cases of every table, what was counted, still open and in the ledger adds up;
shares lie between 0 and 1; nobody's personal data come through undeclared.
"""

from functools import cache
from pathlib import Path

import harness
import pandas as pd

from qa_lib.operations.kpis import kpis
from qa_lib.operations.sampling import monitoring_plan
from qa_lib.operations.scorecards import score_contacts
from qa_lib.study.privacy import personal_kind
from qa_lib.study.study import Study, read_study
from qa_lib.tracking.actions import action_effects
from qa_lib.tracking.makeup import response_rates

DEMO = Path(__file__).parents[2] / "data" / "raw" / "demo"
TABLES = ("tickets", "calls", "complaints", "customers", "outages", "facilities", "monitoring")
FILES = (*(f"{name}/{name}.csv" for name in TABLES), "roster.csv", "contacts.csv", "actions.csv", "notes.csv")
PLAN = {"first": "2026-10-01", "last": "2026-10-02"}


@cache
def study() -> Study:
    folder = harness.SCRATCH / "records"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in ("study.yaml", "instrument.yaml", "kpis.yaml", "monitoring/scorecard.yaml"):
        (folder / name).write_bytes((DEMO / name).read_bytes())
    return read_study(folder)


def check(data: bytes) -> None:
    name = FILES[data[0] % len(FILES)] if data else FILES[0]
    for other in FILES:
        (study().path / other).unlink(missing_ok=True)
    (study().path / name).write_bytes(data[1:])
    record = Path(name).stem
    table = harness.attempt(getattr(study(), record))
    if table is not None and len(table) <= 1000:
        _no_personal_data(table)
        _use(record, table)


def _no_personal_data(table: pd.DataFrame) -> None:
    for name in table:
        for cell in table[name].dropna().astype(str):
            assert personal_kind(cell) is None, (name, cell)


def _use(record: str, table: pd.DataFrame) -> None:
    if record == "monitoring":
        harness.attempt(score_contacts, table, study().path / "monitoring" / "scorecard.yaml")
    elif record == "roster":
        harness.attempt(monitoring_plan, table, PLAN)
    elif record == "contacts":
        rates = harness.attempt(response_rates, table)
        assert rates is None or rates.tidy()["estimate"].dropna().between(0, 1).all()
    elif record == "actions":
        answers = pd.DataFrame(
            {"period": ["2026-01", "2026-03"] * 4, "branch": ["station"] * 8, "R1": [1, 5, 2, 4] * 2}
        )
        harness.attempt(action_effects, answers, table, values={"responsiveness": ["R1"]}, unit="branch")
    elif record != "notes":
        found = harness.attempt(kpis, {record: table}, study().path / "kpis.yaml")
        assert found is None or len(found.ledger) <= 20 * len(table)


@cache
def seeds() -> list[bytes]:
    found = []
    for place, name in enumerate(FILES):
        lines = (DEMO / name).read_bytes().splitlines(keepends=True)
        found.append(bytes([place]) + b"".join(lines[:5]))
    return found
