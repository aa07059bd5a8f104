"""Pictures of thirty branches, in both languages: no word lies on another or leaves the paper, all have glyphs."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.text import Text

from qa_lib.report import charts, charts_operations
from qa_lib.report.fonts import FONT_FILE
from qa_lib.report.text import catalogue

BRANCHES = 30
NAMES = {
    "en": [f"Service centre Riverside {place}" for place in range(1, BRANCHES + 1)],
    "zh": [f"滨河路第{place}服务中心" for place in range(1, BRANCHES + 1)],
}
WORDS = {
    "en": dict.fromkeys(("now", "before", "target", "axis", "kept", "missed", "limits", "center"), "October 2026"),
    "zh": dict.fromkeys(("now", "before", "target", "axis", "kept", "missed", "limits", "center"), "2026年10月"),
}


def _rows(names, scale=100.0):
    middle = np.random.default_rng(7).uniform(0.5, 0.9, len(names)) * scale
    return pd.DataFrame(
        {
            "label": names,
            "estimate": middle,
            "conf_low": middle - 0.05 * scale,
            "conf_high": middle + 0.05 * scale,
            "target": 0.8 * scale,
            "missed": middle < 0.6 * scale,
            "count": np.arange(len(names), 0, -1) * 10,
            "cumulative": np.linspace(0.1, 1, len(names)),
            "center": 0.7 * scale,
            "lower": 0.6 * scale,
            "upper": 0.8 * scale,
            "signal": "",
        }
    )


def _periods(words):
    return [words["axis"]] * BRANCHES


def _contributions(names, words):
    parts = pd.DataFrame({f"{words['axis']} {part}": np.full(len(names), 15.0) for part in range(5)}, index=names)
    return charts_operations.contributions(parts, _rows(names), words)


def _matrix(names, words):
    scores = np.random.default_rng(7).uniform(40, 90, (len(names), 6))
    frame = pd.DataFrame(scores, index=names, columns=[f"{words['axis']} {place}" for place in range(6)])
    return charts.matrix(frame, {}, diverging=False, digits=1)


def _likert(names, words):
    shares = pd.DataFrame(np.full((len(names), 5), 0.2), index=names)
    return charts.likert(shares, [f"{words['axis']} {level}" for level in range(5)], words)


DRAWN = {
    "scores": lambda names, words: charts.scores(_rows(names), _rows(names), 70.0, words),
    "bars": lambda names, words: charts.bars(_rows(names, 1.0), words),
    "trend": lambda _, words: charts.trend(_rows(_periods(words)), 70.0, words),
    "standards": lambda names, words: charts_operations.standards(_rows(names, 1.0), words),
    "pareto": lambda names, words: charts_operations.pareto(_rows(names), words),
    "control": lambda _, words: charts_operations.control(_rows(_periods(words), 1.0), words, True),
    "contributions": _contributions,
    "matrix": _matrix,
    "likert": _likert,
}


def overlapping(fig: Figure) -> list[str]:
    """Pairs of words that share more than a pixel of the paper, and words that leave it."""
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    renderer = canvas.get_renderer()
    unseen = _ticks_out_of_view(fig)
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in fig.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in unseen
    ]
    paper = fig.bbox
    beyond = [
        f"{words} leaves the paper"
        for words, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > paper.x1 + 1 or box.y1 > paper.y1 + 1
    ]
    return beyond + [
        f"{one} | {other}"
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def _ticks_out_of_view(fig: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axis: they exist, and are not drawn."""
    unseen = set()
    for axis in (axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        unseen |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return unseen


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("chart", DRAWN)
def test_thirty_branches_fit_without_overlap(chart, lang):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a character without glyph warns
        assert overlapping(DRAWN[chart](NAMES[lang], WORDS[lang])) == []


def test_overlap_is_seen():
    fig = Figure()
    fig.text(0.5, 0.5, "Riverside")
    fig.text(0.51, 0.5, "Harbour")
    fig.text(0.9, 0.1, "much too long for the paper")
    assert overlapping(fig) == ["much too long for the paper leaves the paper", "Riverside | Harbour"]


def test_every_chinese_word_of_the_catalogue_has_glyphs():
    glyphs = TTFont(FONT_FILE).getBestCmap().keys() | TTFont(findfont("DejaVu Sans")).getBestCmap().keys()
    words = {character for entry in catalogue().values() for text in entry.values() for character in text}
    assert {character for character in words if character.isprintable() and ord(character) not in glyphs} == set()
