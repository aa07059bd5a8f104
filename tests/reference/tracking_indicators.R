# Reference numbers for tests/test_indicators.py and tests/test_periods.py.
# Usage: Rscript tests/reference/tracking_indicators.R [path of the shared data]
library(jsonlite); suppressMessages(library(survey))
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))

items <- c("Q7ART", "Q7FOOD", "Q7STORE", "Q7SIGN", "Q7WALKWAYS", "Q7SCREENS")
dims <- list(offer = items[1:3], way = items[4:6])
read_year <- function(year) {
  d <- read.csv(file.path(shared, "sfo_customer_survey", paste0(year, "_SFO_Customer_Survey.csv")), check.names = FALSE)
  names(d) <- trimws(names(d))
  d <- d[c(items, "Q7ALL", "WEIGHT")]
  d[c(items, "Q7ALL")][d[c(items, "Q7ALL")] == 0 | d[c(items, "Q7ALL")] > 5] <- NA
  d
}
years <- lapply(c(`2014` = 2014, `2015` = 2015, `2016` = 2016), read_year)

# Means: unweighted by t.test, weighted by Kish's effective n
kish <- function(x, w) {
  w <- w[!is.na(x)]; x <- x[!is.na(x)]
  k <- sum(w)^2 / sum(w^2); m <- weighted.mean(x, w)
  se <- sqrt(sum(w * (x - m)^2) / sum(w) / (k - 1))
  c(mean = m, se = se, low = m - qt(.975, k - 1) * se, high = m + qt(.975, k - 1) * se, k = k)
}
plain <- function(x) { t <- t.test(x); c(mean = unname(t$estimate), se = unname(t$stderr), low = t$conf.int[1], high = t$conf.int[2]) }

# Index of two dimensions, complete cases: a mean of respondents' scores
complete <- na.omit(years[["2016"]][items])
score <- (rowMeans(complete[dims$offer]) + rowMeans(complete[dims$way])) / 2
index_complete <- plain(100 * (score - 1) / 4)
unequal <- plain(100 * (.7 * rowMeans(complete[dims$offer]) + .3 * rowMeans(complete[dims$way])) / 5)

# With missing answers: a sum of ratios of totals, linearised by package survey
d <- years[["2016"]]
parts <- lapply(dims, function(i) { y <- rowMeans(d[i], na.rm = TRUE); y[is.nan(y)] <- NA; y })
z <- data.frame(a = ifelse(is.na(parts$offer), 0, parts$offer), ra = as.numeric(!is.na(parts$offer)),
                b = ifelse(is.na(parts$way), 0, parts$way), rb = as.numeric(!is.na(parts$way)))
totals <- svytotal(~a + ra + b + rb, svydesign(ids = ~1, weights = ~1, data = z))
mixed <- svycontrast(totals, quote(100 * ((a / ra + b / rb) / 2 - 1) / 4))

# Change between years: Welch
welch <- function(x, y) { t <- t.test(y, x); c(t = unname(t$statistic), df = unname(t$parameter), p = t$p.value, low = t$conf.int[1], high = t$conf.int[2]) }
w1 <- welch(years[["2014"]]$Q7ALL, years[["2015"]]$Q7ALL); w2 <- welch(years[["2015"]]$Q7ALL, years[["2016"]]$Q7ALL)

# Shares: Wilson by prop.test
top <- na.omit(years[["2016"]]$Q7ALL) >= 4
wil <- prop.test(sum(top), length(top), correct = FALSE)$conf.int

# Gap: expectation and perception of overall quality (ECSI, mobile phones), paired t
mobi <- read.csv(file.path(shared, "ecsi_mobi", "mobi.csv"))
g <- t.test(mobi$PERQ1, mobi$CUEX1, paired = TRUE)

# NPS on the recommendation-like item CUSL3 (1-10): multinomial error, adjusted Wald (Rocks 2016)
x <- mobi$CUSL3; n <- length(x); up <- sum(x >= 9); down <- sum(x <= 6)
p <- up / n; q <- down / n; p2 <- (up + .75) / (n + 3); q2 <- (down + .75) / (n + 3)
half <- qnorm(.975) * sqrt((p2 + q2 - (p2 - q2)^2) / (n + 3))
indicator <- (x >= 9) - (x <= 6)

out <- list(
  versions = list(R = R.version.string, survey = as.character(packageVersion("survey"))),
  means = lapply(years, function(d) as.list(plain(d$Q7ALL))),
  weighted = lapply(years, function(d) as.list(kish(d$Q7ALL, d$WEIGHT))),
  index_complete = as.list(index_complete), index_unequal_ratio = as.list(unequal),
  index_missing = list(mean = unname(coef(mixed)), se = unname(SE(mixed))),
  welch = list(as.list(w1), as.list(w2)), holm = p.adjust(c(w1["p"], w2["p"]), "holm"),
  csat = list(share = mean(top), low = wil[1], high = wil[2]),
  gap = list(estimate = unname(g$estimate), se = unname(g$stderr), t = unname(g$statistic), p = g$p.value,
             low = g$conf.int[1], high = g$conf.int[2]),
  nps = list(estimate = 100 * (p - q), se = 100 * sd(indicator) * sqrt((n - 1) / n) / sqrt(n),
             low = 100 * (p2 - q2 - half), high = 100 * (p2 - q2 + half))
)
write_json(out, file.path(here, "tracking_indicators.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
