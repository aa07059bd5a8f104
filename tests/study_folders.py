"""Study folders built for one test from the study files beside the tests and exports given or real."""

import shutil
from pathlib import Path

import pandas as pd
import yaml

STUDIES = Path(__file__).parent / "studies"

INSTRUMENT = {
    "name": {"en": "Small"},
    "scales": {
        "five": {
            "min": 1,
            "max": 5,
            "labels": {
                1: {"en": "Very dissatisfied", "zh": "非常不满意", "ko": "매우 불만족"},
                2: {"en": "Dissatisfied", "zh": "不满意", "ko": "불만족"},
                3: {"en": "Neither", "zh": "一般", "ko": "보통"},
                4: {"en": "Satisfied", "zh": "满意", "ko": "만족"},
                5: {"en": "Very satisfied", "zh": "非常满意", "ko": "매우 만족"},
            },
        }
    },
    "dimensions": [{"id": "speed", "name": {"en": "Speed", "zh": "速度"}}],
    "items": [
        {"id": "Q1", "scale": "five", "dimension": "speed", "wording": {"en": "Fast", "zh": "办理速度"}},
        {"id": "Q2", "scale": "five", "dimension": "speed", "wording": {"en": "On time", "zh": "准时"}},
        {"id": "Q3", "scale": "five", "dimension": "speed", "wording": {"en": "No waiting", "zh": "无需等待"}},
    ],
}
STUDY = {"title": {"en": "Small"}, "period": {"column": "date"}}


def real_study(name: str, exports: list[Path], folder: Path) -> Path:
    """``folder/raw/<name>`` with the study files of tests/studies and copies of real exports."""
    study = folder / "raw" / name
    shutil.copytree(STUDIES / name, study)
    (study / "responses").mkdir()
    for export in exports:
        shutil.copy(export, study / "responses")
    return study


def small_study(folder: Path, exports: dict[str, str | bytes], study: dict | None = None, **instrument) -> Path:
    """``folder/raw/small`` with three items on a scale of five; keywords replace keys of instrument.yaml."""
    path = folder / "raw" / "small"
    (path / "responses").mkdir(parents=True)
    (path / "study.yaml").write_text(yaml.safe_dump(STUDY | (study or {}), allow_unicode=True), encoding="utf-8")
    (path / "instrument.yaml").write_text(yaml.safe_dump(INSTRUMENT | instrument, allow_unicode=True), encoding="utf-8")
    for name, content in exports.items():
        target = path / "responses" / name
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(n: int = 12, month: str = "2026-10") -> pd.DataFrame:
    """Answers that vary and agree with one another."""
    level = [1 + (7 * i) % 5 for i in range(n)]
    return pd.DataFrame(
        {
            "respondent": [f"{month}-{i}" for i in range(n)],
            "date": [f"{month}-{1 + i % 28:02d}" for i in range(n)],
            "Q1": level,
            "Q2": [min(5, x + i % 2) for i, x in enumerate(level)],
            "Q3": [max(1, x - i % 2) for i, x in enumerate(level)],
        }
    )


def csv(table: pd.DataFrame, **options) -> str:
    return table.to_csv(index=False, **options)
