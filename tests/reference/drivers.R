# Driver regressions, dominance (all subsets, = LMG) and Johnson's relative weights, the latter two written from the
# papers (Azen and Budescu 2003; Johnson 2000). Run from the repository root: Rscript tests/reference/drivers.R
# Data: environment variable QA_SHARED_DATA, default ../shared/data. Writes tests/reference/drivers.json.
suppressMessages({library(sandwich); library(lmtest); library(car); library(MASS); library(jsonlite)})
data_dir <- Sys.getenv("QA_SHARED_DATA", "../shared/data")
read <- function(...) read.csv(file.path(data_dir, ...), check.names = FALSE)
construct <- function(d, stems) as.data.frame(sapply(stems, function(s) rowMeans(d[grep(paste0("^", s, "_?[0-9]*$"), names(d))])))

subset_r2 <- function(R) {                      # R: correlations, outcome last; subsets numbered by bits
  p <- nrow(R) - 1
  sapply(0:(2^p - 1), function(s) {
    k <- which(bitwAnd(s, 2^(0:(p - 1))) > 0)
    if (!length(k)) 0 else drop(R[p + 1, k] %*% solve(R[k, k, drop = FALSE], R[k, p + 1]))
  })
}
dominance <- function(r2) {
  p <- log2(length(r2)); s <- 0:(length(r2) - 1)
  inside <- sapply(1:p, function(k) bitwAnd(s, 2^(k - 1)) > 0)
  conditional <- t(sapply(1:p, function(k) sapply(0:(p - 1), function(size) {
    without <- s[!inside[, k] & rowSums(inside) == size]
    mean(r2[without + 2^(k - 1) + 1] - r2[without + 1])
  })))
  complete <- matrix(.5, p, p)
  for (i in 1:p) for (j in 1:p) if (i != j) {
    o <- s[!inside[, i] & !inside[, j]]
    lead <- r2[o + 2^(i - 1) + 1] - r2[o + 2^(j - 1) + 1]
    complete[i, j] <- if (all(lead >= 0)) 1 else if (all(lead <= 0)) 0 else .5
  }
  list(general = rowMeans(conditional), conditional = conditional, complete = complete)
}
relative_weights <- function(R) {
  p <- nrow(R) - 1; e <- eigen(R[1:p, 1:p])
  root <- e$vectors %*% diag(sqrt(e$values)) %*% t(e$vectors)
  drop(root^2 %*% solve(root, R[1:p, p + 1])^2)
}
mcfadden <- function(fit, null) as.numeric(1 - logLik(fit) / logLik(null))

linear <- function(d, y, x, w = NULL, cluster = NULL) {
  d$.w <- if (is.null(w)) 1 else w
  f <- reformulate(x, y)
  m <- lm(f, d, weights = .w)
  R <- cov.wt(d[c(x, y)], d$.w / sum(d$.w), cor = TRUE)$cor
  out <- list(n = nrow(d), params = unname(coef(m)), r_squared = summary(m)$r.squared, vif = unname(vif(m)),
    relative_weight = relative_weights(R), zero_order_r = unname(R[x, y]), beta = unname(drop(solve(R[x, x], R[x, y]))))
  for (type in c("HC0", "HC1", "HC2", "HC3")) out[[type]] <- unname(sqrt(diag(vcovHC(m, type = type))))
  out <- c(out, dominance(subset_r2(R)))
  ci <- coefci(m, vcov. = vcovHC(m, type = "HC3"), df = (if (is.null(w)) nrow(d) else sum(w)^2 / sum(w^2)) - length(x) - 1)
  out$conf_low <- unname(ci[, 1]); out$conf_high <- unname(ci[, 2])
  if (is.null(w)) {
    out$nonrobust <- unname(sqrt(diag(vcov(m))))
    bp <- bptest(m); reset <- resettest(m, power = 2:3, type = "fitted")
    e <- resid(m); s2 <- mean(e^2)
    out$heteroscedasticity <- c(bp$statistic, bp$p.value)
    out$linearity <- c(reset$statistic, reset$p.value)
    out$residual_normality <- length(e) / 6 * ((mean(e^3) / s2^1.5)^2 + (mean(e^4) / s2^2 - 3)^2 / 4)
  }
  out$cooks_distance <- max(cooks.distance(m))
  if (!is.null(cluster)) out$cluster <- unname(sqrt(diag(vcovCL(m, cluster = cluster, type = "HC1"))))
  out
}

ordinal <- function(d, y, x, reltol = 1e-14, cluster = NULL) {
  d$.y <- ordered(d[[y]])
  fit <- function(v) polr(reformulate(if (length(v)) v else "1", ".y"), d, Hess = TRUE, control = list(reltol = reltol, maxit = 1000))
  m <- fit(x); null <- fit(character())
  subsets <- sapply(0:(2^length(x) - 1), function(s) {
    v <- x[bitwAnd(s, 2^(seq_along(x) - 1)) > 0]
    if (length(v)) mcfadden(fit(v), null) else 0
  })
  p <- predict(m, type = "probs"); K <- ncol(p)
  h <- 1e-5
  ame <- sapply(x, function(v) {
    up <- d; up[[v]] <- up[[v]] + h; down <- d; down[[v]] <- down[[v]] - h
    colMeans(predict(m, up, type = "probs") - predict(m, down, type = "probs")) / (2 * h)
  })
  list(n = nrow(d), params = unname(coef(m)), thresholds = unname(m$zeta), nonrobust = unname(sqrt(diag(vcov(m)))),
    HC0 = unname(sqrt(diag(sandwich(m)))), cluster = unname(sqrt(diag(vcovCL(m, cluster = cluster, type = "HC0")))),
    log_likelihood = as.numeric(logLik(m)), mcfadden = unname(t(subsets)[1, ]),
    ame = unname(t(ame)), general = dominance(subsets)$general)
}

logit <- function(d, y, x) {
  fit <- function(v, data = d) glm(reformulate(if (length(v)) v else "1", y), binomial, data, epsilon = 1e-14, maxit = 100)
  m <- fit(x); null <- fit(character())
  v <- function(s) x[bitwAnd(s, 2^(seq_along(x) - 1)) > 0]
  each <- lapply(0:(2^length(x) - 1), function(s) fit(v(s)))
  tjur <- sapply(each, function(m) { f <- fitted(m); mean(f[m$y == 1]) - mean(f[m$y == 0]) })
  f <- fitted(m); slope <- mean(f * (1 - f))
  X <- model.matrix(m)
  ame <- coef(m)[-1] * slope
  jacobian <- t(sapply(seq_along(x), function(k) {
    g <- coef(m)[k + 1] * colMeans(f * (1 - f) * (1 - 2 * f) * X); g[k + 1] <- g[k + 1] + slope; g
  }))
  list(n = nrow(d), params = unname(coef(m)), nonrobust = unname(sqrt(diag(vcov(m)))), HC0 = unname(sqrt(diag(sandwich(m)))),
    ame = unname(ame), ame_error = unname(sqrt(diag(jacobian %*% vcov(m) %*% t(jacobian)))),
    mcfadden = dominance(sapply(each, mcfadden, null = null))$general, tjur = dominance(tjur)$general)
}

bank <- construct(read("ecsi_bank_satisfaction", "satisfaction.csv"), c("imag", "expe", "qual", "val", "sat", "loy"))
mobi <- construct(read("ecsi_mobi", "mobi.csv"), c("IMAG", "CUEX", "PERQ", "PERV", "CUSA", "CUSL"))
corp <- read("corp_rep", "corp_rep_data.csv"); corp[corp == -99] <- NA
corp_items <- construct(corp, c("csor", "attr", "perf", "qual"))
corp_items$cusa <- corp$cusa; corp_items$provider <- corp$serviceprovider
corp_items <- na.omit(corp_items)
sfo <- read("sfo_customer_survey", "2016_SFO_Customer_Survey.csv")
drivers <- paste0("Q7", c("ART", "FOOD", "STORE", "SIGN", "WALKWAYS", "SCREENS"))
sfo <- sfo[c(drivers, "Q7ALL", "WEIGHT")]
sfo[drivers][sfo[drivers] == 0 | sfo[drivers] == 6] <- NA; sfo$Q7ALL[sfo$Q7ALL == 0 | sfo$Q7ALL == 6] <- NA
sfo <- na.omit(sfo)
sfo$top <- as.numeric(sfo$Q7ALL >= 4)
corp_drivers <- c("csor", "attr", "perf", "qual")

out <- list(
  versions = as.list(c(
    R = as.character(getRversion()),
    sapply(c("sandwich", "lmtest", "car", "MASS"), function(p) as.character(packageVersion(p)))
  )),
  bank = linear(bank, "sat", c("imag", "expe", "qual", "val")),
  mobi = linear(mobi, "CUSA", c("IMAG", "CUEX", "PERQ", "PERV")),
  corp_rep = linear(corp_items, "cusa", corp_drivers, cluster = corp_items$provider),
  sfo = linear(sfo, "Q7ALL", drivers, w = sfo$WEIGHT),
  sfo_logit = logit(sfo, "top", drivers),
  corp_rep_ordinal = ordinal(corp_items, "cusa", corp_drivers, cluster = corp_items$provider)
)
write_json(out, "tests/reference/drivers.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
