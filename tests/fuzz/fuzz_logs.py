"""Event logs of tickets, exports of a row per answer, and exports as the platforms write them.

Invariants: only a QaError leaves. Of a log: a row per ticket that it names with a time, none lost or made up; counts of
reopenings and handovers are none below zero; nobody's personal data come through. Of a long export: a response per
respondent at most, answers within their scale, every response has a period. Of a platform's: every row is an answer's
or said to be none, and no two columns share a name.
"""

import sys
import tempfile
from functools import cache
from pathlib import Path

import harness
import studies
import yaml

from qa_lib.study.cleaning import build
from qa_lib.study.coding import key
from qa_lib.study.exports.dialects import answers
from qa_lib.study.exports.files import read_export
from qa_lib.study.privacy import personal_kind
from qa_lib.study.study import Study, read_study

sys.path.append(str(Path(__file__).parents[1]))
LONG = {"respondent": "pid", "item": "question", "answer": "value", "time": "at", "wave": "wave"}
LOG = "ticket,at,event,value,actor,branch\n" + "".join(
    f"T{i},2026-10-0{1 + i} 0{hour}:00:00,{event},{value},ann,North\n"
    for i in range(4)
    for hour, (event, value) in enumerate(
        [("created", ""), ("assigned", "bo"), ("due", "2026-10-09"), ("replied", ""), ("status", "resolved")]
    )
)
ANSWERS = "pid,question,value,at,wave,date,branch\n" + "".join(
    f"p{i},Q{item},{1 + (i + item) % 5},2026-10-01 09:0{item}:00,1,2026-10-0{1 + i},North\n"
    for i in range(4)
    for item in (1, 2, 3)
)


@cache
def study() -> Study:
    from ticket_logs import SPEC

    folder = harness.SCRATCH / "logs"
    for name in ("tickets", "responses"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    spec = studies.STUDY | {"ticket_log": SPEC, "columns": {"respondent": ["pid"]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    (folder / "instrument.yaml").write_text(yaml.safe_dump(studies.INSTRUMENT | {"long": LONG}), encoding="utf-8")
    return read_study(folder)


def check(data: bytes) -> None:
    kind, content = data[0] % 3 if data else 0, data[1:]
    (_log, _long, _platform)[kind](content)


def _log(content: bytes) -> None:
    path = harness.file(content, "logs/tickets/log.csv")
    tickets = harness.attempt(study().tickets_of_log)
    if tickets is None:
        return
    table, ids = tickets.table, tickets.table["ticket_id"]
    named = {key(text) for text in read_export(path).table["ticket"]}
    assert ids.is_unique
    assert {key(text) for text in ids} <= named
    assert len(tickets.ledger) or {key(text) for text in ids} == named
    assert (table["reopenings"] >= 0).all()
    assert (table["handovers"] >= 0).all()
    for name in table.columns.drop("ticket_id"):
        for cell in table[name].dropna().astype(str):
            assert personal_kind(cell) is None, (name, cell)


def _long(content: bytes) -> None:
    path = harness.file(content, "logs/responses/2026-10.csv")
    responses = harness.attempt(build, study())
    if responses is None:
        return
    export = read_export(path)
    rows = {int(row) for row in export.table.index + export.first_row}
    found = responses.data
    assert set(found["source_row"]) <= rows
    assert found["source_row"].is_unique
    items = found[["Q1", "Q2"]].to_numpy(dtype=float)
    assert ((items != items) | ((items >= 1) & (items <= 5))).all()
    assert found["period"].notna().all()


def _platform(content: bytes) -> None:
    export = harness.attempt(read_export, harness.file(content, "export.csv"))
    found = None if export is None else harness.attempt(answers, export)
    if found is None:
        return
    rows = {int(row) for row in export.table.index + export.first_row}
    told = {row for row, *_ in found.aside}
    assert set(found.rows.tolist()) <= rows
    assert not told & set(found.rows.tolist())
    assert len(rows - told - set(found.rows.tolist())) <= 2  # rows of words above the answers
    assert found.table.columns.is_unique
    assert len(found.table) == len(found.rows)


@cache
def seeds() -> list[bytes]:
    import export_files as files

    with tempfile.TemporaryDirectory(dir=harness.SCRATCH) as folder:
        path = Path(folder) / "export.csv"
        makers = [files.limesurvey, files.surveymonkey, files.google_forms, files.tencent]
        platforms = [b"".join(make(path).read_bytes().splitlines(keepends=True)[:6]) for make in makers]
        platforms.append(b"".join(files.google_forms(path, chinese=True).read_bytes().splitlines(keepends=True)[:6]))
        platforms.append(b"".join(files.limesurvey(path, headings="text").read_bytes().splitlines(keepends=True)[:6]))
    again = LOG + "T1,2026-10-09 09:00,status,reopened,ann,South\nT1,2026-10-10 09:00,status,closed,ann,South\n"
    return [
        b"\x00" + LOG.encode(),
        b"\x00" + again.encode(),
        b"\x00" + LOG.replace("2026-10-", "13812345678 ").encode(),
        b"\x01" + ANSWERS.encode(),
        b"\x01" + (ANSWERS + "p0,Q1,5,2026-10-02,1,2026-10-01,South\np0,Q1,5,2026-10-02,2,2026-10-01,South\n").encode(),
        *(b"\x02" + platform for platform in platforms),
    ]
