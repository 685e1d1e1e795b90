"""Raters one by one: pairs, confusion, self-agreement and attention checks."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.statistics.agreement import weighted_kappa
from c2i_lib.statistics.agreement.raters import (
    checks_passed,
    confusion,
    kappas_with_others,
    pairwise_kappas,
    rater_table,
    self_agreement,
)

QUESTIONS = ("quality", "faithfulness")


def rows_of(rater, points, kind="image", question="quality"):
    names = [f"image {place}" for place in range(len(points))]
    table = pd.DataFrame({"rater": rater, "image_id": names, "question": question, "kind": kind, "rating": points})
    return table.assign(item_id=[f"{kind}-{name}" for name in names])


def test_every_pair_of_raters_has_its_own_kappa():
    random = np.random.default_rng(0)
    matrix = pd.DataFrame(random.integers(1, 5, size=(30, 3)).astype(float), columns=["a", "b", "c"])
    matrix.loc[:14, "c"] = np.nan
    table = pairwise_kappas(matrix, range(1, 5))
    assert table.loc["a", "b"] == table.loc["b", "a"] == weighted_kappa(matrix[["a", "b"]], range(1, 5), "quadratic")
    assert table.loc["a", "c"] == weighted_kappa(matrix.loc[15:, ["a", "c"]], range(1, 5), "quadratic")
    assert np.isnan(np.diag(table)).all()


def test_a_raters_kappa_with_the_others_is_that_of_all_their_pairs_of_ratings():
    """The mean over pairs was near zero among 1,000 raters, of whom two share one or two images."""
    random = np.random.default_rng(1)
    values = random.integers(1, 5, size=(30, 1)) + random.integers(0, 2, size=(30, 4))
    matrix = pd.DataFrame(np.clip(values, 1, 4).astype(float), columns=list("abcd"))
    matrix.loc[:9, "b"] = np.nan
    pooled = [matrix[["a", other]].set_axis(["own", "other"], axis=1) for other in "bcd"]
    expected = weighted_kappa(pd.concat(pooled).to_numpy(), range(1, 5), "quadratic")
    found = kappas_with_others(matrix, range(1, 5))
    assert found.index.tolist() == list("abcd") and found["a"] == pytest.approx(expected)
    assert np.isnan(kappas_with_others(matrix[["a"]], range(1, 5))["a"])


def test_raters_without_a_common_image_have_no_kappa():
    matrix = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": [np.nan, np.nan, 3.0]})
    assert pairwise_kappas(matrix, range(1, 5)).isna().all(axis=None)
    assert np.isnan(confusion(matrix, range(1, 5))).all()


def test_confusion_counts_every_ordered_pair_of_raters_of_an_image():
    matrix = pd.DataFrame({"a": [1.0, 3.0], "b": [1.0, 4.0], "c": [2.0, np.nan]})
    counts = np.zeros((4, 4))
    for first, second in [(1, 1), (1, 1), (1, 2), (2, 1), (1, 2), (2, 1), (3, 4), (4, 3)]:
        counts[first - 1, second - 1] += 1
    np.testing.assert_allclose(confusion(matrix, range(1, 5)), counts / 8)


def test_self_agreement_compares_an_image_with_its_repeat_of_the_same_rater():
    ratings = pd.concat(
        [
            rows_of("a", [1.0, 2.0, 3.0, 4.0]),
            rows_of("b", [4.0, 4.0, 4.0, 4.0]),
            rows_of("a", [1.0, 2.0, 4.0], "repeat"),
            rows_of("b", [4.0, np.nan, 4.0], "repeat"),
        ]
    )
    table = self_agreement(ratings, range(1, 5)).set_index("rater")
    assert table["n_repeated"].to_dict() == {"a": 3, "b": 2}  # what could not be judged does not count
    assert table["same"].to_dict() == {"a": pytest.approx(2 / 3), "b": 1}
    expected = weighted_kappa(np.array([[1, 1], [2, 2], [3, 4]]), range(1, 5), "quadratic")
    assert table.loc["a", "kappa"] == pytest.approx(expected)
    assert np.isnan(table.loc["b", "kappa"])  # no variation


def test_checks_are_passed_only_with_the_very_answer_that_was_asked_for():
    items = pd.DataFrame([("check-image 0", "check", 2.0, 4.0)], columns=["item_id", "kind", *EXPECTED])
    ratings = pd.concat(
        [
            *(rows_of(rater, [2.0], "check") for rater in ("a", "b")),
            rows_of("a", [4.0], "check", "faithfulness"),
            rows_of("b", [3.0], "check", "faithfulness"),
        ]
    )
    assert checks_passed(ratings, items, QUESTIONS).to_dict() == {"a": 1, "b": 0.5}


EXPECTED = ["expected_quality", "expected_faithfulness"]


def test_the_table_has_each_raters_use_of_the_scale():
    ratings = pd.concat([rows_of("a", [1.0, 2.0, 2.0, np.nan]), rows_of("b", [1.0, 2.0, 4.0, 4.0])])
    items = pd.DataFrame(columns=["item_id", "kind", *EXPECTED])
    table = rater_table(ratings, items, QUESTIONS, range(1, 5)).set_index("rater")
    assert table.loc["a", ["n", "cannot_judge"]].tolist() == [3, 1]
    assert table.loc["a", ["share_1", "share_2", "share_3", "share_4"]].tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0])
    assert table.loc["b", "mean"] == 2.75
    assert table.loc["a", "kappa"] == table.loc["b", "kappa"] > 0
    assert table[["same", "checks_passed"]].isna().all(axis=None)  # nothing was repeated or asked
