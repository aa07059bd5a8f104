"""The KPIs of a page: which records they are computed from, their rows of a period, and how they are written."""

from __future__ import annotations

import pandas as pd

from qa_lib.operations.kpi.kpi_spec import Kpi, KpiSpec, read_kpi_spec
from qa_lib.operations.kpis import Kpis, kpis
from qa_lib.report.pages import records
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.suppression import hidden_of_counts, parts_of
from qa_lib.study.dates import parse_dates, span, unit_of

_FREQUENCIES = {"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
_OF_TIME = {"throughput", "downtime", "availability"}  # their n counts hours or facilities, not cases


def spec_of(page: ReportPage) -> KpiSpec | None:
    """The study's kpis.yaml; None stands for the KPIs that ship with the library."""
    path = page.study.path / "kpis.yaml"
    return read_kpi_spec(path) if path.is_file() else None


def frequency(page: ReportPage) -> str:
    """The length of the page's period as ``qa.kpis`` writes it."""
    return _FREQUENCIES[unit_of(page.period)]


def tables(page: ReportPage, spec: KpiSpec | None) -> dict[str, pd.DataFrame]:
    """The study's operations tables of this period and those before, of the page's segment; the roster whole."""
    spec, found = read_kpi_spec(spec), {}
    for name, table in page.study.operations().items():
        if name in spec.tables:
            table = records.of_segment(page, records.until_now(page, table, spec.tables[name].at))
        if len(table) and (name in spec.tables or name == "roster"):
            found[name] = table
    return found


def all_tables(page: ReportPage, spec: KpiSpec | None) -> dict[str, pd.DataFrame]:
    """The study's operations tables of everyone, from the first record up to the end of the page's period."""
    described, found, last = read_kpi_spec(spec).tables, page.study.operations(), span(page.period)[1]
    return {
        name: table[parse_dates(table[described[name].at]) <= last].reset_index(drop=True)
        for name, table in found.items()
        if name in described
    }


def rows_of(page: ReportPage, found: Kpis, period: str | None = None) -> pd.DataFrame:
    """The KPIs of one period, a row per KPI in the order of the spec, its id as index."""
    table = shown(page, found)
    order = [kpi.id for kpi in found.spec.kpis]
    table = table[table["period"] == (period or page.period)].set_index("term")
    return table.loc[[name for name in order if name in table.index]]


def shown(page: ReportPage, found: Kpis) -> pd.DataFrame:
    """The rows of KPIs that may be shown, of all periods: of enough cases, and none that gives a smaller unit away."""
    table, minimum = found.tidy(), page.study.spec.minimum_cell
    of_time = {kpi.id for kpi in found.spec.kpis if kpi.kind in _OF_TIME}
    enough = table["n"].ge(minimum) | table["term"].isin(of_time) & table["n"].gt(0)
    return table[enough & ~_gives_away(page, found, table)].reset_index(drop=True)


def _gives_away(page: ReportPage, found: Kpis, table: pd.DataFrame) -> pd.Series:
    """On a page of one unit: the rows that, with those of everyone and of the other units, give away a small unit."""
    column, _, value = page.segment.partition("=")
    everyone, minimum = all_tables(page, found.spec), page.study.spec.minimum_cell
    if not any(records.knows_segment(page, part) for part in everyone.values()):
        return pd.Series(False, index=table.index)
    counts = {}
    for unit in sorted({unit_of(part) for part in _within(page.period)}, key=list(_FREQUENCIES).index):
        split = page.attempt(kpis, everyone, found.spec, by=column, period=_FREQUENCIES[unit])
        if split is None:  # what cannot be checked is not shown
            return pd.Series(True, index=table.index)
        rows = split.tidy().query("n > 0")
        counts |= {key: part.set_index(column)["n"] for key, part in rows.groupby(["term", "period"])}

    def hidden(term: str, period: str) -> bool:
        of_term = {name: counts[term, name] for name in _within(period) if (term, name) in counts}
        return period in of_term and value in map(str, hidden_of_counts(of_term, period, minimum))

    return pd.Series(
        [hidden(*key) for key in zip(table["term"], table["period"], strict=True)], table.index, dtype=bool
    )


def _within(period: str) -> list[str]:
    """The parts of a period, every part before its whole, and the period itself."""
    return [*(name for part in parts_of(period) for name in _within(part)), period]


def previous_of(page: ReportPage, found: Kpis) -> str | None:
    """The period before this one that has records."""
    earlier = found.tidy()["period"]
    return max((name for name in earlier if name < page.period), default=None)


class Words:
    """How the KPIs of one spec are written in one language."""

    __slots__ = ("kpis", "text")

    def __init__(self, page: ReportPage, spec: KpiSpec) -> None:
        self.text = page.text
        self.kpis: dict[str, Kpi] = {kpi.id: kpi for kpi in spec.kpis}

    def name(self, kpi: str) -> str:
        return self.text.of(self.kpis[kpi].name, kpi)

    def value(self, kpi: str, value: float) -> str:
        """A value in the KPI's own unit."""
        if self.kpis[kpi].unit == "share":
            return self.share(value)
        return self.text(f"unit_{self.kpis[kpi].unit}", value=self.text.number(value))

    def share(self, value: float) -> str:
        return self.text.percent(value, 2 if 0 < abs(value) < 0.01 else 1)

    def signed(self, kpi: str, change: float) -> str:
        """A change in the KPI's own unit, shares in percentage points."""
        if pd.isna(change):
            return "–"
        share = self.kpis[kpi].unit == "share"
        amount, digits = (100 * change, 2 if 0 < abs(change) < 0.001 else 1) if share else (change, 1)
        shown = self.text.signed(amount, digits) if round(amount, digits) else self.text.number(0, digits)
        return self.text("unit_points" if share else f"unit_{self.kpis[kpi].unit}", value=shown)

    def between(self, kpi: str, low: float, high: float) -> str:
        if pd.isna(low) or pd.isna(high):
            return "–"
        first = self.share(low) if self.kpis[kpi].unit == "share" else self.text.number(low)
        return self.text("ops_range", low=first, high=self.value(kpi, high))

    def standard(self, kpi: str) -> str:
        """The limit of a case and the share that must keep it, or the value to be reached."""
        entry = self.kpis[kpi]
        if entry.target is None:
            return "–"
        if entry.limit is None or entry.kind not in ("duration", "mean"):
            return self.text(f"standard_{entry.better}", target=self.share_or_value(kpi, entry.target))
        wanted = self.text.percent(entry.target)
        return self.text(f"standard_limit_{entry.better}", limit=self.limit(kpi), target=wanted)

    def limit(self, kpi: str) -> str:
        """The limit of a case, without idle decimals."""
        entry = self.kpis[kpi]
        return self.text(f"unit_{entry.unit}", value=self.text.number(entry.limit, int(entry.limit % 1 != 0)))

    def share_or_value(self, kpi: str, value: float) -> str:
        if self.kpis[kpi].unit != "share":
            return self.value(kpi, value)
        return self.text.percent(value, 0 if round(100 * value, 6) % 1 == 0 else 1)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """What is held against the target: attainment where cases have a limit, else the estimate."""
    attained = rows["attainment"].notna()
    return pd.DataFrame(
        {
            "estimate": rows["attainment"].where(attained, rows["estimate"]),
            "conf_low": rows["attainment_low"].where(attained, rows["conf_low"]),
            "conf_high": rows["attainment_high"].where(attained, rows["conf_high"]),
        }
    ).astype(float)
