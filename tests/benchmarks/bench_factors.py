"""Parallel analysis and factor analysis of bfi's 25 items against psych, in one run, one thread each.

OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_factors.py [folder with the real data]
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from timing import best_of

import qa_lib as qa

R = """
suppressMessages({library(psych); library(GPArotation)})
x <- na.omit(read.csv("%s")[, 1:25])
best <- function(f, n) min(sapply(1:n, function(i) system.time(suppressMessages(f()))[[3]]))
parallel_ <- function(SMC) function() capture.output(fa.parallel(x, n.iter = 100, sim = TRUE, SMC = SMC, plot = FALSE))
options(mc.cores = 1)
cat(best(function() fa(x, 5, fm = "minres", rotate = "oblimin"), 7))
cat("", best(parallel_(TRUE), 1), best(parallel_(FALSE), 1))
"""


def main():
    root = Path(__file__).resolve().parents[2]
    folder = Path(
        sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QA_SHARED_DATA", root.parent / "shared" / "data")
    )
    path = folder / "psych_bfi" / "bfi.csv"
    bfi = pd.read_csv(path).iloc[:, :25].dropna()
    ours = {
        "minres + oblimin, 5 factors": best_of(lambda: qa.efa(bfi, 5), 7),
        "parallel analysis, SMC": best_of(lambda: qa.parallel_analysis(bfi, communality="smc")),
        "parallel analysis, one factor": best_of(lambda: qa.parallel_analysis(bfi)),
    }
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(["Rscript", "-e", R % path], capture_output=True, text=True, check=True, env=environment)
    for (what, seconds), psych in zip(ours.items(), map(float, run.stdout.split()), strict=True):
        print(f"{what}, n {len(bfi)}: {seconds:.4f} s; psych {psych:.3f} s, ratio {psych / seconds:.1f}")


if __name__ == "__main__":
    main()
