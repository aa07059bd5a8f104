# Numbers of lavaan for ordinal models. Run: Rscript tests/reference/models_ordinal.R [data directory]
suppressMessages({library(lavaan); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
bfi <- read.csv(file.path(data_dir, "psych_bfi/bfi.csv"))
for (i in c("A1","C4","C5","E1","E2","O2","O5")) bfi[[i]] <- 7 - bfi[[i]]
m_bfi <- paste(sapply(c("A","C","E","N","O"), function(d) paste(d, "=~", paste0(d, 1:5, collapse = " + "))), collapse = "\n")
m_two <- "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
measures <- c("npar","fmin","chisq","df","pvalue","cfi","tli","rmsea","rmsea.ci.lower","rmsea.ci.upper","srmr","baseline.chisq","baseline.df",
  "chisq.scaled","df.scaled","pvalue.scaled","chisq.scaling.factor","baseline.chisq.scaled","cfi.scaled","tli.scaled","rmsea.scaled",
  "rmsea.ci.lower.scaled","rmsea.ci.upper.scaled","cfi.robust","tli.robust","rmsea.robust","rmsea.ci.lower.robust","rmsea.ci.upper.robust")
case <- function(fit) {
  pe <- parameterEstimates(fit, remove.system.eq = FALSE)
  pe <- pe[pe$op != "==", ]
  if (is.null(pe$group)) pe$group <- 1
  fm <- fitMeasures(fit)
  list(parameters = pe[, c("lhs","op","rhs","group","est","se")], fit = as.list(unclass(fm[intersect(measures, names(fm))])))
}
items <- paste0(rep(c("A","C","E","N","O"), each = 5), 1:5)
it2 <- items[1:10]
out <- list()
out$bfi_WLSMV <- case(cfa(m_bfi, bfi, estimator = "WLSMV", ordered = items))
out$two_WLSMV <- case(cfa(m_two, bfi, estimator = "WLSMV", ordered = it2))
out$two_ULSMV <- case(cfa(m_two, bfi, estimator = "ULSMV", ordered = it2))
steps <- list(configural = "", thresholds = "thresholds", scalar = c("thresholds","loadings"))
for (s in names(steps)) out[[paste0("gender_", s)]] <- case(cfa(m_two, bfi, estimator = "WLSMV", ordered = it2, group = "gender", group.equal = steps[[s]]))
out$versions <- list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")))
write_json(out, "tests/reference/models_ordinal.json", digits = 12, auto_unbox = TRUE, na = "null", dataframe = "columns")
