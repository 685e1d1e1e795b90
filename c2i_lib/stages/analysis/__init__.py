"""Stages 07 and 08: ratings and judge scores → the tables behind every figure.

In: ``ratings.parquet`` and ``items.parquet``, or ``scores.parquet``. Out, in ``07_analysis/``: ``table1``,
``comparison``, ``differences``, ``agreement``, ``raters``, ``variance`` and ``power`` ``.parquet``, and ``validity``
where people rated; in ``08_judges/analysis/``, and of further judges in ``08_judges/analysis_others/``: ``means`` and
``comparison`` ``.parquet``.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd

from c2i_lib.config import Profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics import mixed_model
from c2i_lib.statistics.agreement import agreement_table
from c2i_lib.statistics.agreement.raters import rater_table
from c2i_lib.statistics.effects import compare_arms, concept_differences, in_order, table1
from c2i_lib.statistics.power import power_table
from c2i_lib.statistics.validity import judge_validity
from c2i_lib.statistics.variance import decompose
from c2i_lib.study import QUESTIONS

POWER_CONCEPTS = (5, 10, 15, 20, 30, 50, 75, 100)

POWER_EFFECTS = (0.15, 0.3, 0.5)  # points; the paper's gains are .15 and .23, its loss .30


def read_ratings(ratings_file: Path, profile: Profile) -> pd.DataFrame:
    """Ratings of all items without the raters that the profile leaves out.

    Raises ``C2IError`` when there are none yet, when simulated and human ratings are mixed, when the profile takes
    people's only, and when it leaves out a rater who is not there.
    """
    ratings = read_table(ratings_file)
    if ratings.empty:
        raise C2IError(
            f"{ratings_file} holds no ratings yet. Collect some: python -m c2i_lib survey serve --run-dir "
            f"{Path(ratings_file).parents[2]}; or: python -m c2i_lib survey import FILE. Then run again from 6 "
            "(08 needs no ratings: add --from 8 to the run command)"
        )
    if ratings["simulated"].nunique() > 1:
        raise C2IError(f"{ratings_file} mixes simulated and human ratings, which must not be averaged")
    if ratings["simulated"].any() and not profile.survey.simulate_raters:
        raise C2IError(f"{ratings_file} is of simulated raters, and profile {profile.name} takes people's only")
    unknown = set(profile.analysis.left_out_raters) - set(ratings["rater"])
    if unknown:
        raise C2IError(
            f"analysis.left_out_raters names {sorted(unknown)}, but the raters are {sorted(ratings['rater'].unique())}"
        )
    return ratings[~ratings["rater"].isin(profile.analysis.left_out_raters)].reset_index(drop=True)


def images_only(ratings: pd.DataFrame, arms: tuple[str, ...]) -> pd.DataFrame:
    """Ratings of images, each once a rater: no repeats, no checks, and nothing that a rater could not judge."""
    return in_order(ratings[ratings["kind"] == "image"].dropna(subset=["rating"]), arms)


def _all_tables(ratings: pd.DataFrame, items: pd.DataFrame, profile: Profile) -> dict[str, pd.DataFrame]:
    settings, points, arms = profile.analysis, profile.survey.scale_points, profile.survey.arms
    numbers, images = (settings.n_bootstrap, settings.confidence, profile.seed), images_only(ratings, arms)
    pairs = combinations(dict.fromkeys(images["arm"]), 2)
    parts = [concept_differences(images, arm, base).assign(arm=arm, baseline=base) for base, arm in pairs]
    n_raters, n_samples = profile.survey.raters_per_survey, profile.prompts.n_per_concept
    shape = (POWER_CONCEPTS, POWER_EFFECTS, n_samples, n_raters)
    powers = [power_table(*shape, question, seed=profile.seed).assign(question=question) for question in QUESTIONS]
    return {
        "table1": table1(images, *numbers),
        "comparison": compare_arms(images, "rating", *numbers),
        "differences": pd.concat(parts, ignore_index=True),
        "agreement": agreement_table(images, points, *numbers),
        "raters": rater_table(ratings, items, QUESTIONS, points),
        "variance": decompose(images),
        "power": pd.concat(powers, ignore_index=True),
    }


def analyse_ratings(
    ratings_file: Path,
    items_file: Path,
    out_dir: Path,
    profile: Profile,
    scores_file: Path | None = None,
    others_file: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables of the survey: ``{name: table}``. With ``scores_file`` and ratings of people, ``validity`` compares
    the judges with them, also those of ``others_file``. Raises ``C2IError`` as ``read_ratings`` does.
    """
    folder = Path(out_dir)
    key = {**profile.analysis.model_dump(), "seed": profile.seed, "scale_points": profile.survey.scale_points}
    key |= {"raters_per_survey": profile.survey.raters_per_survey, "n_per_concept": profile.prompts.n_per_concept}
    inputs = [ratings_file, items_file, *(file for file in (scores_file, others_file) if file)]
    with Stage(folder, key, inputs, __name__) as stage:
        if not stage.done:
            ratings, items = read_ratings(ratings_file, profile), read_table(items_file)
            results = _all_tables(ratings, items, profile)
            simulated = bool(ratings["simulated"].any())
            if scores_file and not simulated:
                numbers = (profile.analysis.n_bootstrap, profile.analysis.confidence, profile.seed)
                others = read_table(others_file) if others_file else None
                judged = _judged(read_table(scores_file), others, profile)
                results["validity"] = judge_validity(ratings, judged, *numbers)
            for name, table in results.items():
                write_table(folder / f"{name}.parquet", table.assign(simulated=simulated))
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def _judged(scores: pd.DataFrame, others: pd.DataFrame | None, profile: Profile) -> pd.DataFrame:
    """Scores for ``judge_validity``. A reporting judge, called by its kind, is compared with the ratings of its own
    question, a further one with both."""
    parts = [
        scores[["image_id"]].assign(judge=judge.kind, question=question, score=scores[question])
        for question, judge in zip(QUESTIONS, (profile.judges.quality, profile.judges.faithfulness), strict=True)
    ]
    parts += [others.assign(question=question) for question in QUESTIONS] if others is not None else []
    return pd.concat(parts, ignore_index=True)


def fit_mixed_model(ratings_file: Path, out_dir: Path, profile: Profile) -> tuple[pd.DataFrame, str]:
    """The ordinal mixed model of R's clmm: its effects, and what ran. An empty table and why, where R is missing."""
    folder = Path(out_dir) / "mixed_model"
    if not mixed_model.available():
        return pd.DataFrame(), f"The mixed model did not run: {mixed_model.HOW_TO_GET_R}."
    settings = {"arms": profile.survey.arms, **profile.analysis.model_dump(exclude={"n_bootstrap"})}
    with Stage(folder, settings, [ratings_file], __name__) as stage:
        if not stage.done:
            images = images_only(read_ratings(ratings_file, profile), profile.survey.arms)
            effects, version = mixed_model.fit(images, profile.analysis.confidence)
            write_table(folder / "effects.parquet", effects.assign(version=version))
    effects = pd.read_parquet(folder / "effects.parquet")
    return effects.drop(columns="version"), f"The mixed model ran in {effects['version'].iloc[0]}."
