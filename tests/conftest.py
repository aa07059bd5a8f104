"""Fixtures every test may use: where the real data lie, and the numbers R gave."""

import json
import os
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("agg")

ROOT = Path(__file__).parent.parent
SHARED_DATA = Path(os.environ.get("QA_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data():
    """Path of a real data set outside the repository; the test is skipped by name where it is absent."""

    def locate(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"real data set {name} is not beside this checkout")
        return path

    return locate


@pytest.fixture(scope="session")
def reference():
    """Numbers written by ``tests/reference/<topic>.R``."""
    return lambda topic: json.loads((ROOT / "tests" / "reference" / f"{topic}.json").read_text(encoding="utf-8"))
