"""The real studies and dimensions that reliability is held against R on."""

import numpy as np
import pandas as pd

BFI = {scale: [f"{scale}{i}" for i in range(1, 6)] for scale in "ACENO"}
REVERSED = ["A1", "C4", "C5", "E1", "E2", "O2", "O5"]
STUDIES = {
    "bfi_complete": BFI,
    "bfi": BFI,
    "bank": dict(zip(["imag", "expe", "qual", "val", "sat", "loy"], [5, 5, 5, 4, 4, 4], strict=True)),
    "mobi": dict(zip(["IMAG", "CUEX", "PERQ", "PERV", "CUSA", "CUSL"], [5, 3, 7, 2, 3, 3], strict=True)),
    "corp": dict(zip(["csor", "attr", "perf", "qual", "like", "comp", "cusl"], [5, 3, 5, 8, 3, 3, 3], strict=True)),
    "water": {"involvement": [f"p{i:02d}" for i in range(1, 11)]},
}


def dimensions_of(study):
    separator = "_" if study == "corp" else ""
    return {
        name: [f"{name}{separator}{i}" for i in range(1, items + 1)] if isinstance(items, int) else items
        for name, items in STUDIES[study].items()
    }


def read_studies(shared_data):
    bfi = pd.read_csv(shared_data("psych_bfi/bfi.csv")).iloc[:, :25]
    bfi[REVERSED] = 7 - bfi[REVERSED]
    involvement = STUDIES["water"]["involvement"]
    water = pd.read_csv(shared_data("water_r4h2o/customer_survey.csv"), usecols=involvement, skiprows=[1]).dropna()
    reversed_items = ["p01", "p02", "p07", "p08", "p09", "p10"]
    water[reversed_items] = 8 - water[reversed_items]
    return {
        "bfi": bfi,
        "bfi_complete": bfi.dropna(),
        "bank": pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv")),
        "mobi": pd.read_csv(shared_data("ecsi_mobi/mobi.csv")),
        "corp": pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan),
        "water": water,
    }


def values(result, dimension):
    """The rows of one dimension by term."""
    table = result.tidy()
    return table[table["dimension"] == dimension].set_index("term")
