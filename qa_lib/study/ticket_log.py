"""Event logs: a row per change of a ticket becomes a row per ticket, as ``qa.kpis`` takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BeforeValidator, model_validator

from qa_lib.errors import ResponseError, StudyError
from qa_lib.study import events as numbers
from qa_lib.study.coding import key
from qa_lib.study.dates import local_times
from qa_lib.study.exports.files import read_export
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.schema import Record

Names = Annotated[list[str], BeforeValidator(lambda names: names if isinstance(names, list) else [names])]
KINDS = ("opened", "reopened", "in_progress", "assigned", "responded", "resolved", "closed")  # order in one moment
_STATES = ("opened", "reopened", "in_progress", "resolved", "closed")
_NAMED = 50  # undeclared names of events that the ledger gives one by one


def _known_zone(name: str | None) -> str | None:
    try:
        return name if name is None or ZoneInfo(name) else None
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; write it as Asia/Shanghai or Europe/Berlin") from None


class EventNames(Record):
    """What the log calls each kind of event: names in its event column, or ``field=value`` where it logs fields.

    ``resolved`` and ``closed`` end a ticket; ``opened``, ``in_progress`` and ``reopened`` after that reopen it.
    ``responded`` is an answer to the customer, ``assigned`` gives the ticket an owner. A name may be of several kinds
    that do not contradict one another, such as ``responded`` and ``resolved``.
    """

    opened: Names
    responded: Names = []
    in_progress: Names = []
    assigned: Names = []
    resolved: Names = []
    closed: Names = []
    reopened: Names = []

    @model_validator(mode="after")
    def _consistent(self) -> EventNames:
        if not self.resolved and not self.closed:
            raise ValueError("name the events that end a ticket: resolved or closed")
        ends = {key(name) for name in [*self.resolved, *self.closed]}
        begins = [name for name in [*self.opened, *self.in_progress, *self.reopened] if key(name) in ends]
        if begins:
            raise ValueError(f"{begins[0]!r} cannot both end and (re)open a ticket")
        return self


class TicketLog(Record):
    """The columns of a log in ``tickets/`` that has a row per change of a ticket, and the names of its events.

    ``value`` is what an event set (a new owner, a field's new value), ``actor`` who did it. ``fields`` makes columns
    of fields the log reports on: column → names in the event column, whose last value counts. Every other column of
    the log becomes a column too, with its last value. ``timezone`` is the service's own: times with an offset are
    turned into it.
    """

    ticket: str
    time: str
    event: str
    value: str | None = None
    actor: str | None = None
    events: EventNames
    fields: dict[str, Names] = {}
    timezone: Annotated[str | None, AfterValidator(_known_zone)] = None
    format: str | None = None

    @model_validator(mode="after")
    def _value_where_needed(self) -> TicketLog:
        names = [name for kind in KINDS for name in getattr(self.events, kind)]
        if self.value is None and (self.fields or any("=" in name for name in names)):
            raise ValueError("'fields' and events written as field=value need 'value', the column of new values")
        return self

    @property
    def columns(self) -> list[str]:
        return [name for name in (self.ticket, self.time, self.event, self.value, self.actor) if name]


@dataclass(frozen=True, slots=True)
class Tickets:
    """``table``: a row per ticket, sorted by ``ticket_id``: ``submitted``, ``first_response`` (where the study names
    responses), ``resolved`` and ``closed`` as local times, missing while open; ``reopenings``, ``handovers``,
    ``transferred`` (0 or 1), ``agent`` (the last owner), ``status`` (the last), and the log's other columns.
    ``ledger``: what was wrong with the log, file and row."""

    table: pd.DataFrame
    ledger: pd.DataFrame


def read_ticket_log(files: Sequence[Path], spec: TicketLog) -> Tickets:
    """The tickets of the logs ``files`` together.

    The ticket's resolution is its last one: the last event of ``resolved`` after which it was not opened again, or
    the closing of a ticket that was closed without. Raises ``ResponseError`` when a file lacks a declared column,
    ``StudyError`` when the log has none of the declared events that open or end a ticket.
    """
    parts = []
    for file in files:
        export = read_export(file)
        if absent := [name for name in spec.columns if name not in export.table]:
            raise ResponseError(
                f"{file.name}: no column {absent[0]!r}, which study.yaml names in ticket_log. "
                f"Columns are {', '.join(map(str, export.table.columns))}."
            )
        rows = np.asarray(export.table.index) + export.first_row
        parts.append(export.table.assign(**{_FILE: file.name, _ROW: rows}))
    return tickets_of(pd.concat(parts, ignore_index=True), spec)


_FILE, _ROW, _SAYS = "\0file", "\0row", "\0says"  # no column of an export is called so


def tickets_of(log: pd.DataFrame, spec: TicketLog) -> Tickets:
    """One row per ticket of a log in any order; ``log`` may be any table with the columns ``spec`` names.

    >>> log = pd.DataFrame({
    ...     "id": ["a", "a", "b", "a"], "what": ["done", "new", "new", "reply"],
    ...     "at": ["2026-10-02 09:00", "2026-10-01 09:00", "2026-10-03 08:00", "2026-10-01 10:30"],
    ... })
    >>> names = {"opened": "new", "responded": "reply", "resolved": "done"}
    >>> found = tickets_of(log, TicketLog(ticket="id", time="at", event="what", events=EventNames(**names))).table
    >>> found[["ticket_id", "status", "reopenings"]].to_numpy().tolist()
    [['a', 'done', 0], ['b', 'new', 0]]
    >>> (found["first_response"] - found["submitted"]).tolist()
    [Timedelta('0 days 01:30:00'), NaT]
    """
    if _FILE not in log:
        log = log.assign(**{_FILE: "tickets", _ROW: np.arange(1, len(log) + 1)})
    book = LedgerBook()
    log = _complete(log, spec, book)
    names = {kind: getattr(spec.events, kind) for kind in KINDS}
    kinds, by_value = numbers.kinds_of(log[spec.event], log[spec.value] if spec.value else None, names)
    _enter_undeclared(log, spec, kinds, by_value, book)
    _enter_copies(log, spec, book)
    events = numbers.in_order(log.assign(**{_SAYS: by_value}), spec.ticket, spec.time, kinds)
    columns: dict[str, object] = {"ticket_id": events.tickets, "submitted": events.times(_opening(events, spec, book))}
    if spec.events.responded:
        columns["first_response"] = events.times(events.first(events.kinds["responded"]))
    columns |= _endings(events, spec, book) | _owners(events, spec) | {"status": _status(events, spec)}
    others = [name for name in log if name not in {*spec.columns, *columns, *spec.fields, _FILE, _ROW}]
    columns |= {name: events.texts(name, events.last(_filled(events.rows[name]))) for name in others}
    columns |= {name: _last_value(events, spec, fields) for name, fields in spec.fields.items()}
    table = pd.DataFrame(columns)
    if "promised" in table:
        table["promised"] = local_times(table["promised"], spec.timezone, spec.format)
    return Tickets(table, book.table())


def _complete(log: pd.DataFrame, spec: TicketLog, book: LedgerBook) -> pd.DataFrame:
    """The rows that name a ticket and a time; the others go into the ledger."""
    ticket = log[spec.ticket].astype("string").str.strip().replace("", pd.NA)
    time = local_times(log[spec.time], spec.timezone, spec.format)
    nameless = ticket.isna().to_numpy(bool)
    undated = time.isna().to_numpy(bool) & ~nameless
    _enter(log, nameless, spec.ticket, log[spec.time], "no_ticket", book)
    _enter(log, undated, spec.time, log[spec.time], "not_a_time", book)
    return log.assign(**{spec.ticket: ticket, spec.time: time})[~(nameless | undated)].reset_index(drop=True)


def _enter(log: pd.DataFrame, hit: np.ndarray, column: str, before: pd.Series, reason: str, book: LedgerBook) -> None:
    for file, part in log.loc[hit, [_FILE, _ROW]].groupby(_FILE):
        book.cells(str(file), part[_ROW], column, before.loc[part.index].astype("string"), reason)


def _enter_copies(log: pd.DataFrame, spec: TicketLog, book: LedgerBook) -> None:
    """Events that stand twice, as where two exports overlap; they say nothing new, so they change no ticket."""
    _enter(log, log.duplicated(spec.columns).to_numpy(), spec.event, log[spec.event], "duplicate_event", book)


def _enter_undeclared(
    log: pd.DataFrame, spec: TicketLog, kinds: dict[str, np.ndarray], by_value: np.ndarray, book: LedgerBook
) -> None:
    """Names of events that study.yaml does not declare, with how often they stand; they change no ticket."""
    fields = {key(name) for names in spec.fields.values() for name in names}
    known = np.any([*kinds.values()], axis=0)
    said = log[spec.event].astype("string").fillna("")
    if spec.value is not None:
        said = said.mask(by_value, said + "=" + log[spec.value].astype("string").fillna(""))
    counts = said[~known].value_counts()
    counts = (
        counts[[key(name) not in fields for name in counts.index]]
        .sort_index()
        .sort_values(ascending=False, kind="stable")
    )
    shown, rest = counts.iloc[:_NAMED], int(counts.iloc[_NAMED:].sum())
    book.rule("tickets", spec.event, shown.index, [""] * len(shown), shown, "event_not_declared")
    if rest:
        book.rule("tickets", spec.event, ["…"], [""], [rest], "event_not_declared")
    if not kinds["opened"].any():
        found = ", ".join(repr(name) for name in said.value_counts().index[:8])
        raise StudyError(
            f"study.yaml: ticket_log: no event of the log is called {' or '.join(map(repr, spec.events.opened))}, so "
            f"no ticket has an opening. The log has {found}."
        )


def _opening(events: numbers.Events, spec: TicketLog, book: LedgerBook) -> np.ndarray:
    """(tickets,) position of the event that opened each; −1, and a ledger line, where the log has none."""
    opening = events.first(events.kinds["opened"])
    without = np.flatnonzero(opening < 0)
    hit = np.zeros(len(events.ticket), dtype=bool)
    hit[np.searchsorted(events.ticket, without)] = True
    _enter(events.rows, hit, spec.event, events.rows[spec.event], "ticket_without_opening", book)
    return opening


def _endings(events: numbers.Events, spec: TicketLog, book: LedgerBook) -> dict[str, object]:
    """``resolved``, ``closed`` and the number of ``reopenings``; an open ticket's end is missing."""
    kinds, position = events.kinds, np.arange(len(events.ticket))
    ends = kinds["resolved"] | kinds["closed"]
    opening = events.first(kinds["opened"])
    begins = kinds["in_progress"] | kinds["reopened"] | (kinds["opened"] & (position != opening[events.ticket]))
    anew = numbers.reopenings(ends, begins, events.ticket)
    idle = kinds["reopened"] & ~anew
    _enter(events.rows, idle, spec.event, events.rows[spec.event], "reopened_while_open", book)
    after = position > events.last(begins)[events.ticket]
    resolved, closed = events.last(kinds["resolved"] & after), events.last(kinds["closed"] & after)
    if spec.events.resolved:
        alone = np.isin(position, closed[(resolved < 0) & (closed >= 0)])
        _enter(events.rows, alone, spec.event, events.rows[spec.event], "closed_without_resolution", book)
    return {
        "resolved": events.times(np.where(resolved < 0, closed, resolved)),
        "closed": events.times(closed),
        "reopenings": np.bincount(events.ticket[anew], minlength=len(events.tickets)),
    }


def _owners(events: numbers.Events, spec: TicketLog) -> dict[str, object]:
    """The last owner and how often the ticket changed hands; nothing where study.yaml names no such event."""
    if not spec.events.assigned:
        return {}
    named = pd.Series(pd.NA, index=events.rows.index, dtype="string")
    for column in (spec.value, spec.actor):
        if column is not None:
            texts = events.rows[column].astype("string").str.strip()
            named = named.fillna(texts.mask(texts == ""))
    named = named.where(events.kinds["assigned"])
    owner, owners = pd.factorize(named)
    given = np.bincount(events.ticket[numbers.handovers(owner, events.ticket)], minlength=len(events.tickets))
    last = events.last(owner >= 0)
    agent = np.append(np.asarray(owners, dtype=object), None)[np.where(last < 0, -1, owner[last])]
    return {"handovers": given, "transferred": (given > 0).astype(int), "agent": agent}


def _status(events: numbers.Events, spec: TicketLog) -> pd.Series:
    """The words of the last event that opened, ended or took up the ticket."""
    last = events.last(np.any([events.kinds[kind] for kind in _STATES], axis=0))
    words = events.texts(spec.event, last)
    if spec.value is None:
        return words
    return words.mask(events.texts(_SAYS, last).eq(True).to_numpy(), events.texts(spec.value, last))


def _filled(cells: pd.Series) -> np.ndarray:
    filled = cells.notna().to_numpy(bool)
    return filled & (cells != "").fillna(False).to_numpy(bool) if cells.dtype.kind not in "mMbif" else filled


def _last_value(events: numbers.Events, spec: TicketLog, fields: Sequence[str]) -> pd.Series:
    """The last value of a field the log reports on, missing where it was cleared."""
    kinds, _ = numbers.kinds_of(events.rows[spec.event], None, {"field": fields})
    values = events.texts(spec.value, events.last(kinds["field"]))
    return values.mask(~_filled(values))


_ADVICE = {
    "no_ticket": "The rows are left out; every change needs its ticket's id.",
    "not_a_time": "The rows are left out; name the form of the times in study.yaml: ticket_log: format.",
    "duplicate_event": "They count once.",
    "event_not_declared": "Declare it in study.yaml under ticket_log: events if it opens, answers, assigns or ends.",
    "ticket_without_opening": "The ticket is put aside; export its history from the beginning.",
    "reopened_while_open": "It does not count as reopened; compare the names under ticket_log: events.",
    "closed_without_resolution": "The closing counts as its resolution.",
}


def log_findings(found: Tickets) -> list[tuple[str, str, str, str, str]]:
    """What a person should look at in the log: ``severity, file, where, finding, advice``, a row per reason."""
    ledger = found.ledger
    kinds = ledger.groupby(["file", "column", "reason"], sort=False).agg(n=("count", "sum"), row=("row", "min"))
    findings = []
    for (file, column, reason), entry in kinds.iterrows():
        where = f", first in row {entry['row']}" if pd.notna(entry["row"]) else ""
        names = ledger.loc[ledger["reason"] == reason, "before"].head(5) if reason == "event_not_declared" else []
        said = f" ({', '.join(names)})" if len(names) else ""
        text = f"{entry['n']} × {reason.replace('_', ' ')}{said}{where}."
        findings.append(
            ("warning", f"tickets/{file}".removesuffix("/tickets"), f"column {column}", text, _ADVICE[reason])
        )
    if len(found.table) and found.table["resolved"].isna().all():
        advice = "Compare the names under ticket_log: events with those of the log."
        findings.append(("warning", "study.yaml", "ticket_log → events", "no ticket of the log ever ends.", advice))
    return findings
