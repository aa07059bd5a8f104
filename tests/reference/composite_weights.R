# Weights of composite indicators: Saaty's eigenvector by power iteration and by R's eigen, entropy and CRITIC cell by
# cell from the papers. Usage: Rscript tests/reference/composite_weights.R
suppressMessages(library(jsonlite))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
# Saaty (1980) random indices
random <- c(0, 0, .58, .90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)
ahp <- function(upper, k) {
  A <- diag(k); A[upper.tri(A)] <- upper; A[lower.tri(A)] <- 1 / t(A)[lower.tri(A)]
  w <- rep(1 / k, k)
  for (i in 1:5000) { v <- drop(A %*% w); w <- v / sum(v) }
  lambda <- mean(drop(A %*% w) / w)
  e <- eigen(A); first <- which.max(Re(e$values)); u <- abs(Re(e$vectors[, first]))
  stopifnot(all.equal(w, u / sum(u), tolerance = 1e-10), all.equal(lambda, Re(e$values[first]), tolerance = 1e-10))
  list(matrix = A, weights = w, consistency_ratio = if (k < 3) 0 else (lambda - k) / (k - 1) / random[k])
}
# six branches by five indicators, scores 0-100; the last does not vary
x <- matrix(c(71, 64, 82, 55, 90, 68,  93, 88, 95, 61, 79, 84,  40, 62, 35, 77, 20, 48,  5, 0, 12, 9, 33, 7,
              50, 50, 50, 50, 50, 50), 6)
entropy <- function(x) {
  d <- sapply(seq_len(ncol(x)), function(j) {
    h <- 0
    for (i in seq_len(nrow(x))) { p <- x[i, j] / sum(x[, j]); if (p > 0) h <- h - p * log(p) / log(nrow(x)) }
    1 - h
  })
  d / sum(d)
}
critic <- function(x) {
  y <- apply(x, 2, function(v) (v - min(v)) / (max(v) - min(v)))
  information <- sapply(seq_len(ncol(y)), function(j) sd(y[, j]) * sum(1 - cor(y)[j, ]))
  information / sum(information)
}
out <- list(versions = list(R = R.version.string),
  ahp = list(ahp(4, 2), ahp(c(3, 5, 2), 3), ahp(c(4, 3, 1 / 3, 7, 3, 5), 4),
             ahp(c(2, 1 / 2, 1 / 5, 3, 2, 7, 1 / 4, 1 / 6, 1 / 2, 1 / 9), 5)),
  scores = x, entropy = entropy(x), critic = critic(x[, 1:4]))
write_json(out, file.path(here, "composite_weights.json"), auto_unbox = TRUE, digits = NA)
