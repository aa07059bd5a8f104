"""A study: a folder of exports, operations records and the YAML files that say what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from qa_lib.criteria import Criteria
from qa_lib.errors import ResponseError, StudyError
from qa_lib.study.exports.files import SUFFIXES, read_table
from qa_lib.study.instrument import Instrument, read_instrument
from qa_lib.study.kept import kept
from qa_lib.study.limits import plain
from qa_lib.study.privacy import columns_of_staff, personal_kind, redacted, staff_codes, without_personal
from qa_lib.study.responses import Responses, comparable
from qa_lib.study.schema import load_yaml, validate
from qa_lib.study.study_file import StudyFile
from qa_lib.study.ticket_log import Tickets, read_ticket_log
from qa_lib.study.versions import on_one_scale, versions_in


@dataclass(frozen=True)
class Study:
    """A study; its tables are read when asked for.

    Of an instrument that changed, ``instrument`` is the newest version, or that of the period the study is
    ``seen_from``.
    """

    path: Path
    spec: StudyFile
    instrument: Instrument
    seen_from: str | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def title(self) -> Mapping[str, str]:
        return self.spec.title

    @property
    def languages(self) -> list[str]:
        return list(self.spec.languages)

    @property
    def processed(self) -> Path:
        """``data/processed/<study>`` for a study in ``data/raw``, else ``.processed`` in its own folder."""
        raw = self.path.parent
        return raw.parent / "processed" / self.name if raw.name == "raw" else self.path / ".processed"

    def periods(self, unit: str | None = None) -> list[str]:
        """The periods that have responses, sorted: the study's own, or those of a unit (month, quarter …)."""
        return kept(self).periods(unit)

    def responses(self, period: str | int | None = None) -> Responses:
        """All responses, or those of a period: a month also as part of its quarter or year.

        Where the instrument changed they are answers to its newest version among them, ``.instrument``: those of a
        period on the scale it was asked on. Others are mapped to that scale, or missing (``qa_lib.study.versions``).

        Raises ``ResponseError`` for a period that is written wrongly or has no responses. Warns ``DataWarning`` of
        answers on different scales.
        """
        if period is None:
            return self._comparable(kept(self).everything(self._weighted))
        found = self.answers(period)
        if found.data.empty:
            known = self.periods()
            raise ResponseError(
                f"{self.path}: no responses in {period}. "
                f"Periods with responses: {known[0]} to {known[-1]} ({len(known)})."
            )
        return found

    def answers(self, period: str | int) -> Responses:
        """The responses of a period, of which there may be none."""
        return self._comparable(kept(self).answers(str(period), self._weighted))

    def _comparable(self, responses: Responses) -> Responses:
        if self.seen_from is not None:
            return on_one_scale(responses, self.instrument, self.spec.index_mapping)[0]
        return comparable(responses, self.spec.index_mapping)

    def from_period(self, period: str) -> Study:
        """The study as a report on a period sees it: all its responses as answers to the instrument of that period."""
        found = kept(self).answers(period, self._weighted)
        present = versions_in(found.data, self.instrument)
        return replace(self, instrument=present[-1] if present else self.instrument, seen_from=period)

    def values(self, segment: str) -> set[str]:
        """Every value that a segment has in the responses, as text."""
        return kept(self).values(segment)

    def digest(self, period: str | int) -> str:
        """Hash of what the responses of a period follow from."""
        digest = kept(self).digest(str(period))
        if len(self.instrument.versions) == 1:
            return digest
        return f"{digest}-{'own' if self.seen_from is None else self.instrument.version}"

    def summaries(self) -> Path | None:
        """The folder to keep what follows from a period in, by its digest; None where it is soon computed again."""
        return kept(self).summaries()

    def _weighted(self, responses: Responses) -> Responses:
        """The responses with their weights: those they came with."""
        return responses

    def criteria(self) -> Criteria:
        path = self.path / "criteria.yaml"
        defaults = Criteria.default()
        return defaults.override(load_yaml(path, StudyError)) if path.exists() else defaults

    def tickets(self) -> pd.DataFrame | None:
        """The tickets, a row each; made from their changes where study.yaml declares a ``ticket_log``."""
        if self.spec.ticket_log is None:
            return self._records("tickets")
        found = self.tickets_of_log()
        return None if found is None else found.table

    def tickets_of_log(self) -> Tickets | None:
        """The tickets of the log study.yaml declares, and what was wrong with it; None without declaration or log."""
        files = self._files("tickets")
        if self.spec.ticket_log is None or not files:
            return None
        found = read_ticket_log(files, self.spec.ticket_log)
        return replace(found, table=self._private(found.table, "tickets"))

    def calls(self) -> pd.DataFrame | None:
        return self._records("calls")

    def complaints(self) -> pd.DataFrame | None:
        return self._records("complaints")

    def customers(self) -> pd.DataFrame | None:
        return self._records("customers")

    def outages(self) -> pd.DataFrame | None:
        return self._records("outages")

    def facilities(self) -> pd.DataFrame | None:
        return self._records("facilities")

    def operations(self) -> dict[str, pd.DataFrame]:
        """The operations records there are, by name, and the roster: what ``qa.kpis`` takes."""
        names = ("tickets", "calls", "complaints", "customers", "outages", "facilities", "roster")
        tables = {name: getattr(self, name)() for name in names}
        return {name: table for name, table in tables.items() if table is not None}

    def monitoring(self) -> pd.DataFrame | None:
        return self._records("monitoring")

    def notes(self) -> pd.DataFrame | None:
        """Improvement notes: agent, date, item (blank: the whole score), note."""
        return self._table("notes.csv")

    def roster(self) -> pd.DataFrame | None:
        return self._table("roster.csv")

    def contacts(self) -> pd.DataFrame | None:
        return self._table("contacts.csv")

    def actions(self) -> pd.DataFrame | None:
        """The PDCA log, ``expected`` and ``cost`` as numbers, blank cells missing."""
        table = self._table("actions.csv")
        if table is None:
            return None
        table = table.mask(table == "")
        for column in {"expected", "cost"} & set(table.columns):
            numbers = pd.to_numeric(table[column], errors="coerce")
            if (text := table[column][numbers.isna() & table[column].notna()]).size:
                raise StudyError(f"{self.path / 'actions.csv'}: {column} {text.iloc[0]!r} is not a number.")
            table[column] = numbers
        return table

    def _records(self, folder: str) -> pd.DataFrame | None:
        """All tables of a folder under one another, as text; None when there is no such folder."""
        files = self._files(folder)
        if not files:
            return None
        table = pd.concat([read_table(file) for file in files], ignore_index=True)
        return self._private(table, folder)

    def _files(self, folder: str) -> list[Path]:
        if not (self.path / folder).is_dir():
            return []
        return sorted(f for f in (self.path / folder).iterdir() if f.suffix.lower() in SUFFIXES)

    def _table(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        return self._private(read_table(path), path.stem) if path.is_file() else None

    def _private(self, table: pd.DataFrame, record: str) -> pd.DataFrame:
        roster = self.path / "roster.csv"
        codes = staff_codes(roster) if self.spec.staff == "codes" else None
        kpis = self.path / "kpis.yaml"
        named = _staff_by_record(kpis, kpis.stat().st_mtime_ns) if kpis.is_file() else {}
        staff = named.get(record, set()) | columns_of_staff(table, roster)
        return without_personal(table, self.may_be_personal(record), codes, staff)

    def may_be_personal(self, record: str) -> list[str]:
        """The columns of an operations record that study.yaml declares personal."""
        return [name.removeprefix(f"{record}.") for name in self.spec.personal if name.startswith(f"{record}.")]


@lru_cache(maxsize=8)
def _staff_by_record(kpis: Path, _changed: int) -> dict[str, set[str]]:
    """Per record the columns that kpis.yaml, checked where KPIs are computed, says name members of staff."""
    spec = load_yaml(kpis, StudyError)
    tables, entries = spec.get("tables"), spec.get("kpis")
    named = list(tables.items()) if isinstance(tables, dict) else []
    named += [(kpi.get("table"), kpi) for kpi in entries if isinstance(kpi, dict)] if isinstance(entries, list) else []
    found: dict[str, set[str]] = {}
    for record, entry in named:
        if isinstance(entry, dict) and entry.get("agent"):
            found.setdefault(str(record), set()).add(str(entry["agent"]))
    return found


def read_study(path: str | Path) -> Study:
    """Reads study.yaml and instrument.yaml of a study's folder.

    Raises ``StudyError`` when the folder or a file is absent, or a file's name looks like personal data (a report
    names all its inputs), and, like ``InstrumentError``, with every mistake by file and key.
    """
    path = study_folder(path)
    if not path.is_dir():
        beside = sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir()) if path.parent.is_dir() else []
        hint = f"In {path.parent} there are: {', '.join(beside)}." if beside else "Create it, with a study.yaml."
        raise StudyError(f"there is no study folder {path}. {hint}")
    file = path / "study.yaml"
    spec = validate(StudyFile, load_yaml(file, StudyError), file, StudyError)
    _no_personal_names(path)  # of a folder that is a study's: another, such as /, would be walked through and through
    return Study(path, spec, read_instrument(path / "instrument.yaml"))


def _no_personal_names(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        name = path.relative_to(folder.parent).as_posix()
        if "/." not in name and (kind := personal_kind(path.name)) is not None:
            raise StudyError(
                f"{redacted(name)}: this name looks like personal data ({kind}); reports name their inputs. Rename it."
            )


def study_folder(path: str | Path) -> Path:
    """The whole path of a study's folder, which need not exist. Raises ``StudyError`` where none can bear that name."""
    try:
        whole = Path(path).resolve()
        whole.is_dir()
        str(whole).encode()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL or half a character, links in a circle
        reason = getattr(error, "strerror", None) or error
        raise StudyError(
            f"{plain(path)[:200]} can be no study folder: {reason}. Name a folder with a study.yaml."
        ) from None
    return whole
