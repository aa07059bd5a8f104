# Ordinal alpha: psych's standardised alpha of lavaan's polychoric correlations. Usage: Rscript alpha_ordinal.R [data folder]
suppressMessages({library(psych); library(lavaan); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
for (item in c("A1", "C4", "C5", "E1", "E2", "O2", "O5")) bfi[[item]] <- 7 - bfi[[item]]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
ordinal <- function(x, missing) alpha(unclass(lavCor(x, ordered = names(x), missing = missing)))$total$raw_alpha
scales <- function(x, missing) sapply(c("A", "C", "E", "N", "O"), function(s) ordinal(x[paste0(s, 1:5)], missing))
result <- list(bfi_complete = as.list(scales(na.omit(bfi), "listwise")), bfi = as.list(scales(bfi, "pairwise")),
               mobi = list(CUSA = ordinal(mobi[paste0("CUSA", 1:3)], "listwise")))
versions <- sapply(c("psych", "lavaan"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = result), digits = NA, auto_unbox = TRUE, pretty = TRUE))
