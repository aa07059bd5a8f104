"""Every YAML file of a study: study, instrument, rubric, indicators, criteria, KPIs, standards, plan, population.

Invariants: only a QaError leaves; nothing is constructed but texts, numbers, lists and mappings; a study or instrument
that was read can be written as JSON and read again to the same; time and memory are bounded by the file's size.
"""

import json
from functools import cache
from pathlib import Path

import harness
import yaml

from qa_lib.criteria import Criteria
from qa_lib.errors import StudyError
from qa_lib.operations.circle import read_circle
from qa_lib.operations.kpi.kpi_spec import read_kpi_spec
from qa_lib.operations.rubric import read_rubric
from qa_lib.operations.sampling import plan_file
from qa_lib.simulation.population import simulate
from qa_lib.study.instrument import InstrumentFile, read_instrument
from qa_lib.study.schema import load_yaml, validate
from qa_lib.study.study_file import StudyFile
from qa_lib.tracking.system import read_system

DEMO = Path(__file__).parents[2] / "data" / "raw" / "demo"
CRITERIA = b"alpha: {threshold: 0.8, source: ours}\ncfi: {threshold: 0.9, source: ours}\n"


def _study(path: Path) -> None:
    spec = validate(StudyFile, load_yaml(path, StudyError), path, StudyError)
    assert StudyFile.model_validate(json.loads(spec.model_dump_json())) == spec


def _instrument(path: Path) -> None:
    instrument = read_instrument(path)
    assert InstrumentFile.model_validate(json.loads(instrument.file.model_dump_json())) == instrument.file
    for item in instrument.items:
        assert instrument.scale_of(item)[0] < instrument.scale_of(item)[1]
        instrument.codes_without_answer(item)


def _criteria(path: Path) -> None:
    Criteria.default().override(load_yaml(path, StudyError))


def _plan(path: Path) -> None:
    plan_file(path.parent.parent, "2026-10")


def _rubric(path: Path) -> None:
    rubric = read_rubric(path)
    assert abs(rubric.weights().sum() - 1) < 1e-6
    assert all(0 <= share <= 1 for item in rubric.items for share in item.scores.values())


def _population(path: Path) -> None:
    spec = load_yaml(path, StudyError)
    if isinstance(spec.get("survey"), dict):
        spec["survey"]["responses_per_period"] = 5
        spec.pop("operations", None)
        spec["survey"]["periods"] = {"first": "2026-09", "last": "2026-10"}
    simulate(spec, seed=1)


KINDS = (
    ("study.yaml", _study, "study.yaml"),
    ("instrument.yaml", _instrument, "instrument.yaml"),
    ("rubric.yaml", _rubric, "monitoring/scorecard.yaml"),
    ("indicators.yaml", read_system, "indicators.yaml"),
    ("criteria.yaml", _criteria, None),
    ("kpis.yaml", read_kpi_spec, "kpis.yaml"),
    ("standards.yaml", read_circle, "standards.yaml"),
    ("monitoring/plan.yaml", _plan, "monitoring/plan.yaml"),
    ("population.yaml", _population, "population.yaml"),
)


def check(data: bytes) -> None:
    name, read, _ = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    harness.attempt(read, harness.file(data[1:], name))


@cache
def seeds() -> list[bytes]:
    found = []
    for place, (_, _, source) in enumerate(KINDS):
        content = yaml.safe_load(CRITERIA if source is None else (DEMO / source).read_bytes())
        small = {key: value[:2] if isinstance(value, list) else value for key, value in content.items()}
        text = yaml.safe_dump(small, allow_unicode=True, sort_keys=False)
        found.append(bytes([place]) + text[: text.rfind("\n", 0, 2000)].encode())
    return [
        *found,
        b"\x01name: {en: a}\n",
        b"\x01a: &x [1, 2]\nb: *x\n",
        b'\x00title: {en: "\\ud800\\x00"}\n',
        b"\x00? [a]\n: !!int 1\n",
    ]
