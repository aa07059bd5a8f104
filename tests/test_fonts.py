import base64
import io
import re

from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont

from qa_lib.report.fonts import FONT_FILE, cjk_characters, embedded_font
from qa_lib.report.html import page_style


def fonts_of(style: str) -> list[TTFont]:
    return [TTFont(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^)]+)", style)]


def outline(font: TTFont, character: str) -> tuple[list, float]:
    glyph, pen = font.getGlyphSet()[font.getBestCmap()[ord(character)]], RecordingPen()
    glyph.draw(pen)
    return pen.value, glyph.width


def test_a_page_draws_each_character_as_the_packaged_font_does():
    text = "服务质量，可靠性：鑫龘！"
    (ours,) = fonts_of(embedded_font(cjk_characters([text])))
    with TTFont(FONT_FILE, lazy=True) as whole:
        assert {character: outline(ours, character) for character in text} == {
            character: outline(whole, character) for character in text
        }
        for table, name in (("hhea", "ascent"), ("hhea", "descent"), ("OS/2", "usWinAscent"), ("head", "unitsPerEm")):
            assert getattr(ours[table], name) == getattr(whole[table], name)


def test_characters_of_one_page_come_beside_those_of_all():
    common, more = fonts_of(page_style(frozenset("服务"), frozenset("务鑫")))
    assert set(common.getBestCmap()) == {ord("服"), ord("务")}
    assert set(more.getBestCmap()) == {ord("鑫")}


def test_what_the_font_has_no_glyph_for_is_left_to_the_readers_own():
    assert embedded_font(frozenset("\U0002ceb0")) == embedded_font(frozenset()) == ""
