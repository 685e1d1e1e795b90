"""Ratings: simulated from judges' scores, or read from the sheets that people filled.

In: ``items.parquet`` and either scores or sheets. Out: ``ratings.parquet`` (``survey, rater, image_id, arm,
concept, question, rating, answered_at, simulated``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from c2i_lib.config import Profile, Survey
from c2i_lib.errors import C2IError
from c2i_lib.files import atomic_path, write_table
from c2i_lib.stage import Stage, read_table
from c2i_lib.survey.build import QUESTIONS, build_surveys

SCORE_WEIGHT = 0.8  # share of a simulated rating's variance that the judge's score explains
RATER_WEIGHT = 0.05  # share that is the rater's own severity; the rest is noise
COLUMNS = ["survey", "rater", "image_id", "arm", "concept", "question", "rating", "answered_at", "simulated"]


def simulate_ratings(items: pd.DataFrame, scores: pd.DataFrame, settings: Survey, seed: int) -> pd.DataFrame:
    """Simulated raters. A rating is a cut of √w·z + √r·R + √(1−w−r)·ε, where z is the judge's score as a
    normal quantile of its rank, R the rater's severity and ε noise; the cuts make all points equally likely.
    """
    from scipy.stats import norm, rankdata

    random = np.random.default_rng(seed)
    cuts = norm.ppf(np.arange(1, settings.scale_points) / settings.scale_points)
    score_of = scores.set_index("image_id")
    parts = []
    for question in QUESTIONS:
        quantile = norm.ppf((rankdata(score_of[question]) - 0.5) / len(score_of))
        z_of = pd.Series(quantile, index=score_of.index)
        for survey, group in items.groupby("survey", sort=True):
            for rater in range(1, settings.raters_per_survey + 1):
                latent = np.sqrt(SCORE_WEIGHT) * z_of.loc[group["image_id"]].to_numpy()
                latent = latent + np.sqrt(RATER_WEIGHT) * random.normal()
                latent = latent + np.sqrt(1 - SCORE_WEIGHT - RATER_WEIGHT) * random.normal(size=len(group))
                part = group[["survey", "image_id", "arm", "concept"]].copy()
                part["rater"] = f"simulated-{survey}-{rater}"
                part["question"], part["rating"] = question, 1 + np.searchsorted(cuts, latent)
                parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(answered_at="", simulated=True)[COLUMNS]


def read_sheets(sheets: Iterable[Path], items: pd.DataFrame, scale_points: int) -> pd.DataFrame:
    """Ratings from filled sheets with the columns of ``sheet.csv``. The rater is the file's name up to its
    first dot, so ``anna.survey_1.csv`` and ``anna.survey_2.csv`` are one rater's.

    Raises ``C2IError`` that names the file and row of an unknown item or a rating that is missing or off the
    scale.
    """
    sheets = [Path(sheet) for sheet in sheets]
    _check_present(sheets)
    known = items.set_index("item_id")
    rows, seen = [], set()
    for path in sheets:
        sheet = pd.read_csv(path, dtype={"item_id": str})
        missing = {"item_id", *QUESTIONS} - set(sheet.columns)
        if missing:
            raise C2IError(f"{path} has no column {sorted(missing)}: it must have the columns of sheet.csv")
        for line, row in enumerate(sheet.itertuples(), start=2):
            if row.item_id not in known.index:
                raise C2IError(f"{path}, line {line}: item_id {row.item_id!r} is in no survey of this run")
            rater = path.name.split(".")[0]
            if (rater, row.item_id) in seen:
                raise C2IError(f"{path}, line {line}: rater {rater!r} has already rated item {row.item_id}")
            seen.add((rater, row.item_id))
            item = known.loc[row.item_id]
            for question in QUESTIONS:
                rating = getattr(row, question)
                if rating not in range(1, scale_points + 1):
                    raise C2IError(f"{path}, line {line}: {question} should be 1 to {scale_points}, found {rating!r}")
                rows.append(
                    (item.survey, path.name.split(".")[0], item.image_id, item.arm, item.concept, question, int(rating))
                )
    return pd.DataFrame(rows, columns=COLUMNS[:7]).assign(answered_at="", simulated=False)


def _check_present(sheets: Iterable[Path]) -> None:
    for sheet in sheets:
        if not sheet.is_file():
            raise C2IError(f"ratings file {sheet} does not exist: give the sheets that the raters filled")


def sheets_folder(survey_dir: Path) -> Path:
    """Where imported sheets are kept: beside the stage's folder, because they are data and not output."""
    return Path(survey_dir).parent / "06_sheets"


def import_sheets(sheets: Iterable[Path], survey_dir: Path, profile: Profile) -> pd.DataFrame:
    """Check filled sheets and keep copies in ``06_sheets/``, which the next run reads. Returns their ratings."""
    if profile.survey.simulate_raters:
        raise C2IError(
            "this run simulates its raters (survey.simulate_raters is true), so it takes no sheets: "
            "make a run with -p survey.simulate_raters=false"
        )
    sheets, folder = [Path(sheet) for sheet in sheets], sheets_folder(survey_dir)
    _check_present(sheets)
    contents = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    for sheet in sheets:
        if sheet.name == "sheet.csv":
            raise C2IError(f"rename {sheet} to its rater's name, such as anna.csv, and import it again")
        if contents.setdefault(sheet.name, sheet.read_bytes()) != sheet.read_bytes():
            raise C2IError(
                f"{sheet.name} exists with other ratings in {folder}: rename {sheet}, such as anna.survey_2.csv"
            )
    together = {path.name: path for path in [*folder.glob("*.csv"), *sheets]}
    items = read_table(Path(survey_dir) / "items.parquet")
    ratings = read_sheets(together.values(), items, profile.survey.scale_points)
    for sheet in sheets:
        with atomic_path(folder / sheet.name) as temporary:
            temporary.write_bytes(sheet.read_bytes())
    return ratings


def collect_ratings(
    images_file: Path, out_dir: Path, profile: Profile, scores_file: Path | None = None, sheets: Iterable[Path] = ()
) -> pd.DataFrame:
    """Build the surveys and collect ratings: simulated from ``scores_file``, or read from ``sheets``.

    Without either, the surveys are built and the ratings table is empty: send the sheets to raters.
    """
    folder, sheets = Path(out_dir), [Path(sheet) for sheet in sheets]
    _check_present(sheets)
    if scores_file and sheets:
        raise C2IError("give either scores, to simulate raters, or filled sheets, not both")
    inputs = [images_file, *([scores_file] if scores_file else []), *sheets]
    key = {"seed": profile.seed, **profile.survey.model_dump()}
    with Stage(folder, key, inputs) as stage:
        if not stage.done:
            items = build_surveys(images_file, folder, profile)
            if profile.survey.simulate_raters and scores_file:
                ratings = simulate_ratings(items, read_table(scores_file), profile.survey, profile.seed)
            else:
                ratings = read_sheets(sheets, items, profile.survey.scale_points)
            write_table(folder / "ratings.parquet", ratings)
    return pd.read_parquet(folder / "ratings.parquet")
