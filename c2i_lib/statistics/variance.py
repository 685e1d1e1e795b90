"""Where the variance of ratings comes from: concept, prompt, image seed, rater, and the rest.

In: rows of ``ratings.parquet``. Out: a table of variances. A gain that is smaller than what another image seed would
change is not a gain that a reader can rely on. Ignored: the arm's own effect; each arm is decomposed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError

# What ratings must say, and how to get it where they come from elsewhere.
NEEDED = {
    "question": "what was asked",
    "arm": "what is compared",
    "concept": "what the image should show",
    "prompt_id": "the prompt of the image; where each prompt has one image, the image's own id",
    "image_id": "the image that was rated",
    "rater": "who rated",
    "rating": "the point given, as a number",
}
VARIANCE_COLUMNS = {
    "question": "str",
    "component": "str",
    "variance": "float64",
    "share": "float64",
    "sd": "float64",
    "reason": "str",
}


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


def _check_columns(ratings: pd.DataFrame) -> None:
    """Raises ``C2IError`` for columns of ``NEEDED`` that are missing, with how to get each."""
    missing = [name for name in NEEDED if name not in ratings]
    if missing:
        ways = "; ".join(f"{name}: {NEEDED[name]}" for name in missing)
        raise C2IError(
            f"to tell where the variance of ratings comes from takes the columns {', '.join(NEEDED)}, found "
            f"{', '.join(map(str, ratings.columns)) or 'none'}: add {ways}. The ratings of a run have them all "
            "(06_survey/ratings/ratings.parquet)"
        )


def _arm_components(arm: pd.DataFrame, factors: Mapping[str, str]) -> dict[str, float]:
    """The variances of one arm; negative estimates count as zero, and NaN stays NaN."""
    labels = {name: arm[column] for name, column in factors.items()}
    estimates = variance_components(arm["rating"].to_numpy(float), labels)
    return {name: value if np.isnan(value) else max(0.0, value) for name, value in estimates.items()}


def _why_undefined(by_arm: pd.DataFrame) -> str:
    """Why the variances of a question, ``by_arm``, are not defined, or not of every arm; empty where all are."""
    apart = f"{', '.join(by_arm.columns[:-1])} and {by_arm.columns[-1]} cannot be told apart"
    undefined = by_arm.index[by_arm.isna().any(axis=1)]
    if len(undefined) == len(by_arm):
        return f"{apart} in these ratings: it takes several concepts, images of each, and raters of each image"
    if len(undefined):
        return f"without {', '.join(map(str, undefined))}, where {apart}"
    return "" if by_arm.to_numpy().sum() else "all ratings of each arm are the same, so there is no variance to divide"


def decompose(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean over arms of each arm's variances: ``question, component, variance, share, sd, reason``.

    ``ratings`` without repeats and checks, with the columns of ``NEEDED``. Where each prompt has one image, prompt and
    image seed cannot be told apart and are one component; with the concept, where each arm has one image of it. The
    rest is what a rater sees in one image that others do not. Negative estimates count as zero. What is not defined is
    NaN, and ``reason`` says why; it also names arms that the mean leaves out because theirs are not. Raises
    ``C2IError`` for a missing column.
    """
    _check_columns(ratings)
    factors = {"concept": "concept", "prompt": "prompt_id", "image seed": "image_id", "rater": "rater"}
    if ratings.groupby("prompt_id")["image_id"].nunique().max() <= 1:
        factors = {"concept": "concept", "prompt and image seed": "image_id", "rater": "rater"}
    if ratings.groupby(["arm", "concept"])["image_id"].nunique().max() <= 1:
        factors = {"concept and image": "image_id", "rater": "rater"}
    rows = []
    for question, group in ratings.dropna(subset=["rating"]).groupby("question", sort=False):
        arms = {name: _arm_components(arm, factors) for name, arm in group.groupby("arm", sort=False)}
        by_arm = pd.DataFrame(arms).T
        mean, reason = by_arm.mean(), _why_undefined(by_arm)
        total = mean.sum(skipna=False) or np.nan  # of no variance there are no shares
        rows += [(question, name, value, value / total, value**0.5, reason) for name, value in mean.items()]
    return pd.DataFrame(rows, columns=list(VARIANCE_COLUMNS)).astype(VARIANCE_COLUMNS)


def seed_noise(decomposition: pd.DataFrame, n_concepts: int, n_samples: int) -> pd.Series:
    """Per question, the standard error that prompts and image seeds alone give to a difference of two arms; NaN where
    their variances are, and where images cannot be told from concepts."""
    drawn = decomposition[decomposition["component"].str.contains("prompt|seed")]
    total = drawn.groupby("question", sort=False)["variance"].agg(lambda variances: variances.sum(skipna=False))
    total = total.reindex(decomposition["question"].unique())
    return np.sqrt(2 * total / (n_concepts * n_samples))
