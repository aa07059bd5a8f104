"""Which items of a dimension run against the others, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qa_lib.study.checks import item_rest

_SURE = 3.29  # standard errors; two-sided p = .001: one false alarm in a thousand items

Key = tuple[bool, str]
"""(whether the item is reversed, what that rests on); the words are empty where nothing speaks for it."""


def reversed_keys(items: Sequence[np.ndarray], outcomes: Sequence[np.ndarray]) -> list[Key]:
    """For every item of one dimension, by its codes (n,), whether it is taken as reverse-keyed.

    Signs are those of the first component; an item's counts where its correlation with the rest, so signed, is surely
    above chance by Fisher's z. The fewer are reversed. Where as many run one way as the other, those are that run
    against an outcome; where no outcome tells, none is, and the words say so.

    >>> x = np.tile([1, 2, 3, 4, 5], 9)
    >>> [key for key, _ in reversed_keys([x, x, 6 - x], [])]
    [False, False, True]
    >>> reversed_keys([x, x, 6 - x, 6 - x], [])[3]
    (False, 'not reversed, though half of the items of its dimension run against the other half')
    >>> [key for key, _ in reversed_keys([x, x, 6 - x, 6 - x], [6 - x])]
    [True, True, False, False]
    """
    signs = _signs(np.column_stack(items))
    minus, plus = signs < 0, signs > 0
    if not minus.any() or not plus.any():
        return [(False, "")] * len(items)
    if minus.sum() != plus.sum():
        against = minus if minus.sum() < plus.sum() else plus
        why = f"it runs against its dimension, as {against.sum()} of {len(items)} items do"
        return [(bool(hit), why if hit else "") for hit in against]
    towards = _agreement(np.column_stack(items) * signs, outcomes)
    if not towards:
        why = "not reversed, though half of the items of its dimension run against the other half"
        return [(False, why if sign else "") for sign in signs]
    why = "it runs against half of its dimension and against the outcome"
    return [(bool(sign * towards < 0), why if sign * towards < 0 else "") for sign in signs]


def _signs(answers: np.ndarray) -> np.ndarray:
    """1 or -1 for items (columns) that surely run with or against the first component, 0 for the others."""
    answers = answers[~np.isnan(answers).any(axis=1)]
    if answers.shape[1] < 3 or len(answers) < 10 or (np.ptp(answers, axis=0) == 0).any():
        return np.zeros(answers.shape[1])
    signs = np.sign(np.linalg.eigh(np.corrcoef(answers, rowvar=False))[1][:, -1])
    r = item_rest(answers * signs)["r"].to_numpy()
    return np.where(_sure(r, len(answers)), signs, 0.0)


def _sure(r: np.ndarray | float, n: int) -> np.ndarray | bool:
    return np.arctanh(np.clip(r, -0.999999, 0.999999)) > _SURE / np.sqrt(n - 3)


def _agreement(signed: np.ndarray, outcomes: Sequence[np.ndarray]) -> int:
    """1 where the signed items' sum surely goes with the outcomes, -1 where against, 0 where neither is sure."""
    if not outcomes:
        return 0
    pair = np.column_stack([signed.sum(axis=1), np.column_stack(outcomes).mean(axis=1)])
    pair = pair[~np.isnan(pair).any(axis=1)]
    if len(pair) < 10 or (np.ptp(pair, axis=0) == 0).any():
        return 0
    r = float(np.corrcoef(pair, rowvar=False)[0, 1])
    return int(np.sign(r)) if _sure(abs(r), len(pair)) else 0
