"""Which pages a report has: one for every notebook, language and segment, each with its place and its links."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import qa_lib
from qa_lib.errors import RenderError, ResponseError
from qa_lib.report.suppression import hidden_groups
from qa_lib.report.text import LANGUAGES, Text
from qa_lib.study.dates import is_period, unit_of
from qa_lib.study.study import Study

_NESTED = {"month", "quarter", "year"}


@dataclass(frozen=True, slots=True)
class Page:
    """One notebook in one language for one segment, and where its HTML goes."""

    notebook: Path
    lang: str
    segment: str
    folder: Path

    @property
    def html(self) -> Path:
        return self.folder / f"{self.notebook.stem}.{self.lang}.html"

    @property
    def failed_notebook(self) -> Path:
        return self.folder / f"{self.notebook.stem}.{self.lang}.failed.ipynb"

    @property
    def name(self) -> str:
        return " ".join(filter(None, [self.notebook.stem, self.lang, self.segment]))


def project_folder(study: Study) -> Path:
    """``<root>`` of a study at ``<root>/data/raw/<study>``, else the folder that holds the study."""
    raw = study.path.parent
    return raw.parent.parent if (raw.name, raw.parent.name) == ("raw", "data") else raw


def reports_folder(study: Study) -> Path:
    """``<root>/reports/<study>`` for a study at ``<root>/data/raw/<study>``, else ``reports/<study>`` here."""
    raw = study.path.parent
    root = project_folder(study) if project_folder(study) != raw else Path.cwd()
    return root / "reports" / study.name


def notebooks_folder() -> Path:
    """The notebooks beside the package in a checkout, within it when installed from a wheel."""
    package = Path(qa_lib.__file__).parent
    candidates = (package.parent / "notebooks", package / "notebooks")
    found = next((folder for folder in candidates if list(folder.glob("[0-9]_*.ipynb"))), None)
    if found is None:
        raise RenderError(f"no notebooks found in {candidates[0]} or {candidates[1]}: reinstall qa_lib.")
    return found


def chosen_languages(study: Study, lang: str | Sequence[str] | None) -> list[str]:
    chosen = list(dict.fromkeys([lang] if isinstance(lang, str) else lang or study.languages))
    if unknown := [name for name in chosen if name not in LANGUAGES]:
        raise RenderError(f"language {unknown[0]!r} is not known. Allowed: {', '.join(LANGUAGES)}.")
    return chosen


def plan_pages(
    study: Study, period: str, data: pd.DataFrame, folder: Path, by: Iterable[str], languages: Iterable[str]
) -> list[Page]:
    """All pages of a period: of everyone, and of every group of the segments ``by`` that may be shown.

    With fewer responses than may be shown, only notebooks that name sources other than the survey are left. One that
    declares a key of study.yaml is left out where the study does not give it. Beside reports that cut across this
    period (:func:`published_across`) only notebooks that declare ``across_periods`` are left: those without customers.
    A language's pages stand together, and in them those of one notebook: pages that run side by side then differ in
    their data, and what the first language computed is there for the next.
    """
    answered = len(data) >= study.spec.minimum_cell
    notebooks = [book for book in sorted(notebooks_folder().glob("[0-9]_*.ipynb")) if _wanted(book, study, answered)]
    if across := published_across(folder):
        kept = [book for book in notebooks if _declared(book).get("across_periods")]
        if notebooks and (not kept or _shows_customers(folder)):
            raise RenderError(
                f"{folder} and {across}: days, weeks and months cut across each other, and what one report shows less "
                f"what the other shows gives small groups away. Beside months only their quarters and years are "
                f"allowed. Delete {across}, or move it to where other readers are, and render again."
            )
        notebooks = kept
    if not notebooks:
        raise ResponseError(
            f"{study.path}: {len(data)} responses in this period; results of fewer than {study.spec.minimum_cell} "
            "(minimum_cell in study.yaml) are not shown. Choose a longer period."
        )
    groups = (place for column in by for place in _segment_places(study, period, data, folder, column))
    places = [("", folder), *groups]
    return [
        Page(notebook, lang, segment, place)
        for lang in languages
        for notebook in notebooks
        for segment, place in places
    ]


def published_across(folder: Path) -> Path | None:
    """The newest report beside this one with results of customers by another kind of period, of those that cut across.

    Months nest in quarters and years, whose pages hide what would give a month away; weeks and days do not.
    """
    own = _clock(folder.name)
    beside = sorted((path for path in folder.parent.glob("*") if is_period(path.name)), reverse=True)
    return next((path for path in beside if _clock(path.name) != own and _shows_customers(path)), None)


def _clock(period: str) -> set[str]:
    unit = unit_of(period)
    return _NESTED if unit in _NESTED else {unit}


def _shows_customers(folder: Path) -> bool:
    """Whether a report's folder holds a page, or what became of one, of a notebook that has customers' results."""
    free = {book.stem for book in notebooks_folder().glob("[0-9]_*.ipynb") if _declared(book).get("across_periods")}
    return any(page.name.partition(".")[0] not in free for page in folder.rglob("[0-9]_*.*"))


def _declared(notebook: Path) -> dict[str, object]:
    """What a notebook's metadata declare under ``qa``."""
    return json.loads(notebook.read_text(encoding="utf-8")).get("metadata", {}).get("qa", {})


def _segment_places(study: Study, period: str, data: pd.DataFrame, folder: Path, column: str) -> list[tuple[str, Path]]:
    known = [segment.id for segment in study.spec.segments]
    if column not in known:
        raise RenderError(f"segment {column!r} is not declared in study.yaml. Declared: {', '.join(known) or 'none'}.")
    if column not in data:
        raise RenderError(f"segment {column!r} was not recorded in this period: no export has its column.")
    hidden = hidden_groups(data, column, period, study.spec.minimum_cell)
    values = sorted(set(data[column].dropna()) - hidden)
    return [(f"{column}={value}", folder / f"{column}-{_file_name(str(value))}") for value in values]


def _wanted(notebook: Path, study: Study, answered: bool) -> bool:
    """Whether a study has one of the files or folders a notebook lives on, else answers and the keys it declares."""
    needs = _declared(notebook)
    if sources := needs.get("sources", []):
        return any((study.path / name).exists() for name in sources)
    return answered and all(getattr(study.spec, key) for key in needs.get("declares", []))


def _file_name(value: str) -> str:
    """A segment's value as a folder name: safe everywhere, distinct for distinct values."""
    safe = re.sub(r"[^\w\-]+", "_", value)
    return (
        safe if safe == value and len(value) <= 60 else f"{safe[:60]}_{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    )


def links_of(pages: Sequence[Page], index: Path) -> dict[Page, list[dict[str, object]]]:
    """Per page its links: to the index, the pages of its segment and language (the manager's first), its languages."""
    families: dict[tuple[str, str], list[Page]] = {}
    translations: dict[tuple[str, Path], list[Page]] = {}
    for page in pages:
        families.setdefault((page.segment, page.lang), []).append(page)
        translations.setdefault((page.segment, page.notebook), []).append(page)
    return {
        page: _links(page, families[page.segment, page.lang], translations[page.segment, page.notebook], index)
        for page in pages
    }


def _links(page: Page, family: list[Page], translations: list[Page], index: Path) -> list[dict[str, object]]:
    text = Text(page.lang)
    up = Path(os.path.relpath(index_page(index, page.lang), page.folder)).as_posix()
    links: list[dict[str, object]] = [{"href": up, "label": text("all_reports"), "current": False}]
    for other in sorted(family, key=lambda sibling: not sibling.notebook.stem.endswith("report")):
        links.append(
            {"href": other.html.name, "label": page_label(other.notebook.stem, text), "current": other == page}
        )
    for other in translations:
        if other != page:
            label = Text(other.lang)("language_name")
            links.append({"href": other.html.name, "label": label, "current": False, "lang": other.lang})
    return links


def index_page(index: Path, lang: str) -> Path:
    """The study's start page in a language."""
    return index.with_name(f"{index.stem}.{lang}.html")


def page_label(stem: str, text: Text) -> str:
    return text(f"page_{stem}") if text.has(f"page_{stem}") else stem
