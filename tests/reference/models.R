# Numbers of lavaan for the model engine. Run: Rscript tests/reference/models.R [data directory]
suppressMessages({library(lavaan); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
path <- function(p) file.path(data_dir, p)
hs <- read.csv(path("lavaan_classics/HolzingerSwineford1939.csv"))
pd <- read.csv(path("lavaan_classics/PoliticalDemocracy.csv"))
bank <- read.csv(path("ecsi_bank_satisfaction/satisfaction.csv"))
bfi <- read.csv(path("psych_bfi/bfi.csv"))
items <- paste0(rep(c("A","C","E","N","O"), each = 5), 1:5)
for (i in c("A1","C4","C5","E1","E2","O2","O5")) bfi[[i]] <- 7 - bfi[[i]]
m_hs <- "visual =~ x1 + x2 + x3
 textual =~ x4 + x5 + x6
 speed =~ x7 + x8 + x9"
m_pd <- "ind60 =~ x1 + x2 + x3
 dem60 =~ y1 + a*y2 + b*y3 + c*y4
 dem65 =~ y5 + a*y6 + b*y7 + c*y8
 dem60 ~ g1*ind60
 dem65 ~ g2*ind60 + g3*dem60
 y1 ~~ y5
 y2 ~~ y4 + y6
 y3 ~~ y7
 y4 ~~ y8
 y6 ~~ y8
 indirect := g1*g3
 total := g2 + g1*g3"
m_bfi <- paste(sapply(c("A","C","E","N","O"), function(d) paste(d, "=~", paste0(d, 1:5, collapse = " + "))), collapse = "\n")
m_bank <- paste("IMAG =~ imag1+imag2+imag3+imag4+imag5", "EXPE =~ expe1+expe2+expe3+expe4+expe5", "QUAL =~ qual1+qual2+qual3+qual4+qual5",
  "VAL =~ val1+val2+val3+val4", "SAT =~ sat1+sat2+sat3+sat4", "LOY =~ loy1+loy2+loy3+loy4", sep = "\n")
m_so <- paste(m_hs, "g =~ visual + textual + speed", sep = "\n")
m_cov <- paste(m_hs, "speed ~ ageyr + grade", "textual ~ visual + ageyr", sep = "\n")
m_holz_eq <- "visual =~ x1 + NA*x2 + start(0.8)*x3
 visual ~~ p*textual
 textual =~ x4 + l*x5 + m*x6
 m == 0.5*l + 0.3
 x1 ~~ r*x1
 x2 ~~ r*x2"
measures <- c("npar","fmin","chisq","df","pvalue","cfi","tli","rmsea","rmsea.ci.lower","rmsea.ci.upper","rmsea.pvalue","srmr","aic","bic","logl",
  "unrestricted.logl","baseline.chisq","baseline.df","chisq.scaled","df.scaled","pvalue.scaled","chisq.scaling.factor","baseline.chisq.scaled",
  "baseline.df.scaled","baseline.chisq.scaling.factor","cfi.scaled","tli.scaled","cfi.robust","tli.robust","rmsea.scaled","rmsea.ci.lower.scaled",
  "rmsea.ci.upper.scaled","rmsea.robust","rmsea.ci.lower.robust","rmsea.ci.upper.robust")
case <- function(fit, standardized = FALSE) {
  pe <- parameterEstimates(fit, remove.system.eq = FALSE)
  keep <- !(pe$op %in% c("==", "~*~"))
  pe <- pe[keep, ]
  if (is.null(pe$group)) pe$group <- 1
  fm <- fitMeasures(fit)
  out <- list(parameters = pe[, c("lhs","op","rhs","group","est","se")], fit = as.list(unclass(fm[intersect(measures, names(fm))])))
  if (standardized) {
    st <- standardizedSolution(fit, remove.eq = FALSE)
    out$standardized <- st[!(st$op %in% c("==","~*~")), c("est.std", "se")]
    out$r2 <- as.list(lavInspect(fit, "r2"))
  }
  out
}
out <- list()
add <- function(name, fit, ...) out[[name]] <<- case(fit, ...)
fit_hs <- cfa(m_hs, hs)
add("hs_ml", fit_hs, TRUE)
add("hs_std_lv", cfa(m_hs, hs, std.lv = TRUE), TRUE)
add("hs_means", cfa(m_hs, hs, meanstructure = TRUE))
add("hs_eq", suppressWarnings(cfa(m_holz_eq, hs)))
add("hs_second_order", sem(m_so, hs), TRUE)
add("hs_covariates", sem(m_cov, hs), TRUE)
add("pd", sem(m_pd, pd), TRUE)
add("bfi_ml", cfa(m_bfi, bfi))
add("bank", suppressWarnings(cfa(m_bank, bank)))
for (est in c("MLR", "MLM", "GLS", "ULS")) {
  add(paste0("hs_", est), cfa(m_hs, hs, estimator = est))
  add(paste0("pd_", est), sem(m_pd, pd, estimator = est))
}
for (est in c("GLS", "ULS")) add(paste0("hs_covariates_", est), sem(m_cov, hs, estimator = est))
add("bfi_MLR", cfa(m_bfi, bfi, estimator = "MLR"))
add("hs_covariates_MLR", sem(m_cov, hs, estimator = "MLR"))
steps <- list(configural = "", metric = "loadings", scalar = c("loadings","intercepts"), strict = c("loadings","intercepts","residuals"),
  means = c("loadings","intercepts","means"), latent = c("loadings","lv.variances","lv.covariances"))
for (s in names(steps)) {
  add(paste0("school_", s), cfa(m_hs, hs, group = "school", group.equal = steps[[s]]))
}
add("school_partial", cfa(m_hs, hs, group = "school", group.equal = c("loadings","intercepts"), group.partial = c("x3~1","x7~1")))
add("school_metric_std_lv", cfa(m_hs, hs, group = "school", group.equal = "loadings", std.lv = TRUE))
add("school_scalar_MLR", cfa(m_hs, hs, group = "school", group.equal = c("loadings","intercepts"), estimator = "MLR"))
add("school_scalar_MLM", cfa(m_hs, hs, group = "school", group.equal = c("loadings","intercepts"), estimator = "MLM"))
m_groups <- "visual =~ x1 + c(a, a)*x2 + c(0.6, NA)*x3
 textual =~ x4 + c(b1, b2)*x5 + x6
 diff := b1 - b2"
add("school_modifiers", cfa(m_groups, hs, group = "school"))
hm <- hs; set.seed(1)
hm$x2[seq(1, 301, 7)] <- NA; hm$x5[seq(2, 301, 5)] <- NA; hm$x9[seq(3, 301, 11)] <- NA
add("hs_fiml", cfa(m_hs, hm, missing = "fiml"))
add("hs_fiml_MLR", cfa(m_hs, hm, missing = "fiml", estimator = "MLR"))
add("school_fiml", cfa(m_hs, hm, missing = "fiml", group = "school", group.equal = "loadings"))
bm <- bfi[rowSums(!is.na(bfi[, items])) > 0, ]
add("bfi_fiml", cfa(m_bfi, bm, missing = "fiml"))
add("bfi_fiml_MLR", cfa(m_bfi, bm, missing = "fiml", estimator = "MLR"))
hs$w <- 0.5 + (seq_len(301) %% 4) / 2
hs$cl <- seq_len(301) %% 30
add("hs_weights", cfa(m_hs, hs, sampling.weights = "w"))
hs$cl2 <- (seq_len(301)^2) %% 67
hm$cl <- hs$cl
add("hs_cluster", cfa(m_hs, hs, cluster = "cl"))
add("hs_cluster_MLR", cfa(m_hs, hs, cluster = "cl", estimator = "MLR"))
add("hs_cluster_uneven", cfa(m_hs, hs, cluster = "cl2"))
add("hs_cluster_weights", cfa(m_hs, hs, cluster = "cl2", sampling.weights = "w"))
add("hs_fiml_cluster_ML", cfa(m_hs, hm, missing = "fiml", cluster = "cl"))
add("hs_fiml_cluster", cfa(m_hs, hm, missing = "fiml", cluster = "cl", estimator = "MLR"))
add("school_cluster", cfa(m_hs, hs, group = "school", group.equal = c("loadings","intercepts"), cluster = "cl"))
mi <- modindices(fit_hs)
out$hs_mi <- mi[, c("lhs","op","rhs","mi","epc","sepc.all")]
mi2 <- modindices(sem(m_pd, pd))
out$pd_mi <- mi2[, c("lhs","op","rhs","mi","epc","sepc.all")]
fit_hsm <- cfa(m_hs, hs, meanstructure = TRUE)
res <- lavResiduals(fit_hs); r2 <- residuals(fit_hs, type = "raw")
out$hs_residuals <- list(raw = unclass(r2$cov), cor = unclass(res$cov), z = unclass(res$cov.z), standardized = unclass(residuals(fit_hs, type = "standardized")$cov))
out$hs_scores <- list(regression = head(lavPredict(fit_hs), 10), bartlett = head(lavPredict(fit_hs, method = "Bartlett"), 10))
d <- function(x) list(chisq = x[2, "Chisq diff"], df = x[2, "Df diff"], p = x[2, "Pr(>Chisq)"])
g <- function(eq, est) cfa(m_hs, hs, group = "school", group.equal = eq, estimator = est)
m0 <- g(c("loadings","intercepts"), "MLR"); m1 <- g("loadings", "MLR")
out$compare <- list(ml = d(lavTestLRT(g("loadings", "ML"), g(c("loadings","intercepts"), "ML"))),
  sb2001 = d(lavTestLRT(m1, m0, method = "satorra.bentler.2001")), satorra2000 = d(lavTestLRT(m1, m0, method = "satorra.2000")))
out$versions <- list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")))
write_json(out, "tests/reference/models.json", digits = 12, auto_unbox = TRUE, na = "null", dataframe = "columns", pretty = FALSE)
