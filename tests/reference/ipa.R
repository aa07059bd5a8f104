# Importance-performance analysis: places and their covariances by package survey's linearisation (stated importance,
# with and without weights) and by boot (importance derived by dominance over all subsets, with pairwise z tests).
# Usage: Rscript tests/reference/ipa.R [path of the shared data]
suppressMessages({library(jsonlite); library(survey); library(boot)})
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))
bank <- read.csv(file.path(shared, "ecsi_bank_satisfaction", "satisfaction.csv"))
perf <- paste0("qual", 1:5); stated <- paste0("expe", 1:5); k <- 5
bank$w <- .5 + (seq_len(nrow(bank)) - 1) %% 4
radius <- sqrt(qchisq(.95, 2))
names4 <- function(important, good) ifelse(important, ifelse(good, "keep_up", "concentrate_here"),
                                           ifelse(good, "possible_overkill", "low_priority"))

places <- function(m, V, p, i) {  # means m of items and their covariance V; p, i where performance and importance stand
  L <- diag(k) - 1 / k
  slope <- sd(m[i]) / sd(m[p])
  dp <- L %*% m[p]; di <- L %*% m[i]
  C <- rbind(cbind(L %*% V[p, p] %*% t(L), L %*% V[p, i] %*% t(L)), cbind(L %*% V[i, p] %*% t(L), L %*% V[i, i] %*% t(L)))
  J <- cbind(-slope * diag(k), diag(k)) / sd(m[i])
  priority <- drop(J %*% c(dp, di)); se <- sqrt(diag(J %*% C %*% t(J)))
  far <- function(x, s) abs(drop(x)) / (radius * s)
  sure <- far(dp, sqrt(diag(C)[1:k])) > 1 & far(di, sqrt(diag(C)[k + 1:k])) > 1
  list(importance = m[i], performance = m[p], cross = c(mean(m[p]), mean(m[i])), slope = slope, priority = priority,
       priority_se = se, rank = rank(-priority),
       quadrant = ifelse(sure, names4(drop(di) > 0, drop(dp) > 0), "undecided"),
       line = ifelse(far(priority, se) > 1, ifelse(priority > 0, "above", "below"), "undecided"),
       ellipses = lapply(1:k, function(j) C[c(j, k + j), c(j, k + j)]))
}
by_survey <- function(w) {
  bank$.w <- w; n <- nrow(bank)
  s <- svymean(reformulate(c(perf, stated)), svydesign(ids = ~1, weights = ~.w, data = bank))
  places(unname(coef(s)), unname(vcov(s)) * (n - 1) / n, 1:k, k + 1:k)  # the bootstrap's variance has divisor n
}

subsets <- t(sapply(0:(2^k - 1), function(s) bitwAnd(s, 2^(0:(k - 1))) > 0))  # rows in binary order
general <- function(R) {
  r2 <- apply(subsets, 1, function(inside) if (length(v <- which(inside))) sum(solve(R[v, v, drop = FALSE], R[v, k + 1]) * R[v, k + 1]) else 0)
  sapply(1:k, function(j) mean(sapply(0:(k - 1), function(size) {
    without <- which(!subsets[, j] & rowSums(subsets) == size)
    mean(r2[without + 2^(j - 1)] - r2[without])
  })))
}
bank$sat <- rowMeans(bank[paste0("sat", 1:4)])
derived <- function(d, rows) {  # the map shows shares of R2, the tests compare the parts of R2 themselves
  g <- general(cor(d[rows, ])); c(colMeans(d[rows, 1:k]), g / sum(g), g)
}
set.seed(20261121)
d <- as.matrix(bank[c(perf, "sat")])
b <- boot(d, derived, 6000)
C <- cov(b$t)
pair <- combn(k, 2)
difference <- unname(b$t0[2 * k + pair[1, ]] - b$t0[2 * k + pair[2, ]])
error <- apply(b$t[, 2 * k + pair[1, ]] - b$t[, 2 * k + pair[2, ]], 2, sd)
p <- 2 * pnorm(-abs(difference / error))
out <- list(versions = list(R = R.version.string, survey = as.character(packageVersion("survey")),
                            boot = as.character(packageVersion("boot"))),
  stated = by_survey(rep(1, nrow(bank))), weighted = by_survey(bank$w),
  derived = places(unname(b$t0), unname(C), 1:k, k + 1:k),
  pairwise = list(estimate = difference, std_error = error, p_value = p, p_adjusted = p.adjust(p, "holm")))
write_json(out, file.path(here, "ipa.json"), auto_unbox = TRUE, digits = NA)
