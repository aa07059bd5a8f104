# Penalty-reward contrasts by lm + HC3 (sandwich), Wilson intervals of Kano coefficients by prop.test, Fong's test.
# Rscript tests/reference/asymmetry.R [path to shared data] > tests/reference/asymmetry.json
suppressMessages({library(jsonlite); library(sandwich); library(lmtest)})
args <- commandArgs(TRUE)
shared <- if (length(args)) args[1] else Sys.getenv("QA_SHARED_DATA", "../shared/data")

contrasts_of <- function(data, outcome, predictors, low, high, weights = NULL) {
  flags <- do.call(cbind, lapply(predictors, function(x) cbind(data[[x]] <= low, data[[x]] >= high) * 1))
  data$y <- data[[outcome]]
  fit <- if (is.null(weights)) lm(y ~ flags, data) else lm(y ~ flags, data, weights = weights)
  n <- if (is.null(weights)) nrow(data) else sum(weights)^2 / sum(weights^2)  # t quantiles by Kish's effective n
  test <- coeftest(fit, vcovHC(fit, type = "HC3"), df = n - ncol(flags) - 1)
  ci <- coefci(fit, vcov. = vcovHC(fit, type = "HC3"), df = n - ncol(flags) - 1)
  list(estimate = test[-1, 1], std_error = test[-1, 2], statistic = test[-1, 3], p_value = test[-1, 4],
       conf_low = ci[-1, 1], conf_high = ci[-1, 2], r_squared = summary(fit)$r.squared)
}

bank <- read.csv(file.path(shared, "ecsi_bank_satisfaction", "satisfaction.csv"))
for (d in c("imag", "expe", "qual", "val", "sat"))
  bank[[toupper(d)]] <- rowMeans(bank[grepl(paste0("^", d, "[0-9]$"), names(bank))])

sfo <- read.csv(file.path(shared, "sfo_customer_survey", "2016_SFO_Customer_Survey.csv"), check.names = FALSE)
names(sfo) <- trimws(names(sfo))
asked <- c("Q7FOOD", "Q7STORE", "Q7SIGN")
used <- c(asked, "Q7ALL")
sfo[used] <- lapply(sfo[used], function(x) ifelse(x %in% 1:5, x, NA))
sfo <- sfo[complete.cases(sfo[c(used, "WEIGHT")]), ]
sfo$WEIGHT <- sfo$WEIGHT / mean(sfo$WEIGHT)

# counts M O A I R Q of three made-up features
counts <- rbind(wifi = c(12, 48, 30, 25, 3, 2), seats = c(55, 40, 8, 12, 0, 5), app = c(5, 9, 44, 50, 10, 2))
colnames(counts) <- c("M", "O", "A", "I", "R", "Q")
kano <- apply(counts, 1, function(x) {
  base <- sum(x[c("A", "O", "M", "I")]); better <- sum(x[c("A", "O")]); worse <- sum(x[c("O", "M")])
  wilson <- function(a, n) prop.test(a, n, correct = FALSE)$conf.int[1:2]
  top <- sort(x, decreasing = TRUE)[1:2]; N <- sum(x)
  list(better = better / base, better_ci = wilson(better, base), worse = -worse / base, worse_ci = -rev(wilson(worse, base)),
       contradictory = x[["Q"]] / N, contradictory_ci = wilson(x[["Q"]], N),
       critical = unname(qnorm(.95) * sqrt(sum(top) * (2 * N - sum(top)) / (2 * N)) / N), difference = unname((top[1] - top[2]) / N))
})

out <- list(
  versions = list(R = R.version.string, sandwich = as.character(packageVersion("sandwich"))),
  bank = contrasts_of(bank, "SAT", c("IMAG", "EXPE", "QUAL", "VAL"), 5, 8),
  sfo = contrasts_of(sfo, "Q7ALL", asked, 2, 4, sfo$WEIGHT),
  sfo_n = nrow(sfo), counts = as.data.frame(t(counts)), kano = kano)
cat(toJSON(out, digits = NA, auto_unbox = TRUE))
