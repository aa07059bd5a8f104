"""The fuzz targets' invariants on a few inputs of every kind, and on every input that once broke one."""

import importlib
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parent / "fuzz"
sys.path.append(str(FUZZ))
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.py"))
FOUND = sorted(path for path in (FUZZ / "found").glob("*/*") if path.is_file())
BUDGET = {"model": 150, "periods": 60, "privacy": 150, "yaml": 60}  # the others open a study each time
every_target = pytest.mark.parametrize("target", TARGETS)


@cache
def loaded(target: str):
    return importlib.import_module(f"fuzz_{target}")


def changed_seeds(target: str) -> st.SearchStrategy[bytes]:
    """A seed with one stretch of it left out, doubled or replaced."""

    def change(seed: bytes, place: float, length: int, new: bytes) -> bytes:
        start = int(place * len(seed))
        return seed[:start] + new + seed[start + length :]

    pieces = st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"", b"\x00", b"\xff\xff\xff\xff", b"nan", b"9" * 400, b'"', b"\n", b",,,,", b"\xe2\x80\xae", b"=1+1"]
        ),
    )
    seeds = st.sampled_from(loaded(target).seeds())
    return st.builds(change, seeds, st.floats(0, 1), st.integers(0, 40), pieces)


@every_target
def test_seeds_keep_the_invariants(target):
    for seed in loaded(target).seeds():
        loaded(target).check(seed)


@every_target
def test_changed_seeds_keep_the_invariants(target):
    @settings(
        max_examples=BUDGET.get(target, 15), derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(changed_seeds(target))
    def checked(data):
        loaded(target).check(data)

    checked()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_an_invariant_no_longer_does(path):
    loaded(path.parent.name).check(path.read_bytes())


def test_an_invariant_that_breaks_is_noticed():
    """The harness sees what it is for: another exception, a warning, a file, a process, an error without words."""
    import subprocess
    import warnings

    import harness

    from qa_lib.errors import QaError

    def quiet():
        raise QaError("")

    for action in (
        lambda: 1 / 0,
        lambda: warnings.warn("odd", RuntimeWarning, stacklevel=1),
        lambda: (FUZZ / "found" / "x").write_bytes(b"") and None,
        lambda: subprocess.run(["true"], check=False),
        quiet,
    ):
        with pytest.raises((ZeroDivisionError, RuntimeWarning, AssertionError)):
            harness.attempt(action)
    (FUZZ / "found" / "x").unlink()
