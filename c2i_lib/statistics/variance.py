"""Where the variance of ratings comes from: concept, prompt, image seed, rater, and the rest.

In: rows of ``ratings.parquet``. Out: a table of variances. A gain that is smaller than what another image seed would
change is not a gain that a reader can rely on. Ignored: the arm's own effect; each arm is decomposed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def variance_components(values: np.ndarray, factors: Mapping[str, Sequence]) -> dict[str, float]:
    """Variances of random factors and of the ``rest``, by Henderson's method 1 (1953, Biometrics 9:226).

    ``values (n,)``; ``factors``: labels ``(n,)`` of each. Equal to an analysis of variance where the design is
    balanced. Estimates may be negative. NaN for all when the factors cannot be told apart.
    """
    values, codes = (
        np.asarray(values, float),
        {name: pd.factorize(np.asarray(part))[0] for name, part in factors.items()},
    )
    codes["rest"] = np.arange(len(values))
    whole = np.zeros(len(values), int)
    left, right = [], []
    for groups in codes.values():
        row = [_shared(groups, other) - _shared(whole, other) for other in codes.values()]
        left.append(row)
        right.append(_between(groups, values) - _between(whole, values))
    if np.linalg.matrix_rank(np.array(left)) < len(codes):
        return dict.fromkeys(codes, float("nan"))
    return dict(zip(codes, np.linalg.solve(np.array(left), np.array(right)).tolist(), strict=True))


def _between(groups: np.ndarray, values: np.ndarray) -> float:
    """Σ over groups of (sum of values)² / size."""
    return float((np.bincount(groups, values) ** 2 / np.bincount(groups)).sum())


def _shared(groups: np.ndarray, other: np.ndarray) -> float:
    """The share of ``other``'s variance in ``_between(groups)``: Σ over cells of (size of cell)² / size of group."""
    cells, sizes = np.unique(groups.astype(np.int64) * (other.max() + 1) + other, return_counts=True)
    return float((sizes**2 / np.bincount(groups)[cells // (other.max() + 1)]).sum())


def decompose(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean over arms of each arm's variances: ``question, component, variance, share, sd``.

    ``ratings`` without repeats and checks, with ``prompt_id``. Where each prompt has one image, prompt and image seed
    cannot be told apart and are one component. The rest is what a rater sees in one image that others do not.
    Negative estimates count as zero.
    """
    several = ratings.groupby("prompt_id")["image_id"].nunique().max() > 1
    names = {"concept": "concept", "prompt": "prompt_id", "image seed": "image_id", "rater": "rater"}
    if not several:
        names = {"concept": "concept", "prompt and image seed": "image_id", "rater": "rater"}
    rows = []
    for question, group in ratings.dropna(subset=["rating"]).groupby("question", sort=False):
        parts = []
        for _, arm in group.groupby("arm", sort=False):
            found = variance_components(arm["rating"].to_numpy(float), {name: arm[key] for name, key in names.items()})
            parts.append({name: max(0.0, value) for name, value in found.items()})
        mean = pd.DataFrame(parts).mean()
        rows += [(question, name, value, value / mean.sum(), value**0.5) for name, value in mean.items()]
    return pd.DataFrame(rows, columns=["question", "component", "variance", "share", "sd"])


def seed_noise(decomposition: pd.DataFrame, n_concepts: int, n_samples: int) -> pd.Series:
    """Per question, the standard error that prompts and image seeds alone give to a difference of two arms."""
    drawn = decomposition[decomposition["component"].str.contains("prompt|seed")]
    return np.sqrt(2 * drawn.groupby("question", sort=False)["variance"].sum() / (n_concepts * n_samples))
