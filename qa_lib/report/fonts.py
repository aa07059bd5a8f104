"""Chinese glyphs for readers whose machine has none: the packaged font, whole for figures, in part for pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pylopdf_fonts_zh_cn

FONT_FILE = Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"
_FIRST_CJK = 0x2E80


def cjk_characters(texts: Iterable[str]) -> frozenset[str]:
    """The Chinese characters and punctuation that occur in the texts."""
    return frozenset(character for text in texts for character in text if ord(character) >= _FIRST_CJK)


@cache
def embedded_font(characters: frozenset[str]) -> str:
    """A style rule that carries these characters' glyphs (Noto Sans SC, SIL Open Font License 1.1).

    The family ``qa-sc`` must stand first in the page's list: browsers leave the first words of a style without
    glyphs when a font further back loads late. Its range keeps it from drawing Latin letters.
    """
    if not characters:
        return ""
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=[], hinting=False, notdef_outline=True)
    buffer = io.BytesIO()
    with subset.load_font(str(FONT_FILE), options, lazy=True) as font:
        font.recalcTimestamp = False  # the time of writing would make the same page differ
        chosen = subset.Subsetter(options)
        chosen.populate(unicodes=[ord(character) for character in characters])
        chosen.subset(font)
        subset.save_font(font, buffer, options)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return (
        "/* glyphs of Noto Sans SC, SIL Open Font License 1.1 */ "
        f'@font-face {{ font-family: "qa-sc"; src: url(data:font/woff;base64,{encoded}) format("woff"); '
        f"unicode-range: U+{_FIRST_CJK:X}-FFFF; }}"
    )
