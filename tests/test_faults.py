"""What goes wrong while a batch runs, and that the next run is right and complete all the same."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_books import ROOT, command, make_project, write_books

import qa_lib as qa
from qa_lib.errors import RenderError
from qa_lib.report import files, plan
from qa_lib.report.files import write_whole

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
BRANCHES = {"Harbour": 12}
PAGES = {f"{place}_page": "import time\ntime.sleep(0.2)\ndisplay.paragraph('x' * 200000)" for place in range(1, 7)}


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    folder = write_books(tmp_path_factory.mktemp("books"), PAGES)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "notebooks_folder", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, books):
    """The pages of a run that nothing disturbed."""
    root = tmp_path_factory.mktemp("undisturbed")
    assert qa.render(make_project(root, BRANCHES), lang="en", jobs=2).ok
    return pages_of(root / "reports" / "small" / "2026-10")


@pytest.fixture
def study(tmp_path, books):
    made = make_project(tmp_path, BRANCHES)
    qa.read_study(made).responses()  # its processed table is there already
    return made


@pytest.fixture
def report(tmp_path):
    return tmp_path / "reports" / "small" / "2026-10"


def start(study: Path, books: Path, before: Sequence[str] = (), **settings: object) -> subprocess.Popen:
    """A rendering in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*before, *command(study, books, lang="en", jobs=2)]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, **settings)


def assert_next_run_is_right(study: Path, report: Path, undisturbed: dict[str, bytes]) -> None:
    assert qa.render(study, lang="en", jobs=2).ok
    assert_all_is_whole(report)
    assert pages_of(report) == undisturbed
    assert not list(report.rglob("*.partial"))
    assert set(qa.render(study, lang="en", dry_run=True).pages["status"]) == {"kept"}


def pages_of(report: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(report.glob("*.html"))}


def assert_all_is_whole(report: Path) -> None:
    """Every page is complete, and the manifest describes only pages that are there as it says."""
    for name, content in pages_of(report).items():
        assert content.rstrip().endswith(b"</html>"), name
    if (report / "manifest.json").exists():
        for name, entry in json.loads((report / "manifest.json").read_text(encoding="utf-8"))["pages"].items():
            assert entry["error"] == ""
            assert hashlib.sha256((report / name).read_bytes()).hexdigest() == entry["html"]


def kernels_of(study: Path) -> list[str]:
    """Processes that were forked for pages of this study and still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qa_lib.report.kernel_server" in words and str(study).encode() in words:
            found.append(entry.parent.name)
    return found


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_random_moments_the_next_run_is_right_and_complete(study, report, books, undisturbed, sign):
    """Killed after so many pages and a little more: within a page, a file or the manifest, as it comes."""
    moments = random.Random(11)
    for n_pages in (0, 2, 4):
        run = start(study, books)
        while run.poll() is None and len(pages_of(report)) < n_pages:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.4))
        run.send_signal(sign)
        run.communicate(timeout=120)
        assert_all_is_whole(report)
    assert_next_run_is_right(study, report, undisturbed)
    deadline = time.monotonic() + 60
    while kernels_of(study) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kernels_of(study) == []


def test_a_full_disk_is_said_and_the_next_run_is_right(study, report, books, undisturbed):
    """No file may grow beyond 100 kB: every page is larger."""
    run = start(study, books, preexec_fn=_limit_files)
    said = run.communicate(timeout=300)[1]
    assert "Traceback" not in said
    assert pages_of(report) == {}
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["pages"]) == len(PAGES)
    assert all("File too large. Make room" in entry["error"] for entry in manifest["pages"].values())
    assert_next_run_is_right(study, report, undisturbed)


def _limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead of ending the process
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_disk_that_fills_up_while_the_manifest_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    write_whole(tmp_path / "manifest.json", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(RenderError, match=r"manifest.json cannot be written: No space left on device. Make room"):
        write_whole(tmp_path / "manifest.json", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("manifest.json", "old")]


def test_a_folder_without_the_right_to_write_is_said_and_the_next_run_is_right(study, report, books, undisturbed):
    reports = report.parent.parent
    reports.mkdir(mode=0o555)
    run = start(study, books, before=_without_privilege())
    said = run.communicate(timeout=300)[1]
    assert run.returncode == 2, said
    assert "cannot be written (Permission denied)" in said
    assert "Traceback" not in said
    reports.chmod(0o755)
    assert_next_run_is_right(study, report, undisturbed)


def _without_privilege() -> list[str]:
    """Words before a command so that root, too, needs the right to write."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override"]


def test_two_runs_at_once_leave_one_whole_report(study, report, books, undisturbed):
    runs = [start(study, books) for _ in range(2)]
    said = [run.communicate(timeout=300)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2]
    assert any("another process is rendering into" in words for words in said)
    assert_next_run_is_right(study, report, undisturbed)


def test_what_was_taken_back_does_not_pass_for_current(study, report, books, undisturbed):
    """A run with other inputs is killed after it wrote a page; the inputs return: the page must be made again."""
    export = study / "responses" / "2026-10.csv"
    assert qa.render(study, lang="en", jobs=2).ok
    kept = export.read_bytes()
    export.write_bytes(kept + b"2026-10-06,Harbour,1,1\n")
    run = start(study, books)
    while pages_of(report) == undisturbed and run.poll() is None:
        time.sleep(0.005)
    run.kill()
    run.communicate()
    assert pages_of(report) != undisturbed
    export.write_bytes(kept)
    assert_next_run_is_right(study, report, undisturbed)
