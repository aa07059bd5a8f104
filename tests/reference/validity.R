# CR, AVE and HTMT by semTools, invariance by lavaan.
# Rscript tests/reference/validity.R [folder with the real data; default $QA_SHARED_DATA or ../shared/data]
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})
given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
bfi <- na.omit(read.csv(file.path(folder, "psych_bfi", "bfi.csv"))[, 1:25])
for (item in c("A1", "C4", "C5", "E1", "E2", "O2", "O5")) bfi[[item]] <- 7 - bfi[[item]]
hs <- read.csv(file.path(folder, "lavaan_classics", "HolzingerSwineford1939.csv"))
bfi_model <- paste(sapply(c("A", "C", "E", "N", "O"), function(d) paste(d, "=~", paste0(d, 1:5, collapse = " + "))), collapse = "\n")
hs_model <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"

validity <- function(model, data) {
  fit <- cfa(model, data)
  quiet <- function(x) suppressMessages(suppressWarnings(x))
  list(cr = unname(unclass(quiet(compRelSEM(fit, obs.var = FALSE)))), ave = unname(c(unclass(quiet(AVE(fit))))),
       htmt = unname(unclass(quiet(htmt(model, data, htmt2 = FALSE)))), htmt2 = unname(unclass(quiet(htmt(model, data, htmt2 = TRUE)))),
       latent = unname(unclass(lavInspect(fit, "cor.lv"))))
}
invariance <- function(estimator) {
  steps <- list("", "loadings", c("loadings", "intercepts"), c("loadings", "intercepts", "residuals"))
  fits <- lapply(steps, function(equal) cfa(hs_model, hs, group = "school", group.equal = equal, estimator = estimator))
  indices <- t(sapply(fits, function(fit) fitMeasures(fit, c("chisq", "df", "cfi", "rmsea", "srmr"))))
  test <- lavTestLRT(fits[[1]], fits[[2]], fits[[3]], fits[[4]], method = if (estimator == "ML") "default" else "satorra.bentler.2001")
  list(indices = unname(indices), chisq_diff = test[["Chisq diff"]][-1], df_diff = test[["Df diff"]][-1])
}
result <- list(
  versions = list(R = R.version.string, lavaan = as.character(packageVersion("lavaan")), semTools = as.character(packageVersion("semTools"))),
  bfi = validity(bfi_model, bfi), hs = validity(hs_model, hs),
  invariance = list(ML = invariance("ML"), MLR = invariance("MLR")))
here <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
write_json(result, file.path(dirname(here), "validity.json"), digits = NA, auto_unbox = TRUE)
