"""Stage 07 of a survey with pairs: answers → strengths of arms and comparisons of all pairs of arms.

In: ``ratings.parquet`` and ``pairs.parquet`` of stage 06. Out, in ``07_analysis/pairs/``: ``answers``, ``strengths``
and ``contrasts`` ``.parquet``, with the columns of ``COLUMNS``. Ignored: comments, and answers "cannot judge".
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config.analysis import Analysis
from c2i_lib.config.survey import Survey
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, read_table
from c2i_lib.stages.analysis import claims_of, find_left_out, read_ratings
from c2i_lib.statistics.claims import CLAIM_COLUMNS
from c2i_lib.statistics.pairwise import (
    CONTRASTS_COLUMNS,
    PAIRS_COLUMNS,
    STRENGTHS_COLUMNS,
    compare_pairs,
    pairs_of_ratings,
)

COLUMNS = {"answers": PAIRS_COLUMNS, "strengths": STRENGTHS_COLUMNS, "contrasts": CONTRASTS_COLUMNS | CLAIM_COLUMNS}


def analyse_pairs(survey_dir: Path, out_dir: Path, survey: Survey, analysis: Analysis) -> dict[str, pd.DataFrame]:
    """The tables of ``COLUMNS``. ``survey_dir``: of stage 06, whose ratings are collected; ``out_dir``: of stage 07.

    Raises ``C2IError`` as ``read_ratings`` and ``compare_pairs`` do.
    """
    files = [Path(survey_dir) / name for name in ("ratings/ratings.parquet", "items.parquet", "pairs.parquet")]
    key = {**analysis.model_dump(), "arms": survey.arms, "exclusions": survey.exclusions.model_dump()}
    folder = Path(out_dir) / "pairs"
    with Stage(folder, key, files, __name__) as stage:
        if not stage.done:
            left_out = find_left_out(*files[:2], survey, analysis)
            ratings = read_ratings(files[0], survey.simulate_raters, left_out)
            tables = {"answers": pairs_of_ratings(ratings, read_table(files[2]))}
            compared = compare_pairs(
                tables["answers"], list(survey.arms), analysis.confidence, analysis.raters, claims_of(analysis)
            )
            tables |= zip(("strengths", "contrasts"), compared, strict=True)
            for name, columns in COLUMNS.items():
                write_table(folder / f"{name}.parquet", tables[name], columns)
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in COLUMNS}
