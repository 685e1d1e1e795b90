"""Best of n, gated: of n pictures of a concept, the best in quality among those that are faithful enough.

In: selecting scores of candidates and of the bare concept's own pictures. Out: which candidates are taken; and the
frontier of quality against faithfulness as n and the gate vary. One judge selects and another one reports: a judge
that selects what it likes would praise its own choice. Ignored: how scores come about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.statistics.bootstrap import cluster_interval

SELECTING = ("selecting_quality", "selecting_faithfulness")

REPORTED = ("quality", "faithfulness")


def thresholds(bare: pd.DataFrame, gate: float | None) -> pd.Series:
    """Per concept the selecting faithfulness that a candidate must reach: the quantile ``gate`` (0 to 1) of the bare
    concept's own pictures. None: no gate, minus infinity."""
    by_concept = bare.groupby("concept")["selecting_faithfulness"]
    return by_concept.quantile(gate) if gate is not None else by_concept.first() * 0 - np.inf


def ranked(quality: np.ndarray, faithfulness: np.ndarray, threshold: float) -> np.ndarray:
    """All places, ``(…, n)``, of ``(…, n)`` candidates in order of preference: those whose faithfulness reaches the
    threshold, the best in quality first; then the others, the most faithful first. Of equal ones the first is first."""
    failed = ~(faithfulness >= threshold)  # so that a score of NaN fails
    return np.lexsort((-np.where(failed, faithfulness, quality), failed))


def choose(quality: np.ndarray, faithfulness: np.ndarray, threshold: float) -> np.ndarray:
    """Places, ``(…)``, of the chosen among ``(…, n)`` candidates: the best in quality of those whose faithfulness
    reaches the threshold; where none does, the most faithful one."""
    return ranked(quality, faithfulness, threshold)[..., 0]


def best_of(
    candidates: pd.DataFrame, bare: pd.DataFrame, n: int, gate: float | None, n_draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Reported scores of the best of ``n``: ``concept, quality, faithfulness, passed`` (share of candidates).

    ``candidates``: rows of one arm with ``concept`` and the columns ``SELECTING`` and ``REPORTED``. Which ``n`` of a
    concept's candidates are drawn is left to chance ``n_draws`` times, and the mean is taken. Raises ``ValueError``
    when a concept has fewer than ``n`` candidates.
    """
    random, rows = np.random.default_rng(seed), []
    wanted = thresholds(bare, gate)
    for concept, group in candidates.groupby("concept", sort=True):
        if len(group) < n:
            raise ValueError(f"best of {n} asked for, but concept {concept!r} has {len(group)} candidates")
        draws = random.permuted(np.tile(np.arange(len(group)), (n_draws, 1)), axis=1)[:, :n]
        quality, faithfulness = (group[name].to_numpy(float) for name in SELECTING)
        places = choose(quality[draws], faithfulness[draws], wanted[concept])
        chosen = draws[np.arange(n_draws), places]
        means = [group[name].to_numpy(float)[chosen].mean() for name in REPORTED]
        rows.append((concept, *means, float((faithfulness >= wanted[concept]).mean())))
    return pd.DataFrame(rows, columns=["concept", *REPORTED, "passed"])


def frontier(
    candidates: pd.DataFrame,
    bare: pd.DataFrame,
    numbers: Sequence[int],
    gates: Sequence[float | None],
    n_bootstrap: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """``best_of`` for every arm, n and gate, means and intervals over concepts: ``arm, n, gate, quality, quality_low,
    quality_high, faithfulness, faithfulness_low, faithfulness_high, passed``. A gate of NaN is no gate; n = 1 has none.
    """
    rows = []
    for arm, group in candidates.groupby("arm", sort=False):
        for n in numbers:
            for gate in gates if n > 1 else [None]:
                found = best_of(group, bare, n, gate, seed=seed)
                low, high = cluster_interval(found[list(REPORTED)].to_numpy(), n_bootstrap, confidence, seed)
                row = {"arm": arm, "n": n, "gate": np.nan if gate is None else gate}
                for place, name in enumerate(REPORTED):
                    row |= {name: found[name].mean(), f"{name}_low": low[place], f"{name}_high": high[place]}
                rows.append({**row, "passed": found["passed"].mean()})
    return pd.DataFrame(rows)
