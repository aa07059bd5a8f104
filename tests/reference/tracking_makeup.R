# Who answered: chi-squared drift (chisq.test), raking to three margins and within groups (survey::rake), direct
# standardisation under weights (survey::svyby gives the means; Cochran 1977, eq. 5.6, with Kish's effective n), AAPOR.
# Usage: Rscript tests/reference/tracking_makeup.R [path of the shared data]
suppressMessages({library(jsonlite); library(survey)})
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))
d <- read.csv(file.path(shared, "sfo_customer_survey", "2016_SFO_Customer_Survey.csv"), check.names = FALSE)
names(d) <- trimws(names(d))
ages <- c("18-24", "25-34", "35-44", "45-54", "55-64", "65-Over")
d <- d[d$Q19AGE %in% ages & d$Q20GENDER %in% c("Female", "Male"), ]
d$age <- factor(d$Q19AGE, ages); d$sex <- factor(d$Q20GENDER)
d$thirds <- d$PEAK  # three times of day stand for three months
d$language <- factor(ifelse(d$LANG == 1, "first", "other"))
share <- list(sex = c(Female = .5, Male = .5), age = setNames(c(.10, .25, .20, .20, .15, .10), ages),
              language = c(first = .8, other = .2))

raked <- function(d, vars) {
  N <- nrow(d)
  margin <- function(v) setNames(data.frame(names(share[[v]]), N * share[[v]]), c(v, "Freq"))
  r <- rake(svydesign(ids = ~1, weights = ~WEIGHT, data = d), lapply(vars, function(v) reformulate(v)),
            lapply(vars, margin), control = list(maxit = 2000, epsilon = 1e-11, verbose = FALSE))
  w <- weights(r); unname(w / mean(w))
}
three <- raked(d, c("sex", "age", "language"))
apart <- lapply(1:3, function(k) raked(d[d$thirds == k, ], c("sex", "age")))

drift <- do.call(rbind, lapply(c("age", "sex"), function(v) do.call(rbind, lapply(2:3, function(k) {
  both <- table(d$thirds[d$thirds %in% c(k - 1, k)], droplevels(d[[v]][d$thirds %in% c(k - 1, k)]))
  t <- suppressWarnings(chisq.test(both, correct = FALSE)); p <- prop.table(both, 1)
  data.frame(estimate = sum(abs(p[2, ] - p[1, ])) / 2, statistic = unname(t$statistic), df = unname(t$parameter),
             p_value = t$p.value, n = sum(both))
}))))
drift$p_adjusted <- p.adjust(drift$p_value, "holm")

x <- d$Q7ALL; x[x == 0 | x > 5] <- NA
s <- d[!is.na(x), ]; s$x <- x[!is.na(x)]
m <- svyby(~x, ~age, svydesign(ids = ~1, weights = ~WEIGHT, data = s), svymean)$x
by_age <- split(s, s$age)
kish <- sapply(by_age, function(g) sum(g$WEIGHT)^2 / sum(g$WEIGHT^2))
v <- mapply(function(g, m, k) sum(g$WEIGHT * (g$x - m)^2) / sum(g$WEIGHT) * k / (k - 1) / k, by_age, m, kish)
a <- share$age; part <- a^2 * v
df <- sum(part)^2 / sum(part^2 / (kish - 1))
mean_se <- c(sum(a * m), sqrt(sum(part)))

# counts of AAPOR (2023): I 310 P 44 R 151 NC 207 O 19 UH 101 UO 83 NE 97, rates worked out in exact arithmetic
I <- 310; P <- 44; R <- 151; NC <- 207; O <- 19; U <- 101 + 83; NE <- 97
K <- I + P + R + NC + O; e <- K / (K + NE)
parts <- list(rr1 = c(I, K + U), rr2 = c(I + P, K + U), rr3 = c(I, K + e * U), rr4 = c(I + P, K + e * U), rr5 = c(I, K),
  rr6 = c(I + P, K), coop1 = c(I, I + P + R + O), coop2 = c(I + P, I + P + R + O), coop3 = c(I, I + P + R),
  coop4 = c(I + P, I + P + R), ref1 = c(R, K + U), ref2 = c(R, K + e * U), ref3 = c(R, K),
  con1 = c(I + P + R + O, K + U), con2 = c(I + P + R + O, K + e * U), con3 = c(I + P + R + O, K))
wilson <- function(a, n) { z <- qnorm(.975); p <- a / n
  c((p + z^2 / (2 * n)) / (1 + z^2 / n) + c(-1, 1) * z / (1 + z^2 / n) * sqrt(p * (1 - p) / n + z^2 / (4 * n^2))) }
stopifnot(all.equal(wilson(I, K), prop.test(I, K, correct = FALSE)$conf.int[1:2]))

out <- list(versions = list(R = R.version.string, survey = as.character(packageVersion("survey"))),
  three = list(n = nrow(d), head = three[1:50], sum_squares = sum(three^2), low = min(three), high = max(three)),
  apart = lapply(apart, function(w) c(w[1:10], sum(w^2))), drift = as.list(drift),
  standardised = list(estimate = mean_se[1], std_error = mean_se[2], df = df,
                      conf_low = mean_se[1] - qt(.975, df) * mean_se[2], conf_high = mean_se[1] + qt(.975, df) * mean_se[2]),
  counts = list(complete = I, partial = P, refusal = R, noncontact = NC, other = O, unknown_household = 101,
                unknown_other = 83, ineligible = NE),
  rates = lapply(parts, function(p) c(p[1] / p[2], wilson(p[1], p[2]))))
write_json(out, file.path(here, "tracking_makeup.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
