# Covariates under missing = "fiml": respondents without them are left out. lavaan as it stops.
# Run: Rscript tests/reference/models_covariates.R [data directory]
source("tests/reference/models_common.R")
model <- paste(m_hs, "speed ~ ageyr + grade", sep = "\n")
gaps <- holes
gaps$ageyr[seq(4, 301, 13)] <- NA
out <- list()
for (estimator in c("ML", "MLR")) out[[estimator]] <- summarised(suppressWarnings(sem(model, gaps, missing = "fiml",
  estimator = estimator)))
write_reference(out, "tests/reference/models_covariates.json")
