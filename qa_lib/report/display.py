"""What a notebook cell puts on the page: headings, sentences, tables, figures.

Everything passes through here, so that text is escaped, every table has a caption and every figure an alt text, and
JupyterLab and the rendered page show the same.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

_PIXELS_PER_INCH = 96
_SCALE = 2


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
    """A table of strings as they shall be read: the first ``text_columns`` to the left, figures to the right.

    ``classes`` gives (row position, column) a CSS class such as ``good`` or ``bad``; the columns ``english`` hold
    references, which are English on every page. A table of more than ``most`` rows opens on demand (on paper it is
    always open).
    """
    foreign = {position for position, name in enumerate(frame.columns) if name in english}
    classes = classes or {}
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in frame.columns)
    body = "".join(
        _table_row(position, row, text_columns, classes, foreign)
        for position, row in enumerate(frame.itertuples(index=False, name=None))
    )
    html = (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table class="left{text_columns}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if most is not None and len(frame) > most:
        html = f'<details class="long"><summary>{escape(caption)} ({len(frame)})</summary>{html}</details>'
    _show_html(html)


def _table_row(
    position: int, row: Sequence[object], text_columns: int, classes: Mapping[tuple, str], foreign: set[int]
) -> str:
    cells = []
    for column, value in enumerate(row):
        tag, extra = ("th", ' scope="row"') if column == 0 else ("td", "")
        extra += ' lang="en"' if column in foreign else ""
        names = " ".join(filter(None, ["text" if column < text_columns else "", classes.get((position, column), "")]))
        cells.append(
            f"<{tag}{extra}{f' class={chr(34)}{names}{chr(34)}' if names else ''}>{escape(str(value))}</{tag}>"
        )
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
