"""Figures of best of n and of the hypothesis: the frontier, closeness of prompts, effects, and the mechanism.

In: tables of ``selection.py`` and ``hypothesis.py``. Out: matplotlib figures, which ``figures.save_figure`` writes.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from c2i_lib.reporting.style import ARM_COLORS, PAGE, in_style

MEASURE_NAMES = {
    "log_likelihood": "log-likelihood\n(held-out caption model)",
    "meaning": "cosine to captions\nin meaning",
    "wording": "cosine to nearest\ncaption in wording",
    "copied": "share copied\nword for word",
    "cloud_distance": "distance of clouds\n(lower is closer)",
}
GROUP_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
OUTCOME_COLORS = {"quality": "#0072B2", "faithfulness": "#D55E00"}


def _ends(value: float, low: float, high: float) -> list[list[float]]:
    """Lengths of an error bar. The mean of equal values can lie a rounding error beyond its interval."""
    return [[max(0.0, value - low)], [max(0.0, high - value)]]


def _bar(axis: Axes, place: float, row: pd.Series, color: str, value: str = "mean", **style: object) -> None:
    """A horizontal interval with its point."""
    axis.errorbar(
        row[value],
        place,
        xerr=_ends(row[value], row["low"], row["high"]),
        fmt="o",
        markersize=3,
        capsize=1.5,
        color=color,
        **style,
    )


def plot_frontier(frontier: pd.DataFrame, gate: float) -> Figure:
    """Quality against faithfulness of the best of n, by the judges that report. Left: as n grows, without a gate
    (dotted) and with ``gate`` (solid); right: as the gate rises from none, at the largest n. Bars are intervals of the
    last point."""
    largest = frontier["n"].max()
    with in_style():
        figure, axes = plt.subplots(1, 2, figsize=(PAGE, 3.0), sharex=True, sharey=True)
        for arm, rows in frontier.groupby("arm", sort=False):
            single, color = rows[rows["n"] == 1], ARM_COLORS.get(arm)
            gated, free = (pd.concat([single, rows[part]]) for part in (rows["gate"] == gate, rows["gate"].isna()))
            _path(axes[0], free.drop_duplicates("n"), color, ":")
            _path(axes[0], gated, color, "-", arm)
            _path(axes[1], rows[rows["n"] == largest].sort_values("gate", na_position="first"), color, "-")
        baseline = frontier[(frontier["arm"] == "concept_only") & (frontier["n"] == 1)]
        titles = (
            f"n from 1 to {largest}: no gate (dotted), gate {gate:g} (solid)",
            f"gate from none up, n = {largest}",
        )
        for axis, title in zip(axes, titles, strict=True):
            for value in baseline["faithfulness"]:
                axis.axvline(value, color="0.7", linewidth=0.6, zorder=0)
            axis.set(xlabel="faithfulness (reporting judge)", title=title)
        axes[0].set_ylabel("quality (reporting judge)")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
        return figure


def _path(axis: Axes, rows: pd.DataFrame, color: str | None, style: str, label: str | None = None) -> None:
    """Points in their order, joined, growing from the first to the last, which has its interval."""
    axis.plot(rows["faithfulness"], rows["quality"], style, color=color, linewidth=1, label=label)
    sizes = np.linspace(6, 26, len(rows))
    axis.scatter(rows["faithfulness"], rows["quality"], s=sizes, color=color, zorder=3)
    last = rows.iloc[-1]
    across, up = (_ends(last[name], last[f"{name}_low"], last[f"{name}_high"]) for name in ("faithfulness", "quality"))
    axis.errorbar(last["faithfulness"], last["quality"], yerr=up, xerr=across, color=color, linewidth=0.5, alpha=0.5)


def plot_closeness(closeness: pd.DataFrame, reference: str = "captions") -> Figure:
    """Every measure of closeness per arm with intervals; the grey line is held-out captions themselves."""
    measures = [name for name in MEASURE_NAMES if name in set(closeness["measure"])]
    arms = [arm for arm in dict.fromkeys(closeness["arm"]) if arm != reference]
    with in_style():
        figure, axes = plt.subplots(1, len(measures), figsize=(PAGE, 1.9), sharey=True)
        for axis, measure in zip(axes, measures, strict=True):
            rows = closeness[closeness["measure"] == measure].set_index("arm")
            for place, arm in enumerate(arms):
                _bar(axis, place, rows.loc[arm], ARM_COLORS.get(arm, "0.3"))
            if reference in rows.index:
                axis.axvline(rows.loc[reference, "mean"], color="0.6", linewidth=0.8, zorder=0)
            axis.set_title(MEASURE_NAMES[measure], fontsize=6.5)
        axes[0].set_yticks(range(len(arms)), arms)
        axes[0].invert_yaxis()
        return figure


def plot_effects(effects: pd.DataFrame, baselines: Sequence[str] = ("concept_only", "base")) -> Figure:
    """Differences of the arms from the baselines, in every group of concepts, with intervals; a panel per question."""
    shown = effects[effects["baseline"].isin(baselines)]
    pairs = list(dict.fromkeys(zip(shown["arm"], shown["baseline"], strict=True)))
    groups = list(dict.fromkeys(shown["group"]))
    with in_style():
        figure, axes = plt.subplots(1, 2, figsize=(PAGE, 0.32 * len(pairs) + 0.7), sharey=True)
        for axis, (question, rows) in zip(axes, shown.groupby("question", sort=False), strict=True):
            for row in rows.to_dict("records"):
                group = groups.index(row["group"])
                place = pairs.index((row["arm"], row["baseline"])) + 0.22 * (group - (len(groups) - 1) / 2)
                label = row["group"].replace("_", " ") if (row["arm"], row["baseline"]) == pairs[0] else None
                _bar(axis, place, row, GROUP_COLORS[group], "difference", label=label)
            axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
            axis.set(xlabel=f"difference in {question} (judge)")
        axes[0].set_yticks(range(len(pairs)), [f"{arm} − {baseline}" for arm, baseline in pairs])
        axes[0].invert_yaxis()
        if len(groups) > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(groups))
        return figure


def plot_mechanism(slopes: pd.DataFrame, mediation: pd.DataFrame) -> Figure:
    """Left: how quality and faithfulness go with closeness within a concept (dots), and within concept and arm (rings).
    Right: an arm's effect on quality against ``base``, and how much of it goes through the log-likelihood of its
    prompts (or through the first measure there is)."""
    measures = list(dict.fromkeys(slopes["measure"]))
    with in_style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.4))
        if mediation.empty:
            figure.text(0.5, 0.5, "no finetuned arm to compare with base", ha="center")
            return figure
        for row in slopes.to_dict("records"):
            number = list(OUTCOME_COLORS).index(row["outcome"]) * 2 + (row["within"] != "concept")
            fill = {} if row["within"] == "concept" else {"markerfacecolor": "white"}
            label = f"{row['outcome']}, within {row['within']}" if row["measure"] == measures[0] else None
            place = measures.index(row["measure"]) + 0.17 * (number - 1.5)
            _bar(left, place, row, OUTCOME_COLORS[row["outcome"]], "slope", label=label, **fill)
        left.set_yticks(range(len(measures)), [MEASURE_NAMES[name] for name in measures], fontsize=6.5)
        left.set_xlabel("slope (standard deviations)")
        left.invert_yaxis()
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, fontsize=6)
        _draw_paths(right, mediation[(mediation["measure"] == measures[0]) & (mediation["outcome"] == "quality")])
        for axis in (left, right):
            axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        return figure


def _draw_paths(axis: Axes, rows: pd.DataFrame) -> None:
    arms, paths = list(dict.fromkeys(rows["arm"])), {"total": "o", "direct": "s", "indirect": "D"}
    for row in rows[rows["path"].isin(paths)].to_dict("records"):
        offset = 0.22 * (list(paths).index(row["path"]) - 1)
        ends = _ends(row["value"], row["low"], row["high"])
        style = {"fmt": paths[row["path"]], "markersize": 3, "capsize": 1.5, "color": ARM_COLORS.get(row["arm"])}
        axis.errorbar(row["value"], arms.index(row["arm"]) + offset, xerr=ends, **style)
    for path, marker in paths.items():
        axis.plot([], [], marker, color="0.3", markersize=3, label=path)
    axis.set_yticks(range(len(arms)), [f"{arm} − base" for arm in arms])
    axis.set_xlabel("effect on quality (judge)")
    axis.invert_yaxis()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=6)
