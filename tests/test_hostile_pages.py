"""A study with markup, script, formulas and reversed text in every text: shown as text, by every page and workbook."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from browser import CHROMIUM, reader
from conftest import ROOT
from openpyxl import load_workbook

from qa_lib.errors import StudyError
from qa_lib.study.schema import load_yaml

BEGINNINGS = ["=", "+", "-", "@", "\t=", ""]
TEXTS = {"name", "title", "wording", "labels", "text", "reason", "disclosure"}
SHOWN = [
    "Demo service centres (simulated)", "Reliability", "信赖度", "Harbour", "harbour_1", "Branch", "Equipment and app",
    "Response time", "Opens in a friendly way and gives a name", "The service does what it has promised.",
    "Call-back queue at Station", "Invented customers of six invented service centres.",
]  # fmt: skip
MONTHS = r"2026-(09|10)_qualtrics"


def evil(number: int) -> str:
    """A text that asks for a picture and says its number where it is taken for anything but text."""
    return (
        f"{BEGINNINGS[number % 6]}1+\"'><img src=http://h.invalid/{number} onerror=alert({number})>"
        f"<script>alert({number})</script>{{x}}%s$\\frac{{$ \u202e\u05d0 e{number}e"
    )


class Hostile:
    """Replaces texts, and remembers what it made of them."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def of(self, text: str) -> str:
        return self.made.setdefault(text, evil(len(self.made)))

    def words(self, content: object, inside: bool = False) -> object:
        """A YAML file's content with hostile texts: names, wordings, labels … in every language."""
        if isinstance(content, dict):
            return {key: self.words(part, inside or key in TEXTS) for key, part in content.items()}
        if isinstance(content, list):
            return [self.words(part, inside) for part in content]
        return self.of(content) if inside and isinstance(content, str) else content


def hostile_study(root: Path, hostile: Hostile) -> Path:
    """Two months of the demo study, its texts, groups, agents, causes, comments, headers and files renamed."""
    demo, study = ROOT / "data" / "raw" / "demo", root / "data" / "raw" / "hostile"
    shutil.copytree(demo, study)
    (study / "population.yaml").unlink()
    for path in study.rglob("*.yaml"):
        content = hostile.words(load_yaml(path, StudyError))
        for segment in content.get("segments", []):
            if "harbour" in segment.get("labels", {}):
                segment["labels"][hostile.of("harbour")] = segment["labels"].pop("harbour")
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    for path in sorted(study.rglob("*.csv")):
        if path.parent.name == "responses" and not re.search(MONTHS, path.name):
            path.unlink()
            continue
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table = table.map(lambda text: hostile.of(text) if re.fullmatch(r"harbour(_\w+)?", text) else text)
        for column in {"cause", "problem", "action", "owner", "note_en", "note_zh", "action_zh"} & set(table):
            table[column] = [text and hostile.of(text) for text in table[column]]
        if path.parent.name == "responses":
            table["comment"] = [text and f"{text} {hostile.of('comment')}" for text in table["comment"]]
            table.iloc[0] = [hostile.of("header")] * table.shape[1]
            table[hostile.of("column")] = hostile.of("cell")
            path = path.rename(path.with_name(f"=<img src=x onerror=alert(9)>{{x}}$_{path.name}"))
        table.to_csv(path, index=False)
    return study


@pytest.fixture(scope="module")
def hostile() -> Hostile:
    return Hostile()


@pytest.fixture(scope="module")
def reports(tmp_path_factory, hostile):
    """The folder of the hostile study's report, in both languages, with workbooks."""
    root = tmp_path_factory.mktemp("hostile")
    study = hostile_study(root, hostile)
    report = ["-W", "ignore", "-m", "qa_lib", "report", str(study), "--jobs", "2", "--xlsx", "--docx"]
    result = subprocess.run(
        [sys.executable, *report],
        capture_output=True, text=True, check=False, cwd=root, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    assert "\u202e" not in result.stdout + result.stderr
    return root / "reports" / "hostile"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_pages_run_nothing_and_ask_for_nothing(reports, hostile):
    said, shown = [], ""
    with reader() as browser:
        page = browser._browser.new_page()
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        pages = sorted(reports.rglob("*.html"))
        assert len(pages) >= 18
        for file in pages:
            page.goto(file.as_uri())
            page.evaluate("() => document.querySelectorAll('*').forEach(e => e.dispatchEvent(new Event('mouseover')))")
            said = [text for text in said if text != file.as_uri() and not text.startswith("data:")]
            assert not said, f"{file.name}: {said[:5]}"
            assert not page.locator("img[src*='h.invalid'], img[src='x']").count(), file.name
            shown += page.locator("body").text_content() + " ".join(
                page.eval_on_selector_all("img", "images => images.map(image => image.alt)")
            )
    missing = [text for text in SHOWN if f"e{list(hostile.made).index(text)}e" not in shown]
    assert not missing
    assert "<script>alert(" in shown


def test_cells_of_workbooks_are_no_formulas(reports):
    books = sorted(reports.rglob("*.xlsx"))
    begins = 0
    for book in books:
        for sheet in load_workbook(book).worksheets:
            for row in sheet.iter_rows():
                for cell in row:
                    assert cell.data_type != "f", (book.name, sheet.title, cell.coordinate)
                    if isinstance(cell.value, str) and cell.value.startswith(("=", "+", "-", "@", "\t", "\r")):
                        begins += 1
                        assert cell.quotePrefix, (book.name, sheet.title, cell.coordinate, cell.value)
    assert len(books) >= 2
    assert begins > 20
