# Number of factors by psych on real data. Usage: Rscript factors_number.R [data folder] > factors_number.json
#
# psych::fa.parallel keeps the eigenvalues before the first that does not exceed the 95 % quantile of its counterparts in
# sim = TRUE's random normal data (not of the resampled data, whose means it only draws). Its factors are eigenvalues of
# the correlations with the communalities of one minres factor in the diagonal (SMC = FALSE, its default), or with
# squared multiple correlations (SMC = TRUE). On bfi the two keep 6 and 8.
suppressMessages({library(psych); library(GPArotation); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))[, 1:27]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv"))
corp <- corp[, grep("^(csor|attr|perf|qual|like|comp|cusl)_[0-9]$", names(corp))]
corp[corp == -99] <- NA
simulated <- function(data, SMC, n.iter) {
  p <- ncol(data)
  set.seed(1)
  sink(stderr())
  f <- fa.parallel(data, SMC = SMC, n.iter = n.iter, plot = FALSE)
  sink()
  component <- f$values[, 2 * p + 1:p]
  factor <- f$values[, 3 * p + 1:p]
  list(n_factors = f$nfact, n_components = f$ncomp, n_iter = n.iter, factor = f$fa.values,
    component = f$pc.values, factor_mean = colMeans(factor), factor_sd = apply(factor, 2, sd),
    factor_quantile = unname(apply(factor, 2, quantile, .95)), component_mean = colMeans(component),
    component_sd = apply(component, 2, sd), component_quantile = unname(apply(component, 2, quantile, .95)))
}
fourth <- function(R) {  # psych has the squares only: Velicer, Eaton and Fava's fourth power by the same steps
  e <- eigen(R)
  sapply(0:(ncol(R) - 1), function(m) {
    left <- if (m) R - tcrossprod(e$vectors[, 1:m, drop = FALSE] %*% diag(sqrt(e$values[1:m]), m)) else R
    partial <- cov2cor(left)
    mean(partial[row(partial) != col(partial)]^4)
  })
}
studies <- list(bfi_complete = na.omit(bfi), bfi = bfi, bank = bank, mobi = mobi, corp_rep = corp)
results <- lapply(names(studies), function(name) {
  data <- studies[[name]]
  R <- cor(data, use = "pairwise"); p <- ncol(R)
  reduced <- R; diag(reduced) <- smc(R)
  sink(stderr())
  squared <- vss(R, n = p - 1, n.obs = nrow(data), plot = FALSE, rotate = "none", fm = "pc")$map
  sink()
  out <- list(component = eigen(R)$values, smc = eigen(reduced)$values, map = squared, map_fourth = fourth(R))
  n.iter <- if (name == "bfi_complete") 300 else 100
  c(out, list(parallel = simulated(data, FALSE, n.iter), parallel_smc = simulated(data, TRUE, n.iter)))
})
names(results) <- names(studies)
cat(toJSON(list(versions = list(R = R.version.string, psych = as.character(packageVersion("psych"))),
  studies = results), digits = I(12), auto_unbox = TRUE))
