"""Moments of 22 five-level items: against pandas' cov(), the machine's own sgemm rate, and memory at 10⁷ rows.

OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_moments.py
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from timing import best_of

from qa_lib.sufficient.moments import moments

ITEMS = [f"i{k}" for k in range(22)]


def survey(n, rng):
    return pd.DataFrame(rng.integers(1, 6, (n, len(ITEMS)), dtype=np.int8), columns=ITEMS)


def multiply_rate():
    """Single-precision floating-point operations per second of this machine's matrix product."""
    a = np.ones((1500, 1500), dtype=np.float32)
    return 2 * 1500**3 / best_of(lambda: a @ a.T.copy())


def files(rows):
    """Time, and peak memory of the process, of moments from a parquet file written in groups of 2²⁰ rows."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey.parquet"
        with pq.ParquetWriter(path, pa.Table.from_pandas(survey(1, rng)).schema) as writer:
            for start in range(0, rows, 2**20):
                writer.write_table(pa.Table.from_pandas(survey(min(2**20, rows - start), rng)))
        start = time.perf_counter()
        m = moments(path)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"parquet {rows:.0e} rows: {seconds:.2f} s, peak of the whole process {peak:.2f} GiB, n {m.n:.0f}")


def frames():
    rng = np.random.default_rng(1)
    for rows in (10**5, 10**6):
        frame = survey(rows, rng)
        ours, pandas = best_of(lambda f=frame: moments(f)), best_of(frame.cov)
        print(f"{rows:.0e} rows: moments {ours:.3f} s, pandas cov {pandas:.3f} s, ratio {ours / pandas:.2f}")
    operations = rows * (len(ITEMS) * 4) ** 2  # the symmetric half of a product of 88 indicator rows
    print(f"as a matrix product that would be {operations / ours / multiply_rate():.0%} of the machine's sgemm rate")


if __name__ == "__main__":
    if "files" in sys.argv:
        for rows in (10**5, 10**6, 10**7):
            files(rows)
    else:
        frames()
