"""How well a judge agrees with people: rank correlation and pairwise accuracy, with intervals over concepts.

In: ratings and judge scores of the same images. Out: a table. Meaningless for simulated raters, whose ratings were
made from the scores. Ignored: arms.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def _resampled_concepts(concepts: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """``(1 + n_bootstrap, n_images)``: how often each image is in the sample itself and in each resample."""
    codes, names = pd.factorize(concepts)
    n = len(names)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_bootstrap)
    return np.vstack([np.ones(n), draws])[:, codes]


def _spearman(first: np.ndarray, second: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Spearman's correlation in each resample: Pearson's of the middle ranks."""
    sizes = draws.sum(1, keepdims=True)

    def centred_ranks(values):
        below = (values[:, None] < values) + 0.5 * (values[:, None] == values)
        return draws @ below - sizes / 2

    x, y = centred_ranks(first), centred_ranks(second)
    spread = np.sqrt((draws * x * x).sum(1) * (draws * y * y).sum(1))
    return np.divide((draws * x * y).sum(1), spread, out=np.full(len(draws), np.nan), where=spread > 1e-9)


def _pairwise_accuracy(truth: np.ndarray, score: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Share of image pairs that people tell apart and the judge orders alike; a judge's tie counts half."""
    told_apart = np.sign(np.subtract.outer(truth, truth))
    right = (np.sign(np.subtract.outer(score, score)) * told_apart + 1) / 2 * np.abs(told_apart)
    n_pairs = ((draws @ np.abs(told_apart)) * draws).sum(1)
    return np.divide(((draws @ right) * draws).sum(1), n_pairs, out=np.full(len(draws), np.nan), where=n_pairs > 0)


def judge_validity(
    ratings: pd.DataFrame, scores: pd.DataFrame, n_bootstrap: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """``judge, question, measure, value, low, high, n_images``: mean rating of an image against its judge score.

    ``scores``: ``image_id, judge, question, score``; ``question`` tells which ratings a judge is compared with.
    """
    rows, tail = [], (1 - confidence) / 2
    for (name_of_judge, question), judged in scores.groupby(["judge", "question"], sort=False):
        rated = ratings[(ratings["question"] == question) & (ratings["kind"] == "image")]
        both = rated.groupby(["image_id", "concept"])["rating"].mean().dropna().rename("rating").reset_index()
        both = both.merge(judged[["image_id", "score"]], on="image_id")
        draws = _resampled_concepts(both["concept"].to_numpy(), n_bootstrap, seed)
        people, judge = both["rating"].to_numpy(), both["score"].to_numpy(float)
        for name, measure in (("Spearman", _spearman), ("pairwise accuracy", _pairwise_accuracy)):
            values = measure(people, judge, draws)
            low, high = np.nanquantile(values[1:], [tail, 1 - tail])
            rows.append((name_of_judge, question, name, values[0], low, high, len(both)))
    return pd.DataFrame(rows, columns=["judge", "question", "measure", "value", "low", "high", "n_images"])
