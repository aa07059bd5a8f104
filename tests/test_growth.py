"""Large studies, kept period by period: the same responses as from one table, and only what was asked for is read."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

import qa_lib as qa
from qa_lib.errors import ResponseError
from qa_lib.report import render
from qa_lib.report.pages import page
from qa_lib.study import partitions
from qa_lib.study.findings import check as qa_check
from qa_lib.sufficient import resample

DEMO = Path(__file__).parents[1] / "data" / "raw" / "demo"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    study = tmp_path / "data" / "raw" / "demo"
    (study / "responses").mkdir(parents=True)
    exports = [path for month in ("08", "09", "10") for path in (DEMO / "responses").glob(f"2026-{month}*")]
    for path in [DEMO / "study.yaml", DEMO / "instrument.yaml", *exports]:
        shutil.copy(path, study / path.relative_to(DEMO))
    return study


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study counts as large."""
    monkeypatch.setattr(partitions, "LARGE_BYTES", 0)
    monkeypatch.setattr(partitions, "_read_lately", {})


def same(kept: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal but for how a missing text is written: None before it was kept, NaN after."""
    tables = [table.astype(object).where(table.notna(), None) for table in (kept, expected.reset_index(drop=True))]
    assert_frame_equal(*tables, check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("period", ["2026-10", "2026-Q3", "2026-W40", "2026-10-05", None])
def test_partitions_hold_the_same_responses_as_one_table(demo, period, monkeypatch) -> None:
    whole = qa.read_study(demo).responses(period)
    whole_ledger = whole.ledger
    monkeypatch.setattr(partitions, "LARGE_BYTES", 0)
    kept = qa.read_study(demo).responses(period)
    same(kept.data, whole.data)
    order = ["file", "row", "column", "reason", "before", "after"]
    if period is None:  # rows without a period belong to none
        whole_ledger = whole_ledger[whole_ledger["row"].isna() | whole_ledger["period"].notna()]
    same(kept.ledger.sort_values(order, ignore_index=True), whole_ledger.sort_values(order, ignore_index=True))


def test_a_month_reads_its_own_table_only(demo, large, monkeypatch) -> None:
    study = qa.read_study(demo)
    assert study.periods()[-1] == "2026-10"
    read = []
    original = partitions.pq.read_table
    monkeypatch.setattr(partitions.pq, "read_table", lambda path, **rest: read.append(path.name) or original(path))
    study.responses("2026-10")
    assert read == ["2026-10.parquet", "2026-10.ledger.parquet"]


def test_only_a_changed_export_is_read_again(demo, large, monkeypatch) -> None:
    qa.read_study(demo).periods()
    export = sorted((demo / "responses").glob("2026-10*"))[0]
    export.write_bytes(export.read_bytes() + b"\n")
    read = []
    original = partitions.export_blocks
    monkeypatch.setattr(
        partitions, "export_blocks", lambda path, *rest: read.append(path.name) or original(path, *rest)
    )
    assert len(qa.read_study(demo).responses("2026-10").data)
    assert read == [export.name]


def test_a_period_without_responses_is_named(demo, large) -> None:
    with pytest.raises(ResponseError, match=r"no responses in 2031-01\. Periods with responses: 2026-08 to 2026-10"):
        qa.read_study(demo).responses("2031-01")


@pytest.mark.parametrize("missing", [0.0, 0.03])
def test_resamples_of_many_respondents_spread_as_drawn_ones_do(monkeypatch, missing) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((25_000, 3)) @ rng.standard_normal((3, 3))
    x[rng.random(x.shape) < missing] = np.nan
    means, covs = resample.bootstrap_moments(x, 800, 1)
    monkeypatch.setattr(resample, "LARGE", len(x))
    drawn_means, drawn_covs = resample.bootstrap_moments(x, 800, 1)
    np.testing.assert_allclose(means.std(axis=0), drawn_means.std(axis=0), rtol=0.15)
    np.testing.assert_allclose(covs.std(axis=0), drawn_covs.std(axis=0), rtol=0.15)
    np.testing.assert_allclose(means.mean(axis=0), drawn_means.mean(axis=0), atol=0.002)
    np.testing.assert_allclose(covs.mean(axis=0), drawn_covs.mean(axis=0), atol=0.01)


def test_check_finds_the_same_period_by_period(demo, monkeypatch) -> None:
    said = yaml.safe_load((demo / "instrument.yaml").read_text(encoding="utf-8"))
    said["items"][1]["reverse"] = True
    (demo / "instrument.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), encoding="utf-8")
    findings = qa_check(qa.read_study(demo))
    assert findings["finding"].str.contains("runs against").any()
    monkeypatch.setattr(partitions, "LARGE_BYTES", 0)
    kept = qa_check(qa.read_study(demo))
    assert_frame_equal(kept[kept["where"] != "screening"], findings[findings["where"] != "screening"])


def test_a_period_of_more_than_can_be_held_is_refused_its_parts_are_not(demo, large, monkeypatch) -> None:
    monkeypatch.setattr(partitions, "MOST_JOINED", 500)
    study = qa.read_study(demo)
    with pytest.raises(ResponseError, match="Report on its periods"):
        study.responses("2026-Q3")
    assert len(study.responses("2026-08").data)


@pytest.mark.parametrize(("large_study", "rows", "pages"), [(False, 300, 16), (True, 60_000, 4), (True, 10**6, 1)])
def test_pages_of_a_large_study_are_as_many_as_fit(large_study, rows, pages, monkeypatch) -> None:
    monkeypatch.setattr(render.os, "cpu_count", lambda: 16)
    study = SimpleNamespace(summaries=lambda: Path() if large_study else None)
    assert render._side_by_side(SimpleNamespace(study=study, data=range(rows))) == pages


def test_a_large_page_says_that_a_sample_was_drawn_and_draws_it_again(demo, monkeypatch) -> None:
    said = []
    monkeypatch.setattr(page.display, "paragraph", lambda words, *rest: said.append(words))
    whole = page.open_page(demo, "2026-10", lang="zh")
    assert whole.sampled() is whole
    monkeypatch.setattr(page, "MOST_ROWS", 100)
    first, second = whole.sampled(), whole.sampled()
    assert len(first.data) == 100
    assert_frame_equal(first.data, second.data)
    assert set(first.data["source_row"]) <= set(whole.data["source_row"])
    assert len(said) == 2
    assert "100" in said[0]
    assert whole.text.count(len(whole.data)) in said[0]
