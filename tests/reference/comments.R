# Shares, satisfaction and corrected p-values of themes on a small stated table, by base R. Writes comments.json.
# Rscript tests/reference/comments.R
library(jsonlite)

y <- c(1, 2, 5, 4, 3, 2, 5, 4, 4, 1, 3, 5, 2, 4, 5, 3, 1, 4, 5, 2)
themes <- list(
  waiting = c(1, 2, 6, 10, 17, 20),
  courtesy = c(3, 7, 12, 15, 19, 4),
  rooms = c(5, 9, 13, 16, 18)
)
one <- function(who) {
  m <- seq_along(y) %in% who
  share <- prop.test(sum(m), length(y), correct = FALSE)
  welch <- t.test(y[m], y[!m])
  list(
    share = unname(share$estimate), share_low = share$conf.int[1], share_high = share$conf.int[2],
    with = mean(y[m]), without = mean(y[!m]), with_low = t.test(y[m])$conf.int[1],
    difference = mean(y[m]) - mean(y[!m]), std_error = unname(welch$stderr), statistic = unname(welch$statistic),
    df = unname(welch$parameter), p_value = welch$p.value, low = welch$conf.int[1], high = welch$conf.int[2]
  )
}
found <- lapply(themes, one)
p <- p.adjust(sapply(found, function(row) row$p_value), "holm")
change <- prop.test(c(6, 4), c(20, 25), correct = FALSE)
out <- list(
  versions = list(R = as.character(getRversion())), y = y, themes = themes, found = found, holm = as.list(p),
  change_p = change$p.value
)
write(toJSON(out, auto_unbox = TRUE, digits = 15, pretty = TRUE), "tests/reference/comments.json")
