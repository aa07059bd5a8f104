# Reliability from models of ordinal items (lavaan, semTools) and from Schmid-Leiman (psych) on real data.
# Usage: Rscript reliability_models.R [data folder] > reliability_models.json
suppressMessages({library(psych); library(lavaan); library(semTools); library(GPArotation); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)

bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
for (item in c("A1", "C4", "C5", "E1", "E2", "O2", "O5")) bfi[[item]] <- 7 - bfi[[item]]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv")); corp[corp == -99] <- NA
# two clusters of items that one factor does not fit: omega of ordinal items close to one, of the answers .85
water <- read.csv(file.path(folder, "water_r4h2o/customer_survey.csv"))[-1, sprintf("p%02d", 1:10)]
water <- na.omit(as.data.frame(lapply(water, as.numeric)))
for (item in c("p01", "p02", "p07", "p08", "p09", "p10")) water[[item]] <- 8 - water[[item]]
named <- function(prefixes, counts, separator = "") setNames(lapply(seq_along(prefixes), function(i)
  paste0(prefixes[i], separator, seq_len(counts[i]))), prefixes)
traits <- named(c("A", "C", "E", "N", "O"), rep(5, 5))
corporate <- named(c("csor", "attr", "perf", "qual", "like", "comp", "cusl"), c(5, 3, 5, 8, 3, 3, 3), "_")
studies <- list(
  bfi_complete = list(na.omit(bfi), traits, "listwise"),
  bfi = list(bfi, traits, "pairwise"),
  bfi_two = list(na.omit(bfi), traits[1:2], "listwise"),
  bank = list(bank, named(c("imag", "expe", "qual", "val", "sat", "loy"), c(5, 5, 5, 4, 4, 4)), "listwise"),
  mobi = list(mobi, named(c("IMAG", "CUEX", "PERQ", "PERV", "CUSA", "CUSL"), c(5, 3, 7, 2, 3, 3)), "listwise"),
  corp = list(corp, corporate, "pairwise"),
  water = list(water, list(involvement = names(water)), "listwise"),
  corp_listwise = list(na.omit(corp[unlist(corporate)]), corporate, "listwise"))

# two-step maximum likelihood without lavaan's lower limit of 1.5e-8 on the probabilities of cells, which moves the
# maximum where a few answers are very unlikely (bank: imag1 with imag2)
maximum <- function(x, y) {
  counts <- table(x, y)
  cuts <- function(margin) c(-30, qnorm(cumsum(margin)[-length(margin)] / sum(margin)), 30)
  a <- cuts(table(x)); b <- cuts(table(y)); grid <- expand.grid(a, b)
  loss <- function(rho) {
    corner <- matrix(pbivnorm::pbivnorm(grid[[1]], grid[[2]], rho), length(a))
    cells <- diff(t(diff(corner))); -sum(t(counts) * log(pmax(cells, .Machine$double.eps)))
  }
  optimize(loss, c(-0.99, 0.99), tol = 1e-9)$minimum
}
ordinal <- function(x, missing) {
  R <- unclass(lavCor(x, ordered = names(x), missing = missing)); ml <- R
  for (i in seq_len(ncol(x) - 1)) for (j in (i + 1):ncol(x)) ml[i, j] <- ml[j, i] <- maximum(x[[i]], x[[j]])
  result <- list(alpha_ordinal = alpha(ml)$total$raw_alpha, lavaan_is_maximum = max(abs(R - ml)) < 1e-4)
  if (ncol(x) < 3) return(result)
  fit <- cfa(paste("f =~", paste(names(x), collapse = " + ")), x, ordered = names(x), std.lv = TRUE, missing = missing)
  loadings <- as.numeric(lavInspect(fit, "est")$lambda)
  c(result, list(loadings = loadings, heywood = any(abs(loadings) > 1),
    omega_ordinal = if (any(abs(loadings) > 1)) NA else as.numeric(compRelSEM(fit))))
}
instrument <- function(x, k) {
  found <- suppressMessages(omega(x, k, plot = FALSE))
  list(omega_h = found$omega_h, omega_total_sl = found$omega.tot)
}
results <- lapply(studies, function(s) c(list(dimensions = lapply(s[[2]], function(i) ordinal(s[[1]][i], s[[3]]))),
  if (length(s[[2]]) > 1) list(instrument = instrument(s[[1]][unlist(s[[2]])], length(s[[2]])))))
versions <- sapply(c("psych", "lavaan", "semTools", "GPArotation"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = results),
  digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null"))
