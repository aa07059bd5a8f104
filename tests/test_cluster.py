"""The same command on a Dask cluster of two worker processes: the same bytes as on one machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import qa_lib as qa
from qa_lib.errors import RenderError
from qa_lib.report import plan
from qa_lib.study import partitions

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "data" / "raw" / "demo"


def study_in(folder: Path) -> Path:
    study = folder / "data" / "raw" / "demo"
    (study / "responses").mkdir(parents=True)
    exports = [path for month in ("09", "10") for path in (DEMO / "responses").glob(f"2026-{month}*")]
    for path in [DEMO / "study.yaml", DEMO / "instrument.yaml", *exports]:
        shutil.copy(path, study / path.relative_to(DEMO))
    return study


@pytest.fixture
def one_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the notebooks on responses and on method only, of a study that counts as large."""
    (tmp_path / "notebooks").mkdir()
    for name in ("1_responses.ipynb", "8_method.ipynb"):
        shutil.copy(plan.notebooks_folder() / name, tmp_path / "notebooks")
    monkeypatch.setattr(plan, "notebooks_folder", lambda: tmp_path / "notebooks")
    monkeypatch.setattr(partitions, "LARGE_BYTES", 0)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory):
    """The address of a scheduler with two worker processes."""
    quiet = {"dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, local_directory=tmp_path_factory.mktemp("dask"), **quiet
    ) as cluster:
        yield cluster.scheduler_address


def pages(report: Path) -> dict[str, bytes]:
    return {path.relative_to(report).as_posix(): path.read_bytes() for path in sorted(report.rglob("*.html"))}


def test_two_workers_give_the_same_bytes(tmp_path, one_notebook, scheduler) -> None:
    here, there = (study_in(tmp_path / name) for name in ("here", "there"))
    alone = qa.render(here, "2026-10", lang=("en", "zh"), jobs=1)
    spread = qa.render(there, "2026-10", lang=("en", "zh"), cluster=scheduler)
    assert alone.ok
    assert spread.ok, spread.pages["error"].tolist()
    assert (spread.pages["status"] == "rendered").all()
    found = pages(spread.index.parent)
    assert len([name for name in found if name.startswith("2026-10/")]) == 4
    assert found == pages(alone.index.parent)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch) -> None:
    from qa_lib.report import cluster

    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 1)
    with pytest.raises(RenderError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 .*dask scheduler"):
        qa.render(study_in(tmp_path), "2026-10", cluster="tcp://127.0.0.1:1")


def test_workers_with_another_key_are_refused(tmp_path, scheduler, monkeypatch) -> None:
    monkeypatch.setenv("QA_HASH_KEY", "another key than the workers'")
    with pytest.raises(RenderError, match="has another key of respondents' hashes: set QA_HASH_KEY"):
        qa.render(study_in(tmp_path), "2026-10", cluster=scheduler)
