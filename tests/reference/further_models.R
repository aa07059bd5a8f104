# Models that a reviewer tries after the usual ones: covariates under MLM, growth curves, effect coding, mediation by
# group with a product constraint, bifactor, direct effects, three groups; ordinal mediators, thresholds held equal.
# lavaan goes on from its own solution with the tightest tolerance under which it still converges.
# Run: Rscript tests/reference/further_models.R [data directory]
source("tests/reference/models_common.R")
hs$g3 <- n_hs %% 3
holes$w <- hs$w
place <- ave(n_hs, hs$school, FUN = seq_along)
holes$even <- ifelse(place == ave(place, hs$school, FUN = max) & place %% 2 == 1, 1, 0.5 + place %% 2)  # whole sums
bfi <- bfi[1:700, ]
bfi$w <- ifelse(bfi$gender == 1, 1.6, 0.7) * (0.5 + (seq_len(700) %% 5) / 3)
tight <- function(model, data, ...) {
  fit <- suppressWarnings(sem(model, data, em.h1.tol = 1e-12, em.h1.iter.max = 20000, ...))
  for (tol in c(1e-15, 1e-14, 1e-13, 1e-12, 1e-11)) {
    options <- fit@Options; options$control <- list(rel.tol = tol, iter.max = 10000, eval.max = 20000)
    table <- fit@ParTable; table$start <- table$est
    found <- suppressWarnings(lavaan(slotParTable = table, slotOptions = options, slotSampleStats = fit@SampleStats,
      slotData = fit@Data, slotCache = fit@Cache, sloth1 = fit@h1))
    if (lavInspect(found, "converged")) return(found)
  }
  fit
}
path <- "x4 ~ a*x1 + x2\nx7 ~ b*x4 + x1\nx9 ~ x7 + x4\nindirect := a*b"
covariates <- paste(m_hs, "visual + textual + speed ~ ageyr + grade", sep = "\n")
direct <- paste(covariates, "x3 ~ grade", sep = "\n")
coded <- "visual =~ NA*x1 + a*x1 + b*x2 + c*x3\ntextual =~ NA*x4 + d*x4 + e*x5 + f*x6\na + b + c == 3\nd + e + f == 3"
mediated <- paste(m_hs, "visual ~ c(a1, a2)*speed\ntextual ~ c(b1, b2)*visual + c(c1, c2)*speed\nfirst := a1*b1\nsecond := a2*b2
difference := first - second", sep = "\n")
growth <- "i =~ 1*x4 + 1*x5 + 1*x6\ns =~ 0*x4 + 1*x5 + NA*x6\nx4 ~ 0*1\nx5 ~ 0*1\nx6 ~ 0*1\ni ~ 1 + ageyr\ns ~ 1 + ageyr\nx4 ~~ r*x4
x5 ~~ r*x5\nx6 ~~ r*x6"
bifactor <- "g =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9\nvisual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9
g ~~ 0*visual + 0*speed\nvisual ~~ 0*speed"
agree <- c("A1", "A2", "A3", "A4", "A5")
held <- "A =~ A2 + A3 + A4 + A5\nA2 | a1*t1 + a2*t2\nA3 | a1*t1 + a2*t2"
chain <- "A =~ A1 + A2 + A3 + A4 + A5\nE1 ~ A\nC1 ~ E1 + A\nN1 ~ C1 + A"
mixed <- "A =~ A1 + A2 + A3 + A4 + A5\nE1 ~ a*A\nC2 ~ b*E1 + A\nindirect := a*b"
driven <- "A =~ A1 + A2 + A3 + A4 + A5\nA ~ age + education"
weighted <- function(estimator, ...) tight("A =~ A1 + A2 + A3 + A4 + A5", bfi, estimator = estimator, ordered = agree,
  sampling.weights = "w", group = "gender", ...)
fits <- list(
  groups_weights_WLSMV = weighted("WLSMV", group.equal = c("thresholds", "loadings")),
  groups_weights_ULSMV = weighted("ULSMV"),
  covariates_weights_WLSMV = tight(driven, bfi, estimator = "WLSMV", ordered = agree, sampling.weights = "w"),
  covariates_groups_weights_WLSMV = tight(driven, bfi, estimator = "WLSMV", ordered = agree, sampling.weights = "w",
    group = "gender"),
  thresholds_equal = tight(held, bfi, estimator = "WLSMV", ordered = agree[-1]),
  ordinal_mediator = tight(mixed, bfi, estimator = "WLSMV", ordered = c(agree, "E1"), parameterization = "theta"),
  ordinal_chain = tight(chain, bfi, estimator = "WLSMV", ordered = c(agree, "E1", "C1", "N1"), parameterization = "theta"),
  path_MLM = tight(path, hs, estimator = "MLM"),
  covariates_MLM = tight(covariates, hs, estimator = "MLM"),
  covariates_school_MLM = tight(covariates, hs, estimator = "MLM", group = "school", group.equal = scalar),
  direct = tight(direct, hs), direct_fiml_MLR = tight(direct, holes, missing = "fiml", estimator = "MLR"),
  coded = tight(coded, hs), mediated = tight(mediated, hs, group = "school", group.equal = "loadings"),
  product = tight(paste(mediated, "a1*b1 == a2*b2", sep = "\n"), hs, group = "school", group.equal = "loadings"),
  growth = tight(growth, hs), growth_fiml_MLR = tight(growth, holes, missing = "fiml", estimator = "MLR"),
  bifactor = tight(bifactor, hs, std.lv = TRUE),
  three_groups = tight(m_hs, hs, group = "g3", group.equal = scalar),
  fiml_groups_even_MLR = tight(m_hs, holes, missing = "fiml", group = "school", estimator = "MLR", sampling.weights = "even"),
  three_groups_weights_MLR = tight(m_hs, hs, group = "g3", group.equal = scalar, estimator = "MLR", sampling.weights = "w"))
out <- lapply(fits, summarised)
# lavaan 0.6-14 cuts the groups' sums of weights to whole numbers where it corrects for missing values; here it does not.
whole <- lavaan:::lav_samplestats_from_moments
body <- sub("as.integer(sample.nobs)", "sample.nobs", deparse(whole), fixed = TRUE)
assignInNamespace("lav_samplestats_from_moments", eval(parse(text = body), environment(whole)), "lavaan")
out$fiml_groups_weights_MLR <- summarised(tight(m_hs, holes, missing = "fiml", group = "school", group.equal = scalar,
  estimator = "MLR", sampling.weights = "w"))
assignInNamespace("lav_samplestats_from_moments", whole, "lavaan")
# lavaan 0.6-14 forgets under delta what ordinal mediators' residuals add; the standardised solution is that of theta.
for (name in c("ordinal_mediator", "ordinal_chain")) {
  st <- standardizedSolution(fits[[name]])
  out[[name]]$standardized <- st[st$op %in% c("=~", "~"), c("lhs", "op", "rhs", "est.std", "se")]
}
for (method in c("regression", "Bartlett")) {
  p <- unclass(lavPredict(fits$direct, method = method))
  out$scores[[method]] <- matrix(as.numeric(p), nrow(p))[1:10, ]
}
null <- paste(m_hs, "visual + textual + speed ~ 0*ageyr + grade", sep = "\n")
for (method in c("satorra.2000", "satorra.bentler.2001", "satorra.bentler.2010")) {
  x <- lavTestLRT(fits$covariates_MLM, tight(null, hs, estimator = "MLM"), method = method)
  out$difference[[method]] <- list(chisq = x[2, "Chisq diff"], df = x[2, "Df diff"])
}
explained <- function(model, ...) as.list(lavInspect(sem(paste(m_hs, model, sep = "\n"), hs, ...), "r2"))
out$r2 <- list(zero_path = explained("visual ~ 0*speed\nx9 ~ 0*ageyr"),
  one_group = lapply(explained("visual ~ c(0, NA)*ageyr", group = "school"), as.list))
write_reference(out, "tests/reference/further_models.json")
