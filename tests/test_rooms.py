"""The house: rooms import only rooms below them, no room imports its neighbour, and names lead to where they live."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

import qa_lib

LIBRARY = ROOT / "qa_lib"
GROUND = {"results", "criteria", "errors"}
BELOW = {
    "study": set(),
    "sufficient": {"study"},
    "models": {"study", "sufficient"},
}
FLOOR = {"study", "sufficient", "models"}
BELOW |= {room: FLOOR for room in ("trust", "effects", "tracking", "operations", "voice")}
BELOW |= {"report": FLOOR | {"trust", "effects", "tracking", "operations", "voice"}}
BELOW |= {"simulation": {"study"}, "drafting": {"study", "sufficient", "trust"}}


def rooms_imported(path: Path) -> set[str]:
    """Rooms that a file imports from, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("qa_lib.")} - GROUND


def test_every_room_has_its_place():
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == set(BELOW)


@pytest.mark.parametrize("room", sorted(BELOW))
def test_imports_only_go_down(room):
    upward = {
        str(path.relative_to(LIBRARY)): found
        for path in (LIBRARY / room).rglob("*.py")
        if (found := rooms_imported(path) - BELOW[room] - {room, "__version__"})
    }
    assert not upward


def test_public_names_live_in_the_rooms_that_offer_them():
    for name in set(qa_lib.__all__) - {"__version__"}:
        assert getattr(qa_lib, name).__module__.split(".")[:2] == qa_lib._HOMES[name].split(".")[:2], name


def test_no_room_bears_the_name_of_a_public_function():
    assert not set(BELOW) & set(qa_lib.__all__)
