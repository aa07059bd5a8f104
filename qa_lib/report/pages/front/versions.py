"""Where the questionnaire changed: said beside comparisons, marked in trends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from qa_lib.report import display
from qa_lib.report.pages.page import ReportPage
from qa_lib.study.dates import span
from qa_lib.study.instrument import Instrument
from qa_lib.study.versions import VERSION, Differences, differences, starts, versions_in


def breaks(page: ReportPage, periods: Sequence[str]) -> list[int]:
    """Positions of the periods in or before which the questionnaire changed since the period before."""
    days = starts(page.instrument)
    ends = [span(name)[1] for name in periods]
    return [i for i in range(1, len(ends)) if any(ends[i - 1] < day <= ends[i] for day in days)]


def note(page: ReportPage) -> None:
    """Says what changed in the questionnaire between the period before and the end of this one; nothing if nothing."""
    known = [page.data] if page.before is None else [page.before, page.data]
    if any(VERSION not in data for data in known):
        return
    seen: list[Instrument] = [version for data in known for version in versions_in(data, page.instrument)]
    met = {version.version: version for version in seen}
    chain = [met[day] for day in (v.version for v in page.instrument.versions) if day in met]
    for old, new in itertools.pairwise(chain):
        display.paragraph(_sentence(page, differences(old, new)), "caution")


def _sentence(page: ReportPage, found: Differences) -> str:
    text, said = page.text, []
    if found.rescaled:
        pairs = sorted(set(found.rescaled.values()))
        said += [text("version_rescaled", low=a, high=b, new_low=c, new_high=d) for (a, b), (c, d) in pairs]
    for key, items in (
        ("version_added", found.added),
        ("version_dropped", found.dropped),
        ("version_reworded", found.reworded),
        ("version_moved", found.moved),
        ("version_withheld", found.withheld),
    ):
        if items:
            said.append(text(key, items=text.join(items)))
    what = text.join(said) or text("version_columns")
    care = text("version_care_items" if found.of_items else "version_care_scale") if said else ""
    return text("version_changed", day=text.period(found.day), what=what, care=care)
