# Steps of measurement invariance by semTools' measEq.syntax and lavaan.
# From the repository root: Rscript tests/reference/invariance.R [data directory]
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})
args <- commandArgs(TRUE)
data_dir <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")
bfi <- read.csv(file.path(data_dir, "psych_bfi/bfi.csv"))
for (i in c("A1","C4","C5")) bfi[[i]] <- 7 - bfi[[i]]
bfi$B1 <- as.integer(bfi$A1 > 4); bfi$T2 <- as.integer(cut(bfi$A2, c(0, 3, 5, 6)))
hs <- read.csv(file.path(data_dir, "lavaan_classics/HolzingerSwineford1939.csv"))
m_two <- "A =~ A1 + A2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
m_kinds <- "A =~ B1 + T2 + A3 + A4 + A5\n C =~ C1 + C2 + C3 + C4 + C5"
m_hs <- "visual =~ x1 + x2 + x3\n textual =~ x4 + x5 + x6\n speed =~ x7 + x8 + x9"
measures <- c("chisq","df","cfi","rmsea","srmr","chisq.scaled","cfi.scaled","rmsea.scaled","npar")
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
sets <- list(configural = "", thresholds = "thresholds", metric = c("thresholds","loadings"),
  scalar = c("thresholds","loadings","intercepts"), strict = c("thresholds","loadings","intercepts","residuals"))
ordinal <- function(model, data, items, group, partial = "", estimator = "WLSMV") {
  fits <- lapply(names(sets), function(step) {
    kind <- if (step == "strict") "theta" else "delta"
    arguments <- list(configural.model = model, data = data, ordered = items, parameterization = kind, ID.fac = "std.lv",
      ID.cat = "Wu.Estabrook.2016", group = group, group.equal = sets[[step]])
    if (nzchar(partial[1]) && step %in% c("scalar","strict")) arguments$group.partial <- partial
    text <- as.character(do.call(measEq.syntax, arguments))
    tightened(cfa(text, data, ordered = items, group = group, parameterization = kind, estimator = estimator))
  })
  pair <- function(k) tryCatch({ x <- lavTestLRT(fits[[k]], fits[[k + 1]]); c(x[2, "Chisq diff"], x[2, "Df diff"], x[2, "Pr(>Chisq)"]) },
    error = function(e) c(NA, NA, NA))
  list(indices = unname(t(sapply(fits, function(fit) fitMeasures(fit, measures)))), difference = unname(t(sapply(1:4, pair))))
}
continuous <- function(estimator) {
  steps <- list("", "loadings", c("loadings","intercepts"), c("loadings","intercepts","residuals"))
  fits <- lapply(steps, function(equal) tightened(cfa(m_hs, hs, group = "school", group.equal = equal, estimator = estimator)))
  test <- lavTestLRT(fits[[1]], fits[[2]], fits[[3]], fits[[4]])
  score <- lavTestScore(fits[[3]], warn = FALSE)$uni
  list(indices = unname(t(sapply(fits, function(fit) fitMeasures(fit, c("chisq","df","cfi","rmsea","srmr"))))),
    difference = unname(cbind(test[["Chisq diff"]], test[["Df diff"]], test[["Pr(>Chisq)"]])[-1, ]), score = sort(score$X2, decreasing = TRUE))
}
two <- c(paste0("A", 1:5), paste0("C", 1:5))
out <- list(measures = measures,
  gender = ordinal(m_two, bfi, two, "gender"),
  gender_ulsmv = ordinal(m_two, bfi, two, "gender", estimator = "ULSMV"),
  gender_partial = ordinal(m_two, bfi, two, "gender", partial = c("A4~1", "C5~1")),
  kinds = ordinal(m_kinds, bfi, c("B1","T2","A3","A4","A5", paste0("C", 1:4)), "gender"),
  education = ordinal("A =~ A2 + A3 + A4 + A5", bfi[bfi$education %in% 3:5, ], paste0("A", 2:5), "education"),
  ML = continuous("ML"), MLR = continuous("MLR"),
  versions = list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan")), semTools = as.character(packageVersion("semTools"))))
write_json(out, "tests/reference/invariance.json", digits = 12, auto_unbox = TRUE, na = "null")
