"""Stages 07 and 08: ratings and judge scores → the tables behind every figure.

In: ``ratings.parquet`` or ``scores.parquet``. Out, in ``07_analysis/``: ``table1``, ``comparison`` and
``agreement`` ``.parquet``; in ``08_judges/analysis/``: ``means`` and ``comparison`` ``.parquet``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.agreement import agreement_table
from c2i_lib.config import Profile
from c2i_lib.effects import bootstrap_means, compare_arms, table1
from c2i_lib.errors import C2IError
from c2i_lib.files import write_table
from c2i_lib.stage import Stage, read_table

QUESTIONS = ("quality", "faithfulness")


def in_order(table: pd.DataFrame, arms: tuple[str, ...]) -> pd.DataFrame:
    """Rows in the profile's order of arms, so that every table and figure shows them alike."""
    return (
        table.assign(arm=pd.Categorical(table["arm"], arms))
        .sort_values(["arm"], kind="stable", ignore_index=True)
        .astype({"arm": str})
    )


def analyse_ratings(ratings_file: Path, out_dir: Path, profile: Profile) -> dict[str, pd.DataFrame]:
    """Table 1 with intervals, all differences between arms, and agreement: ``{name: table}``.

    Raises ``C2IError`` when there are no ratings yet.
    """
    folder, settings = Path(out_dir), profile.analysis
    key = {**settings.model_dump(), "seed": profile.seed, "scale_points": profile.survey.scale_points}
    with Stage(folder, key, [ratings_file]) as stage:
        if not stage.done:
            ratings = in_order(read_table(ratings_file), profile.survey.arms)
            if ratings.empty:
                raise C2IError(
                    f"{ratings_file} holds no ratings yet. Copy 06_survey/survey_*/ for each rater, let them fill "
                    "sheet.csv and name it after them, and run: python -m c2i_lib survey import --run-dir "
                    f"{folder.parent} <rater>.csv …  (08 needs no ratings: add --from 8 to the run command)"
                )
            if ratings["simulated"].nunique() > 1:
                raise C2IError(f"{ratings_file} mixes simulated and human ratings, which must not be averaged")
            numbers = (settings.n_bootstrap, settings.confidence, profile.seed)
            tables = {
                "table1": table1(ratings, *numbers),
                "comparison": compare_arms(ratings, "rating", *numbers),
                "agreement": agreement_table(ratings, profile.survey.scale_points),
            }
            for name, table in tables.items():
                write_table(folder / f"{name}.parquet", table.assign(simulated=bool(ratings["simulated"].any())))
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("table1", "comparison", "agreement")}


def analyse_scores(scores_file: Path, out_dir: Path, profile: Profile) -> dict[str, pd.DataFrame]:
    """Mean judge score per question and arm, and all differences between arms: ``{name: table}``."""
    folder, settings = Path(out_dir), profile.analysis
    with Stage(folder, {**settings.model_dump(), "seed": profile.seed}, [scores_file]) as stage:
        if not stage.done:
            scores = in_order(read_table(scores_file), profile.prompts.arms)
            numbers = (settings.n_bootstrap, settings.confidence, profile.seed)
            means = [bootstrap_means(scores, question, *numbers).assign(question=question) for question in QUESTIONS]
            write_table(folder / "means.parquet", pd.concat(means, ignore_index=True))
            long = scores.melt(["arm", "concept"], list(QUESTIONS), "question", "score")
            write_table(folder / "comparison.parquet", compare_arms(long, "score", *numbers))
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("means", "comparison")}
