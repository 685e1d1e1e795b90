"""Training as it is served: a rater answers an item and is told what was expected, and why.

In: ``06_survey/{training.parquet,training/}`` and a rater's answers. Out: the items for their page, and ``training`` in
the database (``store.py``), apart from the ratings. What is expected leaves the server only after the answer. Ignored:
who may ask (``server.py``), and items of a survey that was built before c2i had training: it has none.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.records.stage import read_table
from c2i_lib.stages.survey.web.store import Responses
from c2i_lib.study import QUESTIONS


class Training:
    """The training items of the survey in ``survey_dir``, and who has answered which.

    Raises ``C2IError`` when the table is damaged or a picture is missing.
    """

    def __init__(self, survey_dir: Path, responses: Responses):
        self._folder, self._responses = Path(survey_dir) / "training", responses
        path = Path(survey_dir) / "training.parquet"
        rows = read_table(path).to_dict("records") if path.is_file() else []
        self.items = {row["item_id"]: row for row in rows}
        if lost := [item_id for item_id in self.items if not self.picture_path(item_id).is_file()]:
            raise C2IError(f"{self._folder} has no picture of training item {lost[0]}: run notebook 06 again")

    def picture_path(self, item_id: str) -> Path:
        return self._folder / f"{item_id}.png"

    def _expected(self, item_id: str) -> dict[str, list[int] | None]:
        """Question → the lowest and the highest expected answer; None: any."""
        ends = {name: [self.items[item_id][f"{end}_{name}"] for end in ("low", "high")] for name in QUESTIONS}
        return {name: None if pd.isna(low) else [int(low), int(high)] for name, (low, high) in ends.items()}

    def _told(self, item_id: str, answers: dict[str, int | None]) -> dict:
        """An item for the page: with what was expected, and why, once it is answered."""
        item = {"item_id": item_id, "concept": self.items[item_id]["concept"], "answers": answers}
        feedback = {"expected": self._expected(item_id), "feedback": self.items[item_id]["feedback"]}
        return item | (feedback if answers else {})

    def of(self, rater: str) -> list[dict]:
        """All items for the page of ``rater``, in the order shown."""
        answers = self._responses.trained(rater)
        return [self._told(item_id, answers.get(item_id, {})) for item_id in self.items]

    def answer(self, rater: str, item_id: str, ratings: dict[str, int | None], seen_ms: int | None) -> dict:
        """Store answers to all questions of an item, unless there are some. Returns the item with what was expected."""
        given = {}
        for name, expected in self._expected(item_id).items():
            rating = ratings[name]
            given[name] = (rating, expected is None or (rating is not None and expected[0] <= rating <= expected[1]))
        self._responses.train(rater, item_id, given, seen_ms)
        return self._told(item_id, self._responses.trained(rater)[item_id])
