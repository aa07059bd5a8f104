"""Studies too large to hold: exports are coded one by one, in blocks, and each period is kept in a table of its own.

Under ``data/processed/<study>`` lie ``exports/<digest>`` (what one export gave, by period), ``periods/<label>`` (a
period's responses, its ledger and a summary) and ``summary.json``. An export whose content, and a period whose exports,
did not change are not read again. Whoever asks for a period reads that period.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import Parallel, delayed

from qa_lib.errors import ResponseError
from qa_lib.study import cleaning
from qa_lib.study.checks import AnswerSums, answer_sums, doubts_of
from qa_lib.study.dates import labels, span, unit_of
from qa_lib.study.exports.files import export_blocks, read_export
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.responses import Responses, exports_in
from qa_lib.study.versions import on_one_scale

if TYPE_CHECKING:
    from qa_lib.study.study import Study

LARGE_ROWS = 1_000_000
LARGE_BYTES = 200_000_000
MOST_JOINED = 2_000_000  # 280 bytes each, and a page holds a period and the one before
_KEPT_PERIODS = 2
_read_lately: dict[str, Responses] = {}
Weighted = Callable[[Responses], Responses]


def is_large(study: Study) -> bool:
    """Whether a study's exports are kept period by period: more than a million rows of parquet, or 200 MB of others."""
    rows = size = 0
    folder = study.path / "responses"
    for path in exports_in(folder) if folder.is_dir() else []:
        if path.suffix.lower() == ".parquet":
            with suppress(pa.ArrowInvalid, OSError), pq.ParquetFile(path) as file:  # reading it says what is wrong
                rows += file.metadata.num_rows
        else:
            size += path.stat().st_size
    return rows > LARGE_ROWS or size > LARGE_BYTES


@dataclass(frozen=True)
class Partitions:
    """The periods of a large study. ``summary`` has an entry per period: rows, first and last date, digest, values."""

    study: Study
    summary: dict[str, dict]
    doubts: list[tuple[str, str, str]]

    @cached_property
    def columns(self) -> list[str]:
        """All columns that any period has, in the order of the periods."""
        return list(dict.fromkeys(name for entry in self.summary.values() for name in entry["columns"]))

    def periods(self, unit: str | None = None) -> list[str]:
        """The periods with responses: the study's own, or all of a unit."""
        if unit is None:
            return sorted(self.summary)
        dated = [day for entry in self.summary.values() for day in entry["days"]]
        if dated:
            return sorted(labels(pd.Series(pd.to_datetime(dated)), unit).unique())
        return [name for name in sorted(self.summary) if unit_of(name) == unit]

    def values(self, column: str) -> set[str]:
        """Every value of a segment, as text."""
        return {value for entry in self.summary.values() for value in entry["values"].get(column, ())}

    def within(self, period: str) -> list[str]:
        """The study's own periods that hold a period's responses."""
        if period in self.summary:
            return [period]
        start, end = span(period)
        dated = any(entry["days"] for entry in self.summary.values())
        if not dated:
            return [name for name in self.periods() if start <= span(name)[0] and span(name)[1] <= end]
        first, last = start.date().isoformat(), end.date().isoformat()
        return [name for name in self.periods() if any(first <= day <= last for day in self.summary[name]["days"])]

    def digest(self, period: str) -> str:
        """What the responses of a period follow from, hashed."""
        return _digest([self.summary[name]["digest"] for name in self.within(period)])

    def summaries(self) -> Path:
        """Where to keep what follows from a period, under a name that holds the period's digest."""
        return self.study.processed / "summaries"

    def answers(self, period: str, weighted: Weighted) -> Responses:
        """The responses of a period, possibly none; ``weighted`` gives responses their weights.

        Raises ``ResponseError`` for a period that joins more of them than pages can hold.
        """
        names = self.within(period)
        rows = sum(self.summary[name]["rows"] for name in names)
        if len(names) > 1 and rows > MOST_JOINED:
            raise ResponseError(
                f"{self.study.path}: {period} joins {rows:,} responses of {len(names)} periods; at most "
                f"{MOST_JOINED:,} are held at once. Report on its periods ({names[0]} to {names[-1]}): their trends "
                "rest on sums, however many responses there are."
            )
        found = self._joined([weighted(self._read(name)) for name in names or self.periods()[:1]])
        if names == [period]:
            return found
        wanted = cleaning.in_period(found.data, period) if names else np.zeros(len(found.data), dtype=bool)
        data = found.data[wanted].reset_index(drop=True)
        own = found.ledger["row"].isna() & found.ledger["file"].isin(data["source_file"].unique())
        own |= found.ledger["period"].isin(data["period"].unique())
        return Responses(data, found.ledger[own].reset_index(drop=True), self.study.instrument)

    def everything(self, weighted: Weighted) -> Responses:
        """All responses at once: for a study this large, more than most machines can hold."""
        return self._joined([weighted(self._read(name)) for name in self.periods()])

    def _joined(self, parts: list[Responses]) -> Responses:
        if len(parts) == 1:
            return parts[0]
        data = pd.concat([part.data for part in parts], ignore_index=True)
        data = data.sort_values(["source_file", "source_row"], kind="stable", ignore_index=True)
        ledger = pd.concat([part.ledger for part in parts], ignore_index=True)
        ledger = ledger[~(ledger["row"].isna() & ledger.duplicated())].reset_index(drop=True)
        return Responses(data, ledger, self.study.instrument)

    def _read(self, name: str) -> Responses:
        """The responses of one of the study's own periods; the last few asked for stay in memory."""
        place, digest = self.study.processed / "periods", self.summary[name]["digest"]
        if digest not in _read_lately:
            table = pq.read_table(place / f"{name}.parquet").to_pandas()
            data = table.reindex(columns=self.columns) if list(table) != self.columns else table
            ledger = pq.read_table(place / f"{name}.ledger.parquet").to_pandas()
            while len(_read_lately) >= _KEPT_PERIODS:
                del _read_lately[next(iter(_read_lately))]
            _read_lately[digest] = Responses(data, ledger, self.study.instrument)
        return _read_lately[digest]


def partitions(study: Study) -> Partitions:
    """A large study's periods; exports and periods are read again only when what they follow from changed.

    The work is done side by side within ``joblib.parallel_config``, on a cluster with its backend ``dask``.
    """
    folder = study.processed
    rules = cleaning.reading_rules(study)
    exports = exports_in(study.path / "responses")
    parts = Parallel()(delayed(_part)(study, path, rules) for path in exports)
    names = sorted({label for part in parts for label in part["periods"]})
    if not names:
        raise ResponseError(f"{study.path / 'responses'}: no response has a period.")
    sources = [[part["digest"] for part in parts if name in part["periods"]] for name in names]
    entries = Parallel()(
        delayed(_period)(study, name, *given, rules) for name, *given in zip(names, sources, strict=True)
    )
    summary = {name: entry for name, entry in zip(names, entries, strict=True) if entry["rows"]}
    seen = {name for entry in summary.values() for name in entry["columns"]}
    if absent := [item for item in study.instrument.items if summary and item not in seen]:
        raise ResponseError(
            f"{study.path}: no export has a column for the optional item {absent[0]}; remove it from instrument.yaml "
            "or name its column there under 'columns'."
        )
    if not summary:
        raise ResponseError(f"{study.path}: no response is left after the exclusions of study.yaml.")
    _forget(folder / "periods", {f"{name}{end}" for name in names for end in (".parquet", ".ledger.parquet", ".json")})
    _forget(folder / "exports", {part["digest"] for part in parts})
    sums = [AnswerSums.of(entry["sums"]) for entry in summary.values()]
    return Partitions(study, summary, doubts_of(sum(sums[1:], sums[0]), study.instrument))


def _forget(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _part(study: Study, path: Path, rules: bytes) -> dict:
    digest = hashlib.sha256(rules + path.name.encode() + b"\0" + cleaning.content_digest(path)).hexdigest()[:32]
    folder = study.processed / "exports" / digest
    if not (folder / "part.json").is_file():
        with _whole_folder(folder) as scratch:
            counts = _code(study, path, scratch)
            (scratch / "part.json").write_text(json.dumps({"digest": digest, "periods": counts}), encoding="utf-8")
    return json.loads((folder / "part.json").read_text(encoding="utf-8"))


def _code(study: Study, path: Path, folder: Path) -> dict[str, int]:
    """Codes an export block by block into ``<period>.<block>.parquet`` and ledgers; rows per period."""
    spec, counts, rules = study.spec, {}, []
    whole = study.instrument.file.long is not None  # a respondent's rows may lie in several blocks
    for number, block in enumerate([read_export(path, spec.encoding)] if whole else export_blocks(path, spec.encoding)):
        book = LedgerBook()
        data = cleaning.coded_block(study, block, path, book)
        everyone = cleaning.with_period(data, spec.period, book)
        ledger = cleaning.with_row_periods(book.table(), everyone)
        rules.append(ledger[ledger["row"].isna()])
        for label, rows in everyone.groupby("period", sort=True):
            counts[label] = counts.get(label, 0) + len(rows)
            _write(rows, folder / f"{label}.{number:05d}.parquet")
            own = ledger[(ledger["period"] == label).fillna(False)]
            _write(own, folder / f"{label}.{number:05d}.ledger.parquet")
    _write(_added_up(rules), folder / "rules.parquet")
    return counts


def _added_up(rules: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rules for whole columns, the cells of all blocks together."""
    keys = ["file", "row", "column", "before", "after", "reason"]
    table = pd.concat(rules, ignore_index=True)
    added = table.groupby(keys, sort=False, dropna=False, as_index=False)["count"].sum()
    return added.astype(table.dtypes[[*keys, "count"]].to_dict()).assign(
        period=pd.array([pd.NA] * len(added), "string")
    )


def _period(study: Study, name: str, exports: list[str], rules: bytes) -> dict:
    """The summary of a period, which is put together from its exports where it is not at hand."""
    digest = _digest([rules.hex(), *exports])
    place = study.processed / "periods"
    known = _json(place / f"{name}.json")
    if known.get("digest") == digest:
        return known
    folders = [study.processed / "exports" / export for export in exports]
    data, ledger = _put_together(study, name, folders)
    entry = {"digest": digest} | _summary(study, data)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.json").unlink(missing_ok=True)
    _write(data, place / f"{name}.parquet")
    _write(ledger, place / f"{name}.ledger.parquet")
    _write_text(json.dumps(entry), place / f"{name}.json")
    return entry


def _put_together(study: Study, name: str, folders: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    blocks = [path for folder in folders for path in sorted(folder.glob(f"{name}.*.parquet"))]
    answers = [path for path in blocks if not path.name.endswith(".ledger.parquet")]
    data = pd.concat([pd.read_parquet(path) for path in answers], ignore_index=True)
    book = LedgerBook()
    data = cleaning.settled(study, data, book)
    entries = [pd.read_parquet(path) for path in blocks if path not in answers]
    entries += [book.table().assign(period=pd.array([name] * len(book), "string"))]
    entries += [pd.read_parquet(folder / "rules.parquet") for folder in folders]
    return data, pd.concat([table for table in entries if len(table)] or entries[-1:], ignore_index=True)


def _summary(study: Study, data: pd.DataFrame) -> dict:
    days = data["date"].dropna().dt.strftime("%Y-%m-%d").unique() if "date" in data else []
    segments = [segment.id for segment in study.spec.segments if segment.id in data]
    known = Responses(data, pd.DataFrame(), study.instrument)
    return {
        "rows": len(data),
        "days": sorted(days),
        "columns": list(data),
        "values": {column: sorted(map(str, data[column].dropna().unique())) for column in segments},
        "sums": answer_sums(on_one_scale(known, study.instrument)[0].data, study.instrument).as_lists(),
    }


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder filled beside its place and moved there: it appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial."))
    try:
        yield scratch
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(table: pd.DataFrame, path: Path) -> None:
    cleaning.write_table(table, path)


def _write_text(text: str, path: Path) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as scratch:
        scratch.write(text)
    os.replace(scratch.name, path)
