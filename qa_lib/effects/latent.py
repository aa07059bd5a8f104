"""Latent regression: the factors behind the items → satisfaction → loyalty, with direct, indirect and total effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.rows import column_of, respondent_weights
from qa_lib.errors import ModelError, ResponseError
from qa_lib.models.fit import sem
from qa_lib.models.solution import ModelFit
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WEIGHT, _CLUSTER = "weights ", "cluster "
_SURE = 0.05


@dataclass(frozen=True, slots=True)
class LatentDrivers(Result):
    """A structural equation model of dimensions and a chain of outcomes.

    Attributes
    ----------
    effects : rows as in ``tidy``
    fit : the model itself, with loadings, residuals, modification indices (``qa.sem``)
    dimensions, outcomes : names in the order of the model; each outcome is regressed on all dimensions and on the
        outcomes before it
    r_squared : of the outcomes
    """

    effects: pd.DataFrame
    fit: ModelFit
    dimensions: tuple[str, ...]
    outcomes: tuple[str, ...]
    r_squared: pd.Series
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per effect of ``rhs`` on ``lhs``: ``term`` direct, indirect or total, with delta-method errors
        (Sobel 1982, doi:10.2307/270723); ``std_all, std_low, std_high`` in standard deviations.

        An effect on the first outcome has no way round: it is direct only.
        """
        return self.effects.copy()

    def glance(self) -> pd.DataFrame:
        """Fit measures of the model, and ``r_squared_<outcome>``."""
        explained = {f"r_squared_{name}": value for name, value in self.r_squared.items()}
        return self.fit.glance().assign(**explained)

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Path diagram: standardised direct effects, dark and with their number where surely not zero, else pale."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        draw_paths(ax, self.effects[self.effects["term"] == "direct"], self.dimensions, self.outcomes, labels)
        return ax


def latent_drivers(
    data: pd.DataFrame,
    dimensions: Mapping[str, Sequence[str]],
    outcomes: Mapping[str, str | Sequence[str]],
    *,
    estimator: Literal["ML", "MLR"] = "MLR",
    missing: Literal["fiml", "listwise"] = "fiml",
    weights: str | ArrayLike | None = None,
    cluster: str | ArrayLike | None = None,
    conf_level: float = 0.95,
) -> LatentDrivers:
    """Direct, indirect and total effects of dimensions on satisfaction and, through it, on loyalty.

    A dimension or outcome of several items is a factor, of one item the item itself. Mediation is partial: every
    outcome has a direct path from every dimension (MacKinnon 2008, Introduction to Statistical Mediation Analysis).

    Parameters
    ----------
    dimensions : items by dimension, as ``instrument.dimensions``
    outcomes : item or items by outcome, causes first: ``{"satisfaction": "sat", "loyalty": ["again", "tell"]}``
    missing : "fiml" uses every answer given

    Raises
    ------
    ResponseError, ModelError : an item is absent, named twice or constant; the model cannot be identified

    Warns
    -----
    NotConvergedWarning, InadmissibleWarning : as ``qa.sem``; ``glance()`` says the same

    >>> rng = np.random.default_rng(1)
    >>> factor = rng.normal(size=500)
    >>> data = pd.DataFrame({f"r{k}": factor + rng.normal(size=500) for k in (1, 2, 3)})
    >>> data["sat"] = 0.7 * factor + rng.normal(size=500)
    >>> data["again"] = 0.5 * data["sat"] + rng.normal(size=500)
    >>> result = latent_drivers(data, {"care": ["r1", "r2", "r3"]}, {"sat": "sat", "loyalty": "again"})
    >>> result.tidy()[["term", "lhs", "rhs", "estimate"]].round(2)
           term      lhs   rhs  estimate
    0    direct      sat  care      0.56
    1    direct  loyalty   sat      0.58
    2    direct  loyalty  care     -0.07
    3  indirect  loyalty  care      0.32
    4     total  loyalty  care      0.26
    """
    blocks = _blocks(data, dimensions, outcomes)
    model, labels = model_syntax(blocks, list(dimensions), list(outcomes))
    columns = data[[item for group in blocks.values() for item in group]]
    if weights is not None:
        columns = columns.assign(**{_WEIGHT: respondent_weights(data, weights)})
    if cluster is not None:
        columns = columns.assign(**{_CLUSTER: column_of(data, cluster, "cluster")})
    fit = sem(
        model,
        columns,
        estimator=estimator,
        missing=missing if columns.isna().any(axis=None) else "listwise",
        weights=_WEIGHT if weights is not None else None,
        cluster=_CLUSTER if cluster is not None else None,
    )
    variable = {_variable(name, group): name for name, group in blocks.items()}
    explained = fit.r_squared.rename(index=variable)[list(outcomes)]
    settings = {"model": model, "estimator": estimator, "missing": missing, "conf_level": conf_level}
    return LatentDrivers(
        effects=_effects(fit.tidy(), labels, conf_level),
        fit=fit,
        dimensions=tuple(dimensions),
        outcomes=tuple(outcomes),
        r_squared=explained,
        provenance=Provenance("latent_drivers", fit.n, settings | {"weighted": weights is not None}),
    )


def model_syntax(
    blocks: Mapping[str, Sequence[str]], dimensions: Sequence[str], outcomes: Sequence[str]
) -> tuple[str, dict[str, tuple[str, str, str]]]:
    """The model in lavaan's syntax, and what its labels stand for: label → (term, lhs, rhs)."""
    variable = {name: _variable(name, group) for name, group in blocks.items()}
    lines = [f"{name} =~ {' + '.join(group)}" for name, group in blocks.items() if len(group) > 1]
    places = {name: k for k, name in enumerate(blocks)}
    labels: dict[str, tuple[str, str, str]] = {}
    defined = []
    for k, target in enumerate(outcomes):
        sources = [*outcomes[:k][::-1], *dimensions]
        right = " + ".join(f"p{places[source]}_{places[target]}*{variable[source]}" for source in sources)
        lines.append(f"{variable[target]} ~ {right}")
        for source in sources:
            label = f"p{places[source]}_{places[target]}"
            labels[label] = ("direct", target, source)
            between = outcomes[outcomes.index(source) + 1 : k] if source in outcomes else outcomes[:k]
            detours = ["*".join(_steps([source, *way, target], places)) for way in _ways(between)]
            if detours:
                for term, parts in (("indirect", detours), ("total", [label, *detours])):
                    labels[f"{term}_{label}"] = (term, target, source)
                    defined.append(f"{term}_{label} := {' + '.join(parts)}")
    return "\n".join([*lines, *defined]), labels


def _ways(between: Sequence[str]) -> Iterator[list[str]]:
    """Every choice of at least one stop, in the order of the chain."""
    for number in range(1, 2 ** len(between)):
        yield [stop for k, stop in enumerate(between) if number >> k & 1]


def _steps(way: Sequence[str], places: Mapping[str, int]) -> list[str]:
    return [f"p{places[a]}_{places[b]}" for a, b in pairwise(way)]


def _variable(name: str, group: Sequence[str]) -> str:
    return name if len(group) > 1 else group[0]


def _blocks(data: pd.DataFrame, dimensions: Mapping, outcomes: Mapping) -> dict[str, list[str]]:
    if not isinstance(data, pd.DataFrame):
        raise ResponseError(f"The data are a {type(data).__name__}; a DataFrame of respondents × items is needed.")
    if not dimensions or not outcomes:
        raise ModelError("latent_drivers needs at least one dimension and one outcome, each with its items.")
    given = [*dimensions.items(), *outcomes.items()]
    blocks = {name: [group] if isinstance(group, str) else list(group) for name, group in given}
    items = [item for group in blocks.values() for item in group]
    absent = [item for item in items if item not in data.columns]
    if absent:
        raise ResponseError(f"columns not in the data: {', '.join(absent)}.")
    twice = sorted({item for item in items if items.count(item) > 1} | (dimensions.keys() & outcomes.keys()))
    if twice or not all(blocks.values()):
        raise ModelError(f"every dimension and outcome needs items of its own; named twice or empty: {twice}.")
    check_columns(data, *items)
    flat = [item for item in items if data[item].nunique() < 2]
    if flat:
        raise ModelError(f"constant or without answers: {', '.join(flat)}. Leave them out.")
    return blocks


def _effects(table: pd.DataFrame, labels: Mapping[str, tuple[str, str, str]], conf_level: float) -> pd.DataFrame:
    found = table.drop_duplicates("label").set_index("label").loc[list(labels)]
    terms = pd.DataFrame(labels.values(), columns=["term", "lhs", "rhs"])
    z = stats.norm.ppf((1 + conf_level) / 2)
    values = found[["estimate", "std_error", "statistic", "p_value"]].reset_index(drop=True)
    std, error = found["std_all"].to_numpy(float), found["std_all_error"].to_numpy(float)
    half = z * values["std_error"]
    intervals = {"conf_low": values["estimate"] - half, "conf_high": values["estimate"] + half}
    intervals |= {"std_all": std, "std_low": std - z * error, "std_high": std + z * error}
    return pd.concat([terms, values, pd.DataFrame(intervals)], axis=1)


def draw_paths(
    ax: Axes, direct: pd.DataFrame, dimensions: Sequence[str], outcomes: Sequence[str], labels: Mapping[str, str]
) -> None:
    """Dimensions on the left, outcomes in the order of the chain to the right."""
    heights = np.linspace(1, 0, len(dimensions)) if len(dimensions) > 1 else [0.5]
    place = {name: (0.0, y) for name, y in zip(dimensions, heights, strict=True)}
    place |= {name: (1.2 + k, 0.72 if k % 2 == 0 and len(outcomes) > 1 else 0.28) for k, name in enumerate(outcomes)}
    ax.update_datalim(list(place.values()))
    middle = {"ha": "center", "va": "center"}
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "C0"}
    boxes = {
        name: ax.text(*spot, labels.get(name, name), fontsize=10, bbox=frame, **middle).get_bbox_patch()
        for name, spot in place.items()
    }
    for row in direct.assign(sure=direct["p_value"] < _SURE).sort_values("sure", kind="stable").itertuples():
        start, end = place[row.rhs], place[row.lhs]
        arrow = {"arrowstyle": "-|>", "mutation_scale": 14, "color": "C0" if row.sure else "0.82"}
        arrow |= {"linewidth": 0.8 + 5 * abs(row.std_all), "shrinkA": 0, "shrinkB": 1}
        arrow |= {"patchA": boxes[row.rhs], "patchB": boxes[row.lhs]}
        ax.annotate("", end, start, arrowprops=arrow).set_in_layout(False)
        if row.sure:
            spot = 0.55 * np.array(start) + 0.45 * np.array(end)
            number = f"{row.std_all:.2f}".replace("-", "−")
            plain = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            ax.text(*spot, number, fontsize=9, zorder=4, bbox=plain, **middle)
    ax.margins(0.16, 0.12)
    ax.autoscale_view()
    ax.set_axis_off()
