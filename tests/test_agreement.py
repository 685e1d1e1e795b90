from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from c2i_lib.agreement import agreement_table, kappa_from_table, krippendorff_alpha, weighted_kappa

NAN = np.nan
# Krippendorff 2011, section C: four observers, twelve units, missing data.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T


def random_ratings(seed, n_items=60, n_raters=2, n_points=4, missing=0.0):
    random = np.random.default_rng(seed)
    truth = random.integers(1, n_points + 1, size=(n_items, 1))
    noise = random.integers(-1, 2, size=(n_items, n_raters))
    ratings = np.clip(truth + noise, 1, n_points).astype(float)
    ratings[random.random(ratings.shape) < missing] = NAN
    return ratings


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
@pytest.mark.parametrize("categories", [[1, 2, 3, 4], [1, 2, 3, 4, 5]])  # nobody uses 5
@pytest.mark.parametrize("seed", range(3))
def test_kappa_of_two_raters_is_scikit_learns(seed, categories, weights):
    ratings = random_ratings(seed)
    expected = cohen_kappa_score(*ratings.T.astype(int), labels=categories, weights=weights)
    assert weighted_kappa(ratings, categories, weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_kappa_of_more_raters_is_the_mean_over_pairs_with_common_items(weights):
    ratings = random_ratings(5, n_raters=4, missing=0.3)
    pairs = []
    for first, second in combinations(ratings.T, 2):
        both = ~np.isnan(first) & ~np.isnan(second)
        pairs.append(
            cohen_kappa_score(first[both].astype(int), second[both].astype(int), labels=[1, 2, 3, 4], weights=weights)
        )
    assert len(pairs) == 6
    assert weighted_kappa(ratings, [1, 2, 3, 4], weights) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_kappas_of_cohens_published_table():
    # Cohen 1968, table 1: shares of 200 cases, with disagreement weights of his own.
    shares = np.array([[0.44, 0.07, 0.09], [0.05, 0.20, 0.05], [0.01, 0.03, 0.06]])
    disagreement = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])
    assert kappa_from_table(shares, disagreement) == pytest.approx(0.348, abs=5e-4)
    assert kappa_from_table(shares * 200, disagreement) == pytest.approx(0.348, abs=5e-4)
    assert kappa_from_table(shares, 1 - np.eye(3)) == pytest.approx(0.492, abs=5e-4)


def test_perfect_agreement_is_one_and_no_variation_is_undefined():
    assert weighted_kappa(np.array([[1, 1], [3, 3], [4, 4]]), [1, 2, 3, 4], "linear") == 1
    assert np.isnan(weighted_kappa(np.array([[2, 2], [2, 2]]), [1, 2, 3, 4], "linear"))
    assert np.isnan(weighted_kappa(np.array([[2], [1]]), [1, 2, 3, 4], "linear"))


def test_pairs_without_a_common_item_do_not_count():
    ratings = np.array([[1, 1, NAN], [2, 2, NAN], [4, 4, NAN], [NAN, NAN, 3]])
    assert weighted_kappa(ratings, [1, 2, 3, 4], "quadratic") == 1


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="5.* are not in categories"):
        weighted_kappa(np.array([[1, 5]]), [1, 2, 3, 4], "linear")
    with pytest.raises(ValueError, match="'cubic'"):
        weighted_kappa(np.array([[1, 2]]), [1, 2, 3, 4], "cubic")
    with pytest.raises(ValueError, match="'ratio'"):
        krippendorff_alpha(PUBLISHED, "ratio")


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorffs_published_example(level, alpha):
    assert krippendorff_alpha(PUBLISHED, level) == pytest.approx(alpha, abs=6e-4)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_that_of_the_package_krippendorff(seed, level):
    ratings = random_ratings(seed, n_raters=4, missing=0.4)
    expected = krippendorff.alpha(reliability_data=ratings.T, level_of_measurement=level)
    assert krippendorff_alpha(ratings, level) == pytest.approx(expected, abs=1e-12)


def test_alpha_without_variation_is_undefined():
    assert np.isnan(krippendorff_alpha(np.array([[2, 2], [2, 2]]), "ordinal"))


def test_agreement_table_has_each_question_over_all_surveys():
    rows = []
    for question, shift in (("quality", 0), ("faithfulness", 1)):
        for survey in ("survey_1", "survey_2"):
            for item in range(12):
                for rater in range(3):
                    # In the second question the last rater disagrees with the others.
                    rating = 1 + (item + (shift if rater == 2 else 0)) % 4
                    rows.append((question, f"{survey}-{item}", f"{survey}-{rater}", rating))
    ratings = pd.DataFrame(rows, columns=["question", "image_id", "rater", "rating"])
    table = agreement_table(ratings, scale_points=4).set_index("question")
    assert table.index.tolist() == ["quality", "faithfulness"]
    assert table["n_items"].tolist() == [24, 24] and table["n_raters"].tolist() == [6, 6]
    numbers = ["kappa_linear", "kappa_quadratic", "alpha_ordinal"]
    assert table.loc["quality", numbers].tolist() == [1, 1, 1]
    assert (table.loc["faithfulness", numbers] < 0.7).all()
