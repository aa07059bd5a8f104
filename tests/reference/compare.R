# Differences of nested models by lavaan. Run from the repository root: Rscript tests/reference/compare.R [data directory]
suppressMessages({library(lavaan); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
hs <- read.csv(file.path(data_dir, "lavaan_classics/HolzingerSwineford1939.csv"))
pd <- read.csv(file.path(data_dir, "lavaan_classics/PoliticalDemocracy.csv"))
bfi <- read.csv(file.path(data_dir, "psych_bfi/bfi.csv"))
for (i in c("A1","C4","C5","E1","E2","O2","O5")) bfi[[i]] <- 7 - bfi[[i]]
# the tightest tolerance under which lavaan's optimiser still says that it has converged
tightly <- function(fit) {
  for (tol in c(1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10)) {
    found <- suppressWarnings(fit(list(rel.tol = tol, iter.max = 10000, eval.max = 20000)))
    if (lavInspect(found, "converged")) return(found)
  }
  stop("no convergence")
}
m_hs <- "visual =~ x1 + x2 + x3
 textual =~ x4 + x5 + x6
 speed =~ x7 + x8 + x9"
m_two <- "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
two <- c(paste0("A", 1:5), paste0("C", 1:5))
m_pd <- "ind60 =~ x1 + x2 + x3
 dem60 =~ y1 + a*y2 + b*y3 + c*y4
 dem65 =~ y5 + %s*y6 + %s*y7 + %s*y8
 dem60 ~ ind60
 dem65 ~ ind60 + dem60
 y1 ~~ y5"
d <- function(free, restricted, ...) {
  x <- lavTestLRT(free, restricted, ...)
  list(chisq = x[2, "Chisq diff"], df = x[2, "Df diff"], p = x[2, "Pr(>Chisq)"])
}
out <- list()
g <- function(eq, est) tightly(function(control) cfa(m_hs, hs, group = "school", group.equal = eq, estimator = est, control = control))
for (est in c("ML", "MLR", "MLM")) {
  free <- g("loadings", est); restricted <- g(c("loadings", "intercepts"), est)
  methods <- if (est == "ML") "default" else c("default", "satorra.2000", "satorra.bentler.2001", "satorra.bentler.2010")
  for (m in methods) out[[paste0("school_", est)]][[m]] <- d(free, restricted, method = m)
}
pd_free <- sprintf(m_pd, "d", "e", "f"); pd_equal <- sprintf(m_pd, "a", "b", "c")
for (est in c("MLR", "MLM")) {
  free <- tightly(function(control) sem(pd_free, pd, estimator = est, control = control))
  restricted <- tightly(function(control) sem(pd_equal, pd, estimator = est, control = control))
  for (m in c("default", "satorra.2000", "satorra.bentler.2010")) out[[paste0("pd_", est)]][[m]] <- d(free, restricted, method = m)
}
for (est in c("WLSMV", "ULSMV")) {
  h <- function(model, ...) tightly(function(control) cfa(model, bfi, estimator = est, ordered = two, control = control, ...))
  out[[paste0("ordinal_", est)]]$default <- d(h(m_two), h(paste(m_two, "A ~~ 0.3*C", sep = "\n"), std.lv = TRUE))
  tau <- paste0("A =~ 1*A1 + 1*A2 + 1*A3 + 1*A4 + 1*A5\n C =~ 1*C1 + 1*C2 + 1*C3 + 1*C4 + 1*C5")
  out[[paste0("tau_", est)]]$default <- d(h(m_two), h(tau))
  steps <- list(configural = "", thresholds = "thresholds", scalar = c("thresholds", "loadings"))
  fits <- lapply(steps, function(eq) h(m_two, group = "gender", group.equal = eq))
  out[[paste0("thresholds_", est)]]$default <- d(fits$configural, fits$thresholds)
  out[[paste0("scalar_", est)]]$default <- d(fits$thresholds, fits$scalar)
}
out$versions <- list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")))
write_json(out, "tests/reference/compare.json", digits = 12, auto_unbox = TRUE, na = "null", pretty = TRUE)
