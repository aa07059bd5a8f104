"""Measurement invariance of ordinal items, identified step by step as Wu and Estabrook (2016) propose."""

from __future__ import annotations

from collections.abc import Collection

from qa_lib.models.parameters import ParameterTable

STEPS = ("configural", "thresholds", "metric", "scalar", "strict")


def invariance_syntax(model: str, configural: ParameterTable, step: str, partial: Collection[str] = ()) -> str:
    """The model with the equalities of one step and what they identify, as lavaan syntax.

    Wu and Estabrook (2016), doi:10.1007/s11336-016-9506-0, as semTools' ``measEq.syntax(ID.fac = "std.lv", ID.cat =
    "Wu.Estabrook.2016", parameterization = "delta")``, whose ``std.lv`` and equal loadings from "metric" on must be
    given to the engine beside it: equal thresholds free intercepts and response scales of later groups (scales of
    binary items only once intercepts are equal); equal intercepts free latent means. "strict" is written for the theta
    parameterisation, in which residual variances are one in every group. configural : table of the configural model,
    which names items, thresholds and factors. partial : terms such as "A1|t2", "A1~1" or "A1~~A1" that stay free.
    """
    if step == "configural":
        return model
    cuts = [row.lhs for row in configural.rows if row.op == "|" and row.group == 0]
    counts = {item: cuts.count(item) for item in configural.ordered}
    groups, freed = configural.n_groups, set(partial)
    lines = [_thresholds(item, count, groups, freed) for item, count in counts.items()]
    equal_intercepts = step in {"scalar", "strict"}
    for item, count in counts.items():
        location_free = not equal_intercepts or f"{item}~1" in freed
        lines.append(f"{item} ~ {_fixed('0', groups, location_free)}*1")
        if step != "strict":
            lines.append(f"{item} ~*~ {_fixed('1', groups, count > 1 or equal_intercepts)}*{item}")
        elif f"{item}~~{item}" in freed:
            lines.append(f"{item} ~~ {_fixed('1', groups, True)}*{item}")
    if equal_intercepts:
        lines += [f"{factor} ~ {_fixed('0', groups, True)}*1" for factor in _unmeasured(configural)]
        lines += _continuous(configural, freed, step)
    return "\n".join([model, *lines])


def _thresholds(item: str, count: int, groups: int, freed: set[str]) -> str:
    terms = []
    for k in range(1, count + 1):
        label = ", ".join([f"{item}.t{k}"] * groups)
        terms.append(f"t{k}" if f"{item}|t{k}" in freed else f"c({label})*t{k}")
    return f"{item} | {' + '.join(terms)}"


def _fixed(value: str, groups: int, later_free: bool) -> str:
    return f"c({', '.join([value, *(['NA' if later_free else value] * (groups - 1))])})"


def _unmeasured(table: ParameterTable) -> list[str]:
    """Factors that measure no other factor: their means become free when intercepts are equal."""
    measured = {row.rhs for row in table.rows if row.op == "=~"}
    return [factor for factor in table.latent if factor not in measured]


def _continuous(table: ParameterTable, freed: set[str], step: str) -> list[str]:
    """Equal intercepts, and under "strict" residual variances, of the continuous indicators."""
    lines, groups = [], table.n_groups
    indicators = dict.fromkeys(row.rhs for row in table.rows if row.op == "=~")
    for item in indicators:
        if item in table.ordered or item in table.latent:
            continue
        if f"{item}~1" not in freed:
            lines.append(f"{item} ~ c({', '.join([f'{item}.i'] * groups)})*1")
        if step == "strict" and f"{item}~~{item}" not in freed:
            lines.append(f"{item} ~~ c({', '.join([f'{item}.r'] * groups)})*{item}")
    return lines
