# The same questions answered by R, for the tests of this folder.
# Rscript reference.R asah|sleepstudy|roc|slopes FOLDER: reads and writes CSV in FOLDER.
arguments <- commandArgs(trailingOnly = TRUE)
what <- arguments[1]
setwd(arguments[2])
options(digits = 15)

package <- if (what %in% c("asah", "roc")) "pROC" else "lme4"
if (!requireNamespace(package, quietly = TRUE)) {
  message(package)
  quit(status = 42)
}

areas <- function(frame, names) {
  curves <- lapply(names, function(name) {
    pROC::roc(frame$case, frame[[name]], levels = c(0, 1), direction = "<", quiet = TRUE)
  })
  intervals <- t(sapply(curves, function(curve) as.numeric(pROC::ci.auc(curve))))
  write.csv(data.frame(name = names, low = intervals[, 1], auc = intervals[, 2],
                       high = intervals[, 3]), "areas.csv", row.names = FALSE)
  pairs <- t(combn(length(names), 2))
  tests <- apply(pairs, 1, function(pair) {
    test <- pROC::roc.test(curves[[pair[1]]], curves[[pair[2]]], method = "delong",
                           paired = TRUE)
    c(unname(test$statistic), test$p.value)
  })
  write.csv(data.frame(first = names[pairs[, 1]], second = names[pairs[, 2]], z = tests[1, ],
                       p = tests[2, ]), "tests.csv", row.names = FALSE)
}

mixed <- function(model) {
  variances <- as.data.frame(lme4::VarCorr(model))$vcov
  write.csv(data.frame(term = names(lme4::fixef(model)), estimate = unname(lme4::fixef(model)),
                       error = unname(sqrt(diag(as.matrix(vcov(model)))))),
            "fixed.csv", row.names = FALSE)
  write.csv(data.frame(name = c("intercept", "slope", "covariance", "residual"),
                       value = variances), "random.csv", row.names = FALSE)
  write.csv(data.frame(singular = lme4::isSingular(model)), "singular.csv", row.names = FALSE)
}

if (what == "asah") {
  data("aSAH", package = "pROC")
  frame <- data.frame(case = as.integer(aSAH$outcome == "Poor"), wfns = as.numeric(aSAH$wfns),
                      s100b = aSAH$s100b, ndka = aSAH$ndka)
  write.csv(frame, "people.csv", row.names = FALSE)
  areas(frame, c("wfns", "s100b", "ndka"))
} else if (what == "roc") {
  frame <- read.csv("people.csv")
  areas(frame, setdiff(names(frame), "case"))
} else if (what == "sleepstudy") {
  data("sleepstudy", package = "lme4")
  write.csv(sleepstudy, "people.csv", row.names = FALSE)
  mixed(lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy))
} else if (what == "slopes") {
  frame <- read.csv("people.csv")
  frame$group <- factor(frame$group, levels = c("CN", "MCI", "AD"))
  control <- lme4::lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  mixed(lme4::lmer(gap_cole ~ (baseline_age + group + sex) * years + (1 + years | participant_id),
                   frame, control = control))
}
