"""What is said of all raters: concepts and raters both drawn from many."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.crossed import crossed_mean, crossed_means
from c2i_lib.statistics.effects import POPULATION, THESE, compare_arms, sign_flip_p, table1


def make_ratings(random, effect=0.6, taste=0.5, n_concepts=8, n_raters=5, arms=("base", "ft")):
    """Every rater rates every image; ``taste``: how raters differ on the second arm, a standard deviation."""
    tastes, rows = taste * random.standard_normal(n_raters), []
    for position, arm in enumerate(arms):
        for concept in range(n_concepts):
            level = 2.5 + position * effect + 0.3 * random.standard_normal()
            rows += [
                ("quality", arm, f"concept {concept}", f"{arm} {concept}", f"rater {rater}", level + position * own)
                for rater, own in enumerate(tastes)
            ]
    table = pd.DataFrame(rows, columns=["question", "arm", "concept", "image_id", "rater", "rating"])
    return table.assign(rating=table["rating"] + 0.4 * random.standard_normal(len(table)))


def make_cells(random, n_concepts, n_raters, concept=0.4, rater=0.2, rest=0.45, studies=()):
    """Differences of two arms in each concept by each rater; arguments are standard deviations."""
    cells = concept * random.standard_normal((*studies, n_concepts, 1))
    cells = cells + rater * random.standard_normal((*studies, 1, n_raters))
    return cells + rest * random.standard_normal((*studies, n_concepts, n_raters))


def analysis_of_variance(cells):
    """Mean squares of concepts, raters and the rest of a full table, by sums of squares."""
    (n, m), mean, of_concepts, of_raters = cells.shape, cells.mean(), cells.mean(1), cells.mean(0)
    rest = cells - of_concepts[:, None] - of_raters + mean
    squares = m * ((of_concepts - mean) ** 2).sum(), n * ((of_raters - mean) ** 2).sum(), (rest**2).sum()
    return np.array(squares) / np.array([n - 1, m - 1, (n - 1) * (m - 1)])


def test_a_full_table_gives_clarks_quasi_f():
    cells = make_cells(np.random.default_rng(0), 12, 5, rater=0.5) + 0.3
    squares, dfs = analysis_of_variance(cells), np.array([11, 4, 44])
    numerator = squares[0] + squares[1] - squares[2]
    result = crossed_mean(cells)
    assert result.mean == pytest.approx(cells.mean())
    assert result.error == pytest.approx(np.sqrt(numerator / cells.size))
    assert result.df == pytest.approx(numerator**2 / (squares**2 / dfs).sum())
    quasi_f = cells.size * cells.mean() ** 2 / numerator
    assert result.p == pytest.approx(stats.f.sf(quasi_f, 1, result.df))
    low, high = result.interval(0.95)
    assert (low > 0) == (result.p < 0.05) and low < cells.mean() < high


def test_many_tables_at_once_are_the_same_as_one_by_one():
    cells = make_cells(np.random.default_rng(6), 7, 4, studies=(20,))
    assert np.allclose([crossed_mean(study) for study in cells], crossed_means(cells))


def test_the_error_is_never_below_that_of_concepts_or_of_raters_alone():
    for seed in range(30):
        cells = make_cells(np.random.default_rng(seed), 6, 4, concept=0.05, rater=0.05, rest=1.0)
        concepts, raters, _ = analysis_of_variance(cells)
        assert crossed_mean(cells).error >= np.sqrt(max(concepts, raters) / cells.size) - 1e-12


def test_raters_who_each_saw_one_concept_are_part_of_it():
    cells = np.full((4, 8), np.nan)
    values = np.random.default_rng(1).standard_normal(8)
    cells[np.repeat(range(4), 2), range(8)] = values
    means = values.reshape(4, 2).mean(1)
    result = crossed_mean(cells)
    assert (result.mean, result.error, result.df) == pytest.approx((means.mean(), means.std(ddof=1) / 2, 3))


def test_missing_cells_widen_the_interval_a_little_and_keep_the_mean_of_concepts():
    random = np.random.default_rng(2)
    cells = make_cells(random, 40, 8)
    holes = cells.copy()
    holes[random.random(cells.shape) < 0.3] = np.nan
    full, part = crossed_mean(cells), crossed_mean(holes)
    assert part.mean == pytest.approx(np.nanmean(holes, 1).mean())
    assert 0.9 * full.error < part.error < 1.4 * full.error


@pytest.mark.parametrize("shape", [(5, 1), (1, 3), (1, 1)])
def test_one_rater_says_nothing_of_others_and_one_concept_nothing_of_others(shape):
    result = crossed_mean(np.random.default_rng(7).random(shape))
    assert np.isfinite(result.mean) and np.isnan([result.error, result.p, *result.interval(0.95)]).all()


def test_no_variance_gives_a_point_and_a_clear_p():
    result = crossed_mean(np.full((4, 3), 0.5))
    assert result.interval(0.95) == (0.5, 0.5) and result.p == 0
    assert crossed_mean(np.zeros((4, 3))).p == 1


def test_a_true_null_is_rejected_in_one_study_of_twenty_where_raters_differ_on_arms():
    """The test over concepts alone takes these raters' taste for a difference of the arms."""
    cells = make_cells(np.random.default_rng(3), 60, 6, studies=(500,))
    ours = np.mean([estimate.p < 0.05 for estimate in crossed_means(cells)])
    over_concepts = np.mean(sign_flip_p(cells.mean(2), np.random.default_rng(0), 1000) < 0.05)
    assert ours < 0.075 and over_concepts > 0.2


def test_tables_for_all_raters_have_the_same_values_and_wider_intervals():
    ratings = make_ratings(np.random.default_rng(4))
    for make, value in ((table1, "mean"), (by_pairs, "difference")):
        population, these = (make(ratings, Resampling(2000), raters) for raters in (POPULATION, THESE))
        assert np.allclose(population[value], these[value])
        widths = [table["high"] - table["low"] for table in (population, these)]
        assert widths[0].iloc[-1] > 1.3 * widths[1].iloc[-1]  # of the arm on which raters differ


def by_pairs(ratings, resampling, raters):
    return compare_arms(ratings, "rating", resampling, raters)


def between_raters(random, n_concepts, n_raters, taste):
    """Each rater sees one arm only, of every concept."""
    return make_ratings(random, effect=0, taste=taste, n_concepts=n_concepts, n_raters=n_raters).pipe(
        lambda table: table[(table["arm"] == "ft") == (table["rater"].str[-1].astype(int) % 2 == 0)]
    )


def test_where_nobody_saw_both_arms_a_true_null_is_rejected_in_one_study_of_twenty():
    random = np.random.default_rng(5)
    studies = [between_raters(random, 20, 10, taste=0.3) for _ in range(120)]
    rejected = [
        [by_pairs(study, Resampling(100), of).loc[0, "p"] < 0.05 for study in studies] for of in (POPULATION, THESE)
    ]
    assert np.mean(rejected[0]) < 0.12 and np.mean(rejected[1]) > 0.2


def test_one_concept_that_no_rater_saw_in_both_arms_changes_the_interval_a_little():
    ratings = make_ratings(np.random.default_rng(5), n_concepts=20, n_raters=8)
    first, some = ratings["concept"] == "concept 0", ratings["rater"].isin(["rater 0", "rater 1"])
    part = ratings[~first | ((ratings["arm"] == "ft") == some)]
    whole, less = (by_pairs(table, Resampling(100), POPULATION).iloc[0] for table in (ratings, part))
    assert (less["high"] - less["low"]) == pytest.approx(whole["high"] - whole["low"], rel=0.35)
    assert less["low"] < less["difference"] < less["high"]
