# Censored times to resolve: survival::survfit's median and 90th percentile; Wilson's interval: prop.test; events per base: poisson.test;
# the share of variance between units of equal size: psych::ICC's ICC1.
# Rscript tests/reference/operations_kpis.R > tests/reference/operations_kpis.json
suppressMessages({library(survival); library(jsonlite)})
set.seed(3)
km <- function(time, done) {
  q <- quantile(survfit(Surv(time, done) ~ 1), c(.5, .9))
  list(time = time, done = as.integer(done), estimate = unname(q$quantile), low = unname(q$lower), high = unname(q$upper))
}
full <- round(rexp(120, 1 / 20), 2); open <- round(runif(120, 5, 60), 2)
tied <- ceiling(full / 5); tied_open <- ceiling(open / 5)
few <- c(1, 2, 3, 4, 5, 6)
w <- function(x, n) as.numeric(prop.test(x, n, correct = FALSE)$conf.int)
set.seed(8)
ratings <- matrix(round(rnorm(60, rep(rnorm(10, 0, 1), 6)), 3), 10)
icc <- suppressMessages(psych::ICC(ratings, lmer = FALSE))$results[1, ]
out <- list(
  poisson = lapply(list(c(0, 18), c(4, 18), c(29, 18)), function(a)
    list(x = a[1], base = a[2], ci = as.numeric(poisson.test(a[1], a[2])$conf.int))),
  icc = list(value = as.numeric(ratings), unit = rep(1:10, 6), icc1 = c(icc$ICC, icc$`lower bound`, icc$`upper bound`)),

  versions = list(R = R.version.string, survival = as.character(packageVersion("survival")),
    psych = as.character(packageVersion("psych"))),
  random = km(pmin(full, open), full <= open),
  tied = km(pmin(tied, tied_open), tied <= tied_open),
  flat = km(few, c(1, 1, 1, 1, 0, 1)),
  flat_to_the_end = km(c(1, 2, 3, 4), c(1, 1, 0, 0)),
  wilson = list(list(x = 8, n = 10, ci = w(8, 10)), list(x = 81, n = 263, ci = w(81, 263)), list(x = 0, n = 20, ci = w(0, 20)))
)
cat(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE), "\n")
