"""The KPI table of a million tickets against the same numbers by hand in pandas: processor seconds and their ratio."""

import time

import numpy as np
import pandas as pd

import qa_lib as qa

N = 1_000_000
ERRORS = ["information", "misleading", "execution", "result"]


def simulated() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    start = pd.Timestamp("2025-10-01") + pd.to_timedelta(rng.integers(0, 390 * 86400, N), unit="s")
    first, rest = (
        pd.to_timedelta(rng.exponential(7200, N), unit="s"),
        pd.to_timedelta(rng.exponential(90000, N), unit="s"),
    )
    resolved = pd.Series(start + first + rest).where(rng.random(N) > 0.02)
    return pd.DataFrame(
        {
            "ticket_id": np.arange(N), "branch": rng.choice(list("abcdef"), N),
            "agent": rng.integers(0, 60, N).astype(str),
            "submitted": start, "first_response": start + first, "resolved": resolved,
            "promised": start + pd.Timedelta(days=2), "customer_id": rng.integers(0, 300_000, N),
            "problem": rng.choice(["bill", "fault", "move"], N), "contacts": rng.integers(1, 4, N),
            "transferred": rng.random(N) < 0.1, "error": np.where(rng.random(N) < 0.05, rng.choice(ERRORS, N), None),
            "csat": rng.integers(1, 6, N).astype(float),
        }
    )  # fmt: skip


def by_hand(tickets: pd.DataFrame) -> pd.DataFrame:
    data = tickets.assign(
        period=tickets["submitted"].dt.strftime("%Y-%m"),
        response=(tickets["first_response"] - tickets["submitted"]) / pd.Timedelta("1h"),
        resolution=(tickets["resolved"] - tickets["submitted"]) / pd.Timedelta("1h"),
    )
    data = data.assign(
        in_time=data["response"] <= 4, solved_in_time=data["resolution"] <= 48,
        on_time=data["resolved"] <= data["promised"], solved=data["resolved"].notna(), first=data["contacts"] == 1,
        same_day=data["resolved"].dt.date == data["submitted"].dt.date, wrong=data["error"].notna(),
        happy=data["csat"] >= 4,
    )  # fmt: skip
    data = data.assign(**{error: data["error"] == error for error in ERRORS})
    gap = data.sort_values("submitted").groupby(["customer_id", "problem"])["submitted"].diff()
    data["repeat"] = gap <= pd.Timedelta(days=30)
    groups = data.groupby(["period", "branch"])
    shares = [
        "in_time",
        "solved_in_time",
        "on_time",
        "solved",
        "first",
        "same_day",
        "transferred",
        "wrong",
        "happy",
        "repeat",
        *ERRORS,
    ]
    per_day = data.groupby(["period", "branch", "agent", data["resolved"].dt.date]).size()
    return pd.concat(
        [groups[["response", "resolution"]].agg(["mean", "median", "max"]),
         groups[["response", "resolution"]].quantile(0.9),
         groups[shares].mean(), per_day.groupby(["period", "branch"]).mean()], axis=1
    )  # fmt: skip


if __name__ == "__main__":
    records = simulated()
    began = time.process_time()
    qa.kpis({"tickets": records}, by="branch")
    ours = time.process_time() - began
    began = time.process_time()
    by_hand(records)
    pandas = time.process_time() - began
    print(f"{N:,} tickets, 78 groups: qa.kpis {ours:.1f} s, by hand {pandas:.1f} s, {ours / pandas:.2f}")
