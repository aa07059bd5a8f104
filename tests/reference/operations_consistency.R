# Variance components of crossed factors and their profile intervals: lme4's lmer and confint on its own Penicillin data,
# and on an unbalanced draw with a factor that does not matter.
# Rscript tests/reference/operations_consistency.R > tests/reference/operations_consistency.json
suppressMessages({library(lme4); library(jsonlite)})
fit <- function(data, formula) {
  model <- lmer(formula, data)
  full <- profile(model, signames = FALSE, delta.cutoff = 1 / 32)
  bounds <- suppressWarnings(confint(full))
  parts <- as.data.frame(VarCorr(model))
  rows <- lapply(parts$grp[parts$grp != "Residual"], function(g) {
    ci <- bounds[paste0("sd_(Intercept)|", g), ]
    list(term = g, sd = parts$sdcor[parts$grp == g], ci = unname(ci))
  })
  list(data = data, terms = rows, sigma = sigma(model), mean = unname(fixef(model)))
}
set.seed(6)
n <- 400
draw <- data.frame(agent = sample(letters[1:12], n, TRUE, prob = 1:12), month = sample(sprintf("%02d", 1:8), n, TRUE),
                   branch = sample(c("x", "y", "z", "u", "v"), n, TRUE))
effect <- setNames(rnorm(12, 0, .6), letters[1:12]); season <- setNames(rnorm(8, 0, .4), sprintf("%02d", 1:8))
draw$y <- round(3 + effect[draw$agent] + season[draw$month] + rnorm(n), 3)
out <- list(
  versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))),
  penicillin = fit(transform(Penicillin, y = diameter, diameter = NULL), y ~ 1 + (1 | plate) + (1 | sample)),
  draw = fit(draw, y ~ 1 + (1 | agent) + (1 | month) + (1 | branch))
)
cat(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", dataframe = "columns"), "\n")
