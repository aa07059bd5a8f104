"""Why, in customers' own words: what comments mention, and whose commenters are less satisfied."""

from __future__ import annotations

from qa_lib.report import display
from qa_lib.report.pages.comments import listen, sentences
from qa_lib.report.pages.page import ReportPage

_MOST = 2


def in_their_words(page: ReportPage) -> None:
    """Two sentences at most per open question; nothing where the study has none or too few wrote."""
    said = [sentence for heard in listen(page) for sentence in sentences(page, heard, most=_MOST - 1)]
    if said:
        page.section("front_words", 3)
        display.bullets(said)
