"""How well chains of mentions agree with those of a person: MUC, B³, CEAF-e, and their mean, the CoNLL F1.

In: chains as sets of mentions, a mention being anything that can be compared. Out: precision, recall, F1. Sources:
Vilain et al. 1995 (MUC), Bagga and Baldwin 1998 (B³), Luo 2005 (CEAF with φ4), Pradhan et al. 2012 (their mean).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

Chains = Sequence[frozenset[Hashable]]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _muc_recall(gold: Chains, found: Chains) -> tuple[float, float]:
    links = 0
    for chain in gold:
        owners = {next((i for i, other in enumerate(found) if one in other), ("alone", one)) for one in chain}
        links += len(chain) - len(owners)
    return links, sum(len(chain) - 1 for chain in gold)


def _b_cubed_recall(gold: Chains, found: Chains) -> tuple[float, float]:
    shares = [len(chain & other) ** 2 / len(chain) for chain in gold for other in found]
    return sum(shares), sum(map(len, gold))


def _ceaf(gold: Chains, found: Chains) -> float:
    if not gold or not found:
        return 0.0
    alike = np.array([[2 * len(a & b) / (len(a) + len(b)) for b in found] for a in gold])
    return float(alike[linear_sum_assignment(-alike)].sum())


def coreference_scores(stories: Sequence[tuple[Chains, Chains]]) -> dict[str, float]:
    """``muc, b_cubed, ceaf_e, conll`` as F1 over all stories together, each given as (gold, found)."""
    sums = {name: np.zeros(4) for name in ("muc", "b_cubed", "ceaf_e")}  # part and whole: of recall, of precision
    for gold, found in stories:
        sums["muc"] += (*_muc_recall(gold, found), *_muc_recall(found, gold))
        sums["b_cubed"] += (*_b_cubed_recall(gold, found), *_b_cubed_recall(found, gold))
        best = _ceaf(gold, found)
        sums["ceaf_e"] += (best, len(gold), best, len(found))
    scores = {}
    for name, (part, whole, other, size) in sums.items():
        recall, precision = _share(part, whole), _share(other, size)
        scores[name] = _share(2 * recall * precision, recall + precision)
    return scores | {"conll": sum(scores.values()) / 3}
