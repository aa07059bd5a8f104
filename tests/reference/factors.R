# Factorability and factors by psych on real data. Usage: Rscript factors.R [data folder] > factors.json
suppressMessages({library(psych); library(GPArotation); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))[, 1:27]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
corp <- read.csv(file.path(folder, "corp_rep/corp_rep_data.csv")); corp[corp == -99] <- NA
corp <- corp[, c(paste0("comp_", 1:3), paste0("like_", 1:3), paste0("cusl_", 1:3))]
studies <- list(bfi_complete = list(na.omit(bfi), 5), bfi = list(bfi, 5), bank = list(bank, 4), mobi = list(mobi, 3),
  corp = list(corp, 3))
plain <- function(m) unname(as.matrix(unclass(m)))

solution <- function(R, k, n, method, rotation) {
  f <- fa(R, k, n.obs = n, fm = method, rotate = "none")
  A <- unclass(f$loadings)
  # psych hands rotations to GPArotation, which stops at a gradient of 1e-5; here it runs on, so that both are at the optimum
  r <- switch(rotation, none = list(loadings = A),
    oblimin = oblimin(A, eps = 1e-8, maxit = 5000),
    varimax = stats::varimax(A, eps = 1e-14), promax = { f2 <- fa(R, k, n.obs = n, fm = method, rotate = "promax")
      list(loadings = unclass(f2$loadings), Phi = f2$Phi) })
  phi <- if (is.null(r$Phi)) diag(k) else r$Phi
  list(loadings = plain(unclass(r$loadings)), phi = plain(phi), uniqueness = unname(f$uniquenesses),
    rms = f$rms, chisq = f$STATISTIC, df = f$dof, tli = f$TLI, rmsea = unname(f$RMSEA[1:3]), bic = f$BIC)
}

results <- lapply(studies, function(study) {
  x <- study[[1]]; k <- study[[2]]; n <- nrow(x); R <- cor(x, use = "pairwise"); adequacy <- KMO(R)
  sphericity <- cortest.bartlett(R, n = n)
  list(n = n, kmo = adequacy$MSA, kmo_items = unname(adequacy$MSAi), chisq = sphericity$chisq, df = sphericity$df,
    p_value = sphericity$p.value, determinant = det(R),
    minres_oblimin = solution(R, k, n, "minres", "oblimin"), ml_oblimin = solution(R, k, n, "ml", "oblimin"),
    minres_varimax = solution(R, k, n, "minres", "varimax"),
    minres_promax = solution(R, k, n, "minres", "promax"), ml_none = solution(R, k, n, "ml", "none"))
})
versions <- sapply(c("psych", "GPArotation"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = results), digits = NA,
  auto_unbox = TRUE, pretty = TRUE))
