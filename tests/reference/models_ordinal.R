# Numbers of lavaan for ordinal models. From the repository root: Rscript tests/reference/models_ordinal.R [data directory]
# lavaan's optimiser stops early where the discrepancy is flat: every model is fitted on from its own solution with the
# tightest tolerance under which the optimiser still converges ("parameters", "fit"); "loose" are its own estimates.
suppressMessages({library(lavaan); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
get <- function(p) read.csv(file.path(data_dir, p))
bfi <- get("psych_bfi/bfi.csv")
for (i in c("A1","C4","C5","E1","E2","O2","O5")) bfi[[i]] <- 7 - bfi[[i]]
bfi$w <- 0.5 + (seq_len(nrow(bfi)) %% 4) / 2
bfi$male <- 2 - bfi$gender; bfi$decade <- bfi$age / 10
bfi$B1 <- as.integer(bfi$A1 > 4); bfi$B2 <- as.integer(bfi$A2 > 4); bfi$T3 <- as.integer(cut(bfi$A3, c(0, 3, 5, 6)))
mobi <- get("ecsi_mobi/mobi.csv"); bank <- get("ecsi_bank_satisfaction/satisfaction.csv")
rep_ <- get("corp_rep/corp_rep_data.csv"); rep_[rep_ == -99] <- NA
hs <- get("lavaan_classics/HolzingerSwineford1939.csv")
cut3 <- function(x) as.integer(cut(x, quantile(x, c(0, .3, .75, 1)), include.lowest = TRUE))
for (i in 1:6) hs[[paste0("o", i)]] <- cut3(hs[[paste0("x", i)]])
m_bfi <- paste(sapply(c("A","C","E","N","O"), function(d) paste(d, "=~", paste0(d, 1:5, collapse = " + "))), collapse = "\n")
items <- paste0(rep(c("A","C","E","N","O"), each = 5), 1:5); it2 <- items[1:10]
m_two <- "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
m_mix <- "visual =~ o1 + o2 + o3\n textual =~ x4 + x5 + x6\n speed =~ x7 + x8 + x9"
m_cov <- "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5\n A ~ decade + male\n C ~ A + decade"
m_mimic <- "visual =~ o1 + o2 + o3\n textual =~ x4 + x5 + x6\n visual ~ ageyr + grade\n textual ~ visual + ageyr\n o2 ~ grade\n x6 ~ grade"
m_small <- "A =~ B1 + B2 + T3 + A4 + A5"
m_mobi <- "IMAG =~ IMAG2 + IMAG3 + IMAG4\n CUSA =~ CUSA1 + CUSA2 + CUSA3\n CUSL =~ CUSL1 + CUSL3 + CUSL2\n CUSA ~ IMAG\n CUSL ~ CUSA + i*IMAG\n total := i * 2"
m_rep <- "COMP =~ comp_1 + comp_2 + comp_3\n LIKE =~ like_1 + like_2 + like_3\n CUSL =~ cusl_1 + cusl_2 + cusl_3"
m_bank <- "SAT =~ sat1 + sat2 + sat3 + sat4\n LOY =~ loy1 + loy2 + loy3 + loy4\n LOY ~ SAT"
measures <- c("npar","fmin","chisq","df","pvalue","cfi","tli","rmsea","rmsea.ci.lower","rmsea.ci.upper","rmsea.pvalue","srmr","baseline.chisq","baseline.df",
  "chisq.scaled","df.scaled","pvalue.scaled","chisq.scaling.factor","baseline.chisq.scaled","cfi.scaled","tli.scaled","rmsea.scaled",
  "rmsea.ci.lower.scaled","rmsea.ci.upper.scaled","cfi.robust","tli.robust","rmsea.robust","rmsea.ci.lower.robust","rmsea.ci.upper.robust")
tightened <- function(fit) {
  for (tol in c(1e-15, 1e-14, 1e-13, 1e-12, 1e-11)) {
    options <- fit@Options; options$control <- list(rel.tol = tol, iter.max = 10000, eval.max = 20000)
    table <- fit@ParTable; table$start <- table$est
    found <- suppressWarnings(lavaan(slotParTable = table, slotOptions = options, slotSampleStats = fit@SampleStats,
      slotData = fit@Data, slotCache = fit@Cache, sloth1 = fit@h1))
    if (lavInspect(found, "converged")) return(found)
  }
  fit
}
out <- list()
rows <- function(pe) { pe <- pe[pe$op != "==", ]; if (is.null(pe$group)) pe$group <- 1; pe }
case <- function(name, fit, more = FALSE) {
  cat(name, "\n")
  loose <- rows(parameterEstimates(fit, remove.system.eq = FALSE))$est
  if (!lavInspect(fit, "converged")) { cat("  lavaan does not converge: left out\n"); return(fit) }
  fit <- tightened(fit)
  fm <- fitMeasures(fit)
  out[[name]] <<- list(parameters = rows(parameterEstimates(fit, remove.system.eq = FALSE))[, c("lhs","op","rhs","group","est","se")],
    loose = loose, fit = as.list(unclass(fm[intersect(measures, names(fm))])))
  if (more) {
    st <- rows(standardizedSolution(fit, remove.eq = FALSE))
    out[[name]]$standardized <<- st[, c("est.std", "se")]
    out[[name]]$r2 <<- as.list(lavInspect(fit, "r2"))
    mi <- modindices(fit)
    if (is.null(mi$group)) mi$group <- 1
    out[[name]]$mi <<- mi[, c("lhs","op","rhs","group","mi","epc","sepc.all")]
    raw <- residuals(fit, type = "raw"); cor <- lavResiduals(fit, zstat = TRUE, se = TRUE)
    out[[name]]$residuals <<- list(names = rownames(raw$cov), raw = unclass(raw$cov), cor = unclass(cor$cov), z = unclass(cor$cov.z), se = unclass(cor$cov.se))
  }
  fit
}
W <- function(model, data, ordered, ...) suppressWarnings(sem(model, data, estimator = "WLSMV", ordered = ordered, ...))
f_two <- case("two_WLSMV", W(m_two, bfi, it2), TRUE)
case("two_ULSMV", suppressWarnings(cfa(m_two, bfi, estimator = "ULSMV", ordered = it2)))
case("two_theta", W(m_two, bfi, it2, parameterization = "theta"), TRUE)
case("two_weights", W(m_two, bfi, it2, sampling.weights = "w"))
f_small <- case("small_WLSMV", W(m_small, bfi, c("B1","B2","T3","A4","A5")), TRUE)
f_mix <- case("mixed_WLSMV", W(m_mix, hs, c("o1","o2","o3")), TRUE)
case("mixed_school", W(m_mix, hs, c("o1","o2","o3"), group = "school", group.equal = c("loadings","intercepts","thresholds")))
case("covariates_WLSMV", W(m_cov, bfi, it2), TRUE)
case("covariates_ULSMV", suppressWarnings(sem(m_cov, bfi, estimator = "ULSMV", ordered = it2)))
case("covariates_gender", W("A =~ A1 + A2 + A3 + A4 + A5\n A ~ decade", bfi, it2, group = "gender", group.equal = c("thresholds","loadings","regressions")))
case("mimic_WLSMV", W(m_mimic, hs, c("o1","o2","o3")), TRUE)
case("mobi_WLSMV", W(m_mobi, mobi, c("IMAG2","IMAG3","IMAG4","CUSA1","CUSA2","CUSA3","CUSL1","CUSL2","CUSL3")))
f_rep <- case("rep_WLSMV", W(m_rep, rep_, c(paste0("comp_",1:3),paste0("like_",1:3),paste0("cusl_",1:3))), TRUE)
case("bank_WLSMV", W(m_bank, bank, c(paste0("sat",1:4),paste0("loy",1:4))), TRUE)
steps <- list(configural = "", metric = "loadings", thresholds = "thresholds", scalar = c("thresholds","loadings"),
  residuals = c("thresholds","loadings","residuals"), means = c("thresholds","loadings","means"))
for (s in names(steps)) case(paste0("gender_", s), W(m_two, bfi, it2, group = "gender", group.equal = steps[[s]]), s == "scalar")
case("gender_theta", W(m_two, bfi, it2, group = "gender", group.equal = c("thresholds","loadings"), parameterization = "theta"))
case("gender_theta_strict", W(m_two, bfi, it2, group = "gender", group.equal = c("thresholds","loadings","residuals"), parameterization = "theta"))
case("gender_partial", W(m_two, bfi, it2, group = "gender", group.equal = c("thresholds","loadings"), group.partial = c("C=~C3", "C=~C4")))
score <- lavTestScore(W(m_two, bfi, it2, group = "gender", group.equal = c("thresholds","loadings")), warn = FALSE)
out$gender_scalar$score <- list(total = score$test$X2, df = score$test$df, lhs = score$uni$lhs, rhs = score$uni$rhs, x2 = score$uni$X2)
out$scores <- list(
  two = head(lavPredict(f_two, method = "EBM"), 30), two_ml = head(lavPredict(f_two, method = "ML"), 30),
  small = head(lavPredict(f_small, method = "EBM"), 30), mixed = head(lavPredict(f_mix, method = "EBM"), 30))
case("bfi_WLSMV", W(m_bfi, bfi, items))
out$versions <- list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")))
write_json(out, "tests/reference/models_ordinal.json", digits = 12, auto_unbox = TRUE, na = "null", dataframe = "columns")
