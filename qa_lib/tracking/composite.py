"""Composite indicator systems: a tree of indicators on one scale, its weights, and how far the ranks hang on them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from qa_lib.errors import DataWarning, StudyError
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns, real_numbers
from qa_lib.tracking.estimates import t_quantile
from qa_lib.tracking.index_weights import ahp, critic, entropy
from qa_lib.tracking.indicators import band
from qa_lib.tracking.system import Node, Normalise, read_system

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONSISTENT = 0.10  # Saaty (1980): judgements with a higher consistency ratio should be revised


@dataclass(frozen=True, slots=True)
class Composite(Result):
    """Scores 0–100 of every unit on every node.

    ``table``: a row per unit and node; ``weights``: node, parent, weight among its siblings, weight in the whole,
    method, consistency_ratio; ``contributions``: units × indicators, points of the whole score; ``ranks``: unit,
    estimate, rank, rank_low, rank_high, first (share of the draws in which the unit is first).
    """

    spec: Node
    table: pd.DataFrame
    weights: pd.DataFrame
    contributions: pd.DataFrame
    ranks: pd.DataFrame
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "n": len(self.contributions),
                    "method": "weighted sum of normalised indicators",
                    "n_indicators": self.contributions.shape[1],
                    "consistency_ratio": self.weights["consistency_ratio"].max(),
                }
            ]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """What every indicator contributes to every unit's score, stacked, best unit on top."""
        import matplotlib.pyplot as plt

        order = self.ranks.sort_values("rank")["group"].tolist()
        parts = self.contributions.loc[order[::-1]]
        ax = ax if ax is not None else plt.subplots(figsize=(8, 0.5 * len(parts) + 1.5))[1]
        left = np.zeros(len(parts))
        for indicator in parts.columns:
            width = parts[indicator].fillna(0).to_numpy()
            ax.barh(parts.index.astype(str), width, left=left, label=(labels or {}).get(indicator, indicator))
            left += width
        ax.set_xlim(0, 100)
        ax.legend(frameon=False, fontsize="small", bbox_to_anchor=(1, 1), loc="upper left")
        return ax


def composite(
    table: pd.DataFrame,
    spec: Node | Mapping | str | Path,
    weights: Mapping[str, float] | None = None,
    std_errors: pd.DataFrame | None = None,
    spread: float = 0.25,
    n_draws: int = 2000,
    conf_level: float = 0.95,
    seed: int = 20260101,
) -> Composite:
    """A composite indicator system on 0–100 (OECD and JRC 2008, Handbook on Constructing Composite Indicators).

    ``table``: units (branches, periods) × indicators, raw values; ``spec``: a tree as a mapping, a YAML file, or the
    name of a shipped one (``published_four``, ``five_groups``). An indicator is normalised by ``minmax`` between
    ``worst`` and ``best`` (the units' own extremes if not given), ``z`` (50 + 10z over the units) or ``distance``
    (100·x/target, or 100·target/x where lower is better), and held within 0–100. Weights among siblings are given
    (sum 1 or 100), equal, from AHP, entropy or CRITIC, or passed in ``weights`` (all children of a group, as from a
    driver analysis; they are scaled to sum one) which wins.

    Intervals need ``std_errors`` (same shape as ``table``) and take the indicators as independent. Ranks: every weight
    is multiplied by uniform numbers in 1 ± ``spread``, ``n_draws`` times (seeded); the rank interval is that of the
    draws. A missing value makes its groups NaN (``DataWarning``), as does an indicator without variation to scale by.

    ``tidy()``: group (unit), term (node), parent, estimate, std_error, conf_low, conf_high, band.
    Raises ``StudyError`` for a spec with mistakes, weights that do not sum to one, absent columns; an AHP matrix with
    a consistency ratio above .10 warns (``DataWarning``).

    >>> spec = {"id": "all", "children": [{"id": "csat", "weight": .6, "normalise": {"worst": 1, "best": 5}},
    ...                                   {"id": "on_time", "weight": .4, "normalise": {"worst": 0, "best": 1}}]}
    >>> result = composite(pd.DataFrame({"csat": [4, 3], "on_time": [.9, 1.0]}, index=["A", "B"]), spec)
    >>> result.ranks["estimate"].tolist(), result.contributions.loc["A"].round(6).tolist()
    ([81.0, 70.0], [45.0, 36.0])
    """
    root = read_system(spec)
    leaves = root.leaves()
    raw = _raw_values(table, leaves)
    scores, slopes = _normalised(raw, {node.id: node.normalise for node in root.walk()})
    tree = _Weigher(scores, dict(weights or {})).weigh(root)
    nodes = [node.id for node in root.walk()]
    share = pd.DataFrame(tree.shares, index=leaves).reindex(columns=nodes).fillna(0.0)
    errors = _errors(std_errors, table, leaves) * slopes
    contributions = scores * share[root.id]
    rows = _scores_table(root, scores, errors, share, conf_level)
    settings = {"system": root.id, "spread": spread, "n_draws": n_draws, "seed": seed, "conf_level": conf_level}
    return Composite(
        root,
        rows,
        _weights_table(root, tree, share[root.id]),
        contributions,
        _rank_sensitivity(root, scores, tree, spread, n_draws, conf_level, np.random.default_rng(seed)),
        Provenance("composite", len(table), settings),
    )


def _raw_values(table: pd.DataFrame, leaves: list[str]) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise StudyError(f"the table is a {type(table).__name__}; a DataFrame of units × indicators is needed.")
    absent = [leaf for leaf in leaves if leaf not in table.columns]
    if absent:
        raise StudyError(f"the table has no column {', '.join(absent)}; the system needs {', '.join(leaves)}.")
    check_columns(table, *leaves, error=StudyError)
    if table.index.has_duplicates or not len(table):
        raise StudyError("the table needs one row per unit, each with its own index label.")
    text = [
        leaf for leaf in leaves if pd.to_numeric(table[leaf], errors="coerce").isna().sum() > table[leaf].isna().sum()
    ]
    if text:
        raise StudyError(f"the table holds text in {', '.join(text)}; every indicator is a number, or missing.")
    raw = pd.DataFrame(real_numbers(table[leaves], error=StudyError), table.index, leaves)
    missing = raw.columns[raw.isna().any()].tolist()
    if missing:
        warnings.warn(
            f"{', '.join(missing)}: values are missing; their groups have no score.", DataWarning, stacklevel=3
        )
    return raw


def _normalised(raw: pd.DataFrame, rules: Mapping[str, Normalise]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores on 0–100 and the size of their slope on the raw values."""
    scores, slopes = {}, {}
    for leaf, x in raw.items():
        score, slope = _normalise(x, rules[leaf])
        scores[leaf], slopes[leaf] = score.clip(0, 100), np.abs(slope)
        if score.isna().all() and x.notna().any():
            warnings.warn(
                f"{leaf}: all units are alike, nothing to scale by; give worst and best.", DataWarning, stacklevel=4
            )
    return pd.DataFrame(scores), pd.DataFrame(slopes, index=raw.index)


def _normalise(x: pd.Series, rule: Normalise) -> tuple[pd.Series, float | pd.Series]:
    sign = 1 if rule.higher_is_better else -1
    if rule.method == "distance":
        if rule.higher_is_better:
            return 100 * x / rule.target, 100 / rule.target
        positive = x.where(x > 0)
        return (100 * rule.target / positive).where(x != 0, 100.0), 100 * rule.target / positive**2
    if rule.method == "z":
        sd = x.std() if x.std() > 0 else np.nan
        return 50 + sign * 10 * (x - x.mean()) / sd, 10 / sd
    worst, best = rule.worst, rule.best
    if worst is None:
        worst, best = (x.min(), x.max())[::sign]
    width = best - worst if best != worst else np.nan
    return 100 * (x - worst) / width, 100 / width


class _Weigher:
    """Walks the tree from its leaves: a group's weights may need its children's scores."""

    def __init__(self, scores: pd.DataFrame, passed: dict[str, float]) -> None:
        self.scores = scores
        self.passed = passed
        self.local: dict[str, np.ndarray] = {}
        self.methods: dict[str, tuple[str, float]] = {}
        self.shares: dict[str, dict[str, float]] = {}
        self.node_scores: dict[str, np.ndarray] = {}

    def weigh(self, node: Node) -> _Weigher:
        if not node.children:
            self.shares[node.id] = {node.id: 1.0}
            self.node_scores[node.id] = self.scores[node.id].to_numpy()
            return self
        for child in node.children:
            self.weigh(child)
        below = np.column_stack([self.node_scores[child.id] for child in node.children])
        chosen = self._weights(node, below)
        self.local[node.id] = chosen.weights
        self.methods[node.id] = (chosen.method, chosen.consistency_ratio)
        self.node_scores[node.id] = below @ chosen.weights
        self.shares[node.id] = {
            leaf: weight * part
            for child, weight in zip(node.children, chosen.weights, strict=True)
            for leaf, part in self.shares[child.id].items()
        }
        return self

    def _weights(self, node: Node, below: np.ndarray) -> _Chosen:
        children = [child.id for child in node.children]
        given = [child for child in children if child in self.passed]
        if given:
            if len(given) < len(children):
                raise StudyError(
                    f"weights: of {node.id}'s children only {', '.join(given)} are given; give all or none."
                )
            return _Chosen(_positive([self.passed[child] for child in children], node.id), "passed")
        method = node.weighting.method
        if method == "equal":
            return _Chosen(np.full(len(children), 1 / len(children)), method)
        if method == "entropy":
            return _Chosen(entropy(below), method)
        if method == "critic":
            return _Chosen(critic(below), method)
        return _judged(node) if method == "ahp" else _Chosen(_given(node), method)


class _Chosen(NamedTuple):
    weights: np.ndarray
    method: str
    consistency_ratio: float = np.nan


def _positive(weights: list[float], where: str) -> np.ndarray:
    w = np.array(weights, dtype=float)
    if not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise StudyError(f"{where}: the weights {weights} must be zero or more, one of them positive.")
    return w / w.sum()


def _given(node: Node) -> np.ndarray:
    missing = [child.id for child in node.children if child.weight is None]
    if missing:
        raise StudyError(f"{node.id}: {', '.join(missing)} has no weight; give it, or another method of weighting.")
    w = np.array([child.weight for child in node.children])
    if not (np.isclose(w.sum(), 1, atol=1e-6) or np.isclose(w.sum(), 100, atol=1e-4)):
        raise StudyError(f"{node.id}: the weights of its children sum to {w.sum():g}; they must sum to 1 (or 100).")
    return w / w.sum()


def _judged(node: Node) -> _Chosen:
    matrix = node.weighting.matrix
    if matrix is None or len(matrix) != len(node.children):
        raise StudyError(
            f"{node.id}: AHP needs a matrix with a row and column for each of its {len(node.children)} children."
        )
    if any(len(row) != len(matrix) for row in matrix):
        raise StudyError(f"{node.id}: every row of the AHP matrix needs {len(matrix)} entries.")
    judgement = ahp(matrix)
    if judgement.consistency_ratio > CONSISTENT:
        warnings.warn(
            f"{node.id}: the judgements contradict each other (consistency ratio {judgement.consistency_ratio:.3f}, "
            f"at most {CONSISTENT:.2f} is wanted; Saaty 1980). Revise the matrix.",
            DataWarning,
            stacklevel=6,
        )
    return _Chosen(judgement.weights, "ahp", judgement.consistency_ratio)


def _errors(std_errors: pd.DataFrame | None, table: pd.DataFrame, leaves: list[str]) -> pd.DataFrame:
    if std_errors is None:
        return pd.DataFrame(np.nan, index=table.index, columns=leaves)
    if not set(leaves) <= set(std_errors.columns) or not table.index.isin(std_errors.index).all():
        raise StudyError("std_errors must have the table's units and every indicator of the system.")
    return std_errors.loc[table.index, leaves].astype(float)


def _scores_table(root: Node, scores, errors, share: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    parents = {child.id: node.id for node in root.walk() for child in node.children}
    z = t_quantile(conf_level, np.inf)
    blocks = []
    for node in root.walk():
        used = share.index[share[node.id] > 0]
        estimate = scores[used] @ share.loc[used, node.id]
        std_error = np.sqrt(errors[used] ** 2 @ share.loc[used, node.id] ** 2)
        blocks.append(
            pd.DataFrame(
                {
                    "group": scores.index,
                    "term": node.id,
                    "parent": parents.get(node.id),
                    "estimate": estimate.to_numpy(),
                    "std_error": std_error.to_numpy(),
                    "conf_low": (estimate - z * std_error).clip(0, 100).to_numpy(),
                    "conf_high": (estimate + z * std_error).clip(0, 100).to_numpy(),
                    "band": band(estimate.clip(0, 100)).to_numpy(),
                }
            )
        )
    return pd.concat(blocks, ignore_index=True)


def _weights_table(root: Node, tree: _Weigher, whole: pd.Series) -> pd.DataFrame:
    rows = []
    for node in root.walk():
        method, ratio = tree.methods.get(node.id, ("", np.nan))
        for child, weight in zip(node.children, tree.local.get(node.id, ()), strict=True):
            row = {"term": child.id, "parent": node.id, "weight": weight, "share": whole[child.leaves()].sum()}
            rows.append(
                row
                | {"method": method, "consistency_ratio": ratio, "source": child.source, "touchpoint": child.touchpoint}
            )
    return pd.DataFrame(rows)


def _rank_sensitivity(root, scores, tree: _Weigher, spread, n_draws, conf_level, rng) -> pd.DataFrame:
    """Ranks of the units, and of how many draws of perturbed weights put each where."""
    if not 0 <= spread < 1:
        raise StudyError(f"spread is {spread}; it is a relative change of weights, at least 0 and below 1.")

    def drawn(node: Node) -> np.ndarray:
        """Score of a node (draws, units) under perturbed weights."""
        if not node.children:
            return np.broadcast_to(scores[node.id].to_numpy(), (n_draws, len(scores)))
        w = tree.local[node.id] * rng.uniform(1 - spread, 1 + spread, (n_draws, len(node.children)))
        w /= w.sum(axis=1, keepdims=True)
        return sum(w[:, [place]] * drawn(child) for place, child in enumerate(node.children))

    ranks = pd.DataFrame(drawn(root)).rank(axis=1, ascending=False, method="min").to_numpy()
    tail = (1 - conf_level) / 2
    table = pd.DataFrame({"group": scores.index, "estimate": tree.node_scores[root.id]})
    table["rank"] = table["estimate"].rank(ascending=False, method="min")
    table["rank_low"], table["rank_high"] = np.quantile(ranks, [tail, 1 - tail], axis=0, method="inverted_cdf")
    table["first"] = (ranks == 1).mean(axis=0)
    return table
