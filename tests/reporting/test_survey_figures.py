"""Figures of the survey show the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from c2i_lib.reporting import survey_figures as figures

ARMS = ["concept_only", "base", "ft", "ft_tags"]
QUESTIONS = ["quality", "faithfulness"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_ratings(scale_points=4):
    points = [1, 1, 2, 3, scale_points] * 4
    parts = [
        pd.DataFrame({"question": question, "arm": arm, "rating": points})
        for question in ("quality", "faithfulness")
        for arm in ARMS
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("scale_points", [4, 5])
def test_likert_bars_add_up_to_one_and_are_centred(scale_points):
    figure = figures.plot_likert(make_ratings(scale_points), range(1, scale_points + 1))
    assert len(figure.axes) == 2
    for axis in figure.axes:
        assert len(axis.patches) == len(ARMS) * scale_points
        bar = axis.patches[:scale_points]
        assert sum(part.get_width() for part in bar) == pytest.approx(1)
        # Shares are .4 .2 .2 (0) .2: below the middle are 1 and 2, and half of 3 on a scale of five.
        assert bar[0].get_x() == pytest.approx(-0.6 if scale_points == 4 else -0.7)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ARMS
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [str(n + 1) for n in range(scale_points)]


def test_differences_are_coloured_only_where_the_interval_excludes_zero():
    rows = [(q, "ft", "base", 0.5, low, 0.9) for q, low in zip(QUESTIONS, (0.1, -0.1), strict=True)]
    comparison = pd.DataFrame(rows, columns=["question", "arm", "baseline", "difference", "low", "high"])
    dots = [(q, "cat", d, "ft", "base") for q in QUESTIONS for d in (0.2, 0.5, 0.8)]
    differences = pd.DataFrame(dots, columns=["question", "concept", "difference", "arm", "baseline"])
    figure = figures.plot_differences(differences, comparison)
    for axis, color in zip(figure.axes, ("#D55E00", "black"), strict=True):
        point = axis.containers[0].lines[0]
        assert point.get_xdata()[0] == 0.5 and same_color(point.get_color(), color)
        assert sorted(axis.collections[0].get_offsets()[:, 0]) == [0.2, 0.5, 0.8]
    assert figure.axes[0].get_yticklabels()[0].get_text() == "ft − base"


def test_scale_use_has_a_bar_and_a_kappa_for_every_rater():
    rows = [(r, q, 0.1, 0.2, 0.3, 0.4, k) for q in QUESTIONS for r, k in (("rater_1", 0.5), ("rater_2", np.nan))]
    names = ["rater", "question", "share_1", "share_2", "share_3", "share_4", "kappa"]
    figure = figures.plot_scale_use(pd.DataFrame(rows, columns=names), range(1, 5))
    for axis in figure.axes:
        assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.1, 0.2, 0.3, 0.4] * 2)
        texts = [text.get_text() for text in axis.texts]
        assert "0.50" in texts and "–" in texts  # a rater without anybody to compare with


def test_agreement_shows_every_pair_once_each_way_and_nothing_for_pairs_without_images():
    kappas = pd.DataFrame([[np.nan, 0.25], [0.25, np.nan]], index=["a", "b"], columns=["a", "b"])
    confusions = {question: np.full((4, 4), 1 / 16) for question in QUESTIONS}
    figure = figures.plot_agreement(confusions, dict.fromkeys(QUESTIONS, kappas), range(1, 5))
    shares, pairs = figure.axes[0], figure.axes[1]
    assert [text.get_text() for text in shares.texts] == ["0.06"] * 16
    assert [text.get_text() for text in pairs.texts] == ["0.25", "0.25"]


def test_raters_without_a_common_image_still_have_a_figure():
    empty = np.full((4, 4), np.nan)
    kappas = pd.DataFrame([[np.nan]], index=["a"], columns=["a"])
    figures.plot_agreement({"quality": empty}, {"quality": kappas}, range(1, 5))


def test_variance_bars_add_up_to_one():
    rows = [(q, c, share) for q in QUESTIONS for c, share in (("concept", 0.2), ("rater", 0.3), ("rest", 0.5))]
    figure = figures.plot_variance(pd.DataFrame(rows, columns=["question", "component", "share"]))
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.2, 0.3, 0.5] * 2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["concept", "rater", "rest"]


def test_a_question_whose_variances_are_not_defined_says_why_and_draws_none():
    rows = [("quality", name, np.nan, "one rater") for name in ("concept", "rest")]
    rows += [("faithfulness", name, 0.5, "") for name in ("concept", "rest")]
    table = pd.DataFrame(rows, columns=["question", "component", "share", "reason"])
    (axis,) = figures.plot_variance(table).axes
    assert [text.get_text() for text in axis.texts] == ["one rater", "50%", "50%"]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0, 0.5, 0.5])


def test_power_marks_the_size_of_this_study():
    rows = [(q, n, e, n * e / 100) for q in QUESTIONS for e in (0.15, 0.3) for n in (10, 50)]
    figure = figures.plot_power(pd.DataFrame(rows, columns=["question", "n_concepts", "effect", "power"]), 10)
    for axis in figure.axes:
        assert [list(line.get_ydata()) for line in axis.lines[:2]] == [[0.015, 0.075], [0.03, 0.15]]
        assert list(axis.lines[-1].get_xdata()) == [10, 10]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["0.15 points", "0.3 points", "this study"]
