"""The one way the benchmarks take time; scripts beside it import it."""

import time


def best_of(call, repeats=5, clock=time.perf_counter):
    """Least seconds of several calls; ``clock=time.process_time`` counts the processor's alone."""
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def seconds(call, clock=time.perf_counter):
    """Seconds of one call, and what it returned."""
    start = clock()
    result = call()
    return clock() - start, result
