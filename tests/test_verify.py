"""``qa verify``: whether a report still follows from its inputs."""

import shutil
import subprocess
import sys

import pytest
from small_books import ROOT, make_project, write_books, write_responses

import qa_lib as qa
from qa_lib.errors import RenderError
from qa_lib.report import plan
from qa_lib.report.verify import verify_report


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("verify")
    books = write_books(root / "books", {"1_data": "display.paragraph('hello')"})
    study = make_project(root, {"Harbour": 12})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "notebooks_folder", lambda: books)
        assert qa.render(study, jobs=2).ok
    return root


@pytest.fixture
def root(original, tmp_path, monkeypatch):
    copied = shutil.copytree(original, tmp_path / "copied")
    monkeypatch.setattr(plan, "notebooks_folder", lambda: copied / "books")
    return copied


@pytest.fixture
def report(root):
    return root / "reports" / "small" / "2026-10"


def test_a_report_follows_from_its_inputs_wherever_the_project_lies(report):
    assert verify_report(report) == []


def test_every_difference_is_named(root, report):
    study = root / "data" / "raw" / "small"
    write_responses(study, {"Harbour": 13})
    (study / "actions.csv").write_text("action\n")
    assert verify_report(report) == ["input changed: responses/2026-10.csv", "input new: actions.csv"]
    (study / "responses" / "2026-10.csv").unlink()
    assert verify_report(report)[0] == "input missing: responses/2026-10.csv"


def test_edited_missing_and_strange_pages_are_named(report):
    page = report / "1_data.en.html"
    page.write_bytes(page.read_bytes().replace(b"hello", b"bonus"))
    assert verify_report(report) == ["page edited: 1_data.en.html"]
    page.rename(report / "other.html")
    assert verify_report(report) == ["page missing: 1_data.en.html", "page not of the report: other.html"]


def test_changed_notebooks_and_libraries_are_named(root, report):
    book, manifest = root / "books" / "1_data.ipynb", report / "manifest.json"
    book.write_text(book.read_text().replace("hello", "other"))
    text = manifest.read_text()
    manifest.write_text(text.replace(f'"pandas": "{_version("pandas")}"', '"pandas": "1.0.0"'))
    assert verify_report(report) == [
        f"version of pandas: 1.0.0 then, {_version('pandas')} now",
        "notebook changed: 1_data.ipynb, of page 1_data.en.html",
        "notebook changed: 1_data.ipynb, of page 1_data.zh.html",
    ]


def _version(package):
    from importlib.metadata import version

    return version(package)


def test_a_folder_that_is_no_report_is_refused(root, report):
    with pytest.raises(RenderError, match="has no manifest"):
        verify_report(root)
    (report / "manifest.json").write_text('{"pages": []')
    with pytest.raises(RenderError, match="is not a manifest"):
        verify_report(report)


def test_the_command_ends_with_1_when_the_report_does_not_follow(report):
    """From the repository's notebooks the page cannot come: its own notebook is not there."""
    done = subprocess.run(
        [sys.executable, "-m", "qa_lib", "verify", str(report)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "notebook changed: 1_data.ipynb, of page 1_data.en.html" in done.stdout
