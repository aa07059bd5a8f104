"""PLS bootstrap of 1000 samples on ecsi_mobi against the PyPI package seminr (GPL: for this comparison only).

Run with one thread and seminr importable:

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_pls.py [path of mobi.csv]

Both fit the ECSI model of Tenenhaus et al. (2005), mode A, path scheme, and then its four-construct part; both give
standard errors and percentile intervals of paths, loadings and weights, qa_lib also those of every quality measure.

Measured on a shared 2-core machine: 54 × faster with six constructs, 143 × with four (0.47 s against 25 s, 0.13 s
against 18 s); the first path agrees to 1e-10.
"""

import os
import sys

import pandas as pd
import seminr
from timing import seconds

import qa_lib as qa

DEFAULT = os.path.join(os.environ.get("QA_SHARED_DATA", "../shared/data"), "ecsi_mobi", "mobi.csv")
BLOCKS = {
    "IMG": ("IMAG", 5),
    "EXP": ("CUEX", 3),
    "QUAL": ("PERQ", 7),
    "VAL": ("PERV", 2),
    "SAT": ("CUSA", 3),
    "LOY": ("CUSL", 3),
}
FULL = {
    "EXP": ["IMG"],
    "QUAL": ["EXP"],
    "VAL": ["EXP", "QUAL"],
    "SAT": ["IMG", "EXP", "QUAL", "VAL"],
    "LOY": ["IMG", "SAT"],
}
SMALL = {"SAT": ["IMG", "EXP", "VAL"]}


def ours(paths: dict[str, list[str]]) -> str:
    used = dict.fromkeys(name for target, sources in paths.items() for name in (*sources, target))
    blocks = [f"{name} =~ " + " + ".join(f"{BLOCKS[name][0]}{i + 1}" for i in range(BLOCKS[name][1])) for name in used]
    return "\n".join([*blocks, *(f"{target} ~ {' + '.join(sources)}" for target, sources in paths.items())])


def theirs(paths: dict[str, list[str]], data: pd.DataFrame):
    used = dict.fromkeys(name for target, sources in paths.items() for name in (*sources, target))
    items = {name: seminr.multi_items(BLOCKS[name][0], list(range(1, BLOCKS[name][1] + 1))) for name in used}
    measured = seminr.constructs(*(seminr.composite(name, block) for name, block in items.items()))
    structure = seminr.relationships(*(seminr.paths(sources, target) for target, sources in paths.items()))
    return seminr.estimate_pls(data, measured, structure)


def main() -> None:
    data = pd.read_csv(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)
    for name, paths in {"ECSI, six constructs": FULL, "four constructs": SMALL}.items():
        qa.pls(ours(paths), data, n_boot=10).tidy()
        mine, fit = seconds(lambda paths=paths: (result := qa.pls(ours(paths), data, n_boot=1000)) and result.tidy())
        model = theirs(paths, data)
        their, _ = seconds(lambda model=model: seminr.bootstrap_model(model, nboot=1000, seed=1))
        path = fit[fit["op"].eq("~")].iloc[0]
        agree = abs(path["estimate"] - model.path_coef.get(path["rhs"], path["lhs"]))
        print(
            f"{name}: qa_lib {mine:.3f} s, seminr {their:.2f} s, ratio {their / mine:.0f}; paths differ by {agree:.0e}"
        )


if __name__ == "__main__":
    main()
