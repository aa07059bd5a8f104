# Factorability and factors by psych on real data. Usage: Rscript factors.R [data folder] > factors.json
suppressMessages({library(psych); library(GPArotation); library(jsonlite)})
folder <- c(commandArgs(TRUE), Sys.getenv("QA_SHARED_DATA", "../shared/data"))[1]
options(warn = -1)
bfi <- read.csv(file.path(folder, "psych_bfi/bfi.csv"))[, 1:25]
bank <- read.csv(file.path(folder, "ecsi_bank_satisfaction/satisfaction.csv"))[, 1:27]
mobi <- read.csv(file.path(folder, "ecsi_mobi/mobi.csv"))
plain <- function(m) unname(as.matrix(unclass(m)))
solution <- function(R, k, n, method, rotation) {
  f <- fa(R, k, n.obs = n, fm = method, rotate = rotation)
  list(loadings = plain(if (rotation == "varimax") stats::varimax(unclass(fa(R, k, fm = method, rotate = "none")$loadings), eps = 1e-14)$loadings else f$loadings), phi = if (is.null(f$Phi)) diag(k) else plain(f$Phi),
    uniqueness = unname(f$uniquenesses), rmsr = f$rms, chisq = f$STATISTIC, df = f$dof, tli = f$TLI,
    rmsea = unname(f$RMSEA[1]), bic = f$BIC)
}
results <- lapply(list(bfi_complete = list(na.omit(bfi), 5), bfi = list(bfi, 5), bank = list(bank, 3), mobi = list(mobi, 3)), function(study) {
  k <- study[[2]]; n <- nrow(study[[1]]); R <- cor(study[[1]], use = "pairwise")
  adequacy <- KMO(R); sphericity <- cortest.bartlett(R, n = n)
  list(k = k, kmo = adequacy$MSA, kmo_items = unname(adequacy$MSAi), chisq = sphericity$chisq, df = sphericity$df,
    determinant = det(R), minres_oblimin = solution(R, k, n, "minres", "oblimin"),
    ml_oblimin = solution(R, k, n, "ml", "oblimin"), minres_varimax = solution(R, k, n, "minres", "varimax"),
    minres_promax = solution(R, k, n, "minres", "promax"))
})
versions <- sapply(c("psych", "GPArotation"), function(p) as.character(packageVersion(p)))
cat(toJSON(list(versions = as.list(c(R = R.version.string, versions)), studies = results), digits = NA,
  auto_unbox = TRUE, pretty = TRUE))
