# Reference numbers for tests/test_actions.py: difference in differences by OLS with HC2 errors, Welch by t.test.
# Usage: Rscript tests/reference/tracking_actions.R [path of the shared data]
library(jsonlite); suppressMessages(library(sandwich))
args <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", file.path(here, "../../../shared/data"))
read_year <- function(year, area) {
  d <- read.csv(file.path(shared, "sfo_customer_survey", paste0(year, "_SFO_Customer_Survey.csv")), check.names = FALSE)
  names(d) <- trimws(names(d))
  data.frame(year = year, area = as.character(d[[area]]), y = d$Q7ALL)
}
d <- rbind(read_year(2014, "AREA"), read_year(2016, "BAREA"))
d <- d[d$y %in% 1:5 & !is.na(d$area) & d$area != "", ]
d$after <- d$year == 2016; d$treated <- d$area == "B"
fit <- lm(y ~ treated * after, d)
w <- t.test(d$y[d$after], d$y[!d$after])
out <- list(versions = list(R = R.version.string, sandwich = as.character(packageVersion("sandwich"))),
  n = nrow(d), treated = sum(d$treated),
  did = list(estimate = unname(coef(fit)[4]), se = unname(sqrt(vcovHC(fit, "HC2")[4, 4])), sd = summary(fit)$sigma),
  change = list(estimate = unname(diff(rev(w$estimate))), se = w$stderr, df = unname(w$parameter), p = w$p.value,
                low = w$conf.int[1], high = w$conf.int[2]))
write_json(out, file.path(here, "tracking_actions.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
