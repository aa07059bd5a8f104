# Control charts from the textbook's formulas (Montgomery 2012; Burr 1969; Laney 2002; Roberts 1959; Page 1954) and
# Nelson's (1984) rules as he words them, window by window, in base R. The series are drawn here and stand in the JSON.
# Usage: Rscript tests/reference/tracking_control.R
suppressMessages(library(jsonlite))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
set.seed(20261121)
d2 <- 2 / sqrt(pi)  # expected range of two standard normals
c4 <- function(n) sqrt(2 / (n - 1)) * gamma(n / 2) / gamma((n - 1) / 2)
moving <- function(x) mean(abs(diff(x))) / d2

# each rule flags the last point of a window that shows the pattern; the two-of-three rules only a point itself beyond
windows <- function(z, k, shows) sapply(seq_along(z), function(t) t >= k && shows(z[(t - k + 1):t]))
either <- function(z, k, shows) windows(z, k, shows) | windows(-z, k, shows)
rules <- function(z) cbind(
  abs(z) > 3,
  either(z, 9, function(w) all(w > 0)),
  either(z, 6, function(w) all(diff(w) > 0)),
  windows(z, 14, function(w) { s <- sign(diff(w)); all(s != 0) && all(s[-1] == -s[-13]) }),
  either(c(0, z), 3, function(w) w[3] > 2 && sum(w > 2) >= 2)[-1],
  either(c(0, z), 5, function(w) w[5] > 1 && sum(w > 1) >= 4)[-1],
  windows(z, 15, function(w) all(abs(w) < 1)),
  windows(z, 8, function(w) all(abs(w) > 1)))
flags <- function(z) lapply(seq_len(8), function(k) I(which(rules(z)[, k]) - 1))

# one quiet series with each pattern planted, and noise
z <- round(c(rnorm(60), rnorm(12, 1.1, .8), seq(-1.5, 1.5, .4), rep(c(.6, -.7), 8), runif(17, -.9, .9),
             c(1.4, -1.3, 1.2, 1.6, -1.5, -1.9, 2.2, 1.1, -2.3, -2.1, .1, -2.4), rnorm(40, 0, 1.6)), 3)

individuals <- round(cumsum(rnorm(30, 0, .2)) + rnorm(30, 12, 1), 2)
mr <- moving(individuals[1:20])

sizes <- sample(4:40, 24, TRUE)
raw <- lapply(sizes, function(n) round(rnorm(n, 4, .9), 1)); raw[[21]] <- raw[[21]] - 1
means <- sapply(raw, mean); sds <- sapply(raw, sd)
first <- 1:16; df <- sum(sizes[first] - 1)
s <- sqrt(sum((sizes[first] - 1) * sds[first]^2) / df) / c4(df + 1)
center <- sum(sizes[first] * means[first]) / sum(sizes[first])

exposure <- sample(300:900, 26); events <- rpois(26, .08 * exposure * rgamma(26, 30, 30))
share <- events / exposure; bar <- sum(events) / sum(exposure)
laney <- function(variance) {
  error <- sqrt(variance / exposure); spread <- moving((share - bar) / error)
  list(center = bar, spread = spread, lower = pmax(bar - 3 * error, 0), upper = bar + 3 * error,
       lower_prime = pmax(bar - 3 * spread * error, 0), upper_prime = bar + 3 * spread * error)
}

# EWMA: weights written out, so that the variance of z_t is a plain sum over independent means
lambda <- .3; error <- s / sqrt(sizes)
ewma <- sapply(seq_along(means), function(t) {
  w <- lambda * (1 - lambda)^(t - seq_len(t))
  c(sum(w * means[1:t]) + (1 - lambda)^t * center, sqrt(sum(w^2 * error[1:t]^2)))
})
# CUSUM: C+ is the largest sum of any run that ends here (or 0), k taken off each term
score <- (means - center) / error
run <- function(x) sapply(seq_along(x), function(t) max(0, rev(cumsum(rev(x[1:t] - .5)))))
out <- list(versions = list(R = R.version.string),
  nelson = list(z = z, flags = flags(z)),
  i = list(values = individuals, baseline = 20, center = mean(individuals[1:20]), sigma = mr,
           lower = mean(individuals[1:20]) - 3 * mr, upper = mean(individuals[1:20]) + 3 * mr,
           flags = flags((individuals - mean(individuals[1:20])) / mr)),
  xbar = list(raw = raw, sizes = sizes, sd = sds, baseline = 16, center = center, sigma = s, means = means,
              lower = center - 3 * error, upper = center + 3 * error, flags = flags(score)),
  p = c(list(share = share, n = exposure), laney(bar * (1 - bar))),
  u = laney(bar),
  ewma = list(level = ewma[1, ], lower = center - 2.7 * ewma[2, ], upper = center + 2.7 * ewma[2, ]),
  cusum = list(high = run(score), low = -run(-score)))
write_json(out, file.path(here, "tracking_control.json"), auto_unbox = TRUE, digits = NA)
