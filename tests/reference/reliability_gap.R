# Reliability of difference scores by psych's alpha on differences, and by the classical formula from psych's alphas of
# the parts. mobi: expectations (CUEX) against perceived quality (PERQ); the other pairs only stand for two parts.
# Usage: Rscript reliability_gap.R [data folder] > reliability_gap.json
suppressMessages({library(psych); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))
bb <- read.csv(file.path(folder, "servqual_bb1992_simulated/bb1992.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv")); corp[corp == -99] <- NA
studies <- list(mobi = list(mobi, paste0("CUEX", 1:3), paste0("PERQ", 1:3)),
  servqual = list(bb, paste0("Q", 1:4), paste0("Q", 10:13)),
  corp = list(corp, paste0("comp_", 1:3), paste0("cusl_", 1:3)),
  bfi = list(bfi, paste0("C", 1:3), paste0("E", 3:5)))

coefficients <- function(data, expected, experienced) {
  data <- na.omit(data[c(expected, experienced)])
  x <- data[expected]; y <- data[experienced]; d <- setNames(y - x, experienced)
  of <- function(items) { found <- alpha(items, warnings = FALSE)
    c(found$total$raw_alpha, found$feldt$lower.ci[[1]], found$feldt$upper.ci[[1]]) }
  sums <- cov(cbind(rowSums(x), rowSums(y))); parts <- c(of(x)[1], of(y)[1])
  list(n = nrow(data), alpha_expected = of(x), alpha_experienced = of(y), alpha_gap = of(d),
    parts_r = cov2cor(sums)[1, 2],
    reliability_gap = (sum(diag(sums) * parts) - 2 * sums[1, 2]) / (sum(diag(sums)) - 2 * sums[1, 2]))
}
options(warn = -1)
results <- lapply(studies, function(s) coefficients(s[[1]], s[[2]], s[[3]]))
cat(toJSON(list(versions = list(R = R.version.string, psych = as.character(packageVersion("psych"))), studies = results),
  digits = NA, auto_unbox = TRUE, pretty = TRUE))
