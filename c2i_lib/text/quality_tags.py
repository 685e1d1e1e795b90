"""Tags of quality: how good a caption's own picture is among those of the training split, in one word.

In: a number for each caption. Out: ``poor``, ``fair``, ``good``, or nothing where there is no number. A model that
reads the tag before the caption learns which words go with good pictures, and is asked for the best at generation, as
in Quark (Lu et al. 2022, arXiv:2205.13636, with quantiles of a reward) and in conditional training (Korbak et al. 2023,
arXiv:2302.08582, with two tags). Ignored: captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WORDS = ("poor", "fair", "good")
BEST, WORST = WORDS[-1], WORDS[0]  # the best is asked for at generation


@dataclass(frozen=True)
class Terciles:
    """Qualities up to ``poor_to`` are poor, those from ``good_from`` on good."""

    poor_to: float
    good_from: float

    @classmethod
    def of(cls, qualities: Sequence[float]) -> Terciles:
        """The borders of thirds. NaN counts for nothing; equal values are not torn apart: their middle rank decides.

        Where many are equal, a third can be empty, but never the best and the worst, which are asked for. Raises
        ``ValueError`` without two different numbers.
        """
        values = np.asarray(qualities, float)
        distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(distinct) < 2:
            raise ValueError(f"terciles need two different numbers, found {distinct.tolist()}")
        ranks = (counts.cumsum() - counts / 2) / counts.sum()
        poor = distinct[: max(1, int((ranks < 1 / 3).sum()))]
        good = distinct[-max(1, int((ranks > 2 / 3).sum())) :]
        return cls(float(poor[-1]), float(good[0]))

    def words(self, qualities: Sequence[float]) -> list[str]:
        """One of ``WORDS`` for each quality; an empty string for NaN."""
        values = np.asarray(qualities, float)
        chosen = np.where(values >= self.good_from, WORDS[2], np.where(values <= self.poor_to, WORDS[0], WORDS[1]))
        return np.where(np.isnan(values), "", chosen).tolist()
