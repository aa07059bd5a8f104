# Monitors with missing scores: Gwet's AC2 and Fleiss' kappa with distances of the values (Gwet 2014, eq. 4.12-4.14, section 5.3),
# Krippendorff's alpha from the coincidence matrix (2004, ch. 11), weighted kappa's variance (Fleiss, Cohen and Everitt 1969, eq. 8), in base R;
# mean squares of blocks of monitors who share no contact: anova(lm). Rscript tests/reference/operations_agreement_missing.R > …json
suppressMessages(library(jsonlite))
chance_corrected <- function(x, values, w, kind) {
  r <- t(apply(x, 1, function(v) table(factor(v, values)))); m <- rowSums(r); twice <- m >= 2; n <- nrow(r); q <- length(values)
  agree <- rowSums(r * (r %*% w - 1)) / pmax(m * (m - 1), 1); share <- r / m; p <- colMeans(share)
  if (kind == "fleiss") { pe <- sum(w * outer(p, p)); pe_i <- as.vector(share %*% w %*% p) }
  else { pe <- sum(w) * sum(p * (1 - p)) / (q * (q - 1)); pe_i <- sum(w) / (q * (q - 1)) * as.vector(share %*% (1 - p)) }
  est <- (mean(agree[twice]) - pe) / (1 - pe)
  u <- ifelse(twice, (agree - pe) / (1 - pe), 0) * n / sum(twice) - 2 * (1 - est) * (pe_i - pe) / (1 - pe)
  c(est, sqrt(sum((u - est)^2) / (n * (n - 1))))
}
alpha <- function(x, values, level) {
  x <- x[rowSums(!is.na(x)) >= 2, ]; q <- length(values); o <- matrix(0, q, q)
  for (i in 1:nrow(x)) { v <- match(na.omit(x[i, ]), values); for (a in seq_along(v)) for (b in seq_along(v)) if (a != b)
    o[v[a], v[b]] <- o[v[a], v[b]] + 1 / (length(v) - 1) }
  m <- rowSums(o); d <- outer(1:q, 1:q, Vectorize(function(a, b) if (level == "nominal") a != b else
    if (level == "interval") (values[a] - values[b])^2 else if (a == b) 0 else (sum(m[a:b]) - (m[a] + m[b]) / 2)^2))
  1 - (sum(m) - 1) * sum(o * d) / sum(outer(m, m) * d)
}
weighted_kappa <- function(x, values, w) {
  p <- prop.table(table(factor(x[, 1], values), factor(x[, 2], values))); a <- rowSums(p); b <- colSums(p); n <- nrow(x)
  po <- sum(p * w); pe <- sum(outer(a, b) * w); k <- (po - pe) / (1 - pe)
  v <- (sum(p * (w - outer(as.vector(w %*% b), as.vector(a %*% w), "+") * (1 - k))^2) - (k - pe * (1 - k))^2) / (n * (1 - pe)^2)
  c(k, sqrt(v))
}
set.seed(7); values <- c(0, 5, 10, 20); truth <- rnorm(40)
x <- sapply(1:3, function(j) values[findInterval(truth + rnorm(40, sd = .7), c(-1, 0, 1)) + 1])
two <- x[, 1:2]; x[cbind(sample(40, 14), sample(3, 14, TRUE))] <- NA; x <- x[rowSums(!is.na(x)) > 0, ]
near <- outer(values, values, function(a, b) 1 - (a - b)^2 / 400); steps <- outer(1:4, 1:4, function(a, b) 1 - (a - b)^2 / 9)
blocks <- data.frame(contact = factor(rep(1:10, 2)), monitor = factor(rep(c("a", "c", "b", "d"), each = 5)),
                     y = c(1, 2, 3, 4, 5, 1, 3, 3, 4, 5, 2, 2, 3, 5, 5, 2, 3, 2, 5, 5))
after <- anova(lm(y ~ monitor + contact, blocks)); k <- 2; f <- after["contact", "F value"]
f_low <- f / qf(.975, after["contact", "Df"], after["Residuals", "Df"]); f_high <- f * qf(.975, after["Residuals", "Df"], after["contact", "Df"])
# the coefficient of the contacts' variance in their adjusted sum of squares: ratings - monitors
k <- (nrow(blocks) - 4) / after["contact", "Df"]
out <- list(versions = list(R = R.version.string), ratings = as.data.frame(x), two = as.data.frame(two),
  ac2_interval = chance_corrected(x, values, near, "gwet"), ac2_ordinal = chance_corrected(x, values, steps, "gwet"),
  ac1 = chance_corrected(x, values, diag(4), "gwet"), fleiss = chance_corrected(x, values, diag(4), "fleiss"),
  alpha = lapply(c(nominal = "nominal", ordinal = "ordinal", interval = "interval"), function(l) alpha(x, values, l)),
  kappa_interval = weighted_kappa(two, values, near), kappa_ordinal = weighted_kappa(two, values, steps),
  blocks = list(icc = (c(f, f_low, f_high) - 1) / (c(f, f_low, f_high) + k - 1)))
cat(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE, dataframe = "columns"), "\n")
