"""Paper-ready figures: vector PDF and PNG, the same bytes for the same data.

In: tables of the stages. Out: ``<name>.pdf`` and ``<name>.png``. Every figure carries the profile's label, and
"simulated raters" where ratings are simulated. Figures of the survey are in ``survey_figures.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from c2i_lib.reporting.style import ARM_COLORS, COLUMN, PAGE, in_style


def plot_funnel(report: Mapping) -> Figure:
    """Captions that are left after each reason for dropping (of ``report.json``), from read to kept."""
    steps = [("read", 0), *((name, n) for name, n in report["dropped"].items() if n)]
    left = report["read"] - np.cumsum([n for _, n in steps])
    with in_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 0.7 + 0.22 * len(steps)))
        axes.barh(range(len(steps)), left, color="#0072B2", height=0.7)
        for place, ((_, n), rest) in enumerate(zip(steps, left, strict=True)):
            text = f"{rest:,}" + (f"  (−{n:,})" if n else "")
            axes.annotate(text, (rest, place), (3, 0), textcoords="offset points", va="center", fontsize=6)
        axes.set(yticks=range(len(steps)), xlabel="captions left", xlim=(0, report["read"] * 1.35))
        axes.set_yticklabels(name.replace("_", " ") for name, _ in steps)
        axes.invert_yaxis()
        return figure


def plot_lengths(lengths: pd.DataFrame, measured: Mapping) -> Figure:
    """Distribution of caption lengths in tokens (``lengths.parquet``), with the mean that prompts take."""
    with in_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 1.8))
        longest = int(max(2 * measured["p95_tokens"], 10))
        shown = lengths[lengths["n_tokens"] <= longest]
        axes.bar(shown["n_tokens"], shown["captions"] / measured["captions"], width=1.0, color="#0072B2")
        beyond = 1 - shown["captions"].sum() / measured["captions"]
        names = {
            "mean": f"mean {measured['mean_tokens']:.1f}",
            "p95": f"95 % have at most {measured['p95_tokens']:.0f}",
        }
        axes.axvline(measured["mean_tokens"], color="0.2", linewidth=1, label=names["mean"])
        axes.axvline(measured["p95_tokens"], color="0.2", linewidth=1, linestyle=":", label=names["p95"])
        axes.set(xlabel=f"tokens a caption (longer than {longest}: {beyond:.1%})", ylabel="share of captions")
        axes.xaxis.set_major_locator(plt.matplotlib.ticker.MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=None))
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def plot_training(logs: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss (smoothed over 1/20 of the steps) and evaluation loss (points) against step, per arm."""
    with in_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 2.2))
        for arm, log in logs.items():
            smooth = log["loss"].rolling(max(1, len(log) // 20), min_periods=1).mean()
            axes.plot(log["step"], smooth, color=ARM_COLORS.get(arm), label=arm)
            evaluated = log.dropna(subset=["eval_loss"])
            axes.plot(evaluated["step"], evaluated["eval_loss"], "o", color=ARM_COLORS.get(arm), markersize=3)
        axes.set(xlabel="step", ylabel="loss per token (points: held-out)")
        axes.legend()
        return figure


def plot_candidates(candidates: pd.DataFrame, n_labels: int = 12) -> Figure:
    """Noun phrases by frequency and number of senses; the chosen ones in colour and named."""
    with in_style():
        figure, axes = plt.subplots(figsize=(PAGE, 2.6))
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(candidates))
        height = candidates["senses"] + jitter
        axes.scatter(candidates["document_frequency"], height, s=4, color="0.75", label="candidate")
        chosen = candidates[candidates["chosen"]].head(n_labels)
        axes.scatter(chosen["document_frequency"], height[chosen.index], s=14, color="#0072B2", label="chosen")
        # Names stand in a column beside the axes, because the best candidates often lie close together.
        line = {"arrowstyle": "-", "linewidth": 0.3, "color": "0.6"}
        in_order = chosen.assign(height=height[chosen.index]).sort_values(
            ["height", "document_frequency"], ascending=False
        )
        for place, row in enumerate(in_order.itertuples()):
            beside = (1.02, 1 - (place + 0.5) / n_labels)
            axes.annotate(
                row.phrase,
                (row.document_frequency, row.height),
                beside,
                textcoords="axes fraction",
                size=6,
                va="center",
                arrowprops=line,
            )
        axes.set(xscale="log", xlabel="captions with the phrase", ylabel="WordNet senses")
        axes.legend(loc="upper center")
        return figure


def plot_prompt_statistics(prompts: pd.DataFrame) -> Figure:
    """Perplexity under the base model and similarity to the nearest training caption, per arm."""
    with in_style():
        figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.0))
        arms = list(dict.fromkeys(prompts["arm"]))
        random = np.random.default_rng(0)
        for place, arm in enumerate(arms):
            group = prompts[prompts["arm"] == arm]
            for axis, column in zip(axes, ("perplexity", "similarity"), strict=True):
                across = place + random.uniform(-0.2, 0.2, len(group))
                axis.scatter(across, group[column], s=5, alpha=0.6, color=ARM_COLORS.get(arm))
                axis.hlines(group[column].median(), place - 0.3, place + 0.3, color=ARM_COLORS.get(arm))
        for axis, title in zip(axes, ("perplexity (base model)", "similarity to nearest caption"), strict=True):
            axis.set_xticks(range(len(arms)), arms, fontsize=5.5)
            axis.set_ylabel(title)
        axes[0].set_yscale("log")
        return figure


def plot_quality_faithfulness(quality: pd.DataFrame, faithfulness: pd.DataFrame) -> Figure:
    """Mean judge scores per arm with their intervals (``effects.bootstrap_means`` of each)."""
    with in_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 2.6))
        for across, up in zip(faithfulness.itertuples(), quality.itertuples(), strict=True):
            axes.errorbar(
                across.mean,
                up.mean,
                xerr=[[across.mean - across.low], [across.high - across.mean]],
                yerr=[[up.mean - up.low], [up.high - up.mean]],
                fmt="o",
                markersize=4,
                capsize=2,
                color=ARM_COLORS.get(across.arm),
                label=across.arm,
            )
        axes.set(xlabel="faithfulness (judge)", ylabel="quality (judge)")
        figure.legend(loc="outside upper center", ncols=3)  # inside, it would hide intervals
        return figure


def _wrap(text: str, width: int = 24, n_lines: int = 3) -> str:
    from textwrap import shorten, wrap

    return "\n".join(wrap(shorten(text, width * n_lines, placeholder=" …"), width))


def flagged_prompt(prompt: str, flagged: str) -> str:
    """A picture's caption in figures: its prompt, after what the picture is flagged as (``images.parquet``)."""
    return f"[flagged: {flagged}] {prompt}" if flagged else prompt


def plot_image_grid(images: pd.DataFrame, folder: Path, concepts: Sequence[str], sample: int = 0) -> Figure:
    """Concepts (rows) × arms (columns), one sample each, with the prompt below each picture. Flagged ones say so."""
    arms = list(dict.fromkeys(images["arm"]))
    with in_style():
        figure, axes = plt.subplots(len(concepts), len(arms), figsize=(PAGE, 1.75 * len(concepts)), squeeze=False)
        for line, concept in zip(axes, concepts, strict=True):
            for axis, arm in zip(line, arms, strict=True):
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
                is_shown = (images["concept"] == concept) & (images["arm"] == arm) & (images["sample"] == sample)
                for row in images[is_shown].itertuples():
                    axis.imshow(Image.open(Path(folder) / row.path), interpolation="lanczos")
                    axis.set_xlabel(_wrap(flagged_prompt(row.prompt, row.flagged)), fontsize=5.5)
            line[0].set_ylabel(concept, fontsize=8)
        for axis, arm in zip(axes[0], arms, strict=True):
            axis.set_title(arm)
        return figure


def plot_pictures(pictures: Sequence, captions: Sequence[str], columns: int = 4) -> Figure:
    """A plain grid of pictures with captions."""
    n_rows = -(-len(pictures) // columns)
    with in_style():
        figure, axes = plt.subplots(n_rows, columns, figsize=(PAGE, 2.1 * n_rows), squeeze=False)
        for axis in axes.flat:
            axis.axis("off")
        for axis, picture, caption in zip(axes.flat, pictures, captions, strict=False):
            axis.imshow(picture, interpolation="lanczos")
            axis.set_title(_wrap(caption, max(12, 112 // columns), 4), fontsize=6)
        return figure


def plot_overview(pictures: pd.DataFrame, folder: Path) -> Figure:
    """The data flow with an example, as the paper's Figure 1: concept → prompt of each arm → picture.

    ``pictures``: rows of ``images.parquet``, one an arm, of one concept.
    """
    n_rows, middle = len(pictures), {"ha": "center", "va": "center"}
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "linewidth": 0.8}
    with in_style():
        figure = plt.figure(figsize=(PAGE, 1.05 * n_rows + 0.2))
        grid = figure.add_gridspec(n_rows, 3, width_ratios=(1, 2.4, 1.2))
        start = figure.add_subplot(grid[:, 0])
        start.text(0.5, 0.5, pictures["concept"].iloc[0], fontsize=9, bbox={**box, "edgecolor": "0.4"}, **middle)
        columns = [start]
        for place, row in enumerate(pictures.itertuples()):
            color = ARM_COLORS.get(row.arm, "0.3")
            written, drawn = (figure.add_subplot(grid[place, column]) for column in (1, 2))
            prompt = _wrap(flagged_prompt(row.prompt, row.flagged), 44)
            written.text(0.5, 0.42, prompt, fontsize=7, bbox={**box, "edgecolor": color}, **middle)
            written.text(0.5, 0.9, row.arm, fontsize=7, color=color, weight="bold", **middle)
            drawn.imshow(Image.open(Path(folder) / row.path), interpolation="lanczos")
            _arrow(figure, (start, (0.72, 0.5)), (written, (0.1, 0.42)))
            _arrow(figure, (written, (0.9, 0.42)), (drawn, (-0.05, 0.5)))
            columns += [written, drawn]
        for axis in columns:
            axis.axis("off")
        names = ("concept", "prompt, by the language model", "picture, by the TTI model")
        for axis, name in zip(columns[:3], names, strict=True):
            axis.set_title(name, fontsize=7, color="0.3")
        return figure


def _arrow(figure: Figure, start: tuple, end: tuple) -> None:
    """An arrow between places, ``(axes, (x, y))`` in shares of the axes."""
    style = {"arrowstyle": "-|>", "color": "0.5", "linewidth": 0.8, "mutation_scale": 8}
    ends = {"coordsA": "axes fraction", "coordsB": "axes fraction", "axesA": start[0], "axesB": end[0]}
    figure.add_artist(plt.matplotlib.patches.ConnectionPatch(start[1], end[1], **ends, **style))
