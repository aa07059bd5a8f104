"""Fixtures every test may use: where the real data lie, and the numbers R gave."""

import json
import os
import re
import shutil
from pathlib import Path

import matplotlib
import pytest

import qa_lib as qa

matplotlib.use("agg")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]_*.ipynb"))
os.environ.setdefault("QA_HASH_KEY", "the key of the tests alone")  # none is made in the home of who runs them
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


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """A project folder with the demo study's last six months."""
    root = tmp_path_factory.mktemp("project")
    target = root / "data" / "raw" / "demo"
    shutil.copytree(ROOT / "data" / "raw" / "demo", target)
    for export in (target / "responses").iterdir():
        if not re.search(r"2026-(0[5-9]|10)", export.name):
            export.unlink()
    return root


@pytest.fixture(scope="session")
def rendered(workspace):
    return qa.render(workspace / "data" / "raw" / "demo", jobs=2)
