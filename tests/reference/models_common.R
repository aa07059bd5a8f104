# What the scripts models_*.R share: data, models, and lavaan taken to the optimum it stops short of.
suppressMessages({library(lavaan); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
read <- function(p) read.csv(file.path(data_dir, p))
hs <- read("lavaan_classics/HolzingerSwineford1939.csv")
n_hs <- seq_len(nrow(hs))
hs$w <- 0.5 + (n_hs %% 4) / 2
hs$cl <- n_hs %% 30
holes <- hs
holes$x2[seq(1, 301, 7)] <- NA
holes$x5[seq(2, 301, 5)] <- NA
holes$x9[seq(3, 301, 11)] <- NA
pd <- read("lavaan_classics/PoliticalDemocracy.csv")
mobi <- read("ecsi_mobi/mobi.csv")
bank <- read("ecsi_bank_satisfaction/satisfaction.csv")
corp <- read("corp_rep/corp_rep_data.csv")
corp[corp == -99] <- NA
bfi <- read("psych_bfi/bfi.csv")
items <- paste0(rep(c("A", "C", "E", "N", "O"), each = 5), 1:5)
for (i in c("A1", "C4", "C5", "E1", "E2", "O2", "O5")) bfi[[i]] <- 7 - bfi[[i]]
bfi_seen <- bfi[rowSums(!is.na(bfi[, items])) > 0, ]
factors <- function(...) {
  sizes <- list(...)
  lines <- sapply(names(sizes), function(d) paste(d, "=~", paste0(d, sizes[[d]], collapse = " + ")))
  paste(lines, collapse = "\n")
}
m_hs <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
m_pd <- "ind60 =~ x1 + x2 + x3
dem60 =~ y1 + a*y2 + b*y3 + c*y4
dem65 =~ y5 + a*y6 + b*y7 + c*y8
dem60 ~ g1*ind60
dem65 ~ g2*ind60 + g3*dem60
y1 ~~ y5\ny2 ~~ y4 + y6\ny3 ~~ y7\ny4 ~~ y8\ny6 ~~ y8
indirect := g1*g3\ntotal := g2 + g1*g3"
m_bfi <- factors(A = 1:5, C = 1:5, E = 1:5, N = 1:5, O = 1:5)
m_mobi <- paste(factors(IMAG = 1:5, PERQ = 1:7, PERV = 1:2, CUSA = 1:3, CUSL = c(1, 3)),
  "PERV ~ PERQ\nCUSA ~ IMAG + PERQ + PERV\nCUSL ~ CUSA + IMAG", sep = "\n")
m_corp <- "COMP =~ comp_1 + comp_2 + comp_3\nLIKE =~ like_1 + like_2 + like_3\nCUSL =~ cusl_1 + cusl_2 + cusl_3"
m_corp_sem <- paste(m_corp, "cusa ~ a1*COMP + a2*LIKE\nCUSL ~ COMP + LIKE + b*cusa\nindirect := a2*b", sep = "\n")
m_bank <- "IMAG =~ imag1+imag2+imag3+imag4+imag5\nEXPE =~ expe1+expe2+expe3+expe4+expe5
QUAL =~ qual1+qual2+qual3+qual4+qual5\nVAL =~ val1+val2+val3+val4\nSAT =~ sat1+sat2+sat3+sat4\nLOY =~ loy1+loy2+loy3+loy4"
scalar <- c("loadings", "intercepts")

# lavaan's optimiser stops while the discrepancy still falls in the tenth decimal. Newton steps on its own gradient, with
# multipliers for equality constraints, go on to the optimum; lavaan then computes everything there.
tight <- function(model, data, ...) {
  fit <- suppressWarnings(sem(model, data, em.h1.tol = 1e-12, em.h1.iter.max = 20000, ...))
  lavmodel <- fit@Model
  # lavaan 0.6-14 multiplies the gradient by the groups' shares twice under missing = "fiml".
  share <- unlist(fit@SampleStats@nobs) / fit@SampleStats@ntotal
  double <- if (fit@Options$missing == "ml") share[parTable(fit)$group[match(seq_len(fit@Model@nx.free), parTable(fit)$free)]] else 1
  gradient <- function(x) 1 / double * lavaan:::lav_model_gradient(lavaan:::lav_model_set_parameters(lavmodel, x = x),
    lavsamplestats = fit@SampleStats, lavdata = fit@Data)
  x <- lavaan:::lav_model_get_parameters(lavmodel)
  hessian <- 1 / double * lavTech(fit, "hessian")
  linear <- fit@Model@eq.constraints || length(body(lavmodel@ceq.function)) > 1
  constraint <- function(x) if (linear) as.numeric(lavmodel@ceq.function(x)) else numeric(0)
  jacobian <- function(x) {
    if (!length(constraint(x))) return(matrix(0, 0, length(x)))
    steps <- sapply(seq_along(x), function(k) {h <- x * 0; h[k] <- 1e-6; (constraint(x + h) - constraint(x - h)) / 2e-6})
    matrix(steps, ncol = length(x))
  }
  for (i in 1:60) {
    J <- jacobian(x); m <- nrow(J); k <- length(x)
    bordered <- rbind(cbind(hessian, t(J)), cbind(J, matrix(0, m, m)))
    step <- (MASS::ginv(bordered) %*% -c(gradient(x), constraint(x)))[1:k]
    x <- x + step
    if (max(abs(step)) < 1e-9) break
  }
  if (max(abs(step)) > 1e-7) stop("not at the optimum: last step ", max(abs(step)))
  table <- parTable(fit)
  table$est[table$free > 0] <- x[table$free[table$free > 0]]
  out <- suppressWarnings(sem(model, data, em.h1.tol = 1e-12, em.h1.iter.max = 20000, start = table, optim.method = "none",
    optim.force.converged = TRUE, baseline = FALSE, ...))
  moved <- max(abs(lavaan:::lav_model_get_parameters(out@Model) - x))
  if (moved > 1e-10) stop("start values were not taken: ", moved)
  out@baseline <- fit@baseline
  out
}
measures <- c("npar", "chisq", "df", "pvalue", "cfi", "tli", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "srmr",
  "aic", "bic", "logl", "unrestricted.logl", "baseline.chisq", "baseline.df", "chisq.scaled", "df.scaled", "pvalue.scaled",
  "chisq.scaling.factor", "baseline.chisq.scaled", "baseline.chisq.scaling.factor", "cfi.scaled", "tli.scaled", "cfi.robust",
  "tli.robust", "rmsea.scaled", "rmsea.ci.lower.scaled", "rmsea.ci.upper.scaled", "rmsea.pvalue.scaled", "rmsea.robust",
  "rmsea.ci.lower.robust", "rmsea.ci.upper.robust", "rmsea.pvalue.robust")
parameters <- function(fit) {
  pe <- parameterEstimates(fit, remove.system.eq = FALSE)
  pe <- pe[!(pe$op %in% c("==", "~*~")), ]
  if (is.null(pe$group)) pe$group <- 1
  pe[, c("lhs", "op", "rhs", "group", "est", "se")]
}
summarised <- function(fit) {
  fm <- fitMeasures(fit)
  list(parameters = parameters(fit), fit = as.list(unclass(fm[intersect(measures, names(fm))])))
}
write_reference <- function(out, path) {
  out$versions <- list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")))
  write_json(out, path, digits = 12, auto_unbox = TRUE, na = "null", dataframe = "columns", pretty = FALSE)
}
