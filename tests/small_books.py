"""A project with a small study and small notebooks, for tests of rendering that need no analysis."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pandas as pd
import yaml

ROOT = Path(__file__).parent.parent
PARAMETERS = 'study = ""\nperiod = ""\nsegment = ""\nlang = ""'
TITLE = """\
from qa_lib.report.pages import open_page
from qa_lib.report import display

page = open_page(study, period, segment, lang)
display.heading(f"{page.segment} {len(page.data)} {lang}", "top", 1)"""


def make_project(root: Path, branches: Mapping[str, int], period: str = "2026-10") -> Path:
    """Writes a study whose two items were answered by so many respondents of each branch; returns its folder."""
    study = root / "data" / "raw" / "small"
    (study / "responses").mkdir(parents=True)
    spec = {
        "title": {"en": "Small", "zh": "小研究"},
        "period": {"column": "date"},
        "segments": [{"id": "branch"}],
        "minimum_cell": 5,
    }
    instrument = {
        "name": {"en": "Small"},
        "scales": {"five": {"min": 1, "max": 5}},
        "dimensions": [{"id": "reliability", "name": {"en": "Reliability"}}],
        "items": [{"id": name, "dimension": "reliability", "scale": "five"} for name in ("R1", "R2")],
    }
    (study / "study.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    (study / "instrument.yaml").write_text(yaml.safe_dump(instrument), encoding="utf-8")
    write_responses(study, branches, period)
    return study


def write_responses(study: Path, branches: Mapping[str, int], period: str = "2026-10") -> None:
    names = [name for name, n in branches.items() for _ in range(n)]
    answers = {
        "R1": [1 + place % 5 for place in range(len(names))],
        "R2": [1 + place % 4 for place in range(len(names))],
    }
    table = pd.DataFrame({"date": f"{period}-05", "branch": names, **answers})
    table.to_csv(study / "responses" / f"{period}.csv", index=False)


def write_books(folder: Path, cells: Mapping[str, str]) -> Path:
    """A notebook per name: its parameters, its title, and the code given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in cells.items():
        sources = [PARAMETERS, TITLE, code]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        for place, cell in enumerate(book.cells):
            cell["id"] = f"cell{place}"
        book.cells[0].metadata["tags"] = ["parameters"]
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, folder / f"{name}.ipynb")
    return folder


def command(study: Path, books: Path, **options: object) -> list[str]:
    """A command that renders the study with these notebooks, as ``qa report`` does."""
    code = (
        "from pathlib import Path\n"
        "import qa_lib, qa_lib.cli\n"
        "from qa_lib.report import plan\n"
        f"plan.notebooks_folder = lambda: Path({str(books)!r})\n"
        f"qa_lib.cli.app = lambda: qa_lib.render({str(study)!r}, **{options!r})\n"
        "qa_lib.cli.main()\n"
    )
    return [sys.executable, "-c", code]
