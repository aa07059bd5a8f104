"""Ordinal models of bfi against lavaan: fit + errors + fit indices, one thread each, in one run.

OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_ordinal.py [folder with the real data]; needs Rscript with lavaan.
Prints seconds of processor time (least of a few; they do not depend on what else the machine does) and the ratio.
"""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pandas as pd
from timing import best_of

import qa_lib as qa

ITEMS = [f"{d}{i}" for d in "ACENO" for i in range(1, 6)]
FIVE = "\n".join(f"{d} =~ " + " + ".join(f"{d}{i}" for i in range(1, 6)) for d in "ACENO")
TWO = "\n".join(FIVE.split("\n")[:2])
CASES = {
    "25 items": (FIVE, {}, ""),
    "two groups": (TWO, {"group": "gender", "group_equal": ("thresholds", "loadings")},
                   ", group='gender', group.equal=c('thresholds','loadings')"),
    "covariates": (TWO + "\nA ~ age + gender", {}, ""),
}  # fmt: skip
SCRIPT = """
suppressMessages(library(lavaan)); d <- read.csv('{path}'); items <- c({items}); m <- '{model}'
run <- function() {{ f <- sem(m, d, estimator='WLSMV', ordered=items{options}); fitMeasures(f) }}
cat(sum(system.time(suppressWarnings(run()))[1:2]))
"""


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QA_SHARED_DATA", root.parent / "shared" / "data")
    path = Path(given) / "psych_bfi" / "bfi.csv"
    data = pd.read_csv(path)
    warnings.simplefilter("ignore")
    for name, (model, options, theirs) in CASES.items():
        ours = best_of(
            lambda m=model, o=options: qa.sem(m, data, estimator="WLSMV", **o).glance(), 4, time.process_time
        )
        used = [item for item in ITEMS if item in model]
        script = SCRIPT.format(path=path, items=",".join(f"'{i}'" for i in used), model=model, options=theirs)
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
        lavaan = float(done.stdout.split()[-1])
        print(f"{name:12s} ours {ours:7.3f} s   lavaan {lavaan:7.3f} s   ratio {lavaan / ours:6.1f}")


if __name__ == "__main__":
    main()
