"""Which candidate of each panel is kept: faithful to the event first, then alike, then good looking.

In: scores and features of each panel's candidates, and who is on stage. Out: one candidate a panel. Only the more
faithful half of a panel's candidates may be kept. Of these the panels choose in turns, each time the one most like the
kept pictures of all panels that share a character with it, the best in quality of equal ones, until no panel would
change: each turn makes the sum of all likenesses larger, or keeps it and makes that of qualities larger, so the search
ends, at a choice that no single change betters. Ignored: how scores and features come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_STEPS = 10_000  # of likeness: finer differences are none, so that the choice does not hang on the last bits


@dataclass(frozen=True)
class Judged:
    """The candidates of a panel: ``quality`` and ``faithfulness`` ``(n,)``, unit ``features`` ``(n, d)``."""

    quality: np.ndarray
    faithfulness: np.ndarray
    features: np.ndarray


def faithful_half(faithfulness: np.ndarray) -> list[int]:
    """The more faithful half of the candidates, the most faithful first, the earlier of equal ones first; of an odd
    number the larger half."""
    return np.argsort(-faithfulness, kind="stable")[: (len(faithfulness) + 1) // 2].tolist()


def choose_together(panels: Sequence[Judged], on_stage: Sequence[Sequence[str]]) -> list[int]:
    """The kept candidate of each panel. ``on_stage``: the characters of each."""
    allowed = [faithful_half(one.faithfulness) for one in panels]
    shared = _shared(on_stage)
    kept = [own[0] for own in allowed]
    changed = True
    while changed:
        changed = False
        for place, panel in enumerate(panels):
            keys = {
                index: (_closeness(panels, shared, kept, place, index), panel.quality[index])
                for index in allowed[place]
            }
            best = max(allowed[place], key=keys.__getitem__)
            if keys[best] > keys[kept[place]]:
                kept[place], changed = best, True
    return kept


def likenesses(panels: Sequence[Judged], on_stage: Sequence[Sequence[str]], kept: Sequence[int]) -> list[float]:
    """How like each kept picture is to those of the panels that share a character with it: the mean cosine, weighted
    by how many they share; NaN where there are none."""
    shared = _shared(on_stage)
    return [
        _closeness(panels, shared, kept, place, kept[place]) / _STEPS / total
        if (total := shared[place].sum())
        else np.nan
        for place in range(len(panels))
    ]


def _shared(on_stage: Sequence[Sequence[str]]) -> np.ndarray:
    """``(n, n)``: how many characters two panels share; none with itself."""
    counts = [[len(set(one) & set(other)) for other in on_stage] for one in on_stage]
    shared = np.array(counts, int).reshape(len(on_stage), len(on_stage))
    np.fill_diagonal(shared, 0)
    return shared


def _closeness(panels: Sequence[Judged], shared: np.ndarray, kept: Sequence[int], place: int, index: int) -> int:
    """The sum of cosines of a candidate with the kept pictures of the other panels, in steps."""
    own = panels[place].features[index]
    others = [(count, panels[other].features[kept[other]]) for other, count in enumerate(shared[place]) if count]
    return sum(int(count) * round(float(own @ feature) * _STEPS) for count, feature in others)
