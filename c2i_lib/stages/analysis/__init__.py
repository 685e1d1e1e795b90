"""Stage 07: ratings → the tables behind every figure of the survey.

In: ``ratings.parquet`` and ``items.parquet``, and judges' scores where people rated. Out, in ``07_analysis/``:
``table1``, ``comparison``, ``differences``, ``agreement``, ``raters``, ``variance`` and ``power`` ``.parquet``,
``validity`` where people rated, and ``exclusions`` and ``exclusion_means`` where the profile declares rules for leaving
raters out, each with the columns of ``columns`` below. Ignored: comments of raters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from c2i_lib.config.analysis import Analysis
from c2i_lib.config.judges import Judges
from c2i_lib.config.survey import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.statistics import mixed_model
from c2i_lib.statistics.agreement import AGREEMENT_COLUMNS, agreement_table
from c2i_lib.statistics.agreement.raters import rater_columns, rater_table
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.claims import CLAIM_COLUMNS, Claims
from c2i_lib.statistics.effects import (
    COMPARISON_COLUMNS,
    DIFFERENCES_COLUMNS,
    TABLE1_COLUMNS,
    compare_arms,
    concept_differences,
    in_order,
    table1,
)
from c2i_lib.statistics.exclusions import EXCLUSIONS_COLUMNS, Rules, find_broken_rules
from c2i_lib.statistics.power import POWER_COLUMNS, power_table
from c2i_lib.statistics.simulation import Design
from c2i_lib.statistics.validity import VALIDITY_COLUMNS, judge_validity
from c2i_lib.statistics.variance import VARIANCE_COLUMNS, decompose
from c2i_lib.study import ITEM_SHARE, PAPER_SCALES, QUESTIONS

EXCLUSION_MEANS_COLUMNS = {"question": "str", "arm": "str", "n_all": "int64", "mean_all": "float64"}
EXCLUSION_MEANS_COLUMNS |= {"n": "int64", "mean": "float64"}
POWER_CONCEPTS = (5, 10, 15, 20, 30, 50, 75, 100)
POWER_EFFECTS = (0.15, 0.3, 0.5)  # points; the paper's gains are .15 and .23, its loss .30
MIXED_MODEL_COLUMNS = {**mixed_model.EFFECTS_COLUMNS, "version": "str"}


def columns(scale_points: int) -> dict[str, dict[str, str]]:
    """The columns of every table of ratings on a scale of so many points: name of the table → column → dtype."""
    tables = {
        "table1": TABLE1_COLUMNS,
        "comparison": COMPARISON_COLUMNS | CLAIM_COLUMNS,
        "differences": {**DIFFERENCES_COLUMNS, "arm": "str", "baseline": "str"},
        "agreement": AGREEMENT_COLUMNS,
        "raters": rater_columns(range(1, scale_points + 1)),
        "variance": VARIANCE_COLUMNS,
        "power": {**POWER_COLUMNS, "question": "str"},
        "validity": VALIDITY_COLUMNS,
        "exclusions": EXCLUSIONS_COLUMNS,
        "exclusion_means": EXCLUSION_MEANS_COLUMNS,
    }
    return {name: {**own, "simulated": "bool"} for name, own in tables.items()}


def read_ratings(ratings_file: Path, simulate_raters: bool, left_out_raters: Sequence[str] = ()) -> pd.DataFrame:
    """Ratings of all items without the raters that are left out.

    Raises ``C2IError`` when there are none yet, when simulated and human ratings are mixed, when they are simulated
    although the run takes people's only (``simulate_raters`` is false), and when a rater to be left out is not there.
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
    if ratings["simulated"].any() and not simulate_raters:
        raise C2IError(
            f"{ratings_file} is of simulated raters, and this run takes people's only (survey.simulate_raters is "
            "false): collect their answers, or set it to true"
        )
    unknown = set(left_out_raters) - set(ratings["rater"])
    if unknown:
        raise C2IError(
            f"analysis.left_out_raters names {sorted(unknown)}, but the raters are {sorted(ratings['rater'].unique())}"
        )
    return ratings[~ratings["rater"].isin(left_out_raters)].reset_index(drop=True)


def find_left_out(ratings_file: Path, items_file: Path, survey: Survey, analysis: Analysis) -> tuple[str, ...]:
    """The raters who do not count: those that ``analysis.left_out_raters`` names, and those who broke a rule of
    ``survey.exclusions``. Raises ``C2IError`` as ``read_ratings`` does, and where the rules leave nobody."""
    rules = Rules(**survey.exclusions.model_dump())
    if not rules.declared:
        return analysis.left_out_raters
    ratings = read_ratings(ratings_file, survey.simulate_raters, analysis.left_out_raters)
    table = find_broken_rules(ratings, read_table(items_file), rules)
    excluded = table.loc[table["broken"] != "", "rater"]
    if len(excluded) == len(table):
        raise C2IError(
            f"the rules of survey.exclusions leave none of {len(table)} raters ({excluded.iloc[0]}: "
            f"{table['broken'].iloc[0]}): collect more answers, or say why you change the rules, and change them"
        )
    return (*analysis.left_out_raters, *excluded)


def _exclusions(
    ratings: pd.DataFrame, items: pd.DataFrame, survey: Survey, resampling: Resampling, raters: str
) -> dict[str, pd.DataFrame]:
    """Who of all raters broke which rule, and the means of Table 1 of all ratings beside those without them."""
    broken = find_broken_rules(ratings, items, Rules(**survey.exclusions.model_dump()))
    kept = ratings[ratings["rater"].isin(broken.loc[broken["broken"] == "", "rater"])]
    names = ["question", "arm", "n", "mean"]
    every, rest = (table1(images_only(part, survey.arms), resampling, raters)[names] for part in (ratings, kept))
    means = every.merge(rest, on=names[:2], how="left", suffixes=("_all", "")).fillna({"n": 0})
    return {"exclusions": broken, "exclusion_means": means}


def images_only(ratings: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Ratings of images, one row per rater and question: no repeats, no checks, nothing that could not be judged.

    Raises ``C2IError`` for answers to pairs, which are no ratings.
    """
    if (ratings["kind"] == "pair").any():
        raise C2IError(
            "this survey shows pairs (survey.mode pairwise), and these tables are of ratings: to compare its arms, "
            "python -m c2i_lib survey compare; the run goes on with --from 8"
        )
    return in_order(ratings[ratings["kind"] == "image"].dropna(subset=["rating"]), arms)


def describe_ratings(ratings: pd.DataFrame) -> str:
    """How many answers of how many raters these are, and up to when, in one line.

    ``answered_at`` is empty for simulated raters, and for answers of tools that do not tell.
    """
    # Sources differ in how they write a time, so that the text that sorts last need not be the last answer.
    times = pd.to_datetime(ratings["answered_at"], format="ISO8601", utc=True, errors="coerce").dropna()
    last = f", the last of {times.max():%Y-%m-%d %H:%M} UTC" if len(times) else ""
    who = "simulated raters" if ratings["simulated"].any() else "raters"
    return f"{len(ratings)} answers of {ratings['rater'].nunique()} {who}{last}"


def _power(survey: Survey, n_per_concept: int, seed: int, raters: str) -> pd.DataFrame:
    """Power of studies with more or fewer concepts, by raters as the paper's, from its base arm."""
    designs = [Design(n, n_per_concept, survey.raters_per_survey) for n in POWER_CONCEPTS]
    parts = [
        power_table(
            designs, POWER_EFFECTS, PAPER_SCALES[question][0], ITEM_SHARE[question], seed=seed, raters=raters
        ).assign(question=question)
        for question in QUESTIONS
    ]
    return pd.concat(parts, ignore_index=True)


def claims_of(analysis: Analysis) -> Claims:
    """What a profile sets out to show, as statistics take it."""
    primary = tuple((contrast.question, contrast.arm, contrast.baseline) for contrast in analysis.primary)
    return Claims(primary, {question: points for question, points in analysis.margin if points is not None})


def _all_tables(
    ratings: pd.DataFrame,
    items: pd.DataFrame,
    survey: Survey,
    n_per_concept: int,
    resampling: Resampling,
    analysis: Analysis,
) -> dict[str, pd.DataFrame]:
    images, points, raters = images_only(ratings, survey.arms), range(1, survey.scale_points + 1), analysis.raters
    return tables_of_ratings(images, points, resampling, raters, claims_of(analysis)) | {
        "raters": rater_table(ratings, items, QUESTIONS, points),
        "power": _power(survey, n_per_concept, resampling.seed, raters),
    }


def tables_of_ratings(
    images: pd.DataFrame, points: Sequence[int], resampling: Resampling, raters: str, claims: Claims | None = None
) -> dict[str, pd.DataFrame]:
    """The tables that ratings of images alone give, of any study: ``table1``, ``comparison``, ``differences``,
    ``agreement`` and ``variance``.

    ``points``: all points of the scale; ``raters``: whom ratings speak for; with ``claims``, ``comparison`` has
    ``CLAIM_COLUMNS``, too. With one arm nothing is compared.
    """
    steps = {
        "table1": lambda: table1(images, resampling, raters),
        "comparison": lambda: compare_arms(images, "rating", resampling, raters, claims),
        "differences": lambda: _differences(images),
        "agreement": lambda: agreement_table(images, points, resampling),
        "variance": lambda: decompose(images),
    }
    return {name: step() for name, step in tqdm(steps.items(), desc="statistics", unit="table", delay=2)}


def _differences(images: pd.DataFrame) -> pd.DataFrame:
    """``concept_differences`` of all pairs of arms, with ``arm, baseline``."""
    pairs = combinations(dict.fromkeys(images["arm"]), 2)
    parts = [pd.DataFrame(columns=[*DIFFERENCES_COLUMNS, "arm", "baseline"])]
    parts += [concept_differences(images, arm, base).assign(arm=arm, baseline=base) for base, arm in pairs]
    return pd.concat(parts[1:] or parts, ignore_index=True)


def analyse_ratings(
    ratings_file: Path,
    items_file: Path,
    out_dir: Path,
    survey: Survey,
    n_per_concept: int,
    resampling: Resampling,
    analysis: Analysis,
    judges: Judges | None = None,
    scores_file: Path | None = None,
    others_file: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables of the survey: ``{name: table}``, with the columns of ``columns``.

    ``n_per_concept``: images of a concept and arm; ``analysis``: whom ratings speak for, whom to leave out, and what
    the study sets out to show. With ``judges``, their ``scores_file`` and ratings of people, ``validity`` compares the
    two, also the further judges of ``others_file``. Raises ``C2IError`` as ``read_ratings`` does, and where a primary
    contrast has no ratings.
    """
    folder = Path(out_dir)
    key = {**analysis.model_dump(), **asdict(resampling)}
    key |= {"scale_points": survey.scale_points, "raters_per_survey": survey.raters_per_survey}
    key |= {"n_per_concept": n_per_concept, "exclusions": survey.exclusions.model_dump()}
    inputs = [ratings_file, items_file, *(file for file in (scores_file, others_file) if file)]
    with Stage(folder, key, inputs, __name__) as stage:
        if not stage.done:
            left_out = find_left_out(ratings_file, items_file, survey, analysis)
            ratings = read_ratings(ratings_file, survey.simulate_raters, left_out)
            items = read_table(items_file)
            results = _all_tables(ratings, items, survey, n_per_concept, resampling, analysis)
            simulated = bool(ratings["simulated"].any())
            if judges and scores_file and not simulated:
                others = read_table(others_file) if others_file else None
                judged = _judged(read_table(scores_file), others, judges)
                results["validity"] = judge_validity(ratings, judged, resampling)
            if Rules(**survey.exclusions.model_dump()).declared:
                every = read_ratings(ratings_file, survey.simulate_raters, analysis.left_out_raters)
                results |= _exclusions(every, items, survey, resampling, analysis.raters)
            for name, table in results.items():
                table = table.assign(simulated=simulated)
                write_table(folder / f"{name}.parquet", table, columns(survey.scale_points)[name])
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def _judged(scores: pd.DataFrame, others: pd.DataFrame | None, judges: Judges) -> pd.DataFrame:
    """Scores for ``judge_validity``. A reporting judge, called by its kind, is compared with the ratings of its own
    question, a further one with both."""
    parts = [
        scores[["image_id"]].assign(judge=getattr(judges, question).kind, question=question, score=scores[question])
        for question in QUESTIONS
    ]
    parts += [others.assign(question=question) for question in QUESTIONS] if others is not None else []
    return pd.concat(parts, ignore_index=True)


def fit_mixed_model(
    ratings_file: Path, out_dir: Path, survey: Survey, confidence: float, left_out_raters: Sequence[str] = ()
) -> tuple[pd.DataFrame, str]:
    """The ordinal mixed model of R's clmm: its effects, and what ran. An empty table and why, where R is missing."""
    folder = Path(out_dir) / "mixed_model"
    if not mixed_model.available():
        return pd.DataFrame(), f"The mixed model did not run: {mixed_model.HOW_TO_GET_R}."
    key = {"arms": survey.arms, "confidence": confidence, "left_out_raters": left_out_raters}
    with Stage(folder, key, [ratings_file], __name__) as stage:
        if not stage.done:
            ratings = read_ratings(ratings_file, survey.simulate_raters, left_out_raters)
            effects, version = mixed_model.fit(images_only(ratings, survey.arms), confidence)
            write_table(folder / "effects.parquet", effects.assign(version=version), MIXED_MODEL_COLUMNS)
    effects = pd.read_parquet(folder / "effects.parquet")
    return effects.drop(columns="version"), f"The mixed model ran in {effects['version'].iloc[0]}."
