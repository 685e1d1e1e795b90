"""Pairs against points: which design of a survey finds a difference of two arms with fewer answers?

One simulated world (``statistics/simulation.py``, raters with a taste for an arm): the same pictures and people rate
pictures one by one on four points, or say which of two is better, or neither. Pairs are tested by Bradley and Terry's
model with Davidson's ties, points by the difference of means, both for the population of raters. An answer is one
question on one picture, or on one pair. Printed: power at the same number of answers, and the fewest answers with a
power of 80 %; then how often intervals of pairs miss the truth, by the quasi-F that is used and by resampling concepts
and raters. The last line is one JSON object. ``--quick`` has fewer studies and sizes.
"""

import argparse
import json
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import norm

from c2i_lib.reporting.tables import to_markdown
from c2i_lib.statistics.crossed import crossed_means
from c2i_lib.statistics.power import power, power_of_pairs
from c2i_lib.statistics.simulation import RATER_SHARE, TIE_WIDTH, Design, simulate_pairs
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES, QUESTIONS

SAMPLES, TARGET = 5, 0.8  # pictures of a concept and arm; power
CONCEPTS = (5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160)


def at_same_answers(n_studies: int, cases: list[tuple]) -> list[dict]:
    """Power of both designs at the same number of answers: pairs have twice the raters, or twice the concepts."""
    rows = []
    for question, effect, n_raters, n_concepts in cases:
        world = (PAPER_SCALES[question][0], ITEM_SHARE[question])
        points, raters, concepts = (
            Design(n_concepts * more, SAMPLES, n_raters * people) for more, people in ((1, 1), (1, 2), (2, 1))
        )
        row = {"question": question, "effect": effect, "concepts": n_concepts, "raters": n_raters}
        row["answers"] = 2 * n_concepts * SAMPLES * n_raters
        row["points"] = power(points, effect, *world, n_studies=n_studies)
        row["pairs_more_raters"] = power_of_pairs(raters, effect, *world, n_studies=n_studies)
        row["pairs_more_concepts"] = power_of_pairs(concepts, effect, *world, n_studies=n_studies)
        rows.append(row)
    return rows


def fewest_answers(question: str, effect: float, n_raters: int, n_studies: int, tie_width: float | None) -> int | None:
    """The fewest answers with a power of ``TARGET``, growing concepts, interpolated between two sizes; None where all
    sizes are too small. ``tie_width``: of pairs; None: points."""
    world, before = (PAPER_SCALES[question][0], ITEM_SHARE[question]), None
    for n_concepts in CONCEPTS:
        design = Design(n_concepts, SAMPLES, n_raters)
        settings = {"n_studies": n_studies, "seed": n_concepts}
        if tie_width is None:
            found, answers = power(design, effect, *world, **settings), 2 * n_concepts * SAMPLES * n_raters
        else:
            found = power_of_pairs(design, effect, *world, tie_width=tie_width, **settings)
            answers = n_concepts * SAMPLES * n_raters
        if found >= TARGET:
            return (
                answers
                if before is None
                else round(float(np.interp(TARGET, *zip(before, (found, answers), strict=True))))
            )
        before = (found, answers)
    return None


def needed(n_studies: int, cases: list[tuple]) -> list[dict]:
    """Fewest answers by points and by pairs, for several widths within which two pictures are a tie."""
    rows = []
    for question, effect, n_raters in cases:
        row = {"question": question, "effect": effect, "raters": n_raters}
        row["points"] = fewest_answers(question, effect, n_raters, n_studies, None)
        for width in (0.0, TIE_WIDTH, 1.0):
            row[f"pairs_tie_{width:g}"] = fewest_answers(question, effect, n_raters, n_studies, width)
        rows.append(row)
    return rows


def coverage(n_studies: int, sizes: list[tuple[int, int]]) -> list[dict]:
    """How often 95 % intervals miss the true log of wins for each loss: by the quasi-F, and by percentiles of 400
    resamples of concepts and raters together (Owen 2007, Annals of Applied Statistics 1:386)."""
    (mean, spread), share, rows = PAPER_SCALES["quality"][0], ITEM_SHARE["quality"], []
    for taste, (n_concepts, n_raters) in product((0.0, 0.02, 0.05), sizes):
        shape = (Design(n_concepts, SAMPLES, n_raters), n_studies, 1, share)
        answers = simulate_pairs(((mean, spread), (mean + 0.3, spread)), *shape, taste_share=taste)
        width = spread * np.sqrt(2 * (1 - RATER_SHARE - share / 2))
        truth = np.log(norm.sf((TIE_WIDTH - 0.3) / width) / norm.cdf((-TIE_WIDTH - 0.3) / width))
        won, lost = ((answers == sign).mean(2) for sign in (1, -1))
        wins, losses = (cells.mean((1, 2), keepdims=True) for cells in (won, lost))
        gaps = np.log(wins / losses).ravel()
        estimates = crossed_means(won / wins - lost / losses)
        ends = [part._replace(mean=gap).interval(0.95) for part, gap in zip(estimates, gaps, strict=True)]
        random, missed = np.random.default_rng(2), [0, 0]
        for study, (low, high) in enumerate(ends):
            draws = [random.multinomial(n, np.full(n, 1 / n), 400) for n in (n_concepts, n_raters)]
            with np.errstate(divide="ignore"):
                values = np.log([((draws[0] @ cells[study]) * draws[1]).sum(1) for cells in (won, lost)])
            resampled = np.quantile(values[0] - values[1], [0.025, 0.975])
            missed[0] += not low <= truth <= high
            missed[1] += not resampled[0] <= truth <= resampled[1]
        row = {"taste": taste, "concepts": n_concepts, "raters": n_raters}
        rows.append(row | {"quasi_f": missed[0] / n_studies, "resampled": missed[1] / n_studies})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 studies of few sizes")
    quick = parser.parse_args().quick
    n_studies = 200 if quick else 1000
    cases = [(question, effect, 10) for question in QUESTIONS for effect in (0.3, 0.5)]
    sizes = [(20, 5), (20, 10)] if quick else [(10, 4), (10, 10), (30, 4), (30, 10), (100, 4), (100, 30)]
    tables = {
        "same_answers": at_same_answers(n_studies, [(*case, 10) for case in cases]),
        "fewest_answers": needed(n_studies, cases if quick else [*cases, *((q, e, 20) for q, e, _ in cases)]),
        "missed": coverage(n_studies, sizes),
    }
    for name, rows in tables.items():
        print(f"\n{name}\n{to_markdown(pd.DataFrame(rows).astype(object))}")
    print(json.dumps(tables))


if __name__ == "__main__":
    main()
