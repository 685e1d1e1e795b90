"""Agreement: published values, second implementations, missing cells, degenerate input, intervals."""

from importlib.metadata import distribution
from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from c2i_lib.statistics.agreement import agreement, agreement_table, krippendorff_alpha, weighted_kappa
from c2i_lib.statistics.agreement import coefficients as c
from c2i_lib.statistics.bootstrap import Resampling, expanded_interval, resampled_shares

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


# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def whole(ratings):
    return np.ones((1, len(ratings)))


def kappa(table, distance):
    return float(c.kappa_from_tables(np.asarray(table, float), distance))


def example(name):
    """A data set of R's package irr, as the test-only package pyirr brings it."""
    table = pd.read_csv(distribution("pyirr").locate_file(f"pyirr/data/{name}.csv"), index_col=0)
    return table if name == "anxiety" else table.apply(lambda column: column.str[0].astype(float))


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
    assert kappa(shares, disagreement) == pytest.approx(0.348, abs=5e-4)
    assert kappa(shares * 200, disagreement) == pytest.approx(0.348, abs=5e-4)
    assert kappa(shares, 1 - np.eye(3)) == pytest.approx(0.492, abs=5e-4)


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


@pytest.mark.parametrize(
    ("function", "value"),
    [(c.gwet_ac2, 0.914), (c.fleiss_kappa, 0.86494), (c.conger_kappa, 0.85771)],
)
def test_quadratic_coefficients_of_krippendorffs_data_are_those_of_irrcac(function, value):
    """The values of the vignette of R's package irrCAC, whose copy of the data has unit 12 rated by the third rater."""
    ratings = PUBLISHED.copy()
    ratings[11] = [NAN, NAN, 3, NAN]
    cells = c.Cells(ratings, range(1, 6))
    assert function(cells, whole(ratings), "quadratic")[0] == pytest.approx(value, abs=6e-6 if value != 0.914 else 5e-4)
    assert c.krippendorff(cells, whole(ratings), "interval")[0] == pytest.approx(0.84911, abs=6e-6)


def test_quadratic_kappas_of_the_anxiety_data_are_those_of_irr():
    """irr leaves out point 5, which raters 2 and 3 did not use, and so changes its weights; ours keeps all points."""
    anxiety = example("anxiety").to_numpy(float)
    pairs = [weighted_kappa(anxiety[:, pair], range(1, 7), "quadratic") for pair in ([0, 1], [0, 2], [1, 2])]
    assert pairs[:2] == pytest.approx([0.297, 0.070], abs=6e-4)
    without_five = np.where(anxiety[:, 1:] == 6, 5, anxiety[:, 1:])
    assert weighted_kappa(without_five, range(1, 6), "quadratic") == pytest.approx(0.252, abs=6e-4)
    assert pairs[2] == pytest.approx(cohen_kappa_score(*anxiety[:, 1:].T, labels=range(1, 7), weights="quadratic"))
    assert weighted_kappa(anxiety, range(1, 7), "quadratic") == pytest.approx(np.mean(pairs))


def test_light_fleiss_and_conger_of_the_diagnoses_are_those_of_irr():
    diagnoses = example("diagnoses").to_numpy()
    cells = c.Cells(diagnoses, range(1, 6))
    assert weighted_kappa(diagnoses, range(1, 6), "unweighted") == pytest.approx(0.459, abs=5e-4)
    assert c.fleiss_kappa(cells, whole(diagnoses), "unweighted")[0] == pytest.approx(0.430, abs=5e-4)
    three = c.Cells(diagnoses[:, :3], range(1, 6))  # the example of "Cookbook for R"
    assert c.fleiss_kappa(three, whole(diagnoses), "unweighted")[0] == pytest.approx(0.534, abs=5e-4)
    assert c.conger_kappa(three, whole(diagnoses), "unweighted")[0] == pytest.approx(0.55, abs=5e-3)


@pytest.mark.parametrize("seed", range(3))
def test_fleiss_without_missing_cells_is_statsmodels(seed):
    ratings = random_ratings(seed, n_raters=4)
    expected = statsmodels_fleiss(aggregate_raters(ratings.astype(int))[0])
    found = c.fleiss_kappa(c.Cells(ratings, range(1, 5)), whole(ratings), "unweighted")[0]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_conger_of_two_raters_is_cohens_kappa(weights):
    ratings = random_ratings(4)
    found = c.conger_kappa(c.Cells(ratings, range(1, 5)), whole(ratings), weights)[0]
    assert found == pytest.approx(weighted_kappa(ratings, range(1, 5), weights), abs=1e-12)


def test_intraclass_correlations_of_shrout_and_fleiss():
    cells = c.Cells(SHROUT_FLEISS, range(1, 11))
    found = [c.intraclass_correlation(cells, whole(SHROUT_FLEISS), mean)[0] for mean in (False, True)]
    assert found == pytest.approx([0.290, 0.620], abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_intraclass_correlation_without_missing_cells_is_that_of_the_mean_squares(seed):
    ratings = random_ratings(seed, n_raters=3)
    n, k = ratings.shape
    mean = ratings.mean()
    rows = k * ((ratings.mean(1) - mean) ** 2).sum() / (n - 1)
    columns = n * ((ratings.mean(0) - mean) ** 2).sum() / (k - 1)
    rest = ((ratings - ratings.mean(1, keepdims=True) - ratings.mean(0) + mean) ** 2).sum() / ((n - 1) * (k - 1))
    expected = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
    found = c.intraclass_correlation(c.Cells(ratings, range(1, 5)), whole(ratings), False)[0]
    assert found == pytest.approx(expected, abs=1e-10)


def test_variances_with_missing_cells_are_those_that_were_simulated():
    random = np.random.default_rng(0)
    n_items, n_raters = 3000, 8
    values = 2.0 * random.normal(size=(n_items, 1)) + random.normal(size=(1, n_raters))
    values = values - values.mean(0) + np.linspace(-1, 1, n_raters) + 1.5 * random.normal(size=(n_items, n_raters))
    values[random.random(values.shape) < 0.4] = NAN
    values = values.round(1)  # so that there are categories
    cells = c.Cells(values, np.unique(values[~np.isnan(values)]))
    items, raters, rest = c.variance_components(cells, whole(values))[0]
    expected = [4.0, np.linspace(-1, 1, n_raters).var(ddof=1), 2.25]
    assert [items, raters, rest] == pytest.approx(expected, rel=0.08)


def test_a_resample_is_the_same_as_repeating_its_items():
    """The weighted sums behind 10,000 resamples against each coefficient of the repeated matrix itself."""
    ratings = random_ratings(1, n_items=25, n_raters=4, missing=0.3)
    draw = np.random.default_rng(0).integers(25, size=25)
    weights = np.bincount(draw, minlength=25).astype(float)[None]
    cells, repeated = (c.Cells(matrix, range(1, 5)) for matrix in (ratings, ratings[draw]))
    for name, weighting, function in c.COEFFICIENTS:
        by_weight, by_repeat = function(cells, weights)[0], function(repeated, np.ones((1, 25)))[0]
        assert by_weight == pytest.approx(by_repeat, abs=1e-9), (name, weighting)


def test_a_resample_of_concepts_is_the_same_as_repeating_all_their_items():
    ratings, concepts = random_ratings(2, n_items=24, n_raters=4, missing=0.3), np.repeat(list("badcfe"), 4)
    drawn = ["a", "a", "c", "f", "f", "f"]
    weights = np.array([[drawn.count(name) for name in sorted(set(concepts))]], float)
    repeated = c.Cells(np.concatenate([ratings[concepts == name] for name in drawn]), range(1, 5))
    cells = c.Cells(ratings, range(1, 5), concepts)
    for name, weighting, function in c.COEFFICIENTS:
        by_repeat = function(repeated, np.ones((1, 24)))[0]
        assert function(cells, weights)[0] == pytest.approx(by_repeat, abs=1e-9), (name, weighting)


@pytest.mark.parametrize(("n_concepts", "clustered"), [(10, True), (10, False)])
def test_intervals_of_agreement_hold_concepts_together_and_so_cover(n_concepts, clustered):
    """Ten concepts that raters read more or less alike, six images each. Images by themselves, with plain percentiles,
    look like sixty independent ones: their intervals, those of before, hold the truth too seldom."""
    random, covered, n_studies = np.random.default_rng(4), 0, 300

    def study(n):
        item = np.repeat(random.normal(0, 1.0, n), 6) + random.normal(0, 0.4, n * 6)
        reading = np.repeat(random.normal(0, 0.7, (n, 3)), 6, axis=0)
        latent = item[:, None] + reading + random.normal(0, 0.3, (n * 6, 3))
        return np.clip(np.round(2.5 + latent), 1, 4), np.repeat(np.arange(n), 6)

    large, _ = study(30_000)
    truth = krippendorff_alpha(large, "ordinal")
    for number in range(n_studies):
        ratings, concepts = study(n_concepts)
        labels = concepts if clustered else np.arange(len(concepts))
        cells = c.Cells(ratings, range(1, 5), labels)
        values = c.krippendorff(cells, resampled_shares(cells.n_clusters, Resampling(400, 0.95, number)), "ordinal")
        _, low, high = expanded_interval(values, cells.n_clusters, 0.95)
        if not clustered:
            low, high = np.quantile(values[1:], [0.025, 0.975])
        covered += low <= truth <= high
    share = covered / n_studies
    assert share > 0.90 if clustered else share < 0.85, share


def test_pairs_too_many_to_average_are_left_out_and_told():
    random = np.random.default_rng(0)
    ratings = np.full((60, 50), NAN)
    for row in ratings:
        row[random.choice(50, 9, replace=False)] = random.integers(1, 5, 9)
    table = agreement(ratings, range(1, 5), Resampling(100)).set_index(["coefficient", "weights"])
    light = table.loc["Cohen's kappa (mean over pairs)"]
    assert light["value"].isna().all() and light["reason"].str.contains("pairs of raters are more than 1000").all()
    assert table.loc["Conger's kappa", "value"].notna().all()


def test_intervals_hold_the_value_and_cover_what_was_simulated():
    """Two raters of known correlation: the interval of quadratic kappa covers the population's in about 95 %."""
    rng, covered, n_studies = np.random.default_rng(0), 0, 120
    truth = None
    for study in range(n_studies + 1):
        n = 200_000 if truth is None else 75
        latent = rng.normal(size=(n, 1)) * np.sqrt(0.5) + rng.normal(size=(n, 2)) * np.sqrt(0.5)
        ratings = 1 + np.searchsorted([-1, 0, 1], latent).astype(float)
        if truth is None:
            truth = weighted_kappa(ratings, range(1, 5), "quadratic")
            continue
        table = agreement(ratings, range(1, 5), Resampling(400, seed=study)).set_index(["coefficient", "weights"])
        row = table.loc[("Cohen's kappa (mean over pairs)", "quadratic")]
        assert row["low"] < row["value"] < row["high"]
        covered += row["low"] <= truth <= row["high"]
    assert covered >= stats.binom.ppf(0.001, n_studies, 0.93)


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        (np.full((4, 3), NAN), "no ratings"),
        (np.empty((0, 3)), "no ratings"),
        (np.array([[1.0], [2.0], [4.0]]), "only one rater"),
        (np.array([[1.0, NAN], [NAN, 2.0]]), "no item was rated by two"),
        (np.array([[2.0, 2.0], [2.0, 2.0]]), "all ratings are the same"),
    ],
)
def test_what_is_not_defined_is_nan_with_a_reason(ratings, reason):
    table = agreement(ratings, range(1, 5), Resampling(100)).set_index(["coefficient", "weights"])
    ac2 = table.loc[("Gwet's AC2", "quadratic"), "value"]
    undefined = table[table["value"].isna()]
    assert len(undefined) and undefined["reason"].str.contains(reason).all()
    if "same" in reason:  # AC2 is defined there: raters agree, and its chance agreement is not one
        assert ac2 == 1
    else:
        assert table["value"].isna().all()
    assert not np.isinf(table[["value", "low", "high"]].to_numpy(float)).any()


def test_one_category_of_a_scale_of_one_point_is_not_a_number():
    assert agreement(np.ones((3, 2)), [1], Resampling(100))["value"].isna().all()


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
    ratings["concept"] = ratings["image_id"]
    table = agreement_table(ratings, range(1, 5), Resampling(200))
    assert table["question"].unique().tolist() == ["quality", "faithfulness"]
    assert set(table["n_items"]) == {24} and set(table["n_raters"]) == {6}
    assert table.loc[table["question"] == "quality", "value"].tolist() == pytest.approx([1] * len(c.COEFFICIENTS))
    assert (table.loc[table["question"] == "faithfulness", "value"] < 0.7).all()
