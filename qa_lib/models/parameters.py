"""The parameter table: what a model's syntax leaves unsaid, filled in as lavaan's cfa() and sem() do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement

import numpy as np

from qa_lib.errors import ModelError
from qa_lib.models.constraints import equalities
from qa_lib.models.syntax import Constraint, Formula, Syntax

GROUP_EQUAL = (
    "loadings",
    "intercepts",
    "thresholds",
    "residuals",
    "residual.covariances",
    "means",
    "regressions",
    "latent.variances",
    "latent.covariances",
)


@dataclass(slots=True)
class Parameter:
    """A row of the table. ``value`` is the fixed value, nan where free or taken from the sample (``exo``)."""

    lhs: str
    op: str
    rhs: str
    group: int = 0
    free: bool = True
    value: float = np.nan
    start: float = np.nan
    label: str = ""
    user: bool = False
    exo: bool = False

    @property
    def term(self) -> str:
        return f"{self.lhs}{self.op}{self.rhs}"


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """All parameters of all groups.

    ``free`` gives for every row its place among the n_free free parameters, -1 where fixed. Equality constraints hold
    when free parameters are ``mapping @ unconstrained + offset`` (n_free × n_unconstrained) and the ``curved``
    constraints do too. The table of a fitted model with curved constraints has made them directions of ``mapping`` at
    the optimum, and keeps the table as it was ``specified``. ``theta`` : residual variances of ordinal items are
    parameters, response scales follow. ``random_x`` : covariates whose moments are parameters by the estimator's rule.
    """

    rows: tuple[Parameter, ...]
    observed: tuple[str, ...]
    latent: tuple[str, ...]
    exogenous: tuple[str, ...]
    ordered: tuple[str, ...]
    n_groups: int
    meanstructure: bool
    defined: tuple[Constraint, ...]
    free: np.ndarray
    mapping: np.ndarray
    offset: np.ndarray
    theta: bool = False
    random_x: tuple[str, ...] = ()
    curved: tuple[Constraint, ...] = ()
    specified: ParameterTable | None = None

    @property
    def n_free(self) -> int:
        return len(self.offset)

    @property
    def free_rows(self) -> list[Parameter]:
        return [row for row in self.rows if row.free]

    @property
    def n_parameters(self) -> int:
        """Free parameters less the equality constraints among them: lavaan's npar in AIC and BIC."""
        return self.mapping.shape[1] - len(self.curved)

    def require_degrees(self, known: int, what: str) -> None:
        """Raises ``ModelError`` when there are more free parameters than the ``known`` statistics can tell."""
        if (df := known - self.n_parameters) < 0:
            raise ModelError(
                f"the model has {self.n_parameters} free parameters for {known} {what} ({df} degrees of freedom): fix "
                "parameters or add items."
            )

    def labels(self) -> dict[str, int]:
        """Place among the rows of every label a user gave."""
        return {row.label: i for i, row in reversed(list(enumerate(self.rows))) if row.label}


@dataclass(frozen=True, slots=True)
class _Names:
    """Variables by the part they play in the model, in order of appearance."""

    latent: list[str]
    indicators: list[str]
    outcomes: list[str]
    predictors: list[str]
    observed: list[str]
    exogenous: list[str]
    ordered: list[str]


def build_table(
    syntax: Syntax,
    n_groups: int = 1,
    group_equal: Sequence[str] = (),
    partial: Sequence[str] = (),
    std_lv: bool = False,
    meanstructure: bool = False,
    thresholds: Mapping[str, int] | None = None,
    theta: bool = False,
    random_x: Sequence[str] = (),
) -> ParameterTable:
    """Parameter table of ``lavaan::sem(..., auto = TRUE)``.

    thresholds : number of thresholds of every ordinal item. partial : terms such as ``"x3~1"`` exempt from
    ``group_equal``. random_x : covariates of which the syntax frees the covariances. Raises ModelError for unknown
    equality sets and for modifiers that do not fit the groups.
    """
    thresholds = dict(thresholds or {})
    equal = _equality_sets(group_equal, bool(thresholds))
    names = _names(syntax.formulas, thresholds)
    meanstructure = (
        meanstructure
        or bool(thresholds)
        or bool(equal & {"intercepts", "means"})
        or any(formula.op == "~1" for formula in syntax.formulas)
    )
    defaults = _defaults(names, {item: n for item, n in thresholds.items() if item in names.ordered}, meanstructure)
    rows = []
    for group in range(n_groups):
        block = _block(syntax.formulas, defaults, names, std_lv)
        for row in block:
            row.group = group
        if group:
            _free_in_later_groups(block, equal, names, std_lv, theta)
        for row, formula in zip(block, syntax.formulas, strict=False):
            _modify(row, formula, n_groups)
        rows += block
    _check_labels(rows)
    _share_labels(rows, equal, _partial_terms(partial, rows), names)
    free = np.full(len(rows), -1)
    free[[row.free for row in rows]] = np.arange(sum(row.free for row in rows))
    equal = equalities(rows, free, [c for c in syntax.constraints if c.op == "=="])
    return ParameterTable(
        rows=tuple(rows),
        observed=tuple(names.observed),
        latent=tuple(names.latent),
        exogenous=tuple(names.exogenous),
        ordered=tuple(names.ordered),
        n_groups=n_groups,
        meanstructure=meanstructure,
        defined=tuple(c for c in syntax.constraints if c.op == ":="),
        free=free,
        mapping=equal.mapping,
        offset=equal.offset,
        curved=equal.curved,
        theta=theta,
        random_x=tuple(random_x),
    )


def baseline_table(table: ParameterTable) -> ParameterTable:
    """The model of uncorrelated variables; covariates keep their sample moments, or correlate freely."""
    rows = []
    for group in range(table.n_groups):
        free = [name for name in table.observed if name not in table.exogenous]
        keys = [(name, "~~", name) for name in free] + [(name, "~1", "") for name in free if table.meanstructure]
        keys += [(a, "~~", b) for a, b in combinations(table.random_x, 2)]
        rows += [Parameter(*key, group=group) for key in keys if key[0] not in table.ordered]
        rows += [Parameter(r.lhs, r.op, r.rhs, group) for r in table.rows if r.op == "|" and r.group == group]
        rows += [
            Parameter(row.lhs, row.op, row.rhs, group, free=False, exo=True)
            for row in table.rows
            if row.exo and row.group == group
        ]
    free = np.full(len(rows), -1)
    free[[row.free for row in rows]] = np.arange(sum(row.free for row in rows))
    equal = equalities(rows, free, [])
    return replace(
        table, rows=tuple(rows), latent=(), defined=(), free=free, mapping=equal.mapping, offset=equal.offset, curved=()
    )


def variable_names(syntax: Syntax) -> list[str]:
    """Observed variables of a model, in lavaan's order."""
    return _names(syntax.formulas, {}).observed


def exogenous_names(syntax: Syntax) -> list[str]:
    """Observed covariates whose moments are taken from the sample (lavaan's fixed.x)."""
    return _names(syntax.formulas, {}).exogenous


def covariate_places(table: ParameterTable) -> list[int]:
    """Positions among the observed variables of the covariates whose moments are taken from the sample."""
    return [table.observed.index(name) for name in table.exogenous]


def with_covariances(syntax: Syntax, names: Sequence[str]) -> Syntax:
    """The model with these variables' variances and covariances as parameters."""
    pairs = combinations_with_replacement(names, 2)
    return replace(syntax, formulas=(*syntax.formulas, *(Formula(a, "~~", b) for a, b in pairs)))


def _equality_sets(group_equal: Sequence[str], ordinal: bool) -> set[str]:
    aliases = {"lv.variances": "latent.variances", "lv.covariances": "latent.covariances"}
    if isinstance(group_equal, str):
        group_equal = (group_equal,)
    equal = {aliases.get(name, name) for name in group_equal}
    if unknown := equal - set(GROUP_EQUAL):
        raise ModelError(f"group_equal: {sorted(unknown)} is not known. Allowed: {', '.join(GROUP_EQUAL)}.")
    if ordinal and equal & {"intercepts", "thresholds"}:
        equal |= {"intercepts", "thresholds"}
    return equal


def _unique(items) -> list[str]:
    return list(dict.fromkeys(items))


def _names(formulas: Sequence[Formula], thresholds: Mapping[str, int]) -> _Names:
    latent = _unique(f.lhs for f in formulas if f.op == "=~")
    indicators = _unique(f.rhs for f in formulas if f.op == "=~")
    outcomes = _unique(f.lhs for f in formulas if f.op == "~")
    predictors = _unique(f.rhs for f in formulas if f.op == "~")
    measured = [name for name in indicators if name not in latent]
    explained = [name for name in outcomes if name not in latent and name not in measured]
    covariates = [name for name in predictors if name not in {*latent, *measured, *explained}]
    others = [f.lhs for f in formulas if f.op == "~~"] + [f.rhs for f in formulas if f.op == "~~"]
    others += [f.lhs for f in formulas if f.op in {"~1", "|", "~*~"}]
    observed = _unique([*measured, *explained, *covariates, *(name for name in others if name not in latent)])
    random = {name for f in formulas if f.op in {"~~", "~1"} for name in (f.lhs, f.rhs)}
    exogenous = [name for name in covariates if name not in random]
    ordered = [name for name in observed if name in thresholds and name not in exogenous]
    return _Names(latent, indicators, outcomes, predictors, observed, exogenous, ordered)


def _defaults(names: _Names, thresholds: Mapping[str, int], meanstructure: bool) -> list[tuple[str, str, str]]:
    """Parameters every model has although its syntax need not name them."""
    free_observed = [name for name in names.observed if name not in names.exogenous]
    latent_x = [name for name in names.latent if name not in {*names.indicators, *names.outcomes}]
    endings = [y for y in names.outcomes if y not in {*names.indicators, *names.predictors}]
    endings = [y for y in names.latent if y in endings] + [
        y for y in names.observed if y in endings and y not in names.latent
    ]
    keys = [(item, "|", f"t{k + 1}") for item in names.ordered for k in range(thresholds[item])]
    keys += [(name, "~~", name) for name in [*free_observed, *names.latent]]
    keys += [(a, "~~", b) for group in (latent_x, endings) for a, b in combinations(group, 2)]
    keys += [(a, "~~", b) for a, b in combinations_with_replacement(names.exogenous, 2)]
    keys += [(item, "~*~", item) for item in names.ordered]
    if meanstructure:
        keys += [(name, "~1", "") for name in [*names.observed, *names.latent]]
    return keys


def _block(formulas: Sequence[Formula], defaults: Sequence[tuple], names: _Names, std_lv: bool) -> list[Parameter]:
    """One group's rows before any modifier: those of the syntax first, then the defaults it did not name."""
    rows = [Parameter(f.lhs, f.op, f.rhs, user=True) for f in formulas]
    named = {(f.lhs, f.op, f.rhs) for f in formulas} | {(f.rhs, f.op, f.lhs) for f in formulas if f.op == "~~"}
    rows += [Parameter(*key) for key in defaults if key not in named]
    first = {f.lhs: i for i, f in reversed(list(enumerate(formulas))) if f.op == "=~"}
    measured = [f for f in formulas if f.op == "=~"]
    loads_on = {name: [f.lhs for f in measured if f.rhs == name] for name in names.indicators}
    n_indicators = {name: sum(f.lhs == name for f in measured) for name in names.latent}
    for i, row in enumerate(rows):
        variance = row.op == "~~" and row.lhs == row.rhs
        if (row.op == "=~" and not std_lv and first[row.lhs] == i) or (variance and row.lhs in names.latent and std_lv):
            _fix(row, 1.0)
        elif row.user:
            continue
        elif variance and row.lhs in names.ordered:
            _fix(row, 1.0)
        elif variance and len(loads := loads_on.get(row.lhs, ())) == 1 and n_indicators[loads[0]] == 1:
            _fix(row, 0.0)
        elif row.op == "~*~":
            _fix(row, 1.0)
        elif row.op == "~1" and row.lhs in {*names.latent, *names.ordered}:
            _fix(row, 0.0)
        elif row.op in {"~~", "~1"} and row.lhs in names.exogenous:
            _fix(row, np.nan)
            row.exo = True
    return rows


def _fix(row: Parameter, value: float) -> None:
    row.free, row.value = False, value


def _release(row: Parameter) -> None:
    row.free, row.value = True, np.nan


def _free_in_later_groups(block: list[Parameter], equal: set[str], names: _Names, std_lv: bool, theta: bool) -> None:
    """What equality across groups identifies: latent means, latent variances, response scales (under theta instead the
    residual variances of ordinal items)."""
    for row in block:
        latent = row.lhs in names.latent and not row.user
        if (
            (row.op == "~1" and latent and equal & {"intercepts", "thresholds"} and "means" not in equal)
            or (row.op == "~~" and row.lhs == row.rhs and latent and std_lv and "loadings" in equal)
            or (row.op == "~*~" and "thresholds" in equal and not theta)
            or (theta and row.op == "~~" and row.lhs == row.rhs and row.lhs in names.ordered and "thresholds" in equal)
        ):
            _release(row)


def _modify(row: Parameter, formula: Formula, n_groups: int) -> None:
    def of_group(values: tuple):
        if len(values) not in {1, n_groups}:
            raise ModelError(
                f"{row.term}: the modifier has {len(values)} values; one, or one per group ({n_groups}), is needed."
            )
        return values[0] if len(values) == 1 else values[row.group]

    if formula.fixed:
        value = of_group(formula.fixed)
        if np.isnan(value):
            _release(row)
        else:
            _fix(row, value)
    if formula.start:
        row.start = of_group(formula.start)
    if formula.label:
        row.label = of_group(formula.label)


def _check_labels(rows: list[Parameter]) -> None:
    names = {row.lhs for row in rows} | {row.rhs for row in rows}
    if clash := sorted(names & {row.label for row in rows if row.label}):
        raise ModelError(f"the label {clash[0]!r} is also the name of a variable: choose another label.")


def _partial_terms(partial: Sequence[str], rows: list[Parameter]) -> set[str]:
    terms = {term.replace(" ", "") for term in ((partial,) if isinstance(partial, str) else partial)}
    known = {row.term for row in rows}
    if unknown := sorted(terms - known):
        raise ModelError(
            f"partial: the model has no parameter {unknown[0]!r}. Write it as in the syntax, such as 'x3~1'."
        )
    return terms


def _in_equality_set(row: Parameter, equal: set[str], names: _Names) -> bool:
    endogenous = row.lhs in names.observed and row.lhs not in names.exogenous
    latent, same = row.lhs in names.latent, row.lhs == row.rhs
    sets = {
        "loadings": row.op == "=~",
        "regressions": row.op == "~",
        "intercepts": row.op == "~1" and endogenous,
        "means": row.op == "~1" and latent,
        "thresholds": row.op == "|",
        "residuals": row.op == "~~" and endogenous and same,
        "residual.covariances": row.op == "~~" and endogenous and not same,
        "latent.variances": row.op == "~~" and latent and same,
        "latent.covariances": row.op == "~~" and latent and not same,
    }
    return any(sets[name] for name in equal)


def _share_labels(rows: list[Parameter], equal: set[str], partial: set[str], names: _Names) -> None:
    """Same label, same parameter: rows of an equality set get the label of their first group's row."""
    first = {row.term: row for row in rows if row.group == 0}
    for row in rows:
        shared = row.group and not row.label and row.term not in partial and _in_equality_set(row, equal, names)
        if shared and not first[row.term].label:
            first[row.term].label = f".{row.term}."
        if shared:
            row.label = first[row.term].label
    by_label: dict[str, list[Parameter]] = {}
    for row in rows:
        if row.label:
            by_label.setdefault(row.label, []).append(row)
    for shared in by_label.values():
        if fixed := next((row for row in shared if not row.free), None):
            for row in shared:
                _fix(row, fixed.value)
                row.exo = fixed.exo
