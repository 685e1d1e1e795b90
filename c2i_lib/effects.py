"""Effects of the arm: Table 1 with intervals, paired differences, and what they say in words.

In: long tables with ``arm, concept`` and values. Out: tables. Concepts, not ratings, are the independent units:
every interval resamples concepts, and every test exchanges arms within concepts.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError

N_PERMUTATIONS = 10_000
MAX_EXACT = 13  # concepts: 8,192 sign patterns


def _concept_means(values: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means per concept (rows) and arm (columns), in the arms' order of appearance."""
    arms = list(dict.fromkeys(values["arm"]))
    means = values.pivot_table(index="concept", columns="arm", values=column, aggfunc="mean")[arms].astype(float)
    if means.isna().any().any():
        concept, arm = next((concept, arm) for concept, row in means.iterrows() for arm in arms if pd.isna(row[arm]))
        raise C2IError(
            f"concept {concept!r} has no value in arm {arm!r} (all its images may be flagged), and arms are compared "
            "over the same concepts: render again with another seed, or leave the concept out"
        )
    return means


def bootstrap_means(values: pd.DataFrame, column: str, n_bootstrap: int, confidence: float, seed: int) -> pd.DataFrame:
    """Mean of ``column`` per arm with a percentile interval from resampled concepts: ``arm, mean, low, high``.

    Every concept weighs alike. Efron and Tibshirani 1993, chapter 13, with concepts as clusters.
    """
    means = _concept_means(values, column)
    random = np.random.default_rng(seed)
    draws = random.integers(len(means), size=(n_bootstrap, len(means)))
    resampled = means.to_numpy()[draws].mean(1)  # (n_bootstrap, n_arms)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return pd.DataFrame({"arm": means.columns, "mean": means.mean().to_numpy(), "low": low, "high": high})


def table1(ratings: pd.DataFrame, n_bootstrap: int = 10_000, confidence: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """The paper's Table 1 with intervals: ``question, arm, n, mean, low, high, sd``.

    ``sd`` is the sample standard deviation of single ratings (the paper's σ).
    """
    parts = []
    for question, group in ratings.groupby("question", sort=False):
        part = bootstrap_means(group, "rating", n_bootstrap, confidence, seed)
        by_arm = group.groupby("arm")["rating"]
        part["n"], part["sd"] = part["arm"].map(by_arm.size()), part["arm"].map(by_arm.std())
        parts.append(part.assign(question=question))
    return pd.concat(parts, ignore_index=True)[["question", "arm", "n", "mean", "low", "high", "sd"]]


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values (Holm 1979)."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def sign_flip_p(differences: np.ndarray, random: np.random.Generator) -> float:
    """Two-sided p of the sign-flip test that ``(n_concepts,)`` differences are centred on zero.

    Exact (all 2ⁿ sign patterns) up to 13 concepts; beyond, ``N_PERMUTATIONS`` random ones, where the observed
    pattern counts as one of them.
    """
    n = len(differences)
    if n <= MAX_EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = random.choice([-1.0, 1.0], size=(N_PERMUTATIONS, n))
        signs[0] = 1.0
    return float((np.abs((signs * differences).mean(1)) >= abs(differences.mean()) - 1e-12).mean())


def compare_arms(
    values: pd.DataFrame, column: str = "rating", n_bootstrap: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """All pairs of arms: ``question, arm, baseline, difference, low, high, p, p_holm``.

    ``values`` needs ``question``. The interval resamples concepts. ``p`` exchanges the two arms within concepts
    (``sign_flip_p`` of concept mean differences). Holm's correction is over all rows.
    """
    random = np.random.default_rng(seed)
    rows = []
    for question, group in values.groupby("question", sort=False):
        means = _concept_means(group, column)
        for baseline, arm in combinations(means.columns, 2):
            difference = (means[arm] - means[baseline]).to_numpy()
            draws = difference[random.integers(len(difference), size=(n_bootstrap, len(difference)))].mean(1)
            tail = (1 - confidence) / 2
            low, high = np.quantile(draws, [tail, 1 - tail])
            p_value = sign_flip_p(difference, random)
            rows.append((question, arm, baseline, difference.mean(), low, high, p_value))
    table = pd.DataFrame(rows, columns="question arm baseline difference low high p".split())
    return table.assign(p_holm=holm(table["p"]))


def describe(comparison: pd.DataFrame, confidence: float) -> list[str]:
    """One plain sentence per row of ``compare_arms``.

    It says "higher" or "lower" only when the interval excludes zero and Holm's p is below 1 − ``confidence``.
    """
    sentences = []
    for row in comparison.itertuples():
        p_value = "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"
        interval = f"{row.difference:+.2f}, {100 * confidence:g} % interval {row.low:+.2f} to {row.high:+.2f}"
        shown = row.p_holm < 1 - confidence and (row.low > 0 or row.high < 0)
        verdict = f"no difference between {row.arm} and {row.baseline} is shown"
        if shown:
            verdict = f"{row.arm} is {'higher' if row.difference > 0 else 'lower'} than {row.baseline}"
        sentences.append(f"{row.question}: {verdict} ({interval}, Holm-adjusted {p_value}).")
    return sentences
