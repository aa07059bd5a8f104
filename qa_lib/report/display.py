"""What a notebook cell puts on the page: headings, sentences, tables, figures.

Everything passes through here, so that text is escaped, every table has a caption and every figure an alt text, and
JupyterLab and the rendered page show the same.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

MOST_ROWS = 12  # of a table that is open at once
_PIXELS_PER_INCH = 96
_SCALE = 2
_FIGURE = re.compile(r"[\s(+−±<>≤≥≈=~]*[\d∞–-]|[A-Za-z]+ [=<] [\d<]")  # how a cell that is a figure begins
_LONG = 24  # characters: a cell of more than these breaks into lines
_LONG_NAME = re.compile(r"[\w./-]{25,}", re.ASCII)  # a name that may be broken, and after what
_BREAKS = re.compile(r"[_./-](?=\w)|[A-Za-z0-9]{24}(?=[A-Za-z0-9])")


def heading(title: str, anchor: str, level: int = 2) -> None:
    """A heading that the page's table of contents lists."""
    _show_html(
        f'<h{level} id="{escape(anchor)}">{escape(title)}</h{level}>',
        {"qa_heading": {"title": title, "anchor": anchor, "level": level}},
    )


def paragraph(text: str, kind: str = "", english: str = "") -> None:
    """A paragraph; ``kind`` is ``lead``, ``note`` or ``caution``, ``english`` a part that is English on every page."""
    words = escape(text)
    if english:
        words = words.replace(escape(english), f'<span lang="en">{escape(english)}</span>')
    html = f'<p class="{escape(kind)}">{words}</p>' if kind else f"<p>{words}</p>"
    _show_html(html, {"qa_caution": text} if kind == "caution" else None)


def original(words: str, label: str) -> None:
    """English words that a page of another language keeps at hand, shown on demand under ``label``."""
    _show_html(f'<details class="note"><summary>{escape(label)}</summary><p lang="en">{escape(words)}</p></details>')


def more(texts: Sequence[str], label: str) -> None:
    """Further sentences, shown on demand under ``label``."""
    entries = "".join(f"<li>{escape(text)}</li>" for text in texts)
    _show_html(f'<details class="note"><summary>{escape(label)}</summary><ul>{entries}</ul></details>')


def bullets(texts: Sequence[str]) -> None:
    """A list; an empty one shows nothing."""
    if texts:
        _show_html("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>")


def brief(rows: Sequence[tuple[str, str, str]]) -> None:
    """The page's answers in a line each: the anchor and title of the section that says it whole, and the line."""
    lines = (
        f'<li><a href="#{escape(anchor)}">{escape(title)}</a><span>{escape(said)}</span></li>'
        for anchor, title, said in rows
    )
    if rows:
        _show_html(f'<ul class="brief">{"".join(lines)}</ul>')


def cards(items: Sequence[Mapping[str, str]], figures: Mapping[str, object] | None = None) -> None:
    """Headline figures side by side: ``label``, ``value``, ``detail``, ``change``, ``mood`` (good, bad, neutral).

    ``figures``, the same as unrounded numbers, go into the report's manifest.
    """
    parts = (
        f'<div class="card {escape(item.get("mood", "neutral"))}"><div class="label">{escape(item["label"])}</div>'
        f'<div class="value">{escape(item["value"])}</div><div class="detail">{escape(item.get("detail", ""))}</div>'
        f'<div class="change">{escape(item.get("change", ""))}</div></div>'
        for item in items
    )
    _show_html(f'<div class="cards">{"".join(parts)}</div>', {"qa_figures": dict(figures)} if figures else None)


def table(
    frame: pd.DataFrame,
    caption: str,
    text_columns: int = 1,
    classes: Mapping[tuple, str] | None = None,
    english: Sequence[str] = (),
    most: int | None = None,
) -> None:
    """A table of strings as they shall be read: the first ``text_columns`` and other words left, figures right.

    ``classes`` gives (row position, column) a CSS class such as ``good`` or ``bad``; the columns ``english`` hold
    references, which are English on every page. A table of more than ``most`` rows opens on demand (on paper it is
    always open).
    """
    foreign = {position for position, name in enumerate(frame.columns) if name in english}
    classes = classes or {}
    rows = list(frame.itertuples(index=False, name=None))
    kinds = ["text" if place < text_columns else _kind(cells) for place, cells in enumerate(zip(*rows, strict=True))]
    kinds += ["text"] * (len(frame.columns) - len(kinds))
    head = "".join(
        f'<th scope="col"{_class(kind)}>{escape(str(name))}</th>'
        for name, kind in zip(frame.columns, kinds, strict=True)
    )
    body = "".join(_table_row(position, row, kinds, classes, foreign) for position, row in enumerate(rows))
    html = (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if most is not None and len(frame) > most:
        html = f'<details class="long"><summary>{escape(caption)} ({len(frame)})</summary>{html}</details>'
    _show_html(html)


def _kind(cells: Sequence[object]) -> str:
    """``text`` for a column of sentences, ``word`` for one of short words, nothing for one of figures."""
    written = [str(cell) for cell in cells if str(cell).strip() not in ("", "–")]
    words = [cell for cell in written if not _FIGURE.match(cell)]
    if 2 * len(words) <= len(written):
        return ""
    return "text" if max(map(len, words)) > _LONG else "word"


def _class(*names: str) -> str:
    return f' class="{" ".join(filter(None, names))}"' if any(names) else ""


def _table_row(
    position: int, row: Sequence[object], kinds: Sequence[str], classes: Mapping[tuple, str], foreign: set[int]
) -> str:
    cells = []
    for column, value in enumerate(row):
        tag, extra = ("th", ' scope="row"') if column == 0 else ("td", "")
        extra += ' lang="en"' if column in foreign else ""
        names = _class(kinds[column], classes.get((position, column), ""))
        words = escape(str(value))
        if kinds[column] == "text":
            words = _LONG_NAME.sub(lambda name: _BREAKS.sub(r"\g<0><wbr>", name[0]), words)
        cells.append(f"<{tag}{extra}{names}>{words}</{tag}>")
    return f"<tr>{''.join(cells)}</tr>"


def figure(drawn: Figure, alt: str) -> None:
    """A figure as a PNG at twice the screen's resolution, with the finding as its alt text."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=_PIXELS_PER_INCH * _SCALE, metadata={"Software": None})
    width, height = (int(inches * _PIXELS_PER_INCH) for inches in drawn.get_size_inches())
    display(
        {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt},
        raw=True,
        metadata={"image/png": {"alt": alt, "width": width, "height": height}},
    )


def _show_html(html: str, metadata: Mapping[str, object] | None = None) -> None:
    display({"text/html": html, "text/plain": ""}, raw=True, metadata=dict(metadata or {}))
