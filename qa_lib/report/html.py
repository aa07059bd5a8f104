"""From an executed notebook to one standalone HTML page that fetches nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import nbformat

from qa_lib.report.fonts import embedded_font
from qa_lib.report.text import Text

_HTML_LANGUAGES = {"en": "en", "zh": "zh-Hans"}


@cache
def _exporter() -> object:
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="qa", extra_template_basedirs=[str(files("qa_lib.report").joinpath("template"))])


def page_style(characters: frozenset[str]) -> str:
    """The pages' style sheet, with glyphs for these Chinese characters."""
    css = files("qa_lib.report").joinpath("template", "page.css").read_text(encoding="utf-8")
    return embedded_font(characters) + css


def notebook_to_html(
    notebook: Path, text: Text, links: Sequence[Mapping[str, object]], footer: str, characters: frozenset[str]
) -> str:
    """The page of an executed notebook: its outputs, contents, links to its siblings; code hidden but there."""
    nb = nbformat.read(notebook, as_version=4)
    headings = [
        output.metadata["qa_heading"]
        for cell in nb.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "qa_heading" in output.get("metadata", {})
    ]
    resources = {
        "html_lang": _HTML_LANGUAGES[text.lang],
        "title": next((entry["title"] for entry in headings if entry["level"] == 1), notebook.stem),
        "css": page_style(characters),
        "contents": headings,
        "links": links,
        "footer": footer,
        "words": {key: text(key) for key in ("skip", "pages", "contents", "show_code")},
    }
    body, _ = _exporter().from_notebook_node(nb, resources={"qa": resources})
    return body


def write_whole(path: Path, content: str) -> None:
    """Writes the file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
