"""Agreement between raters: weighted kappa and Krippendorff's alpha.

In: ratings as a matrix of items × raters with NaN where a rater did not rate. Out: numbers. The weights of a
kappa are always named, because they change it: the paper reports "a weighted Cohen's κ" without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

Weights = Literal["linear", "quadratic"]


def _disagreement(n_categories: int, weights: Weights) -> np.ndarray:
    """``(k, k)`` disagreement weights: |i − j| or (i − j)² (Cohen 1968)."""
    distance = np.abs(np.subtract.outer(np.arange(n_categories), np.arange(n_categories))).astype(float)
    if weights not in ("linear", "quadratic"):
        raise ValueError(f"weights should be 'linear' or 'quadratic', found {weights!r}")
    return distance if weights == "linear" else distance**2


def kappa_from_table(table: np.ndarray, disagreement: np.ndarray) -> float:
    """Weighted kappa of a ``(k, k)`` table of counts or shares: 1 − Σ v·p_observed / Σ v·p_expected.

    Cohen 1968, "Weighted kappa: nominal scale agreement with provision for scaled disagreement", formula 2.
    NaN when both raters use one and the same category throughout.
    """
    shares = np.asarray(table, float) / np.sum(table)
    expected = np.outer(shares.sum(1), shares.sum(0))
    by_chance = (disagreement * expected).sum()
    return float(1 - (disagreement * shares).sum() / by_chance) if by_chance else float("nan")


def weighted_kappa(ratings: np.ndarray, categories: Sequence[int], weights: Weights) -> float:
    """Weighted kappa of two raters, or the mean over all pairs of more raters (Light 1971).

    ``ratings``: ``(n_items, n_raters)``, NaN for a missing rating. ``categories``: all points of the scale, also
    those that nobody used. Pairs without a common item, or without variation, do not count.
    """
    ratings, categories = np.asarray(ratings, float), sorted(categories)
    used = ratings[~np.isnan(ratings)]
    if not np.isin(used, categories).all():
        raise ValueError(f"ratings {sorted(set(used) - set(categories))} are not in categories {list(categories)}")
    disagreement = _disagreement(len(categories), weights)
    kappas = []
    for first, second in combinations(range(ratings.shape[1]), 2):
        both = ~np.isnan(ratings[:, first]) & ~np.isnan(ratings[:, second])
        if both.any():
            pair = np.searchsorted(categories, ratings[both][:, [first, second]])
            table = np.zeros((len(categories),) * 2)
            np.add.at(table, (pair[:, 0], pair[:, 1]), 1)
            kappas.append(kappa_from_table(table, disagreement))
    return float(np.nanmean(kappas)) if np.isfinite(kappas).any() else float("nan")


def krippendorff_alpha(ratings: np.ndarray, level: Literal["nominal", "ordinal", "interval"]) -> float:
    """Krippendorff's alpha of ``(n_items, n_raters)`` ratings with NaN for missing ones.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability", sections C and D.
    """
    ratings = np.asarray(ratings, float)
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.stack([(ratings == value).sum(1) for value in values], axis=1).astype(float)  # items × values
    counts = counts[counts.sum(1) >= 2]
    per_item = counts.sum(1, keepdims=True)
    coincidences = (counts / (per_item - 1)).T @ counts - np.diag((counts / (per_item - 1)).sum(0))
    totals = coincidences.sum(0)
    if level == "nominal":
        distance = 1.0 - np.eye(len(values))
    elif level == "interval":
        distance = np.subtract.outer(values, values) ** 2
    elif level == "ordinal":
        middle = np.cumsum(totals) - totals / 2
        distance = np.subtract.outer(middle, middle) ** 2
    else:
        raise ValueError(f"level should be nominal, ordinal or interval, found {level!r}")
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    by_chance = (distance * expected).sum()
    return float(1 - (distance * coincidences).sum() / by_chance) if by_chance else float("nan")


def agreement_table(ratings: pd.DataFrame, scale_points: int) -> pd.DataFrame:
    """Kappas (both weights, mean over rater pairs) and ordinal alpha per question, over all surveys.

    ``ratings``: the rows of ``ratings.parquet``. Raters of different surveys share no item and form no pair.
    """
    rows = []
    for question, group in ratings.groupby("question", sort=False):
        matrix = group.pivot(index="image_id", columns="rater", values="rating").to_numpy(float)
        categories = list(range(1, scale_points + 1))
        rows.append(
            {
                "question": question,
                "n_items": len(matrix),
                "n_raters": matrix.shape[1],
                "kappa_linear": weighted_kappa(matrix, categories, "linear"),
                "kappa_quadratic": weighted_kappa(matrix, categories, "quadratic"),
                "alpha_ordinal": krippendorff_alpha(matrix, "ordinal"),
            }
        )
    return pd.DataFrame(rows)
