"""The service circle: along the customer's path, where the service fails its standard and what customers feel there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.stats import t as t_distribution

from qa_lib.errors import ResponseError, StudyError
from qa_lib.operations.kpis import Kpis
from qa_lib.operations.scorecards import Scorecards
from qa_lib.results import Provenance, Result
from qa_lib.study.responses import Responses
from qa_lib.study.schema import Record, load_yaml, validate
from qa_lib.sufficient.values import check_columns, real_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATH = ("receive", "understand", "help", "keep")
Element = Literal["hardware", "software", "people"]
_COLUMNS = [
    "touchpoint", "element", "source", "term", "estimate", "conf_low", "conf_high", "target", "verdict", "standard",
]  # fmt: skip
_ATTAINED = ("attainment", "attainment_low", "attainment_high")
_ESTIMATED = ("estimate", "conf_low", "conf_high")


class Standard(Record):
    """The record of a standard: what is promised, how it is measured (``measure``: a KPI's id), the ``limit`` a case
    must keep, the ``attainment`` required, and who approved which version when."""

    id: str
    touchpoint: str
    element: Element
    text: dict[str, str]
    measure: str
    limit: float | None = None
    attainment: float = Field(ge=0, le=1)
    version: str
    approver: str
    effective: str
    told: bool = False


class Felt(Record):
    """Where on the path a survey item belongs."""

    item: str
    touchpoint: str
    element: Element


class CircleFile(Record):
    """standards.yaml of a study: the path's touchpoints in order, standards, and the survey items felt at each."""

    touchpoints: list[str] = list(PATH)
    standards: list[Standard] = []
    felt: list[Felt] = []


@dataclass(frozen=True, slots=True)
class ServiceCircle(Result):
    """``table``: a row per indicator with touchpoint, element, source (kpi, scorecard, survey), estimate and interval
    on 0–100 (share of cases that met the standard, points, satisfaction), verdict; in the order of the path."""

    table: pd.DataFrame
    touchpoints: list[str]
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        verdicts = self.table["verdict"].value_counts()
        facts = {verdict: int(verdicts.get(verdict, 0)) for verdict in ("met", "not_met", "undecided")}
        return pd.DataFrame([{"n": len(self.table), **facts}])

    def by(self, what: Literal["touchpoint", "element"] = "touchpoint") -> pd.DataFrame:
        """Per touchpoint or element: indicators, verdicts, and the mean felt and done."""
        rows = []
        for name, part in self.table.groupby(what, sort=False):
            felt = part["source"] == "survey"
            counts = {v: int((part["verdict"] == v).sum()) for v in ("met", "not_met", "undecided")}
            means = {"done": part.loc[~felt, "estimate"].mean(), "felt": part.loc[felt, "estimate"].mean()}
            failing = ", ".join(part.loc[part["verdict"] == "not_met", "term"])
            rows.append({what: name, "indicators": len(part), **counts, **means, "failing": failing})
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """What was reached along the customer's path, with intervals and targets."""
        from qa_lib.operations.pictures import path

        return path(self.table, ax, labels)


def read_circle(spec: CircleFile | Mapping | str | Path) -> CircleFile:
    """standards.yaml, or its content. Raises StudyError with every mistake by file and key."""
    if isinstance(spec, CircleFile):
        return spec
    content, where = (
        (dict(spec), "standards") if isinstance(spec, Mapping) else (load_yaml(Path(spec), StudyError), spec)
    )
    return validate(CircleFile, content, where, StudyError)


def service_circle(
    spec: CircleFile | Mapping | str | Path,
    kpis: Kpis | None = None,
    scorecards: Scorecards | None = None,
    answers: pd.DataFrame | Responses | None = None,
    period: str | None = None,
    scale: tuple[float, float] = (1, 5),
) -> ServiceCircle:
    """Put indicators on the customer's path.

    KPIs of ``period`` (the latest by default) that carry a touchpoint, attainment first; rubric items on 0–100 against
    the rubric's standard; means of the survey items of ``felt`` on 0–100 with t intervals. A standard replaces the
    target of the KPI it measures by; its verdict waits until the interval is clear.

    Raises ResponseError when a standard's measure or a felt item is not among what was given, or touchpoints are
    named that the path does not have.

    >>> answers = pd.DataFrame({"S1": [1, 2, 1, 2], "A3": [5, 4, 5, 5]})
    >>> felt = [{"item": "S1", "touchpoint": "receive", "element": "software"},
    ...         {"item": "A3", "touchpoint": "help", "element": "people"}]
    >>> service_circle({"felt": felt}, answers=answers).tidy()[["touchpoint", "term", "estimate"]].values.tolist()
    [['receive', 'S1', 12.5], ['help', 'A3', 93.75]]
    """
    spec = read_circle(spec)
    rows = _kpi_rows(spec, kpis, period) if kpis is not None else []
    rows += _rubric_rows(scorecards) if scorecards is not None else []
    answers = answers.data if isinstance(answers, Responses) else answers
    rows += _felt_rows(spec.felt, answers, scale) if answers is not None else []
    table = pd.DataFrame(rows, columns=_COLUMNS)
    if unknown := sorted(set(table["touchpoint"]) - set(spec.touchpoints)):
        raise ResponseError(
            f"service circle: touchpoint {unknown[0]!r} is not on the path {', '.join(spec.touchpoints)}."
        )
    place = table["touchpoint"].map({name: place for place, name in enumerate(spec.touchpoints)})
    table = table.iloc[np.argsort(place.to_numpy(), kind="stable")].reset_index(drop=True)
    return ServiceCircle(table, spec.touchpoints, Provenance("service_circle", len(table), {"period": period}))


def _kpi_rows(spec: CircleFile, kpis: Kpis, period: str | None) -> list[dict]:
    table = kpis.tidy()
    table = table[table["period"] == (period or table["period"].max())].set_index("term")
    if table.index.duplicated().any():
        raise ResponseError("service circle: the KPIs are split by groups; give those of one group or of all.")
    standards = {standard.measure: standard for standard in spec.standards}
    if absent := sorted(set(standards) - set(table.index)):
        raise ResponseError(f"service circle: no KPI {absent[0]!r} for its standard. KPIs: {', '.join(table.index)}.")
    rows = []
    for kpi in kpis.spec.kpis:
        standard = standards.get(kpi.id)
        if kpi.id not in table.index or not (kpi.touchpoint or standard):
            continue
        found = table.loc[kpi.id]
        attained = not pd.isna(found["attainment"])
        if not attained and kpi.unit != "share":
            continue
        names = _ATTAINED if attained else _ESTIMATED
        estimate, low, high = (100 * float(found[name]) for name in names)
        target = np.nan if kpi.target is None else 100 * kpi.target
        if not attained and kpi.better == "lower":  # shown as the share of cases without the failure
            estimate, low, high, target = 100 - estimate, 100 - high, 100 - low, 100 - target
        row = {"source": "kpi", "term": kpi.id, "estimate": estimate, "conf_low": low, "conf_high": high}
        row |= {"touchpoint": kpi.touchpoint, "element": kpi.element, "verdict": found["verdict"]}
        row["target"] = target
        if standard is not None:
            row |= {"touchpoint": standard.touchpoint, "element": standard.element, "standard": standard.id}
            row |= {"target": 100 * standard.attainment, "verdict": _verdict(low, high, 100 * standard.attainment)}
        rows.append(row)
    return rows


def _rubric_rows(scored: Scorecards) -> list[dict]:
    target = 100 * scored.rubric.standard
    tagged = scored.items[scored.items["touchpoint"].notna()]
    keep = ["touchpoint", "element", "term", "estimate", "conf_low", "conf_high"]
    return [
        row | {"source": "scorecard", "target": target, "verdict": _verdict(row["conf_low"], row["conf_high"], target)}
        for row in tagged[keep].to_dict("records")
    ]


def _felt_rows(felt: Sequence[Felt], answers: pd.DataFrame, scale: tuple[float, float]) -> list[dict]:
    rows = []
    for entry in felt:
        check_columns(answers, entry.item, what="service circle")
        given = real_numbers(answers[entry.item], "service circle")[:, 0]
        given = given[~np.isnan(given)]
        score = 100 * (given - scale[0]) / (scale[1] - scale[0])
        half = (
            t_distribution.ppf(0.975, max(len(score) - 1, 1)) * score.std(ddof=1) / np.sqrt(len(score))
            if len(score) > 1
            else np.nan
        )
        mean = score.mean() if len(score) else np.nan
        row = {"touchpoint": entry.touchpoint, "element": entry.element, "source": "survey", "term": entry.item}
        rows.append(row | {"estimate": mean, "conf_low": mean - half, "conf_high": mean + half})
    return rows


def _verdict(low: float, high: float, target: float) -> str:
    return "met" if low >= target else "not_met" if high < target else "undecided"
