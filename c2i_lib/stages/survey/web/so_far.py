"""What the researcher sees of the answers so far: how far raters agree, and who breaks which rule.

In: a built survey, all answers to it (of the app and imported), and the rules in ``survey.exclusions``. Out: numbers
for the researcher's page. Ignored: arms. Nothing here tells how the study will end, so that looking at it while raters
answer tempts nobody to stop early.
"""

from __future__ import annotations

import math
from pathlib import Path
from time import monotonic

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.records.stage import read_table
from c2i_lib.stages.survey.responses import read_tables
from c2i_lib.statistics.agreement import krippendorff_alpha, rating_matrix
from c2i_lib.statistics.exclusions import Rules, find_broken_rules
from c2i_lib.study import QUESTIONS


def agreement_so_far(ratings: pd.DataFrame) -> list[dict]:
    """Per question ``question``, ``n`` (images, or pairs, with ratings of two raters or more) and ``alpha``:
    Krippendorff's, ordinal; None where it is not defined yet. ``ratings``: ``question, rater, kind, image_id, rating``
    of any items, where a pair has its item's id as ``image_id``."""
    rows = []
    for question in QUESTIONS:
        of_images = ratings[(ratings["question"] == question) & ratings["kind"].isin(["image", "pair"])]
        matrix = rating_matrix(of_images)
        matrix = matrix[matrix.notna().sum(axis=1) > 1]
        alpha = krippendorff_alpha(matrix.to_numpy(), "ordinal") if len(matrix) else math.nan
        rows.append({"question": question, "n": len(matrix), "alpha": None if math.isnan(alpha) else alpha})
    return rows


class SoFar:
    """``so_far`` for a page that asks again and again: of many answers it takes seconds, in which raters would wait."""

    def __init__(self, survey_dir: Path, settings: Survey):
        self._of, self._found, self._until = (survey_dir, settings), {}, -math.inf

    def read(self) -> dict:
        """What was found last, or anew where that is long ago: at most a twentieth of the time is spent on it."""
        start = monotonic()
        if start >= self._until:
            self._found = so_far(*self._of)
            end = monotonic()
            self._until = end + 20 * (end - start)
        return self._found


def so_far(survey_dir: Path, settings: Survey) -> dict:
    """``agreement`` (see ``agreement_so_far``), ``declared`` (whether there is any rule for leaving raters out) and
    ``raters``: those of ``find_broken_rules`` as rows, who breaks a rule first."""
    items = read_table(Path(survey_dir) / "items.parquet")
    ratings = read_tables(survey_dir)["answers"].merge(items, on="item_id")
    ratings["image_id"] = ratings["image_id"].fillna(ratings["item_id"])  # of pairs
    rules = Rules(**settings.exclusions.model_dump())
    raters = find_broken_rules(ratings, items, rules)
    raters = raters.sort_values("broken", key=lambda broken: broken == "", kind="stable")
    raters = raters.astype(object).where(raters.notna(), None)
    found = {"agreement": agreement_so_far(ratings), "declared": rules.declared}
    return found | {"raters": raters.to_dict("records")}
