"""The page a notebook opens: one study, period, segment and language, and what all its sections need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from qa_lib.effects.regression import Drivers, drivers
from qa_lib.errors import ResponseError, StudyError
from qa_lib.report import display
from qa_lib.report.history import hidden_in, score_sums, scores_of
from qa_lib.report.messages import Message, kind_of, translated
from qa_lib.report.shared import outcome
from qa_lib.report.suppression import hidden_cells
from qa_lib.report.text import Text
from qa_lib.study.dates import unit_of
from qa_lib.study.instrument import Instrument
from qa_lib.study.responses import Responses
from qa_lib.study.study import Study, read_study
from qa_lib.tracking.estimates import Estimates, MeanSums
from qa_lib.tracking.raking import rake
from qa_lib.tracking.service_index import index_of_sums, rater_index

T = TypeVar("T")
MOST_ROWS = 20_000
VERDICT_CLASSES = {"met": "good", "not_met": "bad", "undecided": ""}


@dataclass(frozen=True, slots=True)
class ReportPage:
    """``data`` holds the respondents of this period and segment, ``before`` those of the period before, if any;
    ``earlier`` names all periods of the same length before this one, ``said`` the warnings this section has shown.
    """

    study: Study
    period: str
    segment: str
    text: Text
    data: pd.DataFrame
    before: pd.DataFrame | None
    earlier: tuple[str, ...]
    said: set[Message] = field(default_factory=set, compare=False)

    @property
    def previous_period(self) -> str | None:
        return self.earlier[-1] if self.before is not None else None

    @property
    def n_answered(self) -> int:
        """Respondents who answered at least one item."""
        return len(self.answered())

    def answered(self) -> pd.DataFrame:
        """Those of ``data`` who answered at least one item of a dimension."""
        return self.data[self.data[self.items].notna().any(axis=1)]

    @property
    def index_name(self) -> str:
        """RATER's name belongs to its five dimensions only."""
        rater = {"reliability", "assurance", "tangibles", "empathy", "responsiveness"}
        return self.text("rater_index" if rater <= set(self.dimensions) else "service_index")

    @property
    def index_inside(self) -> str:
        """The index's name within a sentence."""
        name = self.text("service_index")
        return self.text("service_index_inside") if self.index_name == name else self.index_name

    @property
    def instrument(self) -> Instrument:
        return self.study.instrument

    @property
    def dimensions(self) -> dict[str, list[str]]:
        """The dimensions of which this period's data hold at least one item."""
        asked = {
            name: [item for item in items if item in self.data] for name, items in self.instrument.dimensions.items()
        }
        return {name: items for name, items in asked.items() if items}

    @property
    def items(self) -> list[str]:
        return [item for items in self.dimensions.values() for item in items]

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome roles (satisfaction, repurchase, nps …) whose item this period's data hold, and that item."""
        return {role: item for role, item in self.instrument.outcomes.items() if item in self.data}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(expectation item, experienced item) of the pairs this period's data hold."""
        return [pair for pair in self.instrument.pairs if set(pair) <= set(self.data)]

    @property
    def weights(self) -> str | None:
        return "weight" if "weight" in self.data else None

    def dimension_name(self, dimension: str) -> str:
        if dimension == "rater_index":
            return self.index_name
        return self.instrument.dimension_name(dimension, self.text.lang)

    def item_label(self, item: str, width: int = 46) -> str:
        """The item's id and wording, cut to ``width`` characters (a Chinese character counts as two)."""
        words = self.text.of(self.instrument.item(item).wording)
        kept, used = [], 0
        for character in words:
            used += 2 if ord(character) > 0x2E7F else 1
            if used > width:
                return f"{item}  {''.join(kept).rstrip()}…"
            kept.append(character)
        return f"{item}  {words}" if words else item

    def segment_label(self, segment: str, value: object) -> str:
        """A segment's value in the page's language, or the value itself where the study gives no label."""
        labels = next(entry.labels for entry in self.study.spec.segments if entry.id == segment) or {}
        return self.text.of(labels.get(str(value)), str(value))

    def unit_name(self, segment: str, value: object) -> str:
        """A segment's value beside the segment's name, unless it holds that already: branch B, for a sentence."""
        label = self.segment_label(segment, value)
        name = next(self.text.of(entry.name, segment) for entry in self.study.spec.segments if entry.id == segment)
        return label if name.casefold() in label.casefold() else self.text("unit_name", segment=name, unit=label)

    def shown_groups(self, column: str, period: str | None = None) -> list[str]:
        """The groups of a segment that this page may show, in this or another period, sorted."""
        period, (outer, _, value) = period or self.period, self.segment.partition("=")
        if not self.segment or outer == column:
            hidden = hidden_in(self.study, column, period)
        else:
            everyone = self.study.answers(period).data
            known = everyone[[name for name in ("period", "date", outer, column) if name in everyone]]
            asked = (known, tuple(sorted((outer, column))), period, self.study.spec.minimum_cell)
            cells = outcome(hidden_cells, asked, {}).result  # the same on the pages of every group
            cells = cells if outer < column else cells.T
            here = cells[cells.index.astype(str) == value].any()
            hidden = set(here.index[here])
        return [group for group in sorted(self.group_scores(column, period)) if group not in hidden]

    def shows_itself(self, period: str) -> bool:
        """Whether this page's own group may be shown in a period."""
        column, _, value = self.segment.partition("=")
        return not column or value in map(str, self.shown_groups(column, period))

    def reason(self, code: str) -> str:
        """Why a cell was changed or a response left out, as the ledger or study.yaml names it."""
        own = {rule.code: rule.reason for rule in self.study.spec.exclude if not isinstance(rule.reason, str)}
        if code in own:
            return self.text.of(own[code])
        return self.text(f"reason_{code}") if self.text.has(f"reason_{code}") else code

    def scale_labels(self, item: str, levels: Sequence[int]) -> list[str]:
        """The words of an item's answers, the codes where the instrument gives none."""
        labels = self.instrument.scale_labels(item) or {}
        return [self.text.of(labels.get(level), str(level)) for level in levels]

    def scores(self, data: pd.DataFrame) -> pd.DataFrame:
        """Each respondent's dimension means on 0–100, by the study's own map of the answer scale."""
        return scores_of(self.study, data)

    def all_scores(self, period: str) -> MeanSums | None:
        """The sums of the scores of all this page is about, in any period; None where there are none."""
        column, _, value = self.segment.partition("=")
        return score_sums(self.study, period, (column,) if column else ()).get((value,) if column else ())

    def group_scores(self, column: str, period: str) -> dict[str, MeanSums]:
        """The sums of the scores of every group of a segment within this page's respondents, in any period."""
        outer, _, value = self.segment.partition("=")
        if not outer or outer == column:
            found = {name[0]: sums for name, sums in score_sums(self.study, period, (column,)).items()}
            return {name: sums for name, sums in found.items() if not outer or name == value}
        found = score_sums(self.study, period, (outer, column))
        return {group: sums for (here, group), sums in found.items() if here == value}

    def index_of(self, sums: MeanSums) -> Estimates:
        """As :meth:`index`, of respondents whose scores are summed."""
        return index_of_sums(sums, list(self.dimensions), scale=(0, 100))

    def index(self, data: pd.DataFrame) -> Estimates:
        """The RATER index and its dimensions of ``data``, by the study's scale, map and weights."""
        scores = self.scores(data)
        return rater_index(
            scores,
            {name: [name] for name in scores},
            weights=data["weight"] if self.weights else None,
            scale=(0, 100),
        )

    def actions(self) -> pd.DataFrame | None:
        """The PDCA log, its actions named in the page's language where the log has a column ``action_zh`` (or _en)."""
        found = self.study.actions()
        own = f"action_{self.text.lang}"
        return found if found is None or own not in found else found.assign(action=found[own].fillna(found["action"]))

    @property
    def responses(self) -> Responses:
        """This page's respondents as the screening wants them."""
        return replace(self.study.responses(self.period), data=self.data)

    def sampled(self) -> ReportPage:
        """This page for analyses that need every row many times: with all respondents, or of more than ``MOST_ROWS``
        so many drawn at random, the same in every run, which the page says."""
        if len(self.data) <= MOST_ROWS:
            return self
        chosen = np.sort(np.random.default_rng(0).choice(len(self.data), MOST_ROWS, replace=False))
        counts = {"n": self.text.count(MOST_ROWS), "of": self.text.count(len(self.data))}
        display.paragraph(self.text("sampled", **counts), "note")
        return replace(self, data=self.data.iloc[chosen].reset_index(drop=True))

    def model_data(self) -> pd.DataFrame:
        """Dimension means and outcomes on their answer scales, a row per respondent."""
        means = {name: self.data[items].mean(axis=1) for name, items in self.dimensions.items()}
        outcomes = {role: self.data[item] for role, item in self.outcomes.items()}
        return pd.DataFrame(means | outcomes)

    def drivers(self, silent: bool = False) -> Drivers | None:
        """The regression of satisfaction on the dimensions; None when it was not asked or cannot be done.

        It says so, and what it warns of, unless ``silent``.
        """
        if "satisfaction" not in self.outcomes:
            if not silent:
                display.paragraph(self.text("no_satisfaction"), "note")
            return None
        weights = self.data["weight"].to_numpy() if self.weights else None
        run = self.known if silent else self.attempt
        return run(drivers, self.model_data(), "satisfaction", list(self.dimensions), weights=weights)

    def title(self, key: str) -> None:
        """The page's heading: what it is, of which study, period and segment."""
        text = self.text
        display.heading(f"{text(key)} · {text.period(self.period)}", "top", 1)
        column, _, value = self.segment.partition("=")
        segment = f" · {self.unit_name(column, value)}" if self.segment else ""
        display.paragraph(f"{text.of(self.study.title, self.study.name)}{segment}", "note")
        if self.study.spec.simulated:
            display.paragraph(text("simulated"), "caution")
        if self.weights:
            display.paragraph(text("weighted"), "note")

    def section(self, key: str, level: int = 2) -> None:
        self.said.clear()
        display.heading(self.text(key), key, level)

    def known(self, analysis: Callable[..., T], *arguments: object, **options: object) -> T | None:
        """As :meth:`attempt`, of what the page says elsewhere with its cautions: none is shown here."""
        return outcome(analysis, arguments, options).result

    def attempt(self, analysis: Callable[..., T], *arguments: object, **options: object) -> T | None:
        """``analysis(*arguments, **options)``, its warnings shown as cautions; None, and why, when it cannot.

        Pages of one rendering share it: name a function and its arguments, not a lambda.
        """
        found = outcome(analysis, arguments, options)
        if found.refusal is not None:
            self._caution("cannot_compute", found.refusal)
            return None
        alike: dict[str, list[Message]] = {}
        for message in found.cautions:
            if message not in self.said:
                alike.setdefault(kind_of(message), []).append(message)
        self.said.update(found.cautions)
        for first, *others in alike.values():
            self._caution("warning", first)
            if others:
                words = [translated(message, self.text, self._named)[0] for message in others]
                display.more(words, self.text("warnings_alike", n=len(others)))
        return found.result

    def _caution(self, key: str, message: Message) -> None:
        said, original = translated(message, self.text, self._named)
        display.paragraph(self.text(key, message=said), "caution")
        if original:
            display.original(original, self.text("original_message"))

    def _named(self, word: str) -> str:
        """The page's name of a dimension or outcome that a message names by its id."""
        if word in self.instrument.dimensions:
            return self.dimension_name(word)
        return self.text(f"outcome_{word}") if word in self.instrument.outcomes else word


def open_page(
    study: str | Path, period: str | int = "", segment: str = "", lang: str = "en", answers: bool = True
) -> ReportPage:
    """Opens a study for a notebook.

    ``study`` is looked for here and in the folders above, so that a notebook runs from its own folder as from the
    project's. ``period`` is the newest when empty; ``segment`` is ``""`` for everyone or ``"branch=North"``.
    A page that lives on operations records opens with ``answers=False``: too few responses then leave ``data`` empty.

    Raises ``StudyError`` for an unknown study or segment, ``ResponseError`` for a period without responses or with
    fewer than the study's minimum cell.
    """
    found = opened_study(_find(Path(study)))
    periods = found.periods()
    period = str(period) or periods[-1]
    if len(found.instrument.versions) > 1:
        found = found.from_period(period)
    earlier = tuple(name for name in found.periods(unit_of(period)) if name < period)
    previous = earlier[-1] if earlier else None
    column, value = _segment(found, segment)
    everyone = found.responses(period) if answers else found.answers(period)
    data = _select(everyone.data, column, value)
    if len(data) < found.spec.minimum_cell and not answers:
        data = data.iloc[:0]
    elif len(data) < found.spec.minimum_cell:
        raise ResponseError(
            f"{segment or 'everyone'} in {period} has {len(data)} responses; results of fewer than "
            f"{found.spec.minimum_cell} (minimum_cell in study.yaml) are not shown. Choose a longer period."
        )
    before = _select(found.responses(previous).data, column, value) if previous else None
    if before is not None and len(before) < found.spec.minimum_cell:
        before = None
    page = ReportPage(found, period, segment, Text(lang), data, before, earlier)
    if answers and not page.shows_itself(period):
        raise ResponseError(f"{segment} in {period} is not shown: it would give away the results of smaller groups.")
    return page if before is None or page.shows_itself(previous) else replace(page, before=None)


def opened_study(path: Path) -> Study:
    """``read_study``, again only when its two files have changed."""
    files = (path / "study.yaml", path / "instrument.yaml")
    return _read_once(path.resolve(), tuple(file.stat().st_mtime_ns for file in files if file.exists()))


@lru_cache(maxsize=1)
def _read_once(path: Path, changed: tuple[int, ...]) -> Study:
    found = read_study(path)
    return RakedStudy(found.path, found.spec, found.instrument) if found.spec.margins else found


class RakedStudy(Study):
    """A study whose respondents are weighted to the known margins of study.yaml, period by period."""

    def _weighted(self, responses: Responses) -> Responses:
        design = "weight" if "weight" in responses.data else None
        weights = rake(responses.data, self.spec.margins, weights=design, by="period").weights
        return replace(responses, data=responses.data.assign(weight=weights))


def _find(path: Path) -> Path:
    if path.is_absolute():
        return path
    here = Path.cwd()
    return next((root / path for root in (here, *here.parents) if (root / path).is_dir()), path)


def _segment(study: Study, segment: str) -> tuple[str, str]:
    if not segment:
        return "", ""
    column, equals, value = segment.partition("=")
    known = [entry.id for entry in study.spec.segments]
    if not equals or column not in known:
        raise StudyError(f"segment {segment!r} must read NAME=VALUE with a name of study.yaml: {', '.join(known)}.")
    return column, value


def _select(data: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return data[data[column].astype(str) == value].reset_index(drop=True) if column else data


def interval_columns(table: pd.DataFrame, label: Sequence[str]) -> pd.DataFrame:
    """What a chart needs of tidy rows: ``label, estimate, conf_low, conf_high``."""
    return table[["estimate", "conf_low", "conf_high"]].assign(label=list(label)).reset_index(drop=True)
