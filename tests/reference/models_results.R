# What follows from a fit: residuals, modification indices, scores, constraints, bootstrap intervals (see models_common.R).
# Run: Rscript tests/reference/models_results.R [data directory]
source("tests/reference/models_common.R")
m_cov <- paste(m_hs, "speed ~ ageyr + grade", "textual ~ visual + ageyr", sep = "\n")
fits <- list(
  hs_ML = tight(m_hs, hs), hs_MLR = tight(m_hs, hs, estimator = "MLR"), hs_MLM = tight(m_hs, hs, estimator = "MLM"),
  hs_GLS = tight(m_hs, hs, estimator = "GLS"), hs_ULS = tight(m_hs, hs, estimator = "ULS"),
  weights = tight(m_hs, hs, sampling.weights = "w"), pd_ML = tight(m_pd, pd), covariates = sem(m_cov, hs),
  school_ML = tight(m_hs, hs, group = "school"), school_scalar_ML = tight(m_hs, hs, group = "school", group.equal = scalar),
  school_scalar_MLR = tight(m_hs, hs, group = "school", group.equal = scalar, estimator = "MLR"),
  fiml_ML = tight(m_hs, holes, missing = "fiml"), fiml_MLR = tight(m_hs, holes, missing = "fiml", estimator = "MLR"))
by_group <- function(x, pick) if (is.null(x[[pick]])) lapply(unname(x), function(g) unclass(g[[pick]])) else list(unclass(x[[pick]]))
out <- list()
for (name in names(fits)) {
  f <- fits[[name]]
  for (type in c("cor.bentler", "normalized", "standardized")) {
    found <- try(residuals(f, type = type), silent = TRUE)
    if (!inherits(found, "try-error")) out$residuals[[name]][[type]] <- by_group(found, "cov") else message(name, " ", type, " ", found)
  }
  mi <- modindices(f)
  if (is.null(mi$group)) mi$group <- 1
  out$mi[[name]] <- as.data.frame(mi)[, c("lhs", "op", "rhs", "group", "mi", "epc", "sepc.all")]
}
some <- c("hs_ML", "school_scalar_ML", "fiml_ML", "weights", "covariates", "pd_ML")
head_rows <- function(x) {m <- unclass(x); attributes(m) <- list(dim = dim(x)); m[1:10, ]}
for (name in some) for (method in c("regression", "Bartlett")) {
  p <- lavPredict(fits[[name]], method = method)
  out$scores[[name]][[method]] <- if (is.list(p)) lapply(unname(p), head_rows) else list(head_rows(p))
}
list_of <- function(x) if (is.list(x)) unname(x) else list(x)
for (name in some) {
  f <- fits[[name]]
  out$moments[[name]] <- list(r2 = lapply(list_of(lavInspect(f, "r2")), as.list),
    cov_lv = lapply(list_of(lavInspect(f, "cov.lv")), unclass), mean = lapply(list_of(lavInspect(f, "mean.ov")), as.list),
    latent = lavNames(f, "lv"))
}
labelled <- "visual =~ x1 + b*x2 + a*x3\ntextual =~ x4 + c*x5 + x6\nspeed =~ x7 + x8 + x9\n"
curved <- list(square = "a == b^2", product = "a*b == c", both = "b == a^2\na*b == c", mixed = "a*b == c\nb == 0.9")
for (name in names(curved)) out$constraints[[name]] <- summarised(tight(paste0(labelled, curved[[name]]), hs))
out$constraints$square_MLR <- summarised(tight(paste0(labelled, curved$square), hs, estimator = "MLR"))
set.seed(1)
boot <- sem(m_pd, pd, se = "bootstrap", bootstrap = 400)
interval <- function(type) {
  pe <- parameterEstimates(boot, boot.ci.type = type)
  pe <- pe[pe$label %in% c("g1", "g2", "g3", "indirect", "total"), c("label", "est", "se", "ci.lower", "ci.upper")]
  pe
}
out$bootstrap <- list(draws = unclass(lavInspect(boot, "coef.boot"))[, c("g1", "g2", "g3")], percentile = interval("perc"),
  bias_corrected = interval("bca.simple"))
resample <- function(data, k) data[((seq_len(nrow(data))^2 * k) %% nrow(data)) + 1, ]
for (k in 1:3) {
  out$resamples$hs[[k]] <- coef(tight(m_hs, resample(hs, k)))
  out$resamples$fiml[[k]] <- coef(tight(m_hs, resample(holes, k), missing = "fiml"))
  out$resamples$square[[k]] <- coef(tight(paste0(labelled, curved$square), resample(hs, k)))
}
write_reference(out, "tests/reference/models_results.json")
