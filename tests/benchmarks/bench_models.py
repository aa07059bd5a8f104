"""Fit + errors + fit indices against lavaan in one run, one thread each.

Arguments: the directory of the shared data sets, then names of cases (all without). Prints processor seconds, so that a
busy machine does not matter: the best of a few runs, and the ratio; needs Rscript with lavaan.
"""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from timing import best_of

import qa_lib as qa

BFI = "\n".join(f"{d} =~ " + " + ".join(f"{d}{i}" for i in range(1, 6)) for d in "ACENO")
ITEMS = [f"{d}{i}" for d in "ACENO" for i in range(1, 6)]
HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
BFI_FILE, HS_FILE = "psych_bfi/bfi.csv", "lavaan_classics/HolzingerSwineford1939.csv"
CASES = {
    "ML": (BFI_FILE, lambda d: qa.cfa(BFI, d), "cfa(m, d)", 5),
    "MLR": (BFI_FILE, lambda d: qa.cfa(BFI, d, estimator="MLR"), "cfa(m, d, estimator = 'MLR')", 3),
    "scalar": (
        BFI_FILE,
        lambda d: qa.cfa(BFI, d, group="gender", group_equal=("loadings", "intercepts")),
        "cfa(m, d, group = 'gender', group.equal = c('loadings', 'intercepts'))",
        3,
    ),
    "FIML": (BFI_FILE, lambda d: qa.cfa(BFI, d, missing="fiml"), "cfa(m, d, missing = 'fiml')", 1),
    "WLSMV": (
        BFI_FILE,
        lambda d: qa.cfa(BFI, d, estimator="WLSMV"),
        "cfa(m, d, estimator = 'WLSMV', ordered = items)",
        1,
    ),
    "covariates": (
        BFI_FILE,
        lambda d: qa.sem(BFI + "\nA + C + E + N + O ~ age + gender", d, estimator="WLSMV"),
        "sem(paste(m, 'A + C + E + N + O ~ age + gender', sep = ';'), d, estimator = 'WLSMV', ordered = items)",
        1,
    ),
    "bootstrap": (
        HS_FILE,
        lambda d: qa.cfa(HS, d).bootstrap(1000, seed=1).fit,
        "cfa(m, d, se = 'bootstrap', bootstrap = 1000)",
        1,
    ),
}
SCRIPT = """
suppressMessages(library(lavaan)); d <- read.csv('{path}'); items <- c({items}); m <- '{model}'
run <- function() {{ f <- {call}; fitMeasures(f) }}
cat(min(replicate({times}, sum(system.time(suppressWarnings(run()))[c('user.self', 'sys.self')]))))
"""


def lavaan_seconds(path: Path, call: str, times: int) -> float:
    model = HS if "Holzinger" in path.name else BFI
    items = ",".join(f"'{item}'" for item in ITEMS)
    script = SCRIPT.format(path=path, items=items, model=model, call=call, times=times)
    return float(subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout)


def moments_of_many_rows() -> None:
    """Fits from Moments of 10⁷ and of 300 simulated rows; the moments themselves are merged from parts."""
    rng = np.random.default_rng(1)
    loadings = np.kron(np.eye(3), np.full((1, 3), 0.7))
    cov = loadings.T @ (np.full((3, 3), 0.4) + 0.6 * np.eye(3)) @ loadings + 0.5 * np.eye(9)

    def drawn(n: int):
        rows = rng.standard_normal((n, 9)) @ np.linalg.cholesky(cov).T
        return qa.moments(pd.DataFrame(rows, columns=[f"x{i}" for i in range(1, 10)]))

    few, many = drawn(300), drawn(1_000_000)
    for _ in range(9):
        many = many + drawn(1_000_000)
    times = [best_of(lambda m=m: qa.cfa(HS, m).glance(), 20, time.process_time) for m in (few, many)]
    print(f"moments    of 300 rows {times[0]:8.4f} s   of {many.n:.0e} rows {times[1]:8.4f} s")


def main(data_dir: Path, names: list[str]) -> None:
    warnings.simplefilter("ignore")
    for name in names or [*CASES, "moments"]:
        if name == "moments":
            moments_of_many_rows()
            continue
        file, ours, call, times = CASES[name]
        data = pd.read_csv(data_dir / file)
        own = best_of(lambda ours=ours, data=data: ours(data).glance(), times + 2, time.process_time)
        theirs = lavaan_seconds(data_dir / file, call, times)
        print(f"{name:10s} ours {own:8.3f} s   lavaan {theirs:8.3f} s   ratio {theirs / own:6.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
