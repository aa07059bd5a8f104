"""The package alone, in an empty environment and far from this checkout, makes a study and its report."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import NOTEBOOKS, ROOT

import qa_lib

PACKAGED = [file for file in (ROOT / "qa_lib").rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """What a command prints, where neither this checkout nor the user's home is known."""
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=known | env, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning:" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the source distribution, as whoever has nothing else builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.iterdir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment that holds the wheel and what it needs, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
    try:
        run(*pip, "--dry-run", "--no-deps", "babel", cwd=folder)
    except AssertionError:
        pytest.skip("the package index cannot be reached: the wheel is not installed")
    run(*pip, wheel, cwd=folder)
    return programs


def test_the_source_distribution_holds_what_git_holds(sdist):
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    tracked = set(run("git", "ls-files", "-z", cwd=ROOT).split("\0")) - {""}
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in tracked if (ROOT / name).exists()} <= packed


def test_the_wheel_holds_the_library_its_words_and_the_notebooks(wheel):
    wanted = {file.relative_to(ROOT).as_posix() for file in PACKAGED}
    wanted |= {f"qa_lib/notebooks/{notebook.name}" for notebook in NOTEBOOKS}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == wanted


def test_the_wheel_renders_a_study_in_an_empty_environment(installed, tmp_path):
    """From a population to a drafted study and to the demo's pages in both languages."""
    at_home = {"HOME": str(tmp_path / "home"), "MPLBACKEND": "agg"}
    qa = installed / "qa"
    assert run(qa, "--version", cwd=tmp_path, **at_home) == f"qa_lib {qa_lib.__version__}\n"
    where = (
        "import json, qa_lib; from qa_lib.report import fonts, plan\n"
        "print(json.dumps([qa_lib.__file__, str(plan.notebooks_folder()), str(fonts.FONT_FILE)]))"
    )
    for found in json.loads(run(installed / "python", "-c", where, cwd=tmp_path, **at_home)):
        assert Path(found).is_relative_to(installed.parent.resolve()), found

    demo, drafted = (tmp_path / "data" / "raw" / name for name in ("demo", "drafted"))
    population = yaml.safe_load((ROOT / "data/raw/demo/population.yaml").read_text(encoding="utf-8"))
    population["survey"]["periods"]["first"] = "2026-09"
    (tmp_path / "population.yaml").write_text(yaml.safe_dump(population, sort_keys=False), encoding="utf-8")
    run(qa, "simulate", "population.yaml", demo, cwd=tmp_path, **at_home)
    exports = sorted((demo / "responses").glob("2026-10*.csv"))
    run(qa, "new", drafted, *(part for file in exports for part in ("--from", file)), cwd=tmp_path, **at_home)
    assert (drafted / "instrument.yaml").exists()

    for name in ("study.yaml", "instrument.yaml", "kpis.yaml"):
        shutil.copy(ROOT / "data/raw/demo" / name, demo)
    index = run(qa, "report", "data/raw/demo", cwd=tmp_path, **at_home).splitlines()[-1]
    pages = list((tmp_path / index).parent.rglob("*_*.html"))
    assert {page.name.partition("_")[0] for page in pages} >= {str(number) for number in range(1, 7)}
    said = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert 'lang="zh"' in said
    assert 'lang="en"' in said
    assert "Noto Sans SC" in said
