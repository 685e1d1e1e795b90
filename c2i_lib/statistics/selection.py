"""Best of n, gated: of n pictures of a concept, the best in quality among those that are faithful enough.

In: selecting scores of candidates and of the bare concept's own pictures. Out: which candidates are taken; and the
frontier of quality against faithfulness as n and the gate vary. One judge selects and another one reports: a judge
that selects what it likes would praise its own choice. Columns of scores go by the names that the caller gives:
``selecting`` names first the score whose best is taken, then the one that has to reach the gate. Ignored: how scores
come about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.statistics.bootstrap import DEFAULT, Resampling, cluster_interval


def thresholds(bare: pd.DataFrame, gate: float | None, gated: str) -> pd.Series:
    """Per concept the score ``gated`` that a candidate must reach: the quantile ``gate`` (0 to 1) of the bare concept's
    own pictures. None: no gate, minus infinity."""
    by_concept = bare.groupby("concept")[gated]
    return by_concept.quantile(gate) if gate is not None else by_concept.first() * 0 - np.inf


def ranked(quality: np.ndarray, faithfulness: np.ndarray, threshold: float) -> np.ndarray:
    """The indices, ``(…, n)``, of ``(…, n)`` candidates in order of preference: those whose faithfulness reaches the
    threshold, the best in quality first; then the others, the most faithful first. Of equal ones the first is first."""
    failed = ~(faithfulness >= threshold)  # so that a score of NaN fails
    return np.lexsort((-np.where(failed, faithfulness, quality), failed))


def choose(quality: np.ndarray, faithfulness: np.ndarray, threshold: float) -> np.ndarray:
    """Indices, ``(…)``, of the chosen among ``(…, n)`` candidates: the best in quality of those whose faithfulness
    reaches the threshold; where none does, the most faithful one."""
    return ranked(quality, faithfulness, threshold)[..., 0]


def best_of(
    candidates: pd.DataFrame,
    bare: pd.DataFrame,
    n: int,
    gate: float | None,
    selecting: tuple[str, str],
    reported: Sequence[str],
    n_draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean ``reported`` scores of the best of ``n``: ``concept``, the reported, ``passed`` (share of candidates).

    ``candidates``: rows of one arm with ``concept`` and the columns ``selecting`` and ``reported``. Which ``n`` of a
    concept's candidates are drawn is left to chance ``n_draws`` times, and the mean is taken. Raises ``ValueError``
    when a concept has fewer than ``n`` candidates.
    """
    random, rows = np.random.default_rng(seed), []
    required = thresholds(bare, gate, selecting[1])
    for concept, group in candidates.groupby("concept", sort=True):
        if len(group) < n:
            raise ValueError(f"best of {n} asked for, but concept {concept!r} has {len(group)} candidates")
        draws = random.permuted(np.tile(np.arange(len(group)), (n_draws, 1)), axis=1)[:, :n]
        best, gated = (group[name].to_numpy(float) for name in selecting)
        indices = choose(best[draws], gated[draws], required[concept])
        chosen = draws[np.arange(n_draws), indices]
        means = [group[name].to_numpy(float)[chosen].mean() for name in reported]
        rows.append((concept, *means, float((gated >= required[concept]).mean())))
    return pd.DataFrame(rows, columns=["concept", *reported, "passed"])


def frontier_columns(reported: Sequence[str]) -> dict[str, str]:
    """The columns of ``frontier``: ``arm, n, gate``, each reported score with its interval, ``passed``."""
    scores = [f"{name}{end}" for name in reported for end in ("", "_low", "_high")]
    return {"arm": "str", "n": "int64", "gate": "float64", **dict.fromkeys([*scores, "passed"], "float64")}


def frontier(
    candidates: pd.DataFrame,
    bare: pd.DataFrame,
    sizes: Sequence[int],
    gates: Sequence[float | None],
    selecting: tuple[str, str],
    reported: Sequence[str],
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """``best_of`` for every arm, n of ``sizes`` and gate, means and intervals over concepts (``frontier_columns``).

    A gate of NaN is no gate; n = 1 has none.
    """
    rows = []
    for arm, group in candidates.groupby("arm", sort=False):
        for n in sizes:
            for gate in gates if n > 1 else [None]:
                best = best_of(group, bare, n, gate, selecting, reported, seed=resampling.seed)
                low, high = cluster_interval(best[list(reported)].to_numpy(), resampling)
                row = {"arm": arm, "n": n, "gate": np.nan if gate is None else gate}
                for index, name in enumerate(reported):
                    row |= {name: best[name].mean(), f"{name}_low": low[index], f"{name}_high": high[index]}
                rows.append({**row, "passed": best["passed"].mean()})
    return pd.DataFrame(rows, columns=list(frontier_columns(reported)))
