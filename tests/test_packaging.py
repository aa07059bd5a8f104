"""The project's lists agree with each other, and its public names exist."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT

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
