"""Signs that the data disagree with the instrument."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qa_lib.study.instrument import Instrument

_Z = 3.29  # two-sided p = .001: one false alarm in a thousand items


def doubtful_items(data: pd.DataFrame, instrument: Instrument) -> list[tuple[str, str, str]]:
    """(item, finding, advice) for items without answers, that never vary, or that run against their dimension.

    An item runs against the rest when its item–rest correlation, on complete rows, is negative beyond three standard
    errors by Fisher's z (Fisher 1921, Metron 1, 3–32).
    """
    doubts = []
    for item in (item for item in instrument.items if item in data):
        answers = data[item].dropna().to_numpy()
        if answers.size == 0:
            doubts.append((item, "has no valid answer", "Compare its column and scale in instrument.yaml."))
        elif answers.size > 1 and np.ptp(answers) == 0:
            finding = f"never varies: all {answers.size} answers are {answers[0]:g}"
            doubts.append((item, finding, "Look at the export and its coding."))
    for items in instrument.dimensions.values():
        present = [item for item in items if item in data]
        rest = item_rest(data[present].dropna().to_numpy(dtype=float))
        for item, r, low in zip(present, rest["r"], rest["against"], strict=True):
            if low:
                key = "has" if instrument.item(item).reverse else "lacks"
                finding = f"runs against the rest of its dimension (item–rest r = {r:.2f})"
                doubts.append((item, finding, f"In instrument.yaml it {key} 'reverse: true'; compare its wording."))
    return doubts


def item_rest(answers: np.ndarray) -> pd.DataFrame:
    """Item–rest correlation of each column of complete answers (n, items), and whether it is surely negative.

    >>> item_rest(np.array([[1, 2, 5], [2, 1, 4], [3, 3, 3], [4, 5, 2], [5, 4, 1]] * 9))["against"].tolist()
    [False, False, True]
    """
    n, k = answers.shape
    if n < 10 or k < 3:
        return pd.DataFrame({"r": np.full(k, np.nan), "against": np.zeros(k, dtype=bool)})
    cov = np.cov(answers, rowvar=False)
    var, total = cov.diagonal(), cov.sum(axis=0)
    rest = cov.sum() - 2 * total + var
    spread = np.sqrt(var * np.maximum(rest, 0))
    r = np.divide(total - var, spread, out=np.full(k, np.nan), where=spread > 0)
    against = np.arctanh(np.clip(np.nan_to_num(r), -0.999999, 0.999999)) < -_Z / np.sqrt(n - 3)
    return pd.DataFrame({"r": r, "against": against})
