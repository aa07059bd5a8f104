"""The index of a study: its figures over the periods, its pages, and what went wrong, from the manifests alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from qa_lib.report.files import write_whole
from qa_lib.report.html import HTML_LANGUAGES, page_style
from qa_lib.report.manifest import Manifest, read_manifest
from qa_lib.report.plan import page_label
from qa_lib.report.text import LANGUAGES, Text
from qa_lib.study.dates import unit_of
from qa_lib.study.study import Study

_FIGURES = ("rater_index", "csat", "nps")
_WIDTH, _HEIGHT = 320, 64


def update_index(study: Study, folder: Path, characters: frozenset[str]) -> None:
    """Writes ``index.html`` for every period rendered so far, newest first, unless it is newer than all of them."""
    paths = sorted(folder.glob("*/manifest.json"), reverse=True)
    index = folder / "index.html"
    if index.exists() and all(path.stat().st_mtime_ns < index.stat().st_mtime_ns for path in paths):
        return
    texts = [Text(lang) for lang in LANGUAGES]
    manifests = [read_manifest(path.parent) for path in paths]
    present = set(study.periods())
    template = Environment(autoescape=True).from_string(
        files("qa_lib.report").joinpath("template", "index.html.j2").read_text(encoding="utf-8")
    )
    page = template.render(
        html_lang=HTML_LANGUAGES[study.languages[0]],
        title=_each(texts, lambda text: text.of(study.title, study.name)),
        css=page_style(characters),
        words={key: _both(texts, key) for key in ("segment", "pages", "period", "n_responses", "figures_over_time")},
        figures=[_both(texts, _index_name(study) if name == "rater_index" else name) for name in _FIGURES],
        trend=[_trend_row(manifest, texts) for manifest in manifests if "" in manifest.figures],
        picture=_picture(manifests, texts, _index_name(study)),
        periods=[_period(study, manifest, texts, manifest.period in present) for manifest in manifests],
    )
    write_whole(index, page)


def _each(texts: Sequence[Text], say: Callable[[Text], str], between: str = " · ") -> Markup:
    """What is said in every language, each marked as such; words that are the same in two languages once."""
    said: dict[str, str] = {}
    for text in texts:
        said.setdefault(say(text), HTML_LANGUAGES[text.lang])
    return Markup(between).join(Markup('<span lang="{}">{}</span>').format(lang, words) for words, lang in said.items())


def _both(texts: Sequence[Text], key: str) -> Markup:
    return _each(texts, lambda text: text(key))


def _index_name(study: Study) -> str:
    """RATER's name belongs to its five dimensions only."""
    rater = {"reliability", "assurance", "tangibles", "empathy", "responsiveness"}
    return "rater_index" if rater <= set(study.instrument.dimensions) else "service_index"


def _shown(figures: Mapping[str, object], text: Text) -> list[str]:
    """The headline figures with their intervals, an en dash where one was not asked."""
    cells = [text.count(figures["n"])]
    for name in _FIGURES:
        row = figures.get(name)
        show = text.percent if name == "csat" else text.number
        cells.append(f"{show(row['estimate'])} ({show(row['conf_low'])} – {show(row['conf_high'])})" if row else "–")
    return cells


def _trend_row(manifest: Manifest, texts: Sequence[Text]) -> dict[str, object]:
    figures = manifest.figures[""]
    note, before = "", figures.get("restated_from", {}).get("rater_index")
    if before is not None and before != figures["now"].get("rater_index"):
        note = _each(texts, lambda text: text("restated", value=text.number(before["estimate"])), " ")
    name = _each(texts, lambda text: text.short_period(manifest.period))
    return {"name": name, "cells": _shown(figures["now"], texts[0]), "note": note}


def _picture(manifests: Sequence[Manifest], texts: Sequence[Text], name: str) -> dict[str, str] | None:
    """The index over the periods as long as the newest, as points of a line, and its finding in words."""
    newest_first = [manifest for manifest in manifests if "rater_index" in manifest.figures.get("", {}).get("now", {})]
    alike = [manifest for manifest in newest_first if unit_of(manifest.period) == unit_of(newest_first[0].period)][::-1]
    if len(alike) < 2:
        return None
    values = [manifest.figures[""]["now"]["rater_index"]["estimate"] for manifest in alike]
    low, span = min(values), max(max(values) - min(values), 1.0)
    points = [
        f"{4 + place * (_WIDTH - 8) / (len(values) - 1):.1f},{_HEIGHT - 6 - (value - low) / span * (_HEIGHT - 12):.1f}"
        for place, value in enumerate(values)
    ]

    def said(text: Text) -> str:
        return text(
            "alt_trend",
            name=text(name),
            first=text.short_period(alike[0].period),
            before=text.number(values[0]),
            last=text.short_period(alike[-1].period),
            now=text.number(values[-1]),
        )

    finding = _each(texts, said, " ")
    return {"width": str(_WIDTH), "height": str(_HEIGHT), "points": " ".join(points), "finding": finding}


def _period(study: Study, manifest: Manifest, texts: Sequence[Text], present: bool) -> dict[str, object]:
    notes = []
    links: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for key, entry in sorted(manifest.pages.items()):
        family = links.setdefault(entry["segment"], {text.lang: [] for text in texts})
        if entry["error"]:
            notes.append(_failed(texts, key, entry["error"]))
        else:
            family[entry["lang"]].append((Path(entry["notebook"]).stem, key))
    if not present:
        notes.append(_each(texts, lambda text: text("period_gone"), " "))
    return {
        "name": _each(texts, lambda text: text.period(manifest.period)),
        "notes": notes,
        "rows": [
            {
                "segment": _segment_name(study, segment, texts),
                "cells": _shown(manifest.figures[segment]["now"], texts[0]) if segment in manifest.figures else [],
                "links": [
                    {"lang": HTML_LANGUAGES[text.lang], "pages": _links(manifest.period, family[text.lang], text)}
                    for text in texts
                ],
            }
            for segment, family in sorted(links.items())
        ],
    }


def _failed(texts: Sequence[Text], page: str, error: str) -> Markup:
    return _each(texts, lambda text: text("page_failed", page=page, error=error), " ")


def _segment_name(study: Study, segment: str, texts: Sequence[Text]) -> Markup:
    if not segment:
        return _both(texts, "everyone")
    column, _, value = segment.partition("=")
    labels = next((entry.labels for entry in study.spec.segments if entry.id == column), {})
    return _each(texts, lambda text: text.of(labels.get(value), value))


def _links(period: str, pages: Sequence[tuple[str, str]], text: Text) -> list[dict[str, str]]:
    """To the pages of a segment in a language, given as (notebook, path), the manager's first."""
    in_order = sorted(pages, key=lambda page: (not page[0].endswith("report"), page[0]))
    return [{"href": f"{period}/{key}", "label": page_label(stem, text)} for stem, key in in_order]
