"""A table of ratings → every table of the analysis.

In: a table of ratings (``reading.py``). Out: every table of stage 07 that ratings alone give, and judges against people
where the table has judges' scores; notebook 09 makes figures and tables for a paper of them. Ignored: how pictures came
about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.real_ratings.reading import RatedTable, read_rated_table
from c2i_lib.records.files import write_table
from c2i_lib.stages.analysis import tables_of_ratings
from c2i_lib.statistics import effects
from c2i_lib.statistics.agreement.raters import rater_table
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.validity import judge_validity

_OF_A_SURVEY = ("cannot_judge", "same", "checks_passed")  # columns about raters that only our own surveys fill


@dataclass(frozen=True)
class RatedStudy:
    """A table of ratings that is to be analysed: ``figures`` is the folder of all that is written, ``label`` stands
    below every figure and in every caption, ``raters`` says whom ratings speak for, a key of ``effects.ESTIMANDS``."""

    table: RatedTable
    figures: Path
    label: str
    resampling: Resampling
    raters: str = effects.POPULATION

    @property
    def questions(self) -> list[str]:
        """What was asked, in the order of the columns."""
        return list(dict.fromkeys(self.table.ratings["question"]))


def open_table(
    ratings_file: str | Path,
    columns: Mapping[str, str],
    scale: str = "",
    out_dir: str | Path = "",
    resampling: Resampling | None = None,
    raters: str = effects.POPULATION,
) -> RatedStudy:
    """Read a table of ratings (``reading.read_rated_table``). ``out_dir``: where figures go, empty:
    ``analysis/<name of the file>`` in the current folder. Raises ``C2IError``."""
    if not ratings_file:
        raise C2IError(
            "no table of ratings is named: give ratings_file in the notebook's first code cell, or run "
            "python -m c2i_lib analyse FILE"
        )
    path = Path(ratings_file)
    folder = Path(out_dir or Path("analysis") / path.stem)
    if folder.exists() and not folder.is_dir():
        raise C2IError(f"--out should be a folder, but {folder} is a file: give another name")
    table = read_rated_table(path, columns, scale)
    if raters not in effects.ESTIMANDS:
        raise C2IError(f"ratings speak for one of {', '.join(effects.ESTIMANDS)}, not for {raters!r}")
    return RatedStudy(table, folder, path.name, resampling or Resampling(), raters)


def analyse(study: RatedStudy) -> dict[str, pd.DataFrame]:
    """All tables, ``{name: table}``, also as Parquet in ``tables/`` of the study's folder.

    Those of ``stages.analysis.tables_of_ratings``, ``raters``, and with judges' scores ``validity``.
    """
    table = study.table
    results = tables_of_ratings(table.ratings, table.points, study.resampling, study.raters)
    raters = rater_table(table.ratings, None, study.questions, table.points)
    results["raters"] = raters.drop(columns=list(_OF_A_SURVEY))
    if len(table.scores):
        results["validity"] = judge_validity(table.ratings, table.scores, study.resampling)
    for name, result in results.items():
        write_table(study.figures / "tables" / f"{name}.parquet", result)
    return results


def verdict(study: RatedStudy) -> list[str]:
    """Differences between arms in words, from the tables that ``analyse`` wrote; nothing of one arm."""
    comparison = pd.read_parquet(study.figures / "tables" / "comparison.parquet")
    return effects.describe(comparison, study.resampling.confidence, study.raters)


def describe(study: RatedStudy) -> list[str]:
    """What was rated, by whom and how much of it, a sentence each: the start of a section on methods."""
    ratings, points = study.table.ratings, study.table.points
    per_image = ratings.groupby(["question", "image_id"])["rater"].nunique()
    counts = f"{per_image.min()}" if per_image.min() == per_image.max() else f"{per_image.min()} to {per_image.max()}"
    names = [ratings[name].nunique() for name in ("image_id", "concept", "rater")]
    arms = list(dict.fromkeys(ratings["arm"]))
    lines = [
        f"{len(ratings):,} ratings of {names[0]:,} pictures of {names[1]:,} concepts in {len(arms)} arms "
        f"({', '.join(arms)}), by {names[2]:,} raters, {counts} of them a picture.",
        f"Asked: {', '.join(study.questions)}, on a scale from {points[0]} to {points[-1]}.",
        f"Intervals: {study.resampling.confidence:.0%} {effects.ESTIMANDS[study.raters]}; those over concepts, as "
        f"of agreement, are from {study.resampling.n_bootstrap:,} resamples (seed {study.resampling.seed}).",
    ]
    return lines + [f"Note: {note}." for note in study.table.notes]
