"""Late answers restate a reported month, visibly; what did not change stays silent."""

import json

import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import ResponseError


def month(answers):
    return qa.csat(answers)


def test_late_answers_restate_a_month():
    reported = json.loads(json.dumps(qa.figures(month([5, 4, 2, 5]), "2026-09")))
    late = qa.figures(month([5, 4, 2, 5, 1, 1]), "2026-09")
    row = qa.restated(reported, late).iloc[0]
    assert row[["term", "period", "status", "reported", "current"]].tolist() == [
        "csat",
        "2026-09",
        "restated",
        0.75,
        0.5,
    ]
    assert row[["change", "n_reported", "n_current", "outside"]].tolist() == [-0.25, 4, 6, False]
    assert qa.restated(reported, reported).empty


def test_a_figure_outside_the_reported_interval_is_marked():
    many = qa.figures(month([5] * 90 + [1] * 10), "2026-09")
    assert qa.restated(many, qa.figures(month([5] * 90 + [1] * 60), "2026-09"))["outside"].tolist() == [True]


def test_the_same_estimate_from_more_answers_is_restated_too():
    changed = qa.restated(qa.figures(month([5, 1]), "2026-09"), qa.figures(month([5, 1, 5, 1]), "2026-09"))
    assert changed[["change", "n_reported", "n_current"]].to_numpy().tolist() == [[0, 2, 4]]


def test_groups_added_and_withdrawn_figures_are_told_apart():
    table = pd.DataFrame({"term": "csat", "group": ["a", "b"], "estimate": [0.5, float("nan")], "n": [10, 0]})
    before = qa.figures(table, "2026-09")
    now = qa.figures(table.assign(group=["a", "c"]), "2026-09")
    status = qa.restated(before, now).set_index("group")["status"].to_dict()
    assert status == {"b": "withdrawn", "c": "added"}
    assert before[1]["estimate"] is None
    json.dumps(before, allow_nan=False)


def test_bad_figures_are_named():
    one = qa.figures(month([5, 1]), "2026-09")
    with pytest.raises(ResponseError, match="csat  2026-09 stands twice in earlier"):
        qa.restated(one + one, one)
    with pytest.raises(ResponseError, match="has no period"):
        qa.restated(one, [{"term": "csat"}])
