"""Labels of points in the report's pictures keep apart."""

from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from qa_lib.report import charts, charts_operations


def overlapping(ax) -> int:
    boxes = [text.get_window_extent() for text in ax.texts]
    return sum(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_labels_of_points_that_coincide_are_moved_apart():
    ax = Figure().subplots()
    for name in "abcdef":
        ax.annotate(f"driver {name}", (0.5, 0.5), xytext=(5, 5), textcoords="offset points")
    assert overlapping(ax) == 15
    charts.untangle(ax)
    assert overlapping(ax) == 0


def test_signals_of_neighbouring_points_can_be_read_apart():
    rules = ["", "beyond the limits", "two of three beyond two sigma", "nine on one side", "beyond the limits", ""]
    points = pd.DataFrame({"label": list("abcdef"), "estimate": [5, 9.0, 9.1, 9.0, 9.1, 5], "signal": rules})
    points = points.assign(center=5, lower=3, upper=7)
    figure = charts_operations.control(points, {"axis": "hours", "center": "center", "limits": "limits"}, False)
    figure.draw_without_rendering()
    assert overlapping(figure.axes[0]) == 0
