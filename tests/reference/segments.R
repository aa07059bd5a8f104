# Do drivers differ between segments: Wald F tests of interactions with sandwich's errors, and lavaan's multi-group models.
# Run from the repository root: Rscript tests/reference/segments.R
# Data: environment variable QA_SHARED_DATA, default ../shared/data. Writes tests/reference/segments.json.
suppressMessages({library(sandwich); library(lmtest); library(lavaan); library(jsonlite)})
data_dir <- Sys.getenv("QA_SHARED_DATA", "../shared/data")
read <- function(...) read.csv(file.path(data_dir, ...), check.names = FALSE)

interaction <- function(d, y, x, w = rep(1, nrow(d)), cluster = NULL) {
  d$.w <- w
  f <- function(without) reformulate(c("segment", x, paste0("segment:", setdiff(x, without))), y)
  full <- lm(f(character()), d, weights = .w)
  V <- if (is.null(cluster)) vcovHC(full, type = "HC3") else vcovCL(full, cluster = cluster, type = "HC1")
  names_of <- function(v) grep(paste0("^segment.*:", v, "$"), names(coef(full)), value = TRUE)
  wald <- function(v) {
    k <- unlist(lapply(v, names_of)); b <- coef(full)[k]
    c(drop(b %*% solve(V[k, k], b)) / length(b), length(b))
  }
  tests <- rbind(wald(x), t(sapply(x, wald)))
  list(statistic = unname(tests[, 1]), df = unname(tests[, 2]), df_residual = full$df.residual,
    p_value = unname(pf(tests[, 1], tests[, 2], full$df.residual, lower.tail = FALSE)),
    waldtest = waldtest(lm(reformulate(c("segment", x), y), d, weights = .w), full, vcov = V, test = "F")$F[2])
}
# fixed.x = FALSE: predictors are answers of sampled respondents, so their moments vary from sample to sample
difference <- function(model, d, equal) {
  fits <- lapply(list(equal, c(equal, "regressions")), function(e)
    sem(model, d, group = "segment", estimator = "MLM", group.equal = if (length(e)) e else ""))
  unname(unlist(lavTestLRT(fits[[1]], fits[[2]])[2, c("Chisq diff", "Df diff", "Pr(>Chisq)")]))
}

stems <- list(csor = 5, attr = 3, perf = 5, qual = 8)
items <- lapply(names(stems), function(s) paste0(s, "_", seq_len(stems[[s]]))); names(items) <- names(stems)
corp <- read("corp_rep", "corp_rep_data.csv"); corp[corp == -99] <- NA
corp <- na.omit(corp[c(unlist(items), "cusa", "servicetype", "serviceprovider")])
for (s in names(items)) corp[[s]] <- rowMeans(corp[items[[s]]])
corp$segment <- factor(corp$servicetype)
x <- names(stems)
regression <- paste("cusa ~", paste(x, collapse = " + "))
measured <- paste(sapply(x, function(s) paste(s, "=~", paste(items[[s]], collapse = " + "))), collapse = "\n")

sfo <- read("sfo_customer_survey", "2016_SFO_Customer_Survey.csv")
drivers <- paste0("Q7", c("ART", "FOOD", "STORE", "SIGN", "WALKWAYS", "SCREENS"))
sfo <- sfo[c(drivers, "Q7ALL", "WEIGHT", "LANG")]
sfo[c(drivers, "Q7ALL")][sfo[c(drivers, "Q7ALL")] == 0 | sfo[c(drivers, "Q7ALL")] == 6] <- NA
sfo <- na.omit(sfo)
sfo <- sfo[sfo$LANG %in% names(which(table(sfo$LANG) >= 10 * length(drivers))), ]  # the others are too few together
sfo$segment <- factor(sfo$LANG)

out <- list(
  versions = as.list(c(
    R = as.character(getRversion()),
    sapply(c("sandwich", "lmtest", "lavaan"), function(p) as.character(packageVersion(p)))
  )),
  corp_rep = c(interaction(corp, "cusa", x), list(path = difference(regression, corp, character()),
    latent = difference(paste(measured, regression, sep = "\n"), corp[setdiff(names(corp), x)], "loadings"))),
  corp_rep_cluster = interaction(corp, "cusa", x, cluster = corp$serviceprovider),
  sfo = c(interaction(sfo, "Q7ALL", drivers, w = sfo$WEIGHT), list(sizes = as.list(table(sfo$segment))))
)
write_json(out, "tests/reference/segments.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
