"""Stage 08: judge scores → means and differences of arms.

In: ``scores.parquet``, ``others.parquet``. Out, in ``08_judges/analysis/`` and, of further judges, in
``08_judges/analysis_others/``: ``means`` and ``comparison`` ``.parquet``. Ignored: which judge is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.effects import (
    COMPARISON_COLUMNS,
    MEANS_COLUMNS,
    bootstrap_means,
    compare_arms,
    in_order,
)
from c2i_lib.study import QUESTIONS

JUDGE_MEANS_COLUMNS = {**MEANS_COLUMNS, "question": "str"}
_IMAGE = ["arm", "concept", "image_id"]


def analyse_scores(
    scores_file: Path, out_dir: Path, arms: Sequence[str], resampling: Resampling
) -> dict[str, pd.DataFrame]:
    """Mean judge score per question and arm, in the order of ``arms``, and all differences: ``{name: table}``."""
    with Stage(out_dir, asdict(resampling), [scores_file], __name__) as stage:
        if not stage.done:
            scores = in_order(read_table(scores_file), arms)
            _write_tables(scores.melt(_IMAGE, list(QUESTIONS), "question", "score"), Path(out_dir), resampling)
    return _read_tables(Path(out_dir))


def analyse_others(
    others_file: Path, scores_file: Path, out_dir: Path, arms: Sequence[str], resampling: Resampling
) -> dict[str, pd.DataFrame]:
    """As ``analyse_scores``, of the further judges, whose names stand in ``question``; empty tables without any.

    ``scores_file`` tells the arm and concept of every image. Holm's correction is over all further judges.
    """
    with Stage(out_dir, asdict(resampling), [others_file, scores_file], __name__) as stage:
        if not stage.done:
            images = in_order(read_table(scores_file), arms)[_IMAGE]
            others = read_table(others_file).rename(columns={"judge": "question"})
            _write_tables(images.merge(others, on="image_id"), Path(out_dir), resampling)
    return _read_tables(Path(out_dir))


def _write_tables(scores: pd.DataFrame, folder: Path, resampling: Resampling) -> None:
    """Both tables of one row per image and question: ``arm, concept, image_id, question, score``."""
    means = [pd.DataFrame(columns=list(JUDGE_MEANS_COLUMNS))]
    for question, rows in scores.groupby("question", sort=False):
        means.append(bootstrap_means(rows, "score", resampling).assign(question=question))
    write_table(folder / "means.parquet", pd.concat(means[1:] or means), JUDGE_MEANS_COLUMNS)
    write_table(folder / "comparison.parquet", compare_arms(scores, "score", resampling), COMPARISON_COLUMNS)


def _read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("means", "comparison")}
