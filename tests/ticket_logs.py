"""Logs of tickets made from tables of tickets whose history is known."""

import numpy as np
import pandas as pd

SPEC = {
    "ticket": "ticket",
    "time": "at",
    "event": "event",
    "value": "value",
    "actor": "actor",
    "events": {
        "opened": ["created"],
        "responded": ["replied"],
        "assigned": ["assigned"],
        "resolved": ["status=resolved"],
        "closed": ["status=closed"],
        "reopened": ["status=reopened"],
    },
    "fields": {"promised": "due"},
}


def made_tickets(n: int, seed: int = 1) -> pd.DataFrame:
    """Tickets as a help desk's table has them; a fifth are open, a tenth not answered yet."""
    random = np.random.default_rng(seed)
    submitted = pd.Timestamp("2026-08-01") + pd.to_timedelta(random.integers(0, 90 * 86400, n), unit="s")
    waited = pd.to_timedelta(random.integers(60, 6 * 3600, n), unit="s")
    worked = pd.to_timedelta(random.integers(7 * 3600, 80 * 3600, n), unit="s")
    return pd.DataFrame(
        {
            "ticket_id": [f"T{i:07d}" for i in range(n)],
            "submitted": submitted,
            "first_response": (submitted + waited).where(random.random(n) > 0.1),
            "resolved": (submitted + worked).where(random.random(n) > 0.2),
            "promised": submitted + pd.Timedelta(hours=48),
            "branch": random.choice(["north", "south"], n),
            "customer_id": [f"C{i}" for i in random.integers(0, 1 + n // 2, n)],
            "problem": random.choice(["billing", "fault"], n),
            "agent": random.choice(["ann", "bo", "cy"], n),
        }
    )


def log_of(tickets: pd.DataFrame) -> pd.DataFrame:
    """The changes that led to a table of tickets: created, assigned, due, replied, resolved, in order of tickets."""
    constant = ["branch", "customer_id", "problem"]

    def changes(time: pd.Series, event: str, value) -> pd.DataFrame:
        told = pd.DataFrame({"ticket": tickets["ticket_id"], "at": time, "event": event, "value": value})
        return pd.concat([told.assign(actor=tickets["agent"]), tickets[constant]], axis=1)[time.notna()]

    parts = [
        changes(tickets["submitted"], "created", ""),
        changes(tickets["submitted"], "assigned", tickets["agent"]),
        changes(tickets["submitted"], "due", tickets["promised"].astype(str)),
        changes(tickets["first_response"], "replied", ""),
        changes(tickets["resolved"], "status", "resolved"),
    ]
    log = pd.concat(parts).sort_values(["ticket", "at"], kind="stable", ignore_index=True)
    return log.assign(at=log["at"].dt.strftime("%Y-%m-%d %H:%M:%S"))
