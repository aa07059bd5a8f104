"""What a table looks like: words to the left, figures to the right, names broken only where they may be."""

import re

import pandas as pd
import pytest

from qa_lib.report import display


@pytest.fixture
def html(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda data, **_: shown.append(data["text/html"]))
    return shown


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["met", "not met", "undecided"], "word"),
        (["达标", "–"], "word"),
        (["Hu and Bentler (1999), doi:10.1080/10705519909540118"], "text"),
        (["0.85 (0.80 to 0.89)", "–"], ""),
        (["−1.2", "+3.4 points", "not checked"], ""),
        (["± 4.3", "≥ 0.95", "< 0.001"], ""),
        (["0 of 3", "12%"], ""),
        (["–", "–"], ""),
    ],
)
def test_words_stand_left_and_figures_right(html, cells, kind):
    display.table(pd.DataFrame({"name": [f"row {place}" for place in range(len(cells))], "cell": cells}), "Caption")
    wanted = f' class="{kind}"' if kind else ""
    assert f'<th scope="col"{wanted}>cell</th>' in html[0]
    assert len(re.findall(f"<td{wanted}>", html[0])) == len(cells)


def test_a_long_name_breaks_after_its_signs_only(html):
    name = "responses/2026-10_qualtrics_en.csv"
    display.table(pd.DataFrame({"file": [name, "university_lead"]}), "Files")
    assert "2026-<wbr>10_<wbr>qualtrics_<wbr>en.<wbr>csv" in html[0]
    assert "university_lead" in html[0]


def test_a_long_table_opens_on_demand(html):
    table = pd.DataFrame({"name": [str(place) for place in range(display.MOST_ROWS + 1)]})
    display.table(table, "Long", most=display.MOST_ROWS)
    display.table(table.iloc[1:], "Short", most=display.MOST_ROWS)
    assert ["<details" in shown for shown in html] == [True, False]
