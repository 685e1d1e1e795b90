"""Figures of the hypothesis show the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from c2i_lib.reporting import hypothesis_figures as figures

ARMS = ["concept_only", "base", "ft"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_frontier():
    rows = []
    for place, arm in enumerate(ARMS):
        for n in (1, 2, 4):
            for gate in [np.nan] if n == 1 else [np.nan, 0.25, 0.5]:
                quality, faithfulness = 0.1 * place + 0.05 * n, 0.5 - 0.1 * place + (0 if np.isnan(gate) else gate / 10)
                ends = (quality - 0.01, quality + 0.01, faithfulness, faithfulness - 0.02, faithfulness + 0.02)
                rows.append((arm, n, gate, quality, *ends))
    names = "arm n gate quality quality_low quality_high faithfulness faithfulness_low faithfulness_high"
    return pd.DataFrame(rows, columns=names.split())


def test_the_frontier_begins_with_one_picture_and_ends_with_the_most():
    left, right = figures.plot_frontier(make_frontier(), 0.5).axes
    solid = {line.get_label(): line for line in left.lines if line.get_label() in ARMS}
    assert list(solid) == ARMS
    assert solid["ft"].get_xdata() == pytest.approx([0.3, 0.35, 0.35])  # n = 1, then n = 2 and 4 with the gate of .5
    assert solid["ft"].get_ydata() == pytest.approx([0.25, 0.3, 0.4])
    rising = [line for line in right.lines if len(line.get_xdata()) == 3]
    assert rising[2].get_xdata() == pytest.approx([0.3, 0.325, 0.35])  # no gate, .25, .5


def test_closeness_has_a_panel_a_measure_and_a_line_for_captions():
    places = [(measure, *pair) for measure in ("meaning", "copied") for pair in enumerate([*ARMS, "captions"])]
    rows = [(measure, arm, 0.1 * k, 0.1 * k - 0.05, 0.1 * k + 0.05) for measure, k, arm in places]
    figure = figures.plot_closeness(pd.DataFrame(rows, columns=["measure", "arm", "mean", "low", "high"]))
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ARMS
    for axis in figure.axes:
        vertical = [line for line in axis.lines if list(line.get_ydata()) == [0, 1]]
        assert [line.get_xdata()[0] for line in vertical] == pytest.approx([0.3])


def test_effects_have_a_row_a_pair_and_a_colour_a_group():
    pairs = [("base", "concept_only"), ("ft", "concept_only"), ("ft", "base"), ("ft", "retrieved")]
    rows = [
        (g, q, *pair, 0.1, 0.0, 0.2) for g in ("all", "seen") for q in ("quality", "faithfulness") for pair in pairs
    ]
    table = pd.DataFrame(rows, columns=["group", "question", "arm", "baseline", "difference", "low", "high"])
    figure = figures.plot_effects(table)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["base − concept_only", "ft − concept_only", "ft − base"]  # retrieved is for the table
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["all", "seen"]
    colours = {container.lines[0].get_color() for container in figure.axes[0].containers}
    assert len(figure.axes[0].containers) == 6 and len(colours) == 2


def test_the_mechanism_shows_every_slope_and_the_paths_of_quality():
    outcomes, within = ("quality", "faithfulness"), ("concept", "concept and arm")
    keys = [(outcome, m, place) for outcome in outcomes for m in ("log_likelihood", "wording") for place in within]
    slopes = [(*key, 0.2, 0.1, 0.3) for key in keys]
    values = {"total": 0.5, "closeness": 9.0, "direct": 0.3, "indirect": 0.2}.items()
    paths = [(one, "ft", "log_likelihood", path, v, v - 0.1, v + 0.1) for one in outcomes for path, v in values]
    slopes = pd.DataFrame(slopes, columns=["outcome", "measure", "within", "slope", "low", "high"])
    paths = pd.DataFrame(paths, columns=["outcome", "arm", "measure", "path", "value", "low", "high"])
    left, right = figures.plot_mechanism(slopes, paths).axes
    assert len(left.containers) == len(slopes)
    assert [bar.lines[0].get_xdata()[0] for bar in right.containers] == pytest.approx([0.5, 0.3, 0.2])


def test_without_arms_to_compare_the_mechanism_says_so():
    slopes = pd.DataFrame(columns=["outcome", "measure", "within", "slope", "low", "high"])
    paths = pd.DataFrame(columns=["outcome", "arm", "measure", "path", "value", "low", "high"])
    assert "no finetuned arm" in figures.plot_mechanism(slopes, paths).texts[0].get_text()


def test_a_mean_a_rounding_error_beyond_its_interval_is_drawn():
    """As of an arm all of whose prompts are copies: the mean of ones, and an interval of ones."""
    rows = pd.DataFrame([("copied", "ft", 1.0, 1 + 2e-16, 1.0)], columns=["measure", "arm", "mean", "low", "high"])
    assert len(figures.plot_closeness(pd.concat([rows, rows.assign(measure="meaning")])).axes) == 2
