"""The project's lists agree with each other, and its public names exist."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, requires

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

import qa_lib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_mirrors_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    listed += next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert set(listed) - {"pip", "--editable ."} == {f"python{PROJECT['requires-python']}"} | {
        entry.lower() for entry in wanted
    }


def test_lock_has_hashes_no_addresses_and_every_dependency():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9._-]+)==.*\n((?:    --hash=sha256:\w{64}.*\n)*)", lock, flags=re.MULTILINE)
    assert pins
    assert all(hashes for _, hashes in pins)
    assert "://" not in lock
    wanted = {re.split(r"[<>=]", entry)[0].lower() for entry in PROJECT["dependencies"]}
    assert wanted <= {name for name, _ in pins}


@pytest.mark.parametrize("name", qa_lib.__all__)
def test_every_public_name_loads(name):
    assert getattr(qa_lib, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'alfa'"):
        _ = qa_lib.alfa


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from typer.testing import CliRunner; from qa_lib.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'papermill', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def runtime_dependencies() -> dict[str, str]:
    """Name and stated licence of all that qa_lib needs, and of all that these need."""
    found, asked, waiting = {}, set(), [Requirement(entry) for entry in PROJECT["dependencies"]]
    while waiting:
        wanted = waiting.pop()
        for extra in {"", *wanted.extras} - {extra for name, extra in asked if name == wanted.name}:
            asked.add((wanted.name, extra))
            found[wanted.name] = stated_licence(wanted.name)
            needs = [Requirement(entry) for entry in requires(wanted.name) or []]
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return found


def stated_licence(package: str) -> str:
    """The licence's name; a licence's whole text, where there is no name, counts by its first line."""
    about = metadata(package)
    names = [name for name in about.get_all("Classifier", []) if name.startswith("License ::")]
    return about.get("License-Expression") or " ".join(names) or about.get("License", "").partition("\n")[0]


def test_no_runtime_dependency_is_under_the_gpl_or_lgpl():
    licences = runtime_dependencies()
    assert len(licences) > 50
    assert not [name for name, licence in licences.items() if not licence], "no licence is stated"
    assert not {name: licence for name, licence in licences.items() if re.search(r"GPL|General Public", licence)}
