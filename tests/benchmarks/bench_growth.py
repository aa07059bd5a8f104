"""Time and memory of ``qa report`` for 10⁵, 10⁶ and 10⁷ responses in monthly files, and for many branches.

``python tests/benchmarks/bench_growth.py [RESPONSES …] [--months 24] [--branches 20] [--missing 0.01] [--lang en]``
writes a study of so many responses to 22 five-level items and one on satisfaction, a parquet file a month, drawn from
the demo's population, and measures its steps one after another, each in a process of its own: the exports read with
nothing under ``data/processed``; then the report on the newest month, all pages. With ``--by branch`` (and ``--months
1``) it also renders a report per branch, and with ``--notebook
1_responses`` only that page of each. Other words are handed to ``qa report``. Memory is the largest sum over all
processes of a step: resident (what two share counts twice) and proportional (what they share counts once).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from qa_lib.simulation.population import Population

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "raw" / "demo"
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
ROWS_PER_GROUP = 131_072
OUTCOMES = ("satisfaction",)


def write_study(root: Path, n: int, months: int, branches: int, missing: float = 0.0, seed: int = 1) -> Path:
    """A study of ``n`` responses in ``months`` parquet files: date, respondent, branch and items as int8."""
    study = root / "data" / "raw" / f"growth_{n}_{branches}"
    (study / "responses").mkdir(parents=True)
    instrument = yaml.safe_load((DEMO / "instrument.yaml").read_text(encoding="utf-8"))
    kept = [item for item in instrument["items"] if "outcome" not in item or item["id"] in OUTCOMES]
    instrument = {key: value for key, value in instrument.items() if key != "attention_checks"} | {"items": kept}
    spec = {
        "title": {"en": "Growth (simulated)", "zh": "规模测试（模拟数据）"},
        "simulated": True,
        "period": {"column": "date"},
        "segments": [{"id": "branch", "name": {"en": "Branch", "zh": "网点"}, "columns": ["branch"]}],
        "targets": {"rater_index": 70},
    }
    for name, content in (("study.yaml", spec), ("instrument.yaml", instrument)):
        (study / name).write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    population = Population.model_validate(yaml.safe_load((DEMO / "population.yaml").read_text())["survey"])
    rng = np.random.default_rng(seed)
    names = [item for item in population.items if item in {entry["id"] for entry in kept}]
    for place, month in enumerate(pd.period_range(end="2026-10", periods=months, freq="M")):
        rows = n // months + (place < n % months)
        table = draw_month(population, names, month, rows, branches, missing, rng)
        pq.write_table(table, study / "responses" / f"{month}.parquet", row_group_size=ROWS_PER_GROUP)
    return study


def draw_month(
    population: Population,
    names: list[str],
    month: pd.Period,
    n: int,
    branches: int,
    missing: float,
    rng: np.random.Generator,
) -> pa.Table:
    """A month of the population's answers; branches differ a little, and so do months."""
    branch = rng.integers(branches, size=n)
    shift = np.random.default_rng(branches).normal(0, 0.15, branches)[branch] + 0.05 * np.sin(month.ordinal)
    root = np.linalg.cholesky(population.correlation().to_numpy())
    scores = rng.standard_normal((n, len(root))) @ root.T + shift[:, None]
    factors = dict(zip(population.dimensions, scores.T, strict=True))
    paths, cov = population.structural["satisfaction"], population.factor_cov()
    slopes = np.array(list(paths.values()))
    explained = slopes @ cov.loc[list(paths), list(paths)].to_numpy() @ slopes
    factors["satisfaction"] = sum(slope * factors[name] for name, slope in paths.items()) + np.sqrt(
        1 - explained
    ) * rng.standard_normal(n)
    columns = {
        "date": pa.array(
            np.datetime64(month.start_time, "s") + np.sort(rng.integers(month.days_in_month * 86400, size=n))
        ),
        "respondent": pa.array(np.char.add(f"{month}-", np.arange(n).astype(str))),
        "branch": pa.array(np.array([f"branch_{place:04d}" for place in range(branches)])[branch]),
    }
    for name in names:
        factor, item, scale = population.items[name]
        latent = item.loading * factors[factor] + item.level + np.sqrt(1 - item.loading**2) * rng.standard_normal(n)
        answer = (scale.first + np.searchsorted(scale.thresholds, latent)).astype(np.int8)
        columns[name] = pa.array(answer, mask=rng.random(n) < missing if missing else None)
    return pa.table(columns)


def measured(command: list[str], folder: Path) -> dict[str, float | str]:
    """Wall and CPU seconds of a command and the largest memory (MiB) of all its processes together."""
    started, cpu = time.perf_counter(), {}
    run = subprocess.Popen([sys.executable, *command], env=ENVIRONMENT, cwd=folder, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)  # fmt: skip
    peaks = {"resident": 0.0, "proportional": 0.0}
    while run.poll() is None:
        for name, value in use_of(run.pid, cpu).items():
            peaks[name] = max(peaks[name], value)
        time.sleep(0.5)
    said = run.stdout.read()
    if run.returncode:
        raise SystemExit(said)
    return {"seconds": time.perf_counter() - started, "cpu": sum(cpu.values()), **peaks, "said": said}


ONE_NOTEBOOK = """
import sys
from qa_lib import cli
from qa_lib.report import render
plan_pages = render.plan_pages
render.plan_pages = lambda *given: [page for page in plan_pages(*given) if page.notebook.stem == {notebook!r}]
cli.main()
"""


def steps(study: Path, languages: list[str], extra: list[str], notebook: str | None) -> dict[str, list[str]]:
    """The command of every step, by its name."""
    run = ["-m", "qa_lib"] if notebook is None else ["-c", ONE_NOTEBOOK.format(notebook=notebook)]
    report = [*run, "report", str(study), "--period", "2026-10", "--force", *extra]
    read = f"import qa_lib as qa; print(len(qa.read_study({str(study)!r}).periods()), 'periods')"
    return {"read": ["-c", read], "report": report + [word for lang in languages for word in ("--lang", lang)]}


def use_of(pid: int, cpu: dict[int, float]) -> dict[str, float]:
    """Memory in MiB of a process and all it started, now; ``cpu`` takes the seconds each has used until now.

    A process that ends meanwhile counts nothing; what it used after it was last looked at is lost.
    """
    total = {"resident": 0.0, "proportional": 0.0}
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            full, times = process.memory_full_info(), process.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        cpu[process.pid] = times.user + times.system
        total["resident"] += full.rss / 2**20
        total["proportional"] += full.pss / 2**20
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("responses", type=float, nargs="*", default=[1e5])
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--branches", type=int, default=20)
    parser.add_argument("--missing", type=float, default=0.01)
    parser.add_argument("--lang", nargs="+", default=["en"])
    parser.add_argument("--notebook", help="render this page only")
    parser.add_argument("--folder", type=Path, help="keep the studies here")
    given, extra = parser.parse_known_args()
    root = given.folder or Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        for n in map(int, given.responses):
            study = root / "data" / "raw" / f"growth_{n}_{given.branches}"
            if not study.exists():
                started = time.perf_counter()
                write_study(root, n, given.months, given.branches, given.missing)
                print(f"{n:,} responses written in {time.perf_counter() - started:.0f} s", flush=True)
            for step, command in steps(study, given.lang, extra, given.notebook).items():
                found = measured(command, root)
                print(
                    f"{n:>12,} responses, {step}: {found['seconds']:.1f} s, CPU {found['cpu']:.1f} s; peak "
                    f"{found['proportional']:.0f} MiB proportional, {found['resident']:.0f} MiB resident\n"
                    f"{found['said']}",
                    flush=True,
                )
    finally:
        if given.folder is None:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
