"""c2i's own CSV of answers, one answer a row.

In and out: ``rater, item_id, question, rating, answered_at, comment``; what is written is read back exactly. A rating
that a rater could not give is "cannot judge". Ignored: other columns, with a note.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS, GivenAnswer, build_answers, parse_iso
from c2i_lib.stages.survey.formats.csv_files import read_rows

REQUIRED = ("rater", "item_id", "question", "rating")

# A spreadsheet runs a cell that begins so. Spaces and apostrophes count as well: then taking the apostrophe away again
# is exact, also where a rater typed one.
_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]|'*[\t\r\n]")


def guard_formula(text: str) -> str:
    """Text that no spreadsheet runs as a formula: an apostrophe before what looks like one."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_formula(text: str) -> str:
    """The text that ``guard_formula`` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def write_answers_csv(path: Path, answers: pd.DataFrame) -> None:
    """Write an answers table so that ``read_answers_csv`` gives it back. Nothing in it runs in a spreadsheet."""
    with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in answers[COLUMNS].itertuples(index=False):
            rating = CANNOT_JUDGE if pd.isna(row.rating) else f"{row.rating:g}"
            cells = (row.rater, row.item_id, row.question, rating, row.answered_at, row.comment)
            # No CSV reader takes a NUL, and no rater means one.
            writer.writerow([guard_formula(str(cell).replace("\0", "")) for cell in cells])


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
