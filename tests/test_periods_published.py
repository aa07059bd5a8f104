"""Reports whose periods cut across each other: what one shows less what the other shows is no small group's result."""

import itertools
import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from small_books import make_project, write_books
from test_suppression import bounds

import qa_lib as qa
from qa_lib.errors import RenderError
from qa_lib.report import plan
from qa_lib.study.study import read_study

WEEKS = {"2027-W05": (30, 20), "2027-W06": (30, 20), "2027-W07": (30, 20), "2027-W08": (30, 3)}  # February: a, b
HELLO = "display.paragraph('hello')"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Four weeks that make a month, of two branches; a notebook on customers and one on the staff."""
    books = write_books(tmp_path / "books", {"1_data": HELLO, "6_staff": HELLO})
    monkeypatch.setattr(plan, "notebooks_folder", lambda: books)
    path = make_project(tmp_path, {"a": 1})
    for old in (path / "responses").iterdir():
        old.unlink()
    days = {week: date.fromisocalendar(int(week[:4]), int(week[6:]), 1) for week in WEEKS}
    named = [
        (days[week], "ab"[place]) for week, counts in WEEKS.items() for place in (0, 1) for _ in range(counts[place])
    ]
    table = pd.DataFrame(named, columns=["date", "branch"])
    answers = {name: 1 + np.arange(len(table)) % size for name, size in (("R1", 5), ("R2", 4))}
    table.assign(**answers).to_csv(path / "responses" / "a.csv", index=False)
    return path


def declare(book, **qa_metadata) -> None:
    content = json.loads(book.read_text(encoding="utf-8"))
    content["metadata"]["qa"] = qa_metadata
    book.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def monitored(study):
    """The same study with monitoring, whose notebook may stand across other periods."""
    (study / "monitoring").mkdir()
    declare(plan.notebooks_folder() / "6_staff.ipynb", sources=["monitoring"], across_periods=True)
    return study


def publish(path, period: str) -> list[plan.Page]:
    """Writes an empty file for every page of a report, everyone's and the branches'."""
    study = read_study(path)
    folder = plan.reports_folder(study) / period
    pages = plan.plan_pages(study, period, study.answers(period).data, folder, ["branch"], ["en"])
    for page in pages:
        page.folder.mkdir(parents=True, exist_ok=True)
        page.html.touch()
    return pages


def found_out(published: dict[str, set[str]]) -> tuple[float, float]:
    """The bounds on branch b's answers in its small week, from the counts of the segments of every report."""
    true = {(week, branch): WEEKS[week]["ab".index(branch)] for week in WEEKS for branch in "ab"}
    sums = []
    for period, segments in published.items():
        for segment in segments:
            cells = [cell for cell in true if period in (cell[0], "2027-02", "2027-Q1")]
            cells = [cell for cell in cells if segment in ("", f"branch={cell[1]}")]
            sums.append((cells, sum(true[cell] for cell in cells)))
    return bounds(list(true), sums)["2027-W08", "b"]


def published_in(path, order) -> dict[str, set[str]]:
    shown = {}
    for period in order:
        try:
            shown[period] = {page.segment for page in publish(path, period)}
        except RenderError:
            continue
    return shown


@pytest.mark.parametrize("order", [*itertools.permutations(("2027-W05", "2027-W08", "2027-02"))], ids=" ".join)
def test_a_small_week_does_not_follow_from_the_reports_in_whatever_order(study, order):
    rest = [week for week in WEEKS if week not in order]
    low, high = found_out(published_in(study, [*rest[:1], *order, *rest[1:], "2027-Q1"]))
    assert high - low > 0.5


def test_the_attack_succeeds_without_the_guard(study, monkeypatch):
    monkeypatch.setattr(plan, "published_across", lambda _: None)
    shown = published_in(study, [*WEEKS, "2027-02"])
    assert "branch=b" not in shown["2027-W08"]
    assert found_out(shown) == (3, 3)


def test_the_refusal_says_what_to_do_and_goes_with_its_cause(study):
    publish(study, "2027-W05")
    publish(study, "2027-W06")
    with pytest.raises(RenderError, match=r"2027-02 and .*2027-W06: .*Delete .*2027-W06") as refused:
        qa.render(study, "2027-02", dry_run=True)
    assert "quarters and years are allowed" in str(refused.value)
    for week in ("2027-W05", "2027-W06"):
        for page in (study.parents[2] / "reports" / "small" / week).rglob("*.html"):
            page.unlink()
    assert publish(study, "2027-02")
    assert publish(study, "2027-Q1")
    with pytest.raises(RenderError, match="2027-Q1"):
        publish(study, "2027-02-22")


def test_beside_another_period_the_staff_have_their_page_and_customers_none(monitored):
    assert len(publish(monitored, "2027-02")) > 3
    for period in ("2027-W08", "2027-02-22"):
        assert {page.notebook.stem for page in publish(monitored, period)} == {"6_staff"}
    assert len(publish(monitored, "2027-Q1")) > 3  # pages on the staff alone keep nothing away
    done = qa.render(monitored, "2027-W07", dry_run=True)
    assert done.across is not None
    assert f"no pages on customers: with {done.across}" in done.summary()
    assert qa.render(monitored, "2027-02", dry_run=True).across is None


def test_reports_that_were_mixed_before_are_not_taken_apart(monitored, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(plan, "published_across", lambda _: None)
        publish(monitored, "2027-02")
        publish(monitored, "2027-W08")
    for period in ("2027-02", "2027-W08"):
        with pytest.raises(RenderError, match="cut across each other"):
            publish(monitored, period)


def test_only_the_page_on_monitoring_stands_across_periods():
    declared = {book.stem: plan._declared(book) for book in plan.notebooks_folder().glob("[0-9]_*.ipynb")}
    assert [stem for stem, of in declared.items() if of.get("across_periods")] == ["6_monitoring"]
    assert declared["6_monitoring"]["sources"] == ["monitoring"]
