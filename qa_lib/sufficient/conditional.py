"""Moments of ordinal items given covariates."""

from qa_lib.errors import ModelError


def conditional_moments(table, ordered, covariates, weights):
    raise ModelError(f"{', '.join(covariates)}: covariates beside ordinal items are not supported yet.")
