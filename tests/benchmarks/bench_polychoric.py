"""Polychoric correlations of 25 items against lavaan's lavCor and psych's polychoric, in one run, one thread each.

OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_polychoric.py [folder with the real data]
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from timing import best_of

from qa_lib.sufficient.ordinal import ordinal_moments, polychoric

R = """
suppressMessages({library(lavaan); library(psych)})
x <- na.omit(read.csv("%s")[, 1:25])
cat(system.time(lavCor(x, ordered = names(x)))[[3]], system.time(suppressWarnings(polychoric(x)))[[3]])
"""


def main():
    root = Path(__file__).resolve().parents[2]
    folder = Path(
        sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QA_SHARED_DATA", root.parent / "shared" / "data")
    )
    path = folder / "psych_bfi" / "bfi.csv"
    bfi = pd.read_csv(path).iloc[:, :25].dropna()
    ours = best_of(lambda: polychoric(bfi))
    with_acov = best_of(lambda: ordinal_moments(bfi))
    run = subprocess.run(["Rscript", "-e", R % path], capture_output=True, text=True, check=True)
    lavaan, psych = map(float, run.stdout.split())
    print(f"polychoric, 25 items, n {len(bfi)}: {ours:.4f} s (with asymptotic covariance {with_acov:.4f} s)")
    print(
        f"lavCor {lavaan:.2f} s, ratio {lavaan / ours:.0f}; psych::polychoric {psych:.2f} s, ratio {psych / ours:.0f}"
    )


if __name__ == "__main__":
    main()
