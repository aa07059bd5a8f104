"""``qa new``: a study drafted from an export of any names and cells.

Invariants: only a QaError leaves; a draft's YAML is read again as it was meant, whatever the headers hold; nothing is
written beside the study's folder; the draft of a draft's own exports is the same.
"""

import shutil

import fuzz_text
import harness

from qa_lib.drafting.draft import draft
from qa_lib.study.study import read_study

SEEDS = (
    "speed_1,speed_2,care_1,care_2,sat,date,branch,id\n",
    "3、您对速度满意吗？,4、您对态度满意吗？,总体满意度,提交答卷时间,网点,序号\n",
    '"x: [1\n# y",=HYPERLINK(1)_1,=HYPERLINK(1)_2,../../etc,"<script>alert(1)</script>",when,where,who\n',
)


def check(data: bytes) -> None:
    path = harness.file(data, "export 2026.csv")
    found = harness.attempt(draft, path)
    if found is None:
        return
    target = harness.SCRATCH / "drafts" / "drafted"
    shutil.rmtree(target.parent, ignore_errors=True)
    harness.attempt(found.write, target)
    assert [entry.name for entry in target.parent.iterdir()] == ["drafted"]
    study = read_study(target)
    assert [item.id for item in found.items if not item.attention] == list(study.instrument.items)
    assert [list(item.columns) for item in found.items if not item.attention] == [
        item.names for item in study.instrument.items.values()
    ]


def seeds() -> list[bytes]:
    rows = "".join(
        f"{1 + i % 5},{1 + i % 4},{1 + i % 3},{5 - i % 5},{1 + i % 5},2026-10-0{1 + i % 9},N{i % 2},{i}\n"
        for i in range(12)
    )
    return [(header + rows).encode() for header in SEEDS] + [seed[1:] for seed in fuzz_text.seeds()]
