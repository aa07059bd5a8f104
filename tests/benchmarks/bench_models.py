"""Fit + errors + fit indices of bfi's 25 items against lavaan, one thread each (argument: path of bfi.csv).

Prints seconds (best of a few) and the ratio; needs Rscript with lavaan.
"""

import os
import subprocess
import sys
import time
import warnings

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pandas as pd

import qa_lib as qa

MODEL = "\n".join(f"{d} =~ " + " + ".join(f"{d}{i}" for i in range(1, 6)) for d in "ACENO")
ITEMS = [f"{d}{i}" for d in "ACENO" for i in range(1, 6)]
OURS = {
    "ML": {},
    "MLR": {"estimator": "MLR"},
    "WLSMV": {"estimator": "WLSMV"},
    "FIML": {"missing": "fiml"},
    "scalar": {"group": "gender", "group_equal": ("loadings", "intercepts")},
}
LAVAAN = {
    "ML": "",
    "MLR": ", estimator='MLR'",
    "WLSMV": ", estimator='WLSMV', ordered=items",
    "FIML": ", missing='fiml'",
    "scalar": ", group='gender', group.equal=c('loadings','intercepts')",
}
SCRIPT = """
suppressMessages(library(lavaan)); d <- read.csv('{path}'); items <- c({items}); m <- '{model}'
run <- function() {{ f <- cfa(m, d{options}); fitMeasures(f) }}
cat(min(replicate({times}, system.time(suppressWarnings(run()))['elapsed'])))
"""


def seconds(function, times: int) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def main(path: str) -> None:
    data = pd.read_csv(path)
    warnings.simplefilter("ignore")
    for name, options in OURS.items():
        times = 1 if name in {"FIML", "WLSMV"} else 3
        ours = seconds(lambda options=options: qa.cfa(MODEL, data, **options).glance(), times + 1)
        script = SCRIPT.format(
            path=path, items=",".join(f"'{i}'" for i in ITEMS), model=MODEL, options=LAVAAN[name], times=times
        )
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
        theirs = float(done.stdout)
        print(f"{name:8s} ours {ours:8.3f} s   lavaan {theirs:8.3f} s   ratio {theirs / ours:6.1f}")


if __name__ == "__main__":
    main(sys.argv[1])
