"""Signs that the data disagree with the instrument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qa_lib.study.instrument import Instrument

_Z = 3.29  # two-sided p = .001: one false alarm in a thousand items


@dataclass(frozen=True, slots=True)
class AnswerSums:
    """What the doubts about items follow from; ``a + b`` is that of both.

    items : item → (answers, lowest, highest). complete : dimension → (its items, rows without missing answers (n,),
    their sums (items,), their products (items × items)).
    """

    items: dict[str, tuple[int, float, float]]
    complete: dict[str, tuple[list[str], int, np.ndarray, np.ndarray]]

    def __add__(self, other: AnswerSums) -> AnswerSums:
        items = dict(self.items)
        for item, (n, low, high) in other.items.items():
            known = items.get(item, (0, np.inf, -np.inf))
            items[item] = (known[0] + n, min(known[1], low), max(known[2], high))
        complete = dict(self.complete)
        for name, sums in other.complete.items():
            mine = complete.get(name, sums)
            if mine[0] == sums[0] and name in complete:
                complete[name] = (mine[0], *(a + b for a, b in zip(mine[1:], sums[1:], strict=True)))
            elif len(sums[0]) >= len(mine[0]):  # where an item was not asked nobody answered all
                complete[name] = sums
        return AnswerSums(items, complete)

    def as_lists(self) -> dict:
        """For a JSON file; :meth:`of` reads it."""
        complete = {
            name: [items, n, sums.tolist(), products.tolist()]
            for name, (items, n, sums, products) in self.complete.items()
        }
        return {"items": {item: list(facts) for item, facts in self.items.items()}, "complete": complete}

    @classmethod
    def of(cls, lists: dict) -> AnswerSums:
        complete = {
            name: (items, n, np.array(sums), np.array(products))
            for name, (items, n, sums, products) in lists["complete"].items()
        }
        return cls({item: tuple(facts) for item, facts in lists["items"].items()}, complete)


def answer_sums(data: pd.DataFrame, instrument: Instrument) -> AnswerSums:
    items = {}
    for item in (item for item in instrument.items if item in data):
        answers = data[item].dropna().to_numpy(dtype=float)
        items[item] = (len(answers), float(answers.min(initial=np.inf)), float(answers.max(initial=-np.inf)))
    complete = {}
    for name, asked in instrument.dimensions.items():
        present = [item for item in asked if item in data]
        answers = data[present].dropna().to_numpy(dtype=float)
        complete[name] = (present, len(answers), answers.sum(axis=0), answers.T @ answers)
    return AnswerSums(items, complete)


def doubtful_items(data: pd.DataFrame, instrument: Instrument) -> list[tuple[str, str, str]]:
    """(item, finding, advice) for items without answers, that never vary, or that run against their dimension.

    An item runs against the rest when its item–rest correlation, on complete rows, is negative beyond three standard
    errors by Fisher's z (Fisher 1921, Metron 1, 3–32).
    """
    return doubts_of(answer_sums(data, instrument), instrument)


def doubts_of(sums: AnswerSums, instrument: Instrument) -> list[tuple[str, str, str]]:
    """As :func:`doubtful_items`, from the sums of any number of tables."""
    doubts = []
    for item, (n, low, high) in sums.items.items():
        if n == 0:
            doubts.append((item, "has no valid answer", "Compare its column and scale in instrument.yaml."))
        elif n > 1 and low == high:
            finding = f"never varies: all {n} answers are {low:g}"
            doubts.append((item, finding, "Look at the export and its coding."))
    for present, n, total, products in sums.complete.values():
        cov = (products - np.outer(total, total) / max(n, 1)) / max(n - 1, 1)
        rest = _item_rest(cov, n)
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
    return _item_rest(np.atleast_2d(np.cov(answers, rowvar=False)) if len(answers) > 1 else np.empty(0), *answers.shape)


def _item_rest(cov: np.ndarray, n: int, k: int | None = None) -> pd.DataFrame:
    k = len(cov) if k is None else k
    if n < 10 or k < 3:
        return pd.DataFrame({"r": np.full(k, np.nan), "against": np.zeros(k, dtype=bool)})
    var, total = cov.diagonal(), cov.sum(axis=0)
    rest = cov.sum() - 2 * total + var
    spread = np.sqrt(var * np.maximum(rest, 0))
    r = np.divide(total - var, spread, out=np.full(k, np.nan), where=spread > 1e-9)
    against = np.arctanh(np.clip(np.nan_to_num(r), -0.999999, 0.999999)) < -_Z / np.sqrt(n - 3)
    return pd.DataFrame({"r": r, "against": against})
