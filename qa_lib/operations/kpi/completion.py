"""How long requests stay open: the share done by each time, open ones counted as long as they are open."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight


def completion(times: np.ndarray, done: np.ndarray, conf_level: float = 0.95) -> pd.DataFrame:
    """1 − the Kaplan–Meier curve of times (n,) of which ``done`` (n,) are over and the others censored.

    Columns ``time, share, low, high``, from time 0 on; limits on the log scale with Greenwood's variance, as R's
    ``survfit`` has them. Unknown times are left out.

    >>> completion(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, True]))["share"].round(6).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    times, done = np.asarray(times, dtype=float), np.asarray(done, dtype=bool)
    known = np.isfinite(times)
    curve = SurvfuncRight(times[known], done[known].astype(int))
    open_, error = curve.surv_prob, curve.surv_prob_se
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(norm.ppf((1 + conf_level) / 2) * error / open_)
        high, low = 1 - open_ / spread, 1 - np.minimum(open_ * spread, 1)
    rows = {"time": curve.surv_times, "share": 1 - open_, "low": np.where(open_ > 0, low, np.nan), "high": high}
    start = pd.DataFrame({"time": [0.0], "share": [0.0], "low": [0.0], "high": [0.0]})
    return pd.concat([start, pd.DataFrame(rows)[["time", "share", "low", "high"]]], ignore_index=True)
