"""Stage 08: judge scores → means and differences of arms.

In: ``scores.parquet``, ``others.parquet``. Out, in ``08_judges/analysis/`` and, of further judges, in
``08_judges/analysis_others/``: ``means`` and ``comparison`` ``.parquet``. Ignored: which judge is right.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config import Profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics.effects import bootstrap_means, compare_arms, in_order
from c2i_lib.study import QUESTIONS


def analyse_scores(scores_file: Path, out_dir: Path, profile: Profile) -> dict[str, pd.DataFrame]:
    """Mean judge score per question and arm, and all differences between arms: ``{name: table}``."""
    folder, settings = Path(out_dir), profile.analysis
    with Stage(folder, {**settings.model_dump(), "seed": profile.seed}, [scores_file], __name__) as stage:
        if not stage.done:
            scores = in_order(read_table(scores_file), profile.prompts.arms)
            numbers = (settings.n_bootstrap, settings.confidence, profile.seed)
            means = [bootstrap_means(scores, question, *numbers).assign(question=question) for question in QUESTIONS]
            write_table(folder / "means.parquet", pd.concat(means, ignore_index=True))
            long = scores.melt(["arm", "concept", "image_id"], list(QUESTIONS), "question", "score")
            write_table(folder / "comparison.parquet", compare_arms(long, "score", *numbers))
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("means", "comparison")}


def analyse_others(others_file: Path, scores_file: Path, out_dir: Path, profile: Profile) -> dict[str, pd.DataFrame]:
    """As ``analyse_scores``, of the further judges, whose names stand in ``question``; empty tables without any.

    ``scores_file`` tells the arm and concept of every image. Holm's correction is over all further judges.
    """
    folder, settings = Path(out_dir), profile.analysis
    key = {**settings.model_dump(), "seed": profile.seed}
    with Stage(folder, key, [others_file, scores_file], __name__) as stage:
        if not stage.done:
            images = in_order(read_table(scores_file), profile.prompts.arms)[["image_id", "arm", "concept"]]
            long = images.merge(read_table(others_file).rename(columns={"judge": "question"}), on="image_id")
            numbers = (settings.n_bootstrap, settings.confidence, profile.seed)
            means = [pd.DataFrame(columns=["arm", "mean", "low", "high", "question"])]
            for judge, own in long.groupby("question", sort=False):
                means.append(bootstrap_means(own, "score", *numbers).assign(question=judge))
            write_table(folder / "means.parquet", pd.concat(means[1:] or means, ignore_index=True))
            write_table(folder / "comparison.parquet", compare_arms(long, "score", *numbers))
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("means", "comparison")}
