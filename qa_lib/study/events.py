"""What the events of a log say of each ticket: arrays sorted by ticket and time, a pass each, no loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.study.coding import cell_text, key


@dataclass(frozen=True, slots=True)
class Events:
    """Events in order of ticket, time, kind and text, so that the order of the log does not matter.

    ``ticket``: (n,) number of each event's ticket among the sorted ``tickets``; ``time``: (n,) moments; ``kinds``:
    kind of event → (n,) truth values; ``rows``: the log's rows in this order.
    """

    rows: pd.DataFrame
    ticket: np.ndarray
    tickets: np.ndarray
    time: np.ndarray
    kinds: Mapping[str, np.ndarray]

    def first(self, hit: np.ndarray) -> np.ndarray:
        """(tickets,) position of each ticket's first event of those hit, −1 where it has none."""
        found = np.full(len(self.tickets), -1)
        places = np.flatnonzero(hit)[::-1]
        found[self.ticket[places]] = places
        return found

    def last(self, hit: np.ndarray) -> np.ndarray:
        """(tickets,) position of each ticket's last event of those hit, −1 where it has none."""
        found = np.full(len(self.tickets), -1)
        places = np.flatnonzero(hit)
        found[self.ticket[places]] = places
        return found

    def times(self, places: np.ndarray) -> np.ndarray:
        """The moments of events by position, NaT for −1."""
        return np.where(places < 0, np.datetime64("NaT"), self.time[places])

    def texts(self, column: str, places: np.ndarray) -> pd.Series:
        """The cells of a column by position, missing for −1."""
        return self.rows[column].take(np.maximum(places, 0)).reset_index(drop=True).mask(places < 0)


def in_order(rows: pd.DataFrame, ticket: str, time: str, kinds: Mapping[str, np.ndarray]) -> Events:
    """The events sorted; of several kinds at one moment of a ticket they come in the order of ``kinds``."""
    number, tickets = pd.factorize(rows[ticket], sort=True)
    moments = rows[time].to_numpy("M8[us]")
    rank = np.argmax(np.vstack([*kinds.values(), np.ones(len(rows), dtype=bool)]), axis=0)
    order = np.lexsort((rank, moments, number))
    same = np.all([np.diff(values[order]).astype(np.int64) == 0 for values in (number, moments, rank)], axis=0)
    order = _by_text_where_tied(rows, order, same)
    kinds = {kind: hit[order] for kind, hit in kinds.items()}
    ordered = rows.take(order).reset_index(drop=True)
    return Events(ordered, number[order], np.asarray(tickets, dtype=object), moments[order], kinds)


def _by_text_where_tied(rows: pd.DataFrame, order: np.ndarray, same: np.ndarray) -> np.ndarray:
    """The order with events of one ticket, moment and kind sorted by what their rows say.

    ``same``: (n − 1,) whether an event of the order ties with the next one.
    """
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if not len(tied):
        return order
    group = np.cumsum(np.append(True, ~same))[tied]
    visible = [name for name in rows if not str(name).startswith("\0")]
    texts = rows.loc[order[tied], visible].astype("string").fillna("").agg("\0".join, axis=1)
    within = np.lexsort((pd.factorize(texts, sort=True)[0], group))
    order = order.copy()
    order[tied] = order[tied][within]
    return order


def kinds_of(
    event: pd.Series, value: pd.Series | None, names: Mapping[str, Sequence[str]]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(kind → events of it, events that ``field=value`` names decide by their value), each (n,) truth values.

    A name is compared without case, width and blanks, once per distinct cell.
    """
    where, distinct = pd.factorize(event)
    cells = np.array([*(key(cell_text(cell)) for cell in distinct), ""], dtype=object)
    fields = {key(name.partition("=")[0]) for listed in names.values() for name in listed if "=" in name}
    by_value = np.isin(cells, sorted(fields - {""}))[where] if value is not None else np.zeros(len(event), dtype=bool)
    said = np.full(len(event), "", dtype=object)
    if by_value.any():
        code, values = pd.factorize(value[by_value])
        said[by_value] = np.array([*(key(cell_text(cell)) for cell in values), ""], dtype=object)[code]
    kinds = {}
    for kind, listed in names.items():
        plain = [key(name) for name in listed if "=" not in name]
        hit = np.isin(cells, plain)[where]
        for name in (name for name in listed if "=" in name):
            field, _, wanted = name.partition("=")
            hit |= (cells == key(field))[where] & (said == key(wanted))
        kinds[kind] = hit
    return kinds, by_value


def reopenings(ends: np.ndarray, begins: np.ndarray, ticket: np.ndarray) -> np.ndarray:
    """(n,) whether an event opens a ticket anew: the last event before it that begins or ends work had ended it.

    >>> ends, begins = np.array([[0, 1, 0, 0, 1], [1, 0, 1, 1, 0]], dtype=bool)
    >>> reopenings(ends, begins, np.zeros(5, dtype=int)).tolist()
    [False, False, True, False, False]
    """
    places = np.flatnonzero(ends | begins)
    ended, of = ends[places], ticket[places]
    anew = np.zeros(len(ticket), dtype=bool)
    anew[places[1:]] = begins[places[1:]] & ended[:-1] & (of[1:] == of[:-1])
    return anew


def handovers(owner: np.ndarray, ticket: np.ndarray) -> np.ndarray:
    """(n,) whether an event gives a ticket from one owner to another; ``owner`` holds numbers, −1 where it names none.

    >>> handovers(np.array([0, 0, 1, -1, 0, 1]), np.array([0, 0, 0, 0, 0, 1])).tolist()
    [False, False, True, False, True, False]
    """
    places = np.flatnonzero(owner >= 0)
    given = np.zeros(len(owner), dtype=bool)
    given[places[1:]] = (np.diff(owner[places]) != 0) & (np.diff(ticket[places]) == 0)
    return given
