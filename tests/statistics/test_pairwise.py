"""Pairs side by side: strengths are the published ones, what was put in comes out, intervals hold for all raters."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm

from c2i_lib.errors import C2IError
from c2i_lib.statistics.claims import Claims
from c2i_lib.statistics.crossed import crossed_mean
from c2i_lib.statistics.effects import POPULATION, THESE
from c2i_lib.statistics.pairwise import CONTRASTS_COLUMNS, STRENGTHS_COLUMNS, compare_pairs, fit_davidson
from c2i_lib.statistics.power import power, power_of_pairs
from c2i_lib.statistics.simulation import TIE_WIDTH, Design, simulate_pairs
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES

PAPER = (PAPER_SCALES["quality"][0], ITEM_SHARE["quality"])
# Wins of the American League's East in 1987 (Agresti, Categorical Data Analysis): row over column.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = [[0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10]]
WINS += [[6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0]]
PUBLISHED = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0]  # Baltimore is the reference
TRUE_STRENGTHS, TRUE_TIES = np.array([0.5, 0.1, -0.6]), 0.7


def draw(random, n, strengths=TRUE_STRENGTHS, ties=TRUE_TIES):
    """Pairs of arms and outcomes by Davidson's formula as he wrote it: in π and ν, not in logs."""
    pairs = np.array(list(combinations(range(len(strengths)), 2)))[random.integers(3, size=n)]
    pairs = np.where(random.random((n, 1)) < 0.5, pairs, pairs[:, ::-1])
    first, second = np.exp(strengths)[pairs].T
    parts = np.stack([first, ties * np.sqrt(first * second), second], 1)
    outcome = (random.random((n, 1)) > np.cumsum(parts, 1) / parts.sum(1, keepdims=True)).sum(1)
    return *pairs.T, outcome


def table_of(first, second, outcome, arms="abc", n_concepts=10, n_raters=6):
    """Answers of raters who each saw every concept."""
    frame = pd.DataFrame({"left_arm": np.array(list(arms))[first], "right_arm": np.array(list(arms))[second]})
    number = np.arange(len(frame))
    frame["concept"] = [f"concept {part}" for part in number % n_concepts]
    frame["rater"] = [f"rater {part}" for part in number // n_concepts % n_raters]
    return frame.assign(question="quality", answer=np.array(["left", "tie", "right"])[outcome])


def test_without_ties_the_published_strengths_of_seven_teams_come_out():
    games = [(i, j) for i in range(7) for j in range(7) for _ in range(WINS[i][j])]
    fit = fit_davidson(*np.array(games).T, np.zeros(len(games)), 7)
    assert fit.strengths - fit.strengths[-1] == pytest.approx(PUBLISHED, abs=1e-4)
    assert fit.log_ties == -np.inf and fit.strengths.sum() == pytest.approx(0)


def test_two_arms_have_the_closed_form():
    """Davidson 1970: strengths are as wins to losses, and ν is ties over their geometric mean."""
    outcome = np.repeat([0, 1, 2], [30, 25, 12])
    fit = fit_davidson(np.zeros(67), np.ones(67), outcome, 2)
    assert fit.strengths[0] - fit.strengths[1] == pytest.approx(np.log(30 / 12))
    assert np.exp(fit.log_ties) == pytest.approx(25 / np.sqrt(30 * 12))
    assert fit.shares(0, 1) == pytest.approx(np.array([30, 25, 12]) / 67)


def test_a_second_implementation_finds_the_same_and_so_does_a_turned_table():
    first, second, outcome = draw(np.random.default_rng(0), 400)

    def loss(parameters):
        a, b, ties = (np.exp(part) for part in (parameters[first], parameters[second], parameters[3]))
        parts = np.stack([a, ties * np.sqrt(a * b), b]) / (a + b + ties * np.sqrt(a * b))
        return -np.log(parts[outcome, np.arange(400)]).sum() + parameters[:3].sum() ** 2

    other = minimize(loss, np.zeros(4), jac=lambda at: approx_fprime(at, loss)).x
    fit, turned = fit_davidson(first, second, outcome, 3), fit_davidson(second, first, 2 - outcome, 3)
    assert [*fit.strengths, fit.log_ties] == pytest.approx(other, abs=1e-4)
    assert turned.strengths == pytest.approx(fit.strengths)


def test_what_was_put_in_comes_out():
    fit = fit_davidson(*draw(np.random.default_rng(1), 30_000), 3)
    assert fit.strengths == pytest.approx(TRUE_STRENGTHS - TRUE_STRENGTHS.mean(), abs=0.03)
    assert np.exp(fit.log_ties) == pytest.approx(TRUE_TIES, abs=0.03)


def test_an_answer_moves_a_strength_as_far_as_its_weight_does():
    """Errors come from these influences: they must be the derivatives of the fit."""
    first, second, outcome = draw(np.random.default_rng(2), 200)
    weights = np.full(200, 1 / 200)
    fit, less = (fit_davidson(first, second, outcome, 3, part) for part in (weights, weights - np.eye(200)[7] * 1e-5))
    assert fit.strengths - less.strengths == pytest.approx(fit.influence[7] * 200 * 1e-5, rel=1e-2)


def test_the_error_of_two_arms_is_that_of_the_crossed_mean_by_the_delta_method():
    answers = table_of(np.zeros(240, int), np.ones(240, int), np.random.default_rng(3).integers(3, size=240), "ab")
    _, contrasts = compare_pairs(answers, ["a", "b"])
    rates = {side: answers["answer"].eq(side).mean() for side in ("left", "right")}
    parts = answers["answer"].eq("right") / rates["right"] - answers["answer"].eq("left") / rates["left"]
    cells = answers.assign(part=parts).pivot_table(index="concept", columns="rater", values="part").to_numpy()
    row, error = contrasts.iloc[0], crossed_mean(cells)
    assert row["difference"] == pytest.approx(np.log(rates["right"] / rates["left"]))
    assert (row["low"], row["high"]) == pytest.approx(error._replace(mean=row["difference"]).interval(0.95))


def test_tables_hold_all_arms_and_pairs_and_counts():
    answers = table_of(*draw(np.random.default_rng(4), 600))
    answers = pd.concat([answers, answers.assign(question="faithfulness")])
    strengths, contrasts = compare_pairs(answers, list("abc"), claims=Claims((("quality", "c", "a"),)))
    assert list(strengths) == list(STRENGTHS_COLUMNS) and set(CONTRASTS_COLUMNS) < set(contrasts)
    assert strengths["arm"].tolist() == list("abcabc") and len(contrasts) == 6
    assert (strengths[["won", "tied", "lost"]].sum(axis=1) == strengths["n"]).all() and strengths["n"].sum() == 2400
    row = contrasts.query("question == 'quality' and arm == 'c' and baseline == 'a'").iloc[0]
    assert row["high"] < 0 and row["preferred"] < 0.5 and row["primary"] and row["p_holm"] == row["p"]


def test_intervals_for_all_raters_hold_where_raters_differ_on_arms_and_those_for_these_do_not():
    scale, share, missed = *PAPER, np.zeros(2)
    shape = (Design(20, 2, 6), 12, 5, share)
    simulated = simulate_pairs((scale, scale), *shape, taste_share=0.2)
    for study in simulated:
        outcome = study.transpose(1, 2, 0).ravel() + 1  # concepts change first, as in ``table_of``
        answers = table_of(np.zeros(len(outcome), int), np.ones(len(outcome), int), outcome, "ab", 20)
        tables = [compare_pairs(answers, ["a", "b"], raters=raters)[1] for raters in (POPULATION, THESE)]
        missed += [table["p"][0] < 0.05 for table in tables]
    assert missed[0] <= 3 and missed[1] >= 4  # of 12, where 1 is expected of the first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "left"}, "set no bound"),
        ({"answer": "tie"}, "set no bound"),
        ({"answer": "3"}, r"should be left, tie, right, found \['3'\]"),
        ({"right_arm": "a", "left_arm": "a"}, "'a' on both sides"),
        ({"left_arm": "c", "right_arm": "b"}, r"quality \['a', 'c'\] is in one of the two only"),
        ({"rater": None}, "'rater'.* are missing"),
    ],
)
def test_answers_that_give_no_strengths_are_refused_with_the_reason(change, message):
    answers = table_of(np.zeros(60, int), np.ones(60, int), np.arange(60) % 3, "ab").assign(**change)
    answers = answers.drop(columns="rater") if "rater" in change else answers
    with pytest.raises(C2IError, match=message):
        compare_pairs(answers, ["a", "b"])


def test_arms_that_were_never_compared_with_one_another_have_no_strengths():
    first, second = np.repeat([0, 2], 30), np.repeat([1, 3], 30)
    with pytest.raises(C2IError, match="never compared"):
        fit_davidson(first, second, np.arange(60) % 3, 4)


def test_simulated_answers_are_as_often_as_the_normal_distribution_says():
    (mean, spread), share = PAPER
    answers = simulate_pairs(((mean, spread), (mean + 0.4, spread)), Design(40, 5, 10), 40, 0, share)
    width = spread * np.sqrt(2 * (1 - 0.05 - share / 2))  # a concept and a rater are the same on both sides
    assert (answers == 1).mean() == pytest.approx(norm.sf((TIE_WIDTH - 0.4) / width), abs=0.01)
    assert (answers == -1).mean() == pytest.approx(norm.cdf((-TIE_WIDTH - 0.4) / width), abs=0.01)


def test_power_of_pairs_is_at_most_alpha_without_an_effect_and_pairs_need_fewer_answers_than_points():
    assert 0.02 < power_of_pairs(Design(20, 5, 6), 0.0, *PAPER) < 0.07
    pairs = power_of_pairs(Design(20, 2, 10), 0.3, *PAPER, n_studies=400)
    points = power(Design(20, 1, 10), 0.3, *PAPER, n_studies=400)
    assert pairs > points + 0.05  # 400 answers each
