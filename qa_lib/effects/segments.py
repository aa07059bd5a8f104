"""Does it depend on the segment what moves satisfaction: interactions, importance by segment, multi-group models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qa_lib.effects.design import RowsDesign, build_design
from qa_lib.effects.dominance import MAX_PREDICTORS, importance_shares
from qa_lib.effects.importance import holm
from qa_lib.effects.regression import CovType, Drivers, drivers, errors_that_apply, least_squares
from qa_lib.effects.rows import column_of, percentile_interval
from qa_lib.errors import ModelError, ResponseError
from qa_lib.models.compare import compare_models
from qa_lib.models.fit import sem
from qa_lib.results import Provenance, Result
from qa_lib.sufficient.values import check_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OTHERS = "others"
_PER_PREDICTOR = 10
_PER_FACTOR_MODEL = 100
_MOST_GROUPS = 50
_SEGMENT, _WEIGHT, _CLUSTER = "segment ", "weights ", "cluster "
_TEST_COLUMNS = ["term", "method", "statistic", "df", "df_residual", "p_value", "p_adjusted"]
Wald = Callable[[list[int]], float]


@dataclass(frozen=True, slots=True)
class DriverSegments(Result):
    """The driver model in every segment, and whether the segments differ.

    Attributes
    ----------
    table : rows as in ``tidy``
    tests : a row per test: ``term`` (a predictor, or "all" for the joint test), ``method``, ``statistic, df,
        df_residual, p_value, p_adjusted`` (Holm over predictors). Methods: "interaction", F test of equal coefficients,
        with the errors asked for (Wald, Chow 1960); "importance", equal shares of R² (Cochran's 1954 Q, bootstrap
        errors); "path" and, when items are given, "latent": scaled χ² difference (Satorra and Bentler 2001,
        doi:10.1007/BF02296192) of multi-group models with free and with equal regressions; "latent" where
        every segment has 100 respondents (Boomsma 1985, doi:10.1007/BF02294248); of up to 50 segments, as these models
        have parameters for each
    differences : per segment (``group``) and ``term``: its share of R² less the mean share of the other segments, with
        bootstrap errors; p adjusted by Holm over all rows
    models : the driver model of each segment
    sizes : complete rows per segment
    pooled : segments too small to stand alone, together in "others"
    left_out : segments too small even when pooled, not in any result
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    differences: pd.DataFrame
    models: Mapping[str, Drivers]
    sizes: pd.Series
    pooled: tuple[str, ...]
    left_out: tuple[str, ...]
    n: float
    provenance: Provenance

    def tidy(self) -> pd.DataFrame:
        """A row per segment (``group``) and ``term``: the coefficient with its errors as of ``qa.drivers``, and of
        importance ``share, share_low, share_high, rank, rank_low, rank_high``."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        joint = self.tests[self.tests["term"] == "all"].set_index("method")
        row = {"n": self.n, "method": "interaction", "segments": len(self.sizes), "pooled": len(self.pooled)}
        row |= joint.loc["interaction", ["statistic", "df", "df_residual", "p_value"]].to_dict()
        return pd.DataFrame(
            [row | {f"p_value_{k}": joint.loc[k, "p_value"] for k in joint.index if k != "interaction"}]
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Share of R² of every driver, a colour and a row within the driver per segment, with intervals."""
        import matplotlib.pyplot as plt

        labels = labels or {}
        ax = ax or plt.subplots()[1]
        terms, groups = list(dict.fromkeys(self.differences["term"])), list(self.sizes.index)
        for k, group in enumerate(groups):
            own = self.table[self.table["group"] == group].set_index("term").loc[terms]
            whiskers = np.abs(own[["share_low", "share_high"]].to_numpy().T - own["share"].to_numpy())
            height = np.arange(len(terms))[::-1] + 0.7 * (0.5 - (k + 0.5) / len(groups))
            ax.errorbar(own["share"], height, xerr=whiskers, fmt="o", capsize=2, label=labels.get(group, group))
        ax.set_yticks(np.arange(len(terms))[::-1], [labels.get(term, term) for term in terms])
        ax.set_xlim(left=0)
        ax.set_xlabel(labels.get("share", "Share of explained variance"))
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return ax


def driver_segments(
    data: pd.DataFrame,
    outcome: str,
    predictors: Sequence[str] | Mapping[str, Sequence[str]],
    segment: str | ArrayLike,
    weights: str | ArrayLike | None = None,
    cov_type: CovType = "HC3",
    n_boot: int = 2000,
    seed: int = 0,
    *,
    minimum: int | None = None,
    cluster: str | ArrayLike | None = None,
    conf_level: float = 0.95,
) -> DriverSegments:
    """Does importance differ by segment (branch, channel, language …).

    Parameters
    ----------
    predictors : column names; or items by dimension: scores are then means of the items answered, and a multi-group
        model of the factors behind the items is tested too
    segment : column or values that name each respondent's segment
    minimum : complete rows a segment needs to stand alone; smaller ones are pooled as "others". Ten per predictor by
        default (Harrell 2015, Regression Modeling Strategies, §4.4)
    weights, cov_type, n_boot, seed, cluster, conf_level : as of ``qa.drivers``

    Raises
    ------
    ResponseError, ModelError : as ``qa.drivers``; fewer than two segments of sufficient size

    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame(rng.normal(size=(400, 2)), columns=["speed", "care"])
    >>> data["channel"] = np.repeat(["app", "counter"], 200)
    >>> data["sat"] = np.where(data["channel"] == "app", data["speed"], data["care"]) + rng.normal(size=400)
    >>> result = driver_segments(data, "sat", ["speed", "care"], "channel", n_boot=200)
    >>> result.tests.query("method == 'interaction'")[["term", "df", "p_value"]].round(4)
        term  df  p_value
    0    all   2      0.0
    1  speed   1      0.0
    2   care   1      0.0
    """
    items = {k: list(v) for k, v in predictors.items()} if isinstance(predictors, Mapping) else {}
    terms = list(predictors)
    table, used = _working_table(data, outcome, terms, items, segment, weights, cluster)
    design = build_design(table, outcome, terms, **used)
    minimum = _PER_PREDICTOR * len(terms) if minimum is None else minimum
    names, pooled, left_out = _pool(table.loc[design.index, _SEGMENT], minimum)
    table = table.assign(**{_SEGMENT: names}).dropna(subset=_SEGMENT)
    parts = {name: part for name, part in table.groupby(_SEGMENT, observed=True)}
    design = build_design(table, outcome, terms, **used)
    designs = {name: _design_of(name, part, outcome, terms, used) for name, part in parts.items()}
    options = {"cov_type": cov_type, "n_boot": n_boot, "seed": seed, "conf_level": conf_level}
    models = {name: drivers(part, outcome, terms, **used, **options) for name, part in parts.items()}
    method = "general_dominance" if len(terms) <= MAX_PREDICTORS else "relative_weight"
    shares = np.array([importance_shares(one.cov[None], method)[0] for one in designs.values()])
    draws = np.stack([_share_draws(one, n_boot, seed + k, method) for k, one in enumerate(designs.values())])
    errors = draws.std(axis=1, ddof=1) if n_boot > 1 else np.full(shares.shape, np.nan)
    tests = [
        interaction_tests(design, table.loc[design.index, _SEGMENT].cat.codes.to_numpy(), cov_type),
        _equal_shares(terms, shares, errors),
        *_group_models(table, outcome, terms, items, used["weights"]),
    ]
    sizes = pd.Series({name: len(one.answers) for name, one in designs.items()}, name="n")
    settings = {"outcome": outcome, "predictors": terms, "minimum": minimum, **options, "weighted": weights is not None}
    return DriverSegments(
        pd.concat([_segment_rows(name, model, method) for name, model in models.items()], ignore_index=True),
        pd.concat(tests, ignore_index=True),
        _differences(list(designs), terms, shares, draws, conf_level),
        models,
        sizes,
        pooled,
        left_out,
        design.n,
        Provenance("driver_segments", design.n, settings),
    )


def _working_table(
    data, outcome, terms, items, segment, weights, cluster
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """Rows of a known segment with all that is needed, under names no column of a study has."""
    if not isinstance(data, pd.DataFrame):
        raise ResponseError(f"The data are a {type(data).__name__}; a DataFrame of respondents × items is needed.")
    absent = [name for group in items.values() for name in group if name not in data.columns]
    if absent:
        raise ResponseError(f"columns not in the data: {', '.join(absent)}.")
    check_columns(data, *(name for group in items.values() for name in group))
    scores = {name: data[group].mean(axis=1) for name, group in items.items()}
    columns = dict.fromkeys([*(name for group in items.values() for name in group), outcome, *terms])
    table = data.assign(**scores)
    table = table[[name for name in columns if name in table.columns]]
    given = {_SEGMENT: segment, _WEIGHT: weights, _CLUSTER: cluster}
    known = {name: column_of(data, column, name.strip()) for name, column in given.items() if column is not None}
    table = table.assign(**known).dropna(subset=_SEGMENT).reset_index(drop=True)
    if table.empty:
        raise ResponseError("segment: missing for every respondent; name a column that says where each belongs.")
    table[_SEGMENT] = table[_SEGMENT].astype(str)
    return table, {"weights": _WEIGHT if _WEIGHT in table else None, "cluster": _CLUSTER if _CLUSTER in table else None}


def _pool(complete: pd.Series, minimum: int) -> tuple[pd.Series, tuple[str, ...], tuple[str, ...]]:
    """Each complete row's segment, the largest first, small ones as "others", NaN where even these are too few."""
    sizes = complete.value_counts()
    small = sizes.index[sizes < minimum]
    names = complete.where(~complete.isin(small), OTHERS)
    left_out = tuple(small) if sizes[small].sum() < minimum else ()
    order = [name for name in sizes.index if name not in small] + [OTHERS] * (len(small) > 0 and not left_out)
    if len(order) < 2:
        found = ", ".join(f"{name} ({n})" for name, n in sizes.items())
        raise ModelError(
            f"segments: fewer than two hold {minimum} complete rows: {found}. Use a longer period, or minimum=."
        )
    kept = pd.Series(pd.Categorical(names.where(names.isin(order)), order), complete.index)
    return kept, () if left_out else tuple(small), left_out


def _design_of(name: str, part: pd.DataFrame, outcome: str, terms: list[str], used: Mapping) -> RowsDesign:
    try:
        return build_design(part, outcome, terms, **used)
    except ModelError as error:
        raise ModelError(f"segment {name!r}: {error}") from error


def _share_draws(design: RowsDesign, n_boot: int, seed: int, method: str) -> np.ndarray:
    """(B, p) shares of R² in resampled respondents."""
    blocks = [importance_shares(covs, method) for covs in design.replicates(n_boot, seed)] if n_boot else []
    return np.concatenate([np.empty((0, len(design.predictors))), *blocks])


def interaction_tests(design: RowsDesign, codes: np.ndarray, cov_type: CovType) -> pd.DataFrame:
    """F tests that the coefficients are the same in all segments: of all predictors, and of each.

    All interactions with the segment make as many models as there are segments. With errors of rows (HC) these are
    independent, and nothing as wide as all of them together is computed.
    """
    terms, cov_type = design.predictors, errors_that_apply(design, cov_type)
    compare = _independent if cov_type.startswith("HC") else _jointly
    wald, df_residual = compare(design, codes, cov_type)
    rows = []
    for term, chosen in {"all": list(range(len(terms))), **{term: [k] for k, term in enumerate(terms)}}.items():
        df = int(codes.max()) * len(chosen)
        # with fewer clusters than contrasts their covariance is singular: no statistic
        statistic = wald(chosen) / df if df <= df_residual else np.nan
        p_value = stats.f.sf(statistic, df, df_residual)
        rows.append({"term": term, "statistic": statistic, "df": df, "df_residual": df_residual, "p_value": p_value})
    return _tests("interaction", rows)


def _independent(design: RowsDesign, codes: np.ndarray, cov_type: str) -> tuple[Wald, float]:
    """Wald's χ² that chosen slopes are equal: Σ (b − b̄)'V⁻¹(b − b̄) over segments, b̄ weighted by V⁻¹."""
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    x, total = design.with_intercept, len(parts) * (len(design.predictors) + 1)
    single = "HC0" if cov_type == "HC1" else cov_type
    share = design.n / len(codes)
    found = [least_squares(design.y[own], x[own], design.weights[own], share * len(own), single, None) for own in parts]
    slopes = np.array([params[1:] for params, _, _ in found])
    vcov = np.array([cov[1:, 1:] for _, cov, _ in found])
    if cov_type == "HC1":
        vcov *= len(codes) / (len(codes) - total)

    def wald(chosen: list[int]) -> float:
        own = slopes[:, chosen]
        precision = np.linalg.inv(vcov[:, chosen][:, :, chosen])
        mean = np.linalg.solve(precision.sum(axis=0), np.einsum("sab,sb->a", precision, own))
        return float(np.einsum("sa,sab,sb->", own - mean, precision, own - mean))

    return wald, design.n - total


def _jointly(design: RowsDesign, codes: np.ndarray, cov_type: str) -> tuple[Wald, float]:
    """The same from one regression with all interactions: clusters may lie across segments."""
    count, width = int(codes.max()) + 1, len(design.predictors) + 1
    blocks = np.zeros((len(codes), count, width))
    blocks[np.arange(len(codes)), codes] = design.with_intercept
    x = blocks.reshape(len(codes), -1)
    params, vcov, df_residual = least_squares(design.y, x, design.weights, design.n, cov_type, design.clusters)

    def wald(chosen: list[int]) -> float:
        contrast = np.zeros((count - 1, len(chosen), count, width))
        for place, k in enumerate(chosen):
            contrast[:, place, 0, k + 1] = -1
            contrast[np.arange(count - 1), place, np.arange(1, count), k + 1] = 1
        contrast = contrast.reshape(-1, count * width)
        gap = contrast @ params
        return float(gap @ np.linalg.solve(contrast @ vcov @ contrast.T, gap))

    return wald, df_residual


def _equal_shares(terms: list[str], shares: np.ndarray, errors: np.ndarray) -> pd.DataFrame:
    """Cochran's Q of each predictor's share over segments (segments × predictors): Σ (share − mean)² ÷ error², the mean
    weighted by 1 ÷ error² (Cochran 1954, doi:10.2307/3001666)."""
    precision = 1 / errors**2
    mean = (precision * shares).sum(axis=0) / precision.sum(axis=0)
    statistic = (precision * (shares - mean) ** 2).sum(axis=0)
    df = len(shares) - 1
    columns = {"term": terms, "statistic": statistic, "df": df, "p_value": stats.chi2.sf(statistic, df)}
    return _tests("importance", pd.DataFrame(columns).to_dict("records"))


def _tests(method: str, rows: list[dict]) -> pd.DataFrame:
    """Rows of one method, p values of the single predictors adjusted by Holm."""
    table = pd.DataFrame(rows).assign(method=method).reindex(columns=_TEST_COLUMNS)
    single = table["term"] != "all"
    table.loc[single, "p_adjusted"] = holm(table.loc[single, "p_value"].to_numpy())
    return table


def _group_models(
    table: pd.DataFrame, outcome: str, terms: list[str], items: Mapping[str, list[str]], weights: str | None
) -> list[pd.DataFrame]:
    """χ² difference tests of equal regressions in multi-group models (Satorra–Bentler): of the scores, and of the
    factors behind the items with loadings equal in all segments."""
    regression = f"{outcome} ~ {' + '.join(terms)}"
    if table[_SEGMENT].cat.categories.size > _MOST_GROUPS:
        return []
    models = {"path": (regression, ())}
    large = table[_SEGMENT].value_counts().min() >= _PER_FACTOR_MODEL
    if items and large and all(len(group) > 1 for group in items.values()):
        measured = "\n".join(f"{name} =~ {' + '.join(group)}" for name, group in items.items())
        models["latent"] = (f"{measured}\n{regression}", ("loadings",))
    observed = table.assign(**{_SEGMENT: table[_SEGMENT].astype(str)})
    options = {"estimator": "MLM", "group": _SEGMENT, "weights": weights}
    found = []
    for method, (model, equal) in models.items():
        free, restricted = (sem(model, observed, group_equal=g, **options) for g in (equal, (*equal, "regressions")))
        row: dict[str, object] = {"term": "all"}
        if free.converged and restricted.converged:
            test = compare_models(restricted, free)
            row |= {"statistic": test.chisq_diff, "df": test.df_diff, "p_value": test.p_value}
        found.append(_tests(method, [row]))
    return found


def _segment_rows(name: str, model: Drivers, method: str) -> pd.DataFrame:
    importance = model.importance.tidy()
    importance = importance[importance["method"] == method].set_index("term")
    columns = ["share", "share_low", "share_high", "rank", "rank_low", "rank_high"]
    table = model.tidy().drop(columns=["std_low", "std_high"]).join(importance[columns], on="term")
    return table.assign(group=name, n=model.glance()["n"].item())


def _differences(
    groups: list[str], terms: list[str], shares: np.ndarray, draws: np.ndarray, conf_level: float
) -> pd.DataFrame:
    """Each segment's share less the mean of the others', from shares (G, p) and draws (G, B, p)."""
    count = len(shares)

    def beyond_others(values: np.ndarray) -> np.ndarray:
        return (count * values - values.sum(axis=0)) / (count - 1)

    difference, drawn = beyond_others(shares), beyond_others(draws).swapaxes(0, 1)
    low, high = percentile_interval(drawn, conf_level)
    error = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.full(shares.shape, np.nan)
    statistic = difference / error
    p_value = 2 * stats.norm.sf(np.abs(statistic)).ravel()
    columns = {"group": np.repeat(groups, len(terms)), "term": np.tile(terms, count), "share": shares.ravel()}
    columns |= {"estimate": difference.ravel(), "std_error": error.ravel(), "statistic": statistic.ravel()}
    columns |= {"p_value": p_value, "p_adjusted": holm(p_value), "conf_low": low.ravel(), "conf_high": high.ravel()}
    return pd.DataFrame(columns)
