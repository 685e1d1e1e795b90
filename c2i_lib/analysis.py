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
                    f"{ratings_file} holds no ratings: let raters fill the sheets in 06_survey/survey_*/, then run "
                    f"python -m c2i_lib survey import --profile {profile.name} --run-dir … <rater>.csv …"
                )
            numbers = (settings.n_bootstrap, settings.confidence, profile.seed)
            write_table(folder / "table1.parquet", table1(ratings, *numbers))
            write_table(folder / "comparison.parquet", compare_arms(ratings, "rating", *numbers))
            write_table(folder / "agreement.parquet", agreement_table(ratings, profile.survey.scale_points))
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
