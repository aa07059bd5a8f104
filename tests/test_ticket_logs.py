"""A log of changes becomes a row per ticket, whatever the order of its rows."""

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ticket_logs import SPEC, log_of, made_tickets

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.study.findings import check
from qa_lib.study.ticket_log import TicketLog, tickets_of

STATUS = {
    "ticket": "id",
    "time": "at",
    "event": "status",
    "actor": "by",
    "events": {
        "opened": ["new"],
        "responded": ["answered"],
        "in_progress": ["waiting"],
        "assigned": ["taken"],
        "resolved": ["solved"],
        "closed": ["closed"],
        "reopened": ["reopened"],
    },
}


def story(*events: str, ticket: str = "a") -> pd.DataFrame:
    """A ticket's events an hour apart from 09:00, ``name`` or ``name by actor``."""
    told = [event.partition(" by ") for event in events]
    hours = pd.Timestamp("2026-10-01 09:00") + pd.to_timedelta(range(len(told)), unit="h")
    return pd.DataFrame(
        {"id": ticket, "at": hours.astype(str), "status": [t[0] for t in told], "by": [t[2] for t in told]}
    )


def ticket(*events: str) -> dict:
    found = tickets_of(story(*events), TicketLog(**STATUS)).table
    assert len(found) == 1
    return found.iloc[0].to_dict()


def hour(h: int) -> pd.Timestamp:
    return pd.Timestamp("2026-10-01") + pd.Timedelta(hours=h)


def test_a_plain_story():
    found = ticket("new by eve", "taken by ann", "answered by ann", "taken by bo", "solved by bo", "closed by bo")
    assert found == {
        "ticket_id": "a",
        "submitted": hour(9),
        "first_response": hour(11),
        "resolved": hour(13),
        "closed": hour(14),
        "reopenings": 0,
        "handovers": 1,
        "transferred": 1,
        "agent": "bo",
        "status": "closed",
    }


@pytest.mark.parametrize(
    ("events", "resolved", "reopenings", "status"),
    [
        (["new", "solved", "reopened", "solved"], 12, 1, "solved"),
        (["new", "solved", "reopened"], None, 1, "reopened"),
        (["new", "solved", "waiting", "solved"], 12, 1, "solved"),  # taken up again without the word
        (["new", "solved", "new", "new", "solved", "closed", "reopened", "closed"], 16, 2, "closed"),
        (["new", "reopened", "solved"], 11, 0, "solved"),  # it had not ended
        (["new", "solved", "solved", "closed"], 11, 0, "closed"),
        (["new", "closed"], 10, 0, "closed"),
        (["new", "waiting"], None, 0, "waiting"),
    ],
)
def test_the_last_resolution_counts(events, resolved, reopenings, status):
    found = ticket(*events)
    assert (found["resolved"] == hour(resolved)) if resolved else pd.isna(found["resolved"])
    assert (found["reopenings"], found["status"]) == (reopenings, status)


def test_what_is_wrong_with_a_log_is_in_the_ledger():
    log = pd.concat(
        [
            story("new", "reopened", "closed"),
            story("solved", ticket="b"),
            story("new", "solved", "rated", ticket="c"),
            story("new", ticket="c"),
            story("new", ticket=" "),
            story("new", ticket="d").assign(at="soon"),
        ],
        ignore_index=True,
    )
    found = tickets_of(log, TicketLog(**STATUS))
    assert found.table["ticket_id"].tolist() == ["a", "b", "c"]
    assert found.table["submitted"].isna().tolist() == [False, True, False]
    entries = found.ledger.set_index("reason")[["row", "column", "before", "count"]].fillna(0)
    assert entries.to_dict("index") == {
        "no_ticket": {"row": 9, "column": "id", "before": "2026-10-01 09:00:00", "count": 1},
        "not_a_time": {"row": 10, "column": "at", "before": "soon", "count": 1},
        "event_not_declared": {"row": 0, "column": "status", "before": "rated", "count": 1},
        "duplicate_event": {"row": 8, "column": "status", "before": "new", "count": 1},
        "ticket_without_opening": {"row": 4, "column": "status", "before": "solved", "count": 1},
        "reopened_while_open": {"row": 2, "column": "status", "before": "reopened", "count": 1},
        "closed_without_resolution": {"row": 3, "column": "status", "before": "closed", "count": 1},
    }


def test_time_zones():
    log = story("new", "solved").assign(at=["2026-10-01T09:00:00+02:00", "2026-10-01T09:30:00Z"])
    with pytest.raises(ResponseError, match=r"time zones are mixed \(\+00:00, \+02:00\)"):
        tickets_of(log, TicketLog(**STATUS))
    found = tickets_of(log, TicketLog(**STATUS, timezone="Asia/Shanghai")).table.iloc[0]
    assert found["resolved"] - found["submitted"] == pd.Timedelta(hours=2.5)
    assert found["submitted"] == hour(15)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timezone": "Mars"}, "no time zone is called 'Mars'"),
        ({"events": {"opened": "new"}}, "resolved or closed"),
        ({"events": {"opened": "Done", "closed": "done"}}, "cannot both end and"),
        ({"fields": {"promised": "due"}}, "the column of new values"),
        ({"events": {"opened": "new", "reslved": "x"}}, "Did you mean 'resolved'"),
    ],
)
def test_a_wrong_declaration_says_what_to_do(change, said):
    with pytest.raises(ValueError, match=said):
        TicketLog(**STATUS | change)


def test_a_log_without_openings_names_what_it_has():
    with pytest.raises(StudyError, match=r"called 'new'.*The log has 'solved'"):
        tickets_of(story("solved"), TicketLog(**STATUS))


NAMES = st.sampled_from(["new", "answered", "waiting", "taken by ann", "taken by bo", "solved", "closed", "reopened"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), NAMES), max_size=14), st.randoms())
def test_the_order_of_rows_does_not_matter(told, random):
    log = pd.concat([story("new"), *(story(name, ticket=t).assign(at=str(hour(9 + h))) for t, h, name in told)])
    log = log.assign(note=[str(i % 3) for i in range(len(log))])
    rows = list(range(len(log)))
    random.shuffle(rows)
    found = [tickets_of(log.iloc[order], TicketLog(**STATUS)).table for order in (range(len(log)), rows)]
    pd.testing.assert_frame_equal(*found)


def walked(events: list[str]) -> tuple[int | None, int]:
    """(hour of the last resolution, reopenings) by following one ticket event by event."""
    done, resolved, closed, reopened, opened = False, None, None, 0, False
    for h, name in enumerate(events, 9):
        if name in ("solved", "closed"):
            resolved, closed = (h, closed) if name == "solved" else (resolved, h)
            done = True
        elif name in ("waiting", "reopened") or (name == "new" and opened):
            reopened += done
            done, resolved, closed = False, None, None
        opened |= name == "new"
    return resolved or closed, reopened


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["new", "answered", "waiting", "solved", "closed", "reopened"]), max_size=10))
def test_arrays_say_what_following_the_ticket_says(events):
    events = ["new", *events]
    found, (resolved, reopened) = ticket(*events), walked(events)
    assert (None if pd.isna(found["resolved"]) else found["resolved"]) == (hour(resolved) if resolved else None)
    assert found["reopenings"] == reopened


def study_with(folder, tables: dict[str, pd.DataFrame], **study):
    (folder / "tickets").mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / "tickets" / name, index=False)
    text = {"title": {"en": "Desk"}, "period": {"column": "date"}} | study
    (folder / "study.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    instrument = {
        "name": {"en": "One"},
        "scales": {"s": {"min": 1, "max": 5}},
        "dimensions": [{"id": "d", "name": {"en": "D"}}],
        "items": [{"id": "q", "scale": "s", "dimension": "d"}],
    }
    (folder / "instrument.yaml").write_text(yaml.safe_dump(instrument), encoding="utf-8")
    return qa.read_study(folder)


@settings(max_examples=10, deadline=None)
@given(st.integers(5, 60), st.integers(0, 10_000))
def test_kpis_of_a_log_are_those_of_the_ready_table(n, seed):
    ready = made_tickets(n, seed)
    from_log = tickets_of(log_of(ready).sample(frac=1, random_state=seed), TicketLog(**SPEC)).table
    ready["transferred"] = 0
    found = [qa.kpis({"tickets": table}).tidy() for table in (ready, from_log)]
    pd.testing.assert_frame_equal(*found)
    assert found[0]["n_open"].sum() > 0 or n < 20


def test_a_study_reads_its_log_in_several_files_and_checks_it(tmp_path):
    ready = made_tickets(40)
    log = log_of(ready)
    tables = {"b.csv": log.iloc[:90], "a.csv": log.iloc[80:]}
    study = study_with(tmp_path / "desk", tables, ticket_log=SPEC, staff="names")
    found = study.tickets()
    for column in ("ticket_id", "branch", "agent", "submitted", "first_response", "resolved", "promised"):
        assert found[column].astype("string").tolist() == ready[column].astype("string").tolist(), column
    findings = check(study).set_index("file").loc["tickets/b.csv"]
    assert findings["finding"] == "10 × duplicate event, first in row 82."
    kpis = qa.kpis(study.operations()).tidy()
    assert {"response_time", "resolution_time", "on_time_rate", "transfer_rate"} <= set(kpis["term"])


def test_a_kind_of_event_nobody_named_leaves_out_what_needs_it(tmp_path):
    names = {key: value for key, value in SPEC["events"].items() if key not in ("responded", "assigned")}
    spec = SPEC | {"events": names, "fields": {}}
    study = study_with(tmp_path / "desk", {"a.csv": log_of(made_tickets(40))}, ticket_log=spec)
    assert not {"first_response", "agent", "promised"} & set(study.tickets())
    kpis = qa.kpis(study.operations()).tidy()
    assert "resolution_time" in set(kpis["term"])
    assert not {"response_time", "on_time_rate", "transfer_rate"} & set(kpis["term"])
    with pytest.raises(ResponseError, match="tickets has no column 'first_response'"):
        qa.kpi_cases(study.operations(), None, "response_time")


def test_a_log_without_a_declared_column_says_so(tmp_path):
    study = study_with(tmp_path / "desk", {"a.csv": log_of(made_tickets(4)).drop(columns="actor")}, ticket_log=SPEC)
    with pytest.raises(ResponseError, match=r"a\.csv: no column 'actor', which study.yaml names in ticket_log"):
        study.tickets()


def test_people_in_a_log_are_hashed(tmp_path):
    ready = made_tickets(40)
    ready["agent"] = [f"agent{i}@example.com" for i in np.arange(40) % 5]
    found = study_with(tmp_path / "desk", {"a.csv": log_of(ready)}, ticket_log=SPEC).tickets()
    assert not found["agent"].str.contains("@").any()
    assert found["agent"].nunique() == 5
