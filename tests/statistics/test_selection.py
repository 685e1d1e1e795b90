"""Best of n: the gate keeps faithfulness, n raises quality, and one candidate is no choice."""

import numpy as np
import pandas as pd
import pytest
from candidates import make_candidates

from c2i_lib.statistics.selection import best_of, choose, frontier, ranked, thresholds


def test_the_best_in_quality_of_those_that_reach_the_gate_is_chosen():
    quality, faithfulness = np.array([[0.9, 0.5, 0.7]]), np.array([[0.1, 0.8, 0.6]])
    assert choose(quality, faithfulness, -np.inf).tolist() == [0]
    assert choose(quality, faithfulness, 0.5).tolist() == [2]
    assert choose(quality, faithfulness, 0.7).tolist() == [1]
    assert choose(quality, faithfulness, 0.9).tolist() == [1]  # none is faithful enough: the most faithful


def test_all_are_ranked_those_that_pass_by_quality_and_the_others_by_faithfulness():
    quality, faithfulness = np.array([0.9, 0.5, 0.7, 0.8]), np.array([0.1, 0.8, 0.6, 0.3])
    assert ranked(quality, faithfulness, -np.inf).tolist() == [0, 3, 2, 1]
    assert ranked(quality, faithfulness, 0.5).tolist() == [2, 1, 3, 0]
    assert ranked(quality, faithfulness, 0.9).tolist() == [1, 2, 3, 0]
    assert ranked(quality, np.array([np.nan, 0.8, 0.6, 0.3]), 0.9).tolist() == [1, 2, 3, 0]
    assert ranked(np.zeros(4), np.zeros(4), 0).tolist() == ranked(np.zeros(4), np.zeros(4), 1).tolist() == [0, 1, 2, 3]
    assert ranked(np.empty(0), np.empty(0), 0).tolist() == []


def test_the_first_in_rank_is_the_chosen_one():
    """Against the definition, for many candidates at once and with equal scores among them."""
    random = np.random.default_rng(3)
    quality, faithfulness = random.integers(0, 4, (2, 500, 6)).astype(float)
    for threshold in (-np.inf, 1, 2, 3, 9):
        passed = faithfulness >= threshold
        best = np.where(passed, quality, -np.inf).argmax(-1)
        expected = np.where(passed.any(-1), best, faithfulness.argmax(-1))
        assert (choose(quality, faithfulness, threshold) == expected).all()
        assert (np.sort(ranked(quality, faithfulness, threshold)) == np.arange(6)).all()


def test_the_gate_is_a_quantile_of_the_bare_concepts_own_pictures():
    bare = pd.DataFrame({"concept": ["a"] * 5 + ["b"] * 5, "selecting_faithfulness": [*range(5), *range(10, 15)]})
    assert thresholds(bare, 0.5).to_dict() == {"a": 2, "b": 12}
    assert (thresholds(bare, None) == -np.inf).all()


def test_one_candidate_is_no_choice():
    candidates, bare = make_candidates()
    ours = candidates[candidates["arm"] == "ft_tags"]
    means = best_of(ours, bare, 1, None, n_draws=4000)[["quality", "faithfulness"]].mean()
    assert means.tolist() == pytest.approx(ours[["quality", "faithfulness"]].mean().tolist(), abs=0.03)


def test_all_candidates_leave_nothing_to_chance():
    candidates, bare = make_candidates()
    ours = candidates[candidates["arm"] == "base"]
    table = best_of(ours, bare, 8, None, n_draws=3).set_index("concept")["quality"]
    best = ours.loc[ours.groupby("concept")["selecting_quality"].idxmax()].set_index("concept")["quality"]
    pd.testing.assert_series_equal(table, best, check_names=False)


def test_n_raises_quality_and_the_gate_gives_faithfulness_back():
    candidates, bare = make_candidates()
    table = frontier(candidates, bare, (1, 4, 8), (None, 0.5), 200).set_index(["arm", "n", "gate"])
    ours = table.loc["ft_tags"]
    free = ours[ours.index.get_level_values("gate").isna()]["quality"]
    assert free.is_monotonic_increasing and free.iloc[-1] > free.iloc[0] + 0.8
    gated, ungated = ours.loc[(8, 0.5)], ours.loc[(8, slice(None))][lambda rows: rows.index.isna()].iloc[0]
    assert gated["faithfulness"] > ungated["faithfulness"] + 0.3
    assert gated["quality"] < ungated["quality"]
    assert ((table["quality_low"] < table["quality"]) & (table["quality"] < table["quality_high"])).all()


def test_more_than_there_are_cannot_be_drawn():
    candidates, bare = make_candidates(n=3)
    with pytest.raises(ValueError, match="best of 4 asked for, but concept 'c0' has 3 candidates"):
        best_of(candidates[candidates["arm"] == "base"], bare, 4, None)
