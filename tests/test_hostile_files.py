"""Broken and hostile files: a clear error or a ledger line, in bounded memory and time, and nothing hangs."""

import io
import os
import re
import resource
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from openpyxl import Workbook
from study_folders import csv, rows, small_study

import qa_lib as qa
from qa_lib.errors import QaError, ResponseError
from qa_lib.study.exports import statistical
from qa_lib.study.exports.files import read_export

ROOT = Path(__file__).parent.parent
LIMIT_MB, SECONDS = 3000, 300  # far above what is needed (the imports take 700 MB of addresses), far below a disaster
posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and limits of POSIX")


def refused(path: Path, message: str) -> None:
    with pytest.raises(ResponseError, match=message) as caught:
        read_export(path)
    assert len(str(caught.value)) < 2000


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def workbook(*, parts: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A small workbook, parts of it replaced."""
    book = Workbook()
    for row in (["Q1", "date"], [1, "2026-10-01"], [5, "2026-10-02"]):
        book.active.append(row)
    whole, changed = io.BytesIO(), io.BytesIO()
    book.save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w", compression) as new:
        for name in dict.fromkeys([*old.namelist(), *(parts or {})]):
            new.writestr(name, (parts or {}).get(name) or old.read(name))
    return changed.getvalue()


def sheet(cells: str) -> dict[str, bytes]:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return {
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'.encode()
    }


# files that are none, or not whole


@posix
def test_a_pipe_a_folder_and_links_in_a_circle_are_no_exports(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "is a pipe or a device, not a file")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "is a folder, not a file")
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    refused(tmp_path / "circle.csv", "cannot be read: Too many levels of symbolic links")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    refused(tmp_path / "zero.csv", "is a pipe or a device")
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "gone")
    refused(tmp_path / "nowhere.csv", "does not exist")
    refused(tmp_path / f"{'x' * 300}.csv", "cannot be read: File name too long")
    refused(tmp_path / "a\0b.csv", r"a\\x00b.csv does not exist")
    refused(tmp_path / "caf\udce9.csv", "name is in no known encoding")


@posix
def test_a_pipe_in_a_study_is_said_and_does_not_stop_it_for_ever(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    os.mkfifo(study / "responses" / "pipe.csv")
    with pytest.raises(ResponseError, match=r"pipe.csv is a pipe"):
        qa.read_study(study).responses()
    (study / "study.yaml").unlink()
    os.mkfifo(study / "study.yaml")
    with pytest.raises(QaError, match=r"study.yaml is a pipe"):
        qa.read_study(study)


TABLE = pd.DataFrame({"Q1": [1.0, 5.0] * 200, "date": ["2026-10-01", "2026-10-02"] * 200})


def contents(folder: Path) -> dict[str, bytes]:
    """The same table in every format."""
    pyreadstat.write_sav(TABLE, folder / "a.sav")
    TABLE.to_parquet(folder / "a.parquet")
    TABLE.to_excel(folder / "a.xlsx", index=False)
    return {name: (folder / name).read_bytes() for name in ("a.sav", "a.parquet", "a.xlsx")}


@pytest.mark.parametrize("name", ["a.sav", "a.parquet", "a.xlsx"])
def test_truncated_and_damaged_files_are_refused_or_read_whole(tmp_path, name):
    """Cut anywhere, or with a byte turned: an error in words, never fewer rows than the file had."""
    whole = contents(tmp_path)[name]
    for cut in np.linspace(1, len(whole) - 2, 12).astype(int):
        refused(put(tmp_path, name, whole[:cut]), "is not a whole|is no survey")
    places = 12 if name.endswith(".sav") else 60  # SPSS files are read by a process each
    for place in np.linspace(0, len(whole) - 1, places).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        try:
            read = read_export(put(tmp_path, name, bytes(damaged))).table
        except ResponseError as error:
            assert name in str(error)  # noqa: PT017  an error or the rows: both are right
        else:
            assert len(read) == len(TABLE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n", "no answers|cannot be read"),
        ("a.csv", b"Q1,date\n", "header but no answers"),
        ("a.csv", b'Q1,date\n"1,2026-10-01\n', "cannot be read as a table|no answers"),
        ("a.csv", b"Q1,date\n1,2,3\n", "cannot be read as a table"),
        (
            "a.csv",
            b"Q1,date\n1,2026-10-01\n5,2\x00026-10-02\n" + b"1,2026-10-01\n" * 9,
            "holds a NUL character in line 3",
        ),
        ("a.csv", "网点,满意\n北,5\n".encode("gb18030") * 40 + b"\xb1", "none of the encodings|is not in"),
        ("a.csv", "网点,满意\n北,5\n".encode() * 40 + b"\xe6\xbb", "is UTF-8 but broken at byte"),
        ("a.csv", b"\xff\xfeQ\x001\x00\n\x00\x31", "is not in utf-16"),
        ("a.xlsx", b"PK\x03\x04", "not a whole Excel workbook"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "not a whole Excel workbook"),
        ("a.sav", b"$FL2" + b"\x00" * 500, "not a whole SPSS file"),
        ("a.parquet", b"PAR1" + b"\x00" * 40 + b"PAR1", "not a whole parquet file"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, content, message):
    refused(put(tmp_path, name, content), message)


def test_utf_16_without_a_mark_and_old_line_ends_are_read(tmp_path):
    words = "编号,date,Q1\r1,2026-10-01,5\r2,2026-10-02,4\r"
    for encoding in ("utf-16-le", "utf-16-be", "utf-8"):
        table = read_export(put(tmp_path, "a.csv", words.encode(encoding))).table
        assert table["Q1"].tolist() == ["5", "4"]


# what unpacks to much more than it is


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            sheet('<row r="1"><c r="A1" t="inlineStr"><is><t>' + " " * 60_000_000 + "</t></is></c></row>"),
            "unpacks from",
        ),
        ({f"xl/media/{place}.png": b"x" for place in range(6000)}, "parts; that is no survey export"),
        (sheet('<row r="99999999999"><c r="A1"><v>1</v></c></row>'), "more rows than Excel can"),
        (
            sheet("".join(f'<row r="{r}"><c r="XFD{r}"><v>1</v></c></row>' for r in (1, 2000))),
            "rows and 16,384 columns",
        ),
        (sheet('<row r="1"><c r="A1" t="s"><v>7</v></c></row>'), "not a whole Excel workbook"),
        (sheet("<row><c"), "not a whole Excel workbook"),
    ],
)
def test_workbooks_that_promise_or_unpack_too_much(tmp_path, parts, message):
    started = time.monotonic()
    refused(put(tmp_path, "a.xlsx", workbook(parts=parts)), message)
    assert time.monotonic() - started < SECONDS


def test_a_sheet_that_lies_about_its_size_is_read_for_what_it_holds(tmp_path):
    cells = '<row r="1"><c r="A1" t="inlineStr"><is><t>Q1</t></is></c></row><row r="2"><c r="A2"><v>5</v></c></row>'
    parts = sheet(cells)
    name, content = next(iter(parts.items()))
    parts[name] = content.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')
    assert read_export(put(tmp_path, "a.xlsx", workbook(parts=parts))).table["Q1"].tolist() == ["5"]


def test_entities_of_a_workbook_open_no_file_and_grow_no_text(tmp_path):
    secret = put(tmp_path, "secret", b"the secret")
    entities = f'<!DOCTYPE x [<!ENTITY a SYSTEM "{secret.as_uri()}"><!ENTITY b0 "{"b" * 100}">'
    entities += "".join(f'<!ENTITY b{k} "{f"&b{k - 1};" * 20}">' for k in range(1, 8)) + "]>"
    for name in ("a", "b7"):
        parts = sheet(
            f'<row r="1"><c r="A1" t="inlineStr"><is><t>&{name};</t></is></c></row><row r="2"><c><v>1</v></c></row>'
        )
        parts = {part: entities.encode() + content for part, content in parts.items()}
        path = put(tmp_path, "a.xlsx", workbook(parts=parts))
        try:
            read = read_export(path).table
        except ResponseError as error:
            read = error
        assert "secret" not in str(read).replace(str(tmp_path), "")
        assert len(str(read)) < 2000


# size, within limits of memory and time


def in_a_small_process(code: str, folder: Path) -> str:
    """Runs code in a process that may use so much memory and time; its output."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MB << 20, LIMIT_MB << 20))

    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "QA_HASH_KEY": "the key of tests"}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True, text=True, timeout=SECONDS, env=environment, preexec_fn=limited, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


READ = """
    import sys
    from pathlib import Path
    import qa_lib as qa
    from qa_lib.errors import QaError
    try:
        responses = qa.read_study(sys.argv[1]).responses()
        print(len(responses.data), responses.ledger["reason"].value_counts().to_dict())
    except QaError as error:
        print(type(error).__name__, str(error)[:500])
"""


@posix
def test_cells_of_megabytes_are_refused_or_noted(tmp_path):
    table = rows().assign(branch="North")
    table.loc[0, "branch"] = "@" + "1" * 3_000_000
    study = small_study(tmp_path, {"a.csv": csv(table)}, {"segments": [{"id": "branch"}], "personal": ["branch"]})
    assert "'too_long': 1" in in_a_small_process(READ, study)
    said = {}
    for column, endless in (("Q1", "5" * 3_000_000), ("Q2", "good " * 600_000), ("date", " 1" * 1_000_000)):
        small = small_study(
            tmp_path / column, {"a.csv": csv(rows().astype({column: object}).assign(**{column: endless}))}
        )
        said[column] = in_a_small_process(READ, small)
    assert "'out_of_range': 12" in said["Q1"]
    assert "item Q2" in said["Q2"]
    assert "no response is left" in said["date"]


@posix
@pytest.mark.parametrize("columns", [100_001, 2_000_000])
def test_a_line_of_names_alone_can_fill_no_memory(tmp_path, columns):
    study = small_study(tmp_path, {"a.csv": b"a," * columns + b"\n" * 1000})
    assert f"has {columns + 1:,} columns; 100,000 are allowed" in in_a_small_process(READ, study)


def with_more_columns(path: Path, n: int) -> None:
    """The answers of ``rows`` and ``n`` columns of ones beside them, in the format of the file's name."""
    table = pd.concat([rows(), pd.DataFrame(np.ones((12, n)), columns=[f"x{i}" for i in range(n)])], axis=1)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".sav":
        pyreadstat.write_sav(table, path)
    else:
        book = Workbook(write_only=True)
        page = book.create_sheet()
        for row in (list(table), *table.to_numpy().tolist()):
            page.append(row)
        book.save(path)


@posix
@pytest.mark.parametrize(("suffix", "n"), [("csv", 50_000), ("parquet", 50_000), ("xlsx", 16_000)])
def test_columns_without_number_are_left_out_one_by_one(tmp_path, suffix, n):
    """A sheet of Excel has 16,384 columns at most."""
    study = small_study(tmp_path, {})
    with_more_columns(study / "responses" / f"a.{suffix}", n)
    assert in_a_small_process(READ, study).strip() == f"12 {{'not_named': {n}}}"


def test_an_spss_file_that_keeps_its_parser_busy_is_refused_in_time(tmp_path, monkeypatch):
    """readstat's time grows with the square of the columns."""
    with_more_columns(tmp_path / "a.sav", 3000)
    assert read_export(tmp_path / "a.sav").table.shape == (12, 3005)
    monkeypatch.setattr(statistical, "_SECONDS", 0.01)
    start = time.perf_counter()
    refused(tmp_path / "a.sav", r"a.sav could not be read within 0.01 seconds. Export the survey's own columns only")
    assert time.perf_counter() - start < 5


@posix
def test_a_parquet_file_of_few_bytes_cannot_promise_billions_of_rows(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    zeros = pa.table({name: pa.array(np.zeros(5_000_000, dtype=np.int8)) for name in ("Q1", "Q2", "Q3")})
    with pq.ParquetWriter(study / "responses" / "b.parquet", zeros.schema) as writer:
        for _ in range(21):
            writer.write_table(zeros)
    assert (study / "responses" / "b.parquet").stat().st_size < 2_000_000
    assert re.match(
        r"ResponseError .*b.parquet has 105,000,000 rows; 100,000,000 are read", in_a_small_process(READ, study)
    )


# cells that are not what they seem


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("nan", "out_of_range"), ("inf", "out_of_range"), ("-inf", "out_of_range"), ("1e999", "out_of_range"),
        ("1e308", "out_of_range"), ("4.5", "out_of_range"), ("46000", "out_of_range"), ("", ""), ("  ", ""),
        ("\u202e5", None), ("5\u200b", None), ("TRUE", None), ("2026-10-01", None), ("1_0", None),
        ("=5", None), ("５", ""), ("5.000", ""), ("٥", ""),
    ],
)  # fmt: skip
def test_a_cell_is_an_answer_a_ledger_line_or_an_error(tmp_path, cell, reason):
    table = rows().astype({"Q1": object})
    table.loc[3, "Q1"] = cell
    study = qa.read_study(small_study(tmp_path, {"a.csv": csv(table)}))
    if reason is None:
        with pytest.raises(ResponseError, match=r"a.csv, row 5, item Q1: .* is no answer of its scale"):
            study.responses()
        return
    responses = study.responses()
    noted = responses.ledger[responses.ledger["row"] == 5]
    assert noted["reason"].tolist() == ([reason] if reason else [])
    answer = responses.data.loc[3, "Q1"]
    assert answer == 5 or (np.isnan(answer) and (reason or not cell.strip()))


@pytest.mark.filterwarnings("ignore::qa_lib.errors.DataWarning")  # a column of fives never varies
def test_columns_of_every_type_are_answers_or_refused(tmp_path):
    moments = pd.to_datetime(["2026-10-01"] * 12)
    for column in (
        [True, False] * 6, moments, moments.tz_localize("Asia/Shanghai"), [[1]] * 12, [{"a": 1}] * 12, [b"\xff"] * 12,
        pd.Categorical(["5"] * 12), [None] * 12, pd.array([1, None] * 6, dtype="Int64"), [2**62] * 12,
    ):  # fmt: skip
        study = small_study(tmp_path, {})
        table = rows().assign(Q1=column)
        table.set_index("respondent").to_parquet(study / "responses" / "a.parquet")
        try:
            data = qa.read_study(study).responses().data
        except ResponseError as error:
            assert "is no answer of its scale" in str(error)  # noqa: PT017  an error or answers: both are right
        else:
            assert data["Q1"].isna().all() or data["Q1"].dropna().between(1, 5).all()
            assert len(data) == 12
        for entry in sorted(tmp_path.rglob("*"), reverse=True):
            entry.rmdir() if entry.is_dir() else entry.unlink()


def test_headers_that_repeat_hide_or_command_stay_names(tmp_path):
    table = rows()
    table.columns = ["respondent", "date", "Q1", "Q2", "Q3"]
    odd = pd.DataFrame([["x"] * 6] * 12, columns=["Q1", "Q1", "\u202eQ2", "=cmd|'/c calc'!A1", "<b>", "Q\u200b3"])
    study = small_study(tmp_path, {"a.csv": csv(pd.concat([table, odd], axis=1))})
    responses = qa.read_study(study).responses()
    assert responses.data["Q1"].tolist() == rows()["Q1"].tolist()
    assert (responses.ledger["reason"] == "not_named").sum() == 6


def test_a_file_that_ends_its_parser_is_refused(tmp_path):
    """Found by fuzzing: readstat, which reads SPSS files, dies of it."""
    content = (Path(__file__).parent / "fuzz" / "ends_readstat.sav").read_bytes()
    alone = subprocess.run(
        [sys.executable, "-m", "qa_lib.study.exports.statistical", str(put(tmp_path, "a.sav", content)), "x"]
    )
    assert alone.returncode != 0
    refused(tmp_path / "a.sav", "is not a whole SPSS file: its parser broke down")
