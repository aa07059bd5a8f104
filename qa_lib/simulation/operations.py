"""Operations records of the simulated service: tickets, calls, complaints, customers, monitoring, roster, actions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from qa_lib.simulation.quality import add_stages, draw_facilities, draw_outages, heed_notes, improvement_notes

PROBLEMS = ["billing", "delivery", "fault", "appointment", "information"]
CAUSES = ["staffing", "unclear rule", "system", "handover", "supplier"]
RUBRIC = {
    "greeting": (10, 5, 0), "listening": (10, 5, 0), "rude": ("no", "yes"), "identity": ("yes", "no"),
    "speed": (10, 5, 0), "follow_up": (10, 5, 0), "information": (10, 5, 0), "record": (10, 5, 0),
}  # fmt: skip


def draw_operations(
    spec: Mapping,
    months: pd.PeriodIndex,
    branches: list[str],
    rng: np.random.Generator,
    detail: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Tables by name from the ``operations`` part of a population, over the survey's months and branches.

    ``detail`` draws what was added later, so that the rest keeps its numbers.
    """
    roster = _roster(spec, months, branches)
    tickets = _tickets(spec, months, roster, rng)
    tables = {
        "roster": roster,
        "tickets": tickets,
        "calls": _calls(spec, months, branches, rng),
        "complaints": _complaints(spec, tickets, rng),
        "customers": _customers(spec, months, branches, rng),
        "monitoring": _monitoring(spec, months, roster, rng),
        "actions": _actions(),
    }
    tickets["error"] = _misleading(tickets["error"], detail)
    tables["complaints"] = add_stages(tables["complaints"], spec["slow"], detail)
    tables["notes"] = improvement_notes()
    tables["monitoring"] = heed_notes(tables["monitoring"], detail)
    tables["outages"] = draw_outages(spec, months, branches, detail)
    tables["facilities"] = draw_facilities(spec, months, branches, detail)
    return tables


def _misleading(error: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """Some of the wrong information misled the customer."""
    return np.where((error == "information") & (rng.random(len(error)) < 0.3), "misleading", error)


def _slowness(spec: Mapping, branch: np.ndarray, month: np.ndarray) -> np.ndarray:
    factor = np.ones(len(branch))
    for rule in spec["slow"]:
        hit = (branch == rule["branch"]) & (month >= rule["from"]) & (month <= rule["to"])
        factor[hit] *= rule["times"]
    return factor


def _roster(spec: Mapping, months: pd.PeriodIndex, branches: list[str]) -> pd.DataFrame:
    rows = []
    for branch in branches:
        for number in range(spec["agents_per_branch"] + 1):
            leader = number == spec["agents_per_branch"]
            leaves = spec["leaves"]
            gone = branch == leaves["branch"] and number < leaves["agents"]
            rows.append(
                {
                    "agent": f"{branch}_{'lead' if leader else number + 1}", "branch": branch,
                    "role": "team_leader" if leader else "agent",
                    "since": str(months[-2].start_time.date()) if branch == "airport" and number == 0 else "2024-01-01",
                    "until": str((pd.Period(leaves["month"]) - 1).end_time.date()) if gone else "",
                    "risk": "high" if branch == leaves["branch"] else "normal",
                }
            )  # fmt: skip
    for monitor in spec["monitors"]:
        senior = monitor == next(iter(spec["monitors"]))
        role = "senior_supervisor" if senior else "quality_assurer"
        rows.append({"agent": monitor, "branch": "", "role": role, "since": "2024-01-01", "until": "", "risk": ""})
    certified = ["yes" if row["role"] in ("senior_supervisor", "quality_assurer") else "" for row in rows]
    return pd.DataFrame(rows).assign(certified=certified)


def _moments(months: pd.PeriodIndex, per_month: float, rng: np.random.Generator) -> pd.Series:
    counts = rng.poisson(per_month, len(months))
    start = np.repeat(months.start_time, counts)
    length = np.repeat(months.days_in_month.to_numpy(), counts)
    seconds = np.floor(rng.random(counts.sum()) * length) * 86400 + rng.integers(8 * 3600, 18 * 3600, counts.sum())
    return pd.Series(start + pd.to_timedelta(seconds, unit="s")).dt.as_unit("s").sort_values(ignore_index=True)


def _tickets(spec: Mapping, months: pd.PeriodIndex, roster: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    submitted = _moments(months, spec["tickets_per_month"], rng)
    n = len(submitted)
    staff = roster[roster["role"] == "agent"]
    branch = rng.choice(staff["branch"].unique(), n)
    agent = np.empty(n, dtype=object)
    day = submitted.dt.strftime("%Y-%m-%d").to_numpy()
    for name, team in staff.groupby("branch"):
        for leaver in (True, False):
            on_duty = team["agent"][(team["until"] == "") | leaver].to_numpy()
            gone = team["until"].max() or "9999"
            hit = (branch == name) & ((day <= gone) == leaver)
            agent[hit] = rng.choice(on_duty, hit.sum())
    month = submitted.dt.strftime("%Y-%m").to_numpy()
    slow = _slowness(spec, branch, month)
    noise = spec["log_sd"] * rng.standard_normal((n, 2))
    first = submitted + pd.to_timedelta(np.rint(3600 * spec["response_hours"] * slow * np.exp(noise[:, 0])), unit="s")
    work = spec["resolution_hours"] * slow**0.3 * np.exp(noise[:, 1])
    resolved = first + pd.to_timedelta(np.rint(3600 * work), unit="s")
    end = months[-1].end_time
    resolved = resolved.where((resolved <= end) & (rng.random(n) > 0.015))
    first = first.where(first <= end)
    hours = (first - submitted).dt.total_seconds().to_numpy() / 3600
    felt = 3.9 - 0.45 * np.log(np.where(np.isnan(hours), 8, hours) / 2 + 0.2) + rng.standard_normal(n)
    csat = pd.Series(np.clip(np.rint(felt), 1, 5)).where((rng.random(n) < 0.5) & resolved.notna())
    wrong = rng.random(n) < 0.05
    cause = np.where(slow > 1.5, rng.choice(CAUSES, n, p=[0.6, 0.1, 0.1, 0.15, 0.05]), rng.choice(CAUSES, n))
    return pd.DataFrame(
        {
            "ticket_id": [f"T{number:05d}" for number in range(1, n + 1)],
            "customer_id": [f"C{number:05d}" for number in rng.integers(1, 3000, n)],
            "branch": branch, "agent": agent, "problem": rng.choice(PROBLEMS, n),
            "submitted": submitted, "first_response": first, "resolved": resolved,
            "promised": (submitted + pd.Timedelta(hours=48)),
            "contacts": np.minimum(rng.geometric(0.66, n), 5), "transferred": (rng.random(n) < 0.11).astype(int),
            "error": np.where(wrong, rng.choice(["information", "execution", "result"], n), ""),
            "cause": np.where(wrong | (slow > 1.5) & (rng.random(n) < 0.3), cause, ""),
            "csat": csat.astype("Int64"),
        }
    )  # fmt: skip


def _calls(spec: Mapping, months: pd.PeriodIndex, branches: list[str], rng: np.random.Generator) -> pd.DataFrame:
    started = _moments(months, spec["calls_per_month"], rng)
    n = len(started)
    branch = rng.choice(branches, n)
    slow = _slowness(spec, branch, started.dt.strftime("%Y-%m").to_numpy())
    wait = np.rint(rng.exponential(14 * slow)).astype(int)
    return pd.DataFrame(
        {
            "call_id": [f"K{number:05d}" for number in range(1, n + 1)], "branch": branch, "started": started,
            "wait_seconds": wait, "abandoned": (rng.random(n) < np.clip(wait / 600, 0.005, 0.6)).astype(int),
        }
    )  # fmt: skip


def _complaints(spec: Mapping, tickets: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    hours = (tickets["first_response"] - tickets["submitted"]).dt.total_seconds().fillna(0) / 3600
    chance = 0.03 + 0.015 * np.minimum(hours, 12)
    months = len(tickets["submitted"].dt.to_period("M").unique())
    chance *= spec["complaints_per_month"] * months / chance.sum()
    found = tickets[rng.random(len(tickets)) < chance]
    last = tickets["submitted"].max()
    received = found["submitted"] + pd.to_timedelta(rng.integers(6, 72, len(found)), unit="h")
    handled = received + pd.to_timedelta(np.rint(rng.lognormal(3.5, 0.6, len(found)) * 60), unit="min")
    received = received.where(received <= last, last)
    return pd.DataFrame(
        {
            "complaint_id": [f"B{number:04d}" for number in range(1, len(found) + 1)],
            "customer_id": found["customer_id"].to_numpy(), "branch": found["branch"].to_numpy(),
            "received": received.to_numpy(), "handled": handled.where(handled <= last).to_numpy(),
            "answered": (handled + pd.Timedelta(hours=4)).where(handled <= last).to_numpy(),
            "kind": found["problem"].to_numpy(), "satisfaction": rng.choice([1, 2, 3, 4, 5], len(found)),
        }
    )  # fmt: skip


def _customers(spec: Mapping, months: pd.PeriodIndex, branches: list[str], rng: np.random.Generator) -> pd.DataFrame:
    rows, base = [], dict.fromkeys(branches, spec["customers_per_branch"])
    for month in months.astype(str):
        for branch in branches:
            slow = _slowness(spec, np.array([branch]), np.array([month]))[0]
            lost, new = int(rng.binomial(base[branch], 0.015 * slow**0.5)), int(rng.poisson(20))
            start = base[branch]
            rows.append({"month": f"{month}-01", "branch": branch, "customers_start": start, "new": new, "lost": lost})
            base[branch] = start + new - lost
    table = pd.DataFrame(rows)
    return table.assign(kept=table["customers_start"] - table["lost"])


def _monitoring(spec: Mapping, months: pd.PeriodIndex, roster: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A row per contact and monitor, an item per column; some contacts are scored by every monitor."""
    monitors, rows, number = dict(spec["monitors"]), [], 0
    staff = roster[roster["role"].isin(["agent", "team_leader"])]
    skill = dict(zip(staff["agent"], rng.normal(0, 0.35, len(staff)), strict=True))
    for month in months:
        present = staff[(staff["until"] == "") | (staff["until"] >= str(month.start_time.date()))]
        for agent, branch in zip(present["agent"], present["branch"], strict=True):
            slow = _slowness(spec, np.array([branch]), np.array([str(month)]))[0]
            for _ in range(spec["monitored_per_month"]):
                number += 1
                day = month.start_time + pd.Timedelta(days=int(rng.integers(0, month.days_in_month)))
                truth = skill[agent] + rng.normal(0, 0.9, len(RUBRIC))
                truth[list(RUBRIC).index("speed")] -= 0.7 * np.log(slow)
                everyone = rng.random() < spec["double_scored"]
                chosen = list(monitors) if everyone else [rng.choice(list(monitors))]
                mode = rng.choice(["side_by_side", "remote", "recording"], p=[0.2, 0.7, 0.1])
                for monitor in chosen:
                    seen = truth + monitors[monitor] / 20 + rng.normal(0, 0.35, len(RUBRIC))
                    rows.append(
                        {
                            "contact_id": f"M{number:05d}", "date": str(day.date()), "agent": agent, "branch": branch,
                            "monitor": monitor, "mode": mode, "rubric": "service_contact",
                            "calibration": int(everyone), **_levels(seen),
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows)


def _levels(seen: np.ndarray) -> dict[str, object]:
    """A level per item: the better the contact was seen, the higher."""
    cuts = {3: (-0.6, -1.7), 2: (-2.4,)}
    return {
        item: levels[int(sum(value < cut for cut in cuts[len(levels)]))]
        for (item, levels), value in zip(RUBRIC.items(), seen, strict=True)
    }


def draw_contacts(responses: pd.DataFrame, shares: Mapping[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Dispositions of all who were invited: one complete per response, the others as the shares say."""
    rows = [responses[["period", "branch"]].assign(disposition="complete")]
    for disposition, share in shares.items():
        others = responses[["period", "branch"]].sample(frac=share / shares["complete"], random_state=rng, replace=True)
        if disposition != "complete":
            rows.append(others.assign(disposition=disposition))
    return pd.concat(rows).sort_values(["period", "branch"], kind="stable", ignore_index=True)


def _actions() -> pd.DataFrame:
    columns = [
        "action",
        "owner",
        "indicator",
        "unit",
        "start",
        "end",
        "expected",
        "cost",
        "risk",
        "guardrail",
        "status",
        "action_zh",
    ]
    return pd.DataFrame(
        [
            ("Call-back queue at Station", "station_lead", "responsiveness", "station", "2026-02", "2026-02", 0.3,
             4000, "low", "assurance", "closed", "车站设立回拨队列"),
            ("Call-back queue at Station: waiting", "station_lead", "response_time", "station", "2026-02", "2026-02",
             -1.5, 4000, "low", "resolution_time", "closed", "车站设立回拨队列：等候时间"),
            ("Scripted greeting at Harbour", "harbour_lead", "empathy", "harbour", "2026-05", "2026-05", 0.2,
             1500, "low", "responsiveness", "closed", "港口统一问候用语"),
            ("Stand-ins from Airport for Riverside", "riverside_lead", "responsiveness", "riverside", "2026-09",
             "2026-09", 0.3, 2000, "medium", "reliability", "open", "机场人员支援河畔网点"),
        ],
        columns=columns,
    )  # fmt: skip
