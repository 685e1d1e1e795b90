"""Claims: a family of contrasts with a correction of its own, and differences that are too small to matter."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from c2i_lib.errors import C2IError
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.claims import CLAIM_COLUMNS, Claims, add_claims, describe_tests, holm
from c2i_lib.statistics.crossed import crossed_mean, crossed_means
from c2i_lib.statistics.effects import COMPARISON_COLUMNS, POPULATION, THESE, compare_arms, describe

RESAMPLING = Resampling(500)
BOTH = pytest.mark.parametrize("raters", [POPULATION, THESE])


def make_ratings(seed=0, n_concepts=12, arms=("base", "ft", "ft_tags"), effect=0.0, noise=0.3):
    """Six raters, who all see every concept in every arm; each arm is rated ``effect`` above the one before."""
    random = np.random.default_rng(seed)
    keys = [(arm, c, r) for arm in arms for c in range(n_concepts) for r in range(6)]
    table = pd.DataFrame(keys, columns=["arm", "c", "r"])
    table["rating"] = effect * table["arm"].map(arms.index) + random.normal(scale=noise, size=len(table))
    table["concept"], table["rater"] = table["c"].astype(str), "rater " + table["r"].astype(str)
    return table.assign(question="quality", image_id=table["arm"] + table["concept"])


def compare(ratings, raters, *primary, margin=None):
    return compare_arms(ratings, "rating", RESAMPLING, raters, Claims(primary, {"quality": margin} if margin else {}))


def row_of(difference=0.1, reach=0.2, inner=0.15, p_holm=0.3, p_equivalence=0.01, margin=0.3):
    """A comparison of one row with an interval of ``reach``, and the narrower one of ``inner``, to each side."""
    ends = {"low": difference - reach, "high": difference + reach}
    ends |= {"inner_low": difference - inner, "inner_high": difference + inner}
    row = {"question": "quality", "arm": "ft", "baseline": "base", "difference": difference, "n_concepts": 20}
    table = pd.DataFrame([{**row, **ends, "p": p_holm, "p_holm": p_holm, "p_equivalence": p_equivalence}])
    return add_claims(table, Claims((), {"quality": margin} if margin else {}), 0.95)


@pytest.mark.parametrize("mean", [-0.4, 0.0, 0.1])
@pytest.mark.parametrize("margin", [0.2, 0.5, 1.0])
def test_two_one_sided_tests_are_those_of_scipy_where_concepts_alone_vary(mean, margin):
    differences = np.random.default_rng(1).normal(mean, 0.5, 9)
    cells = np.where(np.eye(9, dtype=bool), differences[:, None], np.nan)  # each rater saw one concept
    one_sided = [
        stats.ttest_1samp(differences, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(differences, margin, alternative="less").pvalue,
    ]
    assert crossed_mean(cells).p_equivalence(margin) == pytest.approx(max(one_sided))


@pytest.mark.parametrize("seed", range(6))
def test_for_these_raters_they_are_those_of_scipys_one_sided_permutation_tests(seed):
    ratings = make_ratings(seed, 8, ("base", "ft"), effect=0.1)
    means = ratings.pivot_table(index="concept", columns="arm", values="rating")
    differences, margin = (means["ft"] - means["base"]).to_numpy(), 0.25
    one_sided = [
        stats.permutation_test(
            (side * differences + margin,),
            np.mean,
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="greater",
        ).pvalue
        for side in (1, -1)
    ]
    assert compare(ratings, THESE, margin=margin).loc[0, "p_equivalence"] == pytest.approx(max(one_sided))


def test_the_test_and_the_narrower_interval_agree():
    """A reader may check a verdict by eye: the interval of 90 % lies within the margin, or not."""
    margins, ratings = np.linspace(0.01, 0.4, 20), make_ratings(effect=0.1)
    rows = pd.concat([compare(ratings, POPULATION, margin=margin) for margin in margins])
    inside = (rows["inner_low"] > -rows["margin"]) & (rows["inner_high"] < rows["margin"])
    assert (inside == (rows["p_equivalence"] < 0.05)).all() and inside.any() and not inside.all()
    assert ((rows["low"] < rows["inner_low"]) & (rows["inner_high"] < rows["high"])).all()


def test_at_the_margin_equivalence_is_claimed_in_one_study_of_twenty():
    """Where raters differ on the arm, too: the true difference is the margin, so that every claim is an error."""
    random = np.random.default_rng(2)
    cells = 0.3 + random.normal(size=(800, 20, 6)) * 0.2
    cells += 0.1 * random.normal(size=(800, 20, 1)) + 0.1 * random.normal(size=(800, 1, 6))
    claimed = np.mean([estimate.p_equivalence(0.3) < 0.05 for estimate in crossed_means(cells)])
    assert 0.02 < claimed < 0.08


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ({"margin": None}, "", "no difference between ft and base is shown"),
        ({}, "equivalent within ±0.3", "equivalent within ±0.3 by their 90 % interval -0.05 to +0.25"),
        (
            {"inner": 0.25},
            "undecided",
            "undecided: neither a difference between ft and base nor equivalence within ±0.3 is shown",
        ),
        ({"p_equivalence": 0.06}, "undecided", "undecided"),
        ({"difference": -0.1, "inner": 0.25}, "undecided", "undecided"),
        ({"difference": 0.5, "p_holm": 0.01}, "different", "ft is higher than base (+0.50"),
        ({"difference": 0.5, "p_holm": 0.2, "p_equivalence": 0.9}, "undecided", "undecided"),
        (
            {"difference": -0.1, "reach": 0.05, "inner": 0.04, "p_holm": 0.01},
            "different",
            "ft is lower than base, by less than the margin of 0.3 (",
        ),
        ({"inner": np.nan, "p_equivalence": np.nan}, "undecided", "undecided"),
    ],
)
def test_a_verdict_follows_both_tests_and_the_sentence_says_the_same(values, verdict, words):
    table = row_of(**values)
    assert table["verdict"].tolist() == [verdict]
    assert words in describe(table, 0.95)[-1]


@BOTH
def test_equal_arms_are_equivalent_within_a_wide_margin_and_undecided_within_a_narrow_one(raters):
    equal = make_ratings(seed=3)
    assert set(compare(equal, raters, margin=0.5)["verdict"]) == {"equivalent within ±0.5"}
    assert set(compare(equal, raters, margin=0.01)["verdict"]) == {"undecided"}
    assert set(compare(make_ratings(effect=1), raters, margin=0.5)["verdict"]) == {"different"}


def test_of_few_concepts_a_narrow_interval_alone_shows_no_equivalence():
    """Four concepts have sixteen patterns of signs: no one-sided p can be below 0.06."""
    rows = compare(make_ratings(n_concepts=4, noise=0.01), THESE, margin=0.5)
    assert (rows["inner_high"] < 0.5).all() and (rows["inner_low"] > -0.5).all()
    assert set(rows["verdict"]) == {"undecided"} and rows["p_equivalence"].tolist() == [1 / 16] * 3


@BOTH
def test_without_claims_nothing_changes_and_with_a_margin_no_other_number(raters):
    ratings = make_ratings(n_concepts=15, effect=0.1)  # so many that sign flips are drawn by chance
    bare = compare_arms(ratings, "rating", RESAMPLING, raters)
    assert bare.dtypes.astype(str).to_dict() == COMPARISON_COLUMNS
    for margin in (None, 0.3):
        table = compare(ratings, raters, margin=margin)
        assert table.dtypes.astype(str).to_dict() == COMPARISON_COLUMNS | CLAIM_COLUMNS
        pd.testing.assert_frame_equal(table[list(COMPARISON_COLUMNS)], bare)
    empty = compare(ratings, raters)
    assert set(empty["verdict"]) == {""} and empty["inner_low"].isna().all() and empty["p_equivalence"].isna().all()
    assert describe(empty, 0.95, raters) == describe(bare, 0.95, raters)


def test_holms_correction_is_over_the_family_and_for_other_rows_over_all():
    ratings = make_ratings(effect=0.05)
    bare = compare(ratings, POPULATION)
    # Named the other way round than the rows are: it is the same contrast.
    planned = compare(ratings, POPULATION, ("quality", "base", "ft"), ("quality", "ft_tags", "ft"))
    assert planned["primary"].tolist() == [True, False, True]
    np.testing.assert_allclose(planned["p_holm"][[0, 2]], holm(bare["p"][[0, 2]]))
    assert planned["p_holm"][1] == bare["p_holm"][1], "who names a family makes no other row easier to claim"
    alone = compare(ratings, POPULATION, ("quality", "ft", "base"))
    assert alone["p_holm"][0] == bare["p"][0]
    words = describe(planned, 0.95, POPULATION)
    assert [sentence.partition(":")[0] for sentence in words[1:]] == [
        f"quality, {part}" for part in ("primary", "exploratory", "primary")
    ]


def test_the_smallest_p_that_can_be_is_told_for_the_family():
    ratings = make_ratings(n_concepts=6)
    assert "can never be" in "".join(describe(compare(ratings, THESE), 0.95, THESE)), "of three tests"
    assert "can never be" not in "".join(describe(compare(ratings, THESE, ("quality", "ft", "base")), 0.95, THESE))


def test_a_primary_contrast_that_was_not_rated_is_refused():
    """A family without it would be smaller than the one that was named."""
    with pytest.raises(C2IError, match="contrasts base and ft_good on quality should be compared.*wait for more"):
        compare(make_ratings(), POPULATION, ("quality", "ft_good", "base"))


def test_a_caption_says_which_corrections_there_are_and_nothing_without_any():
    ratings = make_ratings()
    assert describe_tests(compare(ratings, POPULATION), 0.95) == ""
    text = describe_tests(compare(ratings, POPULATION, ("quality", "ft", "base"), margin=0.3), 0.95)
    assert "over the primary contrasts (1), and" in text and "two one-sided tests at 0.05 each, not corrected" in text
