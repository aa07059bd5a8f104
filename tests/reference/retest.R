# Test-retest coefficients by psych and stats on real data: pairs of items stand for two measurements of one.
# Usage: Rscript retest.R [data folder] > retest.json
suppressMessages({library(psych); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))
pairs <- list(CUSA = mobi[c("CUSA1", "CUSA2")], PERV = mobi[c("PERV1", "PERV2")], CUSL = mobi[c("CUSL1", "CUSL2")],
              N = bfi[c("N1", "N2")])

coefficients <- function(x, level) {
  x <- na.omit(x)
  icc <- ICC(x, alpha = 1 - level, lmer = FALSE)$results
  found <- function(type) unname(unlist(icc[icc$type == type, c("ICC", "lower bound", "upper bound")]))
  r <- cor.test(x[[1]], x[[2]], conf.level = level); t <- t.test(x[[2]], x[[1]], paired = TRUE, conf.level = level)
  sem <- sd(x[[2]] - x[[1]]) / sqrt(2)
  sem <- sem * c(1, sqrt((nrow(x) - 1) / qchisq(c(1 + level, 1 - level) / 2, nrow(x) - 1)))
  list(n = nrow(x), icc = found("ICC2"), icc_consistency = found("ICC3"), r = c(r$estimate[[1]], r$conf.int),
       mean_change = c(t$estimate[[1]], t$conf.int), change_t = t$statistic[[1]], change_df = t$parameter[[1]],
       change_p = t$p.value, sem = sem, sdc = 1.96 * sqrt(2) * sem)
}
levels <- list("0.95" = 0.95, "0.9" = 0.9)
cat(toJSON(list(versions = list(R = R.version.string, psych = as.character(packageVersion("psych"))),
  levels = lapply(levels, function(level) lapply(pairs, coefficients, level))),
  digits = NA, auto_unbox = TRUE, pretty = TRUE))
