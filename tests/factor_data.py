"""The real questionnaires that factor analysis is tested on: complete, with missing cells, clean and bad."""

import numpy as np
import pandas as pd


def read_real(shared_data) -> dict[str, pd.DataFrame]:
    bfi = pd.read_csv(shared_data("psych_bfi/bfi.csv")).iloc[:, :25]
    bank = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv")).iloc[:, :27]
    mobi = pd.read_csv(shared_data("ecsi_mobi/mobi.csv"))
    corp = pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan)
    corp = corp.filter(regex="^(csor|attr|perf|qual|like|comp|cusl)_[0-9]$")
    return {"bfi_complete": bfi.dropna(), "bfi": bfi, "bank": bank, "mobi": mobi, "corp_rep": corp}
