# Every estimator of continuous variables on every data set, lavaan taken to its optimum (see models_common.R).
# Run: Rscript tests/reference/models_continuous.R [data directory]
source("tests/reference/models_common.R")
sources <- list(hs = list(m_hs, hs), pd = list(m_pd, pd), bfi = list(m_bfi, bfi), mobi = list(m_mobi, mobi),
  corp = list(m_corp, corp), corp_sem = list(m_corp_sem, corp), bank = list(m_bank, bank))
grouped <- list(school = list(m_hs, hs, "school"), gender = list(m_bfi, bfi, "gender"), type = list(m_corp, corp, "servicetype"))
incomplete <- list(hs = list(m_hs, holes), bfi = list(m_bfi, bfi_seen), corp_sem = list(m_corp_sem, corp))
out <- list()
add <- function(name, ...) {
  started <- Sys.time()
  out[[name]] <<- summarised(tight(...))
  message(name, " ", round(as.numeric(Sys.time() - started, units = "secs"), 1), " s")
}
for (estimator in c("ML", "MLR", "MLM", "GLS", "ULS")) {
  for (s in names(sources)) add(paste(s, estimator, sep = "_"), sources[[s]][[1]], sources[[s]][[2]], estimator = estimator)
  for (g in names(grouped)) {
    s <- grouped[[g]]
    add(paste(g, "scalar", estimator, sep = "_"), s[[1]], s[[2]], group = s[[3]], group.equal = scalar, estimator = estimator)
    if (g != "gender") add(paste(g, "configural", estimator, sep = "_"), s[[1]], s[[2]], group = s[[3]], estimator = estimator)
  }
}
for (estimator in c("ML", "MLR")) {
  for (s in names(incomplete)) add(paste(s, "fiml", estimator, sep = "_"), incomplete[[s]][[1]], incomplete[[s]][[2]],
    missing = "fiml", estimator = estimator)
  add(paste0("school_fiml_", estimator), m_hs, holes, missing = "fiml", estimator = estimator, group = "school",
    group.equal = scalar)
  add(paste0("type_fiml_", estimator), m_corp, corp, missing = "fiml", estimator = estimator, group = "servicetype",
    group.equal = "loadings")
}
add("school_partial", m_hs, hs, group = "school", group.equal = scalar, group.partial = c("x3~1", "x7~1"))
add("weights", m_hs, hs, sampling.weights = "w")
add("school_weights", m_hs, hs, sampling.weights = "w", group = "school", group.equal = scalar)
add("weights_MLR", m_hs, hs, sampling.weights = "w", estimator = "MLR")
add("cluster", m_hs, hs, cluster = "cl")
write_reference(out, "tests/reference/models_continuous.json")
