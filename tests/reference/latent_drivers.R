# Latent regressions with direct, indirect and total effects: dimensions -> satisfaction -> loyalty, by lavaan.
# Run from the repository root: Rscript tests/reference/latent_drivers.R
# Data: environment variable QA_SHARED_DATA, default ../shared/data. Writes tests/reference/latent_drivers.json.
suppressMessages({library(lavaan); library(jsonlite)})
data_dir <- Sys.getenv("QA_SHARED_DATA", "../shared/data")
read <- function(...) read.csv(file.path(data_dir, ...), check.names = FALSE)
measured <- function(blocks) paste(names(blocks), "=~", sapply(blocks, paste, collapse = " + "), collapse = "\n")

effects <- function(d, dims, sat, loy, ...) {
  x <- names(dims)
  a <- paste0("a", seq_along(x)); c <- paste0("c", seq_along(x))
  blocks <- c(dims, sat, loy); several <- lengths(blocks) > 1
  s <- if (length(sat[[1]]) > 1) names(sat) else sat[[1]]
  model <- paste(c(measured(blocks[several]), paste(s, "~", paste0(a, "*", x, collapse = " + ")),
    paste(names(loy), "~ b*", s, "+", paste0(c, "*", x, collapse = " + ")),
    paste0("ind", seq_along(x), " := ", a, "*b"), paste0("tot", seq_along(x), " := ", a, "*b + ", c)), collapse = "\n")
  # lavaan stops where nlminb's relative change is small; started anew from there it goes the rest of the way
  fit <- sem(model, d, estimator = "MLR", ...)
  for (k in 1:8) fit <- sem(model, d, estimator = "MLR", start = fit, optim.method = if (k %% 2) "BFGS" else "nlminb",
    control = if (k %% 2) list(reltol = 1e-16, maxit = 5000) else list(rel.tol = 1e-12), optim.force.converged = TRUE, ...)
  est <- parameterEstimates(fit); std <- standardizedSolution(fit)
  pick <- function(labels) { k <- match(labels, est$label)
    list(estimate = est$est[k], std_error = est$se[k], conf_low = est$ci.lower[k], conf_high = est$ci.upper[k],
      std_all = std$est.std[k], std_low = std$ci.lower[k], std_high = std$ci.upper[k]) }
  list(satisfaction = pick(a), mediator = pick("b"), direct = pick(c), indirect = pick(paste0("ind", seq_along(x))),
    total = pick(paste0("tot", seq_along(x))), r_squared = unname(lavInspect(fit, "r2")[c(s, names(loy))]),
    fit = as.list(fitMeasures(fit, c("chisq.scaled", "df", "cfi.robust", "rmsea.robust", "srmr"))), n = nobs(fit))
}
numbered <- function(stem, k, sep = "") paste0(stem, sep, seq_len(k))

bank <- read("ecsi_bank_satisfaction", "satisfaction.csv")
corp <- read("corp_rep", "corp_rep_data.csv"); corp[corp == -99] <- NA
out <- list(
  versions = list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan"))),
  bank = effects(bank, list(imag = numbered("imag", 5), qual = numbered("qual", 5), val = numbered("val", 4)),
    list(sat = numbered("sat", 4)), list(loy = numbered("loy", 4))),
  corp_rep = effects(corp, list(csor = numbered("csor", 5, "_"), attr = numbered("attr", 3, "_"), perf = numbered("perf", 5, "_"),
    qual = numbered("qual", 8, "_")), list(satisfaction = "cusa"), list(loyalty = numbered("cusl", 3, "_")), missing = "fiml")
)
write_json(out, "tests/reference/latent_drivers.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
