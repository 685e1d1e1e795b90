"""How many concepts a study needs: power of the test that it will run, by simulation.

In: the shape of a study, the scale of its ratings, a true difference between two arms, and whom the test is about. Out:
how often it would be found. Ignored: Holm's correction, which asks for more; and concepts that suit an arm better than
others, which ask for more as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from c2i_lib.statistics.crossed import crossed_means
from c2i_lib.statistics.effects import POPULATION, sign_flip_p
from c2i_lib.statistics.simulation import (
    TASTE_SHARE,
    TIE_WIDTH,
    Design,
    shifted,
    simulate_pairs,
    simulate_studies,
)

N_PERMUTATIONS = 2000  # of the test inside the simulation
POWER_COLUMNS = {"n_concepts": "int64", "effect": "float64", "power": "float64"}


def power(
    design: Design,
    effect: float,
    scale: tuple[float, float],
    item_share: float,
    alpha: float = 0.05,
    n_studies: int = 1000,
    seed: int = 0,
    raters: str = POPULATION,
) -> float:
    """Share of ``n_studies`` simulated studies whose test has p at most ``alpha``.

    ``effect``: the true difference of mean ratings, in points, from an arm whose ratings have the latent ``scale``
    (μ, s). ``item_share``: as in ``simulate_studies``. ``raters``: whom the test is about, as in ``compare_arms``. What
    holds for the population is disturbed by raters' taste for an arm (``TASTE_SHARE``); of these raters it is a part.
    """
    scales = (scale, shifted(scale, effect, design.scale_points))
    taste_share = TASTE_SHARE if raters == POPULATION else 0.0
    ratings, _ = simulate_studies(scales, design, n_studies, seed, item_share, taste_share=taste_share)
    means = ratings.mean(3, dtype=float)
    differences = means[:, 1] - means[:, 0]
    if raters == POPULATION:
        p_values = np.array([estimate.p for estimate in crossed_means(differences)])
    else:
        p_values = sign_flip_p(differences.mean(2), np.random.default_rng(seed), N_PERMUTATIONS)
    return float((p_values <= alpha).mean())


def power_of_pairs(
    design: Design,
    effect: float,
    scale: tuple[float, float],
    item_share: float,
    alpha: float = 0.05,
    n_studies: int = 1000,
    seed: int = 0,
    tie_width: float = TIE_WIDTH,
) -> float:
    """``power`` of the test of ``compare_pairs`` for the population of raters, where every rater sees each pair of
    pictures: ``design.n_samples`` pairs of a concept. ``effect`` is as in ``power``, in points of a rating scale."""
    scales = (scale, shifted(scale, effect, design.scale_points))
    shape = (design, n_studies, seed, item_share)
    answers = simulate_pairs(scales, *shape, taste_share=TASTE_SHARE, tie_width=tie_width)
    won, lost = ((answers == sign).mean(2) for sign in (1, -1))
    rates = [cells.mean((1, 2), keepdims=True) for cells in (won, lost)]
    bounded = np.minimum(*rates)[:, 0, 0] > 0  # else an arm won all, and there is no strength to test
    # Of two arms Davidson's difference is the log of wins for each loss, and this how each cell moves it.
    gaps = np.log(rates[0][bounded] / rates[1][bounded]).ravel()
    moved = crossed_means(won[bounded] / rates[0][bounded] - lost[bounded] / rates[1][bounded])
    p_values = [part._replace(mean=gap).p for part, gap in zip(moved, gaps, strict=True)]
    return float((np.array(p_values) <= alpha).sum() / n_studies)


def power_table(
    designs: Sequence[Design],
    effects: Sequence[float],
    scale: tuple[float, float],
    item_share: float,
    n_studies: int = 1000,
    seed: int = 0,
    raters: str = POPULATION,
) -> pd.DataFrame:
    """``power`` for every effect and every design: ``n_concepts, effect, power``."""
    rows = [
        (design.n_concepts, effect, power(design, effect, scale, item_share, 0.05, n_studies, seed, raters))
        for effect in effects
        for design in designs
    ]
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def concepts_needed(table: pd.DataFrame, target: float = 0.8) -> list[str]:
    """A sentence for each effect of ``power_table``: the fewest concepts with a power of ``target``."""
    sentences = []
    for effect, rows in table.groupby("effect"):
        enough = rows.loc[rows["power"] >= target, "n_concepts"]
        need = f"needs {enough.min()} concepts"
        if enough.empty:
            need = f"needs more than {rows['n_concepts'].max()} concepts"
        sentences.append(f"A true difference of {effect:g} points {need} to be found in {target:.0%} of studies.")
    return sentences
