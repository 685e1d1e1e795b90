"""Raters of a study that runs: who takes part now, and adding, replacing and withdrawing one.

In: a built survey and its answers' database. Out: orders of all raters, and rows in that database, which a server that
runs follows at once; ``links.csv`` anew. A rater keeps their name, link and order for ever; a new one gets the next
number. Ignored: answers.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.records.stage import read_table
from c2i_lib.stages.survey.build import order_of
from c2i_lib.stages.survey.responses import responses_folder
from c2i_lib.stages.survey.web.backups import DATABASE, refuse_lost_answers
from c2i_lib.stages.survey.web.database import read
from c2i_lib.stages.survey.web.store import Responses

_ORDER = ["rater", "survey", "position", "item_id"]


def read_orders(survey_dir: Path) -> pd.DataFrame:
    """``rater, survey, position, item_id`` of all who take part: as built, with those added and without those withdrawn
    since."""
    orders, database = read_table(Path(survey_dir) / "orders.parquet"), responses_folder(survey_dir) / DATABASE
    if not database.is_file():
        return orders
    added = read(database, "SELECT rater, survey, position, item_id FROM orders ORDER BY rater, position", needs=3)
    gone = [rater for (rater,) in read(database, "SELECT rater FROM raters WHERE withdrawn_at IS NOT NULL", needs=3)]
    together = pd.concat([orders, pd.DataFrame(added, columns=_ORDER).astype(orders.dtypes)], ignore_index=True)
    return together[~together["rater"].isin(gone)].reset_index(drop=True)


def write_links(folder: Path, rows: list[tuple[str, str, str]], entry: str | None = None) -> None:
    """Write ``links.csv``: rater, surveys and personal link of each; the ``entry`` link, if any, is for "anyone"."""
    rows = [*rows, *([("anyone", "the next free place", entry)] if entry else [])]
    with atomic_path(Path(folder) / "links.csv") as temporary:
        pd.DataFrame(rows, columns=["rater", "surveys", "link"]).to_csv(temporary, index=False)


class Raters:
    """The raters of the survey in ``survey_dir``, to be changed; a context, because it opens the answers' database.

    Raises ``C2IError`` where the survey is not built, or where its answers are lost.
    """

    def __init__(self, survey_dir: Path, seed: int):
        self.survey_dir, self.seed, self.folder = Path(survey_dir), seed, responses_folder(survey_dir)
        self.items = read_table(self.survey_dir / "items.parquet")
        self.built = read_table(self.survey_dir / "orders.parquet")
        refuse_lost_answers(self.folder)
        self.responses = Responses(self.folder / DATABASE)
        self.responses.add_raters(self.built["rater"].unique())

    def __enter__(self) -> Raters:
        return self

    def __exit__(self, *_) -> None:
        self.responses.close()

    def surveys_of(self, rater: str) -> list[str]:
        """The surveys of one who takes part. Raises ``C2IError`` where there is no such rater, or no more."""
        orders = read_orders(self.survey_dir)
        if rater not in set(orders["rater"]):
            known = ", ".join(orders["rater"].unique())
            raise C2IError(f"no rater {rater!r} takes part: expected one of {known}")
        return orders.loc[orders["rater"] == rater, "survey"].drop_duplicates().tolist()

    def add(self, surveys: list[str], replaces: str | None = None) -> str:
        """Add a rater of ``surveys``; returns their name. Raises ``C2IError`` for a survey that is not there."""
        known = sorted(self.items["survey"].unique())
        if not surveys and len(known) == 1:
            surveys = known
        if not surveys or set(surveys) - set(known):
            raise C2IError(f"say which surveys the rater takes: --survey with {', '.join(known)}; found {surveys}")
        numbers = [re.fullmatch(r"rater_(\d+)", name) for name in self.responses.raters()]
        rater = f"rater_{max((int(number[1]) for number in numbers if number), default=0) + 1}"
        order = order_of(self.items, rater, surveys, self.seed)
        self.responses.insert_rater(rater, order[_ORDER[1:]].itertuples(index=False, name=None), replaces)
        return rater

    def withdraw(self, rater: str, leave_out: bool = False) -> None:
        """End a rater's part. What they answered stays and counts, unless ``leave_out``."""
        self.surveys_of(rater)
        self.responses.withdraw(rater, leave_out)

    def replace(self, rater: str, leave_out: bool = False) -> str:
        """Withdraw a rater and add another of the same surveys; returns the new name."""
        new = self.add(self.surveys_of(rater), replaces=rater)
        self.responses.withdraw(rater, leave_out)
        return new

    def update_links(self) -> dict[str, str]:
        """Write ``links.csv`` anew, with the address that is in it. Returns rater → link; empty where the survey was
        never served, because its address is not known then."""
        path = self.folder / "links.csv"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        address, entry = (re.search(rf"(https?://[^\s,\"]*)/{name}/[\w-]*", text) for name in ("r", "join"))
        if address is None:
            return {}
        surveys = read_orders(self.survey_dir).groupby("rater", sort=False)["survey"].unique()
        links = {rater: f"{address[1]}/r/{self.responses.raters()[rater][0]}" for rater in surveys.index}
        rows = [(rater, ", ".join(surveys[rater]), link) for rater, link in links.items()]
        write_links(self.folder, rows, entry[0] if entry else None)
        return links
