"""The manager's page: where do we stand, what changed, where, why, what to do, may we trust it; a file per question."""

from qa_lib.report.pages.front.brief import in_brief
from qa_lib.report.pages.front.changed import expected_and_experienced, over_time, restatement, what_changed
from qa_lib.report.pages.front.service import headline_kpis
from qa_lib.report.pages.front.stand import headline, where_we_stand
from qa_lib.report.pages.front.trust import may_we_trust_it
from qa_lib.report.pages.front.where import find_signals, where_it_differs
from qa_lib.report.pages.front.why import driver_positions, importance, what_to_do
from qa_lib.report.pages.front.words import in_their_words

__all__ = [
    "driver_positions",
    "expected_and_experienced",
    "find_signals",
    "headline",
    "headline_kpis",
    "importance",
    "in_brief",
    "in_their_words",
    "may_we_trust_it",
    "over_time",
    "restatement",
    "what_changed",
    "what_to_do",
    "where_it_differs",
    "where_we_stand",
]
