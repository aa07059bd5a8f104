# Reference numbers for tests/test_planning.py and tests/test_weighting.py.
# Usage: Rscript tests/reference/tracking_planning.R [path of the shared data]
library(jsonlite); suppressMessages(library(survey))
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))
d <- read.csv(file.path(shared, "sfo_customer_survey", "2016_SFO_Customer_Survey.csv"), check.names = FALSE)
names(d) <- trimws(names(d))
ages <- c("18-24", "25-34", "35-44", "45-54", "55-64", "65-Over")
d <- d[d$Q19AGE %in% ages & d$Q20GENDER %in% c("Female", "Male"), ]
d$age <- factor(d$Q19AGE, ages); d$sex <- factor(d$Q20GENDER)

age <- c(.10, .25, .20, .20, .15, .10); N <- nrow(d)
raked <- rake(svydesign(ids = ~1, weights = ~WEIGHT, data = d), list(~sex, ~age),
              list(data.frame(sex = levels(d$sex), Freq = N * c(.5, .5)), data.frame(age = levels(d$age), Freq = N * age)),
              control = list(maxit = 200, epsilon = 1e-12, verbose = FALSE))
w <- weights(raked); w <- w / mean(w)

# standardised mean: strata ages, shares given
x <- d$Q7ALL; x[x == 0 | x > 5] <- NA
m <- tapply(x, d$age, mean, na.rm = TRUE); v <- tapply(x, d$age, var, na.rm = TRUE); n <- tapply(!is.na(x), d$age, sum)

pt <- function(delta, sd, power) power.t.test(delta = delta, sd = sd, power = power, strict = TRUE, tol = 1e-12)$n
pp <- function(p1, p2, power) power.prop.test(p1 = p1, p2 = p2, power = power, tol = 1e-12)$n
out <- list(versions = list(R = R.version.string, survey = as.character(packageVersion("survey"))),
  rake = list(n = N, head = unname(w[1:50]), sum_squares = sum(w^2), low = min(w), high = max(w)),
  standardised = list(mean = sum(age * m), se = sqrt(sum(age^2 * v / n))),
  t_test = list(pt(.2, .9, .8), pt(.5, 1, .9), pt(1.2, 1, .8)),
  prop_test = list(pp(.5, .6, .8), pp(.2, .25, .9)))
write_json(out, file.path(here, "tracking_planning.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
