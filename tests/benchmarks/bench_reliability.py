"""1000 bootstraps of alpha (bfi N1-N5, 2436 complete respondents) against R's boot package, in one run, one thread,
in processor time.

R's statistic is the plain formula, without psych's tables: on the data frame as read, and on a matrix, its fastest way.

OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_reliability.py [folder with the real data]
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from timing import best_of

import qa_lib as qa
from qa_lib.sufficient.resample import bootstrap_moments
from qa_lib.trust.consistency.coefficients import alpha

N_BOOT = 1000
ITEMS = ["N1", "N2", "N3", "N4", "N5"]
R = """
suppressMessages(library(boot)); set.seed(1)
x <- na.omit(read.csv("%s")[, 1:25])[, paste0("N", 1:5)]
alpha <- function(x, rows) { S <- cov(x[rows, ]); 5 / 4 * (1 - sum(diag(S)) / sum(S)) }
time <- function(x, n) min(replicate(n, sum(system.time(found <<- boot(x, alpha, 1000))[1:2])))
cat(time(x, 1), time(as.matrix(x), 3), quantile(found$t, c(.025, .975)))
"""


def main():
    root = Path(__file__).resolve().parents[2]
    folder = Path(
        sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QA_SHARED_DATA", root.parent / "shared" / "data")
    )
    path = folder / "psych_bfi" / "bfi.csv"
    data = pd.read_csv(path).iloc[:, :25].dropna()[ITEMS]
    x = data.to_numpy(float)
    ours = best_of(lambda: alpha(bootstrap_moments(x, N_BOOT, 1)[1]), clock=time.process_time)
    drawn = alpha(bootstrap_moments(x, N_BOOT, 1)[1])
    everything = best_of(lambda: qa.reliability(data, {"N": ITEMS}, n_boot=N_BOOT), clock=time.process_time)
    run = subprocess.run(["Rscript", "-e", R % path], capture_output=True, text=True, check=True)
    frame, matrix, *interval = map(float, run.stdout.split())
    print(f"{N_BOOT} bootstraps of alpha, n {len(x)}: {ours:.4f} s, interval {np.quantile(drawn, [0.025, 0.975])}")
    print(f"R's boot of the data frame: {frame:.3f} s, ratio {frame / ours:.1f}")
    print(f"R's boot of a matrix: {matrix:.3f} s, ratio {matrix / ours:.1f}; interval {interval}")
    print(f"reliability(n_boot={N_BOOT}), all its coefficients and intervals: {everything:.4f} s")


if __name__ == "__main__":
    main()
