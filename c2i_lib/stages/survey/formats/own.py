"""c2i's own CSV of answers, one row per answer.

In and out: ``rater, item_id, question, rating, answered_at, comment``; what is written is read back exactly. A rating
that a rater could not give is "cannot judge". Ignored: other columns, with a note.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS, GivenAnswer, build_answers, parse_iso
from c2i_lib.stages.survey.formats.csv_files import csv_text, read_rows, unguard_formula

REQUIRED = ("rater", "item_id", "question", "rating")


def answers_csv(answers: pd.DataFrame) -> str:
    """An answers table as CSV that ``read_answers_csv`` gives back. Nothing in it runs in a spreadsheet."""
    ratings = [CANNOT_JUDGE if pd.isna(rating) else f"{rating:g}" for rating in answers["rating"]]
    return csv_text([COLUMNS, *answers.assign(rating=ratings)[COLUMNS].itertuples(index=False)])


def table_csv(table: pd.DataFrame) -> str:
    """Any table as CSV, in which nothing runs in a spreadsheet either; what is missing is an empty cell."""
    cells = table.astype(object).where(table.notna(), "")
    return csv_text([table.columns, *cells.itertuples(index=False)])


def write_answers_csv(path: Path, answers: pd.DataFrame) -> None:
    """Write ``answers_csv`` into a file."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(answers_csv(answers), encoding="utf-8", newline="")


def read_answers_csv(path: Path, items: pd.DataFrame, settings: Survey) -> pd.DataFrame:
    """Answers from c2i's own CSV; ``answered_at`` and ``comment`` may be left out.

    Raises ``C2IError`` with line and column of everything that is wrong.
    """
    header, *rows = read_rows(path)
    names = [name.strip() for name in header.cells]
    if missing := [name for name in REQUIRED if name not in names]:
        raise C2IError(f"{path}, line 1: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if twice := sorted({name for name in names if name in COLUMNS and names.count(name) > 1}):
        raise C2IError(f"{path}, line 1: column {', '.join(twice)} is there twice; remove one of them")
    given, problems = [], []
    for row in rows:
        cell = {name: unguard_formula(text) for name, text in zip(names, row.cells, strict=True)}
        where = f"line {row.line}"
        moment = cell.get("answered_at", "")
        if moment and parse_iso(moment) is None:
            problems.append(
                f"{where}, column 'answered_at': expected a time such as 2026-05-20T13:43:01Z or nothing, "
                f"found {moment!r}"
            )
        given.append(
            GivenAnswer(where, *(cell[name] for name in REQUIRED), answered_at=moment, comment=cell.get("comment", ""))
        )
    others = [name for name in names if name not in COLUMNS]
    notes = [f"columns that are not read: {', '.join(others)}"] if others else []
    return build_answers(given, items, settings, path, problems, notes, by_label=False)
