"""The index of a study: its periods, segments and pages, and what went wrong, from the manifests alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from qa_lib.report.html import page_style, write_whole
from qa_lib.report.text import LANGUAGES, Text
from qa_lib.study.study import Study


def write_index(study: Study, folder: Path, languages: Sequence[str], characters: frozenset[str]) -> Path:
    """Writes ``index.html`` for every period rendered so far, newest first, and returns its path."""
    texts = [Text(lang) for lang in LANGUAGES]
    manifests = sorted(folder.glob("*/manifest.json"), reverse=True)
    template = Environment(autoescape=True).from_string(
        files("qa_lib.report").joinpath("template", "index.html.j2").read_text(encoding="utf-8")
    )
    first = Text(languages[0])
    page = template.render(
        html_lang=first.lang,
        title=" · ".join(dict.fromkeys(text.of(study.title, study.name) for text in texts)),
        css=page_style(characters),
        words={"segment": " · ".join(text("segment") for text in texts)},
        languages=[{"code": text.lang, "name": text("language_name")} for text in texts],
        periods=[_period(path, texts) for path in manifests],
    )
    index = folder / "index.html"
    write_whole(index, page)
    return index


def _period(manifest: Path, texts: Sequence[Text]) -> dict[str, object]:
    entries = json.loads(manifest.read_text(encoding="utf-8"))
    period = manifest.parent.name
    segments = sorted({Path(key).parent.as_posix() for key in entries})
    everyone = " · ".join(text("everyone") for text in texts)
    return {
        "name": " · ".join(text.period(period) for text in texts),
        "notes": [
            " ".join(text("page_failed", page=key, error=entry["error"]) for text in texts)
            for key, entry in sorted(entries.items())
            if entry["error"]
        ],
        "rows": [
            {
                "segment": everyone if segment == "." else segment,
                "links": [_links(entries, period, segment, text) for text in texts],
            }
            for segment in segments
        ],
    }


def _links(entries: dict, period: str, segment: str, text: Text) -> list[dict[str, str]]:
    suffix = f".{text.lang}.html"
    keys = [
        key
        for key, entry in entries.items()
        if Path(key).parent.as_posix() == segment and key.endswith(suffix) and not entry["error"]
    ]
    stems = sorted(
        (Path(key).name.removesuffix(suffix) for key in keys), key=lambda stem: (not stem.endswith("report"), stem)
    )
    return [
        {
            "href": (Path(period) / segment / f"{stem}{suffix}").as_posix(),
            "label": text(f"page_{stem}") if text.has(f"page_{stem}") else stem,
        }
        for stem in stems
    ]
