"""Chinese glyphs for readers whose machine has none: the packaged font, whole for figures, in part for pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pylopdf_fonts_zh_cn

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

FONT_FILE = Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"
_FIRST_CJK = 0x2E80
_READING = Lock()  # the font's outlines are read from one stream, by the threads of all pages


def cjk_characters(texts: Iterable[str]) -> frozenset[str]:
    """The Chinese characters and punctuation that occur in the texts."""
    return frozenset(character for character in set().union(*texts) if ord(character) >= _FIRST_CJK)


@cache
def embedded_font(characters: frozenset[str]) -> str:
    """A style rule that carries these characters' glyphs (Noto Sans SC, SIL Open Font License 1.1).

    The family ``qa-sc`` must stand first in the page's list: browsers leave the first words of a style without
    glyphs when a font further back loads late. Its range keeps it from other characters, so that one rule adds to
    another.
    """
    with _READING:
        drawn = _font().getBestCmap()
        glyphs = {code: drawn[code] for code in sorted(map(ord, characters)) if code in drawn}
        if not glyphs:
            return ""
        encoded = base64.b64encode(_woff(glyphs)).decode()
    return (
        "/* glyphs of Noto Sans SC, SIL Open Font License 1.1 */ "
        f'@font-face {{ font-family: "qa-sc"; src: url(data:font/woff;base64,{encoded}) format("woff"); '
        f"unicode-range: {','.join(f'U+{code:X}' for code in glyphs)}; }}\n"
    )


@cache
def _font() -> TTFont:
    from fontTools.ttLib import TTFont

    return TTFont(FONT_FILE, lazy=False)


def _woff(glyphs: Mapping[int, str]) -> bytes:
    """A font of these outlines by character; fontTools' own subsetting goes through all 65,000 even for ten."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.t2CharStringPen import T2CharStringPen

    whole, outlines = _font(), _font().getGlyphSet()
    names = [".notdef", *dict.fromkeys(glyphs.values())]
    pens = {name: T2CharStringPen(outlines[name].width, None) for name in names}
    for name, pen in pens.items():
        outlines[name].draw(pen)
    builder = FontBuilder(whole["head"].unitsPerEm, isTTF=False)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(dict(glyphs))
    builder.setupCFF("qa-sc", {}, {name: pen.getCharString() for name, pen in pens.items()}, {})
    builder.setupHorizontalMetrics({name: whole["hmtx"][name] for name in names})
    builder.setupHorizontalHeader(ascent=whole["hhea"].ascent, descent=whole["hhea"].descent)
    heights = ("sTypoAscender", "sTypoDescender", "sTypoLineGap", "usWinAscent", "usWinDescent")
    builder.setupOS2(**{height: getattr(whole["OS/2"], height) for height in heights})
    builder.setupNameTable({"familyName": "qa-sc", "styleName": "Regular"})
    builder.setupPost(keepGlyphNames=False)
    made, file = builder.font, io.BytesIO()
    made.recalcTimestamp = False  # the time of writing would make the same page differ
    made["head"].created = made["head"].modified = whole["head"].modified
    made.flavor = "woff"
    made.save(file)
    return file.getvalue()
