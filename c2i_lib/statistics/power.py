"""How many concepts a study needs: power of the sign-flip test, by simulation.

In: the shape of a study and a true difference between two arms. Out: how often it would be found. Ignored: Holm's
correction, which asks for more; and concepts that suit an arm better than others, which ask for more as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.statistics.effects import sign_flip_p
from c2i_lib.statistics.simulation import ITEM_SHARE, PAPER_SCALES, Design, shifted, simulate_studies

N_PERMUTATIONS = 2000  # of the test inside the simulation


def power(
    design: Design, effect: float, question: str = "quality", alpha: float = 0.05, n_studies: int = 1000, seed: int = 0
) -> float:
    """Share of ``n_studies`` simulated studies whose test has p at most ``alpha``.

    ``effect``: the true difference of mean ratings, in points of the scale, from the paper's base arm.
    """
    base = PAPER_SCALES[question][0]
    scales = (base, shifted(base, effect, design.scale_points))
    ratings, _ = simulate_studies(scales, design, n_studies, seed, ITEM_SHARE[question])
    means = ratings.mean((3, 4))
    p_values = sign_flip_p(means[:, 1] - means[:, 0], np.random.default_rng(seed), N_PERMUTATIONS)
    return float((p_values <= alpha).mean())


def power_table(
    n_concepts: Sequence[int],
    effects: Sequence[float],
    n_samples: int,
    n_raters: int,
    question: str = "quality",
    n_studies: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """``power`` for every number of concepts and every effect: ``n_concepts, effect, power``."""
    rows = [
        (n, effect, power(Design(n, n_samples, n_raters), effect, question, n_studies=n_studies, seed=seed))
        for effect in effects
        for n in n_concepts
    ]
    return pd.DataFrame(rows, columns=["n_concepts", "effect", "power"])


def concepts_needed(table: pd.DataFrame, wanted: float = 0.8) -> list[str]:
    """A sentence for each effect of ``power_table``: the fewest concepts with ``wanted`` power."""
    sentences = []
    for effect, rows in table.groupby("effect"):
        enough = rows.loc[rows["power"] >= wanted, "n_concepts"]
        found = (
            f"needs {enough.min()} concepts" if len(enough) else f"needs more than {rows['n_concepts'].max()} concepts"
        )
        sentences.append(f"A true difference of {effect:g} points {found} to be found in {wanted:.0%} of studies.")
    return sentences
