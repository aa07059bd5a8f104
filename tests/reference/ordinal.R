# Polychoric and polyserial correlations, thresholds and their asymptotic covariance by lavaan.
# Rscript tests/reference/ordinal.R [folder with the real data; default $QA_SHARED_DATA or ../shared/data]
suppressMessages({library(lavaan); library(jsonlite)})
given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
bfi <- read.csv(file.path(folder, "psych_bfi", "bfi.csv"))
keys <- as.vector(outer(c("A", "C", "E", "N", "O"), 1:5, function(a, b) paste0(a, b)))
keys <- sort(keys)
bfi <- bfi[, keys]
hs <- read.csv(file.path(folder, "lavaan_classics", "HolzingerSwineford1939.csv"))

summarise <- function(fit, full = TRUE) {
  gamma <- unclass(lavInspect(fit, "gamma"))
  sample <- lavInspect(fit, "sampstat")
  list(names = rownames(gamma), gamma = if (full) unname(gamma) else NULL, gamma_diagonal = unname(diag(gamma)),
       th = unname(c(unclass(sample$th))), th_names = names(sample$th), cov = unname(unclass(sample$cov)),
       mean = unname(c(unclass(sample$mean))))
}
complete <- na.omit(bfi)
one <- function(names) paste("f =~", paste(names, collapse = " + "))
ten <- c(paste0("A", 1:5), paste0("N", 1:5))

cut3 <- function(x) as.integer(cut(x, quantile(x, c(0, .3, .75, 1)), include.lowest = TRUE))
mixed <- data.frame(x1 = hs$x1, x2 = cut3(hs$x2), x3 = hs$x3, x4 = cut3(hs$x4), x5 = as.integer(hs$x5 > 4), x6 = hs$x6)
weights <- rep(c(0.5, 1, 2, 0.8, 0.7), length.out = nrow(complete))
weighted <- cbind(complete[, paste0("N", 1:5)], w = weights)
# a 2 x 2 table with an empty cell: lavaan adds a half and keeps the margins
binary <- data.frame(a = rep(c(0, 0, 1, 1), c(20, 0, 11, 9)), b = rep(c(0, 1, 0, 1), c(20, 0, 11, 9)))

quiet <- function(expr) suppressWarnings(expr)
result <- list(
  versions = list(R = R.version.string, lavaan = as.character(packageVersion("lavaan"))),
  complete = list(n = nrow(complete), cor = unname(unclass(lavCor(complete, ordered = keys))),
                  th = unname(c(unclass(lavCor(complete, ordered = keys, output = "th"))))),
  pairwise = list(cor = unname(unclass(lavCor(bfi, ordered = keys, missing = "pairwise")))),
  ten = summarise(quiet(cfa(one(ten), complete, ordered = TRUE, estimator = "WLSMV"))),
  all = summarise(quiet(cfa(one(keys), complete, ordered = TRUE, estimator = "WLSMV")), full = FALSE),
  mixed = c(list(data = mixed), summarise(quiet(cfa(one(names(mixed)), mixed, ordered = c("x2", "x4", "x5"),
                                                   estimator = "WLSMV")))),
  weighted = c(list(weights = weights), summarise(quiet(cfa(one(paste0("N", 1:5)), weighted, ordered = paste0("N", 1:5),
             estimator = "WLSMV", sampling.weights = "w")))),
  empty_cell = list(cor = quiet(lavCor(binary, ordered = c("a", "b")))[2, 1])
)
here <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
write_json(result, file.path(dirname(here), "ordinal.json"), digits = NA, auto_unbox = TRUE, dataframe = "columns")
