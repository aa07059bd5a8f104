"""Opens an export, whatever its format and encoding, as a table of text or numbers with its columns' names."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pandas as pd
from charset_normalizer import from_bytes

from qa_lib.errors import ResponseError

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".sav", ".parquet")
_ENCODINGS = ("utf-8", "gb18030", "cp949")
_SAMPLE = 64_000


def read_table(path: Path) -> pd.DataFrame:
    """The rows of an export as they came: CSV and Excel cells as text, .sav and parquet with their own types.

    Raises ``ResponseError`` when the file is empty, truncated, in no known encoding or of no known format.
    """
    if not path.is_file():
        raise ResponseError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise ResponseError(f"{path} is empty. Export it again, or remove it from the folder.")
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv, ".xlsx": _read_excel, ".sav": _read_sav}
    readers[".parquet"] = _read_parquet
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ResponseError(f"{path}: {path.suffix or 'no'} format is not read. Allowed: {', '.join(SUFFIXES)}.")
    table = reader(path)
    if table.empty:
        raise ResponseError(f"{path} has a header but no answers.")
    table.columns = _distinct([str(name).strip().lstrip("\ufeff") for name in table.columns])
    return table


def _distinct(names: list[str]) -> list[str]:
    """Names with ``.1``, ``.2`` … added to repeated ones."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        n = seen.get(name, 0)
        seen[name] = n + 1
        result.append(f"{name}.{n}" if n else name)
    return result


def _read_csv(path: Path) -> pd.DataFrame:
    text = _decode(path)
    try:
        delimiter = csv.Sniffer().sniff(text[:_SAMPLE].partition("\n")[0], delimiters=",;\t").delimiter
    except csv.Error:
        delimiter = ","
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False, header=None, skip_blank_lines=True
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise ResponseError(f"{path} cannot be read as a table separated by {delimiter!r}: {error}.") from None
    return _with_header(table)


def _with_header(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[1:].set_axis(table.iloc[0].astype(str), axis=1).reset_index(drop=True)


def _decode(path: Path) -> str:
    """The file's text: by its byte order mark, else the first of UTF-8, GB18030, CP949 that decodes it plausibly."""
    raw = path.read_bytes()
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    for mark, encoding in marks.items():
        if raw.startswith(mark):
            return _decoded(raw, encoding, path)
    if b"\x00" in raw[:_SAMPLE]:
        even = raw[:_SAMPLE][0::2].count(0)
        odd = raw[:_SAMPLE][1::2].count(0)
        return _decoded(raw, "utf-16-be" if even > odd else "utf-16-le", path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        best = from_bytes(raw, cp_isolation=["gb18030", "cp949"]).best()
    if best is None:
        raise ResponseError(f"{path} is in none of the encodings {', '.join(_ENCODINGS)}, UTF-16. Save it as UTF-8.")
    return _decoded(raw, best.encoding, path)


def _decoded(raw: bytes, encoding: str, path: Path) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ResponseError(
            f"{path} looks like {encoding} but is broken at byte {error.start}. Export it again, as UTF-8."
        ) from None


def _read_excel(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_excel(path, dtype=object, header=None, engine="openpyxl")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise ResponseError(f"{path} is not a whole Excel workbook ({error}). Save or download it again.") from None
    if table.empty:
        raise ResponseError(f"{path}: the first sheet is empty.")
    return _with_header(table.map(_cell_text))


def _cell_text(value: object) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read_sav(path: Path) -> pd.DataFrame:
    import pyreadstat

    try:
        table, meta = pyreadstat.read_sav(path, user_missing=False)
    except (pyreadstat.ReadstatError, UnicodeDecodeError) as error:
        raise ResponseError(f"{path} is not a whole SPSS file: {error}. Save it again.") from None
    table.attrs["column_labels"] = dict(zip(meta.column_names, meta.column_labels, strict=True))
    table.attrs["value_labels"] = meta.variable_value_labels
    return table


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ResponseError(f"{path} is not a whole parquet file: {error}. Write it again.") from None
