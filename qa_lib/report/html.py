"""From an executed notebook to one standalone HTML page that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Template

from qa_lib.report.fonts import cjk_characters, embedded_font
from qa_lib.report.text import Text

if TYPE_CHECKING:
    from nbformat import NotebookNode

HTML_LANGUAGES = {"en": "en", "zh": "zh-Hans"}


@cache
def _template() -> Template:
    """Our nbconvert template, rendered directly: the exporter would parse every finished page once more."""
    from nbconvert import HTMLExporter
    from nbconvert.filters import Highlight2HTML

    folder = str(files("qa_lib.report").joinpath("template"))
    exporter = HTMLExporter(template_name="qa", extra_template_basedirs=[folder])
    exporter.register_filter("highlight_code", cache(Highlight2HTML(pygments_lexer="ipython3")))  # pages share code
    return exporter.template


def prepare(characters: frozenset[str]) -> None:
    """Makes ready what all pages share: the template and the style sheet with its glyphs."""
    _template()
    page_style(characters)


def page_style(characters: frozenset[str], own: frozenset[str] = frozenset()) -> str:
    """The pages' style sheet, with glyphs for these Chinese characters and what a page has of its ``own`` beside."""
    css = files("qa_lib.report").joinpath("template", "page.css").read_text(encoding="utf-8")
    return embedded_font(characters) + embedded_font(own - characters) + css


def output_metadata(notebook: NotebookNode, key: str) -> list[object]:
    """What the cells' outputs say under ``key`` of their metadata, from top to bottom."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.metadata[key] for output in outputs if key in output.get("metadata", {})]


def _shown(notebook: NotebookNode) -> list[str]:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]


def notebook_to_html(
    notebook: NotebookNode,
    text: Text,
    links: Sequence[Mapping[str, object]],
    footer: str,
    characters: frozenset[str],
) -> str:
    """The page of an executed notebook: its outputs, contents, links to its siblings; code hidden but there.

    ``characters`` are those most pages need; what else the outputs hold (a note, a cause) is added for this page.
    """
    headings = output_metadata(notebook, "qa_heading")
    resources = {
        "html_lang": HTML_LANGUAGES[text.lang],
        "title": next((entry["title"] for entry in headings if entry["level"] == 1), ""),
        "css": page_style(characters, cjk_characters(_shown(notebook))),
        "contents": headings,
        "links": links,
        "footer": footer,
        "words": {key: text(key) for key in ("skip", "pages", "contents", "show_code")},
    }
    return _template().render(nb=notebook, resources={"qa": resources})
