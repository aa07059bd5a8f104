# Reliability by psych, lavaan and semTools on real data. Usage: Rscript reliability.R [data folder] > reliability.json
suppressMessages({library(psych); library(lavaan); library(semTools); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)

bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
for (item in c("A1", "C4", "C5", "E1", "E2", "O2", "O5")) bfi[[item]] <- 7 - bfi[[item]]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv")); corp[corp == -99] <- NA
water <- read.csv(file.path(folder, "water_r4h2o/customer_survey.csv"))[-1, sprintf("p%02d", 1:10)]
water <- na.omit(as.data.frame(lapply(water, as.numeric)))
for (item in c("p01", "p02", "p07", "p08", "p09", "p10")) water[[item]] <- 8 - water[[item]]
named <- function(prefixes, counts, separator = "") setNames(lapply(seq_along(prefixes), function(i)
  paste0(prefixes[i], separator, seq_len(counts[i]))), prefixes)
studies <- list(
  bfi_complete = list(na.omit(bfi), named(c("A", "C", "E", "N", "O"), rep(5, 5))),
  bfi = list(bfi, named(c("A", "C", "E", "N", "O"), rep(5, 5))),
  bank = list(bank, named(c("imag", "expe", "qual", "val", "sat", "loy"), c(5, 5, 5, 4, 4, 4))),
  mobi = list(mobi, named(c("IMAG", "CUEX", "PERQ", "PERV", "CUSA", "CUSL"), c(5, 3, 7, 2, 3, 3))),
  corp = list(corp, named(c("csor", "attr", "perf", "qual", "like", "comp", "cusl"), c(5, 3, 5, 8, 3, 3, 3), "_")),
  water = list(water, list(involvement = names(water))))

# every split of the correlation matrix by brute force; psych's splitHalf visits only half of them when the number of items is odd
all_splits <- function(R) {
  p <- ncol(R)
  sapply(combn(p, p %/% 2, simplify = FALSE), function(a) 4 * sum(R[a, -a]) / sum(R))
}

coefficients <- function(x) {
  found <- alpha(x, warnings = FALSE); total <- found$total; p <- ncol(x); R <- cov2cor(cov(x, use = "pairwise"))
  result <- list(n = nrow(x), alpha = total$raw_alpha, alpha_std = total$std.alpha, mean_r = total$average_r,
    alpha_low = found$feldt$lower.ci[[1]], alpha_high = found$feldt$upper.ci[[1]],
    item_rest_r = found$item.stats$r.drop, mean = found$item.stats$mean, sd = found$item.stats$sd)
  if (p > 2) {
    half <- splitHalf(R); splits <- all_splits(R)
    result <- c(result, list(alpha_if_dropped = found$alpha.drop$raw_alpha, lambda2 = half$lambda2,
      lambda6 = total$`G6(smc)`, split_half_max = max(splits), split_half_min = min(splits),
      split_half_mean = mean(splits), psych_split_half = c(half$maxrb, half$meanr, half$minrb)))
    fit <- cfa(paste("f =~", paste(names(x), collapse = " + ")), sample.cov = cov(x, use = "pairwise"),
      sample.nobs = nrow(x), std.lv = TRUE, control = list(rel.tol = 1e-14))
    lambda <- lavInspect(fit, "est")$lambda
    result$omega_total <- as.numeric(compRelSEM(fit))
    result$negative_variance <- any(diag(lavInspect(fit, "est")$theta) < 0)
  }
  result
}

results <- lapply(studies, function(study) lapply(study[[2]], function(items) coefficients(study[[1]][items])))
versions <- sapply(c("psych", "lavaan", "semTools"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = results),
  digits = NA, auto_unbox = TRUE, pretty = TRUE))
