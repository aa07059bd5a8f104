"""Which items ask for an outcome, which are overall ratings of their block, which check attention."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qa_lib.drafting.columns import Column, Scale
from qa_lib.drafting.questions import stem

if TYPE_CHECKING:
    from qa_lib.drafting.items import DraftItem

_ALL_IN_ALL = r"overall|all in all|in general|总体|总的来说|整体|综合"
_OUTCOMES = {
    "nps": re.compile(r"recommend|nps|net.?pro|推荐", re.IGNORECASE),
    "recommendation": re.compile(r"recommend|word.of.mouth|推荐|口碑", re.IGNORECASE),
    "repurchase": re.compile(
        r"repurchase|use .*again|come back|loyal|cusl|再次|还会|继续使用|再购买|忠诚", re.IGNORECASE
    ),
    "effort": re.compile(r"effort|how easy|费力|是否容易|容易吗", re.IGNORECASE),
    "satisfaction": re.compile(rf"^(overall_?)?sat(isfaction)?$|^cusa|({_ALL_IN_ALL}).*(satisf|满意)", re.IGNORECASE),
}
_GROUP_OUTCOMES = {
    "satisfaction": re.compile(r"^(cu)?sat?(isfaction)?$|满意度?$", re.IGNORECASE),
    "repurchase": re.compile(r"^(cusl|loy(alty)?)$|忠诚度?$", re.IGNORECASE),
}
_OVERALL = re.compile(r"[_.\- ](?i:all|overall|global|total)$|\dALL$")
_ATTENTION = re.compile(
    r"^attention|^trap|attention.?(check|test)|please (select|choose|click|mark)|检测题|请选择|请选|注意力",
    re.IGNORECASE,
)
_PASSED = 0.6  # of the respondents or more give the right answer of an attention check


def asks_outcome(column: Column, scale: Scale) -> bool:
    return _outcome(column.name, column.wording, scale) is not None


def checks_attention(column: Column) -> bool:
    return _ATTENTION.search(f"{column.name} {column.wording}") is not None


def with_outcomes(items: Sequence[DraftItem]) -> list[DraftItem]:
    """The items, with their outcomes, attention checks and overall ratings."""
    found = []
    for item in items:
        words = " ".join(item.wording.values())
        asked_to = _ATTENTION.search(item.id) or _ATTENTION.search(words)
        if asked_to and item.usual and item.agreed >= _PASSED:
            found.append(replace(item, attention=(*item.usual, *item.scale.missing)))
        else:
            found.append(replace(item, outcome=_outcome(item.id, words, item.scale)))
    return _with_overall(found)


def _with_overall(items: Sequence[DraftItem]) -> list[DraftItem]:
    """Overall ratings of a block (``Q7ALL``, ``perf_global``) apart; where no item asks for satisfaction, that of the
    largest block does."""
    sizes = Counter(item.block for item in items)
    overall = [i for i in items if not i.outcome and sizes[i.block] > 2 and _OVERALL.search(i.columns[0])]
    asks = any(item.outcome == "satisfaction" for item in items)
    first = None if asks else max(overall, key=lambda item: sizes[item.block], default=None)
    return [
        replace(
            item,
            outcome="satisfaction" if item is first else item.outcome,
            overall=any(item is other for other in overall),
        )
        for item in items
    ]


def _outcome(name: str, words: str, scale: Scale) -> str | None:
    block = stem(name)
    for outcome, pattern in _GROUP_OUTCOMES.items():
        if block and pattern.search(block):
            return outcome
    for outcome, pattern in _OUTCOMES.items():
        if (pattern.search(name) or pattern.search(words)) and (outcome != "nps" or (scale.low, scale.high) == (0, 10)):
            return outcome
    return None
