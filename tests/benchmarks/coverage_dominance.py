"""Do intervals of general dominance, and of its ranks, cover the population's values as often as they say?

Run: python tests/benchmarks/coverage_dominance.py (a minute)

1000 studies, 1000 bootstrap samples each, five normal drivers; population weights .2056 .1455 .0711 .0266 and 0:

    n      95 % interval of general dominance     rank interval
    300    .941 .947 .948 .936 | zero: .000       1.000 each
    1000   .953 .936 .945 .940 | zero: .000       1.000 each

A driver of weight exactly zero has a weight above zero in every sample and bootstrap sample, so that its interval
never holds zero: read such an interval as an upper bound. Rank intervals are conservative by construction.
"""

import numpy as np

from qa_lib.effects.dominance import general_weights, subset_r_squared
from qa_lib.effects.importance import rank_intervals
from qa_lib.sufficient.resample import bootstrap_moments

BETA = np.array([0.40, 0.25, 0.15, 0.08, 0.0])
CORRELATION = 0.5 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
# the last predictor is unrelated to all others and to the outcome: its population weight is zero
CORRELATION[-1, :-1] = CORRELATION[:-1, -1] = 0


def population() -> np.ndarray:
    """(6, 6) correlations of five drivers and, last, the outcome."""
    with_outcome = CORRELATION @ BETA
    return np.block([[CORRELATION, with_outcome[:, None]], [with_outcome[None], np.ones((1, 1))]])


def simulate(n: int, n_studies: int, n_boot: int, seed: int) -> dict[str, np.ndarray]:
    """Share of studies in which the 95 % percentile interval, and the rank interval, hold the truth: (5,) each."""
    rng = np.random.default_rng(seed)
    weights = general_weights(5)
    truth = subset_r_squared(population()) @ weights
    rank = 1 + (truth[None] > truth[:, None]).sum(axis=1)
    root = np.linalg.cholesky(population())
    interval, ranks = np.zeros(5), np.zeros(5)
    for _ in range(n_studies):
        data = rng.normal(size=(n, 6)) @ root.T
        estimate = subset_r_squared(np.cov(data.T)) @ weights
        draws = subset_r_squared(bootstrap_moments(data, n_boot, rng)[1]) @ weights
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        interval += (low <= truth) & (truth <= high)
        first, last = rank_intervals(estimate, draws, 0.95)
        ranks += (first <= rank) & (rank <= last)
    return {"interval": interval / n_studies, "rank": ranks / n_studies}


if __name__ == "__main__":
    print("population", (subset_r_squared(population()) @ general_weights(5)).round(4))
    for n in (300, 1000):
        found = simulate(n, n_studies=1000, n_boot=1000, seed=2026)
        print(n, "interval", found["interval"].round(3), "rank", found["rank"].round(3))
