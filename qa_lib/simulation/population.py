"""Survey answers from a known population: correlated factors, ordinal thresholds, structural paths, real-life dirt.

The population is one readable file; what is simulated from it knows its own truth, so estimators can be held to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qa_lib.errors import StudyError
from qa_lib.simulation.comments import CommentsSpec, draw_comments
from qa_lib.simulation.exports import qualtrics, wenjuanxing
from qa_lib.simulation.operations import draw_contacts, draw_operations
from qa_lib.study.instrument import read_instrument
from qa_lib.study.schema import load_yaml

CHINESE_HEADERS = {"branch": "网点", "channel": "渠道", "mode": "调查方式"}
SINGLE_FILES = {
    "roster",
    "contacts",
    "actions",
    "notes",
}  # tables that are one file in the study's folder, not a folder
Period = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ItemSpec(_Spec):
    loading: Annotated[float, Field(ge=-1, le=1)]
    level: float = 0.0


class OutcomeSpec(ItemSpec):
    factor: str
    scale: str = "five"


class ScaleSpec(_Spec):
    first: int
    thresholds: list[float]


class PeriodRange(_Spec):
    first: Period
    last: Period


class Shift(_Spec):
    factor: str
    by: float
    where: dict[str, str] = {}
    from_: Annotated[Period | None, Field(alias="from")] = None
    to: Period | None = None


class Missing(_Spec):
    rate: Share = 0.0
    where: list[dict[str, str | float | list[str]]] = []


class Attention(_Spec):
    item: str
    right: int
    careful_pass: Share
    careless_pass: Share


class Careless(_Spec):
    share: Share = 0.0
    kinds: dict[str, Share] = {"straight": 1.0}


class Duration(_Spec):
    careful_median: float
    careless_median: float
    log_sd: float


class Population(_Spec):
    """A survey's population; see ``data/raw/demo/population.yaml`` for every key in use."""

    periods: PeriodRange
    responses_per_period: Annotated[float, Field(gt=0)]
    languages: dict[str, Share]
    segments: dict[str, dict[str, Share]]
    dimensions: dict[str, dict[str, ItemSpec]]
    factor_correlations: dict[str, dict[str, float]]
    structural: dict[str, dict[str, float]] = {}
    outcomes: dict[str, OutcomeSpec] = {}
    scales: dict[str, ScaleSpec]
    shifts: list[Shift] = []
    translation: dict[str, dict[str, float]] = {}
    missing: Missing = Missing()
    attention: Attention | None = None
    careless: Careless = Careless()
    duration: Duration = Duration(careful_median=200, careless_median=60, log_sd=0.35)
    comments: CommentsSpec | None = None

    @property
    def items(self) -> dict[str, tuple[str, ItemSpec, ScaleSpec]]:
        """Item id → its factor, its loading and level, its scale; dimensions first, then outcomes."""
        five = self.scales["five"]
        measured = {item: (dim, spec, five) for dim, items in self.dimensions.items() for item, spec in items.items()}
        return measured | {item: (spec.factor, spec, self.scales[spec.scale]) for item, spec in self.outcomes.items()}

    def correlation(self) -> pd.DataFrame:
        """Correlations of the exogenous factors (dimensions × dimensions)."""
        names = list(self.dimensions)
        matrix = pd.DataFrame(np.eye(len(names)), names, names)
        for a, row in self.factor_correlations.items():
            for b, r in row.items():
                if a not in names or b not in names:
                    raise StudyError(f"population: factor_correlations names {a}–{b}; dimensions are {names}.")
                matrix.loc[a, b] = matrix.loc[b, a] = r
        if np.linalg.eigvalsh(matrix.to_numpy()).min() <= 0:
            raise StudyError("population: factor_correlations are not positive definite; no such population exists.")
        return matrix

    def factor_cov(self) -> pd.DataFrame:
        """Correlations of all factors, dimensions and outcomes, before any shift."""
        cov = self.correlation()
        for name, paths in self.structural.items():
            unknown = set(paths) - set(cov.index)
            if unknown:
                raise StudyError(f"population: structural {name} uses {sorted(unknown)}, not defined before it.")
            beta = pd.Series(paths, dtype=float)
            if beta @ cov.loc[beta.index, beta.index] @ beta > 1:
                raise StudyError(f"population: paths to {name} explain more than all of its variance of 1.")
            cov[name] = cov[beta.index] @ beta
            cov.loc[name] = cov[name]
            cov.loc[name, name] = 1.0
        return cov

    def item_correlation(self) -> pd.DataFrame:
        """Correlations of the latent responses (items × items): what polychoric correlations estimate."""
        factors = [factor for factor, _, _ in self.items.values()]
        loadings = np.array([spec.loading for _, spec, _ in self.items.values()])
        implied = self.factor_cov().loc[factors, factors].to_numpy() * np.outer(loadings, loadings)
        np.fill_diagonal(implied, 1.0)
        return pd.DataFrame(implied, list(self.items), list(self.items))


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was drawn and the truth behind it.

    ``responses``: a row per respondent, coded answers with NaN for missing, context columns ``respondent, period,
    date, duration, language``, the segments, and comments if any. ``careless``: bool per respondent. ``tables``:
    operations records by name, empty unless the population states them.
    """

    population: Population
    seed: int
    responses: pd.DataFrame
    careless: pd.Series
    tables: Mapping[str, pd.DataFrame]

    def write(self, folder: str | Path) -> list[Path]:
        """Write what a study folder holds beside its YAML files; the paths written.

        Where the folder has an instrument.yaml, Chinese answers are written as 问卷星 exports them and others as
        Qualtrics does; without one, as plain CSV. Operations records are ``<name>/<name>.csv`` or ``<name>.csv``.
        """
        folder = Path(folder)
        files = _exports(self, folder) | _records(self.tables)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8-sig" if name.endswith("_wjx.csv") else "utf-8"))
        return [folder / name for name in files]


def _exports(simulation: Simulation, folder: Path) -> dict[str, str]:
    file = folder / "instrument.yaml"
    instrument = read_instrument(file) if file.is_file() else None
    segments, number, files = list(simulation.population.segments), 1, {}
    spoken = simulation.population.comments
    questions = {spoken.column: spoken.question} if spoken else {}
    for (period, language), rows in simulation.responses.groupby(["period", "language"], sort=True):
        if instrument is None:
            coded = rows.drop(columns="period").convert_dtypes()
            files[f"responses/{period}_{language}.csv"] = coded.to_csv(index=False, lineterminator="\n")
        elif language == "zh":
            headers = {name: CHINESE_HEADERS.get(name, name) for name in segments}
            files[f"responses/{period}_wjx.csv"] = wenjuanxing(rows, instrument, headers, questions, number)
            number += len(rows)
        else:
            files[f"responses/{period}_qualtrics_{language}.csv"] = qualtrics(rows, instrument, segments, questions)
    return files


def _records(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {
        (f"{name}.csv" if name in SINGLE_FILES else f"{name}/{name}.csv"): table.to_csv(
            index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M:%S"
        )
        for name, table in tables.items()
    }


def simulate(spec: str | Path | Mapping, seed: int | None = None) -> Simulation:
    """Draw a survey (and operations records) from the population of ``spec``, a YAML file or its content.

    A respondent's latent response to item j of factor f is λⱼ·ηf + levelⱼ + √(1−λⱼ²)·ε, cut at the thresholds of the
    item's scale (Muthén 1984, doi:10.1007/BF02294210, eq. 1–2); outcomes follow the standardised paths. The same
    seed gives the same bytes. ``seed=None`` takes the one the file states.

    Raises StudyError where the spec breaks its schema or states a population that cannot exist.

    >>> spec = {
    ...     "survey": {
    ...         "periods": {"first": "2026-01", "last": "2026-02"}, "responses_per_period": 40,
    ...         "languages": {"en": 1}, "segments": {"branch": {"north": 0.5, "south": 0.5}},
    ...         "dimensions": {"reliability": {"R1": {"loading": 0.8}, "R2": {"loading": 0.7}}},
    ...         "factor_correlations": {}, "scales": {"five": {"first": 1, "thresholds": [-2, -1, 0, 1]}},
    ...     }
    ... }
    >>> drawn = simulate(spec, seed=1)
    >>> drawn.responses["R1"].sort_values().unique().tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    content, where = _read(spec)
    try:
        population = Population.model_validate(content["survey"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise StudyError(f"{where}: survey.{key}: {first['msg']} (found {first['input']!r}).") from None
    seed = int(content.get("seed", 0)) if seed is None else seed
    responses, careless = draw_survey(population, np.random.default_rng([seed, 0]))
    if (spoken := population.comments) is not None:
        responses[spoken.column], _ = draw_comments(spoken, responses, careless, np.random.default_rng([seed, 4]))
    tables = {}
    if "operations" in content:
        months = pd.period_range(population.periods.first, population.periods.last, freq="M")
        branches = list(population.segments["branch"])
        streams = (np.random.default_rng([seed, 1]), np.random.default_rng([seed, 3]))
        tables = draw_operations(content["operations"], months, branches, *streams)
        shares = content["operations"]["dispositions"]
        tables["contacts"] = draw_contacts(responses, shares, np.random.default_rng([seed, 2]))
    return Simulation(population, seed, responses, careless, tables)


def _read(spec: str | Path | Mapping) -> tuple[Mapping, str]:
    if isinstance(spec, Mapping):
        content, where = spec, "population"
    else:
        where = str(spec)
        if not Path(spec).is_file():
            raise StudyError(f"{where}: no such file. Give the path of a population file, or its content.")
        content = load_yaml(Path(spec), StudyError)
    if not isinstance(content, Mapping) or "survey" not in content:
        raise StudyError(f"{where}: a population needs the key survey.")
    return content, where


def draw_survey(population: Population, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Responses (respondents × context + items) and which respondents were careless."""
    context = _context(population, rng)
    factors = _factors(population, context, rng)
    answers = _answers(population, factors, context["language"], rng)
    careless = rng.random(len(context)) < population.careless.share
    answers[careless] = _careless_answers(population, int(careless.sum()), rng)
    answers = pd.DataFrame(answers, columns=list(population.items))
    if population.attention:
        answers[population.attention.item] = _attention(population.attention, careless, rng)
    _blank(answers, population, context, rng)
    pace = population.duration
    median = np.where(careless, pace.careless_median, pace.careful_median)
    context["duration"] = np.rint(median * np.exp(pace.log_sd * rng.standard_normal(len(context)))).astype(int)
    return pd.concat([context, answers], axis=1), pd.Series(careless, name="careless")


def _context(population: Population, rng: np.random.Generator) -> pd.DataFrame:
    """Who answered when: respondent, period, date, language, segments; in order of date within each period."""
    months = pd.period_range(population.periods.first, population.periods.last, freq="M")
    counts = rng.poisson(population.responses_per_period, len(months))
    n = int(counts.sum())
    month = np.repeat(months.astype(str), counts)
    length = np.repeat(months.days_in_month.to_numpy(), counts)
    seconds = np.floor(rng.random(n) * length) * 86400 + np.rint(rng.triangular(8, 13, 22, n) * 3600)
    date = pd.to_datetime(month) + pd.to_timedelta(seconds, unit="s")
    context = pd.DataFrame({"respondent": "", "period": month, "date": date.as_unit("s")})
    for name, shares in {"language": population.languages, **population.segments}.items():
        share = np.array(list(shares.values()))
        context[name] = rng.choice(list(shares), n, p=share / share.sum())
    context = context.sort_values("date", kind="stable", ignore_index=True)
    number = context.groupby("period").cumcount() + 1
    context["respondent"] = "d" + context["period"].str.replace("-", "") + "-" + number.astype(str).str.zfill(4)
    return context


def _factors(population: Population, context: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Factor scores (respondents × factors), shifts carried along the structural paths."""
    correlation = population.correlation()
    cov = population.factor_cov()
    normal = rng.standard_normal((len(context), len(correlation)))
    factors = pd.DataFrame(normal @ np.linalg.cholesky(correlation.to_numpy()).T, columns=correlation.columns)
    for name in correlation.columns:
        factors[name] += _shift(population, name, context)
    for name, paths in population.structural.items():
        beta = pd.Series(paths, dtype=float)
        unexplained = 1 - beta @ cov.loc[beta.index, beta.index] @ beta
        factors[name] = factors[beta.index] @ beta + np.sqrt(unexplained) * rng.standard_normal(len(context))
        factors[name] += _shift(population, name, context)
    return factors


def _shift(population: Population, factor: str, context: pd.DataFrame) -> np.ndarray:
    total = np.zeros(len(context))
    for shift in population.shifts:
        if shift.factor == factor:
            hit = context["period"].between(shift.from_ or "0000-00", shift.to or "9999-99")
            for column, value in shift.where.items():
                if column not in context.columns or value not in population.segments.get(column, population.languages):
                    raise StudyError(f"population: a shift of {factor} is for {column} {value}, which nobody has.")
                hit &= context[column] == value
            total[hit.to_numpy()] += shift.by
    return total


def _answers(population: Population, factors: pd.DataFrame, language: pd.Series, rng: np.random.Generator):
    """Coded answers (respondents × items)."""
    answers = np.empty((len(factors), len(population.items)))
    for column, (item, (factor, spec, scale)) in enumerate(population.items.items()):
        level = spec.level + language.map(lambda code, item=item: population.translation.get(code, {}).get(item, 0.0))
        residual = np.sqrt(1 - spec.loading**2) * rng.standard_normal(len(factors))
        latent = spec.loading * factors[factor].to_numpy() + level.to_numpy(dtype=float) + residual
        answers[:, column] = scale.first + np.searchsorted(scale.thresholds, latent)
    return answers


def _careless_answers(population: Population, n: int, rng: np.random.Generator) -> np.ndarray:
    """Answers of n respondents who did not read: one place on every scale, or any place (n × items)."""
    first = np.array([scale.first for _, _, scale in population.items.values()])
    steps = np.array([len(scale.thresholds) for _, _, scale in population.items.values()])
    kinds = population.careless.kinds
    share = np.array(list(kinds.values()))
    straight = rng.choice(list(kinds), n, p=share / share.sum())[:, None] == "straight"
    place = np.where(straight, rng.choice([0.5, 0.75, 1.0], (n, 1)), rng.random((n, len(first))))
    return first + np.rint(place * steps)


def _attention(check: Attention, careless: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    passed = rng.random(len(careless)) < np.where(careless, check.careless_pass, check.careful_pass)
    wrong = rng.choice([code for code in range(1, 6) if code != check.right], len(careless))
    return np.where(passed, check.right, wrong).astype(float)


def _blank(answers: pd.DataFrame, population: Population, context: pd.DataFrame, rng: np.random.Generator) -> None:
    """Make answers missing: completely at random, and more for those who match a rule."""
    chance = pd.DataFrame(population.missing.rate, answers.index, list(population.items))
    for rule in population.missing.where:
        hit = pd.Series(True, index=context.index)
        for column, value in rule.items():
            if column not in ("items", "rate"):
                hit &= context[column] == value
        chance.loc[hit, rule["items"]] = rule["rate"]
    gone = rng.random(chance.shape) < chance.to_numpy()
    answers[chance.columns] = answers[chance.columns].mask(gone)
