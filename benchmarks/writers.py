"""Do written prompts make better pictures than the bare concept, and still show it?

    python benchmarks/writers.py [--quick] [--run-dir RUN] [--second RUN] [--out figures/writers]

120 concepts that nobody tuned for, in four groups (``writers_concepts.txt``); every arm writes three prompts for
each, and all pictures of a sample start from the same noise. The arms: the bare concept; the nearest training
caption; an instruct model that is asked to rewrite; ``ft_good`` as it comes; and ``ft_good`` by the best of sixteen
texts, which is what ``c2i imagine`` does (``--second``: and as another run's finetuning, from another seed, does it).
Judged by both quality judges and by both faithfulness judges of the embedded world; none of them took part:
``ft_good`` learned from captions whose pictures are known to be good or poor, and texts are chosen by text alone.
Concepts are the unit: differences to the bare concept with their intervals over concepts, qualities in standard
deviations within a concept.

Prints a table; the last line is one JSON object. ``--out`` gets prompts, scores, prompts to read, a figure, and a page
of results (``README.md``); prompts that lie there are not written again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm

from c2i_lib.config.judges import JudgeModel
from c2i_lib.generator import PromptWriter, Renderer
from c2i_lib.models.device import quiet_libraries
from c2i_lib.models.judges import load_judge, score_pictures
from c2i_lib.records.files import seed_of
from c2i_lib.reporting.style import in_style, save_figure
from c2i_lib.run.places import Run
from c2i_lib.run.ready import READY, find_tool
from c2i_lib.stages.images import to_pixels
from c2i_lib.statistics.bootstrap import cluster_interval

BARE = "concept_only"
WRITERS = {  # name → arm, candidates
    BARE: (BARE, 1),
    "retrieved": ("retrieved", 1),
    "rewrite": ("rewrite", 1),
    "ft_good": ("ft_good", 1),
    "ft_good, best text of 16": ("ft_good", 16),
}
QUALITIES = {"quality": "embedded:quality", "quality_2": "embedded:quality-selecting"}
FAITH = {
    "faithfulness": ("scene_parts", "embedded:parts"),
    "faithfulness_2": ("scene_match", "embedded:match"),
}
TOOL, SECOND = "ft_good, best text of 16", "ft_good, best text of 16, second seed"
N_SAMPLES = 3
N_TO_READ = 60
QUALITY_BAR, FAITH_MARGIN = 0.3, 0.03


def read_concepts(path: Path, quick: bool) -> pd.DataFrame:
    """Columns ``concept`` and ``group``; a group begins with a line that starts with #."""
    rows, group = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            group = line.lstrip("# ")
        elif line.strip():
            rows.append({"concept": line.strip(), "group": group})
    table = pd.DataFrame(rows)
    return table.groupby("group", sort=False).head(3) if quick else table


def write_prompts(run: Run, concepts: pd.DataFrame, second: Run | None) -> pd.DataFrame:
    """One row for each writer, concept and sample."""
    writers = [(name, run, arm, n) for name, (arm, n) in WRITERS.items()]
    if second:
        writers.append((SECOND, second, *WRITERS[TOOL]))
    rows = []
    for name, own_run, arm, n_candidates in writers:
        prompts = own_run.profile.prompts.model_copy(update={"candidates": {arm: n_candidates}})
        profile = own_run.profile.model_copy(update={"prompts": prompts})
        writer = PromptWriter(Run(own_run.directory, profile, own_run.name), arm)
        for concept, group in tqdm(concepts.to_numpy(), desc=name, mininterval=5):
            for sample, one in enumerate(writer.write(concept, N_SAMPLES)):
                seed = seed_of(0, concept, sample)  # of the noise: the same for all writers
                own = {"writer": name, "concept": concept, "group": group, "sample": sample}
                rows.append({**own, "prompt": one.prompt, "seed": seed})
    return pd.DataFrame(rows)


def draw(run: Run, table: pd.DataFrame) -> np.ndarray:
    """uint8 ``(n, 128, 128, 3)``: a picture of each prompt."""
    renderer = Renderer(run)
    drawn = renderer.draw(table["prompt"].tolist(), table["seed"].tolist(), renderer.settings)
    return np.stack([to_pixels(image) for image, _ in tqdm(drawn, total=len(table), desc="pictures", mininterval=5)])


def score(table: pd.DataFrame, pictures: np.ndarray) -> pd.DataFrame:
    """``table`` with a column for each judge."""
    judges = {name: ("scene_quality", model) for name, model in QUALITIES.items()} | FAITH
    for name, (kind, model) in judges.items():
        judge = load_judge(JudgeModel(kind=kind, model=model))
        table[name] = score_pictures(judge, pictures, table["concept"].tolist(), 64, name)
    return table


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Every writer minus the bare concept, overall and by group, with the interval over concepts.

    Qualities are in standard deviations of the bare concept's pictures within a concept.
    """
    rows = []
    for judge in (*QUALITIES, *FAITH):
        bare = table[table["writer"] == BARE].groupby("concept")[judge]
        unit = float(np.sqrt(bare.var().mean())) if judge in QUALITIES else 1.0
        means = table.groupby(["group", "concept", "writer"])[judge].mean().unstack("writer")
        gains = means.sub(means[BARE], axis=0).drop(columns=BARE) / unit
        parts = {"all": gains} | dict(tuple(gains.groupby(level="group")))
        for group, part in parts.items():
            low, high = cluster_interval(part.to_numpy())
            for index, writer in enumerate(part.columns):
                own = {"judge": judge, "group": group, "writer": writer, "difference": part[writer].mean()}
                rows.append({**own, "low": low[index], "high": high[index]})
    return pd.DataFrame(rows)


def plot_frontier(found: pd.DataFrame) -> Figure:
    """Quality against faithfulness, each as the difference to the bare concept, with intervals."""
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.subplots()
    overall = found[found["group"] == "all"].set_index(["judge", "writer"])
    for index, writer in enumerate(overall.loc["quality"].index):
        x, y = (overall.loc[(judge, writer)] for judge in ("faithfulness", "quality"))
        color = matplotlib.color_sequences["tab10"][index]
        axes.errorbar(
            x["difference"],
            y["difference"],
            xerr=[[x["difference"] - x["low"]], [x["high"] - x["difference"]]],
            yerr=[[y["difference"] - y["low"]], [y["high"] - y["difference"]]],
            fmt="o",
            color=color,
            label=writer,
        )
    axes.plot(0, 0, "ks", label="bare concept")
    axes.axhline(0, color="0.8", zorder=0)
    axes.axvline(0, color="0.8", zorder=0)
    axes.set_xlabel("faithfulness, difference to the bare concept")
    axes.set_ylabel("quality, difference in standard deviations")
    axes.legend(fontsize="small")
    return figure


def verdicts(found: pd.DataFrame) -> list[str]:
    """For each judge, whether the tool reaches its bar against the bare concept."""
    lines = []
    for judge in (*QUALITIES, *FAITH):
        row = found[(found["judge"] == judge) & (found["group"] == "all") & (found["writer"] == TOOL)].iloc[0]
        if judge in QUALITIES:
            reached, bar = row["difference"] >= QUALITY_BAR and row["low"] > 0, f"at least +{QUALITY_BAR}, interval > 0"
        else:
            reached, bar = row["low"] >= -FAITH_MARGIN, f"interval above -{FAITH_MARGIN}"
        value = f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
        lines.append(f"{judge}: {value} ({bar}): {'reached' if reached else 'not reached'}")
    return lines


def write_page(out: Path, found: pd.DataFrame, n_concepts: int) -> None:
    """``README.md`` of the results: figure, verdicts, differences over all concepts and in each group."""
    own = found.assign(
        value=[f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}]" for row in found.itertuples()],
    )
    judges = [*QUALITIES, *FAITH]
    parts = [
        "# Do written prompts make better pictures than the bare concept?",
        f"Made by `python benchmarks/writers.py --out {out.as_posix()}`: {n_concepts} concepts, {N_SAMPLES} prompts "
        "each, differences to the bare concept with 95 % intervals over concepts. Quality in standard deviations "
        "within a concept, faithfulness as the share of the concept's parts that the picture shows. "
        f"Prompts and scores: `scores.csv`; {N_TO_READ} prompts of the tool to read: `prompts_to_read.txt`.",
        "![quality against faithfulness](frontier.png)",
        f"The tool ({TOOL}) against the bare concept:",
        "\n".join(f"- {line}" for line in verdicts(found)),
    ]
    for group, rows in own.groupby("group", sort=False):
        wide = rows.pivot(index="writer", columns="judge", values="value")[judges]
        lines = [" | ".join(["", "writer", *judges, ""]).strip(), "| --- " * (1 + len(judges)) + "|"]
        lines += [
            " | ".join(["", name, *row, ""]).strip() for name, row in zip(wide.index, wide.to_numpy(), strict=True)
        ]
        parts += [f"## {'All concepts' if group == 'all' else group.capitalize()}", "\n".join(lines)]
    (out / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def save(out: Path, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """Scores, differences, prompts to read, the figure and the page."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "scores.csv", index=False, float_format="%.4f")
    found.to_csv(out / "differences.csv", index=False, float_format="%.3f")
    own = table[table["writer"] == TOOL]
    own = own.sample(min(N_TO_READ, len(own)), random_state=0)
    lines = [f"{number}. [{row.concept}] {row.prompt}" for number, row in enumerate(own.itertuples(), 1)]
    (out / "prompts_to_read.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with in_style():
        save_figure(plot_frontier(found), out, "frontier")
    write_page(out, found, table["concept"].nunique())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three concepts of each group")
    parser.add_argument("--run-dir", default=READY, help=f"whose writers (default: {READY}, the ready writer)")
    parser.add_argument("--second", help="another run, finetuned from another seed")
    parser.add_argument("--concepts", type=Path, default=Path(__file__).with_name("writers_concepts.txt"))
    parser.add_argument("--out", type=Path, help="folder for scores, prompts and the figure")
    args = parser.parse_args()
    quiet_libraries()
    run = find_tool(None, args.run_dir)
    concepts, kept = read_concepts(args.concepts, args.quick), args.out / "prompts.csv" if args.out else None
    if kept and kept.is_file():
        table = pd.read_csv(kept)
    else:
        table = write_prompts(run, concepts, find_tool(None, args.second) if args.second else None)
        if kept:
            args.out.mkdir(parents=True, exist_ok=True)
            table.to_csv(kept, index=False)
    found = differences(score(table, draw(run, table)))
    if args.out:
        save(args.out, table, found)
    with pd.option_context("display.width", 200, "display.max_rows", 200):
        print(found.round(3).to_string(index=False))
    overall = found[found["group"] == "all"]
    keys = overall["writer"] + ", " + overall["judge"]
    print("\n".join(verdicts(found)))
    print(json.dumps(dict(zip(keys, overall["difference"].round(3).tolist(), strict=True))))


if __name__ == "__main__":
    main()
