"""CSV and other text exports, in any encoding, of the dialects plain, Qualtrics and 问卷星.

Invariants: only a QaError leaves; names of columns are distinct; as many rows and characters come in as the text has
beside its separators; every row is among the responses, or the ledger says why not; answers lie within their scales;
every response has a period; memory and time are bounded by the file's size.
"""

import csv
import io

import harness
import studies

from qa_lib.study.exports.files import decode, read_export

SUFFIXES = (".csv", ".tsv", ".txt")
CHANGES = (
    {},
    {"duplicates": '"error"'},
    {"encoding": '"gb18030"'},
    {"exclude": '[{"column": "consent", "reason": "no consent", "values": ["no"]}]'},
    {"period": '{"column": "date", "format": "%d/%m/%Y"}'},
)


def check(data: bytes) -> None:
    first, content = data[0] if data else 0, data[1:]
    name = f"2026-10{SUFFIXES[first % 3]}"
    studies.check_responses(content, name, **CHANGES[first // 3 % len(CHANGES)])
    path = harness.file(content, name)
    export = harness.attempt(read_export, path)
    if export is not None:
        table = export.table
        assert table.columns.is_unique
        assert len(table) <= sum(1 for _ in csv.reader(io.StringIO(decode(path), newline="")))
        assert _letters("".join(table.to_numpy(dtype=str, na_value="").ravel())) <= _letters(decode(path))


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def seeds() -> list[bytes]:
    plain = (
        "respondent,date,Q1,Q2,Q3,branch,weight,consent,check\n"
        "a,2026-10-01,1,5,3,North,1.5,yes,2\nb,3.10.2026,Very good,,N/A,South,1,no,2\n"
    )
    qualtrics = (
        "StartDate,EndDate,ResponseId,Duration (in seconds),Q1,Q2,branch,weight\n"
        'Start Date,End Date,Response ID,Duration (in seconds),"Fast, is it?",On time,Branch,Weight\n'
        '"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""_recordId""}",x,'
        '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}",y,z\n'
        "2026-10-01 10:00:00,2026-10-01 10:05:00,R_1,300,4,-99,N,1\n"
    )
    wenjuanxing = (
        "序号,提交答卷时间,所用时间,来自IP,1、办理速度,Q2,branch,weight\n"
        "1,2026/10/3 14:22:05,85秒,1.2.3.4(北京),很好,(跳过),北,1\n2,2026/10/4 14:22:05,1分25秒,1.2.3.4,3,5,南,2\n"
    )
    texts = [
        plain,
        qualtrics,
        wenjuanxing,
        plain.replace(",", ";"),
        plain.replace(",", "\t"),
        plain.replace("\n", "\r"),
    ]
    found = [b"\x00" + text.encode() for text in texts]
    for encoding in ("utf-16", "utf-16-le", "gb18030", "utf-8-sig", "cp949"):
        found.append(b"\x00" + (plain if encoding == "cp949" else wenjuanxing).encode(encoding))
    return [
        *found,
        b"\x06" + wenjuanxing.encode("gb18030"),
        b"\x09" + plain.encode(),
        b"\x03" + plain.encode(),
        b'\x00Q1,"Q2\n1,2\n"',
        b"\x00a\n" + b"1" * 400,
    ]
