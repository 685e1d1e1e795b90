import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import permutation_test

from c2i_lib.errors import C2IError
from c2i_lib.statistics.bootstrap import Resampling, cluster_interval, expanded_interval
from c2i_lib.statistics.effects import (
    COMPARISON_COLUMNS,
    bootstrap_means,
    cliffs_delta,
    compare_arms,
    concept_differences,
    describe,
    holm,
    sign_flip_p,
    table1,
)


def make_ratings(seed=0, n_concepts=8, arms=("base", "ft", "ft_tags"), effect=0.4, questions=("quality",)):
    random = np.random.default_rng(seed)
    rows = []
    for question in questions:
        difficulty = random.normal(size=n_concepts)
        for place, arm in enumerate(arms):
            for concept in range(n_concepts):
                for n in range(5):
                    rating = 2.5 + effect * place + 0.5 * difficulty[concept] + random.normal(scale=0.5)
                    rows.append((question, arm, f"concept {concept}", f"{arm}-{concept}-{n}", rating))
    return pd.DataFrame(rows, columns=["question", "arm", "concept", "image_id", "rating"])


def test_intervals_hold_the_mean_and_widen_with_confidence():
    ratings = make_ratings()
    narrow, wide = (bootstrap_means(ratings, "rating", Resampling(2000, level, seed=1)) for level in (0.8, 0.99))
    for table in (narrow, wide):
        assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()


def test_the_interval_resamples_concepts_not_ratings():
    # Ratings within a concept differ, concepts do not: between concepts nothing varies.
    rows = [("base", f"concept {concept}", rating) for concept in range(6) for rating in (1, 4)]
    values = pd.DataFrame(rows, columns=["arm", "concept", "rating"])
    row = bootstrap_means(values, "rating", Resampling(500)).iloc[0]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([2.5, 2.5, 2.5])


def test_intervals_cover_the_true_mean_about_as_often_as_they_say():
    random, hits = np.random.default_rng(3), 0
    for _ in range(200):
        values = pd.DataFrame({"arm": "ft", "concept": range(30), "rating": random.normal(size=30)})
        row = bootstrap_means(values, "rating", Resampling(200, 0.9)).iloc[0]
        hits += row["low"] <= 0 <= row["high"]
    assert 165 <= hits <= 192


def test_every_concept_weighs_alike_and_must_occur_in_every_arm():
    values = pd.DataFrame({"arm": "ft", "concept": ["a", "a", "a", "b"], "rating": [1, 1, 1, 3]})
    assert bootstrap_means(values, "rating", Resampling(100, 0.9)).loc[0, "mean"] == 2
    values.loc[3, "arm"] = "base"
    with pytest.raises(C2IError, match="concept 'a' has no value in arm 'base'"):
        bootstrap_means(values, "rating", Resampling(100, 0.9))


def test_table1_has_the_means_and_deviations_of_pandas():
    ratings = make_ratings(questions=("quality", "faithfulness"))
    table = table1(ratings, Resampling(100)).set_index(["question", "arm"])
    expected = ratings.groupby(["question", "arm"])["rating"].agg(["mean", "std", "size"]).loc[table.index]
    np.testing.assert_allclose(table["mean"], expected["mean"])
    np.testing.assert_allclose(table["sd"], expected["std"])
    assert table["n"].tolist() == expected["size"].tolist() == [40] * 6


def test_holm_of_a_worked_example():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.5]), [1, 1])
    np.testing.assert_allclose(holm([0.2]), [0.2])


@pytest.mark.parametrize("effect", [0.05, 0.15, 0.3])
def test_p_is_that_of_scipys_exact_paired_permutation_test(effect):
    ratings = make_ratings(seed=4, arms=("base", "ft"), effect=effect)
    means = ratings.pivot_table(index="concept", columns="arm", values="rating")
    exact = permutation_test(
        (means["ft"], means["base"]),
        lambda first, second, axis: np.mean(first - second, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    row = compare_arms(ratings, resampling=Resampling(100)).iloc[0]
    assert row["p"] == pytest.approx(exact.pvalue, abs=0.015)
    assert row["difference"] == pytest.approx(exact.statistic)


def test_the_null_is_rejected_about_as_often_as_alpha():
    random, rejected = np.random.default_rng(11), 0
    for _ in range(200):
        values = pd.DataFrame({"arm": np.repeat(["base", "ft"], 10), "concept": [*range(10)] * 2, "question": "q"})
        values["rating"] = random.normal(size=20) + values["concept"]
        values["image_id"] = values.index
        rejected += compare_arms(values, resampling=Resampling(100)).loc[0, "p"] <= 0.05
    assert 2 <= rejected <= 20


def test_all_pairs_are_compared_and_corrected_over_all_rows():
    table = compare_arms(make_ratings(questions=("quality", "faithfulness")), resampling=Resampling(200))
    pairs = [("ft", "base"), ("ft_tags", "base"), ("ft_tags", "ft")]
    assert list(zip(table["arm"], table["baseline"], strict=True)) == pairs * 2
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))
    assert (table["p_holm"] >= table["p"]).all()
    assert ((table["low"] < table["difference"]) & (table["difference"] < table["high"])).all()


def test_exchanging_the_arms_changes_the_sign_only():
    ratings = make_ratings(arms=("base", "ft"))
    forward, backward = compare_arms(ratings).iloc[0], compare_arms(ratings.iloc[::-1]).iloc[0]
    assert (forward["arm"], backward["arm"]) == ("ft", "base")
    assert forward["difference"] == pytest.approx(-backward["difference"])
    assert forward["p"] == pytest.approx(backward["p"], abs=0.015)


def test_the_same_seed_gives_the_same_table():
    ratings = make_ratings()
    pd.testing.assert_frame_equal(*(compare_arms(ratings, resampling=Resampling(seed=5)) for _ in range(2)))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.9, "higher"), (-0.9, -0.1, "lower"), (-0.1, 0.9, None), (-0.9, 0.1, None), (0.0, 0.5, None)],
)
def test_words_follow_the_interval(low, high, verdict):
    row = {"question": "quality", "arm": "ft", "baseline": "base", "p": 0.01, "p_holm": 0.01, "n_concepts": 20}
    table = pd.DataFrame([{**row, "difference": (low + high) / 2, "low": low, "high": high}])
    _, sentence = describe(table, 0.95)
    assert [word for word in ("higher", "lower") if word in sentence] == ([verdict] if verdict else [])
    assert f"{low:+.2f} to {high:+.2f}" in sentence


def test_words_claim_nothing_when_the_adjusted_p_is_large():
    row = {"question": "quality", "arm": "ft", "baseline": "base", "difference": 0.5, "low": 0.1, "high": 0.9}
    _, sentence = describe(pd.DataFrame([{**row, "p": 0.02, "p_holm": 0.24, "n_concepts": 20}]), 0.95)
    assert "no difference" in sentence and "p = 0.240" in sentence


def test_words_on_real_comparisons_never_claim_what_an_interval_does_not_show():
    claims = []
    for seed in range(20):
        table = compare_arms(make_ratings(seed, effect=0.12), resampling=Resampling(200))
        for row, sentence in zip(table.itertuples(), describe(table, 0.95)[1:], strict=True):
            claims.append((row.low <= 0 <= row.high, "is higher" in sentence or "is lower" in sentence))
    assert (True, True) not in claims and (False, True) in claims


@pytest.mark.parametrize(
    ("n_concepts", "sentence"),
    [
        (1, "of one concept there is no interval and no test"),
        (2, "with 2 concepts p can never be below 0.5"),
        (5, "with 5 concepts p can never be below 0.0625; more concepts"),
        (6, None),
    ],
)
def test_concepts_too_few_for_any_small_p_are_told(n_concepts, sentence):
    """The sentence said "no difference is shown", as if there had been a chance to show one."""
    concepts = [f"concept {number}" for number in range(n_concepts)]
    values = pd.DataFrame({"arm": ["base"] * n_concepts + ["ft"] * n_concepts, "concept": concepts * 2})
    values = values.assign(question="quality", rating=[1.0] * n_concepts + [4.0] * n_concepts)
    values["image_id"] = values["arm"] + values["concept"]
    table = compare_arms(values, resampling=Resampling(100))
    assert table["p"].item() == 2 / 2**n_concepts
    words = "\n".join(describe(table, 0.95))
    assert "nan" not in words
    assert sentence in words if sentence else "can never be" not in words


def test_one_arm_is_compared_with_nothing():
    values = pd.DataFrame({"arm": "base", "concept": ["a", "b"], "question": "quality", "rating": 1.0})
    table = compare_arms(values.assign(image_id=values["concept"]))
    assert table.empty and table.dtypes.astype(str).to_dict() == COMPARISON_COLUMNS


def test_the_interval_of_few_concepts_is_about_that_of_students_t():
    """Normal values, where t is exact: plain percentiles of eight values would be a fifth too narrow."""
    values = np.random.default_rng(0).normal(size=(8, 500))
    low, high = cluster_interval(values, Resampling(4000, seed=1))
    expected = 2 * stats.t.ppf(0.975, 7) * values.std(0, ddof=1) / np.sqrt(8)
    assert ((high - low) / expected).mean() == pytest.approx(1, abs=0.03)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("drawn", "expected"), [([np.nan] * 3, np.nan), ([2.0, np.nan, 2.0], 2.0)])
def test_resamples_without_a_value_do_not_count(drawn, expected):
    value, low, high = expanded_interval(np.array([1.0, *drawn]), n_concepts=2, confidence=0.95)
    assert value == 1
    np.testing.assert_array_equal([low, high], [expected, expected])


def test_one_concept_has_no_interval():
    low, high = cluster_interval(np.ones((1, 2)), Resampling(100))
    assert np.isnan(low).all() and np.isnan(high).all()


@pytest.mark.parametrize("n_concepts", [9, 20])
def test_many_studies_at_once_have_the_p_of_each(n_concepts):
    differences = np.random.default_rng(2).normal(0.3, 1, size=(30, n_concepts))
    together = sign_flip_p(differences, np.random.default_rng(0))
    alone = [float(sign_flip_p(one, np.random.default_rng(0))) for one in differences]
    assert together == pytest.approx(alone) and together.min() < 0.1 < together.max()


def test_cliffs_delta_is_that_of_counting_pairs_within_concepts():
    ratings = make_ratings(n_concepts=2, arms=("base", "ft"))
    found = cliffs_delta(ratings, "rating", "ft", "base")
    for place, concept in enumerate(("concept 0", "concept 1")):
        of_concept = ratings[ratings["concept"] == concept]
        ours, theirs = (of_concept.loc[of_concept["arm"] == arm, "rating"] for arm in ("ft", "base"))
        above = stats.mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs))
        assert found[place] == pytest.approx(2 * above - 1)


def test_cliffs_delta_is_one_where_every_image_is_better():
    row = compare_arms(make_ratings(arms=("base", "ft"), effect=20)).iloc[0]
    assert (row["delta"], row["delta_low"], row["delta_high"]) == (1, 1, 1)


def test_differences_within_concepts_have_the_mean_of_the_comparison():
    ratings = make_ratings(questions=("quality", "faithfulness"))
    differences = concept_differences(ratings, "ft_tags", "base")
    assert len(differences) == 2 * 8
    rows = compare_arms(ratings, resampling=Resampling(100)).query("arm == 'ft_tags' and baseline == 'base'")
    means = differences.groupby("question", sort=False)["difference"].mean()
    np.testing.assert_allclose(means, rows["difference"])
