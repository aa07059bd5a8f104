# PLS path models from the formulas of Lohmöller (1989) and Dijkstra and Henseler (2015), on latent scores in base R:
# an implementation of its own, row by row, to hold the correlation-matrix algorithm against.
# alpha: psych; HTMT: semTools.
# Rscript tests/reference/pls.R [path to shared data] > tests/reference/pls.json
suppressMessages({library(jsonlite); library(psych); library(semTools)})
args <- commandArgs(TRUE)
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")

pls <- function(data, blocks, paths, modes, scheme, consistent = FALSE) {
  X <- scale(as.matrix(data[unlist(blocks)]))
  n <- nrow(X); k <- length(blocks)
  linked <- paths + t(paths)
  w <- lapply(blocks, function(b) rep(1, length(b)))
  score <- function(w) sapply(seq_len(k), function(j) scale(X[, blocks[[j]], drop = FALSE] %*% w[[j]]))
  Y <- score(w)
  for (iteration in 1:2000) {
    R <- cor(Y)
    E <- if (scheme == "centroid") sign(R) * linked else R * linked
    if (scheme == "path") for (j in seq_len(k)) {
      before <- which(paths[, j] == 1)
      if (length(before)) E[before, j] <- coef(lm(Y[, j] ~ Y[, before] - 1))
    }
    Z <- Y %*% E
    w <- lapply(seq_len(k), function(j) {
      B <- X[, blocks[[j]], drop = FALSE]
      if (modes[j] == "A") as.vector(cor(B, Z[, j])) else as.vector(coef(lm(Z[, j] ~ B - 1)))
    })
    new <- score(w)
    if (max(abs(new - Y)) < 1e-13) break
    Y <- new
  }
  Y <- score(w)
  w <- lapply(seq_len(k), function(j) as.vector(coef(lm(Y[, j] ~ X[, blocks[[j]]] - 1))))
  for (j in seq_len(k)) if (sum(cor(X[, blocks[[j]]], Y[, j])) < 0) { Y[, j] <- -Y[, j]; w[[j]] <- -w[[j]] }
  R <- cor(Y); S <- cor(X)
  rho <- sapply(seq_len(k), function(j) {
    v <- w[[j]]
    if (length(v) == 1 || modes[j] == "B") return(1)
    s <- S[blocks[[j]], blocks[[j]]]
    off <- function(m) m - diag(diag(m))
    as.numeric((t(v) %*% v)^2 * (t(v) %*% off(s) %*% v) / (t(v) %*% off(v %*% t(v)) %*% v))
  })
  loadings <- lapply(seq_len(k), function(j) as.vector(cor(X[, blocks[[j]]], Y[, j])))
  if (consistent) {
    R <- R / sqrt(rho %o% rho); diag(R) <- 1
    loadings <- lapply(seq_len(k), function(j)
      if (modes[j] == "A" && length(w[[j]]) > 1) w[[j]] * sqrt(rho[j]) / sum(w[[j]]^2) else loadings[[j]])
  }
  estimate <- list()
  for (j in seq_len(k)) {
    before <- which(paths[, j] == 1)
    if (!length(before)) next
    r2 <- function(p) if (length(p)) sum(solve(R[p, p], R[p, j]) * R[p, j]) else 0
    b <- solve(R[before, before], R[before, j])
    estimate[[names(blocks)[j]]] <- list(
      predictors = I(names(blocks)[before]), paths = I(as.vector(b)), r_squared = r2(before),
      f_squared = I(sapply(before, function(i) (r2(before) - r2(setdiff(before, i))) / (1 - r2(before)))))
  }
  structure(list(constructs = names(blocks), weights = I(unlist(w)), loadings = I(unlist(loadings)), rho_a = rho,
       correlations = R, structure = estimate, scores = unname(Y[1:5, ]),
       cr = sapply(loadings, function(l) sum(l)^2 / (sum(l)^2 + sum(1 - l^2))), ave = sapply(loadings, function(l) mean(l^2))), Y = Y)
}
# Stone-Geisser Q2, construct cross-validated redundancy (Chin 1998; Tenenhaus et al. 2005, section 2.4.6): cell by cell
# down the columns of a block, refitted row by row each round, the hidden answers predicted from the predecessors' scores
blindfold <- function(data, blocks, paths, modes, scheme, distance = 7) {
  X <- as.data.frame(scale(as.matrix(data[unlist(blocks)])))
  q2 <- list()
  for (j in which(colSums(paths) > 0 & modes == "A")) {
    items <- blocks[[j]]; sse <- 0; sso <- 0
    for (round in 1:distance) {
      cells <- seq(round, nrow(X) * length(items), by = distance)
      row <- (cells - 1) %% nrow(X) + 1; column <- (cells - 1) %/% nrow(X) + 1
      Z <- X
      for (i in seq_along(items)) Z[row[column == i], items[i]] <- NA
      means <- colMeans(Z[items], na.rm = TRUE)
      for (i in items) Z[is.na(Z[[i]]), i] <- means[i]
      Y <- attr(pls(Z, blocks, paths, modes, scheme), "Y")
      before <- which(paths[, j] == 1)
      foretold <- predict(lm(Y[, j] ~ Y[, before]))
      for (i in seq_along(items)) {
        slope <- coef(lm(Z[[items[i]]] ~ Y[, j]))[2]
        at <- row[column == i]
        sse <- sse + sum((X[at, items[i]] - means[i] - slope * foretold[at])^2)
        sso <- sso + sum((X[at, items[i]] - means[i])^2)
      }
    }
    q2[[names(blocks)[j]]] <- 1 - sse / sso
  }
  q2
}
# PLSpredict (Shmueli et al. 2016) with folds given: fitted row by row on the others, the exogenous constructs' scores of
# those left out carried along the paths, construct after construct; lm on the items of the exogenous constructs
foretell <- function(data, blocks, paths, modes, scheme, fold) {
  inside <- unlist(blocks[colSums(paths) == 0]); outside <- setdiff(unlist(blocks), inside)
  by_pls <- by_lm <- by_mean <- as.matrix(data[outside])
  for (k in unique(fold)) {
    train <- data[fold != k, ]; test <- data[fold == k, ]
    fit <- pls(train, blocks, paths, modes, scheme)
    m <- colMeans(train); s <- sapply(train, sd)
    w <- split(fit$weights, rep(seq_along(blocks), lengths(blocks)))
    l <- split(fit$loadings, rep(seq_along(blocks), lengths(blocks)))
    Y <- matrix(0, nrow(test), length(blocks))
    for (j in seq_along(blocks)) {  # blocks stand in causal order
      b <- blocks[[j]]; step <- fit$structure[[names(blocks)[j]]]
      if (is.null(step)) Y[, j] <- scale(as.matrix(test[b]), m[b], s[b]) %*% w[[j]]
      else {
        Y[, j] <- Y[, match(step$predictors, names(blocks)), drop = FALSE] %*% step$paths
        for (i in seq_along(b)) by_pls[fold == k, b[i]] <- m[b[i]] + s[b[i]] * l[[j]][i] * Y[, j]
      }
    }
    for (item in outside) {
      by_lm[fold == k, item] <- predict(lm(reformulate(inside, item), train), test)
      by_mean[fold == k, item] <- m[item]
    }
  }
  truth <- as.matrix(data[outside])
  rmse <- function(p) unname(sqrt(colMeans((truth - p)^2))); mae <- function(p) unname(colMeans(abs(truth - p)))
  loss <- rowMeans((truth - by_pls)^2) - rowMeans((truth - by_lm)^2); t <- t.test(loss)
  list(fold = fold - 1, item = outside, rmse = rmse(by_pls), mae = mae(by_pls), rmse_linear = rmse(by_lm),
       mae_linear = mae(by_lm), q2_predict = 1 - rmse(by_pls)^2 / rmse(by_mean)^2,
       loss_to_linear = unname(c(t$estimate, t$stderr, t$statistic, t$p.value, t$conf.int[1:2])))
}
edge <- function(names, ...) {
  m <- matrix(0, length(names), length(names), dimnames = list(names, names))
  for (p in list(...)) m[p[1], p[2]] <- 1
  m
}

mobi <- read.csv(file.path(shared, "ecsi_mobi", "mobi.csv"))
small <- list(IMG = paste0("IMAG", 1:5), EXP = paste0("CUEX", 1:3), VAL = paste0("PERV", 1:2), SAT = paste0("CUSA", 1:3))
small_paths <- edge(names(small), c("IMG", "SAT"), c("EXP", "SAT"), c("VAL", "SAT"))
ecsi <- list(IMG = paste0("IMAG", 1:5), EXP = paste0("CUEX", 1:3), QUAL = paste0("PERQ", 1:7), VAL = paste0("PERV", 1:2),
             SAT = paste0("CUSA", 1:3), COM = "CUSCO", LOY = paste0("CUSL", 1:3))
ecsi_paths <- edge(names(ecsi), c("IMG", "EXP"), c("IMG", "SAT"), c("IMG", "LOY"), c("EXP", "QUAL"), c("EXP", "VAL"),
  c("EXP", "SAT"), c("QUAL", "VAL"), c("QUAL", "SAT"), c("VAL", "SAT"), c("SAT", "COM"), c("SAT", "LOY"), c("COM", "LOY"))
corp <- read.csv(file.path(shared, "corp_rep", "corp_rep_data.csv"))
corp[corp == -99] <- NA
corp <- as.data.frame(lapply(corp, function(x) replace(x, is.na(x), mean(x, na.rm = TRUE))))
rep <- list(COMP = paste0("comp_", 1:3), LIKE = paste0("like_", 1:3), CUSA = "cusa", CUSL = paste0("cusl_", 1:3))
rep_paths <- edge(names(rep), c("COMP", "CUSA"), c("COMP", "CUSL"), c("LIKE", "CUSA"), c("LIKE", "CUSL"), c("CUSA", "CUSL"))

out <- list(versions = list(R = R.version.string, psych = as.character(packageVersion("psych")),
                            semTools = as.character(packageVersion("semTools"))))
for (scheme in c("path", "factor", "centroid")) {
  out[[paste0("mobi_", scheme)]] <- pls(mobi, small, small_paths, rep("A", 4), scheme)
  out[[paste0("mobi_", scheme, "_plsc")]] <- pls(mobi, small, small_paths, rep("A", 4), scheme, TRUE)
  out[[paste0("ecsi_", scheme)]] <- pls(mobi, ecsi, ecsi_paths, rep("A", 7), scheme)
  out[[paste0("ecsi_mode_b_", scheme)]] <- pls(mobi, ecsi, ecsi_paths, c("B", "B", "A", "A", "A", "A", "A"), scheme)
}
out$corp_rep <- pls(corp, rep, rep_paths, rep("A", 4), "path")
out$blindfold <- list(corp_rep = blindfold(corp, rep, rep_paths, rep("A", 4), "path"),
                      ecsi_mode_b = blindfold(mobi, ecsi, ecsi_paths, c("B", "B", "A", "A", "A", "A", "A"), "factor"),
                      mobi_11 = blindfold(mobi, small, small_paths, rep("A", 4), "path", 11))
set.seed(20261121)
out$predict <- list(mobi = foretell(mobi[unlist(small)], small, small_paths, rep("A", 4), "path", sample(rep(1:10, 25))),
                    ecsi_mode_b = foretell(mobi[unlist(ecsi)], ecsi, ecsi_paths, c("B", "B", "A", "A", "A", "A", "A"),
                                           "factor", sample(rep(1:7, length.out = 250))))
out$alpha <- lapply(small, function(b) suppressWarnings(psych::alpha(mobi[b], warnings = FALSE)$total$std.alpha))
model <- paste(sapply(names(small), function(f) paste(f, "=~", paste(small[[f]], collapse = "+"))), collapse = "\n")
ratio <- unclass(semTools::htmt(model, data = mobi, htmt2 = FALSE))
out$htmt <- matrix(ratio, 4)

# IPMA of SAT on 0-100: indices from raw answers and unstandardised weights (Ringle and Sarstedt 2016)
fit <- out$mobi_path
w <- split(fit$weights, rep(names(small), lengths(small)))[names(small)]
index <- sapply(names(small), function(f) {
  x <- 100 * (as.matrix(mobi[small[[f]]]) - 1) / 9
  u <- w[[f]] / apply(x, 2, sd)
  as.vector(x %*% (u / sum(u)))
})
slopes <- coef(lm(SAT ~ IMG + EXP + VAL, as.data.frame(index)))[-1]
out$ipma <- list(index = as.list(colMeans(index)), importance = as.list(slopes))
cat(toJSON(out, digits = NA, auto_unbox = TRUE, matrix = "rowmajor"))
