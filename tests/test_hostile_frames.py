"""Tables nobody should hand to an analysis: each gives an error of ours that says why, or a result with our warnings.

Every public function that takes a table is called with every kind of broken table; nothing raw may come out of it.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import QaError, QaWarning

N = 60
ITEMS = ["R1", "R2", "R3", "T1", "T2", "T3"]
DIMENSIONS = {"reliability": ITEMS[:3], "tangibles": ITEMS[3:]}
SYNTAX = "reliability =~ R1 + R2 + R3\ntangibles =~ T1 + T2 + T3"
RUBRIC = {"id": "r", "groups": [{"id": "g", "weight": 1, "items": [{"id": i, "levels": [10, 5, 0]} for i in "ab"]}]}
SMALL = {"n_boot": 20, "seed": 1}


def survey() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    level = rng.normal(3, 0.8, (N, 1))
    answers = np.clip(np.rint(level + rng.normal(0, 0.7, (N, 8))), 1, 5)
    frame = pd.DataFrame(answers, columns=[*ITEMS, "sat", "loyal"])
    frame["weight"] = rng.uniform(0.5, 2, N)
    frame["period"] = np.repeat(["2026-09", "2026-10"], N // 2)
    frame["branch"] = np.resize(["north", "south", "east"], N)
    frame["disposition"] = np.resize(["complete", "refusal", "noncontact"], N)
    frame["comment"] = np.resize(["too slow", "friendly staff", ""], N)
    return frame


def monitored_contacts() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"contact_id": np.repeat(np.arange(N // 2), 2), "monitor": np.resize(["mo", "li"], N)})
    frame["date"] = pd.date_range("2026-10-01", periods=N, freq="12h").astype(str)
    frame["agent"] = np.repeat(np.resize(["ann", "bo", "cy"], N // 2), 2)
    frame["mode"] = "remote"
    return frame.assign(a=rng.choice([0, 5, 10], N), b=rng.choice([5, 10], N))


def tickets() -> pd.DataFrame:
    day = pd.date_range("2026-10-01 09:00", periods=N, freq="11h")
    return pd.DataFrame(
        {
            "ticket_id": np.arange(N), "submitted": day.astype(str), "priority": "normal", "contacts": 1,
            "resolved": (day + pd.Timedelta("3h")).astype(str), "branch": np.resize(["north", "south"], N),
            "cause": np.resize(["staff", "system", "rule"], N), "hours": np.linspace(1, 9, N) + np.arange(N) % 3,
        }
    )  # fmt: skip


def staff() -> pd.DataFrame:
    people = {"agent": "agent", "lead": "team_leader", "ass": "quality_assurer", "sup": "senior_supervisor"}
    rows = [
        {"agent": f"{who}{n}", "role": role, "branch": "north", "weight": 1.0}
        for who, role in people.items()
        for n in (1, 2)
    ]
    return pd.DataFrame(rows).assign(risk="low", certified=True, since="2020-01-01")


def some(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns of these names, as far as there are any."""
    return frame[[name for name in frame if name in names]]


def monthly(cells: pd.Series | pd.DataFrame | None) -> pd.Series | pd.DataFrame | None:
    return (
        cells if cells is None else cells.set_axis(pd.period_range("2020-01", periods=len(cells), freq="M").astype(str))
    )


SHARES = {"north": 0.5, "south": 0.3, "east": 0.2}
OUTCOME = {"satisfaction": "sat"}
TWO = {"id": "x", "children": [{"id": "R1", "weight": 0.4}, {"id": "R2", "weight": 0.6}]}
CALLS = {
    "action_effects": (survey, lambda f: qa.action_effects(f, actions(), values={"r": ITEMS[:3]})),
    "agent_reviews": (monitored_contacts, lambda f: qa.agent_reviews(qa.score_contacts(f, RUBRIC))),
    "agreement": (survey, lambda f: qa.agreement(some(f, ITEMS[:2]), "ordinal", **SMALL)),
    "calibrate": (monitored_contacts, lambda f: qa.calibrate(qa.score_contacts(f, RUBRIC))),
    "comments": (survey, lambda f: qa.comments(f, "comment", satisfaction="sat", weights="weight")),
    "compare_periods": (survey, lambda f: qa.compare_periods(f, "period", "sat", weights="weight")),
    "composite": (survey, lambda f: qa.composite(some(f, ["R1", "R2"])[:5], TWO, n_draws=20)),
    "consistency": (tickets, lambda f: qa.consistency(f, "hours", ["branch", "cause"])),
    "control_chart": (survey, lambda f: qa.control_chart(f.get("sat"))),
    "correlations": (survey, lambda f: qa.correlations(f, ITEMS, weights="weight")),
    "cross_validate": (survey, lambda f: qa.cross_validate(f, "sat", ITEMS, "weight", folds=3, repeats=1)),
    "csat": (survey, lambda f: qa.csat(f.get("sat"), f.get("weight"))),
    "describe": (survey, lambda f: qa.describe(f, ITEMS, "weight")),
    "driver_segments": (survey, lambda f: qa.driver_segments(f, "sat", ["R1", "T1"], "branch", "weight", **SMALL)),
    "drivers": (survey, lambda f: qa.drivers(f, "sat", ITEMS, "weight", **SMALL)),
    "efa": (survey, lambda f: qa.efa(f, 2, items=ITEMS, weights="weight", n_starts=2)),
    "effort": (survey, lambda f: qa.effort(f.get("sat"), f.get("weight"))),
    "factorability": (survey, lambda f: qa.factorability(f, ITEMS, weights="weight")),
    "follow_up": (monitored_contacts, lambda f: qa.follow_up(qa.score_contacts(f, RUBRIC), notes())),
    "free_parameters": (survey, lambda f: qa.free_parameters(SYNTAX, f, "branch")),
    "gap": (survey, lambda f: qa.gap(f, [("R1", "T1"), ("R2", "T2")], weights="weight")),
    "gap_reliability": (survey, lambda f: qa.gap_reliability(f, [("R1", "T1"), ("R2", "T2")], weights="weight")),
    "invariance": (survey, lambda f: qa.invariance(SYNTAX, f, "period")),
    "ipa": (survey, lambda f: qa.ipa("zero_order_r", some(f, ITEMS), outcome=f.get("sat"), **SMALL)),
    "item_focus": (monitored_contacts, lambda f: qa.item_focus(qa.score_contacts(f, RUBRIC))),
    "kano": (survey, lambda f: qa.kano(some(f, ["R1", "R2"]), some(f, ["R1", "R2"]))),
    "kpi_cases": (tickets, lambda f: qa.kpi_cases({"tickets": f}, None, "resolution_time")),
    "kpis": (tickets, lambda f: qa.kpis({"tickets": f}, by="branch")),
    "latent_drivers": (survey, lambda f: qa.latent_drivers(f, DIMENSIONS, OUTCOME)),
    "latent_drivers listwise": (
        survey, lambda f: qa.latent_drivers(f, DIMENSIONS, OUTCOME, missing="listwise", weights="weight")
    ),
    "league_table": (survey, lambda f: qa.league_table(f, "branch", "sat", "weight", n_draws=50)),
    "makeup": (survey, lambda f: qa.makeup(f, "period", ["branch"], "weight")),
    "makeup_drift": (survey, lambda f: qa.makeup_drift(f, "period", ["branch"])),
    "moments": (survey, lambda f: qa.moments(f, ITEMS, "weight").cov),
    "monitored": (monitored_contacts, lambda f: qa.monitored(qa.score_contacts(f, RUBRIC))),
    "monitoring_plan": (staff, lambda f: qa.monitoring_plan(f, {"first": "2026-11-02", "last": "2026-11-06"})),
    "nps": (survey, lambda f: qa.nps(f.get("sat"), f.get("weight"))),
    "parallel_analysis": (survey, lambda f: qa.parallel_analysis(f, ITEMS, 5, weights="weight")),
    "pareto": (tickets, lambda f: qa.pareto(f, "cause")),
    "penalty_reward": (survey, lambda f: qa.penalty_reward(f, "sat", ["R1"], low=2, high=4, weights="weight", **SMALL)),
    "pls": (survey, lambda f: qa.pls("r =~ R1 + R2\nt =~ T1 + T2\nt ~ r", f, n_boot=20, weights="weight")),
    "polychoric": (survey, lambda f: qa.polychoric(f, ITEMS[:3], "weight")),
    "polyserial": (survey, lambda f: qa.polyserial(f.get("weight"), f.get("sat"))),
    "precision_reached": (survey, lambda f: qa.precision_reached(f, "branch", "sat", 0.1, weights="weight")),
    "rake": (survey, lambda f: qa.rake(f, {"branch": SHARES}, "weight")),
    "rater_index": (survey, lambda f: qa.rater_index(f, DIMENSIONS, weights="weight")),
    "reliability": (survey, lambda f: qa.reliability(f, DIMENSIONS, weights="weight")),
    "response_rates": (survey, lambda f: qa.response_rates(f)),
    "retest": (survey, lambda f: qa.retest(some(f, ITEMS[:2]), some(f, ITEMS[:2])[::-1])),
    "robustness": (survey, lambda f: qa.robustness(f, "sat", ["R1", "T1"], "weight")),
    "score_contacts": (monitored_contacts, lambda f: qa.score_contacts(f, RUBRIC, period="2026-10")),
    "score_contacts roster": (staff, lambda f: qa.score_contacts(monitored_contacts(), RUBRIC, roster=f)),
    "seasonality": (survey, lambda f: qa.seasonality(monthly(f.get("sat")))),
    "sem": (survey, lambda f: qa.sem(SYNTAX, f)),
    "sem fiml": (survey, lambda f: qa.sem(SYNTAX, f, missing="fiml")),
    "sem ordered": (survey, lambda f: qa.sem(SYNTAX, f, estimator="WLSMV", ordered=ITEMS)),
    "service_circle": (survey, lambda f: qa.service_circle({"felt": FELT}, answers=f)),
    "standardise": (survey, lambda f: qa.standardise(f, "sat", "branch", SHARES, "weight")),
    "validity": (survey, lambda f: qa.validity(f, DIMENSIONS, criterion="sat", weights="weight", **SMALL)),
}  # fmt: skip
FELT = [{"item": "R1", "touchpoint": "help", "element": "people"}]


def actions() -> pd.DataFrame:
    return pd.DataFrame({"action": ["more staff"], "indicator": ["r"], "start": ["2026-10"]})


def notes() -> pd.DataFrame:
    return pd.DataFrame({"agent": ["ann"], "date": ["2026-10-10"], "item": ["a"]})


def numbers(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]


def words(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if name not in numbers(frame)]


def in_numbers(change):
    """The table with ``change(column)`` in every column of numbers."""
    return lambda frame: frame.assign(**{name: change(frame[name]) for name in numbers(frame)})


def in_words(change):
    return lambda frame: frame.assign(**{name: change(frame[name]) for name in words(frame)})


def first(value):
    """A column of which the first cell holds ``value``."""
    return lambda column: column.astype(object if isinstance(value, str | list | int) else float).mask(
        np.arange(len(column)) == 0, value
    )


def cells(make):
    return lambda column: pd.Series([make(n) for n in range(len(column))], index=column.index, name=column.name)


MIXED = (1, "x", None, 2.5, pd.Timestamp("2026-10-01"), True, 10**30)
ZONED = pd.date_range("2026-10-01", periods=N, freq="7h", tz="Asia/Shanghai")
SPOILT = {
    "no rows": lambda f: f.iloc[:0],
    "nothing at all": lambda f: pd.DataFrame(),
    "no columns": lambda f: f[[]],
    "no numbers": lambda f: f.drop(columns=numbers(f)),
    "no words": lambda f: f.drop(columns=words(f)),
    "one row": lambda f: f.iloc[:1],
    "two rows": lambda f: f.iloc[:2],
    "all missing": in_numbers(lambda c: c * np.nan),
    "all missing as objects": in_numbers(lambda c: c.astype(object).mask(c.notna(), None)),
    "half missing": in_numbers(lambda c: c.where(np.arange(len(c)) % 2 == 0)),
    "words missing": in_words(lambda c: c.astype(object).mask(c.notna(), None)),
    "one infinite": in_numbers(first(np.inf)),
    "all infinite": in_numbers(lambda c: c * 0 - np.inf),
    "words": in_numbers(lambda c: "abc"),
    "digits as text": in_numbers(lambda c: c.astype(str)),
    "mixed": in_numbers(cells(lambda n: MIXED[n % len(MIXED)])),
    "mixed words": in_words(cells(lambda n: MIXED[n % len(MIXED)])),
    "lists": in_numbers(cells(lambda n: [n])),
    "lists for words": in_words(cells(lambda n: [n])),
    "columns twice": lambda f: pd.concat([f, f], axis=1),
    "index twice": lambda f: f.set_axis([7] * len(f)),
    "index of dates": lambda f: f.set_axis(pd.DatetimeIndex(["2026-10-01"] * len(f), tz="UTC")),
    "index of levels": lambda f: f.set_axis(pd.MultiIndex.from_product([["x"], range(len(f))])),
    "columns of levels": lambda f: f.set_axis(pd.MultiIndex.from_product([["x"], f.columns]), axis=1),
    "one 1e200": in_numbers(first(1e200)),
    "times 1e200": in_numbers(lambda c: c * 1e200),
    "times 1e300": in_numbers(lambda c: c * 1e300),
    "times 1e-300": in_numbers(lambda c: c * 1e-300),
    "plus 1e15": in_numbers(lambda c: c + 1e15),
    "constant": in_numbers(lambda c: c * 0 + 3),
    "constant words": in_words(lambda c: c.iloc[0]),
    "zero": in_numbers(lambda c: c * 0),
    "negative": in_numbers(lambda c: -c),
    "negative weights": lambda f: f.assign(weight=-1.0),
    "no weight": lambda f: f.assign(weight=0.0),
    "one weight": lambda f: f.assign(weight=np.arange(len(f)) == 0),
    "weights of text": lambda f: f.assign(weight="heavy"),
    "huge integers": in_numbers(cells(lambda n: 10**30 + n)),
    "integers of 64 bits": in_numbers(cells(lambda n: np.uint64(2**64 - 1 - n))),
    "dates for numbers": in_numbers(lambda c: ZONED[: len(c)]),
    "dates for words": in_words(lambda c: ZONED[: len(c)]),
    "spans for words": in_words(lambda c: pd.Series(ZONED.tz_localize(None)[: len(c)].to_period("M"), index=c.index)),
    "durations": in_numbers(lambda c: pd.to_timedelta(c.astype(float), unit="s")),
    "truth": in_numbers(lambda c: c > c.median()),
    "complex": in_numbers(lambda c: c.astype(complex) + 1j),
    "nullable": in_numbers(lambda c: c.astype("Float64").mask(np.arange(len(c)) == 0)),
    "categories": lambda f: f.astype("category"),
    "bytes": in_words(lambda c: c.astype(str).str.encode("utf-8")),
    "long words": in_words(lambda c: c.astype(str) + "x" * 4_000),
    "control characters": in_words(lambda c: c.astype(str) + "\x00\u202e"),
    "numbers for words": in_words(lambda c: np.arange(len(c), dtype=float)),
    "infinite for words": in_words(lambda c: np.inf),
    "every word its own": in_words(lambda c: [f"w{n}" for n in range(len(c))]),
}  # fmt: skip


def ends_well(call, table: pd.DataFrame) -> str:
    """What is wrong with how a call ends; nothing when it gives a result or one of our errors."""
    try:
        call(table)
    except QaError as refused:
        said = str(refused)
        return "" if 15 < len(said) < 5000 else f"says {said[:100]!r}"
    except Exception as raw:
        return f"{type(raw).__name__}: {str(raw)[:150]}"
    return ""


@pytest.mark.parametrize("function", CALLS)
def test_a_broken_table_gives_an_error_of_ours_or_a_result(function):
    make, call = CALLS[function]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", QaWarning)
        call(make())
        wrong = {kind: said for kind, spoil in SPOILT.items() if (said := ends_well(call, spoil(make())))}
    assert not wrong


def test_every_function_that_takes_a_table_is_called():
    others = {
        "band", "compare_models", "cutoffs", "figures", "read_instrument", "read_responses", "read_study",
        "read_themes", "render", "restated", "sample_size", "screen", "simulate",
    }  # fmt: skip
    functions = {name for name in qa.__all__ if name not in others and name.islower() and not name.startswith("_")}
    called = {name.partition(" ")[0] for name in CALLS} | {"cfa"}
    assert functions - called == set()
