"""Agreement between raters: kappas, AC2, alpha and intraclass correlations, with intervals over concepts.

In: ratings as a matrix of items × raters with NaN where a rater did not rate. Out: numbers. The weights of a
kappa are always named, because they change it: the paper reports "a weighted Cohen's κ" without them.
``coefficients.py`` has the formulas, ``raters.py`` looks at raters one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.statistics.agreement.coefficients import (
    COEFFICIENTS,
    MOST_PAIRS,
    Cells,
    Level,
    Weights,
    krippendorff,
    light_kappa,
)
from c2i_lib.statistics.bootstrap import DEFAULT, Resampling, expanded_interval, resamples

AGREEMENT_COLUMNS = {"question": "str", "n_items": "int64", "n_raters": "int64", "coefficient": "str", "weights": "str"}
AGREEMENT_COLUMNS |= {"value": "float64", "low": "float64", "high": "float64", "reason": "str"}


def weighted_kappa(ratings: np.ndarray, categories: Sequence[float], weights: Weights) -> float:
    """Weighted kappa of two raters, or the mean over all pairs of more raters (Light 1971).

    ``ratings``: ``(n_items, n_raters)``, NaN for a missing rating. ``categories``: all points of the scale, also
    those that nobody used. Pairs without a common item, or without variation, do not count; NaN when none does.
    """
    cells = Cells(ratings, categories)
    return float(light_kappa(cells, np.ones((1, cells.n_clusters)), weights)[0])


def krippendorff_alpha(ratings: np.ndarray, level: Level) -> float:
    """Krippendorff's alpha of ``(n_items, n_raters)`` ratings with NaN for missing ones."""
    ratings = np.asarray(ratings, float)
    cells = Cells(ratings, np.unique(ratings[~np.isnan(ratings)]))
    return float(krippendorff(cells, np.ones((1, len(ratings))), level)[0])


def _why_undefined(cells: Cells) -> str:
    """Why no coefficient, or not each, can be computed; empty where nothing is in the way."""
    if np.isnan(cells.ratings).all():
        return "there are no ratings"
    if (~np.isnan(cells.ratings)).any(0).sum() < 2:
        return "there is only one rater"
    if not cells.pairs:
        return "no item was rated by two raters"
    if (cells.counts[cells.several].sum(0) > 0).sum() < 2:
        return "all ratings are the same, so agreement by chance cannot be told from agreement"
    return ""


def agreement(
    ratings: np.ndarray,
    categories: Sequence[float],
    resampling: Resampling = DEFAULT,
    clusters: Sequence | None = None,
) -> pd.DataFrame:
    """Every coefficient with its interval: ``coefficient, weights, value, low, high, reason``.

    ``clusters``: what is resampled, a label for each item, such as its concept; None: items. Percentiles are widened
    for few of them (``bootstrap.expanded_interval``). Where a coefficient is not defined its value is NaN, and
    ``reason`` says why.
    """
    cells = Cells(ratings, categories, clusters)
    parts = [[] for _ in COEFFICIENTS]
    for draws in resamples(cells.n_clusters, resampling):
        for values, (_, _, function) in zip(parts, COEFFICIENTS, strict=True):
            values.append(function(cells, draws))
    why, rows = _why_undefined(cells), []
    for (name, weights, _), values in zip(COEFFICIENTS, parts, strict=True):
        drawn = np.where(np.isfinite(np.concatenate(values)), np.concatenate(values), np.nan)
        value, low, high = expanded_interval(drawn, cells.n_clusters, resampling.confidence)
        reason = ""
        if np.isnan(value):
            low = high = np.nan
            reason = why or (_too_many_pairs(cells) if "pairs" in name else "") or "the ratings vary too little for it"
        rows.append((name, weights, value, low, high, reason))
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS)[3:])


def _too_many_pairs(cells: Cells) -> str:
    """Why kappas of pairs are not averaged; empty where they are."""
    n_pairs = len(cells.pairs)
    too_many = f"{n_pairs} pairs of raters are more than {MOST_PAIRS}, and most have few items: see Conger's kappa"
    return too_many if n_pairs > MOST_PAIRS else ""


def rating_matrix(ratings: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``ratings.parquet`` (of one question, each image once a rater) as images × raters."""
    return ratings.pivot(index="image_id", columns="rater", values="rating").astype(float)


def agreement_table(ratings: pd.DataFrame, points: Sequence[int], resampling: Resampling = DEFAULT) -> pd.DataFrame:
    """``agreement`` per question over all surveys, with ``question, n_items, n_raters`` before it.

    ``ratings``: the rows of ``ratings.parquet`` without repeats and checks. Raters of different surveys share no item
    and form no pair. Intervals resample concepts.
    """
    parts = []
    for question, group in ratings.groupby("question", sort=False):
        matrix = rating_matrix(group)
        concepts = group.drop_duplicates("image_id").set_index("image_id")["concept"].reindex(matrix.index)
        part = agreement(matrix.to_numpy(), points, resampling, concepts.to_numpy())
        parts.append(part.assign(question=question, n_items=len(matrix), n_raters=matrix.shape[1]))
    return pd.concat(parts, ignore_index=True)[list(AGREEMENT_COLUMNS)]
