# Reference numbers for tests/test_league.py: airlines' passengers rate the airport (SFO 2016), lme4 and aov.
# Usage: Rscript tests/reference/tracking_league.R [path of the shared data]
library(jsonlite); suppressMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))
d <- read.csv(file.path(shared, "sfo_customer_survey", "2016_SFO_Customer_Survey.csv"), check.names = FALSE)
names(d) <- trimws(names(d))

one <- function(value, unit, minimum) {
  x <- data.frame(y = d[[value]], g = factor(d[[unit]]))
  x <- droplevels(x[x$y %in% 1:5 & !is.na(x$g), ])
  x <- droplevels(x[x$g %in% names(which(table(x$g) >= minimum)), ])
  fit <- lmer(y ~ 1 + (1 | g), x, control = lmerControl(optCtrl = list(xtol_rel = 1e-12, xtol_abs = 1e-12, ftol_abs = 1e-12)))
  v <- as.data.frame(VarCorr(fit))$vcov
  r <- ranef(fit, condVar = TRUE)$g
  a <- anova(lm(y ~ g, x)); n <- table(x$g); J <- length(n); N <- sum(n)
  n0 <- (N - sum(n^2) / N) / (J - 1); f <- a[1, "F value"]
  icc <- function(f) (f - 1) / (f + n0 - 1)
  list(units = rownames(r), n = as.integer(n), blup = unname(coef(fit)$g[, 1]), cond_sd = sqrt(attr(r, "postVar")[1, 1, ]),
       mean = unname(fixef(fit)), mean_se = sqrt(vcov(fit)[1, 1]), between = v[1], within = v[2],
       icc1 = icc(f), icc1_low = icc(f / qf(.975, J - 1, N - J)), icc1_high = icc(f * qf(.975, N - J, J - 1)),
       icc2 = 1 - 1 / f, f = f, p = a[1, "Pr(>F)"])
}
out <- list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))),
            airline = one("Q7ALL", "AIRLINE", 10), restaurants = one("Q7FOOD", "BAREA", 30))
write_json(out, file.path(here, "tracking_league.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
