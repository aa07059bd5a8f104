"""Opens an export, whatever its format and encoding, as a table of text or numbers with its columns' names."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from charset_normalizer import from_bytes

from qa_lib.errors import ResponseError
from qa_lib.study.exports.headers import distinct
from qa_lib.study.limits import MAX_BYTES, check_shape, regular_file, without_controls

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".sav", ".zsav", ".dta", ".parquet")
_EAST_ASIAN = ("GB18030", "CP949")
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SAMPLE = 64_000
BLOCK_ROWS = 131_072
_MOST_TITLES = 10


@dataclass(frozen=True, slots=True)
class Export:
    """A file as it came: its cells, and what an SPSS or Stata file says of them.

    ``first_row`` is the spreadsheet row of the first line below the names; ``headers`` are the names as they stand in
    the file, where those of the table are distinct; ``wording`` gives a column's question, ``labels`` its values'
    words, ``missing`` its ranges (low, high) of user-defined missing values.
    """

    table: pd.DataFrame
    first_row: int = 2
    headers: Sequence[str] = ()
    wording: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[object, str]] = field(default_factory=dict)
    missing: Mapping[str, list[tuple[object, object]]] = field(default_factory=dict)


def read_export(path: Path, encoding: str | None = None) -> Export:
    """An export as it came: CSV and Excel cells as text, .sav and parquet with their own types.

    Raises ``ResponseError`` when the file is empty, truncated, in no known encoding or of no known format.
    """
    size = regular_file(path, ResponseError)
    if size == 0:
        raise ResponseError(f"{path} is empty. Export it again, or remove it from the folder.")
    if size > MAX_BYTES:
        raise ResponseError(f"{path} has {size / 1e9:.1f} GB; {MAX_BYTES / 1e9:.0f} are read. Split it by month.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ResponseError(f"{path}: {suffix or 'no'} format is not read. Allowed: {', '.join(SUFFIXES)}.")
    export = _READERS[suffix](path) if suffix in _READERS else _read_csv(path, encoding)
    if export.table.empty:
        raise ResponseError(f"{path} has a header but no answers.")
    return _named(export)


def _named(export: Export) -> Export:
    """The export with distinct names, without columns that have neither name nor cells."""
    headers = [without_controls(str(name)).strip().lstrip("\ufeff") for name in export.table.columns]
    named = [bool(name) or not _is_blank(export.table.iloc[:, place]) for place, name in enumerate(headers)]
    table = export.table if all(named) else export.table.loc[:, named]
    headers = [name for name, keep in zip(headers, named, strict=True) if keep]
    return replace(export, table=table.set_axis(distinct(headers), axis=1), headers=tuple(headers))


def defined_missing(cells: pd.Series, export: Export) -> np.ndarray:
    """Which cells of a column the file itself defines as missing."""
    hit = np.zeros(len(cells), dtype=bool)
    for low, high in export.missing.get(str(cells.name), []):
        hit |= cells.between(low, high).to_numpy() if not isinstance(low, str) else (cells == low).to_numpy()
    return hit


def without_defined_missing(table: pd.DataFrame, export: Export) -> pd.DataFrame:
    return table.assign(**{name: table[name].mask(defined_missing(table[name], export)) for name in export.missing})


def _is_blank(cells: pd.Series) -> bool:
    return bool((cells.isna() | (cells == "")).all())


def export_blocks(path: Path, encoding: str | None = None) -> Iterator[Export]:
    """An export in blocks of at most ``BLOCK_ROWS`` rows where its format allows (parquet), else whole."""
    if path.suffix.lower() != ".parquet" or regular_file(path, ResponseError) == 0:
        yield read_export(path, encoding)
        return
    from qa_lib.study.exports.contained import parquet_blocks

    first_row = 2
    for table in parquet_blocks(path, BLOCK_ROWS):
        yield _named(Export(table, first_row))
        first_row += len(table)
    if first_row == 2:
        raise ResponseError(f"{path} has a header but no answers.")


def read_table(path: Path) -> pd.DataFrame:
    """The rows of an operations record or an export, without what an SPSS file says of them."""
    return read_export(path).table


def _read_csv(path: Path, encoding: str | None) -> Export:
    text = decode(path, encoding)
    delimiter, above, start = _layout(text)
    text = text[start:]
    _check_text(path, text, delimiter)
    options = {"sep": delimiter, "dtype": str, "keep_default_na": False, "header": None, "skip_blank_lines": False}
    try:
        table = pd.read_csv(io.StringIO(text), **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise ResponseError(f"{path} cannot be read as a table separated by {delimiter!r}: {error}.") from None
    return _with_header(table.fillna(""), above)


def _layout(text: str) -> tuple[str, int, int]:
    """The one of comma, semicolon and tab that splits the names into most columns, and where the names begin.

    Where is the number of records above the names and the place of their first character.
    """
    widths = {}
    for mark in ",;\t":
        reader = csv.reader(io.StringIO(text[:_SAMPLE], newline=None), delimiter=mark)
        above = lines = width = 0
        for number, record in enumerate(itertools.islice(reader, _MOST_TITLES + 1)):
            if _is_heading(record):
                above, width = number, len(record)
                break
            lines = reader.line_num
        widths[width, -ord(mark)] = (mark, above, lines) if width else (mark, 0, 0)
    mark, above, lines = widths[max(widths)]
    ends = itertools.islice(re.finditer(r"\r\n|\r|\n", text), lines)
    return mark, above, max((end.end() for end in ends), default=0)


def _is_heading(record: Sequence[str]) -> bool:
    """Whether a row may hold names: titles above them fill one cell."""
    return sum(1 for cell in record if cell.strip()) > 1


def _check_text(path: Path, text: str, delimiter: str) -> None:
    """Every row will be as wide as the first: names of a thousand columns make a thousand cells of a blank line.

    A NUL would end its cell, and hide what follows.
    """
    first = min((place for place in (text.find("\n"), text.find("\r")) if place > 0), default=len(text))
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise ResponseError(f"{path} holds a NUL character in line {line}: it is damaged. Export it again.")
    check_shape(path, max(text.count("\n"), text.count("\r")), text.count(delimiter, 0, first) + 1)


def _with_header(table: pd.DataFrame, above: int = 0) -> Export:
    """Rows below the names, without those wholly blank; the index counts rows below the names from 0.

    ``above`` are the rows before the names that the table no longer holds.
    """
    rows = table.iloc[1:].set_axis(table.iloc[0].astype(str), axis=1).reset_index(drop=True)
    blank = rows.iloc[:, 0] == ""
    if blank.any():
        blank &= (rows[blank] == "").all(axis=1).reindex(rows.index, fill_value=False)
    return Export(rows[~blank] if blank.any() else rows, 2 + above)


def decode(path: Path, encoding: str | None = None) -> str:
    """The file's text: in the encoding named, by its byte order mark, as UTF-8, else as GB18030 or CP949.

    Raises ``ResponseError`` when the bytes are not in the encoding named or found, or in none of those.
    """
    raw = path.read_bytes()
    if encoding is not None:
        return _decoded(raw, encoding, path)
    for mark, marked in _MARKS.items():
        if raw.startswith(mark):
            return _decoded(raw, marked, path)
    if b"\x00" in raw[:_SAMPLE]:
        even, odd = raw[:_SAMPLE:2].count(0), raw[1:_SAMPLE:2].count(0)
        if even + odd > len(raw[:_SAMPLE]) / 50:  # every separator and digit has one
            return _decoded(raw, "utf-16-be" if even > odd else "utf-16-le", path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        broken = error.start
    if len(raw.decode("utf-8", errors="ignore").encode()) > 0.99 * len(raw):
        line = raw.count(b"\n", 0, broken) + 1
        raise ResponseError(f"{path} is UTF-8 but broken at byte {broken}, line {line}. Export it again.")
    best = from_bytes(raw, cp_isolation=["gb18030", "cp949"]).best()
    if best is None:
        raise ResponseError(
            f"{path} is in none of the encodings UTF-8, UTF-16, {', '.join(_EAST_ASIAN)}. Save it as UTF-8, or name "
            "its encoding in study.yaml: encoding."
        )
    return _decoded(raw, best.encoding, path)


def _decoded(raw: bytes, encoding: str, path: Path) -> str:
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise ResponseError(f"study.yaml: encoding: Python knows no encoding {encoding!r}.") from None
    except UnicodeDecodeError as error:
        raise ResponseError(
            f"{path} is not in {encoding}: broken at byte {error.start}. Export it again, as UTF-8."
        ) from None
    return text.lstrip("\ufeff")


def _read_excel(path: Path) -> Export:
    from qa_lib.study.exports.contained import first_sheet

    table = first_sheet(path)
    if table.empty:
        raise ResponseError(f"{path}: the first sheet is empty.")
    table = table.map(_cell_text)
    top = (_is_heading(row) for row in table.head(_MOST_TITLES + 1).itertuples(index=False))
    above = next((place for place, heads in enumerate(top) if heads), 0)
    return _with_header(table.iloc[above:], above)


def _cell_text(value: object) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read_sav(path: Path) -> Export:
    from qa_lib.study.exports.statistical import whole_file

    table, meta = whole_file(path)
    missing = {name: [(span["lo"], span["hi"]) for span in spans] for name, spans in meta.missing_ranges.items()}
    return Export(table, 1, (), _wording(meta), meta.variable_value_labels, missing)


def _read_dta(path: Path) -> Export:
    """A Stata file; its extended missing values ``.a`` to ``.z`` as text, as Stata writes them."""
    from qa_lib.study.exports.statistical import whole_file

    table, meta = whole_file(path)
    letters = {name: set(found) for name, found in meta.missing_user_values.items()}
    for name, found in letters.items():
        table[name] = table[name].replace({letter: f".{letter}" for letter in found})
    labels = {
        name: {f".{code}" if code in letters.get(name, ()) else code: text for code, text in words.items()}
        for name, words in meta.variable_value_labels.items()
    }
    missing = {name: [(f".{letter}", f".{letter}") for letter in sorted(found)] for name, found in letters.items()}
    return Export(table, 1, (), _wording(meta), labels, missing)


def _wording(meta: object) -> dict[str, str]:
    return {name: label for name, label in meta.column_names_to_labels.items() if label}


def _read_parquet(path: Path) -> Export:
    from qa_lib.study.exports.contained import whole_parquet

    return Export(whole_parquet(path))


_READERS = {
    ".xlsx": _read_excel,
    ".sav": _read_sav,
    ".zsav": _read_sav,
    ".dta": _read_dta,
    ".parquet": _read_parquet,
}
