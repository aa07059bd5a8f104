"""Real data and models on which several tests of the engine agree with lavaan (tests/reference/models_common.R)."""

import numpy as np
import pandas as pd

HS = "visual =~ x1 + x2 + x3\n textual =~ x4 + x5 + x6\n speed =~ x7 + x8 + x9"
DEMOCRACY = """ind60 =~ x1 + x2 + x3
 dem60 =~ y1 + a*y2 + b*y3 + c*y4
 dem65 =~ y5 + a*y6 + b*y7 + c*y8
 dem60 ~ g1*ind60
 dem65 ~ g2*ind60 + g3*dem60
 y1 ~~ y5
 y2 ~~ y4 + y6
 y3 ~~ y7
 y4 ~~ y8
 y6 ~~ y8
 indirect := g1*g3
 total := g2 + g1*g3"""
BFI = "\n".join(f"{d} =~ " + " + ".join(f"{d}{i}" for i in range(1, 6)) for d in "ACENO")
SIZES = {"IMAG": 5, "EXPE": 5, "QUAL": 5, "VAL": 4, "SAT": 4, "LOY": 4}
BANK = "\n".join(f"{d} =~ " + " + ".join(f"{d.lower()}{i}" for i in range(1, k + 1)) for d, k in SIZES.items())
SECOND_ORDER = HS + "\ng =~ visual + textual + speed"
COVARIATES = HS + "\nspeed ~ ageyr + grade\ntextual ~ visual + ageyr"
EQUALITIES = """visual =~ x1 + NA*x2 + start(0.8)*x3
 visual ~~ p*textual
 textual =~ x4 + l*x5 + m*x6
 m == 0.5*l + 0.3
 x1 ~~ r*x1
 x2 ~~ r*x2"""
BY_GROUP = """visual =~ x1 + c(a, a)*x2 + c(0.6, NA)*x3
 textual =~ x4 + c(b1, b2)*x5 + x6
 diff := b1 - b2"""
MOBI = """IMAG =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
 PERQ =~ PERQ1 + PERQ2 + PERQ3 + PERQ4 + PERQ5 + PERQ6 + PERQ7
 PERV =~ PERV1 + PERV2
 CUSA =~ CUSA1 + CUSA2 + CUSA3
 CUSL =~ CUSL1 + CUSL3
 PERV ~ PERQ
 CUSA ~ IMAG + PERQ + PERV
 CUSL ~ CUSA + IMAG"""
CORP = "COMP =~ comp_1 + comp_2 + comp_3\n LIKE =~ like_1 + like_2 + like_3\n CUSL =~ cusl_1 + cusl_2 + cusl_3"
CORP_SEM = (
    CORP
    + """
 cusa ~ a1*COMP + a2*LIKE
 CUSL ~ COMP + LIKE + b*cusa
 indirect := a2*b"""
)

MEASURES = {
    "chisq": "chisq",
    "df": "df",
    "pvalue": "p_value",
    "cfi": "cfi",
    "tli": "tli",
    "rmsea": "rmsea",
    "rmsea.ci.lower": "rmsea_low",
    "rmsea.ci.upper": "rmsea_high",
    "rmsea.pvalue": "rmsea_close_p",
    "srmr": "srmr",
    "aic": "aic",
    "bic": "bic",
    "logl": "log_likelihood",
    "unrestricted.logl": "log_likelihood_saturated",
    "baseline.chisq": "baseline_chisq",
    "baseline.df": "baseline_df",
    "chisq.scaled": "chisq_scaled",
    "chisq.scaling.factor": "scaling_factor",
    "baseline.chisq.scaled": "baseline_chisq_scaled",
    "cfi.scaled": "cfi_scaled",
    "tli.scaled": "tli_scaled",
    "cfi.robust": "cfi_robust",
    "tli.robust": "tli_robust",
    "df.scaled": "df_scaled",
    "pvalue.scaled": "p_value_scaled",
    "baseline.chisq.scaling.factor": "baseline_scaling_factor",
    "rmsea.scaled": "rmsea_scaled",
    "rmsea.ci.lower.scaled": "rmsea_scaled_low",
    "rmsea.ci.upper.scaled": "rmsea_scaled_high",
    "rmsea.pvalue.scaled": "rmsea_scaled_close_p",
    "rmsea.robust": "rmsea_robust",
    "rmsea.ci.lower.robust": "rmsea_robust_low",
    "rmsea.ci.upper.robust": "rmsea_robust_high",
    "rmsea.pvalue.robust": "rmsea_robust_close_p",
}


def load_model_data(shared_data) -> dict[str, pd.DataFrame]:
    """All data sets of the reference scripts, keyed as there."""
    hs = pd.read_csv(shared_data("lavaan_classics/HolzingerSwineford1939.csv"))
    bfi = pd.read_csv(shared_data("psych_bfi/bfi.csv"))
    for item in ("A1", "C4", "C5", "E1", "E2", "O2", "O5"):
        bfi[item] = 7 - bfi[item]
    holes = hs.copy()
    for item, start, step in (("x2", 0, 7), ("x5", 1, 5), ("x9", 2, 11)):
        holes.loc[holes.index[start::step], item] = np.nan
    row = np.arange(1, len(hs) + 1)
    return {
        "hs": hs.assign(w=0.5 + (row % 4) / 2, cl=row % 30, cl2=row**2 % 67),
        "holes": holes.assign(cl=row % 30),
        "bfi": bfi,
        "mobi": pd.read_csv(shared_data("ecsi_mobi/mobi.csv")),
        "corp": pd.read_csv(shared_data("corp_rep/corp_rep_data.csv")).replace(-99, np.nan),
        "pd": pd.read_csv(shared_data("lavaan_classics/PoliticalDemocracy.csv")),
        "bank": pd.read_csv(shared_data("ecsi_bank_satisfaction/satisfaction.csv")),
    }


def aligned(fit, parameters):
    """Our rows in lavaan's order."""
    tidy = fit.tidy()
    number = {label: i + 1 for i, label in enumerate(fit.groups)}
    group = tidy["group"].map(number).where(tidy["op"] != ":=", 0) if len(fit.groups) > 1 else 1
    tidy = tidy.assign(group=group, rhs=tidy["rhs"].where(tidy["op"] != ":=", ""))
    wanted = pd.DataFrame(parameters)
    wanted["rhs"] = wanted["rhs"].where(wanted["op"] != ":=", "")
    if len(fit.groups) == 1:
        wanted["group"] = 1
    return wanted.merge(tidy, on=["lhs", "op", "rhs", "group"], how="left", validate="one_to_one")
