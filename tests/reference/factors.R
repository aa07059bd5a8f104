# Factor analysis by psych and GPArotation on real data. Usage: Rscript factors.R [data folder] > factors.json
#
# Every solution is written twice. `psych`: as psych::fa gives it, whose extraction stops when optim's value changes by
# less than 2e-9, whose principal axes stop at a change of .001, and whose rotations stop at a gradient of 1e-5
# (GPArotation's eps) or a change of 1e-5 (stats::varimax). `converged`: the same criteria, brought to their minimum.
suppressMessages({library(psych); library(GPArotation); library(lavaan); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))[, 1:27]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv"))
corp <- corp[, grep("^(csor|attr|perf|qual|like|comp|cusl)_[0-9]$", names(corp))]
corp[corp == -99] <- NA

plain <- function(m) unname(as.matrix(unclass(m)))
tail_of <- function(values, k) values[-seq_len(k)]
objective <- list(
  minres = function(psi, R, k) sum(tail_of(eigen(R - diag(psi), TRUE)$values, k)^2) / 2,
  ml = function(psi, R, k) {
    left <- tail_of(eigen(R / sqrt(psi %o% psi), TRUE)$values, k)
    sum(left - log(left) - 1)
  })
slope <- list(
  minres = function(psi, R, k) {
    e <- eigen(R - diag(psi), TRUE)
    -drop(e$vectors[, -seq_len(k)]^2 %*% tail_of(e$values, k))
  },
  ml = function(psi, R, k) {
    e <- eigen(R / sqrt(psi %o% psi), TRUE)
    drop(e$vectors[, -seq_len(k)]^2 %*% (1 - tail_of(e$values, k))) / psi
  })
converged_loadings <- function(R, k, method) {
  psi <- 1 - smc(R)
  for (i in 1:3) psi <- optim(psi, objective[[method]], slope[[method]], method = "L-BFGS-B", lower = .005, upper = 1,
    control = list(factr = 1, pgtol = 0, maxit = 5000, lmm = 20), R = R, k = k)$par
  e <- if (method == "ml") eigen(R / sqrt(psi %o% psi), TRUE) else eigen(R - diag(psi), TRUE)
  size <- e$values[1:k] - (method == "ml")
  L <- e$vectors[, 1:k, drop = FALSE] %*% diag(sqrt(size), k)
  list(loadings = if (method == "ml") sqrt(psi) * L else L, objective = objective[[method]](psi, R, k))
}
criterion <- list(
  oblimin = function(L) sum(L^2 * (rowSums(L^2) - L^2)) / 4,
  geomin = function(L) sum(exp(rowMeans(log(L^2 + .01)))),
  varimax = function(L) { z <- (L / sqrt(rowSums(L^2)))^2; -sum(scale(z, scale = FALSE)^2) / 4 })
converged_rotation <- function(L, rotation) {
  k <- ncol(L)
  length <- sqrt(rowSums(L^2))
  tight <- function(f, start = diag(k)) f(L, start, eps = 1e-7, maxit = 5000)
  if (rotation == "oblimin" || rotation == "geomin") {
    f <- if (rotation == "oblimin") oblimin else geominQ
    set.seed(1)
    found <- c(list(tight(f)), lapply(1:5, function(i) tight(f, Random.Start(k))))
    value <- sapply(found, function(one) criterion[[rotation]](one$loadings))
    best <- found[[which.min(value)]]
    return(list(loadings = plain(best$loadings), phi = plain(best$Phi), criterion = min(value), from_identity = value[1]))
  }
  turned <- stats::varimax(L, eps = 1e-15)
  if (rotation == "varimax") return(list(loadings = plain(turned$loadings), phi = diag(k),
    criterion = criterion$varimax(turned$loadings)))
  turned <- stats::promax(plain(turned$loadings) / length, m = 4)
  list(loadings = plain(turned$loadings) * length, phi = plain(solve(t(turned$rotmat) %*% turned$rotmat)))
}
solution <- function(R, k, n, method, rotation) {
  fm <- if (method == "principal_axis") "pa" else method
  f <- fa(R, k, n.obs = n, fm = fm, rotate = if (rotation == "geomin") "geominQ" else rotation)
  out <- list(psych = list(loadings = plain(f$loadings), phi = if (is.null(f$Phi)) diag(k) else plain(f$Phi),
    uniqueness = unname(f$uniquenesses), complexity = unname(f$complexity), explained = plain(f$Vaccounted),
    rmsr = f$rms, chisq = f$STATISTIC, df = f$dof, p_value = f$PVAL, tli = f$TLI, rmsea = unname(f$RMSEA[1]),
    rmsea_low = unname(f$RMSEA[2]), rmsea_high = unname(f$RMSEA[3]), bic = f$BIC, r2_scores = unname(f$R2)))
  if (rotation %in% names(criterion)) out$psych$criterion <- criterion[[rotation]](plain(f$loadings))
  if (method == "principal_axis") {
    L <- plain(fa(R, k, fm = "pa", rotate = "none", min.err = 1e-12, max.iter = 20000)$loadings)
  } else {
    found <- converged_loadings(R, k, method)
    L <- found$loadings
    out$psych$objective <- objective[[method]](pmax(f$uniquenesses, .005), R, k)
  }
  out$converged <- c(converged_rotation(L, rotation), list(uniqueness = unname(1 - rowSums(L^2))))
  if (method != "principal_axis") out$converged$objective <- found$objective
  out
}
studies <- list(bfi_complete = list(na.omit(bfi), 5), bfi = list(bfi, 5), bank = list(bank, 3), mobi = list(mobi, 3),
  corp_rep = list(corp, 4))
wanted <- list(c("minres", "oblimin"), c("minres", "varimax"), c("minres", "promax"), c("minres", "geomin"),
  c("ml", "oblimin"), c("principal_axis", "oblimin"))
results <- lapply(studies, function(study) {
  k <- study[[2]]; n <- nrow(study[[1]]); R <- cor(study[[1]], use = "pairwise")
  adequacy <- KMO(R); sphericity <- cortest.bartlett(R, n = n)
  solutions <- lapply(wanted, function(w) solution(R, k, n, w[1], w[2]))
  names(solutions) <- sapply(wanted, paste, collapse = "_")
  L <- solutions$minres_oblimin$converged
  weights <- sapply(c("Thurstone", "Bartlett", "tenBerge"), function(method)
    plain(factor.scores(R, L$loadings, L$phi, method)$weights), simplify = FALSE)
  c(list(k = k, n = n, kmo = adequacy$MSA, kmo_items = unname(adequacy$MSAi), chisq = sphericity$chisq,
    df = sphericity$df, determinant = det(R), weights = weights), solutions)
})
complete <- na.omit(bfi)
latent <- unclass(lavCor(complete, ordered = names(complete)))
polychoric <- c(solution(matrix(latent, 25), 5, nrow(complete), "minres", "oblimin"),
  list(fa_poly = plain(fa(complete, 5, cor = "poly", correct = 0)$loadings)))
versions <- sapply(c("psych", "GPArotation", "lavaan"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = results, polychoric = polychoric),
  digits = I(12), auto_unbox = TRUE))
