"""The ordinal mixed model: rating ~ arm + (1 | concept) + (1 | image) + (1 | rater), by R's package ordinal.

In: ratings. Out: a table of the arms' effects on the latent scale. Secondary to the permutation test: it assumes more.
Ignored: everything when R or its package is missing, which is said.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
from scipy.stats import norm

from c2i_lib.errors import C2IError

HOW_TO_GET_R = "R with its package ordinal is missing (Debian and Ubuntu: apt-get install r-cran-ordinal)"
_PROGRAM = """
suppressPackageStartupMessages(library(ordinal))
ratings <- read.csv("ratings.csv", stringsAsFactors = TRUE)
ratings$arm <- factor(ratings$arm, levels = unique(read.csv("ratings.csv")$arm))
ratings$rating <- ordered(ratings$rating)
model <- clmm(rating ~ arm + (1 | concept) + (1 | image_id) + (1 | rater), data = ratings, link = "probit")
table <- as.data.frame(coef(summary(model)))
table <- table[grepl("^arm", rownames(table)), ]
write.csv(data.frame(arm = sub("^arm", "", rownames(table)), estimate = table[, 1], error = table[, 2]), "effects.csv",
          row.names = FALSE)
cat(R.version.string, "with ordinal", as.character(packageVersion("ordinal")), "\\n")
"""


def available() -> bool:
    """Whether R and its package ordinal are installed."""
    program = shutil.which("Rscript")
    if program is None:
        return False
    asked = [program, "-e", 'quit(status = !requireNamespace("ordinal", quietly = TRUE))']
    return subprocess.run(asked, capture_output=True).returncode == 0


def fit(ratings: pd.DataFrame, confidence: float = 0.95) -> tuple[pd.DataFrame, str]:
    """Effects of the arms against the first, with Wald intervals, and the version of what ran.

    ``ratings``: of images only (``analysis.images_only``), the baseline arm first. Returns ``question, arm, baseline,
    estimate, low, high, p`` in units of the latent probit scale, whose residual has standard deviation 1. Raises
    ``C2IError`` when R is missing or the model cannot be fitted.
    """
    if not available():
        raise C2IError(HOW_TO_GET_R)
    parts, version = [], ""
    for question, group in ratings.groupby("question", sort=False):
        with tempfile.TemporaryDirectory() as folder:
            columns = ["arm", "concept", "image_id", "rater", "rating"]
            group[columns].astype({"rating": int}).to_csv(Path(folder) / "ratings.csv", index=False)
            done = subprocess.run([shutil.which("Rscript"), "-e", _PROGRAM], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise C2IError(f"R could not fit the mixed model of {question}: {done.stderr.strip()[-500:]}")
            version = done.stdout.strip()
            table = pd.read_csv(Path(folder) / "effects.csv")
        reach = norm.ppf((1 + confidence) / 2) * table["error"]
        table["low"], table["high"] = table["estimate"] - reach, table["estimate"] + reach
        table["p"] = 2 * norm.sf((table["estimate"] / table["error"]).abs())
        parts.append(table.assign(question=question, baseline=group["arm"].iloc[0]))
    names = ["question", "arm", "baseline", "estimate", "low", "high", "p"]
    return pd.concat(parts, ignore_index=True)[names], version
