"""Intervals in figures: equal values and missing ends are drawn, in every figure that has intervals."""

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from c2i_lib.reporting import figures, hypothesis_figures, style, survey_figures
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.effects import bootstrap_means, compare_arms, concept_differences

RESAMPLING = Resampling(100)
QUESTIONS = ("quality", "faithfulness")
# Of many of these, the mean of equal values is a rounding error beside the values.
CONSTANTS = [(value, n) for value in np.linspace(0.1, 1.9, 19) for n in (3, 7, 10)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_scores(of_base: float, of_ft: float, n_concepts: int) -> pd.DataFrame:
    """One row per image and question: every image of an arm has the same score."""
    rows = [
        (question, arm, f"c{concept}", f"{arm}-{concept}-{sample}", value)
        for question in QUESTIONS
        for arm, value in (("base", of_base), ("ft", of_ft))
        for concept in range(n_concepts)
        for sample in range(3)
    ]
    return pd.DataFrame(rows, columns=["question", "arm", "concept", "image_id", "rating"])


def bar_ends(container) -> list[np.ndarray]:
    """The two ends of every bar that is drawn."""
    segments = [segment for lines in container.lines[2] for segment in lines.get_segments()]
    return [segment for segment in segments if len(segment) == 2 and np.isfinite(segment).all()]


@pytest.mark.parametrize(("value", "n_concepts"), CONSTANTS)
def test_equal_scores_have_a_figure_of_quality_and_faithfulness(value, n_concepts):
    scores = make_scores(value, value / 3, n_concepts)
    means = [bootstrap_means(rows, "rating", RESAMPLING) for _, rows in scores.groupby("question", sort=False)]
    (axes,) = figures.plot_quality_faithfulness(*means).axes
    assert [bar.lines[0].get_xdata()[0] for bar in axes.containers] == pytest.approx([value, value / 3])


@pytest.mark.parametrize(("value", "n_concepts"), CONSTANTS)
def test_equal_ratings_have_a_figure_of_differences(value, n_concepts):
    ratings = make_scores(value, value / 3, n_concepts)
    comparison = compare_arms(ratings, resampling=RESAMPLING)
    differences = concept_differences(ratings, "ft", "base").assign(arm="ft", baseline="base")
    for axis in survey_figures.plot_differences(differences, comparison).axes:
        assert axis.containers[0].lines[0].get_xdata()[0] == pytest.approx(value / 3 - value)


def test_an_interval_is_drawn_from_its_lower_to_its_upper_end():
    across, up = bar_ends(style.draw_interval(plt.figure().subplots(), 1.0, 2.0, (0.5, 1.2), (1.5, 2.7)))
    np.testing.assert_allclose(across, [[0.5, 2.0], [1.2, 2.0]])
    np.testing.assert_allclose(up, [[1.0, 1.5], [1.0, 2.7]])


def test_ends_that_are_missing_are_not_drawn_as_certainty():
    """One concept has a mean and no interval: a bar of length zero would say that it is known exactly."""
    for ends in ((np.nan, np.nan), (np.nan, 1.5)):
        bar = style.draw_interval(plt.figure().subplots(), 1.0, 2.0, ends)
        assert bar.lines[0].get_xdata()[0] == 1.0 and bar_ends(bar) == []


MISSING = {"low": np.nan, "high": np.nan}
BEYOND = {"low": 1 + 4e-16, "high": 1 - 4e-16}  # a rounding error on both sides of the mean of ones


def tables_of(ends: dict[str, float]) -> dict[str, plt.Figure]:
    """Every figure that has intervals, each interval of a value of one with these ends."""
    arms, one = ["concept_only", "base", "ft"], pd.DataFrame([{"value": 1.0, **ends}])
    means = pd.concat([one.rename(columns={"value": "mean"}).assign(arm=arm) for arm in arms])
    pairs = pd.DataFrame([(q, "ft", "base") for q in QUESTIONS], columns=["question", "arm", "baseline"])
    effects = pairs.merge(one.rename(columns={"value": "difference"}), how="cross").assign(group="all")
    dots = pairs.assign(difference=1.0, concept="c0")
    slopes = pd.DataFrame([(q, "wording", "concept") for q in QUESTIONS], columns=["outcome", "measure", "within"])
    paths = pd.DataFrame([("quality", "ft", "wording", path) for path in ("total", "direct", "indirect")])
    paths = paths.set_axis(["outcome", "arm", "measure", "path"], axis=1).merge(one, how="cross")
    frontier = pd.DataFrame([(arm, n, np.nan) for arm in arms for n in (1, 4)], columns=["arm", "n", "gate"])
    for question in QUESTIONS:
        frontier = frontier.assign(**{question: 1.0, **{f"{question}_{end}": value for end, value in ends.items()}})
    slopes = slopes.merge(one.rename(columns={"value": "slope"}), how="cross")
    return {
        "quality_faithfulness": figures.plot_quality_faithfulness(means, means),
        "differences": survey_figures.plot_differences(dots, effects),
        "frontier": hypothesis_figures.plot_frontier(frontier, 0.5),
        "closeness": hypothesis_figures.plot_closeness(means.assign(measure="meaning")),
        "effects": hypothesis_figures.plot_effects(effects),
        "mechanism": hypothesis_figures.plot_mechanism(slopes, paths),
    }


@pytest.mark.parametrize("ends", [MISSING, BEYOND], ids=["missing", "beyond"])
def test_every_figure_draws_the_values_whose_intervals_are_missing_or_beside_them(ends):
    for name, figure in tables_of(ends).items():
        bars = [container for axis in figure.axes for container in axis.containers]
        assert bars, name
        for bar in bars:
            lengths = [np.ptp(segment, axis=0).max() for segment in bar_ends(bar)]
            assert lengths == [] if ends is MISSING else max(lengths) < 1e-9, name
        figure.draw_without_rendering()


def test_one_helper_draws_all_intervals():
    """Each of six places once measured its own error bars, and two of them did it wrongly."""
    calls = []
    for path in Path(style.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "errorbar":
                calls.append(path.name)
    assert calls == ["style.py"]
