"""A built survey as it is served: who sees which items in which order, and whose token is whose.

In: ``06_survey/{items,orders}.parquet``, ``pictures/`` and the answers (``store.py``). Out: what a rater's page and the
researcher's show, as JSON-ready values. Ignored: HTTP (``server.py``).
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

from fastapi import HTTPException

from c2i_lib.errors import C2IError
from c2i_lib.records.stage import read_table, run_command
from c2i_lib.stages.survey.raters import read_orders
from c2i_lib.stages.survey.web.backups import DATABASE, Backups, refuse_lost_answers
from c2i_lib.stages.survey.web.instructions import Instructions
from c2i_lib.stages.survey.web.store import Kept, Responses
from c2i_lib.stages.survey.web.training import Training
from c2i_lib.study import QUESTIONS

STATIC = Path(__file__).parent / "static"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ServedSurvey:
    """A built survey and its answers: who sees which items in which order, and whose token is whose.

    ``completion``: what a rater who has answered everything is given, as ``url`` and ``code``. ``time_limit``: minutes
    from a rater's consent to the last answer that is taken; None: no limit.

    Raises ``C2IError`` when the survey is not built, a file is damaged, or the answers belong to another survey.
    """

    def __init__(
        self,
        survey_dir: Path,
        texts: dict[str, str],
        instructions: Path,
        completion: dict[str, str | None] | None = None,
        time_limit: int | None = None,
    ):
        folder = Path(survey_dir)
        run_folder = folder.parent
        if not (folder / "orders.parquet").is_file():
            raise C2IError(f"{folder} holds no survey: run notebook 06, or {run_command(run_folder, '--to', '6')}")
        items, orders = read_table(folder / "items.parquet"), read_table(folder / "orders.parquet")
        self.survey_dir, self.pictures = folder, folder / "pictures"
        lost = [name for name in items["item_id"] if not self.picture_path(name).is_file()]
        lost += sorted(set(orders["item_id"]) - set(items["item_id"]))
        if lost:
            raise C2IError(
                f"{folder} has no picture of item {lost[0]} ({len(lost)} are missing): run notebook 06 again"
            )
        # Only ids and concepts: a rater's page cannot tell what is not here.
        self.concepts = items.set_index("item_id")["concept"].fillna("").astype(str).to_dict()
        self.folder = run_folder / "06_responses"
        refuse_lost_answers(self.folder)
        self.responses = Responses(self.folder / DATABASE)
        self.backups = Backups(self.responses.path)
        self._check_same_survey()
        self.responses.add_raters(orders["rater"].unique())
        self.training, self._time_limit = Training(folder, self.responses), time_limit
        self.instructions = Instructions(self.folder / "instructions.md", instructions)
        self.texts, self._completion = texts, completion if completion and any(completion.values()) else None
        self._changes = -1
        self.follow()

    def follow(self) -> None:
        """Take in who was added or withdrawn since (``survey raters``)."""
        changes = self.responses.changes_of_raters
        if changes == self._changes:
            return
        orders = read_orders(self.survey_dir).sort_values("position", kind="stable").groupby("rater", sort=False)
        self.items = {rater: {item: self.concepts[item] for item in own["item_id"]} for rater, own in orders}
        self.surveys = {rater: list(dict.fromkeys(own["survey"])) for rater, own in orders}
        known = self.responses.raters()
        self.tokens = {rater: known[rater][0] for rater in self.items}
        # Looked up by hash, so that the time of a look-up tells nothing about a token.
        self._rater_of = {self._digest(token): rater for rater, token in self.tokens.items()}
        self.withdrawn = {rater: when for rater, (_, when) in known.items() if when}
        self._gone = {self._digest(token): rater for rater, (token, when) in known.items() if when}
        self._changes = changes

    def _check_same_survey(self) -> None:
        for rater in self.responses.raters():
            strange = set(self.responses.answers_of(rater)) - set(self.concepts)
            if strange:
                raise C2IError(
                    f"{self.responses.path} holds {rater}'s answers to {len(strange)} items that are not in this "
                    f"survey: it was built again with other pictures. Move {self.folder} away to start anew"
                )

    @staticmethod
    def _digest(token: str) -> bytes:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

    def picture_path(self, item_id: str) -> Path:
        return self.pictures / f"{item_id}.png"

    def rater(self, token: str, item_id: str | None = None) -> str:
        """Whose token this is. 404 when it is nobody's, or when ``item_id`` is none of this rater's items."""
        self.follow()
        rater = self._rater_of.get(self._digest(token))
        if self._digest(token) in self._gone:
            raise HTTPException(404, self.texts["ended"])
        if rater is None or (item_id is not None and item_id not in self.items.get(rater, {})):
            raise HTTPException(404, self.texts["invalid_text"])
        return rater

    def holder(self, token: str) -> str | None:
        """Whose token this is or was, also when they have withdrawn; None: nobody's."""
        self.follow()
        digest = self._digest(token)
        return self._rater_of.get(digest) or self._gone.get(digest)

    def answers_of(self, rater: str) -> dict:
        """What changes while a rater works, and the time, by which the page numbers its answers."""
        responses = self.responses
        answers, comments = responses.answers_of(rater), responses.comments_of(rater)
        versions = responses.versions_of(rater)
        items = [
            {"item_id": item, "concept": concept, "answers": answers.get(item, {}), "comment": comments.get(item, "")}
            | {"versions": versions.get(item, {})}
            for item, concept in self.items[rater].items()
        ]
        state = {"consented": responses.consented(rater), "closed": responses.closed, "items": items}
        state |= {"training": self.training.of(rater), "seconds_left": self.seconds_left(rater)}
        return state | self.completion_of(rater) | {"now": _now_ms()}

    def seconds_left(self, rater: str) -> float | None:
        """Until a rater's time is over, below 0 afterwards; None: there is no limit, or they have not agreed yet."""
        begun = self.responses.consented_at(rater)
        if self._time_limit is None or begun is None:
            return None
        return 60 * self._time_limit - (datetime.now(UTC) - datetime.fromisoformat(begun)).total_seconds()

    def completion_of(self, rater: str) -> dict:
        """``completion``, once a rater has answered everything: earlier, somebody could read it in the page."""
        asked = len(QUESTIONS) * len(self.items[rater])
        done = self._completion is not None and self.responses.count_answers(rater) >= asked
        return {"completion": self._completion} if done else {}

    def change(self, item_id: str, field: str, kept: Kept) -> dict:
        """The part of ``answers_of`` that one answer or comment has changed, or that is newer than it."""
        value = {"comment": kept.value} if field == "comment" else {"answers": {field: kept.value}}
        return {"item_id": item_id, **value, "versions": {field: kept.version}, "now": _now_ms()}

    def progress(self, base_url: str) -> list[dict]:
        """One row per rater, for the researcher; those who have withdrawn come last and have no link."""
        self.follow()
        given = self.responses.progress()
        rows = [
            {"rater": rater, "surveys": ", ".join(self.surveys[rater]), "link": f"{base_url}/r/{self.tokens[rater]}"}
            | {"total": len(QUESTIONS) * len(items)}
            for rater, items in self.items.items()
        ]
        rows += [
            {"rater": rater, "surveys": "withdrawn", "link": "", "total": given[rater][1]} for rater in self.withdrawn
        ]
        return [row | dict(zip(("consented_at", "answered", "last"), given[row["rater"]], strict=True)) for row in rows]

    def comments(self) -> list[dict]:
        """All comments, with the concept of their item."""
        return [
            {"rater": rater, "concept": self.concepts[item_id], "item_id": item_id, "comment": comment}
            for rater in self.responses.raters()
            for item_id, comment in self.responses.comments_of(rater).items()
            if item_id in self.concepts
        ]
