"""Robust errors, tests and fit indices of models of ordinal items."""

from __future__ import annotations

import numpy as np

from qa_lib.models.discrepancy import Evaluation
from qa_lib.models.inference import ChiSquare, constrained_inverse
from qa_lib.models.ordinal.ordinal import OrdinalObjective


def robust_results(objective: OrdinalObjective, at: Evaluation, mapping: np.ndarray) -> tuple[np.ndarray, ChiSquare]:
    """Sandwich covariance of the estimates, and the scaled-and-shifted test of fit (Asparouhov and Muthén 2010)."""
    bread = constrained_inverse(objective.expected(at), mapping)
    spread, first, second = _spreads(objective, at)
    moved = bread @ spread
    covariance = moved @ bread / (objective.n - len(objective.samples))
    weighted = sum(float(own.weight @ np.diag(own.gamma)) for own in objective.statistics)
    trace = weighted - np.trace(moved)
    trace_squared = first - 2 * float(np.sum(bread * second)) + float(np.sum(moved * moved.T))
    df = sum(len(own.observed) for own in objective.statistics) - mapping.shape[1]
    return covariance, shifted_test(_statistic(objective, at), df, trace, trace_squared)


def shifted_test(statistic: float, df: int, trace: float, trace_squared: float) -> ChiSquare:
    """The statistic scaled and shifted to mean and variance of a chi-square, from tr(UΓ) and tr((UΓ)²)."""
    if df <= 0 or not np.isfinite(trace_squared):
        return ChiSquare(statistic, df)
    stretch = np.sqrt(df / trace_squared)
    return ChiSquare(statistic, df, 1 / stretch, df - stretch * trace)


def _statistic(objective: OrdinalObjective, at: Evaluation) -> float:
    parts = zip(objective.samples, objective.statistics, objective.residuals(at.implied), strict=True)
    return float(sum((sample.n - 1) * (own.weight @ residual**2) for sample, own, residual in parts))


def statistic_products(objective: OrdinalObjective, at: Evaluation) -> np.ndarray:
    """Δ'WΓWΔ per respondent (n_free × n_free): how the gradient spreads."""
    return _spreads(objective, at)[0]


def _spreads(objective: OrdinalObjective, at: Evaluation) -> tuple[np.ndarray, float, np.ndarray]:
    """Δ'WΓWΔ, tr(WΓWΓ) and Δ'WΓWΓWΔ over all groups: with the bread B, U = W − WΔBΔ'W, they give tr((UΓ)²)."""
    spread = np.zeros((objective.n_free, objective.n_free))
    second, squared = np.zeros_like(spread), 0.0
    for share, block, own, jacobian in zip(
        objective.shares, objective.blocks, objective.statistics, at.tangents, strict=True
    ):
        weighted = own.weight[:, None] * jacobian
        turned = own.gamma @ weighted
        where = np.ix_(block.free, block.free)
        spread[where] += share * weighted.T @ turned
        second[where] += share * turned.T @ (own.weight[:, None] * turned)
        squared += float(own.weight @ own.gamma**2 @ own.weight)
    return spread, squared, second


def baseline_test(objective: OrdinalObjective) -> ChiSquare:
    """The test of uncorrelated items: everything but the covariances is free, so that these are its residuals."""
    statistic = trace = trace_squared = 0.0
    df = 0
    for sample, own, layout in zip(objective.samples, objective.statistics, objective.layouts, strict=True):
        left = slice(layout.n_free_of_model, None)
        weight, gamma = own.weight[left], own.gamma[left, left]
        statistic += (sample.n - 1) * float(weight @ own.observed[left] ** 2)
        trace += float(weight @ np.diag(gamma))
        trace_squared += float(weight @ gamma**2 @ weight)
        df += len(weight)
    return shifted_test(statistic, df, trace, trace_squared)


def correlation_srmr(objective: OrdinalObjective, at: Evaluation) -> float:
    """SRMR of the covariances, Bentler (1995), thresholds and variances left out of the sum but, as in lavaan, the
    variances (of covariates too) counted among the moments; groups averaged by size."""
    values = []
    for sample, block, layout, implied in zip(
        objective.samples, objective.blocks, objective.layouts, at.implied, strict=True
    ):
        scale = np.sqrt(np.diag(sample.cov))
        residual = ((sample.cov - implied.cov) / scale[:, None] / scale)[layout.row, layout.column]
        values.append(np.sqrt(residual @ residual / (len(residual) + block.n_observed)))
    return float(np.average(values, weights=objective.shares))


def correlation_tests(objective: OrdinalObjective, at: Evaluation, mapping: np.ndarray, df: float) -> tuple | None:
    """Tests of the model and of the baseline by maximum likelihood of the polychoric correlations, at these estimates.

    Their statistics and scaling factors give the robust indices of Savalei (2021, doi:10.1080/00273171.2020.1717922).
    With several groups the baseline's factor sums Γ over the groups' shares, as lavaan does. None where they do not
    exist: a polychoric matrix that is not positive definite, continuous items, covariates, restricted thresholds.
    """
    if any(len(layout.continuous) or len(layout.slope[0]) for layout in objective.layouts):
        return None
    if any(np.linalg.eigvalsh(sample.cov)[0] < np.sqrt(np.finfo(float).eps) for sample in objective.samples):
        return None
    if df != _correlation_df(objective, at, mapping):
        return None
    bread = constrained_inverse(objective.expected(at), mapping)
    inner, crossed = np.zeros_like(bread), np.zeros_like(bread)
    misfit = worst = trace = trace_null = 0.0
    parts = zip(
        objective.shares, objective.blocks, objective.samples, objective.statistics, objective.layouts, at.implied,
        at.tangents, strict=True,
    )  # fmt: skip
    products = np.zeros_like(bread)
    for share, block, sample, own, layout, implied, jacobian in parts:
        left = slice(layout.n_free_of_model, None)
        gamma, by, weight = own.gamma[left, left], jacobian[left], own.weight[left]
        metric = _normal_metric(np.linalg.inv(implied.cov), layout.row, layout.column)
        ratio = np.linalg.solve(implied.cov, sample.cov)
        misfit += sample.n * (np.trace(ratio) - len(ratio) - np.linalg.slogdet(ratio)[1])
        worst -= sample.n * np.linalg.slogdet(sample.cov)[1]
        trace += float(np.sum(metric * gamma))
        trace_null += float(np.trace(gamma)) / share
        where = np.ix_(block.free, block.free)
        pulled = (weight[:, None] * by).T @ gamma
        inner[where] += share * by.T @ metric @ by
        crossed[where] += share * pulled @ metric @ by
        products[where] += share * pulled @ (weight[:, None] * by)
    df_null = sum(len(layout.row) for layout in objective.layouts)
    trace += -2 * float(np.sum(bread * crossed.T)) + float(np.sum((bread @ inner @ bread) * products))
    return ChiSquare(misfit, df, trace / df), ChiSquare(worst, df_null, trace_null / df_null)


def _correlation_df(objective: OrdinalObjective, at: Evaluation, mapping: np.ndarray) -> int:
    """Correlations less the parameters that move them: all the restrictions, where thresholds are free."""
    moving = np.zeros(mapping.shape[1], bool)
    for block, layout, jacobian in zip(objective.blocks, objective.layouts, at.tangents, strict=True):
        moving |= np.abs(jacobian[layout.n_free_of_model :] @ mapping[block.free]).max(0) > 0
    return sum(len(layout.row) for layout in objective.layouts) - int(moving.sum())


def _normal_metric(precision: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Normal-theory information of correlations at implied ones, pairs × pairs."""
    straight = precision[np.ix_(row, row)] * precision[np.ix_(column, column)]
    return straight + precision[np.ix_(row, column)] * precision[np.ix_(column, row)]
