"""How well a judge agrees with people: rank correlation and pairwise accuracy, with intervals over concepts.

In: ratings and judge scores of the same images. Out: a table. Meaningless for simulated raters, whose ratings were
made from the scores. Ignored: arms.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from c2i_lib.statistics.bootstrap import DEFAULT, Resampling, expanded_interval, resamples

VALIDITY_COLUMNS = {"judge": "str", "question": "str", "measure": "str", "value": "float64"}
VALIDITY_COLUMNS |= {"low": "float64", "high": "float64", "n_images": "int64"}


def _spearman(first: np.ndarray, second: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Spearman's correlation in each resample, ``draws (n_draws, n_images)``: Pearson's of the middle ranks."""
    x, y = (_middle_ranks(values, draws) - draws.sum(1, keepdims=True) / 2 for values in (first, second))
    spread = np.sqrt((draws * x * x).sum(1) * (draws * y * y).sum(1))
    return np.divide((draws * x * y).sum(1), spread, out=np.full(len(draws), np.nan), where=spread > 1e-9)


def _middle_ranks(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """How much of each resample lies below each value, what equals it counting half."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    weights = np.add.reduceat(draws[:, order], starts, axis=1)
    return (np.cumsum(weights, 1) - weights / 2)[:, place]


def _ordered_pairs(truth: np.ndarray, score: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(n_concepts, n_concepts)`` each: how many pairs of images of two concepts the judge orders as people do, a tie
    of the judge counting half, and how many people tell apart. ``codes``: the concept of each image."""
    n_concepts = codes.max(initial=-1) + 1
    right, n_pairs = np.zeros((2, n_concepts, n_concepts))
    for value, judged, code in zip(truth, score, codes, strict=True):
        told_apart = np.sign(value - truth)
        agrees = (np.sign(judged - score) * told_apart + 1) / 2 * np.abs(told_apart)
        right[code] += np.bincount(codes, agrees, minlength=n_concepts)
        n_pairs[code] += np.bincount(codes, np.abs(told_apart), minlength=n_concepts)
    return right, n_pairs


def _pairwise_accuracy(right: np.ndarray, n_pairs: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The share of ``_ordered_pairs`` in each resample of concepts, ``draws (n_draws, n_concepts)``."""
    total = ((draws @ n_pairs) * draws).sum(1)
    return np.divide(((draws @ right) * draws).sum(1), total, out=np.full(len(draws), np.nan), where=total > 0)


def judge_validity(ratings: pd.DataFrame, scores: pd.DataFrame, resampling: Resampling = DEFAULT) -> pd.DataFrame:
    """``judge, question, measure, value, low, high, n_images``: mean rating of an image against its judge score.

    ``scores``: ``image_id, judge, question, score``; ``question`` tells which ratings a judge is compared with.
    Intervals resample concepts, with percentiles widened for few of them.
    """
    rows = []
    for (name_of_judge, question), judged in scores.groupby(["judge", "question"], sort=False):
        rated = ratings[(ratings["question"] == question) & (ratings["kind"] == "image")]
        both = rated.groupby(["image_id", "concept"])["rating"].mean().dropna().rename("rating").reset_index()
        both = both.merge(judged[["image_id", "score"]], on="image_id")
        codes, concepts = pd.factorize(both["concept"].to_numpy())  # an image is drawn with its concept
        people, judge = both["rating"].to_numpy(), both["score"].to_numpy(float)
        pairs = _ordered_pairs(people, judge, codes)
        parts = [
            (_spearman(people, judge, draws[:, codes]), _pairwise_accuracy(*pairs, draws))
            for draws in resamples(len(concepts), resampling)
        ]
        for name, values in zip(("Spearman", "pairwise accuracy"), zip(*parts, strict=True), strict=True):
            interval = expanded_interval(np.concatenate(values), len(concepts), resampling.confidence)
            rows.append((name_of_judge, question, name, *interval, len(both)))
    return pd.DataFrame(rows, columns=list(VALIDITY_COLUMNS))
