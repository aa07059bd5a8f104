"""Which columns divide respondents into groups worth a table of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from qa_lib.drafting.columns import Column, is_no_answer
from qa_lib.drafting.questions import spelt_alike, topic

_MOST = 8  # every segment is a table on several pages
_SMALLEST = 10  # respondents in the second largest group: study.yaml's own minimum_cell
_SMALLEST_SHARE = 0.03
_PEOPLE = re.compile(
    r"(?<![a-z])(age|gender|sex|income|incme|education|occupation|profession|marital.?status|household|ethnicity"
    r"|tenure|nationality)(?![a-z])|^(age|gender|sex|income|educ|occup)|年龄|性别|收入|学历|教育程度|文化程度|职业|婚姻",
    re.IGNORECASE,
)
_PLACES = re.compile(
    r"branch|outlet|^(store|shop|site)$|region|^b?area$|district|city|town|suburb|province|channel|segment|department"
    r"|office|service.?type|customer.?type|product|plan$|网点|门店|营业厅|分行|支行|地区|区域|城市|省份|渠道|部门|客户类型|业务",
    re.IGNORECASE,
)


def describes_people(column: Column) -> bool:
    """Whether its name, or a short question, says that a column holds what respondents are."""
    short = column.wording if len(column.wording) <= 60 else ""
    return any(_PEOPLE.search(words) is not None for words in (topic(column.name), short))


def segments_of(columns: Sequence[Column]) -> tuple[tuple[tuple[Column, ...], ...], tuple[Column, ...]]:
    """Columns grouped that different exports have for one segment, at most eight, and those that are left out.

    A segment is answered by half of the respondents of its exports or more, in two groups or more that can be shown.
    Those of people and places go first.
    """
    groups: list[list[Column]] = []
    for column in columns:
        same = next((group for group in groups if _same_segment(group[-1], column)), None)
        if same is None:
            groups.append([column])
        else:
            same.append(column)
    dividing = [group for group in groups if _divides(group)]
    named = [group for group in dividing if describes_people(group[0]) or _PLACES.search(topic(group[0].name))]
    chosen = [*named, *(group for group in dividing if group not in named)][:_MOST]
    kept = [group for group in groups if group in chosen]
    dropped = [
        replace(column, kind="further" if group in dividing else "other")
        for group in groups
        if group not in kept
        for column in group
    ]
    return tuple(map(tuple, kept)), tuple(dropped)


def _same_segment(a: Column, b: Column) -> bool:
    if (a.texts.notna() & b.texts.notna()).any():
        return False
    values = [set(column.texts.dropna().unique()) for column in (a, b)]
    alike = len(values[0] & values[1]) >= 0.5 * len(values[0] | values[1])
    named = not all(value.isdigit() for value in values[0])  # the codes 1 and 2 are alike everywhere
    return alike and (named or spelt_alike(a.name, b.name))


def _divides(group: Sequence[Column]) -> bool:
    asked = sum(column.n_asked for column in group)
    texts = pd.concat([column.texts for column in group]).dropna()
    counts = texts.value_counts()
    counts = counts[[not is_no_answer(text) for text in counts.index]]
    needed = min(_SMALLEST, max(1, asked // 10))  # a pilot of fifty divides, too
    return counts.sum() >= 0.5 * asked and len(counts) > 1 and counts.iloc[1] >= max(needed, _SMALLEST_SHARE * asked)
