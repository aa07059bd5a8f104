"""What comments without a theme speak of: a simple topic model, seeded, its topics named by their words."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qa_lib.voice.words import WORDS, cutter, plain, stem

MOST, _USERS, _SHOWN, _STEPS = 6, 3, 5, 1000
_EMPTY_WORDS = """
我们 你们 他们 她们 自己 这个 那个 这些 那些 这里 那里 这样 那样 什么 怎么 因为 所以 但是
不过 如果 虽然 而且 或者 还是 就是 不是 没有 可以 已经 一个 一些 一下 一点 有点 非常 比较
真的 希望 觉得 感觉 知道 时候 现在 今天 这次 每次 还有 以及 进行 建议 能够 应该 需要
"""
_CHINESE_STOP = set(_EMPTY_WORDS.split())


class Topics(NamedTuple):
    """``of`` (n,) is each comment's topic, −1 where none of its words is in use; ``words`` each topic's own."""

    of: np.ndarray
    words: list[tuple[str, ...]]
    converged: bool


def topics(texts: Sequence[str], minimum: int = 10, seed: int = 1) -> Topics:
    """Non-negative factors of the comments' tf-idf weights (Lee and Seung 1999, doi:10.1038/44565).

    A comment belongs to the topic that weighs most in it. There are as many topics as can be, six at most, while each
    holds ``minimum`` comments or more; none where there are fewer comments. Words used by fewer than three comments
    stand for no topic and are never shown. The same texts and seed give the same topics.
    """
    documents = [_content_words(text) for text in texts]
    surfaces: dict[str, Counter] = {}
    for document in documents:
        for word, surface in document:
            surfaces.setdefault(word, Counter())[surface] += 1
    weights, vocabulary = _tfidf([[word for word, _ in document] for document in documents])
    most = min(MOST, len(texts) // max(minimum, 1), *weights.shape)
    for k in range(most, 0, -1):
        of, parts, converged = _factors(weights, k, seed)
        if min(np.bincount(of[of >= 0], minlength=k)) >= minimum:
            return _ordered(of, parts, vocabulary, surfaces, converged)
    return Topics(np.full(len(texts), -1), [], True)


def _content_words(text: str) -> list[tuple[str, str]]:
    """(word, as it was written) without words that say nothing by themselves."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = []
    for han, latin in WORDS.findall(plain(text)):
        if han:
            found += [(word, word) for word in cutter().jieba.cut(han) if len(word) > 1 and word not in _CHINESE_STOP]
        elif len(latin) > 2 and latin.lower() not in ENGLISH_STOP_WORDS:
            found.append((stem(latin), latin.lower()))
    return found


def _tfidf(documents: Sequence[Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """Smoothed tf-idf, rows of length 1 (texts × words that enough texts use), and the words, sorted."""
    used = Counter(word for document in documents for word in set(document))
    vocabulary = sorted(word for word, n in used.items() if n >= _USERS)
    place = {word: column for column, word in enumerate(vocabulary)}
    counts = np.zeros((len(documents), len(vocabulary)))
    for row, document in enumerate(documents):
        for word in document:
            if word in place:
                counts[row, place[word]] += 1
    weights = counts * (1 + np.log((1 + len(documents)) / (1 + np.array([used[word] for word in vocabulary]))))
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.divide(weights, length, out=weights, where=length > 0), vocabulary


def _factors(weights: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Each text's topic, the topics' weights on words (k × words), and whether the factors were found."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(k, init="nndsvda", max_iter=_STEPS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by the number of iterations
        shares = model.fit_transform(weights)
    exact = model.reconstruction_err_ < 1e-6 * np.linalg.norm(weights)  # leaves the stopping rule nothing to compare
    converged = bool(exact or model.n_iter_ < _STEPS)
    scale = np.linalg.norm(model.components_, axis=1)
    shares = np.round(shares * scale, 9)  # ties do not hang on the last digits
    return np.where(shares.max(axis=1) > 0, shares.argmax(axis=1), -1), model.components_, converged


def _ordered(
    of: np.ndarray, parts: np.ndarray, vocabulary: Sequence[str], surfaces: dict[str, Counter], converged: bool
) -> Topics:
    """The largest topic first, each with the words that weigh most in it, as they were mostly written."""
    words = []
    for part in np.round(parts, 9):
        best = [place for place in np.argsort(-part, kind="stable")[:_SHOWN] if part[place] > 0.2 * part.max()]
        words.append(tuple(min(surfaces[vocabulary[i]].items(), key=lambda it: (-it[1], it[0]))[0] for i in best))
    counts = np.bincount(of[of >= 0], minlength=len(parts))
    order = sorted(range(len(parts)), key=lambda topic: (-counts[topic], words[topic]))
    rank = np.array([*np.argsort(order), -1])
    return Topics(rank[of], [words[topic] for topic in order], converged)
