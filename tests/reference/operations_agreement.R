# Agreement of monitors: psych::ICC, psych::cohen.kappa and base R's formulas of Fleiss' kappa and Gwet's AC1.
# Rscript tests/reference/operations_agreement.R > tests/reference/operations_agreement.json
suppressMessages({library(psych); library(jsonlite)})
# Shrout and Fleiss (1979), table 2: six targets, four judges.
sf <- matrix(c(9,2,5,8, 6,1,3,2, 8,4,6,8, 7,1,2,6, 10,5,6,9, 6,2,4,7), ncol = 4, byrow = TRUE)
icc <- ICC(sf, lmer = FALSE)$results
set.seed(1)
truth <- rnorm(60)
rate <- function(shift) findInterval(truth + shift + rnorm(60, sd = .6), c(-1, 0, 1)) + 1
r <- cbind(a = rate(0), b = rate(.3), c = rate(-.2))
ck <- cohen.kappa(r[, 1:2])
icc60 <- ICC(r, lmer = FALSE)$results
parts <- function(r) {
  k <- ncol(r); m <- t(apply(r, 1, tabulate, 4)); p <- colSums(m) / sum(m)
  list(pa = mean((rowSums(m^2) - k) / (k * (k - 1))), p = p)
}
fleiss <- function(r) { x <- parts(r); (x$pa - sum(x$p^2)) / (1 - sum(x$p^2)) }
ac1 <- function(r) { x <- parts(r); pe <- sum(x$p * (1 - x$p)) / 3; (x$pa - pe) / (1 - pe) }
# Delete-one jackknife standard errors: what the linearised ones must be near.
jack <- function(r, f) { n <- nrow(r); v <- sapply(1:n, function(i) f(r[-i, ])); sqrt((n - 1)^2 / n * var(v)) }
named <- function(x) as.list(setNames(as.data.frame(x[, c("ICC", "lower bound", "upper bound")]), c("icc", "low", "high")))
out <- list(
  versions = list(R = R.version.string, psych = as.character(packageVersion("psych"))),
  shrout_fleiss = named(icc), ratings = as.data.frame(r), icc60 = named(icc60),
  cohen = list(kappa = ck$kappa, weighted = ck$weighted.kappa, confid = unname(as.matrix(ck$confid)),
               var = ck$var.kappa, var_weighted = ck$var.weighted),
  fleiss = list(estimate = fleiss(r), jackknife_se = jack(r, fleiss)),
  ac1 = list(estimate = ac1(r), jackknife_se = jack(r, ac1))
)
cat(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE, dataframe = "columns"), "\n")
