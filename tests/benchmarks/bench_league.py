"""Mixed model of a league table: our profiled REML against statsmodels' MixedLM, one thread. Prints the ratio."""

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from timing import seconds

import qa_lib as qa


def main() -> None:
    rng = np.random.default_rng(1)
    unit = rng.integers(0, 50, 5_000)
    data = pd.DataFrame({"unit": unit, "y": rng.normal(0, 0.3, 50)[unit] + rng.normal(size=unit.size)})
    qa.league_table(data, "unit", "y")
    ours, table = seconds(lambda: qa.league_table(data, "unit", "y"))
    peer, fit = seconds(lambda: smf.mixedlm("y ~ 1", data, groups="unit").fit())
    print(f"between {table.model.between:.6f} against {float(fit.cov_re.iloc[0, 0]):.6f}")
    print(f"league_table {ours:.4f} s, MixedLM {peer:.4f} s, ratio {ours / peer:.3f}")


if __name__ == "__main__":
    main()
