# Dynamic cut-offs by simulation with lavaan, from populations written down by hand after McNeish and Wolf (2023):
# lavaan's standardised estimates of the Holzinger-Swineford models, cross-loadings and residual correlations added.
# Rscript tests/reference/cutoffs.R [folder with the real data; default $QA_SHARED_DATA or ../shared/data]
suppressMessages({library(lavaan); library(jsonlite)})
given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
hs <- read.csv(file.path(folder, "lavaan_classics", "HolzingerSwineford1939.csv"))
three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
one <- paste("g =~", paste0("x", 1:9, collapse = " + "))
n <- nrow(hs)
reps <- 1000

replicate_fits <- function(model, population) {
  set.seed(20261121)
  root <- chol(population)
  out <- t(replicate(reps, {
    x <- matrix(rnorm(n * 9), n) %*% root
    s <- cov(x); dimnames(s) <- dimnames(population)
    fitMeasures(cfa(model, sample.cov = s, sample.nobs = n, std.lv = TRUE), c("srmr", "rmsea", "cfi"))
  }))
  probs <- c(.05, .10, .50, .90, .95)
  list(population = unname(population), quantiles = unname(apply(out, 2, quantile, probs)))
}
standard <- function(model) {
  est <- lavInspect(cfa(model, hs, std.lv = TRUE), "std")
  list(lambda = unclass(est$lambda), phi = unclass(est$psi))
}
population <- function(lambda, phi, pairs = NULL) {
  r <- lambda %*% phi %*% t(lambda); error <- 1 - diag(r); diag(r) <- 1
  for (pair in pairs) r[pair[1], pair[2]] <- r[pair[2], pair[1]] <- r[pair[1], pair[2]] + .3 * sqrt(error[pair[1]] * error[pair[2]])
  r
}
s3 <- standard(three)
# weakest items: x2 (visual, .424), x7 (speed, .570), x4 (textual, .852); coefficient H: textual > speed > visual
# x2 goes to textual; x7 to textual too (the pair visual-textual is used, speed-textual is not)
level1 <- s3$lambda; level1["x2", "textual"] <- level1["x2", "visual"]
level2 <- level1; level2["x7", "textual"] <- level2["x7", "speed"]
s1 <- standard(one)
order1 <- names(sort(abs(s1$lambda[, 1])))
pairs <- lapply(1:4, function(k) order1[c(2 * k - 1, 2 * k)])
result <- list(
  versions = list(R = R.version.string, lavaan = as.character(packageVersion("lavaan"))), reps = reps,
  loadings = unname(s3$lambda), order = order1,
  three = list(replicate_fits(three, population(s3$lambda, s3$phi)), replicate_fits(three, population(level1, s3$phi)),
               replicate_fits(three, population(level2, s3$phi))),
  one = c(list(replicate_fits(one, population(s1$lambda, s1$phi))),
          lapply(c(1, 2, 4), function(k) replicate_fits(one, population(s1$lambda, s1$phi, pairs[1:k])))))
here <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
write_json(result, file.path(dirname(here), "cutoffs.json"), digits = NA, auto_unbox = TRUE)
