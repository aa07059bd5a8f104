"""The start page of a study, in every language: its figures over the periods, its pages, and what went wrong.

Everything on it comes from the periods' manifests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from qa_lib.report.exports import files_of
from qa_lib.report.files import write_whole
from qa_lib.report.html import HTML_LANGUAGES, page_style
from qa_lib.report.manifest import Manifest, read_manifest
from qa_lib.report.messages import Message, translated
from qa_lib.report.plan import index_page, page_label
from qa_lib.report.text import Text
from qa_lib.study.dates import is_period, unit_of
from qa_lib.study.study import Study

_FIGURES = ("rater_index", "csat", "nps")
_WIDTH, _HEIGHT, _LONGEST = 160, 36, 13  # of a line of figures: pixels, periods
_SPAN = {"rater_index": 10.0, "csat": 0.2, "nps": 40.0}  # the least a line's height stands for: chance stays small
_SAID = re.compile(r"cell \d+: (\w+): (.+)", re.DOTALL)  # what a notebook's cell raised: its class and its words
_REASONS = {"ran longer than": "failed_slow", "kernel died": "failed_died"}


def update_index(study: Study, folder: Path, characters: frozenset[str]) -> None:
    """Writes ``index.html`` in the study's first language and ``index.<lang>.html`` in each that has pages.

    They are kept when nothing is newer than they are.
    """
    paths = sorted((path for path in folder.glob("*/manifest.json") if is_period(path.parent.name)), reverse=True)
    manifests = [read_manifest(path.parent) for path in paths]
    rendered = {entry["lang"] for manifest in manifests for entry in manifest.pages.values()}
    languages = [lang for lang in study.languages if lang in rendered] or study.languages[:1]
    languages += sorted(rendered - set(languages))
    written = [folder / "index.html", *(index_page(folder / "index.html", lang) for lang in languages)]
    sources = [*paths, *folder.rglob("tables.*.xlsx"), *folder.rglob("models.*.docx")]
    if all(page.exists() for page in written) and max(map(_age, sources), default=0) < min(map(_age, written)):
        return
    for lang in languages:
        page = _Index(study, folder, manifests, Text(lang)).render(languages, page_style(characters))
        write_whole(index_page(folder / "index.html", lang), page)
        if lang == languages[0]:
            write_whole(folder / "index.html", page)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Index:
    """The start page in one language; ``manifests`` are those of all periods, the newest first."""

    study: Study
    folder: Path
    manifests: Sequence[Manifest]
    text: Text

    def render(self, languages: Sequence[str], css: str) -> str:
        text, present = self.text, set(self.study.periods())
        keys = ("period", "n_responses", "figures_over_time", "other_languages", "trend", "pages", "files")
        template = Environment(autoescape=True).from_string(
            files("qa_lib.report").joinpath("template", "index.html.j2").read_text(encoding="utf-8")
        )
        return template.render(
            html_lang=HTML_LANGUAGES[text.lang],
            title=text.of(self.study.title, self.study.name),
            css=css,
            words={key: text(key) for key in keys},
            simulated=text("simulated") if self.study.spec.simulated else "",
            figures=[self._figure_name(name) for name in _FIGURES],
            languages=[
                {"href": f"index.{lang}.html", "code": HTML_LANGUAGES[lang], "name": Text(lang)("language_name")}
                for lang in languages
                if lang != text.lang
            ],
            cards=self._cards(),
            trend=[self._trend_row(manifest) for manifest in self.manifests if "" in manifest.figures],
            periods=[self._period(manifest, manifest.period in present) for manifest in self.manifests],
        )

    def _figure_name(self, name: str) -> str:
        """RATER's name belongs to its five dimensions only."""
        rater = {"reliability", "assurance", "tangibles", "empathy", "responsiveness"}
        service = name == "rater_index" and not rater <= set(self.study.instrument.dimensions)
        return self.text("service_index" if service else name)

    def _show(self, name: str, value: float) -> str:
        return self.text.percent(value) if name == "csat" else self.text.number(value)

    def _cell(self, name: str, row: Mapping[str, float] | None) -> tuple[str, str]:
        """A figure and its interval, an en dash where it was not asked."""
        if not row:
            return "–", ""
        low, high = (self._show(name, row[key]) for key in ("conf_low", "conf_high"))
        return self._show(name, row["estimate"]), self.text("ops_range", low=low, high=high)

    def _cells(self, now: Mapping[str, object]) -> list[tuple[str, str]]:
        return [(self.text.count(now["n"]), ""), *(self._cell(name, now.get(name)) for name in _FIGURES)]

    def _cards(self) -> list[dict[str, object]]:
        """The newest period's figures of everyone, each with its line over the periods."""
        newest = next((manifest for manifest in self.manifests if "" in manifest.figures), None)
        if newest is None:
            return []
        now = newest.figures[""]["now"]
        shown = {name: self._cell(name, now[name]) for name in _FIGURES if now.get(name)}
        return [
            {
                "label": f"{self._figure_name(name)} · {self.text.short_period(newest.period)}",
                "value": value,
                "detail": interval,
                "line": self._line("", name, newest.period),
            }
            for name, (value, interval) in shown.items()
        ]

    def _line(self, segment: str, name: str, last: str) -> dict[str, object] | None:
        """A figure over the periods as long as ``last`` and up to it: a line's points, and its finding in words."""
        rows = {
            manifest.period: manifest.figures[segment]["now"][name]["estimate"]
            for manifest in reversed(self.manifests)
            if unit_of(manifest.period) == unit_of(last) and manifest.period <= last
            if manifest.figures.get(segment, {}).get("now", {}).get(name)
        }
        periods = list(rows)[-_LONGEST:]
        if len(periods) < 2:
            return None
        values = [rows[period] for period in periods]
        span = max(max(values) - min(values), _SPAN[name])
        low = (min(values) + max(values) - span) / 2
        across, down = (_WIDTH - 8) / (len(values) - 1), _HEIGHT - 8
        points = [(4 + place * across, 4 + down * (1 - (value - low) / span)) for place, value in enumerate(values)]
        first, now = self.text.short_period(periods[0]), self.text.short_period(periods[-1])
        said = self.text("alt_trend", name=self._figure_name(name), first=first, last=now,
                         before=self._show(name, values[0]), now=self._show(name, values[-1]))  # fmt: skip
        drawn = [f"{x:.1f},{y:.1f}" for x, y in points]
        return {"points": " ".join(drawn), "end": drawn[-1].split(","), "alt": said, "box": f"0 0 {_WIDTH} {_HEIGHT}"}

    def _trend_row(self, manifest: Manifest) -> dict[str, object]:
        figures = manifest.figures[""]
        note, before = "", figures.get("restated_from", {}).get("rater_index")
        if before is not None and before != figures["now"].get("rater_index"):
            note = self.text("restated", value=self.text.number(before["estimate"]))
        name = self.text.short_period(manifest.period)
        return {"name": name, "href": f"#p{manifest.period}", "cells": self._cells(figures["now"]), "note": note}

    def _period(self, manifest: Manifest, present: bool) -> dict[str, object]:
        """Its pages in this language, in another where it has none in this one; failures in any language."""
        entries = sorted(manifest.pages.items())
        known = {entry["lang"] for _, entry in entries}
        lang = self.text.lang if self.text.lang in known else min(known, default=self.text.lang)
        pages: dict[str, list[tuple[str, str]]] = {}
        for key, entry in entries:
            if entry["lang"] == lang and not entry["error"]:
                pages.setdefault(entry["segment"], []).append((Path(entry["notebook"]).stem, key))
        return {
            "name": self.text.period(manifest.period),
            "anchor": f"p{manifest.period}",
            "gone": "" if present else self.text("period_gone"),
            "failures": [self._failure(manifest, key, entry) for key, entry in entries if entry["error"]],
            "links": self._links(manifest, pages.get("", [])),
            "files": self._files(manifest.folder, lang),
            "groups": self._groups(manifest, pages),
        }

    def _links(self, manifest: Manifest, pages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
        """To the pages, given as (notebook, path), the manager's first."""
        in_order = sorted(pages, key=lambda page: (not page[0].endswith("report"), page[0]))
        return [{"href": f"{manifest.period}/{key}", "label": page_label(stem, self.text)} for stem, key in in_order]

    def _files(self, folder: Path, lang: str) -> list[dict[str, str]]:
        labels = (self.text("tables_file"), self.text("models_file"))
        return [
            {"href": path.relative_to(self.folder).as_posix(), "label": label}
            for path, label in zip(files_of(folder, lang), labels, strict=True)
            if path.exists()
        ]

    def _failure(self, manifest: Manifest, key: str, entry: Mapping[str, str]) -> dict[str, str]:
        """Which page is missing and why, in plain words; what the machine said, and the notebook as far as it ran."""
        stem = Path(entry["notebook"]).stem
        where = self._segment_name(entry["segment"]) if entry["segment"] else self.text("everyone")
        reason = next((words for said, words in _REASONS.items() if said in entry["error"]), "failed_error")
        page = page_label(stem, self.text)
        if entry["lang"] != self.text.lang:
            page += f" ({Text(entry['lang'])('language_name')})"
        partial = Path(key).with_name(f"{stem}.{entry['lang']}.failed.ipynb").as_posix()
        said = _SAID.fullmatch(entry["error"])
        known, unknown = translated(Message(*said.groups()), self.text) if said else ("", entry["error"])
        return {
            "said": self.text("page_failed", page=page, where=where, reason=self.text(reason)),
            "why": "" if unknown else known,
            "error": entry["error"],
            "original": self.text("original_message"),
            "href": f"{manifest.period}/{partial}" if (manifest.folder / partial).exists() else "",
            "label": self.text("failed_notebook"),
        }

    def _groups(self, manifest: Manifest, pages: Mapping[str, list[tuple[str, str]]]) -> list[dict[str, object]]:
        """Per segment its groups: a link to the group's first page, its figures and their line."""
        tables: dict[str, list[dict[str, object]]] = {}
        for segment in sorted(filter(None, pages)):
            figures = manifest.figures.get(segment)
            tables.setdefault(segment.partition("=")[0], []).append(
                {
                    "name": self._segment_name(segment),
                    "href": self._links(manifest, pages[segment])[0]["href"],
                    "cells": self._cells(figures["now"]) if figures else [("–", "")] * (1 + len(_FIGURES)),
                    "line": self._line(segment, "rater_index", manifest.period),
                }
            )
        names = {segment.id: self.text.of(segment.name, segment.id) for segment in self.study.spec.segments}
        return [
            {"name": names.get(column, column), "rows": rows, "trend": any(row["line"] for row in rows)}
            for column, rows in tables.items()
        ]

    def _segment_name(self, segment: str) -> str:
        column, _, value = segment.partition("=")
        labels = next((entry.labels for entry in self.study.spec.segments if entry.id == column), None) or {}
        return self.text.of(labels.get(value), value)
