"""Figures of the survey: how raters used the scale, agreed, and saw the arms, and what another study would need.

In: tables of stages 06 and 07. Out: matplotlib figures, for ``style.save_figure``. Ignored: how numbers came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from c2i_lib.reporting.style import PAGE, draw_interval, in_style

DIVERGING = ("#b2182b", "#ef8a62", "#f7f7f7", "#67a9cf", "#2166ac")
_MOST_RATERS, _MOST_PAIRS_NAMED = 40, 12  # that fit a page; raters that fit a table of their pairs
_EFFECT_COLORS = ("#56B4E9", "#0072B2", "#000000")


def _point_colors(scale_points: int) -> list:
    colors = plt.matplotlib.colors.LinearSegmentedColormap.from_list("likert", DIVERGING)
    return [colors(point / (scale_points - 1)) for point in range(scale_points)]


def _point_legend(figure: Figure, points: Sequence[int]) -> None:
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in _point_colors(len(points))]
    figure.legend(
        handles, list(map(str, points)), ncols=min(len(points), 11), loc="outside upper center", title="rating"
    )


def _draw_shares(axis: Axes, height: float, shares: Sequence[float], centred: bool) -> None:
    """One stacked bar of the shares of each point; ``centred`` on the middle of the scale."""
    half = len(shares) // 2
    left = -(sum(shares[:half]) + (shares[half] / 2 if len(shares) % 2 else 0)) if centred else 0.0
    for share, color in zip(shares, _point_colors(len(shares)), strict=True):
        axis.barh(height, share, left=left, color=color, edgecolor="0.3", linewidth=0.3, height=0.7)
        if share > 0.08:
            dark = sum(color[:3]) < 1.4
            color_of_text = "white" if dark else "black"
            style = {"ha": "center", "va": "center", "fontsize": 5.5, "color": color_of_text}
            axis.text(left + share / 2, height, f"{share:.0%}", **style)
        left += share


def plot_likert(ratings: pd.DataFrame, points: Sequence[int]) -> Figure:
    """Diverging stacked bars per question and arm: shares of each scale point, centred on the scale's middle."""
    arms = list(dict.fromkeys(ratings["arm"]))
    with in_style():
        figure, axes = _a_panel_a_question(ratings["question"].nunique(), 0.9 + 0.25 * len(arms))
        for axis, (question, group) in zip(axes, ratings.groupby("question", sort=False), strict=True):
            for height, arm in enumerate(arms):
                values = group.loc[group["arm"] == arm, "rating"]
                shares = values.value_counts(normalize=True).reindex(points, fill_value=0)
                _draw_shares(axis, height, shares.tolist(), centred=True)
            axis.axvline(0, color="0.3", linewidth=0.6)
            axis.set(xlabel=f"share of ratings: {question}", xlim=(-1, 1), yticks=range(len(arms)), yticklabels=arms)
            axis.xaxis.set_major_formatter(lambda share, _: f"{abs(share):.0%}")
        axes[0].invert_yaxis()
        _point_legend(figure, points)
        return figure


def _a_panel_a_question(n_questions: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of the page's width, ``height`` inches high, and its axes, ``(n_questions,)``, which share y."""
    figure, axes = plt.subplots(1, n_questions, figsize=(PAGE, height), sharey=True, squeeze=False)
    return figure, axes[0]


def plot_scale_use(raters: pd.DataFrame, points: Sequence[int]) -> Figure:
    """Each rater's shares of the scale's points (``raters.rater_table``), with their kappa with the others.

    Of more than 40 raters the 40 who agree least with the others, the least first.
    """
    kappas = raters.groupby("rater")["kappa"].mean()
    every, names = len(kappas), sorted(kappas.index)
    if every > _MOST_RATERS:
        names = kappas.sort_values(kind="stable").index[:_MOST_RATERS].tolist()
    columns = [f"share_{point}" for point in points]
    with in_style():
        figure, axes = _a_panel_a_question(raters["question"].nunique(), 0.9 + 0.22 * len(names))
        if len(names) < every:
            axes[0].set_ylabel(f"the {len(names)} of {every} raters who agree least")
        for axis, (question, group) in zip(axes, raters.groupby("question", sort=False), strict=True):
            of_rater = group.set_index("rater")
            for height, name in enumerate(names):
                if name in of_rater.index:
                    _draw_shares(axis, height, of_rater.loc[name, columns].tolist(), centred=False)
                    kappa = of_rater.loc[name, "kappa"]
                    axis.text(1.02, height, f"{kappa:.2f}" if np.isfinite(kappa) else "–", va="center", fontsize=6)
            axis.text(1.02, -0.75, "κ", va="center", fontsize=6)
            axis.set(xlabel=f"share of ratings: {question}", xlim=(0, 1), yticks=range(len(names)), yticklabels=names)
            axis.xaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
        axes[0].invert_yaxis()
        _point_legend(figure, points)
        return figure


def plot_differences(differences: pd.DataFrame, comparison: pd.DataFrame) -> Figure:
    """Differences of two arms: every concept's (grey) and their mean with its interval, per question.

    In colour where the interval excludes zero.
    """
    questions = list(dict.fromkeys(comparison["question"]))
    pairs = list(dict.fromkeys(zip(comparison["arm"], comparison["baseline"], strict=True)))
    with in_style():
        figure, axes = _a_panel_a_question(len(questions), 0.7 + 0.27 * len(pairs))
        for axis, question in zip(axes, questions, strict=True):
            for height, (arm, baseline) in enumerate(pairs):
                is_pair = (differences["arm"] == arm) & (differences["baseline"] == baseline)
                dots = differences.loc[is_pair & (differences["question"] == question), "difference"]
                jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(dots))
                axis.scatter(dots, height + jitter, s=5, color="0.7", linewidth=0)
                is_row = (comparison["arm"] == arm) & (comparison["baseline"] == baseline)
                row = comparison[is_row & (comparison["question"] == question)].iloc[0]
                color = "#D55E00" if row.low > 0 or row.high < 0 else "black"
                style = {"fmt": "o", "markersize": 3.5, "capsize": 2, "color": color}
                draw_interval(axis, row.difference, height, (row.low, row.high), **style)
            axis.axvline(0, color="0.5", linewidth=0.6, linestyle=":")
            names = [f"{arm} − {baseline}" for arm, baseline in pairs]
            axis.set(xlabel=f"difference of mean ratings: {question}", yticks=range(len(pairs)), yticklabels=names)
        axes[0].invert_yaxis()
        return figure


def _heat_map(axis: Axes, values: np.ndarray, names: Sequence, low: float, high: float, decimals: int) -> None:
    axis.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="equal")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "white" if value > (low + high) / 2 else "black"
            axis.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize=5.5, color=color)
    axis.set_xticks(range(len(names)), names, rotation=90 if len(str(names[-1])) > 2 else 0)
    axis.set_yticks(range(len(names)), names)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def plot_agreement(
    confusions: Mapping[str, np.ndarray], kappas: Mapping[str, pd.DataFrame], points: Sequence[int]
) -> Figure:
    """Per question: how two raters rate the same image (share of pairs), and each pair's quadratic kappa."""
    with in_style():
        figure, axes = plt.subplots(len(confusions), 2, figsize=(PAGE, 2.4 * len(confusions)), squeeze=False)
        for line, question in zip(axes, confusions, strict=True):
            shares = confusions[question]
            _heat_map(line[0], shares, points, 0, float(np.nanmax(shares)) if np.isfinite(shares).any() else 1, 2)
            line[0].set(xlabel="rating by one rater", ylabel=f"{question}\nrating by another")
            if len(kappas[question]) <= _MOST_PAIRS_NAMED:
                _heat_map(line[1], kappas[question].to_numpy(), list(kappas[question].columns), 0, 1, 2)
            else:  # too many to read
                values = kappas[question].to_numpy()[np.triu_indices(len(kappas[question]), 1)]
                line[1].hist(values[np.isfinite(values)], bins=30, color="#0072B2")
                line[1].set_ylabel("pairs of raters")
            line[1].set_xlabel("quadratic kappa of each pair of raters")
        return figure


def plot_variance(variance: pd.DataFrame) -> Figure:
    """Shares of the variance of ratings, per question (``variance.decompose``), or why there are none."""
    components = list(dict.fromkeys(variance["component"]))
    colors = dict(zip(components, ("#009E73", "#0072B2", "#56B4E9", "#E69F00", "#BBBBBB"), strict=False))
    colors["rest"] = "#BBBBBB"
    with in_style():
        questions = list(dict.fromkeys(variance["question"]))
        figure, axis = plt.subplots(figsize=(PAGE, 0.8 + 0.28 * len(questions)))
        for height, question in enumerate(questions):
            left, rows = 0.0, variance[variance["question"] == question]
            if rows["share"].isna().any():
                axis.barh(height, 0.0, height=0.65)  # keeps the question's place
                axis.text(0.01, height, fill(rows["reason"].iloc[0], 110), va="center", fontsize=6)
                continue
            for row in rows.itertuples():
                axis.barh(height, row.share, left=left, color=colors[row.component], height=0.65)
                if row.share > 0.04:
                    axis.text(left + row.share / 2, height, f"{row.share:.0%}", ha="center", va="center", fontsize=6)
                left += row.share
        axis.set(
            xlim=(0, 1), yticks=range(len(questions)), yticklabels=questions, xlabel="share of the variance of ratings"
        )
        axis.xaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
        axis.invert_yaxis()
        handles = [plt.Rectangle((0, 0), 1, 1, color=colors[name]) for name in components]
        figure.legend(handles, components, ncols=len(components), loc="outside upper center")
        return figure


def plot_power(power: pd.DataFrame, n_concepts: int) -> Figure:
    """Power against the number of concepts for several true differences, per question; this study's size is marked."""
    questions = list(dict.fromkeys(power["question"]))
    with in_style():
        figure, axes = plt.subplots(1, len(questions), figsize=(PAGE, 2.1), sharey=True, squeeze=False)
        for axis, question in zip(axes[0], questions, strict=True):
            of_question = power[power["question"] == question]
            for color, (effect, rows) in zip(_EFFECT_COLORS, of_question.groupby("effect"), strict=False):
                axis.plot(
                    rows["n_concepts"], rows["power"], "o-", markersize=3, color=color, label=f"{effect:g} points"
                )
            axis.axhline(0.8, color="0.6", linewidth=0.6, linestyle=":")
            axis.axvline(n_concepts, color="#D55E00", linewidth=0.8, label="this study")
            axis.set(xlabel=f"concepts ({question})", ylim=(0, 1.02))
        axes[0, 0].set_ylabel("share of studies that find it")
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, ncols=len(names), loc="outside upper center")
        return figure
