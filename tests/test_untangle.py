"""Labels of points in the report's pictures keep apart."""

from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from qa_lib.report import charts, charts_operations


def overlapping(ax) -> int:
    boxes = [text.get_window_extent() for text in ax.texts]
    return sum(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_labels_of_points_that_coincide_are_moved_apart():
    ax = Figure(layout="constrained").subplots()
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


def test_a_point_that_cannot_be_computed_has_no_label():
    ax = Figure(layout="constrained").subplots()
    for name, place in {"a": (1, 1), "b": (float("nan"), 2)}.items():
        ax.annotate(name, place, xytext=(5, 5), textcoords="offset points")
    charts.untangle(ax)
    assert [text.get_text() for text in ax.texts] == ["a"]


def test_a_label_makes_way_for_the_whisker_of_a_neighbour():
    ax = Figure(layout="constrained").subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.annotate("driver", (0.5, 0.5), xytext=(5, 5), textcoords="offset points")
    ax.vlines(0.53, 0.2, 0.9)
    charts.untangle(ax)
    assert ax.texts[0].get_window_extent().x1 < ax.transData.transform((0.53, 0.5))[0]
