"""A month with 24 branches in two languages: ``qa report`` against a shell loop of papermill and nbconvert.

``python tests/benchmarks/bench_render.py [BRANCHES]`` simulates a study with so many branches (24), runs the loop on a
few of its pages, on the same two cores, and scales; ours runs whole. The floor is what the cells themselves take in a
kernel that has everything imported, divided by the cores.

With 8 branches (108 pages) on two quiet cores: loop 25.3 s a page, ours 2.44 s, 10.3 times as fast; 1.14 times the
floor; 0.40 s a page beyond the cells. Only the ratios carry over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

import qa_lib as qa
from qa_lib.report.manifest import read_manifest
from qa_lib.report.plan import notebooks_folder

ROOT = Path(__file__).parents[2]
JOBS = 2
MEASURED = (("zh", "branch=branch_0001"),)
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
TOOLS = Path(sys.executable).parent


def study_with_branches(root: Path, n: int) -> Path:
    """Six months of the demo's population with ``n`` equal branches of fifty respondents a month."""
    demo = ROOT / "data" / "raw" / "demo"
    survey = yaml.safe_load((demo / "population.yaml").read_text(encoding="utf-8"))["survey"]
    survey["periods"]["first"] = "2026-05"
    survey["responses_per_period"] = 50 * n
    survey["segments"]["branch"] = {f"branch_{place:04d}": 1 / n for place in range(1, n + 1)}
    survey["shifts"] = [shift for shift in survey["shifts"] if "branch" not in shift.get("where", {})]
    study = root / "data" / "raw" / "benchmark"
    study.mkdir(parents=True)
    for name in ("study.yaml", "instrument.yaml"):
        (study / name).write_bytes((demo / name).read_bytes())
    qa.simulate({"survey": survey}, seed=1).write(study)
    return study


def loop_seconds(study: Path, period: str, pages: list[tuple[str, str, str]], folder: Path) -> list[float]:
    """One ``papermill`` and one ``jupyter nbconvert`` per page, as a shell loop would, in turn."""
    seconds = []
    for notebook, lang, segment in pages:
        started = time.perf_counter()
        executed = folder / "executed.ipynb"
        given = ["-r", "study", str(study), "-r", "period", period, "-r", "segment", segment, "-r", "lang", lang]
        source = notebooks_folder() / f"{notebook}.ipynb"
        quiet = {"env": ENVIRONMENT, "check": True, "capture_output": True}
        subprocess.run([TOOLS / "papermill", source, executed, *given], **quiet)
        subprocess.run([TOOLS / "jupyter", "nbconvert", "--to", "html", executed], **quiet)
        seconds.append(time.perf_counter() - started)
    return seconds


def main(n_branches: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        study = study_with_branches(Path(scratch), n_branches)
        period = qa.read_study(study).periods()[-1]
        planned = qa.render(study, period, by="branch", dry_run=True).pages
        notebooks = sorted(planned["page"].str.split().str[0].unique())
        sample = [(book, lang, where) for book in notebooks for lang, where in MEASURED]
        loop = loop_seconds(study, period, sample, Path(scratch))
        started = time.perf_counter()
        words = [
            sys.executable,
            "-m",
            "qa_lib",
            "report",
            study,
            "--period",
            period,
            "--by",
            "branch",
            "--jobs",
            str(JOBS),
        ]
        subprocess.run(words, env=ENVIRONMENT, check=True, cwd=scratch, stdout=subprocess.DEVNULL)
        ours = time.perf_counter() - started
        manifest = read_manifest(Path(scratch) / "reports" / "benchmark" / period)
    report(len(planned), sum(loop) / len(loop), len(loop), ours, list(manifest.pages.values()))


def report(n_pages: int, loop: float, n_measured: int, ours: float, pages: list[dict]) -> None:
    cells = sum(page["cell_seconds"] for page in pages)
    overhead = sum(page["seconds"] - page["cell_seconds"] for page in pages) / n_pages
    whole = loop * n_pages
    print(f"{n_pages} pages on {JOBS} cores")
    print(f"shell loop ({n_measured} pages measured): {loop:.2f} s a page, {whole:.0f} s")
    print(f"qa report: {ours / n_pages:.2f} s a page, {ours:.0f} s, {whole / ours:.1f} times as fast as the loop")
    print(f"floor, the cells' own work: {cells / JOBS:.0f} s; qa report takes {ours * JOBS / cells:.2f} times as long")
    print(f"a page takes {overhead:.2f} s beyond its cells")
    for lang in ("en", "zh"):
        mine = [page["cell_seconds"] for page in pages if page["lang"] == lang]
        print(f"cells of a page in {lang}: {sum(mine) / len(mine):.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
