"""The real surveys on which driver models are compared with R, prepared as tests/reference/drivers.R does."""

import re

import numpy as np
import pandas as pd

SFO_DRIVERS = ["Q7ART", "Q7FOOD", "Q7STORE", "Q7SIGN", "Q7WALKWAYS", "Q7SCREENS"]
PREDICTORS = {
    "bank": ("sat", ["imag", "expe", "qual", "val"]),
    "mobi": ("CUSA", ["IMAG", "CUEX", "PERQ", "PERV"]),
    "corp_rep": ("cusa", ["csor", "attr", "perf", "qual"]),
    "sfo": ("Q7ALL", SFO_DRIVERS),
}


def constructs(raw: pd.DataFrame, stems: list[str]) -> pd.DataFrame:
    """Means of the items stem1, stem_2 …; missing where an item is."""
    items = {stem: [c for c in raw if re.fullmatch(rf"{stem}_?\d+", c)] for stem in stems}
    return pd.DataFrame({stem: raw[names].mean(axis=1, skipna=False) for stem, names in items.items()})


def load(name: str, shared_data) -> pd.DataFrame:
    if name == "bank":
        raw = pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv"))
        return constructs(raw, ["imag", "expe", "qual", "val", "sat", "loy"])
    if name == "mobi":
        raw = pd.read_csv(shared_data("ecsi_mobi/mobi.csv"))
        return constructs(raw, ["IMAG", "CUEX", "PERQ", "PERV", "CUSA", "CUSL"])
    if name == "corp_rep":
        raw = pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan)
        built = constructs(raw, ["csor", "attr", "perf", "qual"])
        return built.assign(cusa=raw["cusa"], provider=raw["serviceprovider"]).dropna()
    raw = pd.read_csv(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv"), low_memory=False)
    ratings = raw[[*SFO_DRIVERS, "Q7ALL"]].replace([0, 6], np.nan)
    data = ratings.assign(weight=raw["WEIGHT"]).dropna()
    return data.assign(top=(data["Q7ALL"] >= 4).astype(float))
