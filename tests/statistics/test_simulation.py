"""Simulated raters: the paper's Table 1 and kappas come out; the analysis finds what was put in."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from c2i_lib.statistics.agreement import weighted_kappa
from c2i_lib.statistics.bootstrap import cluster_interval
from c2i_lib.statistics.effects import sign_flip_p
from c2i_lib.statistics.simulation import (
    ITEM_SHARE,
    PAPER_SCALES,
    RATER_SHARE,
    Design,
    cuts,
    expected_rating,
    shifted,
    simulate_studies,
)

PAPER = Design(n_concepts=10, n_samples=5, n_raters=4)
TABLE1 = {  # the paper: mean and standard deviation of base, ft, ft_tags
    "quality": [(2.81, 0.97), (2.96, 0.95), (3.04, 0.87)],
    "faithfulness": [(3.02, 0.98), (2.72, 1.21), (2.77, 1.11)],
}
N_STUDIES = 1000


@pytest.fixture(scope="module", params=list(TABLE1))
def studies(request):
    question = request.param
    return question, *simulate_studies(PAPER_SCALES[question], PAPER, N_STUDIES, 0, ITEM_SHARE[question])


def test_the_papers_table_comes_out(studies):
    question, ratings, _ = studies
    for place, (mean, spread) in enumerate(TABLE1[question]):
        assert ratings[:, place].mean() == pytest.approx(mean, abs=0.02)
        assert ratings[:, place].std() == pytest.approx(spread, abs=0.015)


def test_the_papers_kappas_come_out_with_quadratic_weights(studies):
    question, ratings, _ = studies
    kappas = [weighted_kappa(study.reshape(-1, 4).astype(float), range(1, 5), "quadratic") for study in ratings[:300]]
    assert np.mean(kappas) == pytest.approx({"quality": 0.386, "faithfulness": 0.546}[question], abs=0.015)


def true_means(question, raters):
    """``(n_studies, n_arms)``: what each arm's mean is expected to be with these very raters."""
    parts = []
    for mean, spread in PAPER_SCALES[question]:
        seen = mean + spread * np.sqrt(RATER_SHARE) * raters[..., None]
        parts.append(1 + norm.sf((cuts(4) - seen) / (spread * np.sqrt(1 - RATER_SHARE))).sum(-1).mean(-1))
    return np.stack(parts, 1)


def test_intervals_of_means_and_differences_cover_the_truth_in_95_percent(studies):
    """The design document's bound: 93 to 97 % over 1,000 studies, for each arm and each difference together."""
    question, ratings, raters = studies
    means, truth = ratings.mean((3, 4)), true_means(question, raters)
    pairs = [(1, 0), (2, 0), (2, 1)]
    values = [*(means[:, a] for a in range(3)), *(means[:, a] - means[:, b] for a, b in pairs)]
    wanted = [*(truth[:, a] for a in range(3)), *(truth[:, a] - truth[:, b] for a, b in pairs)]
    for value, target in zip(values, wanted, strict=True):
        low, high = cluster_interval(value.T, 2000, 0.95, seed=1)
        covered = ((low <= target) & (target <= high)).mean()
        assert 0.93 - 0.01 < covered < 0.97 + 0.01  # a hundredth is the noise of 1,000 studies
    low, high = cluster_interval(np.concatenate(values).T, 2000, 0.95, seed=1)
    assert 0.93 < ((low <= np.concatenate(wanted)) & (np.concatenate(wanted) <= high)).mean() < 0.97


@pytest.mark.parametrize("question", list(TABLE1))
def test_a_true_null_is_rejected_at_most_as_often_as_alpha(question):
    """Also where raters share images, which makes tests of single ratings reject two to three times too often."""
    base = PAPER_SCALES[question][0]
    ratings, _ = simulate_studies((base, base), PAPER, N_STUDIES, 5, ITEM_SHARE[question])
    means = ratings.mean((3, 4))
    rejected = (sign_flip_p(means[:, 1] - means[:, 0], np.random.default_rng(0)) <= 0.05).sum()
    assert rejected <= binom.ppf(0.999, N_STUDIES, 0.05)
    assert rejected >= binom.ppf(0.001, N_STUDIES, 0.03)  # it is not merely blind


def test_more_points_keep_the_cuts_one_apart_and_centred():
    assert cuts(4).tolist() == [-1, 0, 1]
    assert cuts(5).tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert expected_rating(0.0, 1.0, 5) == pytest.approx(3)


def test_a_shifted_scale_has_the_effect_that_was_asked_for():
    base = PAPER_SCALES["quality"][0]
    assert expected_rating(*shifted(base, 0.3)) - expected_rating(*base) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="leaves the scale"):
        shifted(base, 2.0)


def test_the_same_seed_gives_the_same_study():
    first, second, other = (simulate_studies(PAPER_SCALES["quality"], PAPER, 3, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    assert first.shape == (3, 3, 10, 5, 4) and set(np.unique(first)) <= {1, 2, 3, 4}
