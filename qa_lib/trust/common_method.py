"""Do answers agree because one method asked them all: one factor for everything, and a marker variable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qa_lib.models.fit import cfa
from qa_lib.models.solution import ModelFit


def harman_share(corr: np.ndarray) -> float:
    """Share of the first principal component of all items (Harman's test; Podsakoff et al. 2003,
    doi:10.1037/0021-9010.88.5.879): above half of the variance speaks for one common source."""
    return float(np.linalg.eigvalsh(corr)[-1] / len(corr))


def one_factor_check(fit: ModelFit, items: Sequence[str]) -> pd.DataFrame:
    """One row: Harman's share, and the fit of one factor for all items beside the model's."""
    observed = list(fit.table.observed)
    where = [observed.index(item) for item in items]
    cov = np.asarray(fit.samples[0].cov)[np.ix_(where, where)]
    single = cfa("method =~ " + " + ".join(items), pd.DataFrame(cov, items, items), nobs=round(fit.n))
    one, model = single.glance().iloc[0], fit.glance().iloc[0]
    sd = np.sqrt(np.diag(cov))
    return pd.DataFrame(
        [
            {
                "harman_share": harman_share(cov / np.outer(sd, sd)),
                "cfi_one_factor": one["cfi"],
                "rmsea_one_factor": one["rmsea"],
                "cfi_model": model["cfi"],
                "chisq_difference": one["chisq"] - model["chisq"],
                "df_difference": one["df"] - model["df"],
            }
        ]
    )


def marker_adjusted(r: np.ndarray, marker_r: float) -> np.ndarray:
    """Correlations without what a theoretically unrelated marker shares with all (Lindell and Whitney 2001, eq. 4,
    doi:10.1037/0021-9010.86.1.114); ``marker_r`` is the marker's smallest correlation.

    >>> marker_adjusted(np.array([.5, .3]), .1).round(3).tolist()
    [0.444, 0.222]
    """
    return (r - marker_r) / (1 - marker_r)


def marker_check(scores: pd.DataFrame, marker: pd.Series) -> pd.DataFrame:
    """A row per pair of dimensions: correlation of their scores, and the one adjusted for the marker."""
    names = list(scores)
    r = scores.corr().to_numpy()
    smallest = float(scores.corrwith(marker).abs().min())
    first, second = np.triu_indices(len(names), 1)
    return pd.DataFrame(
        {
            "term": "marker_adjusted",
            "lhs": [names[i] for i in first],
            "rhs": [names[j] for j in second],
            "unadjusted": r[first, second],
            "estimate": marker_adjusted(r[first, second], smallest),
            "marker_r": smallest,
        }
    )
