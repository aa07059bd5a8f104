"""qa check names what is wrong with operations records, by severity, and is silent where all is well."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.operations.checks import check_operations

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(DEMO, tmp_path / "study", ignore=shutil.ignore_patterns("responses"))
    return tmp_path / "study"


def test_the_demo_has_nothing_to_mend():
    assert check_operations(qa.read_study(DEMO)).empty


def test_bad_records_and_descriptions_are_named(folder):
    tickets = pd.read_csv(folder / "tickets" / "tickets.csv", dtype=str)
    tickets.loc[3, "resolved"] = "2025-01-01 00:00:00"
    tickets.loc[5, "agent"] = "nobody"
    pd.concat([tickets, tickets.iloc[[0]]]).to_csv(folder / "tickets" / "tickets.csv", index=False)
    monitoring = pd.read_csv(folder / "monitoring" / "monitoring.csv", dtype=str)
    monitoring.assign(greeting="7").to_csv(folder / "monitoring" / "monitoring.csv", index=False)
    (folder / "monitoring" / "plan.yaml").write_text("dayly: 2\n", encoding="utf-8")
    (folder / "standards.yaml").write_text("touchpoints: [receive]\nstandard: []\n", encoding="utf-8")
    found = check_operations(qa.read_study(folder))
    warned = found[found["severity"] == "warning"]
    assert set(warned["file"] + " " + warned["finding"].str.split(", ").str[0]) == {
        "tickets 1 × duplicate_id", "tickets 1 × agent_not_in_roster", "tickets 1 × before_submitted",
    }  # fmt: skip
    errors = found[found["severity"] == "error"].set_index("file")["finding"]
    assert "'7' is not a level" in errors["monitoring"]
    assert "Did you mean 'daily'" in errors["monitoring/plan.yaml"]
    assert "Did you mean 'standards'" in errors["standards.yaml"]
