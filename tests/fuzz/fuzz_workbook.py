"""Excel workbooks: one part of a whole workbook is replaced by the bytes, or the bytes are the file.

Invariants: only a QaError leaves, whatever openpyxl stumbles over; nothing an XML entity names is opened; every row is
among the responses, or the ledger says why not; what a sheet says of its size costs neither memory nor time.
"""

import io
import zipfile
from functools import cache

import studies
from openpyxl import Workbook

from qa_lib.study.exports import contained

contained._SHEET_ROWS = 10_000  # a million blank rows take three seconds, and a minute where every branch is counted
PARTS = ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml")

MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHARED = b'<sst xmlns="' + MAIN + b'" count="2" uniqueCount="2"><si><t>N/A</t></si><si><r><t>Very </t></r></si></sst>'
OVERRIDE = (
    b'<Override PartName="/xl/sharedStrings.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)


@cache
def whole() -> dict[str, bytes]:
    book = Workbook()
    for row in (
        ["respondent", "date", "Q1", "Q2", "Q3", "branch", "weight", "consent", "check"],
        ["a", "2026-10-01", 1, 5, 3, "North", 1.5, "yes", 2],
        ["b", "2026-10-02", "Very good", None, "N/A", "=1+1", 1, True, 2],
    ):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts.setdefault("xl/sharedStrings.xml", SHARED)  # not every version of openpyxl writes them
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(
        b'<c r="D2" t="n"><v>5</v>', b'<c r="D2" t="s"><v>0</v>'
    )
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", OVERRIDE + b"</Types>")
    return parts


def check(data: bytes) -> None:
    place = data[0] % (len(PARTS) + 1) if data else 0
    studies.check_responses(packed({PARTS[place]: data[1:]}) if place < len(PARTS) else data[1:], "2026-10.xlsx")


def packed(changed: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, part in (whole() | changed).items():
            archive.writestr(name, part)
    return stream.getvalue()


def seeds() -> list[bytes]:
    entity = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]>'
    sheet = whole()[PARTS[0]]
    return [
        *(bytes([place]) + whole()[part] for place, part in enumerate(PARTS)),
        bytes([len(PARTS)]) + packed({}),
        b"\x00" + entity + sheet.replace(b"<v>1</v>", b"<v>&c;</v>"),
        b"\x00" + sheet.replace(b'r="2"', b'r="99999999999"'),
        b"\x00" + sheet.replace(b'<dimension ref="', b'<dimension ref="A1:XFD1048576" x="'),
        b"\x00" + sheet.replace(b't="s"', b't="d"').replace(b"<v>5</v>", b"<v>1e999</v>"),
    ]
